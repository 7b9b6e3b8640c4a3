"""One protocol for six tasks: systems that differ in their normalisation alone, trained alike and followed over their steps.

All systems of a task have the same seed, the same order of the data, the same number of steps and one learning rate: the one
of a small grid with which the plain system does best on validation. A task says what is trained and measured (``Task``);
the loop is here, once.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import pathlib
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar

import numpy as np

from ... import optim
from ...autograd import Tensor, no_grad
from ...backend.random import manual_seed
from ...data import DataLoader
from ...nn import Module
from ...train import Trainer

TASKS = {"ranking": ("ranking", "Ranking"), "reader": ("reader", "Reader"), "skip_thoughts": ("skip_thoughts", "SkipThoughts"),
         "draw": ("draw", "Draw"), "handwriting": ("handwriting", "Handwriting"), "digits": ("digits", "Digits"),
         "digits, batch 4": ("digits", "SmallBatches")}   # name -> (module, class), imported when it is run
PUBLISHED = {"reader": ("published.reader", "News"), "skip_thoughts": ("published.skip_thoughts", "Books"),
             "draw": ("published.draw", "BinarizedMNIST"), "handwriting": ("published.handwriting", "Whiteboard"),
             "digits": ("published.digits", "MNIST"), "digits, batch 4": ("published.digits", "SmallBatches"),
             "ranking": ("published.ranking", "Photographs")}   # the same tasks on published data


class Task:
    """What one of the tasks trains and measures; a subclass sets the class's attributes and writes the methods.

    Args:
        scale: "lecture", or "smoke" for a quick look.
        seed: of the data.

    Attributes:
        name: as in ``TASKS``.
        title: one line, for tables and figures.
        norms: the systems, the plain one first.
        rates: learning rates; the one that is best for the plain system on validation is taken for all.
        measure: what is followed over the steps.
        higher: whether more of it is better.
        threshold: "steps to" it.
        max_norm: of the gradients; None does not clip.
        steps, every, probe: training steps, steps from one measurement to the next, and steps of a run that chooses the rate.
        train: a dataset.
        batch: cases a step.
        collate: list of items -> batch; None for the DataLoader's own.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    norms: ClassVar[tuple[str, ...]] = ("none", "layer")
    rates: ClassVar[tuple[float, ...]]
    measure: ClassVar[str]
    higher: ClassVar[bool]
    threshold: float
    max_norm: ClassVar[float | None] = None
    collate: Callable | None = None
    steps: int
    every: int
    probe: int
    train: Any
    batch: int

    def __init__(self, scale: str, seed: int):
        raise NotImplementedError(f"{type(self).__name__}: __init__ is not written")

    def model(self, norm: str) -> Module:
        """A system with new weights, from the library's own streams."""
        raise NotImplementedError(f"{type(self).__name__}: model is not written")

    def loss(self, model: Any, batch: Any) -> Tensor:
        """Of a batch, a scalar."""
        raise NotImplementedError(f"{type(self).__name__}: loss is not written")

    def measured(self, model: Any, part: str) -> dict[str, float]:
        """``measure`` and what else is followed, on "validation" or "test"; in evaluation, the model's mode is put back."""
        raise NotImplementedError(f"{type(self).__name__}: measured is not written")

    def finished(self, models: dict[str, Any]) -> dict:
        """What is measured of the trained systems, plain data."""
        return {}

    def figures(self, models: dict[str, Any], result: dict) -> dict:
        """File name -> Figure, the task's own pictures."""
        return {}


def task(name: str, scale: str, seed: int, data: str | None = None, root: str | None = None) -> Task:
    """A task of ``TASKS``, with its data: those of its world, or the published dataset ``data`` in the folder ``root``."""
    module, kind = TASKS[name] if data is None else PUBLISHED[name]
    made = getattr(importlib.import_module(f"{__package__}.{module}"), kind)
    return made(scale, seed) if data is None else made(scale, seed, data, root)


class Endless:
    """A DataLoader that goes round and round; an "epoch" of it is ``length`` batches, wherever the data begin again."""

    def __init__(self, loader: DataLoader, length: int):
        self.loader, self.length = loader, length
        self._round: Any = None

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Endless:
        return self

    def __next__(self):
        if self._round is None:
            self._round = iter(self.loader)
        try:
            return next(self._round)
        except StopIteration:   # at the end of the data
            self._round = iter(self.loader)
            return next(self._round)

    def state_dict(self) -> dict:
        return self.loader.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self.loader.load_state_dict(state)
        self._round = None


@dataclasses.dataclass
class Compared:
    """A task and what came of it.

    Attributes:
        task: with its data.
        trainers: norm -> Trainer; the model is ``trainer.model``.
        start: norm -> the measurements before the first step.
        rates: learning rate -> validation of the plain system after ``task.probe`` steps; empty where there is no choice.
        rate: the one that was taken.
    """

    task: Task
    trainers: dict[str, Trainer] = dataclasses.field(default_factory=dict)
    start: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    rates: dict[float, float] = dataclasses.field(default_factory=dict)
    rate: float = math.nan

    @property
    def models(self) -> dict[str, Any]:
        """norm -> trained model."""
        return {norm: trainer.model for norm, trainer in self.trainers.items()}


def compare(task: Task, seed: int, folder: pathlib.Path | None = None, progress: bool = False,
            config: dict | None = None) -> Generator[Trainer, None, Compared]:
    """The trainings of a task, as stages of an Experiment: those that choose the rate, then one a system.

    Args:
        task: with its data.
        seed: of weights and order, the same for every system.
        folder: for checkpoints, each stage in a folder of its own below; None keeps none.
        progress: show bars.
        config: what must be the same at resume.
    """
    found = Compared(task)

    def stage(norm: str, rate: float, steps: int, every: int, label: str) -> tuple[Trainer, dict[str, float]]:
        manual_seed(seed)
        model = task.model(norm)
        before = measure(task, model, "validation")
        return trainer(task, model, rate, steps, every, label if progress else None,
                       folder and folder / label.replace(", ", "_").replace(" ", "_"),
                       {**(config or {}), "task": task.name, "norm": norm, "rate": rate, "steps": steps, "every": every}), before

    plain = task.norms[0]
    if len(task.rates) > 1:
        for rate in task.rates:
            probe, _ = stage(plain, rate, task.probe, task.probe, f"{task.name}, rate {rate:g}")
            yield probe
            found.rates[rate] = probe.history[task.measure][-1]
    found.rate = best_rate(found.rates, task.higher) if found.rates else task.rates[0]
    for norm in task.norms:
        found.trainers[norm], found.start[norm] = stage(norm, found.rate, task.steps, task.every, f"{task.name}, {norm}")
        yield found.trainers[norm]
    return found


def trainer(task: Task, model: Module, rate: float, steps: int, every: int, label: str | None = None,
            folder: pathlib.Path | None = None, config: dict | None = None) -> Trainer:
    """Adam on a task's loss; ``history`` has the measurements on validation, every ``every`` steps.

    Raises:
        ValueError: ``steps`` is no multiple of ``every``.
    """
    if steps % every:
        raise ValueError(f"{task.name}: {steps} steps are no multiple of {every}, the steps from one measurement to the next")
    loader = DataLoader(task.train, min(task.batch, len(task.train)), shuffle=True, drop_last=True, collate_fn=task.collate)

    def validate() -> dict[str, float]:
        before, started = sum(made.history.get("measuring", ())), time.monotonic()
        found = measure(task, model, "validation")
        return {**found, "seconds": made.seconds - before, "measuring": time.monotonic() - started}

    made = Trainer(model, optim.Adam(model.parameters(), lr=rate), Endless(loader, every), lambda batch: task.loss(model, batch),
                   steps // every, max_norm=task.max_norm, validate=validate, folder=folder, config=config, label=label)
    return made


def measure(task: Task, model: Module, part: str) -> dict[str, float]:
    """``task.measured`` without gradients."""
    with no_grad():
        return {name: float(number) for name, number in task.measured(model, part).items()}


def best_rate(rates: dict[float, float], higher: bool) -> float:
    """The rate with the best validation; NaN is worst, and of equal ones the smallest rate is taken."""
    sign = -1 if higher else 1
    return min(rates, key=lambda rate: (math.inf if math.isnan(rates[rate]) else sign * rates[rate], rate))


def steps_to(steps: Sequence[float], curve: Sequence[float], threshold: float, higher: bool) -> float | None:
    """Where a curve first reaches a threshold, on the line between the measurements before and after; None if it never does.

    Args:
        steps: of the measurements, rising.
        curve: what was measured.
        threshold: to be reached.
        higher: from below, else from above.
    """
    sign = 1.0 if higher else -1.0
    above = sign * (np.asarray(curve, float) - threshold)
    reached = np.flatnonzero(above >= 0)
    if not len(reached):
        return None
    i = int(reached[0])
    if i == 0 or not np.isfinite(above[i - 1]):
        return float(steps[i])
    part = -above[i - 1] / (above[i] - above[i - 1])
    return float(steps[i - 1] + part * (steps[i] - steps[i - 1]))


def summary(found: Compared) -> dict:
    """The entry of a task in ``metrics["tasks"]``: the curves, the steps to the threshold, the test, what the task adds."""
    task, systems = found.task, {}
    for norm, trainer in found.trainers.items():
        start, history = found.start[norm], trainer.history
        steps = [i * len(trainer.loader) for i in range(trainer.epochs + 1)]
        followed = {name: [start[name], *history[name]] for name in start}
        curve = followed.pop(task.measure)
        systems[norm] = {"steps": steps, "seconds": [0.0, *history["seconds"]], "curve": curve, **followed,
                         "steps to": steps_to(steps, curve, task.threshold, task.higher), "loss": history["loss"],
                         "test": measure(task, trainer.model, "test")}
    return {"title": task.title, "measure": task.measure, "threshold": task.threshold, "higher": task.higher,
            "rates": {f"{rate:g}": value for rate, value in found.rates.items()}, "rate": found.rate, "systems": systems,
            "finished": task.finished(found.models)}
