"""Floor 7: the comparison with PyTorch, `python -m tinymm bench`."""
