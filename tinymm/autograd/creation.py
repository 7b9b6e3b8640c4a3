"""Making tensors."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import is_array, to_device
from ..backend.random import stream
from .axes import sizes
from .tensor import Tensor, array_from, get_default_dtype


def finish(array, dtype, device, requires_grad) -> Tensor:
    """An array in the dtype, on the device and with the flag that a creation function was asked for."""
    if dtype is not None:
        array = array.astype(np.dtype(dtype), copy=False)
    return Tensor(array if device in (None, "cpu") else to_device(array, device), requires_grad)


def tensor(data, *, dtype=None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``: numbers, nested lists, an array.

    Python floats become float32 (the default dtype), Python integers int64; arrays keep their dtype.
    """
    data = data._data if isinstance(data, Tensor) else data
    array = data.copy() if is_array(data) else array_from(data)
    if dtype is not None and not is_array(data):
        array = np.array(data if not isinstance(data, (list, tuple)) else array_from(data, dtype), dtype=dtype)
    return finish(array, dtype, device, requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}; use tinymm.tensor")
    return Tensor(array)


def zeros(*size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros."""
    return finish(np.zeros(sizes(size), dtype or get_default_dtype()), None, device, requires_grad)


def ones(*size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    return finish(np.ones(sizes(size), dtype or get_default_dtype()), None, device, requires_grad)


def full(size, fill_value, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """A tensor with the same number everywhere; its dtype is that of the number, as ``tensor`` sees it."""
    dtype = dtype or array_from(fill_value).dtype
    return finish(np.full(sizes((size,)), fill_value, dtype), None, device, requires_grad)


def randn(*size, dtype=None, device=None, requires_grad: bool = False, generator=None) -> Tensor:
    """Normal numbers of mean 0 and variance 1.

    Args:
        generator: the random stream to draw from (default: the stream "sampling").
    """
    dtype = np.dtype(dtype or get_default_dtype())
    return finish(stream(generator).generator.standard_normal(sizes(size), dtype=dtype), None, device, requires_grad)


def rand(*size, dtype=None, device=None, requires_grad: bool = False, generator=None) -> Tensor:
    """Uniform numbers in [0, 1)."""
    dtype = np.dtype(dtype or get_default_dtype())
    return finish(stream(generator).generator.random(sizes(size), dtype=dtype), None, device, requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """start, start + step, ... up to, not including, end."""
    start, end = (0, start) if end is None else (start, end)
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if dtype is None and all(isinstance(v, (int, np.integer)) for v in (start, end, step)):
        dtype = np.int64
    return finish(np.arange(start, end, step), dtype or get_default_dtype(), device, requires_grad)
