"""Sums that keep their digits, along any axes and in any layout.

NumPy adds pairwise only along the axis that is contiguous in memory; along any other it adds row after row, and after n
rows a float32 sum has lost log2(n) bits. Here rows are added in blocks of ``BLOCK``, then the blocks' sums likewise.

The bound, for n summands x of unit roundoff u (2^-24 for float32, 2^-53 for float64), in every layout:

    |computed - exact| <= BLOCK ceil(log n / log(BLOCK / 2)) u sum |x|

512 u = 3.1e-5 of sum |x| for ten million float32 numbers, as a worst case; what is seen is a hundredth of it. Kernels keep
to the same bound: they add ``SPAN`` numbers in lanes, or ``BLOCK`` rows, and the sums of those in float64 or by ``total``.
float16 is added in float32 and rounded once; integers are exact, as in NumPy.

Sources: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., chapter 4 (blocked and pairwise sums).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arrays import as_array

BLOCK = 128     # rows that are added one after the other
SPAN = 512      # numbers that a kernel adds in vector lanes, 4 or more of them, before it goes on in float64
WIDTH = 1024    # numbers that one addition of rows takes at least, where there are as many
SHORT = 32      # a last axis below this is left for last

_add: Any = np.add.reduce


def total(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The sum of an array, or of a Tensor, over some axes, within the bound above.

    Args:
        x: an array of any kind; those that are not NumPy's, and Tensors, are summed by their own ``sum``.
        axis: an axis, several, or None for all.
        keepdims: leave the summed axes in place with length 1.

    Returns:
        What ``np.sum`` returns, of the dtype of ``x`` where that is a floating-point one.
    """
    if type(x) is not np.ndarray or x.dtype.kind != "f":
        return x.sum(axis=axis, keepdims=keepdims)
    if x.dtype.char == "e":
        with np.errstate(over="ignore"):
            return as_array(total(x.astype(np.float32), axis, keepdims)).astype(np.float16)
    shape, size, n = x.shape, x.size, 1
    over: Any = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    for i in over:
        n *= shape[i]
    if n <= BLOCK or x.ndim == 1 or n == size and x.flags.c_contiguous:
        return _add(x, axis=axis, keepdims=keepdims)
    if x.ndim == 2 and x.flags.c_contiguous:
        if over[0] in (1, -1):
            return _add(x, axis=axis, keepdims=keepdims)
        return _rows(x[None]) if keepdims else _rows(x[None])[0]
    over, strides = {i % x.ndim for i in over}, x.strides
    order = sorted((i for i, n in enumerate(shape) if n != 1), key=lambda i: -abs(strides[i]))
    if _depth(shape, order, over) <= BLOCK:
        return _add(x, axis=axis, keepdims=keepdims)
    kept = [i for i in order if i not in over]
    short = [i for i, n in enumerate(shape) if n == 1]
    y = _in_blocks(x.transpose(order + short).reshape([shape[i] for i in order]), [i in over for i in order])
    back = sorted(range(len(kept)), key=kept.__getitem__)
    return y.transpose(back).reshape([1 if i in over else n for i, n in enumerate(shape) if keepdims or i not in over])


def mean(x: Any, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
    """The mean over some axes: ``total`` over their number, which float16 could not hold; NaN where there is none."""
    if type(x) is not np.ndarray:
        return x.mean(axis=axis, keepdims=keepdims)
    wide = x.astype(np.float32) if x.dtype.char == "e" else x
    sums = as_array(total(wide, axis, keepdims))
    with np.errstate(invalid="ignore", divide="ignore"):   # the mean of nothing
        return (sums / (x.size // max(sums.size, 1))).astype(x.dtype, copy=False)


def running(x: Any, axis: int) -> Any:
    """np.cumsum along an axis: within blocks of SPAN numbers, to which the sums of those before are added, kept in float64."""
    if type(x) is not np.ndarray or x.dtype.kind != "f" or x.shape[axis] <= SPAN and x.dtype.char != "e":
        return np.cumsum(x, axis=axis)
    if x.dtype.char == "e":
        with np.errstate(over="ignore"):
            return running(x.astype(np.float32), axis).astype(np.float16)
    axis %= x.ndim
    outer, n, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1:])
    x3, y = x.reshape(outer, n, inner), np.empty(x.shape, x.dtype)
    y3, blocks = y.reshape(outer, n, inner), n // SPAN
    body, tail = y3[:, :blocks * SPAN].reshape(outer, blocks, SPAN, inner), y3[:, blocks * SPAN:]
    np.cumsum(x3[:, :blocks * SPAN].reshape(body.shape), axis=2, out=body)
    np.cumsum(x3[:, blocks * SPAN:], axis=1, out=tail)
    before = np.cumsum(body[:, :, -1], axis=1, dtype=np.float64).astype(x.dtype)[:, :, None]   # (outer, blocks, 1, inner)
    body[:, 1:] += before[:, :-1]
    tail += before[:, -1]
    return y


def _depth(shape: tuple[int, ...], order: list[int], over: set[int]) -> int:
    """How many numbers NumPy would add one after the other: those of the reduced axes that are not the innermost ones."""
    inner = len(order)
    while inner and order[inner - 1] in over:
        inner -= 1
    return math.prod([shape[i] for i in order[:inner] if i in over])


def _in_blocks(x: np.ndarray, over: list[bool]) -> np.ndarray:
    """The sum over the axes marked, of an array whose strides fall from axis to axis."""
    for i in reversed(range(x.ndim)):
        if over[i] and x.strides[i] == 0:   # one number, many times
            x, n = x[(slice(None),) * i + (0,)], x.shape[i]
            over = over[:i] + over[i + 1:]
            x = x * x.dtype.type(n)
    x = np.ascontiguousarray(x)
    runs: list[list] = []   # neighbours of one fate: [length, marked]
    for n, marked in zip(x.shape, over):
        if runs and runs[-1][1] == marked:
            runs[-1][0] *= n
        else:
            runs.append([n, marked])
    shape = [n for n, _ in runs]
    if not any(marked for _, marked in runs):
        return x
    kept = [n for n, marked in zip(x.shape, over) if not marked]
    x = x.reshape(shape)
    if runs[-1][1] and runs[-1][0] >= SHORT:
        x = _add(x, axis=-1)
        runs.pop()
    for i in reversed(range(len(runs))):
        if runs[i][1]:
            x = _rows(x.reshape(math.prod(x.shape[:i]), x.shape[i], -1)).reshape(x.shape[:i] + x.shape[i + 1:])
    return x.reshape(kept)


def _rows(x: np.ndarray) -> np.ndarray:
    """(outer, n, width) -> (outer, width): blocks of rows, then the sums of the blocks."""
    outer, n, width = x.shape
    if width == 1:
        return _add(x.reshape(outer, n), axis=1)[:, None]
    while n > BLOCK:
        beside = max(1, min(WIDTH // width, n // BLOCK))   # rows that one addition takes
        blocks = -(-n // (BLOCK * beside))
        length = n // (blocks * beside)                    # at most BLOCK
        whole = blocks * length * beside
        parts = np.einsum("oblw->obw", x[:, :whole].reshape(outer, blocks, length, beside * width))   # quicker than np.sum
        parts = parts.reshape(outer, blocks * beside, width)
        x = np.concatenate([parts, x[:, whole:]], axis=1) if whole < n else parts
        n = x.shape[1]
    return _add(x, axis=1)
