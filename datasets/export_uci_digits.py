"""Write uci_digits.npz from scikit-learn's copy of the UCI handwritten digits."""

import pathlib

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
np.savez_compressed(pathlib.Path(__file__).with_name("uci_digits.npz"), images=digits.images.astype(np.uint8),
                    labels=digits.target.astype(np.uint8))
