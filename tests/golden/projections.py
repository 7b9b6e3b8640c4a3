"""What is kept of an array in a golden file: its shape and its products with two random arrays."""

from __future__ import annotations

import numpy as np

from tinymm.autograd.registry import Draw


def project(array: np.ndarray) -> dict:
    """Shape and two projections of an array, with the scale that rounding errors are measured by."""
    first, second = (Draw(seed).normal(*array.shape) * array for seed in (101, 102))
    return {"shape": list(array.shape), "dots": [float(first.sum()), float(second.sum())],
            "scale": float(np.abs(first).sum() + np.abs(second).sum())}


def agree(got: dict, want: dict, tolerance: float) -> bool:
    """Whether two projections are of the same array, up to ``tolerance`` relative to the scale."""
    def close(a, b):
        return a == b or (np.isnan(a) and np.isnan(b)) or abs(a - b) <= tolerance * (1 + want["scale"])
    return got["shape"] == want["shape"] and all(map(close, got["dots"], want["dots"]))
