"""The attentive reader (Hermann et al. 2015, section 3.3): it reads a question, then looks through the story for it.

The paper's equations, symbol for symbol (t counts the words of the story):

    y_d(t) = LSTM(E d_1 ... E d_t)         u = LSTM(E q_1 ... E q_Q), after its last word             reading
    m(t) = tanh(W_ym y_d(t) + W_um u)      s(t) ~ exp(w_ms . m(t))                                    attention
    r = sum_t s(t) y_d(t)                                                                             what was found
    g = tanh(W_rg r + W_ug u)              p(a | d, q) ~ exp(W g)                                     answer

The paper reads in both directions; the reader that Ba, Kiros and Hinton (2016, section 6.2) normalise is the same. Here both
LSTMs read forward, and a word of the story knows what came before it. W has a row for each entity, not for each word.
With norm="layer" both LSTMs are layer-normalised; nothing else is. Words start at N(0, 1), as nn.Embedding has them: from
within +-0.08, as the captioners' start, either system stays for long where one clue alone leads (lecture 5, task b).
"""

from __future__ import annotations

import dataclasses

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from ..autograd.creation import arange
from .checks import check_norm, check_words

NORMS = {"none": nn.LSTM, "layer": nn.LayerNormLSTM}


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """What the reader makes of a batch; B stories of at most T words.

    Attributes:
        logits: (B, entities), before the softmax over answers.
        s: (B, T), the attention; it sums to 1 over a story's words and is 0 after its end.
    """

    logits: Tensor
    s: Tensor


class AttentiveReader(nn.Module):
    """The attentive reader.

    Args:
        vocabulary: number of words.
        entities: number of answers.
        embedding: length of a word vector.
        hidden: units of each LSTM, and of m and g.
        norm: "none", or "layer" for layer-normalised LSTMs.
        pad: the id after the end of a story or a question; its vector is zero.

    Raises:
        ValueError: an unknown norm.
    """

    def __init__(self, vocabulary: int, entities: int, embedding: int = 64, hidden: int = 64, norm: str = "none", pad: int = 0):
        super().__init__()
        check_norm("AttentiveReader", norm, NORMS)
        self.norm = norm
        self.E = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.document, self.query = NORMS[norm](embedding, hidden), NORMS[norm](embedding, hidden)
        self.W_ym, self.W_um = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.w_ms = nn.Linear(hidden, 1, bias=False)
        self.W_rg, self.W_ug = nn.Linear(hidden, hidden, bias=False), nn.Linear(hidden, hidden)
        self.W = nn.Linear(hidden, entities)

    def forward(self, d: Tensor, q: Tensor, d_lengths: Tensor, q_lengths: Tensor) -> Reading:
        """Read stories and questions.

        Args:
            d: (T, B) integers, the words of the stories, padded at the end.
            q: (Q, B) integers, those of the questions.
            d_lengths, q_lengths: (B,) integers, the words of each, at least 1.

        Raises:
            ValueError: shapes that do not fit, a length below 1 or beyond the words there are.
        """
        check_words("AttentiveReader", d, d_lengths, "d", of_lengths="d_lengths")
        check_words("AttentiveReader", q, q_lengths, "q", d.shape[1], "q_lengths")
        y_d, _ = self.document(self.E(d), lengths=d_lengths)               # (T, B, H)
        _, (u, _) = self.query(self.E(q), lengths=q_lengths)
        u = u.reshape(d.shape[1], self.W.in_features)                                      # (B, H)
        y_d = y_d.transpose(0, 1)                                          # (B, T, H)
        e = F.additive_attention_score(self.W_um(u), self.W_ym(y_d), self.w_ms.weight[0])   # (B, T)
        padded = arange(d.shape[0], device=d.device) >= d_lengths[:, None]   # (B, T)
        s = e.masked_fill(padded, -float("inf")).softmax(-1)               # (B, T)
        r = (s[:, None] @ y_d).squeeze(1)                                  # (B, H)
        g = (self.W_rg(r) + self.W_ug(u)).tanh()                           # (B, H)
        return Reading(self.W(g), s)
