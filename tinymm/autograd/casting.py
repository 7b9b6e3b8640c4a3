"""The same numbers in another dtype, or on another device."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import device_of, to_device
from .function import Primitive
from .kinds import DType
from .tensor import Tensor


class Cast(Primitive):
    """The same numbers in another dtype."""

    name = "to"

    def forward(self, x, dtype):
        self.dtype = x.dtype
        return x.astype(dtype)

    def backward(self, g):
        return (g.astype(self.dtype) if not isinstance(g, Tensor) else cast(g, self.dtype)),


def cast(input: Tensor, dtype) -> Tensor:
    """``input`` in another dtype; the gradient comes back in the old one."""
    return input if input.dtype == dtype else Cast.apply(input, dtype=np.dtype(dtype))


class Transfer(Primitive):
    """The same numbers on another device."""

    name = "to"

    def forward(self, x, device):
        self.device = device_of(x)
        return to_device(x, device)

    def backward(self, g):
        return (transfer(g, self.device) if isinstance(g, Tensor) else to_device(g, self.device)),


def transfer(input: Tensor, device: str) -> Tensor:
    """``input`` on another device; the gradient comes back to the old one."""
    return Transfer.apply(input, device=device)


def to(self: Tensor, target: DType | Tensor = None, *, device: str | None = None, dtype: DType = None) -> Tensor:
    """The tensor on another device or in another dtype; itself if nothing changes.

    Gradient: dL/dself = g, back on the old device and in the old dtype.

    Args:
        target: a device name ("cpu", "cuda", "cuda:0"), a dtype, or a Tensor whose device and dtype are taken.
        device, dtype: the same by name.

    Returns:
        Tensor of the same shape.
    """
    if isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
        device = target
    elif isinstance(target, Tensor):
        device, dtype = target.device, target.dtype
    elif target is not None:
        dtype = target
    out = self
    if device is not None and out.device != device and not (device == "cuda" and out.device.startswith("cuda")):
        out = transfer(out, device)
    return out if dtype is None or out.dtype == np.dtype(dtype) else cast(out, np.dtype(dtype))
