"""One of several paths is missing: a detach or no_grad on the way, or a factor of a product taken for a constant."""

from __future__ import annotations

import numpy as np


def detached(e) -> str:
    """Where the gradient is right once a detach or no_grad lets it pass."""
    if e.undetached is None:
        return ""
    for gradient, place in e.undetached():
        if gradient is not None and e.explains(gradient, e.numeric):
            return f"one of several paths is missing: {place} cuts it off; the gradient is right without"
    return ""


def one_path(e) -> str:
    """Of y = x s(x), element by element, only one factor's derivative arrived."""
    jacobian = e.jacobian
    if jacobian is None or e.outputs.size != e.value.size or not np.array_equal(jacobian, np.diag(np.diagonal(jacobian))):
        return ""
    with np.errstate(all="ignore"):
        x, path = e.value, (e.cotangent * e.outputs).reshape(e.value.shape) / e.value
    if not (x != 0).all():
        return ""
    if e.explains(path):
        return "one of several paths is missing: with y = x s(x), the factor s is treated as a constant, s(x) g alone arrived"
    if e.explains(e.numeric - path):
        return "one of several paths is missing: with y = x s(x), the path through the factor x, s(x) g"
    return ""
