"""Show, Attend and Tell (Xu et al. 2015): a decoder that looks at one place of the picture for each word.

The lecture's equations, symbol for symbol, for one step (t counts words; y_0 is no word, and E y_0 = 0):

    e_ti = u . tanh(W_a a_i + b_a + W_h h_{t-1})       alpha_t = softmax(e_t)                    attention
    soft: z_t = sum_i alpha_ti a_i                     hard: z_t = a_{s_t}, s_t ~ alpha_t        context
    z_t <- beta_t z_t,   beta_t = sigma(w_beta . h_{t-1} + b_beta)                               gating scalar
    h_t, c_t = LSTM([E y_{t-1}; z_t], h_{t-1}, c_{t-1})                                          memory
    p(y_t | a, y_1..t-1) ~ exp(L_o tanh(E y_{t-1} + L_h h_t + L_z z_t))                          deep output
    h_0 = f_init,h(mean of a_i),   c_0 = f_init,c(mean of a_i)

The authors' code adds a constant to e_t, which a softmax does not see, and has a tanh in the deep output,
which the slide leaves out (``output_tanh=False`` is the slide's reading). beta is a scalar, as the slide and
the code have it.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, get_default_dtype
from ..autograd.creation import arange, ones
from ..autograd.host import to_numpy
from ..backend.arrays import to_device
from ..backend.random import Stream, stream
from ..nn import init
from .orthogonal_gates import orthogonal_gates_


@dataclasses.dataclass
class Decoded:
    """What the decoder computed for a batch of captions; T steps, B images, L locations, K words.

    Attributes:
        logits: (T, B, K), before the softmax over words.
        alpha: (T, B, L), the attention.
        beta: (T, B), the gate.
        log_alpha: (T, B, L), log of ``alpha``; None with soft attention.
        locations: (T, B) int64, where hard attention looked; None with soft attention.
        sampled: (B,) booleans, the images whose context was a sample; the others' was soft. None with soft
            attention.
    """

    logits: Tensor
    alpha: Tensor
    beta: Tensor
    log_alpha: Tensor | None = None
    locations: np.ndarray | None = None
    sampled: np.ndarray | None = None


class ShowAttendTell(nn.Module):
    """The decoder of Show, Attend and Tell.

    Args:
        features: D, length of an annotation vector.
        vocabulary: K, number of words.
        embedding: m, length of a word vector.
        hidden: n, units of the LSTM.
        attention: width of the MLP f_att.
        hard: sample one location a step (``locations``) instead of averaging over all.
        gate: multiply the context by beta_t; without, beta = 1.
        output_tanh: the tanh of the deep output.
        dropout: probability of dropping a unit before L_o, in training.
        pad: the word that stands for y_0 and after the end; its vector is zero.

    Attributes:
        soft_share: with hard attention, the share of images that see the soft context in training (the
            paper's trick).
    """

    def __init__(self, features: int, vocabulary: int, embedding: int = 64, hidden: int = 128, attention: int = 64,
                 hard: bool = False, gate: bool = True, output_tanh: bool = True, dropout: float = 0.0, pad: int = 0):
        super().__init__()
        self.features, self.vocabulary, self.hard, self.gate, self.output_tanh = features, vocabulary, hard, gate, output_tanh
        self.soft_share, self.pad = 0.5, pad
        self.E = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.f_init_h = nn.Linear(features, hidden)
        self.f_init_c = nn.Linear(features, hidden)
        self.W_a = nn.Linear(features, attention)
        self.W_h = nn.Linear(hidden, attention, bias=False)
        self.u = nn.Parameter(np.zeros(attention, get_default_dtype()))
        if gate:
            self.f_beta = nn.Linear(hidden, 1)
        self.lstm = nn.LSTMCell(embedding + features, hidden)
        self.L_h = nn.Linear(hidden, embedding)
        self.L_z = nn.Linear(features, embedding, bias=False)
        self.L_o = nn.Linear(embedding, vocabulary)
        self.dropout = nn.Dropout(dropout)
        bound = attention**-0.5
        init.uniform_(self.u, -bound, bound)
        orthogonal_gates_(self.lstm)

    # ------------------------------------------------------------------ the equations

    def initial_state(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """h_0 and c_0 (B, n) from the mean annotation vector."""
        mean = a.mean(1)                                                   # (B, D)
        return self.f_init_h(mean).tanh(), self.f_init_c(mean).tanh()

    def scores(self, keys: Tensor, h: Tensor) -> Tensor:
        """e_t (B, L) from the keys W_a a_i + b_a (B, L, A) and h_{t-1} (B, n)."""
        return F.additive_attention_score(self.W_h(h), keys, self.u)

    def context(self, weights: Tensor, a: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """beta_t sum_i weights_i a_i (B, D), and beta_t (B, 1)."""
        z = F.bmm(weights[:, None], a)[:, 0]                               # (B, 1, L) @ (B, L, D)
        if not self.gate:
            return z, ones(z.shape[0], 1, dtype=z.dtype, device=z.device)
        beta = self.f_beta(h).sigmoid()                                    # (B, 1)
        return beta * z, beta

    def words(self, Ey: Tensor, h: Tensor, z: Tensor) -> Tensor:
        """Logits (..., K) of the next word: the deep output."""
        n = Ey + self.L_h(h) + self.L_z(z)                                 # (..., m)
        return self.L_o(self.dropout(n.tanh() if self.output_tanh else n))

    # ------------------------------------------------------------------ whole captions

    def forward(self, a: Tensor, y: Tensor, locations: np.ndarray | None = None,
                generator: Stream | str | None = None) -> Decoded:
        """Predict each word of given captions from the words before it.

        Args:
            a: (B, L, D) annotation vectors.
            y: (T, B) integers, the words before each step: y[0] is ``pad``, y[t] the t-th word.
            locations: (T, B) integers, where hard attention looks; sampled if None.
            generator: the random stream of samples (default "sampling").

        Returns:
            Decoded, time first.

        Raises:
            ValueError: shapes that do not fit, no steps, locations for a soft model or outside of the
                picture.
        """
        if a.ndim != 3 or a.shape[2] != self.features:
            raise ValueError(f"ShowAttendTell: a has shape {a.shape}; it takes annotation vectors (B, L, D={self.features})")
        if y.ndim != 2 or y.shape[1] != a.shape[0] or not y.shape[0]:
            raise ValueError(f"ShowAttendTell: y has shape {y.shape}; it takes words (T, B={a.shape[0]}), time first, T at least 1")
        if locations is not None and not self.hard:
            raise ValueError("ShowAttendTell: soft attention looks everywhere; locations are for a model with hard=True")
        keys, (h, c) = self.W_a(a), self.initial_state(a)
        Ey = self.E(y)                                                     # (T, B, m)
        draws = _Locations(self, a, y.shape[0], locations, generator) if self.hard else None
        hs, zs, alphas, betas, logs = [], [], [], [], []
        for t, word in enumerate(Ey):
            e = self.scores(keys, h)                                       # (B, L)
            if draws is None:
                alpha = weights = e.softmax(-1)
            else:
                logs.append(e.log_softmax(-1))
                alpha = logs[-1].exp()
                weights = draws.weights(t, alpha)
            z, beta = self.context(weights, a, h)
            h, c = self.lstm(F.cat([word, z], 1), (h, c))
            hs.append(h)
            zs.append(z)
            alphas.append(alpha)
            betas.append(beta)
        logits = self.words(Ey, F.stack(hs), F.stack(zs))                  # (T, B, K): one product for all steps
        decoded = Decoded(logits, F.stack(alphas), F.stack(betas)[:, :, 0])
        if draws is not None:
            decoded.log_alpha, decoded.locations, decoded.sampled = F.stack(logs), draws.chosen, draws.sampled
        return decoded

    def step(self, tokens: np.ndarray, state: tuple) -> tuple[Tensor, tuple]:
        """One step of decoding, for ``tinymm.decode``: log-probabilities (N, K) of the next word, and the new state.

        Args:
            tokens: (N,) the words just said; ``pad`` means none, and is what the first step takes.
            state: (h, c, a, keys), as ``start`` gives it.

        Hard attention looks at its most probable location (the authors' code can do so, too, and by default
        takes the soft context when it is tested); samples would make the sentences a matter of luck.
        """
        h, c, a, keys = state
        alpha = self.scores(keys, h).softmax(-1)
        if self.hard:
            alpha = one_hot(alpha.argmax(1), alpha)
        z, _ = self.context(alpha, a, h)
        Ey = self.E(Tensor(to_device(np.asarray(tokens), a.device)))
        h, c = self.lstm(F.cat([Ey, z], 1), (h, c))
        return self.words(Ey, h, z).log_softmax(-1), (h, c, a, keys)

    def start(self, a: Tensor) -> tuple:
        """The state before the first word, for ``step``."""
        return (*self.initial_state(a), a, self.W_a(a))


class _Locations:
    """Where hard attention looks: given, sampled in training, or the most probable place."""

    def __init__(self, model: ShowAttendTell, a: Tensor, steps: int, locations, generator):
        B, L, _ = a.shape
        self.sampling = model.training and locations is None
        self.sampled = np.ones(B, bool)
        self.given = locations is not None
        self.chosen = np.zeros((steps, B), np.int64)
        if self.given:
            given = np.asarray(locations)
            if given.shape != (steps, B) or given.dtype.kind not in "iu" or given.min() < 0 or given.max() >= L:
                raise ValueError(f"ShowAttendTell: locations of shape {given.shape} and dtype {given.dtype}; they must be "
                                 f"(T={steps}, B={B}) integers from 0 to {L - 1}")
            self.chosen[...] = given
        if self.sampling:
            random = stream(generator, "sampling").generator
            self.sampled = random.random(B) >= model.soft_share
            self.uniform = random.random((steps, B))

    def weights(self, t: int, alpha: Tensor) -> Tensor:
        """One-hot rows for the images that look at one place, alpha for the others (B, L)."""
        if not self.given:
            p = to_numpy(alpha)
            reached = p.cumsum(1)
            # the first location whose cumulative share exceeds the draw: never one of probability 0
            self.chosen[t] = (reached <= self.uniform[t][:, None] * reached[:, -1:]).sum(1) if self.sampling else p.argmax(1)
        hot = one_hot(Tensor(to_device(self.chosen[t], alpha.device)), alpha)
        if self.sampled.all():
            return hot
        return F.where(Tensor(to_device(self.sampled[:, None], alpha.device)), hot, alpha)


def one_hot(index: Tensor, like: Tensor) -> Tensor:
    """Rows of ``like``'s shape (B, L), dtype and device with a 1 at ``index`` (B,)."""
    return (arange(like.shape[1], device=like.device) == index[:, None]).to(dtype=like.dtype)
