"""Adding rows to the rows of a table at given places, where a place may come up many times.

This is the gradient of picking rows (an embedding, ``x[index]``). Every rung adds the rows of one place in the order in
which they come, in blocks (see sums.py), so the result does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from .arrays import xp_of
from .cuda import CudaKernel
from .jit import kernel, prange, ready, rung, shares
from .sums import BLOCK


def add_rows(out, index, rows, on: str | None = None) -> None:
    """out[index[i]] += rows[i] for all i, into an ``out`` of zeros.

    Args:
        out: (V, D) zeros, of the dtype and array module of ``rows``.
        index: (N,) integers in [0, V).
        rows: (N, D) floating-point array.
        on: the rung to compute on; None for the one that ``rows`` takes.

    Raises:
        IndexError: an index out of range, as one that was changed in place after the forward checked it may be.
    """
    on = on or rung(rows)
    if rows.size == 0:
        return
    if on == "numba":
        index = ready(index)
        if index.min() < 0 or index.max() >= len(out):   # a kernel would write outside its memory
            raise IndexError(f"backward: the indices now reach from {index.min()} to {index.max()}, but there are {len(out)} "
                             "rows; their array was changed after the forward pass: give the forward a copy of it")
        _add_in_blocks(out, index, ready(rows))
    elif on == "cuda":
        _add_rows_cuda(out, index, rows)
    elif not isinstance(rows, np.ndarray):
        xp_of(rows).add.at(out, index, rows)
    elif rows.dtype == np.float16:
        wide = np.zeros(out.shape, np.float32)
        add_rows(wide, index, rows.astype(np.float32), on)
        out[...] = wide
    elif rows.shape[1] == 1:   # it adds in float64
        out[:, 0] = np.bincount(index, weights=rows[:, 0], minlength=len(out))
    else:
        order = np.argsort(index, kind="stable")
        places = index[order]
        first = np.concatenate(([True], places[1:] != places[:-1]))   # of its place, among the sorted ones
        at = np.arange(len(places))
        rank = at - np.maximum.accumulate(np.where(first, at, 0))
        starts = np.flatnonzero(rank % BLOCK == 0)
        sums = np.add.reduceat(rows[order], starts, axis=0)
        if rank.max() < BLOCK:
            out[places[starts]] = sums
        else:
            add_rows(out, places[starts], sums, on)


def _add_in_blocks(out, index, rows) -> None:
    """A place that comes up more than BLOCK times gets a row of its own for each BLOCK of them; those are added up likewise."""
    parts = shares(rows.shape[1] // 16, rows.size)   # a thread takes columns: no two of them meet in a row
    if index.size <= BLOCK or np.bincount(index).max() <= BLOCK:
        _add_rows(rows, index, out, parts, work=rows.size)
        return
    places = len(out)
    target, owners = np.empty(index.size, np.int64), np.empty(index.size // BLOCK + 1, np.int64)
    more = _targets(index, np.zeros((2, places), np.int64), target, owners)
    sums = np.zeros((places + more, rows.shape[1]), rows.dtype)
    _add_rows(rows, target, sums, parts, work=rows.size)
    out += sums[:places]
    _add_in_blocks(out, owners[:more], sums[places:])


@kernel
def _targets(index, seen, target, owners):
    """Where each row goes: to its place, or beyond the places to extra row k, which belongs to place owners[k]."""
    places, more = seen.shape[1], 0
    for i in range(index.shape[0]):
        v = index[i]
        if seen[0, v] == BLOCK:
            seen[0, v] = 0
            owners[more] = v
            more += 1
            seen[1, v] = more
        seen[0, v] += 1
        target[i] = places + seen[1, v] - 1 if seen[1, v] else v
    return more


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
