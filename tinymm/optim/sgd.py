"""Stochastic gradient descent, with momentum and Nesterov's look-ahead (Sutskever et al. 2013, in PyTorch's form)."""

from __future__ import annotations

import functools

from ..backend.arrays import Array
from ..backend.jit import kernel, prange, ready, rung
from .optimizer import Optimizer


class SGD(Optimizer):
    """x -= lr * v, where v = momentum * v + (1 - dampening) * g, and g includes weight_decay * x.

    Args:
        params: Tensors or parameter groups.
        lr: step size.
        momentum: share of the previous step that is kept.
        dampening: share of the gradient that is left out of v (except at the first step).
        weight_decay: L2 penalty added to the gradient.
        nesterov: use g + momentum * v instead of v.
        maximize: go uphill.
    """

    LIMITS = {"lr": (0, None), "momentum": (0, None), "dampening": (None, None), "weight_decay": (0, None)}
    MOMENTS = {"momentum_buffer": "momentum"}
    COUNTS = False

    def __init__(self, params, lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
                 nesterov: bool = False, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, maximize=maximize))

    def check(self, options, where=""):
        found = super().check(options, where)
        if found.get("nesterov") and (found["momentum"] <= 0 or found["dampening"] != 0):
            raise ValueError(f"SGD{where}: nesterov needs momentum > 0 and dampening = 0")
        return found

    def update(self, x, g, state, group):
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        first = "momentum_buffer" not in state
        v: Array = self.moment(x, state, "momentum_buffer") if momentum else None
        if rung(x) == "numba" and x.flags.c_contiguous and (v is None or v.flags.c_contiguous) and x.size:
            rate, keep, take, shrink = _numbers(x.dtype.type, lr, momentum, 1 - group["dampening"], decay)
            if momentum:
                _momentum_step(x.reshape(-1), ready(g).reshape(-1), v.reshape(-1), rate, keep, take, shrink, group["nesterov"],
                               first, work=x.size)
            else:
                _plain_step(x.reshape(-1), ready(g).reshape(-1), rate, shrink, work=x.size)
            return
        if decay:
            g = g + decay * x
        if momentum:
            v *= momentum
            v += g if first else (1 - group["dampening"]) * g
            g = g + momentum * v if group["nesterov"] else v
        x -= lr * g

    def start(self, p, state, group):
        """The buffer begins at the first step with momentum, from an undamped gradient, as in PyTorch."""


@functools.lru_cache(maxsize=8)   # all parameters of a group have the same
def _numbers(kind: type, *numbers: float) -> tuple:
    """Numbers in a parameter's precision."""
    return tuple([kind(n) for n in numbers])


# A weight decay of 0 must not be multiplied by an infinite parameter, nor a share of 0 by an infinite gradient: that is NaN.

@kernel(parallel=True)
def _plain_step(x, g, lr, decay):
    for i in prange(x.size):
        d = g[i]
        if decay != 0:
            d += decay * x[i]
        x[i] -= lr * d


@kernel(parallel=True)
def _momentum_step(x, g, v, lr, momentum, undamped, decay, nesterov, first):
    take = x.dtype.type(1) if first else undamped
    for i in prange(x.size):
        d = g[i]
        if decay != 0:
            d += decay * x[i]
        m = momentum * v[i] + take * d
        v[i] = m
        x[i] -= lr * (d + momentum * m if nesterov else m)
