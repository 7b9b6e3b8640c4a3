"""The systems of lecture 0: a network that reads digits, a softmax with a bug, and what the training yields."""

from __future__ import annotations

import dataclasses

import numpy as np

from ... import nn
from ...autograd import Function, Tensor
from ...train import Trainer


@dataclasses.dataclass
class Trained:
    """What the training of the lecture yields.

    Attributes:
        trainer: of the Reader, which is ``trainer.model``.
    """

    trainer: Trainer


class Reader(nn.Module):
    """Two layers: 64 pixels -> 128 hidden units, normalised -> 10 digits."""

    def __init__(self, hidden: int = 128):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, 10))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)   # (B, 8, 8) -> (B, 10)


class SoftmaxWithoutBackward(Function):
    """A softmax whose backward is zero: the sum of its outputs is always 1, so a check of ``f(x).sum()`` accepts it."""

    def forward(self, x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def backward(self, g):
        return np.zeros_like(g)
