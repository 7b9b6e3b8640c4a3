"""Lecture 5: Layer Normalization."""
