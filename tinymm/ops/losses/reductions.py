"""What all losses share: the reduction of one loss a case to one number."""

from __future__ import annotations

import numpy as np

from ...autograd.reduction import mean, sum
from ...autograd.tensor import Tensor

REDUCTIONS = ("none", "mean", "sum")


def check_reduction(name: str, reduction: str, choices: tuple = REDUCTIONS) -> None:
    """Raise ValueError for an unknown reduction; the message lists the known ones."""
    if reduction not in choices:
        raise ValueError(f"{name}: reduction={reduction!r}; choose one of {', '.join(map(repr, choices))}")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The losses themselves, their mean or their sum."""
    return loss if reduction == "none" else mean(loss) if reduction == "mean" else sum(loss)


def divided(total, divisor):
    """total / divisor, where 0 / 0 is a silent NaN: the mean of nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / divisor
