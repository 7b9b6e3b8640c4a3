"""Order embeddings of pictures and sentences (Vendrov, Kiros, Fidler and Urtasun 2016), on a plain or layer-normalised GRU.

A picture and what is said of it lie in one space, both of length 1 and without negative coordinates. A sentence says less than
its picture shows, so it shall lie nowhere above it:

    E(s, im) = || max(0, s - im) ||^2          0 exactly where s <= im in every coordinate

The loss asks that a pair that belongs together has an E smaller by a margin than pairs that do not, in both directions.
The symmetric baseline scores with the cosine, whose coordinates keep their signs.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F, nn
from ..autograd import Tensor
from .checks import check_norm, check_words

MARGIN = {"order": 0.05, "cosine": 0.2}   # as published


def order_violation(s: Tensor, im: Tensor) -> Tensor:
    """E of every sentence and every picture: how far s <= im is from true.

    Args:
        s: (N, D) sentences.
        im: (M, D) pictures.

    Returns:
        (N, M), at least 0.

    Raises:
        ValueError: shapes that do not fit.
    """
    if s.ndim != 2 or im.ndim != 2 or s.shape[1] != im.shape[1]:
        raise ValueError(f"order_violation: s has shape {s.shape} and im {im.shape}; they must be (N, D) and (M, D)")
    return (F.relu(s.unsqueeze(1) - im.unsqueeze(0)) ** 2).sum(2)   # (N, M, D) -> (N, M)


def ranking_loss(scores: Tensor, margin: float) -> Tensor:
    """sum over wrong pairs of max(0, margin - right score + wrong score), in both directions.

    Args:
        scores: (B, B), the right pairs on the diagonal; -E for order embeddings.
        margin: by how much a right pair shall be better.

    Returns:
        A scalar, the sum over the 2 B (B - 1) comparisons.

    Raises:
        ValueError: scores that are no square.
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"ranking_loss: scores has shape {scores.shape}; it must be (B, B), the right pairs on the diagonal")
    wrong = Tensor(1 - np.eye(len(scores), dtype=scores.dtype)).to(scores.device)
    right = (scores * (1 - wrong)).sum(1)                               # (B,)
    of_sentence = F.relu(margin - right.unsqueeze(1) + scores)          # (B, B) the other pictures of a sentence
    of_picture = F.relu(margin - right.unsqueeze(0) + scores)           # (B, B) the other sentences of a picture
    return ((of_sentence + of_picture) * wrong).sum()


class OrderEmbedding(nn.Module):
    """A GRU for sentences, one matrix for the features of pictures, and a score for each pair.

    Args:
        vocabulary: number of words, with 0 for the end and 1 for unknown ones.
        features: F, numbers a picture.
        words: size of a word's vector.
        size: D, of the space.
        norm: "none", or "layer" for a layer-normalised GRU.
        score: "order", or "cosine" for the symmetric baseline.

    Raises:
        ValueError: another norm or score.
    """

    def __init__(self, vocabulary: int, features: int, words: int = 48, size: int = 96, norm: str = "none",
                 score: str = "order"):
        super().__init__()
        check_norm("OrderEmbedding", norm)
        if score not in MARGIN:
            raise ValueError(f"OrderEmbedding: score={score!r}; choose 'order' or 'cosine'")
        self.score, self.size = score, size
        self.embedding = nn.Embedding(vocabulary, words)
        self.gru = nn.LayerNormGRU(words, size) if norm == "layer" else nn.GRU(words, size)
        self.picture = nn.Linear(features, size)

    def encode_sentences(self, words: Tensor, lengths) -> Tensor:
        """Words (T, B) and the lengths (B,), their ends counted, so at least 1 -> (B, D) of length 1."""
        check_words("OrderEmbedding", words, lengths, "words")
        _, h = self.gru(self.embedding(words), lengths=lengths)         # h^T: (1, B, D) or (B, D)
        return self._placed(h.reshape(-1, self.size))

    def encode_pictures(self, features: Tensor) -> Tensor:
        """(B, F) -> (B, D) of length 1."""
        return self._placed(self.picture(features))

    def _placed(self, x: Tensor) -> Tensor:
        x = F.normalize(x, dim=1)
        return x.abs() if self.score == "order" else x

    def scores(self, s: Tensor, im: Tensor) -> Tensor:
        """Sentences (N, D) and pictures (M, D) -> (N, M), higher where they fit."""
        return -order_violation(s, im) if self.score == "order" else s @ im.T

    def loss(self, words: Tensor, lengths, features: Tensor) -> Tensor:
        """Of B pairs: words (T, B), lengths (B,), features (B, F)."""
        scores = self.scores(self.encode_sentences(words, lengths), self.encode_pictures(features))
        return ranking_loss(scores, MARGIN[self.score])
