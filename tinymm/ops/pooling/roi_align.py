"""RoIAlign (He et al. 2017, "Mask R-CNN", section 3): a box of any size to a fixed grid of bins, without rounding.

Each bin is the mean of regularly spaced samples, each sample a bilinear interpolation of four pixels. The samples form
a grid, so for one box both steps together are a product of an image with two small matrices:

    out[box, c] = A X[image(box), c] B^T        A (bins, H), B (bins, W)

whose rows hold the averaged bilinear weights of a bin along one axis.
"""

from __future__ import annotations

import numpy as np

from ...autograd.integers import integer
from ...autograd.join import stack
from ...autograd.linalg import matmul
from ...autograd.registry import Fixed, Sample, register
from ...autograd.tensor import Tensor, wrap
from ...backend import products
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ..fused import Fused
from .roi import checked

THREADS = 256


class RoIAlign(Fused):
    """out (K, C, h, w) from x (N, C, H, W), the image (K,) of each box, and its matrices (K, h, H) and (K, w, W)."""

    name = "roi_align"
    keep = ()

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, image, rows, columns):
        xp = xp_of(x._data)
        if not len(image):
            return x[:0, :, :1, :1].expand(0, x.shape[1], rows.shape[1], columns.shape[1])
        constant = lambda a: wrap(xp.asarray(a.astype(x.dtype)))
        return stack([matmul(matmul(constant(a), x[int(n)]), constant(b.T)) for n, a, b in zip(image, rows, columns)])

    # ------------------------------------------------------------------ rung 2: NumPy, box by box

    def _prepare(self, x, image, rows, columns):
        xp = xp_of(x)
        self.shape, self.image = x.shape, image
        self.rows, self.columns = xp.asarray(rows.astype(x.dtype)), xp.asarray(columns.astype(x.dtype))
        return (len(image), x.shape[1], rows.shape[1], columns.shape[1])

    def forward_numpy(self, x, image, rows, columns):
        out = xp_of(x).empty(self._prepare(x, image, rows, columns), x.dtype)
        for k, n in enumerate(image):
            out[k] = products.matmul(products.matmul(self.rows[k], x[int(n)]), self.columns[k].T)
        return out

    def backward_numpy(self, g):
        dx = xp_of(g).zeros(self.shape, g.dtype)
        for k, n in enumerate(self.image):
            dx[int(n)] += products.matmul(products.matmul(self.rows[k].T, g[k]), self.columns[k])
        return dx

    # ------------------------------------------------------------------ rung 3: Numba, only where weights are not zero

    def forward_numba(self, x, image, rows, columns):
        out = np.empty(self._prepare(x, image, rows, columns), x.dtype)
        self.spans = span(rows), span(columns)
        _forward(x, image, self.rows, self.columns, *self.spans, out, work=out.size * 4)
        return out

    def backward_numba(self, g):
        dx = np.zeros(self.shape, g.dtype)
        _backward(g, self.image, self.rows, self.columns, *self.spans, dx, work=g.size * 4)
        return dx

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, image, rows, columns):
        xp = xp_of(x)
        x, out = xp.ascontiguousarray(x), xp.empty(self._prepare(x, image, rows, columns), x.dtype)
        self.spans = xp.asarray(span(rows)), xp.asarray(span(columns))
        self.image = xp.asarray(image)
        if out.size:
            CUDA_FORWARD((out.size + THREADS - 1) // THREADS, THREADS,
                         (x, self.image, self.rows, self.columns, *self.spans, *self._sizes(), out), x.dtype)
        return out

    def backward_cuda(self, g):
        xp = xp_of(g)
        dx = xp.zeros(self.shape, g.dtype)
        if dx.size and g.size:
            CUDA_BACKWARD((dx.size + THREADS - 1) // THREADS, THREADS,
                          (xp.ascontiguousarray(g), self.image, self.rows, self.columns, *self.spans, *self._sizes(),
                           dx), g.dtype)
        return dx

    def _sizes(self):
        return tuple(np.int64(n) for n in (len(self.image), *self.shape, self.rows.shape[1], self.columns.shape[1]))


def span(weights: np.ndarray) -> np.ndarray:
    """For each row of weights (K, bins, n) the first and one past the last that is not zero, (K, bins, 2)."""
    used = weights != 0
    some, n = used.any(-1), weights.shape[-1]
    return np.stack([np.where(some, used.argmax(-1), 0), np.where(some, n - used[..., ::-1].argmax(-1), 0)], -1)


@kernel(parallel=True, reassociate=True)
def _forward(x, image, rows, columns, row_span, column_span, out):
    boxes, channels, height, width = out.shape
    for job in prange(boxes * channels):
        k, c = job // channels, job % channels
        plane = x[image[k], c]
        left, right = plane.shape[1], 0
        for j in range(width):      # the columns that this box reads at all
            if column_span[k, j, 1] > column_span[k, j, 0]:
                left, right = min(left, column_span[k, j, 0]), max(right, column_span[k, j, 1])
        mixed = np.empty(plane.shape[1], x.dtype)
        for i in range(height):
            mixed[:] = 0
            for y in range(row_span[k, i, 0], row_span[k, i, 1]):
                w = rows[k, i, y]
                for at in range(left, right):
                    mixed[at] += w * plane[y, at]
            for j in range(width):
                total = x.dtype.type(0)
                for at in range(column_span[k, j, 0], column_span[k, j, 1]):
                    total += columns[k, j, at] * mixed[at]
                out[k, c, i, j] = total


@kernel(parallel=True)
def _backward(g, image, rows, columns, row_span, column_span, dx):
    boxes, channels, height, width = g.shape
    for job in prange(dx.shape[0] * channels):   # a plane belongs to one thread, whatever boxes overlap on it
        n, c = job // channels, job % channels
        mixed = np.empty(dx.shape[3], dx.dtype)
        for k in range(boxes):
            if image[k] == n:
                for i in range(height):
                    mixed[:] = 0
                    for j in range(width):
                        for at in range(column_span[k, j, 0], column_span[k, j, 1]):
                            mixed[at] += columns[k, j, at] * g[k, c, i, j]
                    for y in range(row_span[k, i, 0], row_span[k, i, 1]):
                        w = rows[k, i, y]
                        for at in range(dx.shape[3]):
                            dx[n, c, y, at] += w * mixed[at]


CUDA_FORWARD = CudaKernel("roi_align_forward", r"""
// One thread an element of out (K, C, h, w).
template <typename T> __global__ void roi_align_forward(
        const T* x, const long long* image, const T* rows, const T* columns, const long long* row_span,
        const long long* column_span, long long boxes, long long images, long long channels, long long height,
        long long width, long long h, long long w, T* out) {
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= boxes * channels * h * w) return;
    long long j = at % w, i = at / w % h, c = at / w / h % channels, k = at / w / h / channels;
    const T* plane = x + (image[k] * channels + c) * height * width;
    const T *a = rows + (k * h + i) * height, *b = columns + (k * w + j) * width;
    const long long *ys = row_span + (k * h + i) * 2, *xs = column_span + (k * w + j) * 2;
    T total = 0;
    for (long long r = ys[0]; r < ys[1]; ++r) {
        T line = 0;
        for (long long s = xs[0]; s < xs[1]; ++s) line += b[s] * plane[r * width + s];
        total += a[r] * line;
    }
    out[at] = total;
}
""")

CUDA_BACKWARD = CudaKernel("roi_align_backward", r"""
// One thread a pixel of dx (N, C, H, W) gathers from all bins that read it: no two threads add to one number.
template <typename T> __global__ void roi_align_backward(
        const T* g, const long long* image, const T* rows, const T* columns, const long long* row_span,
        const long long* column_span, long long boxes, long long images, long long channels, long long height,
        long long width, long long h, long long w, T* dx) {
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= images * channels * height * width) return;
    long long s = at % width, r = at / width % height, c = at / width / height % channels;
    long long n = at / width / height / channels;
    T total = 0;
    for (long long k = 0; k < boxes; ++k) {
        if (image[k] != n) continue;
        for (long long i = 0; i < h; ++i) {
            const long long* ys = row_span + (k * h + i) * 2;
            if (r < ys[0] || r >= ys[1]) continue;
            T line = 0;
            for (long long j = 0; j < w; ++j)
                line += columns[(k * w + j) * width + s] * g[((k * channels + c) * h + i) * w + j];
            total += rows[(k * h + i) * height + r] * line;
        }
    }
    dx[at] = total;
}
""")


def bin_weights(start: np.ndarray, length: np.ndarray, bins: int, sampling_ratio: int, n: int) -> np.ndarray:
    """The averaged bilinear weights (K, bins, n) of the samples of boxes along one axis.

    Args:
        start, length: (K,) in pixels of the feature map.
        sampling_ratio: samples a bin; 0 or less for ceil(length / bins), as many as the bin has pixels.
        n: pixels of the axis.
    """
    ratio = np.full(len(start), sampling_ratio) if sampling_ratio > 0 else np.ceil(length / bins).astype(np.int64)
    ratio = np.maximum(ratio, 0)
    bin_length = (length / bins)[:, None, None]
    step = np.arange(max(int(ratio.max(initial=0)), 1))
    if sampling_ratio <= 0 and len(step) > 2 * n + 6:      # long boxes: only the samples from -1 to n, which are >= 1/2 apart
        before = (-1 - start[:, None, None]) / np.where(bin_length > 0, bin_length, 1) - np.arange(bins)[:, None]
        last = np.maximum(ratio - 1, 0)[:, None, None]
        step = np.clip(before * (last + 1) - 2, 0, last).astype(np.int64) + np.arange(2 * n + 6)   # (K, bins, samples)
    within = (step + 0.5) / np.maximum(ratio, 1)[:, None, None]
    at = start[:, None, None] + bin_length * (np.arange(bins)[:, None] + within)           # (K, bins, samples)
    counts = (step < ratio[:, None, None]) & (at >= -1) & (at <= n)        # far outside reads zero
    at = np.clip(at, 0, n - 1)
    low = np.floor(at).astype(np.int64)
    share = counts / np.maximum(ratio, 1)[:, None, None]
    box, row = np.arange(len(start))[:, None, None], np.arange(bins)[:, None]
    weights = np.zeros((len(start), bins, n))
    np.add.at(weights, (box, row, low), share * (1 - (at - low)))
    np.add.at(weights, (box, row, np.minimum(low + 1, n - 1)), share * (at - low))
    return weights


def roi_align(input: Tensor, boxes, output_size, spatial_scale: float = 1.0, sampling_ratio: int = -1,
              aligned: bool = False) -> Tensor:
    """Features of boxes on a fixed grid of bins, by bilinear samples; torchvision's ``ops.roi_align``.

    Gradient: dL/dinput = g times the bilinear weight of each pixel in each bin, summed over bins and boxes.

    Args:
        input: feature maps (N, C, H, W).
        boxes: (K, 5) with rows (image, x1, y1, x2, y2), or a list of N Tensors (L, 4). They get no gradient.
        output_size: bins, one number or (height, width).
        spatial_scale: pixels of the feature map in one unit of the boxes, e.g. 1/16.
        sampling_ratio: samples along each axis of a bin; 0 or less: as many as the bin has pixels, rounded up.
        aligned: shift by half a pixel, so that a pixel's centre lies at its index + 1/2 (the later, exact, convention);
            otherwise boxes are also made at least one pixel long.

    Returns:
        Tensor (K, C, height, width).

    Raises:
        ValueError: shapes that do not fit.
        IndexError: a box of an image that is not there.
    """
    sampling_ratio = integer("roi_align", "sampling_ratio", sampling_ratio)
    image, corners, bins = checked("roi_align", input, boxes, output_size, spatial_scale)
    corners = corners - (0.5 if aligned else 0.0)
    start, length = corners[:, :2], corners[:, 2:] - corners[:, :2]                        # columns x, y
    if not aligned:
        length = np.maximum(length, 1.0)
    rows = bin_weights(start[:, 1], length[:, 1], bins[0], sampling_ratio, input.shape[2])
    columns = bin_weights(start[:, 0], length[:, 0], bins[1], sampling_ratio, input.shape[3])
    return RoIAlign.apply(input, image=image, rows=rows, columns=columns)


def _samples(draw):
    boxes = np.array([[0, 0.5, 1, 4.25, 5], [1, -1, 2, 3, 9], [1, 2, 2, 2, 2], [0, 6, 0, 20, 3], [0, 30, 30, 40, 40]])
    for aligned in (False, True):
        yield Sample(draw.normal(2, 3, 6, 7), Fixed(boxes), (2, 3), 1.0, 2, aligned)
        yield Sample(draw.normal(2, 3, 6, 7), Fixed(boxes), 2, 0.5, -1, aligned)
    yield Sample(draw.normal(2, 1, 5, 5), [Fixed(boxes[:2, 1:]), Fixed(boxes[:0, 1:])], 1)
    yield Sample(draw.normal(1, 2, 4, 4), Fixed(boxes[:0]), 2)
    yield Sample(draw.normal(1, 1, 1, 1), Fixed(boxes[:1]), 2, aligned=True)
    yield Sample(draw.normal(2, 20, 30, 33), Fixed(boxes * [1, 4, 4, 4, 4]), 7, sampling_ratio=2, aligned=True)


register("roi_align", roi_align, _samples, fused=RoIAlign)
