"""A gradient of another shape than its argument, and results returned in each other's place."""

from __future__ import annotations

import itertools

import numpy as np

from .evidence import TOLERANCE
from .words import axes_text


def shape(e) -> str:
    """A gradient of another shape than its argument."""
    got, want = e.analytic.shape, e.numeric.shape
    head = f"the gradient has shape {got}, the argument {want}"
    extra = len(got) - len(want)
    axes: tuple[int, ...] = ()
    if extra >= 0:
        axes = tuple(range(extra)) + tuple(i + extra for i, n in enumerate(want) if n == 1 and got[i + extra] != 1)
        summed = e.analytic.sum(axis=axes, keepdims=True)
        if axes and summed.size == e.numeric.size and e.explains(summed.reshape(want), e.numeric):
            return f"{head}: the sum over the broadcast {axes_text(axes)} is missing (the sum is right)"
    for order in itertools.permutations(range(len(got))) if len(got) <= 4 else ():
        if e.explains(e.analytic.transpose(order), e.numeric):
            return f"{head}: transposed"
    for name, (_, numeric) in e.others.items():
        if numeric is not None and same(e.analytic, numeric):
            return f"{head}: it is the gradient of {name}; are two results exchanged?"
    if axes:
        return f"{head}: the argument was broadcast over {axes_text(axes)}; the gradient must be summed over it"
    if e.analytic.size == e.numeric.size and e.explains(e.analytic.reshape(want), e.numeric):
        return f"{head}: the values are right, a reshape is missing"
    return f"{head}: transposed?" if sorted(got) == sorted(want) else head


def same(a, b) -> bool:
    """Whether two arrays agree as closely as a hypothesis must."""
    if np.shape(a) != np.shape(b) or not np.size(a):
        return False
    with np.errstate(all="ignore"):
        return bool(np.abs(a - b).max() <= TOLERANCE * np.abs(b).max())


def other_argument(e) -> str:
    """The gradient of another argument of the same shape."""
    for name, (analytic, numeric) in e.others.items():
        if numeric is None or numeric.shape != e.analytic.shape:
            continue
        if e.explains(numeric):
            back = analytic is not None and analytic.shape == e.numeric.shape and e.explains(analytic, e.numeric)
            return f"the gradients of this argument and of {name} are swapped" if back else \
                f"this is the gradient of {name}"
    return ""
