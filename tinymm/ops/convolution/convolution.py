"""Convolution (the lecture's slide "Convolutional layer"; really cross-correlation, as everywhere in deep learning).

    y[n, o, i] = b[o] + sum_c sum_k w[o, c, k] * x[n, c, i * stride + k * dilation - padding]

with i and k running over one, two or three axes. Its gradients are convolutions again: dx is the transposed
convolution of dy with w, dw correlates x with dy.
"""

from __future__ import annotations

from typing import Any

from ...autograd.indexing import put
from ...autograd.integers import integer
from ...autograd.kinds import Dims
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor
from ...backend.sums import total
from . import grid
from ..checks import floating, one_device, same_dtype
from .columns import columns, columns_cuda, product, product_transposed, product_weight, scatter_columns, scatter_columns_cuda
from .geometry import Geometry, conv_geometry, named
from ..fused import Fused


def windows(x: Tensor, geometry: Geometry) -> list:
    """For each kernel position the elements of ``x`` (N, C, *image) that it meets, (N, C, *maps)."""
    padded = put(x, (slice(None), slice(None), *geometry.inside), (), x.shape[:2] + geometry.padded)
    return [padded[(slice(None), slice(None), *geometry.window(tap))] for tap in geometry.taps]


class Convolution(Fused):
    """y = w * x + b."""

    name = "convolution"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(x, weight, bias, geometry):
        (n, c), o, groups = x.shape[:2], weight.shape[0], geometry.groups
        y: Any = None
        for tap, window in zip(geometry.taps, windows(x, geometry)):
            w = weight[(slice(None), slice(None), *tap)].reshape(groups, o // groups, c // groups)
            term = w @ window.reshape(n, groups, c // groups, geometry.positions)
            y = term if y is None else y + term
        y = y.reshape((n, o) + geometry.maps)
        return y if bias is None else y + bias.reshape((o,) + (1,) * len(geometry.maps))

    # ------------------------------------------------------------------ rung 2: NumPy, columns and a matrix product

    pick, scatter = staticmethod(columns), staticmethod(scatter_columns)

    def forward_numpy(self, x, weight, bias, geometry):
        self.x, self.weight, self.geometry = x, weight, geometry
        y = product(x, weight, geometry, self.pick)
        if bias is not None:
            y += bias.reshape((-1,) + (1,) * len(geometry.maps))
        return y

    def backward_numpy(self, dy):
        return (product_transposed(dy, self.weight, self.geometry, self.scatter) if self.needs[0] else None,
                product_weight(dy, self.x, self.geometry, self.pick) if self.needs[1] else None,
                total(dy, (0,) + tuple(range(2, dy.ndim))) if self.needs[2] else None)

    # ------------------------------------------------------------------ rung 3: Numba, sums of shifted rows

    def forward_numba(self, x, weight, bias, geometry):
        self.x, self.weight, self.geometry = x, weight, geometry
        return grid.correlate(x, weight, bias, geometry)

    def backward_numba(self, dy):
        dx = dw = db = None
        if self.needs[0]:
            dx = grid.correlate_transposed(dy, self.weight, None, self.geometry)
        if self.needs[1]:
            dw, db = grid.correlate_weight(dy, self.x, self.geometry)
        elif self.needs[2]:
            db = total(dy, (0,) + tuple(range(2, dy.ndim)))
        return dx, dw, db if self.needs[2] else None

    # ------------------------------------------------------------------ rung 4: CUDA, as rung 2 with its own kernels

    def forward_cuda(self, x, weight, bias, geometry):
        self.pick, self.scatter = columns_cuda, scatter_columns_cuda
        return self.forward_numpy(x, weight, bias, geometry)

    def backward_cuda(self, dy):
        return self.backward_numpy(dy)


def conv1d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims | str = 0,
           dilation: Dims = 1, groups: int = 1) -> Tensor:
    """Convolution over one axis; see ``conv2d``.

    Gradient: as in ``conv2d``.

    Args:
        input: (N, C, L) or (C, L).
        weight: (out, C / groups, kernel).
        bias, stride, padding, dilation, groups: as in ``conv2d``.

    Returns:
        Tensor (N, out, L'), without N if the input has none.

    Raises:
        ValueError: shapes or settings that do not fit; the message names them.
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims | str = 0,
           dilation: Dims = 1, groups: int = 1) -> Tensor:
    """Convolution over two axes: at every position, the products of a window of the input with the kernel, summed.

    Gradient: dL/dinput = the transposed convolution of g with the weight; dL/dweight = each window of the
    input times its g, summed; dL/dbias = g, summed over batch and space.

    Args:
        input: (N, C, H, W), or (C, H, W) for a single image.
        weight: (out, C / groups, kernel height, kernel width).
        bias: (out,) or None.
        stride: step of the window; an integer or one for each axis, like the next two.
        padding: zeros added at both ends of each axis; or "valid" for none, "same" for as many as keep the size.
        dilation: distance between the inputs that neighbouring kernel elements meet.
        groups: channels are divided into as many groups, which do not mix (as many as channels: depthwise).

    Returns:
        Tensor (N, out, H', W') with H' = (H + 2 padding - dilation (kernel - 1) - 1) // stride + 1; without N if the
        input has none.

    Raises:
        ValueError: shapes or settings that do not fit; the message names them.
    """
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Dims = 1, padding: Dims | str = 0,
           dilation: Dims = 1, groups: int = 1) -> Tensor:
    """Convolution over three axes; see ``conv2d``.

    Gradient: as in ``conv2d``.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (out, C / groups, kernel depth, height, width).
        bias, stride, padding, dilation, groups: as in ``conv2d``.

    Returns:
        Tensor (N, out, D', H', W'), without N if the input has none.

    Raises:
        ValueError: shapes or settings that do not fit; the message names them.
    """
    return _convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def check_arguments(name: str, axes: int, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int):
    """What all (transposed) convolutions ask of their tensors; returns them in one dtype, and the groups."""
    floating(name, "input", input), floating(name, "weight", weight)
    if bias is not None:
        floating(name, "bias", bias)
    if input.ndim not in (axes + 1, axes + 2):
        want = "(N, C, " + ", ".join("DHW"[3 - axes:]) + ")"
        raise ValueError(f"{name}: input has shape {input.shape} with {input.ndim} axes; it must be {want} or lack "
                         "the N")
    if weight.ndim != axes + 2:
        raise ValueError(f"{name}: weight has shape {weight.shape} with {weight.ndim} axes; it must have "
                         f"{axes + 2}: two of channels and {axes} of the kernel")
    if 0 in weight.shape:
        raise ValueError(f"{name}: weight has shape {weight.shape}; no axis of it may be empty")
    groups = integer(name, "groups", groups, 1)
    if weight.shape[0] % groups:
        raise ValueError(f"{name}: groups={groups} does not divide the {weight.shape[0]} channels of weight's first "
                         f"axis, shape {weight.shape}")
    one_device(name, input=input, weight=weight, bias=bias)
    return *same_dtype(input, weight, bias), groups


def check_bias(name: str, bias: Tensor | None, outputs: int) -> None:
    """Raise ValueError unless ``bias`` is None or has one element for each output channel."""
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"{name}: bias has shape {bias.shape} but there are {outputs} output channels; "
                         f"it must be ({outputs},)")


def _convolve(name, axes, input, weight, bias, stride, padding, dilation, groups) -> Tensor:
    input, weight, bias, groups = check_arguments(name, axes, input, weight, bias, groups)
    channels = input.shape[-axes - 1]
    if channels != weight.shape[1] * groups:
        kernel = ", ".join(map(str, weight.shape[2:]))
        raise ValueError(f"{name}: input ({named(input.shape, axes)}) but weight (out={weight.shape[0]}, "
                         f"in/groups={weight.shape[1]}, {kernel}) with groups={groups} wants "
                         f"C={weight.shape[1] * groups}")
    check_bias(name, bias, weight.shape[0])
    geometry = conv_geometry(name, input.shape[-axes:], weight.shape[2:], stride, padding, dilation, groups)
    if input.ndim == axes + 2:
        return Convolution.apply(input, weight, bias, geometry=geometry)
    single = input.reshape((1,) + input.shape)
    y = Convolution.apply(single, weight, bias, geometry=geometry)
    return y.reshape(y.shape[1:])


def _samples_1d(draw):
    yield Sample(draw.normal(2, 3, 9), draw.normal(4, 3, 3), draw.normal(4), padding=1)
    yield Sample(draw.normal(4, 10), draw.normal(6, 2, 4), None, 2, 3, 2, 2)
    yield Sample(draw.normal(2, 2, 8), draw.normal(2, 2, 4), draw.normal(2), padding="same")
    yield Sample(draw.normal(1, 1, 2500), draw.normal(5, 1, 3), draw.normal(5))


def _samples_2d(draw):
    yield Sample(draw.normal(2, 3, 6, 5), draw.normal(4, 3, 3, 3), draw.normal(4), padding=1)
    yield Sample(draw.normal(3, 7, 6), draw.normal(5, 3, 2, 3), draw.normal(5))
    yield Sample(draw.normal(2, 4, 7, 9), draw.normal(6, 2, 3, 2), None, (2, 3), (2, 1), dilation=(1, 2), groups=2)
    yield Sample(draw.normal(2, 3, 6, 6), draw.normal(3, 1, 3, 3), draw.normal(3), padding=1, groups=3)
    yield Sample(draw.normal(1, 2, 7, 6), draw.normal(6, 1, 3, 3), draw.normal(6), 2, 1, 1, 2)
    yield Sample(draw.normal(2, 3, 4, 5), draw.normal(9, 3, 1, 1), draw.normal(9))
    yield Sample(draw.normal(2, 3, 5, 4), draw.normal(2, 3, 1, 1), None, 3)
    yield Sample(draw.normal(1, 2, 5, 6), draw.normal(3, 2, 4, 3), draw.normal(3), padding="same", dilation=(1, 2))
    yield Sample(draw.normal(1, 2, 3, 3), draw.normal(2, 2, 3, 3), draw.normal(2), padding="valid")
    yield Sample(draw.normal(2, 1, 2, 3), draw.normal(2, 1, 1, 1), draw.normal(2), padding=2)
    yield Sample(draw.normal(0, 2, 4, 4), draw.normal(3, 2, 3, 3), draw.normal(3))
    yield Sample(draw.normal(1, 2, 50, 51), draw.normal(5, 2, 3, 3), draw.normal(5), padding=1)
    yield Sample(draw.normal(2, 70, 12, 11), draw.normal(9, 70, 3, 3, scale=0.1), draw.normal(9), stride=2, padding=1)
    yield Sample(draw.normal(3, 6, 4, 3), draw.normal(1, 6, 4, 3), draw.normal(1))
    yield Sample(draw.normal(3, 4, 4, 3), draw.normal(6, 2, 4, 3), draw.normal(6), groups=2)
    yield Sample(draw.normal(32, 7, 4, 4), draw.normal(8, 7, 3, 3), draw.normal(8), padding=1)
    yield Sample(draw.normal(31, 6, 4, 4), draw.normal(10, 6, 4, 4), None, 2, 1)


def _samples_3d(draw):
    yield Sample(draw.normal(2, 2, 4, 5, 3), draw.normal(3, 2, 2, 3, 2), draw.normal(3), padding=(1, 0, 1))
    yield Sample(draw.normal(4, 5, 4, 6), draw.normal(4, 2, 3, 1, 2), None, (2, 1, 3), 1, (1, 1, 2), 2)


register("conv1d", conv1d, _samples_1d, torch="nn.functional.conv1d", fused=Convolution)
register("conv2d", conv2d, _samples_2d, torch="nn.functional.conv2d", fused=Convolution)
register("conv3d", conv3d, _samples_3d, torch="nn.functional.conv3d", fused=Convolution)
