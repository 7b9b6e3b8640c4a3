"""The losses of GANs: known values, the best D of two densities, gradients, odd input, and PyTorch's."""

import math

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck
from tinymm.models.adversarial import KINDS, discriminator_loss, generator_loss, interpolated_texts

LN2 = math.log(2)
P, Q = np.array([5, 4, 2, 1, 0]), np.array([1, 2, 2, 4, 3])   # of 12 samples each, how many are at each of five points


def logits(*counts, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(3 * rng.standard_normal(n), requires_grad=True) for n in counts]


def value(s: np.ndarray) -> float:
    """V(D, G) where D has the logits s at the five points: the loss of plain GAN over all samples, negative."""
    return -discriminator_loss(Tensor(np.repeat(s, P)), None, Tensor(np.repeat(s, Q)), w=0).item()


def entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return -(p * np.log(p)).sum()


# ---------------------------------------------------------------------- criterion 1

def test_the_best_discriminator_measures_the_jensen_shannon_divergence():
    """D* = p / (p + q), V(D*) = -ln 4 + 2 JSD(p, q), and any other D has less."""
    p, q = P / 12, Q / 12
    with np.errstate(divide="ignore"):
        best = np.where(P > 0, np.log(np.maximum(P, 1) / Q), -745.0)   # ln D* / (1 - D*); sigmoid(-745) is the least number above 0
    jsd = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    assert value(best) == pytest.approx(-math.log(4) + 2 * jsd, abs=1e-12)
    rng = np.random.default_rng(0)
    assert all(value(best + scale * rng.standard_normal(5)) < value(best) for scale in (0.01, 0.1, 1) for _ in range(5))


def test_equal_densities_have_minus_ln_4():
    s = Tensor(np.zeros(12))
    assert -discriminator_loss(s, None, s, w=0).item() == pytest.approx(-math.log(4), abs=1e-15)


def test_both_gradients_of_g_where_d_knows_nothing():
    """dL_G/ds is -D in the minimax game and D - 1 else: the same at D = 1/2, and by far not where D is sure of the fake."""
    for s, minimax, other in ((0.0, -0.5, -0.5), (-20.0, -1 / (1 + math.exp(20)), 1 / (1 + math.exp(20)) - 1)):
        for kind, expected in zip(("minimax", "non-saturating"), (minimax, other)):
            x = Tensor(np.full(4, s), requires_grad=True)
            generator_loss(x, kind).backward()
            np.testing.assert_allclose(x.grad.numpy(), expected / 4, rtol=1e-12)


# ---------------------------------------------------------------------- values, gradients

@pytest.mark.parametrize("w", [0, 0.25, 0.5, 1])
def test_losses_by_their_equations(w):
    right, wrong, fake = logits(7, 5, 6)
    r, f, v = (1 / (1 + np.exp(-s.detach().numpy())) for s in (right, fake, wrong))
    expected = -np.log(r).mean() - w * np.log(1 - v).mean() - (1 - w) * np.log(1 - f).mean()
    assert discriminator_loss(right, wrong, fake, w).item() == pytest.approx(expected, rel=1e-12)
    assert generator_loss(fake).item() == pytest.approx(-np.log(f).mean(), rel=1e-12)
    assert generator_loss(fake, "minimax").item() == pytest.approx(np.log(1 - f).mean(), rel=1e-12)
    assert gradcheck(lambda *s: discriminator_loss(*s, w), [right, wrong, fake]).ok
    assert all(gradcheck(lambda s, kind=kind: generator_loss(s, kind), [fake]).ok for kind in KINDS)


def test_knowing_nothing_costs_2_ln_2():
    s = Tensor(np.zeros(4, np.float32))
    assert discriminator_loss(s, s, s).item() == pytest.approx(2 * LN2, rel=1e-6)
    assert generator_loss(s).item() == pytest.approx(LN2, rel=1e-6) == -generator_loss(s, "minimax").item()


def test_plain_gan_does_not_look_at_wrong_pairs():
    right, wrong, fake = logits(4, 4, 4)
    loss = discriminator_loss(right, wrong, fake, w=0)
    assert loss.item() == discriminator_loss(right, None, fake, w=0).item()
    loss.backward()
    assert wrong.grad is None or not wrong.grad.numpy().any()


def test_a_sure_discriminator_loses_no_logarithm():
    """sigmoid(-1000) is 0, and its logarithm infinite; with logits the loss is 1000 and its gradient 1."""
    s = Tensor(np.full(2, -1000, np.float32), requires_grad=True)
    loss = generator_loss(s)
    loss.backward()
    assert loss.item() == 1000 and s.grad.numpy().tolist() == [-0.5, -0.5]
    assert discriminator_loss(s, -s, -s).item() == 2000


# ---------------------------------------------------------------------- texts between texts

def test_texts_between_the_halves_of_a_batch():
    h = np.random.default_rng(0).standard_normal((7, 3))
    np.testing.assert_allclose(interpolated_texts(Tensor(h)).numpy(), (h[:3] + h[3:6]) / 2, rtol=1e-12)
    np.testing.assert_array_equal(interpolated_texts(Tensor(h), 1).numpy(), h[:3])
    np.testing.assert_array_equal(interpolated_texts(Tensor(h), 0).numpy(), h[3:6])


def test_odd_input():
    s, h = Tensor(np.zeros(2)), Tensor(np.zeros((2, 3)))
    for w in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"discriminator_loss: w=.* must lie in \[0, 1\]"):
            discriminator_loss(s, s, s, w)
    with pytest.raises(ValueError, match="no real pictures with wrong texts; give them"):
        discriminator_loss(s, None, s)
    with pytest.raises(ValueError, match="generator_loss: kind='wasserstein'; choose from non-saturating, minimax"):
        generator_loss(s, "wasserstein")
    for beta in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"interpolated_texts: beta=.* must lie in \[0, 1\]"):
            interpolated_texts(h, beta)
    with pytest.raises(ValueError, match=r"interpolated_texts: h has shape \(1, 3\); two texts or more are needed"):
        interpolated_texts(h[:1])


@pytest.mark.oracle
def test_pytorchs_binary_cross_entropy():
    torch = pytest.importorskip("torch")
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    ours = logits(7, 5, 6)
    theirs = [torch.tensor(s.detach().numpy(), requires_grad=True) for s in ours]
    right, wrong, fake = theirs
    one, zero = torch.ones_like, torch.zeros_like
    expected = bce(right, one(right)) + 0.3 * bce(wrong, zero(wrong)) + 0.7 * bce(fake, zero(fake))
    pairs = [(discriminator_loss(*ours, 0.3), expected), (generator_loss(ours[2]), bce(fake, one(fake))),
             (generator_loss(ours[2], "minimax"), -bce(fake, zero(fake)))]
    for loss, expected in pairs:
        assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
        of = slice(0 if loss is pairs[0][0] else 2, 3)                # D's loss has three arguments, G's only the last
        for a, b in zip(tinymm.grad(loss, ours[of]), torch.autograd.grad(expected, theirs[of])):
            np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)
