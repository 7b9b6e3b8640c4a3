"""The linear probe: its optimum by its own conditions, against scikit-learn, and the search for C."""

import numpy as np
import pytest

from tinymm import gradcheck
from tinymm.autograd import Tensor
from tinymm.models.linear_probe import HIGH, LOW, LinearProbe, sweep

K, D = 4, 6


def data(seed=0, n=120, noise=1.0):
    """Gaussian classes around random centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(K, D))
    y = rng.integers(0, K, n)
    return centres[y] + noise * rng.normal(size=(n, D)), y


@pytest.mark.parametrize("C", [0.01, 1.0, 30.0])
def test_the_gradient_of_scikit_learns_objective_is_zero(C):
    f, y = data()
    probe = LinearProbe(D, K, C).fit(f, y)
    W, b = probe.weight.detach().numpy(), probe.bias.detach().numpy()
    logits = f @ W.T + b
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    off = p - np.eye(K)[y]                                                     # (N, K)
    np.testing.assert_allclose(W + C * off.T @ f, 0, atol=1e-4 * max(C, 1))
    np.testing.assert_allclose(C * off.sum(0), 0, atol=1e-4 * max(C, 1))
    assert np.abs(b).max() > 1e-3   # it is not penalised away


def test_no_data_weight_gives_the_shares_of_the_classes():
    """As C goes to 0 the weights vanish, and the bias is the logarithm of the classes' shares."""
    f, y = data()
    probe = LinearProbe(D, K, 1e-9).fit(f, y)
    p = np.exp(probe.bias.detach().numpy())
    np.testing.assert_allclose(p / p.sum(), np.bincount(y) / len(y), rtol=1e-3)   # so small a C conditions badly
    assert np.abs(probe.weight.detach().numpy()).max() < 1e-5


def test_its_gradients():
    f, y = data(n=10)
    probe = LinearProbe(D, K, 2.0)
    rng = np.random.default_rng(1)
    W, b = Tensor(rng.normal(size=(K, D)), requires_grad=True), Tensor(rng.normal(size=K), requires_grad=True)

    def objective(W, b):
        probe.weight, probe.bias = W, b
        return probe.objective(Tensor(f), Tensor(y))

    del probe.weight, probe.bias
    assert gradcheck(objective, [W, b]).ok


@pytest.mark.oracle
@pytest.mark.parametrize("C", [0.05, 0.316, 10.0])
def test_coefficients_are_scikit_learns(C):
    linear_model = pytest.importorskip("sklearn.linear_model")
    f, y = data(3)
    judge = linear_model.LogisticRegression(C=C, tol=1e-10, max_iter=5000).fit(f, y)
    probe = LinearProbe(D, K, C).fit(f, y)
    W, b = probe.weight.detach().numpy(), probe.bias.detach().numpy()
    np.testing.assert_allclose(W, judge.coef_, rtol=0, atol=1e-4)
    # only differences of biases have a meaning
    np.testing.assert_allclose(b - b.mean(), judge.intercept_ - judge.intercept_.mean(), rtol=0, atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("C", [0.05, 0.316, 10.0])
def test_two_classes_are_scikit_learns_with_twice_the_C(C):
    """1/2 (|w_0|^2 + |w_1|^2) with w_1 = -w_0 is 1/4 |w_1 - w_0|^2, half of what scikit-learn's one row pays."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    f, y = data(3)
    y = y % 2
    judge = linear_model.LogisticRegression(C=2 * C, tol=1e-10, max_iter=5000).fit(f, y)
    probe = LinearProbe(D, 2, C).fit(f, y)
    W, b = probe.weight.detach().numpy(), probe.bias.detach().numpy()
    np.testing.assert_allclose(W[1] - W[0], judge.coef_[0], rtol=0, atol=1e-4)
    assert b[1] - b[0] == pytest.approx(judge.intercept_[0], abs=1e-4)


def test_the_search_takes_the_best_of_what_it_tried():
    train, held = data(4, n=60, noise=2.5), data(5, n=300, noise=2.5)
    probe, curve = sweep(train, held, K)
    assert list(curve) == sorted(curve) and min(curve) == pytest.approx(10.0**LOW) and max(curve) == pytest.approx(10.0**HIGH)
    assert 7 + 3 <= len(curve) <= 7 + 8   # seven decades, and at most two around the peak for each of four halvings
    best = max(curve.values())
    assert probe.accuracy(*held) == best and probe.C == min(C for C, accuracy in curve.items() if accuracy == best)
    refitted = LinearProbe(D, K, probe.C).fit(*train)
    np.testing.assert_allclose(refitted.weight.detach().numpy(), probe.weight.detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("wrong, message", [
    (lambda: LinearProbe(D, K, 0.0), "C=0.0 must be positive"), (lambda: LinearProbe(D, K).fit(np.zeros((5, 3)), np.zeros(5, int)),
                                                                "features \\(5, 3\\) and classes \\(5,\\)"),
    (lambda: LinearProbe(D, K).fit(np.zeros((5, D)), np.full(5, K)), "integers from 0 to 3")])
def test_mistakes_are_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
