"""Element-wise operations: a table of functions and their derivatives.

A derivative is written as ``lambda g, x, y:`` with g = dL/dy, the argument x and the result y. It computes on arrays in a
backward pass and on Tensors when the backward pass is itself differentiated (see pointwise.py).
"""

from __future__ import annotations

import math
import operator

import numpy as np

from ..backend import large
from ..backend.arrays import is_array
from .pointwise import binary, raw, unary

_ndarray = np.ndarray

# ---------------------------------------------------------------------- arithmetic

add_ = binary("add", operator.add, lambda g, a, b, y: g, lambda g, a, b, y: g, "|", "input + other.")
sub_ = binary("sub", operator.sub, lambda g, a, b, y: g, lambda g, a, b, y: -g, "|", "input - other.")
mul = binary("mul", operator.mul, lambda g, a, b, y: g * b, lambda g, a, b, y: g * a, "b|a",
             "input * other, element by element.")
true_div = binary("div", operator.truediv, lambda g, a, b, y: g / b, lambda g, a, b, y: -g * y / b, "b|by",
                  "input / other, element by element.", integers=False)
neg = unary("neg", operator.neg, lambda g, x, y: -g, "", "-input.", integers=True)


def add(input, other, *, alpha=1):
    """input + alpha * other, broadcasting.

    Returns:
        Tensor of the broadcast shape.
    """
    return add_(input, other if alpha == 1 else other * alpha)


def sub(input, other, *, alpha=1):
    """input - alpha * other, broadcasting."""
    return sub_(input, other if alpha == 1 else other * alpha)


def div(input, other, *, rounding_mode: str | None = None):
    """input / other, broadcasting.

    Args:
        rounding_mode: None for true division, "floor" or "trunc" for a rounded one (its gradient is zero).
    """
    if rounding_mode is None:
        return true_div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode={rounding_mode!r}; choose None, 'floor' or 'trunc'")
    return floor_divide(input, other) if rounding_mode == "floor" else _trunc_divide(input, other)


def _zero(g, *rest):
    return g * 0


def _pow_by_base(g, a, b, y):
    """g b a^(b-1), and 0 where b = 0, whatever a is."""
    if np.isscalar(b):
        return g * (b * a ** (b - 1)) if b != 0 else g * 0
    return g * (b * a ** np.where(b == 0, 0, b - 1))


def _pow_by_exponent(g, a, b, y):
    """g y log(a), and 0 where a = 0 and b >= 0: the limit of a^b log(a) for b > 0."""
    if not np.isscalar(a):
        positive = np.where(a < 0, math.nan, np.where((a == 0) & (b >= 0), 1, a))
        return g * y * np.log(positive)
    if a == 0:
        return g * np.where(b >= 0, 0, -np.inf)
    return g * y * (math.log(a) if a > 0 else math.nan)


def _whole(function):
    """A rounding function, which leaves integers as they are."""
    return lambda x: function(x) if x.dtype.kind == "f" else x.copy()


floor_divide = binary("floor_divide", np.floor_divide, _zero, _zero, "|",
                      "Largest integer <= input / other (gradient zero).")
_trunc_divide = binary("div", lambda x, y: np.trunc(x / y).astype(np.result_type(x, y)), _zero, _zero, "|", "")
remainder = binary("remainder", np.remainder, lambda g, a, b, y: g, lambda g, a, b, y: -g * np.floor(a / b), "|ab",
                   "input - other * floor(input / other).")
pow = binary("pow", lambda x, y: x ** y, _pow_by_base, _pow_by_exponent, "ab|aby",
             "input ** exponent, element by element.")
abs = unary("abs", np.abs, lambda g, x, y: g * np.sign(x), "x", "|input|; the gradient at 0 is 0.", integers=True)
sign = unary("sign", np.sign, _zero, "", "-1, 0 or 1 (gradient zero).", integers=True)
floor = unary("floor", _whole(np.floor), _zero, "", "Largest integer <= input (gradient zero).", integers=True)
ceil = unary("ceil", _whole(np.ceil), _zero, "", "Smallest integer >= input (gradient zero).", integers=True)
round = unary("round", _whole(np.round), _zero, "", "Nearest integer, halves to even (gradient zero).", integers=True)
trunc = unary("trunc", _whole(np.trunc), _zero, "", "Integer part (gradient zero).", integers=True)
square = unary("square", np.square, lambda g, x, y: 2 * g * x, "x", "input ** 2.", integers=True)
sqrt = unary("sqrt", np.sqrt, lambda g, x, y: g / (2 * y), "y", "Square root.")
rsqrt = unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, x, y: -0.5 * g * y * y * y, "y", "1 / sqrt(input).")
reciprocal = unary("reciprocal", lambda x: 1 / x, lambda g, x, y: -g * y * y, "y", "1 / input.")

# ---------------------------------------------------------------------- exponentials and friends

exp = unary("exp", np.exp, lambda g, x, y: g * y, "y", "e ** input.")
expm1 = unary("expm1", np.expm1, lambda g, x, y: g * (y + 1), "y", "e ** input - 1, accurate near 0.")
log = unary("log", np.log, lambda g, x, y: g / x, "x", "Natural logarithm.")
log1p = unary("log1p", np.log1p, lambda g, x, y: g / (1 + x), "x", "log(1 + input), accurate near 0.")
log2 = unary("log2", np.log2, lambda g, x, y: g / (x * math.log(2)), "x", "Logarithm to base 2.")
log10 = unary("log10", np.log10, lambda g, x, y: g / (x * math.log(10)), "x", "Logarithm to base 10.")
sin = unary("sin", np.sin, lambda g, x, y: g * np.cos(x), "x", "Sine of an angle in radians.")
cos = unary("cos", np.cos, lambda g, x, y: -g * np.sin(x), "x", "Cosine of an angle in radians.")
tan = unary("tan", np.tan, lambda g, x, y: g * (1 + y * y), "y", "Tangent of an angle in radians.")
arctan = unary("arctan", np.arctan, lambda g, x, y: g / (1 + x * x), "x", "Inverse tangent, in radians.")
tanh = unary("tanh", np.tanh, lambda g, x, y: g - g * y * y, "y", "Hyperbolic tangent.")


sigmoid = unary("sigmoid", large.sigmoid,
                lambda g, x, y: large.sigmoid_backward(g, y) if type(g) is _ndarray else g * y * (1 - y), "y",
                "1 / (1 + e ** -input), without overflow.")


def _share(g, a, y):
    """g e^(a-y), the share of a in y = logaddexp(a, b); 1 for an a so large that y = a, 0 where y = -inf."""
    same, nothing = a == y, y == -np.inf
    return g * np.where(nothing, 0, np.exp(np.where(same, 0, a) - np.where(same | nothing, 0, y)))


logaddexp = binary("logaddexp", np.logaddexp, lambda g, a, b, y: _share(g, a, y), lambda g, a, b, y: _share(g, b, y),
                   "ay|by", "log(e ** input + e ** other), without overflow.", integers=False)

# ---------------------------------------------------------------------- choices

relu = unary("relu", large.relu, lambda g, x, y: large.relu_backward(g, y) if type(g) is _ndarray else g * (y > 0), "y",
             "max(input, 0); the gradient at 0 is 0.", integers=True)
maximum = binary("maximum", np.maximum, lambda g, a, b, y: g * _winner(a, b), lambda g, a, b, y: g * _winner(b, a),
                 "ab|ab", "The larger of two, element by element; a tie shares its gradient equally.")
minimum = binary("minimum", np.minimum, lambda g, a, b, y: g * _winner(b, a), lambda g, a, b, y: g * _winner(a, b),
                 "ab|ab", "The smaller of two, element by element; a tie shares its gradient equally.")


def _winner(a, b):
    """1 where a > b, 1/2 where a = b, else 0 (1 where either is NaN), in the dtype of the tensor among them."""
    a, b = raw(a), raw(b)
    loses = np.add(a <= b, a < b, dtype=np.int8)   # 2 for a loss, 1 for a tie
    return 1 - loses * (a if is_array(a) else b).dtype.type(0.5)
