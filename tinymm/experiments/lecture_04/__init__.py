"""Lecture 4: Show, Attend and Tell."""
