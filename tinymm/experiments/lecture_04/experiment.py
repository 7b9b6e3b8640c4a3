"""Lecture 4, Show, Attend and Tell: a captioner that shows where it looks, on scenes of real handwriting.

As in the paper, the encoder is trained first, to classify (here: which digit, and is it large?), and then only read: its
annotation vectors of all pictures are computed once. The decoder learns from captions alone where to look; nobody tells
it which word belongs to which place. Photographs have no such encoder, so there both parts are trained together.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ...autograd import Tensor
from ...backend.threads import blas_threads
from ...data.worlds.digit_scenes import CANVAS, DigitScenes
from ...data.worlds.digit_windows import CLASSES, digit_windows
from ...models import attention_objective
from ...models.conv_encoder import ConvEncoder
from ...models.show_attend_and_tell import ShowAttendTell
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.datasets import NAMES
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import alone, photo_parts, scene_part, vocabulary_of
from ..captioning.stage import BATCH, BLAS_THREADS, caption_stage, captioner_config
from ..captioning.captioner import Captioner
from ..claims import Claim
from ..classify_stage import window_stage
from ..experiment import Experiment


WORLD = f"scenes of {CANVAS} x {CANVAS} pixels with handwritten digits of 10 to 18 pixels"


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


SCALES = {"lecture": Scale(20_000, 2, 8000, 200, 500, 4, 40, 64),
          "smoke": Scale(1500, 2, 250, 20, 40, 1, 2, 8)}


@dataclasses.dataclass(frozen=True)
class Objective:
    """The hyper-parameters in which the variants differ."""

    hard: bool = False
    lam: float = 0.0        # lambda of the doubly stochastic penalty
    lambda_r: float = 0.1   # as the authors' code; 1 is unbiased, and too noisy to learn from here
    lambda_e: float = 0.002
    lr: float = 4e-3


OBJECTIVES = {"soft": Objective(), "hard": Objective(hard=True), "doubly_stochastic": Objective(lam=1.0)}


def build(channels: int, vocabulary: int, hard: bool) -> Captioner:
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
                   (digit_windows("train", windows, seed), digit_windows("validation", 1000, seed)))
    return window_stage(encoder, (CLASSES,), train, held, rounds, device=device, **trainer)


class ShowAttendAndTell(Experiment):
    """The captioner with soft attention, hard attention, or soft attention with the doubly stochastic penalty."""

    number, title = 4, "Show, Attend and Tell"
    variants = {"soft": "soft attention", "hard": "hard attention, by REINFORCE",
                "doubly_stochastic": "soft attention with the penalty, lambda = 1"}
    datasets = NAMES

    @staticmethod
    def restore(config: dict, vocabulary: int) -> Captioner:
        """An untrained captioner of the kind that a checkpoint with this configuration belongs to."""
        return build(config["channels"], vocabulary, OBJECTIVES[config["variant"]].hard)

    @staticmethod
    def explain(captioner: Captioner, vocabulary: Vocabulary, image: np.ndarray, words: list[str]):
        """Where the model looks in a picture (C, H, W) at each word of a sentence: (what it is, a Figure)."""
        from . import evaluation as lecture_04_evaluation, figures as lecture_04_figures

        one, = lecture_04_evaluation.look(captioner, vocabulary, alone(image, words))
        return "attention", lecture_04_figures.attention(image, one, captioner.encoder.grid(*image.shape[1:]))

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": {"batch": BATCH, **dataclasses.asdict(SCALES[self.scale]),
                                                      **dataclasses.asdict(OBJECTIVES[self.variant])}}

    # ------------------------------------------------------------------ data and models

    def prepare(self) -> None:
        self.size, self.objective = SCALES[self.scale], OBJECTIVES[self.variant]
        if self.data is None:
            self.parts = {name: scene_part(DigitScenes(name, getattr(self.size, name), self.seed).scenes)
                          for name in ("train", "validation", "test")}
        else:
            self.parts = photo_parts(self.number, self.data, self.root, self.seed)
        self.vocabulary = vocabulary_of(self.parts["train"])
        self.pairs = {name: CaptionPairs(part.captions, self.vocabulary, Vocabulary.pad) for name, part in self.parts.items()}
        picture = self.parts["train"].images([0])
        self.channels, self.picture_size = picture.shape[1], picture.shape[2:]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of annotation vectors."""
        return self.captioner.encoder.grid(*self.picture_size)

    def stages(self, folder, progress):
        self.captioner = build(self.channels, len(self.vocabulary), self.objective.hard).to(self.device)
        if self.data is None:
            self.encoder_trainer = encoder_stage(
                self.captioner.encoder, self.size.windows, self.size.window_rounds, self.seed, self.device, config=self.config,
                folder=folder and folder / "encoder", label="encoder" if progress else None)
            yield self.encoder_trainer
        self.trainer = self._caption_stage(folder and folder / "captioner", progress)
        yield self.trainer

    def _caption_stage(self, folder, progress) -> Trainer:
        joint = self.data is not None   # otherwise the encoder does not change any more
        annotations, held = (None if joint else self.captioner.annotate(self.parts[name]) for name in ("train", "validation"))
        self.baseline = attention_objective.MovingAverage()

        def validate():
            from . import evaluation

            looks = evaluation.look(self.captioner, self.vocabulary, self.parts["validation"], annotations=held)
            found = {"validation nats a word": sum(k.nats for k in looks) / sum(len(k.words) + 1 for k in looks)}
            if self.parts["validation"].scenes is not None:
                found["pointing"] = evaluation.pointing(looks, self.parts["validation"].scenes, self.grid).accuracy
            return found

        config = captioner_config(self, self.vocabulary, None if joint else WORLD)
        return caption_stage(self.captioner, self.parts["train"], self.pairs["train"], self.loss, annotations=annotations,
                             epochs=self.epochs or (self.size.photo_epochs if joint else self.size.epochs), lr=self.objective.lr,
                             config=config, device=self.device, validate=validate, folder=folder,
                             carried={"baseline": self.baseline}, label="captioner" if progress else None)

    def loss(self, decoded, targets: Tensor, mask: Tensor):
        """The variant's objective, and what to record of it."""
        settings, words = self.objective, float(mask.sum())
        if settings.hard:
            loss, log_p = attention_objective.hard_objective(decoded, targets, mask, self.baseline.value, settings.lambda_r,
                                                             settings.lambda_e)
            self.baseline.update(float(log_p.mean()))
            return loss, {"nats a word": -float(log_p.sum()) / words, "baseline": self.baseline.value}
        loss = attention_objective.soft_objective(decoded, targets, mask, settings.lam)
        penalty = (attention_objective.doubly_stochastic_penalty(decoded.alpha.detach(), mask).mean() if settings.lam else 0.0)
        return loss, {"nats a word": float(loss.detach() - settings.lam * penalty) * targets.shape[1] / words}

    # ------------------------------------------------------------------ what came of it

    def evaluate(self) -> dict:
        from . import evaluation

        with blas_threads(BLAS_THREADS):
            self.measured = evaluation.Evaluation(self)
        return self.measured.metrics

    def claims(self, metrics: dict) -> list[Claim]:
        first, chance = metrics["loss"]["first nats a word"], np.log(len(self.vocabulary))
        claims = [Claim(f"the first loss is within 0.3 of ln K = {chance:.2f} nats a word", abs(first - chance), "<", 0.3)]
        if self.data is not None:   # so few photographs prove the path, and nothing else
            return claims
        points, soft = metrics["attention"], not self.objective.hard
        claims += [
            Claim("BLEU-4 of generated captions on held-out scenes", metrics["captions"]["beam 5"]["BLEU-4"], ">", 0.9),
            Claim("the attention is on the digit that is being named, in held-out captions",
                  points["given captions"]["accuracy"], ">=", 0.9 if soft else 0.8),
            Claim("and on the digit whose turn it is, in the sentences it writes itself",
                  points["generated captions"]["accuracy"], ">=", 0.9 if soft else 0.8),
            Claim("the gate beta is lower on words that say nothing about the picture (difference of means)",
                  metrics["beta"]["function words"] - metrics["beta"]["content words"], "<", 0)]
        if soft and not self.objective.lam:
            claims.append(Claim("the attention's mass on the named digit", points["given captions"]["mass"], ">=", 0.7))
        if not soft:
            claims.append(Claim("the baseline lowers the variance of the gradient (ratio to that without)",
                                metrics["gradient variance"]["with baseline"] / metrics["gradient variance"]["without"], "<", 1))
        return claims

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        claims = []
        if {"soft", "doubly_stochastic"} <= set(metrics):
            claims.append(Claim("the penalty spreads the attention of a whole sentence (gain in entropy of the coverage, nats)",
                                metrics["doubly_stochastic"]["coverage entropy"] - metrics["soft"]["coverage entropy"], ">", 0))
        return claims

    def figures(self, metrics: dict) -> dict:
        from . import figures

        return figures.all_figures(self, metrics)
