"""The functions of kernels against NumPy, over the whole range, in units in the last place."""

import numpy as np
import pytest

from tinymm.backend import vmath
from tinymm.backend.jit import kernel

pytest.importorskip("numba")


@kernel
def _exp(x, y):
    for i in range(x.size):
        y[i] = vmath_exp(x[i])


@kernel
def _tanh(x, y):
    for i in range(x.size):
        y[i] = vmath_tanh(x[i])


@kernel
def _sigmoid(x, y):
    for i in range(x.size):
        y[i] = vmath_sigmoid(x[i])


@kernel
def _log(x, y):
    for i in range(x.size):
        y[i] = vmath_log(x[i])


@kernel
def _erf(x, y):
    for i in range(x.size):
        y[i] = vmath_erf(x[i])


vmath_exp, vmath_tanh, vmath_sigmoid, vmath_log, vmath_erf = vmath.exp, vmath.tanh, vmath.sigmoid, vmath.log, vmath.erf


def reference_erf(x):
    from math import erf

    return np.array([erf(v) for v in x])


SPREAD = np.concatenate([np.linspace(-110, 95, 200_001), np.logspace(-38, 0, 5001), -np.logspace(-38, 0, 5001), [0.0, -0.0]])
CASES = {"exp": (_exp, np.exp, SPREAD), "tanh": (_tanh, np.tanh, SPREAD),
         "sigmoid": (_sigmoid, lambda x: 1 / (1 + np.exp(-x)), SPREAD[SPREAD > -87]),
         "log": (_log, np.log, np.concatenate([np.logspace(-44, 38, 200_001), np.linspace(0.5, 2, 50_001)])),
         "erf": (_erf, reference_erf, np.linspace(-6, 6, 20_001))}

# A sigmoid adds the errors of exp (1 unit), of the sum and of the quotient (half a unit each), in units of 1 + e^-x or y.
BOUNDS = {"exp": 1.0, "tanh": 2.0, "sigmoid": 3.0, "log": 1.0, "erf": 2.0}


@pytest.mark.parametrize("name", CASES)
def test_float32_within_a_few_units_in_the_last_place(name):
    function, reference, points = CASES[name]
    x = points.astype(np.float32)
    y = np.empty_like(x)
    function(x, y)
    want = reference(x.astype(np.float64))
    limits = np.finfo(np.float32)
    largest = np.nextafter(limits.max, np.float32(0))
    unit = np.spacing(np.clip(np.abs(want), limits.tiny, largest).astype(np.float32)).astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(y - want) / unit
    finite = np.abs(want) < limits.max
    assert error[finite].max() <= BOUNDS[name]
    assert (y[~finite] == np.inf).all()


@pytest.mark.parametrize("name", CASES)
def test_special_values(name):
    function, reference, _ = CASES[name]
    for dtype in (np.float32, np.float64):
        x = np.array([np.nan, np.inf, -np.inf, 0.0], dtype)
        y = np.empty_like(x)
        function(x, y)
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(y, reference(x.astype(np.float64)), rtol=1e-6)


def test_float64_is_the_librarys():
    x = np.linspace(-20, 20, 1001)
    y = np.empty_like(x)
    for name in ("exp", "tanh", "sigmoid"):
        CASES[name][0](x, y)
        np.testing.assert_allclose(y, CASES[name][1](x), rtol=1e-15 * 4)
