"""Exercise 5: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import numpy as np
import pytest

import tinymm
from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm import Tensor, nn
from tinymm.homework import check
from tinymm.homework.exercise import find

SOLUTION = EXERCISES["05"].solution


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_the_examples_in_numbers(solution):
    """What the texts of the exercise promise."""
    y, _ = solution["layer_norm_forward"](np.array([[1.0, 2.0, 6.0]]), np.ones(3), np.zeros(3), 0.0)
    np.testing.assert_allclose(y, [[-0.926, -0.463, 1.389]], atol=5e-4)
    gates = np.array([[0, 0, 0, 0, 2, 2, 2, 2.0]])
    np.testing.assert_allclose(solution["layer_norm_forward"](gates, np.ones(8), np.zeros(8), 0.0)[0], [[-1] * 4 + [1] * 4])
    one, none = np.ones(1), np.zeros(1)
    _, mean, var = solution["batch_norm"](np.array([[1.0], [2.0], [6.0]]), one, none, none, one, 0.1, 1e-5, True)
    np.testing.assert_allclose((mean[0], var[0]), (0.3, 1.6))
    s, im = np.array([[1.0, 0.0, 2.0]]), np.array([[0.0, 1.0, 2.0]])
    assert solution["order_violation_forward"](s, im)[0] == solution["order_violation_forward"](im, s)[0] == 1


def test_other_right_answers_pass(tmp_path):
    """The step calls layer_norm of part 1; np.var; the gradient as a product with the Jacobian; einsum."""
    source = changed(
        ("    sigma = np.sqrt((centred**2).mean(axis=1, keepdims=True) + eps) ",
         "    sigma = np.sqrt(a.var(axis=1, keepdims=True) + eps) "),
        ("    da = (dn - by_mu - by_sigma) / sigma\n",
         "    one = np.eye(n.shape[1])\n"
         "    da = np.stack([(one - 1 / len(k) - np.outer(k, k) / len(k)) @ d / s for k, d, s in zip(n, dn, sigma)])\n"),
        ("    of_x, of_h = normalise(x @ W_x.T), normalise(h @ W_h.T)",
         "    def normalise(a):\n"
         "        n, (_, sigma, _) = layer_norm_forward(a, np.ones(a.shape[1]), np.zeros(a.shape[1]), eps)\n"
         "        return n, 1 / sigma\n\n"
         "    of_x, of_h = normalise(x @ W_x.T), normalise(h @ W_h.T)"),
        ("        return rstd * (dn - dn.mean(axis=1, keepdims=True) - n * (dn * n).mean(axis=1, keepdims=True))",
         "        return layer_norm_backward(dn, (n, 1 / rstd, np.ones(n.shape[1])))[0]"),
        ("    E = (excess**2).sum(axis=2)", "    E = np.einsum('nmd,nmd->nm', excess, excess)"), source=SOLUTION)
    report = check("05", handed_in(tmp_path, source))
    assert report.ok, repr(report)


def test_the_gradient_has_neither_a_mean_nor_a_part_along_its_input(solution):
    """Sums over the units of da and of a da: 0, as eps goes to 0 (an invariance is a direction without a slope)."""
    rng = np.random.default_rng(2)
    a, g, b = rng.normal(size=(4, 7)), rng.normal(size=7), rng.normal(size=7)
    _, cache = solution["layer_norm_forward"](a, g, b, 0.0)
    da, _, _ = solution["layer_norm_backward"](rng.normal(size=(4, 7)), cache)
    assert np.abs(da).max() > 0.1
    np.testing.assert_allclose(da.sum(axis=1), 0, atol=1e-13)
    np.testing.assert_allclose((a * da).sum(axis=1), 0, atol=1e-13)


def test_the_step_is_the_packages_cell(solution):
    """The students' function against nn.LayerNormLSTM, over a sequence, forward and backward through time."""
    rng = np.random.default_rng(3)
    T, B, D, H, eps = 4, 2, 3, 5, 1e-5
    lstm = nn.LayerNormLSTM(D, H, eps).double()
    with tinymm.no_grad():
        for p in lstm.parameters():
            p.copy_(Tensor(rng.normal(size=p.shape)))
    x = Tensor(rng.normal(size=(T, B, D)), requires_grad=True)
    out, _ = lstm(x)
    bias = (lstm.bias_ih + lstm.bias_hh).detach()
    arrays = [t.detach().numpy() for t in (lstm.weight_ih, lstm.weight_hh, lstm.gain_ih, lstm.gain_hh, bias, lstm.gain_c,
                                           lstm.bias_c)]
    h, c, caches = np.zeros((B, H)), np.zeros((B, H)), []
    for t in range(T):
        h, c, cache = solution["layer_norm_lstm_step_forward"](x.detach().numpy()[t], h, c, *arrays, eps)
        np.testing.assert_allclose(h, out.detach().numpy()[t], rtol=1e-10)
        caches.append(cache)
    weight = rng.normal(size=(T, B, H))
    dx, dW_h = tinymm.grad((out * Tensor(weight)).sum(), [x, lstm.weight_hh])
    dh, dc, total = np.zeros((B, H)), np.zeros((B, H)), 0.0
    for t in reversed(range(T)):
        dx_t, dh, dc, _, dW, *_ = solution["layer_norm_lstm_step_backward"](weight[t] + dh, dc, caches[t])
        np.testing.assert_allclose(dx_t, dx.numpy()[t], rtol=1e-7, atol=1e-10)
        total = total + dW
    np.testing.assert_allclose(total, dW_h.numpy(), rtol=1e-7, atol=1e-9)


def test_the_violation_is_zero_just_where_the_order_holds(solution):
    rng = np.random.default_rng(4)
    s, im = rng.integers(0, 3, (30, 3)).astype(float), rng.integers(0, 3, (20, 3)).astype(float)
    found, _ = solution["order_violation_forward"](s, im)
    np.testing.assert_array_equal(found == 0, np.array([[all(a <= b) for b in im] for a in s]))


# ---------------------------------------------------------------------- PyTorch

def norm(torch, a, g, b, eps):
    return torch.nn.functional.layer_norm(a, a.shape[1:], g, b, eps)


def step(torch, x, h, c, W_x, W_h, g_x, g_h, b, g_c, b_c, eps):
    """torch's layer_norm over (4H,), the bias with that of W_h h."""
    f, i, o, g = (norm(torch, h @ W_h.T, g_h, b, eps) + norm(torch, x @ W_x.T, g_x, None, eps)).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(norm(torch, c, g_c, b_c, eps)), c


def batch(torch, a, g, b, running_mean, running_var, momentum, eps, training):
    mean, var = running_mean.clone(), running_var.clone()
    return torch.nn.functional.batch_norm(a, mean, var, g, b, training, momentum, eps), mean, var


def violation(torch, s, im):
    return torch.stack([torch.clamp(row - im, min=0).pow(2).sum(1) for row in s])


@pytest.mark.oracle
@pytest.mark.parametrize("number, equation", [*enumerate((norm, step, batch, violation))])
def test_the_references_against_torch(number, equation):
    """Values and gradients of every reference, in every case, against PyTorch's own normalisations."""
    assert worst_gap(find(5).tasks[number], equation) < 1e-9
