"""Task (d) on binarized MNIST."""

from __future__ import annotations

import numpy as np

from ....data import read_binarized_mnist
from .. import draw
from .parts import PARTS, some

MOST = {"lecture": dict(train=50_000, validation=1000, test=1000), "smoke": dict(train=500, validation=50, test=50)}


class BinarizedMNIST(draw.Draw):
    """28 x 28 pixels; the threshold is below independent pixels of these digits."""

    window = dict(side=28, write=5)

    def __init__(self, scale: str, seed: int, data: str, root: str):
        self.data, self.root = data, root
        super().__init__(scale, seed)

    def read(self, scale: str, seed: int) -> dict[str, np.ndarray]:
        found = {}
        for part in PARTS:
            pictures = read_binarized_mnist(self.root, part)
            found[part] = pictures.rows(np.array(some(self.data, part, len(pictures), MOST[scale][part], seed)))
        return found
