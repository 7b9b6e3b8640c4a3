"""Average pooling: the mean under a window, sliding (``avg_pool2d``) or adapted to an output size.

    y[i, j] = alpha_i beta_j sum over h in [top_i, bottom_i), w in [left_j, right_j) of x[h, w]

Windows and weights factor over the axes, so that an axis is described by three vectors: where each window starts,
where it stops, and what its sum is multiplied by.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...autograd.integers import integer
from ...autograd.reduction import sum as sum_over
from ...autograd.registry import Sample, register
from ...autograd.join import cat
from ...autograd.tensor import Tensor
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ...backend.sums import total
from ..fused import Fused
from .window import check_input, sliding


@dataclasses.dataclass(frozen=True)
class Spans:
    """The windows along one axis: [start, stop) in the input, and the weight of their sum; each (outputs,)."""

    start: np.ndarray
    stop: np.ndarray
    weight: np.ndarray

    def __iter__(self):
        return zip(self.start.tolist(), self.stop.tolist(), self.weight.tolist())

    def __len__(self) -> int:
        return len(self.start)

    def tile(self, size: int) -> int:
        """The windows' length if they lie side by side, with one weight, and cover an axis of this size; else 0."""
        if not len(self) or size % len(self):
            return 0
        length = size // len(self)
        start = length * np.arange(len(self))
        side_by_side = (self.start == start).all() and (self.stop == start + length).all()
        return length if side_by_side and (self.weight == self.weight[0]).all() else 0


ALL_OF_ONE = Spans(np.zeros(1, np.int64), np.ones(1, np.int64), np.ones(1))   # a missing axis, as one of length 1


class AveragePool(Fused):
    """Weighted sums over windows; ``spans`` describes the last axes, one ``Spans`` each."""

    name = "avg_pool"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, spans):
        for axis, windows in enumerate(spans, x.ndim - len(spans)):
            whole = (slice(None),) * axis
            x = cat([sum_over(x[(*whole, slice(start, stop))], axis, keepdim=True) * weight
                     for start, stop, weight in windows], axis)
        return x

    # ------------------------------------------------------------------ rung 2: NumPy, any number of axes

    def forward_numpy(self, x, spans):
        self.spans, self.shape = spans, x.shape
        for axis, windows in enumerate(spans, x.ndim - len(spans)):
            y = xp_of(x).empty(x.shape[:axis] + (len(windows),) + x.shape[axis + 1:], x.dtype)
            whole = (slice(None),) * axis
            for i, (start, stop, weight) in enumerate(windows):
                y[(*whole, i)] = total(x[(*whole, slice(start, stop))], axis) * x.dtype.type(weight)
            x = y
        return x

    def backward_numpy(self, g):
        lead = g.ndim - len(self.spans)
        for axis in reversed(range(lead, g.ndim)):
            dx = xp_of(g).zeros(g.shape[:axis] + (self.shape[axis],) + g.shape[axis + 1:], g.dtype)
            whole = (slice(None),) * axis
            for i, (start, stop, weight) in enumerate(self.spans[axis - lead]):
                dx[(*whole, slice(start, stop))] += g[(*whole, slice(i, i + 1))] * g.dtype.type(weight)
            g = dx
        return g

    # ------------------------------------------------------------------ rung 3: Numba, one and two axes

    def forward_numba(self, x, spans):
        if len(spans) > 2:
            self.rung = "numpy"
            return self.forward_numpy(x, spans)
        self.spans, self.shape = spans, x.shape
        rows, columns = (ALL_OF_ONE, *spans)[-2:]
        y = np.empty(x.shape[:x.ndim - len(spans)] + tuple(map(len, spans)), x.dtype)
        self.tiles = tuple(windows.tile(n) for windows, n in zip((rows, columns), self._space()))
        if all(self.tiles):
            _forward_tiles(x.reshape(-1, x.shape[-1]), y.reshape(-1, len(columns)), *self.tiles, self._weight(x.dtype), work=x.size)
            return y
        _forward(x.reshape(-1, *self._space()), y.reshape(-1, len(rows), len(columns)), rows.start, rows.stop,
                 rows.weight.astype(x.dtype), columns.start, columns.stop, columns.weight.astype(x.dtype), work=x.size)
        return y

    def backward_numba(self, g):
        rows, columns = (ALL_OF_ONE, *self.spans)[-2:]
        dx = np.empty(self.shape, g.dtype)
        if all(self.tiles):
            _backward_tiles(g.reshape(-1, len(columns)), dx.reshape(-1, dx.shape[-1]), *self.tiles, self._weight(g.dtype),
                            work=dx.size)
            return dx
        _backward(g.reshape(-1, len(rows), len(columns)), dx.reshape(-1, *self._space()), rows.start, rows.stop,
                  rows.weight.astype(g.dtype), columns.start, columns.stop, columns.weight.astype(g.dtype),
                  work=dx.size)
        return dx

    def _weight(self, dtype):
        """That of all windows, where they are tiles."""
        rows, columns = (ALL_OF_ONE, *self.spans)[-2:]
        return dtype.type(rows.weight[0]) * dtype.type(columns.weight[0])

    def _space(self) -> tuple[int, int]:
        return (1, *self.shape[-len(self.spans):])[-2:]

    # ------------------------------------------------------------------ rung 4: CUDA, one and two axes

    def forward_cuda(self, x, spans):
        if len(spans) > 2:
            self.rung = "numpy"
            return self.forward_numpy(x, spans)
        xp = xp_of(x)
        self.spans, self.shape = spans, x.shape
        y = xp.empty(x.shape[:x.ndim - len(spans)] + tuple(map(len, spans)), x.dtype)
        if y.size:
            rows, columns = (ALL_OF_ONE, *spans)[-2:]
            vectors = [xp.asarray(v) for s in (rows, columns) for v in (s.start, s.stop, s.weight.astype(x.dtype))]
            sizes = [np.int32(n) for n in (*self._space(), len(rows), len(columns))]
            CUDA_FORWARD((y.size + 255) // 256, 256, (xp.ascontiguousarray(x), y, np.int64(y.size), *sizes, *vectors),
                         x.dtype)
        return y

    def backward_cuda(self, g):
        xp = xp_of(g)
        dx = xp.empty(self.shape, g.dtype)
        if dx.size:
            rows, columns = (ALL_OF_ONE, *self.spans)[-2:]
            vectors = []
            for windows, n in zip((rows, columns), self._space()):
                # starts and stops only grow, so the windows that cover an input follow each other
                first = np.searchsorted(windows.stop, np.arange(n), side="right")
                last = np.searchsorted(windows.start, np.arange(n), side="right")
                vectors += [xp.asarray(first), xp.asarray(last), xp.asarray(windows.weight.astype(g.dtype))]
            sizes = [np.int32(n) for n in (*self._space(), len(rows), len(columns))]
            args = (xp.ascontiguousarray(g), dx, np.int64(dx.size), *sizes, *vectors)
            CUDA_BACKWARD((dx.size + 255) // 256, 256, args, g.dtype)
        return dx


@kernel(parallel=True)
def _forward(x, y, top, bottom, alpha, left, right, beta):   # x (P, H, W), y (P, OH, OW)
    width = x.shape[2]
    for p in prange(x.shape[0]):
        column = np.empty(width)   # float64 sums over the rows of a window first: that loop vectorises
        for i in range(y.shape[1]):
            column[:] = 0
            for h in range(top[i], bottom[i]):
                for w in range(width):
                    column[w] += x[p, h, w]
            for j in range(y.shape[2]):
                total = 0.0
                for w in range(left[j], right[j]):
                    total += column[w]
                y[p, i, j] = total * (alpha[i] * beta[j])


@kernel(parallel=True)
def _backward(g, dx, top, bottom, alpha, left, right, beta):
    width = dx.shape[2]
    for p in prange(dx.shape[0]):
        column = np.empty(width, dx.dtype)
        for h in range(dx.shape[1]):
            for w in range(width):
                dx[p, h, w] = 0
        for i in range(g.shape[1]):
            column[:] = 0
            for j in range(g.shape[2]):
                share = g[p, i, j] * (alpha[i] * beta[j])
                for w in range(left[j], right[j]):
                    column[w] += share
            for h in range(top[i], bottom[i]):
                for w in range(width):
                    dx[p, h, w] += column[w]


@kernel(parallel=True)
def _forward_tiles(x, y, height, width, weight):   # x (P H, W), y (P OH, OW): rows of tiles follow each other through all planes
    for r in prange(y.shape[0]):
        if height == width == 2:   # the usual case, unrolled
            above, below = x[2 * r], x[2 * r + 1]
            for j in range(y.shape[1]):
                y[r, j] = ((above[2 * j] + below[2 * j]) + (above[2 * j + 1] + below[2 * j + 1])) * weight
            continue
        for j in range(y.shape[1]):
            total = 0.0
            for w in range(j * width, (j + 1) * width):
                column = 0.0
                for h in range(r * height, (r + 1) * height):
                    column += x[h, w]
                total += column
            y[r, j] = total * weight


@kernel(parallel=True)
def _backward_tiles(g, dx, height, width, weight):
    for r in prange(g.shape[0]):
        if height == width == 2:
            above, below = dx[2 * r], dx[2 * r + 1]
            for j in range(g.shape[1]):
                share = g[r, j] * weight
                above[2 * j] = above[2 * j + 1] = below[2 * j] = below[2 * j + 1] = share
            continue
        for h in range(r * height, (r + 1) * height):
            for j in range(g.shape[1]):
                share = g[r, j] * weight
                for w in range(j * width, (j + 1) * width):
                    dx[h, w] = share


CUDA_FORWARD = CudaKernel("avg_pool_forward", r"""
// One thread an output.
template <typename T> __global__ void avg_pool_forward(const T* x, T* y, long long total, int H, int W, int OH, int OW,
                                                       const long long* top, const long long* bottom, const T* alpha,
                                                       const long long* left, const long long* right, const T* beta) {
    long long o = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (o >= total) return;
    int i = o / OW % OH, j = o % OW;
    const T* plane = x + o / OW / OH * H * W;
    T sum = 0;
    for (long long h = top[i]; h < bottom[i]; ++h)
        for (long long w = left[j]; w < right[j]; ++w) sum += plane[h * W + w];
    y[o] = sum * (alpha[i] * beta[j]);
}
""")

CUDA_BACKWARD = CudaKernel("avg_pool_backward", r"""
// One thread an input: it adds up the shares from windows i0[h] ... i1[h] - 1 and j0[w] ... j1[w] - 1. No atomics.
template <typename T> __global__ void avg_pool_backward(const T* g, T* dx, long long total, int H, int W, int OH,
                                                        int OW, const long long* i0, const long long* i1,
                                                        const T* alpha, const long long* j0, const long long* j1,
                                                        const T* beta) {
    long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= total) return;
    int h = t / W % H, w = t % W;
    const T* plane = g + t / W / H * OH * OW;
    T sum = 0;
    for (long long i = i0[h]; i < i1[h]; ++i)
        for (long long j = j0[w]; j < j1[w]; ++j) sum += plane[i * OW + j] * (alpha[i] * beta[j]);
    dx[t] = sum;
}
""")


def _avg_pool(operation, dims, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
              divisor_override=None):
    input = check_input(operation, input, dims)
    window = sliding(operation, input, dims, kernel_size, stride, padding, 1, ceil_mode)
    divisor_override = None if divisor_override is None else integer(operation, "divisor_override", divisor_override)
    if divisor_override == 0:
        raise ValueError(f"{operation}: divisor_override=0 would divide by zero; None divides by the window's size")
    spans = []
    for k, s, p, n, o in zip(window.kernel, window.stride, window.padding, window.size, window.out):
        start = np.arange(o) * s - p
        stop = np.minimum(start + k, n + p)   # in ceil_mode the last window counts no further than the padding
        counted = stop - start
        start, stop = np.maximum(start, 0), np.minimum(stop, n)
        if not count_include_pad:
            counted = stop - start
        spans.append(Spans(start, stop, 1 / counted if divisor_override is None else
                           np.full(o, 1.0 if spans else 1 / divisor_override)))
    return AveragePool.apply(input, spans=tuple(spans))


def avg_pool1d(input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False,
               count_include_pad: bool = True) -> Tensor:
    """Mean of each window along the last axis; see ``avg_pool2d``.

    Gradient: dL/dinput = g over the divisor, summed over the windows that share the element.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size, stride, padding, ceil_mode, count_include_pad: as in ``avg_pool2d``.

    Returns:
        Tensor (N, C, OL).

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """Mean of each window over the last two axes.

    Gradient: dL/dinput = g over the divisor, summed over the windows that share the element.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, an integer or (height, width); the same for what follows.
        stride: distance between windows; None for ``kernel_size``.
        padding: zeros added at both ends of each axis, at most half the kernel.
        ceil_mode: keep a last window that reaches over the end.
        count_include_pad: count the padding in the number that the sum is divided by.
        divisor_override: divide by this number instead.

    Returns:
        Tensor (N, C, OH, OW).

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    return _avg_pool("avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override)


def avg_pool3d(input: Tensor, kernel_size, stride=None, padding=0, ceil_mode: bool = False,
               count_include_pad: bool = True, divisor_override: int | None = None) -> Tensor:
    """Mean of each window over the last three axes; see ``avg_pool2d``.

    Gradient: dL/dinput = g over the divisor, summed over the windows that share the element.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override: as in ``avg_pool2d``.

    Returns:
        Tensor (N, C, OD, OH, OW).

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    return _avg_pool("avg_pool3d", 3, input, kernel_size, stride, padding, ceil_mode, count_include_pad,
                     divisor_override)


def _samples_1d(draw):
    yield Sample(draw.normal(2, 3, 9), 3, 2, 1)
    yield Sample(draw.normal(2, 8), 3, None, 1, True, False)


def _samples_2d(draw):
    yield Sample(draw.normal(2, 3, 6, 4), 2)
    yield Sample(draw.normal(2, 2, 7, 6), 3, 2, 1)
    yield Sample(draw.normal(2, 2, 7, 6), 3, 2, 1, True, False)
    yield Sample(draw.normal(3, 8, 9), (3, 2), (1, 2), (1, 0))
    yield Sample(draw.normal(2, 2, 5, 5), 2, 2, 1, True, divisor_override=3)
    yield Sample(draw.normal(1, 2, 20, 30), 3, 1)


def _samples_3d(draw):
    yield Sample(draw.normal(1, 2, 4, 5, 4), 2)
    yield Sample(draw.normal(2, 4, 5, 6), (2, 3, 3), (2, 1, 2), (1, 1, 0), ceil_mode=True, count_include_pad=False)


register("avg_pool1d", avg_pool1d, _samples_1d, torch="nn.functional.avg_pool1d", fused=AveragePool)
register("avg_pool2d", avg_pool2d, _samples_2d, torch="nn.functional.avg_pool2d", fused=AveragePool)
register("avg_pool3d", avg_pool3d, _samples_3d, torch="nn.functional.avg_pool3d", fused=AveragePool)
