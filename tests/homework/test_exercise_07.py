"""Exercise 7: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import numpy as np
import pytest

from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm import Tensor, functional as F
from tinymm.homework import check
from tinymm.homework.exercise import find
from tinymm.models import ConditioningAugmentation, adversarial, structured_joint_embedding

SOLUTION = EXERCISES["07"].solution
RTOL = 1e-10   # two orders of the same float64 sums


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_other_right_answers_pass(tmp_path):
    """logaddexp, tanh, a loop over pairs, the KL term by term, a loop over the places of the input."""
    source = changed(
        ("return np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s)))", "return np.logaddexp(0, s)"),
        ("        return np.where(s >= 0, 1, small) / (1 + small)\n", "        return (1 + np.tanh(s / 2)) / 2\n"),
        ("    dS = missed_texts + missed_pictures\n",
         "    dS = np.zeros(texts.shape)\n"
         "    for i, j in np.ndindex(dS.shape):\n"
         "        for missed, right in ((texts[i, j] > 0, i), (pictures[i, j] > 0, j)):\n"
         "            dS[i, j] += missed\n"
         "            dS[right, right] -= missed\n"),
        ("    dS = dS - np.diag(missed_texts.sum(axis=1) + missed_pictures.sum(axis=0))    # each of them has -S_ii in it\n", ""),
        ("kl = 0.5 * (mu**2 + sigma**2 - 2 * log_sigma - 1).sum(axis=1).mean()",
         "kl = ((mu**2).sum() + np.exp(2 * log_sigma).sum() - mu.size) / (2 * len(mu)) - log_sigma.sum() / len(mu)"),
        ("np.ndindex(k, k):                                                # the places that are written with W_ab\n"
         "        places = full[:, :, a:a + (H - 1) * stride + 1:stride, b:b + (W - 1) * stride + 1:stride]\n"
         "        places += np.einsum(\"ncij,co->noij\", x, weight[:, :, a, b])\n",
         "np.ndindex(H, W):\n"
         "        full[:, :, a * stride:a * stride + k, b * stride:b * stride + k] += np.tensordot(x[:, :, a, b], weight, 1)\n"),
        source=SOLUTION)
    report = check("07", handed_in(tmp_path, source))
    assert report.ok, repr(report)


def against(solution, name, equation, *arguments, gradients):
    """The solution's values and gradients are those of an equation of Tensors; the first ``gradients`` arguments have one."""
    *outputs, cache = solution[f"{name}_forward"](*arguments)
    rng = np.random.default_rng(0)
    cotangents = [rng.normal(size=np.shape(out)) for out in outputs]
    tensors = [Tensor(a, requires_grad=n < gradients) if isinstance(a, np.ndarray) else a for n, a in enumerate(arguments)]
    wanted = equation(*tensors)
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for got, want in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(got, want.detach().numpy(), rtol=RTOL, atol=1e-12)
    sum((want * Tensor(c)).sum() for want, c in zip(wanted, cotangents)).backward()
    found = solution[f"{name}_backward"](*cotangents, cache)
    for got, want in zip(found, tensors[:gradients], strict=True):
        assert np.abs(got).max() > 0
        np.testing.assert_allclose(got, want.grad.numpy(), rtol=RTOL, atol=1e-12)


# ---------------------------------------------------------------------- the discriminator's loss

def test_the_loss_is_the_packages(solution):
    rng = np.random.default_rng(1)
    against(solution, "discriminator_loss", adversarial.discriminator_loss, *(300 * rng.normal(size=(3, 7))), 0.3, gradients=3)


@pytest.mark.parametrize("w", [0.0, 0.3, 0.5, 1.0])
def test_the_loss_begins_at_2_ln_2_and_w_0_is_plain_gan(solution, w):
    zero, loss = np.zeros(4), solution["discriminator_loss_forward"]
    assert loss(zero, zero, zero, w)[0] == pytest.approx(2 * np.log(2), rel=1e-15)
    s = np.random.default_rng(2).normal(size=(3, 4))
    assert (loss(s[0], s[1], s[2], w)[0] == loss(s[0], -s[1], s[2], w)[0]) == (w == 0)


def test_the_best_discriminator_of_two_coins(solution):
    """At D* = p / (p + q) the loss of plain GAN is ln 4 - 2 JSD(p, q), and its gradient 0."""
    sides = {"p": [1, 1, 1, 0], "q": [1, 0, 0, 0]}                       # four draws of each, p(1) = 3/4, q(1) = 1/4
    p, q = (np.array([1 - np.mean(draws), np.mean(draws)]) for draws in sides.values())
    logit = np.log(p / q)                                                # of D*(0), D*(1)
    real, fake = (logit[draws] for draws in sides.values())
    loss, cache = solution["discriminator_loss_forward"](real, real, fake, 0.0)
    jsd = sum((a * np.log(2 * a / (p + q))).sum() for a in (p, q)) / 2
    assert loss == pytest.approx(np.log(4) - 2 * jsd, rel=1e-12)
    dreal, dwrong, dfake = solution["discriminator_loss_backward"](1.0, cache)
    for side in (0, 1):                                                  # one logit for all draws of a side
        assert abs(dreal[np.array(sides["p"]) == side].sum() + dfake[np.array(sides["q"]) == side].sum()) < 1e-15
    assert not dwrong.any()


# ---------------------------------------------------------------------- the joint embedding's hinge

def test_the_hinge_is_the_packages(solution):
    theta, phi = np.random.default_rng(3).normal(size=(2, 6, 4))
    against(solution, "joint_embedding_loss", lambda a, b: structured_joint_embedding.joint_embedding_loss(a @ b.T), theta, phi,
            gradients=2)


def test_the_hinge_is_a_double_loop_and_symmetric_in_the_roles(solution):
    theta, phi = np.random.default_rng(4).normal(size=(2, 5, 3))
    loss, total = solution["joint_embedding_loss_forward"], 0.0
    for i, j in np.ndindex(5, 5):
        if i != j:
            total += max(0.0, 1 + theta[i] @ phi[j] - theta[i] @ phi[i]) + max(0.0, 1 + theta[j] @ phi[i] - theta[i] @ phi[i])
    value, cache = loss(theta, phi)
    other, turned = loss(phi, theta)
    assert value == pytest.approx(total / 25, rel=RTOL) and other == pytest.approx(value, rel=RTOL)
    for got, want in zip(solution["joint_embedding_loss_backward"](1.0, turned),
                         solution["joint_embedding_loss_backward"](1.0, cache)[::-1]):
        np.testing.assert_allclose(got, want, rtol=RTOL, atol=1e-12)


# ---------------------------------------------------------------------- conditioning augmentation

def test_the_augmentation_is_the_packages(solution):
    mu, log_sigma, epsilon = np.random.default_rng(5).normal(size=(3, 4, 6))
    against(solution, "conditioning_augmentation", lambda mu, log_sigma, epsilon: (
        mu + log_sigma.exp() * epsilon, ConditioningAugmentation.kl(mu, log_sigma).mean()), mu, log_sigma, epsilon, gradients=2)


# ---------------------------------------------------------------------- the transposed convolution

@pytest.mark.parametrize("H, W, k, stride, padding", [(1, 1, 4, 1, 0), (4, 4, 4, 2, 1), (3, 5, 3, 2, 1), (2, 3, 2, 3, 0),
                                                      (4, 2, 5, 1, 2)])
def test_the_transposed_convolution_is_the_packages(solution, H, W, k, stride, padding):
    rng = np.random.default_rng(6)
    against(solution, "conv_transpose2d", F.conv_transpose2d, rng.normal(size=(2, 3, H, W)), rng.normal(size=(3, 2, k, k)),
            rng.normal(size=2), stride, padding, gradients=3)


def test_it_is_the_transpose_of_the_convolution(solution):
    """<conv(u), x> = <u, conv_transpose(x)> with the same array of weights."""
    rng = np.random.default_rng(7)
    x, weight, u = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(3, 2, 4, 4)), rng.normal(size=(2, 2, 8, 8))
    y, _ = solution["conv_transpose2d_forward"](x, weight, np.zeros(2), 2, 1)
    down = F.conv2d(Tensor(u), Tensor(weight), None, 2, 1).numpy()
    assert (down * x).sum() == pytest.approx((u * y).sum(), rel=RTOL)


# ---------------------------------------------------------------------- PyTorch

def loss(torch, real_right, real_wrong, fake_right, w):
    def term(s, label):
        return torch.nn.functional.binary_cross_entropy_with_logits(s, torch.full_like(s, label))
    return term(real_right, 1.0) + w * term(real_wrong, 0.0) + (1 - w) * term(fake_right, 0.0)


def hinge(torch, theta, phi):
    """torch's margin loss: it leaves the right class out, divides by the classes, and takes the mean over the batch: B^2."""
    S, right = theta @ phi.T, torch.arange(len(theta))
    return sum(torch.nn.functional.multi_margin_loss(s, right) for s in (S, S.T))


def augmentation(torch, mu, log_sigma, epsilon):
    drawn, standard = torch.distributions.Normal(mu, log_sigma.exp()), torch.distributions.Normal(0 * mu, torch.ones_like(mu))
    if (log_sigma < -100).any():   # torch's KL takes the logarithm of sigma^2, which is 0 there
        kl = (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1) / 2
    else:
        kl = torch.distributions.kl_divergence(drawn, standard)
    return drawn.loc + drawn.scale * epsilon, kl.sum(1).mean()


def transposed(torch, x, weight, bias, stride, padding):
    return torch.nn.functional.conv_transpose2d(x, weight, bias, stride, padding)


@pytest.mark.oracle
@pytest.mark.parametrize("number, equation", [*enumerate((loss, hinge, augmentation, transposed))])
def test_the_references_against_torch(number, equation):
    """Values and gradients of every reference, in every case, against PyTorch."""
    assert worst_gap(find(7).tasks[number], equation) < 1e-9
