"""Sub-pixel rearrangement (Shi et al. 2016, equation 4): r^2 channels become an r times finer image, and back."""

from __future__ import annotations

from ...autograd.integers import integer
from ...autograd.registry import Sample, register
from ...autograd.shape import permute, reshape
from ...autograd.tensor import Tensor
from ..checks import as_tensor


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) to (*, C, H r, W r): out[c, h r + i, w r + j] = input[c r^2 + i r + j, h, w].

    Gradient: dL/dinput = ``pixel_unshuffle`` of g.

    Args:
        input: (*, C r^2, H, W).
        upscale_factor: r.

    Returns:
        Tensor (*, C, H r, W r).

    Raises:
        ValueError: fewer than three axes, or channels that r^2 does not divide.
    """
    r = _factor("pixel_shuffle", "upscale_factor", as_tensor("pixel_shuffle", "input", input), upscale_factor)
    *lead, channels, height, width = input.shape
    if channels % (r * r):
        raise ValueError(f"pixel_shuffle: input {input.shape} has C={channels} channels, which "
                         f"upscale_factor^2={r * r} does not divide")
    n = len(lead)
    x = reshape(input, *lead, channels // (r * r), r, r, height, width)
    x = permute(x, *range(n), n, n + 3, n + 1, n + 4, n + 2)                   # (*, C, H, r, W, r)
    return reshape(x, *lead, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) to (*, C r^2, H, W): the inverse of ``pixel_shuffle``.

    Gradient: dL/dinput = ``pixel_shuffle`` of g.

    Args:
        input: (*, C, H r, W r).
        downscale_factor: r.

    Returns:
        Tensor (*, C r^2, H, W).

    Raises:
        ValueError: fewer than three axes, or height and width that r does not divide.
    """
    r = _factor("pixel_unshuffle", "downscale_factor", as_tensor("pixel_unshuffle", "input", input), downscale_factor)
    *lead, channels, height, width = input.shape
    if height % r or width % r:
        raise ValueError(f"pixel_unshuffle: input {input.shape} has H={height}, W={width}, which downscale_factor={r} "
                         "does not divide")
    n = len(lead)
    x = reshape(input, *lead, channels, height // r, r, width // r, r)
    x = permute(x, *range(n), n, n + 2, n + 4, n + 1, n + 3)                   # (*, C, r, r, H, W)
    return reshape(x, *lead, channels * r * r, height // r, width // r)


def _factor(operation: str, argument: str, input: Tensor, factor) -> int:
    if input.ndim < 3:
        raise ValueError(f"{operation}: input has shape {input.shape}; it needs at least (C, H, W)")
    return integer(operation, argument, factor, 1)


def _shuffle_samples(draw):
    yield Sample(draw.normal(2, 8, 3, 2), 2)
    yield Sample(draw.normal(9, 1, 2), 3)
    yield Sample(draw.normal(2, 1, 4, 2, 2), 1)


def _unshuffle_samples(draw):
    yield Sample(draw.normal(2, 2, 6, 4), 2)
    yield Sample(draw.normal(1, 3, 6), 3)


register("pixel_shuffle", pixel_shuffle, _shuffle_samples, torch="nn.functional.pixel_shuffle")
register("pixel_unshuffle", pixel_unshuffle, _unshuffle_samples, torch="nn.functional.pixel_unshuffle")
