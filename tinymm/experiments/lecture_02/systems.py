"""The systems of lecture 2, untrained, the options in which its variants differ, and what their trainings yield."""

from __future__ import annotations

import dataclasses
from typing import TypeAlias

from ... import functional as F
from ...autograd import Tensor
from ...data.worlds.sprite_scenes import CANVAS
from ...models.picture_encoder import PictureEncoder
from ...models.show_and_tell import ShowTell
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..lecture_04.systems import AttendCaptioner

TellCaptioner: TypeAlias = "Captioner[PictureEncoder, ShowTell]"

SPRITES = f"scenes of {CANVAS} x {CANVAS} pixels with one or two coloured sprites of 9 to 17 pixels"


@dataclasses.dataclass(frozen=True)
class Options:
    """How a variant's sentence generator is built and trained."""

    model: dict
    lr: float = 4e-3

    @property
    def projection(self) -> bool:
        """Whether there is a W_d, whose bias can start at the words' frequencies."""
        return self.model.get("projection", True)


OPTIONS = {"usual": Options({"embedding": 256}),
           "slide": Options({"embedding": 256, "output_tanh": False, "projection": False, "bias": False}),
           "every_step": Options({"embedding": 256, "image": "every"}),
           "digits": Options({"embedding": 256, "hidden": 256, "normalize": True}, lr=2e-3)}


@dataclasses.dataclass
class Rivals:
    """What the captioner of the variant "digits" is compared with, on the same scenes.

    Attributes:
        attention: lecture 4's captioner with soft attention, whose encoder is that of the other two.
        taught: one vector of an encoder that was taught whole scenes.
    """

    attention: AttendCaptioner
    taught: TellCaptioner


@dataclasses.dataclass
class Trained:
    """What the trainings of the lecture yield.

    Attributes:
        captioner: the variant's encoder and sentence generator.
        trainer: of the captions.
        untrained: nats a word of the validation captions, before the first step.
        scene_trainer: taught an encoder whole scenes; None for photographs, where all learns together.
        smaller: number of training scenes -> a captioner that learned from so few; of the variant "usual".
        noisy: a captioner that learned from noisy sentences, with words of its own; of the variant "usual".
        rivals: of the variant "digits".
    """

    captioner: TellCaptioner
    trainer: Trainer
    untrained: float
    scene_trainer: Trainer | None = None
    smaller: dict[int, TellCaptioner] = dataclasses.field(default_factory=dict)
    noisy: TellCaptioner | None = None
    rivals: Rivals | None = None


def build(channels: int, picture_size: tuple[int, int], vocabulary: int, variant: str) -> TellCaptioner:
    """The untrained captioner of a variant.

    Args:
        channels: of the pictures.
        picture_size: (H, W).
        vocabulary: |V|.
        variant: of the lecture; "digits" has an encoder without fully connected layers.
    """
    encoder = PictureEncoder(channels, picture_size, layers=() if variant == "digits" else (512, 256))
    tell = ShowTell(encoder.features, vocabulary, pad=Vocabulary.pad, **OPTIONS[variant].model)
    return Captioner(encoder, tell, Vocabulary.start)


def likelihood(logits: Tensor, targets: Tensor, mask: Tensor):
    """-log p(S|I), averaged over the batch, and nats a word to record."""
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=Vocabulary.pad, reduction="sum") / targets.shape[1]
    return loss, {"nats a word": float(loss.detach()) * targets.shape[1] / float(mask.sum())}
