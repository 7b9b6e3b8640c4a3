"""Cross-entropy of logits and class probabilities, with the softmax fused in.

    l_n = -sum_c w_c q_c log p_c,   p = softmax(x_n),   q = (1 - e) t_n + e/C
    dl_n/dx_c = p_c sum_k w_k q_k - w_c q_c             dl_n/dt_c = -(1 - e) w_c log p_c

The mean divides by the number of cases, whatever the weights, as PyTorch does. Like the loss of class indices, it keeps
only each row's maximum and sum.
"""

from __future__ import annotations

import math

import numpy as np

from ...autograd.reduction import logsumexp, sum
from ...autograd.registry import Fixed, Sample
from ...autograd.shape import movedim, reshape
from ...autograd.tensor import Tensor
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.sums import SPAN, total
from ...backend.vmath import exp, log
from ..checks import same_dtype
from ..fused import Fused
from ..log_softmax import sum_exp
from ..softmax import WORK, largest, launch_rows, row_max


class SoftCrossEntropy(Fused):
    """The loss above for each row of x (N, C), of target t (N, C) and weight (C,) or None; (N,)."""

    name = "cross_entropy"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, target, weight, label_smoothing):
        q = (1 - label_smoothing) * target + label_smoothing / x.shape[1]
        log_p = x - logsumexp(x, 1, keepdim=True)
        return -sum(log_p * q if weight is None else log_p * q * weight, 1)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, target, weight, label_smoothing):
        self.sharp = 1 - label_smoothing
        with np.errstate(invalid="ignore", divide="ignore"):
            centred = x - largest(x, (1,))
            self.log_p = centred - np.log(total(np.exp(centred), 1, keepdims=True))
            self.q = self.sharp * target + label_smoothing / x.shape[1]
            self.q, self.weight = (self.q if weight is None else self.q * weight).astype(x.dtype), weight
            return -total(self.log_p * self.q, 1)

    def backward_numpy(self, g):
        g, dx, d_target = g[:, None], None, None
        with np.errstate(invalid="ignore"):   # 0 * inf where a logit is infinite
            if self.needs[0]:
                dx = g * (np.exp(self.log_p) * total(self.q, 1, keepdims=True) - self.q)
            if self.needs[1]:
                d_target = -self.sharp * g * (self.log_p if self.weight is None else self.log_p * self.weight)
        return dx, d_target, None

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, target, weight, label_smoothing):
        kind = x.dtype.type
        weight = np.ones(x.shape[1], x.dtype) if weight is None else weight
        best, total, mass, losses = (np.empty(x.shape[0], x.dtype) for _ in range(4))
        self.kept = x, target, weight, kind(1 - label_smoothing), kind(label_smoothing / x.shape[1]), best, total, mass
        _forward(*self.kept, losses, work=x.size // WORK)
        return losses

    def backward_numba(self, g):
        x, _, weight, keep, _, best, total, _ = self.kept
        dx = d_target = None
        if self.needs[0]:
            dx = np.empty_like(x)
            _backward(*self.kept, g, dx, work=x.size // WORK)
        if self.needs[1]:
            d_target = np.empty_like(x)
            _backward_target(x, weight, keep, best, total, g, d_target, work=x.size // WORK)
        return dx, d_target, None

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, target, weight, label_smoothing):
        xp, kind = xp_of(x), x.dtype.type
        x, target = xp.ascontiguousarray(x), xp.ascontiguousarray(target)
        weight = xp.ones(x.shape[1], x.dtype) if weight is None else xp.ascontiguousarray(weight)
        best, total, mass, losses = (xp.empty(x.shape[0], x.dtype) for _ in range(4))
        self.kept = x, target, weight, kind(1 - label_smoothing), kind(label_smoothing / x.shape[1]), best, total, mass
        launch_rows(CUDA_FORWARD, (*x.shape, 1), (*self.kept, losses), x.dtype)
        return losses

    def backward_cuda(self, g):
        x, xp = self.kept[0], xp_of(g)
        dx, d_target = xp.empty_like(x), xp.empty_like(x)
        launch_rows(CUDA_BACKWARD, (*x.shape, 1), (*self.kept, xp.ascontiguousarray(g), dx, d_target), x.dtype)
        return dx, d_target, None


@kernel(reassociate=True)
def _sums(row, target, weight, keep, spread, best):
    """sum_c w_c q_c, and sum_c w_c q_c (x_c - best)."""
    mass, moved = 0.0, 0.0
    for start in range(0, row.shape[0], SPAN):
        part, part_moved = row.dtype.type(0), row.dtype.type(0)
        xs, ts, ws = row[start:start + SPAN], target[start:start + SPAN], weight[start:start + SPAN]
        for c in range(xs.shape[0]):
            q = ws[c] * (keep * ts[c] + spread)
            part += q
            part_moved += q * (xs[c] - best)
        mass += part
        moved += part_moved
    return row.dtype.type(mass), row.dtype.type(moved)


@kernel(parallel=True)
def _forward(x, target, weight, keep, spread, best, total, mass, losses):
    for n in prange(x.shape[0]):
        m = row_max(x[n])
        total[n] = sum_exp(x[n], m)
        q, moved = _sums(x[n], target[n], weight, keep, spread, m)
        best[n], mass[n], losses[n] = m, q, q * log(total[n]) - moved


@kernel(parallel=True)
def _backward(x, target, weight, keep, spread, best, total, mass, g, dx):
    for n in prange(x.shape[0]):
        m, scale = best[n], mass[n] / total[n]
        for c in range(x.shape[1]):
            dx[n, c] = g[n] * (scale * exp(x[n, c] - m) - weight[c] * (keep * target[n, c] + spread))


@kernel(parallel=True)
def _backward_target(x, weight, keep, best, total, g, d_target):
    for n in prange(x.shape[0]):
        m, log_total, scale = best[n], log(total[n]), g[n] * keep
        for c in range(x.shape[1]):
            d_target[n, c] = scale * weight[c] * (log_total - (x[n, c] - m))


CUDA_FORWARD = CudaKernel("soft_cross_entropy_forward", r"""
// One block a row.
template <typename T> __global__ void soft_cross_entropy_forward(
        const T* x, const T* target, const T* weight, T keep, T spread, T* best, T* total, T* mass, T* losses,
        long long width, long long inner) {
    long long r = blockIdx.x, at = r * width;
    T m = -INFINITY, sum = 0, q_sum = 0, moved = 0;
    for (long long c = threadIdx.x; c < width; c += blockDim.x) m = max(m, x[at + c]);
    m = block_max(m);
    for (long long c = threadIdx.x; c < width; c += blockDim.x) {
        T d = x[at + c] - m, q = weight[c] * (keep * target[at + c] + spread);
        sum += exp(d);
        q_sum += q;
        moved += q * d;
    }
    sum = block_sum(sum);
    q_sum = block_sum(q_sum);
    moved = block_sum(moved);
    if (threadIdx.x == 0) { best[r] = m; total[r] = sum; mass[r] = q_sum; losses[r] = q_sum * log(sum) - moved; }
}
""")

CUDA_BACKWARD = CudaKernel("soft_cross_entropy_backward", r"""
template <typename T> __global__ void soft_cross_entropy_backward(
        const T* x, const T* target, const T* weight, T keep, T spread, const T* best, const T* total, const T* mass,
        const T* g, T* dx, T* d_target, long long width, long long inner) {
    long long r = blockIdx.x, at = r * width;
    T m = best[r], scale = mass[r] / total[r], log_total = log(total[r]);
    for (long long c = threadIdx.x; c < width; c += blockDim.x) {
        T d = x[at + c] - m;
        dx[at + c] = g[r] * (scale * exp(d) - weight[c] * (keep * target[at + c] + spread));
        d_target[at + c] = g[r] * keep * weight[c] * (log_total - d);
    }
}
""")


def soft_cross_entropy(input: Tensor, target: Tensor, weight, reduction: str, label_smoothing: float) -> Tensor:
    """``cross_entropy`` for class probabilities; the arguments have been checked there."""
    input, target, weight = same_dtype(input, target, weight)
    shape = input.shape
    if input.ndim == 1:
        input, target = reshape(input, (1, -1)), reshape(target, (1, -1))
    if input.ndim > 2:   # the classes last, as rows
        input, target = (reshape(movedim(t, 1, -1), (-1, shape[1])) for t in (input, target))
    form = SoftCrossEntropy.definition if weight is not None and weight.requires_grad else SoftCrossEntropy.apply
    losses = form(input, target, weight, label_smoothing=label_smoothing)
    if reduction == "none":
        return reshape(losses, shape[:1] + shape[2:] if len(shape) > 1 else ())
    return sum(losses) if reduction == "sum" else sum(losses) / (losses.numel() or math.nan)


def soft_samples(draw):
    """Calls of ``cross_entropy`` that come here."""
    def probabilities(*shape):
        t = draw.uniform(*shape)
        return t / t.sum(min(1, t.ndim - 1), keepdims=True)

    yield Sample(draw.normal(4, 5), probabilities(4, 5))
    yield Sample(draw.normal(5), probabilities(5), reduction="sum")
    yield Sample(draw.normal(2, 4, 3), probabilities(2, 4, 3), reduction="none")
    yield Sample(draw.normal(3, 5), probabilities(3, 5), Fixed(draw.uniform(5, low=0.2, high=2.0)), label_smoothing=0.2)
    yield Sample(draw.normal(3, 5), Fixed(probabilities(3, 5)), draw.uniform(5, low=0.2, high=2.0))
    yield Sample(draw.normal(2, 333), probabilities(2, 333), label_smoothing=0.1)
