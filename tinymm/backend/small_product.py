"""c = a b for matrices small enough to stay in the cache, for use inside kernels, where BLAS must not be called.

From register tiles, so nothing is packed, but the rows of the right factor and of the result must be whole vectors: ``wide``
says how long that is. What fills them up is multiplied like the rest.
"""

from __future__ import annotations

from .jit import kernel
from .simd import tile_add, tile_height, tile_outer_rows, tile_plus, tile_slim, tile_store, tile_tall, tile_width

TERMS = 128   # products summed in registers before they join the total: rounding errors grow with the length of a sum


@kernel
def wide(columns, like):
    """``columns`` rounded up to whole vectors of the dtype of the array ``like``."""
    width = tile_width(tile_slim(like))
    return (columns + width - 1) // width * width


@kernel
def spare_tile(like):
    """How many numbers a tile has: the length of ``multiply``'s ``spare``."""
    return tile_height(tile_tall(like)) * tile_width(tile_tall(like))


@kernel
def multiply(a, at, row, step, rows, terms, b, c, columns, add, spare):
    """c[r, j] = sum over k of a[at + r * row + k * step] * b[k, j], added to what is there with ``add``.

    All arrays are flat. The rows of b and c lie one behind the other, ``columns`` numbers long, which are whole vectors.
    ``spare`` holds one tile: where the last one repeats rows of the one before it, those are left there.
    """
    if rows < tile_height(tile_tall(b)):
        _row_by_row(a, at, row, step, rows, terms, b, c, columns, add)
        return
    width = tile_width(tile_tall(b))
    whole = columns // width * width
    for j in range(0, whole, width):
        _stripe(tile_tall(b), a, at, row, step, rows, terms, b, c, j, columns, add, spare)
    if whole < columns:
        _stripe(tile_slim(b), a, at, row, step, rows, terms, b, c, whole, columns, add, spare)


@kernel
def _stripe(zero, a, at, row, step, rows, terms, b, c, j, columns, add, spare):
    """The columns of c from j on, as many as the tile ``zero`` has."""
    height, width = tile_height(zero), tile_width(zero)
    for n in range(0, rows, height):
        first = min(n, rows - height)
        total = zero
        for begin in range(0, terms, TERMS):
            acc = zero
            for k in range(begin, min(begin + TERMS, terms)):
                acc = tile_outer_rows(acc, a, at + first * row + k * step, row, b, k * columns + j)
            total = tile_plus(total, acc)
        if not add:
            tile_store(total, c, first * columns + j, columns)
        elif first == n:
            tile_add(total, c, n * columns + j, columns)
        else:
            tile_store(total, spare, 0, width)
            for r in range(n - first, height):
                for i in range(width):
                    c[(first + r) * columns + j + i] += spare[r * width + i]


@kernel
def _row_by_row(a, at, row, step, rows, terms, b, c, columns, add):
    """Fewer rows than a tile has."""
    for r in range(rows):
        line = c[r * columns:(r + 1) * columns]
        if not add:
            line[:] = 0
        for k in range(terms):
            factor, other = a[at + r * row + k * step], b[k * columns:(k + 1) * columns]
            for j in range(columns):
                line[j] += factor * other[j]
