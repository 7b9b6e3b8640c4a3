"""The frame of a fused loss l(x, t) of pairs of elements: one pass for the sum, one for each gradient.

Composed of single operations, a loss writes and reads a temporary array for each of them. The sum is taken over blocks
that stay in the cache, and over the blocks in a second step, so that long float32 sums keep their digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...autograd.reduction import sum
from ...backend.arrays import xp_of
from ...backend.cuda import CudaKernel
from ...backend.jit import Kernel
from ...backend.sums import SPAN, total
from ..fused import Fused
from .reductions import divided
from ..softmax import WORK

BLOCK = SPAN   # elements that one partial sum covers


class PointwiseLoss(Fused):
    """Base of losses of two arrays of one shape. Subclasses give the formula, its slopes, and their kernels.

    ``formula(x, t, *p)`` works on Tensors; ``values(x, t, *p)`` and ``slopes(g, x, t, needs, *p)`` on arrays; p are
    the loss's parameters, numbers. Kernels on flat arrays: ``k_values(x, t, *p, out)``, ``k_sums(x, t, *p, sums)`` with
    a sum for each block, and ``k_slope_x(g, x, t, *p, out)``, ``k_slope_t``, where g has one element or as many as x.
    """

    formula: Callable[..., Any]
    values: Callable[..., Any]
    slopes: Callable[..., Any]
    k_values: Kernel
    k_sums: Kernel
    k_slope_x: Kernel
    k_slope_t: Kernel
    cuda_values: CudaKernel
    cuda_slopes: CudaKernel
    divisor: Any            # of the sum; None for 1

    @classmethod
    def definition(cls, x, t, reduction, parameters=()):
        loss = cls.formula(x, t, *parameters)
        if reduction == "none":
            return loss
        return sum(loss) if reduction == "sum" else sum(loss) / (loss.numel() or math.nan)

    def finish(self, total, x, reduction):
        """The result from the sum, which is kept in the dtype of x."""
        self.divisor = None if reduction != "mean" else x.dtype.type(x.size)
        return total if self.divisor is None else divided(total, self.divisor)

    def cotangent(self, g):
        """The gradient of each loss: an array of the shape of x, or 0-d."""
        return g if self.divisor is None else divided(g, self.divisor)

    def forward_numpy(self, x, t, reduction, parameters=()):
        self.x, self.t, self.divisor, self.parameters = x, t, None, parameters
        losses = self.values(x, t, *parameters)
        return losses if reduction == "none" else self.finish(total(losses), x, reduction)

    def backward_numpy(self, g):
        return self.slopes(self.cotangent(g), self.x, self.t, self.needs, *self.parameters)

    def forward_numba(self, x, t, reduction, parameters=()):
        self.x, self.t, self.divisor = x, t, None
        self.parameters = p = tuple([x.dtype.type(v) for v in parameters])
        if reduction == "none":
            losses = np.empty_like(x)
            type(self).k_values(x.reshape(-1), t.reshape(-1), *p, losses.reshape(-1), work=x.size // WORK)
            return losses
        sums = np.empty((x.size + BLOCK - 1) // BLOCK, x.dtype)
        type(self).k_sums(x.reshape(-1), t.reshape(-1), *p, sums, work=x.size // WORK)
        return self.finish(total(sums), x, reduction)

    def backward_numba(self, g):
        g = np.asarray(self.cotangent(g)).reshape(-1)
        grads = []
        for kernel, needed in zip((type(self).k_slope_x, type(self).k_slope_t), self.needs):
            grads.append(np.empty_like(self.x) if needed else None)
            if needed:
                kernel(g, self.x.reshape(-1), self.t.reshape(-1), *self.parameters, grads[-1].reshape(-1),
                       work=self.x.size // WORK)
        return tuple(grads)

    def forward_cuda(self, x, t, reduction, parameters=()):
        xp = xp_of(x)
        self.x, self.t = (xp.ascontiguousarray(a).reshape(a.shape) for a in (x, t))   # it gives 0-d arrays an axis
        self.divisor = None
        self.parameters = p = tuple([x.dtype.type(v) for v in parameters])
        losses = xp.empty_like(self.x)
        if x.size:
            type(self).cuda_values((x.size + 255) // 256, 256, (self.x, self.t, *p, losses, np.int64(x.size)), x.dtype)
        return losses if reduction == "none" else self.finish(total(losses), x, reduction)

    def backward_cuda(self, g):
        g = xp_of(g).ascontiguousarray(self.cotangent(g))
        dx, dt = xp_of(g).empty_like(self.x), xp_of(g).empty_like(self.x)
        if dx.size:
            args = g, np.int64(g.size > 1), self.x, self.t, *self.parameters, dx, dt, np.int64(dx.size)
            type(self).cuda_slopes((dx.size + 255) // 256, 256, args, g.dtype)
        return dx, dt
