"""Element-wise operations: a table of functions and their derivatives.

A derivative is written as ``lambda g, x, y:`` with g = dL/dy, the argument x and the result y. It computes on arrays in a
backward pass and on Tensors when the backward pass is itself differentiated (see pointwise.py). Beside it stand the
formula and the gradient as ``help`` shows them, and values at the edges (docstrings.py says in which words).
"""

from __future__ import annotations

import builtins
import math
import operator
from typing import Any

import numpy as np

from ..backend import large
from ..backend.arrays import is_array
from .integers import integer
from .kinds import Operand
from .pointwise import binary, raw, tensor_argument, unary
from .tensor import Tensor

_ndarray = np.ndarray

# ---------------------------------------------------------------------- arithmetic

add_ = binary("add", operator.add, lambda g, a, b, y: g, lambda g, a, b, y: g, "|", "Sum: a + b", ("g", "g"))
sub_ = binary("sub", operator.sub, lambda g, a, b, y: g, lambda g, a, b, y: -g, "|", "Difference: a - b", ("g", "-g"))
mul = binary("mul", operator.mul, lambda g, a, b, y: g * b, lambda g, a, b, y: g * a, "b|a",
             "Product: a * b", ("g * b", "g * a"))
true_div = binary("div", operator.truediv, lambda g, a, b, y: g / b, lambda g, a, b, y: -g * y / b, "b|by",
                  "Quotient: a / b", ("g / b", "-g * y / b"),
                  edges="a = 1, b = 0: y = inf, dy/da = inf, dy/db = -inf; a = 0, b = 0: y = nan", integers=False)
neg = unary("neg", operator.neg, lambda g, x, y: -g, "", "Opposite: -x", "-g", integers=True)


def add(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """Sum, element by element: y = a + alpha * b.

    Gradient: dL/da = g; dL/db = alpha * g, with g = dL/dy.
    Each is summed over the axes along which its argument was broadcast.

    Args:
        input, other: a and b, Tensors, arrays or numbers whose shapes broadcast.
        alpha: a number.

    Returns:
        Tensor of the broadcast shape and the common dtype (float over integer, wide over narrow).

    Raises:
        TypeError: an argument that is neither a Tensor, an array nor a number.
        ValueError: shapes that do not broadcast.
    """
    return add_(input, other if alpha == 1 else other * alpha)


def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """Difference, element by element: y = a - alpha * b.

    Gradient: dL/da = g; dL/db = -alpha * g, with g = dL/dy.
    Each is summed over the axes along which its argument was broadcast.

    Args:
        input, other: a and b, Tensors, arrays or numbers whose shapes broadcast.
        alpha: a number.

    Returns:
        Tensor of the broadcast shape and the common dtype (float over integer, wide over narrow).

    Raises:
        TypeError: an argument that is neither a Tensor, an array nor a number, or booleans.
        ValueError: shapes that do not broadcast.
    """
    return sub_(input, other if alpha == 1 else other * alpha)


def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """Quotient, element by element: y = a / b.

    Gradient: dL/da = g / b; dL/db = -g * y / b, with g = dL/dy.
    Each is summed over the axes along which its argument was broadcast.
    A rounded quotient has the gradient 0. At a = 1, b = 0: y = inf; at a = 0, b = 0: y = nan.

    Args:
        input, other: a and b, Tensors, arrays or numbers whose shapes broadcast.
        rounding_mode: None for true division, "floor" to round down, "trunc" to round towards 0.

    Returns:
        Tensor of the broadcast shape and the common dtype; true division makes integers the default float first.

    Raises:
        TypeError: an argument that is neither a Tensor, an array nor a number.
        ValueError: another rounding_mode, or shapes that do not broadcast.
    """
    if rounding_mode is None:
        return true_div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(f"div: rounding_mode={rounding_mode!r}; choose None, 'floor' or 'trunc'")
    return floor_divide(input, other) if rounding_mode == "floor" else _trunc_divide(input, other)


def pow(input: Operand, exponent: Operand) -> Tensor:
    """Power, element by element: y = a ** b.

    Gradient: dL/da = g * b * a ** (b - 1); dL/db = g * y * log(a), with g = dL/dy.
    Each is summed over the axes along which its argument was broadcast.
    At a = 0, b = 0: y = 1, dy/da = 0, dy/db = 0.
    At a = 0, b = 2: y = 0, dy/da = 0, dy/db = 0.
    At a = -2, b = 2: y = 4, dy/da = -4, dy/db = nan.
    At a = -2, b = 0.5: y = nan.

    Args:
        input: a, a Tensor, an array or a number. The shapes of a and b broadcast.
        exponent: b, likewise. A number takes the dtype of the Tensor beside it, if that can hold it.

    Returns:
        Tensor of the broadcast shape and the common dtype (float over integer, wide over narrow).

    Raises:
        TypeError: an argument that is neither a Tensor, an array nor a number.
        ValueError: shapes that do not broadcast, or integers to a negative power.
    """
    return power(input, exponent)


def round(input: Operand, *, decimals: int = 0) -> Tensor:
    """Nearest integer, element by element: y = round(x).

    Gradient: dL/dx = 0 * g, with g = dL/dy.
    At x = 0.5: y = 0; at x = 1.5: y = 2.

    Args:
        input: x, a Tensor, an array or a number. Integers stay integers.
        decimals: digits to keep behind the point; negative: zeros in front of it.

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        ValueError: more than 308 decimals.
        TypeError: an argument that is neither a Tensor, an array nor a number; decimals for integers.
    """
    decimals = integer("round", "decimals", decimals)
    if decimals == 0:
        return round_(input)
    x = input if isinstance(input, Tensor) else tensor_argument("round", input)
    if x.dtype.kind != "f":
        raise TypeError(f"round: decimals={decimals} is for floating-point tensors, not {x.dtype}; use .float()")
    if builtins.abs(decimals) > 308:
        raise ValueError(f"round: decimals={decimals} is more digits than a float64 has places; choose from -308 to 308")
    factor = 10.0 ** builtins.abs(decimals)
    return true_div(round_(mul(x, factor)), factor) if decimals > 0 else mul(round_(true_div(x, factor)), factor)


def relu(input: Operand, inplace: bool = False) -> Tensor:
    """Rectifier, element by element: y = maximum(x, 0).

    Gradient: dL/dx = g * (x > 0), with g = dL/dy.
    At x = 0: y = 0, dy/dx = 0.

    Args:
        input: x, a Tensor, an array or a number. Integers stay integers.
        inplace: PyTorch's; not supported.

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        TypeError: an argument that is neither a Tensor, an array nor a number.
        ValueError: inplace=True, which would spoil gradients.
    """
    not_in_place("relu", inplace)
    return relu_(input)


def not_in_place(name: str, inplace: bool) -> None:
    """Refuse ``inplace=True``, which PyTorch's signature has and this engine does not support."""
    if inplace:
        raise ValueError(f"{name}: inplace=True is not supported, since it would spoil gradients; leave it out, the result "
                         "is the same")


def _pow_by_base(g, a: Any, b: Any, y):
    """g b a^(b-1), and 0 where b = 0, whatever a is."""
    if isinstance(b, (int, float)):
        return g * (b * a ** (b - 1)) if b != 0 else g * 0
    return g * (b * a ** np.where(b == 0, 0, b - 1))


def _pow_by_exponent(g, a: Any, b: Any, y):
    """g y log(a), and 0 where a = 0 and b >= 0: the limit of a^b log(a) for b > 0."""
    if not isinstance(a, (int, float)):
        positive = np.where(a < 0, math.nan, np.where((a == 0) & (b >= 0), 1, a))
        return g * y * np.log(positive)
    if a == 0:
        return g * np.where(b >= 0, 0, -np.inf)
    return g * y * (math.log(a) if a > 0 else math.nan)


def _power(a, b):
    """a ** b. Of integers, a negative exponent is refused as one number, and truncates in an array, as in PyTorch."""
    if type(a) is _ndarray and a.dtype.kind == "f":
        return a ** b
    _not_both_bool("pow", a, b)
    if _kind(a) == "b":
        a = a.astype(np.int64) if _kind(b) != "f" and is_array(a) else int(a)
    if isinstance(b, int) and b < 0 and _kind(a) != "f":
        raise ValueError("integers to negative integer powers are not allowed; use .float()")
    if _kind(a) == "f" or _kind(b) != "i" or not is_array(b) or not (b < 0).any():
        return a ** b
    up = a ** np.where(b < 0, 0, b)
    down = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b % 2), 0))
    return np.where(b < 0, down, up).astype(up.dtype)


def _kind(value) -> str:
    """The kind of dtype of an array or a Python number: "b", "i", "u" or "f"."""
    return value.dtype.kind if is_array(value) else type(value).__name__[0]


def _not_both_bool(name: str, a, b) -> None:
    """Raise TypeError for two booleans, which have no such operation in PyTorch either."""
    if _kind(a) == _kind(b) == "b":
        raise TypeError(f"{name}: two booleans; use .long() on one of them, or a logical operation")


def _whole_quotient(name: str, function):
    """A division whose result is a whole number; integers are not divided by 0."""
    def divide(a, b):
        if type(a) is _ndarray and a.dtype.kind == "f":
            return function(a, b)
        if _kind(a) != "f" and _kind(b) != "f":
            _not_both_bool(name, a, b)
            if not (b.all() if is_array(b) else b):
                raise ZeroDivisionError(f"{name}: integers are divided by 0; mask the zeros, or use .float() for inf and nan")
        return function(a, b)
    return divide


def _of_booleans(function, instead):
    """A function that NumPy lacks, or has in int8, for booleans, and ``instead`` for those."""
    return lambda x: function(x) if x.dtype.kind != "b" else instead(x)


def _whole(function):
    """A rounding function, which leaves integers as they are."""
    return lambda x: function(x) if x.dtype.kind == "f" else x.copy()


def _trunc_quotient(a, b):
    return np.trunc(a / b).astype(np.result_type(a, b))


floor_divide = binary("floor_divide", _whole_quotient("floor_divide", np.floor_divide), lambda g, a, b, y: g * 0,
                      lambda g, a, b, y: g * 0, "|",
                      "Quotient rounded down: floor(a / b)", ("0 * g", "0 * g"))
_trunc_divide = binary("div", _whole_quotient("div", _trunc_quotient), lambda g, a, b, y: g * 0, lambda g, a, b, y: g * 0, "|",
                       "Quotient rounded towards 0: trunc(a / b)", ("0 * g", "0 * g"))
remainder = binary("remainder", _whole_quotient("remainder", np.remainder), lambda g, a, b, y: g,
                   lambda g, a, b, y: -g * np.floor(a / b), "|ab",
                   "Remainder of a division, with the sign of b: a - b * floor(a / b)", ("g", "-g * floor(a / b)"))
power = binary("pow", _power, lambda g, a, b, y: _pow_by_base(g, a, b, y), _pow_by_exponent, "ab|aby",
               "Power: a ** b", ("g * b * a ** (b - 1)", "g * y * log(a)"),
               edges="a = 0, b = 0: y = 1, dy/da = 0, dy/db = 0; a = 0, b = 2: y = 0, dy/da = 0, dy/db = 0; "
                     "a = -2, b = 2: y = 4, dy/da = -4, dy/db = nan; a = -2, b = 0.5: y = nan")
abs = unary("abs", np.abs, lambda g, x, y: g * np.sign(x), "x", "Magnitude: abs(x)", "g * sign(x)",
            edges="x = 0: y = 0, dy/dx = 0", integers=True)
sign = unary("sign", _of_booleans(np.sign, np.copy), lambda g, x, y: g * 0, "", "Sign, -1, 0 or 1: sign(x)", "0 * g",
             integers=True)
floor = unary("floor", _whole(np.floor), lambda g, x, y: g * 0, "", "Largest integer <= x: floor(x)", "0 * g",
              integers=True)
ceil = unary("ceil", _whole(np.ceil), lambda g, x, y: g * 0, "", "Smallest integer >= x: ceil(x)", "0 * g", integers=True)
round_ = unary("round", _whole(np.round), lambda g, x, y: g * 0, "", "Nearest integer: round(x)", "0 * g",
               edges="x = 0.5: y = 0; x = 1.5: y = 2", integers=True)
trunc = unary("trunc", _whole(np.trunc), lambda g, x, y: g * 0, "", "Integer part: trunc(x)", "0 * g", integers=True)
square = unary("square", _of_booleans(np.square, lambda x: x.astype(np.int64)), lambda g, x, y: 2 * g * x, "x",
               "Square: x ** 2", "2 * g * x", integers=True)
sqrt = unary("sqrt", np.sqrt, lambda g, x, y: g / (2 * y), "y", "Square root: sqrt(x)", "g / (2 * y)",
             edges="x = 0: y = 0, dy/dx = inf; x = -1: y = nan")
rsqrt = unary("rsqrt", lambda x: 1 / np.sqrt(x), lambda g, x, y: -0.5 * g * y * y * y, "y",
              "Reciprocal square root: 1 / sqrt(x)", "-0.5 * g * y ** 3",
              edges="x = 0: y = inf, dy/dx = -inf; x = -1: y = nan")
reciprocal = unary("reciprocal", lambda x: 1 / x, lambda g, x, y: -g * y * y, "y", "Reciprocal: 1 / x", "-g * y ** 2",
                   edges="x = 0: y = inf, dy/dx = -inf")

# ---------------------------------------------------------------------- exponentials and friends

exp = unary("exp", np.exp, lambda g, x, y: g * y, "y", "Exponential: e ** x", "g * y",
            edges="x = -inf: y = 0, dy/dx = 0; x = 1000: y = inf, dy/dx = inf")
expm1 = unary("expm1", np.expm1, lambda g, x, y: g * (y + 1), "y",
              "Exponential minus 1, accurate near 0: e ** x - 1", "g * (y + 1)")
log = unary("log", np.log, lambda g, x, y: g / x, "x", "Natural logarithm: log(x)", "g / x",
            edges="x = 0: y = -inf, dy/dx = inf; x = -1: y = nan")
log1p = unary("log1p", np.log1p, lambda g, x, y: g / (1 + x), "x",
              "Logarithm of 1 + x, accurate near 0: log(1 + x)", "g / (1 + x)",
              edges="x = -1: y = -inf, dy/dx = inf; x = -2: y = nan")
log2 = unary("log2", np.log2, lambda g, x, y: g / (x * math.log(2)), "x",
             "Logarithm to base 2: log(x) / log(2)", "g / (x * log(2))",
             edges="x = 0: y = -inf, dy/dx = inf; x = -1: y = nan")
log10 = unary("log10", np.log10, lambda g, x, y: g / (x * math.log(10)), "x",
              "Logarithm to base 10: log(x) / log(10)", "g / (x * log(10))",
              edges="x = 0: y = -inf, dy/dx = inf; x = -1: y = nan")
sin = unary("sin", np.sin, lambda g, x, y: g * np.cos(x), "x", "Sine of radians: sin(x)", "g * cos(x)")
cos = unary("cos", np.cos, lambda g, x, y: -g * np.sin(x), "x", "Cosine of radians: cos(x)", "-g * sin(x)")
tan = unary("tan", np.tan, lambda g, x, y: g * (1 + y * y), "y", "Tangent of radians: tan(x)", "g * (1 + y ** 2)")
arctan = unary("arctan", np.arctan, lambda g, x, y: g / (1 + x * x), "x",
               "Inverse tangent, in radians: arctan(x)", "g / (1 + x ** 2)")
tanh = unary("tanh", np.tanh, lambda g, x, y: g - g * y * y, "y", "Hyperbolic tangent: tanh(x)", "g * (1 - y ** 2)")


sigmoid = unary("sigmoid", large.sigmoid, lambda g, x, y:
                large.sigmoid_backward(g, y) if type(g) is _ndarray else g * y * (1 - y), "y",
                "Logistic function, without overflow: 1 / (1 + e ** -x)", "g * y * (1 - y)",
                edges="x = -1000: y = 0, dy/dx = 0; x = 1000: y = 1, dy/dx = 0")


def _share(g, a, b):
    """g / (1 + e^(b-a)), the share of a in logaddexp(a, b); 1/2 where both are inf, 0 where both are -inf."""
    with np.errstate(invalid="ignore", over="ignore"):
        d = a - b
    stuck = (a == b) & np.isnan(d)   # inf - inf
    d = np.where(stuck, 0, d)
    share = sigmoid(d) if isinstance(d, Tensor) else large.sigmoid(d)
    return g * np.where(stuck & (a < 0), 0, share)


logaddexp = binary("logaddexp", np.logaddexp, lambda g, a, b, y: _share(g, a, b), lambda g, a, b, y: _share(g, b, a),
                   "ab|ab", "Logarithm of a sum of exponentials, without overflow: log(e ** a + e ** b)",
                   ("g / (1 + e ** (b - a))", "g / (1 + e ** (a - b))"),
                   edges="a = inf, b = 0: y = inf, dy/da = 1, dy/db = 0; "
                         "a = inf, b = inf: y = inf, dy/da = 0.5, dy/db = 0.5; "
                         "a = -inf, b = -inf: y = -inf, dy/da = 0, dy/db = 0", integers=False)

# ---------------------------------------------------------------------- choices

relu_ = unary("relu", large.relu, lambda g, x, y: large.relu_backward(g, y) if type(g) is _ndarray else g * (y > 0), "y",
              "Rectifier: maximum(x, 0)", "g * (x > 0)", edges="x = 0: y = 0, dy/dx = 0", integers=True)
maximum = binary("maximum", np.maximum, lambda g, a, b, y: g * _winner(a, b), lambda g, a, b, y: g * _winner(b, a),
                 "ab|ab", "Larger of two (NaN if one is): where(a > b, a, b)",
                 ("g * ((a > b) + (a == b) / 2)", "g * ((a < b) + (a == b) / 2)"),
                 edges="a = 1, b = 1: y = 1, dy/da = 0.5, dy/db = 0.5; a = nan, b = 1: y = nan")
minimum = binary("minimum", np.minimum, lambda g, a, b, y: g * _winner(b, a), lambda g, a, b, y: g * _winner(a, b),
                 "ab|ab", "Smaller of two (NaN if one is): where(a < b, a, b)",
                 ("g * ((a < b) + (a == b) / 2)", "g * ((a > b) + (a == b) / 2)"),
                 edges="a = 1, b = 1: y = 1, dy/da = 0.5, dy/db = 0.5; a = nan, b = 1: y = nan")


def _winner(a, b):
    """1 where a > b, 1/2 where a = b, else 0 (1 where either is NaN), in the dtype of the tensor among them."""
    a, b = raw(a), raw(b)
    loses = np.add(a <= b, a < b, dtype=np.int8)   # 2 for a loss, 1 for a tie
    return 1 - loses * (a if is_array(a) else b).dtype.type(0.5)
