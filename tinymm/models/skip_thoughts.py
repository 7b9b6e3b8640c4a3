"""Skip-thoughts (Kiros et al. 2015): a sentence's code is what foretells its neighbours.

The paper's equations, symbol for symbol (w_i^1 ... w_i^N are the words of sentence s_i):

    h_i = GRU(E w_i^1 ... E w_i^N), after its last word                                                    encoder
    h_{i+1}^t = GRU(E w_{i+1}^{t-1}, h_{i+1}^{t-1}),   h_{i+1}^0 = h_i                                       decoder
    P(w_{i+1}^t | w_{i+1}^{<t}, h_i) ~ exp(v_w . h_{i+1}^t)                                                 next word
    sum_t log P(w_{i+1}^t | w_{i+1}^{<t}, h_i) + sum_t log P(w_{i-1}^t | w_{i-1}^{<t}, h_i)                 objective

One decoder for the next sentence, one for the previous, with weights of their own; word vectors E and the softmax's rows v_w are
theirs together. The paper gives the code to each gate at each step; the code that Ba, Kiros and Hinton (2016, section 6.3) ran, and
this one, as the first state only. With norm="layer" the three GRUs are layer-normalised; the softmax is not.
"""

from __future__ import annotations

import dataclasses

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..nn import init
from .checks import check_norm, check_words

NORMS = {"none": nn.GRU, "layer": nn.LayerNormGRU}


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbours:
    """What a code foretells; B sentences.

    Attributes:
        previous: (P, B, V) logits of the words of the sentences before.
        next: (N, B, V) logits of those after.
    """

    previous: Tensor
    next: Tensor


class SkipThoughts(nn.Module):
    """Encoder and two decoders.

    Args:
        vocabulary: V, number of words.
        embedding: length of a word vector.
        hidden: units of each GRU, the length of a code.
        norm: "none", or "layer" for layer-normalised GRUs.
        pad: the id after the end of a sentence; its vector is zero.

    Raises:
        ValueError: an unknown norm.
    """

    def __init__(self, vocabulary: int, embedding: int = 48, hidden: int = 64, norm: str = "none", pad: int = 0):
        super().__init__()
        check_norm("SkipThoughts", norm, NORMS)
        self.norm, self.pad = norm, pad
        self.E = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.encoder, self.previous, self.next = (NORMS[norm](embedding, hidden) for _ in range(3))
        self.V = nn.Linear(hidden, vocabulary)
        with no_grad():
            init.uniform_(self.E.weight, -0.1, 0.1)   # as the paper's
            self.E.weight[pad] = 0

    def encode(self, s: Tensor, lengths: Tensor) -> Tensor:
        """The codes h_i (B, hidden) of sentences.

        Args:
            s: (T, B) integers, padded at the end.
            lengths: (B,) integers, the words of each, at least 1.

        Raises:
            ValueError: shapes that do not fit, a length below 1 or beyond the words there are.
        """
        check_words("SkipThoughts", s, lengths, "s")
        _, h = self.encoder(self.E(s), lengths=lengths)
        return h.reshape(s.shape[1], self.V.in_features)                                   # (B, H)

    def decode(self, decoder: nn.Module, h: Tensor, words: Tensor) -> Tensor:
        """Logits (T, B, V) of each next word, given the code h (B, H) and the words so far (T, B), <start> first."""
        h_0 = h[None] if self.norm == "none" else h                        # nn.GRU counts its layers
        out, _ = decoder(self.E(words), h_0)                               # (T, B, H)
        return self.V(out)

    def forward(self, s: Tensor, lengths: Tensor, previous: Tensor, next: Tensor) -> Neighbours:
        """Foretell given neighbours, word by word.

        Args:
            s: (T, B) integers, the sentences, padded at the end.
            lengths: (B,) integers, the words of each, at least 1.
            previous: (P, B) integers: the words of the sentences before, <start> first.
            next: (N, B) integers, those after.

        Raises:
            ValueError: shapes that do not fit.
        """
        for name, words in (("previous", previous), ("next", next)):
            if words.ndim != 2 or words.shape[1] != s.shape[-1]:
                raise ValueError(f"SkipThoughts: {name} has shape {words.shape} and s {s.shape}; they must be (steps, B), the same "
                                 "B, time first")
        h = self.encode(s, lengths)
        return Neighbours(self.decode(self.previous, h, previous), self.decode(self.next, h, next))


def skip_thoughts_loss(found: Neighbours, previous: Tensor, next: Tensor, pad: int = 0) -> tuple[Tensor, Tensor]:
    """-log P in nats a word of the sentences before, and of those after; what is learned is their sum.

    Args:
        found: of a ``SkipThoughts``.
        previous: (P, B) integers, the words to foretell, their end included; ``pad`` after it.
        next: (N, B) integers, likewise.

    Raises:
        ValueError: words of another shape than the logits.
    """
    for name, logits, words in (("previous", found.previous, previous), ("next", found.next, next)):
        if words.shape != logits.shape[:2]:
            raise ValueError(f"skip_thoughts_loss: {name} has shape {words.shape} and its logits {logits.shape}; they must be "
                             "(steps, B) and (steps, B, V), time first")
    nats = lambda logits, words: F.cross_entropy(logits.reshape(-1, logits.shape[-1]), words.reshape(-1), ignore_index=pad)
    return nats(found.previous, previous), nats(found.next, next)
