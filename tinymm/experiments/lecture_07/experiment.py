"""Lecture 7: Generative Adversarial Text to Image Synthesis (Reed et al. 2016), and StackGAN.

Pictures of one sprite are drawn from noise and a sentence. A discriminator that is also shown real pictures with wrong sentences
teaches the generator to heed the sentence (GAN-CLS); sentences between two others teach it to draw what lies between
(GAN-INT). The default variant trains GAN-CLS, and plain GAN beside it.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
from collections.abc import Generator
from typing import Any

from ...backend.random import manual_seed
from ...data.worlds.placed_sprites import ATTRIBUTES, PlacedSprites
from ...train import Trainer
from ..claims import Claim
from ..experiment import At, Experiment, Measured
from .data import Part, Setting
from .embedding import FEATURES, embedding_stage, phi_of, picture_stage, text_encoder, thetas
from ..picture_judge import Judge, PictureNet

STUDIES = {"cls": "systems", "int": "systems", "int_cls": "systems", "stackgan": "stackgan"}   # variant -> module


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    judge: int               # pictures of each part
    train: int
    validation: int
    test: int
    unseen: int
    judge_rounds: int
    picture_rounds: int
    embedding_rounds: int
    epochs: int              # of each GAN
    style_steps: int
    literal_steps: int       # of the training with Algorithm 1's signs


SCALES = {"lecture": Scale(judge=4000, train=4800, validation=240, test=480, unseen=240, judge_rounds=4, picture_rounds=3,
                           embedding_rounds=15, epochs=8, style_steps=300, literal_steps=60),
          "smoke": Scale(judge=480, train=240, validation=120, test=120, unseen=48, judge_rounds=3, picture_rounds=3,
                         embedding_rounds=4, epochs=2, style_steps=20, literal_steps=10)}


class TextToImage(Experiment[Any, Measured]):
    """GAN, GAN-CLS, GAN-INT and GAN-INT-CLS in one implementation, and StackGAN."""

    number, title = 7, "Generative Adversarial Text to Image Synthesis"
    variants = {"cls": "GAN-CLS: D is shown wrong texts, too; and plain GAN beside it",
                "int": "GAN-INT: G learns from texts between two others; and plain GAN beside it",
                "int_cls": "both; and GAN-CLS beside it",
                "stackgan": "StackGAN: a small picture from the text, and a larger one from that, with conditioning augmentation"}
    datasets = ("cub", "oxford102")
    setting: Any             # of the world, or of photographs

    @property
    def size(self) -> Scale:
        """How much of everything."""
        return SCALES[self.scale]

    @property
    def study(self):
        """The module with the variant's ``stages``, ``evaluate``, ``claims_of`` and ``all_figures``."""
        return importlib.import_module(f"{__package__}.{STUDIES[self.variant] if self.data is None else 'photographs'}")

    def prepare(self) -> None:
        if self.data is not None:
            self.setting = self.study.photo_setting(self.data, self.root, self.variant, self.scale, self.epochs, self.seed,
                                                    self.device)
            return
        parts = {part: Part.of(PlacedSprites(part, getattr(self.size, part), self.seed))
                 for part in ("judge", "train", "validation", "test", "unseen")}
        self.setting = Setting(self.variant, parts, self.epochs or self.size.epochs, self.size, self.seed, self.device)

    def read(self, at: At) -> Generator[Trainer, None, Setting]:
        """Teach the judge, the picture net and the encoder of texts; all are as they are from here on."""
        parts, size, device = self.setting.parts, self.size, self.device
        manual_seed(self.seed)
        judge, (shown, held) = Judge(ATTRIBUTES).to(device), (parts[name] for name in ("judge", "validation"))
        yield judge.stage((shown.images, shown.contents), (held.images, held.contents), size.judge_rounds, device=device,
                          **at("judge"))
        net = PictureNet(len(set(parts["train"].classes)), FEATURES).to(device)
        yield picture_stage(net, parts["train"], parts["validation"], size.picture_rounds, device=device, **at("pictures"))
        net.eval()
        encoder = text_encoder().to(device)
        yield embedding_stage(encoder, thetas(net, parts["train"], device), parts["train"], size.embedding_rounds, device=device,
                              **at("embedding"))
        judge.eval()
        encoder.eval()
        phi = {name: phi_of(encoder, part.characters, device).reshape(len(part), -1, FEATURES) for name, part in parts.items()}
        return dataclasses.replace(self.setting, judge=judge, net=net, encoder=encoder, phi=phi)

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Any]:
        at = self.at(folder, progress, config=self.config)
        if self.data is None:
            self.setting = yield from self.read(at)
        return (yield from self.study.stages(self.setting, at))

    def evaluate(self, trained: Any) -> Measured:
        return self.study.evaluate(self.setting, trained)

    def claims(self, metrics: dict) -> list[Claim]:
        return self.study.claims_of(self.variant, metrics)

    def figures(self, trained: Any, measured: Measured) -> dict:
        return self.study.all_figures(self.setting, trained, measured)
