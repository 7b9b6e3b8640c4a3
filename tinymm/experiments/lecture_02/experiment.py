"""Lecture 2, Show and Tell: a captioner that is shown the picture once, on scenes of coloured sprites.

As in the paper, the encoder is trained first, by classification, and then only read; the sentence generator learns from
captions. The encoder learns on windows of single sprites, then on whole scenes (others than those with captions). The
variant ``digits`` is the comparison with lecture 4: the same scenes, encoder and captions, one vector against attention.
Photographs have no such encoder, so there encoder and generator are trained together.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Generator, Sequence

import numpy as np

from ...models.attention_objective import soft_objective
from ...models.picture_encoder import PictureEncoder
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..captioning.lecture import CaptioningExperiment, Material
from ..captioning.likelihood import nats
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part, alone, photo_parts
from ..captioning.stage import BATCH, caption_stage
from ..captioning.teaching import SPRITE_CLASSES, scene_stage, sprite_answers, sprite_window_stage
from ..claims import Claim
from ..experiment import At
from ..lecture_04 import systems as lecture_04
from .claims import claims_of, comparisons
from .data import DIGIT_CLASSES, Worlds, digit_answers, digit_parts, noisy_parts, sprite_parts
from .evaluation import Measured, evaluate
from .systems import OPTIONS, SPRITES, Rivals, TellCaptioner, Trained, build, likelihood


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


SCALES = {"lecture": Scale(windows=20_000, window_rounds=2, pretraining=12_000, pretraining_rounds=7, train=12_000, digits=8000,
                           validation=200, test=500, novel=300, sketch=300, epochs=3, digit_epochs=4, sizes=(150, 600, 2400),
                           photo_epochs=40),
          "smoke": Scale(windows=1500, window_rounds=2, pretraining=600, pretraining_rounds=3, train=400, digits=250,
                         validation=20, test=40, novel=20, sketch=20, epochs=2, digit_epochs=1, sizes=(50, 200),
                         photo_epochs=2)}


class ShowAndTell(CaptioningExperiment[Trained, Measured, Worlds]):
    """The captioner with the usual LSTM, the slide's, or the image at every step; and its comparison with attention."""

    number, title = 2, "Show and Tell"
    variants = {"usual": "the usual LSTM, shown the picture once", "slide": "the slide's cell: no tanh, no biases, no projection",
                "every_step": "shown the picture at every word", "digits": "against lecture 4's attention, on its scenes"}
    build = staticmethod(build)

    @staticmethod
    def explain(captioner: Captioner, vocabulary: Vocabulary, image: np.ndarray, words: list[str]) -> tuple:
        """The tree of a beam search of three."""
        from . import figures

        return "beam", figures.beam(captioner, vocabulary, captioner.annotate(alone(image, words))[0])

    @property
    def size(self) -> Scale:
        """How much of everything."""
        return SCALES[self.scale]

    @property
    def world(self) -> str | None:
        if self.data is not None:
            return None
        return lecture_04.WORLD if self.variant == "digits" else SPRITES

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": {"batch": BATCH, **dataclasses.asdict(self.size),
                                                      "sizes": list(self.size.sizes),
                                                      **dataclasses.asdict(OPTIONS[self.variant])}}

    # ------------------------------------------------------------------ data

    def prepare(self) -> None:
        if self.variant == "digits" and self.data is not None:
            raise ValueError("lecture 2: the variant digits compares models on lecture 4's scenes; --data is for the others")
        if self.data is not None and self.root is not None:   # the two come together
            self.material = Worlds.of(photo_parts(self.number, self.data, self.root, self.seed))
        elif self.variant == "digits":
            counts = {"train": self.size.digits, "validation": self.size.validation, "test": self.size.test}
            parts, pretraining = digit_parts(counts, self.size.pretraining, self.seed)
            self.material = Worlds.of(parts, pretraining=pretraining)
        else:
            counts = {name: getattr(self.size, name) for name in ("train", "validation", "test", "novel", "sketch")}
            parts, pretraining = sprite_parts(counts, self.size.pretraining, self.seed)
            noisy = Material.of(noisy_parts(self.size.train, self.size.test, self.seed)) if self.variant == "usual" else None
            self.material = Worlds.of(parts, pretraining=pretraining, noisy=noisy)

    # ------------------------------------------------------------------ trainings

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Trained]:
        at = self.at(folder, progress)
        if self.data is not None:
            return (yield from self._caption(self._captioner(), None, self.epochs or self.size.photo_epochs, at))
        if self.variant == "digits":
            return (yield from self._digit_stages(at))
        captioner, train = self._captioner(), self.material.parts["train"]
        yield sprite_window_stage(captioner.encoder.conv, self.size.windows, self.size.window_rounds, self.seed,
                                  device=self.device, config=self.config, **at("windows"))
        scene_trainer = self._scenes(captioner.encoder, SPRITE_CLASSES, sprite_answers, at("scenes"))
        yield scene_trainer
        annotations, epochs = captioner.annotate(train), self.epochs or self.size.epochs
        trained = yield from self._caption(captioner, annotations, epochs, at)
        trained.scene_trainer = scene_trainer
        if self.material.noisy is not None:
            trained.smaller = yield from self._smaller(captioner.encoder, annotations, epochs, at)
            trained.noisy = yield from self._noisy(captioner.encoder, self.material.noisy, epochs, at)
        return trained

    def _caption(self, captioner: TellCaptioner, annotations: np.ndarray | None, epochs: int,
                 at: At) -> Generator[Trainer, None, Trained]:
        """Teach captions to the captioner that the variant is about, and watch it on the validation part."""
        parts, vocabulary = self.material.parts, self.material.vocabulary
        held = None if annotations is None else captioner.annotate(parts["validation"])

        def nats_a_word() -> float:
            spent, words = nats(captioner, vocabulary, parts["validation"], held)
            return spent / words

        untrained = nats_a_word()
        trainer = self._caption_stage(captioner, vocabulary, parts["train"], annotations, epochs, OPTIONS[self.variant].lr,
                                      validate=lambda: {"validation nats a word": nats_a_word()}, **at("captioner"))
        yield trainer
        return Trained(captioner, trainer, untrained)

    def _smaller(self, encoder: PictureEncoder, annotations: np.ndarray, epochs: int,
                 at: At) -> Generator[Trainer, None, dict[int, TellCaptioner]]:
        """The same generator, trained for as many steps on fewer scenes."""
        train, found = self.material.parts["train"], {}
        for count in self.size.sizes:
            found[count] = self._captioner(encoder=encoder)
            part, rounds = Part(train.captions[:count], train.images), epochs * self.size.train // count
            yield self._caption_stage(found[count], self.material.vocabulary, part, annotations, rounds, OPTIONS[self.variant].lr,
                                      **at(f"captioner_{count}"))
        return found

    def _noisy(self, encoder: PictureEncoder, noisy: Material, epochs: int, at: At) -> Generator[Trainer, None, TellCaptioner]:
        """The same generator, trained for as many steps on one sentence a picture."""
        captioner = self._captioner(noisy.vocabulary, encoder)
        sentences, train = np.mean([len(c) for c in self.material.parts["train"].captions]), noisy.parts["train"]
        yield self._caption_stage(captioner, noisy.vocabulary, train, captioner.annotate(train), max(1, int(epochs * sentences)),
                                  OPTIONS[self.variant].lr, **at("captioner_noisy"))
        return captioner

    def _digit_stages(self, at: At) -> Generator[Trainer, None, Trained]:
        """Lecture 4's captioner with soft attention; this lecture's on the same features; and on an encoder taught scenes."""
        vocabulary, train = self.material.vocabulary, self.material.parts["train"]
        epochs = self.epochs or self.size.digit_epochs
        attention = lecture_04.build(self.material.channels, len(vocabulary), hard=False).to(self.device)
        yield lecture_04.encoder_stage(attention.encoder, self.size.windows, self.size.window_rounds, self.seed, self.device,
                                       config=self.config, **at("windows"))
        pairs = CaptionPairs(train.captions, vocabulary, Vocabulary.pad)
        objective: Callable = lambda decoded, targets, mask: (soft_objective(decoded, targets, mask, 0.0), {})
        yield caption_stage(attention, train, pairs, objective, annotations=attention.annotate(train), epochs=epochs,
                            lr=lecture_04.OBJECTIVES["soft"].lr, config=self.config, device=self.device, **at("attention"))
        captioner = self._captioner()
        captioner.encoder.conv.load_state_dict(attention.encoder.state_dict())
        trained = yield from self._caption(captioner, captioner.annotate(train), epochs, at)
        taught = self._captioner(variant="usual")
        taught.encoder.conv.load_state_dict(attention.encoder.state_dict())
        trained.scene_trainer = self._scenes(taught.encoder, DIGIT_CLASSES, digit_answers, at("scenes"))
        yield trained.scene_trainer
        yield self._caption_stage(taught, vocabulary, train, taught.annotate(train), epochs, OPTIONS["usual"].lr, **at("taught"))
        trained.rivals = Rivals(attention, taught)
        return trained

    def _captioner(self, vocabulary: Vocabulary | None = None, encoder: PictureEncoder | None = None,
                   variant: str | None = None) -> TellCaptioner:
        """An untrained captioner that knows how frequent words are, if it has a W_d.

        Args:
            vocabulary: its words; the material's by default.
            encoder: one that is there already, in place of its own.
            variant: this one by default.
        """
        material, variant, vocabulary = self.material, variant or self.variant, vocabulary or self.material.vocabulary
        captioner = build(material.channels, material.picture_size, len(vocabulary), variant).to(self.device)
        if encoder is not None:
            captioner.encoder = encoder
        if OPTIONS[variant].projection:
            captioner.decoder.unigram_(vocabulary.counts)
        return captioner

    def _scenes(self, encoder: PictureEncoder, classes: Sequence[int], answers: Callable[[Part], np.ndarray],
                options: dict) -> Trainer:
        """Answer questions about whole scenes, with the convolutional part as it is."""
        pretraining = self.material.pretraining
        assert pretraining is not None   # photographs have no stage of scenes
        return scene_stage(encoder, classes, answers, pretraining, self.material.parts["validation"], self.size.pretraining_rounds,
                           device=self.device, config=self.config, **options)

    def _caption_stage(self, captioner: Captioner, vocabulary: Vocabulary, part: Part, annotations: np.ndarray | None, epochs: int,
                       lr: float, **options) -> Trainer:
        """Maximum likelihood of a part's captions."""
        return caption_stage(captioner, part, CaptionPairs(part.captions, vocabulary, Vocabulary.start), likelihood,
                             annotations=annotations, epochs=epochs, lr=lr, config=self.captioner_config(vocabulary),
                             device=self.device, **options)

    # ------------------------------------------------------------------ what came of it

    def evaluate(self, trained: Trained) -> Measured:
        return evaluate(trained, self.material)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(OPTIONS[self.variant], metrics)

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import figures

        return figures.all_figures(trained, measured, self.material)
