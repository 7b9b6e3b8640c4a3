"""The systems of lecture 4, untrained, the objectives in which its variants differ, and what their trainings yield."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from ...data.worlds.digit_scenes import CANVAS
from ...data.worlds.digit_windows import CLASSES, digit_windows
from ...models.attention_objective import MovingAverage
from ...models.conv_encoder import ConvEncoder
from ...models.show_attend_and_tell import ShowAttendTell
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..classify_stage import window_stage

AttendCaptioner: TypeAlias = "Captioner[ConvEncoder, ShowAttendTell]"

WORLD = f"scenes of {CANVAS} x {CANVAS} pixels with handwritten digits of 10 to 18 pixels"


@dataclasses.dataclass(frozen=True)
class Objective:
    """The hyper-parameters in which the variants differ."""

    hard: bool = False
    lam: float = 0.0        # lambda of the doubly stochastic penalty
    lambda_r: float = 0.1   # as the authors' code; 1 is unbiased, and too noisy to learn from here
    lambda_e: float = 0.002
    lr: float = 4e-3


OBJECTIVES = {"soft": Objective(), "hard": Objective(hard=True), "doubly_stochastic": Objective(lam=1.0)}


@dataclasses.dataclass
class Trained:
    """What the trainings of the lecture yield.

    Attributes:
        captioner: encoder and decoder.
        trainer: of the captions.
        baseline: b of the hard objective, where the training left it.
        encoder_trainer: taught the encoder digits; None for photographs, where encoder and decoder learn together.
    """

    captioner: AttendCaptioner
    trainer: Trainer
    baseline: MovingAverage
    encoder_trainer: Trainer | None = None


def build(channels: int, vocabulary: int, hard: bool) -> AttendCaptioner:
    """The untrained captioner.

    Args:
        channels: of the pictures, 1 or 3.
        vocabulary: K.
        hard: hard attention.
    """
    encoder = ConvEncoder(channels)
    return Captioner(encoder, ShowAttendTell(encoder.features, vocabulary, hard=hard, pad=Vocabulary.pad), Vocabulary.pad)


def encoder_stage(encoder: ConvEncoder, windows: int, rounds: int, seed: int, device: str, **trainer) -> Trainer:
    """Classify windows with single digits."""
    train, held = ((images, classes[:, None]) for images, classes in
                   (digit_windows("train", windows, seed), digit_windows("validation", min(1000, windows), seed)))
    return window_stage(encoder, (CLASSES,), train, held, rounds, device=device, **trainer)
