"""Log-softmax: the logarithm of softmax without ever dividing or taking the logarithm of a small number.

    y_i = (x_i - m) - log sum_j e^(x_j - m),   m = max_j x_j          dL/dx_i = g_i - e^(y_i) sum_j g_j
"""

from __future__ import annotations

import numpy as np

from ..autograd.axes import numpy_names
from ..autograd.kinds import DType
from ..autograd.reduction import logsumexp
from ..autograd.registry import register
from ..autograd.tensor import Tensor
from ..backend.arrays import xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange
from ..backend.sums import BLOCK as ROWS, SPAN, total
from ..backend.vmath import exp, log
from .fused import Fused
from .row_sums import row_sum
from .softmax import (BLOCK, along_rows, block_max, largest, launch_rows, pour, row_max, softmax_arguments, softmax_samples,
                      span)


class LogSoftmax(Fused):
    """y = x - logsumexp(x) along ``dim``."""

    name = "log_softmax"
    keep_output = True

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, dim):
        return x - logsumexp(x, dim if x.ndim else None, keepdim=True)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, dim):
        self.over = (dim,) if x.ndim else ()
        with np.errstate(invalid="ignore", divide="ignore"):   # -inf - -inf: a NaN is the answer
            centred = x - largest(x, self.over)
            self.y = centred - np.log(total(np.exp(centred), self.over, keepdims=True))
        return self.y

    def backward_numpy(self, g):
        return g - np.exp(self.y) * total(g, self.over, keepdims=True)

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, dim):
        self.y, self.span = np.empty_like(x), span(x.shape, dim)
        along_rows(self.span, _forward_rows, _forward_blocks, x, self.y)
        return self.y

    def backward_numba(self, g):
        dx = np.empty_like(self.y)
        along_rows(self.span, _backward_rows, _backward_blocks, g, self.y, dx)
        return dx

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, dim):
        self.y, self.span = xp_of(x).empty(x.shape, x.dtype), span(x.shape, dim)
        launch_rows(CUDA_FORWARD, self.span, (xp_of(x).ascontiguousarray(x), self.y), x.dtype)
        return self.y

    def backward_cuda(self, g):
        g, dx = xp_of(g).ascontiguousarray(g), xp_of(g).empty_like(self.y)
        launch_rows(CUDA_BACKWARD, self.span, (g, self.y, dx), g.dtype)
        return dx


@kernel(reassociate=True)
def sum_exp(row, best):
    """The sum of e^(x - best) over a row."""
    total = 0.0
    for start in range(0, row.shape[0], SPAN):
        part, xs = row.dtype.type(0), row[start:start + SPAN]
        for i in range(xs.shape[0]):
            part += exp(xs[i] - best)
        total += part
    return row.dtype.type(total)


@kernel
def block_sum_exp(x, o, start, best, total):
    """The sums of e^(x - best) over the columns of x[o] (width, inner) from ``start``."""
    columns = best.shape[0]
    wide = np.zeros(columns)
    for j in range(columns):
        total[j] = 0
    for c in range(x.shape[1]):
        xs = x[o, c, start:start + columns]
        for j in range(columns):
            total[j] += exp(xs[j] - best[j])
        if c % ROWS == ROWS - 1:
            pour(total, wide)
    pour(total, wide)
    for j in range(columns):
        total[j] = wide[j]


@kernel(parallel=True)
def _forward_rows(x, y):   # without reassociate: (x - m) - log must not become x - (m + log), which loses digits
    rows, width = x.shape
    for n in prange(rows):
        best = row_max(x[n])
        log_total = log(sum_exp(x[n], best))
        for i in range(width):
            y[n, i] = (x[n, i] - best) - log_total


@kernel(parallel=True, reassociate=True)
def _backward_rows(g, y, dx):
    rows, width = y.shape
    for n in prange(rows):
        total = y.dtype.type(row_sum(g[n]))
        for i in range(width):
            dx[n, i] = g[n, i] - exp(y[n, i]) * total


@kernel(parallel=True)
def _forward_blocks(x, y):
    outer, width, inner = x.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in prange(outer * blocks):
        o, start = task // blocks, task % blocks * BLOCK
        columns = min(BLOCK, inner - start)
        best, total = np.empty(columns, x.dtype), np.empty(columns, x.dtype)
        block_max(x, o, start, best)
        block_sum_exp(x, o, start, best, total)
        for j in range(columns):
            total[j] = log(total[j])
        for c in range(width):
            xs, ys = x[o, c, start:start + columns], y[o, c, start:start + columns]
            for j in range(columns):
                ys[j] = (xs[j] - best[j]) - total[j]


@kernel(parallel=True, reassociate=True)
def _backward_blocks(g, y, dx):
    outer, width, inner = y.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in prange(outer * blocks):
        o, start = task // blocks, task % blocks * BLOCK
        columns = min(BLOCK, inner - start)
        total, wide = np.zeros(columns, y.dtype), np.zeros(columns)
        for c in range(width):
            gs = g[o, c, start:start + columns]
            for j in range(columns):
                total[j] += gs[j]
            if c % ROWS == ROWS - 1:
                pour(total, wide)
        pour(total, wide)
        for j in range(columns):
            total[j] = wide[j]
        for c in range(width):
            gs, ys, ds = g[o, c, start:start + columns], y[o, c, start:start + columns], dx[o, c, start:start + columns]
            for j in range(columns):
                ds[j] = gs[j] - exp(ys[j]) * total[j]


CUDA_FORWARD = CudaKernel("log_softmax_forward", r"""
// One block a row; element i of row r is at (r / inner * width + i) * inner + r % inner.
template <typename T> __global__ void log_softmax_forward(const T* x, T* y, long long width, long long inner) {
    long long at = blockIdx.x / inner * width * inner + blockIdx.x % inner;
    T best = -INFINITY, total = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) best = max(best, x[at + i * inner]);
    best = block_max(best);
    for (long long i = threadIdx.x; i < width; i += blockDim.x) total += exp(x[at + i * inner] - best);
    T log_total = log(block_sum(total));
    for (long long i = threadIdx.x; i < width; i += blockDim.x)
        y[at + i * inner] = (x[at + i * inner] - best) - log_total;
}
""")

CUDA_BACKWARD = CudaKernel("log_softmax_backward", r"""
template <typename T> __global__ void log_softmax_backward(const T* g, const T* y, T* dx, long long width,
                                                           long long inner) {
    long long at = blockIdx.x / inner * width * inner + blockIdx.x % inner;
    T total = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) total += g[at + i * inner];
    total = block_sum(total);
    for (long long i = threadIdx.x; i < width; i += blockDim.x)
        dx[at + i * inner] = g[at + i * inner] - exp(y[at + i * inner]) * total;
}
""")


@numpy_names
def log_softmax(input: Tensor, dim: int, *, dtype: DType = None) -> Tensor:
    """The logarithm of ``softmax(input, dim)``, accurate where the softmax underflows.

    Gradient: dL/dinput = g - e ** y * the sum of g along ``dim``.

    Args:
        input: any shape, floating point.
        dim: the axis along which exp(result) sums to 1.
        dtype: convert the input to this dtype first.

    Returns:
        Tensor of the shape of ``input``; -inf where the input is; NaN along ``dim`` where all inputs are -inf.

    Raises:
        TypeError: integer input without ``dtype``.
        IndexError: ``dim`` out of range.
    """
    input, d = softmax_arguments("log_softmax", input, dim, dtype)
    return LogSoftmax.apply(input, dim=d)


register("log_softmax", log_softmax, softmax_samples, torch="nn.functional.log_softmax", fused=LogSoftmax)
