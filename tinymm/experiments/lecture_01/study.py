"""Study: one of the lecture's tasks, with its data, its trainings, its claims and its figures.

Lecture 1 folds one network in three ways, for tasks that share nothing else; each is a Study in a file of its own, imported
when its variant is run.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator
from typing import Any

from ...train import Trainer
from ..captioning.datasets import NAMES
from ..claims import Claim
from ..experiment import At

STUDIES = {"activity": ("activity", "Activity"), "activity_splits": ("activity", "ActivitySplits"),
           "caption": ("caption", "Caption"), "retrieval": ("retrieval", "Retrieval"),
           "video": ("video", "Video")}   # variant -> (module, class)
CLIPS = {"activity": ("ucf101", "UCF101"), "activity_splits": ("ucf101", "UCF101Splits")}
PHOTOGRAPHS = {"caption": ("photographs", "PhotoCaption"), "retrieval": ("photographs", "PhotoRetrieval")}
DATASETS = {"ucf101": CLIPS, **dict.fromkeys(NAMES, PHOTOGRAPHS)}   # published dataset -> its variants, as in STUDIES


class Study:
    """Base of the studies; a subclass makes its data when it is made.

    Args:
        variant: one of ``STUDIES``.
        scale: "lecture", or "smoke" for a quick look.
        seed: of data, weights and order.
        device: "cpu" or "cuda".
        config: what must be the same for a training to be resumed; for the Trainers.
        epochs: rounds of the main training; the scale's own number by default.
        data: name of a published dataset in place of the embedded world.
        root: its folder.
    """

    def __init__(self, variant: str, scale: str, seed: int, device: str, config: dict, epochs: int | None = None,
                 data: str | None = None, root: str | None = None):
        self.variant, self.scale, self.seed, self.device, self.config, self.epochs = variant, scale, seed, device, config, epochs
        self.data, self.root = data, root

    def stages(self, at: At) -> Generator[Trainer, None, Any]:
        """The trainings, one after the other; each is finished before the next one is asked for.

        Args:
            at: ``at(name)`` gives the Trainer's ``folder`` and ``label``.

        Returns:
            What was trained.
        """
        raise NotImplementedError(f"{type(self).__name__}: stages is not written")

    def evaluate(self, trained: Any) -> dict:
        """Measurements as plain data: what the report keeps, and what claims and figures need."""
        raise NotImplementedError(f"{type(self).__name__}: evaluate is not written")

    @staticmethod
    def claims(metrics: dict) -> list[Claim]:
        """What the slides say of this task, as claims about the measurements."""
        raise NotImplementedError("Study: claims is not written")

    def figures(self, trained: Any, metrics: dict) -> dict:
        """File name -> Figure."""
        return {}


def study(variant: str, data: str | None = None) -> type[Study]:
    """The Study class of a variant, on the embedded world or on a published dataset.

    Raises:
        ValueError: a dataset of other variants.
    """
    if data is not None and variant not in DATASETS[data]:
        own = [name for name, variants in DATASETS.items() if variant in variants]
        raise ValueError(f"lecture 1: the dataset {data!r} is for the variants {', '.join(DATASETS[data])} (--variant); the "
                         f"variant {variant} takes {', '.join(own) or 'its own world only'}")
    module, name = STUDIES[variant] if data is None else DATASETS[data][variant]
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)
