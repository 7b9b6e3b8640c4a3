"""The loss of DALL-E's second stage (Ramesh et al. 2021, section 2.2): 1/8 for the text, 7/8 for the image.

    L = w * mean of -ln p(text token) + (1 - w) * mean of -ln p(image token),    w = 1/8

Each mean is over the tokens of its own kind, so that the weights do not depend on how many there are. Maximising
the bound on ln p(x, y) would sum both; the paper weights them since it is interested in images.
"""

from __future__ import annotations

from ... import functional as F
from ...autograd import Tensor

PAD = -1   # the id of a text position without a token


def dalle_loss(text_logits: Tensor, image_logits: Tensor, text: Tensor, image: Tensor,
               text_weight: float = 1 / 8) -> tuple[Tensor, Tensor, Tensor]:
    """The weighted cross-entropy, and its two parts in nats a token.

    Pads are no targets: the text's mean is over the tokens that are there, and 0 where there is none. The first
    text token is no target either; let it be a start token.

    Args:
        text_logits: (B, T - 1, V_t), of the text tokens from the second on.
        image_logits: (B, n, V_i), of the image tokens.
        text: (B, T) integers, PAD = -1 where there is no token.
        image: (B, n) integers.
        text_weight: w, from 0 to 1.

    Returns:
        The loss, the text's cross-entropy and the image's, three numbers.

    Raises:
        ValueError: shapes that do not fit, or a weight that is none.
    """
    if not 0 <= text_weight <= 1:
        raise ValueError(f"dalle_loss: text_weight={text_weight} must be from 0 to 1; the image gets what is left of 1")
    B, T = text.shape
    if text_logits.shape[:-1] != (B, T - 1) or image_logits.shape[:-1] != image.shape:
        raise ValueError(f"dalle_loss: text logits {text_logits.shape} and image logits {image_logits.shape} do not fit text "
                         f"{text.shape} and image {image.shape}; they must be (B, T - 1, V_t) and (B, n, V_i)")
    targets = text[:, 1:].reshape(-1)                                        # (B (T - 1),)
    real = int((targets != PAD).sum())
    text_loss = F.cross_entropy(text_logits.flatten(0, 1), targets, ignore_index=PAD, reduction="sum") / max(real, 1)
    image_loss = F.cross_entropy(image_logits.flatten(0, 1), image.reshape(-1))
    return text_weight * text_loss + (1 - text_weight) * image_loss, text_loss, image_loss
