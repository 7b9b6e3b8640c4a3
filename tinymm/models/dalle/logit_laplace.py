"""The logit-Laplace distribution (Ramesh et al. 2021, appendix A.3): a density for pixels, which are never below 0 nor above 1.

    f(x | mu, b) = 1 / (2 b x (1 - x)) exp(-|logit x - mu| / b),      0 < x < 1

It is the density of sigmoid(y) where y has a Laplace distribution. A likelihood of pixels on [0, 1] that is made of a Laplace
or a Gaussian density gives some of its mass to pixels that do not exist. The logit has no value at 0 and 1, so pixels are first
mapped into [eps, 1 - eps].
"""

from __future__ import annotations

import math

from ... import functional as F
from ...autograd import Tensor
from ...autograd.host import to_numpy
from ...ops.checks import floating

EPS = 0.1   # of the paper


def _check_eps(name: str, eps: float) -> None:
    if not 0 < eps < 0.5:
        raise ValueError(f"{name}: eps={eps} must lie between 0 and 0.5: pixels go to [eps, 1 - eps]")


def _range(x: Tensor) -> tuple[float, float]:
    """The least and the largest value; NaN where one is NaN, and what lies in every range where there is none."""
    values = to_numpy(x)
    return (float(values.min()), float(values.max())) if values.size else (0.5, 0.5)


def map_pixels(x: Tensor, eps: float = EPS) -> Tensor:
    """(1 - 2 eps) x + eps: pixels in [0, 1] -> [eps, 1 - eps], where the logit is finite.

    Args:
        x: pixels in [0, 1], of any shape.
        eps: distance that is kept from 0 and 1.

    Returns:
        Tensor of the shape of ``x``.

    Raises:
        ValueError: pixels outside [0, 1], or eps not between 0 and 0.5.
        TypeError: no Tensor of floating-point numbers.
    """
    _check_eps("map_pixels", eps)
    least, most = _range(floating("map_pixels", "x", x))
    if not (least >= 0 and most <= 1):
        raise ValueError(f"map_pixels: pixels run from {least:g} to {most:g}; they must lie in [0, 1]: divide bytes by 255")
    return x * (1 - 2 * eps) + eps


def unmap_pixels(x: Tensor, eps: float = EPS) -> Tensor:
    """(x - eps) / (1 - 2 eps), cut to [0, 1]: what undoes ``map_pixels``.

    Args:
        x: mapped pixels, or the median sigmoid(mu) of a prediction, of any shape.
        eps: as it was mapped.

    Returns:
        Tensor of the shape of ``x``, in [0, 1].

    Raises:
        ValueError: eps not between 0 and 0.5.
        TypeError: no Tensor of floating-point numbers.
    """
    _check_eps("unmap_pixels", eps)
    return F.clamp((floating("unmap_pixels", "x", x) - eps) / (1 - 2 * eps), 0, 1)


def logit_laplace_nll(x: Tensor, mu: Tensor, ln_b: Tensor) -> Tensor:
    """-ln f(x | mu, b) of each value, in nats.

        |logit x - mu| / b + ln b + ln 2 + ln x + ln(1 - x)

    It is negative where a prediction is good, since f is a density and no probability.

    Args:
        x: values in (0, 1), such as ``map_pixels`` gives.
        mu: the median of logit x, of the shape of ``x``.
        ln_b: the logarithm of the spread b, of the shape of ``x``.

    Returns:
        Tensor of the shape of ``x``; sum or average it.

    Raises:
        ValueError: shapes that differ, or values of x outside (0, 1).
        TypeError: no Tensors of floating-point numbers.
    """
    floating("logit_laplace_nll", "mu", mu), floating("logit_laplace_nll", "ln_b", ln_b)
    floating("logit_laplace_nll", "x", x)
    if not x.shape == mu.shape == ln_b.shape:
        raise ValueError(f"logit_laplace_nll: x has shape {x.shape}, mu {mu.shape} and ln_b {ln_b.shape}; they must be equal")
    least, most = _range(x)
    if not (least > 0 and most < 1):
        raise ValueError(f"logit_laplace_nll: x runs from {least:g} to {most:g}; it must lie between 0 and 1, where the logit is "
                         "finite: call map_pixels first")
    ln_x, ln_rest = F.log(x), F.log1p(-x)
    return F.abs(ln_x - ln_rest - mu) * F.exp(-ln_b) + ln_b + (ln_x + ln_rest + math.log(2))
