"""RoI pooling (Girshick 2015, "Fast R-CNN", section 2.1): the largest value in each bin of a box, after rounding.

    out[box, c, i, j] = max over the pixels of bin (i, j) of X[image(box), c]

The box is rounded to pixels, and a bin's borders outwards, so that bins may share pixels; a bin without one is zero.
"""

from __future__ import annotations

import numpy as np

from ...autograd.join import stack
from ...autograd.registry import Fixed, Sample, register
from ...autograd.scatter import take_along_dim
from ...autograd.shape import reshape
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ..fused import Fused
from .roi import checked

THREADS = 256


class RoIPool(Fused):
    """out (K, C, h, w) from x (N, C, H, W), the image (K,) of each box, and the pixels of its bins.

    ``rows`` (K, h, 2) and ``columns`` (K, w, 2) hold the first and one past the last pixel of each bin.
    """

    name = "roi_pool"
    keep = ()

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, image, rows, columns):
        channels, h, w = x.shape[1], rows.shape[1], columns.shape[1]
        nothing = wrap(xp_of(x._data).zeros((channels, 1), x.dtype))
        bins = []
        for n, ys, xs in zip(image, rows, columns):
            for top, bottom in ys:
                for left, right in xs:
                    pixels = x[int(n), :, int(top):int(bottom), int(left):int(right)].flatten(1) \
                        if bottom > top and right > left else nothing
                    bins.append(take_along_dim(pixels, wrap(pixels._data.argmax(1)[:, None]), 1)[:, 0])
        if not bins:
            return x[:0, :, :1, :1].expand(0, channels, h, w)
        return reshape(stack(bins, 1), channels, len(image), h, w).transpose(0, 1)

    # ------------------------------------------------------------------ rung 2: NumPy, bin by bin

    def _prepare(self, x, image, rows, columns):
        self.shape, self.image = x.shape, image
        shape = (len(image), x.shape[1], rows.shape[1], columns.shape[1])
        return xp_of(x).zeros(shape, x.dtype), xp_of(x).full(shape, -1, np.int64)

    def forward_numpy(self, x, image, rows, columns):
        out, self.chosen = self._prepare(x, image, rows, columns)      # chosen: which pixel of the plane, -1 for none
        width = x.shape[3]
        for k, n in enumerate(image if x.shape[1] else []):
            for i, (top, bottom) in enumerate(rows[k].tolist()):
                for j, (left, right) in enumerate(columns[k].tolist()):
                    if bottom <= top or right <= left:
                        continue
                    pixels = x[int(n), :, top:bottom, left:right].reshape(x.shape[1], -1)
                    best = pixels.argmax(1)
                    out[k, :, i, j] = np.take_along_axis(pixels, best[:, None], 1)[:, 0]
                    self.chosen[k, :, i, j] = (top + best // (right - left)) * width + left + best % (right - left)
        return out

    def backward_numpy(self, g):
        xp = xp_of(g)
        k, c = g.shape[:2]
        dx = xp.zeros((self.shape[0], self.shape[1], self.shape[2] * self.shape[3]), g.dtype)
        bins = g.shape[2] * g.shape[3]
        chosen, g = self.chosen.reshape(k, c, bins), g.reshape(k, c, bins)
        at = (xp.asarray(self.image)[:, None, None], xp.arange(c)[:, None], np.maximum(chosen, 0))
        xp.add.at(dx, at, g * (chosen >= 0))
        return dx.reshape(self.shape)

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, image, rows, columns):
        out, self.chosen = self._prepare(x, image, rows, columns)
        _forward(x, image, rows, columns, out, self.chosen, work=out.size * 8)
        return out

    def backward_numba(self, g):
        dx = np.zeros(self.shape, g.dtype)
        _backward(g, self.image, self.chosen, dx.reshape(self.shape[0], self.shape[1], -1), work=g.size)
        return dx

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, image, rows, columns):
        xp = xp_of(x)
        out, self.chosen = self._prepare(x, image, rows, columns)
        if out.size:
            CUDA_FORWARD((out.size + THREADS - 1) // THREADS, THREADS,
                         (xp.ascontiguousarray(x), xp.asarray(image), xp.asarray(rows), xp.asarray(columns),
                          *(np.int64(n) for n in (*out.shape, *x.shape[2:])), out, self.chosen), x.dtype)
        return out

    def backward_cuda(self, g):
        xp = xp_of(g)
        dx = xp.zeros(self.shape, g.dtype)
        planes = self.shape[0] * self.shape[1]
        if planes and g.size:
            CUDA_BACKWARD((planes + 31) // 32, 32,
                          (xp.ascontiguousarray(g), xp.asarray(self.image), self.chosen,
                           *(np.int64(n) for n in (g.shape[0], self.shape[0], self.shape[1], g.shape[2] * g.shape[3],
                                                   self.shape[2] * self.shape[3])), dx), g.dtype)
        return dx


@kernel(parallel=True)
def _forward(x, image, rows, columns, out, chosen):
    boxes, channels, height, width = out.shape
    for job in prange(boxes * channels):
        k, c = job // channels, job % channels
        plane = x[image[k], c]
        for i in range(height):
            for j in range(width):
                where = -1
                best = x.dtype.type(0)
                for r in range(rows[k, i, 0], rows[k, i, 1]):
                    for s in range(columns[k, j, 0], columns[k, j, 1]):
                        v = plane[r, s]
                        if where < 0 or v > best or (v != v and best == best):   # the first of a tie; a NaN wins
                            best, where = v, r * plane.shape[1] + s
                out[k, c, i, j], chosen[k, c, i, j] = best, where


@kernel(parallel=True)
def _backward(g, image, chosen, dx):
    boxes, channels, height, width = g.shape
    for job in prange(dx.shape[0] * channels):   # a plane belongs to one thread, whatever boxes overlap on it
        n, c = job // channels, job % channels
        for k in range(boxes):
            if image[k] == n:
                for i in range(height):
                    for j in range(width):
                        if chosen[k, c, i, j] >= 0:
                            dx[n, c, chosen[k, c, i, j]] += g[k, c, i, j]


CUDA_FORWARD = CudaKernel("roi_pool_forward", r"""
// One thread an element of out (K, C, h, w).
template <typename T> __global__ void roi_pool_forward(
        const T* x, const long long* image, const long long* rows, const long long* columns, long long boxes,
        long long channels, long long h, long long w, long long height, long long width, T* out, long long* chosen) {
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= boxes * channels * h * w) return;
    long long j = at % w, i = at / w % h, c = at / w / h % channels, k = at / w / h / channels;
    const T* plane = x + (image[k] * channels + c) * height * width;
    const long long *ys = rows + (k * h + i) * 2, *xs = columns + (k * w + j) * 2;
    long long where = -1;
    T best = 0;
    for (long long r = ys[0]; r < ys[1]; ++r)
        for (long long s = xs[0]; s < xs[1]; ++s) {
            T v = plane[r * width + s];
            if (where < 0 || v > best || (v != v && best == best)) { best = v; where = r * width + s; }
        }
    out[at] = best;
    chosen[at] = where;
}
""")

CUDA_BACKWARD = CudaKernel("roi_pool_backward", r"""
// One thread a plane of dx (N, C, pixels): boxes overlap, and so no two threads add to one number.
template <typename T> __global__ void roi_pool_backward(
        const T* g, const long long* image, const long long* chosen, long long boxes, long long images,
        long long channels, long long bins, long long pixels, T* dx) {
    long long plane = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (plane >= images * channels) return;
    long long n = plane / channels, c = plane % channels;
    for (long long k = 0; k < boxes; ++k) {
        if (image[k] != n) continue;
        for (long long b = 0; b < bins; ++b) {
            long long at = (k * channels + c) * bins + b;
            if (chosen[at] >= 0) dx[plane * pixels + chosen[at]] += g[at];
        }
    }
}
""")


def bin_pixels(first: np.ndarray, last: np.ndarray, bins: int, n: int) -> np.ndarray:
    """First and one past the last pixel (K, bins, 2) of each bin of boxes from pixel ``first`` to ``last`` (K,)."""
    length = np.maximum(last - first + 1, 1)[:, None]
    i = np.arange(bins)
    start = first[:, None] + i * length // bins
    stop = first[:, None] - (-(i + 1) * length // bins)       # rounded up
    return np.clip(np.stack([start, stop], -1), 0, n)


def half_away(x: np.ndarray) -> np.ndarray:
    """The nearest integers, halves away from zero as in C."""
    return (np.sign(x) * np.floor(np.abs(x) + 0.5)).astype(np.int64)


def roi_pool(input: Tensor, boxes, output_size, spatial_scale: float = 1.0) -> Tensor:
    """The largest value in each bin of boxes; torchvision's ``ops.roi_pool``.

    Gradient: dL/dinput = g at the largest value of each bin, the first of equals, summed over bins and boxes;
    else 0.

    Args:
        input: feature maps (N, C, H, W).
        boxes: (K, 5) with rows (image, x1, y1, x2, y2), or a list of N Tensors (L, 4). They get no gradient.
        output_size: bins, one number or (height, width).
        spatial_scale: pixels of the feature map in one unit of the boxes, e.g. 1/16.

    Returns:
        Tensor (K, C, height, width); of equal largest values the first gets the gradient.

    Raises:
        ValueError: shapes that do not fit.
        IndexError: a box of an image that is not there.
    """
    image, corners, bins = checked("roi_pool", input, boxes, output_size, spatial_scale)
    x1, y1, x2, y2 = half_away(corners).T
    return RoIPool.apply(input, image=image, rows=bin_pixels(y1, y2, bins[0], input.shape[2]),
                         columns=bin_pixels(x1, x2, bins[1], input.shape[3]))


def _samples(draw):
    boxes = np.array([[0, 0.5, 1, 4.25, 5], [1, -1, 2, 3, 9], [1, 2, 2, 2, 2], [0, 6, 0, 20, 3], [0, 30, 30, 40, 40]])
    yield Sample(draw.distinct(2, 3, 6, 7), Fixed(boxes), (2, 3))
    yield Sample(draw.distinct(2, 3, 6, 7), Fixed(boxes), 2, 0.5)
    yield Sample(draw.distinct(2, 1, 5, 5), [Fixed(boxes[:2, 1:]), Fixed(boxes[:0, 1:])], 1)
    yield Sample(draw.distinct(1, 2, 4, 4), Fixed(boxes[:0]), 2)
    yield Sample(draw.distinct(1, 1, 1, 1), Fixed(np.array([[0, -1, 0, 1, 2.0]])), 2)
    yield Sample(draw.distinct(2, 8, 20, 13), Fixed(boxes * [1, 2, 2, 2, 2]), 7)


register("roi_pool", roi_pool, _samples, fused=RoIPool)
