"""The kernels of ``abreast.py``: arrays with the images side by side, summed in register tiles."""

from __future__ import annotations

import numpy as np

from ...backend.jit import kernel, prange
from ...backend.simd import (ROWS, tile, tile_add, tile_add_sums, tile_inner, tile_lanes, tile_outer, tile_store, tile_tall)

TERMS = 128   # products summed in registers before they join the total: rounding errors grow with the length of a sum


@kernel(parallel=True)
def set_abreast(x, packed):
    """packed[batch, block of channels, position, channel, image] = x[image, channel, position]; zeros beyond the last image."""
    images, channels, positions = x.shape
    batches, blocks, _, block, width = packed.shape
    flat, source = packed.reshape(-1), x.reshape(-1)
    for job in prange(batches * blocks):
        batch, first = job // blocks, job % blocks * block
        some = min(width, images - batch * width)
        turned = np.zeros(positions * width, x.dtype)     # a channel: in the nearest cache, whatever the strides outside
        for c in range(min(block, channels - first)):
            at, to = (batch * width * channels + first + c) * positions, (job * positions * block + c) * width
            for n in range(some):
                for i in range(positions):
                    turned[np.uint64(i * width + n)] = source[np.uint64(at + i)]
                at += channels * positions
            for i in range(positions):
                for n in range(width):
                    flat[np.uint64(to + n)] = turned[np.uint64(i * width + n)]
                to += block * width
        for i in range(positions):                        # channels beyond the last are summed, too, and dropped
            for m in range(max(channels - first, 0) * width, block * width):
                flat[np.uint64((job * positions + i) * block * width + m)] = 0


@kernel(parallel=True)
def pack_weight(w, packed):
    """packed[tile, block of channels, tap, channel, row] = w[row of the tile, channel, tap]"""
    outputs, channels, taps = w.shape
    tiles, blocks, _, block, rows = packed.shape
    for job in prange(tiles * blocks):
        tile, first = job // blocks, job % blocks
        for r in range(rows):
            o = tile * rows + r
            for c in range(min(block, channels - first * block)):
                for t in range(taps):
                    packed[tile, first, t, c, r] = w[o, first * block + c, t] if o < outputs else w.dtype.type(0)


@kernel(parallel=True)
def sums_abreast(x, channels, w, bias, starts, taps, sources, parts, out):
    batches, blocks, places, block, width = x.shape
    tiles, _, kernel_size, _, rows = w.shape
    images, outputs, positions = out.shape
    source, weights, size = x.reshape(-1), w.reshape(-1), positions * rows * width
    for job in prange(batches * parts):
        batch, part = job // parts, job % parts
        low, high = tiles * part // parts, tiles * (part + 1) // parts
        sums = np.empty((high - low) * size, out.dtype)
        for b in range(blocks):
            count = min(block, channels - b * block)
            for tall in range(low, high):
                for p in range(positions):
                    acc = tile_tall(x)
                    for k in range(starts[p], starts[p + 1]):
                        at_w = ((tall * blocks + b) * kernel_size + taps[k]) * block * rows
                        at_x = ((batch * blocks + b) * places + sources[k]) * block * width
                        for c in range(count):
                            acc = tile_outer(acc, weights, at_w + c * rows, source, at_x + c * width)
                    to = (tall - low) * size + p * rows * width
                    if b == 0:
                        tile_store(acc, sums, to, width)
                    else:
                        tile_add(acc, sums, to, width)
        some = min(width, images - batch * width)
        turned = np.empty(positions * width, out.dtype)
        for o in range(low * rows, min(high * rows, outputs)):
            at = (o // rows - low) * size + o % rows * width
            for p in range(positions):
                for n in range(width):
                    turned[np.uint64(p * width + n)] = sums[np.uint64(at + n)] + bias[o]
                at += rows * width
            for n in range(some):
                row = out[batch * width + n, o]
                for p in range(positions):
                    row[p] = turned[np.uint64(p * width + n)]


@kernel(parallel=True)
def weight_sums_abreast(dy, x, starts, maps, images, together, vectors, parts, dw):
    batches, rows_of_tiles, positions, _, width = dy.shape
    blocks, places = x.shape[1], x.shape[2]
    outputs, channels, taps = dw.shape
    left, right = dy.reshape(-1), x.reshape(-1)
    for part in prange(parts):
        sums = np.empty(taps * ROWS * vectors, x.dtype)
        offsets = np.empty(vectors, np.int64)
        for c in range(0, channels, vectors):
            for v in range(vectors):
                here = min(c + v, channels - 1)      # sums that nobody asked for fill the last tile
                offsets[v] = (here // ROWS * places * ROWS + here % ROWS) * width
            for o in range(rows_of_tiles * part // parts, rows_of_tiles * (part + 1) // parts):
                sums[:] = 0
                for batch in range(0, batches, together):
                    for piece in range((starts.size - 1) // taps):
                        for t in range(taps):
                            acc = tile(x)
                            for n in range(batch, min(batch + together, batches)):
                                at_dy = (n * rows_of_tiles + o) * positions * ROWS * width
                                at_x = n * blocks * places * ROWS * width
                                for k in range(starts[piece * taps + t], starts[piece * taps + t + 1]):
                                    to_dy, to_x = at_dy + maps[k] * ROWS * width, at_x + images[k] * ROWS * width
                                    for i in range(0, width, tile_lanes(acc)):
                                        acc = tile_inner(acc, left, to_dy + i, width, right, to_x + i, offsets, 0)
                            tile_add_sums(acc, sums, t * ROWS * vectors, vectors)
                for r in range(min(ROWS, outputs - o * ROWS)):
                    for v in range(min(vectors, channels - c)):
                        for t in range(taps):
                            dw[o * ROWS + r, c + v, t] = sums[np.uint64((t * ROWS + r) * vectors + v)]
