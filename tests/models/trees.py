"""Three small sentences with their trees, padded, for the models that read trees."""

import numpy as np

WORDS = np.array([[3, 4, 5], [6, 3, 8], [7, 0, 4], [4, 0, 6], [5, 0, 0]])          # (T, C): 5, 2 and 4 words
HEADS = np.array([[1, 1, -1], [-1, -1, 0], [1, -1, 3], [4, -1, 0], [1, -1, -1]])   # chains, leaves, two children
RELATIONS = np.array([[1, 2, 0], [0, 0, 1], [2, 0, 2], [1, 0, 1], [2, 0, 0]])
LENGTHS = (5, 2, 4)
