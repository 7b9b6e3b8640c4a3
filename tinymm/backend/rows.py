"""Adding rows to the rows of a table at given places, where a place may come up many times.

This is the gradient of picking rows (an embedding, ``x[index]``). Every rung adds the rows of one place in the order in
which they come, so the result does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from .arrays import xp_of
from .cuda import CudaKernel
from .jit import chunks, kernel, prange, ready, rung


def add_rows(out, index, rows, on: str | None = None) -> None:
    """out[index[i]] += rows[i] for all i, into an ``out`` of zeros.

    Args:
        out: (V, D) zeros, of the dtype and array module of ``rows``.
        index: (N,) integers in [0, V).
        rows: (N, D) floating-point array.
        on: the rung to compute on; None for the one that ``rows`` takes.
    """
    on = on or rung(rows)
    if rows.size == 0:
        return
    if on == "numba":
        parts = chunks(rows.shape[1] // 16, rows.size)   # a thread takes columns: no two of them meet in a row
        _add_rows(ready(rows), ready(index), out, parts, work=rows.size)
    elif on == "cuda":
        _add_rows_cuda(out, index, rows)
    elif not isinstance(rows, np.ndarray):
        xp_of(rows).add.at(out, index, rows)
    elif rows.shape[1] == 1:
        out[:, 0] = np.bincount(index, weights=rows[:, 0], minlength=len(out))
    else:
        order = np.argsort(index, kind="stable")
        places = index[order]
        starts = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1])))
        out[places[starts]] = np.add.reduceat(rows[order], starts, axis=0)


@kernel(parallel=True)
def _add_rows(rows, index, out, parts):
    count, width = rows.shape
    for p in prange(parts):
        first, last = width * p // parts, width * (p + 1) // parts
        for i in range(count):
            v = index[i]
            for j in range(first, last):
                out[v, j] += rows[i, j]


def _add_rows_cuda(out, index, rows) -> None:
    """Sort the places; then one block adds up the rows of one place in their order."""
    xp = xp_of(rows)
    order = xp.argsort(index).astype(np.int64)   # CuPy sorts stably
    places = index[order].astype(np.int64)
    first = xp.ones(places.shape, bool)
    first[1:] = places[1:] != places[:-1]
    starts = xp.flatnonzero(first).astype(np.int64)
    width = rows.shape[1]
    ADD_ROWS(int(starts.size), min(256, -(-width // 32) * 32),
             (xp.ascontiguousarray(rows), order, places, starts, np.int64(starts.size), np.int64(index.size),
              np.int64(width), out), rows.dtype)


ADD_ROWS = CudaKernel("add_rows", r"""
// One block a place: rows order[starts[b]] .. order[starts[b + 1] - 1] are added in this order.
template <typename T> __global__ void add_rows(const T* rows, const long long* order, const long long* places,
                                               const long long* starts, long long segments, long long n,
                                               long long width, T* out) {
    long long b = blockIdx.x, begin = starts[b], end = b + 1 < segments ? starts[b + 1] : n, v = places[begin];
    for (long long j = threadIdx.x; j < width; j += blockDim.x) {
        T total = 0;
        for (long long i = begin; i < end; ++i) total += rows[order[i] * width + j];
        out[v * width + j] = total;
    }
}
""")
