"""DALL-E (Ramesh et al. 2021): a discrete VAE turns a picture into tokens, and a Transformer continues a text with them.

``transformer.py`` has the second stage, ``masks.py`` what its positions may see, ``sparse_attention.py`` attention
that looks at nothing else, ``dalle_loss.py`` the loss.
"""

from .dalle_loss import PAD, dalle_loss
from .masks import column_mask, conv_mask, full_mask, layer_kinds, row_mask
from .rerank import clip_scores, rerank
from .sampling import sample_images
from .schedules import half_cosine
from .transformer import DALLETransformer

__all__ = ["DALLETransformer", "DVAE", "DVAEDecoder", "DVAEEncoder", "PAD", "clip_scores", "column_mask", "conv_mask",
           "dalle_loss", "full_mask", "half_cosine", "kl_to_uniform", "layer_kinds", "logit_laplace_nll", "map_pixels",
           "rerank", "row_mask", "sample_images", "unmap_pixels"]
