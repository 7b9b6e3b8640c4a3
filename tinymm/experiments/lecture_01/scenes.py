"""What the studies of captions and of retrieval share: scenes of sprites, an encoder taught on others, and captions to learn.

The encoder is taught first, as ImageNet teaches the paper's: windows of single sprites, then questions about whole scenes,
none of which is a scene with captions. Then it is only read. "fc7" is its vector, "fc8" the logits of the questions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

import numpy as np

from ... import nn
from ...backend.random import manual_seed
from ...data.worlds.sprite_scenes import CANVAS, SpriteScenes
from ...models.lrcn import CaptionLRCN
from ...models.picture_encoder import PictureEncoder
from ...nn import chunks
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import CHUNK, Captioner, of_all_pictures
from ..captioning.pairs import CaptionPairs
from ..captioning.parts import Part, scene_part, vocabulary_of
from ..captioning.stage import caption_stage
from ..captioning.teaching import SPRITE_CLASSES, scene_stage, sprite_answers, sprite_window_stage
from ..lecture_02.systems import likelihood
from .study import At, Study

LR = 4e-3
BEAM = 3             # hypotheses of a sentence


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    windows: int              # single sprites to train the encoder on, in each round
    window_rounds: int
    pretraining: int          # scenes to train the encoder on
    pretraining_rounds: int
    train: int                # scenes with captions
    validation: int
    test: int
    epochs: int               # of the captions


# The encoder learns from few scenes, so that it errs now and then: with a perfect one every row of the tables is near the top.
SCALES = {"lecture": Scale(windows=4000, window_rounds=2, pretraining=1000, pretraining_rounds=2, train=2500, validation=300,
                           test=300, epochs=6),
          "smoke": Scale(windows=1000, window_rounds=1, pretraining=300, pretraining_rounds=2, train=120, validation=20, test=30,
                         epochs=4)}


@dataclasses.dataclass(frozen=True)
class Seen:
    """The taught encoder, and what it says of the pictures.

    Attributes:
        encoder: for whoever wants more than the two vectors of a picture.
        accuracy: share of validation scenes with every question answered right.
        features: "fc7" or "fc8" -> part -> (N, F) float32.
    """

    encoder: PictureEncoder
    accuracy: float
    features: dict[str, dict[str, np.ndarray]]

    def phi(self, part: str) -> np.ndarray:
        """phi_V: the logits fc8, as the authors take them, each with mean 0 and variance 1 over the training pictures."""
        train = self.features["fc8"]["train"]
        return (self.features["fc8"][part] - train.mean(0)) / train.std(0)


class SceneStudy(Study):
    """A study of captioned scenes.

    Attributes:
        size: how much of everything.
        parts: "train", "validation", "test".
        vocabulary: the words of the training captions.
    """

    size: Scale
    parts: dict[str, Part]
    vocabulary: Vocabulary

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.size = SCALES[self.scale]
        scenes = SpriteScenes("train", self.size.pretraining + self.size.train, self.seed).scenes
        self.pretraining = scene_part(scenes[:self.size.pretraining])
        self.parts = {"train": scene_part(scenes[self.size.pretraining:]),
                      **{name: scene_part(self.held_out(name, getattr(self.size, name))) for name in ("validation", "test")}}
        self.vocabulary = vocabulary_of(self.parts["train"])

    def held_out(self, part: str, count: int) -> list:
        """The scenes of "validation" or "test"."""
        return SpriteScenes(part, count, self.seed).scenes

    @property
    def rounds(self) -> int:
        """Epochs of the captions."""
        return self.epochs or self.size.epochs

    def see(self, at: At) -> Generator[Trainer, None, Seen]:
        """Teach the encoder, and read all parts with it."""
        encoder = PictureEncoder(3, (CANVAS, CANVAS)).to(self.device)
        yield sprite_window_stage(encoder.conv, self.size.windows, self.size.window_rounds, self.seed, device=self.device,
                                  config=self.config, **at("windows"))
        trainer = scene_stage(encoder, SPRITE_CLASSES, sprite_answers, self.pretraining, self.parts["validation"],
                              self.size.pretraining_rounds, device=self.device, config=self.config, **at("scenes"))
        yield trainer
        _, head = trainer.model.eval().children()
        return self.seen_by(encoder, head, trainer.history["accuracy"][-1])

    def seen_by(self, encoder: PictureEncoder, head: nn.Module, accuracy: float) -> Seen:
        """All parts as the taught encoder sees them, and the logits that ``head`` makes of its vectors."""
        def logits(f: np.ndarray) -> np.ndarray:
            return chunks.array_in_chunks(head, lambda rows: f[rows.start:rows.stop], len(f), CHUNK, self.device)

        fc7 = {name: of_all_pictures(encoder, encoder, part) for name, part in self.parts.items()}
        fc8 = {name: logits(f) for name, f in fc7.items()}
        return Seen(encoder, accuracy, {"fc7": fc7, "fc8": fc8})

    def lrcn(self, phi: np.ndarray, factoring: str, **options) -> tuple[Captioner, Trainer]:
        """A fresh LRCN, as a Captioner of features that are there already, and its Trainer on the training captions.

        Weights and order are drawn from the seed anew, so that all factorings see the same batches.

        Args:
            phi: of the training pictures, (N, F).
            factoring: "1u", "2u" or "2f".
            options: the Trainer's folder and label.
        """
        manual_seed(self.seed)
        model = CaptionLRCN(phi.shape[1], len(self.vocabulary), factoring, pad=Vocabulary.pad)
        captioner = Captioner(nn.Identity(), model, Vocabulary.start).to(self.device)
        train = self.parts["train"]
        pairs = CaptionPairs(train.captions, self.vocabulary, Vocabulary.start)
        return captioner, caption_stage(captioner, train, pairs, likelihood, annotations=phi, epochs=self.rounds, lr=LR,
                                        config={**self.config, "factoring": factoring}, device=self.device, **options)

    def say(self, captioner: Captioner, phi: np.ndarray, beam: int = BEAM) -> list[list[str]]:
        """The best sentence for each picture, as words."""
        return [self.vocabulary.decode(best.tokens) for best, *_ in captioner.search(phi, beam)]
