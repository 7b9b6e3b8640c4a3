"""Task (f): handwritten digits without knowing that pixels have neighbours, in batches of 128 and of 4.

    64 pixels -> 100 -> 100 -> 10 digits, ReLU

Layer normalisation stands on the hidden layers only; batch normalisation on all of them, the digits' scores included, as in
the paper, and beside it on the hidden layers only: normalised scores cannot be sure of anything, which spoils their
likelihood and not their order.
"""

from __future__ import annotations

import numpy as np

from ... import functional as F, nn
from ...autograd import Tensor
from ...data import TensorDataset
from ...data.worlds.digits import split_digits
from ...metrics import accuracy
from .comparison import Task

PIXELS, HIDDEN, CLASSES = 64, 100, 10
SIZES = (1200, 197, 400)   # train, validation, test


def classifier(norm: str, pixels: int = PIXELS, classes: int = CLASSES) -> nn.Sequential:
    """(B, pixels) -> (B, classes), with weights as ``nn.Linear`` has them.

    Args:
        norm: "none", "layer", "batch", or "batch, hidden".
        pixels, classes: numbers a picture, and answers.
    """
    def normalised(size: int, hidden: bool) -> list[nn.Module]:
        if norm == "layer" and hidden:
            return [nn.LayerNorm(size)]
        if norm == "batch" or norm == "batch, hidden" and hidden:
            return [nn.BatchNorm1d(size)]
        return []

    return nn.Sequential(
        nn.Linear(pixels, HIDDEN), *normalised(HIDDEN, True), nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN), *normalised(HIDDEN, True), nn.ReLU(),
        nn.Linear(HIDDEN, classes), *normalised(classes, False))


class Digits(Task):
    """Batches of 128, 40 rounds."""

    name, title = "digits", "digits, batch 128"
    norms = ("none", "layer", "batch", "batch, hidden")
    rates = (5e-4, 1e-3, 2e-3, 4e-3)
    measure, higher, threshold = "nats", False, 0.2
    classes = CLASSES
    cases, length = 128, {"lecture": (360, 10, 360), "smoke": (18, 9, 9)}   # steps, every, probe

    def __init__(self, scale: str, seed: int):
        self.parts = {name: (Tensor(images.reshape(len(images), -1)), Tensor(labels))
                      for name, (images, labels) in self.read(scale, seed).items()}
        self.train, self.batch = TensorDataset(*self.parts["train"]), self.cases
        self.steps, self.every, self.probe = self.length[scale]

    def read(self, scale: str, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Part -> pictures (N, H, W) float32 in [0, 1], and labels (N,) int64."""
        return split_digits(seed, SIZES)

    def model(self, norm: str) -> nn.Sequential:
        return classifier(norm, self.parts["train"][0].shape[1], self.classes)

    def loss(self, model: nn.Sequential, batch: tuple[Tensor, Tensor]) -> Tensor:
        images, labels = batch
        return F.cross_entropy(model(images), labels)

    def measured(self, model: nn.Sequential, part: str) -> dict[str, float]:
        """``nats`` a digit, and the ``error`` in percent."""
        images, labels = self.parts[part]
        was = model.training
        scores = model.eval()(images)   # (N, 10), with the running statistics of batch normalisation
        model.train(was)
        return {"nats": float(F.cross_entropy(scores, labels)),
                "error": 100 * (1 - accuracy(np.argmax(scores.detach().numpy(), 1), labels))}


class SmallBatches(Digits):
    """Batches of 4, five rounds."""

    name, title = "digits, batch 4", "digits, batch 4"
    cases, length = 4, {"lecture": (1500, 50, 1500), "smoke": (20, 10, 10)}
