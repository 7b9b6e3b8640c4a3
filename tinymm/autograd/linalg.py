"""Matrix products."""

from __future__ import annotations

import numpy as np

from .elementwise import promote, unbroadcast, cast
from .function import Primitive
from .tensor import Tensor


def _swap(a):
    """The last two axes exchanged."""
    return np.swapaxes(a, -1, -2)


class MatMul(Primitive):
    """Y = A B;  dL/dA = G B^T,  dL/dB = A^T G  (leading axes broadcast)."""

    name = "matmul"
    keep = (0, 1)

    def forward(self, a, b):
        self.shapes = a.shape, b.shape
        return np.asarray(np.matmul(a, b)) if isinstance(a, np.ndarray) else np.matmul(a, b)

    def backward(self, g, a, b):
        (sa, sb), (ea, eb) = self.shapes, self.edges
        if len(sa) == 1:   # a vector on the left is one row, on the right one column
            a = a.reshape((1,) + sa)
            g = np.expand_dims(g, -2) if len(sb) > 1 else g.reshape((1, 1))
        if len(sb) == 1:
            b = b.reshape(sb + (1,))
            g = np.expand_dims(g, -1) if len(sa) > 1 else g
        ga = gb = None
        if ea is not None:
            ga = unbroadcast(np.matmul(g, _swap(b)), a.shape).reshape(sa)
        if eb is not None:
            if len(sb) == 2 and len(sa) > 2:   # one product over all leading axes instead of a sum of many
                gb = np.matmul(_swap(a.reshape((-1, a.shape[-1]))), g.reshape((-1, g.shape[-1])))
            else:
                gb = unbroadcast(np.matmul(_swap(a), g), b.shape).reshape(sb)
        return ga, gb


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two axes; leading axes broadcast, 1-D arguments are a row or a column.

    Raises:
        ValueError: inner axes that disagree; the message names both.
    """
    a, b = (t if isinstance(t, Tensor) else Tensor(t) for t in (input, other))
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: shapes {a.shape} and {b.shape}: a 0-d tensor is no matrix; use * instead")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: input {a.shape} has {a.shape[-1]} columns but other {b.shape} has "
                         f"{b.shape[-2 if b.ndim > 1 else 0]} rows; transpose one of them?")
    if a.dtype != b.dtype:
        x, y = promote(a._data[:0], b._data[:0])
        a, b = cast(a, x.dtype), cast(b, y.dtype)
    try:
        return MatMul.apply(a, b)
    except ValueError as error:
        raise ValueError(f"matmul: the leading axes of {a.shape} and {b.shape} do not broadcast") from error
