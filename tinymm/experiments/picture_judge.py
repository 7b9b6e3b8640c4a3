"""The judge: a classifier of real pictures that says what a drawn picture shows.

It is taught with real pictures of its own part, and no other; nothing is chosen by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .. import nn
from ..autograd import Tensor
from ..models.conv_encoder import ConvEncoder
from ..nn.chunks import array_in_chunks
from ..train import Trainer
from .classify_stage import classify_stage

CHANNELS = (32, 64, 64)


class PictureNet(nn.Module):
    """Convolutions, all of their last maps, and one or two linear layers.

    Args:
        outputs: of the last layer.
        features: of the layer before; 0 for none.
        size: pixels a side.
    """

    def __init__(self, outputs: int, features: int = 0, size: int = 16, channels=CHANNELS):
        super().__init__()
        self.encoder = ConvEncoder(3, channels, coordinates=False)
        width = channels[-1] * (size // self.encoder.stride) ** 2
        self.features = nn.Linear(width, features) if features else nn.Identity()
        self.answer = nn.Linear(features or width, outputs)

    def theta(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> features (N, d), none below 0."""
        return self.features(self.encoder(x).flatten(1)).relu()

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(self.theta(x))              # (N, outputs)


class Judge(PictureNet):
    """Says of each attribute which of its values a picture shows.

    Args:
        attributes: name -> its values.
        size: pixels a side.
    """

    def __init__(self, attributes: Mapping[str, Sequence[str]], size: int = 16):
        self.names, self.counts = tuple(attributes), [len(values) for values in attributes.values()]
        super().__init__(sum(self.counts), size=size)

    def stage(self, train: tuple, held: tuple, epochs: int, *, device: str = "cpu", **trainer) -> Trainer:
        """A Trainer that teaches it real pictures.

        Args:
            train: pictures (N, 3, S, S) in [-1, 1], and what they show (N, attributes) int64.
            held: the same, for the validation.
            epochs: rounds.
            trainer: more arguments for the Trainer.
        """
        return classify_stage(self, self, self.counts, train, held, epochs, device=device, **trainer)

    def judged(self, images: np.ndarray, device: str = "cpu") -> np.ndarray:
        """What pictures show: (N, 3, S, S) in [-1, 1] -> (N, attributes) int64."""
        said = array_in_chunks(self, lambda rows: images[rows.start:rows.stop], len(images), 500, device)   # (N, all answers)
        return np.stack([answers.argmax(1) for answers in np.split(said, np.cumsum(self.counts)[:-1], 1)], 1)

    def rightness(self, images: np.ndarray, contents: np.ndarray, device: str = "cpu") -> dict[str, float]:
        """The share of pictures that show what they should, (N, attributes), of each attribute and of all."""
        return rightness(self.judged(images, device), contents, self.names)


def rightness(said: np.ndarray, contents: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The share of right answers (N, attributes) for each attribute, and of pictures with all of them right, "all"."""
    right = said == contents
    return {**{name: float(share) for name, share in zip(names, right.mean(0))}, "all": float(right.all(1).mean())}
