"""The style encoder: sizes, its loss, gradients, the noise of a frozen G found again, and PyTorch's modules."""

import numpy as np
import pytest

from tests.models.torch_twin import assert_equal, twins
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend.random import manual_seed
from tinymm.models.style_encoder import StyleEncoder, style_loss
from tinymm.models.text_to_image_gan import Generator


def test_the_loss_is_the_squared_distance():
    z, s = (np.random.default_rng(seed).standard_normal((5, 3)) for seed in (0, 1))
    by_hand = np.mean([np.sum((a - b) ** 2) for a, b in zip(z, s)])
    assert style_loss(Tensor(z), Tensor(s)).item() == pytest.approx(by_hand, rel=1e-12)


def test_gradients_and_size():
    manual_seed(0)
    S, x = StyleEncoder(3, (4, 4)), Tensor(np.random.default_rng(0).standard_normal((3, 3, 16, 16)))
    assert gradcheck(S, [x], curve=False, max_elements=6).ok
    assert S(x.float()).shape == (3, 3)
    with pytest.raises(ValueError, match=r"StyleEncoder: x has shape \(3, 3, 16, 16\); it must be \(N, 3, 32, 32\)"):
        StyleEncoder(3, (4, 4, 4))(x.float())


def test_it_finds_the_noise_of_a_generator_that_stands_still():
    """With a G of random weights, S explains new noise better than its mean does, which costs Z."""
    manual_seed(0)
    G, S, Z = Generator(4, (24, 12), 2, 2).eval(), StyleEncoder(2, (12, 24)), 2
    rng, optimizer = np.random.default_rng(0), optim.Adam(S.parameters(), lr=3e-3)
    with no_grad():
        for p in G.parameters():
            p.copy_(5 * p if p.ndim == 4 else p)   # pictures that are seen

    def drawn(count):
        z, h = (Tensor(rng.standard_normal((count, n)).astype(np.float32)) for n in (Z, 4))
        with no_grad():
            return z, G(z, h)

    for _ in range(80):
        z, x = drawn(32)
        optimizer.zero_grad()
        style_loss(z, S(x)).backward()
        optimizer.step()
    z, x = drawn(200)
    assert style_loss(z, S.eval()(x)).item() < 0.5 * Z


@pytest.mark.oracle
def test_pytorchs_modules():
    t = pytest.importorskip("torch").nn
    theirs = t.Sequential(t.Conv2d(3, 4, 4, 2, 1), t.BatchNorm2d(4), t.LeakyReLU(0.2), t.Conv2d(4, 6, 4, 2, 1), t.BatchNorm2d(6),
                          t.LeakyReLU(0.2), t.Flatten(), t.Linear(6 * 16, 3))
    assert_equal(*twins(StyleEncoder(3, (4, 6)), theirs), np.random.default_rng(0).standard_normal((3, 3, 16, 16)))
