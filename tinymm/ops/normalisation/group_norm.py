"""Group normalisation (Wu and He 2018, equations 1 to 7) and instance normalisation (Ulyanov et al. 2016).

    y = gamma_c (x - mu_ng) / sqrt(sigma_ng^2 + eps) + beta_c

mu and sigma^2 are mean and variance of one case n over one group g of channels and all of space; a group of one
channel is instance normalisation, one group of all channels nearly layer normalisation (but gain and bias
belong to channels).
"""

from __future__ import annotations

import numpy as np

from ...autograd.elementwise import rsqrt
from ...autograd.reduction import mean
from ...autograd.integers import integer
from ...autograd.registry import Fixed, Sample, register
from ...autograd.tensor import Tensor
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import chunks, kernel, prange
from ...backend.sums import SPAN, mean as average, total
from .batch_norm import batch_norm, channel_shape, update_running
from ..checks import added_to_variance, floating, per_channel, same_dtype
from ..fused import Fused
from ..row_sums import row_moments, row_square, row_sum


class GroupNorm(Fused):
    """Statistics for each case and group of channels, gain and bias for each channel.

    ``tell(mu, sigma^2)``, both (N, groups), is called once by the forward.
    """

    name = "group_norm"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, bias, groups, eps, tell=None):
        grouped = x.reshape(x.shape[0], groups, x.numel() // max(x.shape[0] * groups, 1))   # (N, G, C/G S)
        centred = grouped - mean(grouped, 2, keepdim=True)
        y = (centred * rsqrt(mean(centred * centred, 2, keepdim=True) + eps)).reshape(x.shape)
        if weight is not None:
            y = y * weight.reshape(channel_shape(x.ndim))
        return y if bias is None else y + bias.reshape(channel_shape(x.ndim))

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, weight, bias, groups, eps, tell=None):
        self.x, self.weight, self.groups = x, weight, groups
        grouped = x.reshape(x.shape[0], groups, x.size // max(x.shape[0] * groups, 1))
        n = max(grouped.shape[2], 1)
        self.mu = total(grouped, 2, keepdims=True) / n
        variance = total((grouped - self.mu) ** 2, 2, keepdims=True) / n
        self.rstd = 1 / np.sqrt(variance + eps)
        if tell is not None:
            tell(self.mu[:, :, 0], variance[:, :, 0])
        y = ((grouped - self.mu) * self.rstd).reshape(x.shape)
        if weight is not None:
            y = y * weight.reshape(channel_shape(x.ndim))
        return y if bias is None else y + bias.reshape(channel_shape(x.ndim))

    def backward_numpy(self, g):
        x, over = self.x, (0, *range(2, g.ndim))
        grouped = x.reshape(x.shape[0], self.groups, x.size // max(x.shape[0] * self.groups, 1))
        normed = (grouped - self.mu) * self.rstd
        d_weight = total(g * normed.reshape(x.shape), over) if self.needs[1] else None
        d_bias = total(g, over) if self.needs[2] else None
        gw = (g if self.weight is None else g * self.weight.reshape(channel_shape(g.ndim))).reshape(grouped.shape)
        n = max(grouped.shape[2], 1)
        dx = self.rstd * (gw - total(gw, 2, keepdims=True) / n - normed * (total(gw * normed, 2, keepdims=True) / n))
        return dx.reshape(x.shape), d_weight, d_bias

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, weight, bias, groups, eps, tell=None):
        batch, channels = x.shape[:2]
        self.x, self.four = x, (batch, groups, channels // groups, x.size // (batch * channels))
        self.w = np.ones(channels, x.dtype) if weight is None else weight
        b = np.zeros(channels, x.dtype) if bias is None else bias
        y = np.empty(x.shape, x.dtype)
        self.mu, variance = np.empty((batch, groups), x.dtype), np.empty((batch, groups), x.dtype)
        rows = batch * groups
        _statistics(x.reshape(rows, -1), x.dtype.type(rows / x.size), self.mu.reshape(rows), variance.reshape(rows),
                    work=x.size)
        if tell is not None:
            tell(self.mu, variance)
        self.rstd = 1 / np.sqrt(variance + x.dtype.type(eps))
        _normalise(x.reshape(self.four), self.w, b, self.mu, self.rstd, y.reshape(self.four), work=x.size)
        return y

    def backward_numba(self, g):
        x, (batch, groups, _, _) = self.x, self.four
        parts, dx = chunks(batch, x.size), np.empty(x.shape, x.dtype)
        dw, db = np.zeros((parts, len(self.w)), x.dtype), np.zeros((parts, len(self.w)), x.dtype)
        three = (batch, len(self.w), -1)
        _backward(g.reshape(three), x.reshape(three), self.w, self.mu, self.rstd,
                  x.dtype.type(batch * groups / x.size), dx.reshape(three), dw, db, work=x.size)
        return dx, total(dw, 0) if self.needs[1] else None, total(db, 0) if self.needs[2] else None

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, weight, bias, groups, eps, tell=None):
        xp, batch, channels = xp_of(x), *x.shape[:2]
        x = xp.ascontiguousarray(x)
        self.x, self.groups = x, groups
        self.w = xp.ones(channels, x.dtype) if weight is None else xp.ascontiguousarray(weight)
        b = xp.zeros(channels, x.dtype) if bias is None else xp.ascontiguousarray(bias)
        y, self.space = xp.empty(x.shape, x.dtype), np.int64(x.size // max(batch * channels, 1))
        self.mu, variance = xp.empty((batch, groups), x.dtype), xp.empty((batch, groups), x.dtype)
        if x.size:
            CUDA_FORWARD(batch * groups, 256, (x, self.w, b, x.dtype.type(eps), np.int64(groups),
                                               np.int64(channels // groups), self.space, self.mu, variance, y), x.dtype)
        if tell is not None:
            tell(self.mu, variance)
        self.rstd = 1 / xp.sqrt(variance + x.dtype.type(eps))
        return y

    def backward_cuda(self, g):
        xp, (batch, channels) = xp_of(g), self.x.shape[:2]
        dx = xp.empty(g.shape, g.dtype)
        dw, db = xp.zeros((batch, channels), g.dtype), xp.zeros((batch, channels), g.dtype)
        if g.size:
            CUDA_BACKWARD(batch * self.groups, 256, (xp.ascontiguousarray(g), self.x, self.w, self.mu, self.rstd,
                                                     np.int64(self.groups), np.int64(channels // self.groups),
                                                     self.space, dx, dw, db), g.dtype)
        return dx, total(dw, 0) if self.needs[1] else None, total(db, 0) if self.needs[2] else None


@kernel(parallel=True, reassociate=True)
def _statistics(x, per, mu, variance):   # x (N G, C/G S); per = 1 / (C/G S)
    for n in prange(x.shape[0]):
        m = x.dtype.type(row_sum(x[n])) * per
        mu[n], variance[n] = m, x.dtype.type(row_square(x[n], m)) * per


@kernel(parallel=True)
def _normalise(x, w, b, mu, rstd, y):   # x (N, G, C/G, S)
    batch, groups, members, space = x.shape
    for n in prange(batch):
        for k in range(groups):
            m = mu[n, k]
            for c in range(members):
                scale, shift = rstd[n, k] * w[k * members + c], b[k * members + c]
                for i in range(space):
                    y[n, k, c, i] = (x[n, k, c, i] - m) * scale + shift


@kernel(parallel=True, reassociate=True)
def _backward(g, x, w, mu, rstd, per, dx, dw, db):   # x (N, C, S)
    batch, channels, space = x.shape
    groups, parts = mu.shape[1], dw.shape[0]
    members = channels // groups
    for p in prange(parts):
        for n in range(batch * p // parts, batch * (p + 1) // parts):
            for k in range(groups):
                m, r = mu[n, k], rstd[n, k]
                total_g, total_gx = 0.0, 0.0
                for c in range(k * members, (k + 1) * members):
                    sum_g, sum_gx = x.dtype.type(0), x.dtype.type(0)
                    if space > SPAN:
                        sum_g, sum_gx = row_moments(g[n, c], x[n, c], m)
                    else:   # in place: a slice costs as much as the sums of fifty numbers
                        for i in range(space):
                            sum_g += g[n, c, i]
                            sum_gx += g[n, c, i] * (x[n, c, i] - m)
                    dw[p, c] += sum_gx * r
                    db[p, c] += sum_g
                    total_g += sum_g * w[c]
                    total_gx += sum_gx * w[c]
                mean_g, slope = x.dtype.type(total_g) * per, x.dtype.type(total_gx) * (r * r * per)
                for c in range(k * members, (k + 1) * members):
                    for i in range(space):
                        dx[n, c, i] = r * (g[n, c, i] * w[c] - mean_g - (x[n, c, i] - m) * slope)


CUDA_FORWARD = CudaKernel("group_norm_forward", r"""
// One block for each case and group; x (N, groups, members, space).
template <typename T> __global__ void group_norm_forward(const T* x, const T* w, const T* b, T eps, long long groups,
                                                         long long members, long long space, T* mu, T* var, T* y) {
    long long n = members * space, at = blockIdx.x * n, first = blockIdx.x % groups * members;
    T total = 0, square = 0;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) total += x[at + i];
    T m = block_sum(total) / n;
    for (long long i = threadIdx.x; i < n; i += blockDim.x) square += (x[at + i] - m) * (x[at + i] - m);
    T v = block_sum(square) / n, r = 1 / sqrt(v + eps);
    if (threadIdx.x == 0) { mu[blockIdx.x] = m; var[blockIdx.x] = v; }
    for (long long i = threadIdx.x; i < n; i += blockDim.x)
        y[at + i] = (x[at + i] - m) * r * w[first + i / space] + b[first + i / space];
}
""")

CUDA_BACKWARD = CudaKernel("group_norm_backward", r"""
// One block for each case and group; dw and db are (N, C), summed over N by CuPy.
template <typename T> __global__ void group_norm_backward(const T* g, const T* x, const T* w, const T* mu,
                                                          const T* rstd, long long groups, long long members,
                                                          long long space,
                                                          T* dx, T* dw, T* db) {
    long long n = members * space, at = blockIdx.x * n, first = blockIdx.x % groups * members;
    T m = mu[blockIdx.x], r = rstd[blockIdx.x], mean_g = 0, mean_gn = 0;
    for (long long c = 0; c < members; ++c) {
        T sum_g = 0, sum_gn = 0;
        for (long long i = threadIdx.x; i < space; i += blockDim.x) {
            T one = g[at + c * space + i];
            sum_g += one;
            sum_gn += one * ((x[at + c * space + i] - m) * r);
        }
        sum_g = block_sum(sum_g);
        sum_gn = block_sum(sum_gn);
        if (threadIdx.x == 0) {
            dw[blockIdx.x * members + c] = sum_gn;
            db[blockIdx.x * members + c] = sum_g;
        }
        mean_g += sum_g * w[first + c];
        mean_gn += sum_gn * w[first + c];
    }
    mean_g /= n;
    mean_gn /= n;
    for (long long i = threadIdx.x; i < n; i += blockDim.x)
        dx[at + i] = r * (g[at + i] * w[first + i / space] - mean_g - (x[at + i] - m) * r * mean_gn);
}
""")


def group_norm(input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
               eps: float = 1e-5) -> Tensor:
    """Normalise each case over groups of channels and space, then scale and shift each channel.

        y = gamma * n + beta,   n = (input - mu) / sqrt(var + eps)          (Wu and He 2018, equations 1 to 7)

    Gradient: dL/dinput = (h - mean(h) - n * mean(h * n)) / sqrt(var + eps) with h = gamma * g, the means over
    a group; dL/dweight = the sum of g * n over batch and space; dL/dbias = that of g.

    Args:
        input: (N, C, *).
        num_groups: how many groups; it divides C.
        weight: gain gamma (C,), or None for 1.
        bias: beta (C,), or None for 0.
        eps: added to the variance, inside the root.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: a number of groups or vectors that do not fit the channels, or one value a channel.
    """
    input = floating("group_norm", "input", input)
    if input.ndim < 2:
        raise ValueError(f"group_norm: input has shape {input.shape}; it needs a batch and a channel axis, (N, C, ...)")
    channels = input.shape[1]
    num_groups = integer("group_norm", "num_groups", num_groups, 1)
    if channels % num_groups:
        raise ValueError(f"group_norm: input of shape {input.shape} has {channels} channels, which "
                         f"num_groups={num_groups} does not divide")
    per_channel("group_norm", input, weight=weight, bias=bias)
    if input.numel() == num_groups and num_groups == channels:
        raise ValueError(f"group_norm: expected more than 1 value per channel when training, but input has shape "
                         f"{input.shape} and num_groups={num_groups}; each variance would be 0. Use fewer groups")
    input, weight, bias = same_dtype(input, weight, bias)
    return GroupNorm.apply(input, weight, bias, groups=num_groups, eps=added_to_variance("group_norm", eps))


def instance_norm(input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
                  weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
                  momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    """Normalise each channel of each case over space, then scale and shift it.

        y = gamma * n + beta,   n = (input - mu) / sqrt(var + eps)          (Ulyanov et al. 2016)

    Gradient: dL/dinput = gamma / sqrt(var + eps) * (g - mean(g) - n * mean(g * n)), the means over space;
    with running statistics gamma / sqrt(var + eps) * g. dL/dweight = the sum of g * n over batch and space;
    dL/dbias = that of g.

    Args:
        input: (N, C, *), with at least one space axis.
        running_mean, running_var: (C,), averages over cases and batches; updated in place where
            ``use_input_stats``, used instead of the input's statistics where not.
        weight, bias: (C,), or None for 1 and 0.
        use_input_stats: take the statistics of each case.
        momentum: the weight of the new batch in the running averages.
        eps: added to the variance, inside the root.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: channel counts that disagree, or a space of a single element.
    """
    input = floating("instance_norm", "input", input)
    if input.ndim < 3:
        raise ValueError(f"instance_norm: input has shape {input.shape}; it needs space axes, (N, C, L, ...)")
    per_channel("instance_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError("instance_norm: use_input_stats=False normalises by running_mean and running_var; "
                             "give both")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    space = int(np.prod(input.shape[2:]))
    if space == 1:
        raise ValueError(f"instance_norm: expected more than 1 spatial element when training, but input has shape "
                         f"{input.shape}; each variance would be 0")

    def tell(mu, variance):
        update_running("instance_norm", running_mean, average(mu, 0), momentum)
        update_running("instance_norm", running_var, average(variance, 0) * (space / max(space - 1, 1)), momentum)

    input, weight, bias = same_dtype(input, weight, bias)
    keeps = running_mean is not None or running_var is not None
    eps = added_to_variance("instance_norm", eps)
    return GroupNorm.apply(input, weight, bias, groups=input.shape[1], eps=eps, tell=tell if keeps else None)


def _samples(draw):
    yield Sample(draw.normal(2, 6, 4, 3), 3, draw.normal(6), draw.normal(6))
    yield Sample(draw.normal(3, 4), 2, draw.normal(4))
    yield Sample(draw.normal(2, 4, 5), 1, draw.normal(4), None, 1e-3)
    yield Sample(draw.normal(2, 2, 2, 3, 2), 2)
    yield Sample(draw.normal(2, 4, 150), 2, draw.normal(4), draw.normal(4))


def _instance_samples(draw):
    yield Sample(draw.normal(2, 3, 4, 5), None, None, draw.normal(3), draw.normal(3))
    yield Sample(draw.normal(2, 3, 6))
    running = Fixed(draw.normal(3)), Fixed(draw.uniform(3, low=0.5, high=2.0))
    yield Sample(draw.normal(2, 3, 4), *running, draw.normal(3), None, True, 0.2)
    yield Sample(draw.normal(2, 3, 2, 2, 2), *running, draw.normal(3), draw.normal(3), False)


register("group_norm", group_norm, _samples, torch="nn.functional.group_norm", fused=GroupNorm)
register("instance_norm", instance_norm, _instance_samples, torch="nn.functional.instance_norm", fused=GroupNorm)
