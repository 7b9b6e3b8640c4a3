"""The losses of text-to-image GANs (Goodfellow et al. 2014; Reed et al. 2016), all of logits s, D = sigmoid(s).

    min_G max_D  V(D, G) = E_x ln D(x) + E_z ln(1 - D(G(z)))

GAN-CLS shows D a third kind of pair, a real picture with a text about another one. With right and wrong texts h and h^:

    L_D = ln D(x, h) + w ln(1 - D(x, h^)) + (1 - w) ln(1 - D(G(z, h), h)),   w = 1/2;   plain GAN: w = 0

Algorithm 1 of the slides *descends* L_D, which makes D worse: L_D is to be ascended, or -L_D descended, as here.
"""

from __future__ import annotations

from .. import functional as F
from ..autograd import Tensor

KINDS = ("non-saturating", "minimax")


def discriminator_loss(real_right: Tensor, real_wrong: Tensor | None, fake_right: Tensor, w: float = 0.5) -> Tensor:
    """-L_D: -ln D(x, h) - w ln(1 - D(x, h^)) - (1 - w) ln(1 - D(G(z, h), h)), means over a batch.

    Args:
        real_right, real_wrong, fake_right: logits (N,); real_wrong may be None where w is 0.
        w: weight of the wrong texts, in [0, 1].

    Returns:
        The loss, a number; 2 ln 2 where D knows nothing.

    Raises:
        ValueError: w outside of [0, 1], or above 0 without wrong pairs.
    """
    if not 0 <= w <= 1:
        raise ValueError(f"discriminator_loss: w={w} must lie in [0, 1]")
    if real_wrong is None and w > 0:
        raise ValueError(f"discriminator_loss: w={w}, but no real pictures with wrong texts; give them, or w=0 (plain GAN)")
    loss = F.softplus(-real_right).mean() + (1 - w) * F.softplus(fake_right).mean()   # -ln sigma(s) = softplus(-s)
    return loss if real_wrong is None or w == 0 else loss + w * F.softplus(real_wrong).mean()


def generator_loss(fake: Tensor, kind: str = "non-saturating") -> Tensor:
    """-E ln D(G(z, h), h), or the minimax game's E ln(1 - D(G(z, h), h)).

    The second has no gradient where D is sure; the first is another game with the same fixed point.

    Args:
        fake: logits (N,).
        kind: one of ``KINDS``.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"generator_loss: kind={kind!r}; choose from {', '.join(KINDS)}")
    return F.softplus(-fake).mean() if kind == "non-saturating" else -F.softplus(fake).mean()


def interpolated_texts(h: Tensor, beta: float = 0.5) -> Tensor:
    """beta h_1 + (1 - beta) h_2 of the two halves of a batch (GAN-INT): (N, d) -> (N // 2, d).

    Args:
        h: (N, d), phi of N texts.
        beta: in [0, 1].

    Raises:
        ValueError: beta outside of [0, 1], or fewer than two texts.
    """
    if not 0 <= beta <= 1:
        raise ValueError(f"interpolated_texts: beta={beta} must lie in [0, 1]")
    half = len(h) // 2
    if not half:
        raise ValueError(f"interpolated_texts: h has shape {h.shape}; two texts or more are needed")
    return beta * h[:half] + (1 - beta) * h[half:2 * half]
