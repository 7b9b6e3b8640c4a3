"""Conditioning augmentation: the condition, its KL against draws, diversity, both programs' forms, gradients, and PyTorch's KL."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck
from tinymm.backend.random import manual_seed
from tinymm.models.conditioning_augmentation import ACTIVATIONS, FORMS, ConditioningAugmentation
from tinymm.models.stackgan import StageIGenerator

TEXT, C = 4, 3
forms = pytest.mark.parametrize("form", FORMS)


def augmentation(**options):
    manual_seed(1)
    return ConditioningAugmentation(TEXT, C, **options).double()


def texts(count=5):
    return Tensor(np.random.default_rng(0).standard_normal((count, TEXT)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@forms
def test_the_condition_by_its_equation(form, activation):
    model, h = augmentation(form=form, activation=activation), texts()
    epsilon = np.random.default_rng(1).standard_normal((5, C))
    c, mu, log_sigma = (t.detach().numpy() for t in model(h, Tensor(epsilon)))
    a = h.numpy() @ model.fc.weight.detach().numpy().T + model.fc.bias.detach().numpy()
    a = np.where(a > 0, a, {"leaky_relu": 0.2, "relu": 0}[activation] * a)
    sigma = np.exp(a[:, C:] / {"log_sigma": 1, "log_variance": 2}[form])
    for ours, expected in ((mu, a[:, :C]), (np.exp(log_sigma), sigma), (c, a[:, :C] + sigma * epsilon)):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15)
    assert (mu.min() < 0) == (activation == "leaky_relu")          # with a ReLU mu >= 0 and sigma >= 1
    assert (log_sigma.min() < 0) == (activation == "leaky_relu")


@forms
def test_the_kl_is_the_mean_log_ratio_of_draws(form):
    """E ln N(c; mu, sigma^2) / N(c; 0, 1) over 400,000 draws of c; the logarithms' spread sets the error."""
    model = augmentation(form=form)
    _, mu, log_sigma = model(5 * texts(2))
    m, s = mu.detach().numpy()[:, None], np.exp(log_sigma.detach().numpy())[:, None]
    epsilon = np.random.default_rng(2).standard_normal((2, 400_000, C))
    ratio = ((m + s * epsilon) ** 2 / 2 - epsilon ** 2 / 2 - np.log(s)).sum(-1)
    kl = model.kl(mu, log_sigma).detach().numpy()
    assert kl.shape == (2,) and (kl > 0.1).all()
    assert (np.abs(kl - ratio.mean(1)) < 4 * ratio.std(1) / 400_000 ** 0.5).all()
    assert np.abs(kl - ratio.mean(1)).max() < 1e-2 * kl.max()


def test_the_kl_of_the_prior_is_nothing():
    zero = Tensor(np.zeros((2, C)))
    assert ConditioningAugmentation.kl(zero, zero).numpy().tolist() == [0, 0]


@forms
def test_gradients_with_the_kl(form):
    model, epsilon = augmentation(form=form), Tensor(np.random.default_rng(1).standard_normal((5, C)))

    def loss(h):
        c, mu, log_sigma = model(h, epsilon)
        return (c ** 3).sum() + model.kl(mu, log_sigma).mean()

    assert gradcheck(loss, [texts()], parameters=model, curve=False).ok


def test_one_text_and_one_noise_have_many_pictures_only_by_the_augmentation():
    """Diversity at fixed text and z: above 0 with epsilon drawn, 0 with c = mu, in evaluation too."""
    manual_seed(0)
    G = StageIGenerator(TEXT, C, 2, 16, ups=1).eval()
    z, h = (Tensor(np.ones((1, n), np.float32)).expand(6, n) for n in (2, TEXT))

    def diversity(*epsilon):
        return np.ptp(G(z, h, *epsilon)[0].detach().numpy(), axis=0).max()

    assert diversity() > 1e-4
    assert diversity(Tensor(np.zeros((6, C), np.float32))) == 0


def test_unknown_forms():
    with pytest.raises(ValueError, match="ConditioningAugmentation: form='sigma'; choose from log_sigma, log_variance"):
        ConditioningAugmentation(TEXT, C, form="sigma")
    with pytest.raises(ValueError, match="ConditioningAugmentation: activation='tanh'; choose from leaky_relu, relu"):
        ConditioningAugmentation(TEXT, C, activation="tanh")


@pytest.mark.oracle
def test_pytorchs_kl_and_its_gradients():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = rng.standard_normal((4, C)), rng.standard_normal((4, C))
    ours, theirs = [Tensor(a, requires_grad=True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    normal = torch.distributions.Normal
    kl = ConditioningAugmentation.kl(*ours)
    expected = torch.distributions.kl_divergence(normal(theirs[0], theirs[1].exp()), normal(0.0, 1.0)).sum(1)
    np.testing.assert_allclose(kl.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    kl.sum().backward(), expected.sum().backward()
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12)
