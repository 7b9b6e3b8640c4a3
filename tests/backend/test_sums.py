"""Sums keep their digits along every axis, in every layout and dtype: against float64, and against the stated bound."""

import itertools
import math

import numpy as np
import pytest

import tinymm as tm
from tinymm.backend.sums import BLOCK, mean, running, total


def bound(n, dtype):
    return BLOCK * math.ceil(math.log(max(n, 2)) / math.log(BLOCK / 2)) * np.finfo(dtype).eps / 2


def check(x, axis, keepdims=False):
    got = total(x, axis, keepdims)
    exact, size = (np.sum(v, axis=axis, keepdims=keepdims, dtype=np.float64) for v in (x, np.abs(x)))
    assert got.dtype == x.dtype and got.shape == exact.shape
    assert (np.abs(got - exact) <= bound(x.size // max(exact.size, 1), x.dtype) * size + 1e-30).all()


SHAPES = [(3, 5), (300, 2), (129, 1), (1000, 7, 3), (2, 500, 3), (4, 3, 400), (200, 2, 200), (130, 1, 131, 2), (1, 700, 1), (0, 4),
          (5, 0), (1025, 33), (40, 17, 3, 150)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_choice_of_axes_and_layout(shape):
    x = np.random.default_rng(0).random(shape, np.float32) + 0.1
    for k in range(len(shape) + 1):
        for axes in itertools.combinations(range(len(shape)), k):
            for keepdims in (False, True):
                check(x, axes, keepdims)
                check(np.asfortranarray(x), axes, keepdims)
                check(np.ascontiguousarray(np.swapaxes(x, 0, -1)).swapaxes(0, -1)[::-1], axes, keepdims)
    check(x, None)
    check(x, -1)
    check(x, -len(shape))
    check(x, 0)


def test_repeated_numbers_are_multiplied():
    x = np.broadcast_to(np.float32([[0.1], [0.2]]), (2, 100_003))
    check(x, 1)
    check(x, 0)
    check(np.broadcast_to(np.float32(0.1), (3_000, 5)), 0)
    assert total(np.broadcast_to(np.float32(0.1), (3_000, 5)), 0).flags.writeable


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_integers_as_numpy(dtype):
    x = np.random.default_rng(0).integers(0, 2, (1000, 3)).astype(dtype)
    assert (total(x, 0) == x.sum(0)).all() and total(x, 0).dtype == x.sum(0).dtype


def test_infinities_and_nan_stay_in_their_column():
    x = np.ones((1000, 4), np.float32)
    x[500, 1], x[3, 2], x[7, 2], x[999, 3] = np.inf, np.inf, -np.inf, np.nan
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(total(x, 0), [1000, np.inf, np.nan, np.nan])


def test_float16_adds_in_float32():
    x = np.full((70_000, 2), 0.1, np.float16)
    np.testing.assert_array_equal(total(x, 0), np.float16(7000 * (float(np.float16(0.1)) / 0.1)))
    np.testing.assert_array_equal(mean(x, 0), np.float16(0.1))
    assert mean(np.full(70_000, 60_000, np.float16)) == np.float16(60_000)


@pytest.mark.parametrize("shape, axis", [((1_000,), 0), ((3, 1537), 1), ((1537, 3), 0), ((2, 1024, 3), 1), ((2, 5), 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_sums(shape, axis, dtype):
    x = np.random.default_rng(0).random(shape).astype(dtype)
    for layout in (x, np.asfortranarray(x), np.flip(x, axis)):
        got, exact = running(layout, axis), np.cumsum(layout, axis=axis, dtype=np.longdouble)
        assert got.dtype == dtype and (np.abs(got - exact) <= 512 * np.finfo(dtype).eps * exact).all()


def test_ten_million_rows():
    n = 5_000_000
    x = tm.full((n, 2), 0.1)
    exact = n * float(np.float32(0.1))
    bias = tm.zeros(2, requires_grad=True)
    (x + bias).sum().backward()
    assert (bias.grad.numpy() == n).all()
    for got, want in ((x.sum(0), exact), (x.mean(0), exact / n), (x.reshape(2 * n, 1).sum(0), 2 * exact),
                      (x.reshape(2 * n).cumsum(0)[-1], 2 * exact), (x.reshape(2, n).sum(1), exact)):
        np.testing.assert_allclose(got.numpy(), want, rtol=bound(2 * n, np.float32))


def test_counts_beyond_float16():
    n = 70_000
    x = tm.ones((n,), dtype=np.float16, requires_grad=True)
    for function in (tm.max, tm.min, tm.amax, tm.amin, tm.mean):
        y = function(x)
        x.grad = None
        y.backward()
        assert y.item() == 1 and abs(x.grad.numpy().astype(float).sum() - 1) < 0.01
    data = np.random.default_rng(0).normal(size=n).astype(np.float16)
    wide = data.astype(np.float64)
    for got, want in ((tm.tensor(data).var(), wide.var(ddof=1)), (tm.tensor(data).std(), wide.std(ddof=1)),
                      ((tm.tensor(data) * 100).norm(), np.linalg.norm((data * np.float16(100)).astype(float))),
                      (tm.logsumexp(tm.tensor(data), 0), np.log(np.exp(wide).sum()))):
        np.testing.assert_allclose(got.item(), want, rtol=2e-3)
