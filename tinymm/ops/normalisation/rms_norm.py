"""Root mean square normalisation (Zhang and Sennrich 2019, equation 4): layer norm without the centring.

    y = g a / sqrt(1/H sum_i a_i^2 + eps)
"""

from __future__ import annotations

import numpy as np

from ...autograd.elementwise import rsqrt
from ...autograd.reduction import mean
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor
from ...backend.aligned import aligned_row, aligned_zeros
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import chunks, kernel, prange
from ...backend.sums import SPAN, mean as average, total
from ..checks import added_to_variance, floating, same_dtype, trailing_shape
from ..fused import Fused
from ..row_sums import row_dot


class RMSNorm(Fused):
    """y = weight * x / sqrt(mean(x^2) + eps), with the mean over the last ``dims`` axes."""

    name = "rms_norm"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, dims, eps):
        y = x * rsqrt(mean(x * x, tuple(range(x.ndim - dims, x.ndim)), keepdim=True) + eps)
        return y if weight is None else y * weight

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, weight, dims, eps):
        self.over, self.batch = tuple(range(x.ndim - dims, x.ndim)), tuple(range(x.ndim - dims))
        self.rms = 1 / np.sqrt(average(x * x, self.over, keepdims=True) + eps)
        self.x, self.weight = x, weight
        y = x * self.rms
        return y if weight is None else y * weight

    def backward_numpy(self, g):
        normed = self.x * self.rms
        d_weight = total(g * normed, self.batch) if self.needs[1] else None
        gw = g if self.weight is None else g * self.weight
        # the length moves with x: take out of g its part along the normalised x
        return self.rms * (gw - normed * average(gw * normed, self.over, keepdims=True)), d_weight

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, weight, dims, eps):
        width = int(np.prod(x.shape[x.ndim - dims:]))
        rows = x.size // width
        self.x, self.tail = x, x.shape[x.ndim - dims:]
        self.w = aligned_row(weight, width, 1, x.dtype)
        y, self.rms = np.empty(x.shape, x.dtype), np.empty(rows, x.dtype)
        _forward(x.reshape(rows, width), self.w, x.dtype.type(1 / width), x.dtype.type(eps), y.reshape(rows, width),
                 self.rms, work=x.size)
        return y

    def backward_numba(self, g):
        x, (width,), (rows,) = self.x, self.w.shape, self.rms.shape
        parts, dx = chunks(rows, x.size), np.empty(x.shape, x.dtype)
        dw = aligned_zeros((parts, width), x.dtype)
        _backward(g.reshape(rows, width), x.reshape(rows, width), self.w, self.rms, x.dtype.type(1 / width),
                  dx.reshape(rows, width), dw, work=x.size)
        return dx, total(dw, 0).reshape(self.tail) if self.needs[1] else None

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, weight, dims, eps):
        xp = xp_of(x)
        width = int(np.prod(x.shape[x.ndim - dims:]))
        rows = x.size // max(width, 1)
        self.x, self.tail, self.batch = xp.ascontiguousarray(x), x.shape[x.ndim - dims:], tuple(range(x.ndim - dims))
        self.w = xp.ones(width, x.dtype) if weight is None else xp.ascontiguousarray(weight).reshape(width)
        y, self.rms = xp.empty(x.shape, x.dtype), xp.empty(rows, x.dtype)
        if x.size:
            CUDA_FORWARD(rows, 256, (self.x, self.w, x.dtype.type(eps), np.int64(width), y, self.rms), x.dtype)
        return y

    def backward_cuda(self, g):
        xp, g = xp_of(g), xp_of(g).ascontiguousarray(g)
        dx, rows = xp.empty(g.shape, g.dtype), len(self.rms)
        if g.size:
            CUDA_BACKWARD(rows, 256, (g, self.x, self.w, self.rms, np.int64(len(self.w)), dx), g.dtype)
        if not self.needs[1]:
            return dx, None
        d_weight = (g.reshape(rows, -1) * self.x.reshape(rows, -1) * self.rms[:, None]).sum(0) if g.size else \
            xp.zeros(len(self.w), g.dtype)
        return dx, d_weight.reshape(self.tail)


@kernel(parallel=True, reassociate=True)
def _forward(x, w, per, eps, y, rms):   # per = 1 / width
    rows, width = x.shape
    for n in prange(rows):
        r = x.dtype.type(1) / np.sqrt(x.dtype.type(row_dot(x[n], x[n])) * per + eps)
        rms[n] = r
        for i in range(width):
            y[n, i] = x[n, i] * r * w[i]


@kernel(parallel=True, reassociate=True)
def _backward(g, x, w, rms, per, dx, dw):
    rows, width = x.shape
    parts = dw.shape[0]
    for p in prange(parts):
        for n in range(rows * p // parts, rows * (p + 1) // parts):
            r = rms[n]
            total = 0.0
            for start in range(0, width, SPAN):
                part = x.dtype.type(0)
                gs, xs, ws = g[n, start:start + SPAN], x[n, start:start + SPAN], w[start:start + SPAN]
                for i in range(gs.shape[0]):
                    part += gs[i] * ws[i] * xs[i]
                total += part
            slope = x.dtype.type(total) * (r * r * per)
            for i in range(width):
                dx[n, i] = r * (g[n, i] * w[i] - x[n, i] * slope)
                dw[p, i] += g[n, i] * (x[n, i] * r)


CUDA_FORWARD = CudaKernel("rms_norm_forward", r"""
// One block a row.
template <typename T> __global__ void rms_norm_forward(const T* x, const T* w, T eps, long long width, T* y, T* rms) {
    long long at = blockIdx.x * width;
    T square = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) square += x[at + i] * x[at + i];
    T r = 1 / sqrt(block_sum(square) / width + eps);
    for (long long i = threadIdx.x; i < width; i += blockDim.x) y[at + i] = x[at + i] * r * w[i];
    if (threadIdx.x == 0) rms[blockIdx.x] = r;
}
""")

CUDA_BACKWARD = CudaKernel("rms_norm_backward", r"""
// One block a row; the sum over rows for the weight is left to CuPy.
template <typename T> __global__ void rms_norm_backward(const T* g, const T* x, const T* w, const T* rms,
                                                        long long width, T* dx) {
    long long at = blockIdx.x * width;
    T r = rms[blockIdx.x], slope = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) slope += g[at + i] * w[i] * x[at + i];
    slope = block_sum(slope) * r * r / width;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) dx[at + i] = r * (g[at + i] * w[i] - x[at + i] * slope);
}
""")


def rms_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divide by the root mean square over the last axes, then scale.

        y = weight * n,   n = input / sqrt(mean(input^2) + eps)          (Zhang and Sennrich 2019, equation 4)

    Gradient: dL/dinput = (h - n * mean(h * n)) / sqrt(mean(input^2) + eps) with h = weight * g;
    dL/dweight = the sum of g * n over the other axes.

    Args:
        input: (*, normalized_shape).
        normalized_shape: an integer or a tuple, the trailing shape over which the mean of squares is taken.
        weight: gain g of that shape, or None for 1.
        eps: added to the mean of squares; None for the spacing of the dtype at 1.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: shapes that do not fit; the message names them.
    """
    input = floating("rms_norm", "input", input)
    shape = trailing_shape("rms_norm", input, normalized_shape, weight=weight)
    input, weight = same_dtype(input, weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else added_to_variance("rms_norm", eps)
    return RMSNorm.apply(input, weight, dims=len(shape), eps=eps)


def _samples(draw):
    yield Sample(draw.normal(4, 6), (6,), draw.normal(6))
    yield Sample(draw.normal(2, 3, 5), (5,), eps=1e-3)
    yield Sample(draw.normal(2, 3, 4), (3, 4), draw.normal(3, 4), 1e-6)
    yield Sample(draw.away(3, 1), (1,), draw.normal(1), 0.1)
    yield Sample(draw.normal(3, 300), (300,), draw.normal(300))


register("rms_norm", rms_norm, _samples, torch="nn.functional.rms_norm", fused=RMSNorm)
