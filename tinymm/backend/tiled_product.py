"""Matrix products from register tiles, for use inside kernels, where BLAS must not be called.

    out = a b        out (rows, columns), a (rows, terms), b (terms, columns)

The right factor is first *packed* into panels as wide as a tile, the left one into stripes as high as a tile::

    panels[p, k, i] = b[k, p * width + i]          stripes[s, k, r] = a[s * ROWS + r, k]

with zeros beyond the edge, so that the inner loop reads both in order. A left factor whose rows are contiguous may also
be read where it stands. A packed factor can be used any number of times: a recurrent network packs its weights once and
multiplies with them at every time step.
"""

from __future__ import annotations

import numpy as np

from . import simd
from .jit import kernel, prange, shares
from .simd import ROWS, tile, tile_add, tile_outer_rows, tile_store, tile_width

TERMS = 128   # products summed in registers: so much of a panel stays in the L1 cache, and rounding errors grow slowly
GROUP = 64    # columns of a transposed left factor that a thread packs at a time
BLOCK = 16    # rows of a matrix that is transposed while they are in the L1 cache


def panels(b, transpose: bool = False):
    """The right factor ``b`` (terms, columns), or with ``transpose`` (columns, terms), packed."""
    width = simd.width(b.dtype)
    terms, columns = b.shape[::-1] if transpose else b.shape
    packed = np.empty(-(-columns // width) * terms * width, b.dtype)
    if transpose:
        _transposed_panels(b, width, packed, work=b.size)
    else:
        _panels(b, width, packed, work=b.size // 8)   # a mere copy: waking a second thread pays off later
    return packed


def product(a, right, columns: int, out=None):
    """a b, from ``a`` (rows, terms), C-contiguous and with at least ROWS rows, and panels(b)."""
    out = np.empty((a.shape[0], columns), a.dtype) if out is None else out
    work = a.size * columns
    _product(a, right, parts(a.shape[0], work), out, work=work)
    return out


def product_of_transposed(a, right, columns: int):
    """a^T b, from ``a`` (terms, rows), C-contiguous and with at least ROWS rows, and panels(b)."""
    out = np.empty((a.shape[1], columns), a.dtype)
    work = a.size * columns
    _product_of_transposed(a, right, parts(a.shape[1], work), out, work=work)
    return out


def parts(rows: int, work: int) -> int:
    """Into how many parts, one a thread, ``rows`` can be cut so that each has at least ROWS."""
    return shares(max(rows // ROWS, 1), work)


@kernel
def cut(rows, part, parts):
    """Where ``part`` begins: a whole number of tiles from the first row, except the end of the last."""
    return rows if part == parts else rows // ROWS * part // parts * ROWS


@kernel
def multiply(a, at, pitch, row, step, rows, last, terms, right, out, to, columns, add, spare):
    """out[to + n * columns + j] = sum over k of a[n, k] * b[k, j], added to what is there with ``add``.

    All arrays are flat, ``right`` is packed. Element (n, k) of the left factor is a[at + n * pitch + k * step] at the
    first row of a tile, and ``row`` further at each of its other rows. No tile begins after row ``last``: that is
    rows - ROWS, at least 0, where the left factor is read as it stands, so that nothing beyond its end is touched, and
    rows in stripes, which are whole. ``spare`` holds one tile: what a tile at the edge has too much is left there.
    """
    width = tile_width(tile(right))
    for j in range(0, columns, width):
        for begin in range(0, terms, TERMS):
            end = min(begin + TERMS, terms)
            for n in range(0, rows, ROWS):
                first = min(n, last)   # the last tile may repeat rows of the one before it
                acc = tile(right)
                for k in range(begin, end):
                    acc = tile_outer_rows(acc, a, at + first * pitch + k * step, row, right, j * terms + k * width)
                if first != n or n + ROWS > rows or j + width > columns:
                    tile_store(acc, spare, 0, width)
                    for r in range(n - first, min(ROWS, rows - first)):
                        start, count = to + (first + r) * columns + j, min(width, columns - j)
                        if begin or add:
                            for i in range(count):
                                out[start + i] += spare[r * width + i]
                        else:
                            for i in range(count):
                                out[start + i] = spare[r * width + i]
                elif begin or add:
                    tile_add(acc, out, to + n * columns + j, columns)
                else:
                    tile_store(acc, out, to + n * columns + j, columns)


@kernel(parallel=True)
def _product(a, right, parts, out):
    (rows, columns), terms = out.shape, a.shape[1]
    flat, left = out.reshape(-1), a.reshape(-1)
    for part in prange(parts):
        begin, end = cut(rows, part, parts), cut(rows, part + 1, parts)
        spare = np.empty(ROWS * tile_width(tile(right)), out.dtype)
        multiply(left, begin * terms, terms, terms, 1, end - begin, end - begin - ROWS, terms, right, flat,
                 begin * columns, columns, False, spare)


@kernel(parallel=True)
def _product_of_transposed(a, right, parts, out):
    (terms, rows), columns = a.shape, out.shape[1]
    flat, source = out.reshape(-1), a.reshape(-1)
    for part in prange(parts):
        end = cut(rows, part + 1, parts)
        spare = np.empty(ROWS * tile_width(tile(right)), out.dtype)
        stripes = np.empty(GROUP * terms, out.dtype)
        for first in range(cut(rows, part, parts), end, GROUP):
            count = min(GROUP, end - first)
            _stripes(source, first, rows, terms, count, stripes)
            multiply(stripes, 0, terms, 1, ROWS, count, count, terms, right, flat, first * columns, columns, False,
                     spare)


@kernel
def _stripes(a, first, pitch, terms, count, packed):
    """Pack the columns of ``a`` from ``first`` on.

    Read where it stands, a stripe would touch as many cache lines as it has terms, all in the same few cache sets.
    """
    whole = count // ROWS
    for k in range(terms):
        for stripe in range(whole):
            at, to = np.uint64(k * pitch + first + stripe * ROWS), np.uint64((stripe * terms + k) * ROWS)
            one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
            # all four before the first is stored: then they are moved as one vector
            r0, r1, r2, r3 = a[at], a[at + one], a[at + two], a[at + three]
            packed[to], packed[to + one], packed[to + two], packed[to + three] = r0, r1, r2, r3
        for n in range(whole * ROWS, count):   # the other rows of the last stripe are never kept
            packed[(whole * terms + k) * ROWS + n - whole * ROWS] = a[k * pitch + first + n]


@kernel(parallel=True)
def _panels(b, width, packed):
    terms, columns = b.shape
    for panel in prange((columns + width - 1) // width):
        used = min(width, columns - panel * width)
        for k in range(terms):
            to, row = packed[(panel * terms + k) * width:(panel * terms + k + 1) * width], b[k, panel * width:]
            for i in range(used):
                to[i] = row[i]
            for i in range(used, width):
                to[i] = 0


@kernel(parallel=True)
def _transposed_panels(b, width, packed):
    columns, terms = b.shape
    for panel in prange((columns + width - 1) // width):
        used, at = min(width, columns - panel * width), panel * terms * width
        for begin in range(0, terms, BLOCK):
            end = min(begin + BLOCK, terms)
            for i in range(used):
                row = b[panel * width + i]
                for k in range(begin, end):
                    packed[np.uint64(at + k * width + i)] = row[np.uint64(k)]
            for k in range(begin, end):
                for i in range(used, width):
                    packed[np.uint64(at + k * width + i)] = 0


