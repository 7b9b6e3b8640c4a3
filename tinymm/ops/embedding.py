"""Embedding: a row of a table for each integer (Bengio et al. 2003, "A Neural Probabilistic Language Model", C(w)).

    y_i = E[w_i]        dL/dE[v] = sum of g_i over all i with w_i = v

The forward only copies. The gradient adds the rows of a word wherever the word occurs; ``backend/rows.py`` does it in
the order of the words on every rung, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np

from ..autograd.choice import where
from ..autograd.indexing import getitem
from ..autograd.integers import integer
from ..autograd.reduction import norm
from ..autograd.registry import Sample, register
from ..autograd.state import no_grad
from ..autograd.tensor import Tensor, wrap
from ..backend.arrays import to_host, xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange, ready
from ..backend.rows import add_rows
from .checks import floating, one_device
from .fused import Fused


class Embedding(Fused):
    """y = weight[index]. Kept for the backward: the index; the table itself is not read again."""

    name = "embedding"
    keep = (1,)

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(weight, index, padding_idx, by_frequency):
        y, index = getitem(weight, index), index._data
        if by_frequency:   # the value of y, with a share of its gradient
            share = wrap((1 / xp_of(index).bincount(index.reshape(-1))[index]).astype(weight.dtype)[..., None])
            y = y * share + y.detach() * (1 - share)
        return y if padding_idx is None else where(wrap((index != padding_idx)[..., None]), y, y.detach())

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, weight, index, padding_idx, by_frequency):
        self._keep(weight, index, padding_idx, by_frequency)
        return weight[index]

    def backward_numpy(self, g):
        return self._gradient(g, None if self.rung == "cuda" or not isinstance(g, np.ndarray) else "numpy")

    def _keep(self, weight, index, padding_idx, by_frequency):
        self.index, self.shape, self.padding_idx, self.by_frequency = index, weight.shape, padding_idx, by_frequency

    def _gradient(self, g, on):
        xp = xp_of(g)
        index = self.index.reshape(-1)
        rows = g.reshape(index.size, self.shape[1])
        if self.by_frequency and index.size:
            rows = rows / xp.bincount(index)[index].astype(g.dtype)[:, None]
        dw = xp.zeros(self.shape, g.dtype)
        add_rows(dw, index, rows, on)
        if self.padding_idx is not None:
            dw[self.padding_idx] = 0
        return dw, None

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, weight, index, padding_idx, by_frequency):
        self._keep(weight, index, padding_idx, by_frequency)
        y = np.empty(index.shape + weight.shape[1:], weight.dtype)
        _copy_rows(weight, ready(index).reshape(-1), y.reshape(index.size, weight.shape[1]), work=y.size)
        return y

    def backward_numba(self, g):
        return self._gradient(g, "numba")

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, weight, index, padding_idx, by_frequency):
        self._keep(weight, index, padding_idx, by_frequency)
        xp = xp_of(weight)
        y = xp.empty(index.shape + weight.shape[1:], weight.dtype)
        if y.size:
            COPY_ROWS(min(-(-y.size // 256), 65535), 256,
                      (xp.ascontiguousarray(weight), xp.ascontiguousarray(index).astype(np.int64).reshape(-1),
                       np.int64(weight.shape[1]), np.int64(y.size), y), y.dtype)
        return y

    def backward_cuda(self, g):
        return self._gradient(g, "cuda")


@kernel(parallel=True)
def _copy_rows(weight, index, y):
    count, width = y.shape
    for i in prange(count):
        v = index[i]
        for j in range(width):
            y[i, j] = weight[v, j]


COPY_ROWS = CudaKernel("embedding_forward", r"""
template <typename T> __global__ void embedding_forward(const T* weight, const long long* index, long long width,
                                                        long long size, T* y) {
    long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step)
        y[i] = weight[index[i / width] * width + i % width];
}
""")


def _check_range(index, rows: int) -> None:
    """Raise IndexError, naming the worst index and its place, unless all are rows of the table."""
    if index.size == 0:
        return
    if isinstance(index, np.ndarray):
        low, high = int(index.min()), int(index.max())
    else:
        low, high = (int(v) for v in to_host(xp_of(index).stack([index.min(), index.max()])))   # one transfer for both
    if low >= 0 and high < rows:
        return
    worst, at = (high, index.argmax()) if high - rows >= -1 - low else (low, index.argmin())
    place = tuple(int(i) for i in np.unravel_index(int(at), index.shape))
    raise IndexError(f"embedding: index {worst} at position {place} is out of range for a vocabulary of {rows} "
                     f"(weight has {rows} rows); choose 0 to {rows - 1}")


def _shorten(weight: Tensor, index, max_norm: float, norm_type: float) -> None:
    """Scale the rows that ``index`` names and that are longer than ``max_norm`` down to it, in place."""
    if not weight.is_leaf:
        raise RuntimeError("embedding: max_norm changes the weight in place, and this weight is a result of "
                           f"{weight.grad_fn.name}; give a leaf, or leave out max_norm")
    with no_grad():
        xp = xp_of(index)
        rows = wrap(xp.unique(index))
        chosen = weight[rows]                                           # (rows, D)
        norms = norm(chosen, norm_type, 1, keepdim=True)
        factors = where(norms > max_norm, max_norm / (norms + 1e-7), 1.0)
        weight[rows] = chosen * factors


def embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
              norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False) -> Tensor:
    """The rows of ``weight`` that ``input`` names.

    Gradient: dL/dweight[v] = the sum of g wherever ``input`` is v.

    Args:
        input: (*) integers in [0, V).
        weight: (V, D).
        padding_idx: the row whose gradient stays 0; negative counts from the end.
        max_norm, norm_type: first shorten, in ``weight`` itself and outside the graph, the rows that ``input`` names and whose
            norm of that type is larger than max_norm.
        scale_grad_by_freq: divide the gradient of a row by how often it occurs in ``input``.
        sparse: PyTorch's; not supported.

    Returns:
        Tensor (*, D).

    Raises:
        IndexError: an index outside the vocabulary; the message names the worst one, its place and the vocabulary size.
        NotImplementedError: sparse.
        RuntimeError: max_norm for a weight that is itself a result, and not a leaf.
    """
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported; leave sparse=False")
    input = input if isinstance(input, Tensor) else Tensor(input)
    if input.dtype.kind not in "iu":
        raise TypeError(f"embedding: input must hold integers, not {input.dtype}; use .long()")
    floating("embedding", "weight", weight)
    if weight.ndim != 2:
        raise ValueError(f"embedding: weight has shape {weight.shape}; it must be (V, D)")
    one_device("embedding", input=input, weight=weight)
    rows = weight.shape[0]
    _check_range(input._data, rows)
    if padding_idx is not None:
        padding_idx = integer("embedding", "padding_idx", padding_idx)
        if not -rows <= padding_idx < rows:
            raise ValueError(f"embedding: padding_idx={padding_idx} is not in a vocabulary of {rows}")
        padding_idx %= rows
    if max_norm is not None:
        _shorten(weight, input._data, max_norm, norm_type)
    return Embedding.apply(weight, input, padding_idx=padding_idx, by_frequency=bool(scale_grad_by_freq))


def _samples(draw):
    yield Sample(draw.integers(0, 5, 4, 3), draw.normal(5, 6))
    yield Sample(draw.integers(0, 5, 7), draw.normal(5, 3), padding_idx=2)
    yield Sample(draw.integers(0, 3, 2, 9), draw.normal(3, 4), padding_idx=-1, scale_grad_by_freq=True)
    yield Sample(draw.integers(0, 4, 6), draw.normal(4, 2), scale_grad_by_freq=True)
    yield Sample(np.asarray(3), draw.normal(5, 1))
    yield Sample(draw.integers(0, 5, 0, 3), draw.normal(5, 6))
    yield Sample(draw.integers(0, 5, 4), draw.normal(5, 0))
    yield Sample(draw.integers(0, 40, 8, 30), draw.normal(40, 70))


register("embedding", embedding, _samples, torch="nn.functional.embedding", fused=Embedding)
