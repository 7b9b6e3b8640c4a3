"""Activations, softmax and dropout as Modules."""

from __future__ import annotations

from .. import functional as F
from ..autograd import Tensor
from ..autograd.elementwise import not_in_place
from .module import Module


class _Activation(Module):
    """A function of one Tensor, with its options as attributes.

    ``inplace`` must be False where a layer has it: writing over the input would spoil gradients.
    """

    options: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in self.options)


class ReLU(_Activation):
    """max(x, 0)."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        not_in_place("ReLU", inplace)

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input)


class LeakyReLU(_Activation):
    """x where positive, else negative_slope * x."""

    options = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        not_in_place("LeakyReLU", inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)


class ELU(_Activation):
    """x where positive, else alpha (e^x - 1)."""

    options = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__()
        not_in_place("ELU", inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha)


class GELU(_Activation):
    """x Phi(x), or its tanh approximation."""

    options = ("approximate",)

    def __init__(self, approximate: str = "none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)


class SiLU(_Activation):
    """x sigmoid(x)."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        not_in_place("SiLU", inplace)

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input)


class Sigmoid(_Activation):
    """1 / (1 + e^-x)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(_Activation):
    """log sigmoid(x)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


class Tanh(_Activation):
    """Hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanh(input)


class Softplus(_Activation):
    """log(1 + e^(beta x)) / beta, linear above the threshold."""

    options = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


class Softmax(_Activation):
    """e^x over its sum along ``dim``."""

    options = ("dim",)

    def __init__(self, dim: int):
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class Softmin(Softmax):
    """Softmax of -x."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


class LogSoftmax(Softmax):
    """Logarithm of the softmax."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Dropout(_Activation):
    """In training, zero each element with probability p and scale the others by 1 / (1 - p)."""

    options = ("p",)

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        not_in_place("Dropout", inplace)
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p={p} is not a probability")
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training)
