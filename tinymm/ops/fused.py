"""Fused: an operation on four rungs that compute the same thing.

=============  ====================================================================================
definition     the formula, composed from Tensor operations; what the other rungs are checked against
numpy          ``forward_numpy`` / ``backward_numpy``: array-module code, also the fallback on a GPU
numba          ``forward_numba`` / ``backward_numba``: kernels for float32 and float64 on the CPU
cuda           ``forward_cuda`` / ``backward_cuda``: CUDA kernels on CuPy arrays
=============  ====================================================================================

A rung that a class does not write falls back to ``numpy``. The backward runs on the rung of its forward.

float16 is computed in float32, but for CUDA kernels, and rounded once at the end: its squares, sums and counts would
overflow at 65,504.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.function import Function
from ..autograd.tensor import float16
from ..backend.arrays import as_array, is_array
from ..backend.jit import ready, rung


class Fused(Function):
    """Base of the fused operations. Subclasses set ``name``, write ``definition`` and the rungs.

    ``forward_*`` and ``backward_*`` take arrays and keep what they need as attributes of ``self``. On the numba
    rung all floating-point arrays arrive C-contiguous and writeable, gradients too.
    """

    rung: str            # the one that its forward took
    narrow: bool = False   # whether float16 came and goes

    def forward(self, *args: Any, **options: Any) -> Any:
        arrays = [a for a in args if type(a) is np.ndarray or is_array(a)]
        if float16.char in [a.dtype.char for a in arrays] and rung(arrays[0]) != "cuda":
            self.narrow = True
            args = tuple(widened(args))
            return narrowed(self._forward([a for a in args if is_array(a)], args, options))
        return self._forward(arrays, args, options)

    def _forward(self, arrays: list, args: tuple, options: dict[str, Any]) -> Any:
        """``args`` on the rung of the first of the ``arrays`` among them."""
        self.rung = rung(arrays[0])
        if self.rung == "numba":
            if 0 in [a.size for a in arrays]:
                self.rung = "numpy"   # kernels need not think about empty axes
            else:
                args = tuple([ready(a) if type(a) is np.ndarray and a.dtype.kind == "f" else a for a in args])
        if not hasattr(self, "forward_" + self.rung):
            self.rung = "numpy"
        return getattr(self, "forward_" + self.rung)(*args, **options)

    def backward(self, *grads: Any) -> Any:
        if self.narrow:
            return narrowed(self._backward(*widened(grads)))
        return self._backward(*grads)

    def _backward(self, *grads: Any) -> Any:
        if self.rung == "numba":
            grads = tuple([ready(g) for g in grads])
        return getattr(self, "backward_" + self.rung)(*grads)

    def forward_numpy(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.forward_numpy is not written")

    def backward_numpy(self, *grads: Any, **none: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}.backward_numpy is not written")


def widened(arrays: tuple) -> list:
    """float16 arrays as float32, anything else as it is."""
    return [a.astype(np.float32) if is_array(a) and a.dtype == float16 else a for a in arrays]


def narrowed(result: Any) -> Any:
    """The float32 arrays of a result as float16."""
    if isinstance(result, tuple):
        return tuple([narrowed(part) for part in result])
    if getattr(result, "dtype", None) != np.float32:
        return result
    with np.errstate(over="ignore"):
        return as_array(result).astype(float16)


def rungs_of(cls: type[Fused]) -> list[str]:
    """The rungs that a fused operation writes, besides its definition."""
    return [name for name in ("numpy", "numba", "cuda") if f"forward_{name}" in vars(cls) or
            any(f"forward_{name}" in vars(base) for base in cls.__mro__[:-1] if base is not Fused)]
