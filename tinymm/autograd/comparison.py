"""Comparisons and logic, element by element: booleans, without a gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..backend.arrays import Array, as_array
from .docstrings import of_comparison, publish
from .kinds import Binary, Operand
from .pointwise import shape_error
from .tensor import Tensor, operand, wrap


def compare(name: str, function: Callable, formula: str, result: str = "Boolean Tensor", refuses: str = "text") -> Binary:
    """Make a comparison: booleans, without a gradient. (What ``help`` says: docstrings.py.)"""
    def op(input: Operand, other: Operand) -> Tensor:
        a, b = operand(name, input), operand(name, other)
        try:
            return wrap(as_array(function(a, b)))
        except ValueError as error:
            shape_error(name, as_array(a), as_array(b), error)
        except TypeError:
            raise TypeError(f"{name}: cannot compute with {_dtype(a)} and {_dtype(b)}; convert them, x != 0 or x.long()") from None

    return publish(op, name, of_comparison(formula, op.__code__.co_varnames[:2], result, refuses), op,
                   wrapped=False)


eq = compare("eq", np.equal, "Equality: a == b")
ne = compare("ne", np.not_equal, "Inequality: a != b")
lt = compare("lt", np.less, "Less: a < b")
le = compare("le", np.less_equal, "Less or equal: a <= b")
gt = compare("gt", np.greater, "Greater: a > b")
ge = compare("ge", np.greater_equal, "Greater or equal: a >= b")
logical_and = compare("logical_and", np.logical_and, "Both are true (not 0): (a != 0) & (b != 0)", refuses="")
logical_or = compare("logical_or", np.logical_or, "One or both are true (not 0): (a != 0) | (b != 0)", refuses="")
logical_xor = compare("logical_xor", np.logical_xor, "Exactly one is true (not 0): (a != 0) ^ (b != 0)", refuses="")

_BITS = dict(result="Boolean or integer Tensor", refuses="floating point")
bitwise_and = compare("bitwise_and", np.bitwise_and, "And of booleans, or of the bits of integers: a & b", **_BITS)
bitwise_or = compare("bitwise_or", np.bitwise_or, "Or of booleans, or of the bits of integers: a | b", **_BITS)
bitwise_xor = compare("bitwise_xor", np.bitwise_xor, "Exclusive or of booleans, or of bits: a ^ b", **_BITS)


def logical_not(input: Operand) -> Tensor:
    """Not true, element by element: y = (x == 0).

    Gradient: none (the result is boolean).

    Args:
        input: x, a Tensor or an array of any shape and dtype.

    Returns:
        Boolean Tensor of the shape of x.
    """
    return wrap(np.logical_not(operand("logical_not", input)))


def bitwise_not(input: Operand) -> Tensor:
    """~input: the opposite of booleans, the complement of integers.

    Gradient: none (the result is not floating point).

    Args:
        input: Tensor or array of any shape, boolean or integer.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        TypeError: floating-point input.
    """
    array: Array = as_array(operand("bitwise_not", input))
    if array.dtype.kind == "f":
        raise TypeError(f"bitwise_not: ~ works on booleans and integers, not {array.dtype}; compare, x == 0")
    return wrap(as_array(np.invert(array)))


def isnan(input: Operand) -> Tensor:
    """Where the elements are NaN.

    Gradient: none (the result is boolean).

    Args:
        input: Tensor or array of any shape.

    Returns:
        Boolean Tensor of the shape of ``input``.
    """
    return wrap(np.isnan(operand("isnan", input)))


def isinf(input: Operand) -> Tensor:
    """Where the elements are infinite, of either sign.

    Gradient: none (the result is boolean).

    Args:
        input: Tensor or array of any shape.

    Returns:
        Boolean Tensor of the shape of ``input``.
    """
    return wrap(np.isinf(operand("isinf", input)))


def isfinite(input: Operand) -> Tensor:
    """Where the elements are neither NaN nor infinite.

    Gradient: none (the result is boolean).

    Args:
        input: Tensor or array of any shape.

    Returns:
        Boolean Tensor of the shape of ``input``.
    """
    return wrap(np.isfinite(operand("isfinite", input)))


def _dtype(value) -> str:
    return str(getattr(value, "dtype", None) or type(value).__name__)
