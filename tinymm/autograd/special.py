"""The error function on whole arrays, in float64 precision (no SciPy needed).

    erf(x) = 2/sqrt(pi) * integral of e^(-t^2) from 0 to x

by the rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function",
Mathematics of Computation 23 (1969): x R(x^2) near 0, and 1 - e^(-x^2) R(x) away from it.
"""

from __future__ import annotations

import math

import numpy as np

from .pointwise import unary

_NEAR_P = (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
           3.20937758913846947e3)
_NEAR_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_FAR_P = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
          2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
          1.23033935479799725e3)
_FAR_Q = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
          3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3)


def _polynomial(x, coefficients):
    """c0 x^n + c1 x^(n-1) + ... by Horner's rule."""
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total *= x
        total += c
    return total


def erf_array(x):
    """erf of every element of an array; NaN stays NaN."""
    dtype, x = x.dtype, x.astype(np.float64, copy=False)
    a = np.minimum(np.abs(x), 6.0)   # erf(6) is 1 in float64, and NaN passes through
    square = np.minimum(a, 1.0) ** 2
    near = x * (_polynomial(square, _NEAR_P) / _polynomial(square, _NEAR_Q))
    far = np.copysign(1.0 - np.exp(-a * a) * (_polynomial(a, _FAR_P) / _polynomial(a, _FAR_Q)), x)
    return np.where(a < 0.46875, near, far).astype(dtype, copy=False)


erf = unary("erf", erf_array, lambda g, x, y: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x), "x",
            "Error function, 2 / sqrt(pi) times the integral of e ** -t ** 2 from 0 to x: erf(x)",
            "g * 2 / sqrt(pi) * e ** -x ** 2", edges="x = 10: y = 1, dy/dx = 0; x = -10: y = -1, dy/dx = 0")
