"""Transposed convolution: the gradient of a convolution with respect to its input, used as a forward operation.

    y[n, c, i * stride + k * dilation - padding] += w[o, c, k] * x[n, o, i]        for all o, i, k;  then + b[c]

It enlarges what a convolution with the same settings would shrink (Dumoulin and Visin 2016, "A guide to convolution
arithmetic", chapter 4).
"""

from __future__ import annotations

from typing import Any

from ...autograd.indexing import put
from ...autograd.kinds import Dims
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor
from ...backend.sums import total
from . import grid
from .convolution import check_arguments, check_bias
from .columns import columns, columns_cuda, product, product_transposed, product_weight, scatter_columns, scatter_columns_cuda
from .geometry import named, transpose_geometry
from ..fused import Fused


class ConvTranspose(Fused):
    """y = w^T x + b; in the names of the convolution it transposes, x is dy and y is dx."""

    name = "conv_transpose"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, bias, geometry):
        (n, o), c, groups = x.shape[:2], weight.shape[1], geometry.groups
        x = x.reshape(n, groups, o // groups, geometry.positions)
        y: Any = None
        for tap in geometry.taps:
            w = weight[(slice(None), slice(None), *tap)].reshape(groups, o // groups, c)
            term = (w.transpose(1, 2) @ x).reshape((n, groups * c) + geometry.maps)
            at = (slice(None), slice(None), *geometry.window(tap))
            term = put(term, at, (), (n, groups * c) + geometry.padded)
            y = term if y is None else y + term
        y = y[(slice(None), slice(None), *geometry.inside)]
        return y if bias is None else y + bias.reshape((-1,) + (1,) * len(geometry.maps))

    # ------------------------------------------------------------------ rung 2: NumPy

    pick, scatter = staticmethod(columns), staticmethod(scatter_columns)

    def forward_numpy(self, x, weight, bias, geometry):
        self.x, self.weight, self.geometry = x, weight, geometry
        y = product_transposed(x, weight, geometry, self.scatter)
        if bias is not None:
            y += bias.reshape((-1,) + (1,) * len(geometry.maps))
        return y

    def backward_numpy(self, dy):
        return (product(dy, self.weight, self.geometry, self.pick) if self.needs[0] else None,
                product_weight(self.x, dy, self.geometry, self.pick) if self.needs[1] else None,
                total(dy, (0,) + tuple(range(2, dy.ndim))) if self.needs[2] else None)

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, x, weight, bias, geometry):
        self.x, self.weight, self.geometry = x, weight, geometry
        return grid.correlate_transposed(x, weight, bias, geometry)

    def backward_numba(self, dy):
        return (grid.correlate(dy, self.weight, None, self.geometry) if self.needs[0] else None,
                grid.correlate_weight(self.x, dy, self.geometry)[0] if self.needs[1] else None,
                total(dy, (0,) + tuple(range(2, dy.ndim))) if self.needs[2] else None)

    # ------------------------------------------------------------------ rung 4: CUDA

    def forward_cuda(self, x, weight, bias, geometry):
        self.pick, self.scatter = columns_cuda, scatter_columns_cuda
        return self.forward_numpy(x, weight, bias, geometry)

    def backward_cuda(self, dy):
        return self.backward_numpy(dy)


def conv_transpose1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims = 0,
                     output_padding: Dims = 0, groups: int = 1, dilation: Dims = 1) -> Tensor:
    """Transposed convolution over one axis; see ``conv_transpose2d``.

    Gradient: as in ``conv_transpose2d``.

    Args:
        input: (N, C, L) or (C, L).
        weight: (C, out / groups, kernel).
        bias, stride, padding, output_padding, groups, dilation: as in ``conv_transpose2d``.

    Returns:
        Tensor (N, out, L'), without N if the input has none.

    Raises:
        ValueError: shapes or settings that do not fit; the message names them.
    """
    return _transposed("conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims = 0,
                     output_padding: Dims = 0, groups: int = 1, dilation: Dims = 1) -> Tensor:
    """Transposed convolution over two axes: every input element adds its multiple of the kernel to the output.

    Gradient: dL/dinput = the convolution of g with the weight; dL/dweight = each input element times the
    window of g that it added to, summed; dL/dbias = g, summed over batch and space.

    Args:
        input: (N, C, H, W), or (C, H, W) for a single image.
        weight: (C, out / groups, kernel height, kernel width).
        bias: (out,) or None.
        stride: distance in the output between the kernels of neighbouring inputs.
        padding: cut off at both ends of each output axis.
        output_padding: added to one end of each output axis, to choose among the sizes that a strided convolution
            would shrink to the input's.
        groups: channels are divided into as many groups, which do not mix.
        dilation: distance in the output between neighbouring kernel elements.

    Returns:
        Tensor (N, out, H', W') with H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1;
        without N if the input has none.

    Raises:
        ValueError: shapes or settings that do not fit; the message names them.
    """
    return _transposed("conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims = 0,
                     output_padding: Dims = 0, groups: int = 1, dilation: Dims = 1) -> Tensor:
    """Transposed convolution over three axes; see ``conv_transpose2d``.

    Gradient: as in ``conv_transpose2d``.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (C, out / groups, kernel depth, height, width).
        bias, stride, padding, output_padding, groups, dilation: as in ``conv_transpose2d``.

    Returns:
        Tensor (N, out, D', H', W'), without N if the input has none.

    Raises:
        ValueError: shapes or settings that do not fit; the message names them.
    """
    return _transposed("conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(name, axes, input, weight, bias, stride, padding, output_padding, groups, dilation) -> Tensor:
    input, weight, bias, groups = check_arguments(name, axes, input, weight, bias, groups)
    if input.shape[-axes - 1] != weight.shape[0]:
        kernel = ", ".join(map(str, weight.shape[2:]))
        raise ValueError(f"{name}: input ({named(input.shape, axes)}) but weight (in={weight.shape[0]}, "
                         f"out/groups={weight.shape[1]}, {kernel}) wants C={weight.shape[0]}")
    check_bias(name, bias, weight.shape[1] * groups)
    geometry = transpose_geometry(name, input.shape[-axes:], weight.shape[2:], stride, padding, output_padding,
                                  dilation, groups)
    if input.ndim == axes + 2:
        return ConvTranspose.apply(input, weight, bias, geometry=geometry)
    single = input.reshape((1,) + input.shape)
    y = ConvTranspose.apply(single, weight, bias, geometry=geometry)
    return y.reshape(y.shape[1:])


def _samples_1d(draw):
    yield Sample(draw.normal(2, 3, 6), draw.normal(3, 4, 3), draw.normal(4), 2, 1, 1)
    yield Sample(draw.normal(4, 5), draw.normal(4, 1, 4), None, stride=3, groups=2, dilation=2)


def _samples_2d(draw):
    yield Sample(draw.normal(2, 3, 4, 5), draw.normal(3, 2, 3, 3), draw.normal(2))
    yield Sample(draw.normal(3, 4, 3), draw.normal(3, 5, 2, 3), draw.normal(5), stride=2, padding=1)
    yield Sample(draw.normal(2, 4, 3, 5), draw.normal(4, 3, 4, 2), draw.normal(6), (2, 3), (1, 0), (1, 2), 2, (1, 2))
    yield Sample(draw.normal(2, 3, 4, 4), draw.normal(3, 1, 4, 4), None, stride=2, padding=1, groups=3)
    yield Sample(draw.normal(1, 2, 3, 3), draw.normal(2, 3, 1, 1), draw.normal(3), 2, 0, 1)
    yield Sample(draw.normal(1, 2, 4, 4), draw.normal(2, 3, 2, 2), draw.normal(3), output_padding=2, dilation=3)
    yield Sample(draw.normal(0, 2, 3, 3), draw.normal(2, 3, 3, 3), draw.normal(3))
    yield Sample(draw.normal(1, 2, 40, 35), draw.normal(2, 5, 4, 4), draw.normal(5), stride=2, padding=1)
    yield Sample(draw.normal(3, 6, 1, 1), draw.normal(6, 5, 4, 3), draw.normal(5))
    yield Sample(draw.normal(3, 6, 1, 1), draw.normal(6, 2, 3, 4), None, 2, groups=2)
    yield Sample(draw.normal(32, 6, 2, 2), draw.normal(6, 7, 4, 4), draw.normal(7), stride=2, padding=1)


def _samples_3d(draw):
    x, weight, bias = draw.normal(2, 2, 3, 2, 4), draw.normal(2, 3, 2, 3, 2), draw.normal(3)
    yield Sample(x, weight, bias, (1, 2, 2), (0, 1, 0), (0, 1, 1))


for _function, _samples in ((conv_transpose1d, _samples_1d), (conv_transpose2d, _samples_2d),
                            (conv_transpose3d, _samples_3d)):
    register(_function.__name__, _function, _samples, torch=f"nn.functional.{_function.__name__}", fused=ConvTranspose)
