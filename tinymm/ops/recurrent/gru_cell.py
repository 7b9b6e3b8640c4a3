"""Gated recurrent unit, one step (Cho et al. 2014, section 2.3, in the form of PyTorch and cuDNN).

    r = s(W_r x + U_r h)    z = s(W_z x + U_z h)    n = tanh(W_n x + r (U_n h))    h' = (1 - z) n + z h

each product with its bias. The weights of the gates stand below each other in the order r, z, n. The reset gate
multiplies U_n h after the product; Cho's paper has it before, as U_n (r h).
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import sigmoid, tanh
from ...autograd.registry import register
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.vmath import sigmoid as s_, tanh as tanh_
from .samples import sample_cell_resets, sample_cells
from .stack import check_cell, check_hx
from .sweep import Recurrence, blocks, logistic


class GRUCell(Recurrence):
    """h' from (x, h) and the weights.

    ``self.gates[t]`` becomes r, z and u = U_n h + b_hn; n goes to ``self.new[t]``.
    """

    name = "gru_cell"
    is_cell = True
    n_gates = 3
    one_gradient = False   # U_n h is multiplied by r, W_n x is not
    reset_first = True     # the gates stand in the order r, z, n, or else z, r, n
    sign = 1               # -1: z stands for 1 - z, h' = z n + (1 - z) h

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, h, w_ih, w_hh, b_ih, b_hh, reset=None):
        if reset is not None:
            h = where(wrap(reset[:, None]), 0, h)
        a, u = x @ w_ih.T, h @ w_hh.T   # (B, 3H) each
        a = a if b_ih is None else a + b_ih
        u = u if b_hh is None else u + b_hh
        H = h.shape[1]
        r, z = sigmoid(a[:, :H] + u[:, :H]), sigmoid(a[:, H:2 * H] + u[:, H:2 * H])
        n = tanh(a[:, 2 * H:] + r * u[:, 2 * H:])
        return (1 - z) * n + z * h

    # ------------------------------------------------------------------ kept by all rungs

    def allocate(self, xp, T, B, H):
        self.new = xp.empty((T, H, B), self.gates.dtype)

    def places(self):
        """Where r and z stand among the gates."""
        return (0, 1) if self.reset_first else (1, 0)

    # ------------------------------------------------------------------ rung 2: NumPy

    def step_numpy(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        a, x = self.gates[t], pre[:, :, t * B:(t + 1) * B]
        b_ih, b_hh = self.b_ih.reshape(3, H, 1), self.b_hh.reshape(3, H, 1)
        a += b_hh
        a[:2] += x[:2] + b_ih[:2]
        R, Z = self.places()
        a[R], a[Z] = logistic(a[R]), logistic(self.sign * a[Z])
        r, z, u = a[R], a[Z], a[2]
        n = np.tanh(x[2] + b_ih[2] + r * u)
        self.new[t] = n
        self.h[after] = (n + z * (self.h[before].T - n)).T

    def back_numpy(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        R, Z = self.places()
        r, z, u, n, B = self.gates[t, R], self.gates[t, Z], self.gates[t, 2], self.new[t], dy.shape[0]
        d = dh + carry + dy.T
        dn = d * (1 - z) * (1 - n * n)
        d_rec[R] = dn * u * r * (1 - r)
        d_rec[Z] = self.sign * d * (self.h[before].T - n) * z * (1 - z)
        d_rec[2] = dn * r
        d_pre[:2, :, t * B:(t + 1) * B] = d_rec[:2]
        d_pre[2, :, t * B:(t + 1) * B] = dn
        carry[...] = d * z

    # ------------------------------------------------------------------ rung 3: Numba

    def step_numba(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        _step(pre, self.b_ih, self.b_hh, self.h[before], t * B, *self.places(), pre.dtype.type(self.sign), blocks(H, B),
              self.gates[t].reshape(3, H * B), self.new[t].reshape(H * B), self.h[after], work=H * B)

    def back_numba(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        flat = H * B
        _back(self.gates[t].reshape(3, flat), self.new[t].reshape(flat), self.h[before], dy, t * B,
              *self.places(), dy.dtype.type(self.sign), blocks(H, B), dh.reshape(flat), carry.reshape(flat),
              d_rec.reshape(3, flat), d_pre, work=flat)

    # ------------------------------------------------------------------ rung 4: CUDA

    def step_cuda(self, t, before, after, pre):
        B, H = self.h.shape[1:]
        if B * H:
            CUDA_STEP(-(-B * H // 256), 256, (pre, self.b_ih, self.b_hh, self.h[before], np.int64(B), np.int64(H),
                                              np.int64(t * B), np.int64(pre.shape[2]), *map(np.int64, self.places()),
                                              pre.dtype.type(self.sign), self.gates[t], self.new[t],
                                              self.h[after]), pre.dtype)

    def back_cuda(self, t, before, dy, dh, carry, dc, d_pre, d_rec):
        B, H = dy.shape
        if B * H:
            CUDA_BACK(-(-B * H // 256), 256, (self.gates[t], self.new[t], self.h[before],
                                              xp_of(dy).ascontiguousarray(dy), np.int64(B), np.int64(H),
                                              np.int64(t * B), np.int64(d_pre.shape[2]), *map(np.int64, self.places()),
                                              dy.dtype.type(self.sign), dh, carry, d_rec, d_pre), dy.dtype)


@kernel(parallel=True)
def _step(pre, b_ih, b_hh, h_before, first, R, Z, sign, parts, gates, new, h):
    B, H = h.shape   # pre is (3, H, T * B), gates (3, H * B) with W_hh h in it, new (H * B,)
    for p in prange(parts):
        lo, hi = H * p // parts, H * (p + 1) // parts
        for gate in range(2):
            for j in range(lo, hi):
                bias = b_ih[gate * H + j] + b_hh[gate * H + j]
                a, g = pre[gate, j, first:first + B], gates[gate, j * B:(j + 1) * B]
                for n in range(B):
                    g[n] += a[n] + bias
        r, z = gates[R, lo * B:hi * B], gates[Z, lo * B:hi * B]
        for k in range(r.shape[0]):
            r[k] = s_(r[k])
        for k in range(z.shape[0]):
            z[k] = s_(sign * z[k])
        for j in range(lo, hi):
            a, u, to, reset = pre[2, j, first:first + B], gates[2, j * B:(j + 1) * B], new[j * B:(j + 1) * B], \
                gates[R, j * B:(j + 1) * B]
            bias_x, bias_h = b_ih[2 * H + j], b_hh[2 * H + j]
            for n in range(B):
                u[n] += bias_h
            for n in range(B):
                to[n] = a[n] + bias_x + reset[n] * u[n]
        c = new[lo * B:hi * B]
        for k in range(c.shape[0]):
            c[k] = tanh_(c[k])
        for n in range(B):
            row, was = h[n, lo:hi], h_before[n, lo:hi]
            for j in range(row.shape[0]):
                row[j] = c[j * B + n] + z[j * B + n] * (was[j] - c[j * B + n])


@kernel(parallel=True)
def _back(gates, new, h_before, dy, first, R, Z, sign, parts, dh, carry, d_rec, d_pre):
    B, H = dy.shape   # gates and d_rec are (3, H * B), d_pre is (3, H, T * B); new, dh and carry are flat
    one = dy.dtype.type(1)
    for p in prange(parts):
        lo, hi = H * p // parts, H * (p + 1) // parts
        r, z, u = gates[R, lo * B:hi * B], gates[Z, lo * B:hi * B], gates[2, lo * B:hi * B]
        dr, dz, du = d_rec[R, lo * B:hi * B], d_rec[Z, lo * B:hi * B], d_rec[2, lo * B:hi * B]
        c, d, kept = new[lo * B:hi * B], dh[lo * B:hi * B], carry[lo * B:hi * B]
        for n in range(B):
            row, was = dy[n, lo:hi], h_before[n, lo:hi]
            for j in range(row.shape[0]):
                kept[j * B + n] += row[j]
                dz[j * B + n] = was[j]
        for k in range(d.shape[0]):
            d[k] += kept[k]
        for k in range(d.shape[0]):
            dz[k] = sign * d[k] * (dz[k] - c[k]) * z[k] * (one - z[k])
        for k in range(d.shape[0]):
            kept[k] = d[k] * z[k]
        for k in range(d.shape[0]):   # d becomes dL/d(argument of n's tanh)
            d[k] = d[k] * (one - z[k]) * (one - c[k] * c[k])
        for k in range(d.shape[0]):
            dr[k] = d[k] * u[k] * r[k] * (one - r[k])
        for k in range(d.shape[0]):
            du[k] = d[k] * r[k]
        for j in range(lo, hi):
            for gate in range(2):
                to, source = d_pre[gate, j, first:first + B], d_rec[gate, j * B:(j + 1) * B]
                for n in range(B):
                    to[n] = source[n]
            to, source = d_pre[2, j, first:first + B], dh[j * B:(j + 1) * B]
            for n in range(B):
                to[n] = source[n]


CUDA_STEP = CudaKernel("gru_step", r"""
// One thread an element: k = j * B + n for unit j of row n. pre is (3, H, columns), of which B from ``first`` are ours.
template <typename T> __device__ T gru_sigmoid(T a) { return T(0.5) * tanh(T(0.5) * a) + T(0.5); }

template <typename T> __global__ void gru_step(const T* pre, const T* b_ih, const T* b_hh, const T* h_before,
                                               long long B, long long H, long long first, long long columns,
                                               long long R, long long Z, T sign, T* gates, T* new_state, T* h) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x, flat = B * H;
    if (k >= flat) return;
    long long j = k / B, n = k % B, at = j * columns + first + n, next = H * columns;
    T r = gru_sigmoid(gates[k + R * flat] + b_hh[R * H + j] + pre[at + R * next] + b_ih[R * H + j]);
    T z = gru_sigmoid(sign * (gates[k + Z * flat] + b_hh[Z * H + j] + pre[at + Z * next] + b_ih[Z * H + j]));
    T u = gates[k + 2 * flat] + b_hh[2 * H + j];
    T c = tanh(pre[at + 2 * next] + b_ih[2 * H + j] + r * u);
    gates[k + R * flat] = r;
    gates[k + Z * flat] = z;
    gates[k + 2 * flat] = u;
    new_state[k] = c;
    h[n * H + j] = c + z * (h_before[n * H + j] - c);
}
""")

CUDA_BACK = CudaKernel("gru_back", r"""
template <typename T> __global__ void gru_back(const T* gates, const T* new_state, const T* h_before, const T* dy,
                                               long long B, long long H, long long first, long long columns,
                                               long long R, long long Z, T sign, const T* dh, T* carry, T* d_rec,
                                               T* d_pre) {
    long long k = blockIdx.x * (long long)blockDim.x + threadIdx.x, flat = B * H;
    if (k >= flat) return;
    long long j = k / B, n = k % B, at = j * columns + first + n, next = H * columns;
    T r = gates[k + R * flat], z = gates[k + Z * flat], u = gates[k + 2 * flat], c = new_state[k];
    T d = dh[k] + carry[k] + dy[n * H + j];
    T dc = d * (1 - z) * (1 - c * c), dr = dc * u * r * (1 - r);
    T dz = sign * d * (h_before[n * H + j] - c) * z * (1 - z);
    d_rec[k + R * flat] = dr;
    d_rec[k + Z * flat] = dz;
    d_rec[k + 2 * flat] = dc * r;
    d_pre[at + R * next] = dr;
    d_pre[at + Z * next] = dz;
    d_pre[at + 2 * next] = dc;
    carry[k] = d * z;
}
""")


def gru_cell(input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
             b_hh: Tensor | None = None, *, reset: Tensor | None = None) -> Tensor:
    """One step of a GRU.

        r, z = sigmoid(a_r + u_r, a_z + u_z)    n = tanh(a_n + r * u_n)    h' = (1 - z) * n + z * h
        a = w_ih x + b_ih                       u = w_hh h + b_hh   (Cho et al. 2014, section 2.3)

    Gradient: with d = dL/dh':
        da_n = d * (1 - z) * (1 - n^2)     da_r = da_n * u_n * r * (1 - r)    da_z = d * (h - n) * z * (1 - z)
        du = (da_r, da_z, r * da_n)        dL/dx = w_ih^T da                  dL/dh = w_hh^T du + d * z
        dL/dw_ih = da x^T                  dL/dw_hh = du h^T                  dL/db_ih = da    dL/db_hh = du

    Args:
        input: (B, D).
        hx: the state h, (B, H).
        w_ih: (3H, D), the gates in the order r, z, n.
        w_hh: (3H, H).
        b_ih, b_hh: (3H,) or None.
        reset: (B,) booleans; where True the state is zero before the step, and no gradient flows to it.

    Returns:
        The new state, (B, H).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    (input, h, *weights), reset = check_cell("gru_cell", 3, input, check_hx("gru_cell", hx, "h"),
                                             (w_ih, w_hh, b_ih, b_hh), reset)
    return GRUCell.apply(input, h, *weights, reset=reset)


register("gru_cell", gru_cell, sample_cells(3), torch="gru_cell", fused=GRUCell)
register("gru_cell:reset", gru_cell, sample_cell_resets(3), fused=GRUCell)
