"""Lecture 5: Layer Normalization (Ba, Kiros and Hinton 2016), on six tasks by one protocol.

The default run computes the slide's table of invariances, trains (a) ranking, (b) the reader and (f) digits, and follows
recurrences whose weights are scaled; the other three tasks are variants.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Generator
from typing import Any

from ...train import Trainer
from .. import experiment as protocol
from ..captioning.datasets import NAMES
from ..claims import Claim
from ..experiment import Experiment
from . import invariances
from .claims import claims_of, comparisons
from .comparison import Compared, Task, compare, summary, task

PLAN = {"default": ("ranking", "reader", "digits", "digits, batch 4"), "stories": ("skip_thoughts",), "pictures": ("draw",),
        "letters": ("handwriting",)}                     # variant -> names of its tasks
DATASETS = {**{name: ("default", ("ranking",)) for name in NAMES},
            "cnn": ("default", ("reader",)), "dailymail": ("default", ("reader",)),
            "mnist": ("default", ("digits", "digits, batch 4")), "sentences": ("stories", ("skip_thoughts",)),
            "binarized_mnist": ("pictures", ("draw",)),
            "iam_ondb": ("letters", ("handwriting",))}   # published dataset -> variant, and the tasks that run on it
DYNAMICS_STEPS = {"lecture": 100, "smoke": 5}


@dataclasses.dataclass
class Trained:
    """What the trainings of the lecture yield: name of a task -> its systems."""

    compared: dict[str, Compared] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Measured(protocol.Measured):
    """What the lecture measures.

    Attributes:
        dynamics: what ``dynamics.measure`` gives, for its figure; None where it is not measured.
    """

    dynamics: Any = None


class LayerNormalization(Experiment[Trained, Measured]):
    """Systems that differ in their normalisation alone, on six tasks."""

    number, title = 5, "Layer Normalization"
    variants = {"default": "table of invariances, image-sentence ranking, question answering, digits",
                "stories": "contextual language modelling (skip-thoughts)", "pictures": "generative modelling (DRAW)",
                "letters": "handwriting sequences"}
    datasets = tuple(DATASETS)
    tasks: list[Task]

    @property
    def plan(self) -> tuple[str, ...]:
        """Names of the tasks: the variant's, of published data those that it is for."""
        return PLAN[self.variant] if self.data is None else DATASETS[self.data][1]

    @property
    def config(self) -> dict:
        return {**super().config, "tasks": list(self.plan)}

    def prepare(self) -> None:
        """Make or read the data of the variant's tasks.

        Raises:
            ValueError, OSError: damaged or missing files.
            ValueError: a dataset of another variant, a device other than the processor, for which the tasks make their batches.
        """
        if self.device != "cpu":
            raise ValueError(f"lecture 5: device={self.device!r}; its tasks make their batches on the processor, leave it out")
        if self.data is not None and (variant := DATASETS[self.data][0]) != self.variant:
            own = [name for name, (of, _) in DATASETS.items() if of == self.variant]
            raise ValueError(f"lecture 5: the dataset {self.data!r} is for the variant {variant} (--variant {variant}); the "
                             f"variant {self.variant} takes {', '.join(own)}")
        self.tasks = [task(name, self.scale, self.seed, self.data, self.root) for name in self.plan]
        if self.epochs is None:
            return
        for one in self.tasks:
            batches = len(one.train) // min(one.batch, len(one.train))
            one.steps = -(-self.epochs * batches // one.every) * one.every   # as many whole stretches as hold the rounds
            one.probe = min(one.probe, one.steps)

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Trained]:
        trained = Trained()
        for one in self.tasks:
            trained.compared[one.name] = yield from compare(one, self.seed, folder, progress, self.config)
        return trained

    def evaluate(self, trained: Trained) -> Measured:
        metrics: dict = {"tasks": {name: summary(compared) for name, compared in trained.compared.items()}}
        if self.variant != "default" or self.data is not None:
            return Measured(metrics)
        from . import dynamics

        found = dynamics.measure(self.seed, steps=DYNAMICS_STEPS[self.scale])
        return Measured({"invariances": invariances.summary(self.seed), "alone": invariances.batch_independence(self.seed),
                         "dynamics": dynamics.summary(found), **metrics}, found)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(metrics) if self.data is None else []   # they are about the worlds

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        return comparisons(metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import dynamics, figures

        drawn = figures.all_figures(measured.metrics)
        for name, compared in trained.compared.items():
            own = compared.task.figures(compared.models, measured.metrics["tasks"][name])
            drawn |= {figures.file_name(name, title): figure for title, figure in own.items()}
        if measured.dynamics is not None:
            drawn["dynamics.png"] = dynamics.figure(measured.dynamics)
        return drawn
