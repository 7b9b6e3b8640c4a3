"""StackGAN's networks: published counts, sizes of the course's pictures, gradients, training, odd input, and PyTorch's modules.

The authors' PyTorch code is not in this repository. Run beside it by hand at tiny widths, results, gradients and running statistics
of all four networks agreed to 3e-12; the oracle here is its architecture, written anew.
"""

import math

import numpy as np
import pytest

from tests.models.test_text_to_image_gan import fitted
from tests.models.torch_twin import assert_equal, twins
from tinymm import Tensor, gradcheck, nn, no_grad
from tinymm.backend.random import manual_seed
from tinymm.models.adversarial import discriminator_loss
from tinymm.models.stackgan import StackDiscriminator, StageIGenerator, StageIIGenerator

TEXT, C, Z = 4, 3, 2
PORT = dict(form="log_variance", activation="relu")


def arrays(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def stage_one(channels=8, ups=1, **options):
    manual_seed(0)
    return StageIGenerator(TEXT, C, Z, channels, ups, **options)


def stage_two(channels=4, **options):
    manual_seed(0)
    return StageIIGenerator(TEXT, C, channels, downs=1, ups=2, residual=1, **options)


def discriminator(widths=(4, 4), narrow=(), unconditional=False):
    manual_seed(0)
    return StackDiscriminator(C, widths, narrow, unconditional)


# ---------------------------------------------------------------------- sizes, first weights

@pytest.mark.slow
def test_published_counts():
    """At GF 192 and DF 96; the authors' second generator holds the first."""
    second = dict(widths=(96, 192, 384, 768, 1536, 3072), narrow=(1536, 768), unconditional=True)
    one, D1, two, D2 = (sum(p.numel() for p in network.parameters()) for network in
                        (StageIGenerator(), StackDiscriminator(), StageIIGenerator(), StackDiscriminator(**second)))
    assert (one, D1, one + two, D2) == (20_020_832, 12_407_425, 57_151_312, 159_889_538)


def test_from_16_rows_to_32():
    z, h = (Tensor(a.astype(np.float32)) for a in arrays((3, Z), (3, TEXT)))
    small, mu, log_sigma = stage_one(16, 2)(z, h)
    large, mu_2, _ = stage_two()(small.detach(), h)
    assert small.shape == (3, 3, 16, 16) and large.shape == (3, 3, 32, 32)
    assert mu.shape == log_sigma.shape == mu_2.shape == (3, C)
    D = discriminator((4, 4, 4), (4,), unconditional=True)
    assert D(large, mu).shape == D.unconditional(large).shape == (3,)
    assert np.abs(large.detach().numpy()).max() <= 1


def test_first_weights():
    """Convolutions and linear layers N(0, .02^2), gains N(1, .02^2), biases 0."""
    for layer in [*stage_one(64).modules(), *stage_two(32).modules(), *discriminator((32, 64)).modules()]:
        if getattr(layer, "weight", None) is not None:
            w, norm = layer.weight.detach().numpy(), isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)
            error = 5 / math.sqrt(w.size)
            assert abs(w.mean() - norm) < 0.02 * error and abs(w.std() / 0.02 - 1) < error
            assert layer.bias is None or not layer.bias.detach().numpy().any()


# ---------------------------------------------------------------------- gradients, training

def heavier(model):
    """Weights of a size at which no gradient drowns in rounding."""
    rng = np.random.default_rng(0)
    with no_grad():
        for p in model.parameters():
            p.copy_(Tensor(0.3 * rng.standard_normal(p.shape).astype(np.float32)))
    return model


def test_gradients_of_the_networks():
    z, h, epsilon, small, large = (Tensor(a) for a in arrays((3, Z), (3, TEXT), (3, C), (3, 3, 8, 8), (3, 3, 16, 16)))
    options = dict(curve=False, max_elements=6)
    assert gradcheck(heavier(stage_one()), [z, h, epsilon], **options).ok
    assert gradcheck(heavier(stage_two()), [small, h, epsilon], **options).ok
    D = heavier(discriminator((4, 4), (4,), unconditional=True))
    assert gradcheck(lambda x, c: (D(x, c), D.unconditional(x)), [large, epsilon], parameters=D, **options).ok


def test_a_step_of_each_network_and_one_batch_by_heart():
    """Both generators learn blocks of colour, D to tell right conditions from wrong ones."""
    z, h, x, c = (Tensor(a.astype(np.float32)) for a in arrays((4, Z), (4, TEXT), (4, 3, 2, 2), (4, C)))
    wanted = nn.Upsample(scale_factor=4)(x.tanh() * 0.9)                                  # (4, 3, 8, 8)
    G, G2, D = stage_one(64, 1), stage_two(8), discriminator((16,))
    spread = float((wanted.numpy() ** 2).mean())
    nothing = Tensor(np.zeros((4, C), np.float32))
    assert fitted(G, lambda: ((G(z, h, nothing)[0] - wanted) ** 2).mean(), 100) < 0.1 * spread
    larger = nn.Upsample(scale_factor=2)(wanted)
    assert fitted(G2, lambda: ((G2(wanted, h, nothing)[0] - larger) ** 2).mean(), 100) < 0.1 * spread
    fake = wanted[::-1]
    assert fitted(D, lambda: discriminator_loss(D(wanted, c), D(wanted, c[::-1]), D(-fake, c)), 100) < 0.2


def test_a_real_pictures_maps_serve_both_its_texts():
    D, (x, c) = discriminator().double().eval(), (Tensor(a) for a in arrays((3, 3, 16, 16), (3, C)))
    np.testing.assert_allclose(D.get_cond_logits(D.maps(x), c).detach().numpy(), D(x, c).detach().numpy(), rtol=1e-12)
    assert np.abs(D(x, c).detach().numpy() - D(x, c[::-1]).detach().numpy())[[0, 2]].min() > 0


def test_odd_input():
    z, h, x, c = (Tensor(a.astype(np.float32)) for a in arrays((1, Z), (1, TEXT), (1, 3, 32, 32), (1, C)))
    with pytest.raises(ValueError, match="batch_norm: expected more than 1 value per channel when training"):
        stage_one()(z, h)
    assert stage_one().eval()(z, h)[0].shape == (1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"StackDiscriminator: x has shape \(1, 3, 32, 32\); it must be \(N, 3, 16, 16\)"):
        discriminator()(x, c)
    with pytest.raises(ValueError, match="no unconditional logit; build it with unconditional=True"):
        discriminator((4, 4, 4)).unconditional(x)


# ---------------------------------------------------------------------- PyTorch

def torch_networks():
    """Stage I of 8 rows, stage II from 8 to 16, and stage II's D, in PyTorch's modules, written from the architecture."""
    import torch
    t, relu = torch.nn, torch.relu

    def norm(n):
        return t.BatchNorm2d(n)

    def three(a, b):
        return t.Conv2d(a, b, 3, 1, 1, bias=False)

    def up(a, b):
        return t.Sequential(t.Upsample(scale_factor=2), three(a, b), norm(b), t.ReLU())

    def leaky():
        return t.LeakyReLU(0.2)

    class Augmented(t.Module):
        def __init__(self):
            super().__init__()
            self.fc = t.Linear(TEXT, 2 * C)

        def condition(self, h, epsilon):
            mu, log_variance = relu(self.fc(h)).chunk(2, 1)
            return mu + (log_variance / 2).exp() * epsilon, mu, log_variance / 2

    class One(Augmented):
        def __init__(self):
            super().__init__()
            self.start = t.Sequential(t.Linear(Z + C, 128, bias=False), t.BatchNorm1d(128), t.ReLU(), t.Unflatten(1, (8, 4, 4)))
            self.grow = t.Sequential(up(8, 4), three(4, 3), t.Tanh())

        def forward(self, z, h, epsilon):
            c, *gaussian = self.condition(h, epsilon)
            return self.grow(self.start(torch.cat([z, c], 1))), *gaussian

    class Two(Augmented):
        def __init__(self):
            super().__init__()
            self.read = t.Sequential(three(3, 4), t.ReLU(), t.Conv2d(4, 8, 4, 2, 1, bias=False), norm(8), t.ReLU())
            self.join = t.Sequential(three(8 + C, 8), norm(8), t.ReLU())
            self.add = t.Sequential(three(8, 8), norm(8), t.ReLU(), three(8, 8), norm(8))
            self.grow = t.Sequential(up(8, 4), up(4, 2), three(2, 3), t.Tanh())

        def forward(self, x, h, epsilon):
            c, *gaussian = self.condition(h, epsilon)
            x = self.join(torch.cat([self.read(x), c[..., None, None].repeat(1, 1, 4, 4)], 1))
            return self.grow(relu(x + self.add(x))), *gaussian

    class D(t.Module):
        def __init__(self):
            super().__init__()
            self.read = t.Sequential(t.Conv2d(3, 4, 4, 2, 1, bias=False), leaky(), t.Conv2d(4, 6, 4, 2, 1, bias=False), norm(6),
                                     leaky(), three(6, 4), norm(4), leaky())
            self.joint = t.Sequential(three(4 + C, 4), norm(4), leaky(), t.Conv2d(4, 1, 4, 4))
            self.alone = t.Conv2d(4, 1, 4, 4)

        def forward(self, x, c):
            x = self.read(x)
            return self.joint(torch.cat([x, c[..., None, None].repeat(1, 1, 4, 4)], 1)).flatten(), self.alone(x).flatten()

    return One(), Two(), D()


class Both(nn.Module):
    """Both logits at once."""

    def __init__(self, D):
        super().__init__()
        self.D = D

    def forward(self, x, c):
        maps = self.D.maps(x)
        return self.D.get_cond_logits(maps, c), self.D.get_uncond_logits(maps)


@pytest.mark.oracle
def test_pytorchs_modules_forward_and_backward():
    pytest.importorskip("torch")
    z, h, epsilon, small, large = arrays((3, Z), (3, TEXT), (3, C), (3, 3, 8, 8), (3, 3, 16, 16))
    ours = stage_one(**PORT), stage_two(**PORT), Both(discriminator((4, 6), (4,), unconditional=True))
    inputs = (z, h, epsilon), (small, h, epsilon), (large, epsilon)
    for model, theirs, given in zip(ours, torch_networks(), inputs):
        assert_equal(*twins(model, theirs), *given)
