"""Which array module an array belongs to.

The engine never asks "CPU or GPU?": it takes the array module from the array it was given, and
leaves element-wise arithmetic to NumPy's own protocols (``np.exp(cupy_array)`` runs in CuPy).
CuPy is imported only when somebody asks for a GPU.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any   # an array of any registered type: NumPy's, CuPy's, ...

_MODULES: dict[type, Any] = {np.ndarray: np}   # array type -> its array module
_RUNGS: dict[type, str] = {}                      # array type -> the rung that computes on it
_DEVICES: dict[type, str] = {np.ndarray: "cpu"}   # array type -> the name of its device


def register_array_type(array_type: type, module: Any, device: str, rung: str = "numpy") -> None:
    """Teach the engine a new array type.

    Args:
        array_type: the class of the arrays.
        module: the namespace with NumPy's functions for them.
        device: what ``Tensor.device`` says.
        rung: "cuda" where CUDA kernels can run on such arrays, "numpy" where only array-module code can.
    """
    _MODULES[array_type] = module
    _DEVICES[array_type] = device
    _RUNGS[array_type] = rung


def xp_of(array: Array) -> Any:
    """The array module (NumPy, CuPy, ...) whose functions create neighbours of ``array``."""
    return _MODULES.get(type(array)) or _MODULES[_array_class(array) or np.ndarray]


def device_of(array: Array) -> str:
    """"cpu", "cuda:0", ..."""
    device = _DEVICES.get(type(array)) or _DEVICES[_array_class(array) or np.ndarray]
    return f"cuda:{array.device.id}" if device == "cuda" else device


def rung_of(array: Array) -> str | None:
    """The rung that an array's own type asks for, or None for a NumPy array (see ``jit.rung``)."""
    return _RUNGS.get(type(array))


def is_array(value: Any) -> bool:
    """Whether ``value`` is an array of any registered kind (NumPy scalars are not)."""
    return type(value) in _MODULES or _array_class(value) is not None   # the first is quick


def _array_class(value: Any) -> type | None:
    for base in type(value).__mro__:
        if base in _MODULES:
            return base
    return None


def as_array(value: Any) -> Array:
    """``value`` as an array of a registered kind: NumPy scalars become 0-d arrays, subclasses of arrays plain ones."""
    if type(value) is np.ndarray:
        return value
    return value if is_array(value) and not isinstance(value, np.ndarray) else np.asarray(value)


def writeable(array: Array) -> bool:
    """Whether a C-contiguous array's values can be changed: not a transposed, expanded or read-only one."""
    flags = array.flags
    return flags.carray if type(array) is np.ndarray else flags.c_contiguous


def to_host(array: Array) -> np.ndarray:
    """A NumPy array with the same values; the only place where data leave a device."""
    if isinstance(array, np.ndarray):
        return array
    return array.get() if hasattr(array, "get") else np.asarray(array)


@functools.lru_cache(maxsize=1)
def require_cupy() -> Any:
    """The ``cupy`` module, or a RuntimeError that says what is missing."""
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError("cuda: CuPy is not installed; pip install 'tinymm[cuda12]' or 'tinymm[cuda13]', "
                           "whichever matches the driver (never both)") from error
    if not cupy.cuda.is_available():
        raise RuntimeError("cuda: CuPy is installed but finds no GPU; check the driver with nvidia-smi, "
                           "or stay on device='cpu'")
    register_array_type(cupy.ndarray, cupy, "cuda", rung="cuda")
    return cupy


def to_device(array: Array, device: str) -> Array:
    """The same values on ``device``: "cpu", "cuda" or "cuda:N".

    Raises:
        RuntimeError: no usable GPU, with what is missing and what to install.
        ValueError: an unknown device name.
    """
    if device == "cpu":
        return to_host(array)
    if not isinstance(device, str):
        raise ValueError(f"to: unknown device {device!r}; devices are 'cpu', 'cuda' and 'cuda:N'")
    name, _, index = device.partition(":")
    for array_type, known in _DEVICES.items():
        if known == device and hasattr(_MODULES[array_type], "asarray"):
            return array if isinstance(array, array_type) else _MODULES[array_type].asarray(to_host(array))
    if name != "cuda" or (index and not index.isdigit()):
        raise ValueError(f"to: unknown device {device!r}; devices are 'cpu', 'cuda' and 'cuda:N'")
    cupy = require_cupy()
    with cupy.cuda.Device(int(index or 0)):
        return cupy.asarray(array)
