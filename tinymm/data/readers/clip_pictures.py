"""Pictures as CLIP was trained on them (Radford et al. 2021): square, and each colour with mean 0 and deviation 1."""

from __future__ import annotations

import os

import numpy as np

from .images import read_picture

MEAN = (0.48145466, 0.4578275, 0.40821073)   # of red, green and blue in OpenAI's training pictures
STD = (0.26862954, 0.26130258, 0.27577711)


def normalize_picture(picture: np.ndarray) -> np.ndarray:
    """(..., 3, H, W) floats in [0, 1] -> float32 with the training pictures' mean and deviation taken out."""
    mean, std = (np.array(values, dtype=np.float32)[:, None, None] for values in (MEAN, STD))
    return (np.asarray(picture, dtype=np.float32) - mean) / std


def read_clip_picture(path: str | os.PathLike, side: int) -> np.ndarray:
    """A picture file as CLIP takes it, (3, side, side) float32: its shorter side scaled (bicubic), its centre, normalised.

    Args:
        path: a picture file.
        side: pixels, the model's ``image_resolution``.

    Raises:
        FileNotFoundError, ValueError: as ``read_picture``.
    """
    return normalize_picture(read_picture(path, side, resample="bicubic"))
