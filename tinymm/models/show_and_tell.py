"""Show and Tell (Vinyals et al. 2015): an LSTM that is shown a picture once, as if it were the first word of
a sentence.

The lecture's equations, symbol for symbol (S_0 is the start word, S_N the end):

    x_{-1} = W_I CNN(I)        x_t = W_e S_t, t = 0 ... N-1                                        inputs
    i_t = sigma(W_ix x_t + W_im m_{t-1})    f_t, o_t likewise                                      gates
    c_t = f_t * c_{t-1} + i_t * tanh(W_cx x_t + W_cm m_{t-1})                                      memory
    m_t = o_t * tanh(c_t)                   slide: m_t = o_t * c_t                                 output
    p_{t+1} = softmax(W_d m_t)              slide: p_{t+1} = softmax(m_t)                          next word
    log p(S|I) = sum over t = 1 ... N of log p_t(S_t)                                              likelihood

The slide leaves out x_{-1}, biases, W_d and the last tanh, and starts its sum at t = 0, where S_0 is certain.
Its two omissions belong together: without W_d the outputs are the logits, and a tanh would hold all of them
between -1 and 1. ``ShowTell(output_tanh=False, projection=False, bias=False)`` is the slide to the letter; it
needs |V| units.

Words and picture start within +-0.08 (the authors' im2txt), so that neither drowns the other, and the forget
gates at sigma(1): the picture has to survive several words before it is asked for.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..backend.arrays import to_device
from ..nn import init
from .checks import check_sentences
from .orthogonal_gates import orthogonal_gates_

IMAGE = ("once", "every")


class ShowTell(nn.Module):
    """The sentence generator of Show and Tell.

    Args:
        features: length of the vector CNN(I).
        vocabulary: |V|, number of words.
        embedding: D, length of a word vector, and of the picture's beside it.
        hidden: units of the LSTM, |V| where there is no projection.
        output_tanh: m_t = o_t tanh(c_t); False for the slide's m_t = o_t c_t.
        projection: p_{t+1} = softmax(W_d m_t + b_d); False for the slide's softmax(m_t).
        bias: of the gates.
        image: "once", at step -1, or "every": added to each word's input too (which the paper found to be
            worse).
        normalize: bring each of the picture's features to mean 0 and variance 1 first, by a batch
            normalisation.
        dropout: probability of dropping an input or an output of the LSTM, in training.
        pad: the id after the end of a sentence; its vector is zero.

    Raises:
        ValueError: no projection, and hidden is not |V|; an unknown ``image``.
    """

    def __init__(self, features: int, vocabulary: int, embedding: int = 128, hidden: int | None = None, output_tanh: bool = True,
                 projection: bool = True, bias: bool = True, image: str = "once", normalize: bool = False, dropout: float = 0.0,
                 pad: int = 0):
        super().__init__()
        hidden = (128 if projection else vocabulary) if hidden is None else hidden
        if not projection and hidden != vocabulary:
            raise ValueError(f"ShowTell: without a projection the LSTM's units are the words: hidden={hidden} must be "
                             f"vocabulary={vocabulary}")
        if image not in IMAGE:
            raise ValueError(f"ShowTell: image={image!r}; choose from {', '.join(IMAGE)}")
        self.features, self.vocabulary, self.output_tanh, self.image, self.pad = features, vocabulary, output_tanh, image, pad
        self.norm = nn.BatchNorm1d(features, affine=False) if normalize else None
        self.W_I = nn.Linear(features, embedding)
        self.W_e = nn.Embedding(vocabulary, embedding, padding_idx=pad)
        self.lstm = nn.LSTMCell(embedding, hidden, bias, output_tanh=output_tanh)
        self.W_d = nn.Linear(hidden, vocabulary) if projection else None
        self.dropout = nn.Dropout(dropout)
        with no_grad():
            init.uniform_(self.W_e.weight, -0.08, 0.08)
            self.W_e.weight[pad] = 0
            orthogonal_gates_(self.lstm)
            if bias:
                self.lstm.bias_ih[hidden:2 * hidden] += 1

    def unigram_(self, counts) -> ShowTell:
        """Start from the words' frequencies: b_d = log p(w), W_d small, so that the first loss is about their entropy.

        Args:
            counts: (|V|,) how often each word is a target; words with 0 get the share of half a word.

        Raises:
            ValueError: no projection, or counts of another length.
        """
        counts = np.asarray(counts, dtype=np.float64)
        if self.W_d is None or counts.shape != (self.vocabulary,):
            raise ValueError("ShowTell.unigram_: " + ("there is no W_d whose bias could be set" if self.W_d is None else
                             f"counts of shape {counts.shape} must have one entry for each of {self.vocabulary} words"))
        counts = np.maximum(counts, 0.5)
        with no_grad():
            self.W_d.weight.mul_(0.1)
            bias = self.W_d.bias
            bias.copy_(Tensor(np.log(counts / counts.sum())).to(device=bias.device, dtype=bias.dtype))
        return self

    def picture(self, f: Tensor) -> Tensor:
        """x_{-1} (B, D) from CNN(I) (B, features)."""
        return self.W_I(f if self.norm is None else self.norm(f))

    def inputs(self, f: Tensor, S: Tensor) -> Tensor:
        """x_{-1}, x_0, ..., (T+1, B, D): the picture and then the words.

        Args:
            f: CNN(I), (B, features).
            S: (T, B) integers.
        """
        x_image = self.picture(f)                                          # (B, D)
        x = self.W_e(S)                                                    # (T, B, D)
        return F.cat([x_image[None], x + x_image if self.image == "every" else x])

    def forward(self, f: Tensor, S: Tensor) -> Tensor:
        """Predict each word of given sentences from the picture and the words before it.

        Args:
            f: CNN(I), (B, features).
            S: (T, B) integers: S_0, ..., S_{N-1}, the start word first, padded at the end.

        Returns:
            Logits (T, B, |V|) of S_1, ..., S_N. What the LSTM says when it is shown the picture predicts
            nothing, and is left out.

        Raises:
            ValueError: shapes that do not fit, no steps.
        """
        self._check(f)
        check_sentences("ShowTell", S, f.shape[0])
        x = self.dropout(self.inputs(f, S))                                # (T+1, B, D)
        m, _ = self.lstm.unroll(x)                                         # (T+1, B, hidden)
        return self.words(m[1:])

    def words(self, m: Tensor) -> Tensor:
        """Logits (..., |V|) of the next word from the LSTM's output (..., hidden)."""
        m = self.dropout(m)
        return m if self.W_d is None else self.W_d(m)

    def start(self, f: Tensor) -> tuple:
        """The state after the picture was shown, for ``step``: (m, c), and x_{-1} where it is shown every time.

        Args:
            f: CNN(I), (B, features).
        """
        self._check(f)
        x_image = self.picture(f)
        return (*self.lstm(self.dropout(x_image)), x_image if self.image == "every" else None)

    def step(self, tokens: np.ndarray, state: tuple) -> tuple[Tensor, tuple]:
        """One step of decoding, for ``tinymm.decode``: log-probabilities (N, |V|) of the next word, and the new state.

        Args:
            tokens: (N,) the words just said, the start word at first.
            state: as ``start`` gives it.
        """
        m, c, x_image = state
        x = self.W_e(Tensor(to_device(np.asarray(tokens), m.device)))
        m, c = self.lstm(self.dropout(x if x_image is None else x + x_image), (m, c))
        return self.words(m).log_softmax(-1), (m, c, x_image)

    def _check(self, f: Tensor) -> None:
        if f.ndim != 2 or f.shape[1] != self.features:
            raise ValueError(f"ShowTell: the pictures' vectors have shape {f.shape}; they must be (B, features={self.features})")
