"""Lecture 0: how automatic differentiation works, and how to know that it does.

Four parts, each with its claims: the order of the backward pass, one operation on four rungs, a gradient check that
finds a planted bug, and a small network that learns to read real handwriting.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Generator

from ... import functional as F
from ... import optim
from ...autograd import Tensor
from ...backend.random import manual_seed
from ...data import DataLoader, TensorDataset
from ...data.worlds.digits import split_digits
from ...train import Trainer
from ..claims import Claim
from ..experiment import Experiment, Measured
from .claims import claims_of
from .evaluation import accuracy, evaluate
from .systems import Reader, Trained


def reader_trainer(epochs: int, seed: int, folder: str | os.PathLike | None = None, progress: bool = False,
                   config: dict | None = None) -> Trainer:
    """Adam on the UCI digits; ``fit`` returns the history. The model is ``trainer.model``."""
    manual_seed(seed)
    parts = split_digits(seed)
    model = Reader()
    loader = DataLoader(TensorDataset(*map(Tensor, parts["train"])), batch_size=64, shuffle=True)
    return Trainer(model, optim.Adam(model.parameters(), lr=2e-3), loader,
                   lambda batch: F.cross_entropy(model(batch[0]), batch[1]), epochs,
                   validate=lambda: {"validation": accuracy(model, *parts["validation"])}, folder=folder, config=config,
                   label="reading digits" if progress else None)


class Autograd(Experiment[Trained, Measured]):
    """The four parts, each with its claims."""

    number, title = 0, "Automatic differentiation, and how to trust it"

    @property
    def doublings(self) -> int:
        """How often y = y + y is done."""
        return 16 if self.scale == "lecture" else 10

    def stages(self, folder: pathlib.Path | None, progress: bool) -> Generator[Trainer, None, Trained]:
        epochs = self.epochs or (20 if self.scale == "lecture" else 3)
        trainer = reader_trainer(epochs, self.seed, folder and folder / "reader", progress, self.config)
        yield trainer
        return Trained(trainer)

    def evaluate(self, trained: Trained) -> Measured:
        rows, width = (4096, 512) if self.scale == "lecture" else (256, 128)
        return evaluate(trained, self.doublings, rows, width, self.seed)

    def claims(self, metrics: dict) -> list[Claim]:
        return claims_of(self.doublings, metrics)

    def figures(self, trained: Trained, measured: Measured) -> dict:
        from . import figures

        return figures.all_figures(trained, measured, self.seed)
