"""Negative log-likelihood of class indices, and the checks of class targets that the cross-entropies share."""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.scatter import take_along_dim
from ...autograd.reduction import sum
from ...autograd.integers import integer
from ...autograd.registry import Fixed, Sample, register
from ...autograd.shape import reshape
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import to_host
from ..half import in_float32
from ..checks import floating, one_device, optional, same_dtype
from .reductions import check_reduction, divided


@in_float32
def nll_loss(input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100,
             reduction: str = "mean") -> Tensor:
    """Negative log-likelihood -w[y] input_y of log-probabilities: ``cross_entropy`` after ``log_softmax``.

    Gradient: dL/dinput_c = -g * weight[y] where c = y, else 0; over the sum of the weights for the mean.

    Args:
        input: log-probabilities, (C,), (N, C) or (N, C, d1, ...).
        target: class indices, (), (N,) or (N, d1, ...).
        weight, ignore_index, reduction: as in ``cross_entropy``.

    Returns:
        A 0-d Tensor, or one loss for each case with reduction "none".

    Raises:
        IndexError: a class outside [0, C); the message names it and where it stands.
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: log-probabilities or a target of a dtype that does not fit.
    """
    input = floating("nll_loss", "input", input)
    dim = class_axis("nll_loss", input, target, weight)
    check_reduction("nll_loss", reduction)
    ignore_index = integer("nll_loss", "ignore_index", ignore_index)
    check_classes("nll_loss", input, target, ignore_index, dim)
    input, weight = same_dtype(input, weight)
    counts = wrap(target._data != ignore_index)
    y = where(counts, target, 0)
    w = 1.0 if weight is None else weight[y]
    loss = where(counts, reshape(take_along_dim(input, y.unsqueeze(dim), dim), y.shape) * -w, 0.0)
    if reduction == "none":
        return loss
    if reduction == "sum":
        return sum(loss)
    divisor = counts._data.sum().astype(input.dtype) if weight is None else sum(where(counts, w, 0.0))
    return divided(sum(loss), wrap(divisor) if weight is None else divisor)


def class_axis(name: str, input: Tensor, target, weight) -> int:
    """The axis of the classes, after checking that the shapes fit."""
    optional(name, weight=weight)
    if input.ndim == 0:
        raise ValueError(f"{name}: input must be (C,), (N, C) or (N, C, d1, ...), not 0-d")
    if weight is not None:
        floating(name, "weight", weight)
    one_device(name, input=input, target=target, weight=weight)
    dim = min(1, input.ndim - 1)
    if weight is not None and weight.shape != (input.shape[dim],):
        raise ValueError(f"{name}: weight has shape {weight.shape} but input of shape {input.shape} has "
                         f"C={input.shape[dim]} classes along axis {dim}; give one weight for each class")
    return dim


def check_classes(name: str, input: Tensor, target: Tensor, ignore_index: int, dim: int) -> None:
    """Raise unless the target holds classes of the right shape (on a GPU this waits for the target once)."""
    expected = input.shape[:dim] + input.shape[dim + 1:]
    if target.dtype.kind not in "iu":
        raise TypeError(f"{name}: target must hold integer class indices, not {target.dtype}; use .long()")
    if target.shape != expected:
        raise ValueError(f"{name}: target has shape {target.shape} but input of shape {input.shape} wants {expected}, "
                         f"one class for each case (the classes are axis {dim})")
    classes, t = input.shape[dim], target._data
    if t.size == 0 or (t.min() >= 0 and t.max() < classes):
        return
    wrong = ((t < 0) | (t >= classes)) & (t != ignore_index)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(to_host(wrong))[0])
        where_ = f"target[{', '.join(map(str, at))}]" if at else "target"
        raise IndexError(f"{name}: {where_} = {int(t[at])} is not a class: input has C={classes} classes, so targets "
                         f"are 0 to {classes - 1}, or ignore_index={ignore_index}")


def class_weights(draw):
    """A maker of weights for n classes."""
    return lambda n: Fixed(draw.uniform(n, low=0.2, high=2.0))


def ignoring_some(draw):
    """A maker of targets below ``high``, some of them the usual ignore_index."""
    return lambda high, *shape: np.where(draw.mask(*shape), draw.integers(0, high, *shape), -100)


def class_samples(draw):
    """Calls f(input, target, weight, ...) with class indices."""
    weights, ignoring = class_weights(draw), ignoring_some(draw)
    yield Sample(draw.normal(4, 5), draw.integers(0, 5, 4))
    yield Sample(draw.normal(4, 5), draw.integers(0, 5, 4), reduction="none")
    yield Sample(draw.normal(5), draw.integers(0, 5), reduction="sum")
    yield Sample(draw.normal(6, 5), ignoring(5, 6), weights(5))
    yield Sample(draw.normal(6, 5), draw.integers(0, 5, 6), weights(5), ignore_index=2, reduction="none")
    yield Sample(draw.normal(2, 3, 2, 75), ignoring(3, 2, 2, 75), reduction="sum")   # more than one block of columns
    yield Sample(draw.normal(3, 4, 2), draw.integers(0, 4, 3, 2), weights(4), reduction="none")
    yield Sample(draw.normal(3, 1), draw.integers(0, 1, 3))


register("nll_loss", nll_loss, class_samples, torch="nn.functional.nll_loss")
