"""Softmax (Bridle 1990; the lecture's slide "Softmax"): exponentials along one axis, divided by their sum.

    y_i = e^(x_i - m) / sum_j e^(x_j - m),   m = max_j x_j          dL/dx_i = y_i (g_i - sum_j g_j y_j)

The shift by m changes nothing in exact arithmetic and keeps every exponent at or below 0. A row without a finite
maximum (all -inf, or a +inf) is 0/0 and gives NaN, as in PyTorch.
"""

from __future__ import annotations

import math

import numpy as np

from ..autograd.axes import axis, numpy_names
from ..autograd.casting import cast
from ..autograd.elementwise import exp
from ..autograd.kinds import DType
from ..autograd.reduction import sum
from ..autograd.registry import Sample, register
from ..autograd.tensor import Tensor, wrap
from ..backend.admission import held
from ..backend.arrays import xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange
from ..backend.sums import BLOCK as ROWS, SPAN, total
from ..backend.vmath import exp as vexp
from .checks import floating
from .fused import Fused
from .row_sums import row_dot

BLOCK = 128    # columns that a strided kernel takes at a time: their maxima and sums stay in the first cache
WORK = 8       # elements that a vectorised pass takes in the time of one unit of a kernel's ``work``


class Softmax(Fused):
    """y = exp(x) / sum(exp(x)) along ``dim``."""

    name = "softmax"
    keep_output = True

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, dim):
        e = exp(x - wrap(largest(x._data, (dim,) if x.ndim else ())))   # a constant: the result does not depend on it
        return e / sum(e, dim, keepdim=True)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, x, dim):
        self.over = (dim,) if x.ndim else ()
        with np.errstate(invalid="ignore"):   # -inf - -inf: a NaN is the answer
            e = np.exp(x - largest(x, self.over))
            self.y = e / total(e, self.over, keepdims=True)
        return self.y

    def backward_numpy(self, g):
        return self.y * (g - total(g * self.y, self.over, keepdims=True))

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, dim):
        self.y, self.span = np.empty_like(x), span(x.shape, dim)
        along_rows(self.span, _forward_rows, _forward_blocks, x, self.y)
        return self.y

    def backward_numba(self, g):
        dx = np.empty_like(self.y)
        along_rows(self.span, _backward_rows, _backward_blocks, g, self.y, dx)
        return dx

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, dim):
        self.y, self.span = xp_of(x).empty(x.shape, x.dtype), span(x.shape, dim)
        launch_rows(CUDA_FORWARD, self.span, (xp_of(x).ascontiguousarray(x), self.y), x.dtype)
        return self.y

    def backward_cuda(self, g):
        g, dx = xp_of(g).ascontiguousarray(g), xp_of(g).empty_like(self.y)
        launch_rows(CUDA_BACKWARD, self.span, (g, self.y, dx), g.dtype)
        return dx


# ---------------------------------------------------------------------- what all operations along one axis share

def span(shape: tuple, dim: int) -> tuple[int, int, int]:
    """(outer, width, inner): the lengths before, along and after axis ``dim``."""
    if not shape:
        return 1, 1, 1
    return math.prod(shape[:dim]), shape[dim], math.prod(shape[dim + 1:])


def largest(x, over: tuple):
    """The largest element along the axes, which stay with length 1; 0 along an axis without elements."""
    return x.max(axis=over, keepdims=True) if x.size else x.sum(axis=over, keepdims=True)


def along_rows(span, rows_kernel, blocks_kernel, *arrays) -> None:
    """Call one kernel where the axis is the last, (rows, width), and the other where it is (outer, width, inner)."""
    outer, width, inner = span
    if inner == 1:
        rows_kernel(*[a.reshape(outer, width) for a in arrays], work=outer * width // WORK)
    else:
        blocks_kernel(*[a.reshape(span) for a in arrays], work=outer * width * inner // WORK)


def launch_rows(cuda_kernel, span, args, dtype) -> None:
    """Launch a CUDA kernel with one block a row; it gets (width, inner) after ``args``."""
    outer, width, inner = span
    if outer * width * inner:
        threads = min(1024, max(32, 1 << (width - 1).bit_length()))   # a power of two, whole warps
        cuda_kernel(outer * inner, threads, (*args, np.int64(width), np.int64(inner)), dtype)


@kernel
def row_max(row):
    """The largest element (NaN or not where there is a NaN: the sum of exponentials shows it)."""
    eighth = row.shape[0] // 8
    a = b = c = d = e = f = g = h = row[0]   # eight chains side by side: one alone waits for each comparison
    for i in range(eighth):
        part = row[8 * i:8 * i + 8]
        a, b, c, d = max(a, part[0]), max(b, part[1]), max(c, part[2]), max(d, part[3])
        e, f, g, h = max(e, part[4]), max(f, part[5]), max(g, part[6]), max(h, part[7])
    best = max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h)))
    for i in range(8 * eighth, row.shape[0]):
        best = max(best, row[i])
    return best


@kernel
def block_max(x, o, start, best):
    """The largest of each column of x[o] (width, inner), for as many columns from ``start`` as ``best`` is long."""
    columns = best.shape[0]
    for j in range(columns):
        best[j] = x[o, 0, start + j]
    for c in range(1, x.shape[1]):
        xs = x[o, c, start:start + columns]   # a slice of its own is known to be contiguous, so the loop vectorises
        for j in range(columns):
            best[j] = max(best[j], xs[j])


@kernel
def pour(part, total):
    """total += part, and part = 0: a float32 sum of each column goes to one in float64 every ``ROWS`` rows."""
    for j in range(part.shape[0]):
        total[j] += part[j]
        part[j] = 0


@kernel(parallel=True, reassociate=True)
def _forward_rows(x, y):
    rows, width = x.shape
    for n in prange(rows):
        best = row_max(x[n])
        total = 0.0
        for start in range(0, width, SPAN):
            part, xs, ys = x.dtype.type(0), x[n, start:start + SPAN], y[n, start:start + SPAN]
            for i in range(xs.shape[0]):
                ys[i] = vexp(xs[i] - best)
                part += ys[i]
            total += part
        scale = x.dtype.type(1 / total)
        for i in range(width):
            y[n, i] *= scale


@kernel(parallel=True, reassociate=True)
def _backward_rows(g, y, dx):
    rows, width = y.shape
    for n in prange(rows):
        dot = y.dtype.type(row_dot(g[n], y[n]))
        for i in range(width):
            dx[n, i] = y[n, i] * (g[n, i] - dot)


@kernel(parallel=True, reassociate=True)
def _forward_blocks(x, y):
    outer, width, inner = x.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in prange(outer * blocks):
        o, start = task // blocks, task % blocks * BLOCK
        columns = min(BLOCK, inner - start)
        best, part, total = np.empty(columns, x.dtype), np.zeros(columns, x.dtype), np.zeros(columns)
        block_max(x, o, start, best)
        for c in range(width):
            xs, ys = x[o, c, start:start + columns], y[o, c, start:start + columns]
            for j in range(columns):
                ys[j] = vexp(xs[j] - best[j])
                part[j] += ys[j]
            if c % ROWS == ROWS - 1:
                pour(part, total)
        pour(part, total)
        for j in range(columns):
            part[j] = 1 / total[j]
        for c in range(width):
            ys = y[o, c, start:start + columns]
            for j in range(columns):
                ys[j] *= part[j]


@kernel(parallel=True, reassociate=True)
def _backward_blocks(g, y, dx):
    outer, width, inner = y.shape
    blocks = (inner + BLOCK - 1) // BLOCK
    for task in prange(outer * blocks):
        o, start = task // blocks, task % blocks * BLOCK
        columns = min(BLOCK, inner - start)
        dot, total = np.zeros(columns, y.dtype), np.zeros(columns)
        for c in range(width):
            gs, ys = g[o, c, start:start + columns], y[o, c, start:start + columns]
            for j in range(columns):
                dot[j] += gs[j] * ys[j]
            if c % ROWS == ROWS - 1:
                pour(dot, total)
        pour(dot, total)
        for j in range(columns):
            dot[j] = total[j]
        for c in range(width):
            gs, ys, ds = g[o, c, start:start + columns], y[o, c, start:start + columns], dx[o, c, start:start + columns]
            for j in range(columns):
                ds[j] = ys[j] * (gs[j] - dot[j])


CUDA_FORWARD = CudaKernel("softmax_forward", r"""
// One block a row; element i of row r is at (r / inner * width + i) * inner + r % inner.
template <typename T> __global__ void softmax_forward(const T* x, T* y, long long width, long long inner) {
    long long at = blockIdx.x / inner * width * inner + blockIdx.x % inner;
    T best = -INFINITY, total = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) best = max(best, x[at + i * inner]);
    best = block_max(best);
    for (long long i = threadIdx.x; i < width; i += blockDim.x) {
        T e = exp(x[at + i * inner] - best);
        y[at + i * inner] = e;
        total += e;
    }
    T scale = 1 / block_sum(total);
    for (long long i = threadIdx.x; i < width; i += blockDim.x) y[at + i * inner] *= scale;
}
""")

CUDA_BACKWARD = CudaKernel("softmax_backward", r"""
template <typename T> __global__ void softmax_backward(const T* g, const T* y, T* dx, long long width,
                                                       long long inner) {
    long long at = blockIdx.x / inner * width * inner + blockIdx.x % inner;
    T dot = 0;
    for (long long i = threadIdx.x; i < width; i += blockDim.x) dot += g[at + i * inner] * y[at + i * inner];
    dot = block_sum(dot);
    for (long long i = threadIdx.x; i < width; i += blockDim.x)
        dx[at + i * inner] = y[at + i * inner] * (g[at + i * inner] - dot);
}
""")


def softmax_arguments(name: str, input: Tensor, dim: int, dtype) -> tuple[Tensor, int]:
    """The checked input, in ``dtype`` if one is given, and the axis >= 0."""
    if dtype is not None and isinstance(input, Tensor):
        input = cast(input, held(dtype, name))
    input = floating(name, "input", input)
    return input, axis(name, dim, input.ndim)


@numpy_names
def softmax(input: Tensor, dim: int, *, dtype: DType = None) -> Tensor:
    """Positive numbers that sum to 1 along ``dim``: e^input over its sum.

    Gradient: dL/dinput = y * (g - the sum of g * y along ``dim``).

    Args:
        input: any shape, floating point.
        dim: the axis along which the result sums to 1.
        dtype: convert the input to this dtype first.

    Returns:
        Tensor of the shape of ``input``; NaN along ``dim`` where all inputs are -inf or one is +inf or NaN.

    Raises:
        TypeError: integer input without ``dtype``.
        IndexError: ``dim`` out of range.
    """
    input, d = softmax_arguments("softmax", input, dim, dtype)
    return Softmax.apply(input, dim=d)


def softmin(input: Tensor, dim: int, *, dtype: DType = None) -> Tensor:
    """``softmax(-input, dim)``: the smallest element gets the largest share.

    Gradient: dL/dinput = -y * (g - the sum of g * y along ``dim``).

    Args:
        input, dim, dtype: as in ``softmax``.

    Returns:
        y, a Tensor of the shape of ``input``.

    Raises:
        TypeError: integer input without ``dtype``.
        IndexError: ``dim`` out of range.
    """
    input, d = softmax_arguments("softmin", input, dim, dtype)
    return Softmax.apply(-input, dim=d)


def softmax_samples(draw):
    """Sample calls f(input, dim) that cross every branch of the kernels."""
    yield Sample(draw.normal(3, 5), 1)
    yield Sample(draw.normal(3, 5), 0)
    yield Sample(draw.normal(2, 4, 3), 1)
    yield Sample(draw.normal(2, 3, 2, 2), -1)
    yield Sample(draw.normal(6), -1)
    yield Sample(draw.normal(), 0)
    yield Sample(draw.normal(4, 1), 1)
    yield Sample(draw.normal(0, 4), 1)
    yield Sample(draw.normal(2, 5, scale=300.0), 1)        # far beyond the range of exp
    yield Sample(draw.normal(2, 331), 1)                   # eight chains and a tail
    yield Sample(draw.normal(2, 3, 150), 1)                # more than one block


register("softmax", softmax, softmax_samples, torch="nn.functional.softmax", fused=Softmax)
register("softmin", softmin, lambda draw: iter([Sample(draw.normal(3, 4), 1)]), torch="nn.functional.softmin")
