"""Products from register tiles against NumPy, at shapes that do and do not fill a tile."""

import numpy as np
import pytest

from tinymm.backend import recycle, simd
from tinymm.backend.jit import force_parallel

pytest.importorskip("numba")

from tinymm.backend.tiled_product import ROWS, TERMS, panels, product, product_of_transposed  # noqa: E402

SHAPES = [(ROWS, 1, 1), (5, 3, 7), (9, TERMS, 64), (17, TERMS + 1, 65), (31, 2 * TERMS + 5, 130), (131, 40, 33)]


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows, terms, columns", SHAPES)
def test_products_are_numpys(rows, terms, columns, dtype, parallel):
    draw = np.random.default_rng(rows + terms)
    # what lies behind the factor in memory is NaN, so that a number read beyond its end would be noticed
    guarded = np.full(rows * terms + 4 * ROWS * max(terms, columns), np.nan, dtype)
    a = guarded[:rows * terms].reshape(rows, terms)
    a[...] = draw.standard_normal((rows, terms))
    b = draw.standard_normal((terms, columns)).astype(dtype)
    want = a.astype(float) @ b.astype(float)
    bound = 4 * np.finfo(dtype).eps * np.sqrt(terms) * (abs(a).astype(float) @ abs(b).astype(float))
    with force_parallel(parallel):
        for right in (panels(b), panels(np.ascontiguousarray(b.T), transpose=True)):
            found = product(a, right, columns)
            assert found.dtype == dtype and (abs(found - want) <= bound).all()
            found = product_of_transposed(np.ascontiguousarray(a.T), right, columns)
            assert found.dtype == dtype and (abs(found - want) <= bound).all()
            out = np.full((rows, columns), np.nan, dtype)
            assert product(a, right, columns, out) is out and (abs(out - want) <= bound).all()


def test_panels_are_padded_with_zeros():
    width = simd.width(np.dtype("float32"))
    b = np.arange(1, 2 * (width + 3) + 1, dtype="float32").reshape(2, width + 3)
    for packed in (panels(b), panels(np.ascontiguousarray(b.T), transpose=True)):
        found = packed.reshape(2, 2, width)   # (panel, term, column)
        np.testing.assert_array_equal(found[0], b[:, :width])
        np.testing.assert_array_equal(found[1, :, :3], b[:, width:])
        assert not found[1, :, 3:].any()


def test_a_nan_stays_in_its_row_and_column():
    a, b = np.ones((6, 5), "float32"), np.ones((5, 70), "float32")
    a[5, 2] = b[4, 69] = np.nan
    want = np.isnan(a @ b)
    assert (np.isnan(product(a, panels(b), 70)) == want).all() and want.any() and not want.all()


def test_recycled_memory_comes_back_once():
    recycle._free.clear()
    size = recycle.LARGE // 8
    one = recycle.take((size,), "float64")
    one[:] = 1
    address = one.ctypes.data
    recycle.give_back(one)
    again, other = recycle.take((2, size // 2), "float64"), recycle.take((size,), "float64")
    assert again.ctypes.data == address and other.ctypes.data != address and again.shape == (2, size // 2)
    for _ in range(3):
        recycle.give_back(np.empty(recycle.KEPT // 2, np.uint8))
    assert sum(b.size for b in recycle._free) <= recycle.KEPT
    recycle._free.clear()
    recycle.give_back(np.empty(4))   # small: malloc keeps it
    assert not recycle._free
