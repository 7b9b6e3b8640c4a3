"""unfold: all windows of an image as columns (im2col); fold: columns added up where their windows lie (col2im).

    unfold:  y[n, (c, k), i] = x[n, c, i * stride + k * dilation - padding]
    fold:    y[n, c, i * stride + k * dilation - padding] += x[n, (c, k), i]

Each is linear and the transpose of the other, so each is the other's gradient.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...autograd.indexing import put
from ...autograd.integers import per_axis
from ...autograd.registry import Sample, register
from ...autograd.join import stack
from ...autograd.tensor import Tensor
from ...backend.jit import kernel, prange
from ..checks import floating
from .convolution import windows
from .columns import columns, columns_cuda, scatter_columns, scatter_columns_cuda
from .geometry import Geometry, conv_geometry
from ..fused import Fused


class Unfold(Fused):
    """(N, C, H, W) -> (N, C * taps, positions)."""

    name = "unfold"

    @staticmethod
    def definition(x, geometry):
        n, c = x.shape[:2]
        picked = [window.reshape(n, c, geometry.positions) for window in windows(x, geometry)]
        return stack(picked, 2).reshape(n, c * len(picked), geometry.positions)

    def forward_numpy(self, x, geometry):
        return self._pick(x, geometry, columns)

    def backward_numpy(self, dy):
        return self._scatter(dy, scatter_columns)

    def forward_numba(self, x, geometry):
        return self._pick(x, geometry, columns_numba)

    def backward_numba(self, dy):
        return self._scatter(dy, scatter_columns_numba)

    def forward_cuda(self, x, geometry):
        return self._pick(x, geometry, columns_cuda)

    def backward_cuda(self, dy):
        return self._scatter(dy, scatter_columns_cuda)

    def _pick(self, x, geometry, pick):
        self.geometry, self.channels = geometry, x.shape[1]
        return pick(x, geometry).reshape(x.shape[0], x.shape[1] * len(geometry.taps), geometry.positions)

    def _scatter(self, dy, scatter):
        g = self.geometry
        return scatter(dy.reshape(dy.shape[0], self.channels, len(g.taps), g.positions), g)


class Fold(Fused):
    """(N, C * taps, positions) -> (N, C, H, W)."""

    name = "fold"

    @staticmethod
    def definition(x, geometry):
        n, taps = x.shape[0], geometry.taps
        c = x.shape[1] // len(taps)
        x = x.reshape((n, c, len(taps)) + geometry.maps)
        y: Any = None
        for t, tap in enumerate(taps):
            at = (slice(None), slice(None), *geometry.window(tap))
            term = put(x[:, :, t], at, (), (n, c) + geometry.padded)
            y = term if y is None else y + term
        return y[(slice(None), slice(None), *geometry.inside)]

    def forward_numpy(self, x, geometry):
        return self._scatter(x, geometry, scatter_columns)

    def backward_numpy(self, dy):
        return columns(dy, self.geometry).reshape(self.shape)

    def forward_numba(self, x, geometry):
        return self._scatter(x, geometry, scatter_columns_numba)

    def backward_numba(self, dy):
        return columns_numba(dy, self.geometry).reshape(self.shape)

    def forward_cuda(self, x, geometry):
        return self._scatter(x, geometry, scatter_columns_cuda)

    def backward_cuda(self, dy):
        return columns_cuda(dy, self.geometry).reshape(self.shape)

    def _scatter(self, x, geometry, scatter):
        self.geometry, self.shape = geometry, x.shape
        taps = len(geometry.taps)
        return scatter(x.reshape(x.shape[0], x.shape[1] // taps, taps, geometry.positions), geometry)


def columns_numba(x, g: Geometry):
    """``columns`` of images with two axes, by a kernel."""
    n, c, h, w = x.shape
    cols = np.empty((n * c, *g.kernel, *g.maps), x.dtype)
    _im2col(x.reshape(n * c, h, w), *_numbers(g), cols, work=cols.size)
    return cols.reshape(n, c, len(g.taps), g.positions)


def scatter_columns_numba(cols, g: Geometry):
    """``scatter_columns`` to images with two axes, by a kernel."""
    n, c = cols.shape[:2]
    image = np.zeros((n * c, *g.image), cols.dtype)
    _col2im(cols.reshape(n * c, *g.kernel, *g.maps), *_numbers(g), image, work=cols.size)
    return image.reshape(n, c, *g.image)


def _numbers(g: Geometry):
    return *g.stride, *g.before, *g.dilation


@kernel
def _inside(shift, stride, length, windows):
    """The range of window numbers i for which 0 <= i * stride + shift < length."""
    low = min(max((stride - 1 - shift) // stride, 0), windows)
    return low, max(min((length - 1 - shift) // stride + 1, windows), low)


@kernel(parallel=True)
def _im2col(x, sh, sw, ph, pw, dh, dw, cols):
    planes, height, width = x.shape
    _, kernel_h, kernel_w, out_h, out_w = cols.shape
    for p in prange(planes):
        for kh in range(kernel_h):
            for kw in range(kernel_w):
                top, left = kh * dh - ph, kw * dw - pw
                low, high = _inside(left, sw, width, out_w)
                for i in range(out_h):
                    h = i * sh + top
                    for j in range(out_w):
                        inside = 0 <= h < height and low <= j < high
                        cols[p, kh, kw, i, j] = x[p, h, j * sw + left] if inside else x.dtype.type(0)


@kernel(parallel=True)
def _col2im(cols, sh, sw, ph, pw, dh, dw, image):
    planes, height, width = image.shape
    _, kernel_h, kernel_w, out_h, out_w = cols.shape
    for p in prange(planes):
        for kh in range(kernel_h):
            for kw in range(kernel_w):
                top, left = kh * dh - ph, kw * dw - pw
                low, high = _inside(left, sw, width, out_w)
                for i in range(out_h):
                    h = i * sh + top
                    if 0 <= h < height:
                        for j in range(low, high):
                            image[p, h, j * sw + left] += cols[p, kh, kw, i, j]


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """All windows of an image, each written out as a column.

    Gradient: dL/dinput = ``fold`` of g with the same settings.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: height and width of a window; an integer or two, like all that follow.
        dilation, padding, stride: as in ``conv2d``.

    Returns:
        Tensor (N, C * kernel height * kernel width, positions), without N if the input has none.

    Raises:
        ValueError: settings that do not fit the input.
    """
    floating("unfold", "input", input)
    if input.ndim not in (3, 4):
        raise ValueError(f"unfold: input has shape {input.shape} with {input.ndim} axes; it must be (N, C, H, W) or "
                         "(C, H, W)")
    kernel_size = per_axis("unfold", "kernel_size", kernel_size, 2, 1)
    padding = per_axis("unfold", "padding", padding, 2, 0)
    geometry = conv_geometry("unfold", input.shape[-2:], kernel_size, stride, padding, dilation, 1)
    batch = input if input.ndim == 4 else input.reshape((1,) + input.shape)
    y = Unfold.apply(batch, geometry=geometry)
    return y if input.ndim == 4 else y.reshape(y.shape[1:])


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Columns added up where their windows lie in an image.

    Gradient: dL/dinput = ``unfold`` of g with the same settings.

    Args:
        input: (N, C * kernel height * kernel width, positions), or without N.
        output_size: height and width of the image; an integer or two, like all that follow.
        kernel_size, dilation, padding, stride: as in ``unfold``.

    Returns:
        Tensor (N, C, *output_size), without N if the input has none.

    Raises:
        ValueError: a number of channels or positions that does not fit; the message says what would.
    """
    floating("fold", "input", input)
    if input.ndim not in (2, 3):
        raise ValueError(f"fold: input has shape {input.shape} with {input.ndim} axes; it must be (N, C * taps, "
                         "positions) or (C * taps, positions)")
    output_size = per_axis("fold", "output_size", output_size, 2, 1)
    kernel_size = per_axis("fold", "kernel_size", kernel_size, 2, 1)
    padding = per_axis("fold", "padding", padding, 2, 0)
    geometry = conv_geometry("fold", output_size, kernel_size, stride, padding, dilation, 1)
    taps = math.prod(kernel_size)
    if input.shape[-2] % taps or input.shape[-1] != geometry.positions:
        raise ValueError(f"fold: input has shape {input.shape} but output_size={output_size} with "
                         f"kernel_size={kernel_size} wants {geometry.positions} positions in the last axis and a "
                         f"multiple of {taps} in the one before")
    batch = input if input.ndim == 3 else input.reshape((1,) + input.shape)
    y = Fold.apply(batch, geometry=geometry)
    return y if input.ndim == 3 else y.reshape(y.shape[1:])


def _unfold_samples(draw):
    yield Sample(draw.normal(2, 3, 5, 6), (3, 2), padding=1)
    yield Sample(draw.normal(2, 6, 7), 2, 2, (1, 2), (2, 3))
    yield Sample(draw.normal(1, 2, 3, 3), 3)
    yield Sample(draw.normal(0, 2, 3, 3), 2)


def _fold_samples(draw):
    yield Sample(draw.normal(2, 3 * 4, 20), (5, 6), 2)
    yield Sample(draw.normal(2 * 6, 9), (6, 7), (2, 3), (2, 1), (1, 0), (2, 2))
    yield Sample(draw.normal(2, 2, 4), 2, 1)
    yield Sample(draw.normal(0, 4, 9), 4, 2)


register("unfold", unfold, _unfold_samples, torch="nn.functional.unfold", fused=Unfold)
register("fold", fold, _fold_samples, torch="nn.functional.fold", fused=Fold)
