"""The judge: a classifier of real pictures that says what a picture shows.

It has seen real pictures of its own, and no other; it is neither D nor the picture net of the joint embedding, and nothing is
chosen by it.
"""

from __future__ import annotations

import numpy as np

from ... import nn
from ...autograd import Tensor
from ...data.worlds.placed_sprites import ATTRIBUTES
from ...models.conv_encoder import ConvEncoder
from ...nn.chunks import array_in_chunks
from ...train import Trainer
from ..classify_stage import classify_stage
from .data import Part

COUNTS = [len(names) for names in ATTRIBUTES.values()]
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


def judge_stage(judge: PictureNet, train: Part, held: Part, epochs: int, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that teaches the judge colour, shape and place of real pictures."""
    return classify_stage(judge, judge, COUNTS, (train.images, train.contents), (held.images, held.contents), epochs, device=device,
                          **trainer)


def judged(judge: PictureNet, images: np.ndarray, device: str = "cpu") -> np.ndarray:
    """What pictures show: (N, 3, 16, 16) in [-1, 1] -> (N, 3) int64."""
    said = array_in_chunks(judge, lambda rows: images[rows.start:rows.stop], len(images), 500, device)   # (N, all answers)
    return np.stack([answers.argmax(1) for answers in np.split(said, np.cumsum(COUNTS)[:-1], 1)], 1)


def rightness(said: np.ndarray, contents: np.ndarray) -> dict[str, float]:
    """The share of pictures with the right colour, shape and place, and with all three."""
    right = said == contents
    return {**{name: float(share) for name, share in zip(ATTRIBUTES, right.mean(0))}, "all": float(right.all(1).mean())}
