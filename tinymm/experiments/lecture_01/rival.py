"""Rival: what the retrieval study compares LRCN-2f with, on the same pictures and captions."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...text import Vocabulary
from ...train import Trainer
from ..captioning.parts import Part
from .scenes import Seen


@dataclasses.dataclass(frozen=True)
class RetrievalData:
    """What every row of the table learns from and is tested on.

    Attributes:
        parts: "train", "validation", "test"; a part's ``scenes`` have the truth, and captions with their mentions.
        vocabulary: the words of the training captions.
        seen: the taught encoder, and its features of all parts.
        epochs: rounds through the training pairs.
        seed: of the run.
        device: where to train.
        config: for the Trainers.
    """

    parts: dict[str, Part]
    vocabulary: Vocabulary
    seen: Seen
    epochs: int
    seed: int
    device: str
    config: dict


class Rival:
    """A row of the table. A subclass builds its model from the data, trains it, and scores.

    Args:
        data: of the study.
    """

    def __init__(self, data: RetrievalData):
        self.data = data

    def stage(self, **options) -> Trainer:
        """A Trainer on the training pairs; ``options`` are its folder and label."""
        raise NotImplementedError(f"{type(self).__name__}: stage is not written")

    def scores(self) -> np.ndarray:
        """(I, C): how well each test picture fits each test caption, these picture by picture, as ``part.tokens()`` has them."""
        raise NotImplementedError(f"{type(self).__name__}: scores is not written")

    def sentences(self) -> list[list[str]] | None:
        """A sentence for each test picture, of a rival that writes; None of others."""
        return None
