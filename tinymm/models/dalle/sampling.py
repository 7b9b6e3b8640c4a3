"""Image tokens that the second stage draws for captions, one after the other: z_i ~ p_psi(z_i | y, z_1 ... z_{i-1})."""

from __future__ import annotations

import numpy as np

from ...autograd import Tensor
from ...autograd.integers import integer
from ...backend.arrays import to_device
from ...backend.random import Stream
from ...decode import sample
from .transformer import DALLETransformer


def sample_images(model: DALLETransformer, text: Tensor, count: int = 1, *, temperature: float = 1.0, top_k: int | None = None,
                  top_p: float | None = None, generator: Stream | str | None = None) -> Tensor:
    """Draw images for captions, h * w tokens each; there is no end token.

    A caption is read once, however many images are drawn for it, and keys and values are kept, so the cost is linear in the tokens.

    Args:
        model: in evaluation.
        text: (B, T) integers, PAD = -1 where there is no token; a caption of pads alone is allowed.
        count: N, images for each caption.
        temperature, top_k, top_p, generator: as in ``decode.sample``; 1 is the paper's temperature.

    Returns:
        Tensor (B, N, h, w) of int64, the tokens as ``DVAE.decode`` takes them after ``reshape(-1, h, w)``.

    Raises:
        ValueError, TypeError: as ``decode.sample`` and the model; no caption, or a count below 1.
    """
    if not text.shape[0]:
        raise ValueError(f"sample_images: text of shape {text.shape} has no caption; give at least one")
    state, (h, w) = model.init_state(text, integer("sample_images", "count", count, 1)), model.grid
    found = sample(model.step, state, len(text) * count, start=0, end=None, max_length=h * w, temperature=temperature, top_k=top_k,
                   top_p=top_p, generator=generator)
    tokens = np.array([image.tokens for image in found]).reshape(len(text), count, h, w)
    return Tensor(to_device(tokens, text.device))
