"""Convolutions and the layers that rearrange images."""

from __future__ import annotations

import math
from typing import Any
from functools import partial

from .. import functional as F
from ..autograd import Tensor
from ..autograd.integers import integer, listed, per_axis, whole
from . import init
from .linear import empty
from .module import Module

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Conv(Module):
    """What the convolutions share.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, padding, dilation: an integer, or one for each axis of the image; padding may be "same"
            or "valid".
        groups: channels are split into so many groups that do not see each other.
        bias: whether each output channel has a bias.
        padding_mode: what the border is made of: "zeros", or "reflect", "replicate", "circular" as in ``functional.pad``.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size); transposed: (in_channels, out_channels / groups, ...).
        bias: (out_channels,) or None.
    """

    axes = 2
    transposed = False

    def __init__(self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, dilation=1, groups: int = 1,
                 bias: bool = True, padding_mode: str = "zeros", device: str | None = None, dtype=None):
        super().__init__()
        new = partial(empty, device=device, dtype=dtype)
        name = type(self).__name__
        in_channels, out_channels = whole(name, 0, in_channels=in_channels, out_channels=out_channels)
        groups = integer(name, "groups", groups, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"{name}: groups={groups} must divide in_channels={in_channels} and "
                             f"out_channels={out_channels}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_axis(name, "kernel_size", kernel_size, self.axes, 1)
        self.stride = per_axis(name, "stride", stride, self.axes, 1)
        self.padding = padding if isinstance(padding, str) else per_axis(name, "padding", padding, self.axes, 0)
        self.dilation = per_axis(name, "dilation", dilation, self.axes, 1)
        modes = ("zeros",) if self.transposed else PADDING_MODES
        if padding_mode not in modes:
            raise ValueError(f"{name}: padding_mode={padding_mode!r}; choose {' or '.join(map(repr, modes))}")
        self.padding_mode = padding_mode
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = new(*channels, *self.kernel_size)
        self.register_parameter("bias", new(out_channels) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new weights, uniform in +-1/sqrt(fan_in), as PyTorch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(max(1, init.fans(self.weight)[0]))
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        function = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[self.axes]
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._border(), self.padding_mode), 0
        return function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _border(self) -> list[int]:
        """The widths before and after each axis, the last axis first, as ``functional.pad`` wants them."""
        padding: Any = self.padding
        if padding == "valid":
            return [0, 0] * self.axes
        if padding == "same":   # an odd width has one more after than before
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size)]
            return [width for n in reversed(totals) for width in (n // 2, n - n // 2)]
        return [width for width in reversed(padding) for _ in range(2)]

    def extra_repr(self) -> str:
        parts = [str(self.in_channels), str(self.out_channels), f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        if self.padding != (0,) * self.axes:
            parts.append(f"padding={self.padding!r}")
        if self.dilation != (1,) * self.axes:
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode!r}")
        return ", ".join(parts)


class Conv1d(_Conv):
    """Convolution over (B, C, L)."""

    axes = 1


class Conv2d(_Conv):
    """Convolution over (B, C, H, W)."""


class Conv3d(_Conv):
    """Convolution over (B, C, D, H, W)."""

    axes = 3


class _ConvTranspose(_Conv):
    transposed = True

    def __init__(self, in_channels: int, out_channels: int, kernel_size, stride=1, padding=0, output_padding=0,
                 groups: int = 1, bias: bool = True, dilation=1, padding_mode: str = "zeros", device: str | None = None,
                 dtype=None):
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode,
                         device, dtype)
        self.output_padding = per_axis(type(self).__name__, "output_padding", output_padding, self.axes, 0)

    def forward(self, input: Tensor, output_size=None) -> Tensor:
        """Convolve; ``output_size`` chooses, instead of output_padding, among the sizes that a stride leaves open.

        Args:
            input: (B, C, *spatial).
            output_size: the spatial axes of the result, or its whole shape; None for those that output_padding gives.

        Raises:
            ValueError: a size that no output_padding less than the stride reaches.
        """
        function = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[self.axes]
        extra = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation)

    def _output_padding(self, input: Tensor, output_size) -> tuple[int, ...]:
        name = type(self).__name__
        given = listed(output_size)
        wanted = per_axis(name, "output_size", given[-self.axes:] if len(given) == input.ndim else given, self.axes, 1)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in
                 zip(input.shape[-self.axes:], self.stride, self.padding, self.dilation, self.kernel_size)]
        if not all(low <= n < low + s for n, low, s in zip(wanted, least, self.stride)):
            most = [low + s - 1 for low, s in zip(least, self.stride)]
            raise ValueError(f"{name}: output_size={wanted}; from an input of shape {input.shape} it can be {least} to {most}")
        return tuple(n - low for n, low in zip(wanted, least))


class ConvTranspose1d(_ConvTranspose):
    """The gradient of Conv1d with respect to its input, as a layer."""

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """The gradient of Conv2d with respect to its input, as a layer."""


class ConvTranspose3d(_ConvTranspose):
    """The gradient of Conv3d with respect to its input, as a layer."""

    axes = 3


class Unfold(Module):
    """Patches as columns: (B, C, H, W) -> (B, C * prod(kernel), patches)."""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(Module):
    """Columns added back into images: the transpose of Unfold."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)


class Upsample(Module):
    """Images at another size; see ``functional.interpolate``."""

    def __init__(self, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool | None = None,
                 recompute_scale_factor: bool | None = None):
        super().__init__()
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor)

    def extra_repr(self) -> str:
        return f"size={self.size}, scale_factor={self.scale_factor}, mode={self.mode!r}"


class PixelShuffle(Module):
    """(B, C r^2, H, W) -> (B, C, H r, W r)."""

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(Module):
    """(B, C, H r, W r) -> (B, C r^2, H, W)."""

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)
