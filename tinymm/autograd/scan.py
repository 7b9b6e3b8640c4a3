"""Products, and running sums and products."""

from __future__ import annotations

import numpy as np

from ..backend.admission import held
from ..backend.arrays import as_array, xp_of
from ..backend.sums import running
from .axes import axis, numpy_names
from .casting import cast
from .choice import where
from .function import Primitive
from .kinds import DType
from .reduction import exact
from .tensor import Tensor, wrap


def _without_each(x):
    """(..., n) -> (..., n, n) Tensor: row i has x, with 1 in the place of element i."""
    diagonal = xp_of(x._data).eye(x.shape[-1], dtype=bool)
    return where(wrap(diagonal), 1, x.unsqueeze(-2).expand(*x.shape, x.shape[-1]))


def _others(x):
    """(..., n) array: for each element the product of all the others, without a division, so that zeros are no harm."""
    ones = xp_of(x).ones(x.shape[:-1] + (min(1, x.shape[-1]),), x.dtype)   # none for an empty axis
    before = np.cumprod(np.concatenate([ones, x[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, x[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before * after


class Prod(Primitive):
    """y = product of x over the last axis;  dL/dx_i = g times the product of the other elements."""

    name = "prod"
    keep = (0,)

    def forward(self, x):
        return as_array(x.prod(axis=-1))

    def backward(self, g, x):
        g = g.reshape(g.shape + (1,))
        if 0 in x.shape:
            return g * x
        if isinstance(x, Tensor):
            return g * Prod.apply(_without_each(x))   # n^2 numbers, but a formula that can be differentiated again
        return g * _others(x)


@numpy_names
def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """Product over all axes, or along ``dim``.

    Gradient: dL/dinput_i = g times the product of the other elements (without a division, so that zeros do no
    harm).

    Args:
        input: Tensor of any shape; integers and booleans are multiplied as int64.
        dim: an axis; None for all.
        keepdim: leave the axis in place with length 1.
        dtype: convert to this dtype first.

    Returns:
        Tensor of the shape of ``input`` without ``dim``; 1 where there is no element.

    Raises:
        IndexError: ``dim`` out of range.
    """
    input = exact(input) if dtype is None else cast(input, held(dtype, "prod"))
    if dim is None:
        return Prod.apply(input.reshape(-1)).reshape((1,) * input.ndim if keepdim else ())
    if input.ndim == 0:
        return Prod.apply(input.reshape(1))
    d = axis("prod", dim, input.ndim)
    out = Prod.apply(input.movedim(d, -1))
    return out.unsqueeze(d) if keepdim else out


class CumSum(Primitive):
    """y_k = x_1 + ... + x_k;  dL/dx_i = g_i + ... + g_n."""

    name = "cumsum"

    def forward(self, x, dim):
        self.dim = dim
        return running(x, dim)

    def backward(self, g):
        back = np.flip(g, self.dim)
        return np.flip(np.cumsum(back, axis=self.dim) if isinstance(g, Tensor) else running(back, self.dim), self.dim)


def _along(name, operation, input, dim, dtype):
    input = exact(input) if dtype is None else cast(input, held(dtype, name))
    d = axis(name, dim, input.ndim)
    return operation(input.reshape(1), 0).reshape(()) if input.ndim == 0 else operation(input, d)


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: DType = None) -> Tensor:
    """Running sums along ``dim``: y_k = x_1 + ... + x_k.

    Gradient: dL/dx_i = g_i + ... + g_n.

    Args:
        input: x, a Tensor of any shape; integers and booleans are summed as int64.
        dim: the axis.
        dtype: convert to this dtype first.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        IndexError: ``dim`` out of range.
    """
    return _along("cumsum", lambda x, d: CumSum.apply(x, dim=d), input, dim, dtype)


class CumProd(Primitive):
    """y_k = x_1 ... x_k along the last axis;  dL/dx_i = sum over k >= i of g_k times the other factors of y_k."""

    name = "cumprod"
    keep = (0,)

    def forward(self, x):
        return np.cumprod(x, axis=-1)

    def backward(self, g, x):
        x = x if isinstance(x, Tensor) else wrap(x)
        others = CumProd.apply(_without_each(x))                                             # (..., i, k)
        reached = xp_of(x._data).tri(x.shape[-1], dtype=bool).T                              # k >= i
        parts = where(wrap(reached), g.reshape(g.shape[:-1] + (1, g.shape[-1])) * others, 0)
        total = parts.sum(-1)
        return total if isinstance(g, Tensor) else total._data


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: DType = None) -> Tensor:
    """Running products along ``dim``: y_k = x_1 ... x_k.

    Gradient: dL/dx_i = the sum over k >= i of g_k times the other factors of y_k; it takes n^2 numbers for
    length n.

    Args:
        input: x, a Tensor of any shape; integers and booleans are multiplied as int64.
        dim: the axis.
        dtype: convert to this dtype first.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        IndexError: ``dim`` out of range.
    """
    return _along("cumprod", lambda x, d: CumProd.apply(x.movedim(d, -1)).movedim(-1, d), input, dim, dtype)
