"""What lectures that train a captioner have in common, for their trainings and for ``load_captioner``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

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


def captioner_config(config: dict, lecture: int, vocabulary: Vocabulary, channels: int, picture_size: tuple[int, int],
                     world: str | None) -> dict:
    """What ``load_captioner`` builds a model from, beside what must be the same at resume.

    Args:
        config: of the experiment.
        lecture: its number.
        vocabulary: the captioner's words.
        channels: of the pictures, 1 or 3.
        picture_size: (H, W).
        world: what the pictures are, for people who come with their own; None for photographs.
    """
    return {**config, "lecture": lecture, "vocabulary": vocabulary.state_dict(), "channels": channels,
            "picture_size": list(picture_size), "world": world}


class CaptionerExperiment(Experiment[T, M], Generic[T, M]):
    """Base of lectures with a stage named "captioner", which trains what ``load_captioner`` finds in the run's folder.

    Attributes:
        describes: what one sentence is about: "pictures", or "boxes" of one.
    """

    describes: ClassVar[str] = "pictures"

    @classmethod
    def restore(cls, config: dict, vocabulary: int) -> Captioner:
        """An untrained captioner of the kind that a checkpoint with a ``captioner_config`` belongs to."""
        raise NotImplementedError(f"{cls.__name__}: restore is not written")

    @staticmethod
    def crops(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Where boxes are described: the boxes (M, 4) (top, left, bottom, right) of a picture (C, H, W) as the encoder takes them,
        (M, C, h, w)."""
        raise NotImplementedError("CaptionerExperiment: crops is not written")

    @staticmethod
    def explain(captioner: Captioner, vocabulary: Vocabulary, image: np.ndarray, words: list[str]) -> tuple:
        """Where pictures are described: what the lecture draws of a sentence about one (C, H, W): (what it is, a Figure)."""
        raise NotImplementedError("CaptionerExperiment: explain is not written")


W = TypeVar("W", bound=Material)      # what the lecture reads


class CaptioningExperiment(CaptionerExperiment[T, M], Generic[T, M, W]):
    """Base of the captioning lectures.

    Attributes:
        material: what ``prepare`` made or read.
    """

    datasets = NAMES
    material: W

    @property
    def world(self) -> str | None:
        """What the pictures are, for people who come with their own; None for photographs."""
        raise NotImplementedError(f"{type(self).__name__}: world is not written")

    @staticmethod
    def build(channels: int, picture_size: tuple[int, int], vocabulary: int, variant: str) -> Captioner:
        """The untrained captioner of a variant, for ``vocabulary`` words."""
        raise NotImplementedError("CaptioningExperiment: build is not written")

    @classmethod
    def restore(cls, config: dict, vocabulary: int) -> Captioner:
        return cls.build(config["channels"], tuple(config["picture_size"]), vocabulary, config["variant"])

    def captioner_config(self, vocabulary: Vocabulary) -> dict:
        """``captioner_config`` of the lecture."""
        return captioner_config(self.config, self.number, vocabulary, self.material.channels, self.material.picture_size,
                                self.world)
