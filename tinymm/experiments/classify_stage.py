"""Training by classification: what an encoder learns before it sees a caption."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import functional as F
from .. import nn, optim
from ..autograd import Tensor
from ..data import DataLoader, TensorDataset
from ..models.conv_encoder import ConvEncoder
from ..train import Trainer

BATCH = 64
LR = 3e-3


def classify_stage(model: nn.Module, logits: Callable[[Tensor], Tensor], classes: Sequence[int], train: tuple, held: tuple,
                   epochs: int, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that teaches ``model`` to answer one or more questions about each input.

    Args:
        model: what is trained and saved.
        logits: inputs (B, ...) -> the answers to all questions side by side, (B, sum of ``classes``).
        classes: how many answers each question has.
        train: inputs (N, ...) and answers (N, questions) int64.
        held: the same, for the validation; its share of inputs with every answer right is ``history["accuracy"]``.
        epochs: rounds.
        trainer: more arguments for the Trainer.
    """
    loader = DataLoader(TensorDataset(*map(Tensor, train)), BATCH, shuffle=True, drop_last=True)
    optimizer = optim.Adam(model.parameters(), lr=LR)
    total = epochs * len(loader)

    def step(batch):
        inputs, answers = (t.to(device) for t in batch)
        return sum(F.cross_entropy(said, answers[:, k]) for k, said in enumerate(F.split(logits(inputs), list(classes), 1)))

    def validate():
        said = F.split(logits(Tensor(held[0]).to(device)), list(classes), 1)
        right = np.stack([part.argmax(-1).cpu().numpy() for part in said], 1) == held[1]   # (N, questions)
        return {"accuracy": float(right.all(1).mean())}

    return Trainer(model, optimizer, loader, step, epochs, validate=validate,
                   scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total), **trainer)


def window_stage(encoder: ConvEncoder, classes: Sequence[int], train: tuple, held: tuple, epochs: int, *, device: str = "cpu",
                 **trainer) -> Trainer:
    """``classify_stage`` for small windows, by their strongest features: the maximum over places, then one linear layer."""
    model = nn.Sequential(encoder, nn.Linear(encoder.channels[-1], sum(classes))).to(device)
    logits = lambda images: model[1](encoder.strongest(images.float() / 255))
    return classify_stage(model, logits, classes, train, held, epochs, device=device, **trainer)
