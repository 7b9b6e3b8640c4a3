"""Dropout (Srivastava et al. 2014, section 4; "inverted": the scale is applied in training).

    y = x m / (1 - p),   each m 0 with probability p, else 1

The random bits are drawn on the host from a named stream, 32 for each element, so that every rung and every device
drops the same elements. What is kept for the backward is one byte an element.
"""

from __future__ import annotations

import numpy as np

from ..autograd.elementwise import not_in_place
from ..autograd.registry import Sample, register
from ..autograd.tensor import Tensor
from ..backend.arrays import device_of, to_device, xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange
from ..backend.random import stream
from .checks import floating, real
from .fused import Fused

THREADS = 256


class Dropout(Fused):
    """y = x m / (1 - p);  dL/dx = g m / (1 - p)."""

    name = "dropout"

    @staticmethod
    def definition(x, p, generator, kept=None):
        kept = draw_kept(x._data, p, generator) if kept is None else kept
        return x * Tensor(kept.astype(x.dtype) * x.dtype.type(scale_of(p)))

    def _draw(self, x, p, generator):
        self.kept, self.scale = draw_kept(x, p, generator), x.dtype.type(scale_of(p))
        self.replay = {"kept": self.kept}

    def forward_numpy(self, x, p, generator):
        self._draw(x, p, generator)
        return x * self.kept * self.scale

    def backward_numpy(self, g):
        return g * self.kept * self.scale

    def forward_numba(self, x, p, generator):
        self._draw(x, p, generator)
        return self._scaled(x)

    def backward_numba(self, g):
        return self._scaled(g)

    def _scaled(self, x):
        y = np.empty_like(x)
        _scale(x.reshape(-1), self.kept.reshape(-1), self.scale, y.reshape(-1), work=x.size)
        return y

    def forward_cuda(self, x, p, generator):
        self._draw(x, p, generator)
        return self.backward_cuda(x)

    def backward_cuda(self, g):
        xp = xp_of(g)
        g, y = xp.ascontiguousarray(g), xp.empty(g.shape, g.dtype)
        if y.size:
            blocks = (y.size + THREADS - 1) // THREADS
            CUDA_SCALE(blocks, THREADS, (g, self.kept, self.scale, y, np.int64(y.size)), g.dtype)
        return y


def scale_of(p: float) -> float:
    """1 / (1 - p), and 0 where everything is dropped."""
    return 1 / (1 - p) if p < 1 else 0.0


def draw_kept(x, p: float, generator):
    """For each element of ``x`` whether it is kept: booleans of its shape, on its device."""
    n = x.size
    bits = stream(generator, "dropout").generator.bit_generator.random_raw((n + 1) // 2).view(np.uint32)[:n]
    kept = bits >= np.uint32(min(round(p * 2**32), 2**32 - 1)) if p < 1 else np.zeros(n, bool)
    return to_device(kept.reshape(x.shape), device_of(x))


@kernel(parallel=True)
def _scale(x, kept, scale, y):
    zero = x.dtype.type(0)
    for i in prange(x.size):
        y[i] = x[i] * (scale if kept[i] else zero)


CUDA_SCALE = CudaKernel("dropout_scale", r"""
template <typename T> __global__ void dropout_scale(const T* x, const bool* kept, T scale, T* y, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * (kept[i] ? scale : T(0));
}
""")


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator=None) -> Tensor:
    """Set each element to 0 with probability ``p`` and multiply the others by 1 / (1 - p).

    Gradient: dL/dinput = g / (1 - p) where the element was kept, else 0.

    Args:
        input: any shape, floating point.
        p: the probability.
        training: False returns ``input`` as it is.
        inplace: PyTorch's; not supported.
        generator: the random stream, or its name (default: "dropout").

    Returns:
        Tensor of the shape of ``input``.

    Raises:
        ValueError: p outside of [0, 1], or inplace=True, which would spoil gradients.
        TypeError: integer input.
    """
    if not 0 <= real("dropout", "p", p) <= 1:
        raise ValueError(f"dropout: p={p} is not a probability; choose 0 to 1")
    not_in_place("dropout", inplace)
    floating("dropout", "input", input)
    return Dropout.apply(input, p=float(p), generator=generator) if training and p > 0 else input


def _samples(draw):
    yield Sample(draw.normal(4, 6), 0.3)
    yield Sample(draw.normal(3, 1, 5))
    yield Sample(draw.normal(), 0.5)
    yield Sample(draw.normal(0, 3), 0.5)
    yield Sample(draw.normal(2, 3), 1.0)
    yield Sample(draw.normal(2, 3), 0.5, training=False)


register("dropout", dropout, _samples, torch="nn.functional.dropout", fused=Dropout, random=True)
