"""c = a b for matrices small enough to stay in the cache, for use inside kernels, where BLAS must not be called.

From tall register tiles, so nothing is packed, but the right factor and the result must be as wide as whole tiles: ``wide`` says
how wide. What fills them up is multiplied like the rest.
"""

from __future__ import annotations

from .jit import kernel
from .simd import ROWS, TALL_VECTORS, tile_add, tile_outer_rows, tile_plus, tile_store, tile_tall, tile_vectors, tile_width, tile

TERMS = 128   # products summed in registers before they join the total: rounding errors grow with the length of a sum


@kernel
def wide(columns, like):
    """``columns`` rounded up to whole tiles of the dtype of the array ``like``."""
    width = tile_width(tile_tall(like))
    return (columns + width - 1) // width * width


@kernel
def spare_tile(like):
    """How many numbers a tile has: the length of ``multiply``'s ``spare``."""
    return ROWS * tile_vectors(tile(like)) // TALL_VECTORS * tile_width(tile_tall(like))


@kernel
def multiply(a, at, row, step, rows, terms, b, c, columns, add, spare):
    """c[r, j] = sum over k of a[at + r * row + k * step] * b[k, j], added to what is there with ``add``.

    All arrays are flat. The rows of b and c lie one behind the other, ``columns`` numbers long, which are whole tiles. ``spare``
    holds one tile: where the last one repeats rows of the one before it, those are left there.
    """
    width, tall = tile_width(tile_tall(b)), ROWS * tile_vectors(tile(b)) // TALL_VECTORS
    if rows < tall:
        for r in range(rows):
            line = c[r * columns:(r + 1) * columns]
            for k in range(terms):
                factor, other = a[at + r * row + k * step], b[k * columns:(k + 1) * columns]
                if k == 0 and not add:
                    for j in range(columns):
                        line[j] = factor * other[j]
                else:
                    for j in range(columns):
                        line[j] += factor * other[j]
        return
    for j in range(0, columns, width):
        for n in range(0, rows, tall):
            first = min(n, rows - tall)
            total = tile_tall(b)
            for begin in range(0, terms, TERMS):
                acc = tile_tall(b)
                for k in range(begin, min(begin + TERMS, terms)):
                    acc = tile_outer_rows(acc, a, at + first * row + k * step, row, b, k * columns + j)
                total = tile_plus(total, acc)
            if not add:
                tile_store(total, c, first * columns + j, columns)
            elif first == n:
                tile_add(total, c, n * columns + j, columns)
            else:
                tile_store(total, spare, 0, width)
                for r in range(n - first, tall):
                    for i in range(width):
                        c[(first + r) * columns + j + i] += spare[r * width + i]
