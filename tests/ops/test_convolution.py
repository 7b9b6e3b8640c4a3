"""Convolutions beyond what the registry's samples show: brute force, errors, NaN, chunks, memory, dtypes."""

import itertools
import tracemalloc

import numpy as np
import pytest

from tinymm import Tensor, grad, no_grad
from tinymm.autograd.registry import Draw
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.ops.convolution import abreast
from tinymm.ops.convolution import grid as convolution_grid
from tinymm.ops.convolution.columns import columns, product, product_transposed, product_weight, scatter_columns
from tinymm.ops.convolution.conv_transpose import conv_transpose1d, conv_transpose2d
from tinymm.ops.convolution.convolution import conv1d, conv2d, conv3d
from tinymm.ops.convolution.geometry import conv_geometry
from tinymm.ops.convolution.unfold import fold, unfold

MODES = pytest.mark.parametrize("mode", ["numpy", "numba"])


def brute_force(x, w, b, stride, padding, dilation, groups):
    """The definition with four loops, straight from the formula at the top of convolution.py."""
    (n, _, height, width), (o, per_group, kh, kw) = x.shape, w.shape
    out = [(size + 2 * p - d * (k - 1) - 1) // s + 1
           for size, p, d, k, s in zip((height, width), padding, dilation, (kh, kw), stride)]
    y = np.zeros((n, o, *out)) + b[:, None, None]
    for channel, i, j in itertools.product(range(o), range(out[0]), range(out[1])):
        first = channel // (o // groups) * per_group
        for a, e in itertools.product(range(kh), range(kw)):
            h, v = i * stride[0] + a * dilation[0] - padding[0], j * stride[1] + e * dilation[1] - padding[1]
            if 0 <= h < height and 0 <= v < width:
                y[:, channel, i, j] += x[:, first:first + per_group, h, v] @ w[channel, :, a, e]
    return y


def settings(count):
    """Random settings of every kind, the same in every run."""
    draw = Draw(7)
    for _ in range(count):
        pick = lambda low, high: tuple(int(v) for v in draw.integers(low, high + 1, 2))
        groups, per_in, per_out, n = (int(v) for v in draw.integers(1, 4, 4))
        kernel, stride, padding, dilation = pick(1, 4), pick(1, 3), pick(0, 3), pick(1, 2)
        image = tuple(max(1, d * (k - 1) + 1 - 2 * p) + more
                      for d, k, p, more in zip(dilation, kernel, padding, pick(0, 8)))
        yield n, groups, per_in, per_out, image, kernel, stride, padding, dilation


@MODES
def test_conv2d_equals_brute_force_for_random_settings(mode):
    draw = Draw(3)
    for n, groups, per_in, per_out, image, kernel, stride, padding, dilation in settings(40):
        x, w = draw.normal(n, groups * per_in, *image), draw.normal(groups * per_out, per_in, *kernel)
        b = draw.normal(groups * per_out)
        with use_kernels(mode):
            y = conv2d(Tensor(x), Tensor(w), Tensor(b), stride, padding, dilation, groups)
        np.testing.assert_allclose(y.numpy(), brute_force(x, w, b, stride, padding, dilation, groups), atol=1e-11)


@MODES
def test_gradients_are_the_transposes_of_the_forward_for_random_settings(mode):
    """<conv(u, w), g> = <u, dx(g)> for every u, and likewise for w: the map is linear in each."""
    draw = Draw(4)
    for n, groups, per_in, per_out, image, kernel, stride, padding, dilation in settings(40):
        x = Tensor(draw.normal(n, groups * per_in, *image), requires_grad=True)
        w = Tensor(draw.normal(groups * per_out, per_in, *kernel), requires_grad=True)
        convolve = lambda x, w: conv2d(x, w, None, stride, padding, dilation, groups)
        with use_kernels(mode):
            y = convolve(x, w)
            g = draw.normal(*y.shape)
            dx, dw = grad(y, (x, w), Tensor(g))
            u, v = draw.normal(*x.shape), draw.normal(*w.shape)
            with no_grad():
                along_x, along_w = convolve(Tensor(u), w), convolve(x, Tensor(v))
        assert (along_x.numpy() * g).sum() == pytest.approx((dx.numpy() * u).sum(), rel=1e-10, abs=1e-10)
        assert (along_w.numpy() * g).sum() == pytest.approx((dw.numpy() * v).sum(), rel=1e-10, abs=1e-10)


@MODES
def test_transposed_convolution_is_the_gradient_of_convolution(mode):
    draw = Draw(5)
    for n, groups, per_in, per_out, image, kernel, stride, padding, dilation in settings(20):
        x = Tensor(draw.normal(n, groups * per_in, *image), requires_grad=True)
        w = Tensor(draw.normal(groups * per_out, per_in, *kernel))
        with use_kernels(mode):
            y = conv2d(x, w, None, stride, padding, dilation, groups)
            g = Tensor(draw.normal(*y.shape))
            want = grad(y, x, g)[0].numpy()
            least = [(m - 1) * s - 2 * p + d * (k - 1) + 1
                     for m, s, p, d, k in zip(y.shape[2:], stride, padding, dilation, kernel)]
            more = tuple(i - m for i, m in zip(image, least))
            if min(least) < 1:
                continue
            got = conv_transpose2d(g, w, None, stride, padding, more, groups, dilation)
        np.testing.assert_allclose(got.numpy(), want, atol=1e-11)


@pytest.mark.parametrize("parallel", [False, True])
def test_chunks_of_the_line_meet_without_a_seam(parallel, monkeypatch):
    """A tiny cache cuts the line into many chunks, and groups into many bundles."""
    draw = Draw(6)
    x, w = draw.normal(3, 6, 23, 29), draw.normal(10, 3, 3, 2)
    b, g = draw.normal(10), draw.normal(3, 10, 12, 16)

    def run(dtype):
        inputs = [Tensor(a.astype(dtype), requires_grad=True) for a in (x, w, b)]
        y = conv2d(*inputs, stride=2, padding=(1, 2), groups=2)
        return [y.detach().numpy(), *(d.numpy() for d in grad(y, inputs, Tensor(g.astype(dtype))))]

    with use_kernels("numpy"):
        want = run(np.float64)
    monkeypatch.setattr(convolution_grid, "CACHE", 1)
    monkeypatch.setattr(convolution_grid, "HELD", 4)
    plans = (convolution_grid.plan_forward, convolution_grid.plan_backward, convolution_grid.plan_weight)
    for plan in plans:
        plan.cache_clear()
    with use_kernels("numba"), force_parallel(parallel):
        got = run(np.float32)
    for plan in plans:
        plan.cache_clear()
    for a, c in zip(got, want):   # hundreds of terms of size 1, in float32
        np.testing.assert_allclose(a, c, atol=2e-4)


def test_images_abreast_pass_what_images_on_a_line_pass(monkeypatch):
    """Wherever there are no groups, also where it does not pay."""
    monkeypatch.setattr(convolution_grid.abreast, "pays", lambda g, n, *_, weight=False: g.groups == 1 and n > 0)
    for parallel in (False, True):
        with force_parallel(parallel):
            test_conv2d_equals_brute_force_for_random_settings("numba")
            test_gradients_are_the_transposes_of_the_forward_for_random_settings("numba")
            test_transposed_convolution_is_the_gradient_of_convolution("numba")
            test_nan_and_infinity_reach_exactly_the_windows_that_meet_them("numba")


def test_images_abreast_in_many_batches_pieces_and_blocks():
    """More images than vectors hold, more positions than a piece has, more channels than a block, nothing divisible."""
    draw = Draw(9)
    for n, c, o, size, kernel, stride, padding in ((131, 19, 13, 9, 3, 1, 1), (70, 37, 9, 7, 4, 2, 1), (37, 5, 6, 12, 5, 1, 0)):
        geometry = conv_geometry("conv2d", (size, size), (kernel, kernel), stride, padding, 1, 1)
        x, w = draw.normal(n, c, size, size), draw.normal(o, c, kernel, kernel)
        g = draw.normal(n, o, *geometry.maps)
        want = (product(x, w, geometry, columns), product_transposed(g, w, geometry, scatter_columns),
                product_weight(g, x, geometry, columns))
        for parallel, dtype in itertools.product((False, True), (np.float64, np.float32)):
            with force_parallel(parallel):
                left, right, above = (a.astype(dtype) for a in (x, w, g))
                got = (abreast.correlate(left, right, None, geometry), abreast.correlate_transposed(above, right, None, geometry),
                       abreast.correlate_weight(above, left, geometry))
            for a, b in zip(got, want):
                np.testing.assert_allclose(a, b, atol=20 * np.finfo(dtype).eps * np.abs(b).max())


@pytest.mark.parametrize("shape, options", [((32, 6, 4, 4), dict(padding=1)), ((3, 6, 3, 3), {})])
def test_a_nan_of_the_kernel_meets_the_padding_on_every_rung(shape, options):
    """As 0 * NaN: small images, and a kernel that covers the image, go ways of their own."""
    draw = Draw(10)
    x, w = draw.normal(*shape), draw.normal(7, 6, 3, 3)
    w[2, 1, 0, 0] = np.nan
    results = []
    for mode in ("numpy", "numba"):
        with use_kernels(mode), no_grad():
            results.append(conv2d(Tensor(x), Tensor(w), **options).numpy())
    assert np.isnan(results[0][:, 2]).all() and np.isfinite(np.delete(results[0], 2, 1)).all()
    np.testing.assert_allclose(*results, atol=1e-11)


@MODES
def test_nan_and_infinity_reach_exactly_the_windows_that_meet_them(mode):
    draw = Draw(8)
    for bad in (np.nan, np.inf):
        x = draw.normal(2, 2, 6, 6)
        x[0, 1, 2, 3] = bad
        with use_kernels(mode):
            y = conv2d(Tensor(x), Tensor(draw.away(3, 2, 3, 3)), padding=1).numpy()
        hit = np.zeros((6, 6), bool)
        hit[1:4, 2:5] = True
        assert not np.isfinite(y[0][:, hit]).any()
        assert np.isfinite(y[0][:, ~hit]).all() and np.isfinite(y[1]).all()


def test_sizes_and_unbatched_inputs():
    x, w = Tensor(np.ones((3, 8, 9))), Tensor(np.ones((4, 3, 3, 3)))
    assert conv2d(x, w).shape == (4, 6, 7)
    assert conv2d(x, w, padding="same", dilation=2).shape == (4, 8, 9)
    assert conv2d(x, w, padding="valid").shape == (4, 6, 7)
    assert conv1d(Tensor(np.ones((3, 9))), Tensor(np.ones((5, 3, 2)))).shape == (5, 8)
    assert conv3d(Tensor(np.ones((2, 4, 4, 4))), Tensor(np.ones((5, 2, 3, 3, 3)))).shape == (5, 2, 2, 2)
    assert conv_transpose1d(Tensor(np.ones((3, 5))), Tensor(np.ones((3, 2, 4))), stride=2).shape == (2, 12)
    assert unfold(x, 3).shape == (27, 42)
    assert fold(unfold(x, 2, stride=2), (8, 9), 2, stride=2).shape == (3, 8, 9)


def test_an_empty_batch_gives_an_empty_result_and_zero_gradients():
    w = Tensor(np.ones((4, 3, 3, 3)), requires_grad=True)
    y = conv2d(Tensor(np.ones((0, 3, 5, 5))), w)
    assert y.shape == (0, 4, 3, 3)
    assert not grad(y.sum(), w)[0].numpy().any()


def test_an_input_that_needs_no_gradient_gets_none(monkeypatch):
    monkeypatch.setattr(convolution_grid, "correlate_transposed", None)   # calling it would raise
    x, w = Tensor(np.ones((2, 3, 5, 5))), Tensor(np.ones((4, 3, 3, 3)), requires_grad=True)
    with use_kernels("numba"):
        conv2d(x, w).sum().backward()
    np.testing.assert_array_equal(w.grad.numpy(), np.full((4, 3, 3, 3), 18))


def test_dtypes():
    x, w = np.ones((1, 2, 4, 4), np.float32), np.ones((3, 2, 3, 3))
    assert conv2d(Tensor(x), Tensor(w)).dtype == np.float64
    half = conv2d(Tensor(x.astype(np.float16)), Tensor(w.astype(np.float16)))
    assert half.dtype == np.float16 and (half.numpy() == 18).all()
    with pytest.raises(TypeError, match="conv2d: input must be floating point, not int64"):
        conv2d(Tensor(np.ones((1, 2, 4, 4), np.int64)), Tensor(w))


@MODES
def test_the_forward_keeps_nothing_but_its_output_for_the_backward(mode):
    """The columns would be 9 times as large as x, which has the size of the output."""
    x = Tensor(np.ones((4, 16, 40, 40)))
    w = Tensor(np.ones((16, 16, 3, 3)), requires_grad=True)
    with use_kernels(mode):
        conv2d(x, w, padding=1)   # compiles, plans
        tracemalloc.start()
        y = conv2d(x, w, padding=1)
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert y._data.nbytes <= kept < 1.1 * y._data.nbytes


def test_double_backward_of_the_squared_gradient():
    """d/dw |dL/dx|^2 for L = sum(conv(x, w)^2 / 2) against finite differences."""
    draw = Draw(9)
    x = Tensor(draw.normal(1, 2, 5, 4), requires_grad=True)
    values, direction = draw.normal(3, 2, 2, 2), draw.normal(3, 2, 2, 2)

    def penalty(w, create_graph):
        y = conv2d(x, w, stride=2, padding=1)
        dx = grad((y * y).sum() / 2, x, create_graph=create_graph)[0]
        return (dx * dx).sum()

    w = Tensor(values, requires_grad=True)
    analytic = (grad(penalty(w, True), w)[0].numpy() * direction).sum()
    h = 1e-6
    ahead, behind = (penalty(Tensor(values + s * h * direction, requires_grad=True), False).item() for s in (1, -1))
    assert analytic == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


def ones(*shape):
    return Tensor(np.ones(shape, np.float32))


@pytest.mark.parametrize("call, message", [
    (lambda: conv2d(ones(16, 3, 64, 64), ones(32, 4, 3, 3)),
     r"conv2d: input \(N=16, C=3, H=64, W=64\) but weight \(out=32, in/groups=4, 3, 3\) with groups=1 wants C=4"),
    (lambda: conv1d(ones(3, 9), ones(2, 3, 3), groups=2), r"input \(C=3, W=9\) but .* with groups=2 wants C=6"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(2, 2, 3, 6)), r"reaches over \(3, 6\).*padded input has only \(4, 4\)"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(2, 2, 3, 3), dilation=2), r"dilation \(2, 2\).*more padding or a smaller"),
    (lambda: conv2d(ones(1, 4, 4, 4), ones(3, 2, 3, 3), groups=2), r"groups=2 does not divide the 3 channels"),
    (lambda: conv2d(ones(1, 4, 4, 4), ones(3, 2, 3, 3), groups=0), "groups=0 must be a positive integer"),
    (lambda: conv2d(ones(4, 4), ones(3, 2, 3, 3)), r"shape \(4, 4\) with 2 axes; it must be \(N, C, H, W\)"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3)), r"weight has shape \(3, 2, 3\) with 3 axes; it must have 4"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3), ones(2)), r"bias has shape \(2,\).*it must be \(3,\)"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3), padding="full"), "padding='full'; choose 'same'"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3), stride=2, padding="same"), "only with stride 1"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3), padding=-1), "conv2d: padding=-1 must be an integer not less than 0"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3), stride=(1, 2, 3)), r"stride=\(1, 2, 3\) must be an integer"),
    (lambda: conv2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3), stride=0), "conv2d: stride=0 must be a positive integer"),
    (lambda: conv_transpose2d(ones(1, 2, 4, 4), ones(3, 2, 3, 3)),
     r"conv_transpose2d: input \(N=1, C=2, H=4, W=4\) but weight \(in=3, out/groups=2, 3, 3\) wants C=3"),
    (lambda: conv_transpose2d(ones(1, 3, 4, 4), ones(3, 2, 3, 3), output_padding=1),
     r"output_padding=\(1, 1\) must be smaller than stride"),
    (lambda: conv_transpose2d(ones(1, 3, 1, 1), ones(3, 2, 1, 1), padding=1), r"output would have the size \(-1, -1\)"),
    (lambda: unfold(ones(4, 4), 2), r"unfold: input has shape \(4, 4\) with 2 axes"),
    (lambda: unfold(ones(1, 4, 4), 5), "unfold: the kernel reaches over"),
    (lambda: fold(ones(1, 8, 5), (4, 4), 2, stride=2), "wants 4 positions in the last axis and a multiple of 4"),
    (lambda: fold(ones(1, 7, 4), (4, 4), 2, stride=2), "wants 4 positions in the last axis and a multiple of 4"),
])
def test_errors_name_the_shapes_and_the_fix(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_cuda_sources_compile():
    nvrtc = pytest.importorskip("cupy").cuda.nvrtc
    from tinymm.backend.cuda import PRELUDE
    from tinymm.ops.convolution.columns import COL2IM, IM2COL

    for kernel in (IM2COL, COL2IM):
        for dtype in ("float", "double"):
            try:
                program = nvrtc.createProgram(PRELUDE + kernel.source, kernel.name, [], [])
            except RuntimeError as error:
                pytest.skip(f"no NVRTC library: {error}")
            nvrtc.addNameExpression(program, f"{kernel.name}<{dtype}>")
            nvrtc.compileProgram(program, ["-std=c++17", "--gpu-architecture=compute_70"])
            assert nvrtc.getPTX(program)
