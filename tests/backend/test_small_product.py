"""Products inside kernels, and those of few rows, against NumPy, at shapes that do and do not fill a tile."""

import numpy as np
import pytest

pytest.importorskip("numba")

from tinymm import Tensor, functional as F  # noqa: E402
from tinymm.backend import few_rows, simd  # noqa: E402
from tinymm.backend.jit import force_parallel, kernel, use_kernels  # noqa: E402
from tinymm.backend.small_product import TERMS, multiply, spare_tile, wide  # noqa: E402


@kernel
def whole_vectors(columns, like):
    return wide(columns, like)


@kernel
def multiplied(a, row, step, rows, terms, b, c, columns, add):
    multiply(a, 0, row, step, rows, terms, b, c, columns, add, np.empty(spare_tile(b), b.dtype))


@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, terms, columns", [(1, 1, 1), (3, 5, 17), (8, TERMS, 16), (9, 4, 31), (31, TERMS + 1, 40)])
def test_products_are_numpys(rows, terms, columns, dtype, turned, add):
    draw, m = np.random.default_rng(rows), whole_vectors(columns, np.empty(0, dtype))
    assert m % (simd.registers()[0] // np.dtype(dtype).itemsize) == 0 and columns <= m
    # what lies behind the left factor in memory is NaN, so that a number read beyond its end would be noticed
    guarded = np.full(rows * terms + 500, np.nan, dtype)
    a = guarded[:rows * terms].reshape((terms, rows) if turned else (rows, terms))
    a[...] = draw.standard_normal(a.shape)
    b, c = (draw.standard_normal((n, m)).astype(dtype) for n in (terms, rows))
    left = a.T if turned else a
    want = left.astype(float) @ b + add * c
    bound = 4 * np.finfo(dtype).eps * np.sqrt(terms) * (abs(left).astype(float) @ abs(b) + abs(c))
    multiplied(guarded, *((1, rows) if turned else (terms, 1)), rows, terms, b.reshape(-1), c.reshape(-1), m, add)
    assert (abs(c - want) <= bound).all()


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows, inner, outputs", [(16, 96, 96), (17, 130, 70), (32, 40, 301)])
def test_few_rows_times_a_weight(rows, inner, outputs, bias, parallel):
    draw = np.random.default_rng(inner)
    x, w = (draw.standard_normal((n, inner)).astype("float32") for n in (rows, outputs))
    b = draw.standard_normal(outputs).astype("float32") if bias else None
    y = np.full((rows, outputs), np.nan, "float32")
    with force_parallel(parallel):
        few_rows.product(x, w, b, y)
    want = x.astype(float) @ w.T + (b if bias else 0)
    assert (abs(y - want) <= 4 * np.finfo("float32").eps * np.sqrt(inner) * (abs(x).astype(float) @ abs(w.T) + 1)).all()


def test_a_linear_map_of_few_rows_has_the_same_gradients_on_both_rungs():
    draw, found = np.random.default_rng(0), []
    arrays = [draw.standard_normal(s).astype("float32") for s in ((2, 10, 96), (128, 96), (128,), (2, 10, 128))]
    for rung in ("numpy", "numba"):
        x, w, b = (Tensor(a, requires_grad=True) for a in arrays[:3])
        with use_kernels(rung):
            y = F.linear(x, w, b)
            y.backward(Tensor(arrays[3]))
        found.append([y.detach().numpy(), *[t.grad.numpy() for t in (x, w, b)]])
    for ours, want in zip(*found):
        np.testing.assert_allclose(ours, want, rtol=1e-4, atol=1e-4)   # sums of 128 products of size 1 in float32
