"""Layer normalisation (Ba, Kiros and Hinton 2016, equation 3; the lecture's slide "Layer Normalization").

    mu = 1/H sum_i a_i        sigma^2 = 1/H sum_i (a_i - mu)^2        y = g (a - mu) / sqrt(sigma^2 + eps) + b

The statistics are those of one case over its H units, so nothing depends on the rest of the batch.
"""

from __future__ import annotations

import math

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
from ..row_sums import row_square, row_sum

FEW = 64   # rows for which copies of gain and bias at a good address cost more than they bring


class LayerNorm(Fused):
    """y = weight * (x - mu) / sqrt(sigma^2 + eps) + bias, with the statistics over the trailing axes."""

    name = "layer_norm"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, bias, dims, eps):
        over = tuple(range(x.ndim - dims, x.ndim))
        centred = x - mean(x, over, keepdim=True)
        y = centred * rsqrt(mean(centred * centred, over, keepdim=True) + eps)
        if weight is not None:
            y = y * weight
        return y if bias is None else y + bias

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, weight, bias, dims, eps):
        self.over = tuple(range(x.ndim - dims, x.ndim))
        self.batch = tuple(range(x.ndim - dims))
        centred = x - average(x, self.over, keepdims=True)
        self.rstd = 1 / np.sqrt(average(centred * centred, self.over, keepdims=True) + eps)
        self.normed, self.weight = centred * self.rstd, weight
        y = self.normed if weight is None else self.normed * weight
        return y.copy() if weight is None and bias is None else y if bias is None else y + bias

    def backward_numpy(self, g):
        d_bias = total(g, self.batch) if self.needs[2] else None
        d_weight = total(g * self.normed, self.batch) if self.needs[1] else None
        if self.weight is not None:
            g = g * self.weight
        # mu and sigma move with x: take out of g its mean and its part along the normalised x
        dx = self.rstd * (g - average(g, self.over, keepdims=True)
                          - self.normed * average(g * self.normed, self.over, keepdims=True))
        return dx, d_weight, d_bias

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, weight, bias, dims, eps):
        width = math.prod(x.shape[x.ndim - dims:])
        rows = x.size // width
        self.x, self.tail = x, x.shape[x.ndim - dims:]
        if rows <= FEW and weight is not None and bias is not None:
            self.w, b = weight.reshape(width), bias.reshape(width)
        else:
            self.w, b = aligned_row(weight, width, 1, x.dtype), aligned_row(bias, width, 0, x.dtype)
        y = np.empty(x.shape, x.dtype)
        self.mu, self.rstd = np.empty(rows, x.dtype), np.empty(rows, x.dtype)
        _forward(x.reshape(rows, width), self.w, b, x.dtype.type(1 / width), x.dtype.type(eps),
                 y.reshape(rows, width), self.mu, self.rstd, work=x.size)
        return y

    def backward_numba(self, g):
        x, (width,), (rows,) = self.x, self.w.shape, self.mu.shape
        dx = np.empty(x.shape, x.dtype)   # whole, not a view: the engine may give it to a leaf without a copy
        parts = chunks(rows, x.size)
        dw, db = aligned_zeros((parts, width), x.dtype), aligned_zeros((parts, width), x.dtype)
        _backward(g.reshape(rows, width), x.reshape(rows, width), self.w, self.mu, self.rstd, x.dtype.type(1 / width),
                  dx.reshape(rows, width), dw, db, work=x.size)
        return (dx, total(dw, 0).reshape(self.tail) if self.needs[1] else None,
                total(db, 0).reshape(self.tail) if self.needs[2] else None)

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, weight, bias, dims, eps):
        xp = xp_of(x)
        width = math.prod(x.shape[x.ndim - dims:])
        rows = x.size // width
        x2 = xp.ascontiguousarray(x).reshape(rows, width)
        self.x, self.shape, self.tail = x2, x.shape, x.shape[x.ndim - dims:]
        self.w = xp.ones(width, x.dtype) if weight is None else xp.ascontiguousarray(weight).reshape(width)
        b = xp.zeros(width, x.dtype) if bias is None else xp.ascontiguousarray(bias).reshape(width)
        y, self.mu, self.rstd = xp.empty_like(x2), xp.empty(rows, x.dtype), xp.empty(rows, x.dtype)
        if x.size:
            CUDA_FORWARD(rows, 256, (x2, self.w, b, x.dtype.type(eps), np.int64(width), y, self.mu, self.rstd), x.dtype)
        return y.reshape(x.shape)

    def backward_cuda(self, g):
        xp = xp_of(g)
        rows, width = self.x.shape
        g2 = xp.ascontiguousarray(g).reshape(rows, width)
        dx = xp.empty_like(self.x)
        if dx.size:
            CUDA_BACKWARD(rows, 256, (g2, self.x, self.w, self.mu, self.rstd, np.int64(width), dx), g.dtype)
        normed = (self.x - self.mu[:, None]) * self.rstd[:, None]
        d_weight = (g2 * normed).sum(0).reshape(self.tail) if self.needs[1] else None
        d_bias = g2.sum(0).reshape(self.tail) if self.needs[2] else None
        return dx.reshape(self.shape), d_weight, d_bias


@kernel(parallel=True, reassociate=True)
def _forward(x, w, b, per, eps, y, mu, rstd):   # per = 1 / width: dividing by an integer would compute in float64
    rows, width = x.shape
    for n in prange(rows):
        m = x.dtype.type(row_sum(x[n])) * per
        r = x.dtype.type(1) / np.sqrt(x.dtype.type(row_square(x[n], m)) * per + eps)
        mu[n], rstd[n] = m, r
        for i in range(width):
            y[n, i] = (x[n, i] - m) * r * w[i] + b[i]


@kernel(parallel=True, reassociate=True)
def _backward(g, x, w, mu, rstd, per, dx, dw, db):
    rows, width = x.shape
    parts = dw.shape[0]
    for p in prange(parts):
        for n in range(rows * p // parts, rows * (p + 1) // parts):
            m, r = mu[n], rstd[n]
            total_g, total_gx = 0.0, 0.0
            for start in range(0, width, SPAN):
                part_g, part_gx = x.dtype.type(0), x.dtype.type(0)
                gs, xs, ws = g[n, start:start + SPAN], x[n, start:start + SPAN], w[start:start + SPAN]
                for i in range(gs.shape[0]):
                    gw = gs[i] * ws[i]
                    part_g += gw
                    part_gx += gw * (xs[i] - m)
                total_g += part_g
                total_gx += part_gx
            mean_g, slope = x.dtype.type(total_g) * (per * r), x.dtype.type(total_gx) * (r * r * r * per)
            for i in range(width):   # all three results in one pass while the row is in cache
                one, centred = g[n, i], x[n, i] - m
                dx[n, i] = one * r * w[i] - mean_g - centred * slope
                dw[p, i] += one * (centred * r)
                db[p, i] += one


CUDA_FORWARD = CudaKernel("layer_norm_forward", r"""
// One block a row.
template <typename T> __global__ void layer_norm_forward(const T* x, const T* w, const T* b, T eps, long long width,
                                                         T* y, T* mu, T* rstd) {
    const T* row = x + blockIdx.x * width;
    T total = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) total += row[i];
    T m = block_sum(total) / width, square = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) square += (row[i] - m) * (row[i] - m);
    T r = 1 / sqrt(block_sum(square) / width + eps);
    for (long long i = threadIdx.x; i < width; i += blockDim.x)
        y[blockIdx.x * width + i] = (row[i] - m) * r * w[i] + b[i];
    if (threadIdx.x == 0) { mu[blockIdx.x] = m; rstd[blockIdx.x] = r; }
}
""")

CUDA_BACKWARD = CudaKernel("layer_norm_backward", r"""
// One block a row; the sums over rows for weight and bias are left to CuPy.
template <typename T> __global__ void layer_norm_backward(const T* g, const T* x, const T* w, const T* mu,
                                                          const T* rstd, long long width, T* dx) {
    long long at = blockIdx.x * width;
    T m = mu[blockIdx.x], r = rstd[blockIdx.x], a = 0, c = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) {
        T gw = g[at + i] * w[i];
        a += gw;
        c += gw * (x[at + i] - m) * r;
    }
    a = block_sum(a) / width;
    c = block_sum(c) / width;
    for (long long i = threadIdx.x; i < width; i += blockDim.x)
        dx[at + i] = r * (g[at + i] * w[i] - a - (x[at + i] - m) * r * c);
}
""")


def layer_norm(input: Tensor, normalized_shape, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    """Normalise over the last axes to mean 0 and variance 1, then scale and shift.

        y = weight * n + bias,   n = (input - mu) / sqrt(var + eps)    (Ba, Kiros and Hinton 2016, equation 3)

    Gradient: dL/dinput = (h - mean(h) - n * mean(h * n)) / sqrt(var + eps) with h = weight * g, the means
    over the normalised axes; dL/dweight = the sum of g * n over the other axes; dL/dbias = that of g.

    Args:
        input: (*, normalized_shape).
        normalized_shape: an integer or a tuple, the trailing shape over which the statistics are taken.
        weight: gain g of that shape, or None for 1.
        bias: b of that shape, or None for 0.
        eps: added to the variance, inside the root.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: shapes that do not fit; the message names them.
    """
    input = floating("layer_norm", "input", input)
    shape = trailing_shape("layer_norm", input, normalized_shape, weight=weight, bias=bias)
    input, weight, bias = same_dtype(input, weight, bias)
    return LayerNorm.apply(input, weight, bias, dims=len(shape), eps=added_to_variance("layer_norm", eps))


def _samples(draw):
    yield Sample(draw.normal(4, 6), (6,), draw.normal(6), draw.normal(6))
    yield Sample(draw.normal(2, 3, 5), (5,))
    yield Sample(draw.normal(2, 3, 4), (3, 4), draw.normal(3, 4), None, eps=1e-3)
    yield Sample(draw.normal(3, 1), (1,), draw.normal(1), draw.normal(1))
    yield Sample(draw.normal(0, 4), (4,), draw.normal(4), draw.normal(4))
    yield Sample(draw.normal(3, 300), (300,), draw.normal(300), draw.normal(300))


register("layer_norm", layer_norm, _samples, torch="nn.functional.layer_norm", fused=LayerNorm)
