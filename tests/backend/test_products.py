"""Matrix products: values, threads that are given back, and equal bits whoever does the work."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import tinymm.backend.products as products
from tinymm.backend import jit, threads
from tinymm.backend.blas import blas
from tinymm.backend.products import matmul

LARGE = 300, 200, 180   # M, K, N with more than SPLIT multiplications, and no multiple of EDGE


@pytest.fixture
def two_threads():
    """Two threads for products, as far as the machine has them."""
    if threads.cpu_count() < 2 or blas().threads() < 1 or jit.kernel_mode() != "numba":
        pytest.skip("needs two cores, and kernels")
    before = blas().threads()
    blas().set_threads(2)
    yield
    blas().set_threads(before)


def matrix(rng, rows, columns, lies, dtype, lead=()):
    """Random numbers that lie row by row, column by column, in a wider matrix, with a step, or with a row of zero stride."""
    if lies == "T":
        return rng.standard_normal((*lead, columns, rows)).astype(dtype).swapaxes(-1, -2)
    if lies == "wide":
        return rng.standard_normal((*lead, rows, columns + 7)).astype(dtype)[..., 3:-4]
    if lies == "step":
        return rng.standard_normal((*lead, rows, 2 * columns)).astype(dtype)[..., ::2]
    if lies == "back":
        return rng.standard_normal((*lead, rows, columns)).astype(dtype)[..., ::-1, :]
    if lies == "same":
        return np.broadcast_to(rng.standard_normal((*lead, 1, columns)).astype(dtype), (*lead, rows, columns))
    return rng.standard_normal((*lead, rows, columns)).astype(dtype)


def close(y, a, b):
    """Within the bound of a sum of K products, in any order: K eps sum |a| |b|."""
    exact = np.matmul(a.astype(np.float64), b.astype(np.float64))
    bound = a.shape[-1] * np.finfo(y.dtype).eps * np.matmul(np.abs(a).astype(np.float64), np.abs(b).astype(np.float64))
    assert y.shape == exact.shape and y.dtype == np.result_type(a, b)
    assert (np.abs(y - exact) <= bound + 1e-300).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("of_b", ["C", "T", "wide", "step", "back", "same"])
@pytest.mark.parametrize("of_a", ["C", "T", "wide", "step", "back", "same"])
def test_large_products_of_any_layout(of_a, of_b, dtype, two_threads):
    rng, (m, k, n) = np.random.default_rng(0), LARGE
    a, b = matrix(rng, m, k, of_a, dtype), matrix(rng, k, n, of_b, dtype)
    close(matmul(a, b), a, b)
    out = np.full((m, n + 5), 7, dtype)
    assert matmul(a, b, out[:, 2:-3]).base is out
    close(out[:, 2:-3], a, b)
    assert (out[:, :2] == 7).all() and (out[:, -3:] == 7).all()   # nothing beside the result is written to


@pytest.mark.parametrize("shapes", [
    ((9, 150, 64), (9, 64, 130)), ((2, 400, 80), (2, 80, 150)), ((1, 300, 300), (1, 300, 200)),      # matrices in rows
    ((9, 150, 64), (1, 64, 130)), ((1, 150, 64), (9, 64, 130)), ((9, 150, 64), (64, 130)),           # that broadcast
    ((3, 5, 90, 64), (3, 5, 64, 120)), ((4000, 3000), (3000, 1)), ((1, 3000), (3000, 4000)),
    ((17, 4000), (4000, 133)), ((4000, 17), (17, 133)), ((4000,), (4000, 300)), ((300, 4000), (4000,)),
    ((0, 5000), (5000, 3000)), ((3000, 0), (0, 3000)), ((2, 0, 3), (2, 3, 4)), ((7, 5), (5, 3))], ids=str)
def test_products_of_any_shape(shapes, two_threads):
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
    y = matmul(a, b)
    np.testing.assert_allclose(y, np.matmul(a.astype(np.float64), b.astype(np.float64)), rtol=0, atol=2e-4)
    assert y.dtype == np.float32


def test_what_does_not_fit_is_numpy_s_to_say(two_threads):
    a = np.ones((500, 300), np.float32)
    for b, out in ((np.ones((301, 200), np.float32), None), (np.ones((300, 200), np.float32), np.empty((500, 201), np.float32))):
        with pytest.raises(ValueError, match="matmul"):
            matmul(a, b, out)
    assert blas().threads() == 2


def test_dtypes_that_the_library_does_not_know(two_threads):
    a = np.arange(600 * 200).reshape(600, 200) % 7
    np.testing.assert_array_equal(matmul(a, a.T), np.einsum("ik,jk->ij", a, a))
    mixed = matmul(a.astype(np.float32), a.T.astype(np.float64))
    assert mixed.dtype == np.float64
    np.testing.assert_array_equal(mixed, a @ a.T)


def test_nan_and_infinity_go_through(two_threads):
    a, b = np.ones((600, 200), np.float32), np.ones((200, 180), np.float32)
    a[3, 4], b[7, 9] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        y = matmul(a, b)
    assert np.isnan(y[3]).all() and np.isinf(np.delete(y[:, 9], 3)).all() and np.isfinite(np.delete(np.delete(y, 3, 0), 9, 1)).all()


def test_the_library_gets_its_threads_back(two_threads):
    rng = np.random.default_rng(2)
    during = []
    a, b = rng.standard_normal((64, 200)), rng.standard_normal((200, 64))
    original = np.matmul
    products.np = type("spy", (), {"matmul": staticmethod(lambda *args, **kw: (during.append(blas().threads()),
                                                                              original(*args, **kw))[1]),
                                   "ndarray": np.ndarray})
    try:
        matmul(a, b)
        with pytest.raises(ValueError):
            matmul(a, np.ones((300, 64)))
    finally:
        products.np = np
    assert during == [1, 1] and blas().threads() == 2
    small = np.ones((8, 8))
    matmul(small, small)
    assert blas().threads() == 2


def test_a_limit_of_the_user_s_holds(monkeypatch, two_threads):
    rng, (m, k, n) = np.random.default_rng(3), LARGE
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    asked = []
    monkeypatch.setattr(products, "_in_parts", lambda *args: asked.append(args))
    with threadpool_limits(1, user_api="blas"):
        matmul(a, b)
        assert blas().threads() == 1 and not asked
    matmul(a, b)
    assert blas().threads() == 2 and asked


def test_equal_bits_on_a_busy_and_on_an_idle_machine(two_threads, monkeypatch):
    """The parts follow from the shape and from get_num_threads, however many workers there are for them."""
    rng, (m, k, n) = np.random.default_rng(4), LARGE
    for shape in ((m, k), (5, 100, k)):
        a, b = rng.standard_normal(shape).astype(np.float32), rng.standard_normal((*shape[:-2], k, n)).astype(np.float32)
        found = []
        for parallel in (True, False):
            with jit.force_parallel(parallel):
                found.append(matmul(a, b))
        monkeypatch.setattr(jit, "share_cores", lambda: None)   # nobody looks what others use in between
        threads._use(1)
        try:
            found.append(matmul(a, b))
        finally:
            threads._use(threads.get_num_threads())
        assert all(np.array_equal(found[0], other) for other in found[1:])


def test_without_kernels_products_are_numpy_s(two_threads):
    rng, (m, k, n) = np.random.default_rng(5), LARGE
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    with jit.use_kernels("numpy"):
        assert products._in_parts(a, b, None) is None
        close(matmul(a, b), a, b)


def test_products_in_several_threads_at_once(two_threads):
    """Each gets its own result, and the library its threads."""
    rng, (m, k, n) = np.random.default_rng(6), LARGE
    pairs = [(rng.standard_normal((m, k)), rng.standard_normal((k, n))) for _ in range(4)]
    found = [None] * 4

    def work(i):
        for _ in range(20):
            found[i] = matmul(*pairs[i])

    running = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for y, (a, b) in zip(found, pairs):
        close(y, a, b)
    assert blas().threads() == 2
