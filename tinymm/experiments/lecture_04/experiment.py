"""Lecture 4, Show, Attend and Tell: a captioner that shows where it looks, on scenes of real handwriting.

As in the paper, the encoder is trained first, to classify (here: which digit, and is it large?), and then only read: its
annotation vectors of all pictures are computed once. The decoder learns from captions alone where to look; nobody tells
it which word belongs to which place. Photographs have no such encoder, so there both parts are trained together.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Generator

import numpy as np

from ...autograd import Tensor
from ...data.worlds.digit_scenes import DigitScenes
from ...models import attention_objective
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..captioning.lecture import CaptioningExperiment, Material
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import alone, photo_parts, scene_part
from ..captioning.stage import BATCH, caption_stage
from ..claims import Claim
from .claims import claims_of, comparisons
from .evaluation import Measured, evaluate, look, pointing
from .systems import OBJECTIVES, WORLD, AttendCaptioner, Objective, Trained, build, encoder_stage


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    windows: int          # single digits to train the encoder on, in each round
    window_rounds: int
    train: int            # scenes
    validation: int
    test: int
    epochs: int
    photo_epochs: int
    samples: int          # gradient samples to measure the variance with


SCALES = {"lecture": Scale(windows=20_000, window_rounds=2, train=8000, validation=200, test=500, epochs=4, photo_epochs=40,
                           samples=64),
          "smoke": Scale(windows=500, window_rounds=2, train=150, validation=20, test=40, epochs=1, photo_epochs=2, samples=8)}


class ShowAttendAndTell(CaptioningExperiment[Trained, Measured, Material]):
    """The captioner with soft attention, hard attention, or soft attention with the doubly stochastic penalty."""

    number, title = 4, "Show, Attend and Tell"
    variants = {"soft": "soft attention", "hard": "hard attention, by REINFORCE",
                "doubly_stochastic": "soft attention with the penalty, lambda = 1"}

    @staticmethod
    def build(channels: int, picture_size: tuple[int, int], vocabulary: int, variant: str) -> Captioner:
        return build(channels, vocabulary, OBJECTIVES[variant].hard)   # the grid grows with the picture

    @staticmethod
    def explain(captioner: Captioner, vocabulary: Vocabulary, image: np.ndarray, words: list[str]) -> tuple:
        """Where the model looks at each word."""
        from . import figures

        one, = look(captioner, vocabulary, alone(image, words))
        return "attention", figures.attention(image, one, captioner.encoder.grid(*image.shape[1:]))

    @property
    def size(self) -> Scale:
        """How much of everything."""
        return SCALES[self.scale]

    @property
    def objective(self) -> Objective:
        """The variant's."""
        return OBJECTIVES[self.variant]

    @property
    def world(self) -> str | None:
        return WORLD if self.data is None else None

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": {"batch": BATCH, **dataclasses.asdict(self.size),
                                                      **dataclasses.asdict(self.objective)}}

    # ------------------------------------------------------------------ data and trainings

    def prepare(self) -> None:
        if self.data is None or self.root is None:   # the two come together
            parts = {name: scene_part(DigitScenes(name, getattr(self.size, name), self.seed).scenes)
                     for name in ("train", "validation", "test")}
        else:
            parts = photo_parts(self.number, self.data, self.root, self.seed)
        self.material = Material.of(parts)

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Trained]:
        at = self.at(folder, progress)
        captioner = build(self.material.channels, len(self.material.vocabulary), self.objective.hard).to(self.device)
        encoder_trainer = None
        if self.data is None:
            encoder_trainer = encoder_stage(captioner.encoder, self.size.windows, self.size.window_rounds, self.seed, self.device,
                                            config=self.config, **at("encoder"))
            yield encoder_trainer
        baseline = attention_objective.MovingAverage()
        trainer = self._caption_stage(captioner, baseline, at("captioner"))
        yield trainer
        return Trained(captioner, trainer, baseline, encoder_trainer)

    def _caption_stage(self, captioner: AttendCaptioner, baseline: attention_objective.MovingAverage, options: dict) -> Trainer:
        parts, vocabulary = self.material.parts, self.material.vocabulary
        joint = self.data is not None   # otherwise the encoder does not change any more
        annotations, held = (None if joint else captioner.annotate(parts[name]) for name in ("train", "validation"))

        def validate():
            looks = look(captioner, vocabulary, parts["validation"], annotations=held)
            found = {"validation nats a word": sum(k.nats for k in looks) / sum(len(k.words) + 1 for k in looks)}
            if parts["validation"].scenes:
                grid = captioner.encoder.grid(*self.material.picture_size)
                found["pointing"] = pointing(looks, parts["validation"].scenes, grid).accuracy
            return found

        return caption_stage(captioner, parts["train"], CaptionPairs(parts["train"].captions, vocabulary, Vocabulary.pad),
                             lambda decoded, targets, mask: self.loss(decoded, targets, mask, baseline), annotations=annotations,
                             epochs=self.epochs or (self.size.photo_epochs if joint else self.size.epochs), lr=self.objective.lr,
                             config=self.captioner_config(vocabulary), device=self.device, validate=validate,
                             carried={"baseline": baseline}, **options)

    def loss(self, decoded, targets: Tensor, mask: Tensor, baseline: attention_objective.MovingAverage):
        """The variant's objective, and what to record of it; hard attention moves the baseline."""
        settings, words = self.objective, float(mask.sum())
        if settings.hard:
            loss, log_p = attention_objective.hard_objective(decoded, targets, mask, baseline.value, settings.lambda_r,
                                                             settings.lambda_e)
            baseline.update(float(log_p.mean()))
            return loss, {"nats a word": -float(log_p.sum()) / words, "baseline": baseline.value}
        loss = attention_objective.soft_objective(decoded, targets, mask, settings.lam)
        penalty = (attention_objective.doubly_stochastic_penalty(decoded.alpha.detach(), mask).mean() if settings.lam else 0.0)
        return loss, {"nats a word": float(loss.detach() - settings.lam * penalty) * targets.shape[1] / words}

    # ------------------------------------------------------------------ what came of it

    def evaluate(self, trained: Trained) -> Measured:
        return evaluate(trained, self.material, self.size.samples, self.seed)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(self.objective, metrics)

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import figures

        return figures.all_figures(trained, measured, self.material)
