"""CaptioningExperiment: what the captioning lectures have in common, for their trainings and for ``load_captioner``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from ...text import Vocabulary
from ..experiment import Experiment, M, T
from .captioner import Captioner
from .datasets import NAMES
from .parts import Part, vocabulary_of

if TYPE_CHECKING:
    from typing_extensions import Self   # in typing from Python 3.11


@dataclasses.dataclass(frozen=True)
class Material:
    """What a captioning lecture reads; subclasses add what a lecture has beside it.

    Attributes:
        parts: pictures with captions: "train", "validation", "test", and others to be tested on.
        vocabulary: the words of the training captions.
        channels: of the pictures, 1 or 3.
        picture_size: (H, W).
    """

    parts: Mapping[str, Part]
    vocabulary: Vocabulary
    channels: int
    picture_size: tuple[int, int]

    @classmethod
    def of(cls, parts: Mapping[str, Part], **more) -> Self:
        """The material of these parts; vocabulary and size are those of the training part."""
        _, channels, height, width = parts["train"].images([0]).shape
        return cls(parts, vocabulary_of(parts["train"]), channels, (height, width), **more)


W = TypeVar("W", bound=Material)      # what the lecture reads


class CaptioningExperiment(Experiment[T, M], Generic[T, M, W]):
    """Base of the captioning lectures. A stage named "captioner" trains what ``load_captioner`` finds in the run's folder.

    Attributes:
        material: what ``prepare`` made or read.
    """

    datasets = NAMES
    material: W

    @staticmethod
    def build(channels: int, picture_size: tuple[int, int], vocabulary: int, variant: str) -> Captioner:
        """The untrained captioner of a variant, for ``vocabulary`` words."""
        raise NotImplementedError("CaptioningExperiment: build is not written")

    @staticmethod
    def explain(captioner: Captioner, vocabulary: Vocabulary, image: np.ndarray, words: list[str]) -> tuple:
        """What the lecture draws of a sentence about a picture (C, H, W): (what it is, a Figure)."""
        raise NotImplementedError("CaptioningExperiment: explain is not written")

    @property
    def world(self) -> str | None:
        """What the pictures are, for people who come with their own; None for photographs."""
        raise NotImplementedError(f"{type(self).__name__}: world is not written")

    @classmethod
    def restore(cls, config: dict, vocabulary: int) -> Captioner:
        """An untrained captioner of the kind that a checkpoint with a ``captioner_config`` belongs to."""
        return cls.build(config["channels"], tuple(config["picture_size"]), vocabulary, config["variant"])

    def captioner_config(self, vocabulary: Vocabulary) -> dict:
        """What ``load_captioner`` builds the model from, beside what must be the same at resume."""
        return {**self.config, "lecture": self.number, "vocabulary": vocabulary.state_dict(), "channels": self.material.channels,
                "picture_size": list(self.material.picture_size), "world": self.world}
