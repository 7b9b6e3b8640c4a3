"""DeViSE (Frome et al. 2013): the vector of a text against a linear map of the picture.

    s = (1/T) sum_t W_e w_t                     the mean of the word vectors
    v = M phi_V(x)                              a linear map of the picture
    score = v^T s / (|v| |s|)
    loss = sum over wrong sentences of max(0, margin - score + wrong score), and over wrong pictures

The paper has one word for a picture, whose vector a language model taught before, and the first sum alone. For sentences it
was taken up as here: the mean of the words, learnt with M. A mean does not know the order of the words: "a star above a disc"
and "a disc above a star" are one point.
"""

from __future__ import annotations

from ..autograd import Tensor
from .joint_embedding import JointEmbedding


class DeViSE(JointEmbedding):
    """The mean word vector, and M.

    Args:
        features: length of phi_V(x).
        vocabulary: |V|.
        size: D, of a word's vector and of the space.
        margin: by how much a right pair shall score better, 0.1 in the paper.
        pad: the id after the end of a sentence.
    """

    def __init__(self, features: int, vocabulary: int, size: int = 128, margin: float = 0.1, pad: int = 0):
        super().__init__(features, vocabulary, size, size, margin, pad=pad)

    def sentences(self, words: Tensor) -> Tensor:
        """Words (T, C) -> (C, D)."""
        inside = self.inside(words)                                        # (T, C)
        return (self.W_e(words) * inside[:, :, None]).sum(0) / inside.sum(0)[:, None]
