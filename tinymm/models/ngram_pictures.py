"""Visual N-Grams from pixels: CLIP's kind of picture tower, whose features predict phrases, to compare both
on equal terms."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ..autograd import Tensor
from ..text.ngram_dictionary import NGramDictionary
from .clip import ModifiedResNet
from .visual_ngrams import VisualNGrams


class NGramPictures(nn.Module):
    """A picture tower and the phrases of a dictionary.

    It learns by the naive loss. The smoothed one has no lower bound, since ratios of two phrases'
    probabilities may exceed 1. Names are scored with smoothing, without which those of unseen pairs would
    have no score.

    Args:
        dictionary: of the phrases.
        layers, heads, width: of the tower, as for ``ModifiedResNet``.
        embedding: d, length of a picture's features and a phrase's embedding.
        resolution: R, pixels a side of a picture.
    """

    def __init__(self, dictionary: NGramDictionary, layers: Sequence[int], embedding: int, heads: int, resolution: int, width: int):
        super().__init__()
        self.tower = ModifiedResNet(layers, embedding, heads, resolution, width)
        self.tower.initialize_parameters()
        self.ngrams = VisualNGrams(embedding, dictionary)

    def forward(self, images: Tensor) -> Tensor:
        """phi: (N, 3, R, R) -> (N, d)."""
        return self.tower(images)
