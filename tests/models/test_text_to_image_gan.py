"""The conditional DCGAN: published sizes, gradients, first weights, batch normalisation, training, and PyTorch's modules."""

import math

import numpy as np
import pytest

from tests.models.torch_twin import assert_equal, twins
from tinymm import Tensor, gradcheck, nn, no_grad, optim, zeros
from tinymm import functional as F
from tinymm.backend.random import manual_seed
from tinymm.models.adversarial import discriminator_loss, generator_loss
from tinymm.models.text_to_image_gan import Discriminator, Generator, zero_conv_biases_

TEXT, Z = 5, 4
SCRIPTS = {"main_cls": {}, "main_cls_int": {"third_activation": False, "text_norm": True}}
scripts = pytest.mark.parametrize("script", SCRIPTS)


def networks(widths=(8, 4), seed=0, **options):
    """G and D for pictures of 4 * 2^len(widths) rows."""
    manual_seed(seed)
    return Generator(TEXT, widths, Z, 3), Discriminator(TEXT, widths[::-1], 3, **options)


def batch(size, count=6, seed=0, dtype=np.float32):
    """Pictures, texts and noise."""
    rng = np.random.default_rng(seed)
    shapes = (count, 3, size, size), (count, TEXT), (count, Z)
    x, h, z = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    return Tensor(np.tanh(x)), Tensor(h), Tensor(z)


# ---------------------------------------------------------------------- sizes and first weights

def test_published_counts_of_both_scripts():
    """N_T is 256 in main_cls.lua, 128 in the script with interpolation, whose D normalises the text."""
    G, D = Generator, Discriminator
    models = [G(1024, embedding=256), G(1024), D(1024, embedding=256), D(1024, third_activation=False, text_norm=True)]
    assert [sum(p.numel() for p in model.parameters()) for model in models] == [21_138_051, 18_909_699, 4_228_801, 4_032_321]


def test_maps_grow_from_4_to_64_rows_and_shrink_back():
    G, D = networks((16, 8, 8, 4))
    x, h, z = batch(64, 2)

    def sides(layers, t):
        seen = []
        for layer in layers:
            t = layer(t)
            seen += [t.shape[-1]] if t.shape[-1] not in seen else []
        return seen

    assert sides(G.layers, Tensor(np.zeros((2, Z + 3, 1, 1), np.float32))) == [4, 8, 16, 32, 64] and G.size == D.size == 64
    assert sides(D.layers, x) == [32, 16, 8, 4]
    fake = G(z, h)
    assert fake.shape == (2, 3, 64, 64) and np.abs(fake.detach().numpy()).max() <= 1
    assert D(fake, h).shape == (2,)


def test_the_third_activation_is_main_clss_alone():
    """Four convolutions: an activation behind the first two, behind the third in main_cls.lua, and one behind the bottleneck."""
    count = {script: sum(isinstance(layer, nn.LeakyReLU) for layer in networks((4, 4, 4, 4), **options)[1].layers)
             for script, options in SCRIPTS.items()}
    assert count == {"main_cls": 4, "main_cls_int": 3}
    assert sum(isinstance(layer, nn.LeakyReLU) for layer in networks((4, 4), third_activation=False)[1].layers) == 2


def test_bottlenecks_can_be_left_out():
    """1 x 1 to a quarter of the channels, 3 x 3, 3 x 3 back, with biases and the norms' two numbers a channel."""
    def count(model):
        return sum(p.numel() for p in model.parameters())

    blocks = {n: (n * q + q) + (9 * q * q + q) + (9 * q * n + n) + 2 * (2 * q + n) for n, q in ((8, 2), (4, 1))}
    G = [count(Generator(TEXT, (8, 4), Z, 3, residual)) for residual in (0, 1, 2)]
    D = [count(Discriminator(TEXT, (4, 8), 3, residual=residual)) for residual in (False, True)]
    assert np.diff(G).tolist() == [blocks[8], blocks[4]] and np.diff(D).tolist() == [blocks[8]]


def test_first_weights_are_those_of_the_scripts():
    """Convolutions N(0, .02^2), gains N(1, .02^2), biases 0; the scripts leave the text's linear layer as Torch makes it."""
    manual_seed(0)
    for layer in [*Generator(1024, (64, 32)).modules(), *Discriminator(1024, (32, 64), text_norm=True).modules()]:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm1d | nn.BatchNorm2d):
            w, mean = layer.weight.detach().numpy(), float(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d))
            error = 5 / math.sqrt(w.size)      # five deviations
            assert abs(w.mean() - mean) < 0.02 * error and abs(w.std() / 0.02 - 1) < error and not layer.bias.detach().numpy().any()
        elif isinstance(layer, nn.Linear):
            w = np.abs(layer.weight.detach().numpy())
            assert 0.99 / 32 < w.max() <= 1 / 32 and np.isclose(w.mean(), 1 / 64, rtol=0.02)


def test_biases_of_convolutions_can_be_put_to_zero():
    _, D = networks()
    for p in D.parameters():
        nn.init.ones_(p)
    zero_conv_biases_(D)
    for layer in D.modules():
        if getattr(layer, "bias", None) is not None:
            assert (layer.bias.detach().numpy() == (not isinstance(layer, nn.Conv2d))).all()


# ---------------------------------------------------------------------- gradients, batches

def heavier(model):
    """Weights of a size at which no gradient drowns in rounding."""
    rng = np.random.default_rng(0)
    with no_grad():
        for p in model.parameters():
            p.copy_(Tensor(0.3 * rng.standard_normal(p.shape).astype(np.float32)))


def test_gradients_of_the_generator():
    G, _ = networks((4, 4))
    heavier(G)
    _, h, z = batch(16, 3, dtype=np.float64)
    assert gradcheck(G, [z, h], curve=False, max_elements=6).ok


@scripts
def test_gradients_of_the_discriminator(script):
    _, D = networks((4, 4, 4), **SCRIPTS[script])
    heavier(D)
    x, h, _ = batch(32, 3, dtype=np.float64)
    assert gradcheck(D, [x, h], curve=False, max_elements=6).ok


def test_in_evaluation_a_picture_does_not_see_its_batch():
    G, D = networks(text_norm=True)
    x, h, z = batch(16)
    for model, first in ((G, z), (D, x)):
        before = [b.numpy().copy() for b in model.buffers()]
        in_training = model(first, h).detach().numpy()[:2]
        assert np.abs(in_training - model(first[:2], h[:2]).detach().numpy()).max() > 1e-4
        assert all(np.any(a != b.numpy()) for a, b in zip(before, model.buffers()))
        model.eval()
        kept = [b.numpy().copy() for b in model.buffers()]
        np.testing.assert_allclose(model(first, h).detach().numpy()[:2], model(first[:2], h[:2]).detach().numpy(), atol=1e-6)
        assert all(np.array_equal(a, b.numpy()) for a, b in zip(kept, model.buffers()))


def test_a_batch_of_one_has_no_variance():
    """Only where a channel has one number for each text; maps have many, and need no second picture."""
    _, D = networks(text_norm=True)
    x, h, _ = batch(16, 1)
    with pytest.raises(ValueError, match="batch_norm: expected more than 1 value per channel when training"):
        D(x, h)
    assert D.eval()(x, h).shape == (1,)
    assert networks()[1](x, h).shape == (1,)


def test_pictures_of_another_size():
    _, D = networks()
    with pytest.raises(ValueError, match=r"Discriminator: x has shape \(6, 3, 32, 32\); it must be \(N, 3, 16, 16\)"):
        D(*batch(32)[:2])
    with pytest.raises(ValueError, match=r"Discriminator: h has shape \(5, .*; for 4 pictures it must be \(4, text="):
        D(batch(16, 4)[0], batch(16, 5)[1])


# ---------------------------------------------------------------------- in training

@scripts
def test_the_first_loss_is_near_that_of_knowing_nothing(script):
    """Logits are sums of 16 * 96 numbers, of mean square .52, times N(0, .02^2): their variance of .32 adds 2 * .32 / 8."""
    manual_seed(0)
    G, D = Generator(TEXT, (96, 48), Z, 32), Discriminator(TEXT, (48, 96), 32, **SCRIPTS[script])
    x, h, z = batch(16, 32)
    loss = discriminator_loss(D(x, h), D(x, h[::-1]), D(G(z, h), h))
    assert loss.item() == pytest.approx(2 * math.log(2) + 0.08, abs=0.1)


def fitted(model, loss, steps):
    optimizer = optim.Adam(model.parameters(), lr=5e-3, betas=(0.5, 0.999))
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
    return value.item()


def test_the_generator_can_learn_one_batch_by_heart():
    G, _ = networks((32, 16))
    x, h, z = batch(16, 4)
    with no_grad():
        wanted = 0.9 * F.interpolate(x[:, :, ::4, ::4], scale_factor=4)   # nothing but blocks
    assert fitted(G, lambda: ((G(z, h) - wanted) ** 2).mean(), 250) < 0.05 * float((wanted.numpy() ** 2).mean())


@scripts
def test_the_discriminator_can_learn_one_batch_by_heart(script):
    _, D = networks((16, 8), **SCRIPTS[script])
    x, h, _ = batch(16, 6)
    fake = batch(16, 6, seed=1)[0]
    assert fitted(D, lambda: discriminator_loss(D(x, h), D(x, h[::-1]), D(fake, h)), 120) < 0.1


def after_a_step(part, sign):
    """ln D(x, h) + (ln(1 - D(x, h^)) + ln(1 - D(x^, h))) / 2, and mean ln D(x^, h), before and after a small step of D or G."""
    G, D = networks((16, 8))
    x, h, z = batch(16, 16)

    def losses():
        fake = G(z, h)
        s = D(fake, h)
        return discriminator_loss(D(x, h), D(x, h[::-1]), s), generator_loss(s)

    model, which = {"D": (D, 0), "G": (G, 1)}[part]
    before = losses()
    (sign * before[which]).backward()
    optim.SGD(model.parameters(), lr=1e-3).step()
    return -before[which].item(), -losses()[which].item()


@pytest.mark.parametrize("part", ["D", "G"])
def test_a_small_step_ascends_and_the_literal_sign_descends(part):
    """Lines 11 and 13 of Algorithm 1 as printed, D <- D - alpha dL_D/dD, make worse what they are to make better."""
    before, after = after_a_step(part, 1)
    assert after > before
    before, after = after_a_step(part, -1)
    assert after < before


def test_printed_signs_fail():
    """Fifty steps by Algorithm 1 as printed: D knows less than nothing. By the right signs it tells right pairs from others."""
    losses, scores = {}, {}
    for sign in (1, -1):
        G, D = networks((8, 8))
        x, h, z = batch(16, 16)
        parts = [(optim.Adam(D.parameters(), lr=5e-4), lambda: discriminator_loss(D(x, h), D(x, h[::-1]), D(G(z, h), h))),
                 (optim.Adam(G.parameters(), lr=5e-4), lambda: generator_loss(D(G(z, h), h)))]
        for _ in range(50):
            for optimizer, loss in parts:
                D.zero_grad(), G.zero_grad()
                (sign * loss()).backward()
                optimizer.step()
        losses[sign], scores[sign] = parts[0][1]().item(), [D(*pair).mean().item() for pair in ((x, h), (x, h[::-1]), (G(z, h), h))]
    assert losses[1] < 2 * math.log(2) < losses[-1]
    assert scores[1][0] > max(scores[1][1:]) and scores[-1][0] < scores[-1][1]


# ---------------------------------------------------------------------- PyTorch

def torch_networks(widths, third_activation=True, text_norm=False):
    """G and D for three widths in PyTorch's modules, written from the scripts."""
    import torch
    t = torch.nn
    a, b, c = widths

    class Add(t.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    def bottleneck(n, act):
        k = n // 4
        return Add(t.Conv2d(n, k, 1), t.BatchNorm2d(k), act, t.Conv2d(k, k, 3, 1, 1), t.BatchNorm2d(k), act,
                   t.Conv2d(k, n, 3, 1, 1), t.BatchNorm2d(n))

    def leaky():
        return t.LeakyReLU(0.2)

    class G(t.Module):
        def __init__(self):
            super().__init__()
            self.phi = t.Sequential(t.Linear(TEXT, 3), leaky())
            self.up = t.Sequential(
                t.ConvTranspose2d(Z + 3, a, 4), t.BatchNorm2d(a), bottleneck(a, t.ReLU()), t.ReLU(),
                t.ConvTranspose2d(a, b, 4, 2, 1), t.BatchNorm2d(b), bottleneck(b, t.ReLU()), t.ReLU(),
                t.ConvTranspose2d(b, c, 4, 2, 1), t.BatchNorm2d(c), t.ReLU(), t.ConvTranspose2d(c, 3, 4, 2, 1), t.Tanh())

        def forward(self, z, h):
            return self.up(torch.cat([z, self.phi(h)], 1)[..., None, None])

    class D(t.Module):
        def __init__(self):
            super().__init__()
            self.down = t.Sequential(
                t.Conv2d(3, c, 4, 2, 1), leaky(), t.Conv2d(c, b, 4, 2, 1), t.BatchNorm2d(b),
                leaky() if third_activation else t.Identity(), t.Conv2d(b, a, 4, 2, 1), t.BatchNorm2d(a),
                bottleneck(a, leaky()), leaky())
            self.phi = t.Sequential(t.Linear(TEXT, 3), t.BatchNorm1d(3) if text_norm else t.Identity(), leaky())
            self.joint = t.Sequential(t.Conv2d(a + 3, a, 1), t.BatchNorm2d(a), leaky(), t.Conv2d(a, 1, 4))

        def forward(self, x, h):
            return self.joint(torch.cat([self.down(x), self.phi(h)[..., None, None].repeat(1, 1, 4, 4)], 1)).flatten()

    return G(), D()


@pytest.mark.oracle
@scripts
def test_pytorchs_modules_forward_and_backward(script):
    pytest.importorskip("torch")
    widths = (8, 8, 4)
    theirs = torch_networks(widths, **SCRIPTS[script])
    x, h, z = (t.numpy() for t in batch(32, 3, dtype=np.float64))
    for first, ours, other in zip((z, x), networks(widths, **SCRIPTS[script]), theirs):
        assert_equal(*twins(ours, other), first, h)


@pytest.mark.parametrize("z, h, message", [
    ((2, 5), (2, 6), r"Generator: z has shape \(2, 5\) and h \(2, 6\); they must be \(N, Z=4\) and \(N, text=6\)"),
    ((2, 4), (2, 7), r"z has shape \(2, 4\) and h \(2, 7\)"), ((2, 4), (3, 6), "one noise for each text")])
def test_noise_and_texts_that_do_not_fit_are_refused(z, h, message):
    with pytest.raises(ValueError, match=message):
        Generator(6, (8, 4), 4, 4)(zeros(*z), zeros(*h))
