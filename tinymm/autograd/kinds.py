"""Names for the kinds of arguments that operations take: what the signatures of Tensor's methods are written in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, SupportsIndex, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..backend.random import Stream
    from .tensor import Tensor

Number: TypeAlias = "float | np.generic"                              # an integer and a boolean are floats to a checker
Operand: TypeAlias = "Tensor | np.ndarray | float | np.generic"       # what stands beside a Tensor
Dims: TypeAlias = "int | Sequence[int]"                               # one axis, or several
Shape: TypeAlias = "SupportsIndex | Sequence[SupportsIndex]"          # one of *shape: a length, or all of them
DType: TypeAlias = "npt.DTypeLike | None"
Indices: TypeAlias = "Tensor | np.ndarray | Sequence[int] | int"
Generator: TypeAlias = "Stream | str | None"                          # a random stream, or its name


class ValuesIndices(NamedTuple):
    """Chosen elements, and where they stood."""

    values: Tensor
    indices: Tensor


class Unary(Protocol):
    """An element-wise operation of one argument."""

    __name__: str

    def __call__(self, input: Operand) -> Tensor: ...


class Binary(Protocol):
    """An element-wise operation of two arguments, which broadcast."""

    __name__: str

    def __call__(self, input: Operand, other: Operand) -> Tensor: ...
