"""Windows of one sprite each, to train the encoder of lecture 2 before it sees a scene."""

from __future__ import annotations

import numpy as np

from ...backend.random import Stream
from .sprite_scenes import NOVEL, SIZES
from .sprites import COLOURS, SHAPES, dark_ground, grainy, paint, shade

WINDOW = 24                                         # pixels a side: room for the largest sprite, and to move it about
CLASSES = (len(SHAPES), len(COLOURS), len(SIZES))   # three questions about each window


def sprite_windows(part: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Filled sprites at random places, none of them in one of the novel pairs of colour and shape.

    Args:
        part: "train" or "validation": different draws.
        count: how many windows.
        seed: of the draws.

    Returns:
        images (count, 3, 24, 24) uint8, and classes (count, 3) int64: which shape, which colour, which size.
    """
    rng = Stream(f"sprite windows {part}", seed).generator
    shapes, colours, bounds = list(SHAPES), list(COLOURS), list(SIZES.values())
    kinds = [(shape, colour) for shape in range(len(shapes)) for colour in range(len(colours))
             if (colours[colour], shapes[shape]) not in NOVEL]
    chosen, sizes = rng.integers(len(kinds), size=count), rng.integers(len(bounds), size=count)
    classes = np.column_stack([np.array(kinds)[chosen], sizes])                # (count, 3)
    windows = np.empty((count, 3, WINDOW, WINDOW), np.uint8)
    for window, (shape, colour, size) in zip(windows, classes):
        side = int(rng.integers(bounds[size][0], bounds[size][1] + 1))
        top, left = rng.integers(0, WINDOW - side + 1, size=2)
        picture = dark_ground(rng, WINDOW)
        paint(picture, shapes[shape], shade(rng, colours[colour]), (top, left, top + side, left + side))
        window[...] = grainy(rng, picture)
    return windows, classes
