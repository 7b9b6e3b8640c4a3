"""Comparisons and logic, element by element: booleans, without a gradient."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import as_array
from .docstrings import of_comparison, publish
from .pointwise import operand_error, raw, shape_error
from .tensor import Tensor, wrap


def compare(name: str, function, formula: str, integers: bool = False):
    """Make a comparison (booleans, without a gradient) or, with ``integers``, an operation on the bits of integers."""
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

    return publish(op, name, of_comparison(formula, op.__code__.co_varnames[:2], integers), op, wrapped=False)


eq = compare("eq", np.equal, "Equality: a == b")
ne = compare("ne", np.not_equal, "Inequality: a != b")
lt = compare("lt", np.less, "Less: a < b")
le = compare("le", np.less_equal, "Less or equal: a <= b")
gt = compare("gt", np.greater, "Greater: a > b")
ge = compare("ge", np.greater_equal, "Greater or equal: a >= b")
logical_and = compare("logical_and", np.logical_and, "Both are true (not 0): (a != 0) & (b != 0)")
logical_or = compare("logical_or", np.logical_or, "One or both are true (not 0): (a != 0) | (b != 0)")
logical_xor = compare("logical_xor", np.logical_xor, "Exactly one is true (not 0): (a != 0) ^ (b != 0)")
bitwise_and = compare("bitwise_and", np.bitwise_and, "And of booleans, or of the bits of integers: a & b", integers=True)
bitwise_or = compare("bitwise_or", np.bitwise_or, "Or of booleans, or of the bits of integers: a | b", integers=True)
bitwise_xor = compare("bitwise_xor", np.bitwise_xor, "Exclusive or of booleans, or of the bits of integers: a ^ b",
                      integers=True)


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
