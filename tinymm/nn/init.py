"""Initialisers: fill a tensor in place, drawing from the random stream "init"; or not at all, while they are ``left_out``."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math

import numpy as np

from ..autograd import Tensor, no_grad
from ..backend.random import stream

BLOCK = 1 << 20   # numbers drawn at a time
_left_out = contextvars.ContextVar("left_out", default=False)


@contextlib.contextmanager
def left_out():
    """Within it, initialisers do nothing: for a model whose weights are loaded in the next moment."""
    token = _left_out.set(True)
    try:
        yield
    finally:
        _left_out.reset(token)


def are_left_out() -> bool:
    """Whether initialisers do nothing now."""
    return _left_out.get()


def _initialiser(function):
    """An initialiser that can be left out; so can those that call it."""
    @functools.wraps(function)
    def initialise(tensor, *args, **kwargs):
        return tensor if are_left_out() else function(tensor, *args, **kwargs)
    return initialise


def _fill(tensor: Tensor, values) -> Tensor:
    with no_grad():
        tensor.copy_(Tensor(np.asarray(values, dtype=tensor.dtype)).to(device=tensor.device))
    return tensor


def _fill_drawn(tensor: Tensor, draw) -> Tensor:
    """Fill with ``draw(count)`` -> float64 numbers, some at a time: a large matrix is not in memory in double precision, too."""
    values = np.empty(tensor.shape, tensor.dtype)
    flat = values.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        part = flat[start:start + BLOCK]
        part[:] = draw(part.size)
    return _fill(tensor, values)


@_initialiser
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator=None) -> Tensor:
    """Uniform numbers in [a, b)."""
    draw = stream(generator, "init").generator
    return _fill_drawn(tensor, lambda count: draw.uniform(a, b, count))


@_initialiser
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator=None) -> Tensor:
    """Normal numbers."""
    draw = stream(generator, "init").generator
    return _fill_drawn(tensor, lambda count: draw.normal(mean, std, count))


@_initialiser
def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator=None) -> Tensor:
    """Normal numbers, drawn again where they fall outside [a, b]."""
    draw = stream(generator, "init").generator
    values = draw.normal(mean, std, tensor.shape)
    while True:
        outside = (values < a) | (values > b)
        if not outside.any():
            return _fill(tensor, values)
        values[outside] = draw.normal(mean, std, int(outside.sum()))


@_initialiser
def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere."""
    return _fill(tensor, np.full(tensor.shape, val))


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


@_initialiser
def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: needs a matrix, not shape {tensor.shape}")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel): inputs that one output sees, outputs that one input feeds."""
    if tensor.ndim < 2:
        raise ValueError(f"fan in and fan out need at least two axes, not shape {tensor.shape}; use uniform_ or normal_")
    field = int(np.prod(tensor.shape[2:]))
    return tensor.shape[1] * field, tensor.shape[0] * field


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity (He et al. 2015)."""
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75,
             "leaky_relu": math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: unknown nonlinearity {nonlinearity!r}; choose from {sorted(gains)}")
    return gains[nonlinearity]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Uniform in +-gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, equation 16)."""
    bound = gain * math.sqrt(6 / max(1, sum(fans(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator=None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / max(1, sum(fans(tensor)))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode={mode!r}; choose 'fan_in' or 'fan_out'")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fans(tensor)[mode == "fan_out"]))


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator=None) -> Tensor:
    """Uniform with the variance gain^2 / fan (He et al. 2015, equation 14)."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator=None) -> Tensor:
    """Normal with the variance gain^2 / fan."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@_initialiser
def orthogonal_(tensor: Tensor, gain: float = 1, generator=None) -> Tensor:
    """A (semi-)orthogonal matrix times ``gain``, uniform over all of them (Saxe et al. 2014); later axes are flattened."""
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: needs at least two axes, not shape {tensor.shape}")
    rows, columns = tensor.shape[0], int(np.prod(tensor.shape[1:]))
    a = stream(generator, "init").generator.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))   # makes the distribution uniform
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))
