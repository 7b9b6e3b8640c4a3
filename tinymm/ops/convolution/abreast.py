"""Convolution of small images, the images of a batch abreast: the CPU kernels where the line of ``grid.py`` is mostly padding.

On the line an image of 4x4 with a zero in front of each row takes 25 places for 16 outputs, and the zeros are multiplied like
everything else. Here the same element of all images lies side by side, so that a vector register holds it for as many images,
and sums run only over the pairs of positions that really meet::

    y[p, o, n] = sum_c sum_(k, q) w[o, c, k] * x[q, c, n]         (k, q) are the taps of p that lie inside, and where they do
    dx[q, c, n] = sum_o sum_(k, p) w[o, c, k] * g[p, o, n]        the same pairs, by q
    dw[o, c, k] = sum_(p, q) sum_n g[p, o, n] * x[q, c, n]        the same pairs, by k

with p a position of the map, q one of the image, k one of the kernel, n an image. No zero is multiplied: 3x3 windows of 4x4
images meet 100 elements, not 144. What it costs: batches are filled up to whole vectors, and arrays are transposed on the way
in and out. ``pays`` compares the two.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from ...backend import simd
from ...backend.jit import shares
from ...backend.simd import ROWS
from .abreast_kernels import TERMS, pack_weight, set_abreast, sums_abreast, weight_sums_abreast
from .geometry import Geometry

FLOPS_PER_ELEMENT = 64   # arithmetic that takes as long as one element of an ordinary kernel; on the line, too
PIECE = 512              # products of a channel pair that are summed in registers for dw: their factors stay in the nearest cache
WIDE = 64                # images that are summed without a look at the pairs of positions
GAIN = 0.85              # share of the line's multiplications below which this pays
ELEMENT = 24             # multiplications that take as long as bringing an element here and back,
ELEMENT_OF_LINE = 12     # and to the line and back


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Positions that meet, of the map, of the image and of the kernel, in the order of one of them."""

    starts: np.ndarray   # (positions + 1,): where the pairs of each begin
    taps: np.ndarray     # the other two of each pair; of the pairs by kernel position, positions of the map stand here
    others: np.ndarray

    @functools.cached_property
    def most(self) -> int:
        """Pairs of one position, at most, and at least 1."""
        return max(1, int(np.diff(self.starts).max(initial=0)))


def meetings(g: Geometry) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each axis positions of the map, of the image and of the kernel that meet."""
    found = []
    for n, m, taps, s, b, d in zip(g.image, g.maps, g.kernel, g.stride, g.before, g.dilation):
        at = np.arange(m)[:, None] * s + np.arange(taps) * d - b           # (map, kernel): position in the image
        i, j = np.nonzero((at >= 0) & (at < n))
        found.append((i, at[i, j], j))
    return found


@functools.lru_cache(maxsize=512)
def pairs(g: Geometry, by: str, piece: int = 1) -> Pairs:
    """The pairs by position of the ``"map"``, of the ``"image"``, or of the ``"kernel"``, these for one piece of the map after
    the other."""
    p = q = k = np.zeros(1, np.int64)
    for (i, at, j), n, m, taps in zip(meetings(g), g.image, g.maps, g.kernel):
        p, q, k = ((a[:, None] * size + new).reshape(-1) for a, size, new in ((p, m, i), (q, n, at), (k, taps, j)))
    key, first, second, size = {"map": (p, k, q, g.positions), "image": (q, k, p, math.prod(g.image)),
                                "kernel": (p // piece * len(g.taps) + k, p, q, -(-g.positions // piece) * len(g.taps))}[by]
    order = np.argsort(key, kind="stable")
    return Pairs(np.searchsorted(key[order], np.arange(size + 1)), first[order], second[order])


@functools.lru_cache(maxsize=512)
def pays(g: Geometry, n: int, c: int, o: int, dtype, line: int, weight: bool = False) -> bool:
    """Whether the images of a batch are better set abreast than on a line.

    Both ways are sums of products at about one speed, so their numbers of multiplications are compared, with what each of
    them fills up: here the batch to whole vectors and the channels of the result to the rows of a tall tile; there the
    positions of the line, and the channels to the rows of a tile. Moving the elements in and out is counted as well.

    Measured on y, dx and dw of 27 shapes (images of 4 to 64 rows, 1 to 256 channels, batches of 16 to 128), one thread of a
    Zen 4 core: where this says yes the line takes 1.14 to 8 times as long with AVX-512 (36 sums), 0.97 to 7 times with AVX2
    (43); what it turns down would have gained 1.4 times at most.

    Args:
        n: images.
        c, o: channels of the source and of the result; with ``weight`` of the image and of the map.
        line: positions of an image on the line.
        weight: the result is dw.
    """
    if g.groups > 1 or n == 0:
        return False
    rows, width = (ROWS, _width(n, dtype)) if weight else simd.tall(dtype)
    filled = -(-n // width) * width
    count = math.prod(len(i) for i, _, _ in meetings(g))
    here = filled * (count * c * (-(-o // rows) * rows) + ELEMENT * (c * math.prod(g.image) + o * g.positions))
    there = n * line * (math.prod(g.kernel) * c * (-(-o // ROWS) * ROWS) + ELEMENT_OF_LINE * (c + o))
    return here < GAIN * there


def _block(count: Pairs) -> int:
    """Channels of a block: so many, a power of two, that a sum over them and the pairs of a position has about TERMS terms."""
    return max(ROWS, 1 << (TERMS // count.most).bit_length() - 1)


def _abreast(x, block: int, width: int):
    """x (N, C, positions) -> (batches, blocks of channels, positions, block, width), with zeros for images beyond N."""
    n, c, positions = x.shape
    packed = np.empty((-(-n // width), -(-c // block), positions, block, width), x.dtype)
    set_abreast(x, packed, work=packed.size)
    return packed


def _width(n: int, dtype) -> int:
    """Images side by side for dw: whole vectors, at most about WIDE of them."""
    lanes = simd.registers()[0] // dtype.itemsize
    batches = -(-n // WIDE)
    return -(-n // (batches * lanes)) * lanes if n else lanes


def _sums(packed, n: int, c: int, w, bias, count: Pairs, shape):
    """The first of the sums above: ``w`` (result's channels, source's channels, taps) in any layout -> (N, ...) of ``shape``."""
    o, taps = w.shape[0], w.shape[2]
    rows, block = simd.tall(w.dtype)[0], packed.shape[3]
    tiles = -(-o // rows)
    weights = np.empty((tiles, packed.shape[1], taps, block, rows), w.dtype)
    pack_weight(w, weights, work=weights.size)
    out = np.empty((n, o, len(count.starts) - 1), w.dtype)
    if bias is None:
        bias = np.zeros(o, w.dtype)
    work = packed.shape[0] * packed.shape[4] * len(count.taps) * c * o // FLOPS_PER_ELEMENT
    threads = shares(tiles, work)
    parts = threads if packed.shape[0] % threads else 1      # each thread takes batches, or all take their tiles of each
    sums_abreast(packed, c, weights, bias, count.starts, count.taps, count.others, parts, out, work=work)
    return out.reshape(shape)


# ---------------------------------------------------------------------- the three sums


def correlate(x, w, bias, g: Geometry):
    """y of a convolution, as ``grid.correlate``; no groups."""
    n, c = x.shape[:2]
    by_map = pairs(g, "map")
    packed = _abreast(x.reshape(n, c, -1), _block(by_map), simd.tall(x.dtype)[1])
    return _sums(packed, n, c, w.reshape(*w.shape[:2], -1), bias, by_map, (n, w.shape[0]) + g.maps)


def correlate_transposed(dy, w, bias, g: Geometry):
    """dx of a convolution, as ``grid.correlate_transposed``; no groups."""
    n, o = dy.shape[:2]
    by_image = pairs(g, "image")
    packed = _abreast(dy.reshape(n, o, -1), _block(by_image), simd.tall(dy.dtype)[1])
    return _sums(packed, n, o, w.reshape(*w.shape[:2], -1).swapaxes(0, 1), bias, by_image, (n, w.shape[1]) + g.image)


def correlate_weight(dy, x, g: Geometry):
    """dw of a convolution (O, C, *kernel); no groups."""
    (n, o), c = dy.shape[:2], x.shape[1]
    width = _width(n, x.dtype)
    piece = max(1, PIECE // width)
    by_tap = pairs(g, "kernel", piece)
    left, right = _abreast(dy.reshape(n, o, -1), ROWS, width), _abreast(x.reshape(n, c, -1), ROWS, width)
    dw = np.empty((o, c, len(g.taps)), x.dtype)
    work = n * len(by_tap.taps) * c * o // FLOPS_PER_ELEMENT
    weight_sums_abreast(left, right, by_tap.starts, by_tap.taps, by_tap.others, max(1, piece // g.positions),
                        simd.registers()[1], shares(left.shape[1], work), dw, work=work)
    return dw.reshape((o, c) + g.kernel)
