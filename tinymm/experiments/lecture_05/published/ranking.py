"""Task (a) on photographs with captions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....backend.random import stream
from ...captioning.parts import Part, photo_parts
from .. import ranking
from .parts import PARTS, some

MOST = {"lecture": dict(train=3000, validation=500, test=1000), "smoke": dict(train=300, validation=50, test=50)}
GRID = 8             # patches a side of a picture, whose mean colours are its features
OF_A_FOLD = 1000     # test pictures, as in the paper


def patches(pictures: np.ndarray) -> np.ndarray:
    """(B, C, H, W) -> mean colours of ``GRID`` x ``GRID`` patches without the picture's mean, of length 1, (B, F) float32.

    They stand in for the features of a network that was trained on other photographs.
    """
    B, C, H, W = pictures.shape
    x = pictures.reshape(B, C, GRID, H // GRID, GRID, W // GRID).mean((3, 5)).reshape(B, -1)
    x = x - x.mean(1, keepdims=True)
    return (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-8)).astype(np.float32)


class Photographs(ranking.Ranking):
    """R@K on photographs with one caption or more each."""

    threshold = float("nan")

    def __init__(self, scale: str, seed: int, data: str, root: str):
        parts, self.captions, self.features = photo_parts(5, data, root, seed), {}, {}
        for part in PARTS:
            rows = some(data, part, len(parts[part]), MOST[scale][part], seed)
            self.captions[part] = [[tuple(words) for words in parts[part].captions[i]] for i in rows]
            self.features[part] = self.described(parts[part], rows)
        words = {w for part in ("train", "validation") for of in self.captions[part] for caption in of for w in caption}
        self.ids = {word: i + 2 for i, word in enumerate(sorted(words))}
        self.train, self.batch = range(len(self.captions["train"])), 128
        self.folds = max(1, len(self.captions["test"]) // OF_A_FOLD)
        self.steps, self.every, self.probe = self.length[scale]

    def drawn(self, captions: Sequence[Sequence]) -> np.ndarray:
        return stream("which caption").generator.integers(0, [len(of) for of in captions])

    def described(self, part: Part, rows: Sequence[int]) -> np.ndarray:
        """Features (N, F) of some pictures, read a few at a time."""
        return np.concatenate([patches(part.images(rows[i:i + ranking.CHUNK])) for i in range(0, len(rows), ranking.CHUNK)])
