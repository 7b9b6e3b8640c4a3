"""The logit-Laplace density: its integral, its law, its gradient, and the map of pixels into its support."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck
from tinymm.models.dalle import logit_laplace_nll, map_pixels, unmap_pixels

POINTS = [(0.0, 1.0), (0.0, 0.3), (1.5, 0.5), (-2.0, 0.8), (0.7, 0.05)]   # mu, b


def logit(x):
    return np.log(x) - np.log1p(-x)


def nll(x, mu, b):
    """Of float64 numbers, for one mu and b."""
    return logit_laplace_nll(*(Tensor(np.broadcast_to(v, x.shape).copy()) for v in (x, float(mu), np.log(b)))).numpy()


@pytest.mark.parametrize("mu, b", POINTS)
def test_the_density_integrates_to_one(mu, b):
    """By the trapezoid rule. Points are even in logit x, where the density has its mass; the rule is one in x."""
    y = np.concatenate([np.linspace(mu - 30 * b, mu, 40_001)[:-1], np.linspace(mu, mu + 30 * b, 40_001)])   # the kink is a point
    x = 1 / (1 + np.exp(-y))
    inside = (x > 0) & (x < 1) & (np.diff(x, prepend=0) > 0)
    x = x[inside]
    f = np.exp(-nll(x, mu, b))
    assert ((f[1:] + f[:-1]) / 2 * np.diff(x)).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("mu, b", POINTS)
def test_it_is_the_law_of_a_sigmoid_of_a_laplace_variable(mu, b):
    """Against the change of variables, f(x) dx = Laplace(y) dy with y = logit x, dy/dx by differences."""
    x, h = np.linspace(0.03, 0.97, 41), 1e-5
    laplace = np.exp(-np.abs(logit(x) - mu) / b) / (2 * b)
    wanted = laplace * (logit(x + h) - logit(x - h)) / (2 * h)
    np.testing.assert_allclose(nll(x, mu, b), -np.log(wanted), rtol=0, atol=1e-6)   # the differences' own error


def test_numbers_worked_out_by_hand():
    """At x = 1/2 and mu = 0 the density is 1 / (2 b 1/4) = 2 / b."""
    half = np.array([0.5])
    assert nll(half, 0, 1)[0] == pytest.approx(-np.log(2))
    assert nll(half, 0, 0.01)[0] == pytest.approx(-np.log(200))   # a good prediction: negative, as a density may be
    assert nll(half, 3, 0.5)[0] == pytest.approx(6 - np.log(4))


def test_gradients():
    draw = np.random.default_rng(0)
    x, mu, ln_b = draw.uniform(0.1, 0.9, (2, 3, 4)), draw.normal(size=(2, 3, 4)), draw.normal(size=(2, 3, 4))
    assert gradcheck(logit_laplace_nll, [Tensor(v, requires_grad=True) for v in (x, mu, ln_b)])
    mu, ln_b = (Tensor(v, requires_grad=True) for v in (mu, ln_b))
    logit_laplace_nll(Tensor(x), mu, ln_b).sum().backward()
    b, away = np.exp(ln_b.detach().numpy()), logit(x) - mu.detach().numpy()
    np.testing.assert_allclose(mu.grad.numpy(), -np.sign(away) / b, rtol=1e-12)
    np.testing.assert_allclose(ln_b.grad.numpy(), 1 - np.abs(away) / b, rtol=1e-10, atol=1e-12)


def test_pixels_there_and_back():
    """All 256 bytes; nothing is lost on the way, and what lies outside comes back as 0 or 1."""
    x = Tensor((np.arange(256) / 255).astype(np.float32))
    mapped = map_pixels(x)
    assert mapped.numpy().min() == pytest.approx(0.1, abs=1e-7) and mapped.numpy().max() == pytest.approx(0.9, abs=1e-7)
    np.testing.assert_allclose(unmap_pixels(mapped).numpy(), x.numpy(), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(unmap_pixels(Tensor(np.array([0.0, 0.05, 0.95, 1.0]))).numpy(), [0, 0, 1, 1])
    assert map_pixels(Tensor(np.zeros((0, 3)))).shape == (0, 3)


ONES, HALF = Tensor(np.ones(3)), Tensor(np.full(3, 0.5))


@pytest.mark.parametrize("call, kind, message", [
    (lambda: map_pixels(Tensor(np.array([0.0, 1.01]))), ValueError, "map_pixels: pixels run from 0 to 1.01; .*divide bytes by 255"),
    (lambda: map_pixels(Tensor(np.array([-0.5, 1.0]))), ValueError, "map_pixels: pixels run from -0.5"),
    (lambda: map_pixels(Tensor(np.array([0.5, np.nan]))), ValueError, "map_pixels: pixels run from nan"),
    (lambda: map_pixels(Tensor(np.array([3, 200], np.uint8))), TypeError, "map_pixels: x must be floating point, not uint8"),
    (lambda: map_pixels(HALF, eps=0.5), ValueError, "map_pixels: eps=0.5 must lie between 0 and 0.5"),
    (lambda: unmap_pixels(HALF, eps=0), ValueError, "unmap_pixels: eps=0"),
    (lambda: logit_laplace_nll(ONES, HALF, HALF), ValueError, r"logit_laplace_nll: x runs from 1 to 1; .*call map_pixels first"),
    (lambda: logit_laplace_nll(HALF, HALF[None], HALF), ValueError, r"x has shape \(3,\), mu \(1, 3\) and ln_b \(3,\)"),
    (lambda: logit_laplace_nll(HALF, np.ones(3), HALF), TypeError, "mu is a ndarray")])
def test_bad_arguments(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
