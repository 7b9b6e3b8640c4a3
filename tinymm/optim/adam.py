"""Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019) and Adamax (Adam's section 7.1).

    m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
    x -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
"""

from __future__ import annotations

import math

import numpy as np

from ..backend.arrays import xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange, ready, rung
from .optimizer import Optimizer, check, zeros_like


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

    decoupled = False

    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, amsgrad: bool = False, *, maximize: bool = False):
        check(type(self).__name__, lr=(lr, 0, None), eps=(eps, 0, None), weight_decay=(weight_decay, 0, None),
              beta1=(betas[0], 0, 1), beta2=(betas[1], 0, 1))
        super().__init__(params, dict(lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
                                      maximize=maximize))

    def start(self, p, state, group):
        state.update(step=0, exp_avg=zeros_like(p), exp_avg_sq=zeros_like(p))
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(p)

    def update(self, x, g, state, group):
        b1, b2 = group["betas"]
        state["step"] = t = int(state["step"]) + 1
        m, v = state["exp_avg"]._data, state["exp_avg_sq"]._data
        step, root = group["lr"] / (1 - b1**t), math.sqrt(1 - b2**t)
        l2 = 0.0 if self.decoupled else group["weight_decay"]
        shrink = 1 - group["lr"] * group["weight_decay"] if self.decoupled else 1.0
        largest = state["max_exp_avg_sq"]._data if group["amsgrad"] else None
        where = rung(x)
        if where == "numpy" or largest is not None or not x.flags.c_contiguous or not x.size:
            _step_numpy(x, g, m, v, largest, b1, b2, step, root, group["eps"], l2, shrink)
        else:
            # The complements are formed in double precision: 1 - float32(0.999) is off in the fifth digit.
            numbers = [x.dtype.type(n) for n in (b1, 1 - b1, b2, 1 - b2, step, 1 / root, group["eps"], l2, shrink)]
            if where == "numba":
                _step(x.reshape(-1), ready(g).reshape(-1), m.reshape(-1), v.reshape(-1), *numbers, work=x.size)
            else:
                CUDA_STEP((x.size + 255) // 256, 256, (x, xp_of(x).ascontiguousarray(g), m, v, *numbers,
                                                       np.int64(x.size)), x.dtype)


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

    def __init__(self, params, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0, *, maximize: bool = False):
        check("Adamax", lr=(lr, 0, None), eps=(eps, 0, None), weight_decay=(weight_decay, 0, None),
              beta1=(betas[0], 0, 1), beta2=(betas[1], 0, 1))
        super().__init__(params, dict(lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay, maximize=maximize))

    def start(self, p, state, group):
        state.update(step=0, exp_avg=zeros_like(p), exp_inf=zeros_like(p))

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


def _step_numpy(x, g, m, v, largest, b1, b2, step, root, eps, l2, shrink):
    if shrink != 1:
        x *= shrink
    if l2:
        g = g + l2 * x
    m += (g - m) * (1 - b1)
    v *= b2
    v += (1 - b2) * (g * g)
    if largest is not None:
        np.maximum(largest, v, out=largest)
        v = largest
    x -= step * (m / (np.sqrt(v) / root + eps))


@kernel(parallel=True)
def _step(x, g, m, v, b1, rest1, b2, rest2, step, scale, eps, l2, shrink):
    for i in prange(x.size):
        y = x[i] * shrink
        d = g[i] + l2 * y
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
