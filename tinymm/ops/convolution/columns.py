"""Columns: every window of an image written out, so that a convolution is one matrix product (im2col).

``columns`` picks, ``scatter_columns`` adds back; each is the other's transpose, hence its gradient. The first pair is
array-module code, the second CUDA. Where the kernel covers the whole image (the head of a discriminator, 4x4 -> 1x1, and,
transposed, the beginning of a generator, 1x1 -> 4x4), the image is its own column, and all images are one product.
"""

from __future__ import annotations

import math

import numpy as np

from ...backend import products
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from .geometry import Geometry

BLOCK = 1 << 24   # elements of columns written at a time: images are taken in blocks that keep below it


def columns(x, geometry: Geometry):
    """Windows of ``x`` (N, C, *image) as an array (N, C, taps, positions)."""
    xp, taps = xp_of(x), geometry.taps
    if geometry.padded != geometry.image:
        padded = xp.zeros(x.shape[:2] + geometry.padded, x.dtype)
        padded[(..., *geometry.inside)] = x
        x = padded
    cols = xp.empty(x.shape[:2] + (len(taps),) + geometry.maps, x.dtype)
    for t, tap in enumerate(taps):
        cols[:, :, t] = x[(..., *geometry.window(tap))]
    return cols.reshape(x.shape[:2] + (len(taps), geometry.positions))


def scatter_columns(cols, geometry: Geometry):
    """Add columns (N, C, taps, positions) up where their windows lie: an array (N, C, *image)."""
    image = xp_of(cols).zeros(cols.shape[:2] + geometry.padded, cols.dtype)
    cols = cols.reshape(cols.shape[:3] + geometry.maps)
    for t, tap in enumerate(geometry.taps):
        image[(..., *geometry.window(tap))] += cols[:, :, t]
    return xp_of(cols).ascontiguousarray(image[(..., *geometry.inside)])


def columns_cuda(x, geometry: Geometry):
    """``columns`` by a CUDA kernel."""
    xp, g = xp_of(x), geometry.in_3d()
    x = xp.ascontiguousarray(x)
    cols = xp.empty(x.shape[:2] + (len(g.taps), g.positions), x.dtype)
    if cols.size:
        IM2COL(_grid(cols.size), 256, (x, cols, np.int64(cols.size), *_numbers(g)), x.dtype)
    return cols


def scatter_columns_cuda(cols, geometry: Geometry):
    """``scatter_columns`` by a CUDA kernel."""
    xp, g = xp_of(cols), geometry.in_3d()
    cols = xp.ascontiguousarray(cols)
    image = xp.empty(cols.shape[:2] + geometry.image, cols.dtype)
    if image.size:
        COL2IM(_grid(image.size), 256, (cols, image, np.int64(image.size), *_numbers(g)), cols.dtype)
    return image


def blocks(n: int, channels: int, geometry: Geometry):
    """Slices of ``n`` images whose columns together stay below BLOCK elements (or one image at a time)."""
    step = max(1, BLOCK // max(1, channels * math.prod(geometry.kernel) * geometry.positions))
    return [slice(start, start + step) for start in range(0, n, step)]


# ---------------------------------------------------------------------- convolution as matrix products


def product(x, w, geometry: Geometry, pick):
    """Y = W columns(X): x (N, C, *image), w (O, C / groups, *kernel) -> (N, O, *maps); ``pick`` is ``columns``."""
    xp, groups, p = xp_of(x), geometry.groups, geometry.positions
    w = w.reshape(groups, w.shape[0] // groups, -1)                      # (groups, outputs, C / groups * taps)
    if geometry.whole:
        return _of_groups(products.matmul(_by_group(x, groups), w.swapaxes(1, 2)), geometry.maps)
    y = xp.empty((x.shape[0], groups, w.shape[1], p), x.dtype)
    for part in blocks(x.shape[0], x.shape[1], geometry):
        y[part] = products.matmul(w, pick(x[part], geometry).reshape(-1, groups, w.shape[2], p))
    return y.reshape((x.shape[0], groups * w.shape[1]) + geometry.maps)


def product_transposed(dy, w, geometry: Geometry, scatter):
    """dX = scatter_columns(W^T dY): dy (N, O, *maps) -> (N, C, *image); ``scatter`` is ``scatter_columns``."""
    xp, groups, p = xp_of(dy), geometry.groups, geometry.positions
    n, c, taps = dy.shape[0], groups * w.shape[1], len(geometry.taps)
    w = w.reshape(groups, w.shape[0] // groups, -1)                      # (groups, outputs, C / groups * taps)
    if geometry.whole:
        return _of_groups(products.matmul(_by_group(dy, groups), w), geometry.image)
    w = w.swapaxes(1, 2)
    dx = xp.empty((n, c) + geometry.image, dy.dtype)
    for part in blocks(n, c, geometry):
        cols = products.matmul(w, dy[part].reshape(-1, groups, w.shape[2], p))
        dx[part] = scatter(cols.reshape(-1, c, taps, p), geometry)
    return dx


def product_weight(dy, x, geometry: Geometry, pick):
    """dW = dY columns(X)^T, summed over the images: (O, C / groups, *kernel)."""
    xp, groups, p = xp_of(x), geometry.groups, geometry.positions
    (n, o), c = dy.shape[:2], x.shape[1]
    if geometry.whole:
        return products.matmul(_by_group(dy, groups).swapaxes(1, 2), _by_group(x, groups)).reshape(
            (o, c // groups) + geometry.kernel)
    dw = xp.zeros((groups, o // groups, c // groups * len(geometry.taps)), x.dtype)
    for part in blocks(n, c, geometry):   # one long product over images and positions
        cols = pick(x[part], geometry).reshape(-1, *dw.shape[::2], p).transpose(1, 0, 3, 2)
        left = dy[part].reshape(-1, *dw.shape[:2], p).transpose(1, 2, 0, 3)
        dw += products.matmul(left.reshape(dw.shape[:2] + (-1,)), cols.reshape(groups, -1, dw.shape[2]))
    return without_padding(dw.reshape((o, c // groups) + geometry.kernel), dy, x, geometry)


def _by_group(a, groups: int):
    """(N, channels, *space) -> (groups, N, channels / groups * space)."""
    return a.reshape(a.shape[0], groups, -1).swapaxes(0, 1)


def _of_groups(a, space: tuple[int, ...]):
    """The way back."""
    groups, n, size = a.shape
    return a.swapaxes(0, 1).reshape((n, groups * size // math.prod(space)) + space)


def without_padding(dw, dy, x, geometry: Geometry):
    """``dw``, once more from pairs of true positions if it is not finite: elsewhere a 0 of the padding met a NaN or an inf.

    A fast sum takes the zeros around an image, or those that fill a line, times whatever stands at the other side.
    """
    if type(dw) is not np.ndarray:
        return dw
    with np.errstate(all="ignore"):
        if np.isfinite(dw.sum()):
            return dw
        groups, again = geometry.groups, np.zeros_like(dw)
        for tap in geometry.taps:
            here, there = [slice(None)] * 2, [slice(None)] * 2
            for k, s, d, b, m, n in zip(tap, geometry.stride, geometry.dilation, geometry.before, geometry.maps, geometry.image):
                first = max(0, -((k * d - b) // s))                     # the first o with 0 <= o s + k d - b
                last = min(m, (n - 1 - k * d + b) // s + 1)             # and the first beyond the image
                count, start = max(0, last - first), first * s + k * d - b
                here.append(slice(first, first + count))
                there.append(slice(start, start + (count - 1) * s + 1, s) if count else slice(0, 0))
            left, right = (np.moveaxis(a.reshape(a.shape[0], groups, a.shape[1] // groups, -1), 0, 2)
                           for a in (dy[tuple(here)], x[tuple(there)]))         # (groups, channels, N, positions)
            sums = products.matmul(left.reshape(*left.shape[:2], -1), right.reshape(*right.shape[:2], -1).swapaxes(1, 2))
            again[(slice(None), slice(None), *tap)] = sums.reshape(dw.shape[:2])
    return again


def _grid(elements: int) -> int:
    return min((elements + 255) // 256, 65_535 * 16)


def _numbers(g: Geometry):
    """The geometry as the kernels' integer arguments."""
    return [np.int32(v) for v in (*g.image, *g.maps, *g.kernel, *g.stride, *g.before, *g.dilation)]


_ARGUMENTS = """int D, int H, int W, int OD, int OH, int OW, int KD, int KH, int KW,
    int sd, int sh, int sw, int pd, int ph, int pw, int dd, int dh, int dw"""

IM2COL = CudaKernel("im2col", r"""
// One thread an element of cols (planes, KD * KH * KW, OD * OH * OW).
template <typename T> __global__ void im2col(const T* x, T* cols, long long size, ARGUMENTS) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < size;
         i += (long long)gridDim.x * blockDim.x) {
        long long rest = i;
        int ow = rest % OW; rest /= OW;
        int oh = rest % OH; rest /= OH;
        int od = rest % OD; rest /= OD;
        int kw = rest % KW; rest /= KW;
        int kh = rest % KH; rest /= KH;
        int kd = rest % KD; rest /= KD;
        int d = od * sd + kd * dd - pd, h = oh * sh + kh * dh - ph, w = ow * sw + kw * dw - pw;
        bool inside = d >= 0 && d < D && h >= 0 && h < H && w >= 0 && w < W;
        cols[i] = inside ? x[((rest * D + d) * H + h) * W + w] : T(0);
    }
}
""".replace("ARGUMENTS", _ARGUMENTS))

COL2IM = CudaKernel("col2im", r"""
// The window of kernel position k that covers padded coordinate u, or -1.
__device__ __forceinline__ int window_at(int u, int k, int dilation, int stride, int windows) {
    int v = u - k * dilation;
    return v >= 0 && v % stride == 0 && v / stride < windows ? v / stride : -1;
}

// One thread an element of the image: it collects from the windows that cover it, so nothing is added atomically.
template <typename T> __global__ void col2im(const T* cols, T* image, long long size, ARGUMENTS) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < size;
         i += (long long)gridDim.x * blockDim.x) {
        long long rest = i;
        int w = rest % W + pw; rest /= W;
        int h = rest % H + ph; rest /= H;
        int d = rest % D + pd; rest /= D;
        T total = 0;
        for (int kd = 0; kd < KD; ++kd) {
            int od = window_at(d, kd, dd, sd, OD);
            if (od < 0) continue;
            for (int kh = 0; kh < KH; ++kh) {
                int oh = window_at(h, kh, dh, sh, OH);
                if (oh < 0) continue;
                for (int kw = 0; kw < KW; ++kw) {
                    int ow = window_at(w, kw, dw, sw, OW);
                    if (ow < 0) continue;
                    long long row = ((rest * KD + kd) * KH + kh) * KW + kw;
                    total += cols[((row * OD + od) * OH + oh) * OW + ow];
                }
            }
        }
        image[i] = total;
    }
}
""".replace("ARGUMENTS", _ARGUMENTS))
