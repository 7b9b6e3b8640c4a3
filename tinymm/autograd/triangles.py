"""Diagonals and triangles of matrices."""

from __future__ import annotations

import numpy as np

from ..backend.arrays import xp_of
from .axes import axis
from .function import Primitive
from .integers import integer
from .tensor import Tensor


def _at(offset: int, d0: int, d1: int, ndim: int, length: int, xp) -> tuple:
    """The index of the elements [i, i + offset] of the axes d0 and d1."""
    steps = xp.arange(length)
    where: list = [slice(None)] * ndim
    where[d0], where[d1] = steps + max(-offset, 0), steps + max(offset, 0)
    return tuple(where)


class Diagonal(Primitive):
    """y_i = x[i, i + offset] (a view, on the last axis)."""

    name = "diagonal"
    view = True

    def forward(self, x, offset, d0, d1):
        offset = max(-x.shape[d0], min(offset, x.shape[d1]))   # beyond is nothing, too, but NumPy reads there
        self.shape, self.place = x.shape, (offset, d0, d1)
        y = x.diagonal(offset, d0, d1)
        if isinstance(y, np.ndarray) and x.flags.writeable:
            y.flags.writeable = True   # NumPy hands out a read-only view; in-place changes of a view are meant here
        return y

    def backward(self, g):
        return from_diagonal(g, self.shape, *self.place)


class FromDiagonal(Primitive):
    """Zeros of a shape with x on a diagonal."""

    name = "from_diagonal"

    def forward(self, x, shape, offset, d0, d1):
        xp = xp_of(x)
        self.place = offset, d0, d1
        y = xp.zeros(shape, x.dtype)
        inside = np.moveaxis(y, (d0, d1), (-2, -1))   # a view: what is written to it lands in y
        inside[_at(offset, y.ndim - 2, y.ndim - 1, y.ndim, x.shape[-1], xp)] = x
        return y

    def backward(self, g):
        offset, d0, d1 = self.place
        return g.diagonal(offset, d0, d1)


def from_diagonal(x, shape: tuple, offset: int, d0: int, d1: int):
    """Zeros of ``shape`` with ``x`` on a diagonal; for an array or a Tensor."""
    options = dict(shape=shape, offset=offset, d0=d0, d1=d1)
    return FromDiagonal.apply(x, **options) if isinstance(x, Tensor) else FromDiagonal().forward(x, **options)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements whose indices on ``dim1`` and ``dim2`` are i and i + ``offset``, as a view.

    Gradient: dL/dinput = g on that diagonal, else 0.

    Args:
        input: Tensor of at least two axes.
        offset: 0 for the main diagonal, positive above it, negative below.
        dim1, dim2: the two axes.

    Returns:
        Tensor of the other axes, followed by the diagonal.

    Raises:
        ValueError: fewer than two axes, or the same axis twice.
        IndexError: an axis out of range.
    """
    if input.ndim < 2:
        raise ValueError(f"diagonal: shape {input.shape}; a diagonal needs two axes (diag makes a matrix of a vector)")
    d0, d1 = axis("diagonal", dim1, input.ndim, "dim1"), axis("diagonal", dim2, input.ndim, "dim2")
    if d0 == d1:
        raise ValueError(f"diagonal: dim1={dim1} and dim2={dim2} are the same axis")
    return Diagonal.apply(input, offset=integer("diagonal", "offset", offset), d0=d0, d1=d1)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis of ``input`` on a diagonal, and 0 elsewhere.

    Gradient: dL/dinput = the diagonal of g.

    Args:
        input: Tensor (*, n).
        offset: 0 for the main diagonal, positive above it, negative below.
        dim1, dim2: the places of the two axes of the matrices in the result.

    Returns:
        Tensor with n + abs(offset) rows and columns on ``dim1`` and ``dim2``.

    Raises:
        ValueError: a 0-d tensor, or the same axis twice.
        IndexError: an axis out of range.
    """
    if input.ndim == 0:
        raise ValueError("diag_embed: a 0-d tensor has no axis to put on a diagonal")
    n, offset = input.ndim + 1, integer("diag_embed", "offset", offset)
    d0, d1 = axis("diag_embed", dim1, n, "dim1"), axis("diag_embed", dim2, n, "dim2")
    if d0 == d1:
        raise ValueError(f"diag_embed: dim1={dim1} and dim2={dim2} are the same axis")
    side = input.shape[-1] + abs(offset)
    rest = iter(input.shape[:-1])
    shape = tuple(side if i in (d0, d1) else next(rest) for i in range(n))
    if d0 > d1:   # the diagonal is the same one seen from the other side
        d0, d1, offset = d1, d0, -offset
    return FromDiagonal.apply(input, shape=shape, offset=offset, d0=d0, d1=d1)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    Gradient: dL/dinput = g on that diagonal, else 0; for a vector the diagonal of g.

    Args:
        input: Tensor (N, M) or (N,).
        diagonal: 0 for the main diagonal, positive above it, negative below.

    Returns:
        Tensor (K,), a view of the matrix; or (N + abs(diagonal), N + abs(diagonal)).

    Raises:
        ValueError: neither a vector nor a matrix.
    """
    if input.ndim not in (1, 2):
        raise ValueError(f"diag: shape {input.shape}; give a vector or a matrix, or use diagonal or diag_embed")
    diagonal = integer("diag", "diagonal", diagonal)
    return diag_embed(input, diagonal) if input.ndim == 1 else Diagonal.apply(input, offset=diagonal, d0=0, d1=1)


class Tril(Primitive):
    """The lower triangle, zeros above it."""

    name = "tril"

    def forward(self, x, k):
        self.k = k
        return np.tril(x, k)

    def backward(self, g):
        return np.tril(g, self.k)


class Triu(Primitive):
    """The upper triangle, zeros below it."""

    name = "triu"

    def forward(self, x, k):
        self.k = k
        return np.triu(x, k)

    def backward(self, g):
        return np.triu(g, self.k)


def _triangle(operation, input: Tensor, diagonal: int) -> Tensor:
    if input.ndim < 2:
        raise ValueError(f"{operation.name}: shape {input.shape}; a triangle needs at least two axes")
    diagonal = integer(operation.name, "diagonal", diagonal)
    return operation.apply(input, k=max(-input.shape[-2], min(diagonal, input.shape[-1])))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and below a diagonal of each matrix, zeros elsewhere.

    Gradient: dL/dinput = g on and below the diagonal, else 0.

    Args:
        input: Tensor (*, N, M).
        diagonal: 0 for the main diagonal, positive above it, negative below.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: fewer than two axes.
    """
    return _triangle(Tril, input, diagonal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and above a diagonal of each matrix, zeros elsewhere.

    Gradient: dL/dinput = g on and above the diagonal, else 0.

    Args:
        input: Tensor (*, N, M).
        diagonal: 0 for the main diagonal, positive above it, negative below.

    Returns:
        Tensor of the shape and dtype of ``input``.

    Raises:
        ValueError: fewer than two axes.
    """
    return _triangle(Triu, input, diagonal)
