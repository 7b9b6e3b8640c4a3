"""Lecture 2, Show and Tell: a captioner that is shown the picture once, on scenes of coloured sprites.

As in the paper, the encoder is trained first, by classification, and then only read; the sentence generator learns from
captions. The encoder learns on windows of single sprites, then on whole scenes (others than those with captions). The
variant ``digits`` is the comparison with lecture 4: the same scenes, encoder and captions, one vector against attention.
Photographs have no such encoder, so there encoder and generator are trained together.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ... import functional as F
from ... import nn
from ...autograd import Tensor
from ...backend.threads import blas_threads
from ...data.worlds.sprite_scenes import CANVAS
from ...data.worlds.sprite_windows import CLASSES, sprite_windows
from ...models.attention_objective import soft_objective
from ...models.conv_encoder import ConvEncoder
from ...models.picture_encoder import PictureEncoder
from ...models.show_and_tell import ShowTell
from ...text import Vocabulary
from ...train import Trainer
from ..lecture_04 import experiment as lecture_04
from ..captioning.datasets import NAMES
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part, alone, photo_parts, vocabulary_of
from ..captioning.stage import BATCH, BLAS_THREADS, caption_stage, captioner_config
from ..captioning.captioner import Captioner, in_chunks
from ..claims import Claim
from ..classify_stage import classify_stage, window_stage
from ..experiment import Experiment
from .claims import claims_of, comparisons
from .data import DIGIT_CLASSES, SPRITE_CLASSES, digit_answers, digit_parts, noisy_parts, sprite_answers, sprite_parts
from .evaluation import Evaluation, nats

SPRITES = f"scenes of {CANVAS} x {CANVAS} pixels with one or two coloured sprites of 9 to 17 pixels"


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    windows: int              # single sprites or digits to train the encoder on, in each round
    window_rounds: int
    pretraining: int          # scenes to train the encoder on
    pretraining_rounds: int
    train: int                # scenes with captions
    digits: int               # the same for the variant "digits"
    validation: int
    test: int
    novel: int
    sketch: int
    epochs: int
    digit_epochs: int
    sizes: tuple[int, ...]    # smaller training sets for the learning curve
    photo_epochs: int


SCALES = {"lecture": Scale(20_000, 2, 12_000, 7, 12_000, 8000, 200, 500, 300, 300, 3, 4, (150, 600, 2400), 40),
          "smoke": Scale(1500, 2, 600, 3, 400, 250, 20, 40, 20, 20, 2, 1, (50, 200), 2)}


@dataclasses.dataclass(frozen=True)
class Options:
    """How a variant's sentence generator is built and trained."""

    model: dict
    lr: float = 4e-3


OPTIONS = {"usual": Options({"embedding": 256}),
           "slide": Options({"embedding": 256, "output_tanh": False, "projection": False, "bias": False}),
           "every_step": Options({"embedding": 256, "image": "every"}),
           "digits": Options({"embedding": 256, "hidden": 256, "normalize": True}, lr=2e-3)}


def build(channels: int, picture_size: tuple[int, int], vocabulary: int, variant: str) -> Captioner:
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


class ShowAndTell(Experiment):
    """The captioner with the usual LSTM, the slide's, or the image at every step; and its comparison with attention."""

    number, title = 2, "Show and Tell"
    variants = {"usual": "the usual LSTM, shown the picture once", "slide": "the slide's cell: no tanh, no biases, no projection",
                "every_step": "shown the picture at every word", "digits": "against lecture 4's attention, on its scenes"}
    datasets = NAMES

    @staticmethod
    def restore(config: dict, vocabulary: int) -> Captioner:
        """An untrained captioner of the kind that a checkpoint with this configuration belongs to."""
        return build(config["channels"], tuple(config["picture_size"]), vocabulary, config["variant"])

    @staticmethod
    def explain(captioner: Captioner, vocabulary: Vocabulary, image: np.ndarray, words: list[str]):
        """The tree of a beam search of three for a picture (C, H, W): (what it is, a Figure)."""
        from . import figures as lecture_02_figures

        return "beam", lecture_02_figures.beam(captioner, vocabulary, captioner.annotate(alone(image, words))[0])

    @property
    def config(self) -> dict:
        scale = SCALES[self.scale]
        return {**super().config, "hyperparameters": {"batch": BATCH, **dataclasses.asdict(scale), "sizes": list(scale.sizes),
                                                      **dataclasses.asdict(OPTIONS[self.variant])}}

    # ------------------------------------------------------------------ data and models

    def prepare(self) -> None:
        if self.variant == "digits" and self.data is not None:
            raise ValueError("lecture 2: the variant digits compares models on lecture 4's scenes; --data is for the others")
        self.size, self.noisy = SCALES[self.scale], None
        if self.data is not None:
            self.parts = photo_parts(self.number, self.data, self.root, self.seed)
        elif self.variant == "digits":
            counts = {"train": self.size.digits, "validation": self.size.validation, "test": self.size.test}
            self.parts, self.pretraining = digit_parts(counts, self.size.pretraining, self.seed)
        else:
            counts = {name: getattr(self.size, name) for name in ("train", "validation", "test", "novel", "sketch")}
            self.parts, self.pretraining = sprite_parts(counts, self.size.pretraining, self.seed)
            if self.variant == "usual":
                self.noisy = noisy_parts(self.size.train, self.size.test, self.seed)
        self.vocabulary = vocabulary_of(self.parts["train"])
        picture = self.parts["train"].images([0])
        self.channels, self.picture_size = picture.shape[1], picture.shape[2:]

    def stages(self, folder, progress):
        at = lambda name: {"folder": folder and folder / name, "label": name if progress else None}
        K = len(self.vocabulary)
        if self.variant == "digits":
            yield from self._digit_stages(at)
            return
        self.captioner = build(self.channels, self.picture_size, K, self.variant).to(self.device)
        if self.data is not None:
            yield self._captions("captioner", self.captioner, self.parts["train"], None, self.epochs or self.size.photo_epochs, at)
            return
        encoder = self.captioner.encoder
        yield self._windows(encoder.conv, at("windows"))
        self.scene_trainer = self._scenes(encoder, SPRITE_CLASSES, sprite_answers, at("scenes"))
        yield self.scene_trainer
        annotations = self.captioner.annotate(self.parts["train"])
        epochs = self.epochs or self.size.epochs
        yield self._captions("captioner", self.captioner, self.parts["train"], annotations, epochs, at)
        self.smaller, self.noisy_captioner = {}, None
        if self.variant != "usual":
            return
        for count in self.size.sizes:   # as many steps on fewer scenes
            part = Part(self.parts["train"].captions[:count], self.parts["train"].images)
            self.smaller[count] = self._another(encoder)
            rounds = epochs * self.size.train // count
            yield self._captions(f"captioner_{count}", self.smaller[count], part, annotations, rounds, at)
        self.noisy_captioner = self._another(encoder, vocabulary_of(self.noisy["train"]))
        sentences = np.mean([len(c) for c in self.parts["train"].captions])
        yield self._captions("captioner_noisy", self.noisy_captioner, self.noisy["train"],
                             self.noisy_captioner.annotate(self.noisy["train"]), max(1, int(epochs * sentences)), at)

    def _digit_stages(self, at):
        """Lecture 4's captioner with soft attention; this lecture's on the same features; and on an encoder taught scenes."""
        K, epochs, train = len(self.vocabulary), self.epochs or self.size.digit_epochs, self.parts["train"]
        self.attention = lecture_04.build(self.channels, K, hard=False).to(self.device)
        yield lecture_04.encoder_stage(self.attention.encoder, self.size.windows, self.size.window_rounds, self.seed, self.device,
                                       config=self.config, **at("windows"))
        pairs = CaptionPairs(train.captions, self.vocabulary, Vocabulary.pad)
        objective = lambda decoded, targets, mask: (soft_objective(decoded, targets, mask, 0.0), {})
        yield caption_stage(self.attention, train, pairs, objective, annotations=self.attention.annotate(train), epochs=epochs,
                            lr=lecture_04.OBJECTIVES["soft"].lr, config=self.config, device=self.device, **at("attention"))
        self.captioner = build(self.channels, self.picture_size, K, "digits").to(self.device)
        self.captioner.encoder.conv.load_state_dict(self.attention.encoder.state_dict())
        yield self._captions("captioner", self.captioner, train, self.captioner.annotate(train), epochs, at)
        self.taught = build(self.channels, self.picture_size, K, "usual").to(self.device)
        self.taught.encoder.conv.load_state_dict(self.attention.encoder.state_dict())
        self.scene_trainer = self._scenes(self.taught.encoder, DIGIT_CLASSES, digit_answers, at("scenes"))
        yield self.scene_trainer
        yield self._captions("taught", self.taught, train, self.taught.annotate(train), epochs, at, OPTIONS["usual"].lr)

    def _another(self, encoder: PictureEncoder, vocabulary: Vocabulary | None = None) -> Captioner:
        """Another generator for the same encoder."""
        other = build(self.channels, self.picture_size, len(vocabulary or self.vocabulary), self.variant).to(self.device)
        other.encoder, other.vocabulary = encoder, vocabulary or self.vocabulary
        return other

    def _windows(self, conv: ConvEncoder, trainer: dict) -> Trainer:
        """Classify windows with single sprites."""
        return window_stage(conv, CLASSES, sprite_windows("train", self.size.windows, self.seed),
                            sprite_windows("validation", 1000, self.seed), self.size.window_rounds, device=self.device,
                            config=self.config, **trainer)

    def _scenes(self, encoder: PictureEncoder, classes, answers, trainer: dict) -> Trainer:
        """Answer questions about whole scenes, with the convolutional part as it is."""
        model = nn.Sequential(encoder.connected, nn.Linear(encoder.features, sum(classes))).to(self.device)
        train, held = ((in_chunks(encoder.strips, encoder, part), answers(part))
                       for part in (self.pretraining, self.parts["validation"]))
        return classify_stage(model, model, classes, train, held, self.size.pretraining_rounds, device=self.device,
                              config=self.config, blas_threads=BLAS_THREADS, **trainer)

    def _captions(self, name: str, captioner: Captioner, part: Part, annotations: np.ndarray | None, epochs: int, at,
                  lr: float | None = None) -> Trainer:
        vocabulary = getattr(captioner, "vocabulary", self.vocabulary)
        if captioner.decoder.W_d is not None:
            captioner.decoder.unigram_(vocabulary.counts)
        pairs = CaptionPairs(part.captions, vocabulary, Vocabulary.start)
        main = name == "captioner"
        held = captioner.annotate(self.parts["validation"]) if main and annotations is not None else None
        if main:
            spent, words = nats(captioner, vocabulary, self.parts["validation"], held)
            self.untrained = spent / words
        config = captioner_config(self, vocabulary, self.world)

        def validate():
            spent, words = nats(captioner, vocabulary, self.parts["validation"], held)
            return {"validation nats a word": spent / words}

        trainer = caption_stage(captioner, part, pairs, likelihood, annotations=annotations, epochs=epochs,
                                lr=lr or OPTIONS[self.variant].lr, config=config, device=self.device,
                                validate=validate if main else None, **at(name))
        if main:
            self.trainer = trainer
        return trainer

    @property
    def world(self) -> str | None:
        """What the pictures are, for people who come with their own; None for photographs."""
        return None if self.data is not None else lecture_04.WORLD if self.variant == "digits" else SPRITES

    # ------------------------------------------------------------------ what came of it

    def evaluate(self) -> dict:
        with blas_threads(BLAS_THREADS):
            self.measured = Evaluation(self)
        return self.measured.metrics

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(self, metrics)

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, metrics: dict) -> dict:
        from . import figures

        return figures.all_figures(self, metrics)
