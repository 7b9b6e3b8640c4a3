"""Karpathy and Fei-Fei (2015), section 3.2: a recurrent network that describes a region, seen once, before the first word.

    b_v = W_hi CNN(I)
    h_t = f(W_hx x_t + W_hh h_{t-1} + b_h + 1(t=1) b_v)     f = relu, h_0 = 0, x_1 the start word's vector
    y_t = softmax(W_oh h_t + b_o)

The paper calls it a multimodal RNN, as Mao et al. do theirs (``MultimodalRNN``, which shows the picture at every step, and to
another layer). 1(t=1) is a number and b_v a vector, so the slide's sign between them, an element-wise product, is a plain one. Each
step after the first knows of the picture what h carries. The authors' code has it the other way by default, the picture at every
step; the paper reports that once is better.
"""

from __future__ import annotations

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor
from ..backend.arrays import to_device
from .checks import check_sentences
from .word_vectors import small_embedding

IMAGE = ("once", "every")


class DescriptionRNN(nn.Module):
    """A picture, or a region of one, -> words.

    Args:
        features: length of CNN(I).
        vocabulary: |V|.
        embedding: length of x_t.
        hidden: of h_t.
        pad: the id after the end of a sentence; its vector is zero.
        image: "once", b_v enters at t = 1; "every", at each step.

    Raises:
        ValueError: another ``image``.
    """

    def __init__(self, features: int, vocabulary: int, embedding: int = 64, hidden: int = 128, pad: int = 0, image: str = "once"):
        super().__init__()
        if image not in IMAGE:
            raise ValueError(f"DescriptionRNN: image={image!r}; choose from {', '.join(IMAGE)}")
        self.features, self.vocabulary, self.pad, self.image = features, vocabulary, pad, image
        self.W_w = small_embedding(vocabulary, embedding, pad)
        self.W_hi = nn.Linear(features, hidden, bias=False)
        self.W_hx = nn.Linear(embedding, hidden)                           # with b_h
        self.W_hh = nn.Linear(hidden, hidden, bias=False)
        self.W_oh = nn.Linear(hidden, vocabulary)                          # with b_o

    def forward(self, f: Tensor, S: Tensor) -> Tensor:
        """Predict each word of given sentences from the picture and the words before it.

        Args:
            f: CNN(I), (B, features).
            S: (T, B) integers: the start word first, padded at the end.

        Returns:
            Logits (T, B, |V|) of the words after each.

        Raises:
            ValueError: shapes that do not fit, no steps.
        """
        check_sentences("DescriptionRNN", S, f.shape[0])
        b_v, h = self.start(f)                                             # (B, H)
        said = []
        for x_t in self.W_hx(self.W_w(S)):
            b_v, h = self._next(x_t, b_v, h)
            said.append(h)
        return self.W_oh(F.stack(said))                                    # (T, B, |V|)

    def start(self, f: Tensor) -> tuple[Tensor, Tensor]:
        """The state before the first word, for ``step``: b_v and h_0.

        Raises:
            ValueError: features of another shape.
        """
        if f.ndim != 2 or f.shape[1] != self.features:
            raise ValueError(f"DescriptionRNN: the pictures' features have shape {f.shape}; they must be (B, features="
                             f"{self.features})")
        b_v = self.W_hi(f)
        return b_v, Tensor(to_device(np.zeros(b_v.shape, b_v.dtype), f.device))

    def step(self, tokens: np.ndarray, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One step of decoding, for ``tinymm.decode``: log-probabilities (N, |V|) of the next word, and the new state.

        Args:
            tokens: (N,) the words just said, the start word at first.
            state: as ``start`` gives it.
        """
        b_v, h = state
        b_v, h = self._next(self.W_hx(self.W_w(Tensor(to_device(np.asarray(tokens), h.device)))), b_v, h)
        return self.W_oh(h).log_softmax(-1), (b_v, h)

    def _next(self, x: Tensor, b_v: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """What is left to enter at the next step, and h_t; x (N, H) is W_hx x_t + b_h."""
        h = F.relu(x + self.W_hh(h) + b_v)                                 # (N, H)
        return (b_v if self.image == "every" else Tensor(to_device(np.zeros(b_v.shape, b_v.dtype), h.device))), h
