"""Long-term Recurrent Convolutional Networks (Donahue et al. 2015): one recurrent network, folded in three ways.

    phi_t = phi_V(x_t)                                       what the CNN says of an input
    (x_t, h_{t-1}) -> (z_t, h_t)                             the recurrent network f_W, the same weights at every step
    P(y_t = c) = softmax(W_zc z_t + b_c)_c                   at every step

    ActivityLRCN    sequence -> label       <x_1 ... x_T> -> y                 the mean of the steps' probabilities decides
    CaptionLRCN     static -> sequence      x -> <y_1 ... y_T>                 x is shown at every step
    VideoLRCN       sequence -> sequence    <x_1 ... x_T> -> <y_1 ... y_T'>    an encoder hands its last state to a decoder

The two networks f_W of the slides, with g = tanh:

    RNN     h_t = g(W_xh x_t + W_hh h_{t-1} + b_h)           z_t = g(W_hz h_t + b_z)
    LSTM    i_t, f_t, o_t = sigma(W_x. x_t + W_h. h_{t-1} + b_.)     g_t = tanh(W_xc x_t + W_hc h_{t-1} + b_c)
            c_t = f_t * c_{t-1} + i_t * g_t                  h_t = o_t * tanh(c_t)          z_t = h_t

The slide's Pr(y_t) = softmax(...) is the vector of all classes' probabilities; its phi in the LSTM's equations is tanh, and
not the CNN phi_V; and it leaves g open. cont_t is 0 where a new sequence starts in a stream and 1 elsewhere: it cuts
h_{t-1} and c_{t-1} off, so that no sequence, and no gradient, sees the one before. Gates are stored in the library's order
i, f, g, o; the authors' Caffe stores i, f, o, g.

All sequences are time first.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..backend.arrays import to_device
from ..nn.chunks import in_chunks
from .checks import check_sentences, checked_mask
from .word_vectors import small_embedding

UNITS = ("lstm", "rnn")
FACTORINGS = ("1u", "2u", "2f")
FLOOR = 1e-12        # the least probability of a word in a score, as in the authors' code
ROWS = 2048          # pairs of a picture and a caption that are scored at a time


class Recurrent(nn.Module):
    """f_W: (x_t, h_{t-1}) -> (z_t, h_t), from h_0 = 0.

    Args:
        input_size: D, length of x_t.
        hidden: H, of h_t and of z_t.
        unit: "lstm", whose forget gates start open (a bias of 1 more), or "rnn".

    Raises:
        ValueError: another unit.
    """

    def __init__(self, input_size: int, hidden: int, unit: str = "lstm"):
        super().__init__()
        if unit not in UNITS:
            raise ValueError(f"Recurrent: unit={unit!r}; choose from {', '.join(UNITS)}")
        self.input_size, self.hidden, self.unit = input_size, hidden, unit
        self.cell = _open_lstm(input_size, hidden) if unit == "lstm" else nn.RNNCell(input_size, hidden)
        self.W_hz = nn.Linear(hidden, hidden) if unit == "rnn" else None

    def forward(self, x: Tensor, cont=None) -> Tensor:
        """z_1 ... z_T.

        Args:
            x: (T, B, D).
            cont: (T, B) of 0 and 1: 0 where a new sequence starts; None: only at the first step.

        Returns:
            (T, B, H).

        Raises:
            ValueError: shapes that do not fit.
        """
        if x.ndim != 3 or x.shape[2] != self.input_size:
            raise ValueError(f"Recurrent: x has shape {x.shape}; it takes (T, B, D={self.input_size}), time first")
        h, _ = self.cell.unroll(x, reset=self._starts(x, cont))            # (T, B, H)
        return h if self.W_hz is None else self.W_hz(h).tanh()

    def _starts(self, x: Tensor, cont):
        """Where the state is cut, (T, B) booleans; None for nowhere."""
        if cont is None:
            return None
        cont = cont if isinstance(cont, Tensor) else np.asarray(cont)
        if cont.shape != x.shape[:2]:
            raise ValueError(f"Recurrent: cont has shape {cont.shape}; it must be (T={x.shape[0]}, B={x.shape[1]}), as x's")
        if isinstance(cont, np.ndarray) and not np.isin(cont, (0, 1)).all():   # a Tensor stays on its device
            raise ValueError(f"Recurrent: cont has the value {cont[~np.isin(cont, (0, 1))][0]}; it must be 0 where a sequence "
                             "starts and 1 elsewhere")
        return cont == 0

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden}, {self.unit}"


class ActivityLRCN(nn.Module):
    """Sequence -> label: what is done in a clip.

    Args:
        features: length of phi_V(x_t).
        classes: C.
        hidden: H.
        unit: "lstm" or "rnn".
        dropout: probability of dropping a z_t's coordinate, in training.
    """

    def __init__(self, features: int, classes: int, hidden: int = 64, unit: str = "lstm", dropout: float = 0.5):
        super().__init__()
        self.f_W = Recurrent(features, hidden, unit)
        self.dropout = nn.Dropout(dropout)
        self.W_zc = nn.Linear(hidden, classes)

    def forward(self, x: Tensor, cont=None) -> Tensor:
        """Logits of the label at every step; each of them is trained on the clip's label.

        Args:
            x: phi_V(x_1) ... phi_V(x_T), (T, B, features).
            cont: (T, B) of 0 and 1, as for ``Recurrent``.

        Returns:
            (T, B, C).
        """
        return self.W_zc(self.dropout(self.f_W(x, cont)))

    def probabilities(self, x: Tensor, cont=None) -> Tensor:
        """P(y_t = c), (T, B, C): the label of a clip is the argmax of their mean over its steps, not of the mean logits."""
        return self(x, cont).softmax(-1)


class CaptionLRCN(nn.Module):
    """Static -> sequence: a caption, with the picture before the eyes at every word.

    Where the picture goes in, and how many layers there are:

        1u    LSTM1 <- [W_e w_{t-1}; phi]                            p(w_t) from h^1
        2u    LSTM1 <- [W_e w_{t-1}; phi]    LSTM2 <- h^1            p(w_t) from h^2        unfactored
        2f    LSTM1 <- W_e w_{t-1}           LSTM2 <- [h^1; phi]     p(w_t) from h^2        factored

    phi in the input is one more matrix, added to all four gates at every step (Show and Tell's LSTM sees it once). In 2f
    LSTM1 is a language model that never sees the picture.

    Args:
        features: length of phi_V(x).
        vocabulary: |V|.
        factoring: "1u", "2u" or "2f".
        embedding: length of a word's vector.
        hidden: units of each LSTM.
        pad: the id after the end of a sentence; its vector is zero.

    Raises:
        ValueError: another factoring.
    """

    def __init__(self, features: int, vocabulary: int, factoring: str = "2f", embedding: int = 128, hidden: int = 128,
                 pad: int = 0):
        super().__init__()
        if factoring not in FACTORINGS:
            raise ValueError(f"CaptionLRCN: factoring={factoring!r}; choose from {', '.join(FACTORINGS)}")
        self.features, self.vocabulary, self.factoring, self.pad = features, vocabulary, factoring, pad
        self.W_e = small_embedding(vocabulary, embedding, pad)
        self.lstm1 = _open_lstm(embedding + (0 if factoring == "2f" else features), hidden)
        self.lstm2 = None if factoring == "1u" else _open_lstm(hidden + (features if factoring == "2f" else 0), hidden)
        self.W_zc = nn.Linear(hidden, vocabulary)

    def forward(self, f: Tensor, S: Tensor) -> Tensor:
        """Predict each word of given sentences from the picture and the words before it.

        Args:
            f: phi_V(x), (B, features).
            S: (T, B) integers: the start word first, padded at the end.

        Returns:
            Logits (T, B, |V|) of the words after each.

        Raises:
            ValueError: shapes that do not fit, no steps.
        """
        self._check(f)
        check_sentences("CaptionLRCN", S, f.shape[0])
        return self.second(self.first(S, f), f)

    def first(self, S: Tensor, f: Tensor | None = None) -> Tensor:
        """h^1 (T, B, H) from words (T, B) and pictures (B, features), which 2f does without."""
        e = self.W_e(S)                                                    # (T, B, E)
        if self.factoring != "2f":
            if f is None:
                raise ValueError(f"CaptionLRCN.first: LSTM1 of {self.factoring} sees the pictures; give f (B, features)")
            e = _beside(e, f)
        return self.lstm1.unroll(e)[0]

    def second(self, h: Tensor, f: Tensor) -> Tensor:
        """Logits (T, B, |V|) from h^1 (T, B, H) and pictures (B, features)."""
        if self.lstm2 is not None:
            h, _ = self.lstm2.unroll(_beside(h, f) if self.factoring == "2f" else h)
        return self.W_zc(h)

    def start(self, f: Tensor) -> tuple:
        """The state before the first word, for ``step``: phi, and h and c of each LSTM."""
        self._check(f)
        zeros = Tensor(to_device(np.zeros((f.shape[0], self.lstm1.hidden_size), f.dtype), f.device))
        return f, (zeros, zeros), None if self.lstm2 is None else (zeros, zeros)

    def step(self, tokens: np.ndarray, state: tuple) -> tuple[Tensor, tuple]:
        """One step of decoding, for ``tinymm.decode``: log-probabilities (N, |V|) of the next word, and the new state.

        Args:
            tokens: (N,) the words just said, the start word at first.
            state: as ``start`` gives it.
        """
        f, one, two = state
        e = self.W_e(Tensor(to_device(np.asarray(tokens), f.device)))      # (N, E)
        one = self.lstm1(e if self.factoring == "2f" else F.cat([e, f], -1), one)
        if self.lstm2 is not None:
            two = self.lstm2(F.cat([one[0], f], -1) if self.factoring == "2f" else one[0], two)
        return self.W_zc((one if two is None else two)[0]).log_softmax(-1), (f, one, two)

    def log_likelihoods(self, f: Tensor, S: Tensor, mask) -> np.ndarray:
        """log p(caption | picture) of every picture with every caption, without gradients.

        In 2f, h^1 does not depend on the picture, and LSTM1 runs once a caption for all pictures together.

        Args:
            f: phi_V of I pictures, (I, features).
            S: (T + 1, C) integers: the start word, then the T words of C captions, padded.
            mask: (T, C) booleans: which of the T words count; or (K, T, C) for K sums at once, as with the end and without.

        Returns:
            (I, C) or (K, I, C) float64: the sum of the logarithms of the words' probabilities, each at least ``FLOOR``.

        Raises:
            ValueError: shapes that do not fit.
        """
        self._check(f)
        mask = checked_mask("CaptionLRCN.log_likelihoods", S, mask)
        if not f.shape[0] or not S.shape[1]:
            raise ValueError(f"CaptionLRCN.log_likelihoods: I={f.shape[0]} pictures, C={S.shape[1]} captions; give at least one of "
                             "each")
        words, (T, C) = S[:-1], mask.shape[-2:]
        targets = S[1:].cpu().numpy()                                      # (T, C)
        once = self.factoring == "2f"
        with no_grad():
            shared = self.first(words) if once else words                  # (T, C, H), or (T, C)

        def some(rows: range) -> np.ndarray:
            n = len(rows)
            pictures = F.repeat_interleave(f[rows.start:rows.stop], C, 0)  # (n C, features), each picture with all captions
            again = F.cat([shared] * n, 1)                                 # (T, n C, ...)
            log_p = self.second(again if once else self.first(again, pictures), pictures).log_softmax(-1)
            said = np.take_along_axis(log_p.cpu().numpy().reshape(T, n, C, -1), targets[:, None, :, None], -1)[..., 0]
            return np.einsum("...tc,tnc->...nc", mask, np.maximum(said, np.log(FLOOR)), dtype=np.float64)   # (..., n, C)

        return np.concatenate(in_chunks(some, f.shape[0], max(1, ROWS // C)), axis=-2)

    def _check(self, f: Tensor) -> None:
        if f.ndim != 2 or f.shape[1] != self.features:
            raise ValueError(f"CaptionLRCN: the pictures' vectors have shape {f.shape}; they must be (B, features={self.features})")


class VideoLRCN(nn.Module):
    """Sequence -> sequence: an encoder LSTM reads the labels of a clip one by one, a decoder LSTM goes on from its state.

    Architecture (a) of the video table. Its (b) and (c) have no encoder: the labels, as one-hots or as probabilities side
    by side, are the phi of a ``CaptionLRCN`` with the factoring "1u".

    Args:
        features: length of x_t, such as the number of all labels.
        vocabulary: |V|.
        embedding: length of a word's vector.
        hidden: units of each LSTM.
        pad: the id after the end of a sentence; its vector is zero.
    """

    def __init__(self, features: int, vocabulary: int, embedding: int = 128, hidden: int = 128, pad: int = 0):
        super().__init__()
        self.features, self.vocabulary, self.pad = features, vocabulary, pad
        self.encoder = _open_lstm(features, hidden)
        self.W_e = small_embedding(vocabulary, embedding, pad)
        self.decoder = _open_lstm(embedding, hidden)
        self.W_zc = nn.Linear(hidden, vocabulary)

    def forward(self, x: Tensor, S: Tensor) -> Tensor:
        """Predict each word of given sentences from the clip and the words before it.

        Args:
            x: (T, B, features).
            S: (T', B) integers: the start word first, padded at the end.

        Returns:
            Logits (T', B, |V|) of the words after each.

        Raises:
            ValueError: shapes that do not fit.
        """
        if S.ndim != 2 or x.ndim != 3 or S.shape[1] != x.shape[1] or not S.shape[0]:
            raise ValueError(f"VideoLRCN: x has shape {x.shape} and S {S.shape}; they must be (T, B, features={self.features}) and "
                             "(T', B), time first")
        return self.W_zc(self.decoder.unroll(self.W_e(S), self.start(x))[0])

    def start(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The encoder's last h and c (B, H), where the decoder starts, from x (T, B, features)."""
        if x.ndim != 3 or x.shape[2] != self.features:
            raise ValueError(f"VideoLRCN: x has shape {x.shape}; it must be (T, B, features={self.features}), time first")
        return self.encoder.unroll(x)[1]

    def step(self, tokens: np.ndarray, state: tuple) -> tuple[Tensor, tuple]:
        """One step of decoding, as ``CaptionLRCN.step``."""
        state = self.decoder(self.W_e(Tensor(to_device(np.asarray(tokens), state[0].device))), state)
        return self.W_zc(state[0]).log_softmax(-1), state


def _beside(x: Tensor, f: Tensor) -> Tensor:
    """[x_t; f] at every step: (T, B, D) and (B, F) -> (T, B, D + F)."""
    return F.cat([x, f[None].expand(x.shape[0], *f.shape)], -1)


def _open_lstm(input_size: int, hidden: int) -> nn.LSTMCell:
    """An LSTM whose forget gates start at sigma(1): what it remembers lasts for some steps before it has learnt anything."""
    cell = nn.LSTMCell(input_size, hidden)
    with no_grad():
        cell.bias_ih[hidden:2 * hidden] += 1                               # gates i, f, g, o
    return cell


def normalised_scores(log_p: np.ndarray) -> np.ndarray:
    """log p(c|i) - log mean over i' of p(c|i'): how much likelier a picture makes a caption than the other pictures do.

    A caption that fits everything is likely with every picture, and would be found for all of them; what it is likely by
    itself is taken away. The order of the pictures for one caption stays what it was.

    Args:
        log_p: (I, C), as ``CaptionLRCN.log_likelihoods`` gives it.

    Returns:
        (I, C).

    Raises:
        ValueError: another number of axes, no picture, a value that is not finite.
    """
    log_p = np.asarray(log_p)
    if log_p.ndim != 2 or not len(log_p) or not np.isfinite(log_p).all():
        raise ValueError(f"normalised_scores: log_p has shape {log_p.shape} and {int((~np.isfinite(log_p)).sum())} values that "
                         "are not finite; it must be (I, C), of one picture or more, and finite")
    return log_p - (np.logaddexp.reduce(log_p, axis=0) - np.log(len(log_p)))
