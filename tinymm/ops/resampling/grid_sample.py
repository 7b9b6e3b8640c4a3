"""Reading an image at arbitrary points, differentiably in both (Jaderberg et al. 2015, equations 1 and 3 to 7).

    out[n, c, p] = sum_i sum_j  wy_i wx_j  input[n, c, y_i, x_j]

where a point reads k = 1 (nearest), 2 (bilinear) or 4 (bicubic) taps an axis, with weights that are polynomials of its
distance to them. A tap outside the image counts as zero and is not read, or is moved inside by the padding mode. Points that
are NaN or infinite do as in PyTorch: with the padding "zeros", and in bicubic, they give NaN (nearest: zero); "border" and
"reflection" move an infinite point inside like any other, and take the first pixel where nothing says which one it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...autograd.choice import where
from ...autograd.indexing import getitem
from ...autograd.linalg import matmul
from ...autograd.integers import integers, listed
from ...autograd.pointwise import raw
from ...autograd.registry import Fixed, Sample, register
from ...autograd.shape import permute, reshape, transpose
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.jit import kernel, prange
from ..checks import floating, one_device, same_dtype
from ..fused import Fused
from .resample import CUBIC

TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4}


class GridSample(Fused):
    """x (N, C, H, W) at grid (N, Ho, Wo, 2), whose last axis is (x, y) in [-1, 1]."""

    name = "grid_sample"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, grid, mode, padding_mode, align_corners):
        height, width = x.shape[2:]
        n = wrap(xp_of(x._data).arange(x.shape[0])[:, None, None])
        ix, in_x, wx = _tensor_taps(grid[..., 0], width, mode, padding_mode, align_corners)
        iy, in_y, wy = _tensor_taps(grid[..., 1], height, mode, padding_mode, align_corners)
        out: Any = 0
        for i in range(TAPS[mode]):
            for j in range(TAPS[mode]):
                values = getitem(x, (n, slice(None), wrap(iy[..., i]), wrap(ix[..., j])))      # (N, Ho, Wo, C)
                values = where(wrap(in_y[..., i] & in_x[..., j]).unsqueeze(-1), values, 0.0)
                out = values * (wy[i] * wx[j]).unsqueeze(-1) + out
        return permute(out, 0, 3, 1, 2)

    # ------------------------------------------------------------------ rung 2: NumPy, tap by tap

    def _prepare(self, x, grid, mode, padding_mode, align_corners):
        self.x, self.grid_shape, self.k = x, grid.shape, TAPS[mode]
        n, points = grid.shape[0], grid.shape[1] * grid.shape[2]
        flat = grid.reshape(n, points, 2)
        self.ix, self.in_x, self.wx, self.sx = axis_taps(flat[..., 0], x.shape[3], mode, padding_mode, align_corners)
        self.iy, self.in_y, self.wy, self.sy = axis_taps(flat[..., 1], x.shape[2], mode, padding_mode, align_corners)
        self.out_shape = (n, x.shape[1]) + grid.shape[1:3]

    def _taps(self):
        """For each pair of taps its number (i, j), where in x (N, C, H W) it reads, and whether it lies inside."""
        n, c, _, width = self.x.shape
        xp = xp_of(self.x)
        for i in range(self.k):
            for j in range(self.k):
                at = self.iy[..., i] * width + self.ix[..., j]                                 # (N, P)
                yield (i, j, (xp.arange(n)[:, None, None], xp.arange(c)[:, None], at[:, None]),
                       (self.in_y[..., i] & self.in_x[..., j])[:, None])

    def forward_numpy(self, x, grid, mode, padding_mode, align_corners):
        self._prepare(x, grid, mode, padding_mode, align_corners)
        out: Any = 0
        flat = planes(x)
        for i, j, at, inside in self._taps():
            out = out + np.where(inside, flat[at], x.dtype.type(0)) * (self.wy[..., i] * self.wx[..., j])[:, None]
        return out.reshape(self.out_shape)

    def backward_numpy(self, g):
        xp, x = xp_of(g), self.x
        flat, g = planes(x), planes(g)
        dx = xp.zeros(flat.shape, x.dtype) if self.needs[0] else None
        gx, gy = 0, 0
        zero = x.dtype.type(0)
        for i, j, at, inside in self._taps():
            if dx is not None:
                xp.add.at(dx, at, np.where(inside, g * (self.wy[..., i] * self.wx[..., j])[:, None], zero))
            if self.needs[1]:
                share = np.where(inside, flat[at] * g, zero).sum(1)                            # (N, P)
                gx = gx + share * self.wy[..., i] * self.sx[..., j]
                gy = gy + share * self.sy[..., i] * self.wx[..., j]
        return (None if dx is None else dx.reshape(x.shape),
                xp.stack([gx, gy], -1).reshape(self.grid_shape) if self.needs[1] else None)

    # ------------------------------------------------------------------ rung 3: Numba, channel by channel

    def forward_numba(self, x, grid, mode, padding_mode, align_corners):
        self._prepare(x, grid, mode, padding_mode, align_corners)
        self.ix, self.iy = np.where(self.in_x, self.ix, -1), np.where(self.in_y, self.iy, -1)   # -1: outside, not to be read
        out = np.empty(self.out_shape, x.dtype)
        _read(x, self.iy, self.ix, self.wy, self.wx, planes(out), work=out.size * self.k**2)
        return out

    def backward_numba(self, g):
        x, g = self.x, planes(g)
        dx = dgrid = None
        if self.needs[0]:
            dx = np.zeros_like(x)
            _write(g, self.iy, self.ix, self.wy, self.wx, dx, work=g.size * self.k**2)
        if self.needs[1]:
            dgrid = np.empty(self.grid_shape, x.dtype)
            _slopes(g, x, self.iy, self.ix, self.wy, self.wx, self.sy, self.sx,
                    dgrid.reshape(g.shape[0], -1, 2), work=g.size * self.k**2)
        return dx, dgrid


def planes(x):
    """(N, C, H, W) as (N, C, H W)."""
    return x.reshape(x.shape[:2] + (x.shape[2] * x.shape[3],))


@np.errstate(invalid="ignore", over="ignore")   # infinite points
def axis_taps(g, n: int, mode: str, padding_mode: str, align_corners: bool):
    """What points with the coordinates ``g`` in [-1, 1] read of an axis of length n.

    Returns:
        The taps' indices, whether they lie inside, their weights and d weight / d g, each of shape (*g.shape, k).
    """
    base, t, slope = _base(g, n, mode, padding_mode, align_corners)
    index, inside = _indices(base, n, mode, padding_mode, align_corners)
    weights, slopes = _weights(t, mode)
    return index, inside, np.stack(weights, -1), np.stack(slopes, -1) * slope[..., None]


@np.errstate(invalid="ignore", over="ignore")
def _tensor_taps(g: Tensor, n: int, mode: str, padding_mode: str, align_corners: bool):
    """The same indices, the same flags, and a list of k weights as Tensors with a graph to ``g``."""
    base, t, slope = _base(g._data, n, mode, padding_mode, align_corners)
    index, inside = _indices(base, n, mode, padding_mode, align_corners)
    g = where(wrap(slope != 0), g, 0.0)                     # an infinite one would make NaN of slope 0
    t = g * wrap(slope) + wrap(t - g._data * slope)         # t is linear in g between its kinks
    return index, inside, _weights(t, mode)[0]


def _base(g, n: int, mode: str, padding_mode: str, align_corners: bool):
    """The pixel at or before each point, the distance t from it, and dt/dg."""
    position = (g + 1) * ((n - 1) / 2) if align_corners else (g + 1) * (n / 2) - 0.5   # no product that could overflow
    slope = np.full_like(g, (n - 1) / 2 if align_corners else n / 2)
    if mode != "bicubic":                                   # bicubic pads its taps, not its position
        position, sign = padded(position, n, padding_mode, align_corners)
        slope = slope * sign
    if mode == "nearest":
        return np.rint(position), np.zeros_like(position), slope * 0
    base = np.floor(position)
    return base, (position - base).astype(g.dtype), slope.astype(g.dtype)


def padded(position, n: int, padding_mode: str, align_corners: bool):
    """Positions moved inside the axis by the padding mode, and the derivative of the moved by the old."""
    sign = np.ones_like(position)
    if padding_mode == "zeros":
        return position, sign
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))     # the first mirror, and how far off the second is
        if span == 0:
            return np.zeros_like(position), sign * 0
        distance = np.abs(position - low)
        extra = distance - np.trunc(distance / (2 * span)) * (2 * span)       # since the last time that the images repeat
        back = extra > 2 * span - extra
        sign = np.where((position < low) ^ back, -sign, sign)
        position = np.where(back, 2 * span - extra, extra) + low
    inside = (position > 0) & (position < n - 1)
    return np.fmin(np.fmax(position, 0), n - 1), sign * inside              # NaN to the first pixel


def _indices(base, n: int, mode: str, padding_mode: str, align_corners: bool):
    """Indices of the taps (..., k), safe to read at, and whether a tap lies inside the axis."""
    first = -1 if mode == "bicubic" else 0
    taps = np.stack([base + d for d in range(first, first + TAPS[mode])], -1)
    if mode == "bicubic":
        taps, _ = padded(taps, n, padding_mode, align_corners)
    return np.fmin(np.fmax(taps, 0), n - 1).astype(np.int64), (taps >= 0) & (taps <= n - 1)


def _weights(t, mode: str):
    """The weights of the taps as polynomials of t, and their derivatives; on arrays and on Tensors."""
    if mode == "nearest":
        return [t * 0 + 1], [t * 0]
    if mode == "bilinear":
        one = np.ones_like(raw(t))                                         # at NaN, too
        return [1 - t, t + 0], [-one, one]
    a, s = CUBIC, 1 - t
    near = lambda x: ((a + 2) * x - (a + 3)) * x * x + 1                   # a tap at distance x <= 1
    far = lambda x: ((a * x - 5 * a) * x + 8 * a) * x - 4 * a              # 1 < x < 2
    d_near = lambda x: (3 * (a + 2) * x - 2 * (a + 3)) * x
    d_far = lambda x: (3 * a * x - 10 * a) * x + 8 * a
    return [far(1 + t), near(t), near(s), far(1 + s)], [d_far(1 + t), d_near(t), -d_near(s), -d_far(1 + s)]


@kernel(parallel=True)
def _read(x, iy, ix, wy, wx, out):
    images, channels, points = out.shape
    taps = iy.shape[2]
    for plane in prange(images * channels):
        n, c = plane // channels, plane % channels
        for p in range(points):
            total = x.dtype.type(0)
            for i in range(taps):
                for j in range(taps):
                    row, column = iy[n, p, i], ix[n, p, j]
                    value = x[n, c, row, column] if row >= 0 and column >= 0 else x.dtype.type(0)
                    total += wy[n, p, i] * wx[n, p, j] * value
            out[n, c, p] = total


@kernel(parallel=True)
def _write(g, iy, ix, wy, wx, dx):
    images, channels, points = g.shape
    taps = iy.shape[2]
    for plane in prange(images * channels):
        n, c = plane // channels, plane % channels
        for p in range(points):
            for i in range(taps):
                for j in range(taps):
                    if iy[n, p, i] >= 0 and ix[n, p, j] >= 0:
                        dx[n, c, iy[n, p, i], ix[n, p, j]] += g[n, c, p] * wy[n, p, i] * wx[n, p, j]


@kernel(parallel=True)
def _slopes(g, x, iy, ix, wy, wx, sy, sx, dgrid):
    images, channels, points = g.shape
    taps = iy.shape[2]
    for job in prange(images * points):
        n, p = job // points, job % points
        along_x, along_y = x.dtype.type(0), x.dtype.type(0)
        for i in range(taps):
            for j in range(taps):
                share = x.dtype.type(0)
                if iy[n, p, i] >= 0 and ix[n, p, j] >= 0:
                    for c in range(channels):
                        share += g[n, c, p] * x[n, c, iy[n, p, i], ix[n, p, j]]
                along_x += share * wy[n, p, i] * sx[n, p, j]
                along_y += share * sy[n, p, i] * wx[n, p, j]
        dgrid[n, p, 0] = along_x
        dgrid[n, p, 1] = along_y


def grid_sample(input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
                align_corners: bool | None = None) -> Tensor:
    """The values of images at the points of a grid.

    Gradient: dL/dinput = g times the weight of each pixel at each point; dL/dgrid = g times the slope of the
    interpolated image (0 with "nearest"), summed over the channels.

    Args:
        input: (N, C, H, W).
        grid: (N, Ho, Wo, 2), points (x, y); -1 and 1 are the image's borders.
        mode: "bilinear", "nearest" or "bicubic".
        padding_mode: what lies outside: "zeros", the "border" pixels, or the image in a mirror ("reflection").
        align_corners: -1 and 1 are the centres of the corner pixels (default: their outer borders).

    Returns:
        Tensor (N, C, Ho, Wo).

    Raises:
        ValueError: shapes that do not fit, or an unknown mode.
    """
    op = "grid_sample"
    floating(op, "input", input), floating(op, "grid", grid)
    one_device(op, input=input, grid=grid)
    if mode not in TAPS or padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(f"{op}: mode={mode!r}, padding_mode={padding_mode!r}; choose 'bilinear', 'nearest' or "
                         "'bicubic', and 'zeros', 'border' or 'reflection'")
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[3] != 2 or grid.shape[0] != input.shape[0]:
        raise ValueError(f"{op}: input {input.shape} and grid {grid.shape}; they must be (N, C, H, W) and "
                         "(N, Ho, Wo, 2) with the same N")
    if 0 in input.shape[2:]:
        raise ValueError(f"{op}: input {input.shape} has no pixel to read")
    input, grid = same_dtype(input, grid)
    return GridSample.apply(input, grid, mode=mode, padding_mode=padding_mode, align_corners=bool(align_corners))


def affine_grid(theta: Tensor, size, align_corners: bool | None = None) -> Tensor:
    """The grid of ``grid_sample`` that an affine map makes of a regular one.

    Gradient: dL/dtheta = the sum of g times (x, y, 1) of the regular grid over its points.

    Args:
        theta: (N, 2, 3) for images, (N, 3, 4) for volumes: output coordinates (x, y, 1) to input coordinates.
        size: (N, C, H, W) or (N, C, D, H, W) of the wanted output.
        align_corners: as in ``grid_sample``.

    Returns:
        Tensor (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: shapes that do not fit.
    """
    floating("affine_grid", "theta", theta)
    size = integers("affine_grid", "size", listed(size), 1)
    spatial = size[2:]
    n = len(spatial)
    if n not in (2, 3) or theta.shape != (size[0], n, n + 1):
        raise ValueError(f"affine_grid: theta {theta.shape} and size {size}; they must be (N, 2, 3) and "
                         "(N, C, H, W), or (N, 3, 4) and (N, C, D, H, W)")
    xp = xp_of(theta._data)
    lines = [_line(length, bool(align_corners)) for length in spatial]
    axes = np.meshgrid(*lines, indexing="ij")[::-1]                                          # x first
    points = np.stack([*(a.reshape(-1) for a in axes), np.ones(int(np.prod(spatial)))], 1)   # (P, n + 1)
    grid = matmul(wrap(xp.asarray(points.astype(theta.dtype))), transpose(theta, 1, 2))      # (N, P, n)
    return reshape(grid, theta.shape[0], *spatial, n)


def _line(length: int, align_corners: bool) -> np.ndarray:
    """The coordinates of the pixels of one axis."""
    if align_corners:
        return np.linspace(-1, 1, length) if length > 1 else np.zeros(length)
    return (np.arange(length) * 2 + 1) / length - 1


def _points(draw, n, height, width):
    """Grid points of which some lie outside, and none near a pixel centre or border of a 4 x 5 image."""
    points = draw.uniform(n, height, width, 2, low=-1.4, high=1.4)
    return np.round(points * 10) / 10 + 0.013


def _samples(draw):
    for mode in TAPS:
        for padding_mode in ("zeros", "border", "reflection"):
            align_corners = draw.mask(1, p=0.5).item()
            yield Sample(draw.normal(2, 3, 4, 5), _points(draw, 2, 3, 2), mode, padding_mode, align_corners)
    yield Sample(draw.normal(1, 1, 1, 1), _points(draw, 1, 2, 2), "bilinear", "border", True)
    yield Sample(draw.normal(2, 3, 4, 5), Fixed(_points(draw, 2, 3, 2)), align_corners=False)
    yield Sample(draw.normal(2, 3, 4, 5), _points(draw, 2, 0, 2), align_corners=False)
    yield Sample(draw.normal(0, 3, 4, 5), _points(draw, 0, 1, 2), align_corners=False)
    yield Sample(draw.normal(2, 4, 4, 5), _points(draw, 2, 40, 31), align_corners=True)


def _second_samples(draw):
    yield Sample(draw.normal(2, 3, 4, 5), _points(draw, 2, 3, 2))
    yield Sample(draw.normal(1, 2, 4, 5), _points(draw, 1, 3, 2), "bicubic", "reflection")
    yield Sample(draw.normal(1, 2, 4, 5), _points(draw, 1, 3, 2), "nearest", "border")


def _affine_samples(draw):
    yield Sample(draw.normal(2, 2, 3), (2, 3, 4, 5), True)
    yield Sample(draw.normal(2, 2, 3), (2, 3, 4, 5), False)
    yield Sample(draw.normal(1, 3, 4), (1, 1, 2, 3, 4), False)
    yield Sample(draw.normal(1, 2, 3), (1, 1, 1, 1), False)


# PyTorch has no second derivative of grid_sample: the second entry leaves that to finite differences.
register("grid_sample", grid_sample, _samples, torch="nn.functional.grid_sample", fused=GridSample, second=False)
register("grid_sample:second", grid_sample, _second_samples, fused=GridSample)
register("affine_grid", affine_grid, _affine_samples, torch="nn.functional.affine_grid")
