"""m-RNN (Mao et al. 2014): a recurrent layer that reads the sentence, and a multimodal layer where it meets the picture.

    w(t) = W_2 (W_1 w_t) + b_w                            two layers of word vectors
    r(t) = f(U_r r(t-1) + w(t))                           f = relu, r(0) = 0
    m(t) = g(V_w w(t) + V_r r(t) + V_I I + b_m)           g(x) = 1.7159 tanh(2 x / 3)
    p(w_{t+1}) = softmax(W_m m(t) + b)

The picture I is shown at each step, and not to the recurrent layer: r(t) is a language model's, the same for all pictures.
In LRCN's words it is factored, as 2f is.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..backend.arrays import to_device
from ..nn.chunks import in_chunks
from .lrcn import FLOOR
from .checks import check_sentences, checked_mask
from .word_vectors import small_embedding

PAIRS = 20_000       # words of pairs of a picture and a caption that are scored at a time


class MultimodalRNN(nn.Module):
    """Static -> sequence: a caption, by a recurrent and a multimodal layer.

    Args:
        features: length of I.
        vocabulary: |V|.
        embedding: length of the first word vectors.
        hidden: of w(t) and r(t).
        multimodal: of m(t).
        pad: the id after the end of a sentence; its vector is zero.
    """

    def __init__(self, features: int, vocabulary: int, embedding: int = 64, hidden: int = 128, multimodal: int = 128, pad: int = 0):
        super().__init__()
        self.features, self.vocabulary, self.pad = features, vocabulary, pad
        self.W_1 = small_embedding(vocabulary, embedding, pad)
        self.W_2 = nn.Linear(embedding, hidden)
        self.U_r = nn.Linear(hidden, hidden, bias=False)
        self.V_w = nn.Linear(hidden, multimodal)                           # with b_m
        self.V_r = nn.Linear(hidden, multimodal, bias=False)
        self.V_I = nn.Linear(features, multimodal, bias=False)
        self.W_m = nn.Linear(multimodal, vocabulary)

    def forward(self, f: Tensor, S: Tensor) -> Tensor:
        """Predict each word of given sentences from the picture and the words before it.

        Args:
            f: I, (B, features).
            S: (T, B) integers: the start word first, padded at the end.

        Returns:
            Logits (T, B, |V|) of the words after each.

        Raises:
            ValueError: shapes that do not fit, no steps.
        """
        self._check(f)
        check_sentences("MultimodalRNN", S, f.shape[0])
        return self.words(self.read(S) + self.V_I(f))

    def read(self, S: Tensor) -> Tensor:
        """V_w w(t) + V_r r(t) + b_m of words (T, B), without a picture: (T, B, M)."""
        w = self.W_2(self.W_1(S))                                          # (T, B, H)
        r = [F.relu(w[0])]
        for w_t in w[1:]:
            r.append(F.relu(self.U_r(r[-1]) + w_t))                        # (B, H)
        return self.V_w(w) + self.V_r(F.stack(r))

    def words(self, x: Tensor) -> Tensor:
        """Logits (..., |V|) from what goes into the multimodal layer, (..., M)."""
        return self.W_m(1.7159 * (x * (2 / 3)).tanh())

    def start(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """The state before the first word, for ``step``: V_I I and r(0)."""
        self._check(f)
        return self.V_I(f), Tensor(to_device(np.zeros((f.shape[0], self.U_r.in_features), f.dtype), f.device))

    def step(self, tokens: np.ndarray, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step of decoding, for ``tinymm.decode``: log-probabilities (N, |V|) of the next word, and the new state.

        Args:
            tokens: (N,) the words just said, the start word at first.
            state: as ``start`` gives it.
        """
        picture, r = state
        w = self.W_2(self.W_1(Tensor(to_device(np.asarray(tokens), r.device))))   # (N, H)
        r = F.relu(self.U_r(r) + w)
        return self.words(self.V_w(w) + self.V_r(r) + picture).log_softmax(-1), (picture, r)

    def log_likelihoods(self, f: Tensor, S: Tensor, mask) -> np.ndarray:
        """log p(caption | picture) of every picture with every caption, as ``CaptionLRCN.log_likelihoods``.

        Args:
            f: of I pictures, (I, features).
            S: (T + 1, C) integers: the start word, then the T words of C captions, padded.
            mask: (T, C) booleans: which of the T words count; or (K, T, C) for K sums at once.

        Returns:
            (I, C) or (K, I, C) float64.

        Raises:
            ValueError: shapes that do not fit, no pictures.
        """
        self._check(f)
        mask = checked_mask("MultimodalRNN.log_likelihoods", S, mask)
        if not f.shape[0]:
            raise ValueError("MultimodalRNN.log_likelihoods: there are no pictures; give at least one")
        said = S[1:].cpu().numpy()                                         # (T, C)
        step, caption = np.nonzero(mask if mask.ndim == 2 else mask.any(0))   # (N,): the words that count
        target = said[step, caption]
        with no_grad():
            read = Tensor(self.read(S[:-1]).cpu().numpy()[step, caption]).to(f.device)         # (N, M)
            pictures = self.V_I(f)                                         # (I, M)

        def some(rows: range) -> np.ndarray:
            log_p = self.words(read + pictures[rows.start:rows.stop, None]).log_softmax(-1).cpu().numpy()   # (n, N, |V|)
            every = np.zeros((len(rows), *said.shape))                     # (n, T, C)
            every[:, step, caption] = np.maximum(log_p[:, np.arange(len(target)), target], np.log(FLOOR))
            return np.einsum("...tc,ntc->...nc", mask, every)

        return np.concatenate(in_chunks(some, f.shape[0], max(1, PAIRS // max(1, len(step)))), axis=-2)

    def _check(self, f: Tensor) -> None:
        if f.ndim != 2 or f.shape[1] != self.features:
            raise ValueError(f"MultimodalRNN: the pictures' vectors have shape {f.shape}; they must be (B, features="
                             f"{self.features})")
