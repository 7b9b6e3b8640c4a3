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

Small images waste much of the line (4x4 with padding 1: 9 of 25 positions); then ``abreast.py`` sums, if it needs less than
0.85 of the multiplications. Where the kernel covers the whole image there is nothing to shift: one matrix product.

Where x holds an infinity, dw can be NaN also for kernel positions that never meet it (0 * inf).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from ...backend import simd
from ...backend.jit import chunks
from ...backend.simd import ROWS
from ...backend.sums import total
from ...backend.threads import get_num_threads
from . import abreast
from .abreast import FLOPS_PER_ELEMENT
from .columns import columns, product, product_transposed, product_weight, scatter_columns, without_padding
from .geometry import Geometry
from .kernels import pack_backward, pack_forward, shifted_sums, weight_sums

CACHE = 98_304          # numbers of a chunk that shall stay in the second-level cache
HELD = 16               # channels of a result that are summed before they are written out


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
    phases: list[tuple[int, ...]] = [(a, b, c) for a in range(g.stride[0]) for b in range(g.stride[1]) for c in range(g.stride[2])]
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
    if geometry.whole:
        return _plus(product(x, w, geometry, columns), bias)
    g, n, o = geometry.in_3d(), x.shape[0], w.shape[0]
    if abreast.pays(g, n, w.shape[1], o, x.dtype, math.prod(line_of(g))) and _finite(w):
        return abreast.correlate(x, w, bias, geometry)
    per_group = (w.shape[1], o // g.groups)
    plan = plan_forward(g, n, *per_group, x.dtype, get_num_threads())
    w = w.reshape(g.groups, per_group[1], per_group[0], len(g.taps))
    packed = np.empty(_packed_size(g.groups, per_group[1], plan), x.dtype)
    pack_forward(w, plan.rows, packed, work=w.size)
    return _run(plan, x.reshape(x.shape[:2] + g.image), packed, bias, np.empty((n, o) + g.maps, x.dtype), g.groups
                ).reshape((n, o) + geometry.maps)


def correlate_transposed(dy, w, bias, geometry: Geometry):
    """dx of a convolution, which is y of a transposed one: dy (N, O, *maps), w (O, C / groups, *kernel) ->
    (N, C, *image)."""
    if geometry.whole:
        return _plus(product_transposed(dy, w, geometry, scatter_columns), bias)
    g, n, o = geometry.in_3d(), dy.shape[0], w.shape[0]
    if abreast.pays(g, n, o, w.shape[1], dy.dtype, math.prod(line_of(g))):
        return abreast.correlate_transposed(dy, w, bias, geometry)
    per_group = (w.shape[1], o // g.groups)
    plan = plan_backward(g, n, *per_group, dy.dtype, get_num_threads())
    w = w.reshape(g.groups, per_group[1], per_group[0], len(g.taps))
    packed = np.empty(_packed_size(g.groups, per_group[0], plan), dy.dtype)
    pack_backward(w, plan.rows, plan.order, plan.starts // per_group[1], packed, work=w.size)
    c = g.groups * per_group[0]
    return _run(plan, dy.reshape(dy.shape[:2] + g.maps), packed, bias, np.empty((n, c) + g.image, dy.dtype), g.groups
                ).reshape((n, c) + geometry.image)


def correlate_weight(dy, x, geometry: Geometry):
    """dw (O, C / groups, *kernel) and the sums of dy over images and positions (O,)."""
    if geometry.whole:
        return product_weight(dy, x, geometry, columns), total(dy, (0, *range(2, dy.ndim)))
    g, (n, o), c = geometry.in_3d(), dy.shape[:2], x.shape[1] // geometry.groups
    if abreast.pays(g, n, c, o, x.dtype, math.prod(line_of(g)), weight=True):
        return abreast.correlate_weight(dy, x, geometry), total(dy, (0, *range(2, dy.ndim)))
    plan = plan_weight(g, n, c, o // g.groups, x.dtype, get_num_threads())
    flops = n * g.positions * o * c * len(g.taps)
    parts = chunks(plan.chunks, flops // FLOPS_PER_ELEMENT)
    height = -(-(o // g.groups) // plan.rows) * plan.rows
    sums = np.zeros((parts, g.groups * height, len(plan.offsets)), x.dtype)
    totals = np.zeros((parts, o))   # float64: it adds piece after piece
    per_group = c * len(plan.source) * plan.pitch + o // g.groups * plan.length
    weight_sums(dy.reshape(dy.shape[:2] + g.maps), x.reshape(x.shape[:2] + g.image), g.groups, plan.line, plan.target,
                plan.source, plan.offsets, plan.pitch, plan.length, plan.chunks, plan.rows,
                max(1, CACHE // per_group), sums, totals, work=flops // FLOPS_PER_ELEMENT)
    dw = total(sums, 0).reshape(g.groups, height, -1)[:, :o // g.groups, :c * len(g.taps)]
    dw = np.ascontiguousarray(dw).reshape((o, c) + geometry.kernel)
    return without_padding(dw, dy, x, geometry), total(totals, 0).astype(x.dtype)


def _plus(y, bias):
    if bias is not None:
        y += bias.reshape((-1,) + (1,) * (y.ndim - 2))
    return y


def _finite(w) -> bool:
    """A NaN or an inf of the kernel times the padding is a NaN, which only a sum that multiplies the padding has."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(w.sum()))


def _packed_size(groups: int, outputs: int, plan: Plan) -> int:
    return groups * -(-outputs // plan.rows) * plan.rows * int(plan.starts[-1])


def _run(plan: Plan, source, packed, bias, out, groups: int):
    if bias is None:
        bias = np.zeros(out.shape[1], out.dtype)
    work = plan.chunks * plan.length * packed.size // FLOPS_PER_ELEMENT
    bundle = max(1, CACHE // (source.shape[1] // groups * len(plan.source) * plan.pitch))
    shifted_sums(source, packed, bias, out, groups, plan.line, plan.source, plan.target, plan.offsets, plan.starts,
                 plan.lead, plan.pitch, plan.length, plan.chunks, plan.rows, bundle,
                 min(out.shape[1] + plan.rows, HELD), work=work)
    return out
