"""Lecture 7: text-to-image GANs, and StackGAN."""
