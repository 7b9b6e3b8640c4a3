"""Lecture 1: Long-term Recurrent Convolutional Networks."""
