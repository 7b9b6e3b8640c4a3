"""Re-parametrised weights: weight normalisation and spectral normalisation.

    weight norm (Salimans and Kingma 2016, equation 2):      w = g v / ||v||
    spectral norm (Miyato et al. 2018, equations 7 and 8):   w = W / sigma(W),   sigma(W) = u^T W v

where u and v follow the leading singular vectors of W by power iteration: v = W^T u / ||W^T u||, u = W v / ||W v||.
"""

from __future__ import annotations

import numpy as np

from ...autograd.axes import axis
from ...autograd.elementwise import sqrt
from ...autograd.reduction import sum as sum_over
from ...autograd.integers import integer
from ...autograd.registry import Fixed, Sample, register
from ...autograd.tensor import Tensor, wrap
from ..checks import floating, real


def weight_norm(v: Tensor, g: Tensor, dim: int | None = 0) -> Tensor:
    """Directions v with lengths g: w = g v / ||v||.

    Gradient: with G = dL/dw: dL/dg = sum(G * v) / ||v||; dL/dv = g / ||v|| * (G - v * sum(G * v) / ||v||^2).

    Args:
        v: any shape; one vector for each index of axis ``dim``.
        g: the lengths, of shape (1, ..., n, ..., 1) with n = v.shape[dim]; a scalar for dim=None.
        dim: the axis that is kept apart, or None to take the norm of the whole of v.

    Returns:
        Tensor of the shape of v.

    Raises:
        ValueError: g does not have one length for each vector.
        TypeError: integers.
    """
    v, g = floating("weight_norm", "v", v), floating("weight_norm", "g", g)
    want: tuple[int, ...] = ()
    if dim is None:
        over = tuple(range(v.ndim))
    else:
        kept = axis("weight_norm", dim, v.ndim)
        over = tuple(i for i in range(v.ndim) if i != kept)
        want = tuple(n if i == kept else 1 for i, n in enumerate(v.shape))
    if g.shape != want:
        raise ValueError(f"weight_norm: v has shape {v.shape} and dim={dim}, so g must have shape {want}, "
                         f"not {g.shape}")
    squares = sum_over(v * v, over, keepdim=dim is not None) if over else v * v   # sum(()) is the sum of all
    return v * (g / sqrt(squares))


def spectral_norm(weight: Tensor, u: Tensor, v: Tensor, training: bool = True, n_power_iterations: int = 1,
                  dim: int = 0, eps: float = 1e-12) -> Tensor:
    """The weight divided by (an estimate of) its largest singular value.

        w = W / sigma,   sigma = u^T W v                               (Miyato et al. 2018, equations 7 and 8)

    Gradient: with G = dL/dw: dL/dW = (G - sum(G * w) * u v^T) / sigma.

    Args:
        weight: at least two axes; axis ``dim`` indexes the rows of the matrix W (m, n), the others its columns.
        u, v: (m,), (n,), the estimates of the leading singular vectors; in training, power iteration improves them
            in place, outside the graph.
        training: whether to iterate.
        n_power_iterations: how often.
        dim: the output axis: 0 for linear and convolution weights, 1 for transposed convolutions.
        eps: least length when u and v are normalised.

    Returns:
        Tensor of the shape of ``weight``; sigma is differentiated with u and v held fixed.

    Raises:
        ValueError: shapes that do not fit.
        TypeError: an integer weight.
    """
    weight, u, v = (floating("spectral_norm", name, t) for name, t in (("weight", weight), ("u", u), ("v", v)))
    if weight.ndim < 2:
        raise ValueError(f"spectral_norm: weight has shape {weight.shape}; it needs at least two axes to be a matrix")
    dim = axis("spectral_norm", dim, weight.ndim)
    n_power_iterations = integer("spectral_norm", "n_power_iterations", n_power_iterations, 0)
    eps = real("spectral_norm", "eps", eps)
    rows = weight.shape[dim]
    columns = weight.numel() // max(rows, 1)
    if u.shape != (rows,) or v.shape != (columns,):
        raise ValueError(f"spectral_norm: weight of shape {weight.shape} with dim={dim} is a {rows} x {columns} "
                         f"matrix, so u must have shape ({rows},) and v ({columns},), not {u.shape} and {v.shape}")
    order = (dim, *(i for i in range(weight.ndim) if i != dim))
    matrix = weight.permute(order).reshape(rows, columns)
    if training and n_power_iterations:
        w = matrix._data
        for _ in range(n_power_iterations):
            u._data[...] = _unit(w @ v._data, eps)
            v._data[...] = _unit(w.T @ u._data, eps)
        u._bump("spectral_norm")
        v._bump("spectral_norm")
    left, right = wrap(u._data.copy()), wrap(v._data.copy())   # the next call changes u and v
    sigma = sum_over(left * (matrix @ right))
    return weight / sigma


def _unit(x, eps: float):
    """x / max(||x||, eps)."""
    return x / np.maximum(np.sqrt((x * x).sum()), eps)


def _weight_samples(draw):
    yield Sample(draw.normal(4, 3), draw.away(4, 1))
    yield Sample(draw.normal(4, 3), draw.away(1, 3), -1)
    yield Sample(draw.normal(2, 3, 2), draw.away(), None)
    yield Sample(draw.away(5), draw.away(5))


def _weight_samples_inner(draw):   # PyTorch's second derivative is wrong for the first and the last axis
    yield Sample(draw.normal(3, 2, 2, 2), draw.away(1, 2, 1, 1), 1)


def _spectral_samples(draw):
    yield Sample(draw.normal(4, 3), Fixed(draw.normal(4)), Fixed(draw.normal(3)), False)
    yield Sample(draw.normal(3, 4, 2), Fixed(draw.normal(4)), Fixed(draw.normal(6)), False, dim=1)


register("weight_norm", weight_norm, _weight_samples)
register("weight_norm:inner", weight_norm, _weight_samples_inner, torch="_weight_norm")
register("spectral_norm", spectral_norm, _spectral_samples)
