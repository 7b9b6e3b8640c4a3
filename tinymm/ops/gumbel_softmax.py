"""Gumbel-softmax (Jang et al. 2017, equation 2; Maddison et al. 2017): a sample of classes with a gradient.

    y = softmax((x + G) / tau),   G = -log E,   E exponential with mean 1          (G has the Gumbel distribution)

The largest element of x + G falls on class i with probability softmax(x)_i. The hard version returns that one-hot
vector and passes the gradient of y through it (the straight-through estimator).
"""

from __future__ import annotations

import numpy as np

from ..autograd.axes import axis
from ..autograd.registry import Sample, register
from ..autograd.tensor import Tensor, wrap
from ..backend.arrays import to_device, xp_of
from ..backend.random import Stream, stream
from .checks import floating
from .softmax import softmax


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, eps: float = 1e-10, dim: int = -1, *,
                   generator: Stream | str | None = None) -> Tensor:
    """A differentiable sample from softmax(logits) along ``dim``.

        y = softmax((logits + G) / tau), each G from the Gumbel distribution   (Jang et al. 2017, equation 2)

    Gradient: dL/dlogits = y * (g - the sum of g * y along ``dim``) / tau, with the soft y also where
    ``hard``.

    Args:
        logits: unnormalised log-probabilities.
        tau: temperature > 0; small ones give samples that are nearly one-hot, and large gradients.
        hard: return the one-hot vector itself, with the gradient of the soft sample.
        eps: PyTorch's, without effect there and here.
        dim: the axis.
        generator: the random stream, or its name (default: "sampling").

    Returns:
        Tensor of the shape of ``logits`` that sums to 1 along ``dim``.

    Raises:
        ValueError: tau is not positive.
        TypeError: integer logits.
        IndexError: ``dim`` out of range.
    """
    logits = floating("gumbel_softmax", "logits", logits)
    d = axis("gumbel_softmax", dim, logits.ndim)
    if tau <= 0:
        raise ValueError(f"gumbel_softmax: tau={tau} must be positive")
    waits = stream(generator).generator.standard_exponential(logits.shape)
    noise = -np.log(np.maximum(waits, np.finfo(np.float64).tiny)).astype(logits.dtype)   # drawn on the host
    soft = softmax((logits + wrap(to_device(noise, logits.device))) / tau, d)
    if not hard:
        return soft
    xp = xp_of(soft._data)
    places = xp.arange(logits.shape[d] if logits.ndim else 1).reshape((-1,) + (1,) * (logits.ndim - 1 - d))
    largest = soft._data.argmax(axis=d, keepdims=True) if logits.ndim else xp.zeros((1,), np.int64)
    one_hot = (places == largest).astype(logits.dtype).reshape(logits.shape)
    return wrap(one_hot - soft._data) + soft


def _samples(draw):
    yield Sample(draw.normal(3, 4))
    yield Sample(draw.normal(3, 4), tau=0.5, dim=0)


register("gumbel_softmax", gumbel_softmax, _samples, torch="nn.functional.gumbel_softmax", random=True)
