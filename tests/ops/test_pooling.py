"""Pooling: ties, NaN, padding, geometry and messages; values against a brute-force loop and PyTorch."""

import itertools

import numpy as np
import pytest

from tinymm import Tensor, grad
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.ops.pooling.adaptive_pooling import (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
                                                 adaptive_max_pool2d)
from tinymm.ops.pooling.avg_pool import avg_pool1d, avg_pool2d, avg_pool3d
from tinymm.ops.pooling.max_pool import max_pool1d, max_pool2d, max_pool3d

MODES = pytest.mark.parametrize("mode", ["numpy", "numba"])
GEOMETRIES = [dict(kernel_size=2), dict(kernel_size=3, stride=1, padding=1), dict(kernel_size=(2, 3), stride=(3, 2)),
              dict(kernel_size=3, stride=2, padding=1, ceil_mode=True), dict(kernel_size=2, stride=3, ceil_mode=True)]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def brute_max(x, kernel_size, stride, padding, dilation):
    """Max pooling of (H, W) by four loops, and the flat index of each maximum."""
    best = {}
    h, w = x.shape
    reach = dilation * (kernel_size - 1) + 1
    rows, columns = (h + 2 * padding - reach) // stride + 1, (w + 2 * padding - reach) // stride + 1
    for i, j, a, b in itertools.product(range(rows), range(columns), range(kernel_size), range(kernel_size)):
        r, c = i * stride - padding + a * dilation, j * stride - padding + b * dilation
        if 0 <= r < h and 0 <= c < w and ((i, j) not in best or x[r, c] > best[i, j][0]):
            best[i, j] = x[r, c], r * w + c
    table = np.array([[best[i, j] for j in range(columns)] for i in range(rows)])
    return table[..., 0], table[..., 1].astype(int)


# (kernel_size, stride, padding, dilation), where it fits
BRUTE = [(size, geometry) for size in [(6, 6), (7, 5), (2, 9), (33, 40)]
         for geometry in [(2, 2, 0, 1), (3, 1, 1, 1), (2, 1, 0, 1), (3, 2, 1, 2), (2, 3, 1, 1)]
         if min(size) + 2 * geometry[2] > geometry[3] * (geometry[0] - 1)]


@MODES
@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("size, geometry", BRUTE)
def test_max_pool_equals_brute_force_even_with_ties(mode, parallel, size, geometry):
    x = np.round(2 * normal(3, *size))   # few values, many ties: the first wins
    with use_kernels(mode), force_parallel(parallel):
        t = Tensor(x, requires_grad=True)
        y, index = max_pool2d(t, *geometry, return_indices=True)
        g = normal(*y.shape, seed=1)
        dx, = grad(y, t, Tensor(g))
    want = [brute_max(plane, *geometry) for plane in x]
    np.testing.assert_array_equal(y.detach().numpy(), [w[0] for w in want])
    np.testing.assert_array_equal(index.numpy(), [w[1] for w in want])
    scattered = np.zeros((3, size[0] * size[1]))
    for c in range(3):
        np.add.at(scattered[c], want[c][1].ravel(), g[c].ravel())
    np.testing.assert_allclose(dx.numpy(), scattered.reshape(x.shape), atol=1e-12)


@MODES
@pytest.mark.parametrize("kernel, stride", [(2, 2), (3, 1)])
def test_minus_infinity_everywhere_still_has_an_index_inside(mode, kernel, stride):
    x = Tensor(np.full((1, 1, 6, 6), -np.inf), requires_grad=True)
    with use_kernels(mode):
        y, index = max_pool2d(x, kernel, stride, kernel // 2, return_indices=True)
        dx, = grad(y, x, Tensor(np.ones(y.shape)))
    assert (y.detach().numpy() == -np.inf).all() and index.numpy().min() >= 0 and dx.numpy().sum() == y.numel()
    with use_kernels(mode):
        double, = grad(max_pool2d(x, kernel, stride, kernel // 2), x, Tensor(np.ones(y.shape)), create_graph=True)
    np.testing.assert_array_equal(double.detach().numpy(), dx.numpy())


@MODES
@pytest.mark.parametrize("pool", [lambda x: max_pool2d(x, 2), lambda x: max_pool2d(x, 3, 1, 1),
                                  lambda x: adaptive_max_pool2d(x, 2),
                                  lambda x: max_pool3d(x.reshape(1, 1, 1, 4, 4), (1, 2, 2))])
def test_nan_propagates(mode, pool):
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = np.nan
    with use_kernels(mode):
        y = pool(Tensor(x)).numpy().squeeze()
    assert np.isnan(y[0, 0]) and np.isfinite(y[-1, -1])


@MODES
def test_infinity_in_an_average_stays_in_its_windows(mode):
    x = np.ones((1, 1, 4, 4))
    x[0, 0, 0, 0] = np.inf
    with use_kernels(mode):
        np.testing.assert_array_equal(avg_pool2d(Tensor(x), 2).numpy()[0, 0], [[np.inf, 1], [1, 1]])


def test_place_in_a_large_window_does_not_overflow_its_byte():
    x = np.zeros((1, 20, 20))
    x[0, 18, 18] = 1
    _, index = max_pool2d(Tensor(x), 20, return_indices=True)
    assert index.item() == 18 * 20 + 18


def test_one_dimensional_pooling_is_two_dimensional_with_height_one():
    x = normal(2, 3, 9)
    for one, two in ((max_pool1d, max_pool2d), (avg_pool1d, avg_pool2d)):
        a = one(Tensor(x), 3, 2, 1).numpy()
        b = two(Tensor(x[:, :, None]), (1, 3), (1, 2), (0, 1)).numpy()[:, :, 0]
        np.testing.assert_array_equal(a, b)


def test_adaptive_average_to_one_is_the_mean():
    x = normal(2, 3, 5, 7)
    np.testing.assert_allclose(adaptive_avg_pool2d(Tensor(x), 1).numpy(), x.mean((2, 3), keepdims=True))
    np.testing.assert_allclose(adaptive_avg_pool1d(Tensor(x[0]), 1).numpy(), x[0].mean(2, keepdims=True))


def test_empty_batch():
    x = Tensor(np.zeros((0, 2, 4, 4), "float32"), requires_grad=True)
    for pool in (lambda t: max_pool2d(t, 2), lambda t: avg_pool2d(t, 2), lambda t: adaptive_avg_pool2d(t, 2),
                 lambda t: adaptive_max_pool2d(t, 2)):
        y = pool(x)
        assert y.shape == (0, 2, 2, 2)
        assert grad(y.sum(), x)[0].shape == x.shape


@pytest.mark.parametrize("call, words", [
    (lambda x: max_pool2d(x, 6), r"max_pool2d: kernel_size=\(6, 6\).*has only 5"),
    (lambda x: max_pool2d(x, 3, dilation=3), "reaches over 7 elements"),
    (lambda x: max_pool2d(x, 2, padding=2), r"padding=\(2, 2\) must be between 0 and half of kernel_size=\(2, 2\)"),
    (lambda x: avg_pool2d(x, 2, padding=-1), "padding"),
    (lambda x: avg_pool2d(x, 2, 0), "avg_pool2d: stride=0 must be a positive integer"),
    (lambda x: avg_pool2d(x, (1, 2, 3)), r"avg_pool2d: kernel_size=\(1, 2, 3\) must be an integer, or 2 of them"),
    (lambda x: avg_pool2d(x, 2, divisor_override=0), "divisor_override=0"),
    (lambda x: max_pool1d(x, 2), r"max_pool1d: input has shape .* must be \(N, C, L\)"),
    (lambda x: avg_pool3d(x[0], 2), r"must be \(N, C, D, H, W\) or \(C, D, H, W\)"),
    (lambda x: adaptive_avg_pool2d(x, (1, 2, 3)), "adaptive_avg_pool2d: output_size="),
    (lambda x: adaptive_max_pool1d(x[0], 0), "adaptive_max_pool1d: output_size=0 must be a positive integer"),
])
def test_bad_arguments_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(Tensor(normal(2, 3, 5, 5)))


def test_integers_are_refused():
    with pytest.raises(TypeError, match=r"max_pool2d: input .*int64; use .float\(\)"):
        max_pool2d(Tensor(np.arange(16).reshape(1, 4, 4)), 2)


# ---------------------------------------------------------------------- against PyTorch

@pytest.mark.oracle
@MODES
@pytest.mark.parametrize("size", [(5, 5), (6, 7), (3, 4)])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_geometry_equals_pytorchs(mode, size, geometry):
    functional = pytest.importorskip("torch").nn.functional
    from torch import tensor

    x = normal(2, 2, *size)
    with use_kernels(mode):
        y, index = max_pool2d(Tensor(x), **geometry, return_indices=True)
        want, where = functional.max_pool2d(tensor(x), **geometry, return_indices=True)
        np.testing.assert_array_equal(y.numpy(), want.numpy())
        np.testing.assert_array_equal(index.numpy(), where.numpy())
        for extra in ({}, {"count_include_pad": False}, {"divisor_override": 5}):
            np.testing.assert_allclose(avg_pool2d(Tensor(x), **geometry, **extra).numpy(),
                                       functional.avg_pool2d(tensor(x), **geometry, **extra).numpy(), rtol=1e-12)


@pytest.mark.oracle
@MODES
@pytest.mark.parametrize("geometry", [(2,), (2, 1), (3, 2, 1)])
def test_nan_is_found_where_pytorch_finds_it(mode, geometry):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).standard_normal((1, 4, 9, 9))
    x[np.random.default_rng(4).random(x.shape) < 0.3] = np.nan
    with use_kernels(mode):
        y, index = max_pool2d(Tensor(x), *geometry, return_indices=True)
    want, where = torch.nn.functional.max_pool2d(torch.tensor(x), *geometry, return_indices=True)
    np.testing.assert_array_equal(y.numpy(), want.numpy())
    np.testing.assert_array_equal(index.numpy(), where.numpy())
    y, index = adaptive_max_pool2d(Tensor(x), 4, return_indices=True)
    want, where = torch.nn.functional.adaptive_max_pool2d(torch.tensor(x), 4, return_indices=True)
    np.testing.assert_array_equal(y.numpy(), want.numpy())
    np.testing.assert_array_equal(index.numpy(), where.numpy())


@pytest.mark.parametrize("shape, kernel, stride", [
    ((3, 4, 8, 6), 2, None), ((2, 3, 6, 4), (3, 2), None), ((2, 3, 6, 4), (1, 4), None), ((2, 3, 5, 4), 2, None),
    ((2, 3, 6, 6), 2, 3), ((2, 3, 6, 6), 3, 1), ((1, 1, 2, 2), 2, None), ((70, 9, 32, 32), 2, None)])
def test_tiles_and_other_windows_are_means(shape, kernel, stride):
    """Windows side by side have a kernel of their own; both it and the general one against sums by hand."""
    rng = np.random.default_rng(0)
    x, (kh, kw) = rng.normal(size=shape), (kernel if isinstance(kernel, tuple) else (kernel, kernel))
    sh, sw = (stride, stride) if stride else (kh, kw)
    rows, columns = (shape[2] - kh) // sh + 1, (shape[3] - kw) // sw + 1
    t = Tensor(x, requires_grad=True)
    y = avg_pool2d(t, kernel, stride)
    g, dx = rng.normal(size=y.shape), np.zeros(shape)
    y.backward(Tensor(g))
    for i in range(rows):
        for j in range(columns):
            window = (slice(None), slice(None), slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw))
            np.testing.assert_allclose(y.detach().numpy()[:, :, i, j], x[window].mean((2, 3)), rtol=0, atol=1e-15)
            dx[window] += g[:, :, i, j][:, :, None, None] / (kh * kw)
    assert y.shape == (*shape[:2], rows, columns)
    np.testing.assert_allclose(t.grad.numpy(), dx, rtol=0, atol=1e-15)
