"""Activations with a constant in them: leaky ReLU, ELU, log-sigmoid. (relu, tanh and sigmoid are in elementwise.py;
gelu, silu and softplus, which take several passes in NumPy, are fused operations in ops/activation.py.)
"""

from __future__ import annotations

import numpy as np

from .casting import cast
from .choice import where
from .elementwise import not_in_place
from .pointwise import unary
from .function import Primitive
from .tensor import Tensor, get_default_dtype


def _floating(input: Tensor) -> Tensor:
    """Integers as the default float: the slope of an activation is a fraction."""
    return input if input.dtype.kind == "f" else cast(input, get_default_dtype())


def _negative_part(x):
    """min(x, 0), so that an exponential of the branch not taken cannot overflow."""
    return np.minimum(x, 0)


class LeakyReLU(Primitive):
    """y = x where x > 0, else slope * x. For slope >= 0 the sign of y tells which, so only y is kept."""

    name = "leaky_relu"
    keep_output = True

    def forward(self, x, slope):
        self.slope = slope
        if slope == 0:
            return np.maximum(x, 0)   # infinity * 0 would be NaN
        return np.maximum(x, x * slope) if slope <= 1 else np.minimum(x, x * slope)

    def backward(self, g, y):
        y = y._data if isinstance(y, Tensor) else y
        steep = (y > 0) * y.dtype.type(1 - self.slope)
        steep += y.dtype.type(self.slope)
        return g * steep


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Rectifier that leaks, element by element: y = where(x > 0, x, negative_slope * x).

    Gradient: dL/dx = g * where(x > 0, 1, negative_slope), with g = dL/dy.

    Args:
        input: x, a Tensor of any shape; integers become the default float first.
        negative_slope: the slope on the left, and at 0.
        inplace: PyTorch's; not supported.

    Returns:
        Tensor of the shape of x.

    Raises:
        ValueError: inplace=True, which would spoil gradients.
    """
    not_in_place("leaky_relu", inplace)
    input = _floating(input)
    if negative_slope < 0:
        return where(input > 0, input, input * negative_slope)
    return LeakyReLU.apply(input, slope=negative_slope)


class ELU(Primitive):
    """y = x where x > 0, else alpha (e^x - 1), whose derivative is y + alpha (Clevert et al. 2016, equation 15)."""

    name = "elu"
    keep_output = True

    def forward(self, x, alpha):
        self.alpha = alpha
        return np.maximum(x, 0) + alpha * np.expm1(_negative_part(x))

    def backward(self, g, y):
        return g * np.where(y > 0, 1, y + self.alpha)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Exponential linear unit, element by element: y = where(x > 0, x, alpha * (e ** x - 1)).

    Gradient: dL/dx = g * where(x > 0, 1, y + alpha), with g = dL/dy.
    Clevert et al. 2016, equation 15.

    Args:
        input: x, a Tensor of any shape; integers become the default float first.
        alpha: minus the limit on the left.
        inplace: PyTorch's; not supported.

    Returns:
        Tensor of the shape of x.

    Raises:
        ValueError: inplace=True, which would spoil gradients.
    """
    not_in_place("elu", inplace)
    input = _floating(input)
    if alpha < 0:   # then the sign of the output does not tell the branch
        return where(input > 0, input, alpha * np.expm1(_negative_part(input)))
    return ELU.apply(input, alpha=alpha)


def _log_of_sigmoid(x):
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


logsigmoid = unary("logsigmoid", _log_of_sigmoid, lambda g, x, y: -g * np.expm1(y), "y",
                   "Logarithm of the sigmoid, without overflow: log(1 / (1 + e ** -x))", "g * (1 - e ** y)",
                   edges="x = -1000: y = -1000, dy/dx = 1; x = 1000: y = 0, dy/dx = 0")
