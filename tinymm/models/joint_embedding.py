"""One space for pictures and sentences: what DeViSE, the convolutional sentence encoder and SDT-RNN have in common.

    v = W_I phi_V(x) + b                a picture, one vector
    s = ...                             a sentence, one vector; here the models differ
    score = v^T s                       high where they fit

The loss asks that a pair that belongs together scores better by a margin than pairs that do not, in both directions.
"""

from __future__ import annotations

from typing import Any

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from .order_embedding import ranking_loss
from .word_vectors import small_embedding


class JointEmbedding(nn.Module):
    """Base: the picture's matrix, the words' vectors, the score and the loss. A subclass writes ``sentences``.

    Args:
        features: length of phi_V(x).
        vocabulary: |V|.
        words: length of a word's vector.
        size: D, of the space.
        margin: by how much a right pair shall score better.
        unit: bring both vectors to length 1, so that the score is their cosine.
        pad: the id after the end of a sentence; its vector is zero.
    """

    def __init__(self, features: int, vocabulary: int, words: int, size: int, margin: float, unit: bool = True, pad: int = 0):
        super().__init__()
        self.features, self.margin, self.unit, self.pad = features, margin, unit, pad
        self.W_e = small_embedding(vocabulary, words, pad)
        self.W_I = nn.Linear(features, size)

    def sentences(self, *sentence: Any, **named: Any) -> Tensor:
        """Words (T, C), time first, padded at the end, and what else belongs to them -> (C, D), before they are brought to
        length 1."""
        raise NotImplementedError(f"{type(self).__name__}: sentences is not written")

    def forward(self, f: Tensor, *sentence: Tensor) -> Tensor:
        """Score every picture with every sentence.

        Args:
            f: phi_V of I pictures, (I, features).
            sentence: what ``sentences`` takes, of C sentences.

        Returns:
            (I, C).

        Raises:
            ValueError: shapes that do not fit, a sentence without words.
        """
        if f.ndim != 2 or f.shape[1] != self.features:
            raise ValueError(f"{type(self).__name__}: the pictures' vectors have shape {f.shape}; they must be (I, features="
                             f"{self.features})")
        v, s = self.W_I(f), self.sentences(*sentence)                      # (I, D), (C, D)
        return F.normalize(v, dim=1) @ F.normalize(s, dim=1).T if self.unit else v @ s.T

    def loss(self, f: Tensor, *sentence: Tensor) -> Tensor:
        """Of B pairs, the i-th picture with the i-th sentence: ``ranking_loss`` a pair, a scalar."""
        return ranking_loss(self(f, *sentence), self.margin) / max(1, f.shape[0])

    def inside(self, words: Tensor) -> Tensor:
        """Where words (T, C) are words and not padding, as numbers.

        Raises:
            ValueError: words that are not (T, C), a sentence without words.
        """
        if words.ndim != 2:
            raise ValueError(f"{type(self).__name__}: words have shape {words.shape}; they must be (T, C), time first")
        inside = (words != self.pad).to(dtype=self.W_I.weight.dtype)       # (T, C)
        if not words.shape[0] or bool((inside.sum(0) == 0).any()):
            raise ValueError(f"{type(self).__name__}: a sentence has no words; padding comes after at least one")
        return inside
