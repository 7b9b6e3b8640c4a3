"""Factors that depend on the element, or on the index along an axis."""

from __future__ import annotations

import itertools
import math

import numpy as np


def missing_factor(e) -> str:
    """The gradient lacks a factor that depends on the element, has one too many, or another one."""
    x, candidates = e.value, []
    with np.errstate(all="ignore"):
        if e.outputs.size == x.size:
            c, y = e.cotangent.reshape(x.shape), e.outputs.reshape(x.shape)
            if e.explains(c):
                return "the incoming gradient is passed on as it is: the derivative of the function is missing"
            candidates = [("the incoming gradient", c), ("the output y", y), ("1 - y", 1 - y), ("1 - y^2", 1 - y * y),
                          ("y (1 - y)", y * (1 - y)), ("1 / y", 1 / y), ("exp(x)", np.exp(x)), ("cos(x)", np.cos(x))]
        candidates += [("the input x", x), ("1 / x", 1 / x), ("x^2", x * x), ("sqrt(x)", np.sqrt(x))]
        for text, factor in candidates:
            if e.explains(e.numeric, e.analytic * factor):
                return f"a factor is missing: {text}"
            if e.explains(e.numeric * factor):
                return f"there is a factor too many: {text}"
        for (first, f), (second, s) in itertools.permutations(candidates[1:], 2):
            if e.explains(e.numeric * f / s):
                return f"a factor {first} stands where {second} should"
    return ""


def factor_by_axis(e) -> str:
    """A factor that depends only on the index along one axis."""
    if e.numeric.ndim < 2 or not e.known.all():
        return ""
    for d in range(e.numeric.ndim):
        over = tuple(i for i in range(e.numeric.ndim) if i != d)
        if math.prod(e.numeric.shape[i] for i in over) < 3 or e.numeric.shape[d] < 2:
            continue
        weight = (e.numeric * e.numeric).sum(over, keepdims=True)
        with np.errstate(all="ignore"):
            k = np.where(weight > 0, (e.analytic * e.numeric).sum(over, keepdims=True) / weight, 1.0)
        different = k[np.abs(k - 1) > 1e-6]
        if e.explains(k * e.numeric) and different.size and np.ptp(different) > 1e-6 * np.abs(different).max():
            return f"a factor that depends on the index along axis {d}"
    return ""
