"""Reductions: sum, mean, extrema and what is built of them."""

from __future__ import annotations

import numpy as np

from .axes import axes, axis
from .elementwise import cast, exp, log, sqrt
from .function import Primitive
from .tensor import Tensor, wrap


def spread(g, shape: tuple, over: tuple, keepdim: bool):
    """A reduced gradient, repeated along the axes that the reduction removed (a view without memory of its own)."""
    if not keepdim and over:
        kept = tuple(1 if i in over else n for i, n in enumerate(shape))
        g = g.reshape(kept)
    return np.broadcast_to(g, shape)


class Sum(Primitive):
    """y = sum of x over some axes;  dL/dx = g, repeated."""

    name = "sum"

    def forward(self, x, over, keepdim):
        self.shape, self.over, self.keepdim = x.shape, over, keepdim
        return np.asarray(x.sum(axis=over, keepdims=keepdim)) if isinstance(x, np.ndarray) \
            else x.sum(axis=over, keepdims=keepdim)

    def backward(self, g):
        return spread(g, self.shape, self.over, self.keepdim)


def sum(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Sum over all axes, or over ``dim`` (an integer or several).

    Args:
        keepdim: leave the summed axes in place with length 1.
        dtype: convert to this dtype first.
    """
    if dtype is not None:
        input = cast(input, np.dtype(dtype))
    return Sum.apply(input, over=axes("sum", dim, input.ndim), keepdim=keepdim)


def mean(input: Tensor, dim=None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Arithmetic mean over all axes, or over ``dim``.

    Raises:
        TypeError: integer input; use ``.float()``.
    """
    if dtype is not None:
        input = cast(input, np.dtype(dtype))
    if input.dtype.kind != "f":
        raise TypeError(f"mean: needs a floating-point tensor, not {input.dtype}; use .float()")
    over = axes("mean", dim, input.ndim)
    return Sum.apply(input, over=over, keepdim=keepdim) / count(input.shape, over)


def count(shape: tuple, over: tuple) -> float:
    """Number of elements in the given axes; NaN for none, so that a mean of nothing is NaN without a warning."""
    n = 1
    for i in over:
        n *= shape[i]
    return n or float("nan")


def var(input: Tensor, dim=None, *, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Variance over all axes, or over ``dim``: squared deviations from the mean, summed, over (N - correction)."""
    over = axes("var", dim, input.ndim)
    deviation = input - mean(input, over, keepdim=True)
    n = count(input.shape, over) - correction
    return sum(deviation * deviation, over, keepdim) / (n if n > 0 else 0.0 * n or float("nan"))


def std(input: Tensor, dim=None, *, correction: int = 1, keepdim: bool = False) -> Tensor:
    """Standard deviation: the square root of ``var``."""
    return sqrt(var(input, dim, correction=correction, keepdim=keepdim))


class Extremum(Primitive):
    """y = max (or min) of x over some axes; ties share the gradient equally, as PyTorch's amax does."""

    keep = (0,)
    keep_output = True

    def forward(self, x, over, keepdim, function):
        self.shape, self.over, self.keepdim = x.shape, over, keepdim
        return np.asarray(function(x, axis=over, keepdims=keepdim)) if isinstance(x, np.ndarray) \
            else function(x, axis=over, keepdims=keepdim)

    def backward(self, g, x, y):
        raw_x, raw_y = (v._data if isinstance(v, Tensor) else v for v in (x, y))
        hit = raw_x == spread(raw_y, self.shape, self.over, self.keepdim)
        share = hit / np.maximum(hit.sum(axis=self.over, keepdims=True), 1)
        return spread(g, self.shape, self.over, self.keepdim) * share.astype(raw_x.dtype)


class Amax(Extremum):
    name = "amax"


class Amin(Extremum):
    name = "amin"


def _extremum(cls, name, function, input, dim, keepdim):
    over = axes(name, None if dim == () else dim, input.ndim)
    if any(input.shape[i] == 0 for i in over):
        raise ValueError(f"{name}: shape {input.shape} has no element along dim={dim}, so there is no extremum")
    return cls.apply(input, over=over, keepdim=keepdim, function=function)


def amax(input: Tensor, dim=(), keepdim: bool = False) -> Tensor:
    """Largest element over ``dim`` (all axes by default); ties share the gradient equally."""
    return _extremum(Amax, "amax", np.max, input, dim, keepdim)


def amin(input: Tensor, dim=(), keepdim: bool = False) -> Tensor:
    """Smallest element over ``dim`` (all axes by default); ties share the gradient equally."""
    return _extremum(Amin, "amin", np.min, input, dim, keepdim)


def _index_of(name, function, input, dim, keepdim):
    if input._data.size == 0:
        raise ValueError(f"{name}: a tensor of shape {input.shape} has no element to choose")
    if dim is None:
        index = function(input._data.reshape(-1), axis=0)
        return wrap(np.asarray(index).reshape((1,) * input.ndim) if keepdim else index)
    d = axis(name, dim, input.ndim)
    if input.ndim == 0:
        return wrap(np.asarray(0))
    index = function(input._data, axis=d)
    return wrap(np.expand_dims(index, d) if keepdim else index)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the largest element along ``dim``, or in the flattened tensor; the first of a tie."""
    return _index_of("argmax", np.argmax, input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index (int64) of the smallest element along ``dim``, or in the flattened tensor; the first of a tie."""
    return _index_of("argmin", np.argmin, input, dim, keepdim)


def logsumexp(input: Tensor, dim, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over ``dim``, without overflow; -inf where every element is -inf."""
    over = axes("logsumexp", dim, input.ndim)
    largest = np.max(input._data, axis=over, keepdims=True, initial=-np.inf)
    shift = wrap(np.where(np.isfinite(largest), largest, 0).astype(input.dtype))
    total = log(sum(exp(input - shift), over, keepdim=True)) + shift
    return total if keepdim else total.reshape(tuple(n for i, n in enumerate(input.shape) if i not in over))


def any(input: Tensor, dim=None, keepdim: bool = False) -> Tensor:
    """Whether any element is true (non-zero), over all axes or ``dim``."""
    return wrap(np.any(input._data, axis=axes("any", dim, input.ndim), keepdims=keepdim))


def all(input: Tensor, dim=None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true (non-zero), over all axes or ``dim``."""
    return wrap(np.all(input._data, axis=axes("all", dim, input.ndim), keepdims=keepdim))
