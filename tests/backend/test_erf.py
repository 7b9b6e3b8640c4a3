"""erf and the normal distribution function inside kernels, in float32, against SciPy."""

import numpy as np
import pytest

from tinymm.backend.jit import kernel, kernel_mode, prange
from tinymm.backend.vmath import erf, exp, normal_cdf

special = pytest.importorskip("scipy.special")


@kernel(parallel=True)
def _erf(x, y):
    for i in prange(x.size):
        y[i] = erf(x[i])


@kernel(parallel=True)
def _normal_cdf(x, y):
    half = x.dtype.type(0.5)
    for i in prange(x.size):
        y[i] = normal_cdf(x[i], exp(-half * x[i] * x[i]))


def ulps(got, want):
    return np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32))


def test_erf_is_within_two_ulps():
    if kernel_mode() != "numba":
        pytest.skip("no Numba here")
    x = np.concatenate([np.linspace(-6, 6, 200_001), np.logspace(-30, 0, 2000)]).astype(np.float32)
    y = np.empty_like(x)
    _erf(x, y)
    assert ulps(y, special.erf(x.astype(np.float64))).max() <= 2
    x = np.float32([np.nan, np.inf, -np.inf, 0.0])
    y = np.empty_like(x)
    _erf(x, y)
    np.testing.assert_array_equal(y, [np.nan, 1, -1, 0])


def test_normal_cdf_is_precise_in_the_lower_tail():
    if kernel_mode() != "numba":
        pytest.skip("no Numba here")
    x = np.linspace(-8, 8, 100_001).astype(np.float32)
    y = np.empty_like(x)
    _normal_cdf(x, y)
    want = special.ndtr(x.astype(np.float64))
    # the rounding of x*x alone moves e^(-x*x/2) by x*x/2 half-ulps
    assert (np.abs(y / want - 1) <= (4 + x.astype(np.float64) ** 2 / 2) * 2.0**-23).all()
    x = np.float32([np.nan, np.inf, -np.inf, 0.0])
    y = np.empty_like(x)
    _normal_cdf(x, y)
    np.testing.assert_allclose(y, [np.nan, 1, 0, 0.5], rtol=2e-7, atol=1e-40)
