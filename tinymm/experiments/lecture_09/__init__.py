"""Lecture 9: DALL-E."""
