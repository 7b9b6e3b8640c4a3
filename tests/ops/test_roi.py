"""RoIAlign and RoIPool against loops written from the papers, and what the generic suite cannot see."""

import math

import numpy as np
import pytest

from tinymm import Tensor, grad
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.ops.pooling.roi_align import bin_weights, roi_align
from tinymm.ops.pooling.roi_pool import roi_pool

RNG = np.random.default_rng(0)


def bilinear(plane, y, x):
    """One sample of a plane; zero further than a pixel outside, the border's value up to there."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    y0, x0 = int(y), int(x)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    return (plane[y0, x0] * (1 - dy) * (1 - dx) + plane[y0, x1] * (1 - dy) * dx + plane[y1, x0] * dy * (1 - dx)
            + plane[y1, x1] * dy * dx)


def align_by_loops(x, boxes, bins, scale, ratio, aligned):
    out = np.zeros((len(boxes), x.shape[1], *bins))
    for k, (n, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = (c * scale - 0.5 * aligned for c in corners)
        w, h = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        ny, nx = (ratio, ratio) if ratio > 0 else (math.ceil(h / bins[0]), math.ceil(w / bins[1]))
        for c in range(x.shape[1]):
            for i in range(bins[0]):
                for j in range(bins[1]):
                    samples = [bilinear(x[int(n), c], y1 + (i + (a + 0.5) / ny) * h / bins[0],
                                        x1 + (j + (b + 0.5) / nx) * w / bins[1])
                               for a in range(ny) for b in range(nx)]
                    out[k, c, i, j] = sum(samples) / max(len(samples), 1)
    return out


def pool_by_loops(x, boxes, bins, scale):
    out = np.zeros((len(boxes), x.shape[1], *bins))
    nearest = lambda v: int(math.copysign(math.floor(abs(v) + 0.5), v))
    for k, (n, *corners) in enumerate(boxes):
        x1, y1, x2, y2 = (nearest(c * scale) for c in corners)
        h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        for i in range(bins[0]):
            for j in range(bins[1]):
                rows = [y for y in range(y1 + (i * h) // bins[0], y1 + math.ceil((i + 1) * h / bins[0]))
                        if 0 <= y < x.shape[2]]
                columns = [v for v in range(x1 + (j * w) // bins[1], x1 + math.ceil((j + 1) * w / bins[1]))
                           if 0 <= v < x.shape[3]]
                if rows and columns:
                    out[k, :, i, j] = x[int(n)][:, rows][:, :, columns].max((1, 2))
    return out


def random_boxes(k, images, size):
    a, b = RNG.uniform(-3, size + 3, (2, k, 2))
    return np.concatenate([RNG.integers(0, images, (k, 1)), np.minimum(a, b), np.maximum(a, b)], 1)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("scale, ratio, aligned", [(1.0, 2, True), (0.5, -1, False), (0.25, -1, True), (1.0, 3, False)])
def test_roi_align_is_the_mean_of_bilinear_samples(mode, scale, ratio, aligned):
    x, boxes = RNG.normal(size=(3, 2, 9, 11)), random_boxes(12, 3, 10 / scale)
    with use_kernels(mode):
        got = roi_align(Tensor(x), Tensor(boxes), (3, 2), scale, ratio, aligned)
    want = align_by_loops(x, boxes, (3, 2), scale, ratio, aligned)
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("scale, bins", [(1.0, (2, 3)), (0.5, (4, 4)), (1.0, (13, 1))])
def test_roi_pool_is_the_largest_of_a_rounded_bin(mode, scale, bins):
    x, boxes = RNG.normal(size=(3, 2, 9, 11)), random_boxes(12, 3, 10 / scale)
    with use_kernels(mode):
        got = roi_pool(Tensor(x), Tensor(boxes), bins, scale)
    np.testing.assert_allclose(got.numpy(), pool_by_loops(x, boxes, bins, scale), rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("operation", [roi_align, roi_pool])
def test_gradient_by_finite_differences_with_overlapping_boxes(mode, operation):
    x = RNG.permutation(2 * 2 * 36).reshape(2, 2, 6, 6) * 0.1
    boxes, weight = Tensor(random_boxes(9, 2, 6)), RNG.normal(size=(9, 2, 2, 2))
    value = lambda array: float((operation(Tensor(array), boxes, 2).numpy() * weight).sum())
    with use_kernels(mode), force_parallel(True):
        leaf = Tensor(x, requires_grad=True)
        (got,) = grad(operation(leaf, boxes, 2), leaf, Tensor(weight))
        numeric = np.zeros_like(x)
        for at in np.ndindex(x.shape):
            up, down = x.copy(), x.copy()
            up[at] += 1e-4
            down[at] -= 1e-4
            numeric[at] = (value(up) - value(down)) / 2e-4
    np.testing.assert_allclose(got.numpy(), numeric, atol=1e-8)


@pytest.mark.parametrize("operation", [roi_align, roi_pool])
def test_a_list_of_boxes_an_image_is_the_table_with_image_numbers(operation):
    x, boxes = Tensor(RNG.normal(size=(3, 2, 9, 9))), random_boxes(6, 1, 9)
    boxes[:, 0] = [0, 0, 2, 2, 2, 2]
    listed = [Tensor(boxes[boxes[:, 0] == n, 1:]) for n in range(3)]
    np.testing.assert_array_equal(operation(x, listed, 3).numpy(), operation(x, Tensor(boxes), 3).numpy())


def test_roi_pool_ties_give_the_gradient_to_the_first_and_nan_is_kept():
    for mode in ("numpy", "numba"):
        with use_kernels(mode):
            x = Tensor(np.ones((1, 1, 4, 4)), requires_grad=True)
            box = Tensor(np.array([[0.0, 0, 0, 3, 3]]))
            (g,) = grad(roi_pool(x, box, 1).sum(), x)
            assert g.numpy()[0, 0, 0, 0] == 1 and g.numpy().sum() == 1
            spoilt = np.ones((1, 1, 4, 4))
            spoilt[0, 0, 2, 1] = np.nan
            assert np.isnan(roi_pool(Tensor(spoilt), box, 1).item())


@pytest.mark.parametrize("operation", [roi_align, roi_pool])
def test_errors_name_the_operation_and_the_shapes(operation):
    name, x, box = operation.__name__, Tensor(np.zeros((2, 3, 4, 4))), Tensor(np.array([[0.0, 0, 0, 3, 3]]))
    with pytest.raises(ValueError, match=rf"{name}: input has shape \(3, 4\)"):
        operation(Tensor(np.zeros((3, 4))), box, 2)
    with pytest.raises(ValueError, match=rf"{name}: boxes have shape \(1, 4\)"):
        operation(x, Tensor(np.zeros((1, 4))), 2)
    with pytest.raises(ValueError, match=rf"{name}: boxes of shapes .* for 2 images"):
        operation(x, [Tensor(np.zeros((1, 4)))], 2)
    with pytest.raises(IndexError, match=f"{name}: boxes name images 2 to 2, but .* N=2"):
        operation(x, Tensor(np.array([[2.0, 0, 0, 1, 1]])), 2)
    with pytest.raises(ValueError, match=f"{name}: output_size"):
        operation(x, box, (2, 0))
    with pytest.raises(ValueError, match="NaN"):
        operation(x, Tensor(np.array([[0.0, np.nan, 0, 1, 1]])), 2)
    with pytest.raises(TypeError, match="floating point"):
        operation(Tensor(np.zeros((2, 3, 4, 4), int)), box, 2)


@pytest.mark.parametrize("function", [roi_align, roi_pool])
def test_boxes_that_name_no_place_are_refused(function):
    x, name = Tensor(np.zeros((2, 1, 8, 9))), function.__name__
    for box in ([0, -1e30, -1e30, 1e30, 1e30], [0, 0, 0, 1e12, 2], [0, 1e300, 0, 1e300, 1]):
        with pytest.raises(ValueError, match=rf"{name}: a box reaches to .* pixels from the feature map"):
            function(x, Tensor(np.array([box])), 2)
    for image in (2, -1, np.nan, np.inf, 1e30, -1e300):
        with pytest.raises(IndexError, match=rf"{name}: boxes name .*N=2"):
            function(x, Tensor(np.array([[image, 1, 1, 2, 2]])), 2)
    for scale in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match=rf"{name}: spatial_scale={scale} must be positive"):
            function(x, Tensor(np.array([[0.0, 1, 1, 2, 2]])), 2, scale)
    with pytest.raises(TypeError, match=rf"{name}: boxes\[1\] is a ndarray, not a Tensor"):
        function(x, [Tensor(np.ones((1, 4))), np.ones((1, 4))], 2)


@pytest.mark.parametrize("start, length", [(0.0, 1e9), (-3e8, 1e9), (1e9, 5.0), (-1e9, 1e9 + 3), (0.25, 1e-12)])
def test_long_boxes_read_only_the_samples_inside(start, length):
    x = Tensor(RNG.normal(size=(1, 2, 5, 6)), requires_grad=True)
    for function in (roi_align, roi_pool):
        out = function(x, Tensor(np.array([[0, start, start, start + length, start + length]])), 3)
        (g,) = grad(out.sum(), x)
        assert out.shape == (1, 2, 3, 3) and np.isfinite(out.detach().numpy()).all() and np.isfinite(g.numpy()).all()


@pytest.mark.parametrize("start", [-500.0, -61.3, 0.0, 3.7, 40.0])
@pytest.mark.parametrize("length", [100.0, 777.7, 0.5])
def test_weights_of_long_boxes_are_those_of_all_samples(start, length):
    n, bins, lengths = 6, 3, np.array([length, 900.0])
    got = bin_weights(np.array([start, -20.0]), lengths, bins, -1, n)
    for k, (first, whole) in enumerate(zip((start, -20.0), lengths)):
        ratio, want = math.ceil(whole / bins), np.zeros((bins, n))
        for b in range(bins):
            for s in range(ratio):
                at = first + whole / bins * (b + (s + 0.5) / ratio)
                if -1 <= at <= n:
                    at = min(max(at, 0), n - 1)
                    low = int(at)
                    want[b, low] += (1 - (at - low)) / ratio
                    want[b, min(low + 1, n - 1)] += (at - low) / ratio
        np.testing.assert_allclose(got[k], want, atol=1e-12)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_images_without_channels(mode):
    with use_kernels(mode):
        for function in (roi_align, roi_pool):
            assert function(Tensor(np.zeros((1, 0, 4, 4))), Tensor(np.array([[0.0, 0, 0, 3, 3]])), 2).shape == (1, 0, 2, 2)
