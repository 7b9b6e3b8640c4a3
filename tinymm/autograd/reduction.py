"""Reductions: sum, mean, variance, norms, logsumexp, and the extrema without an index.

Those that choose an element (max, argmax, sort, topk, ...) are in ordering.py, products and running sums in scan.py.
"""

from __future__ import annotations

import math
import numbers

import numpy as np

from ..backend import sums
from ..backend.admission import held
from ..backend.arrays import as_array, xp_of
from .axes import axes, numpy_names
from .casting import cast
from .function import Primitive
from .integers import once
from .kinds import DType, Dims
from .pointwise import raw
from .tensor import Tensor, get_default_dtype, int64, wrap


def spread(g, shape: tuple, over: tuple, keepdim: bool):
    """A reduced gradient, repeated along the axes that the reduction removed (a view without memory of its own)."""
    if not keepdim and over:
        kept = tuple(1 if i in over else n for i, n in enumerate(shape))
        g = g.reshape(kept)
    if type(g) is np.ndarray and len(shape) and math.prod(shape) <= 4096:   # a small copy is quicker than a view
        full = np.empty(shape, g.dtype)
        full[...] = g
        return full
    return np.broadcast_to(g, shape)


def reduced(name: str, dim, ndim: int) -> tuple[int, ...]:
    """The axes that ``dim`` stands for; as in PyTorch, an empty tuple means all of them."""
    return axes(name, None if isinstance(dim, (tuple, list)) and not dim else dim, ndim)


def count(shape: tuple, over: tuple) -> float:
    """Number of elements in the given axes; NaN for none, so that a mean of nothing is NaN without a warning."""
    n = 1
    for i in over:
        n *= shape[i]
    return n or float("nan")


def exact(input: Tensor) -> Tensor:
    """Integers and booleans as int64, so that a sum of small ones does not wrap around."""
    return input if input.dtype.kind == "f" else cast(input, int64)


def floats_only(name: str, input: Tensor, dtype: DType = None) -> Tensor:
    """``input`` in ``dtype`` if that is given.

    Raises:
        TypeError: the result is not floating point.
    """
    if dtype is not None:
        input = cast(input, held(dtype, name))
    if input.dtype.kind != "f":
        raise TypeError(f"{name}: needs a floating-point tensor, not {input.dtype}; use .float()")
    return input


def _in_float32(operation: type[Primitive], input: Tensor, **options) -> Tensor:
    """A reduction of float16 in float32, which holds squares above 65,504 and counts as large; of other dtypes in their own."""
    if input.dtype != np.float16:
        return operation.apply(input, **options)
    return cast(operation.apply(cast(input, np.dtype(np.float32)), **options), input.dtype)


# ---------------------------------------------------------------------- sum and mean

class Sum(Primitive):
    """y = sum of x over some axes;  dL/dx = g, repeated."""

    name = "sum"

    def forward(self, x, over, keepdim):
        self.shape, self.over, self.keepdim = x.shape, over, keepdim
        return as_array(sums.total(x, over, keepdim))

    def backward(self, g):
        return spread(g, self.shape, self.over, self.keepdim)


class Mean(Sum):
    """y = sum of x over some axes / their number;  dL/dx = g / n, repeated."""

    name = "mean"

    def forward(self, x, over, keepdim):
        self.n = count(x.shape, over)
        return as_array(Sum.forward(self, x, over, keepdim) / self.n)

    def backward(self, g):
        return spread(g / self.n, self.shape, self.over, self.keepdim)


@numpy_names
def sum(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """Sum over all axes, or over ``dim``.

    Gradient: dL/dinput = g, repeated along the summed axes.

    Args:
        input: Tensor of any shape; integers and booleans are summed as int64.
        dim: an axis or several; None or () for all.
        keepdim: leave the summed axes in place with length 1.
        dtype: convert to this dtype first.

    Returns:
        Tensor of the shape of ``input`` without ``dim``; 0 where there is nothing to sum.

    Raises:
        IndexError: ``dim`` out of range.
        ValueError: an axis named twice.
    """
    input = exact(input) if dtype is None else cast(input, held(dtype, "sum"))
    return Sum.apply(input, over=reduced("sum", dim, input.ndim), keepdim=keepdim)


@numpy_names
def mean(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype: DType = None) -> Tensor:
    """Arithmetic mean over all axes, or over ``dim``.

    Gradient: dL/dinput = g / n, repeated along the reduced axes, with n elements in each mean.

    Args:
        input: Tensor of any shape, floating point.
        dim: an axis or several; None or () for all.
        keepdim: leave the reduced axes in place with length 1.
        dtype: convert to this dtype first.

    Returns:
        Tensor of the shape of ``input`` without ``dim`` and of its dtype; NaN where there is no element.

    Raises:
        TypeError: integer input without ``dtype``; use ``.float()``.
        IndexError: ``dim`` out of range.
        ValueError: an axis named twice.
    """
    input = floats_only("mean", input, dtype)
    return _in_float32(Mean, input, over=reduced("mean", dim, input.ndim), keepdim=keepdim)


@numpy_names
def count_nonzero(input: Tensor, *dim_: Dims, dim: Dims | None = None) -> Tensor:
    """Number of elements that are not zero, over all axes or ``dim``.

    Gradient: none (the result is an integer).

    Args:
        input: Tensor of any shape and dtype.
        *dim_, dim: an axis or several; None for all.

    Returns:
        int64 Tensor of the shape of ``input`` without ``dim``.

    Raises:
        IndexError: ``dim`` out of range.
    """
    over = axes("count_nonzero", once("count_nonzero", dim_, "dim", dim), input.ndim)
    return wrap(as_array((input._data != 0).sum(axis=over, dtype=np.int64)))


# ---------------------------------------------------------------------- variance

class Var(Primitive):
    """y = sum (x - mean)^2 / d with d = N - correction;  dL/dx = g 2 (x - mean) / d."""

    name = "var"
    keep = (0,)

    def forward(self, x, over, keepdim, correction):
        self.shape, self.over, self.keepdim = x.shape, over, keepdim
        n = count(x.shape, over)
        self.divisor = n - correction if n > correction else float("nan") if n == correction else 0.0
        deviation = x - sums.total(x, over, keepdims=True) / n
        deviation *= deviation
        total = sums.total(deviation, over, keepdim)
        return as_array(total / self.divisor if self.divisor else total * np.inf)

    def backward(self, g, x):
        slope = g * (2 / self.divisor if self.divisor else np.inf)
        return spread(slope, self.shape, self.over, self.keepdim) * (x - sums.mean(x, self.over, keepdims=True))


class Std(Var):
    """y = sqrt(var);  dL/dx = g (x - mean) / (d y), and 0 where y = 0 (as PyTorch has it)."""

    name = "std"
    keep_output = True

    def forward(self, x, over, keepdim, correction):
        return as_array(np.sqrt(Var.forward(self, x, over, keepdim, correction)))

    def backward(self, g, x, y):
        flat = y == 0
        return Var.backward(self, np.where(flat, 0, g) / np.where(flat, 1, 2 * y), x)


@numpy_names
def var(input: Tensor, dim: Dims | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: int = 1) -> Tensor:
    """Variance over all axes, or over ``dim``: the sum of (x - mean)^2 over (n - correction).

    Gradient: dL/dinput = g * 2 (input - mean) / (n - correction).

    Args:
        input: Tensor of any shape, floating point.
        dim: an axis or several; None or () for all. A boolean is taken for ``unbiased``.
        unbiased: PyTorch's older word for the correction: True is 1, False is 0.
        keepdim: leave the reduced axes in place with length 1.
        correction: what is subtracted from the number n of elements.

    Returns:
        Tensor of the shape of ``input`` without ``dim`` and of its dtype; NaN where n = correction.

    Raises:
        TypeError: integer input; use ``.float()``.
        IndexError: ``dim`` out of range.
    """
    return _spread_of(Var, input, dim, unbiased, keepdim, correction)


@numpy_names
def std(input: Tensor, dim: Dims | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
        correction: int = 1) -> Tensor:
    """Standard deviation: the square root of ``var``, with the same arguments.

    Gradient: dL/dinput = g * (input - mean) / ((n - correction) * std), and 0 where std is 0.

    Args:
        input, dim, unbiased, keepdim, correction: as in ``var``.

    Returns:
        Tensor of the shape of ``input`` without ``dim`` and of its dtype.

    Raises:
        TypeError: integer input; use ``.float()``.
        IndexError: ``dim`` out of range.
    """
    return _spread_of(Std, input, dim, unbiased, keepdim, correction)


def _spread_of(cls, input, dim, unbiased, keepdim, correction):
    if isinstance(dim, bool):   # PyTorch also takes var(x, unbiased)
        dim, unbiased = None, dim
    correction = correction if unbiased is None else int(unbiased)
    input = floats_only(cls.name, input)
    return _in_float32(cls, input, over=reduced(cls.name, dim, input.ndim), keepdim=keepdim, correction=correction)


@numpy_names
def var_mean(input: Tensor, dim: Dims | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: int = 1) -> tuple[Tensor, Tensor]:
    """The variance and the mean, as ``var`` and ``mean`` compute them.

    Gradient: the sum of those of ``var`` and ``mean``.

    Args:
        input, dim, unbiased, keepdim, correction: as in ``var``.

    Returns:
        Two Tensors of the shape of ``input`` without ``dim``.

    Raises:
        TypeError: integer input; use ``.float()``.
    """
    centre = mean(input, None if isinstance(dim, bool) else dim, keepdim)
    return var(input, dim, unbiased, keepdim, correction=correction), centre


@numpy_names
def std_mean(input: Tensor, dim: Dims | None = None, unbiased: bool | None = None, keepdim: bool = False, *,
             correction: int = 1) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean, as ``std`` and ``mean`` compute them.

    Gradient: the sum of those of ``std`` and ``mean``.

    Args:
        input, dim, unbiased, keepdim, correction: as in ``var``.

    Returns:
        Two Tensors of the shape of ``input`` without ``dim``.

    Raises:
        TypeError: integer input; use ``.float()``.
    """
    centre = mean(input, None if isinstance(dim, bool) else dim, keepdim)
    return std(input, dim, unbiased, keepdim, correction=correction), centre


# ---------------------------------------------------------------------- extrema that share ties

class Extremum(Primitive):
    """y = max (or min) of x over some axes; ties share the gradient equally, as PyTorch's amax does."""

    keep = (0,)
    keep_output = True

    def forward(self, x, over, keepdim, function):
        self.shape, self.over, self.keepdim = x.shape, over, keepdim
        return as_array(function(x, axis=over, keepdims=keepdim))

    def backward(self, g, x, y):
        x, y = (v._data if isinstance(v, Tensor) else v for v in (x, y))
        y = spread(y, self.shape, self.over, self.keepdim)
        hit = (x == y) | (np.isnan(x) & np.isnan(y))
        ties = np.maximum(hit.sum(axis=self.over, keepdims=True), 1)   # more of them than float16 can count
        return spread(g, self.shape, self.over, self.keepdim) * (hit / ties).astype(x.dtype)


class Amax(Extremum):
    name = "amax"


class Amin(Extremum):
    name = "amin"


def extremum(cls: type[Extremum], function, input: Tensor, dim, keepdim: bool) -> Tensor:
    """Check the axes of a reduction without a neutral element, and apply it."""
    over = reduced(cls.name, dim, input.ndim)
    if input.numel() == 0 and (not over or 0 in [input.shape[i] for i in over]):
        raise ValueError(f"{cls.name}: shape {input.shape} has no element along dim={dim}, so there is no extremum")
    return cls.apply(input, over=over, keepdim=keepdim, function=function)


@numpy_names
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Largest element over ``dim``.

    Gradient: dL/dinput = g where the element is the largest, divided among ties, else 0.

    Args:
        input: Tensor of any shape.
        dim: an axis or several; () for all.
        keepdim: leave the reduced axes in place with length 1.

    Returns:
        Tensor of the shape of ``input`` without ``dim`` and of its dtype; NaN where there is one.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    return extremum(Amax, np.max, input, dim, keepdim)


@numpy_names
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Smallest element over ``dim``.

    Gradient: dL/dinput = g where the element is the smallest, divided among ties, else 0.

    Args:
        input: Tensor of any shape.
        dim: an axis or several; () for all.
        keepdim: leave the reduced axes in place with length 1.

    Returns:
        Tensor of the shape of ``input`` without ``dim`` and of its dtype; NaN where there is one.

    Raises:
        ValueError: no element to choose.
        IndexError: ``dim`` out of range.
    """
    return extremum(Amin, np.min, input, dim, keepdim)


# ---------------------------------------------------------------------- logsumexp and norms

class LogSumExp(Primitive):
    """y = log sum e^x, computed as m + log sum e^(x - m) with m = max x;  dL/dx = g softmax(x)."""

    name = "logsumexp"
    keep = (0,)

    def forward(self, x, over, keepdim):
        self.shape, self.over, self.keepdim = x.shape, over, keepdim
        m = xp_of(x).zeros((), x.dtype)
        if x.size:
            m = np.max(x, axis=over, keepdims=True)
            m = np.where(np.isfinite(m), m, 0).astype(x.dtype)
        total = sums.total(np.exp(x - m), over, keepdims=True)
        with np.errstate(divide="ignore"):   # no element above -inf: log 0
            y = np.log(total) + m
        return y if keepdim else y.reshape(tuple(n for i, n in enumerate(x.shape) if i not in over))

    def backward(self, g, x):
        if 0 in self.shape:
            return x * 0
        m = raw(x).max(axis=self.over, keepdims=True)   # y itself has too few digits from 1e5 on
        e = np.exp(x - np.where(m == -np.inf, 0, m).astype(m.dtype))
        total = sums.total(e, self.over, keepdims=True)
        g = spread(g, self.shape, self.over, self.keepdim)
        return g * (e / np.where(total == 0, 1, total))   # 0: every e^x is 0, and so is its share


@numpy_names
def logsumexp(input: Tensor, dim: Dims | None, keepdim: bool = False) -> Tensor:
    """log(sum(e ** input)) over ``dim``, without overflow.

    Gradient: dL/dinput = g * e ** (input - y), the softmax times g; 0 where y = -inf.

    Args:
        input: Tensor of any shape; integers become the default float first.
        dim: an axis or several; () for all.
        keepdim: leave the reduced axes in place with length 1.

    Returns:
        y, a Tensor of the shape of ``input`` without ``dim``; -inf where every element is -inf.

    Raises:
        IndexError: ``dim`` out of range.
    """
    if input.dtype.kind != "f":
        input = cast(input, get_default_dtype())
    return _in_float32(LogSumExp, input, over=reduced("logsumexp", dim, input.ndim), keepdim=keepdim)


class Norm(Primitive):
    """y = (sum |x|^p)^(1/p);  dL/dx = g sign(x) (|x| / y)^(p-1), and 0 where y = 0 or x = 0."""

    name = "norm"
    keep = (0,)
    keep_output = True

    def forward(self, x, p, over, keepdim):
        self.p, self.shape, self.over, self.keepdim = p, x.shape, over, keepdim
        if p == 2:
            return as_array(np.sqrt(sums.total(x * x, over, keepdim)))
        powers = (x != 0).astype(x.dtype) if p == 0 else np.abs(x) ** p
        total = sums.total(powers, over, keepdim)
        return as_array(total if p in (0, 1) else total ** (1 / p))

    def backward(self, g, x, y):
        g, y = (spread(v, self.shape, self.over, self.keepdim) for v in (g, y))
        if self.p == 0:
            return g * 0
        if self.p == 1:
            return g * np.sign(x)
        y = np.where(y == 0, 1, y)
        if self.p == 2:
            return g * x / y
        return g * np.sign(x) * (np.abs(np.where(x == 0, 1, x)) / y) ** (self.p - 1)


@numpy_names
def norm(input: Tensor, p: float | str = "fro", dim: Dims | None = None, keepdim: bool = False, *,
         dtype: DType = None) -> Tensor:
    """The p-norm over all axes, or over ``dim``: y = (sum |x| ** p) ** (1 / p).

    Gradient: dL/dinput = g * sign(x) * (|x| / y) ** (p - 1), and 0 where x = 0 or y = 0; as ``amax``,
    ``amin`` of |x| for p = inf, -inf.

    Args:
        input: x, a Tensor of any shape, floating point.
        p: a number, "fro" (the same as 2), inf (the largest magnitude), -inf (the smallest) or 0 (how many are
            not zero).
        dim: an axis or several; None or () for all.
        keepdim: leave the reduced axes in place with length 1.
        dtype: convert to this dtype first.

    Returns:
        Tensor of the shape of ``input`` without ``dim`` and of its dtype.

    Raises:
        TypeError: integer input without ``dtype``, or a ``p`` that is none of these.
        IndexError: ``dim`` out of range.
    """
    input = floats_only("norm", input, dtype)
    if p == "fro":
        p = 2
    if not isinstance(p, numbers.Real):
        raise TypeError(f"norm: p={p!r}; choose a number, inf, -inf or 'fro'")
    over, p = reduced("norm", dim, input.ndim), float(p)
    if p in (math.inf, -math.inf):
        return (amax if p > 0 else amin)(abs(input), over, keepdim)
    return _in_float32(Norm, input, p=p, over=over, keepdim=keepdim)


# ---------------------------------------------------------------------- truth

@numpy_names
def any(input: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Whether any element is true (not zero), over all axes or ``dim``.

    Gradient: none (the result is boolean).

    Args:
        input: Tensor of any shape and dtype.
        dim: an axis or several; None for all.
        keepdim: leave the reduced axes in place with length 1.

    Returns:
        Boolean Tensor of the shape of ``input`` without ``dim``; False where there is no element.

    Raises:
        IndexError: ``dim`` out of range.
    """
    return wrap(as_array(np.any(input._data, axis=axes("any", dim, input.ndim), keepdims=keepdim)))


@numpy_names
def all(input: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Whether all elements are true (not zero), over all axes or ``dim``.

    Gradient: none (the result is boolean).

    Args:
        input: Tensor of any shape and dtype.
        dim: an axis or several; None for all.
        keepdim: leave the reduced axes in place with length 1.

    Returns:
        Boolean Tensor of the shape of ``input`` without ``dim``; True where there is no element.

    Raises:
        IndexError: ``dim`` out of range.
    """
    return wrap(as_array(np.all(input._data, axis=axes("all", dim, input.ndim), keepdims=keepdim)))
