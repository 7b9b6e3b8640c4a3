"""Training of the alignment: pictures and sentences that belong together, and nothing that says which word is in which box."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ... import optim
from ...autograd import Tensor
from ...backend.random import manual_seed
from ...data import DataLoader
from ...models.visual_semantic import VisualSemanticAlignment
from ...train import Trainer
from .data import Part, Pairs
from .evaluation import pointing, retrieval

BATCH = 50
LR = 2e-3
MAX_VALUE = 5.0      # of every element of a gradient: the paper's, "important"
MARGIN = 1.0
SIZE = 64            # h, of the space and of the BRNN


@dataclasses.dataclass
class Aligned:
    """What the trainings of the alignment yield.

    Attributes:
        pairs: "train", "validation", "test".
        models: row of the tables -> model, the lecture's own first.
        history: of its training.
    """

    pairs: Mapping[str, Pairs]
    models: dict[str, VisualSemanticAlignment]
    history: dict[str, list[float]]


def build(pairs: Pairs, vocabulary: int, seed: int, context: bool = True, score: str = "max") -> VisualSemanticAlignment:
    """An untrained model: the same one for a seed, whatever was drawn before.

    Args:
        pairs: what it will read.
        vocabulary: number of words.
        seed: of the weights, and of all that is drawn after.
        context: words see their sentence, through the BRNN.
        score: "max", or "sum" as in DeFrag.
    """
    manual_seed(seed)
    return VisualSemanticAlignment(pairs.regions.phi.shape[2], vocabulary, size=SIZE, words=SIZE, context=context, score=score,
                                   margin=MARGIN)


def alignment_stage(model: VisualSemanticAlignment, train: Pairs, held: Pairs, truth: Part, epochs: int, *, device: str = "cpu",
                    **trainer) -> Trainer:
    """A Trainer on pairs.

    The loss, the schedule and the number of epochs know pairs only. What the words of the validation scenes point to is
    measured after each epoch, for a figure; nothing is chosen by it.

    Args:
        model: what is trained.
        train: the pairs to learn from.
        held: validation pairs.
        truth: of the validation pairs, with scenes, or without if it is not known.
        epochs: rounds.
        device: where to train.
        trainer: more arguments for the Trainer.
    """
    model.to(device)
    loader = DataLoader(range(len(train)), min(BATCH, len(train)), shuffle=True, drop_last=True, collate_fn=np.asarray,
                        generator="pairs")

    def step(rows: np.ndarray) -> Tensor:
        return model.loss(*train.batch(rows, device))

    def validate() -> dict[str, float]:
        found = {f"R@1, {way}": scores["R@1"] for way, scores in retrieval(model, held).items()}
        if truth.scenes:
            of_kind = pointing(model.word_scores(*held.batch(slice(None), device)), truth.scenes)
            found |= {f"pointing, {kind}": of_kind[kind] for kind in ("all", "shape", "colour", "size")}
        return found

    optimizer, total = optim.Adam(model.parameters(), lr=LR), epochs * len(loader)
    return Trainer(model, optimizer, loader, step, epochs, max_value=MAX_VALUE, validate=validate,
                   scheduler=optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total), **trainer)
