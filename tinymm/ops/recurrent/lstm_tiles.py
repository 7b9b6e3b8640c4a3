"""An LSTM layer over all time steps in one kernel: each thread takes some rows of the batch from first step to last.

The sweep of ``sweep.py`` calls BLAS once a step, and its threads meet at every step. But the rows of a batch do not
know of each other, forward or backward. So here a thread keeps its rows for the whole sequence: it multiplies them with
the packed W_hh (``backend/tiled_product.py``), applies the gates while they are in the cache, and goes on. The products
that do not wait for an earlier step are done at once for all steps: W_ih x before, and in the backward pass

    dW_ih = sum_t da_t x_t^T        dW_hh = sum_t da_t h_{t-1}^T        dx_t = W_ih^T da_t

Everything stands row by row, (T, B, 4H) and (T, B, H).
"""

from __future__ import annotations

import numpy as np

from ...backend.jit import kernel, prange
from ...backend.recycle import give_back, take
from ...backend.simd import ROWS, tile, tile_width
from ...backend.sums import total
from ...backend.tiled_product import cut, multiply, panels, parts, product, product_of_transposed
from ...backend.vmath import sigmoid as s_, tanh as tanh_

GO_ON, RESET, ENDED = 0, 1, 2   # of a row at a step: as usual, from a zero state, or past the row's length
FEWEST_UNITS = 64               # narrower states do not fill a tile
FEWEST_ROWS = 64                # rows of all steps together, below which packing the weights does not pay


def suitable(T: int, B: int, H: int) -> bool:
    """Whether whole sequences in tiles are faster than the sweep: enough rows for a tile, and for the packing."""
    return B >= ROWS and T * B >= FEWEST_ROWS and H >= FEWEST_UNITS


def flags_of(T: int, B: int, lengths, reset):
    """(T, B) bytes that say what happens to a row at a step."""
    flags = np.zeros((T, B), np.uint8)
    if reset is not None:
        flags[reset] = RESET
    if lengths is not None:
        flags[np.arange(T)[:, None] >= lengths] = ENDED
    return flags


class TiledLSTM:
    """One call of the operation: what its backward needs, and both passes."""

    def __init__(self, x, h, c, w_ih, w_hh, b_ih, b_hh, lengths, reset, reverse, output_tanh):
        (T, B, D), H = x.shape, w_hh.shape[1]
        self.w_ih, self.w_hh, self.reverse, self.output_tanh = w_ih, w_hh, reverse, output_tanh
        self.flags = flags_of(T, B, lengths, reset)
        if lengths is not None:
            x = np.where((self.flags == ENDED)[:, :, None], x.dtype.type(0), x)   # padding may hold a NaN
        self.x = x
        self.h, self.c = np.empty((T + 1, B, H), x.dtype), np.empty((T + 1, B, H), x.dtype)
        self.h[T if reverse else 0], self.c[T if reverse else 0] = h, c
        bias = np.zeros(4 * H, x.dtype)
        for b in (b_ih, b_hh):
            bias = bias if b is None else bias + b
        self.apart = lengths is not None or reset is not None   # outputs differ from states
        self.y = np.empty((T, B, H) if self.apart else (0, 0, 0), x.dtype)
        self.gates = take((T, B, 4 * H), x.dtype)
        product(x.reshape(T * B, D), panels(w_ih, transpose=True), 4 * H, self.gates.reshape(T * B, 4 * H))
        work = T * B * H * 4 * H
        _forward(panels(w_hh, transpose=True), bias, self.flags, reverse, output_tanh, parts(B, work), self.gates,
                 self.h, self.c, self.y, work=work)

    def outputs(self) -> tuple:
        """All h_t, and the last h and c."""
        last, y = (0, self.h[:-1]) if self.reverse else (-1, self.h[1:])
        y, self.y = (self.y if self.apart else y), None
        return y, self.h[last].copy(), self.c[last].copy()

    def backward(self, dy, dh, dc, needs) -> tuple:
        (T, B, D), H = self.x.shape, self.w_hh.shape[1]
        dh, dc, d_gates = dh.copy(), dc.copy(), take(self.gates.shape, dy.dtype)
        work = T * B * H * 4 * H
        pieces = parts(B, work)
        d_bias = np.zeros((pieces, 4 * H))   # float64: it adds step after step
        _backward(panels(self.w_hh), self.gates, self.c, dy, self.flags, self.reverse, self.output_tanh, needs[1],
                  pieces, dh, dc, d_gates, d_bias, work=work)
        d_gates, x = d_gates.reshape(T * B, 4 * H), self.x.reshape(T * B, D)
        before = (self.h[1:] if self.reverse else self.h[:-1]).reshape(T * B, H)
        found = (product(d_gates, panels(self.w_ih), D).reshape(T, B, D) if needs[0] else None,
                 dh if needs[1] else None,
                 dc if needs[2] else None,
                 product_of_transposed(d_gates, panels(x), D) if needs[3] else None,
                 product_of_transposed(d_gates, panels(before), H) if needs[4] else None,
                 total(d_bias, 0).astype(dy.dtype) if needs[5] else None,
                 total(d_bias, 0).astype(dy.dtype) if needs[6] else None)
        give_back(d_gates)
        return found

    def __del__(self):
        if hasattr(self, "gates"):
            give_back(self.gates)


@kernel(parallel=True)
def _forward(packed, bias, flags, reverse, output_tanh, parts, gates, h, c, y):
    T, B, width = gates.shape   # W_ih x at first; the values of the gates at last
    H = h.shape[2]
    flat, states = gates.reshape(-1), h.reshape(-1)
    for part in prange(parts):
        lo, hi = cut(B, part, parts), cut(B, part + 1, parts)
        spare = np.empty(ROWS * tile_width(tile(packed)), h.dtype)
        for step in range(T):
            t = T - 1 - step if reverse else step
            before, after = (t + 1, t) if reverse else (t, t + 1)
            for n in range(lo, hi):
                if flags[t, n] == RESET:
                    h[before, n] = 0
                    c[before, n] = 0
            multiply(states, (before * B + lo) * H, H, H, 1, hi - lo, hi - lo - ROWS, H, packed, flat,
                     (t * B + lo) * width, width, True, spare)
            for n in range(lo, hi):
                if flags[t, n] == ENDED:
                    h[after, n] = h[before, n]
                    c[after, n] = c[before, n]
                else:
                    _step(gates[t, n], bias, c[before, n], output_tanh, c[after, n], h[after, n])
                if y.size:
                    if flags[t, n] == ENDED:
                        y[t, n] = 0
                    else:
                        y[t, n] = h[after, n]


@kernel
def _step(a, bias, c_before, output_tanh, c, h):
    H = h.shape[0]
    i, f, g, o = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:]
    for k in range(a.shape[0]):
        a[k] += bias[k]
    for k in range(i.shape[0]):
        i[k] = s_(i[k])
    for k in range(f.shape[0]):
        f[k] = s_(f[k])
    for k in range(g.shape[0]):
        g[k] = tanh_(g[k])
    for k in range(o.shape[0]):
        o[k] = s_(o[k])
    for k in range(H):
        c[k] = f[k] * c_before[k] + i[k] * g[k]
    if output_tanh:
        for k in range(H):
            h[k] = tanh_(c[k])
        for k in range(H):
            h[k] *= o[k]
    else:
        for k in range(H):
            h[k] = c[k] * o[k]


@kernel(parallel=True)
def _backward(packed, gates, c, dy, flags, reverse, output_tanh, to_the_end, parts, dh, dc, d_gates, d_bias):
    T, B, width = gates.shape
    H = dy.shape[2]
    flat, gradient = d_gates.reshape(-1), dh.reshape(-1)
    for part in prange(parts):
        lo, hi = cut(B, part, parts), cut(B, part + 1, parts)
        spare, cell = np.empty(ROWS * tile_width(tile(packed)), dy.dtype), np.empty(H, dy.dtype)
        for step in range(T):
            t = step if reverse else T - 1 - step
            before = t + 1 if reverse else t
            for n in range(lo, hi):
                if flags[t, n] == ENDED:   # it hands its gradient on untouched
                    d_gates[t, n] = 0
                else:
                    _step_back(gates[t, n], c[before, n], dy[t, n], output_tanh, cell, dh[n], dc[n], d_gates[t, n],
                               d_bias[part])
            if step < T - 1 or to_the_end:
                multiply(flat, (t * B + lo) * width, width, width, 1, hi - lo, hi - lo - ROWS, width, packed, gradient,
                         lo * H, H, True, spare)
            for n in range(lo, hi):
                if flags[t, n] == RESET:
                    dh[n] = 0
                    dc[n] = 0


@kernel
def _step_back(a, c_before, dy, output_tanh, cell, dh, dc, da, d_bias):
    H, one = dy.shape[0], dy.dtype.type(1)
    i, f, g, o = a[:H], a[H:2 * H], a[2 * H:3 * H], a[3 * H:]
    di, df, dg, do = da[:H], da[H:2 * H], da[2 * H:3 * H], da[3 * H:]
    for k in range(H):   # c' once more, because a reset may have cleared what the forward kept
        cell[k] = f[k] * c_before[k] + i[k] * g[k]
    for k in range(H):
        dh[k] += dy[k]
    if output_tanh:
        for k in range(H):
            cell[k] = tanh_(cell[k])
        for k in range(H):
            dc[k] += dh[k] * o[k] * (one - cell[k] * cell[k])
    else:
        for k in range(H):
            dc[k] += dh[k] * o[k]
    for k in range(H):
        do[k] = dh[k] * cell[k] * o[k] * (one - o[k])
    for k in range(H):
        di[k] = dc[k] * g[k] * i[k] * (one - i[k])
    for k in range(H):
        dg[k] = dc[k] * i[k] * (one - g[k] * g[k])
    for k in range(H):
        df[k] = dc[k] * c_before[k] * f[k] * (one - f[k])
    for k in range(H):
        dc[k] *= f[k]
    for k in range(H):
        dh[k] = 0
    for k in range(da.shape[0]):
        d_bias[k] += da[k]
