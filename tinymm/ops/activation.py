"""GELU, its quick stand-in, SiLU and softplus, each in one pass over the array.

    gelu(x)     = x Phi(x) = x/2 (1 + erf(x / sqrt 2))                        Hendrycks and Gimpel 2016, section 2
    its tanh form  x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))              the same
    quick_gelu(x) = x / (1 + e^(-1.702 x))                                    the same; in the published CLIP models
    silu(x)     = x / (1 + e^-x)                                              the same, section 1; "swish"
    softplus(x) = log(1 + e^(beta x)) / beta                                  Dugas et al. 2001, equation 3

Only x is kept for the backward, which computes the exponential a second time: that is cheaper than memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..autograd.choice import clamp
from ..autograd.choice import where
from ..autograd.elementwise import log1p, not_in_place, sigmoid, tanh
from ..autograd.registry import Sample, register
from ..autograd.special import erf as erf_of
from ..autograd.special import erf_array
from ..autograd.tensor import Tensor
from ..backend import large
from ..backend.arrays import xp_of
from ..backend.cuda import CudaKernel
from ..backend.jit import kernel, prange
from ..backend.vmath import exp, log, normal_cdf, sigmoid as sigmoid_in_kernel, tanh as tanh_in_kernel
from .checks import floating, real
from .fused import Fused

SQRT_HALF = math.sqrt(0.5)
DENSITY_AT_0 = 1 / math.sqrt(2 * math.pi)    # of the normal distribution
TANH_SCALE = math.sqrt(2 / math.pi)
CUBIC = 0.044715
QUICK = 1.702                                # of the sigmoid that comes nearest to Phi
THREADS = 256


class Activation(Fused):
    """What the activations have in common: kernels over the flattened array, with constants after it.

    Subclasses give ``kernels`` and ``cuda`` (forward, backward), and ``constants(**options)``.
    """

    kernels: tuple
    cuda: tuple

    @staticmethod
    def constants(*numbers: Any, **options: Any) -> tuple:
        return ()

    def forward_numba(self, x, **options):
        self.x, self.numbers = x, tuple(x.dtype.type(c) for c in self.constants(**options))
        y = np.empty_like(x)
        self.kernels[0](x.reshape(-1), *self.numbers, y.reshape(-1), work=x.size)
        return y

    def backward_numba(self, g):
        dx = np.empty_like(g)
        self.kernels[1](g.reshape(-1), self.x.reshape(-1), *self.numbers, dx.reshape(-1), work=g.size)
        return dx

    def forward_cuda(self, x, **options):
        self.x, self.numbers = xp_of(x).ascontiguousarray(x), tuple(x.dtype.type(c) for c in self.constants(**options))
        y = xp_of(x).empty(x.shape, x.dtype)
        self._launch(self.cuda[0], self.x, *self.numbers, y)
        return y

    def backward_cuda(self, g):
        dx = xp_of(g).empty(g.shape, g.dtype)
        self._launch(self.cuda[1], xp_of(g).ascontiguousarray(g), self.x, *self.numbers, dx)
        return dx

    @staticmethod
    def _launch(cuda_kernel, *args):
        out = args[-1]
        if out.size:
            cuda_kernel((out.size + THREADS - 1) // THREADS, THREADS, (*args, np.int64(out.size)), out.dtype)


# ---------------------------------------------------------------------- gelu

class Gelu(Activation):
    """y = x Phi(x), with Phi the normal distribution function;  dy/dx = Phi(x) + x phi(x)."""

    name = "gelu"

    @staticmethod
    def definition(x):
        return 0.5 * x * (1 + erf_of(x * SQRT_HALF))

    def forward_numpy(self, x):
        self.x = x
        return 0.5 * x * (1 + erf_array(x * SQRT_HALF))

    def backward_numpy(self, g):
        x = self.x
        return g * (0.5 * (1 + erf_array(x * SQRT_HALF)) + x * (DENSITY_AT_0 * np.exp(-0.5 * x * x)))


@kernel(parallel=True)
def _gelu(x, y):
    half = x.dtype.type(0.5)
    for i in prange(x.size):
        y[i] = x[i] * normal_cdf(x[i], exp(-half * x[i] * x[i]))


@kernel(parallel=True)
def _gelu_backward(g, x, dx):
    half, density = x.dtype.type(0.5), x.dtype.type(DENSITY_AT_0)
    for i in prange(x.size):
        e = exp(-half * x[i] * x[i])
        dx[i] = g[i] * (normal_cdf(x[i], e) + x[i] * (density * e))


class GeluTanh(Activation):
    """y = x/2 (1 + t) with t = tanh(s (x + c x^3));  dy/dx = (1 + t)/2 + x/2 (1 - t^2) s (1 + 3 c x^2)."""

    name = "gelu"

    @staticmethod
    def definition(x):
        return 0.5 * x * (1 + tanh(TANH_SCALE * (x + CUBIC * (x * x * x))))

    def forward_numpy(self, x):
        self.x = x
        return 0.5 * x * (1 + np.tanh(TANH_SCALE * x * (1 + CUBIC * x * x)))

    def backward_numpy(self, g):
        x = self.x
        t = np.tanh(TANH_SCALE * x * (1 + CUBIC * x * x))
        return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * (TANH_SCALE * (1 + 3 * CUBIC * x * x)))


@kernel(parallel=True)
def _gelu_tanh(x, y):
    half, one = x.dtype.type(0.5), x.dtype.type(1)
    s, c = x.dtype.type(TANH_SCALE), x.dtype.type(CUBIC)
    for i in prange(x.size):
        y[i] = half * x[i] * (one + tanh_in_kernel(s * x[i] * (one + c * x[i] * x[i])))


@kernel(parallel=True)
def _gelu_tanh_backward(g, x, dx):
    half, one = x.dtype.type(0.5), x.dtype.type(1)
    s, c, c3 = x.dtype.type(TANH_SCALE), x.dtype.type(CUBIC), x.dtype.type(3 * CUBIC)
    for i in prange(x.size):
        square = x[i] * x[i]
        t = tanh_in_kernel(s * x[i] * (one + c * square))
        dx[i] = g[i] * half * ((one + t) + x[i] * (one - t * t) * s * (one + c3 * square))


# ---------------------------------------------------------------------- silu and quick gelu

class Silu(Activation):
    """y = x s with s = sigmoid(beta x), beta = 1;  dy/dx = s (1 + beta x (1 - s))."""

    name = "silu"
    beta = 1.0

    @classmethod
    def constants(cls):
        return cls.beta,

    @classmethod
    def definition(cls, x):
        return x * sigmoid(cls.beta * x)

    def forward_numpy(self, x):
        self.x = x
        return x * large.sigmoid(self.beta * x)

    def backward_numpy(self, g):
        z = self.beta * self.x
        s = large.sigmoid(z)
        return g * (s * (1 + z * (1 - s)))


class QuickGelu(Silu):
    """The same with beta = 1.702."""

    name = "quick_gelu"
    beta = QUICK


@kernel(parallel=True)
def _silu(x, beta, y):
    for i in prange(x.size):
        y[i] = x[i] * sigmoid_in_kernel(beta * x[i])


@kernel(parallel=True)
def _silu_backward(g, x, beta, dx):
    one = x.dtype.type(1)
    for i in prange(x.size):
        z = beta * x[i]
        s = sigmoid_in_kernel(z)
        dx[i] = g[i] * (s * (one + z * (one - s)))


# ---------------------------------------------------------------------- softplus

class Softplus(Activation):
    """y = log(1 + e^(beta x)) / beta, and x itself where beta x > threshold;  dy/dx = sigmoid(beta x), or 1 there."""

    name = "softplus"

    @staticmethod
    def constants(beta, threshold):
        return beta, threshold

    @staticmethod
    def definition(x, beta, threshold):
        z = x * beta
        bounded = clamp(z, max=threshold)   # the branch not taken must not overflow
        return where(z > threshold, x, log1p(np.exp(bounded)) / beta)

    def forward_numpy(self, x, beta, threshold):
        self.x, self.beta, self.threshold = x, beta, threshold
        z = x * beta
        return np.where(z > threshold, x, np.log1p(np.exp(np.minimum(z, threshold))) / beta).astype(x.dtype, copy=False)

    def backward_numpy(self, g):
        z = self.x * self.beta
        return g * np.where(z > self.threshold, 1, large.sigmoid(z))


@kernel(parallel=True)
def _softplus(x, beta, threshold, y):
    one = x.dtype.type(1)
    for i in prange(x.size):
        z = x[i] * beta
        e = exp(threshold if z > threshold else z)
        w = one + e                                  # log(1 + e) = log(w) e / (w - 1), with the error of w made good
        lost = w - one
        soft = e if lost == x.dtype.type(0) else log(w) * (e / lost)
        y[i] = x[i] if z > threshold else soft / beta


@kernel(parallel=True)
def _softplus_backward(g, x, beta, threshold, dx):
    for i in prange(x.size):
        z = x[i] * beta
        s = sigmoid_in_kernel(z)
        dx[i] = g[i] if z > threshold else g[i] * s


# ---------------------------------------------------------------------- CUDA

def _cuda(name: str, forward: str, backward: str, constants: str = "") -> tuple[CudaKernel, CudaKernel]:
    """The two kernels of an activation from its formulas in v (and g), one thread an element."""
    head = "long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;\n    if (i >= n) return;\n    T v = x[i];"
    return (CudaKernel(f"{name}_forward", f"""
template <typename T> __global__ void {name}_forward(const T* x, {constants}T* out, long long n) {{
    {head}
    out[i] = {forward};
}}
"""), CudaKernel(f"{name}_backward", f"""
template <typename T> __global__ void {name}_backward(const T* g, const T* x, {constants}T* out, long long n) {{
    {head}
    out[i] = {backward};
}}
"""))


_SIGMOID = "(T(1) / (T(1) + exp(-beta * v)))"
_INNER = f"tanh(T({TANH_SCALE!r}) * v * (T(1) + T({CUBIC}) * v * v))"

Gelu.kernels = _gelu, _gelu_backward
Gelu.cuda = _cuda("gelu", f"T(0.5) * v * (T(1) + erf(v * T({SQRT_HALF!r})))",
                  f"g[i] * (T(0.5) * (T(1) + erf(v * T({SQRT_HALF!r}))) "
                  f"+ v * T({DENSITY_AT_0!r}) * exp(T(-0.5) * v * v))")
GeluTanh.kernels = _gelu_tanh, _gelu_tanh_backward
GeluTanh.cuda = _cuda("gelu_tanh", f"T(0.5) * v * (T(1) + {_INNER})",
                      f"g[i] * T(0.5) * (T(1) + {_INNER} + v * (T(1) - {_INNER} * {_INNER}) "
                      f"* T({TANH_SCALE!r}) * (T(1) + T({3 * CUBIC}) * v * v))")
Silu.kernels = _silu, _silu_backward
Silu.cuda = _cuda("silu", f"v * {_SIGMOID}", f"g[i] * {_SIGMOID} * (T(1) + beta * v * (T(1) - {_SIGMOID}))", "T beta, ")
Softplus.kernels = _softplus, _softplus_backward
Softplus.cuda = _cuda("softplus", "v * beta > threshold ? v : log1p(exp(v * beta)) / beta",
                      "v * beta > threshold ? g[i] : g[i] / (T(1) + exp(-v * beta))", "T beta, T threshold, ")


# ---------------------------------------------------------------------- the public functions

def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit, element by element: y = x * Phi(x).

    Gradient: dL/dx = g * (Phi(x) + x * phi(x)), with g = dL/dy.
    Phi is the distribution function of the normal distribution, phi its density (Hendrycks and Gimpel 2016).

    Args:
        input: x, a Tensor of any shape, floating point.
        approximate: "none" for the exact Phi (by erf), "tanh" for the approximation that GPT-2 uses.

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        ValueError: another word for ``approximate``.
        TypeError: integer input.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate={approximate!r}; choose 'none' or 'tanh'")
    return (Gelu if approximate == "none" else GeluTanh).apply(floating("gelu", "input", input))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Sigmoid linear unit, also called swish, element by element: y = x * sigmoid(x).

    Gradient: dL/dx = g * (y + sigmoid(x) * (1 - y)), with g = dL/dy.

    Args:
        input: x, a Tensor of any shape, floating point.
        inplace: PyTorch's; not supported.

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        ValueError: inplace=True, which would spoil gradients.
        TypeError: integer input.
    """
    not_in_place("silu", inplace)
    return Silu.apply(floating("silu", "input", input))


def quick_gelu(input: Tensor) -> Tensor:
    """GELU with a sigmoid for Phi, element by element: y = x * sigmoid(1.702 * x).

    Gradient: dL/dx = g * (1.702 * y + sigmoid(1.702 * x) * (1 - 1.702 * y)), with g = dL/dy.

    Args:
        input: x, a Tensor of any shape, floating point.

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        TypeError: integer input.
    """
    return QuickGelu.apply(floating("quick_gelu", "input", input))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """A smooth ReLU, element by element: y = log(1 + e ** (beta * x)) / beta.

    Gradient: dL/dx = g * sigmoid(beta * x), with g = dL/dy.
    Where beta * x > threshold, y is x itself and the gradient g.

    Args:
        input: x, a Tensor of any shape, floating point.
        beta: how sharp the bend is.
        threshold: from where on it is a straight line.

    Returns:
        Tensor of the shape and dtype of x.

    Raises:
        ValueError: beta is 0, or too small for the dtype.
        TypeError: integer input.
    """
    input, beta = floating("softplus", "input", input), real("softplus", "beta", beta)
    if input.dtype.type(beta) == 0:
        raise ValueError(f"softplus: beta={beta} is 0 in {input.dtype}, and y is divided by it; give a positive number")
    return Softplus.apply(input, beta=beta, threshold=real("softplus", "threshold", threshold))


def _shapes(draw, **options):
    for shape in ((3, 5), (2, 1, 37), (), (0, 4), (300, 130)):
        yield Sample(draw.normal(*shape, scale=2.0), **options)


def _softplus_samples(draw):
    yield from _shapes(draw)
    yield Sample(draw.normal(4, 9, scale=3.0), beta=2.0, threshold=4.0)
    yield Sample(draw.uniform(7, low=-60.0, high=60.0))


register("gelu", gelu, _shapes, torch="nn.functional.gelu", fused=Gelu)
register("gelu:tanh", gelu, lambda draw: _shapes(draw, approximate="tanh"), torch="nn.functional.gelu", fused=GeluTanh)
register("quick_gelu", quick_gelu, _shapes, fused=QuickGelu)
register("silu", silu, _shapes, torch="nn.functional.silu", fused=Silu)
register("softplus", softplus, _softplus_samples, torch="nn.functional.softplus", fused=Softplus)
