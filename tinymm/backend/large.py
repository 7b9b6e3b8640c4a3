"""Element-wise functions on large arrays: NumPy runs them on one core in several passes, these on all cores in one.

Each function here takes and returns arrays and falls back to NumPy where a kernel does not pay (small arrays)
or cannot run (other dtypes, other devices, no Numba).
"""

from __future__ import annotations

import numpy as np

from .jit import kernel, prange, rung
from .vmath import exp

LARGE = 65_536   # elements


def worth_a_kernel(*arrays) -> bool:
    """Whether a kernel takes these arrays: large, contiguous, of one floating-point dtype, on the CPU, with Numba."""
    first = arrays[0]
    return first.size >= LARGE and rung(first) == "numba" and \
        all(a.flags.c_contiguous and a.flags.writeable and a.shape == first.shape and a.dtype == first.dtype
            for a in arrays)


def relu(x):
    """max(x, 0); NaN stays NaN."""
    if not worth_a_kernel(x):
        return np.maximum(x, 0)
    y = np.empty_like(x)
    _relu(x.reshape(-1), y.reshape(-1), work=x.size)
    return y


def relu_backward(g, y):
    """g where y > 0, else 0."""
    if not worth_a_kernel(g, y):
        return g * (y > 0)
    out = np.empty_like(g)
    _relu_backward(g.reshape(-1), y.reshape(-1), out.reshape(-1), work=g.size)
    return out


def sigmoid(x):
    """1 / (1 + e^-x), without overflow."""
    if worth_a_kernel(x):
        y = np.empty_like(x)
        _sigmoid(x.reshape(-1), y.reshape(-1), work=x.size)
        return y
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def sigmoid_backward(g, y):
    """g y (1 - y)."""
    if not worth_a_kernel(g, y):
        return g * y * (1 - y)
    out = np.empty_like(g)
    _sigmoid_backward(g.reshape(-1), y.reshape(-1), out.reshape(-1), work=g.size)
    return out


def select(mask, a, b):
    """a where the mask holds, else b. NumPy's ``where`` branches, which takes 20 times as long on a random mask."""
    if type(a) is np.ndarray and type(b) is np.ndarray and worth_a_kernel(a, b) and _fits(mask, a):
        out = np.empty_like(a)
        _select(mask.reshape(-1), a.reshape(-1), b.reshape(-1), out.reshape(-1), work=a.size)
        return out
    return np.where(mask, a, b)


def keep(mask, g):
    """g where the mask holds, else 0, even where g is NaN."""
    if type(g) is np.ndarray and worth_a_kernel(g) and _fits(mask, g):
        out = np.empty_like(g)
        _keep(mask.reshape(-1), g.reshape(-1), out.reshape(-1), work=g.size)
        return out
    return np.where(mask, g, 0)


def _fits(mask, array) -> bool:
    return type(mask) is np.ndarray and mask.shape == array.shape and mask.flags.c_contiguous and mask.flags.writeable \
        and mask.dtype == bool


@kernel(parallel=True)
def _select(mask, a, b, out):
    for i in prange(a.size):
        out[i] = a[i] if mask[i] else b[i]


@kernel(parallel=True)
def _keep(mask, g, out):
    zero = g.dtype.type(0)
    for i in prange(g.size):
        out[i] = g[i] if mask[i] else zero


@kernel(parallel=True)
def _relu(x, y):
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = zero if x[i] < zero else x[i]


@kernel(parallel=True)
def _relu_backward(g, y, out):
    zero = g.dtype.type(0)
    for i in prange(g.size):
        out[i] = g[i] if y[i] > zero else zero


@kernel(parallel=True)
def _sigmoid(x, y):
    one = x.dtype.type(1)
    for i in prange(x.size):
        e = exp(-abs(x[i]))
        y[i] = (one if x[i] >= x.dtype.type(0) else e) / (one + e)


@kernel(parallel=True)
def _sigmoid_backward(g, y, out):
    one = g.dtype.type(1)
    for i in prange(g.size):
        out[i] = g[i] * y[i] * (one - y[i])
