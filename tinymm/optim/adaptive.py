"""Rules that divide by a history of squared gradients: RMSprop, Adagrad, Adadelta."""

from __future__ import annotations

import numpy as np

from .optimizer import Optimizer


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) g^2; x -= lr g / (sqrt(v) + eps) (Tieleman and Hinton 2012; centred: Graves 2013).

    Args:
        params: Tensors or parameter groups.
        lr: step size.
        alpha: decay rate of the mean square.
        eps: added to the root, outside of it.
        weight_decay: L2 penalty added to the gradient.
        momentum: share of the previous step that is kept.
        centered: subtract the squared running mean of the gradient from v.
        maximize: go uphill.
    """

    LIMITS = {"lr": (0, None), "alpha": (0, None), "eps": (0, None), "weight_decay": (0, None), "momentum": (0, None)}
    MOMENTS = {"square_avg": None, "momentum_buffer": "momentum", "grad_avg": "centered"}

    def __init__(self, params, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
                 momentum: float = 0, centered: bool = False, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                                      centered=centered, maximize=maximize))

    def update(self, x, g, state, group):
        state["step"] = int(state["step"]) + 1
        alpha = group["alpha"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * x
        v = state["square_avg"]._data
        v *= alpha
        v += (1 - alpha) * g * g   # in this order: g * g alone overflows sooner
        if group["centered"]:
            mean = self.moment(x, state, "grad_avg")
            mean += (g - mean) * (1 - alpha)
            squared = np.minimum(mean * mean, np.finfo(x.dtype).max)   # v overflows first, and inf - inf is NaN
            step = g / (np.sqrt(v - squared) + group["eps"])
        else:
            step = g / (np.sqrt(v) + group["eps"])
        if group["momentum"]:
            buffer = self.moment(x, state, "momentum_buffer")
            buffer *= group["momentum"]
            buffer += step
            step = buffer
        x -= group["lr"] * step


class Adagrad(Optimizer):
    """s += g^2; x -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps) (Duchi et al. 2011).

    Args:
        params: Tensors or parameter groups.
        lr: step size.
        lr_decay: how fast the step size falls.
        weight_decay: L2 penalty added to the gradient.
        initial_accumulator_value: what s starts from.
        eps: added to the root, outside of it.
        maximize: go uphill.
    """

    LIMITS = {"lr": (0, None), "lr_decay": (0, None), "weight_decay": (0, None), "initial_accumulator_value": (0, None),
              "eps": (0, None)}
    MOMENTS = {"sum": None}

    def __init__(self, params, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
                 initial_accumulator_value: float = 0, eps: float = 1e-10, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
                                      initial_accumulator_value=initial_accumulator_value, eps=eps, maximize=maximize))

    def start(self, p, state, group):
        super().start(p, state, group)
        state["sum"]._data.fill(group["initial_accumulator_value"])

    def update(self, x, g, state, group):
        state["step"] = t = int(state["step"]) + 1
        if group["weight_decay"]:
            g = g + group["weight_decay"] * x
        s = state["sum"]._data
        s += g * g
        x -= group["lr"] / (1 + (t - 1) * group["lr_decay"]) * (g / (np.sqrt(s) + group["eps"]))


class Adadelta(Optimizer):
    """Steps of the running size of past steps: d = g sqrt(u + eps) / sqrt(v + eps); x -= lr d (Zeiler 2012).

    Args:
        params: Tensors or parameter groups.
        lr: factor of the step.
        rho: decay rate of v, the mean square of g, and u, that of d.
        eps: added inside both roots.
        weight_decay: L2 penalty added to the gradient.
        maximize: go uphill.
    """

    LIMITS = {"lr": (0, None), "rho": (0, 1), "eps": (0, None), "weight_decay": (0, None)}
    MOMENTS = {"square_avg": None, "acc_delta": None}

    def __init__(self, params, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0, *,
                 maximize: bool = False):
        super().__init__(params, dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize))

    def update(self, x, g, state, group):
        state["step"] = int(state["step"]) + 1
        rho, eps = group["rho"], group["eps"]
        if group["weight_decay"]:
            g = g + group["weight_decay"] * x
        v, u = state["square_avg"]._data, state["acc_delta"]._data
        v *= rho
        v += (1 - rho) * g * g   # in this order: g * g alone overflows sooner
        delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
        u *= rho
        u += (1 - rho) * delta * delta
        x -= group["lr"] * delta
