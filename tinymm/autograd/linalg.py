"""Matrix products (sums over any named axes: ``einsum.py``)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..backend import products
from .axes import axis
from .casting import cast
from .elementwise import add, mul
from .pointwise import promote, unbroadcast
from .function import Primitive
from .integers import integer, listed
from .shape import expand, movedim, reshape, unsqueeze
from .tensor import Tensor


def _swap(a):
    """The last two axes exchanged."""
    return np.swapaxes(a, -1, -2)


def _rows(a):
    """All axes but the last merged into one."""
    return a.reshape((math.prod(a.shape[:-1]), a.shape[-1]))


def _shaped(a, shape: tuple):
    """Under another shape; itself if it has it, because a leaf takes a whole array without a copy, but not a view."""
    return a if a.shape == shape else a.reshape(shape)


def product(a, b):
    """A B, as one large product instead of a row of small ones where b is a single matrix."""
    if isinstance(a, np.ndarray) and a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
        y = np.empty(a.shape[:-1] + b.shape[-1:], np.result_type(a, b))
        products.matmul(_rows(a), b, out=_rows(y))
        return y
    return products.matmul(a, b)


class MatMul(Primitive):
    """Y = A B;  dL/dA = G B^T,  dL/dB = A^T G  (leading axes broadcast)."""

    name = "matmul"
    keep = (0, 1)

    def forward(self, a, b):
        self.shapes = a.shape, b.shape
        return product(a, b)

    def backward(self, g, a, b):
        (sa, sb), (ea, eb) = self.shapes, self.edges
        if len(sb) == 1:   # a vector on the right is one column, on the left one row
            b, g = b.reshape(sb + (1,)), g.reshape(g.shape + (1,))
        if len(sa) == 1:
            a, g = a.reshape((1,) + sa), g.reshape(g.shape[:-1] + (1,) + g.shape[-1:])
        ga = gb = None
        if ea is not None:
            ga = _shaped(unbroadcast(product(g, _swap(b)), a.shape), sa)
        if eb is not None:
            if b.ndim == 2 and a.ndim > 2:   # one product over all leading axes instead of a sum of many
                gb = _shaped(products.matmul(_swap(_rows(a)), _rows(g)), sb)
            else:
                gb = _shaped(unbroadcast(products.matmul(_swap(a), g), b.shape), sb)
        return ga, gb


def _pair(name: str, a, b) -> tuple[Tensor, Tensor]:
    """Two Tensors of one dtype."""
    a, b = (t if isinstance(t, Tensor) else Tensor(t) for t in (a, b))
    if a.dtype != b.dtype:
        x, y = promote(a._data.reshape(-1)[:1], b._data.reshape(-1)[:1])
        a, b = cast(a, x.dtype), cast(b, y.dtype)
    return a, b


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two axes; leading axes broadcast, 1-D arguments are a row or a column.

    Gradient: dL/dinput = g @ other^T; dL/dother = input^T @ g; each summed over the leading axes that
    broadcast.

    Args:
        input: (..., N, K) or (K,).
        other: (..., K, M) or (K,).

    Returns:
        Tensor (..., N, M), without the axis of an argument that was 1-D.

    Raises:
        ValueError: inner axes that disagree; the message names both.
    """
    a, b = _pair("matmul", input, other)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}: a 0-d tensor is no matrix; use * instead")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: input {a.shape} has {a.shape[-1]} columns but other {b.shape} has "
                         f"{b.shape[-2 if b.ndim > 1 else 0]} rows; transpose one of them?")
    try:
        return MatMul.apply(a, b)
    except ValueError as error:
        raise ValueError(f"matmul: the leading axes of {a.shape} and {b.shape} do not broadcast") from error


def _with_axes(name: str, first: str, a: Tensor, dims_a: str, second: str, b: Tensor, dims_b: str) -> None:
    """Raise unless a and b have the axes named in ``dims_a`` and ``dims_b``, and agree where a name is in both."""
    show = lambda t, dims: "(" + ", ".join(f"{d}={n}" for d, n in zip(dims, t.shape)) + ")"
    for what, t, dims in ((first, a, dims_a), (second, b, dims_b)):
        if t.ndim != len(dims):
            raise ValueError(f"{name}: {what} has shape {t.shape}; it needs {len(dims)} axes ({', '.join(dims)})")
    for d in dims_a:
        if d in dims_b and a.shape[dims_a.index(d)] != b.shape[dims_b.index(d)]:
            raise ValueError(f"{name}: {first} {show(a, dims_a)} but {second} {show(b, dims_b)}; {d} must be the same")


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices.

    Gradient: dL/dinput = g @ mat2^T; dL/dmat2 = input^T @ g.

    Args:
        input: (N, K).
        mat2: (K, M).

    Returns:
        Tensor (N, M).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    _with_axes("mm", "input", input, "NK", "mat2", mat2, "KM")
    return matmul(input, mat2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of B pairs of matrices.

    Gradient: dL/dinput = g @ mat2^T; dL/dmat2 = input^T @ g, pair by pair.

    Args:
        input: (B, N, K).
        mat2: (B, K, M).

    Returns:
        Tensor (B, N, M).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    _with_axes("bmm", "input", input, "BNK", "mat2", mat2, "BKM")
    return matmul(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Matrix times vector.

    Gradient: dL/dinput = outer(g, vec); dL/dvec = input^T @ g.

    Args:
        input: (N, K).
        vec: (K,).

    Returns:
        Tensor (N,).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    _with_axes("mv", "input", input, "NK", "vec", vec, "K")
    return matmul(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Inner product of two vectors.

    Gradient: dL/dinput = g * tensor; dL/dtensor = g * input.

    Args:
        input, tensor: (K,).

    Returns:
        A 0-d Tensor.

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    _with_axes("dot", "input", input, "K", "tensor", tensor, "K")
    return matmul(input, tensor)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Products of all pairs: y[n, m] = input[n] * vec2[m].

    Gradient: dL/dinput = g @ vec2; dL/dvec2 = g^T @ input.

    Args:
        input: (N,).
        vec2: (M,).

    Returns:
        Tensor (N, M).

    Raises:
        ValueError: an argument that is not 1-d.
    """
    _with_axes("outer", "input", input, "N", "vec2", vec2, "M")
    return mul(unsqueeze(input, 1), vec2)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2).

    Gradient: dL/dinput = beta * g, summed over what broadcast; dL/dmat1 = alpha * g @ mat2^T;
    dL/dmat2 = alpha * mat1^T @ g.

    Args:
        input: broadcasts to (N, M); not read where beta is 0.
        mat1: (N, K).
        mat2: (K, M).
        beta, alpha: numbers.

    Returns:
        Tensor (N, M).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    _with_axes("addmm", "mat1", mat1, "NK", "mat2", mat2, "KM")
    return _plus(input, matmul(mat1, mat2), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), for B pairs of matrices.

    Gradient: dL/dinput = beta * g, summed over what broadcast; dL/dbatch1 = alpha * g @ batch2^T;
    dL/dbatch2 = alpha * batch1^T @ g.

    Args:
        input: broadcasts to (B, N, M); not read where beta is 0.
        batch1: (B, N, K).
        batch2: (B, K, M).
        beta, alpha: numbers.

    Returns:
        Tensor (B, N, M).

    Raises:
        ValueError: shapes that do not fit; the message names the axes.
    """
    _with_axes("baddbmm", "batch1", batch1, "BNK", "batch2", batch2, "BKM")
    return _plus(input, matmul(batch1, batch2), beta, alpha)


def _plus(input, y, beta, alpha):
    y = y if alpha == 1 else y * alpha
    if beta == 0:   # input is not read then, so that a NaN in it does no harm
        return y
    return add(expand(input, y.shape) if beta == 1 else input * beta, y)


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """Sum of products over pairs of axes.

    Gradient: dL/da = the product of g and b, summed over the axes of b alone; likewise dL/db.

    Args:
        a, b: Tensors, whose paired axes have the same lengths.
        dims: n to pair the last n axes of ``a`` with the first n of ``b``, or (axes of a, axes of b).

    Returns:
        Tensor of the remaining axes of ``a``, then those of ``b``.

    Raises:
        ValueError: paired axes of different lengths, or more of them than there are.
    """
    a, b = _pair("tensordot", a, b)
    if not isinstance(dims, (tuple, list)):
        dims = integer("tensordot", "dims", dims)
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: dims={dims} but the shapes are {a.shape} and {b.shape}")
        over_a, over_b = list(range(a.ndim - dims, a.ndim)), list(range(dims))
    else:
        over_a, over_b = ([axis("tensordot", d, x.ndim, "dims") for d in listed(given)] for given, x in zip(dims, (a, b)))
    lengths = [a.shape[d] for d in over_a]
    if lengths != [b.shape[d] for d in over_b]:
        raise ValueError(f"tensordot: axes {over_a} of {a.shape} and {over_b} of {b.shape} do not have the same "
                         "lengths")
    k = math.prod(lengths)
    a = movedim(a, over_a, list(range(a.ndim - len(over_a), a.ndim)))
    b = movedim(b, over_b, list(range(len(over_b))))
    rest_a, rest_b = a.shape[:a.ndim - len(over_a)], b.shape[len(over_b):]
    return reshape(matmul(reshape(a, (math.prod(rest_a), k)), reshape(b, (k, math.prod(rest_b)))), rest_a + rest_b)
