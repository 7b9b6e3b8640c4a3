"""Resampling along an axis as a sparse matrix: every new position is a weighted sum of a few old ones, its taps.

Each mode of ``interpolate`` is one such matrix an axis, and the gradient is the same operation with the transpose.
Conventions are PyTorch's: without ``align_corners`` a pixel is an area and position i lies at i + 1/2; with it, pixels
are points and the first and last ones of both grids coincide.
"""

from __future__ import annotations

import functools
import math

import numpy as np

CUBIC = -0.75   # the a of the cubic convolution kernel (Keys 1981, equation 4)


class Taps:
    """A sparse matrix (out, in) with at most k entries a row.

    Args:
        index: (out, k) integers, the columns.
        weight: (out, k), the values; 0 where a row has fewer than k.
        n_in: number of columns.
    """

    def __init__(self, index: np.ndarray, weight: np.ndarray, n_in: int):
        self.index, self.weight, self.n_in, self.n_out = index, weight, n_in, index.shape[0]
        self._turned: Taps | None = None

    def dense(self) -> np.ndarray:
        """The matrix (out, in)."""
        matrix = np.zeros((self.n_out, self.n_in))
        np.add.at(matrix, (np.arange(self.n_out)[:, None], self.index), self.weight)
        return matrix

    def transposed(self) -> "Taps":
        """The taps of the transposed matrix."""
        if self._turned is None:
            used = self.weight != 0
            columns, rows, values = self.index[used], np.nonzero(used)[0], self.weight[used]
            order = np.argsort(columns, kind="stable")
            columns, rows, values = columns[order], rows[order], values[order]
            counts = np.bincount(columns, minlength=self.n_in)
            k = max(int(counts.max(initial=1)), 1)
            place = np.arange(len(columns)) - np.repeat(np.cumsum(counts) - counts, counts)
            index, weight = np.zeros((self.n_in, k), np.int64), np.zeros((self.n_in, k))
            index[columns, place], weight[columns, place] = rows, values
            unused = weight == 0
            index[unused] = np.broadcast_to(index[:, :1], index.shape)[unused]   # stay near: no stray element is read
            self._turned = Taps(index, weight, self.n_out)
        return self._turned


@functools.lru_cache(maxsize=256)
def taps(mode: str, n_in: int, n_out: int, align_corners: bool, scale: float | None) -> Taps:
    """The matrix of one axis.

    Args:
        mode: "nearest", "nearest-exact", "linear", "cubic" or "area".
        scale: new over old length where the caller asked for that, else None for n_out / n_in.
    """
    if mode == "area":
        return _area(n_in, n_out)
    if mode.startswith("nearest"):
        return _nearest(n_in, n_out, scale, 0.5 if mode == "nearest-exact" else 0.0)
    if align_corners:
        at = np.arange(n_out) * ((n_in - 1) / (n_out - 1) if n_out > 1 else 0.0)
    else:
        at = (np.arange(n_out) + 0.5) * (1 / scale if scale else n_in / n_out) - 0.5
    if mode == "linear":
        at = np.maximum(at, 0)
        low = np.minimum(np.floor(at).astype(np.int64), n_in - 1)
        t = np.clip(at - low, 0, 1)
        index, weight = np.stack([low, np.minimum(low + 1, n_in - 1)], 1), np.stack([1 - t, t], 1)
    else:
        low = np.floor(at).astype(np.int64)
        index = np.clip(low[:, None] + np.arange(-1, 3), 0, n_in - 1)
        weight = cubic_weights(at - low)
    return Taps(index, weight, n_in)


def cubic_weights(t):
    """The four weights (out, 4) of cubic convolution at the offset t in [0, 1) from the second tap."""
    near = lambda x: ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1                        # |x| <= 1
    far = lambda x: ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC           # 1 < |x| < 2
    return np.stack([far(t + 1), near(t), near(1 - t), far(2 - t)], 1)


def _nearest(n_in: int, n_out: int, scale: float | None, offset: float) -> Taps:
    step = np.float32(1 / scale if scale else n_in / n_out)   # single precision, as PyTorch's, so that ties agree
    index = np.floor((np.arange(n_out, dtype=np.float32) + np.float32(offset)) * step).astype(np.int64)
    return Taps(np.minimum(index, n_in - 1)[:, None], np.ones((n_out, 1)), n_in)


def _area(n_in: int, n_out: int) -> Taps:
    """Means over the bins of adaptive average pooling."""
    start = np.arange(n_out) * n_in // n_out
    count = -(-(np.arange(1, n_out + 1) * n_in) // n_out) - start
    k = np.arange(max(math.ceil(n_in / n_out) + 1, 1))
    inside = k < count[:, None]
    return Taps(np.where(inside, start[:, None] + k, start[:, None]), np.where(inside, 1 / count[:, None], 0.0), n_in)
