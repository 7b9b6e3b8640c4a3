"""A convolutional network for sentences, and one linear map for pictures, in one space.

    c_t = relu(W [x_{t-1}; x_t; x_{t+1}] + b)   each window of three words; beyond the sentence there are zeros
    s = W_s max_t c_t + b_s                     the strongest answer of each filter in the whole sentence
    v = W_I phi_V(x) + b_I
    score = v^T s / (|v| |s|)

Convolution and maximum over time are those of Kalchbrenner et al. (2014), with one layer and one maximum; space, cosine and
loss those of Kiros et al. (2014). A window knows the order of neighbours: "disc above" and "above disc" are different.
"""

from __future__ import annotations

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from .joint_embedding import JointEmbedding


class ConvSentence(JointEmbedding):
    """Windows of words, the maximum over time, and a score.

    Args:
        features: length of phi_V(x).
        vocabulary: |V|.
        words: length of a word's vector.
        filters: of the convolution.
        size: D, of the space.
        window: words that a filter sees, an odd number.
        margin: by how much a right pair shall score better, 0.2 in Kiros et al.
        pad: the id after the end of a sentence.

    Raises:
        ValueError: an even window.
    """

    def __init__(self, features: int, vocabulary: int, words: int = 64, filters: int = 256, size: int = 128, window: int = 3,
                 margin: float = 0.2, pad: int = 0):
        super().__init__(features, vocabulary, words, size, margin, pad=pad)
        if window % 2 == 0:
            raise ValueError(f"ConvSentence: window={window} has no word in its middle; give an odd number")
        self.conv = nn.Conv1d(words, filters, window, padding=window // 2)
        self.W_s = nn.Linear(filters, size)

    def sentences(self, words: Tensor) -> Tensor:
        """Words (T, C) -> (C, D)."""
        inside = self.inside(words)                                        # (T, C)
        x = (self.W_e(words) * inside[:, :, None]).permute(1, 2, 0)        # (C, E, T)
        c = F.relu(self.conv(x)) * inside.T[:, None]                       # (C, filters, T), 0 after the end
        return self.W_s(c.amax(2))
