"""Kullback-Leibler divergence of a target distribution from a prediction given as log-probabilities.

    l = t (log t - x),   and with log_target   l = e^t (t - x)          (0 log 0 = 0)
"""

from __future__ import annotations

import numpy as np

from ...autograd.choice import where
from ...autograd.elementwise import exp, log
from ...autograd.reduction import sum
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor, wrap
from ..half import in_float32
from .regression import pair
from .reductions import check_reduction, reduced


@in_float32
def kl_div(input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """target (log target - input), element by element.

    Gradient: dL/dinput = -g * target, or -g * e ** target with ``log_target``, over the divisor of a mean.

    Args:
        input: log-probabilities.
        target: probabilities of the same shape.
        reduction: "none", "sum", "batchmean" (the sum over the length of axis 0: the divergence of distributions
            along the other axes) or "mean" (over all elements, which is not a divergence, but PyTorch's default).
        log_target: whether ``target`` holds the logarithms of the probabilities.

    Returns:
        A 0-d Tensor, or one term for each element with reduction "none".

    Raises:
        ValueError: shapes that do not fit, an unknown reduction.
        TypeError: integer input or target.
    """
    check_reduction("kl_div", reduction, ("none", "mean", "batchmean", "sum"))
    input, target = pair("kl_div", input, target)
    if log_target:
        loss = exp(target) * (target - input)
    else:
        zero = wrap(target._data == 0)
        loss = target * (where(zero, 0.0, log(where(zero, 1.0, target))) - input)
    if reduction == "batchmean":
        return sum(loss) / input.shape[0] if input.ndim else sum(loss)
    return reduced(loss, reduction)


def _samples(draw):
    for reduction in ("none", "mean", "batchmean", "sum"):
        x, t = draw.normal(3, 4), draw.uniform(3, 4, low=0.05)
        yield Sample(np.asarray(x - 2), t, reduction=reduction)
        yield Sample(np.asarray(x - 2), np.log(t), reduction=reduction, log_target=True)


register("kl_div", kl_div, _samples, torch="nn.functional.kl_div")
