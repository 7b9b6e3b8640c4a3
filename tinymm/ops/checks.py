"""Checks that every operation makes of its arguments, with messages that name the operation and the argument."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autograd.casting import cast
from ..autograd.integers import MOST, integers, listed
from ..autograd.tensor import Tensor

if TYPE_CHECKING:
    from typing_extensions import TypeVarTuple, Unpack   # in typing from Python 3.11

    Ts = TypeVarTuple("Ts")


def as_tensor(operation: str, argument: str, value) -> Tensor:
    """``value`` if it is a Tensor.

    Raises:
        TypeError: it is something else; the message says how to make a Tensor of it.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{operation}: {argument} is a {type(value).__name__}, not a Tensor; wrap it in tinymm.tensor(...)")
    return value


def floating(operation: str, argument: str, value) -> Tensor:
    """``value`` if it is a Tensor of floating-point numbers.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, Tensor) and value._data.dtype.kind == "f":   # first: every operation asks, some of them five times
        return value
    if as_tensor(operation, argument, value).dtype.kind != "f":
        raise TypeError(f"{operation}: {argument} must be floating point, not {value.dtype}; use .float()")
    return value


def real(operation: str, argument: str, value) -> float:
    """``value`` as a float: a Python or NumPy number, or what holds one.

    Raises:
        TypeError: something else; the message names the operation and the argument.
    """
    if type(value) is float:
        return value
    try:
        if isinstance(value, str):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{operation}: {argument}={value!r} must be a real number, not {type(value).__name__}; give a number like "
                        "0.5") from None


def added_to_variance(operation: str, eps) -> float:
    """``eps`` as a float of at least 0.

    Raises:
        TypeError: no number.
        ValueError: below 0, where the root of the sum may not exist, or NaN.
    """
    value = real(operation, "eps", eps)
    if not value >= 0:
        raise ValueError(f"{operation}: eps={value!r} must be at least 0; it is added to the variance, inside the root")
    return value


def optional(operation: str, **tensors) -> None:
    """Raise TypeError unless each of the arguments is None or a Tensor of floating-point numbers."""
    for name, value in tensors.items():
        if value is not None:
            floating(operation, name, value)


def same_dtype(*tensors: Unpack[Ts]) -> tuple[Unpack[Ts]]:
    """The tensors in the widest floating-point dtype among them; None stays None."""
    given: Any = tensors
    if len({t._data.dtype.char for t in given if t is not None}) > 1:   # a letter is hashed sooner than a dtype
        widest = np.result_type(*[t.dtype for t in given if t is not None])
        given = tuple(None if t is None else cast(t, widest) for t in given)
    return given


def possible(operation: str, what: str, lengths: tuple[int, ...]) -> None:
    """Raise ValueError if no array can have these lengths; those that memory alone forbids are left to NumPy."""
    if math.prod(lengths) >= MOST:
        raise ValueError(f"{operation}: {what} would have the lengths {lengths}, more than an array can have; look at the "
                         "arguments that they follow from")


def one_device(operation: str, **tensors) -> None:
    """Raise RuntimeError unless all arguments (None left out) are Tensors on one device; the message names them."""
    if all([t is None or isinstance(t, Tensor) and type(t._data) is np.ndarray for t in tensors.values()]):
        return   # all on the CPU
    devices = {name: as_tensor(operation, name, t).device for name, t in tensors.items() if t is not None}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise RuntimeError(f"{operation}: {listed}; move them together with .to(device)")


def per_channel(operation: str, input: Tensor, **vectors) -> None:
    """Raise ValueError unless every vector (None left out) has one element for each channel, axis 1 of ``input``."""
    optional(operation, **vectors)
    for name, value in vectors.items():
        if value is not None and value.shape != (input.shape[1],):
            raise ValueError(f"{operation}: input of shape {input.shape} has {input.shape[1]} channels (axis 1) but "
                             f"{name} has shape {value.shape}; it must be ({input.shape[1]},)")


def trailing_shape(operation: str, input: Tensor, normalized_shape, **parameters) -> tuple[int, ...]:
    """``normalized_shape`` as a tuple; raise ValueError unless ``input`` ends in it and each parameter (None left out)
    has it."""
    optional(operation, **parameters)
    shape = integers(operation, "normalized_shape", listed(normalized_shape))
    if not shape or input.shape[-len(shape):] != shape:
        raise ValueError(f"{operation}: input has shape {input.shape}, which does not end in normalized_shape={shape}")
    for name, value in parameters.items():
        if value is not None and value.shape != shape:
            raise ValueError(f"{operation}: {name} has shape {value.shape} but normalized_shape is {shape}")
    return shape
