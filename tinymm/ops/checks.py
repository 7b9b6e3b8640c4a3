"""Checks that every operation makes of its arguments, with messages that name the operation and the argument."""

from __future__ import annotations

import numpy as np

from ..autograd.elementwise import cast
from ..autograd.tensor import Tensor


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
    if as_tensor(operation, argument, value).dtype.kind != "f":
        raise TypeError(f"{operation}: {argument} must be floating point, not {value.dtype}; use .float()")
    return value


def same_dtype(*tensors):
    """The tensors in the widest floating-point dtype among them; None stays None."""
    dtypes = {t.dtype for t in tensors if t is not None}
    if len(dtypes) <= 1:
        return tensors
    widest = np.result_type(*dtypes)
    return tuple(None if t is None else cast(t, widest) for t in tensors)


def one_device(operation: str, **tensors) -> None:
    """Raise RuntimeError unless all tensors (None left out) lie on one device; the message names them."""
    devices = {name: t.device for name, t in tensors.items() if t is not None}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise RuntimeError(f"{operation}: {listed}; move them together with .to(device)")
