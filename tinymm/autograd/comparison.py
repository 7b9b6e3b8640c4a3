"""Comparisons and logic, element by element: booleans, without a gradient."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import as_array
from .pointwise import operand_error, public, raw, shape_error
from .tensor import Tensor, wrap


def compare(name: str, function, doc: str):
    """Make a comparison: booleans, without a gradient."""
    def op(input, other):
        a = input._data if isinstance(input, Tensor) else input
        b = other._data if isinstance(other, Tensor) else other
        if isinstance(a, np.generic) and not isinstance(input, Tensor):
            a = a.item()
        if isinstance(b, np.generic) and not isinstance(other, Tensor):
            b = b.item()
        try:
            return wrap(as_array(function(a, b)))
        except ValueError as error:
            shape_error(name, as_array(a), as_array(b), error)
        except TypeError:
            operand_error(name, other)

    return public(op, name, doc)


eq = compare("eq", np.equal, "input == other, element by element.")
ne = compare("ne", np.not_equal, "input != other, element by element.")
lt = compare("lt", np.less, "input < other, element by element.")
le = compare("le", np.less_equal, "input <= other, element by element.")
gt = compare("gt", np.greater, "input > other, element by element.")
ge = compare("ge", np.greater_equal, "input >= other, element by element.")
logical_and = compare("logical_and", np.logical_and, "input and other, element by element.")
logical_or = compare("logical_or", np.logical_or, "input or other, element by element.")
logical_xor = compare("logical_xor", np.logical_xor, "Exactly one of input and other, element by element.")
bitwise_and = compare("bitwise_and", np.bitwise_and, "input & other, for integers and booleans.")
bitwise_or = compare("bitwise_or", np.bitwise_or, "input | other, for integers and booleans.")
bitwise_xor = compare("bitwise_xor", np.bitwise_xor, "input ^ other, for integers and booleans.")


def logical_not(input):
    """not input, element by element."""
    return wrap(np.logical_not(raw(input)))


def bitwise_not(input):
    """~input: the opposite of booleans, the complement of integers.

    Raises:
        TypeError: floating-point input.
    """
    array = raw(input)
    if array.dtype.kind == "f":
        raise TypeError(f"bitwise_not: ~ works on booleans and integers, not {array.dtype}; compare, x == 0")
    return wrap(as_array(np.invert(array)))


def isnan(input):
    """Where the elements are NaN."""
    return wrap(np.isnan(raw(input)))


def isinf(input):
    """Where the elements are infinite."""
    return wrap(np.isinf(raw(input)))


def isfinite(input):
    """Where the elements are neither NaN nor infinite."""
    return wrap(np.isfinite(raw(input)))
