"""DALL-E (Ramesh et al. 2021, "Zero-Shot Text-to-Image Generation"): a picture is a sentence of codes, and a Transformer writes it.

Stage 1 is ``dvae.py``: a discrete variational autoencoder, whose code-book the picture's tokens come from; ``logit_laplace.py``
has its likelihood, ``schedules.py`` what changes while it learns. Stage 2 is ``transformer.py``, which goes on from a text with
the picture's tokens; ``masks.py`` has what its positions may see, ``sparse_attention.py`` attention that looks at nothing else,
``loss.py`` the loss. ``sampling.py`` draws the tokens, and ``reranking.py`` lets CLIP choose among the pictures.
"""

from .dvae import DVAE, DVAEDecoder, DVAEEncoder, kl_to_uniform
from .logit_laplace import logit_laplace_nll, map_pixels, unmap_pixels
from .loss import PAD, dalle_loss
from .masks import column_mask, conv_mask, full_mask, layer_kinds, row_mask
from .reranking import clip_scores, rerank
from .sampling import sample_images
from .schedules import half_cosine
from .transformer import DALLETransformer

__all__ = ["DALLETransformer", "DVAE", "DVAEDecoder", "DVAEEncoder", "PAD", "clip_scores", "column_mask", "conv_mask",
           "dalle_loss", "full_mask", "half_cosine", "kl_to_uniform", "layer_kinds", "logit_laplace_nll", "map_pixels",
           "rerank", "row_mask", "sample_images", "unmap_pixels"]
