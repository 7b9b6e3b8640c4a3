"""Large arrays that come back: fresh memory costs a page fault every 4 KiB, which can take as long as the arithmetic.

The C library returns large freed blocks to the system, and the next array of the same size gets its pages anew, one
fault each (0.3 to 3 microseconds, the most on virtual machines). An operation that is called in a loop takes its large
private arrays from here, and gives them back when nothing refers to them any more.
"""

from __future__ import annotations

import math

import numpy as np

LARGE = 1 << 18   # bytes; below, malloc itself keeps the memory
KEPT = 1 << 25    # bytes kept at most

_free: list[np.ndarray] = []   # whole buffers; the last one given back is the likeliest to be in the cache


def take(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array of any content, C-contiguous."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    buffer = None
    for i in range(len(_free) - 1, -1, -1):
        try:
            if size <= _free[i].size <= 2 * size:
                buffer = _free.pop(i)
                break
        except IndexError:   # another thread was faster
            break
    if buffer is None:
        buffer = np.empty(size, np.uint8)
    return buffer[:size].view(dtype).reshape(shape)


def give_back(array: np.ndarray) -> None:
    """Offer the memory of an array from ``take`` to the next one; the caller must hold the only reference."""
    buffer = array
    while isinstance(buffer.base, np.ndarray):
        buffer = buffer.base
    if buffer.nbytes >= LARGE:
        _free.append(buffer)
        while sum(b.size for b in _free) > KEPT:
            _free.pop(0)
