"""Encoder and decoder: all that captions a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from ... import nn
from ...autograd import Tensor
from ...decode import Hypothesis, beam_search, greedy_search
from ...nn import chunks
from ...text import Vocabulary
from .parts import Part

E = TypeVar("E", bound=nn.Module)
D = TypeVar("D", bound=nn.Module)

CHUNK = 256          # pictures that are encoded or captioned at a time when nothing is trained


def of_all_pictures(function: Callable, encoder: nn.Module, part: Part) -> np.ndarray:
    """``function`` of all pictures of a part, with the encoder in evaluation; few pictures are in memory at a time."""
    encoder.eval()
    return chunks.array_in_chunks(function, part.images, len(part), CHUNK, next(encoder.parameters()).device)


class Captioner(nn.Module, Generic[E, D]):
    """What a captioning lecture trains.

    Args:
        encoder: pictures (B, C, H, W) -> what the decoder reads of them, (B, ...).
        decoder: ``decoder(a, y)`` for given words, ``start(a)`` and ``step(tokens, state)`` for ``tinymm.decode``.
        first: the id that stands before the first word.
    """

    def __init__(self, encoder: E, decoder: D, first: int):
        super().__init__()
        self.encoder: E = encoder
        self.decoder: D = decoder
        self.first = first

    def annotate(self, part: Part) -> np.ndarray:
        """What the encoder says of all pictures of a part (N, ...), for reading only."""
        return of_all_pictures(self.encoder, self.encoder, part)

    def search(self, a: np.ndarray, beam_size: int = 1, n_best: int = 1, max_length: int = 30,
               length_penalty: float = 0.0) -> list[list[Hypothesis]]:
        """Sentences for what the encoder said (N, ...): greedy for ``beam_size`` 1, else by beam search, best first; a
        ``length_penalty`` of 1 ranks them by log-probability a word."""
        device, how = next(self.parameters()).device, {"start": self.first, "end": Vocabulary.end, "max_length": max_length}
        self.decoder.eval()

        def some(rows: range) -> list[list[Hypothesis]]:
            state = self.decoder.start(Tensor(a[rows.start:rows.stop]).to(device))
            if beam_size == 1:
                return [[h] for h in greedy_search(self.decoder.step, state, len(rows), **how)]
            return beam_search(self.decoder.step, state, len(rows), beam_size=beam_size, n_best=n_best,
                               length_penalty=length_penalty, **how)

        return [best for found in chunks.in_chunks(some, len(a), CHUNK) for best in found]
