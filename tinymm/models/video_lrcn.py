"""LRCN for video description (Donahue et al. 2015, section 6): a CRF's labels of a clip go in, a sentence comes out.

A clip has S labels, one a slot (activity, object, tool, place). p (sum K_s) are their probabilities side by side: one-hots for the
CRF's maximum, or its marginals. The paper's three systems are two architectures:

    (a) encoder-decoder      the S labels one after the other into an LSTM, whose last state is the first of the decoder's
    (b), (c) decoder         h_t, c_t = LSTM([W_e w_{t-1}; p], h_{t-1}, c_{t-1})        p is seen at every step
                             P(w_t) = softmax(W_zc h_t + b_c)

(b) has the maximum's one-hots for p and (c) the marginals; nothing else differs, and where the CRF is certain they are the same.
(a) takes marginals, too: at step s the LSTM sees the probabilities of slot s, and zeros in the places of the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import nn
from ..autograd import Tensor
from ..autograd.integers import integers
from ..backend.arrays import to_device
from .label_slots import checked_probabilities, slot_offsets
from .lrcn import CaptionLRCN, VideoLRCN

ARCHITECTURES = ("encoder-decoder", "decoder")


class VideoDescriber(nn.Module):
    """A sentence from the probabilities of labels.

    Args:
        sizes: K_1, ..., K_S: values of each slot.
        vocabulary: |V|, number of words.
        architecture: "encoder-decoder" or "decoder".
        embedding: length of a word's vector.
        hidden: units of each LSTM.
        pad: the id after the end of a sentence.

    Raises:
        ValueError: an unknown architecture, a slot without values.
    """

    def __init__(self, sizes: Sequence[int], vocabulary: int, architecture: str = "decoder", embedding: int = 128,
                 hidden: int = 128, pad: int = 0):
        super().__init__()
        if architecture not in ARCHITECTURES:
            raise ValueError(f"VideoDescriber: architecture={architecture!r}; choose from {', '.join(ARCHITECTURES)}")
        self.sizes = integers("VideoDescriber", "sizes", tuple(sizes), 1)
        self.architecture, width = architecture, sum(self.sizes)
        self.lrcn: CaptionLRCN | VideoLRCN
        if architecture == "decoder":
            self.lrcn = CaptionLRCN(width, vocabulary, "1u", embedding, hidden, pad)
        else:
            self.lrcn = VideoLRCN(width, vocabulary, embedding, hidden, pad)
        self._places = np.zeros((len(self.sizes), width), bool)   # (S, sum K_s), where each slot stands
        for row, start, size in zip(self._places, slot_offsets(self.sizes), self.sizes):
            row[start:start + size] = True

    def inputs(self, p: Tensor) -> Tensor:
        """What the LSTMs are shown of p (B, sum K_s): p itself, or (S, B, sum K_s), a slot after the other.

        Raises:
            ValueError: another shape; probabilities that are negative or do not sum to 1 in each slot.
        """
        checked_probabilities("VideoDescriber", p, self.sizes)
        if self.architecture == "decoder":
            return p
        return p * Tensor(to_device(self._places[:, None].astype(p.dtype), p.device))

    def forward(self, p: Tensor, S: Tensor) -> Tensor:
        """Predict each word of given sentences from the labels and the words before it.

        Args:
            p: (B, sum K_s) probabilities, the slots side by side.
            S: (T, B) integers, the words before each step, the start word first, padded at the end.

        Returns:
            Logits (T, B, |V|).

        Raises:
            ValueError: shapes that do not fit; probabilities that are negative or do not sum to 1 in each slot.
        """
        return self.lrcn(self.inputs(p), S)

    def start(self, p: Tensor) -> tuple:
        """The state before the first word, for ``step``, from p (B, sum K_s) as in ``forward``."""
        return self.lrcn.start(self.inputs(p))

    def step(self, tokens: np.ndarray, state: tuple) -> tuple[Tensor, tuple]:
        """One step of decoding, for ``tinymm.decode``: log-probabilities (N, |V|) of the next word, and the new state."""
        return self.lrcn.step(tokens, state)
