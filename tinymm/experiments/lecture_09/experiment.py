"""Lecture 9: Zero-Shot Text-to-Image Generation (Ramesh et al. 2021), DALL-E.

A discrete VAE turns pictures into a grid of tokens. A Transformer learns captions and tokens as one sequence, and then draws
pictures of captions, also of pairs of a colour and a shape that no training picture has. CLIP, trained in the same run on the
same pairs, chooses among several samples.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
from collections.abc import Generator

from ...backend.random import manual_seed
from ...data.worlds.grounded_sprites import ATTRIBUTES, GroundedSprites
from ...train import Trainer
from ..captioning.datasets import NAMES
from ..claims import Claim
from ..experiment import Experiment
from ..picture_judge import Judge
from .claims import claims_of, comparisons
from .data import Part, Setting, Sizes, train_tokenizer
from .evaluation import Measured, evaluate
from .systems import Trained, stages

PARTS = ("judge", "train", "validation", "test", "unseen")


@dataclasses.dataclass(frozen=True)
class Scale:
    """How many pictures each part has, and the sizes of models and trainings."""

    judge: int
    train: int
    validation: int
    test: int
    unseen: int
    sizes: Sizes


SCALES = {"lecture": Scale(judge=4000, train=6000, validation=480, test=480, unseen=240, sizes=Sizes()),
          "smoke": Scale(judge=480, train=480, validation=60, test=60, unseen=24, sizes=Sizes(
              n_hid=16, dvae_rounds=3, rounds=2, clip_rounds=1, judge_rounds=3))}


class ZeroShotTextToImage(Experiment[Trained, Measured]):
    """The dVAE, the Transformer and CLIP, with sparse or full attention, with and without the KL, and with wrong captions."""

    number, title = 9, "Zero-Shot Text-to-Image Generation"
    variants = {"default": "dVAE, sparse Transformer, and CLIP to rank its samples",
                "beta0": "the dVAE with the KL and without it",
                "dense": "full causal attention in place of row, column and convolutional masks",
                "shuffled": "the control: the Transformer learns captions of other pictures"}
    datasets = NAMES
    setting: Setting         # of the world, or of photographs

    @property
    def photographs(self):
        """The module that takes the world's place with ``--data``."""
        return importlib.import_module(f"{__package__}.photographs")

    @property
    def sizes(self) -> Sizes:
        """Of models and trainings; ``epochs`` are rounds of each but the judge's."""
        sizes = SCALES[self.scale].sizes if self.data is None else self.photographs.SIZES[self.scale]
        return sizes if self.epochs is None else dataclasses.replace(
            sizes, dvae_rounds=self.epochs, rounds=self.epochs, clip_rounds=self.epochs)

    @property
    def config(self) -> dict:
        return {**super().config, "hyperparameters": dataclasses.asdict(self.sizes)}

    def prepare(self) -> None:
        if self.data is not None:
            self.setting = self.photographs.photo_setting(self.data, self.root, self.variant, self.scale, self.sizes, self.seed,
                                                          self.device)
            return
        parts = {part: Part.of(GroundedSprites(part, getattr(SCALES[self.scale], part), self.seed)) for part in PARTS}
        tokenizer = train_tokenizer(parts["train"].captions, self.sizes.text_length)
        self.setting = Setting(self.variant, parts, tokenizer, self.sizes, self.seed, self.device)

    def read(self, at) -> Generator[Trainer, None, Setting]:
        """Teach the judge, which stays as it is from here on."""
        manual_seed(self.seed)
        judge, (shown, held) = Judge(ATTRIBUTES).to(self.device), (self.setting.parts[name] for name in ("judge", "validation"))
        yield judge.stage((2 * shown.pixels() - 1, shown.contents), (2 * held.pixels() - 1, held.contents), self.sizes.judge_rounds,
                          device=self.device, **at("judge"))
        return dataclasses.replace(self.setting, judge=judge.eval())

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Trained]:
        at = self.at(folder, progress, config={**self.config, "tokenizer": self.setting.tokenizer.state_dict()})
        if self.data is None:
            self.setting = yield from self.read(at)
        return (yield from stages(self.setting, at))

    def evaluate(self, trained: Trained) -> Measured:
        return (evaluate if self.data is None else self.photographs.evaluate)(self.setting, trained)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(self.variant, metrics, self.sizes.codes) if self.data is None else []   # of photographs nobody knows

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import figures

        return figures.all_figures(self.setting, trained, measured)
