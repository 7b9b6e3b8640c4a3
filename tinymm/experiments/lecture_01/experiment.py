"""Lecture 1: Long-term Recurrent Convolutional Networks (Donahue et al. 2015), one network on three kinds of tasks.

What is done in a clip (the default), captions, retrieval, and descriptions of videos; each variant is a ``Study``.
"""

from __future__ import annotations

import pathlib
from collections.abc import Generator
from typing import Any

from ...train import Trainer
from ..claims import Claim
from ..experiment import Experiment, Measured
from .study import DATASETS, Study, study


class LongTermRecurrentConvolutionalNetworks(Experiment[Any, Measured]):
    """One recurrent network behind a CNN: sequence to label, static input to sequence, sequence to sequence."""

    number, title = 1, "Long-term Recurrent Convolutional Networks"
    variants = {"activity": "what is done in a clip: one frame against LRCN, colour and flow, and their fusion",
                "activity_splits": "the same over three splits of the handwritten originals",
                "caption": "captions: LRCN-1u, 2u and 2f against nearest neighbours",
                "retrieval": "captions to images and images to captions, against five rivals",
                "video": "descriptions of videos from a CRF's labels"}
    datasets = tuple(DATASETS)
    study: Study

    def prepare(self) -> None:
        """Make or read the data of the variant.

        Raises:
            ValueError, OSError: damaged or missing files.
            ValueError: a dataset of another variant.
        """
        self.study = study(self.variant, self.data)(self.variant, self.scale, self.seed, self.device, self.config, self.epochs,
                                                    self.data, self.root)

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Any]:
        return (yield from self.study.stages(self.at(folder, progress)))

    def evaluate(self, trained: Any) -> Measured:
        return Measured(self.study.evaluate(trained))

    def claims(self, metrics: dict) -> list[Claim]:
        return study(self.variant, self.data).claims(metrics)

    def figures(self, trained: Any, measured: Measured) -> dict:
        return self.study.figures(trained, measured.metrics)
