"""Experiment: what every lecture does, in one protocol.

A lecture is a subclass. It says what its variants are; makes, in ``stages``, the models and the Trainers that train them, and
returns what came of it; measures that; turns measurements into claims; and draws. ``running.run`` takes it through all that,
writes the report and the pictures, and resumes what was interrupted.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Generator
from typing import ClassVar, Generic, TypeAlias, TypeVar

import numpy as np

from ..autograd.integers import integer
from ..backend.arrays import to_device
from ..train import Trainer
from .claims import Claim

SCALES = ("smoke", "lecture")
At: TypeAlias = "Callable[[str], dict]"   # name of a stage -> the Trainer's options for it


@dataclasses.dataclass
class Measured:
    """What a lecture measures; subclasses add what its figures draw beside the numbers.

    Attributes:
        metrics: plain data for ``report.json``.
    """

    metrics: dict


T = TypeVar("T")                      # what the trainings of a lecture yield: a dataclass
M = TypeVar("M", bound=Measured)      # what the lecture measures


class Experiment(Generic[T, M]):
    """Base of the lectures: ``class Lecture(Experiment[Trained, Measured])``.

    Args:
        variant: one of ``variants``; the first by default.
        scale: "lecture", or "smoke" for a quick look.
        seed: of data, weights and order.
        epochs: rounds of the main training; the scale's own number by default.
        device: "cpu" or "cuda".
        data: name of a published dataset (one of ``datasets``) in place of the embedded world.
        root: its folder.

    Attributes:
        number, title: of the lecture.
        variants: name -> what it is, in one line.
        datasets: names that ``data`` may have.
        trained: what ``stages`` returned; ``running.run`` keeps it here, for whoever goes on with the models.
        measured: what ``evaluate`` returned, likewise.

    Raises:
        ValueError: an unknown variant, scale, dataset or device, epochs below 1, a dataset without its folder.
        TypeError: epochs or a seed that is no integer.
        RuntimeError: no usable GPU for device "cuda".
    """

    number: ClassVar[int]
    title: ClassVar[str]
    variants: ClassVar[dict[str, str]] = {"default": "the lecture"}
    datasets: ClassVar[tuple[str, ...]] = ()
    trained: T
    measured: M

    def __init__(self, variant: str | None = None, scale: str = "lecture", seed: int = 0, epochs: int | None = None,
                 device: str = "cpu", data: str | None = None, root: str | os.PathLike | None = None):
        where = f"lecture {self.number}"
        variant = variant or next(iter(self.variants))
        if variant not in self.variants:
            raise ValueError(f"{where}: there is no variant {variant!r}; choose from {', '.join(self.variants)}")
        if scale not in SCALES:
            raise ValueError(f"{where}: scale={scale!r}; choose from {', '.join(SCALES)}")
        seed = integer(where, "seed", seed)
        epochs = None if epochs is None else integer(where, "epochs", epochs, 1)
        if data is not None and data not in self.datasets:
            raise ValueError(f"{where}: it does not read the dataset {data!r}; "
                             + (f"it reads {', '.join(self.datasets)}" if self.datasets else "it has its own data only"))
        if (data is None) != (root is None):
            raise ValueError(f"{where}: a published dataset needs both its name (--data) and its folder (--root)")
        if root is not None and not pathlib.Path(root).is_dir():
            raise ValueError(f"{where}: the folder {root} of the dataset {data!r} does not exist")
        to_device(np.zeros(1), device)   # says at once what a missing GPU lacks
        self.variant, self.scale, self.seed, self.epochs, self.device = variant, scale, seed, epochs, device
        self.data, self.root = data, None if root is None else str(root)

    @property
    def config(self) -> dict:
        """What must be the same for a training to be resumed: the arguments of the constructor, and in subclasses whatever
        else decides what is trained."""
        return {"variant": self.variant, "scale": self.scale, "seed": self.seed, "epochs": self.epochs, "device": self.device,
                "data": self.data, "root": self.root}

    def prepare(self) -> None:
        """Make or read the data; what is wrong with files is said here, before any training.

        Raises:
            ValueError, OSError: damaged or missing files.
        """

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, T]:
        """The trainings, one after the other; each is finished before the next one is asked for. ``running.fit`` does that.

        Args:
            folder: for checkpoints, each stage in a folder of its own below; None keeps none.
            progress: show bars.

        Returns:
            What was trained.
        """
        raise NotImplementedError(f"{type(self).__name__}: stages is not written")

    @staticmethod
    def at(folder: pathlib.Path | None, progress: bool, **more) -> At:
        """Name of a stage -> the Trainer's options for its folder and its bar, as ``stages`` is asked for them.

        Args:
            folder, progress: of ``stages``.
            more: options that all stages share.
        """
        return lambda name: {"folder": folder and folder / name, "label": name if progress else None, **more}

    def evaluate(self, trained: T) -> M:
        """Measurements of what was trained."""
        raise NotImplementedError(f"{type(self).__name__}: evaluate is not written")

    def claims(self, metrics: dict) -> list[Claim]:
        """What the slides say, as claims about the measurements."""
        raise NotImplementedError(f"{type(self).__name__}: claims is not written")

    def figures(self, trained: T, measured: M) -> dict:
        """File name -> matplotlib Figure (or Drawing)."""
        return {}

    @classmethod
    def compare(cls, metrics: dict[str, dict]) -> list[Claim]:
        """Claims about several variants; those for which a variant is missing are left out.

        Args:
            metrics: variant -> the metrics of its report.
        """
        return []
