"""exp, tanh, sigmoid, log and erf for use inside kernels: polynomials that LLVM turns into vector code.

Numba calls the C library's ``expf`` once an element; these stay in the loop and vectorise. In float32 they
are within 3 units in the last place (tests/backend/test_vmath.py measures it over the whole range); in float64
they are the C library's own functions, because float64 is what gradient checks judge by.

Outside kernels, the same names work on Python numbers.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np


def exp(x):
    """e^x; 0 below -103.97 in float32, inf above 88.72, NaN for NaN."""
    return math.exp(x)


def tanh(x):
    """Hyperbolic tangent."""
    return math.tanh(x)


def sigmoid(x):
    """1 / (1 + e^-x), without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else 1.0 - 1.0 / (1.0 + math.exp(x))


def log(x):
    """Natural logarithm."""
    return math.log(x)


def erf(x):
    """Error function."""
    return math.erf(x)


def normal_cdf(x, e):
    """The share of a normal distribution below x, given e = exp(-x * x / 2); accurate in both tails."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


@functools.cache
def install() -> None:
    """Tell Numba how to compile the functions above; called once, when Numba is first needed."""
    from numba import types
    from numba.extending import intrinsic, overload
    from llvmlite import ir

    options: Any = {"error_model": "numpy", "fastmath": {"contract"}, "forceinline": True}
    f = np.float32

    @intrinsic
    def float_of_bits(typing, bits):
        """The float32 whose bit pattern is the int32 ``bits``."""
        return types.float32(types.int32), lambda context, builder, signature, args: builder.bitcast(args[0], ir.FloatType())

    @intrinsic
    def bits_of_float(typing, x):
        """The bit pattern of a float32 as an int32."""
        return types.int32(types.float32), lambda context, builder, signature, args: builder.bitcast(args[0], ir.IntType(32))

    LOG2E, LN2_HI, LN2_LO = f(1.4426950408889634), f(0.693359375), f(-2.12194440e-4)
    ROUND = f(12582912.0)   # 1.5 * 2^23: adding it rounds to the nearest integer

    def exp32(x):
        x_in = x
        x = min(max(x, f(-104.0)), f(89.0))
        n = (x * LOG2E + ROUND) - ROUND            # the power of two
        r = (x - n * LN2_HI) - n * LN2_LO          # |r| <= ln(2)/2, exact to float32
        p = f(1.9875691500e-4)
        p = p * r + f(1.3981999507e-3)
        p = p * r + f(8.3334519073e-3)
        p = p * r + f(4.1665795894e-2)
        p = p * r + f(1.6666665459e-1)
        p = p * r + f(5.0000001201e-1)
        p = (p * r * r + r) + f(1.0)
        half = np.int32(n) >> np.int32(1)          # 2^n in two factors, so that subnormals come out right
        rest = np.int32(n) - half
        y = p * float_of_bits(np.int32((half + np.int32(127)) << np.int32(23))) \
            * float_of_bits(np.int32((rest + np.int32(127)) << np.int32(23)))
        return y if x_in == x_in else x_in

    from numba import njit
    exp32 = njit(**options)(exp32)

    @overload(exp, jit_options=options)
    def overload_exp(x):
        if x == types.float32:
            return lambda x: exp32(x)
        return lambda x: math.exp(x)

    @overload(sigmoid, jit_options=options)
    def overload_sigmoid(x):
        if x == types.float32:
            return lambda x: f(1.0) / (f(1.0) + exp32(-x))

        def sigmoid64(x):
            e = math.exp(-abs(x))
            return 1.0 / (1.0 + e) if x >= 0 else e / (1.0 + e)
        return sigmoid64

    @overload(tanh, jit_options=options)
    def overload_tanh(x):
        if x == types.float32:
            def tanh32(x):
                a = abs(x)
                s = x * x                          # an odd polynomial near zero, where 1 - 2/(e^2x + 1) cancels
                p = f(-5.70498872745e-3)
                p = p * s + f(2.06390887954e-2)
                p = p * s + f(-5.37397155531e-2)
                p = p * s + f(1.33314422036e-1)
                p = p * s + f(-3.33332819422e-1)
                small = p * s * x + x
                large = f(1.0) - f(2.0) / (exp32(a + a) + f(1.0))
                large = large if x > f(0.0) else -large
                return small if a < f(0.625) else (large if x == x else x)
            return tanh32
        return lambda x: math.tanh(x)

    @overload(log, jit_options=options)
    def overload_log(x):
        if x == types.float32:
            def log32(x):
                tiny = x < f(1.17549435e-38)
                scaled = x * f(8388608.0) if tiny else x
                bits = bits_of_float(scaled)
                e = (bits >> np.int32(23)) - np.int32(126)
                m = float_of_bits(np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)))   # in [0.5, 1)
                low = m < f(0.70710678118654752)
                e = e - np.int32(1) if low else e
                m = (m + m - f(1.0)) if low else (m - f(1.0))
                k = f(e) - (f(23.0) if tiny else f(0.0))
                z = m * m
                p = f(7.0376836292e-2)
                p = p * m + f(-1.1514610310e-1)
                p = p * m + f(1.1676998740e-1)
                p = p * m + f(-1.2420140846e-1)
                p = p * m + f(1.4249322787e-1)
                p = p * m + f(-1.6668057665e-1)
                p = p * m + f(2.0000714765e-1)
                p = p * m + f(-2.4999993993e-1)
                p = p * m + f(3.3333331174e-1)
                y = p * m * z + k * LN2_LO - f(0.5) * z
                y = (m + y) + k * LN2_HI
                y = y if x < f(np.inf) else x      # inf, NaN
                y = y if x > f(0.0) else (f(-np.inf) if x == f(0.0) else f(np.nan))
                return y
            return log32
        return lambda x: math.log(x) if x > 0 else (-np.inf if x == 0 else np.nan)

    @overload(erf, jit_options=options)
    def overload_erf(x):
        if x == types.float32:
            def erf32(x):
                a = min(abs(x), f(4.0))            # erf(4) is 1 in float32
                s = a * a
                p = f(-6.5467074640e-4)            # near zero an odd polynomial
                p = p * s + f(5.0869782674e-3)
                p = p * s + f(-2.6821850538e-2)
                p = p * s + f(1.1283136953e-1)
                p = p * s + f(-3.7612603353e-1)
                p = p * s + f(1.283791640e-1)
                t = f(1.0) / (f(1.0) + f(0.5) * a)
                q = f(-3.5711303843e-2)            # away from it erf(a) = 1 - e^(-a^2) q(t)
                q = q * t + f(-1.1015897074e-1)
                q = q * t + f(4.6827869367e-1)
                q = q * t + f(5.9838893581e-2)
                q = q * t + f(3.4564216601e-1)
                q = q * t + f(2.7083203573e-1)
                q = q * t + f(8.2228304965e-4)
                far = f(1.0) - q * exp32(-s)
                far = far if x > f(0.0) else -far
                near = p * x + x
                return near if a < f(0.8) else (far if x == x else x)
            return erf32
        return lambda x: math.erf(x)

    @overload(normal_cdf, jit_options=options)
    def overload_normal_cdf(x, e):
        if x == types.float32:
            def normal_cdf32(x, e):
                t = f(1.0) / (f(1.0) + f(0.28284271247) * abs(x))
                q = f(3.4861815014e-2)             # the tail is e q(t), fitted to 1.3e-7 relative
                q = q * t + f(-1.8827695437e-1)
                q = q * t + f(3.2868989923e-1)
                q = q * t + f(-1.7838235909e-1)
                q = q * t + f(2.0406057544e-1)
                q = q * t + f(6.7114299666e-2)
                q = q * t + f(1.1979757925e-1)
                q = q * t + f(1.1210191469e-1)
                q = q * t + f(3.3165374913e-5)
                tail = q * e
                return tail if x < f(0.0) else f(1.0) - tail
            return normal_cdf32
        return lambda x, e: 0.5 * math.erfc(-x * 0.7071067811865476)
