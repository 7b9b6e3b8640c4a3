"""Choosing and blending, element by element: where, clamp, masked_fill, lerp; and comparison up to a tolerance."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from ..backend import large
from ..backend.arrays import is_array, xp_of
from .casting import cast
from .function import Primitive
from .kinds import Operand
from .pointwise import fitted, promote, raw, shape_error, unbroadcast
from .tensor import Tensor, bool_, get_default_dtype, int64, operand, wrap


class Where(Primitive):
    """y = a where the condition holds, else b."""

    name = "where"
    keep = (0,)

    def forward(self, condition, a, b):
        self.shapes = np.shape(a), np.shape(b)
        self.dtypes = getattr(a, "dtype", None), getattr(b, "dtype", None)
        return large.select(condition, a, b)

    def backward(self, g, condition):
        ga = large.keep(condition, g) if self.edges[1] is not None else None
        gb = large.keep(~condition, g) if self.edges[2] is not None else None
        return (None, None if ga is None else unbroadcast(ga, self.shapes[0], self.dtypes[0]),
                None if gb is None else unbroadcast(gb, self.shapes[1], self.dtypes[1]))


@overload
def where(condition: Tensor | np.ndarray) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Tensor | np.ndarray, input: Operand, other: Operand) -> Tensor: ...
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """``input`` where ``condition`` is true, else ``other``, broadcasting.

    Gradient: dL/dinput = g where the condition is true, else 0; dL/dother = g where it is false, else 0.

    Args:
        condition: boolean Tensor.
        input, other: Tensors or numbers; with neither, the indices of the true elements are returned.

    Returns:
        Tensor of the broadcast shape and common dtype; or a tuple of int64 Tensors, one for each axis.

    Raises:
        TypeError: a condition that is not boolean.
        ValueError: shapes that do not broadcast.
    """
    if not isinstance(condition, Tensor):
        condition = Tensor(condition)
    if input is None and other is None:
        return tuple(wrap(axis) for axis in condition._data.nonzero())
    if condition.dtype != bool_:
        raise TypeError(f"where: condition is {condition.dtype}, not bool; write the comparison, e.g. mask != 0")
    a: Any
    b: Any
    a, b = (v.item() if isinstance(v, np.generic) else v for v in (input, other))
    if is_array(a):
        a = Tensor(a)
    if is_array(b):
        b = Tensor(b)
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype != b.dtype:
        x, y = promote(a._data, b._data)
        a, b = cast(a, x.dtype), cast(b, y.dtype)
    elif not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = Tensor(a)
    if isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = _weak_partner(a, b)
    elif isinstance(b, Tensor) and not isinstance(a, Tensor):
        b, a = _weak_partner(b, a)
    try:
        return Where.apply(condition, a, b)
    except ValueError as error:
        raise ValueError(f"where: shapes {condition.shape}, {a.shape} and {b.shape} do not broadcast") from error


def _weak_partner(tensor: Tensor, number: Any) -> tuple[Tensor, Tensor]:
    """A number as a 0-d array in the dtype that it and the tensor share."""
    if tensor.dtype.kind != "f" and isinstance(number, float):
        tensor = cast(tensor, get_default_dtype())
    elif tensor.dtype.kind == "b" and not isinstance(number, bool):
        tensor = cast(tensor, np.dtype("int64"))
    return tensor, wrap(xp_of(tensor._data).asarray(fitted(number, tensor._data), dtype=tensor.dtype))


class Clamp(Primitive):
    """y = min(max(x, lower), upper);  dL/dx = g where lower <= x <= upper, and the bound that won gets the rest."""

    name = "clamp"
    keep = (0, 1, 2)

    def forward(self, x, lower, upper):
        y = x if lower is None else np.maximum(x, lower)
        return y if upper is None else np.minimum(y, upper)

    def backward(self, g: Any, x: Any, lower: Any, upper: Any):
        bounds: tuple[Any, ...] = (-np.inf if lower is None else raw(lower), np.inf if upper is None else raw(upper))
        x, (lo, hi) = raw(x), bounds
        to_x, to_lo, to_hi = self.needs
        return (unbroadcast(g * ((x >= lo) & (x <= hi)), x.shape, x.dtype) if to_x else None,
                unbroadcast(g * ((x < lo) & (lo < hi)), lo.shape, lo.dtype) if to_lo else None,
                unbroadcast(g * ((x > hi) | (hi < lo)), hi.shape, hi.dtype) if to_hi else None)


def clamp(input: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """The elements, none smaller than ``min`` and none larger than ``max`` (which wins where min > max).

    Gradient: dL/dinput = g where min <= input <= max, else 0; a bound that is a Tensor gets g where it alone
    wins. ``clip`` is another name of ``clamp``.

    Args:
        input: Tensor of any shape.
        min, max: numbers, or Tensors that broadcast with ``input``; None for no bound.

    Returns:
        Tensor of the broadcast shape and common dtype.

    Raises:
        ValueError: neither bound is given, or shapes that do not broadcast.
        TypeError: a bound that is neither a number nor a Tensor.
    """
    if min is None and max is None:
        raise ValueError("clamp: give min, max or both")
    bounds = [Tensor(v) if is_array(v) else v.item() if isinstance(v, np.generic) else v for v in (min, max)]
    for name, v in zip(("min", "max"), bounds):
        if v is not None and not isinstance(v, (Tensor, bool, int, float)):
            raise TypeError(f"clamp: {name} is a {type(v).__name__}; give a number or a Tensor")
        if isinstance(v, Tensor):
            input = cast(input, promote(input._data, v._data)[0].dtype)
        elif v is not None:
            input = cast(input, _dtype_with(input.dtype, v))
    bounds = [cast(v, input.dtype) if isinstance(v, Tensor) else fitted(v, input._data) for v in bounds]
    try:
        return Clamp.apply(input, *bounds)
    except ValueError as error:
        shapes = " and ".join(str(v.shape) for v in bounds if isinstance(v, Tensor))
        raise ValueError(f"clamp: input of shape {input.shape} and bounds of shape {shapes} do not broadcast") \
            from error


clip = clamp


def _dtype_with(dtype, number):
    """The dtype that numbers of ``dtype`` and a Python number have in common."""
    if dtype.kind != "f" and isinstance(number, float):
        return get_default_dtype()
    return int64 if dtype.kind == "b" and not isinstance(number, bool) else dtype


class MaskedFill(Primitive):
    """y = value where the mask holds, else x;  dL/dx = 0 there, dL/dvalue = sum of g there."""

    name = "masked_fill"
    keep = (1,)

    def forward(self, x, mask, value):
        self.shape, self.value_dtype = x.shape, getattr(value, "dtype", None)
        value = value.astype(x.dtype) if is_array(value) else x.dtype.type(fitted(value, x))
        return np.where(mask, value, x)

    def backward(self, g, mask):
        to_x, _, to_value = self.needs
        dx = unbroadcast(large.keep(~mask, g), self.shape) if to_x else None
        return dx, None, unbroadcast(large.keep(mask, g), (), self.value_dtype) if to_value else None


def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """``value`` where ``mask`` is true, the elements of ``input`` elsewhere.

    Gradient: dL/dinput = g where the mask is false, else 0; dL/dvalue = the sum of g where it is true.

    Args:
        input: Tensor of any shape.
        mask: boolean Tensor that broadcasts with ``input``.
        value: a number or a 0-d Tensor; it takes the dtype of ``input``.

    Returns:
        Tensor of the broadcast shape, in the dtype of ``input``.

    Raises:
        TypeError: a mask that is not boolean, or a fraction for a tensor of integers.
        ValueError: a value with axes, or shapes that do not broadcast.
    """
    if not isinstance(mask, Tensor):
        mask = Tensor(mask)
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_fill: mask is {mask.dtype}, not bool; write the comparison, e.g. mask != 0")
    if isinstance(value, Tensor) and value.ndim:
        raise ValueError(f"masked_fill: value has shape {value.shape}, not one number; use where(mask, value, input)")
    number = value.item() if isinstance(value, (Tensor, np.generic)) else value
    if input.dtype.kind != "f" and isinstance(number, float) and not number.is_integer():
        raise TypeError(f"masked_fill: value {number} does not fit a tensor of {input.dtype}; use input.float() first")
    try:
        return MaskedFill.apply(input, mask, value if isinstance(value, Tensor) else number)
    except ValueError as error:
        raise ValueError(f"masked_fill: input of shape {input.shape} and mask of shape {mask.shape} do not "
                         "broadcast") from error


def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """input + weight * (end - input), broadcasting: ``input`` at weight 0, ``end`` at weight 1.

    Gradient: dL/dinput = g * (1 - weight); dL/dend = g * weight; dL/dweight = g * (end - input).

    Args:
        input, end: Tensors whose shapes broadcast.
        weight: a Tensor that broadcasts with them, or a number.

    Returns:
        Tensor of the broadcast shape.

    Raises:
        ValueError: shapes that do not broadcast.
    """
    return input + weight * (end - input)


def isclose(input: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|; equal infinities are close.

    Gradient: none (the result is boolean).

    Args:
        input: Tensor or array.
        other: Tensor, array or number that broadcasts with it.
        rtol, atol: the relative and the absolute tolerance.
        equal_nan: whether NaN is close to NaN.

    Returns:
        Boolean Tensor of the broadcast shape.

    Raises:
        ValueError: shapes that do not broadcast.
    """
    a, b = operand("isclose", input), operand("isclose", other)
    try:
        return wrap((xp_of(a) if is_array(a) else xp_of(b)).isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan))
    except ValueError as error:
        shape_error("isclose", a, b, error)


def allclose(input: Tensor, other: Operand, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close (see ``isclose``).

    Gradient: none (the result is a bool of Python).

    Args:
        input, other, rtol, atol, equal_nan: as in ``isclose``.

    Returns:
        True or False.

    Raises:
        ValueError: shapes that do not broadcast.
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._data.all())
