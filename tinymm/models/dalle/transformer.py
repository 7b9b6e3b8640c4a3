"""The second stage of DALL-E (Ramesh et al. 2021, section 2.2): one Transformer for text and image tokens, p_psi(y, z).

    sequence    y_1 ... y_T z_1 ... z_n         text tokens, then image tokens in raster order
    input       text: E_y[y_t] + P_t            image: E_z[z_i] + R[row of i] + C[column of i]
    output      after y_t a distribution of y_{t+1}; after y_T of z_1; after z_i of z_{i+1}

The Transformer is CLIP's text tower; only what a position may see differs from layer to layer (``masks.py``). A text
position without a token has a pad vector of its own, one for each position, which is attended to like text. Text and
image have separate vocabularies and separate last maps, so that a token of the other kind has no probability at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd import Tensor
from ...autograd.integers import per_axis, whole
from ...backend.arrays import to_device
from ...nn.linear import empty
from ...ops.checks import as_tensor
from ..clip.transformer import ResidualAttentionBlock, Transformer
from .dalle_loss import PAD
from .masks import layer_kinds, mask_of

ATTENTION, KINDS = ("sparse", "full"), ("row", "column", "conv", "full")


def through(block: ResidualAttentionBlock, x: Tensor, attend: Callable) -> Tensor:
    """One block of the Transformer with an attention of ours.

    Args:
        block: whose weights are used.
        x: (B, L, D).
        attend: from queries, keys and values (B, h, L, d) to (B, h, L, d).
    """
    B, L, D = x.shape
    qkv = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)       # (B, L, 3 D)
    q, k, v = qkv.reshape(B, L, 3, block.attn.num_heads, -1).permute(2, 0, 3, 1, 4)         # each (B, h, L, d)
    x = x + block.attn.out_proj(attend(q, k, v).transpose(1, 2).reshape(B, L, D))
    return x + block.mlp(block.ln_2(x))


class DALLETransformer(nn.Module):
    """An autoregressive model of text tokens and image tokens.

    Args:
        text_vocab: V_t, text tokens.
        image_vocab: V_i, image tokens: the dVAE's vocabulary.
        text_length: T, text positions.
        grid: (height, width) of the image tokens; n = height * width.
        d_model: features D of a position.
        layers: number of blocks.
        heads: h, of each attention.
        kernel: side of the window of "conv" layers.
        attention: "sparse" for the kinds of layers that ``layer_kinds`` gives, "full" for full causal attention
            in all of them.
        kinds: instead of ``attention``, the mask of each layer: "row", "column", "conv" or "full".

    Attributes:
        text_embedding: E_y (V_t + T, D), the pad vectors last, one for each position.
        image_embedding: E_z (V_i, D).
        text_position: P (T, D); row_position: R (height, D); column_position: C (width, D).
        transformer: the blocks; ln_final: the last normalisation; text_head, image_head: the logits' linear maps.
        kinds: the mask of each layer.
    """

    def __init__(self, text_vocab: int, image_vocab: int, text_length: int, grid: Sequence[int], d_model: int, layers: int,
                 heads: int, *, kernel: int = 11, attention: str = "sparse", form: str = "dense",
                 kinds: Sequence[str] | None = None):
        super().__init__()
        name = "DALLETransformer"
        if attention not in ATTENTION:
            raise ValueError(f"{name}: attention={attention!r}; choose from {ATTENTION}")
        V_t, V_i, T, D, layers = whole(name, 1, text_vocab=text_vocab, image_vocab=image_vocab, text_length=text_length,
                                       d_model=d_model, layers=layers)
        height, width = self.grid = per_axis(name, "grid", grid, 2, 1)
        if kinds is None:
            kinds = layer_kinds(layers) if attention == "sparse" else ["full"] * layers
        if len(kinds) != layers or not set(kinds) <= set(KINDS):
            raise ValueError(f"{name}: kinds={list(kinds)} must be one of {KINDS} for each of layers={layers}")
        self.text_vocab, self.image_vocab, self.text_length, self.image_length = V_t, V_i, T, height * width
        self.kinds, self.kernel, self.form = list(kinds), kernel, form
        self.text_embedding = nn.Embedding(V_t + T, D)
        self.image_embedding = nn.Embedding(V_i, D)
        self.text_position, self.row_position, self.column_position = empty(T, D), empty(height, D), empty(width, D)
        self.transformer = Transformer(D, layers, heads, hidden_act="gelu")
        self.ln_final = nn.LayerNorm(D)
        self.text_head, self.image_head = nn.Linear(D, V_t), nn.Linear(D, V_i)
        self.masks = {kind: mask_of(kind, T, height, width, kernel) for kind in set(self.kinds)}
        self.initialize_parameters()

    def initialize_parameters(self) -> None:
        """Draw the start of a training: the blocks as CLIP's, all else within a small spread, so the first losses are ln V."""
        self.transformer.initialize_parameters()
        for weight in (self.text_embedding.weight, self.image_embedding.weight, self.text_position, self.row_position,
                       self.column_position, self.text_head.weight, self.image_head.weight):
            nn.init.normal_(weight, std=0.02)
        for head in (self.text_head, self.image_head):
            nn.init.zeros_(head.bias)

    # ------------------------------------------------------------------ inputs

    def embed_text(self, text: Tensor) -> Tensor:
        """E_y[y_t] + P_t, (B, T, D); the vector of a pad is that of its position."""
        place = Tensor(to_device(np.arange(self.text_length), text.device))
        return self.text_embedding(F.where(text == PAD, self.text_vocab + place, text)) + self.text_position

    def embed_image(self, image: Tensor, first: int = 0) -> Tensor:
        """E_z[z_i] + R[row of i] + C[column of i], (B, m, D), of the tokens (B, m) from place ``first`` of the raster on."""
        position = (self.row_position[:, None] + self.column_position).reshape(self.image_length, -1)       # (n, D)
        return self.image_embedding(image) + position[first:first + image.shape[1]]

    # ------------------------------------------------------------------ all positions at once

    def attention(self, kind: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention (B, h, L, d) of the first L positions under the mask of that kind."""
        L = q.shape[2]
        mask = Tensor(to_device(self.masks[kind][:L, :L], q.device))
        return F.scaled_dot_product_attention(q, k, v, mask)

    def forward(self, text: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Predict every token of given texts and images from those before it.

        Args:
            text: (B, T) integers, PAD = -1 where there is no token; the first should be a start token.
            image: (B, m) integers, m from 1 to n: the tokens in raster order.

        Returns:
            Logits (B, T - 1, V_t) of the text tokens from the second on, and (B, m, V_i) of the image tokens. The
            first image token is predicted after the last text position, and the last one is no input.

        Raises:
            ValueError: shapes that do not fit, or tokens outside the vocabulary.
            TypeError: no Tensors, or not of integers.
        """
        T = self.text_length
        x = F.cat([self.embed_text(text), self.embed_image(image[:, :-1])], 1)               # (B, T + m - 1, D)
        for block, kind in zip(self.transformer.resblocks, self.kinds):
            x = through(block, x, lambda q, k, v: self.attention(kind, q, k, v))
        x = self.ln_final(x)
        return self.text_head(x[:, :T - 1]), self.image_head(x[:, T - 1:])
