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
from functools import partial
from typing import Any

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd import Tensor, no_grad
from ...autograd.creation import zeros
from ...autograd.host import to_numpy
from ...autograd.integers import integer, per_axis, whole
from ...backend.arrays import to_device
from ...decode import take
from ...nn.linear import empty
from ...ops.checks import as_tensor
from ..clip.transformer import Transformer
from .loss import PAD
from .masks import layer_kinds, mask_of
from .sparse_attention import Blocks, block_attention, blocks_of

ATTENTION, FORMS, KINDS = ("sparse", "full"), ("dense", "blocks"), ("row", "column", "conv", "full")


def through(block: nn.Module, x: Tensor, attend: Callable) -> Tensor:
    """One block of the Transformer with an attention of ours.

    Args:
        block: a ``ResidualAttentionBlock`` of CLIP's, whose weights are used.
        x: (B, L, D).
        attend: from queries, keys and values (B, h, L, d) to (B, h, L, d).
    """
    B, L, D = x.shape
    h = block.attn.num_heads
    qkv = F.linear(block.ln_1(x), block.attn.in_proj_weight, block.attn.in_proj_bias)       # (B, L, 3 D)
    q, k, v = qkv.reshape(B, L, 3, h, D // h).permute(2, 0, 3, 1, 4).unbind()                # (B, h, L, d) each
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
        form: "dense" for attention by its definition, "blocks" for that of ``block_attention``, which is the same
            to rounding, and faster from some 300 positions on.
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
        if form not in FORMS:
            raise ValueError(f"{name}: form={form!r}; choose from {FORMS}")
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
        self._blocks: dict[tuple[str, int], Blocks] = {}   # of a kind and a number of positions, when first needed
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

    def _check(self, text: Tensor, image: Tensor | None = None) -> None:
        """Refuse what are no tokens of this model's text and image."""
        T, n = self.text_length, self.image_length
        as_tensor("DALLETransformer", "text", text)
        if text.ndim != 2 or text.shape[1] != T:
            raise ValueError(f"DALLETransformer: text of shape {text.shape}; it takes (B, text_length={T}): cut a longer caption, "
                             f"and fill a shorter one up with PAD={PAD}")
        _check_tokens("text", text, PAD, self.text_vocab)
        if image is None:
            return
        as_tensor("DALLETransformer", "image", image)
        if image.ndim != 2 or len(image) != len(text) or not 1 <= image.shape[1] <= n:
            raise ValueError(f"DALLETransformer: image of shape {image.shape}; it takes (B={len(text)}, m), m from 1 to {n}, the "
                             "tokens of a grid {} x {} in raster order".format(*self.grid))
        _check_tokens("image", image, 0, self.image_vocab)

    # ------------------------------------------------------------------ all positions at once

    def attention(self, kind: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention (B, h, L, d) of the first L positions, of which all text, under the mask of that kind."""
        T, L = self.text_length, q.shape[2]
        if kind == "full" or L == T:                                         # among text, all kinds are causal
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if self.form == "dense":
            return F.scaled_dot_product_attention(q, k, v, Tensor(to_device(self.masks[kind][:L, :L], q.device)))
        if (kind, L) not in self._blocks:
            self._blocks[kind, L] = blocks_of(self.masks[kind][:L, :L], T, self.grid[1], columns=kind == "column")
        return block_attention(q, k, v, T, self._blocks[kind, L])

    def hidden(self, x: Tensor, attend: Callable) -> Tensor:
        """The blocks one after the other, and the last normalisation.

        Args:
            x: (B, L, D).
            attend: from a layer's number, queries, keys and values (B, h, L, d) to (B, h, L, d).
        """
        for i, block in enumerate(self.transformer.resblocks):
            x = through(block, x, partial(attend, i))
        return self.ln_final(x)

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
        self._check(text, image)
        x = F.cat([self.embed_text(text), self.embed_image(image[:, :-1])], 1)               # (B, T + m - 1, D)
        x = self.hidden(x, lambda i, q, k, v: self.attention(self.kinds[i], q, k, v))
        seam = self.text_length - 1                                          # the last text position
        return self.text_head(x[:, :seam]), self.image_head(x[:, seam:])

    # ------------------------------------------------------------------ token by token

    @no_grad()
    def init_state(self, text: Tensor, repeats: int = 1) -> dict:
        """The state before the first image token, for ``step``: the text is read once and for all.

        Args:
            text: (B, T) integers, as for ``forward``.
            repeats: rows of the state for each text, one after the other, for several images of one text.

        Returns:
            A dict of Tensors with B * repeats rows.

        Raises:
            ValueError, TypeError: as ``forward``.
        """
        self._check(text)
        keys, values = [], []

        def attend(i, q, k, v):
            keys.append(k)
            values.append(v)
            return self.attention(self.kinds[i], q, k, v)

        last = self.hidden(self.embed_text(text), attend)[:, -1]             # (B, D)
        state = {"last": last, "keys": keys, "values": values, "place": np.zeros(len(text), np.int64), "written": None}
        repeated: Any = take(state, np.repeat(np.arange(len(text)), integer("init_state", "repeats", repeats, 1)))
        return repeated

    @no_grad()
    def step(self, tokens: np.ndarray, state: dict) -> tuple[Tensor, dict]:
        """Predict the next image token, for ``tinymm.decode``.

        Keys and values of all positions so far are kept, in arrays of their final size. A step computes those of
        one position, and reads the ones that its layer's mask allows: T + width + 1 of them in a row layer, however
        many tokens there are.

        Args:
            tokens: (N,) integers, the image tokens just chosen; not looked at in the first step, which follows the text.
            state: as ``init_state`` or ``step`` gave it, of N rows. Its arrays are written to, except those of
                ``init_state``: step from each state once, and from ``decode.take(state, rows)`` to go two ways.

        Returns:
            Log-probabilities (N, V_i) of the next image token, and the new state.

        Raises:
            ValueError: all image tokens are there already, a token outside the vocabulary, or a state that was
                stepped from before.
        """
        place, N = int(state["place"][0]), len(state["place"])               # place: image tokens predicted so far
        keys, values, last, written = state["keys"], state["values"], state["last"], state["written"]
        if place == self.image_length:
            raise ValueError(f"DALLETransformer.step: all {place} image tokens of the grid are there already")
        if place == 0:
            keys, values = ([self._with_room(a) for a in kept] for kept in (keys, values))
            written = np.zeros(N, dtype=np.int64)
        else:
            if written[0] != place - 1:
                raise ValueError(f"DALLETransformer.step: this state, of {place} tokens, was stepped from before and written to; "
                                 "to go two ways, take a copy before: tinymm.decode.take(state, rows)")
            written += 1
            at = self.text_length + place - 1                                # of the token just chosen
            _check_tokens("tokens", tokens, 0, self.image_vocab)
            token = Tensor(to_device(tokens[:, None], last.device))

            def attend(i, q, k, v):
                keys[i][:, :, at:at + 1], values[i][:, :, at:at + 1] = k, v
                seen = np.flatnonzero(self.masks[self.kinds[i]][at])
                return F.scaled_dot_product_attention(q, keys[i][:, :, seen], values[i][:, :, seen])

            last = self.hidden(self.embed_image(token, place - 1), attend)[:, 0]                # (N, D)
        state = {"last": last, "keys": keys, "values": values, "place": state["place"] + 1, "written": written}
        return self.image_head(last).log_softmax(-1), state

    def _with_room(self, a: Tensor) -> Tensor:
        """Keys or values of the text (N, h, T, d), with room for those of the image tokens that are inputs."""
        N, h, _, d = a.shape
        return F.cat([a, zeros(N, h, self.image_length - 1, d, dtype=a.dtype, device=a.device)], 2)


def _check_tokens(name: str, tokens: Tensor | np.ndarray, least: int, vocabulary: int) -> None:
    """Raise unless the tokens are integers from ``least`` to ``vocabulary`` - 1."""
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"DALLETransformer: {name} of {tokens.dtype}; it takes integers")
    if min(tokens.shape) and not (least <= int(tokens.min()) and int(tokens.max()) < vocabulary):
        ids = to_numpy(tokens)
        wrong = np.argwhere((ids < least) | (ids >= vocabulary))[0]
        raise ValueError(f"DALLETransformer: {name} has {ids[tuple(wrong)]} at {tuple(wrong.tolist())}; its ids are 0 to "
                         f"{vocabulary - 1}" + (f", and PAD={PAD} where there is no token" if least < 0 else
                                                ", and no text token can stand there"))
