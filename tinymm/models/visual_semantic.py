"""Deep visual-semantic alignments (Karpathy and Fei-Fei 2015, section 3.1): regions of images and words of sentences in one space.

    v_i = W_m CNN(I_b) + b_m                          a region of the image, or all of it
    x_t = W_w 1_t                                     a word
    e_t = f(W_e x_t + b_e)
    h^f_t = f(e_t + W_f h^f_{t-1} + b_f)              from the first word on
    h^b_t = f(e_t + W_b h^b_{t+1} + b_b)              from the last word back
    s_t = f(W_d (h^f_t + h^b_t) + b_d)                the word in its sentence; f = relu
    S_kl = sum over t in g_l of max over i in g_k of v_i . s_t
    loss = sum_k [sum_{l != k} max(0, S_kl - S_kk + 1) + sum_{l != k} max(0, S_lk - S_kk + 1)]

The slides leave the recurrent network out. Nothing is normalised, so a word can matter little by being short: with a relu at the
end s_t may be zero. The slide's sums run over l = k, too, which adds 2 K and no gradient. Its two labels stand the other way
round: S_kl - S_kk, with the image k the same, ranks sentences; S_lk - S_kk ranks images.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..backend.arrays import to_device
from ..nn.chunks import in_chunks
from ..ops.checks import as_tensor
from .order_embedding import ranking_loss

SCORES = ("max", "sum")
SENTENCES = 200      # pairs whose words and regions are compared at a time


class BidirectionalEncoder(nn.Module):
    """The words of sentences -> vectors that know the words before and behind them.

    Args:
        vocabulary: |V|.
        words: length of x_t.
        size: D, of e_t, h_t and s_t.
        context: False leaves the recurrent network out: s_t = f(W_d e_t + b_d).
        pad: the id after the end of a sentence; below 0 it counts from the end of the vocabulary.
    """

    def __init__(self, vocabulary: int, words: int = 64, size: int = 64, context: bool = True, pad: int = 0):
        super().__init__()
        self.context = context
        self.W_w = nn.Embedding(vocabulary, words, padding_idx=pad)
        self.pad = pad % vocabulary                    # -1 is the last word, as it is to the embedding
        self.W_e = nn.Linear(words, size)
        if context:
            self.W_f, self.W_b = nn.Linear(size, size), nn.Linear(size, size)
            with no_grad():                            # half of what is known is passed on, as it is
                for W in (self.W_f, self.W_b):
                    W.weight[...] = Tensor(np.eye(size, dtype=W.weight.dtype) / 2)
                    W.bias[...] = 0
        self.W_d = nn.Linear(size, size)

    def forward(self, S: Tensor) -> tuple[Tensor, Tensor]:
        """s (T, L, D), and which words there are (T, L) booleans.

        Args:
            S: (T, L) integers, up to T words of L sentences, time first, padded at the end.

        Raises:
            ValueError: words of another shape, no step, a sentence without words, a pad before a word.
            TypeError: S is no Tensor of integers.
            IndexError: a word outside of the vocabulary.
        """
        if as_tensor("BidirectionalEncoder", "S", S).ndim != 2 or not S.shape[0]:
            raise ValueError(f"BidirectionalEncoder: S has shape {S.shape}; it must be (T, L), time first, T at least 1")
        inside = S != self.pad                                             # (T, L)
        ids = inside.cpu().numpy()
        if not ids[0].all():
            raise ValueError(f"BidirectionalEncoder: S[:, {int(ids[0].argmin())}] begins with the pad {self.pad}; a sentence "
                             "has at least one word, and is padded at its end: leave empty ones out")
        if (ids[1:] & ~ids[:-1]).any():
            t, l = (int(i[0]) for i in np.nonzero(ids[1:] & ~ids[:-1]))
            raise ValueError(f"BidirectionalEncoder: S[{t}, {l}] is the pad {self.pad}, and a word follows; pad at the end")
        e = F.relu(self.W_e(self.W_w(S)))                                  # (T, L, D)
        if self.context:
            e = self._read(e, ids.sum(0))
        return F.relu(self.W_d(e)), inside

    def _read(self, e: Tensor, lengths: np.ndarray) -> Tensor:
        """h^f_t + h^b_t of the words that are there, (T, L, D), from zeros on; e_t is added as it is, without weights."""
        T, L, D = e.shape
        params = [None, self.W_f.weight, None, self.W_f.bias, None, self.W_b.weight, None, self.W_b.bias]
        start = Tensor(to_device(np.zeros((2, L, D), e.dtype), e.device))
        h, _ = F.rnn_relu(e, start, params, True, 1, 0.0, self.training, True, False, lengths=lengths)   # (T, L, 2 D)
        return h.reshape(T, L, 2, D).sum(2)


class VisualSemanticAlignment(nn.Module):
    """Scores of images and sentences, learnt from pairs; which word is about which region comes of it.

    Args:
        features: length of CNN(I_b).
        vocabulary: |V|.
        size: D, of the common space.
        words: length of a word's vector x_t.
        context: False for words without the recurrent network.
        score: "max", S_kl as above; "sum", the older sum_t sum_i max(0, v_i . s_t) of DeFrag, without its norm. A pair whose
            products are all below 0 has no gradient by the sum, and stays at 0.
        margin: by how much a right pair shall score better.
        pad: the id after the end of a sentence.

    Raises:
        ValueError: another score.
    """

    def __init__(self, features: int, vocabulary: int, size: int = 64, words: int = 64, context: bool = True, score: str = "max",
                 margin: float = 1.0, pad: int = 0):
        super().__init__()
        if score not in SCORES:
            raise ValueError(f"VisualSemanticAlignment: score={score!r}; choose from {', '.join(SCORES)}")
        self.features, self.score, self.margin = features, score, margin
        self.W_m = nn.Linear(features, size)
        self.encoder = BidirectionalEncoder(vocabulary, words, size, context, pad)

    def regions(self, phi: Tensor, inside: Tensor | None = None) -> Tensor:
        """v (K, M, D) of CNN(I_b).

        Args:
            phi: (K, M, features).
            inside: (K, M) booleans; what phi holds where no region is does not matter then, and v is b_m there.

        Raises:
            ValueError: features of another shape, no region, a number in phi that is not finite.
        """
        if phi.ndim != 3 or phi.shape[2] != self.features or not phi.shape[1]:
            raise ValueError(f"VisualSemanticAlignment: phi has shape {phi.shape}; it must be (K, M, features={self.features}), M "
                             "at least 1")
        if inside is not None and not inside.all():
            phi = F.where(inside.unsqueeze(2), phi, 0.0)
        wrong = ~F.isfinite(phi).all(2).cpu().numpy()                      # (K, M)
        if wrong.any():
            k, i = (int(n[0]) for n in np.nonzero(wrong))
            raise ValueError(f"VisualSemanticAlignment: phi[{k}, {i}] has numbers that are NaN or infinite")
        return self.W_m(phi)

    def forward(self, phi: Tensor, inside, S: Tensor) -> Tensor:
        """S_kl of every image with every sentence.

        Args:
            phi: (K, M, features), up to M regions of K images.
            inside: (K, M) booleans, which regions are there.
            S: (T, L) integers, up to T words of L sentences, time first, padded at the end.

        Returns:
            (K, L).

        Raises:
            ValueError: shapes that do not fit, an image without regions, a sentence without words, scores that are not finite.
        """
        there = _there(phi, inside)                                        # (K, M)
        v = self.regions(phi, there)                                       # (K, M, D)
        s, words = self.encoder(S)                                         # (T, L, D), (T, L)
        if self.score == "max":
            scores = F.region_word_scores(v, s, there, words)
        else:
            found = F.relu(F.einsum("kmd,tld->kmtl", v, s))                # (K, M, T, L)
            scores = F.where(there[:, :, None, None] & words, found, 0.0).sum((1, 2))
        if not F.isfinite(scores).all():                                   # a relu network can grow without bound
            raise ValueError("VisualSemanticAlignment: scores are NaN or infinite; v or s are, or are too large to be multiplied")
        return scores

    def loss(self, phi: Tensor, inside, S: Tensor) -> Tensor:
        """Of B pairs, image k with sentence k: the two-sided hinge without the diagonal (``ranking_loss``), a pair; a scalar.

        All other pairs of the batch count as wrong. A sentence that stands in it twice, or an image, costs 4 margins / B that
        nothing can remove, and has no gradient while the scores of both pairs differ by less than the margin.
        """
        return ranking_loss(self(phi, inside, S), self.margin) / max(1, phi.shape[0])

    def word_scores(self, phi: Tensor, inside, S: Tensor) -> np.ndarray:
        """v_i . s_t of K pairs, image k with sentence k, for ``decode.align``; without gradients.

        Args:
            phi, inside, S: as in ``forward``, L = K.

        Returns:
            (K, T, M), -inf where a region is not there. Those of words behind a sentence's end mean nothing.

        Raises:
            ValueError: shapes that do not fit, other numbers of images and sentences.
        """
        there = _there(phi, inside)
        if as_tensor("VisualSemanticAlignment", "S", S).ndim != 2 or S.shape[1] != phi.shape[0]:
            raise ValueError(f"VisualSemanticAlignment.word_scores: phi has shape {phi.shape} and S {S.shape}; image k goes with "
                             "sentence k: they must be (K, M, features) and (T, K)")

        def some(rows: range) -> np.ndarray:
            k = slice(rows.start, rows.stop)
            s, _ = self.encoder(S[:, k])
            found = F.einsum("kmd,tkd->ktm", self.regions(phi[k], there[k]), s)
            return F.where(there[k].unsqueeze(1), found, -np.inf).cpu().numpy()

        return np.concatenate(in_chunks(some, max(1, phi.shape[0]), SENTENCES))


def _there(phi: Tensor, inside) -> Tensor:
    """``inside`` as booleans (K, M) on the device of phi."""
    array = inside.cpu().numpy() if isinstance(inside, Tensor) else np.asarray(inside)
    if phi.ndim != 3 or array.shape != phi.shape[:2] or not np.isin(array, (0, 1)).all():
        raise ValueError(f"VisualSemanticAlignment: inside has shape {array.shape} and dtype {array.dtype} for phi of shape "
                         f"{phi.shape}; it must be booleans (K, M), phi (K, M, features)")
    if not array.any(1).all():
        raise ValueError(f"VisualSemanticAlignment: inside[{int(array.any(1).argmin())}] hides all regions of an image; it must "
                         "have at least one")
    return Tensor(to_device(array.astype(bool), phi.device))
