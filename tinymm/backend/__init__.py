"""Floor 0: arrays, kernels, threads and random streams. Knows nothing of Tensors."""
