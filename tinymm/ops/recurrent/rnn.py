"""The plain recurrent network (Elman 1990; the lecture's slide "Recurrent Neural Networks"): a step, and sequences.

    h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh),    f = tanh or relu
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import relu, tanh
from ...autograd.registry import register
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.vmath import tanh as tanh_
from .samples import sample_added_input, sample_added_inputs, sample_calls, sample_cell_resets, sample_cells, sample_options
from .stack import check_cell, check_hx, stacked
from .sweep import Recurrence, blocks, unroll


class RNNCell(Recurrence):
    """h' from (x, h) and the weights; ``self.gates[t]`` becomes h_t."""

    name = "rnn_cell"
    is_cell = True
    n_gates = 1

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, w_ih, w_hh, b_ih, b_hh, is_relu=False, reset=None):
        if reset is not None:
            h = where(wrap(reset[:, None]), 0, h)
        a = (x if w_ih is None else x @ w_ih.T) + h @ w_hh.T
        for b in (b_ih, b_hh):
            a = a if b is None else a + b
        return relu(a) if is_relu else tanh(a)

    # ------------------------------------------------------------------ rung 2: NumPy

    def step_numpy(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        a = self.gates[t, 0]   # (H, B)
        a += pre[0, :, t * B:(t + 1) * B] + (self.b_ih + self.b_hh)[:, None]
        a[...] = np.maximum(a, 0) if self.choices["is_relu"] else np.tanh(a)
        self.h[after] = a.T

    def back_numpy(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        h, B = self.gates[t, 0], dy.shape[0]
        slope = h > 0 if self.choices["is_relu"] else 1 - h * h
        d_rec[0] = (dh + carry + dy.T) * slope
        d_pre[:, :, t * B:(t + 1) * B] = d_rec
        carry[...] = 0

    # ------------------------------------------------------------------ rung 3: Numba

    def step_numba(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        _step(pre[0], self.b_ih, self.b_hh, t * B, self.choices["is_relu"], blocks(H, B), self.gates[t].reshape(H * B),
              self.h[after], work=H * B)

    def back_numba(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        flat = H * B
        _back(self.gates[t].reshape(flat), dy, t * B, self.choices["is_relu"], blocks(H, B), dh.reshape(flat),
              carry.reshape(flat), d_rec.reshape(flat), d_pre[0], work=flat)

    # ------------------------------------------------------------------ rung 4: CUDA

    def step_cuda(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        if B * H:
            CUDA_STEP(-(-B * H // 256), 256, (pre, self.b_ih, self.b_hh, np.int64(B), np.int64(H), np.int64(t * B),
                                              np.int64(pre.shape[2]), np.int32(self.choices["is_relu"]), self.gates[t],
                                              self.h[after]), pre.dtype)

    def back_cuda(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        if B * H:
            CUDA_BACK(-(-B * H // 256), 256, (self.gates[t], xp_of(dy).ascontiguousarray(dy), np.int64(B), np.int64(H),
                                              np.int64(t * B), np.int64(d_pre.shape[2]),
                                              np.int32(self.choices["is_relu"]), dh, carry, d_rec, d_pre), dy.dtype)


class RNN(RNNCell):
    """(all h_t, last h) of one layer in one direction."""

    name = "rnn"
    is_cell = False

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, w_ih, w_hh, b_ih, b_hh, **options):
        return unroll(RNNCell.definition, x, (h,), (w_ih, w_hh, b_ih, b_hh), **options)


@kernel(parallel=True)
def _step(pre, b_ih, b_hh, first, is_relu, parts, gates, h):
    B, H = h.shape   # pre is (H, T * B), gates (H * B,) with W_hh h in it
    zero = h.dtype.type(0)
    for p in prange(parts):
        lo, hi = H * p // parts, H * (p + 1) // parts
        for j in range(lo, hi):
            bias = b_ih[j] + b_hh[j]
            a, r = pre[j, first:first + B], gates[j * B:(j + 1) * B]
            for n in range(B):
                r[n] += a[n] + bias
        r = gates[lo * B:hi * B]
        if is_relu:
            for k in range(r.shape[0]):
                r[k] = zero if r[k] < zero else r[k]   # a NaN stays
        else:
            for k in range(r.shape[0]):
                r[k] = tanh_(r[k])
        for n in range(B):
            row = h[n, lo:hi]
            for j in range(row.shape[0]):
                row[j] = r[j * B + n]


@kernel(parallel=True)
def _back(gates, dy, first, is_relu, parts, dh, carry, d_rec, d_pre):
    B, H = dy.shape   # gates, dh, carry and d_rec are flat, d_pre is (H, T * B)
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for p in prange(parts):
        lo, hi = H * p // parts, H * (p + 1) // parts
        h, d, kept, da = gates[lo * B:hi * B], dh[lo * B:hi * B], carry[lo * B:hi * B], d_rec[lo * B:hi * B]
        for n in range(B):
            row = dy[n, lo:hi]
            for j in range(row.shape[0]):
                kept[j * B + n] += row[j]
        for k in range(d.shape[0]):
            da[k] = d[k] + kept[k]
        if is_relu:
            for k in range(d.shape[0]):
                da[k] = da[k] if h[k] > zero else zero
        else:
            for k in range(d.shape[0]):
                da[k] *= one - h[k] * h[k]
        for k in range(d.shape[0]):
            kept[k] = zero
        for j in range(lo, hi):
            to, source = d_pre[j, first:first + B], d_rec[j * B:(j + 1) * B]
            for n in range(B):
                to[n] = source[n]


CUDA_STEP = CudaKernel("rnn_step", r"""
// One thread an element: k = j * B + n for unit j of row n. pre is (H, columns), of which first .. first + B are ours.
template <typename T> __global__ void rnn_step(const T* pre, const T* b_ih, const T* b_hh, long long B, long long H,
                                               long long first, long long columns, int is_relu, T* gates, T* h) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= B * H) return;
    long long j = k / B, n = k % B;
    T a = gates[k] + pre[j * columns + first + n] + b_ih[j] + b_hh[j];
    a = is_relu ? (a < 0 ? T(0) : a) : tanh(a);
    gates[k] = a;
    h[n * H + j] = a;
}
""")

CUDA_BACK = CudaKernel("rnn_back", r"""
template <typename T> __global__ void rnn_back(const T* gates, const T* dy, long long B, long long H, long long first,
                                               long long columns, int is_relu, const T* dh, T* carry, T* d_rec,
                                               T* d_pre) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (k >= B * H) return;
    long long j = k / B, n = k % B;
    T h = gates[k], slope = is_relu ? T(h > 0) : 1 - h * h, da = (dh[k] + carry[k] + dy[n * H + j]) * slope;
    d_rec[k] = da;
    d_pre[j * columns + first + n] = da;
    carry[k] = 0;
}
""")


def _cell(name: str, is_relu: bool):
    def op(input: Tensor, hx: Tensor, w_ih: Tensor | None, w_hh: Tensor, b_ih: Tensor | None = None,
           b_hh: Tensor | None = None, *, reset: Tensor | None = None) -> Tensor:
        (input, h, *weights), flags = check_cell(name, 1, input, check_hx(name, hx, "h"), (w_ih, w_hh, b_ih, b_hh),
                                                 reset)
        return RNNCell.apply(input, h, *weights, is_relu=is_relu, reset=flags)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"""One step, h' = {'relu' if is_relu else 'tanh'}(W_ih x + b_ih + W_hh h + b_hh).

    Gradient: da = dL/dh' * {"[h' > 0]" if is_relu else "(1 - h'^2)"}; dL/dx = W_ih^T da; dL/dh = W_hh^T da;
    dL/dw_ih = da x^T; dL/dw_hh = da h^T; dL/db_ih = dL/db_hh = da.

    Args:
        input: (B, D).
        hx: the state h, (B, H).
        w_ih: (H, D); None for an input that is added as it is, D = H.
        w_hh: (H, H).
        b_ih, b_hh: (H,) or None.
        reset: (B,) booleans; where True the state is zero before the step, and no gradient flows to it.

    Returns:
        The new state, (B, H).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    return op


def _sequence(name: str, is_relu: bool):
    def op(input: Tensor, hx: Tensor, params, has_biases: bool, num_layers: int, dropout: float, train: bool,
           bidirectional: bool, batch_first: bool, *, lengths=None,
           reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return stacked(name, RNN, 1, input, check_hx(name, hx, "h"), params, has_biases, num_layers, dropout, train,
                       bidirectional, batch_first, lengths, reset, is_relu=is_relu)

    op.__name__ = op.__qualname__ = name
    op.__doc__ = f"""Layers of a plain network with {'relu' if is_relu else 'tanh'}; the signature of ``torch.{name}``.

    Gradient: that of ``{name}_cell``, step by step from the last to the first; those of the weights are
    summed over time.

    Args:
        input: (T, B, D), or (B, T, D) with ``batch_first``.
        hx: the state h0 before the first step, (num_layers * directions, B, H).
        params: for each layer, and each direction in it, the weights w_ih (H, features), w_hh (H, H) and, with
            ``has_biases``, b_ih and b_hh (H,). w_ih None adds the input as it is (features = H), b_ih or b_hh None nothing.
        has_biases, num_layers, dropout, train, bidirectional, batch_first, lengths, reset: as in ``lstm``.

    Returns:
        output (T, B, directions * H) of the last layer (batch first if asked), and the last h,
        (num_layers * directions, B, H).

    Raises:
        ValueError: shapes or lengths that do not fit; the message names the axes.
    """
    return op


rnn_tanh_cell, rnn_relu_cell = _cell("rnn_tanh_cell", False), _cell("rnn_relu_cell", True)
rnn_tanh, rnn_relu = _sequence("rnn_tanh", False), _sequence("rnn_relu", True)

for _cell_op in (rnn_tanh_cell, rnn_relu_cell):
    register(_cell_op.__name__, _cell_op, sample_cells(1), torch=_cell_op.__name__, fused=RNNCell)
    register(_cell_op.__name__ + ":reset", _cell_op, sample_cell_resets(1), fused=RNNCell)
    register(_cell_op.__name__ + ":added", _cell_op, sample_added_input, fused=RNNCell)
for _sequence_op in (rnn_tanh, rnn_relu):
    register(_sequence_op.__name__, _sequence_op, sample_calls(1, 1), torch=_sequence_op.__name__, fused=RNN)
    register(_sequence_op.__name__ + ":options", _sequence_op, sample_options(1, 1), fused=RNN)
    register(_sequence_op.__name__ + ":added", _sequence_op, sample_added_inputs, fused=RNN)
