"""interpolate, grid_sample, affine_grid and pixel_shuffle: what the generic suite cannot see."""

import numpy as np
import pytest

from tinymm import Tensor, grad
from tinymm.backend.jit import use_kernels
from tinymm.ops.resampling.grid_sample import GridSample, affine_grid, grid_sample
from tinymm.ops.resampling.interpolate import interpolate
from tinymm.ops.convolution.pixel_shuffle import pixel_shuffle, pixel_unshuffle
from tinymm.ops.resampling.resample import taps

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic", "area"])
@pytest.mark.parametrize("n_in, n_out", [(1, 1), (1, 5), (5, 1), (4, 8), (9, 4), (7, 7)])
@pytest.mark.parametrize("align", [False, True])
def test_rows_of_the_matrix_sum_to_one_and_its_transpose_is_its_transpose(mode, n_in, n_out, align):
    matrix = taps(mode, n_in, n_out, align, None)
    np.testing.assert_allclose(matrix.dense().sum(1), 1, atol=1e-12)
    np.testing.assert_array_equal(matrix.transposed().dense(), matrix.dense().T)


def test_interpolation_keeps_a_plane_of_constant_slope_inside():
    y, x = np.mgrid[:5, :6].astype(float)
    plane = Tensor((2 * y - 3 * x)[None, None])
    for mode in ("bilinear", "bicubic"):
        got = interpolate(plane, size=(9, 11), mode=mode, align_corners=True).numpy()[0, 0]
        yy, xx = np.mgrid[:9, :11] / 2
        inside = slice(2, -2)   # bicubic repeats the border
        np.testing.assert_allclose(got[inside, inside], (2 * yy - 3 * xx)[inside, inside], atol=1e-12)


def test_nearest_of_integers_and_a_float_mode_of_integers():
    image = Tensor(np.arange(4).reshape(1, 1, 2, 2))
    got = interpolate(image, scale_factor=2)
    assert got.dtype == np.int64
    np.testing.assert_array_equal(got.numpy()[0, 0], np.repeat(np.repeat([[0, 1], [2, 3]], 2, 0), 2, 1))
    with pytest.raises(TypeError, match="interpolate: mode='bilinear' needs a floating-point tensor, not int64"):
        interpolate(image, scale_factor=2, mode="bilinear")


def test_nearest_repeats_infinities_and_nan_as_they_are():
    image = Tensor(np.array([[[[np.inf, -np.inf, np.nan]]]]))
    for rung in ("numpy", "numba"):
        with use_kernels(rung):
            got = interpolate(image, size=(2, 6)).numpy()
        np.testing.assert_array_equal(got[0, 0], np.repeat([[np.inf, -np.inf, np.nan]] * 2, 2, 1))


def test_interpolate_errors():
    image = Tensor(np.zeros((1, 2, 3, 4)))
    with pytest.raises(ValueError, match="either size or scale_factor"):
        interpolate(image)
    with pytest.raises(ValueError, match="not both"):
        interpolate(image, size=2, scale_factor=2)
    with pytest.raises(ValueError, match=r"\(1, 2, 3, 4\), but mode='linear' wants 3 axes"):
        interpolate(image, size=2, mode="linear")
    with pytest.raises(ValueError, match="mode='lanczos'; choose"):
        interpolate(image, size=2, mode="lanczos")
    with pytest.raises(ValueError, match="align_corners is for the linear"):
        interpolate(image, size=2, align_corners=True)
    with pytest.raises(ValueError, match=r"interpolate: size=\(2, 2, 2\) must be an integer, or 2 of them"):
        interpolate(image, size=(2, 2, 2))
    with pytest.raises(NotImplementedError, match="antialias"):
        interpolate(image, size=2, mode="bilinear", antialias=True)
    with pytest.raises(ValueError, match="at least 1"):
        interpolate(image, scale_factor=0.1)
    with pytest.raises(ValueError, match="recompute_scale_factor goes with scale_factor"):
        interpolate(image, size=2, recompute_scale_factor=True)


@pytest.mark.parametrize("align_corners", [False, True])
def test_the_identity_map_reads_the_image_itself(align_corners):
    image = RNG.normal(size=(2, 3, 5, 4))
    theta = Tensor(np.tile(np.eye(2, 3), (2, 1, 1)))
    grid = affine_grid(theta, image.shape, align_corners)
    for mode in ("bilinear", "nearest", "bicubic"):
        got = grid_sample(Tensor(image), grid, mode, align_corners=align_corners)
        np.testing.assert_allclose(got.numpy(), image, atol=1e-12)


@pytest.mark.parametrize("rung", ["numpy", "numba"])
def test_points_that_are_not_numbers_are_not_hidden_and_leave_the_image_alone(rung):
    image = Tensor(np.ones((1, 1, 3, 3)), requires_grad=True)
    grid = Tensor(np.array([[[[np.nan, 0.0], [np.inf, 0.0], [0.0, 0.0], [1e30, 0.0]]]]))
    with use_kernels(rung):
        out = grid_sample(image, grid, align_corners=False)
        (g,) = grad(out.sum(), image)
    np.testing.assert_array_equal(out.detach().numpy().reshape(-1), [np.nan, np.nan, 1, 0])
    assert g.numpy().sum() == 1 and g.numpy()[0, 0, 1, 1] == 1


FAR = [3e9, -3e9, 1e38, -1e38, np.inf, -np.inf, np.nan, 0.3, -1.2]


@pytest.mark.oracle
@pytest.mark.parametrize("rung", ["numpy", "numba", "definition"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_points_far_outside_read_what_pytorch_reads(rung, mode, padding_mode, align_corners):
    torch = pytest.importorskip("torch")
    image = RNG.normal(size=(1, 2, 4, 5)).astype(np.float32)
    points = np.array([[[(x, y) for x in FAR] for y in FAR]], np.float32)
    x, grid = Tensor(image, requires_grad=True), Tensor(points, requires_grad=True)
    with use_kernels("numpy" if rung == "definition" else rung):
        sample = GridSample.definition if rung == "definition" else grid_sample
        got = sample(x, grid, mode, padding_mode, align_corners)
        want = torch.nn.functional.grid_sample(torch.tensor(image), torch.tensor(points), mode, padding_mode, align_corners)
        np.testing.assert_allclose(got.detach().numpy(), want.numpy(), atol=2e-5)
        finite = points[:, :4, :4]     # PyTorch's own backward writes outside its memory for points that are not
        x2, grid2 = Tensor(image, requires_grad=True), Tensor(finite, requires_grad=True)
        sample(x2, grid2, mode, padding_mode, align_corners).sum().backward()
        a, b = torch.tensor(image, requires_grad=True), torch.tensor(finite, requires_grad=True)
        torch.nn.functional.grid_sample(a, b, mode, padding_mode, align_corners).sum().backward()
        np.testing.assert_allclose(x2.grad.numpy(), a.grad.numpy(), atol=2e-5)
        np.testing.assert_allclose(grid2.grad.numpy(), b.grad.numpy(), atol=2e-5)
        (dx,) = grad(got.sum(), x)      # bicubic spreads NaN, the others write only to pixels
        assert dx.shape == image.shape and (mode == "bicubic" or padding_mode == "zeros" or np.isfinite(dx.numpy()).all())


def test_overlapping_points_add_their_gradients():
    image = Tensor(np.zeros((1, 2, 3, 3)), requires_grad=True)
    grid = Tensor(np.zeros((1, 5, 1, 2)))
    for rung in ("numpy", "numba"):
        with use_kernels(rung):
            (g,) = grad(grid_sample(image, grid, align_corners=True).sum(), image)
        np.testing.assert_array_equal(g.numpy()[0, :, 1, 1], [5, 5])


def test_grid_sample_and_affine_grid_errors():
    image, grid = Tensor(np.zeros((2, 1, 3, 3))), Tensor(np.zeros((2, 4, 4, 2)))
    with pytest.raises(ValueError, match=r"grid_sample: input \(2, 1, 3, 3\) and grid \(1, 4, 4, 2\)"):
        grid_sample(image, grid[:1])
    with pytest.raises(ValueError, match="mode='cubic'"):
        grid_sample(image, grid, "cubic")
    with pytest.raises(ValueError, match="no pixel"):
        grid_sample(Tensor(np.zeros((2, 1, 0, 3))), grid)
    with pytest.raises(ValueError, match=r"affine_grid: theta \(2, 2, 2\)"):
        affine_grid(Tensor(np.zeros((2, 2, 2))), (2, 1, 3, 3))


def test_unshuffle_undoes_shuffle():
    x = Tensor(RNG.normal(size=(2, 18, 3, 5)))
    fine = pixel_shuffle(x, 3)
    assert fine.shape == (2, 2, 9, 15)
    assert fine.numpy()[1, 1, 3 * 2 + 1, 3 * 4 + 2] == x.numpy()[1, 9 + 3 * 1 + 2, 2, 4]
    np.testing.assert_array_equal(pixel_unshuffle(fine, 3).numpy(), x.numpy())


def test_pixel_shuffle_errors():
    with pytest.raises(ValueError, match=r"pixel_shuffle: input \(1, 6, 2, 2\) has C=6 channels"):
        pixel_shuffle(Tensor(np.zeros((1, 6, 2, 2))), 2)
    with pytest.raises(ValueError, match="H=3, W=2"):
        pixel_unshuffle(Tensor(np.zeros((1, 6, 3, 2))), 2)
    with pytest.raises(ValueError, match="upscale_factor=0 must be a positive integer"):
        pixel_shuffle(Tensor(np.zeros((1, 4, 2, 2))), 0)
    with pytest.raises(ValueError, match="at least"):
        pixel_shuffle(Tensor(np.zeros((4, 2))), 2)
