"""What the generic suite does not see of softmax, log_softmax and gumbel_softmax: infinities, bad arguments, chance."""

import numpy as np
import pytest

from tinymm import Tensor, grad, no_grad
from tinymm.backend.jit import use_kernels
from tinymm.backend.random import Stream
from tinymm.functional import gumbel_softmax, log_softmax, softmax, softmin

MODES = pytest.mark.parametrize("mode", ["numpy", "numba"])
LAYOUTS = pytest.mark.parametrize("dim", [0, 1, 2])   # 2 is the row kernel, the others are the strided one


def along(dim, row):
    """The row along axis ``dim`` of an array with two more axes of length 2."""
    return np.ascontiguousarray(np.moveaxis(np.broadcast_to(row, (2, 2, len(row))), -1, dim))


def test_numbers_worked_out_by_hand():
    x = Tensor(np.log([1.0, 2.0, 5.0]))
    np.testing.assert_allclose(softmax(x, 0).numpy(), [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)
    np.testing.assert_allclose(np.exp(log_softmax(x, 0).numpy()), [1 / 8, 2 / 8, 5 / 8], rtol=1e-15)
    np.testing.assert_allclose(softmin(x, 0).numpy(), np.array([10, 5, 2]) / 17, rtol=1e-15)


@MODES
@LAYOUTS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_logits_keep_their_small_differences(mode, dim, dtype):
    """log_softmax of [1e4, 1e4 - 1/2] in float32: x - (m + log) would be off by 5e-4."""
    x = Tensor(along(dim, [10000.0, 9999.5, -10000.0]).astype(dtype))
    exact = np.array([0.0, -0.5, -20000.0]) - np.log1p(np.exp(-0.5))
    with use_kernels(mode):
        np.testing.assert_allclose(log_softmax(x, dim).numpy(), along(dim, exact), rtol=3e-7)
        np.testing.assert_allclose(softmax(x, dim).numpy(), along(dim, np.exp(exact)), rtol=3e-7)


@MODES
@LAYOUTS
def test_infinities(mode, dim):
    inf, nan = np.inf, np.nan
    with use_kernels(mode):
        for row, want in [([0.0, -inf, 0.0], [0.5, 0.0, 0.5]), ([-inf] * 3, [nan] * 3), ([inf, 0.0, 1.0], [nan] * 3),
                          ([nan, 0.0, 1.0], [nan] * 3)]:
            x = Tensor(along(dim, row).astype("float32"), requires_grad=True)
            y, z = softmax(x, dim), log_softmax(x, dim)
            np.testing.assert_allclose(np.exp(z.detach().numpy()), along(dim, want), rtol=1e-6)
            if row[0] != inf:   # inf - inf is a NaN in its own place only before the sum
                np.testing.assert_allclose(y.detach().numpy(), along(dim, want), rtol=1e-6)
        x = Tensor(along(dim, [0.0, -inf, 0.0]), requires_grad=True)
        softmax(x, dim).backward(Tensor(along(dim, [1.0, 7.0, 2.0])))
        np.testing.assert_allclose(x.grad.numpy(), along(dim, [-0.25, 0.0, 0.25]), rtol=1e-12)


@MODES
def test_axes_without_elements(mode):
    with use_kernels(mode):
        for function in (softmax, log_softmax):
            for shape, dim in [((3, 0), 1), ((3, 0), 0), ((0, 3), 1), ((2, 0, 3), 2)]:
                x = Tensor(np.zeros(shape), requires_grad=True)
                y = function(x, dim)
                y.sum().backward()
                assert y.shape == x.grad.shape == shape


def test_arguments():
    x = Tensor(np.arange(6).reshape(2, 3))
    with pytest.raises(TypeError, match="softmax: input must be floating point"):
        softmax(x, 1)
    assert softmax(x, 1, dtype="float32").dtype == np.float32
    with pytest.raises(IndexError, match="log_softmax: dim=2 is out of range"):
        log_softmax(x.double(), 2)
    with pytest.raises(TypeError, match="softmax: input is a list"):
        softmax([1.0, 2.0], 0)


@pytest.mark.parametrize("function", [softmax, log_softmax])
def test_a_changed_output_is_noticed(function):
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    y = function(x, 1)
    with no_grad():
        y.mul_(2.0)
    with pytest.raises(RuntimeError, match=f"{function.__name__}.*changed in place by mul_"):
        y.sum().backward()


# ---------------------------------------------------------------------- gumbel_softmax

def test_gumbel_softmax_chooses_with_the_probabilities_of_softmax():
    p = np.array([0.1, 0.2, 0.3, 0.4])
    n = 40_000
    y = gumbel_softmax(Tensor(np.broadcast_to(np.log(p), (n, 4))), hard=True, generator=Stream("test", 3)).numpy()
    assert set(np.unique(y)) == {0.0, 1.0} and (y.sum(1) == 1).all()
    assert np.abs(y.mean(0) - p).max() < 5 * np.sqrt(0.25 / n)   # five standard errors


@pytest.mark.parametrize("tau", [10.0, 1.0, 0.25, 1 / 16, 1e-3])
def test_the_largest_element_is_drawn_from_softmax_at_every_temperature(tau):
    """100,000 draws: each class within three standard errors, and all together within chi-square's 99.9 % (20.5 at 5 degrees)."""
    logits, n = np.array([0.0, 1.0, -1.0, 2.0, 0.5, -3.0]), 100_000
    p = np.exp(logits) / np.exp(logits).sum()
    y = gumbel_softmax(Tensor(np.broadcast_to(logits[:, None], (6, n))), tau, dim=0, generator=Stream("test", 7)).numpy()
    np.testing.assert_allclose(y.sum(0), 1, rtol=1e-12)
    counts = np.bincount(y.argmax(0), minlength=6)
    assert (np.abs(counts - n * p) < 3 * np.sqrt(n * p * (1 - p))).all()
    assert ((counts - n * p)**2 / (n * p)).sum() < 20.5


def test_samples_go_to_one_hot_vectors_as_the_temperature_goes_to_0_and_to_uniform_ones_as_it_grows():
    logits = Tensor(np.broadcast_to([0.0, 1.0, -1.0, 2.0], (10_000, 4)))
    rest = [1 - gumbel_softmax(logits, tau, generator=Stream("test", 7)).numpy().max(1) for tau in (1.0, 0.1, 0.01, 1e-3)]
    assert (np.diff([r.mean() for r in rest]) < 0).all()
    assert np.mean(rest[-1] > 1e-6) < 0.02   # two perturbed logits are seldom within 14 tau of each other
    np.testing.assert_allclose(gumbel_softmax(logits, 1e6, generator=Stream("test", 7)).numpy(), 0.25, atol=1e-4)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_hard_sample_has_the_gradient_of_the_soft_one(dim):
    rng = np.random.default_rng(0)
    x, c = Tensor(rng.normal(size=(3, 4, 5)), requires_grad=True), Tensor(rng.normal(size=(3, 4, 5)))
    soft = gumbel_softmax(x, tau=0.7, dim=dim, generator=Stream("test", 1))
    hard = gumbel_softmax(x, tau=0.7, hard=True, dim=dim, generator=Stream("test", 1))
    np.testing.assert_allclose(soft.sum(dim).detach().numpy(), 1.0, rtol=1e-12)
    np.testing.assert_allclose(hard.detach().numpy(),
                               soft.detach().numpy() == soft.detach().numpy().max(dim, keepdims=True), atol=1e-12)
    np.testing.assert_array_equal(grad(soft, x, c)[0].numpy(), grad(hard, x, c)[0].numpy())


def test_gumbel_softmax_is_drawn_from_its_stream():
    x = Tensor(np.zeros((2, 3), "float32"))
    first, again = (gumbel_softmax(x, generator=Stream("test", 5)) for _ in range(2))
    assert (first == again).all() and first.dtype == np.float32
    assert not (gumbel_softmax(x) == gumbel_softmax(x)).all()
    with pytest.raises(ValueError, match="gumbel_softmax: tau=0 must be positive"):
        gumbel_softmax(x, tau=0)
