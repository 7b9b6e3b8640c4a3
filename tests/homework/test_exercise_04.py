"""Exercise 4: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import itertools

import numpy as np
import pytest

from tests.homework.judged import worst_gap
from tests.homework.sources import SOLUTION, namespace
from tinymm.homework.exercise import find


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_hard_attention_is_the_gradient_of_the_lower_bound(solution):
    """Over all paths, sum_s p(s) R(s) d log p(s) = d L_s by finite differences, for any baseline."""
    rng = np.random.default_rng(3)
    T, L = 2, 3
    e, rewards = rng.normal(size=(T, L)), {s: rng.uniform(-9, -3) for s in itertools.product(range(L), repeat=T)}

    def alpha(e):
        return np.exp(e) / np.exp(e).sum(1, keepdims=True)

    def bound(e):
        return sum(np.prod(alpha(e)[range(T), s]) * rewards[s] for s in rewards)

    numeric = np.zeros((T, L))
    for at in np.ndindex(T, L):
        step = np.zeros((T, L))
        step[at] = 1e-5
        numeric[at] = (bound(e + step) - bound(e - step)) / 2e-5
    for b in (0.0, -5.0):
        total = np.zeros((T, L))
        for s, reward in rewards.items():
            words = np.ones((1, T), bool)
            _, cache = solution["hard_attention_forward"](e[None], np.array([s]), words, np.array([reward]), b, 1.0, 0.0)
            de, _ = solution["hard_attention_backward"](1.0, cache)
            total += np.prod(alpha(e)[range(T), s]) * de[0]
        np.testing.assert_allclose(total, numeric, rtol=1e-7, atol=1e-9)


def test_the_penalty_is_least_where_the_weights_are_spread(solution):
    """Over all weights with sum C, the least is lam L (tau - C/L)^2, at C/L for each location."""
    C, L, tau, lam = 3, 5, 1.0, 0.7
    even, mask = np.full((1, C, L), 1 / L), np.ones((1, C), bool)
    penalty, cache = solution["doubly_stochastic_forward"](even, mask, tau, lam)
    assert penalty[0] == pytest.approx(lam * L * (tau - C / L) ** 2)
    gradient = solution["doubly_stochastic_backward"](np.ones(1), cache)
    assert np.ptp(gradient) < 1e-12    # along the constraint nothing can be gained
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = rng.dirichlet(np.ones(L), (1, C))
        assert solution["doubly_stochastic_forward"](other, mask, tau, lam)[0] > penalty


def test_the_baseline_by_hand(solution):
    advantage, b = solution["moving_average_baseline"](np.array([[-4.0, -6.0], [-3.0, -3.0], [-2.0, -4.0]]), -1.0)
    np.testing.assert_allclose(b, [-1.4, -1.56, -1.704])
    np.testing.assert_allclose(advantage, [[-3.0, -5.0], [-1.6, -1.6], [-0.44, -2.44]])


# ---------------------------------------------------------------------- PyTorch

def soft(torch, a, h, W_a, W_h, u):
    alpha = torch.softmax(torch.tanh(a @ W_a.T + (h @ W_h.T)[:, None]) @ u, 1)
    return torch.einsum("bl,bld->bd", alpha, a), alpha


def penalty(torch, alpha, mask, tau, lam):
    return lam * ((tau - torch.einsum("btl,bt->bl", alpha, mask.double())) ** 2).sum(1)


def hard(torch, e, s, mask, log_p, b, lambda_r, lambda_e):
    chosen = torch.distributions.Categorical(logits=e)
    terms = lambda_r * (log_p - b).detach()[:, None] * chosen.log_prob(s) + lambda_e * chosen.entropy()
    return (log_p + (terms * mask).sum(1)).mean()


def baseline(torch, log_p, b_0):
    before = [b_0]
    for k in range(len(log_p)):
        before.append(0.9 * before[-1] + 0.1 * log_p[k].mean())
    return log_p - torch.tensor(before[:-1])[:, None], torch.stack(before[1:])


@pytest.mark.oracle
@pytest.mark.parametrize("number, equation", [*enumerate((soft, penalty, hard, baseline))])
def test_the_references_against_torch(number, equation):
    """Values and gradients of every reference, in every case, against the equations written in PyTorch."""
    assert worst_gap(find(4).tasks[number], equation) < 1e-12
