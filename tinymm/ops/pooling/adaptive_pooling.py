"""Adaptive pooling: windows chosen so that the output has a given size.

Output i of O along an axis of length I looks at the inputs from floor(i I / O) to ceil((i + 1) I / O).
"""

from __future__ import annotations

import numpy as np

from ...autograd.scatter import along
from ...autograd.integers import per_axis
from ...autograd.registry import Sample, register
from ...autograd.tensor import Tensor, wrap
from ...backend.arrays import xp_of
from .avg_pool import AveragePool, Spans
from ..checks import possible
from .window import check_input


def adapted(operation: str, input: Tensor, dims: int, output_size) -> tuple[Spans, ...]:
    """The windows along each of the last ``dims`` axes; an output size of None keeps an axis as it is."""
    sizes = per_axis(operation, "output_size", output_size, dims, 1, or_none=True)
    possible(operation, "the output", tuple([o for o in sizes if o is not None]))
    spans = []
    for n, o in zip(input.shape[input.ndim - dims:], sizes):
        i = np.arange(n if o is None else o)
        start, stop = i * n // len(i), ((i + 1) * n + len(i) - 1) // len(i)
        spans.append(Spans(start, stop, 1 / (stop - start)))
    return tuple(spans)


def _adaptive_avg_pool(operation, dims, input, output_size):
    input = check_input(operation, input, dims)
    return AveragePool.apply(input, spans=adapted(operation, input, dims, output_size))


def adaptive_avg_pool1d(input: Tensor, output_size) -> Tensor:
    """Mean of each of ``output_size`` windows along the last axis; see ``adaptive_avg_pool2d``.

    Gradient: dL/dinput = g over the size of the window, summed over the windows that share the element.

    Args:
        input: (N, C, L) or (C, L).
        output_size: an integer; None keeps the axis as it is.

    Returns:
        Tensor (N, C, output_size).

    Raises:
        ValueError: a number of axes or an output_size that does not fit.
    """
    return _adaptive_avg_pool("adaptive_avg_pool1d", 1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """Means of windows that cover the last two axes, as many as ``output_size`` asks for.

    Gradient: dL/dinput = g over the size of the window, summed over the windows that share the element.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: an integer or (height, width); None keeps an axis as it is. 1 is global average pooling.

    Returns:
        Tensor (N, C, *output_size).

    Raises:
        ValueError: a number of axes or an output_size that does not fit.
    """
    return _adaptive_avg_pool("adaptive_avg_pool2d", 2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """Means of windows that cover the last three axes; see ``adaptive_avg_pool2d``.

    Gradient: dL/dinput = g over the size of the window, summed over the windows that share the element.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        output_size: an integer or three; None keeps an axis as it is.

    Returns:
        Tensor (N, C, *output_size).

    Raises:
        ValueError: a number of axes or an output_size that does not fit.
    """
    return _adaptive_avg_pool("adaptive_avg_pool3d", 3, input, output_size)


def _adaptive_max_pool(operation, dims, input, output_size, return_indices):
    input = check_input(operation, input, dims)
    spans, x = adapted(operation, input, dims, output_size), input._data
    xp, lead, space = xp_of(x), x.shape[:x.ndim - dims], x.shape[x.ndim - dims:]
    flat = xp.arange(int(np.prod(space))).reshape(space)
    found = xp.empty(lead + tuple(map(len, spans)), np.int64)
    for place in np.ndindex(*map(len, spans)):
        part = (..., *(slice(int(s.start[i]), int(s.stop[i])) for s, i in zip(spans, place)))
        inside = flat[part].reshape(-1)
        found[(..., *place)] = inside[last_nan_or_first_max(x[part].reshape(lead + inside.shape))]
    # The maximum is one of the elements, so its gradient is that of picking it.
    outputs = int(np.prod(found.shape[len(lead):]))
    picked = along(input.reshape(*lead, flat.size), wrap(found.reshape(lead + (outputs,))), len(lead))
    y = picked.reshape(found.shape)
    return (y, wrap(found)) if return_indices else y


def last_nan_or_first_max(x):
    """Index along the last axis of the largest element, as PyTorch's pooling finds it."""
    nan = x != x
    last = x.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
    return xp_of(x).where(nan.any(-1), last, x.argmax(-1))


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """Largest element of each of ``output_size`` windows along the last axis; see ``adaptive_max_pool2d``.

    Gradient: dL/dinput = g at the largest element of each window, the first of a tie, else 0.

    Args:
        input: (N, C, L) or (C, L).
        output_size: an integer; None keeps the axis as it is.
        return_indices: also return where each maximum was found.

    Returns:
        Tensor (N, C, output_size); with ``return_indices`` a pair with int64 indices of the same shape.

    Raises:
        ValueError: a number of axes or an output_size that does not fit.
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """Largest elements of windows that cover the last two axes, as many as ``output_size`` asks for.

    Gradient: dL/dinput = g at the largest element of each window, the first of a tie, else 0.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: an integer or (height, width); None keeps an axis as it is.
        return_indices: also return where each maximum was found.

    Returns:
        Tensor (N, C, *output_size); with ``return_indices`` a pair with int64 indices h * W + w of the same shape.

    Raises:
        ValueError: a number of axes or an output_size that does not fit.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def _avg_samples_1d(draw):
    yield Sample(draw.normal(2, 3, 7), 3)
    yield Sample(draw.normal(2, 3), 5)


def _avg_samples_2d(draw):
    yield Sample(draw.normal(2, 3, 5, 6), 1)
    yield Sample(draw.normal(2, 3, 7, 5), (3, None))
    yield Sample(draw.normal(2, 3, 4), (5, 2))


def _avg_samples_3d(draw):
    yield Sample(draw.normal(1, 2, 3, 4, 5), (2, 1, 3))


def _max_samples_1d(draw):
    yield Sample(draw.distinct(2, 3, 7), 3)


def _max_samples_2d(draw):
    yield Sample(draw.distinct(2, 3, 7, 5), (3, None))
    yield Sample(draw.distinct(2, 3, 4), (5, 2), return_indices=True)


register("adaptive_avg_pool1d", adaptive_avg_pool1d, _avg_samples_1d, torch="nn.functional.adaptive_avg_pool1d",
         fused=AveragePool)
register("adaptive_avg_pool2d", adaptive_avg_pool2d, _avg_samples_2d, torch="nn.functional.adaptive_avg_pool2d",
         fused=AveragePool)
register("adaptive_avg_pool3d", adaptive_avg_pool3d, _avg_samples_3d, torch="nn.functional.adaptive_avg_pool3d",
         fused=AveragePool)
register("adaptive_max_pool1d", adaptive_max_pool1d, _max_samples_1d, torch="nn.functional.adaptive_max_pool1d")
register("adaptive_max_pool2d", adaptive_max_pool2d, _max_samples_2d, torch="nn.functional.adaptive_max_pool2d")
