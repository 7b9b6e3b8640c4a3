"""Picking elements by index, and putting them back: gradients are added where an element was picked twice."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import is_array, xp_of
from .axes import axis
from .function import Primitive
from .tensor import Tensor, raw_index


def _is_basic(index) -> bool:
    """Whether an index consists of integers, slices, None and ..., so that the result is a view."""
    items = index if isinstance(index, tuple) else (index,)
    return all(i is None or i is Ellipsis or isinstance(i, slice) or
               (isinstance(i, (int, np.integer)) and not isinstance(i, (bool, np.bool_))) for i in items)


class Index(Primitive):
    """y = x[index] for a basic index (a view)."""

    name = "getitem"
    view = True

    def forward(self, x, index):
        self.shape, self.index = x.shape, index
        y = x[index]
        return y if is_array(y) else np.asarray(y)

    def backward(self, g):
        return put(g, self.index, self.shape)


class AdvancedIndex(Index):
    """y = x[index] with arrays in the index (a copy)."""

    view = False


class Put(Primitive):
    """y = zeros(shape); y[index] += x."""

    name = "put"

    def forward(self, x, index, shape):
        self.index = index
        y = xp_of(x).zeros(shape, x.dtype)
        if _is_basic(index):
            y[index] = x
        else:
            xp_of(x).add.at(y, index, x)
        return y

    def backward(self, g):
        return g[self.index]


def put(g, index, shape):
    """Zeros of ``shape`` with ``g`` added at ``index``; on an array or a Tensor."""
    if isinstance(g, Tensor):
        return Put.apply(g, index=index, shape=shape)
    return Put().forward(g, index, shape)


def getitem(input: Tensor, index) -> Tensor:
    """input[index], with NumPy's basic and advanced indexing; elements picked twice get both gradients.

    Raises:
        IndexError: an index out of range, too many indices, or a mask of the wrong shape.
    """
    index = raw_index(index)
    if isinstance(index, list):
        index = np.asarray(index)
    basic = _is_basic(index)
    if not basic and isinstance(index, tuple):
        index = tuple(np.asarray(i) if isinstance(i, list) else i for i in index)
    try:
        return (Index if basic else AdvancedIndex).apply(input, index=index)
    except IndexError as error:
        raise IndexError(f"getitem: {error} (the tensor has shape {input.shape})") from None


def gather_rows(name: str, input: Tensor, dim: int, index) -> tuple[int, Tensor]:
    """Check the ``dim`` and ``index`` of an operation that picks along one axis."""
    d = axis(name, dim, input.ndim)
    index = index if isinstance(index, Tensor) else Tensor(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: index must be an integer tensor, not {index.dtype}")
    n = input.shape[d] if input.ndim else 1
    if index.numel() and (index._data.min() < -n or index._data.max() >= n):
        raise IndexError(f"{name}: index holds values from {index._data.min()} to {index._data.max()} but dim={d} has "
                         f"length {n}")
    return d, index


def take_along_dim(input: Tensor, indices, dim: int) -> Tensor:
    """The elements at ``indices`` along axis ``dim``; the other axes broadcast."""
    d, index = gather_rows("take_along_dim", input, dim, indices)
    grid = np.ogrid[tuple(slice(n) for n in input.shape)] if input.ndim else []
    where = tuple(index._data if i == d else grid[i] for i in range(input.ndim))
    return getitem(input, where)


def index_select(input: Tensor, dim: int, index) -> Tensor:
    """The slices of ``input`` at the positions ``index`` (1-D) along axis ``dim``."""
    d, index = gather_rows("index_select", input, dim, index)
    return getitem(input, (slice(None),) * d + (index._data.reshape(-1),))
