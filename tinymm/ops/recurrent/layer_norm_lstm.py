"""Layer-normalised LSTM (Ba, Kiros and Hinton 2016, supplement, equations 20-22; lecture "Layer Normalization").

    (f, i, o, g) = LN(W_h h; a1, b1) + LN(W_x x; a2, b2) + b            normalised over all 4H units together
    c' = s(f) c + s(i) tanh(g)        h' = s(o) tanh(LN(c'; a3, b3))

What is carried on is c' itself, not its normalised value. Rows of w_ih and w_hh: f, i, o, g, the paper's order
(PyTorch's LSTM has i, f, g, o). With the gains of the products None and only a3 given it is DRAW's variant.
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import sigmoid, tanh
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.jit import kernel, prange, shares
from ...backend.sums import total
from ...backend.vmath import sigmoid as s_, tanh as tanh_
from ..checks import added_to_variance
from ..row_sums import row_dot, row_sum
from .normalised_recurrence import (NormalisedRecurrence, layer_norm_formula, normalise, normalise_back,
                                    normalise_columns, normalise_columns_back)
from .stack import check_cell, check_hx, check_normalisation, check_sequence
from .sweep import BLOCK, Recurrence, logistic, unroll

NONE = np.empty(0, bool)   # no row has ended


class CellNormSteps(Recurrence):
    """One step: the formula, and on each rung what follows the normalised products: the gates f, i, o, g, the memory
    cell and its normalised output."""

    n_states = 2
    n_gates = 4

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, c, w_ih, w_hh, b_ih, b_hh, a_ih, a_hh, a_c, b_c, eps=1e-5, reset=None):
        if reset is not None:
            h, c = (where(wrap(reset[:, None]), 0, s) for s in (h, c))
        H = h.shape[1]
        a = layer_norm_formula(h @ w_hh.T, a_hh, b_hh, eps) + layer_norm_formula(x @ w_ih.T, a_ih, b_ih, eps)
        # a is (B, 4H)
        f, i, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), sigmoid(a[:, 2 * H:3 * H]), tanh(a[:, 3 * H:])
        c = f * c + i * g
        return o * tanh(layer_norm_formula(c, a_c, b_c, eps)), c

    # ------------------------------------------------------------------ what all rungs keep

    def allocate(self, xp, T, B, H):
        a_c, b_c = self.more
        self.normed = a_c is not None
        self.a_c = xp.ones(H, self.gates.dtype) if a_c is None else a_c
        self.b_c = xp.zeros(H, self.gates.dtype) if b_c is None else b_c
        self.hat_c = xp.empty((T, H, B), self.gates.dtype)   # c' of every step, normalised if there is a gain
        self.rstd_c = xp.empty((T, B), self.gates.dtype)

    # ------------------------------------------------------------------ rung 2: NumPy

    def step_numpy(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        a = self.gates[t]   # (4, H, B)
        a += pre[:, :, t * B:(t + 1) * B] + (self.b_ih + self.b_hh).reshape(4, H, 1)
        a[:3], a[3] = logistic(a[:3]), np.tanh(a[3])
        f, i, o, g = a
        self.c[after] = f * self.c[before] + i * g
        hat = self.hat_c[t]
        hat[...] = self.c[after]
        if self.normed:
            normalise(self.rung, hat, self.eps, self.rstd_c[t])
        self.h[after] = (o * np.tanh(self.a_c[:, None] * hat + self.b_c[:, None])).T

    def back_numpy(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        (f, i, o, g), B = self.gates[t], dy.shape[0]
        d = dh + carry + dy.T
        out = np.tanh(self.a_c[:, None] * self.hat_c[t] + self.b_c[:, None])
        d_rec[2] = d * out * o * (1 - o)
        d = d * o * (1 - out * out)   # of a_c hat_c + b_c
        if self.off is not None:
            xp_of(d).copyto(d, 0, where=self.off[t])   # what stands in the columns of ended rows is no gradient
        self.d_b_c += total(d, 1)
        if self.normed:
            self.d_a_c += total(d * self.hat_c[t], 1)
            normalise_back(self.rung, d, self.hat_c[t], self.rstd_c[t], self.a_c)
        dc += d
        d_rec[0] = dc * self.c[before] * f * (1 - f)
        d_rec[1] = dc * g * i * (1 - i)
        d_rec[3] = dc * i * (1 - g * g)
        d_pre[:, :, t * B:(t + 1) * B] = d_rec
        dc *= f
        carry[...] = 0

    step_cuda, back_cuda = step_numpy, back_numpy   # array-module code; no CUDA kernel of its own

    # ------------------------------------------------------------------ rung 3: Numba

    def step_numba(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        flat = H * B
        _step(pre, self.b_ih, self.b_hh, self.c[before].reshape(flat), t * B, self.a_c, self.b_c, self.eps, self.normed,
              columns(H, B), self.gates[t].reshape(4, flat), self.c[after].reshape(flat), self.hat_c[t].reshape(flat),
              self.rstd_c[t], self.h[after], work=flat)

    def back_numba(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        flat = H * B
        _back(self.gates[t].reshape(4, flat), self.c[before].reshape(flat), self.hat_c[t].reshape(flat), self.rstd_c[t],
              self.a_c, self.b_c, self.normed, NONE if self.off is None else self.off[t], dy, t * B, dh.reshape(flat),
              carry.reshape(flat), dc.reshape(flat), d_rec.reshape(4, flat), d_pre, self.d_a_c, self.d_b_c, work=flat)


class LayerNormLSTMCell(NormalisedRecurrence, CellNormSteps):
    """(h', c') from (x, h, c), the weights, the biases and the gains."""

    name = "layer_norm_lstm_cell"
    is_cell = True
    groups = ((0, 4),)
    meet = True

    # ------------------------------------------------------------------ gradients of the cell's gain and bias, all rungs

    def backward_numpy(self, *grads):
        xp, B, H = xp_of(self.x), self.x.shape[1], self.w_hh.shape[1]
        parts = columns(H, B) if self.rung == "numba" else 1
        self.d_a_c, self.d_b_c = xp.zeros((parts, H)), xp.zeros((parts, H))   # float64: sums over the steps
        return super().backward_numpy(*grads)

    backward_numba = backward_cuda = backward_numpy

    def more_gradients(self):
        d_a_c, d_b_c = (total(d, 0).astype(self.x.dtype) for d in (self.d_a_c, self.d_b_c))
        del self.d_a_c, self.d_b_c   # what is returned must not stay here
        return d_a_c if self.needs[9] else None, d_b_c if self.needs[10] else None


class LayerNormLSTM(LayerNormLSTMCell):
    """(all h_t, last h, last c) over a sequence."""

    name = "layer_norm_lstm"
    is_cell = False

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, c, *weights, **options):
        return unroll(LayerNormLSTMCell.definition, x, (h, c), weights, **options)


def columns(H: int, B: int) -> int:
    """Into how many pieces, one a thread, a kernel cuts the B cases of a step: a case is normalised by one thread."""
    return shares(max(B // 16, 1), H * B)


# In one piece the units are taken BLOCK elements at a time, whatever row they are in; else row by row.

@kernel(parallel=True)
def _step(pre, b_ih, b_hh, c_before, first, a_c, b_c, eps, normed, parts, gates, c, hat, rstd, h):
    B, H = h.shape   # pre is (4, H, T * B), gates (4, H * B) with the normalised W_hh h in it; c, c_before and hat are flat
    for p in prange(parts):
        lo, hi = B * p // parts, B * (p + 1) // parts
        pitch, width = (BLOCK, BLOCK) if parts == 1 else (B, hi - lo)
        for gate in range(4):
            for j in range(H):
                bias = b_ih[gate * H + j] + b_hh[gate * H + j]
                a, r = pre[gate, j, first + lo:first + hi], gates[gate, j * B + lo:j * B + hi]
                for n in range(r.shape[0]):
                    r[n] += a[n] + bias
        for start in range(lo, H * B, pitch):
            stop = min(start + width, H * B)
            for gate in range(3):
                a = gates[gate, start:stop]
                for k in range(a.shape[0]):
                    a[k] = s_(a[k])
            f, i, g = gates[0, start:stop], gates[1, start:stop], gates[3, start:stop]
            now, was, kept = c[start:stop], c_before[start:stop], hat[start:stop]
            for k in range(g.shape[0]):
                g[k] = tanh_(g[k])
            for k in range(now.shape[0]):
                now[k] = f[k] * was[k] + i[k] * g[k]
            for k in range(now.shape[0]):
                kept[k] = now[k]
        if normed:
            normalise_columns(hat.reshape(H, B), lo, hi, eps, rstd)
        out = np.empty(hi - lo, h.dtype)
        for j in range(H):
            kept, o, a, b = hat[j * B + lo:j * B + hi], gates[2, j * B + lo:j * B + hi], a_c[j], b_c[j]
            for n in range(out.shape[0]):
                out[n] = o[n] * tanh_(a * kept[n] + b)
            for n in range(out.shape[0]):
                h[lo + n, j] = out[n]


@kernel(parallel=True)
def _back(gates, c_before, hat, rstd, a_c, b_c, normed, ended, dy, first, dh, carry, dc, d_rec, d_pre, d_a_c, d_b_c):
    B, H = dy.shape   # gates and d_rec are (4, H * B), d_pre is (4, H, T * B), d_a_c and d_b_c (parts, H); the others are flat
    one, parts = dy.dtype.type(1), len(d_a_c)
    for p in prange(parts):
        lo, hi = B * p // parts, B * (p + 1) // parts
        pitch, width = (BLOCK, BLOCK) if parts == 1 else (B, hi - lo)
        for j in range(H):
            at, to = j * B + lo, j * B + hi
            normed_c, o, d, kept, d_o, a, b = hat[at:to], gates[2, at:to], dh[at:to], carry[at:to], d_rec[2, at:to], a_c[j], b_c[j]
            for n in range(kept.shape[0]):
                kept[n] += dy[lo + n, j]
            for n in range(d.shape[0]):
                d[n] += kept[n]
            for n in range(d.shape[0]):
                kept[n] = tanh_(a * normed_c[n] + b)
            for n in range(d.shape[0]):
                d_o[n] = d[n] * kept[n] * o[n] * (one - o[n])
            for n in range(d.shape[0]):
                kept[n] = d[n] * o[n] * (one - kept[n] * kept[n])   # now the gradient of a_c hat_c + b_c
            for n in range(len(ended)):
                if lo <= n < hi and ended[n]:   # what stands in the columns of ended rows is no gradient
                    kept[n - lo] = 0
            d_b_c[p, j] += row_sum(kept)
            if normed:
                d_a_c[p, j] += row_dot(kept, normed_c)
        if normed:
            normalise_columns_back(carry.reshape(H, B), hat.reshape(H, B), lo, hi, rstd, a_c)
        for start in range(lo, H * B, pitch):
            stop = min(start + width, H * B)
            f, i, g = gates[0, start:stop], gates[1, start:stop], gates[3, start:stop]
            df, di, dg = d_rec[0, start:stop], d_rec[1, start:stop], d_rec[3, start:stop]
            cell, was, kept = dc[start:stop], c_before[start:stop], carry[start:stop]
            for k in range(cell.shape[0]):
                cell[k] += kept[k]
            for k in range(cell.shape[0]):
                df[k] = cell[k] * was[k] * f[k] * (one - f[k])
            for k in range(cell.shape[0]):
                di[k] = cell[k] * g[k] * i[k] * (one - i[k])
            for k in range(cell.shape[0]):
                dg[k] = cell[k] * i[k] * (one - g[k] * g[k])
            for k in range(cell.shape[0]):
                cell[k] *= f[k]
            for k in range(cell.shape[0]):
                kept[k] = 0
        for gate in range(4):
            for j in range(H):
                to, source = d_pre[gate, j, first + lo:first + hi], d_rec[gate, j * B + lo:j * B + hi]
                for n in range(source.shape[0]):
                    to[n] = source[n]


def layer_norm_lstm_cell(input: Tensor, hx: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor,
                         b_ih: Tensor | None = None, b_hh: Tensor | None = None, gain_ih: Tensor | None = None,
                         gain_hh: Tensor | None = None, gain_c: Tensor | None = None, bias_c: Tensor | None = None,
                         bias: Tensor | None = None, eps: float = 1e-5, *,
                         reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One step of a layer-normalised LSTM.

        f, i, o, g = LN(w_hh h) + LN(w_ih x) + bias               (Ba, Kiros and Hinton 2016, equations 20-22)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)        h' = sigmoid(o) * tanh(LN(c'))

    Gradient: that of ``lstm_cell``, with that of ``layer_norm`` in front of each product and of the cell.

    Args:
        input: (B, D).
        hx: the state (h, c), each (B, H).
        w_ih: (4H, D), rows f, i, o, g.
        w_hh: (4H, H).
        b_ih, b_hh: (4H,) the biases of the normalisations of W_ih x and W_hh h, or None for 0; usually 0 at first.
        gain_ih, gain_hh: (4H,) their gains, usually 1 at first; None leaves that product without normalisation.
        gain_c, bias_c: (H,) those of the normalisation of the cell inside the output's tanh, likewise.
        bias: (4H,) the bias b added to the sum of the two, or None.
        eps: added to the variance, inside the root.
        reset: (B,) booleans; where True the state is zero before the step, and no gradient flows to it.

    Returns:
        The new state (h', c'), each (B, H); c' is not normalised.

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    name = "layer_norm_lstm_cell"
    tensors, reset = check_cell(name, 4, input, check_hx(name, hx, "hc"), (w_ih, w_hh, b_ih, b_hh), reset)
    tensors, gains = _normalisation(name, tensors, gain_ih, gain_hh, gain_c, bias_c, bias)
    return LayerNormLSTMCell.apply(*tensors, *gains, eps=added_to_variance("layer_norm_lstm_cell", eps), reset=reset)


def layer_norm_lstm(input: Tensor, hx: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
                    b_hh: Tensor | None = None, gain_ih: Tensor | None = None, gain_hh: Tensor | None = None,
                    gain_c: Tensor | None = None, bias_c: Tensor | None = None, bias: Tensor | None = None,
                    eps: float = 1e-5, *, reverse: bool = False, lengths=None,
                    reset: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """A layer-normalised LSTM over a batch of sequences.

    Gradient: that of ``layer_norm_lstm_cell``, step by step from the last to the first; those of the weights
    are summed over time.

    Args:
        input: (T, B, D).
        hx: the state (h, c) before the first step, each (B, H).
        w_ih, w_hh, b_ih, b_hh, gain_ih, gain_hh, gain_c, bias_c, bias, eps: as in ``layer_norm_lstm_cell``.
        reverse: read each sequence from its end.
        lengths, reset: as in ``lstm``.

    Returns:
        output (T, B, H), and the last h and c, each (B, H).

    Raises:
        ValueError: shapes or lengths that do not fit; the message names the axes.
    """
    name = "layer_norm_lstm"
    tensors, lengths, reset = check_sequence(name, 4, input, check_hx(name, hx, "hc"), (w_ih, w_hh, b_ih, b_hh),
                                             lengths, reset, reverse)
    tensors, gains = _normalisation(name, tensors, gain_ih, gain_hh, gain_c, bias_c, bias)
    eps = added_to_variance("layer_norm_lstm", eps)
    return LayerNormLSTM.apply(*tensors, *gains, eps=eps, lengths=lengths, reset=reset, reverse=reverse)


def _normalisation(name: str, tensors: tuple, gain_ih, gain_hh, gain_c, bias_c, bias):
    """The checked tensors with ``bias`` joined to b_ih (both are added to every case), and the gains."""
    *front, w_ih, w_hh, b_ih, b_hh = tensors
    H, dtype = w_hh.shape[1], w_hh.dtype
    *gains, bias = check_normalisation(name, dtype, 4 * H, gain_ih=gain_ih, gain_hh=gain_hh, bias=bias)
    gains += check_normalisation(name, dtype, H, gain_c=gain_c, bias_c=bias_c)
    if bias is not None:
        b_ih = bias if b_ih is None else b_ih + bias
    return (*front, w_ih, w_hh, b_ih, b_hh), gains


def _weights(draw, D, H):
    gain = lambda n: draw.uniform(n, low=0.5, high=1.5)
    return (draw.normal(4 * H, D), draw.normal(4 * H, H), draw.normal(4 * H), draw.normal(4 * H), gain(4 * H),
            gain(4 * H), gain(H), draw.normal(H), draw.normal(4 * H))


def _state(draw, B, H):
    return draw.normal(B, H), draw.normal(B, H)


def _cells(draw):
    for B, D, H in ((3, 5, 4), (1, 3, 6), (18, 6, 40), (0, 3, 2)):
        yield Sample(draw.normal(B, D), _state(draw, B, H), *_weights(draw, D, H))
    w = _weights(draw, 5, 4)
    yield Sample(draw.normal(3, 5), _state(draw, 3, 4), *w[:8], eps=1e-2, reset=np.array([True, False, False]))
    yield Sample(draw.normal(3, 5), _state(draw, 3, 4), *w[:4], gain_c=w[6])
    yield Sample(draw.normal(3, 5), _state(draw, 3, 4), *w[:2], gain_hh=w[4], bias=w[8], bias_c=w[7])


def _sequences(draw):
    T, B, D, H = 4, 3, 5, 4
    for options in ({}, dict(lengths=[4, 0, 2]), dict(reverse=True, lengths=[1, 4, 3]),
                    dict(reset=draw.mask(T, B, p=0.4))):
        yield Sample(draw.normal(T, B, D), _state(draw, B, H), *_weights(draw, D, H), **options)
    yield Sample(draw.normal(2, 40, 6), _state(draw, 40, 50), *_weights(draw, 6, 50))


register("layer_norm_lstm_cell", layer_norm_lstm_cell, _cells, fused=LayerNormLSTMCell)
register("layer_norm_lstm", layer_norm_lstm, _sequences, fused=LayerNormLSTM)
