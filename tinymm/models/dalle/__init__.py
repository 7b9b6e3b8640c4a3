"""DALL-E (Ramesh et al. 2021, "Zero-Shot Text-to-Image Generation"): a picture is a sentence of codes, and a Transformer writes it.

Stage 1 is ``dvae.py``: a discrete variational autoencoder, whose code-book the picture's tokens come from; ``logit_laplace.py``
has its likelihood, ``schedules.py`` what changes while it learns.
"""

from .dvae import DVAE, DVAEDecoder, DVAEEncoder, kl_to_uniform
from .logit_laplace import logit_laplace_nll, map_pixels, unmap_pixels
from .schedules import half_cosine

__all__ = ["DVAE", "DVAEDecoder", "DVAEEncoder", "half_cosine", "kl_to_uniform", "logit_laplace_nll", "map_pixels", "unmap_pixels"]
