"""Lecture 3: Deep Visual-Semantic Alignments."""
