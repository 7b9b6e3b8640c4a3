"""Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019) and Adamax (Adam's section 7.1).

    m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
    x -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..backend.arrays import xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange, ready, rung
from .optimizer import Optimizer


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    Args:
        params: Tensors or parameter groups.
        lr: step size.
        betas: decay rates (b1, b2) of the two means.
        eps: added to the root, outside of it.
        weight_decay: L2 penalty added to the gradient.
        amsgrad: use the largest v so far (Reddi et al. 2018).
        maximize: go uphill.
    """

    LIMITS = {"lr": (0, None), "betas": (0, 1), "eps": (0, None), "weight_decay": (0, None)}
    MOMENTS = {"exp_avg": None, "exp_avg_sq": None, "max_exp_avg_sq": "amsgrad"}
    decoupled = False

    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                                      maximize=maximize))

    def update(self, x, g, state, group):
        state["step"] = t = int(state["step"]) + 1
        m, v = state["exp_avg"]._data, state["exp_avg_sq"]._data
        largest = self.moment(x, state, "max_exp_avg_sq") if group["amsgrad"] else None
        numbers = _numbers(x.dtype.type, t, group["lr"], *group["betas"], group["eps"], group["weight_decay"], self.decoupled)
        where = rung(x)
        if where == "numpy" or largest is not None or not x.size or not \
                (x.flags.c_contiguous and m.flags.c_contiguous and v.flags.c_contiguous):
            _step_numpy(x, g, m, v, largest, *map(float, numbers))
        elif where == "numba":
            _step(x.reshape(-1), ready(g).reshape(-1), m.reshape(-1), v.reshape(-1), *numbers, work=x.size)
        else:
            CUDA_STEP((x.size + 255) // 256, 256, (x, xp_of(x).ascontiguousarray(g), m, v, *numbers, np.int64(x.size)), x.dtype)


@functools.lru_cache(maxsize=8)   # all parameters of a group have the same
def _numbers(kind: type, t: int, lr, b1, b2, eps, weight_decay, decoupled: bool) -> tuple:
    """What a step multiplies by, in the parameter's precision: (b1, 1 - b1, b2, 1 - b2, step, scale, eps, l2, shrink).

    The complements are formed in double precision: 1 - float32(0.999) is off in the fifth digit.
    """
    step, scale = lr / (1 - b1**t), 1 / math.sqrt(1 - b2**t)
    l2, shrink = (0.0, 1 - lr * weight_decay) if decoupled else (weight_decay, 1.0)
    return tuple([kind(n) for n in (b1, 1 - b1, b2, 1 - b2, step, scale, eps, l2, shrink)])


class AdamW(Adam):
    """Adam with decoupled weight decay: x shrinks by lr * weight_decay before each step."""

    decoupled = True

    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)


class Adamax(Optimizer):
    """Adam with the infinity norm: u = max(b2 u, |g| + eps); x -= lr / (1 - b1^t) * m / u.

    Args:
        params: Tensors or parameter groups.
        lr, betas, eps, weight_decay, maximize: as for Adam.
    """

    LIMITS = Adam.LIMITS
    MOMENTS = {"exp_avg": None, "exp_inf": None}

    def __init__(self, params, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, *, maximize: bool = False):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize))

    def update(self, x, g, state, group):
        b1, b2 = group["betas"]
        state["step"] = t = int(state["step"]) + 1
        if group["weight_decay"]:
            g = g + group["weight_decay"] * x
        m, u = state["exp_avg"]._data, state["exp_inf"]._data
        m += (g - m) * (1 - b1)
        u *= b2
        np.maximum(u, np.abs(g) + group["eps"], out=u)
        x -= group["lr"] / (1 - b1**t) * (m / u)


def _step_numpy(x, g, m, v, largest, b1, rest1, b2, rest2, step, scale, eps, l2, shrink):
    if shrink != 1:
        x *= shrink
    if l2:
        g = g + l2 * x
    m += (g - m) * rest1
    v *= b2
    v += rest2 * g * g   # in this order: g * g alone overflows sooner
    if largest is not None:
        np.maximum(largest, v, out=largest)
        v = largest
    x -= step * (m / (np.sqrt(v) * scale + eps))


@kernel(parallel=True)
def _step(x, g, m, v, b1, rest1, b2, rest2, step, scale, eps, l2, shrink):
    for i in prange(x.size):
        y = x[i] * shrink
        d = g[i]
        if l2 != 0:   # 0 times an infinite parameter is NaN
            d += l2 * y
        mi = b1 * m[i] + rest1 * d
        vi = b2 * v[i] + rest2 * d * d
        m[i], v[i] = mi, vi
        x[i] = y - step * mi / (np.sqrt(vi) * scale + eps)


CUDA_STEP = CudaKernel("adam_step", r"""
template <typename T> __global__ void adam_step(T* x, const T* g, T* m, T* v, T b1, T rest1, T b2, T rest2, T step,
                                                T scale, T eps, T l2, T shrink, long long size) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i >= size) return;
    T y = x[i] * shrink, d = g[i] + l2 * y;
    T mi = b1 * m[i] + rest1 * d, vi = b2 * v[i] + rest2 * d * d;
    m[i] = mi;
    v[i] = vi;
    x[i] = y - step * mi / (sqrt(vi) * scale + eps);
}
""")
