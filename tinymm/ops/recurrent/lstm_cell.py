"""Long short-term memory, one step (Hochreiter and Schmidhuber 1997; the lecture's slide "LSTMs").

    i = s(W_i x + U_i h)    f = s(W_f x + U_f h)    o = s(W_o x + U_o h)    g = tanh(W_g x + U_g h)
    c' = f c + i g          h' = o tanh(c')

each gate with its biases. The weights of the four gates stand below each other in the order i, f, g, o, as PyTorch's.
``output_tanh=False`` is Show and Tell's slide (Vinyals et al. 2015, equation 8), whose m_t = o c_t has no tanh.
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import sigmoid, tanh
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.vmath import sigmoid as s_, tanh as tanh_
from .sweep import Recurrence, blocks, logistic
from .stack import check_cell, check_hx


class LSTMCell(Recurrence):
    """(h', c') from (x, h, c) and the weights."""

    name = "lstm_cell"
    is_cell = True
    n_states = 2
    n_gates = 4

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, c, w_ih, w_hh, b_ih, b_hh, reset=None, output_tanh=True):
        if reset is not None:
            h, c = (where(wrap(reset[:, None]), 0, s) for s in (h, c))
        a = x @ w_ih.T + h @ w_hh.T   # (B, 4H)
        for b in (b_ih, b_hh):
            a = a if b is None else a + b
        H = h.shape[1]
        i, f, g, o = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), tanh(a[:, 2 * H:3 * H]), sigmoid(a[:, 3 * H:])
        c = f * c + i * g
        return o * (tanh(c) if output_tanh else c), c

    # ------------------------------------------------------------------ rung 2: NumPy

    def step_numpy(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        a = self.gates[t]   # (4, H, B)
        a += pre[:, :, t * B:(t + 1) * B] + (self.b_ih + self.b_hh).reshape(4, H, 1)
        a[:2], a[2], a[3] = logistic(a[:2]), np.tanh(a[2]), logistic(a[3])
        i, f, g, o = a
        c = f * self.c[before] + i * g
        self.c[after] = c
        self.h[after] = (o * (np.tanh(c) if self.choices["output_tanh"] else c)).T

    def back_numpy(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        (i, f, g, o), c_before, B = self.gates[t], self.c[before], dy.shape[0]
        d = dh + carry + dy.T
        c = f * c_before + i * g   # once more, because a reset may have cleared self.c[after]
        if self.choices["output_tanh"]:
            c = np.tanh(c)
            dc += d * o * (1 - c * c)
        else:
            dc += d * o
        d_rec[0] = dc * g * i * (1 - i)
        d_rec[1] = dc * c_before * f * (1 - f)
        d_rec[2] = dc * i * (1 - g * g)
        d_rec[3] = d * c * o * (1 - o)
        d_pre[:, :, t * B:(t + 1) * B] = d_rec
        dc *= f
        carry[...] = 0

    # ------------------------------------------------------------------ rung 3: Numba

    def step_numba(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        _step(pre, self.b_ih, self.b_hh, self.c[before].reshape(H * B), t * B, self.choices["output_tanh"],
              blocks(H, B), self.gates[t].reshape(4, H * B), self.c[after].reshape(H * B), self.h[after], work=H * B)

    def back_numba(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        flat = H * B
        _back(self.gates[t].reshape(4, flat), self.c[before].reshape(flat), dy, t * B, self.choices["output_tanh"],
              blocks(H, B), dh.reshape(flat), carry.reshape(flat), dc.reshape(flat), d_rec.reshape(4, flat), d_pre,
              work=flat)

    # ------------------------------------------------------------------ rung 4: CUDA

    def step_cuda(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        if B * H:
            CUDA_STEP(-(-B * H // 256), 256,
                      (pre, self.b_ih, self.b_hh, self.c[before], np.int64(B), np.int64(H), np.int64(t * B),
                       np.int64(pre.shape[2]), np.int32(self.choices["output_tanh"]), self.gates[t], self.c[after],
                       self.h[after]), pre.dtype)

    def back_cuda(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        if B * H:
            CUDA_BACK(-(-B * H // 256), 256,
                      (self.gates[t], self.c[before], xp_of(dy).ascontiguousarray(dy), np.int64(B), np.int64(H),
                       np.int64(t * B), np.int64(d_pre.shape[2]), np.int32(self.choices["output_tanh"]), dh, carry, dc,
                       d_rec, d_pre), dy.dtype)


# Slices, and loops that start at 0, make vector code: an index that could be negative would be a branch.

@kernel(parallel=True)
def _step(pre, b_ih, b_hh, c_before, first, output_tanh, parts, gates, c, h):
    B, H = h.shape   # pre is (4, H, T * B), gates (4, H * B) with W_hh h in it; c and c_before are flat
    for p in prange(parts):
        lo, hi = H * p // parts, H * (p + 1) // parts
        for gate in range(4):
            for j in range(lo, hi):
                bias = b_ih[gate * H + j] + b_hh[gate * H + j]
                a, r = pre[gate, j, first:first + B], gates[gate, j * B:(j + 1) * B]
                for n in range(B):
                    r[n] += a[n] + bias
        i, f = gates[0, lo * B:hi * B], gates[1, lo * B:hi * B]
        g, o = gates[2, lo * B:hi * B], gates[3, lo * B:hi * B]
        now, was = c[lo * B:hi * B], c_before[lo * B:hi * B]
        for k in range(i.shape[0]):
            i[k] = s_(i[k])
        for k in range(f.shape[0]):
            f[k] = s_(f[k])
        for k in range(g.shape[0]):
            g[k] = tanh_(g[k])
        for k in range(o.shape[0]):
            o[k] = s_(o[k])
        for k in range(now.shape[0]):
            now[k] = f[k] * was[k] + i[k] * g[k]
        for n in range(B):
            row = h[n, lo:hi]
            for j in range(row.shape[0]):
                row[j] = now[j * B + n]
            if output_tanh:
                for j in range(row.shape[0]):
                    row[j] = tanh_(row[j])
            for j in range(row.shape[0]):
                row[j] *= o[j * B + n]


@kernel(parallel=True)
def _back(gates, c_before, dy, first, output_tanh, parts, dh, carry, dc, d_rec, d_pre):
    B, H = dy.shape   # gates and d_rec are (4, H * B), d_pre is (4, H, T * B); the others are flat
    one = dy.dtype.type(1)
    for p in prange(parts):
        lo, hi = H * p // parts, H * (p + 1) // parts
        i, f = gates[0, lo * B:hi * B], gates[1, lo * B:hi * B]
        g, o = gates[2, lo * B:hi * B], gates[3, lo * B:hi * B]
        di, df = d_rec[0, lo * B:hi * B], d_rec[1, lo * B:hi * B]
        dg, do = d_rec[2, lo * B:hi * B], d_rec[3, lo * B:hi * B]
        was, d, cell, kept = c_before[lo * B:hi * B], dh[lo * B:hi * B], dc[lo * B:hi * B], carry[lo * B:hi * B]
        for n in range(B):
            row = dy[n, lo:hi]
            for j in range(hi - lo):
                kept[j * B + n] += row[j]
        for k in range(d.shape[0]):
            d[k] += kept[k]
        for k in range(d.shape[0]):   # c' once more, because a reset may have cleared what the forward kept
            kept[k] = f[k] * was[k] + i[k] * g[k]
        if output_tanh:
            for k in range(d.shape[0]):
                kept[k] = tanh_(kept[k])
            for k in range(d.shape[0]):
                cell[k] += d[k] * o[k] * (one - kept[k] * kept[k])
        else:
            for k in range(d.shape[0]):
                cell[k] += d[k] * o[k]
        for k in range(d.shape[0]):
            do[k] = d[k] * kept[k] * o[k] * (one - o[k])
        for k in range(d.shape[0]):
            di[k] = cell[k] * g[k] * i[k] * (one - i[k])
        for k in range(d.shape[0]):
            dg[k] = cell[k] * i[k] * (one - g[k] * g[k])
        for k in range(d.shape[0]):
            df[k] = cell[k] * was[k] * f[k] * (one - f[k])
        for k in range(d.shape[0]):
            cell[k] *= f[k]
        for k in range(d.shape[0]):
            kept[k] = 0
        for gate in range(4):
            for j in range(lo, hi):
                to, source = d_pre[gate, j, first:first + B], d_rec[gate, j * B:(j + 1) * B]
                for n in range(B):
                    to[n] = source[n]


CUDA_STEP = CudaKernel("lstm_step", r"""
// One thread an element: k = j * B + n for unit j of row n. pre is (4, H, columns), of which B from ``first`` are ours.
template <typename T> __device__ T lstm_sigmoid(T a) { return T(0.5) * tanh(T(0.5) * a) + T(0.5); }

template <typename T> __global__ void lstm_step(const T* pre, const T* b_ih, const T* b_hh, const T* c_before,
                                                long long B, long long H, long long first, long long columns,
                                                int output_tanh, T* gates, T* c, T* h) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x, flat = B * H;
    if (k >= flat) return;
    long long j = k / B, n = k % B;
    T a[4];
    for (int q = 0; q < 4; ++q) {
        long long row = q * H + j;
        a[q] = gates[q * flat + k] + pre[row * columns + first + n] + b_ih[row] + b_hh[row];
        a[q] = q == 2 ? tanh(a[q]) : lstm_sigmoid(a[q]);
        gates[q * flat + k] = a[q];
    }
    T now = a[1] * c_before[k] + a[0] * a[2];
    c[k] = now;
    h[n * H + j] = a[3] * (output_tanh ? tanh(now) : now);
}
""")

CUDA_BACK = CudaKernel("lstm_back", r"""
template <typename T> __global__ void lstm_back(const T* gates, const T* c_before, const T* dy, long long B,
                                                long long H, long long first, long long columns, int output_tanh,
                                                const T* dh, T* carry, T* dc, T* d_rec, T* d_pre) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x, flat = B * H;
    if (k >= flat) return;
    long long j = k / B, n = k % B;
    T i = gates[k], f = gates[k + flat], g = gates[k + 2 * flat], o = gates[k + 3 * flat];
    T d = dh[k] + carry[k] + dy[n * H + j], before = c_before[k], c = f * before + i * g, slope = 1;
    if (output_tanh) { c = tanh(c); slope = 1 - c * c; }
    T dcell = dc[k] + d * o * slope;
    T da[4] = {dcell * g * i * (1 - i), dcell * before * f * (1 - f), dcell * i * (1 - g * g), d * c * o * (1 - o)};
    for (int q = 0; q < 4; ++q) {
        d_rec[q * flat + k] = da[q];
        d_pre[(q * H + j) * columns + first + n] = da[q];
    }
    dc[k] = dcell * f;
    carry[k] = 0;
}
""")


def lstm_cell(input: Tensor, hx: tuple[Tensor, Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
              b_hh: Tensor | None = None, *, output_tanh: bool = True,
              reset: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One step of an LSTM.

        i, f, o = sigmoid(a_i, a_f, a_o)    g = tanh(a_g)    a = w_ih x + b_ih + w_hh h + b_hh
        c' = f * c + i * g                  h' = o * tanh(c')

    Gradient: with dc = dL/dc' + dL/dh' * o * (1 - tanh(c')^2) (without the tanh dL/dc' + dL/dh' * o):
        da_i = dc * g * i * (1 - i)    da_f = dc * c * f * (1 - f)    da_o = dL/dh' * tanh(c') * o * (1 - o)
        da_g = dc * i * (1 - g^2)      dL/dc = dc * f                 dL/dx = w_ih^T da    dL/dh = w_hh^T da
        dL/dw_ih = da x^T              dL/dw_hh = da h^T              dL/db_ih = dL/db_hh = da

    Args:
        input: (B, D).
        hx: the state (h, c), each (B, H).
        w_ih: (4H, D), the gates in the order i, f, g, o.
        w_hh: (4H, H).
        b_ih, b_hh: (4H,) or None.
        output_tanh: False for h' = o c', without the tanh.
        reset: (B,) booleans; where True the state is zero before the step, and no gradient flows to it.

    Returns:
        The new state (h', c'), each (B, H).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    (input, h, c, *weights), reset = check_cell("lstm_cell", 4, input, check_hx("lstm_cell", hx, "hc"),
                                                (w_ih, w_hh, b_ih, b_hh), reset)
    return LSTMCell.apply(input, h, c, *weights, reset=reset, output_tanh=bool(output_tanh))


def _samples(draw):
    for B, D, H in ((3, 5, 4), (1, 2, 1), (2, 3, 40), (0, 3, 2), (17, 9, 70)):
        yield Sample(draw.normal(B, D), (draw.normal(B, H), draw.normal(B, H)), draw.normal(4 * H, D, scale=0.5),
                     draw.normal(4 * H, H, scale=0.5), draw.normal(4 * H), draw.normal(4 * H))
    yield Sample(draw.normal(3, 5), (draw.normal(3, 4), draw.normal(3, 4)), draw.normal(16, 5), draw.normal(16, 4))


def _samples_of_options(draw):
    B, D, H = 3, 5, 4
    common = lambda: (draw.normal(B, D), (draw.normal(B, H), draw.normal(B, H)), draw.normal(4 * H, D),
                      draw.normal(4 * H, H))
    yield Sample(*common(), draw.normal(4 * H), draw.normal(4 * H), output_tanh=False)
    yield Sample(*common(), reset=np.array([True, False, True]))
    yield Sample(*common(), output_tanh=False, reset=np.array([False, True, True]))


register("lstm_cell", lstm_cell, _samples, torch="lstm_cell", fused=LSTMCell)
register("lstm_cell:options", lstm_cell, _samples_of_options, fused=LSTMCell)
