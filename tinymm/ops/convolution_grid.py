"""Convolution as sums of shifted rows: the CPU kernels of ``conv`` and ``conv_transpose``.

Write all images of a batch behind one another on one long line, each row with its zeros in front. Then the window of
kernel position k begins, for *every* output position i of the line, at the same distance from it::

    y[o, i] = sum_j w[o, j] * x[shift_j + i]          j runs over (channel, kernel position)

No columns are copied: each line of the im2col matrix is the same memory, read from another starting point. The zeros
before a row serve as the zeros behind the one before it, and likewise between images. A stride s splits the line into
s phases (every s-th element), and the same holds in each; dilation only changes the shifts. The transposed sums are
of the same kind, with the shifts going back::

    dx[c, i] = sum_j w'[c, j] * g[i - shift_j]          dw[o, j] = sum_i g[o, i] * x[shift_j + i]

A few positions of the line, between rows and images, belong to no output: they are computed and dropped, and g is zero
there. The line is cut into chunks that fit the cache; a chunk is packed, summed in register tiles and unpacked.

Where x holds an infinity, dw can be NaN also for kernel positions that never meet it (0 * inf).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from ..backend import simd
from ..backend.jit import chunks, kernel, prange
from ..backend.simd import (ROWS, tile, tile_add_sums, tile_inner, tile_lanes, tile_outer, tile_plus, tile_row,
                            tile_store, tile_vectors, tile_width)
from ..backend.threads import get_num_threads
from .convolution_geometry import Geometry

CACHE = 98_304          # numbers of a chunk that shall stay in the second-level cache
HELD = 16               # channels of a result that are summed before they are written out
TERMS = 128             # products summed before they join the total: rounding errors grow with the length of a sum
FLOPS_PER_ELEMENT = 64  # arithmetic that takes as long as one element of an ordinary kernel


@dataclasses.dataclass(frozen=True)
class Plan:
    """How one of the three sums runs: positions on the line, shifts, sizes of the chunks."""

    line: np.ndarray       # (RD, RH, RW): lengths of an image on the line
    source: np.ndarray     # (phases, 6): stride and offset by which the line's indices reach into the source
    target: np.ndarray     # (phases, 6): the same for the result
    offsets: np.ndarray    # start of the window of each j in the packed source, phase by phase of the target
    starts: np.ndarray     # where the j's of each phase of the target begin in ``offsets``
    order: np.ndarray      # kernel positions in the order of the phases
    lead: int              # elements packed before a chunk
    pitch: int             # elements packed for a channel and phase
    length: int            # positions of a chunk
    chunks: int
    rows: int              # rows of a tile: ROWS, or 1 where a group has a single output


def line_of(g: Geometry) -> tuple[int, ...]:
    """Lengths of an image on the line: room for its elements, its leading zeros and its outputs, over the stride."""
    return tuple(max(-(-(n + max(b, a)) // s), m)
                 for n, b, a, s, m in zip(g.image, g.before, g.after, g.stride, g.maps))


def phases_of(g: Geometry):
    """Phases as (phase of each axis), the phase number of each tap, and its shift along the line."""
    phases = [(a, b, c) for a in range(g.stride[0]) for b in range(g.stride[1]) for c in range(g.stride[2])]
    rd, rh, rw = line_of(g)
    number, shift = [], []
    for tap in g.taps:
        at = [k * d for k, d in zip(tap, g.dilation)]
        number.append(phases.index(tuple(a % s for a, s in zip(at, g.stride))))
        q = [a // s for a, s in zip(at, g.stride)]
        shift.append((q[0] * rh + q[1]) * rw + q[2])
    return phases, number, shift


def cut(positions: int, planes: int, most: int, unit: int, threads: int) -> tuple[int, int]:
    """(length, number) of chunks of the line: multiples of ``unit`` that fit the cache, a multiple of the threads."""
    want = min(most, max(256, CACHE // max(planes, 1)))
    pieces = -(-positions // want)
    pieces = -(-pieces // threads) * threads if pieces > 1 else 1
    length = -(-positions // (pieces * unit)) * unit
    return length, -(-positions // length)


@functools.lru_cache(maxsize=512)
def plan_forward(g: Geometry, n: int, c: int, o: int, dtype, threads: int) -> Plan:
    """y from x; ``c`` and ``o`` are the channels of a group."""
    phases, number, shift = phases_of(g)
    used = sorted(set(number))
    rows = 1 if o == 1 else ROWS
    length, pieces = cut(n * math.prod(line_of(g)), c * len(used), 2048, _unit(dtype, rows), threads)
    pitch = length + max(shift)
    offsets = [(k * len(used) + used.index(q)) * pitch + s for k in range(c) for q, s in zip(number, shift)]
    return Plan(_ints(line_of(g)), _image_map(g, [phases[q] for q in used]), _ints([(1, 1, 1, 0, 0, 0)]),
                _ints(offsets), _ints([0, len(offsets)]), _ints(range(len(number))), 0, pitch, length, pieces, rows)


@functools.lru_cache(maxsize=512)
def plan_backward(g: Geometry, n: int, c: int, o: int, dtype, threads: int) -> Plan:
    """dx from dy: for each phase of x, the taps that reach it."""
    phases, number, shift = phases_of(g)
    rows = 1 if c == 1 else ROWS
    length, pieces = cut(n * math.prod(line_of(g)), o, 2048, _unit(dtype, rows), threads)
    lead = max(shift)
    pitch = lead + length
    order = [t for q in range(len(phases)) for t in range(len(number)) if number[t] == q]
    offsets, starts = [], [0]
    for q in range(len(phases)):
        offsets += [k * pitch + lead - shift[t] for k in range(o) for t in order if number[t] == q]
        starts.append(len(offsets))
    return Plan(_ints(line_of(g)), _ints([(1, 1, 1, 0, 0, 0)]), _image_map(g, phases), _ints(offsets), _ints(starts),
                _ints(order), lead, pitch, length, pieces, rows)


@functools.lru_cache(maxsize=512)
def plan_weight(g: Geometry, n: int, c: int, o: int, dtype, threads: int) -> Plan:
    """dw from x and dy."""
    phases, number, shift = phases_of(g)
    used = sorted(set(number))
    rows = 1 if o == 1 else ROWS
    length, pieces = cut(n * math.prod(line_of(g)), c * len(used) + o, 1024, simd.registers()[0] // dtype.itemsize,
                         threads)
    pitch = length + max(shift)
    offsets = [(k * len(used) + used.index(q)) * pitch + s for k in range(c) for q, s in zip(number, shift)]
    vectors = simd.ROW_VECTORS if rows == 1 else simd.registers()[1]
    offsets += [0] * (-len(offsets) % vectors)   # sums that nobody asked for fill the last tile
    return Plan(_ints(line_of(g)), _image_map(g, [phases[q] for q in used]), _ints([(1, 1, 1, 0, 0, 0)]),
                _ints(offsets), _ints([0, len(offsets)]), _ints(range(len(number))), 0, pitch, length, pieces, rows)


def _unit(dtype, rows: int) -> int:
    return simd.width(dtype) if rows > 1 else simd.ROW_VECTORS * simd.registers()[0] // dtype.itemsize


def _image_map(g: Geometry, phases) -> np.ndarray:
    return _ints([(*g.stride, *(q - b for q, b in zip(phase, g.before))) for phase in phases])


def _ints(values) -> np.ndarray:
    return np.array(list(values), np.int64)


# ---------------------------------------------------------------------- the three sums


def correlate(x, w, bias, geometry: Geometry):
    """y of a convolution: x (N, C, *image), w (O, C / groups, *kernel), bias (O,) or None -> (N, O, *maps)."""
    g, n, o = geometry.in_3d(), x.shape[0], w.shape[0]
    per_group = (w.shape[1], o // g.groups)
    plan = plan_forward(g, n, *per_group, x.dtype, get_num_threads())
    w = w.reshape(g.groups, per_group[1], per_group[0], len(g.taps))
    packed = np.empty(_packed_size(g.groups, per_group[1], plan), x.dtype)
    _pack_forward(w, plan.rows, packed, work=w.size)
    return _run(plan, x.reshape(x.shape[:2] + g.image), packed, bias, np.empty((n, o) + g.maps, x.dtype), g.groups
                ).reshape((n, o) + geometry.maps)


def correlate_transposed(dy, w, bias, geometry: Geometry):
    """dx of a convolution, which is y of a transposed one: dy (N, O, *maps), w (O, C / groups, *kernel) ->
    (N, C, *image)."""
    g, n, o = geometry.in_3d(), dy.shape[0], w.shape[0]
    per_group = (w.shape[1], o // g.groups)
    plan = plan_backward(g, n, *per_group, dy.dtype, get_num_threads())
    w = w.reshape(g.groups, per_group[1], per_group[0], len(g.taps))
    packed = np.empty(_packed_size(g.groups, per_group[0], plan), dy.dtype)
    _pack_backward(w, plan.rows, plan.order, plan.starts // per_group[1], packed, work=w.size)
    c = g.groups * per_group[0]
    return _run(plan, dy.reshape(dy.shape[:2] + g.maps), packed, bias, np.empty((n, c) + g.image, dy.dtype), g.groups
                ).reshape((n, c) + geometry.image)


def correlate_weight(dy, x, geometry: Geometry):
    """dw (O, C / groups, *kernel) and the sums of dy over images and positions (O,)."""
    g, (n, o), c = geometry.in_3d(), dy.shape[:2], x.shape[1] // geometry.groups
    plan = plan_weight(g, n, c, o // g.groups, x.dtype, get_num_threads())
    flops = n * g.positions * o * c * len(g.taps)
    parts = chunks(plan.chunks, flops // FLOPS_PER_ELEMENT)
    height = -(-(o // g.groups) // plan.rows) * plan.rows
    sums = np.zeros((parts, g.groups * height, len(plan.offsets)), x.dtype)
    totals = np.zeros((parts, o), x.dtype)
    per_group = c * len(plan.source) * plan.pitch + o // g.groups * plan.length
    _weight_sums(dy.reshape(dy.shape[:2] + g.maps), x.reshape(x.shape[:2] + g.image), g.groups, plan.line, plan.target,
                 plan.source, plan.offsets, plan.pitch, plan.length, plan.chunks, plan.rows,
                 max(1, CACHE // per_group), sums, totals, work=flops // FLOPS_PER_ELEMENT)
    dw = sums.sum(0).reshape(g.groups, height, -1)[:, :o // g.groups, :c * len(g.taps)]
    return np.ascontiguousarray(dw).reshape((o, c) + geometry.kernel), totals.sum(0)


def _packed_size(groups: int, outputs: int, plan: Plan) -> int:
    return groups * -(-outputs // plan.rows) * plan.rows * int(plan.starts[-1])


def _run(plan: Plan, source, packed, bias, out, groups: int):
    if bias is None:
        bias = np.zeros(out.shape[1], out.dtype)
    work = plan.chunks * plan.length * packed.size // FLOPS_PER_ELEMENT
    bundle = max(1, CACHE // (source.shape[1] // groups * len(plan.source) * plan.pitch))
    _shifted_sums(source, packed, bias, out, groups, plan.line, plan.source, plan.target, plan.offsets, plan.starts,
                  plan.lead, plan.pitch, plan.length, plan.chunks, plan.rows, bundle,
                  min(out.shape[1] + plan.rows, HELD), work=work)
    return out


# ---------------------------------------------------------------------- kernels


@kernel(parallel=True)
def _pack_forward(w, rows, packed):
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
def _pack_backward(w, rows, order, starts, packed):
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
def _shifted_sums(source, w, bias, out, groups, line, source_map, target_map, offsets, starts, lead, pitch, length,
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
def _weight_sums(dy, x, groups, line, dy_map, x_map, offsets, pitch, length, pieces, rows, bundle, sums, totals):
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
