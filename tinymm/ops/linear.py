"""The affine layer, with the bias in the same operation.

    y = x W^T + b        dL/dx = g W        dL/dW = g^T x        dL/db = sum of g over all rows

All leading axes of x are merged, so that each of the three products is one large one.
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.linalg import matmul
from ..autograd.registry import Sample, register
from ..autograd.shape import transpose
from ..autograd.tensor import Tensor
from ..backend import few_rows, products
from ..backend.arrays import xp_of
from ..backend.jit import chunks, kernel, prange
from ..backend.sums import total
from .checks import floating, one_device, optional, same_dtype
from .fused import Fused


def _merged(a):
    """(..., n) as (rows, n)."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


class Linear(Fused):
    """y = x W^T + b over the last axis. Kept for the backward: x and W."""

    name = "linear"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, bias):
        y = matmul(x, transpose(weight, 0, 1))
        return y if bias is None else y + bias

    # ------------------------------------------------------------------ rung 2: NumPy, and CuPy with its BLAS

    def forward_numpy(self, x, weight, bias):
        self.x, self.w = x, weight
        y = xp_of(x).empty(x.shape[:-1] + weight.shape[:1], x.dtype)
        products.matmul(_merged(x), weight.T, out=_merged(y))
        if bias is not None:
            y += bias
        return y

    def backward_numpy(self, g):
        dx, dw = self._products(g)
        return dx, dw, total(_merged(g), 0) if self.needs[2] else None

    def _products(self, g):
        dx = dw = None
        g2 = _merged(g)
        if self.needs[0]:
            dx = xp_of(g).empty(self.x.shape, g.dtype)   # whole, not a view: a leaf takes it without a copy
            products.matmul(g2, self.w, out=_merged(dx))
        if self.needs[1]:
            dw = products.matmul(g2.T, _merged(self.x))
        return dx, dw

    # ------------------------------------------------------------------ rung 3: BLAS, with Numba for the bias

    def forward_numba(self, x, weight, bias):
        if few_rows.pays(x2 := _merged(x), weight):
            self.x, self.w, y = x, weight, np.empty(x.shape[:-1] + weight.shape[:1], x.dtype)
            few_rows.product(x2, weight, bias, _merged(y))
            return y
        y = self.forward_numpy(x, weight, None)
        if bias is not None:
            _add_bias(_merged(y), bias, work=y.size)
        return y

    def backward_numba(self, g):
        dx, dw = self._products(g)
        db = None
        if self.needs[2]:
            g2 = _merged(g)
            parts = np.zeros((chunks(g2.shape[0], g2.size), g2.shape[1]), g.dtype)
            _sum_rows(g2, parts, work=g2.size)
            db = total(parts, 0)
        return dx, dw, db


@kernel(parallel=True)
def _add_bias(y, b):
    rows, width = y.shape
    for n in prange(rows):
        for i in range(width):
            y[n, i] += b[i]


@kernel(parallel=True)
def _sum_rows(g, parts):
    rows, width = g.shape
    n_parts = parts.shape[0]
    for p in prange(n_parts):
        for n in range(rows * p // n_parts, rows * (p + 1) // n_parts):
            for i in range(width):
                parts[p, i] += g[n, i]


AXES = {1: ("in",), 2: ("B", "in"), 3: ("B", "T", "in")}


def _describe(x: Tensor) -> str:
    names = AXES.get(x.ndim, tuple(f"axis{i}" for i in range(x.ndim - 1)) + ("in",))
    return "(" + ", ".join(f"{name}={n}" for name, n in zip(names, x.shape)) + ")"


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x W^T + b over the last axis.

    Gradient: dL/dinput = g @ weight; dL/dweight = g^T @ input; dL/dbias = g, summed over all axes but the
    last.

    Args:
        input: (*, in_features).
        weight: (out_features, in_features), or (in_features,) for a single output without an axis.
        bias: (out_features,), or None.

    Returns:
        Tensor (*, out_features).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    floating("linear", "input", input), floating("linear", "weight", weight)
    optional("linear", bias=bias)
    if weight.ndim not in (1, 2):
        raise ValueError(f"linear: weight has shape {weight.shape}; it must be (out_features, in_features)")
    if input.ndim == 0 or input.shape[-1] != weight.shape[-1]:
        raise ValueError(f"linear: x {_describe(input) if input.ndim else '()'} but weight wants "
                         f"in_features={weight.shape[-1]}")
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ValueError(f"linear: bias has shape {bias.shape} but weight {weight.shape} gives "
                         f"out_features={weight.shape[0] if weight.ndim == 2 else 'one, without an axis'}")
    one_device("linear", input=input, weight=weight, bias=bias)
    input, weight, bias = same_dtype(input, weight, bias)
    if weight.ndim == 1:
        y = matmul(input, weight)
        return y if bias is None else y + bias
    return Linear.apply(input, weight, bias)


def _samples(draw):
    yield Sample(draw.normal(4, 5), draw.normal(3, 5), draw.normal(3))
    yield Sample(draw.normal(2, 3, 5), draw.normal(4, 5))
    yield Sample(draw.normal(5), draw.normal(3, 5), draw.normal(3))
    yield Sample(draw.normal(2, 3, 2, 1), draw.normal(1, 1), draw.normal(1))
    yield Sample(draw.normal(0, 5), draw.normal(3, 5), draw.normal(3))
    yield Sample(draw.normal(2, 0), draw.normal(3, 0), draw.normal(3))
    yield Sample(draw.normal(2, 5), draw.normal(0, 5), draw.normal(0))
    yield Sample(draw.normal(4, 5), draw.normal(5))
    yield Sample(draw.normal(70, 33), draw.normal(65, 33), draw.normal(65))


register("linear", linear, _samples, torch="nn.functional.linear", fused=Linear)
