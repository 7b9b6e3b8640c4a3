"""Lecture 8: CLIP."""
