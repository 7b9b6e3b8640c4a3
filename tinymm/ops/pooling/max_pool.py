"""Max pooling: the largest element under a sliding window (the lecture's slide "Max Pooling").

    y[o] = max over a of x[o * stride - padding + a * dilation]

The gradient of an output goes to the one element that was the largest, the first of equals; a NaN counts as larger
than everything. For the backward pass one byte an output is kept: at which place a of its window the largest stood.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ...autograd.choice import where
from ...autograd.registry import Sample, register
from ...autograd.join import cat
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ..fused import Fused
from .window import Window, check_input, sliding


class MaxPool(Fused):
    """The largest element of each window; with ``indices`` also its place in the flattened space, int64."""

    name = "max_pool"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, window, indices):
        best: Any = None
        started: Any = None
        lead = x.ndim - len(window.kernel)
        for axis, (low, high) in enumerate(margins(window), lead):
            edges = [wrap(xp_of(x._data).full(x.shape[:axis] + (n,) + x.shape[axis + 1:], -np.inf, x.dtype))
                     for n in (low, high)]
            x = cat([edges[0], x, edges[1]], axis)
        for place, part, valid in places(window, lead):
            candidate = x[part]
            if best is None:
                best, started = candidate, valid
                continue
            first = wrap(xp_of(x._data).asarray(valid & ~started))
            best = where((candidate > best) | (candidate != candidate) | first, candidate, best)
            started = started | valid
        return best

    # ------------------------------------------------------------------ rung 2: NumPy, any number of axes

    def forward_numpy(self, x, window, indices):
        xp, lead = xp_of(x), x.ndim - len(window.kernel)
        self.window, self.shape = window, x.shape
        best: Any = None
        started: Any = None
        padded = pad(x, window, -np.inf)
        for place, part, valid in places(window, lead):
            candidate = padded[part]
            if best is None:
                best, started = candidate.copy(), valid
                self.place = xp.zeros(best.shape, place_dtype(window))
                continue
            better = (candidate > best) | (candidate != candidate) | xp.asarray(valid & ~started)
            best = xp.where(better, candidate, best)
            self.place = xp.where(better, self.place.dtype.type(place), self.place)
            started = started | valid
        return (best, flat_indices(self.place, window)) if indices else best

    def backward_numpy(self, g, *rest):
        dx = pad(xp_of(g).zeros(self.shape, g.dtype), self.window, 0)
        for place, part, _ in places(self.window, g.ndim - len(self.window.kernel)):
            dx[part] += g * (self.place == place)
        inside = tuple(slice(low, low + n) for (low, _), n in zip(margins(self.window), self.window.size))
        return dx[(..., *inside)]

    # ------------------------------------------------------------------ rung 3: Numba, one and two axes

    def forward_numba(self, x, window, indices):
        if len(window.kernel) > 2:
            self.rung = "numpy"
            return self.forward_numpy(x, window, indices)
        size, stride, padding, dilation, space, out = window.fields()
        self.window, self.shape = window, x.shape
        y = np.empty(x.shape[:x.ndim - len(window.out)] + window.out, x.dtype)
        self.place = np.empty(y.shape, place_dtype(window))
        three = (-1, *out.tolist())
        arrays = x.reshape(-1, *space.tolist()), y.reshape(three), self.place.reshape(three)
        if is_halving(window):
            _halve(*arrays, work=x.size)
        else:
            _forward(*arrays, *size, *stride, *padding, *dilation, work=y.size * int(size.prod()))
        return (y, flat_indices(self.place, window)) if indices else y

    def backward_numba(self, g, *rest):
        size, stride, padding, dilation, space, out = self.window.fields()
        dx, three = np.empty(self.shape, g.dtype), (-1, *out.tolist())
        arrays = g.reshape(three), self.place.reshape(three), dx.reshape(-1, *space.tolist())
        if is_halving(self.window):
            _halve_backward(*arrays, work=dx.size)
        else:
            a, b = np.divmod(np.arange(size.prod()), size[1])
            _backward(*arrays, a * dilation[0] - padding[0], b * dilation[1] - padding[1], *stride, work=dx.size)
        return dx

    # ------------------------------------------------------------------ rung 4: CUDA, one and two axes

    def forward_cuda(self, x, window, indices):
        if len(window.kernel) > 2:
            self.rung = "numpy"
            return self.forward_numpy(x, window, indices)
        xp = xp_of(x)
        self.window, self.shape = window, x.shape
        y = xp.empty(x.shape[:x.ndim - len(window.out)] + window.out, x.dtype)
        self.place = xp.empty(y.shape, np.int32)
        if y.size:
            CUDA_FORWARD((y.size + 255) // 256, 256, (xp.ascontiguousarray(x), y, self.place, np.int64(y.size),
                                                      *as_int32(window)), x.dtype)
        return (y, flat_indices(self.place, window)) if indices else y

    def backward_cuda(self, g, *rest):
        xp = xp_of(g)
        dx = xp.empty(self.shape, g.dtype)
        if dx.size:
            CUDA_BACKWARD((dx.size + 255) // 256, 256, (xp.ascontiguousarray(g), self.place, dx, np.int64(dx.size),
                                                        *as_int32(self.window)), g.dtype)
        return dx


def margins(window: Window) -> list[tuple[int, int]]:
    """For each axis how many elements to add before and after, so that every window lies inside."""
    return [(p, max((o - 1) * s - p + d * (k - 1) + 1 - n, 0)) for k, s, p, d, n, o in
            zip(window.kernel, window.stride, window.padding, window.dilation, window.size, window.out)]


def pad(x, window: Window, value):
    """The array with ``margins`` filled with ``value``; always a copy."""
    border = margins(window)
    lead = x.shape[:x.ndim - len(border)]
    padded = xp_of(x).full(lead + tuple(low + n + high for (low, high), n in zip(border, window.size)), value, x.dtype)
    padded[(..., *(slice(low, low + n) for (low, _), n in zip(border, window.size)))] = x
    return padded


def places(window: Window, lead: int):
    """For each place in the window: its number, the slices of a padded array that hold the elements standing there,
    and a boolean array of the shape of the output's space: whether they are elements of the input."""
    for place, offsets in enumerate(itertools.product(*map(range, window.kernel))):
        starts = [a * d for a, d in zip(offsets, window.dilation)]
        part = (slice(None),) * lead + tuple(slice(at, at + (o - 1) * s + 1, s)
                                             for at, o, s in zip(starts, window.out, window.stride))
        valid = np.ones((), bool)
        for at, o, s, p, n in zip(starts, window.out, window.stride, window.padding, window.size):
            inside = np.arange(o) * s + at - p
            valid = valid[..., None] & (inside >= 0) & (inside < n)
        yield place, part, valid


def place_dtype(window: Window) -> np.dtype:
    """The smallest dtype for the number of a place in the window."""
    return np.dtype(np.uint8 if np.prod(window.kernel) <= 256 else np.int32)


def flat_indices(place, window: Window):
    """The place in the window -> the index in the flattened space of the input, int64."""
    xp, rest, index, scale = xp_of(place), place.astype(np.int64), 0, 1
    for axis in reversed(range(len(window.kernel))):
        offset, rest = rest % window.kernel[axis], rest // window.kernel[axis]
        start = xp.arange(window.out[axis]).reshape((-1,) + (1,) * (len(window.kernel) - 1 - axis))
        index = index + scale * (start * window.stride[axis] - window.padding[axis] + offset * window.dilation[axis])
        scale *= window.size[axis]
    return index


def is_halving(window: Window) -> bool:
    """Whether this is the usual 2 x 2 window with stride 2, which has kernels of its own."""
    return window.kernel == window.stride == (2, 2) and window.padding == (0, 0) and window.dilation == (1, 1) and \
        all(2 * o <= n for o, n in zip(window.out, window.size))


def as_int32(window: Window) -> list[np.int32]:
    """Height and width of every field, as the CUDA kernels take them."""
    return [np.int32(v) for field in window.fields() for v in field]


@kernel(parallel=True)
def _halve(x, y, place):   # 2 x 2, stride 2: choices without branches, so that they vectorise
    planes, height, width = y.shape
    for p in prange(planes):
        for i in range(height):
            for j in range(width):
                a, b = x[p, 2 * i, 2 * j], x[p, 2 * i, 2 * j + 1]
                c, d = x[p, 2 * i + 1, 2 * j], x[p, 2 * i + 1, 2 * j + 1]
                at_ab, at_cd = np.uint8((b > a) | (b != b)), np.uint8(2) + np.uint8((d > c) | (d != d))
                ab, cd = b if (b > a) | (b != b) else a, d if (d > c) | (d != d) else c
                lower = (cd > ab) | (cd != cd)
                y[p, i, j] = cd if lower else ab
                place[p, i, j] = at_cd if lower else at_ab


@kernel(parallel=True)
def _halve_backward(g, place, dx):
    planes, height, width = g.shape
    zero = dx.dtype.type(0)
    for p in prange(planes):
        for i in range(height):
            for j in range(width):
                one, at = g[p, i, j], place[p, i, j]
                dx[p, 2 * i, 2 * j] = one if at == 0 else zero
                dx[p, 2 * i, 2 * j + 1] = one if at == 1 else zero
            for j in range(width):
                one, at = g[p, i, j], place[p, i, j]
                dx[p, 2 * i + 1, 2 * j] = one if at == 2 else zero
                dx[p, 2 * i + 1, 2 * j + 1] = one if at == 3 else zero
        for h in range(dx.shape[1]):   # what no window reached
            for w in range(2 * width if h < 2 * height else 0, dx.shape[2]):
                dx[p, h, w] = zero


@kernel(parallel=True)
def _forward(x, y, place, kh, kw, sh, sw, ph, pw, dh, dw):
    planes, height, width = y.shape
    for p in prange(planes):
        row = np.empty(width, x.dtype)
        for i in range(height):
            top = i * sh - ph
            a0 = (dh - 1 - top) // dh if top < 0 else 0
            a1 = min(kh, (x.shape[1] - top + dh - 1) // dh)
            best, where = y[p, i], place[p, i]
            for j in range(width):   # nothing found yet: the first place inside the input
                left = j * sw - pw
                best[j], where[j] = -np.inf, a0 * kw + ((dw - 1 - left) // dw if left < 0 else 0)
            for a in range(a0, a1):
                line = x[p, top + a * dh]
                for b in range(kw):   # gather what stands there in a whole row of windows; then comparing vectorises
                    for j in range(width):
                        w = j * sw + b * dw - pw
                        row[j] = line[w] if (w >= 0) & (w < len(line)) else -np.inf
                    code = place.dtype.type(a * kw + b)
                    for j in range(width):
                        better = (row[j] > best[j]) | (row[j] != row[j])
                        best[j] = row[j] if better else best[j]
                        where[j] = code if better else where[j]


@kernel(parallel=True)
def _backward(g, place, dx, down, right, sh, sw):   # place a of the window lies down[a], right[a] from its start
    planes, height, width = g.shape
    for p in prange(planes):
        for h in range(dx.shape[1]):
            for w in range(dx.shape[2]):
                dx[p, h, w] = 0
        for i in range(height):
            for j in range(width):
                at = place[p, i, j]
                dx[p, i * sh + down[at], j * sw + right[at]] += g[p, i, j]


CUDA_FORWARD = CudaKernel("max_pool_forward", r"""
// One thread an output.
template <typename T> __global__ void max_pool_forward(const T* x, T* y, int* place, long long total, int kh, int kw,
                                                       int sh, int sw, int ph, int pw, int dh, int dw, int H, int W,
                                                       int OH, int OW) {
    long long o = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (o >= total) return;
    int top = o / OW % OH * sh - ph, left = o % OW * sw - pw, at = -1;
    const T* plane = x + o / OW / OH * H * W;
    T best = 0;
    for (int a = 0; a < kh; ++a)
        for (int b = 0; b < kw; ++b) {
            int h = top + a * dh, w = left + b * dw;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            T value = plane[(long long)h * W + w];
            if (at < 0 || value > best || value != value) { best = value; at = a * kw + b; }
        }
    y[o] = best;
    place[o] = at;
}
""")

CUDA_BACKWARD = CudaKernel("max_pool_backward", r"""
// One thread an input: it asks the windows that cover it whether it was their largest. No atomics.
template <typename T> __global__ void max_pool_backward(const T* g, const int* place, T* dx, long long total, int kh,
                                                        int kw, int sh, int sw, int ph, int pw, int dh, int dw, int H,
                                                        int W, int OH, int OW) {
    long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (t >= total) return;
    int h = t / W % H + ph, w = t % W + pw;
    long long plane = t / W / H * OH * OW;
    T sum = 0;
    for (int a = 0; a < kh; ++a) {
        int i = h - a * dh;
        if (i < 0 || i % sh || i / sh >= OH) continue;
        for (int b = 0; b < kw; ++b) {
            int j = w - b * dw;
            if (j < 0 || j % sw || j / sw >= OW) continue;
            long long o = plane + (long long)(i / sh) * OW + j / sw;
            if (place[o] == a * kw + b) sum += g[o];
        }
    }
    dx[t] = sum;
}
""")


def _max_pool(operation, dims, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    input = check_input(operation, input, dims)
    window = sliding(operation, input, dims, kernel_size, stride, padding, dilation, ceil_mode)
    return MaxPool.apply(input, window=window, indices=return_indices)


def max_pool1d(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
               return_indices: bool = False):
    """Largest element of each window along the last axis; see ``max_pool2d``.

    Gradient: dL/dinput = g at the largest element of each window, the first of a tie, else 0.

    Args:
        input: (N, C, L) or (C, L).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in ``max_pool2d``.

    Returns:
        Tensor (N, C, OL); with ``return_indices`` a pair with int64 indices of the same shape.

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
               return_indices: bool = False):
    """Largest element of each window over the last two axes.

    Gradient: dL/dinput = g at the largest element of each window, the first of a tie, else 0.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: size of the window, an integer or (height, width); the same for what follows.
        stride: distance between windows; None for ``kernel_size``.
        padding: elements of -inf added at both ends of each axis, at most half the kernel.
        dilation: distance between the elements of one window.
        ceil_mode: keep a last window that reaches over the end.
        return_indices: also return where each maximum was found.

    Returns:
        Tensor (N, C, OH, OW); with ``return_indices`` a pair with int64 indices h * W + w of the same shape.

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False,
               return_indices: bool = False):
    """Largest element of each window over the last three axes; see ``max_pool2d``.

    Gradient: dL/dinput = g at the largest element of each window, the first of a tie, else 0.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        kernel_size, stride, padding, dilation, ceil_mode, return_indices: as in ``max_pool2d``.

    Returns:
        Tensor (N, C, OD, OH, OW); with ``return_indices`` a pair with int64 indices
        (d * H + h) * W + w of the same shape.

    Raises:
        ValueError: a padding of more than half the kernel, or a kernel larger than the padded input.
    """
    return _max_pool("max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _samples_1d(draw):
    yield Sample(draw.distinct(2, 3, 9), 3, 2, 1)
    yield Sample(draw.distinct(3, 8), 2, None, 0, 3)


def _samples_2d(draw):
    yield Sample(draw.distinct(2, 3, 6, 4), 2)
    yield Sample(draw.distinct(2, 2, 7, 5), 2)
    yield Sample(draw.distinct(2, 2, 7, 6), 3, 2, 1)
    yield Sample(draw.distinct(3, 8, 9), (3, 2), (1, 2), (1, 0), (2, 1))
    yield Sample(draw.distinct(2, 2, 5, 5), 2, 2, 1, 1, True)
    yield Sample(draw.distinct(1, 2, 6, 6), 3, 1, 1, return_indices=True)
    yield Sample(draw.distinct(1, 1, 20, 20), 17, 1)


def _samples_3d(draw):
    yield Sample(draw.distinct(1, 2, 4, 5, 4), 2, return_indices=True)
    yield Sample(draw.distinct(2, 4, 5, 6), (2, 3, 3), (2, 1, 2), (1, 1, 0), ceil_mode=True)


register("max_pool1d", max_pool1d, _samples_1d, torch="nn.functional.max_pool1d", fused=MaxPool)
register("max_pool2d", max_pool2d, _samples_2d, torch="nn.functional.max_pool2d", fused=MaxPool)
register("max_pool3d", max_pool3d, _samples_3d, torch="nn.functional.max_pool3d", fused=MaxPool)
