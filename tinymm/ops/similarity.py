"""Lengths, directions and distances of vectors: normalize, cosine_similarity, pairwise_distance."""

from __future__ import annotations

import numpy as np

from ..autograd.axes import axes, numpy_names
from ..autograd.choice import clamp
from ..autograd.reduction import norm, sum
from ..autograd.registry import Sample, register
from ..autograd.shape import broadcast_to
from ..autograd.tensor import Tensor, wrap
from .half import in_float32
from .checks import floating, one_device, real, same_dtype


@in_float32
def normalize(input: Tensor, p: float = 2.0, dim: int | tuple = 1, eps: float = 1e-12) -> Tensor:
    """``input`` over its p-norm along ``dim``, which makes vectors of length 1.

    Gradient: dL/dinput = (g - dn/dinput * the sum of g * y along ``dim``) / n, with the norm n;
    g / eps where n < eps.

    Args:
        input: Tensor of any shape, floating point.
        p: of the norm.
        dim: an axis or several.
        eps: the least that is divided by, so that a vector of zeros stays zero.

    Returns:
        y, a Tensor of the shape of ``input``.

    Raises:
        TypeError: integer input.
        IndexError: ``dim`` out of range.
    """
    input = floating("normalize", "input", input)
    axes("normalize", dim, input.ndim)
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)


@numpy_names
@in_float32
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``: x1 . x2 / (|x1| |x2|).

    Gradient: dL/dx1 = g * (x2 / |x2| - y * x1 / |x1|) / |x1|; dL/dx2 likewise.

    Args:
        x1, x2: shapes that broadcast.
        dim: an axis of the common shape.
        eps: the least length that is divided by.

    Returns:
        Tensor of the common shape without ``dim``.

    Raises:
        ValueError: shapes that do not broadcast.
        TypeError: integer input.
        IndexError: ``dim`` out of range.
    """
    x1, x2 = common("cosine_similarity", x1=x1, x2=x2)
    axes("cosine_similarity", dim, x1.ndim)
    eps = real("cosine_similarity", "eps", eps)
    return sum(x1 / _length(x1, dim, eps) * (x2 / _length(x2, dim, eps)), dim)


def _length(x: Tensor, dim, eps: float) -> Tensor:
    """The 2-norm, raised to eps by a constant: PyTorch lets the gradient through there, too."""
    length = norm(x, 2, dim, keepdim=True)
    short = length._data < eps
    return length + wrap(np.where(short, eps - length._data, 0).astype(x.dtype)) if short.any() else length


@in_float32
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis.

    Gradient: dL/dx1 = g * dy/dd, that of ``norm`` of d = x1 - x2 + eps; dL/dx2 = -dL/dx1.

    Args:
        x1, x2: (N, D) or (D,), or shapes that broadcast.
        p: of the norm.
        eps: added to every difference, as PyTorch does.
        keepdim: leave the last axis in place with length 1.

    Returns:
        Tensor (N,), (), or the broadcast shape without the last axis.

    Raises:
        ValueError: shapes that do not broadcast, or 0-d.
        TypeError: integer input.
    """
    x1, x2 = common("pairwise_distance", x1=x1, x2=x2)
    if x1.ndim == 0:
        raise ValueError("pairwise_distance: x1 and x2 must be vectors (D,) or rows of vectors (N, D), not 0-d")
    return norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def common(name: str, **pair: Tensor) -> list[Tensor]:
    """Tensors in one dtype, expanded to one shape.

    Raises:
        ValueError: shapes that do not broadcast; the message names the arguments.
    """
    tensors = same_dtype(*[floating(name, key, t) for key, t in pair.items()])
    one_device(name, **pair)
    shapes = [t.shape for t in tensors]
    if len(set(shapes)) == 1:
        return list(tensors)
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(f"{key} {t.shape}" for key, t in pair.items())
        raise ValueError(f"{name}: {listed} do not broadcast; from the right, axes must be equal or 1") from None
    return [broadcast_to(t, shape) for t in tensors]


def _normalize_samples(draw):
    yield Sample(draw.normal(3, 4))
    yield Sample(draw.away(3, 4), p=1.0, dim=-1)
    yield Sample(draw.away(2, 3, 4), p=3.0, dim=0)
    yield Sample(draw.distinct(3, 4), p=float("inf"))
    yield Sample(draw.normal(2, 3), eps=100.0)


def _cosine_samples(draw):
    yield Sample(draw.normal(3, 4), draw.normal(3, 4))
    yield Sample(draw.normal(5), draw.normal(5), dim=0)
    yield Sample(draw.normal(3, 1, 4), draw.normal(2, 4), dim=-1)
    yield Sample(draw.normal(2, 3), draw.normal(2, 3), eps=100.0)


def _distance_samples(draw):
    yield Sample(draw.normal(3, 4), draw.normal(3, 4))
    yield Sample(draw.normal(4), draw.normal(4), keepdim=True)
    yield Sample(draw.normal(3, 4), draw.normal(4), p=1.0)
    yield Sample(draw.normal(3, 1, 4), draw.normal(2, 4), p=3.0, eps=0.1)


register("normalize", normalize, _normalize_samples, torch="nn.functional.normalize")
register("cosine_similarity", cosine_similarity, _cosine_samples, torch="nn.functional.cosine_similarity")
register("pairwise_distance", pairwise_distance, _distance_samples, torch="nn.functional.pairwise_distance")
