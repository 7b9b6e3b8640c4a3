"""The kernels of ``grid.py``: a chunk of the line is packed, summed in register tiles, and unpacked."""

from __future__ import annotations

import numpy as np

from ...backend.jit import kernel, prange
from ...backend.simd import (ROWS, tile, tile_add_sums, tile_inner, tile_lanes, tile_outer, tile_plus, tile_row, tile_store,
                             tile_vectors, tile_width)

TERMS = 128   # products summed before they join the total: rounding errors grow with the length of a sum


@kernel(parallel=True)
def pack_forward(w, rows, packed):
    """packed[group, block of outputs, (channel, tap), row] = w[group, output, channel, tap]"""
    groups, outputs, channels, taps = w.shape
    blocks = (outputs + rows - 1) // rows
    for b in prange(groups * blocks):
        group, first = b // blocks, b % blocks * rows
        for r in range(rows):
            at = b * channels * taps * rows + r
            for c in range(channels):
                for t in range(taps):
                    packed[at] = w[group, first + r, c, t] if first + r < outputs else w.dtype.type(0)
                    at += rows


@kernel(parallel=True)
def pack_backward(w, rows, order, starts, packed):
    """packed[phase, group, block of channels, (output, tap of the phase), row] = w[group, output, channel, tap]"""
    groups, outputs, channels, taps = w.shape
    blocks = (channels + rows - 1) // rows
    for b in prange(groups * blocks):
        group, first = b // blocks, b % blocks * rows
        for q in range(starts.size - 1):
            count = starts[q + 1] - starts[q]
            at = (groups * blocks * starts[q] + b * count) * outputs * rows
            for o in range(outputs):
                for t in range(starts[q], starts[q + 1]):
                    for r in range(rows):
                        packed[at] = w[group, o, first + r, order[t]] if first + r < channels else w.dtype.type(0)
                        at += 1


@kernel
def _span(stride, shift, length, first, count):
    """The range of m in [0, count) for which (first + m) * stride + shift lies in [0, length)."""
    low = min(max((stride - 1 - shift) // stride - first, 0), count)
    return low, max(min((length - 1 - shift) // stride + 1 - first, count), low)


@kernel
def _pack(source, first, channels, start, line, maps, pitch, packed):
    """packed[channel, phase, i] = the source at position ``start + i`` of the line, 0 where it has none."""
    images, all_channels, depth, height, width = source.shape
    flat, phases, step = source.reshape(-1), maps.shape[0], depth * height * width
    for q in range(phases):
        sw, shift = maps[q, 2], maps[q, 5]
        row = start // line[2]
        image, slab, row_of_slab = row // (line[0] * line[1]), row // line[1] % line[0], row % line[1]
        i, k = 0, start - row * line[2]
        while i < pitch:   # one row of the line, or the part of it that the chunk has
            count = min(line[2] - k, pitch - i)
            d, h = slab * maps[q, 0] + maps[q, 3], row_of_slab * maps[q, 1] + maps[q, 4]
            low, high = _span(sw, shift, width, k, count)
            if not (0 <= image < images and 0 <= d < depth and 0 <= h < height):
                low, high = count, count
            to = q * pitch + i
            at = ((image * all_channels + first) * depth + d) * height * width + h * width + k * sw + shift
            for _ in range(channels):
                for m in range(low):
                    packed[np.uint64(to + m)] = 0
                if sw == 1:
                    for m in range(low, high):
                        packed[np.uint64(to + m)] = flat[np.uint64(at + m)]
                else:
                    for m in range(low, high):
                        packed[np.uint64(to + m)] = flat[np.uint64(at + m * sw)]
                for m in range(high, count):
                    packed[np.uint64(to + m)] = 0
                to += phases * pitch
                at += step
            i, k, row_of_slab = i + count, 0, row_of_slab + 1
            if row_of_slab == line[1]:
                row_of_slab, slab = 0, slab + 1
                if slab == line[0]:
                    slab, image = 0, image + 1


@kernel
def _unpack(sums, length, channels, start, line, maps, q, bias, first, out):
    """out at the positions of the line from ``start`` on = sums[channel, i] + bias, for the channels from ``first``."""
    images, all_channels, depth, height, width = out.shape
    flat, sw, shift, step = out.reshape(-1), maps[q, 2], maps[q, 5], depth * height * width
    row = start // line[2]
    image, slab, row_of_slab = row // (line[0] * line[1]), row // line[1] % line[0], row % line[1]
    i, k = 0, start - row * line[2]
    while i < length and image < images:
        count = min(line[2] - k, length - i)
        d, h = slab * maps[q, 0] + maps[q, 3], row_of_slab * maps[q, 1] + maps[q, 4]
        if 0 <= d < depth and 0 <= h < height:
            low, high = _span(sw, shift, width, k, count)
            to = ((image * all_channels + first) * depth + d) * height * width + h * width + k * sw + shift
            at = i
            for c in range(channels):
                b = bias[first + c]
                if sw == 1:
                    for m in range(low, high):
                        flat[np.uint64(to + m)] = sums[np.uint64(at + m)] + b
                else:
                    for m in range(low, high):
                        flat[np.uint64(to + m * sw)] = sums[np.uint64(at + m)] + b
                to += step
                at += length
        i, k, row_of_slab = i + count, 0, row_of_slab + 1
        if row_of_slab == line[1]:
            row_of_slab, slab = 0, slab + 1
            if slab == line[0]:
                slab, image = 0, image + 1


@kernel
def _tile_sums(w, at, x, at_x, offsets, begin, end, sums, to, length):
    """sums[to + r * length + i] = sum over j of w[j, r] * x[at_x + offset_j + i], for ROWS rows."""
    for i in range(0, length, tile_width(tile(x))):
        total = tile(x)
        for first in range(begin, end, TERMS):
            acc = tile(x)
            for j in range(first, min(first + TERMS, end)):
                acc = tile_outer(acc, w, at + (j - begin) * ROWS, x, offsets[j] + at_x + i)
            total = tile_plus(total, acc)
        tile_store(total, sums, to + i, length)


@kernel
def _row_sums(w, at, x, at_x, offsets, begin, end, sums, to, length):
    """The same for one row."""
    for i in range(0, length, tile_width(tile_row(x))):
        total = tile_row(x)
        for first in range(begin, end, TERMS):
            acc = tile_row(x)
            for j in range(first, min(first + TERMS, end)):
                acc = tile_outer(acc, w, at + j - begin, x, offsets[j] + at_x + i)
            total = tile_plus(total, acc)
        tile_store(total, sums, to + i, length)


@kernel(parallel=True)
def shifted_sums(source, w, bias, out, groups, line, source_map, target_map, offsets, starts, lead, pitch, length,
                 pieces, rows, bundle, held):
    channels, outputs = source.shape[1] // groups, out.shape[1] // groups
    blocks = (outputs + rows - 1) // rows
    planes = channels * source_map.shape[0]
    for piece in prange(pieces):
        packed = np.empty(min(bundle, groups) * planes * pitch, source.dtype)
        sums = np.empty(held * length, source.dtype)
        for first in range(0, groups, bundle):   # as many groups at a time as the cache holds
            last = min(first + bundle, groups)
            _pack(source, first * channels, (last - first) * channels, piece * length - lead, line, source_map, pitch,
                  packed)
            for q in range(target_map.shape[0]):
                begin, end = starts[q], starts[q + 1]
                done = first * outputs
                for group in range(first, last):
                    at_x = (group - first) * planes * pitch
                    for b in range(blocks):
                        channel = group * outputs + b * rows
                        if channel - done + rows > held:
                            _unpack(sums, length, channel - done, piece * length, line, target_map, q, bias, done, out)
                            done = channel
                        at = (groups * blocks * begin + (group * blocks + b) * (end - begin)) * rows
                        to = (channel - done) * length   # a last block with rows to spare is overwritten by the next
                        if rows == 1:
                            _row_sums(w, at, packed, at_x, offsets, begin, end, sums, to, length)
                        else:
                            _tile_sums(w, at, packed, at_x, offsets, begin, end, sums, to, length)
                _unpack(sums, length, last * outputs - done, piece * length, line, target_map, q, bias, done, out)


@kernel(parallel=True, reassociate=True)
def weight_sums(dy, x, groups, line, dy_map, x_map, offsets, pitch, length, pieces, rows, bundle, sums, totals):
    parts, all_rows, count = sums.shape
    outputs, channels = dy.shape[1] // groups, x.shape[1] // groups
    flat, planes = sums.reshape(-1), channels * x_map.shape[0]
    for part in prange(parts):
        left = np.zeros((min(bundle, groups) * outputs + rows - 1) * length, x.dtype)
        right = np.empty(min(bundle, groups) * planes * pitch, x.dtype)
        for piece in range(pieces * part // parts, pieces * (part + 1) // parts):
            for first in range(0, groups, bundle):
                last = min(first + bundle, groups)
                _pack(dy, first * outputs, (last - first) * outputs, piece * length, line, dy_map, length, left)
                _pack(x, first * channels, (last - first) * channels, piece * length, line, x_map, pitch, right)
                for o in range((last - first) * outputs):
                    total = x.dtype.type(0)
                    for i in range(length):
                        total += left[np.uint64(o * length + i)]
                    totals[part, first * outputs + o] += total
                for group in range(first, last):
                    at_x = (group - first) * planes * pitch
                    for o in range(0, outputs, rows):
                        at_dy = ((group - first) * outputs + o) * length
                        # rows beyond the outputs of the group land in its last rows of ``sums``, which are dropped
                        to = (part * all_rows + group * (all_rows // groups) + o) * count
                        if rows == 1:
                            for j in range(0, count, tile_vectors(tile_row(x))):
                                acc = tile_row(x)
                                for i in range(0, length, tile_lanes(acc)):
                                    acc = tile_inner(acc, left, at_dy + i, length, right, at_x + i, offsets, j)
                                tile_add_sums(acc, flat, to + j, count)
                        else:
                            for j in range(0, count, tile_vectors(tile(x))):
                                acc = tile(x)
                                for i in range(0, length, tile_lanes(acc)):
                                    acc = tile_inner(acc, left, at_dy + i, length, right, at_x + i, offsets, j)
                                tile_add_sums(acc, flat, to + j, count)
