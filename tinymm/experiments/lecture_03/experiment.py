"""Lecture 3: Deep Visual-Semantic Alignments (Karpathy and Fei-Fei 2015), which word is about which part of a picture.

Pictures come as regions, sentences as words, and a model that is told only which sentence belongs to which picture finds out
which word belongs to which region. The default variant trains it, and beside it a control on sentences of other pictures;
two variants take away the context of the words, and the choice of the best region. The generator learns to describe regions
from what the alignment inferred.
"""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
from collections.abc import Generator
from typing import Any

import numpy as np

from ...models.conv_encoder import ConvEncoder
from ...text import Vocabulary
from ...train import Trainer
from ..captioning.captioner import Captioner
from ..captioning.datasets import WITH_BOXES
from ..captioning.lecture import CaptionerExperiment
from ..captioning.parts import frequent_words
from ..captioning.teaching import sprite_window_stage
from ..claims import Claim
from ..experiment import At, Measured
from .claims import comparisons
from .data import Setting, read, scene_parts
from .describer import RegionEncoder, build
from .regions import crops

STUDIES = {"alignment": "pointing", "no_context": "pointing", "sum": "pointing",
           "generator": "generator"}   # variant -> module


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    windows: int              # single sprites to train the encoder on, in each round
    window_rounds: int
    train: int                # scenes with sentences
    validation: int
    test: int
    epochs: int
    before_describing: int    # epochs, where a describer learns from the alignment
    steps: int                # of each describer


SCALES = {"lecture": Scale(windows=4000, window_rounds=2, train=6000, validation=300, test=300, epochs=10,
                           before_describing=5, steps=600),
          "smoke": Scale(windows=1000, window_rounds=1, train=300, validation=40, test=60, epochs=6,
                         before_describing=2, steps=60)}


class DeepVisualSemanticAlignments(CaptionerExperiment[Any, Measured]):
    """The alignment, what it owes to context and to the best region, and the generator that learns from it."""

    number, title = 3, "Deep Visual-Semantic Alignments for Generating Image Descriptions"
    variants = {"alignment": "words find their regions, from pairs of pictures and sentences; and a control on shuffled captions",
                "no_context": "the same without the BRNN: a word's vector knows the word alone",
                "sum": "DeFrag's score: the sum over all regions in the place of the best one",
                "generator": "descriptions of regions, taught on the regions and snippets that the alignment infers"}
    describes = "boxes"
    datasets = WITH_BOXES
    setting: Setting

    @property
    def size(self) -> Scale:
        """How much of everything."""
        return SCALES[self.scale]

    @property
    def study(self):
        """The module with the variant's ``stages``, ``evaluate``, ``claims_of`` and ``all_figures``."""
        return importlib.import_module(f"{__package__}.{STUDIES[self.variant] if self.data is None else 'photographs'}")

    def prepare(self) -> None:
        counts = {name: getattr(self.size, name) for name in ("train", "validation", "test")}
        if self.data is None or self.root is None:
            parts = scene_parts(counts, self.seed)
            vocabulary = Vocabulary.build(parts["train"].captions)
        elif self.variant not in self.study.VARIANTS:
            raise ValueError(f"lecture 3: photographs are for the variants {', '.join(self.study.VARIANTS)} (--variant); "
                             f"{self.variant} takes its own world only")
        else:
            parts = self.study.photo_parts(self.data, self.root, counts, self.seed)
            vocabulary = frequent_words(parts["train"].captions)
        epochs = self.size.before_describing if self.variant == "generator" else self.size.epochs
        self.setting = Setting(self.variant, parts, vocabulary, self.epochs or epochs, self.size.steps, self.seed, self.device)

    def see(self, at: At) -> Generator[Trainer, None, ConvEncoder]:
        """Teach a CNN on single sprites."""
        encoder = ConvEncoder(3).to(self.device)
        yield sprite_window_stage(encoder, self.size.windows, self.size.window_rounds, self.seed, device=self.device,
                                  **at("windows"))
        return encoder

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Any]:
        at = self.at(folder, progress, config=self.config)
        encoder = None if self.setting.parts["train"].features else (yield from self.see(at))
        pairs = read(encoder, self.setting.parts, self.setting.vocabulary, self.device)
        return (yield from self.study.stages(self.setting, encoder, pairs, at))

    def evaluate(self, trained: Any) -> Measured:
        return self.study.evaluate(self.setting, trained)

    def claims(self, metrics: dict) -> list[Claim]:
        return self.study.claims_of(self.variant, metrics)

    @classmethod
    def restore(cls, config: dict, vocabulary: int) -> Captioner:
        return build(RegionEncoder(ConvEncoder(config["channels"])), vocabulary)

    @staticmethod
    def crops(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        return crops([image], [boxes])

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Any, measured: Measured) -> dict:
        return self.study.all_figures(self.setting, trained, measured)
