"""Making images larger or smaller: interpolation, separable into one sparse matrix an axis.

    Y = W_h X W_w^T        dL/dX = W_h^T G W_w

for a plane X (H, W); the rows of W_h and W_w (``resample.py``) hold the weights of the mode. Bicubic weights are those
of Keys 1981.
"""

from __future__ import annotations

import math

import numpy as np

from ...autograd.linalg import matmul
from ...autograd.integers import per_axis
from ...autograd.registry import Sample, register
from ...autograd.scatter import index_select
from ...autograd.shape import transpose
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import kernel, prange
from ..checks import as_tensor, possible, real
from ..fused import Fused
from .resample import taps

AXES_OF = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}       # modes that want one number of axes
AXIS_MODE = {"linear": "linear", "bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
THREADS = 256


class Interpolate(Fused):
    """The planes of x (N, C, *spatial), each of its spatial axes multiplied by its matrix."""

    name = "interpolate"
    keep = ()

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, matrices):
        for d, matrix in enumerate(matrices, start=2):
            weight = wrap(xp_of(x._data).asarray(matrix.dense().astype(x.dtype)))          # (out, in)
            x = transpose(matmul(transpose(x, d, -1), transpose(weight, 0, 1)), d, -1)
        return x

    # ------------------------------------------------------------------ rung 2: NumPy, tap by tap

    def forward_numpy(self, x, matrices):
        self.matrices = matrices
        return self._apply_numpy(x, matrices)

    def backward_numpy(self, g):
        return self._apply_numpy(g, [m.transposed() for m in self.matrices])

    @staticmethod
    def _apply_numpy(x, matrices):
        xp = xp_of(x)
        for d in cheapest_order(matrices):
            m, before = matrices[d], (slice(None),) * (d + 2)
            y = xp.zeros(x.shape[:d + 2] + (m.n_out,) + x.shape[d + 3:], x.dtype)
            across = (m.n_out,) + (1,) * (x.ndim - d - 3)
            for tap in range(m.index.shape[1]):
                weight = xp.asarray(m.weight[:, tap].astype(x.dtype).reshape(across))
                y += x[(*before, xp.asarray(m.index[:, tap]))] * weight
            x = y
        return x

    # ------------------------------------------------------------------ rung 3: Numba, two axes in one pass over planes

    def forward_numba(self, x, matrices):
        self.matrices = matrices
        return self._apply_numba(x, matrices)

    def backward_numba(self, g):
        return self._apply_numba(g, [m.transposed() for m in self.matrices])

    @staticmethod
    def _apply_numba(x, matrices):
        if len(matrices) == 3:      # depth first, with the plane as one long row
            x = _columns(x, 2, matrices[0])
            matrices, skip = matrices[1:], 3
        else:
            skip = 2
        if len(matrices) == 1:
            matrices = (taps("nearest", 1, 1, False, None), *matrices)
            lead, height = x.shape[:skip], 1
        else:
            lead, height = x.shape[:skip], x.shape[-2]
        rows, columns = matrices
        planes = x.reshape(math.prod(lead), height, x.shape[-1])
        y = np.empty((planes.shape[0], rows.n_out, columns.n_out), x.dtype)
        columns_first = int(rows.n_in <= rows.n_out)
        _planes(planes, rows.index, rows.weight.astype(x.dtype), np.ascontiguousarray(columns.index.T),
                np.ascontiguousarray(columns.weight.T.astype(x.dtype)), columns_first, y, work=max(x.size, y.size))
        inner = (rows.n_out, columns.n_out) if x.ndim - skip == 2 else (columns.n_out,)
        return y.reshape(lead + inner)

    # ------------------------------------------------------------------ rung 4: CUDA, one axis at a time

    def forward_cuda(self, x, matrices):
        self.matrices = matrices
        return self._apply_cuda(x, matrices)

    def backward_cuda(self, g):
        return self._apply_cuda(g, [m.transposed() for m in self.matrices])

    @staticmethod
    def _apply_cuda(x, matrices):
        xp = xp_of(x)
        for d in cheapest_order(matrices):
            m, axis = matrices[d], d + 2
            x = xp.ascontiguousarray(x)
            y = xp.empty(x.shape[:axis] + (m.n_out,) + x.shape[axis + 1:], x.dtype)
            if y.size:
                CUDA_AXIS((y.size + THREADS - 1) // THREADS, THREADS,
                          (x, xp.asarray(m.index), xp.asarray(m.weight.astype(x.dtype)), np.int64(y.size),
                           np.int64(m.n_in), np.int64(m.n_out), np.int64(math.prod(x.shape[axis + 1:])),
                           np.int64(m.index.shape[1]), y), x.dtype)
            x = y
        return x


def cheapest_order(matrices) -> list[int]:
    """Spatial axes in the order in which they are best resampled: those that shrink first, those that grow last."""
    return sorted(range(len(matrices)), key=lambda d: (matrices[d].n_out / max(matrices[d].n_in, 1), -d))


def _columns(x, axis: int, m):
    """Resample one axis of x on the CPU, the axes after it taken as one long row."""
    x3 = x.reshape(math.prod(x.shape[:axis]), m.n_in, math.prod(x.shape[axis + 1:]))
    y = np.empty((x3.shape[0], m.n_out, x3.shape[2]), x.dtype)
    _rows(x3, m.index, m.weight.astype(x.dtype), y, work=max(x.size, y.size))
    return y.reshape(x.shape[:axis] + (m.n_out,) + x.shape[axis + 1:])


@kernel
def mix_rows(x, index, weight, y):
    """y = W x for a plane x (in, n): each row of y a weighted sum of rows of x."""
    for o in range(y.shape[0]):
        row = y[o]
        first, w = x[index[o, 0]], weight[o, 0]
        for j in range(row.shape[0]):
            row[j] = w * first[j]
        for t in range(1, index.shape[1]):
            w = weight[o, t]
            if w != 0:
                source = x[index[o, t]]
                for j in range(row.shape[0]):
                    row[j] += w * source[j]


@kernel
def mix_columns(x, index, weight, y):
    """y = x W^T for a plane x (n, in); index and weight are (k, out), so that a tap is read along a row."""
    for i in range(x.shape[0]):
        source, row = x[i], y[i]
        if index.shape[0] == 2:
            i0, i1, w0, w1 = index[0], index[1], weight[0], weight[1]
            for j in range(row.shape[0]):
                row[j] = w0[j] * source[i0[j]] + w1[j] * source[i1[j]]
        else:
            row[:] = 0
            for t in range(index.shape[0]):
                it, wt = index[t], weight[t]
                for j in range(row.shape[0]):
                    row[j] += wt[j] * source[it[j]]


@kernel(parallel=True)
def _planes(x, row_index, row_weight, column_index, column_weight, columns_first, y):
    """y (P, H', W') = W_h x W_w^T for each plane of x (P, H, W)."""
    planes, height, width = x.shape
    new_height, new_width = y.shape[1:]
    for p in prange(planes):
        if columns_first:
            between = np.empty((height, new_width), x.dtype)
            mix_columns(x[p], column_index, column_weight, between)
            mix_rows(between, row_index, row_weight, y[p])
        else:
            between = np.empty((new_height, width), x.dtype)
            mix_rows(x[p], row_index, row_weight, between)
            mix_columns(between, column_index, column_weight, y[p])


@kernel(parallel=True)
def _rows(x, index, weight, y):
    """y[p] = W x[p]."""
    for p in prange(x.shape[0]):
        mix_rows(x[p], index, weight, y[p])


CUDA_AXIS = CudaKernel("interpolate_axis", r"""
// One thread an element of y (outer, n_out, inner): the weighted sum of k elements of x (outer, n_in, inner).
template <typename T> __global__ void interpolate_axis(const T* x, const long long* index, const T* weight,
                                                       long long size, long long n_in, long long n_out, long long inner,
                                                       long long k, T* y) {
    long long at = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= size) return;
    long long i = at % inner, o = at / inner % n_out, p = at / inner / n_out;
    T sum = 0;
    for (long long t = 0; t < k; ++t) sum += weight[o * k + t] * x[(p * n_in + index[o * k + t]) * inner + i];
    y[at] = sum;
}
""")


def interpolate(input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool | None = None,
                recompute_scale_factor: bool | None = None, antialias: bool = False) -> Tensor:
    """Resample the spatial axes to ``size``, or by ``scale_factor``.

    Gradient: dL/dinput = g times the weight of each old position in each new one, summed (the transposed
    matrices).

    Args:
        input: (N, C, W), (N, C, H, W) or (N, C, D, H, W).
        size: the new length, or one for each spatial axis.
        scale_factor: instead of size: new over old length, or one for each spatial axis.
        mode: "nearest", "nearest-exact", "area" for any of them, "linear" for 3 axes in all, "bilinear" and "bicubic"
            for 4, "trilinear" for 5.
        align_corners: for the linear and cubic modes: the corner pixels' centres coincide (default: their corners do).
        recompute_scale_factor: compute with the ratio of the rounded lengths instead of scale_factor itself.
        antialias: not supported.

    Returns:
        Tensor (N, C, *size).

    Raises:
        ValueError: a mode that does not fit the axes, size and scale_factor both or neither, or a wrong number of them.
        NotImplementedError: antialias=True.
    """
    as_tensor("interpolate", "input", input)
    spatial = input.shape[2:]
    n = len(spatial)
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not supported; blur before shrinking, or use "
                                  "mode='area'")
    if mode not in ("nearest", "nearest-exact", "area", *AXES_OF):
        raise ValueError(f"interpolate: mode={mode!r}; choose 'nearest', 'nearest-exact', 'area', 'linear', "
                         "'bilinear', 'bicubic' or 'trilinear'")
    if n not in (1, 2, 3) or AXES_OF.get(mode, n) != n:
        wanted = f"{AXES_OF[mode] + 2} axes" if mode in AXES_OF else "3 to 5 axes (N, C, *spatial)"
        raise ValueError(f"interpolate: input has shape {input.shape}, but mode={mode!r} wants {wanted}")
    if align_corners is not None and mode not in AXES_OF:
        raise ValueError(f"interpolate: align_corners is for the linear and cubic modes, not for mode={mode!r}")
    sizes, scales = _sizes(spatial, size, scale_factor, recompute_scale_factor)
    possible("interpolate", "the output", sizes)
    if 0 in spatial or min(sizes) < 1:
        raise ValueError(f"interpolate: cannot make spatial axes {sizes} of {spatial}; all lengths must be at least 1")
    matrices = tuple(taps(AXIS_MODE.get(mode, mode), old, new, bool(align_corners), s)
                     for old, new, s in zip(spatial, sizes, scales))
    if input.dtype.kind != "f":
        if not mode.startswith("nearest"):
            raise TypeError(f"interpolate: mode={mode!r} needs a floating-point tensor, not {input.dtype}; "
                            "use .float()")
        for d, matrix in enumerate(matrices, start=2):
            input = index_select(input, d, Tensor(matrix.index[:, 0]))
        return input
    return Interpolate.apply(input, matrices=matrices)


def _sizes(spatial: tuple, size, scale_factor, recompute: bool | None):
    """The new lengths, and for each axis the scale to compute with (None: the ratio of the lengths)."""
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor" + (", not both" if size is not None else ""))
    if recompute and size is not None:
        raise ValueError("interpolate: recompute_scale_factor goes with scale_factor, not with size")
    if size is not None:
        return per_axis("interpolate", "size", size, len(spatial), 1), (None,) * len(spatial)
    many = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * len(spatial)
    if len(many) != len(spatial):
        raise ValueError(f"interpolate: {len(many)} factors {many} for {len(spatial)} spatial axes {spatial}")
    many = tuple(real("interpolate", "scale_factor", f) for f in many)
    if not all(map(math.isfinite, many)):
        raise ValueError(f"interpolate: scale_factor={scale_factor} must be finite")
    sizes = tuple(math.floor(n * f) for n, f in zip(spatial, many))
    return sizes, (None,) * len(spatial) if recompute else many


def _samples(draw):
    image = draw.normal(2, 3, 4, 5)
    yield Sample(image, scale_factor=2)
    yield Sample(image, size=(3, 7), mode="nearest-exact")
    yield Sample(image, scale_factor=2, mode="bilinear")
    yield Sample(image, size=(7, 3), mode="bilinear", align_corners=True)
    yield Sample(image, scale_factor=(1.7, 0.6), mode="bilinear")
    yield Sample(image, scale_factor=(1.7, 0.6), mode="bilinear", recompute_scale_factor=True)
    yield Sample(image, size=(9, 2), mode="bicubic")
    yield Sample(image, scale_factor=2.5, mode="bicubic", align_corners=True)
    yield Sample(image, size=(3, 2), mode="area")
    yield Sample(image, size=(1, 1), mode="bilinear", align_corners=True)
    yield Sample(draw.normal(2, 3, 5), scale_factor=2, mode="linear")
    yield Sample(draw.normal(2, 3, 5), size=3)
    yield Sample(draw.normal(1, 2, 3, 4, 5), size=(5, 2, 6), mode="trilinear")
    yield Sample(draw.normal(1, 2, 3, 4, 5), size=(2, 3, 3), mode="area")
    yield Sample(draw.normal(1, 1, 1, 1), size=(3, 2), mode="bilinear")
    yield Sample(draw.normal(0, 3, 4, 5), scale_factor=2, mode="bilinear")
    yield Sample(draw.normal(2, 2, 33, 40), scale_factor=2, mode="bilinear")


register("interpolate", interpolate, _samples, torch="nn.functional.interpolate", fused=Interpolate)
