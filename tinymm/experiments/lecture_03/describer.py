"""The region describer, untrained: a frozen CNN, and the recurrent network that speaks; and what is measured of several."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

import numpy as np

from ... import nn
from ...autograd import Tensor, no_grad
from ...models.conv_encoder import ConvEncoder
from ...models.description_rnn import DescriptionRNN
from ...text import Vocabulary
from ..captioning.captioner import Captioner
from ..experiment import Measured

FULL, WORD, CHAIN, BOUND = "full images", "regions, beta = 0", "regions, beta = .5", "true phrases (bound)"   # rows of the tables


class RegionEncoder(nn.Module):
    """Crops of boxes -> phi, as the alignment reads them: the CNN's strongest features, each centred and scaled.

    Args:
        conv: the CNN, with ``channels[-1]`` features.
        mean, deviation: of each feature over the training regions; 0 and 1 where they are yet to be loaded.
    """

    def __init__(self, conv: ConvEncoder, mean: np.ndarray | None = None, deviation: np.ndarray | None = None):
        super().__init__()
        self.conv, self.features = conv, conv.channels[-1]
        self.register_buffer("mean", Tensor(np.zeros(self.features, np.float32) if mean is None else mean))
        self.register_buffer("deviation", Tensor(np.ones(self.features, np.float32) if deviation is None else deviation))

    def forward(self, crops: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, F)."""
        with no_grad():
            return (self.conv.strongest(crops) - self.mean) / self.deviation


Describer: TypeAlias = "Captioner[RegionEncoder, DescriptionRNN]"


def build(encoder: RegionEncoder, vocabulary: int) -> Describer:
    """An untrained describer over an encoder, for so many words."""
    return Captioner(encoder, DescriptionRNN(encoder.features, vocabulary, pad=Vocabulary.pad), Vocabulary.start)


@dataclasses.dataclass
class Described(Measured):
    """What is measured.

    Attributes:
        things: (picture, box) of every thing of the test scenes, in the order of the sentences.
        said: row -> a sentence for each thing.
    """

    things: np.ndarray
    said: dict[str, list[list[str]]]
