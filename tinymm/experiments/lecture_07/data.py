"""What lecture 7 learns from: pictures in [-1, 1], texts as characters, and what both are about."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...data.worlds.placed_sprites import LONGEST, TEXTS, PlacedSprites, class_of, halved
from ...text.characters import character_numbers


def centred(images: np.ndarray) -> np.ndarray:
    """uint8 (N, 3, S, S) -> float32 in [-1, 1], as the generator's tanh gives them."""
    return images.astype(np.float32) / 127.5 - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Pictures of one part with their texts.

    Attributes:
        world: the pictures with the truth about them.
        images: (N, 3, 16, 16) float32 in [-1, 1]; large: (N, 3, 32, 32), the same.
        contents: (N, 3) int64, colour, shape and place.
        texts: (N * 4,); characters: (N * 4, 64) uint8.
        mentions: (N, 4, 3) int64, what each text says.
    """

    world: PlacedSprites
    images: np.ndarray
    large: np.ndarray
    contents: np.ndarray
    texts: list[str]
    characters: np.ndarray
    mentions: np.ndarray

    @classmethod
    def of(cls, world: PlacedSprites) -> Part:
        """A part of the world as arrays."""
        texts, large = world.texts(), world.images(32)
        return cls(world, centred(halved(large)), centred(large), world.contents(), texts, character_numbers(texts, LONGEST),
                   world.mentions())

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> np.ndarray:
        """(N,) int64, a number for each content."""
        return class_of(self.contents)

    def whole_texts(self) -> tuple[np.ndarray, np.ndarray]:
        """Of each picture the first text that says colour, shape and place: indices of pictures (K,) and of their texts (K,)."""
        whole: np.ndarray = np.all(self.mentions >= 0, axis=-1)            # (N, 4)
        pictures = np.flatnonzero(whole.any(1))
        return pictures, pictures * TEXTS + whole[pictures].argmax(1)


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What a study of this lecture is given; the last four once the judge and the embedding are trained.

    Attributes:
        variant: of the lecture.
        parts: "judge", "train", "validation", "test" and "unseen".
        epochs: rounds of each GAN.
        size: the scale's other numbers.
        seed: of weights and order.
        device: where to train.
        judge: of real pictures.
        net: of the seen classes, whose features are theta.
        encoder: of texts.
        phi: part -> phi of its texts, (N, 4, d).
    """

    variant: str
    parts: Mapping[str, Part]
    epochs: int
    size: Any
    seed: int
    device: str
    judge: Any = None
    net: Any = None
    encoder: Any = None
    phi: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
