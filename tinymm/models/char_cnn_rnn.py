"""char-CNN-RNN, the encoder of texts phi(t) of text-to-image GANs (Reed, Akata, Schiele and Lee 2016, "Learning Deep
Representations of Fine-Grained Visual Descriptions", and their code).

    one-hot characters -> [convolution of 4 characters, relu, maximum of 3] x 2 or 3 -> recurrence -> mean over time -> Linear

The slides only name phi. Published: the hybrid with a rectified RNN over 8 steps, and the encoder of the GAN paper, whose last
convolution is not pooled and is read by a GRU over 18 steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import functional as F, nn
from ..autograd import Tensor
from ..autograd.integers import integer, whole
from ..nn import init
from ..ops.checks import as_tensor
from ..text.characters import ALPHABET, LENGTH
from .reed_recurrence import ReedGRU, ReedRNN

RECURRENT = {"rnn": ReedRNN, "gru": ReedGRU}
POOLS = ((3, 3), (3, 3), (3, 2))


class CharCNNRNN(nn.Module):
    """Texts as one-hot columns -> vectors.

    Args:
        channels: of the convolutions; the last is the recurrence's size too.
        embedding: length of phi(t).
        recurrent: "rnn" or "gru", as ``ReedRNN`` and ``ReedGRU``.
        pools: (window, stride) of the maximum behind each convolution; those behind the last pool have none.
        kernel: characters that a filter sees.
        length: characters of a text.
        uniform: draw every weight and bias uniform in +-uniform, 0.08 in the paper's code; None keeps PyTorch's ranges.

    Attributes:
        lengths: steps after each convolution and each pool, (198, 66, 63, 21, 18, 8) for the hybrid.

    Raises:
        ValueError: another recurrence, more pools than convolutions, or a text too short for them.
    """

    def __init__(self, channels: Sequence[int] = (384, 512, 256), embedding: int = 1024, *, recurrent: str = "rnn",
                 pools: Sequence[tuple[int, int]] = POOLS, kernel: int = 4, length: int = LENGTH, uniform: float | None = None):
        super().__init__()
        if recurrent not in RECURRENT:
            raise ValueError(f"CharCNNRNN: recurrent={recurrent!r}; choose from {', '.join(RECURRENT)}")
        if not channels or len(pools) > len(channels):
            raise ValueError(f"CharCNNRNN: channels={tuple(channels)} and pools={tuple(pools)}; give at least one convolution, and "
                             "at most one pool for each")
        kernel, length, embedding = whole("CharCNNRNN", 1, kernel=kernel, length=length, embedding=embedding)
        self.length = steps = length
        layers: list[nn.Module] = []
        self.lengths: tuple[int, ...] = ()
        for n, (before, width) in enumerate(zip((len(ALPHABET), *channels), channels)):
            layers += [nn.Conv1d(before, width, kernel), nn.ReLU()]
            steps = steps - kernel + 1
            self.lengths += (steps,)
            if n < len(pools):
                window, stride = pools[n]
                layers.append(nn.MaxPool1d(integer("CharCNNRNN", "pools", window, 1), integer("CharCNNRNN", "pools", stride, 1)))
                steps = (steps - window) // stride + 1
                self.lengths += (steps,)
            if min(self.lengths) < 1:
                raise ValueError(f"CharCNNRNN: length={length} is too short for the convolutions and pools: {self.lengths} steps "
                                 "are left; give a longer one, or fewer pools")
        self.cnn = nn.Sequential(*layers)
        self.recurrent = RECURRENT[recurrent](channels[-1], channels[-1])
        self.project = nn.Linear(channels[-1], embedding)
        if uniform is not None:
            for p in self.parameters():
                init.uniform_(p, -uniform, uniform)

    @classmethod
    def hybrid(cls) -> CharCNNRNN:
        """The published encoder of the embedding paper: a rectified RNN over 8 steps, 1,814,144 parameters."""
        return cls(uniform=0.08)

    @classmethod
    def gan(cls) -> CharCNNRNN:
        """The published encoder of the GAN paper: a GRU over 18 steps, 4,045,184 parameters."""
        return cls((384, 512, 512), recurrent="gru", pools=POOLS[:2], uniform=0.08)

    def forward(self, t: Tensor) -> Tensor:
        """phi(t).

        Args:
            t: (N, 70, length), of ``tinymm.text.characters.one_hot_characters``.

        Returns:
            (N, embedding).

        Raises:
            ValueError: another shape.
        """
        if as_tensor("CharCNNRNN", "t", t).ndim != 3 or t.shape[1:] != (len(ALPHABET), self.length):
            raise ValueError(f"CharCNNRNN: t has shape {t.shape}; it must be (N, {len(ALPHABET)} symbols, length={self.length}): "
                             "one_hot_characters(texts, length) makes it")
        x = self.cnn(t)                                                 # (N, channels[-1], lengths[-1])
        h = self.recurrent(F.permute(x, (2, 0, 1)))                     # (lengths[-1], N, channels[-1])
        return self.project(h.mean(0))
