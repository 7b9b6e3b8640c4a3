"""Batch normalisation (Ioffe and Szegedy 2015, algorithm 1).

    mu_c = mean of x over batch and space      sigma_c^2 = mean of (x - mu_c)^2
    y = gamma_c (x - mu_c) / sqrt(sigma_c^2 + eps) + beta_c

Training takes the statistics of the batch, one pair for each channel c; evaluation takes running averages of them.
Kept for the backward pass: x itself and two numbers a channel, not the normalised array.
"""

from __future__ import annotations

import numpy as np

from ...autograd.elementwise import rsqrt
from ...autograd.reduction import mean as mean_over
from ...autograd.registry import Fixed, Sample, register
from ...autograd.tensor import Tensor
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.sums import mean as average, total
from ..checks import added_to_variance, floating, per_channel, same_dtype
from ..fused import Fused
from ..row_sums import channel_moments, channel_square, channel_sum


def channel_shape(ndim: int) -> tuple[int, ...]:
    """The shape (1, C, 1, ...) that lines a vector of C numbers up with axis 1; C is written -1."""
    return (1, -1) + (1,) * (ndim - 2)


class BatchNorm(Fused):
    """y = weight * (x - mu) / sqrt(sigma^2 + eps) + bias for each channel.

    With ``mean`` and ``var`` given they are the statistics, constants; without, those of the batch are, and
    ``tell(mu, sigma^2)`` reports them once (not when the forward is repeated for a second derivative).
    """

    name = "batch_norm"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, bias, mean, var, eps, tell=None):
        shape = channel_shape(x.ndim)
        if mean is None:
            over = (0, *range(2, x.ndim))
            centred = x - mean_over(x, over, keepdim=True)
            y = centred * rsqrt(mean_over(centred * centred, over, keepdim=True) + eps)
        else:
            y = (x - mean.reshape(shape)) * rsqrt(var.reshape(shape) + eps)
        if weight is not None:
            y = y * weight.reshape(shape)
        return y if bias is None else y + bias.reshape(shape)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, weight, bias, mean, var, eps, tell=None):
        shape, over = channel_shape(x.ndim), (0, *range(2, x.ndim))
        self.x, self.weight, self.batch_statistics, self.over = x, weight, mean is None, over
        if mean is None:
            self.mu = average(x, over, keepdims=True)
            variance = average((x - self.mu) ** 2, over, keepdims=True)
            if tell is not None:
                tell(self.mu.reshape(-1), variance.reshape(-1))
        else:
            self.mu, variance = mean.reshape(shape).copy(), var.reshape(shape)
        self.rstd = 1 / np.sqrt(variance + eps)
        y = (x - self.mu) * (self.rstd if weight is None else self.rstd * weight.reshape(shape))
        return y if bias is None else y + bias.reshape(shape)

    def backward_numpy(self, g):
        normed = (self.x - self.mu) * self.rstd
        sum_g, sum_gn = total(g, self.over, keepdims=True), total(g * normed, self.over, keepdims=True)
        dx = None
        if self.needs[0]:
            scale = self.rstd if self.weight is None else self.rstd * self.weight.reshape(channel_shape(g.ndim))
            if self.batch_statistics:   # mu and sigma move with x: take out the mean of g and its part along normed
                n = max(g.size // g.shape[1], 1)
                dx = scale * (g - sum_g / n - normed * (sum_gn / n))
            else:
                dx = scale * g
        return (dx, sum_gn.reshape(-1) if self.needs[1] else None, sum_g.reshape(-1) if self.needs[2] else None,
                None, None)

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, weight, bias, mean, var, eps, tell=None):
        channels, dtype = x.shape[1], x.dtype
        self.x, self.batch_statistics = x, mean is None
        self.w = np.ones(channels, dtype) if weight is None else weight
        b = np.zeros(channels, dtype) if bias is None else bias
        self.mu = np.empty(channels, dtype) if mean is None else mean.copy()
        variance = np.empty(channels, dtype) if var is None else var
        x3 = x.reshape(x.shape[0], channels, -1)
        if mean is None:
            (_statistics if x3.shape[2] > 1 else _column_statistics)(x3, self.mu, variance, work=x.size)
            if tell is not None:
                tell(self.mu, variance)
        self.rstd = 1 / np.sqrt(variance + dtype.type(eps))
        y = np.empty(x.shape, dtype)
        (_normalise if x3.shape[2] > 1 else _normalise_columns)(x3, self.w, b, self.mu, self.rstd, y.reshape(x3.shape),
                                                                work=x.size)
        return y

    def backward_numba(self, g):
        x, channels = self.x, self.x.shape[1]
        x3, g3 = x.reshape(x.shape[0], channels, -1), g.reshape(x.shape[0], channels, -1)
        d_weight, d_bias, dx = np.empty(channels, x.dtype), np.empty(channels, x.dtype), np.empty(x.shape, x.dtype)
        (_backward if x3.shape[2] > 1 else _backward_columns)(
            g3, x3, self.w, self.mu, self.rstd, x.dtype.type(self.batch_statistics * channels / x.size),
            dx.reshape(x3.shape), d_weight, d_bias, work=x.size)
        return dx, d_weight if self.needs[1] else None, d_bias if self.needs[2] else None, None, None

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, weight, bias, mean, var, eps, tell=None):
        xp, channels, dtype = xp_of(x), x.shape[1], x.dtype
        x = xp.ascontiguousarray(x)
        self.x, self.batch_statistics = x, mean is None
        self.w = xp.ones(channels, dtype) if weight is None else xp.ascontiguousarray(weight)
        b = xp.zeros(channels, dtype) if bias is None else xp.ascontiguousarray(bias)
        self.mu = xp.empty(channels, dtype) if mean is None else mean.copy()
        variance = xp.empty(channels, dtype) if var is None else xp.ascontiguousarray(var)
        space = x.size // max(x.shape[0] * channels, 1)
        y, self.sizes = xp.empty(x.shape, dtype), (np.int64(x.shape[0]), np.int64(space))
        if x.size:
            CUDA_FORWARD(channels, 512, (x, self.w, b, dtype.type(eps), *self.sizes, np.int32(mean is None), self.mu,
                                         variance, y), dtype)
        if tell is not None:
            tell(self.mu, variance)
        self.rstd = 1 / xp.sqrt(variance + dtype.type(eps))
        return y

    def backward_cuda(self, g):
        xp, channels = xp_of(g), self.x.shape[1]
        dx, d_weight, d_bias = xp.empty(g.shape, g.dtype), xp.zeros(channels, g.dtype), xp.zeros(channels, g.dtype)
        if g.size:
            CUDA_BACKWARD(channels, 512, (xp.ascontiguousarray(g), self.x, self.w, self.mu, self.rstd, *self.sizes,
                                          np.int32(self.batch_statistics), dx, d_weight, d_bias), g.dtype)
        return dx, d_weight if self.needs[1] else None, d_bias if self.needs[2] else None, None, None


# A channel's elements stay in cache from pass to pass, so each thread takes whole channels.

@kernel(parallel=True, reassociate=True)
def _statistics(x, mu, variance):   # x (N, C, S) -> (C,), (C,)
    batch, channels, space = x.shape
    for c in prange(channels):
        m = x.dtype.type(channel_sum(x, c) / (batch * space))
        mu[c], variance[c] = m, channel_square(x, c, m) / (batch * space)


@kernel(parallel=True)
def _normalise(x, w, b, mu, rstd, y):
    batch, channels, space = x.shape
    for c in prange(channels):
        m, scale, shift = mu[c], rstd[c] * w[c], b[c]
        for n in range(batch):
            for i in range(space):
                y[n, c, i] = (x[n, c, i] - m) * scale + shift


@kernel(parallel=True, reassociate=True)
def _backward(g, x, w, mu, rstd, per, dx, dw, db):   # per = 1/(N S), or 0 where mu and sigma are constants
    batch, channels, space = x.shape
    for c in prange(channels):
        m, r = mu[c], rstd[c]
        total_g, total_gx = channel_moments(g, x, c, m)
        db[c], dw[c] = total_g, total_gx * r
        mean_g, slope, scale = x.dtype.type(total_g * per), x.dtype.type(total_gx * r * r * per), r * w[c]
        for n in range(batch):
            for i in range(space):
                dx[n, c, i] = scale * (g[n, c, i] - mean_g - (x[n, c, i] - m) * slope)


# Without space axes the channels are neighbours in memory: run along them, 64 at a time. x (N, C, 1)

@kernel(parallel=True)
def _column_statistics(x, mu, variance):
    batch, channels = x.shape[0], x.shape[1]
    for block in prange((channels + 63) // 64):
        first, last = 64 * block, min(64 * block + 64, channels)
        total = np.zeros(64)
        for n in range(batch):
            for c in range(first, last):
                total[c - first] += x[n, c, 0]
        for c in range(first, last):
            mu[c] = total[c - first] / batch
        total[:] = 0
        for n in range(batch):
            for c in range(first, last):
                total[c - first] += (x[n, c, 0] - mu[c]) * (x[n, c, 0] - mu[c])
        for c in range(first, last):
            variance[c] = total[c - first] / batch


@kernel(parallel=True)
def _normalise_columns(x, w, b, mu, rstd, y):
    batch, channels = x.shape[0], x.shape[1]
    for n in prange(batch):
        for c in range(channels):
            y[n, c, 0] = (x[n, c, 0] - mu[c]) * (rstd[c] * w[c]) + b[c]


@kernel(parallel=True)
def _backward_columns(g, x, w, mu, rstd, per, dx, dw, db):
    batch, channels = x.shape[0], x.shape[1]
    for block in prange((channels + 63) // 64):
        first, last = 64 * block, min(64 * block + 64, channels)
        total_g, total_gn = np.zeros(64), np.zeros(64)
        for n in range(batch):
            for c in range(first, last):
                total_g[c - first] += g[n, c, 0]
            for c in range(first, last):
                total_gn[c - first] += g[n, c, 0] * ((x[n, c, 0] - mu[c]) * rstd[c])
        for c in range(first, last):
            db[c], dw[c] = total_g[c - first], total_gn[c - first]
        for n in range(batch):
            for c in range(first, last):
                normed = (x[n, c, 0] - mu[c]) * rstd[c]
                dx[n, c, 0] = rstd[c] * w[c] * (g[n, c, 0] - (db[c] + normed * dw[c]) * per)


CUDA_FORWARD = CudaKernel("batch_norm_forward", r"""
// One block a channel. x (batch, gridDim.x, space); with batch_statistics mu and var are written, else read.
template <typename T> __global__ void batch_norm_forward(const T* x, const T* w, const T* b, T eps, long long batch,
                                                         long long space, int batch_statistics, T* mu, T* var, T* y) {
    long long channels = gridDim.x, c = blockIdx.x, n = batch * space;
    T m, v;
    if (batch_statistics) {
        T total = 0, square = 0;
        for (long long i = threadIdx.x; i < n; i += blockDim.x)
            total += x[(i / space * channels + c) * space + i % space];
        m = block_sum(total) / n;
        for (long long i = threadIdx.x; i < n; i += blockDim.x) {
            T centred = x[(i / space * channels + c) * space + i % space] - m;
            square += centred * centred;
        }
        v = block_sum(square) / n;
        if (threadIdx.x == 0) { mu[c] = m; var[c] = v; }
    } else {
        m = mu[c];
        v = var[c];
    }
    T scale = w[c] / sqrt(v + eps), shift = b[c];
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
        long long at = (i / space * channels + c) * space + i % space;
        y[at] = (x[at] - m) * scale + shift;
    }
}
""")

CUDA_BACKWARD = CudaKernel("batch_norm_backward", r"""
// One block a channel; with constant statistics only the scale is left.
template <typename T> __global__ void batch_norm_backward(const T* g, const T* x, const T* w, const T* mu,
                                                          const T* rstd, long long batch, long long space,
                                                          int batch_statistics,
                                                          T* dx, T* dw, T* db) {
    long long channels = gridDim.x, c = blockIdx.x, n = batch * space;
    T m = mu[c], r = rstd[c], sum_g = 0, sum_gn = 0;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
        long long at = (i / space * channels + c) * space + i % space;
        sum_g += g[at];
        sum_gn += g[at] * ((x[at] - m) * r);
    }
    sum_g = block_sum(sum_g);
    sum_gn = block_sum(sum_gn);
    if (threadIdx.x == 0) { dw[c] = sum_gn; db[c] = sum_g; }
    T mean_g = batch_statistics ? sum_g / n : T(0), mean_gn = batch_statistics ? sum_gn / n : T(0);
    for (long long i = threadIdx.x; i < n; i += blockDim.x) {
        long long at = (i / space * channels + c) * space + i % space;
        dx[at] = r * w[c] * (g[at] - mean_g - (x[at] - m) * r * mean_gn);
    }
}
""")


def update_running(operation: str, running: Tensor | None, value, momentum: float) -> None:
    """running = (1 - momentum) * running + momentum * value, in place, with the version counter told."""
    if running is not None:
        running._data[...] = (1 - momentum) * running._data + momentum * value
        running._bump(operation)


def batch_norm(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
               bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel over batch and space, then scale and shift it.

        y = gamma * n + beta,   n = (input - mu) / sqrt(var + eps)       (Ioffe and Szegedy 2015, algorithm 1)

    Gradient: in training dL/dinput = gamma / sqrt(var + eps) * (g - mean(g) - n * mean(g * n)), the means
    over batch and space; evaluating gamma / sqrt(var + eps) * g. dL/dweight = sum(g * n); dL/dbias = sum(g).

    Args:
        input: (N, C) or (N, C, *).
        running_mean, running_var: (C,), the averages that evaluation normalises by; training updates them in place
            (outside the graph) with the mean and the unbiased variance of the batch. None: keep no averages.
        weight: gain gamma (C,), or None for 1.
        bias: beta (C,), or None for 0.
        training: take the statistics of the batch (the biased variance) instead of the running ones.
        momentum: the weight of the new batch in the running averages.
        eps: added to the variance, inside the root.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: channel counts that disagree, one value a channel in training, or nothing to evaluate with.
    """
    input = floating("batch_norm", "input", input)
    if input.ndim < 2:
        raise ValueError(f"batch_norm: input has shape {input.shape}; it needs a batch and a channel axis, (N, C, ...)")
    channels = input.shape[1]
    eps = added_to_variance("batch_norm", eps)
    per_channel("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    input, weight, bias = same_dtype(input, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: training=False normalises by running_mean and running_var; give both, or "
                             "training=True to use the statistics of the batch")
        mean, var = running_mean.detach().to(input.dtype), running_var.detach().to(input.dtype)
        return BatchNorm.apply(input, weight, bias, mean, var, eps=eps)
    n = input.numel() // max(channels, 1)
    if n == 1:
        raise ValueError(f"batch_norm: expected more than 1 value per channel when training, but input has shape "
                         f"{input.shape}; its variance would be 0. Use a larger batch, or training=False")

    def tell(mu, variance):
        update_running("batch_norm", running_mean, mu, momentum)
        update_running("batch_norm", running_var, variance * (n / max(n - 1, 1)), momentum)

    keeps = running_mean is not None or running_var is not None
    return BatchNorm.apply(input, weight, bias, None, None, eps=eps, tell=tell if keeps else None)


def _samples(draw):
    def running(c):
        return Fixed(draw.normal(c)), Fixed(draw.uniform(c, low=0.5, high=2.0))

    yield Sample(draw.normal(5, 3), None, None, draw.normal(3), draw.normal(3), True)
    yield Sample(draw.normal(4, 70), *running(70), draw.normal(70), draw.normal(70), True, 0.2)
    yield Sample(draw.normal(3, 2, 7), *running(2), None, None, True)
    yield Sample(draw.normal(2, 3, 4, 5), *running(3), draw.normal(3), None, True, eps=1e-3)
    yield Sample(draw.normal(2, 2, 2, 3, 4), None, None, draw.normal(2), draw.normal(2), True)
    yield Sample(draw.normal(2, 3, 4, 5), *running(3), draw.normal(3), draw.normal(3), False)
    yield Sample(draw.normal(6, 3), *running(3), None, None, False)
    yield Sample(draw.normal(1, 1, 1, 300), None, None, draw.normal(1), draw.normal(1), True)


register("batch_norm", batch_norm, _samples, torch="nn.functional.batch_norm", fused=BatchNorm)
