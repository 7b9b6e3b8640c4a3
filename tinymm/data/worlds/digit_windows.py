"""Windows of one handwritten digit each, to train the encoder of lecture 4 before it sees a scene."""

from __future__ import annotations

import numpy as np

from ...backend.random import Stream
from .digit_scenes import SIZES, enlarge
from .digits import split_digits

WINDOW = 24                  # pixels a side: room for the largest digit, and to move it about
CLASSES = 10 * len(SIZES)    # a digit and its size: label + 10 for a large one


def digit_windows(part: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Digits of both sizes at random places.

    Args:
        part: "train", "validation" or "test" of the handwritten originals; the same split as the scenes'.
        count: how many windows.
        seed: of the choice and of the split.

    Returns:
        images (count, 1, 24, 24) uint8 and classes (count,) int64, 0 to 19: the digit, plus 10 if it is large.
    """
    images, labels = split_digits(seed)[part]
    rng = Stream(f"digit windows {part}", seed).generator
    bounds = list(SIZES.values())
    originals, large = rng.integers(len(labels), size=count), rng.integers(len(bounds), size=count)
    windows = np.zeros((count, 1, WINDOW, WINDOW), np.uint8)
    for window, i, size in zip(windows, originals, large):
        side = int(rng.integers(bounds[size][0], bounds[size][1] + 1))
        top, left = rng.integers(0, WINDOW - side + 1, size=2)
        window[0, top:top + side, left:left + side] = np.round(255 * enlarge(images[i], side))
    return windows, labels[originals] + 10 * large
