"""The judge of colour, shape and place; it is neither D nor the picture net of the joint embedding."""

from __future__ import annotations

import numpy as np

from ...data.worlds.placed_sprites import ATTRIBUTES
from .. import picture_judge
from ..picture_judge import Judge, PictureNet

__all__ = ["COUNTS", "Judge", "PictureNet", "judged", "rightness"]
COUNTS = [len(names) for names in ATTRIBUTES.values()]


def judged(judge: Judge, images: np.ndarray, device: str = "cpu") -> np.ndarray:
    """What pictures show: (N, 3, 16, 16) in [-1, 1] -> (N, 3) int64."""
    return judge.judged(images, device)


def rightness(said: np.ndarray, contents: np.ndarray) -> dict[str, float]:
    """The share of pictures with the right colour, shape and place, and with all three."""
    return picture_judge.rightness(said, contents, tuple(ATTRIBUTES))
