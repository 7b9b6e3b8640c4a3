"""Losses of a prediction x and a number t: squared, absolute, and the two that are both.

    mse        (x - t)^2
    l1         |x - t|
    smooth_l1  (x - t)^2 / (2 beta) where |x - t| < beta, else |x - t| - beta/2        (Girshick 2015, equation 3)
    huber      (x - t)^2 / 2 where |x - t| <= delta, else delta (|x - t| - delta/2)    (Huber 1964)
"""

from __future__ import annotations

import warnings

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import square
from ...autograd.reduction import sum
from ...autograd.registry import Sample, register
from ...autograd.shape import broadcast_to
from ...autograd.tensor import Tensor
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ..half import in_float32
from ..checks import as_tensor, floating, one_device, real, same_dtype
from .pointwise import BLOCK, PointwiseLoss
from .reductions import check_reduction, reduced


class ParabolaAndLine(PointwiseLoss):
    """a d^2 up to |d| = end, b |d| - c beyond it, with d = x - t; all four losses are of this kind."""

    @staticmethod
    def formula(x, t, end, a, b, c):
        d = x - t
        distance = np.abs(d)   # of Tensors, by NumPy's protocol
        return where(distance <= end, a * square(d), b * distance - c)

    @staticmethod
    def values(x, t, end, a, b, c):
        d = x - t
        with np.errstate(invalid="ignore"):   # 0 * inf on the side that is not chosen
            return np.where(np.abs(d) <= end, a * np.square(d), b * np.abs(d) - c).astype(x.dtype)

    @staticmethod
    def slopes(g, x, t, needs, end, a, b, c):
        d = x - t
        with np.errstate(invalid="ignore"):
            dx = (g * np.where(np.abs(d) <= end, 2 * a * d, b * np.sign(d))).astype(x.dtype)
        return dx if needs[0] else None, -dx if needs[1] else None


@kernel
def _loss(d, end, a, b, c):
    return a * d * d if abs(d) <= end else b * abs(d) - c


@kernel
def _slope(d, end, a, b):
    zero = a - a
    line = b if d > zero else (-b if d < zero else d)   # 0 at 0, NaN for NaN
    return (a + a) * d if abs(d) <= end else line


@kernel(parallel=True)
def _values(x, t, end, a, b, c, out):
    for i in prange(x.shape[0]):
        out[i] = _loss(x[i] - t[i], end, a, b, c)


@kernel(parallel=True, reassociate=True)
def _sums(x, t, end, a, b, c, sums):
    for n in prange(sums.shape[0]):
        xs, ts = x[n * BLOCK:(n + 1) * BLOCK], t[n * BLOCK:(n + 1) * BLOCK]
        total = x.dtype.type(0)
        for i in range(xs.shape[0]):
            total += _loss(xs[i] - ts[i], end, a, b, c)
        sums[n] = total


@kernel(parallel=True)
def _slope_x(g, x, t, end, a, b, c, out):
    if g.shape[0] == 1:
        g0 = g[0]
        for i in prange(x.shape[0]):
            out[i] = g0 * _slope(x[i] - t[i], end, a, b)
    else:
        for i in prange(x.shape[0]):
            out[i] = g[i] * _slope(x[i] - t[i], end, a, b)


@kernel(parallel=True)
def _slope_t(g, x, t, end, a, b, c, out):
    if g.shape[0] == 1:
        g0 = g[0]
        for i in prange(x.shape[0]):
            out[i] = g0 * _slope(t[i] - x[i], end, a, b)
    else:
        for i in prange(x.shape[0]):
            out[i] = g[i] * _slope(t[i] - x[i], end, a, b)


P = ParabolaAndLine
P.k_values, P.k_sums, P.k_slope_x, P.k_slope_t = _values, _sums, _slope_x, _slope_t

P.cuda_values = CudaKernel("regression_loss_values", r"""
template <typename T> __global__ void regression_loss_values(const T* x, const T* t, T end, T a, T b, T c, T* loss,
                                                             long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        T d = x[i] - t[i];
        loss[i] = abs(d) <= end ? a * d * d : b * abs(d) - c;
    }
}
""")

P.cuda_slopes = CudaKernel("regression_loss_slopes", r"""
// step is 1 where every loss has a gradient of its own, 0 where they share one.
template <typename T> __global__ void regression_loss_slopes(const T* g, long long step, const T* x, const T* t, T end,
                                                             T a, T b, T c, T* dx, T* dt, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        T d = x[i] - t[i];
        T slope = abs(d) <= end ? 2 * a * d : d > 0 ? b : d < 0 ? -b : d;
        dx[i] = g[i * step] * slope;
        dt[i] = -dx[i];
    }
}
""")


class MSELoss(ParabolaAndLine):
    """(x - t)^2, a parabola without end."""

    name = "mse_loss"


class L1Loss(ParabolaAndLine):
    """|x - t|, a line from the start."""

    name = "l1_loss"


class SmoothL1Loss(ParabolaAndLine):
    """The line has slope 1."""

    name = "smooth_l1_loss"


class HuberLoss(ParabolaAndLine):
    """The parabola is d^2 / 2."""

    name = "huber_loss"


MSE, L1 = (np.inf, 1.0, 0.0, 0.0), (-1.0, 0.0, 1.0, 0.0)   # (end, a, b, c)


def pair(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The two arguments of a loss in one dtype and shape; different shapes broadcast with a warning, as in PyTorch.

    Raises:
        ValueError: shapes that do not broadcast.
    """
    input, target = floating(name, "input", input), floating(name, "target", target)
    one_device(name, input=input, target=target)
    input, target = same_dtype(input, target)
    if input.shape != target.shape:
        try:
            shape = np.broadcast_shapes(input.shape, target.shape)
        except ValueError:
            raise ValueError(f"{name}: target has shape {target.shape} but input has {input.shape}; they must be "
                             "equal, one target for each prediction") from None
        warnings.warn(f"{name}: target of shape {target.shape} is broadcast against input of shape {input.shape} to "
                      f"{shape}; this is rarely meant, give both the same shape", stacklevel=3)
        input, target = broadcast_to(input, shape), broadcast_to(target, shape)
    return input, target


def _fitting(name: str, weight: Tensor, shape: tuple) -> Tensor:
    """The weight, which must have the shape of the input."""
    if as_tensor(name, "weight", weight).shape != shape:
        raise ValueError(f"{name}: weight has shape {weight.shape} but input has {shape}; they must be equal")
    return weight


def _weighted(loss, parameters, input, target, weight, reduction, shape):
    """A loss whose mean, if it has weights, divides by their sum."""
    if weight is None:
        return loss.apply(input, target, reduction=reduction, parameters=parameters)
    weight = _fitting(loss.name, weight, shape)
    losses = loss.apply(input, target, reduction="none", parameters=parameters) * weight
    return sum(losses) / sum(weight) if reduction == "mean" else reduced(losses, reduction)


@in_float32
def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Squared error (input - target)^2.

    Gradient: dL/dinput = 2 g * weight * (input - target), over the divisor of a mean;
    dL/dtarget = -dL/dinput.

    Args:
        input, target: the same shape.
        reduction: "none", "sum" or "mean" (with weights: divided by their sum).
        weight: of the shape of ``input``, or None.

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: an argument that is not a Tensor.
    """
    check_reduction("mse_loss", reduction)
    shape = input.shape if isinstance(input, Tensor) else ()
    input, target = pair("mse_loss", input, target)
    return _weighted(MSELoss, MSE, input, target, weight, reduction, shape)


@in_float32
def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Absolute error |input - target|.

    Gradient: dL/dinput = g * weight * sign(input - target), over the divisor of a mean;
    dL/dtarget = -dL/dinput.

    Args:
        input, target: the same shape.
        reduction: "none", "sum" or "mean" (with weights: divided by their sum).
        weight: of the shape of ``input``, or None.

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: an argument that is not a Tensor.
    """
    check_reduction("l1_loss", reduction)
    shape = input.shape if isinstance(input, Tensor) else ()
    input, target = pair("l1_loss", input, target)
    return _weighted(L1Loss, L1, input, target, weight, reduction, shape)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Squared error over 2 beta up to a distance of ``beta``, absolute error minus beta/2 beyond it.

        l = d^2 / (2 beta) where |d| < beta, else |d| - beta/2,   d = input - target   (Girshick 2015)

    Gradient: dL/dinput = g * d / beta where |d| < beta, else g * sign(d), over n for the mean;
    dL/dtarget = -dL/dinput.

    Args:
        input, target: the same shape.
        reduction: "none", "sum" or "mean".
        beta: where the parabola ends; 0 gives ``l1_loss``.

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, a negative beta, an unknown reduction.
        TypeError: an argument that is not a Tensor.
    """
    check_reduction("smooth_l1_loss", reduction)
    if real("smooth_l1_loss", "beta", beta) < 0:
        raise ValueError(f"smooth_l1_loss: beta={beta} must not be negative")
    input, target = pair("smooth_l1_loss", input, target)
    if beta < 1e-30 and beta * np.finfo(input.dtype).max < 1:   # 1 / beta would overflow, and no d is between 0 and beta
        beta = 0.0
    parameters = (beta, 0.5 / beta, 1.0, 0.5 * beta) if beta else L1
    return SmoothL1Loss.apply(input, target, reduction=reduction, parameters=parameters)


@in_float32
def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
               weight: Tensor | None = None) -> Tensor:
    """Half the squared error up to a distance of ``delta``, a line of slope ``delta`` beyond it.

        l = d^2 / 2 where |d| <= delta, else delta (|d| - delta/2),   d = input - target   (Huber 1964)

    Gradient: dL/dinput = g * weight * d where |d| <= delta, else g * weight * delta * sign(d); over n for the
    mean; dL/dtarget = -dL/dinput.

    Args:
        input, target: the same shape.
        reduction: "none", "sum" or "mean" (over the elements, with weights too).
        delta: where the parabola ends.
        weight: of the shape of ``input``, or None.

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, a delta that is not positive, an unknown reduction.
        TypeError: an argument that is not a Tensor.
    """
    check_reduction("huber_loss", reduction)
    if real("huber_loss", "delta", delta) <= 0:
        raise ValueError(f"huber_loss: delta={delta} must be positive")
    shape = input.shape if isinstance(input, Tensor) else ()
    input, target = pair("huber_loss", input, target)
    parameters = (delta, 0.5, delta, 0.5 * delta * delta)
    if weight is None:
        return HuberLoss.apply(input, target, reduction=reduction, parameters=parameters)
    loss = HuberLoss.apply(input, target, reduction="none", parameters=parameters)
    return reduced(loss * _fitting("huber_loss", weight, shape), reduction)


def regression_samples(**choices):
    """A maker of calls f(input, target, reduction=..., **choices), with differences on both sides of a threshold."""
    def samples(draw):
        for reduction in ("mean", "sum", "none"):
            x = draw.normal(3, 4)
            yield Sample(x, x + draw.away(3, 4, low=0.3, high=2.5), reduction=reduction, **choices)
        yield Sample(np.asarray(draw.normal()), np.asarray(draw.normal()), **choices)
        yield Sample(draw.normal(0, 3), draw.normal(0, 3), reduction="sum", **choices)
        yield Sample(draw.normal(2, 5000), draw.normal(2, 5000), **choices)   # several blocks
    return samples


def _weighted_samples(draw):
    for reduction in ("mean", "sum", "none"):
        x = draw.normal(3, 4)
        yield Sample(x, x + draw.away(3, 4), reduction=reduction, weight=draw.uniform(3, 4, low=0.5, high=2.0))


register("mse_loss", mse_loss, regression_samples(), torch="nn.functional.mse_loss", fused=MSELoss)
register("l1_loss", l1_loss, regression_samples(), torch="nn.functional.l1_loss", fused=L1Loss)
register("smooth_l1_loss", smooth_l1_loss, regression_samples(beta=0.8), torch="nn.functional.smooth_l1_loss",
         fused=SmoothL1Loss)
register("smooth_l1_loss:0", smooth_l1_loss, regression_samples(beta=0.0), torch="nn.functional.smooth_l1_loss")
register("huber_loss", huber_loss, regression_samples(delta=1.2), torch="nn.functional.huber_loss", fused=HuberLoss)
register("mse_loss:weight", mse_loss, _weighted_samples, torch="nn.functional.mse_loss")
register("l1_loss:weight", l1_loss, _weighted_samples, torch="nn.functional.l1_loss")
register("huber_loss:weight", huber_loss, _weighted_samples, torch="nn.functional.huber_loss")
