"""What the layer-normalised LSTM and GRU add to ``sweep.py``: the two products are normalised before they meet.

    LN(W_ih x; a_ih, b_ih) + LN(W_hh h; a_hh, b_hh)            (Ba, Kiros and Hinton 2016, supplement, equations 20-25)

Each case is normalised over the units of a *group* of gates: all four together in the LSTM; the two gates together
and the candidate alone in the GRU. The gains and biases of the groups stand below each other as the gates do.
"""

from __future__ import annotations

import numpy as np

from ...backend.arrays import xp_of
from ...backend.jit import kernel, prange
from ...backend.sums import mean as average, total
from ..normalisation.layer_norm import LayerNorm
from .sweep import Recurrence

COLUMNS = 256   # cases that a kernel takes at once


def layer_norm_formula(a, gain, bias, eps):
    """LN(a; gain, bias) over the last axis, in Tensor operations; without a gain only the bias is added."""
    if gain is not None:
        return LayerNorm.definition(a, gain, bias, 1, eps)
    return a if bias is None else a + bias


class NormalisedRecurrence(Recurrence):
    """Mixin: put it before the steps of a recurrence whose gates are to be normalised.

    The arguments are ``(x, h[, c], w_ih, w_hh, b_ih, b_hh, a_ih, a_hh, *more)``; a gain ``a`` of None leaves that
    product as it is. A subclass with further arguments gives their gradients in ``more_gradients``.
    """

    one_gradient = False
    groups = ((0, 1),)   # gates normalised together, as ranges
    meet = False         # the two products are added in all gates: without gains they have one gradient

    def forward_numpy(self, x, *args, eps, **options):
        n = self.n_states + 4
        self.a_ih, self.a_hh, *self.more = args[n:]
        self.eps = x.dtype.type(eps)
        self.one_gradient = self.meet and self.a_ih is None and self.a_hh is None
        return super().forward_numpy(x, *args[:n], **options)

    forward_numba = forward_cuda = forward_numpy

    def allocate(self, xp, T, B, H):
        super().allocate(xp, T, B, H)
        if self.a_hh is not None:
            self.hat_hh = xp.empty_like(self.gates)                              # normalised W_hh h of every step
            self.rstd_hh = xp.empty((T, len(self.groups), B), self.gates.dtype)

    # ------------------------------------------------------------------ the input side, all steps at once

    def prepare(self, pre):
        if self.a_ih is None:
            return pre
        self.hat_ih, self.rstd_ih = pre, xp_of(pre).empty((len(self.groups), pre.shape[1]), pre.dtype)
        for rows, rstd in zip(self.rows(len(pre)), self.rstd_ih):
            normalise(self.rung, pre[rows], self.eps, rstd)
        return pre * self.a_ih[:, None]

    def prepare_back(self, d_pre):
        if self.a_ih is None:
            return d_pre
        self.d_a_ih = total(d_pre * self.hat_ih, 1) if self.needs[5 + self.n_states] else None
        for rows, rstd in zip(self.rows(len(d_pre)), self.rstd_ih):
            normalise_back(self.rung, d_pre[rows], self.hat_ih[rows], rstd, self.a_ih[rows])
        return d_pre

    def rows(self, width: int) -> list[slice]:
        """The rows of each group."""
        H = width // self.n_gates
        return [slice(start * H, stop * H) for start, stop in self.groups]

    # ------------------------------------------------------------------ the state side, inside each step

    def normalise_state_side(self, t):
        """gates[t] from W_hh h to a_hh times its normalised value."""
        if self.a_hh is None:
            return
        B, width = self.gates.shape[3], self.gates.shape[1] * self.gates.shape[2]
        hat = self.hat_hh[t].reshape(width, B)
        hat[...] = self.gates[t].reshape(width, B)
        for rows, rstd in zip(self.rows(width), self.rstd_hh[t]):
            normalise(self.rung, hat[rows], self.eps, rstd)
        np.multiply(hat, self.a_hh[:, None], out=self.gates[t].reshape(width, B))

    def state_side_back(self, t, d_rec):
        """d_rec from the gradient of that to the gradient of W_hh h, in place."""
        if self.one_gradient:
            return
        if self.off is not None:
            xp_of(d_rec).copyto(d_rec, 0, where=self.off[t])   # what stands in the columns of ended rows is no gradient
        width = d_rec.shape[0] * d_rec.shape[1]
        d = d_rec.reshape(width, -1)
        self.d_b_hh += total(d, 1)
        if self.a_hh is None:
            return
        hat = self.hat_hh[t].reshape(width, -1)
        self.d_a_hh += total(d * hat, 1)
        for rows, rstd in zip(self.rows(width), self.rstd_hh[t]):
            normalise_back(self.rung, d[rows], hat[rows], rstd, self.a_hh[rows])

    def step_numpy(self, t, *rest):
        self.normalise_state_side(t)
        super().step_numpy(t, *rest)

    def step_numba(self, t, *rest):
        self.normalise_state_side(t)
        super().step_numba(t, *rest)

    def step_cuda(self, t, *rest):
        self.normalise_state_side(t)
        super().step_cuda(t, *rest)

    def back_numpy(self, t, *rest):
        super().back_numpy(t, *rest)
        self.state_side_back(t, rest[-1])

    def back_numba(self, t, *rest):
        super().back_numba(t, *rest)
        self.state_side_back(t, rest[-1])

    def back_cuda(self, t, *rest):
        super().back_cuda(t, *rest)
        self.state_side_back(t, rest[-1])

    # ------------------------------------------------------------------ all gradients

    def backward_numpy(self, *grads):
        xp, width = xp_of(self.x), self.w_hh.shape[0]
        self.d_a_hh, self.d_b_hh, self.d_a_ih = xp.zeros(width), xp.zeros(width), None   # float64: sums over the steps
        *found, d_b = super().backward_numpy(*grads)
        needs = self.needs[4 + self.n_states:]
        d_a_hh, d_b_hh, d_a_ih = self.d_a_hh.astype(self.x.dtype), self.d_b_hh.astype(self.x.dtype), self.d_a_ih
        del self.d_a_hh, self.d_b_hh, self.d_a_ih   # what is returned must not stay here
        if not self.one_gradient:
            d_b = d_b_hh if needs[0] else None
        return (*found, d_b, d_a_ih, d_a_hh if needs[2] else None, *self.more_gradients())

    backward_numba = backward_cuda = backward_numpy

    def more_gradients(self) -> tuple:
        """Gradients of the arguments after the gains."""
        return ()


def normalise(rung: str, a, eps, rstd) -> None:
    """Make each column of ``a`` have mean 0 and variance 1, in place; 1 / deviation goes to ``rstd``."""
    if rung == "numba":
        _normalise(a, eps, -(-a.shape[1] // COLUMNS), rstd, work=a.size)
        return
    a -= average(a, 0)
    rstd[...] = 1 / np.sqrt(average(a * a, 0) + eps)
    a *= rstd


def normalise_back(rung: str, d, hat, rstd, gain) -> None:
    """``d`` from the gradient of gain * hat to the gradient of what was normalised to ``hat``, in place."""
    if rung == "numba":
        _normalise_back(d, hat, rstd, gain, -(-d.shape[1] // COLUMNS), work=d.size)
        return
    d *= gain[:, None]
    d -= average(d, 0) + hat * average(d * hat, 0)
    d *= rstd


@kernel(parallel=True)
def _normalise(a, eps, parts, rstd):
    for p in prange(parts):
        lo, hi = a.shape[1] * p // parts, a.shape[1] * (p + 1) // parts
        normalise_columns(a, lo, hi, eps, rstd)


@kernel
def normalise_columns(a, lo, hi, eps, rstd):
    """For use inside kernels: ``normalise`` for the columns from lo to hi."""
    width = a.shape[0]
    mean, square, r = np.zeros(hi - lo, a.dtype), np.zeros(hi - lo, a.dtype), rstd[lo:hi]
    for j in range(width):
        row = a[j, lo:hi]
        for n in range(row.shape[0]):
            mean[n] += row[n]
    for n in range(mean.shape[0]):
        mean[n] /= a.dtype.type(width)
    for j in range(width):   # a second pass: E[a^2] - E[a]^2 would cancel
        row = a[j, lo:hi]
        for n in range(row.shape[0]):
            row[n] -= mean[n]
            square[n] += row[n] * row[n]
    for n in range(r.shape[0]):
        r[n] = a.dtype.type(1) / np.sqrt(square[n] / a.dtype.type(width) + eps)
    for j in range(width):
        row = a[j, lo:hi]
        for n in range(row.shape[0]):
            row[n] *= r[n]


@kernel(parallel=True)
def _normalise_back(d, hat, rstd, gain, parts):
    for p in prange(parts):
        lo, hi = d.shape[1] * p // parts, d.shape[1] * (p + 1) // parts
        normalise_columns_back(d, hat, lo, hi, rstd, gain)


@kernel
def normalise_columns_back(d, hat, lo, hi, rstd, gain):
    """For use inside kernels: ``normalise_back`` for the columns from lo to hi."""
    width = d.shape[0]
    mean, along, r = np.zeros(hi - lo, d.dtype), np.zeros(hi - lo, d.dtype), rstd[lo:hi]
    for j in range(width):
        row, normed, a = d[j, lo:hi], hat[j, lo:hi], gain[j]
        for n in range(row.shape[0]):
            row[n] *= a
            mean[n] += row[n]
            along[n] += row[n] * normed[n]
    for n in range(r.shape[0]):
        mean[n] /= d.dtype.type(width)
        along[n] /= d.dtype.type(width)
    for j in range(width):
        row, normed = d[j, lo:hi], hat[j, lo:hi]
        for n in range(row.shape[0]):
            row[n] = r[n] * (row[n] - mean[n] - normed[n] * along[n])
