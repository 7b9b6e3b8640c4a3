"""The same numbers in another dtype, or on another device."""

from __future__ import annotations

import numpy as np

from ..backend.admission import held
from ..backend.arrays import device_of, to_device
from .function import Primitive
from .kinds import DType
from .tensor import Tensor


class Cast(Primitive):
    """The same numbers in another dtype."""

    name = "to"

    def forward(self, x, dtype):
        self.dtype = x.dtype
        if dtype.char != "e":
            return x.astype(dtype)
        with np.errstate(over="ignore"):   # numbers above 65,504 become inf, as in PyTorch
            return x.astype(dtype)

    def backward(self, g):
        return (g.astype(self.dtype) if not isinstance(g, Tensor) else cast(g, self.dtype)),


def cast(input: Tensor, dtype) -> Tensor:
    """``input`` in another dtype; the gradient comes back in the old one."""
    return input if input.dtype == dtype else Cast.apply(input, dtype=held(dtype, "to"))


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


def to(self: Tensor, *args: DType | Tensor | bool, device: str | None = None, dtype: DType = None,
       non_blocking: bool = False, copy: bool = False) -> Tensor:
    """The tensor on another device or in another dtype; itself if nothing changes.

    Gradient: dL/dself = g, back on the old device and in the old dtype.

    Args:
        *args: one of (device, dtype, non_blocking, copy), (dtype, non_blocking, copy) and (tensor, non_blocking, copy), all
            but the first optional. Of a Tensor the device and the dtype are taken.
        device: "cpu", "cuda" or "cuda:N".
        dtype: a NumPy dtype.
        non_blocking: PyTorch's hint for speed; without effect here.
        copy: a tensor of its own also if nothing changes.

    Returns:
        Tensor of the same shape.

    Raises:
        TypeError: arguments in another order.
    """
    if len(args) == 1 and isinstance(args[0], (np.dtype, type)) and device is None and dtype is None:
        dtype = args[0]
    elif args:
        named = {"device": device, "dtype": dtype, "non_blocking": non_blocking, "copy": copy}
        device, dtype, copy = destination("to", args, {name: value for name, value in named.items() if value})
    out = self
    if device is not None and out.device != device and not (device == "cuda" and out.device.startswith("cuda")):
        out = transfer(out, device)
    if dtype is not None:
        out = cast(out, held(dtype, "to"))
    return Cast.apply(out, dtype=out.dtype) if copy and out is self else out


def destination(operation: str, args: tuple, kwargs: dict) -> tuple[str | None, DType, bool]:
    """(device, dtype, copy) from the arguments of ``to``.

    Raises:
        TypeError: arguments in another order, twice or unknown.
    """
    first = args[0] if args else None
    if isinstance(first, Tensor):
        names = ["tensor", "non_blocking", "copy"]
    elif first is None or isinstance(first, str) and first.partition(":")[0] in ("cpu", "cuda"):
        names = ["device", "dtype", "non_blocking", "copy"]
    else:
        names = ["dtype", "non_blocking", "copy"]
    given = dict(zip(names, args))
    if len(args) > len(names) or given.keys() & kwargs.keys() or kwargs.keys() - {"device", "dtype", "non_blocking", "copy"}:
        raise TypeError(f"{operation}: cannot take {args} and {kwargs}; write to(device, dtype), to(dtype) or to(tensor)")
    given |= kwargs
    for flag in ("non_blocking", "copy"):
        if not isinstance(given.get(flag, False), bool):
            raise TypeError(f"{operation}: {flag} is True or False, not {given[flag]!r}; write to(device, dtype), to(dtype) "
                            "or to(tensor)")
    if "tensor" in given:
        given = {"device": given["tensor"].device, "dtype": given["tensor"].dtype} | given
    return given.get("device"), given.get("dtype"), given.get("copy", False)


def cuda_device(device: int | str | None) -> str:
    """The name of a GPU from its number or its name; any for None."""
    return "cuda" if device is None else f"cuda:{device}" if isinstance(device, int) else device
