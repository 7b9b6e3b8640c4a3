"""Training by captions: maximum likelihood of the words, or another objective, over bucketed batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ... import optim
from ...autograd import Tensor
from ...data import DataLoader
from ...text import Vocabulary
from ...train import Trainer
from .captioner import Captioner
from .pairs import CaptionPairs
from .parts import Part

BATCH = 64
MAX_NORM = 5.0


def caption_stage(captioner: Captioner, part: Part, pairs: CaptionPairs, objective: Callable, *, annotations: np.ndarray | None,
                  epochs: int, lr: float, config: dict, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer for a captioner.

    Args:
        captioner: what is saved; its decoder is trained, and its encoder where there are no ``annotations``.
        part: the pictures.
        pairs: of their captions.
        objective: ``objective(decoded, targets, mask)`` -> the loss and a dict of numbers to record, from what the decoder
            returned, the words to predict (T, B), and which of them count (T, B).
        annotations: what the encoder says of the pictures, (N, ...), where it is not trained any more.
        epochs: rounds.
        lr: of Adam, with a warm-up over 100 steps and a cosine after.
        config: what is kept with the checkpoint; ``CaptioningExperiment.captioner_config`` for ``load_captioner``.
        trainer: more arguments for the Trainer.
    """
    decoder = captioner.decoder
    trained = captioner if annotations is None else decoder
    loader = DataLoader(pairs, BATCH, shuffle=True, bucket=pairs.lengths, generator="captions")
    optimizer = optim.Adam(trained.parameters(), lr=lr)
    total = epochs * len(loader)

    def step(batch):
        pictures, y, targets = batch
        if annotations is None:
            a = captioner.encoder(Tensor(part.images(pictures)).to(device))
        else:
            a = Tensor(annotations[pictures]).to(device)
        y, targets = y.to(device), targets.to(device)
        return objective(decoder(a, y), targets, targets != Vocabulary.pad)

    return Trainer(captioner, optimizer, loader, step, epochs, max_norm=MAX_NORM, config={**config, "epochs": epochs},
                   scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total),
                   **trainer)
