"""Making tensors: from data, filled with a number, in sequence. (Random numbers: sampling.py.)

The functions share three arguments. ``dtype``: a NumPy dtype; None follows PyTorch's rule (Python floats make the
default dtype, float32; integers int64; booleans bool; arrays keep theirs). ``device``: "cpu", "cuda" or "cuda:N".
``requires_grad``: whether a gradient is wanted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.admission import admitted, held
from ..backend.arrays import Array, is_array, to_device, xp_of
from .integers import LARGEST, integer, sizes
from .kinds import DType, Number, Shape
from .pointwise import fitted
from .tensor import Tensor, array_from, get_default_dtype

__all__ = ["tensor", "as_tensor", "from_numpy", "zeros", "ones", "full", "empty", "zeros_like", "ones_like",
           "full_like", "empty_like", "arange", "linspace", "eye"]


def finish(array: Array, dtype: DType, device: str | None, requires_grad: bool) -> Tensor:
    """An array in the dtype, on the device and with the flag that a creation function was asked for."""
    if dtype is not None:
        array = array.astype(held(dtype), copy=False)
    return Tensor(array if device in (None, "cpu") else to_device(array, device), requires_grad)


def _filled(operation: str, make: Any, size: tuple, dtype: DType, *value: Any, named: Any = None) -> Array:
    """``make(size, *value, dtype)`` of NumPy's, with the arguments checked."""
    size = sizes(operation, size, least=0, named=named)
    return make(size, *value, get_default_dtype() if dtype is None else held(dtype, operation))


# ---------------------------------------------------------------------- from data

def tensor(data: Any, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``.

    Gradient: none flows back to ``data``.

    Args:
        data: a number, nested lists of numbers, an array, or a Tensor.
        dtype: a NumPy dtype; None: Python's floats make the default float, integers int64, booleans bool;
            arrays keep theirs.
        device: "cpu", "cuda" or "cuda:N"; None: where ``data`` is.
        requires_grad: whether a gradient is wanted.

    Returns:
        Tensor of the shape of the nested lists or the array.

    Raises:
        ValueError: lists of different lengths where one length is needed.
        TypeError: what no Tensor holds (complex numbers, objects, text, masked entries), or requires_grad for integers.
    """
    if isinstance(data, Tensor):
        data = data._data
    if is_array(data):
        data = admitted(data).copy()
        if device is None:
            return Tensor(data if dtype is None else data.astype(held(dtype), copy=False), requires_grad)
        return finish(data, dtype, device, requires_grad)
    return finish(array_from(data, dtype), None, device, requires_grad)


def as_tensor(data: Any, dtype: DType = None, device: str | None = None) -> Tensor:
    """``data`` as a tensor, without a copy where that is possible: a Tensor comes back as it is, an array is shared.

    Gradient: dL/ddata = g where ``data`` is a Tensor, else none.

    Args:
        data: as in ``tensor``.
        dtype: a NumPy dtype; None as in ``tensor``.
        device: "cpu", "cuda" or "cuda:N"; None: where ``data`` is.

    Returns:
        Tensor of the shape of ``data``.

    Raises:
        ValueError, TypeError: as ``tensor``.
    """
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)
    return finish(admitted(data), dtype, device, False) if is_array(data) else tensor(data, dtype=dtype, device=device)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the memory of a NumPy array.

    Gradient: none (an array has none).

    Args:
        ndarray: NumPy array of any shape and dtype.

    Returns:
        Tensor of the shape and dtype of ``ndarray``.

    Raises:
        TypeError: anything else, a dtype that no Tensor has, a masked array, or another byte order than the machine's.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(ndarray).__name__}; use tinymm.tensor")
    if not ndarray.dtype.isnative:
        raise TypeError(f"from_numpy: an array of {ndarray.dtype}, not in the machine's byte order, cannot be shared; use "
                        "tinymm.tensor, which copies")
    return Tensor(admitted(ndarray, "from_numpy"))


# ---------------------------------------------------------------------- one number everywhere

def zeros(*size_: Shape, size: Shape | None = None, dtype: DType = None, device: str | None = None,
          requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    Gradient: none (nothing is differentiated).

    Args:
        *size_, size: lengths of the axes, or one tuple of them; by name a tuple.
        dtype: a NumPy dtype; None for the default float.
        device: "cpu" (None), "cuda" or "cuda:N".
        requires_grad: whether a gradient is wanted.

    Returns:
        Tensor of shape ``size``.

    Raises:
        ValueError: a negative length.
        TypeError: requires_grad for integers.
    """
    return finish(_filled("zeros", np.zeros, size_, dtype, named=size), None, device, requires_grad)


def ones(*size_: Shape, size: Shape | None = None, dtype: DType = None, device: str | None = None,
         requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    Gradient: none (nothing is differentiated).

    Args:
        *size_, size, dtype, device, requires_grad: as in ``zeros``.

    Returns:
        Tensor of shape ``size``.

    Raises:
        ValueError: a negative length.
        TypeError: requires_grad for integers.
    """
    return finish(_filled("ones", np.ones, size_, dtype, named=size), None, device, requires_grad)


def empty(*size_: Shape, size: Shape | None = None, dtype: DType = None, device: str | None = None,
          requires_grad: bool = False) -> Tensor:
    """A tensor whose values are whatever the memory held.

    Gradient: none (nothing is differentiated).

    Args:
        *size_, size, dtype, device, requires_grad: as in ``zeros``.

    Returns:
        Tensor of shape ``size``.

    Raises:
        ValueError: a negative length.
        TypeError: requires_grad for integers.
    """
    return finish(_filled("empty", np.empty, size_, dtype, named=size), None, device, requires_grad)


def full(size: Shape, fill_value: Number, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with the same number everywhere.

    Gradient: none (nothing is differentiated).

    Args:
        size: lengths of the axes, a tuple or one integer.
        fill_value: a number, or a Tensor with one element.
        dtype: a NumPy dtype; None for that of the number, as ``tensor`` sees it.
        device, requires_grad: as in ``zeros``.

    Returns:
        Tensor of shape ``size``.

    Raises:
        ValueError: a negative length.
        TypeError: requires_grad for integers.
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    filling = array_from(value, None, "full")   # refuses what no Tensor holds
    array = _filled("full", np.empty, (size,), filling.dtype if dtype is None else dtype)
    array[...] = fitted(value, array)
    return finish(array, None, device, requires_grad)


def _like(input: Tensor, fill, dtype, device: str | None, requires_grad: bool) -> Tensor:
    """A tensor of the shape, dtype and device of another, with one number (None: any) everywhere."""
    dtype = input.dtype if dtype is None else held(dtype)
    xp = xp_of(input._data)
    array = xp.empty(input.shape, dtype) if fill is None else xp.full(input.shape, fill, dtype)
    return Tensor(array if device in (None, input.device) else to_device(array, device), requires_grad)


def zeros_like(input: Tensor, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape of another tensor.

    Gradient: none (nothing is differentiated).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        dtype, device: others instead of those of ``input``.
        requires_grad: whether a gradient is wanted.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        TypeError: requires_grad for integers.
    """
    return _like(input, 0, dtype, device, requires_grad)


def ones_like(input: Tensor, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape of another tensor.

    Gradient: none (nothing is differentiated).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        dtype, device: others instead of those of ``input``.
        requires_grad: whether a gradient is wanted.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        TypeError: requires_grad for integers.
    """
    return _like(input, 1, dtype, device, requires_grad)


def full_like(input: Tensor, fill_value: Number, *, dtype: DType = None, device: str | None = None,
              requires_grad: bool = False) -> Tensor:
    """One number everywhere in the shape of another tensor.

    Gradient: none (nothing is differentiated).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        fill_value: a number, or a Tensor with one element; it takes the dtype.
        dtype, device: others instead of those of ``input``.
        requires_grad: whether a gradient is wanted.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        TypeError: requires_grad for integers.
    """
    value = fill_value.item() if isinstance(fill_value, Tensor) else fill_value
    return _like(input, value, dtype, device, requires_grad)


def empty_like(input: Tensor, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Any values in the shape of another tensor: whatever the memory held.

    Gradient: none (nothing is differentiated).

    Args:
        input: Tensor whose shape, dtype and device are taken.
        dtype, device: others instead of those of ``input``.
        requires_grad: whether a gradient is wanted.

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        TypeError: requires_grad for integers.
    """
    return _like(input, None, dtype, device, requires_grad)


# ---------------------------------------------------------------------- in sequence

def arange(start: float | None = None, end: float | None = None, step: float = 1, *, dtype: DType = None, device: str | None = None,
           requires_grad: bool = False) -> Tensor:
    """start, start + step, ... up to, not including, end; one argument is the end.

    Gradient: none (nothing is differentiated).

    Args:
        start, end, step: numbers; ``arange(end)`` starts at 0.
        dtype: a NumPy dtype; None for int64 where all three are integers, else the default float.
        device, requires_grad: as in ``zeros``.

    Returns:
        Tensor (n,) with n = ceil((end - start) / step).

    Raises:
        ValueError: step is 0, or leads away from end.
        TypeError: no end.
    """
    first, stop = (0, start) if end is None else (0 if start is None else start, end)
    if stop is None:
        raise TypeError("arange: give an end, e.g. arange(3)")
    first, stop, step = (v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (first, stop, step))
    if step == 0:
        raise ValueError("arange: step must not be 0")
    if (stop - first) * step < 0:
        raise ValueError(f"arange: from start={first} a step of {step} never reaches end={stop}; change its sign")
    if dtype is None:
        dtype = np.int64 if isinstance(first + stop + step, int) else get_default_dtype()
    length = (stop - first) / step
    if not length <= LARGEST:   # NaN, too
        raise ValueError(f"arange: from start={first} to end={stop} by step={step} are {length} numbers, more than an axis holds")
    return finish(first + step * np.arange(math.ceil(length)), dtype, device, requires_grad)


def linspace(start: float, end: float, steps: int, *, dtype: DType = None, device: str | None = None,
             requires_grad: bool = False) -> Tensor:
    """``steps`` numbers at equal distances from start to end, both included.

    Gradient: none (nothing is differentiated).

    Args:
        start, end: numbers.
        steps: how many.
        dtype, device, requires_grad: as in ``zeros``.

    Returns:
        Tensor (steps,).

    Raises:
        ValueError: a negative number of steps.
    """
    steps = integer("linspace", "steps", steps, 0)
    if isinstance(start, str) or isinstance(end, str):
        raise TypeError(f"linspace: start={start!r} and end={end!r} must be numbers")
    return finish(np.linspace(start, end, steps), dtype or get_default_dtype(), device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: DType = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix: ones on the diagonal and zeros elsewhere.

    Gradient: none (nothing is differentiated).

    Args:
        n, m: rows and columns; m = n by default.
        dtype, device, requires_grad: as in ``zeros``.

    Returns:
        Tensor (n, m).

    Raises:
        ValueError: a negative length.
    """
    n, m = integer("eye", "n", n, 0), None if m is None else integer("eye", "m", m, 0)
    return finish(np.eye(n, m, dtype=get_default_dtype() if dtype is None else held(dtype, "eye")), None, device, requires_grad)
