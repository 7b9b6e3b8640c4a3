"""Losses that compare: which of two is larger, which of two is nearer, whether two point the same way.

    margin_ranking    max(0, -y (x1 - x2) + margin)
    triplet_margin    max(0, |a - p| - |a - n| + margin)                  (Schroff et al. 2015, equation 1)
    cosine_embedding  1 - cos(x1, x2) where y = 1,  max(0, cos(x1, x2) - margin) where y = -1
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import clamp
from ...autograd.choice import where
from ...autograd.elementwise import minimum, sqrt
from ...autograd.reduction import sum
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor, wrap
from ..half import in_float32
from ..checks import as_tensor, real
from .reductions import check_reduction, reduced
from ..similarity import common, pairwise_distance


@in_float32
def margin_ranking_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *,
                        reduction: str = "mean") -> Tensor:
    """max(0, -target (input1 - input2) + margin): small where input1 is larger (target 1) or smaller (target -1).

    Gradient: dL/dinput1 = -g * target where -target (input1 - input2) + margin >= 0, else 0; over n for the
    mean; dL/dinput2 = -dL/dinput1.

    Args:
        input1, input2: the same number of axes, shapes that broadcast.
        target: 1 or -1, of a shape that broadcasts with them.
        margin: how much larger input1 must be for no loss.
        reduction: "none", "sum" or "mean".

    Returns:
        A 0-d Tensor, or one loss for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: integer input.
    """
    check_reduction("margin_ranking_loss", reduction)
    target = _signs("margin_ranking_loss", target, input1, input2)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ValueError(f"margin_ranking_loss: input1 {input1.shape}, input2 {input2.shape} and target {target.shape} "
                         "must have the same number of axes")
    input1, input2, target = common("margin_ranking_loss", input1=input1, input2=input2, target=target)
    return reduced(clamp(-target * (input1 - input2) + margin, min=0), reduction)


@in_float32
def triplet_margin_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
                        eps: float = 1e-6, swap: bool = False, *, reduction: str = "mean") -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with d = ``pairwise_distance``.

    Gradient: g times that of d(anchor, positive) - d(anchor, negative) where that plus the margin is >= 0,
    else 0; over N for the mean.

    Args:
        anchor, positive, negative: (N, D) or (D,).
        margin: how much farther the negative must be for no loss (Schroff et al. 2015, equation 1).
        p, eps: of ``pairwise_distance``.
        swap: take the nearer of anchor and positive to the negative (Balntas et al. 2016).
        reduction: "none", "sum" or "mean".

    Returns:
        A 0-d Tensor, or one loss for each triplet with reduction "none".

    Raises:
        ValueError: shapes that do not fit, a margin that is not positive, an unknown reduction.
        TypeError: integer input.
    """
    check_reduction("triplet_margin_loss", reduction)
    if real("triplet_margin_loss", "margin", margin) <= 0:
        raise ValueError(f"triplet_margin_loss: margin={margin} must be positive")
    anchor, positive, negative = common("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(clamp(near - far + margin, min=0), reduction)


@in_float32
def cosine_embedding_loss(input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *,
                          reduction: str = "mean") -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1.

    Gradient: that of the cosine, times -g where target is 1, and times g where target is -1 and cos >= margin,
    over N for the mean.

    Args:
        input1, input2: (N, D) with target (N,), or (D,) with a 0-d target.
        target: 1 or -1.
        margin: the cosine below which a pair with target -1 has no loss.
        reduction: "none", "sum" or "mean".

    Returns:
        A 0-d Tensor, or one loss for each pair with reduction "none".

    Raises:
        ValueError: shapes that do not fit.
        TypeError: integer input.
    """
    check_reduction("cosine_embedding_loss", reduction)
    target = _signs("cosine_embedding_loss", target, input1, input2)
    if target.ndim > 1 or not input1.ndim == input2.ndim == target.ndim + 1:
        raise ValueError(f"cosine_embedding_loss: input1 {input1.shape}, input2 {input2.shape} and target "
                         f"{target.shape} must be (N, D), (N, D) and (N,), or (D,), (D,) and ()")
    input1, input2 = common("cosine_embedding_loss", input1=input1, input2=input2)
    squares = (sum(input1 * input1, -1) + 1e-12) * (sum(input2 * input2, -1) + 1e-12)
    cosine = sum(input1 * input2, -1) / sqrt(squares)
    same, different = wrap(target._data == 1), wrap(target._data == -1)
    loss = where(same, 1 - cosine, 0.0) + where(different, clamp(cosine - margin, min=0), 0.0)
    return reduced(loss, reduction)


def _signs(name: str, target, input1, input2) -> Tensor:
    """The target, in the dtype of the inputs."""
    for argument, value in (("input1", input1), ("input2", input2), ("target", target)):
        as_tensor(name, argument, value)
    return target.to(input1.dtype) if target.dtype.kind != "f" else target


def _margin_samples(draw):
    sign = lambda *shape: np.where(draw.mask(*shape, p=0.5), 1, -1)
    for reduction in ("mean", "sum", "none"):
        yield Sample(draw.normal(6), draw.normal(6), sign(6), reduction=reduction)
        yield Sample(draw.normal(3, 2), draw.normal(3, 2), sign(3, 2), margin=0.7, reduction=reduction)


def _triplet_samples(draw):
    for options in (dict(), dict(margin=0.3, reduction="none"), dict(p=1.0, reduction="sum"),
                    dict(swap=True, margin=2.0)):
        yield Sample(draw.normal(5, 4), draw.normal(5, 4), draw.normal(5, 4), **options)
    yield Sample(draw.normal(4), draw.normal(4), draw.normal(4))


def _cosine_samples(draw):
    sign = lambda *shape: np.where(draw.mask(*shape, p=0.5), 1, -1)
    for options in (dict(), dict(margin=0.2, reduction="none"), dict(margin=-0.3, reduction="sum")):
        yield Sample(draw.normal(6, 4), draw.normal(6, 4), sign(6), **options)
    yield Sample(draw.normal(4), draw.normal(4), np.asarray(1))


register("margin_ranking_loss", margin_ranking_loss, _margin_samples, torch="nn.functional.margin_ranking_loss")
register("triplet_margin_loss", triplet_margin_loss, _triplet_samples, torch="nn.functional.triplet_margin_loss")
register("cosine_embedding_loss", cosine_embedding_loss, _cosine_samples, torch="nn.functional.cosine_embedding_loss")
