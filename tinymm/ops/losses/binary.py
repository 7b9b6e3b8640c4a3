"""Cross-entropy of yes and no: of probabilities, and of logits.

    binary_cross_entropy              l = -(t log x + (1 - t) log(1 - x)),  each logarithm at least -100, as in PyTorch
    binary_cross_entropy_with_logits  l = (1 - t) x + log(1 + e^-x),        dl/dx = sigmoid(x) - t
    with a weight p for positives     l = (1 - t) x + (1 + (p - 1) t) log(1 + e^-x)
"""

from __future__ import annotations

import numpy as np

from ...autograd.elementwise import logaddexp
from ...autograd.function import Primitive
from ...autograd.registry import Fixed, Sample, register
from ...autograd.tensor import Tensor
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.vmath import exp, log, sigmoid
from ..half import in_float32
from ..checks import floating, one_device, same_dtype
from .pointwise import BLOCK, PointwiseLoss
from .reductions import check_reduction, reduced


class LogitLoss(PointwiseLoss):
    """(1 - t) x + log(1 + e^-x);  dl/dx = sigmoid(x) - t,  dl/dt = -x."""

    name = "binary_cross_entropy_with_logits"

    @staticmethod
    def formula(x, t):
        return (1 - t) * x + logaddexp(-x, 0.0)

    @staticmethod
    def values(x, t):
        with np.errstate(invalid="ignore"):   # inf - inf
            return (1 - t) * x + np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))

    @staticmethod
    def slopes(g, x, t, needs):
        e = np.exp(-np.abs(x))
        return g * (np.where(x >= 0, 1, e) / (1 + e) - t) if needs[0] else None, -g * x if needs[1] else None


@kernel
def _losses(x, t, out):
    """The loss of each pair of a block. log(1 + e) is log(u) e / (u - 1) with u = 1 + e rounded (Kahan): it keeps a
    small e."""
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for i in range(x.shape[0]):   # a loop of its own: with the logarithm in it LLVM would not vectorise it
        out[i] = exp(-abs(x[i]))
    for i in range(x.shape[0]):
        u = one + out[i]
        tail = out[i] if u == one else log(u) * (out[i] / (u - one))
        out[i] = (one - t[i]) * x[i] + max(-x[i], zero) + tail


@kernel(reassociate=True)
def _total(values):
    total = values.dtype.type(0)
    for i in range(values.shape[0]):
        total += values[i]
    return total


@kernel(parallel=True)
def _values(x, t, out):
    for b in prange((x.shape[0] + BLOCK - 1) // BLOCK):
        _losses(x[b * BLOCK:(b + 1) * BLOCK], t[b * BLOCK:(b + 1) * BLOCK], out[b * BLOCK:(b + 1) * BLOCK])


@kernel(parallel=True)
def _sums(x, t, sums):
    for b in prange(sums.shape[0]):
        xs = x[b * BLOCK:(b + 1) * BLOCK]
        losses = np.empty(xs.shape[0], x.dtype)
        _losses(xs, t[b * BLOCK:(b + 1) * BLOCK], losses)
        sums[b] = _total(losses)


@kernel(parallel=True)
def _slope_x(g, x, t, out):
    if g.shape[0] == 1:
        g0 = g[0]
        for i in prange(x.shape[0]):
            out[i] = g0 * (sigmoid(x[i]) - t[i])
    else:
        for i in prange(x.shape[0]):
            out[i] = g[i] * (sigmoid(x[i]) - t[i])


@kernel(parallel=True)
def _slope_t(g, x, t, out):
    if g.shape[0] == 1:
        g0 = g[0]
        for i in prange(x.shape[0]):
            out[i] = -g0 * x[i]
    else:
        for i in prange(x.shape[0]):
            out[i] = -g[i] * x[i]


LogitLoss.k_values, LogitLoss.k_sums, LogitLoss.k_slope_x, LogitLoss.k_slope_t = _values, _sums, _slope_x, _slope_t

LogitLoss.cuda_values = CudaKernel("logit_loss_values", r"""
template <typename T> __global__ void logit_loss_values(const T* x, const T* t, T* loss, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) loss[i] = (1 - t[i]) * x[i] + max(-x[i], T(0)) + log1p(exp(-abs(x[i])));
}
""")

LogitLoss.cuda_slopes = CudaKernel("logit_loss_slopes", r"""
// step is 1 where every loss has a gradient of its own, 0 where they share one.
template <typename T> __global__ void logit_loss_slopes(const T* g, long long step, const T* x, const T* t, T* dx,
                                                        T* dt, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        T e = exp(-abs(x[i]));
        dx[i] = g[i * step] * ((x[i] >= 0 ? T(1) : e) / (1 + e) - t[i]);
        dt[i] = -g[i * step] * x[i];
    }
}
""")


class BinaryCrossEntropy(Primitive):
    """-(t log x + (1 - t) log(1 - x));  dl/dx = (x - t) / (x (1 - x)),  dl/dt = log(1 - x) - log x."""

    name = "binary_cross_entropy"
    keep = (0, 1)

    def forward(self, x, t):
        with np.errstate(divide="ignore"):
            return -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log1p(-x), -100))

    def backward(self, g, x, t):
        dx = g * (x - t) / np.maximum(x * (1 - x), 1e-12) if self.needs[0] else None
        if not self.needs[1]:
            return dx, None
        with np.errstate(divide="ignore"):
            return dx, g * (np.maximum(np.log1p(-x), -100) - np.maximum(np.log(x), -100))


@in_float32
def binary_cross_entropy(input: Tensor, target: Tensor, weight: Tensor | None = None, *,
                         reduction: str = "mean") -> Tensor:
    """Cross-entropy of probabilities: -(target log input + (1 - target) log(1 - input)), times ``weight``.

    Gradient: dL/dinput = g * weight * (input - target) / max(input * (1 - input), 1e-12), over n for a mean;
    dL/dtarget = g * weight * (log(1 - input) - log(input)). Each logarithm is at least -100, as in PyTorch.

    Args:
        input: probabilities in [0, 1]. For logits, ``binary_cross_entropy_with_logits`` is the accurate way.
        target: of the same shape, in [0, 1].
        weight: broadcastable to that shape, or None.
        reduction: "none", "sum" or "mean" (over the elements, whatever the weights).

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: inputs outside [0, 1], or shapes that do not fit.
        TypeError: integer input or target.
    """
    input, target, weight = _arguments("binary_cross_entropy", input, target, reduction, weight=weight)
    inside = (input._data >= 0) & (input._data <= 1)
    if not inside.all():
        raise ValueError("binary_cross_entropy: input must be probabilities between 0 and 1; apply sigmoid first, or "
                         "use binary_cross_entropy_with_logits on the logits")
    loss = BinaryCrossEntropy.apply(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@in_float32
def binary_cross_entropy_with_logits(input: Tensor, target: Tensor, weight: Tensor | None = None, *,
                                     reduction: str = "mean", pos_weight: Tensor | None = None) -> Tensor:
    """``binary_cross_entropy(sigmoid(input), target)``, without overflow or cancellation.

    Gradient: dL/dinput = g * weight * (sigmoid(input) - target), over n for the mean; with ``pos_weight`` p
    the bracket is (1 - target + p * target) * sigmoid(input) - p * target.

    Args:
        input: logits.
        target: of the same shape, in [0, 1].
        weight: of each element's loss, broadcastable to that shape, or None.
        reduction: "none", "sum" or "mean" (over the elements, whatever the weights).
        pos_weight: of the positives, broadcastable to that shape (usually one for each class), or None.

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: integer input or target.
    """
    name = "binary_cross_entropy_with_logits"
    input, target, weight, pos_weight = _arguments(name, input, target, reduction, weight=weight, pos_weight=pos_weight)
    if pos_weight is None:
        if weight is None:
            return LogitLoss.apply(input, target, reduction=reduction)
        loss = LogitLoss.apply(input, target, reduction="none")
    else:
        loss = (1 - target) * input + ((pos_weight - 1) * target + 1) * logaddexp(-input, 0.0)
    return reduced(loss if weight is None else loss * weight, reduction)


def _arguments(name: str, input: Tensor, target: Tensor, reduction: str, **weights):
    """The Tensors, checked and in one dtype."""
    check_reduction(name, reduction)
    input, target = floating(name, "input", input), floating(name, "target", target)
    one_device(name, input=input, target=target, **weights)
    if input.shape != target.shape:
        raise ValueError(f"{name}: target has shape {target.shape} but input has {input.shape}; they must be equal")
    for key, value in weights.items():
        if value is not None:
            fits = len(value.shape) <= input.ndim and all(
                n in (1, m) for n, m in zip(value.shape[::-1], input.shape[::-1]))
            if not fits:
                raise ValueError(f"{name}: {key} of shape {value.shape} does not broadcast to input of shape "
                                 f"{input.shape}")
    return same_dtype(input, target, *weights.values())


def _probability_samples(draw):
    p = lambda *shape: draw.uniform(*shape, low=0.05, high=0.95)
    for reduction in ("mean", "sum", "none"):
        yield Sample(p(3, 4), draw.uniform(3, 4), reduction=reduction)
    yield Sample(p(3, 4), draw.uniform(3, 4), Fixed(draw.uniform(4, low=0.5, high=2.0)))
    yield Sample(p(0, 4), draw.uniform(0, 4), reduction="sum")


def _logit_samples(draw):
    for reduction in ("mean", "sum", "none"):
        yield Sample(draw.normal(3, 4, scale=3.0), draw.uniform(3, 4), reduction=reduction)
    yield Sample(draw.normal(2, 5000), draw.uniform(2, 5000))   # several blocks
    yield Sample(draw.normal(0, 4), draw.uniform(0, 4), reduction="sum")


def _weighted_logit_samples(draw):
    w = lambda *shape: Fixed(draw.uniform(*shape, low=0.5, high=2.0))
    yield Sample(draw.normal(3, 4), draw.uniform(3, 4), w(4), reduction="sum")
    yield Sample(draw.normal(3, 4), draw.uniform(3, 4), pos_weight=w(4))
    yield Sample(draw.normal(3, 4), draw.uniform(3, 4), w(3, 1), pos_weight=w(4), reduction="none")


register("binary_cross_entropy", binary_cross_entropy, _probability_samples, torch="nn.functional.binary_cross_entropy")
register("binary_cross_entropy_with_logits", binary_cross_entropy_with_logits, _logit_samples,
         torch="nn.functional.binary_cross_entropy_with_logits", fused=LogitLoss)
register("binary_cross_entropy_with_logits:weights", binary_cross_entropy_with_logits, _weighted_logit_samples,
         torch="nn.functional.binary_cross_entropy_with_logits")
