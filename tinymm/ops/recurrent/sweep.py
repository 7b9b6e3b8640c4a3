"""What all recurrent operations share: the sweep over time, and the stack of layers and directions.

    a_t = W_ih x_t + b_ih        r_t = W_hh h_{t-1} + b_hh        h_t = step(a_t, r_t, state)

The input side of all time steps is one matrix product; only W_hh h_{t-1} and the element-wise ``step`` are left
in the loop. In the backward pass the gradients of all a_t and r_t are collected, and each weight gradient is again one
product. Vectors are columns, as on the slides: a step's gates are (gates * H, B), because ``W @ h.T`` is the
layout in which a BLAS library is fastest for few rows.

Ragged batches: where t is past a row's length its state stays as it is and its output is zero. This alone
makes the final state that of the row's last step, and lets the reverse direction start at the row's own end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...autograd.choice import where
from ...autograd.join import stack
from ...autograd.tensor import wrap
from ...backend import products
from ...backend.arrays import Array, xp_of
from ...backend.sums import total
from ..fused import Fused

BLOCK = 2048   # elements that a kernel takes through all its loops before the next ones: they stay in the L1 cache


class Recurrence(Fused):
    """Base of the recurrent operations, cells and sequences.

    The arguments are ``(x, h[, c], w_ih, w_hh, b_ih, b_hh)``; with one gate w_ih may be None: x is added as it is. A
    subclass says how many gates it has and writes one time step forward and backward for each rung::

        step_RUNG(t, before, after, pre)
        back_RUNG(t, before, dy, dh, carry, dc, d_pre, d_rec)

    ``step`` finds W_hh h in self.gates[t], (gates, H, B), and W_ih x in the columns t * B to (t + 1) * B of ``pre``; it
    leaves the gates in self.gates[t], the state in self.h[after] (B, H) and, if there is one, self.c[after] (H, B).

    In ``back`` the gradient of h_t is dh + carry + dy.T. It fills ``d_rec`` = dL/dr_t (gates, H, B) and the columns of
    t in ``d_pre`` = dL/da_t; ``carry`` becomes what reaches h_{t-1} without passing W_hh, dc becomes dL/dc_{t-1}.
    """

    n_states = 1          # 2 with a memory cell c beside h
    n_gates = 1
    one_gradient = True   # dL/da_t = dL/dr_t
    is_cell = False       # one time step: x is (B, D), and there is no output beside the states
    b_ih: Array           # biases, zeros where there are none
    b_hh: Array
    off: Any              # (T, B) booleans: past the end; None without lengths
    eps: Any              # of a normalised recurrence, and its further arguments
    more: list
    step_numpy: Callable[..., None]
    step_numba: Callable[..., None]
    step_cuda: Callable[..., None]
    back_numpy: Callable[..., None]
    back_numba: Callable[..., None]
    back_cuda: Callable[..., None]

    # ------------------------------------------------------------------ forward

    def forward_numpy(self, x, *args, lengths=None, reset=None, reverse=False, **options):
        states, (w_ih, w_hh, b_ih, b_hh) = args[:self.n_states], args[self.n_states:]
        if self.is_cell:
            x, reset = x[None], None if reset is None else reset[None]
        xp, (T, B, D), H = xp_of(x), x.shape, w_hh.shape[1]
        self.x, self.w_ih, self.w_hh, self.choices, self.reset = x, w_ih, w_hh, options, reset
        no_bias = xp.zeros(self.n_gates * H, x.dtype) if b_ih is None or b_hh is None else None
        self.b_ih, self.b_hh = no_bias if b_ih is None else b_ih, no_bias if b_hh is None else b_hh
        self.order = [(t, t + 1, t) for t in reversed(range(T))] if reverse else [(t, t, t + 1) for t in range(T)]
        self.off = None if lengths is None else np.arange(T)[:, None] >= lengths         # (T, B): past the end
        self.ragged = [False] * T if lengths is None else self.off.any(1).tolist()
        if lengths is not None:
            self.off = xp.asarray(self.off)
            self.x = x = xp.where(self.off[:, :, None], x.dtype.type(0), x)   # padding may hold a NaN
        first, last = (T, 0) if reverse else (0, T)
        self.h = xp.empty((T + 1, B, H), x.dtype)   # h[before] enters step t, h[after] leaves it
        self.h[first] = states[0]
        if self.n_states == 2:
            self.c = xp.empty((T + 1, H, B), x.dtype)
            self.c[first] = states[1].T
        columns = x.reshape(T * B, D).T
        pre = self.prepare(xp.ascontiguousarray(columns) if w_ih is None else products.matmul(w_ih, columns))
        pre = pre.reshape(self.n_gates, H, T * B)
        self.gates = xp.empty((T, self.n_gates, H, B), x.dtype)
        self.allocate(xp, T, B, H)
        step = getattr(self, "step_" + self.rung)
        apart = (lengths is not None or reset is not None) and not self.is_cell   # outputs differ from states
        y: Any = xp.zeros((T, B, H), x.dtype) if apart else None
        for t, before, after in self.order:
            if reset is not None:
                self.overwrite(before, None, reset[t])
            products.matmul(w_hh, self.h[before].T, out=self.gates[t].reshape(self.n_gates * H, B))
            step(t, before, after, pre)
            if self.ragged[t]:
                self.overwrite(after, before, self.off[t])
            if apart:
                xp.copyto(y[t], self.h[after], where=True if self.off is None else ~self.off[t][:, None])
        if self.is_cell:
            return (self.h[1], xp.ascontiguousarray(self.c[1].T)) if self.n_states == 2 else self.h[1]
        final = (self.h[last].copy(),) + ((xp.array(self.c[last].T, order="C"),) if self.n_states == 2 else ())
        return (y if apart else self.h[:-1] if reverse else self.h[1:], *final)

    forward_numba = forward_cuda = forward_numpy   # the same sweep; ``self.rung`` chooses the step

    def overwrite(self, at, source, rows):
        """Make the state at ``at`` that at ``source``, or zero for None, in the batch rows where ``rows`` is true."""
        xp = xp_of(self.h)
        xp.copyto(self.h[at], 0 if source is None else self.h[source], where=rows[:, None])
        if self.n_states == 2:
            xp.copyto(self.c[at], 0 if source is None else self.c[source], where=rows)

    def allocate(self, xp, T, B, H):
        """Arrays that a subclass wants beside the gates."""

    def prepare(self, pre):
        """What a subclass does to W_ih x of all steps, (gates * H, T * B), before the loop."""
        return pre

    def prepare_back(self, d_pre):
        """The gradient of that."""
        return d_pre

    @classmethod
    def apply(cls, *args, **options):
        out = super().apply(*args, **options)
        if not cls.is_cell and out[0]._node is not None:
            node = out[0]._node.edges[0]   # the output shares memory with the states that backward reads
            node.kept_outputs = ((out[0].shape, out[0]._shared_version()),)
        return out

    # ------------------------------------------------------------------ backward

    def backward_numpy(self, *grads):
        if self.is_cell:
            grads = (None, *grads)
        dy, dh, *dc = grads
        xp, (T, B, D), H = xp_of(self.x), self.x.shape, self.w_hh.shape[1]
        width, dtype = self.n_gates * H, self.x.dtype
        if dy is None:
            dy = xp.zeros((T, B, H), dtype)
        elif self.off is not None:
            dy = xp.where(self.off[:, :, None], dtype.type(0), dy)
        d_pre = xp.empty((width, T * B), dtype)
        d_recs = d_pre if self.one_gradient else xp.empty_like(d_pre)   # of all steps
        d_rec = xp.empty((self.n_gates, H, B), dtype)                   # of one step
        dh, carry = xp.array(dh.T, order="C"), xp.zeros((H, B), dtype)
        dc = xp.array(dc[0].T, order="C") if self.n_states == 2 else None
        back = getattr(self, "back_" + self.rung)
        w_hh_t = self.w_hh.T if T < 8 else xp.ascontiguousarray(self.w_hh.T)   # pays off after a few steps
        gradients = (dh, carry) if dc is None else (dh, carry, dc)
        for i, (t, before, after) in enumerate(reversed(self.order)):
            held = (dh + carry, 0, None if dc is None else dc.copy()) if self.ragged[t] else None
            back(t, before, dy[t], dh, carry, dc, d_pre.reshape(self.n_gates, H, T * B), d_rec)
            if not self.one_gradient:
                d_recs[:, t * B:(t + 1) * B] = d_rec.reshape(width, B)
            if i < T - 1 or self.needs[1]:
                products.matmul(w_hh_t, d_rec.reshape(width, B), out=dh)
            if held is not None:   # a row past its end hands its gradient on untouched
                for gradient, value in zip(gradients, held):
                    xp.copyto(gradient, value, where=self.off[t])
            if self.reset is not None:
                for gradient in gradients:
                    xp.copyto(gradient, 0, where=self.reset[t])
        if self.off is not None:
            for d in (d_pre,) if self.one_gradient else (d_pre, d_recs):
                xp.copyto(d.reshape(width, T, B), 0, where=self.off)
        needs = self.needs
        need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs[1 + self.n_states:5 + self.n_states]
        db_ih = total(d_pre, 1) if need_b_ih or (need_b_hh and self.one_gradient) else None
        db_hh = db_ih if self.one_gradient else total(d_recs, 1) if need_b_hh else None
        d_pre = self.prepare_back(d_pre)
        dx: Any = None
        if needs[0]:
            dx = xp.ascontiguousarray(d_pre.T) if self.w_ih is None else products.matmul(d_pre.T, self.w_ih)
            dx = dx.reshape(self.x.shape)
        reverse = self.order[0][1] > self.order[0][2]
        h_before = (self.h[1:] if reverse else self.h[:-1]).reshape(T * B, H)
        return (None if dx is None else dx[0] if self.is_cell else dx,
                xp.ascontiguousarray((dh + carry).T) if needs[1] else None,
                *((xp.ascontiguousarray(dc.T) if needs[2] else None,) if self.n_states == 2 else ()),
                products.matmul(d_pre, self.x.reshape(T * B, D)) if need_w_ih else None,
                products.matmul(d_recs, h_before) if need_w_hh else None,
                db_ih if need_b_ih else None,
                db_hh if need_b_hh else None)

    backward_numba = backward_cuda = backward_numpy


def logistic(a):
    """s(a) = (1 + tanh(a/2)) / 2 on an array: it cannot overflow."""
    return 0.5 * np.tanh(0.5 * a) + 0.5


def blocks(H: int, B: int) -> int:
    """In how many pieces a kernel cuts the H units of a step."""
    return max(1, min(H, H * B // BLOCK))


def unroll(cell, x, states: tuple, weights: tuple, lengths=None, reset=None, reverse=False, **options):
    """The definition of every sequence operation: the cell, applied step after step.

    Args:
        cell: definition of the cell, (x, *states, *weights, **options) -> new states.
        x: (T, B, D).
        states: Tensors (B, H).
    """
    T, many = x.shape[0], len(states) > 1
    xp, outputs = xp_of(x._data), [None] * T
    on = None if lengths is None else xp.asarray(np.arange(T)[:, None] < lengths)[:, :, None]   # (T, B, 1)
    if on is not None:
        x = where(wrap(on), x, 0)   # padding may hold a NaN, whose gradient would not be zero
    for t in (reversed(range(T)) if reverse else range(T)):
        if reset is not None:
            states = tuple(where(wrap(reset[t][:, None]), 0, s) for s in states)
        new = cell(x[t], *states, *weights, **options)
        new = new if many else (new,)
        if on is not None:
            outputs[t] = where(wrap(on[t]), new[0], 0)
            new = tuple(where(wrap(on[t]), n, s) for n, s in zip(new, states))
        else:
            outputs[t] = new[0]
        states = new
    return (stack(outputs), *states)
