"""Lecture 0: automatic differentiation, and how to trust it."""
