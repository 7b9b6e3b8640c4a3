"""Stochastic gradient descent, with momentum and Nesterov's look-ahead (Sutskever et al. 2013, in PyTorch's form)."""

from __future__ import annotations

from ..autograd import Tensor
from ..backend.arrays import Array
from ..backend.jit import kernel, prange, ready, rung
from .optimizer import Optimizer, check


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

    def __init__(self, params, lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
                 nesterov: bool = False, *, maximize: bool = False):
        check("SGD", lr=(lr, 0, None), momentum=(momentum, 0, None), weight_decay=(weight_decay, 0, None))
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs momentum > 0 and dampening = 0")
        super().__init__(params, dict(lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                                      nesterov=nesterov, maximize=maximize))

    def update(self, x, g, state, group):
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        first = "momentum_buffer" not in state
        if momentum and first:
            state["momentum_buffer"] = Tensor(g + decay * x if decay else g.copy())
        v: Array = state["momentum_buffer"]._data if momentum else None
        if rung(x) == "numba" and x.flags.c_contiguous and x.size:
            t = x.dtype.type
            if momentum:
                _momentum_step(x.reshape(-1), ready(g).reshape(-1), v.reshape(-1), t(lr), t(momentum),
                               t(1 - group["dampening"]), t(decay), group["nesterov"], first, work=x.size)
            else:
                _plain_step(x.reshape(-1), ready(g).reshape(-1), t(lr), t(decay), work=x.size)
            return
        if decay:
            g = g + decay * x
        if momentum:
            if not first:
                v *= momentum
                v += (1 - group["dampening"]) * g
            g = g + momentum * v if group["nesterov"] else v
        x -= lr * g

    def start(self, p, state, group):
        """SGD makes its buffer from the first gradient, as PyTorch does."""


@kernel(parallel=True)
def _plain_step(x, g, lr, decay):
    for i in prange(x.size):
        x[i] -= lr * (g[i] + decay * x[i])


@kernel(parallel=True)
def _momentum_step(x, g, v, lr, momentum, undamped, decay, nesterov, first):
    keep, take = (x.dtype.type(1), x.dtype.type(0)) if first else (momentum, undamped)
    ahead, through = (momentum, x.dtype.type(1)) if nesterov else (x.dtype.type(1), x.dtype.type(0))
    for i in prange(x.size):
        d = g[i] + decay * x[i]
        m = keep * v[i] + take * d
        v[i] = m
        x[i] -= lr * (through * d + ahead * m)
