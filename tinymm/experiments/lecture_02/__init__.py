"""Lecture 2: Show and Tell."""
