"""x W^T + b for few rows x: what a decoder computes for one position of a batch.

A BLAS library packs both factors before it multiplies, which pays where the packed numbers are used often. Here every number of
W is used once a vector of rows, so W is read where it stands, row after row, and only x is turned::

    y^T (outputs, rows) = W (outputs, inner) x^T (inner, rows)
"""

from __future__ import annotations

import numpy as np

from .jit import kernel, prange, rung
from .simd import registers
from .small_product import multiply, spare_tile, wide

LEAST, MOST = 16, 32   # rows
SIZE = 1 << 13         # numbers of W, at least
OUTPUTS = 64           # rows of W that a thread multiplies at a time
WORK = 16              # multiplications that take as long as one element of an ordinary kernel


def pays(x, w) -> bool:
    """Whether ``product`` is faster than the library and a pass for the bias, for x (rows, inner), W (outputs, inner) that fit.

    Measured with weights of 9 thousand to a million numbers, 16 to 32 rows, float32, one thread of a Zen 4 core, without a bias:
    the library takes 1.0 to 1.9 times as long with AVX-512, and 0.9 to 1.6 times with AVX2. With fewer rows, or many more, it
    is often faster.
    """
    return (LEAST <= x.shape[0] <= MOST and w.size >= SIZE and x.dtype == w.dtype and rung(w) == "numba"
            and x.flags.carray and w.flags.carray and registers()[0] >= 32)


def product(x, w, bias, y) -> None:
    """y (rows, outputs) = x W^T + bias (outputs,)."""
    _product(x, w, np.zeros(1, x.dtype) if bias is None else bias, bias is not None, y, work=x.shape[0] * w.size // WORK)


@kernel(parallel=True)
def _product(x, w, bias, has_bias, y):
    (rows, inner), outputs, m = x.shape, w.shape[0], wide(x.shape[0], x)
    xt, weights = np.empty(inner * m, x.dtype), w.reshape(-1)
    for c in range(inner):
        for n in range(rows):
            xt[c * m + n] = x[n, c]
        for n in range(rows, m):
            xt[c * m + n] = 0
    blocks = (outputs + OUTPUTS - 1) // OUTPUTS
    for block in prange(blocks):
        first = block * OUTPUTS
        count = min(OUTPUTS, outputs - first)
        turned, spare = np.empty(OUTPUTS * m, x.dtype), np.empty(spare_tile(x), x.dtype)
        multiply(weights, first * inner, inner, 1, count, inner, xt, turned, m, False, spare)
        for n in range(rows):
            row = y[n, first:first + count]
            for o in range(count):
                row[o] = turned[o * m + n]
            if has_bias:
                for o in range(count):
                    row[o] += bias[first + o]
