"""CLIP's training: batches of pictures with texts, its optimiser, and the stage itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .. import nn, optim
from ..autograd import Tensor
from ..data import DataLoader, Dataset
from ..data.readers.clip_pictures import normalize_picture
from ..models.clip import CLIP, clip_loss, clip_temperature_
from ..train import Trainer

BATCH = 64
LR, WEIGHT_DECAY = 2e-3, 0.2
BETA2, EPS = {"vit": 0.98, "resnet": 0.999}, {"vit": 1e-6, "resnet": 1e-8}   # the paper's, by picture tower
MAX_NORM = 1.0


def pictures(images: np.ndarray) -> Tensor:
    """Pictures (N, 3, H, W), uint8 or floats in [0, 1], as CLIP takes them, float32."""
    return Tensor(normalize_picture(images.astype(np.float32) / 255 if images.dtype == np.uint8 else images))


class PicturesWithTexts(Dataset):
    """Pictures and their texts, as batches.

    Args:
        images: (N, 3, R, R) uint8, or floats in [0, 1]; or ``images(rows)``, which reads some of them, (B, 3, R, R) float32.
        texts: N things that belong to them; an array gives a Tensor, a list gives a list.
    """

    def __init__(self, images: np.ndarray | Callable, texts):
        if not callable(images) and len(images) != len(texts):
            raise ValueError(f"PicturesWithTexts: there are {len(images)} pictures and {len(texts)} texts")
        self.images, self.texts = images if callable(images) else images.__getitem__, texts

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int):
        return self.images([index])[0], self.texts[index]

    def batch(self, rows: Sequence[int]) -> tuple:
        """(B, 3, R, R) normalised, and their texts."""
        texts = Tensor(self.texts[rows]) if isinstance(self.texts, np.ndarray) else [self.texts[i] for i in rows]
        return pictures(self.images(rows)), texts


def unrelated(logits: np.ndarray) -> float:
    """The loss to be expected of pictures and texts that have nothing to do with each other.

    For n independent normal logits of variance s^2 that is ln n + s^2 / 2: not ln n, since e^t starts at 14 and spreads them.

    Args:
        logits: (n, n).
    """
    return float(np.log(len(logits)) + (logits.var(0).mean() + logits.var(1).mean()) / 4)


def adamw(model: nn.Module, total: int, tower: str = "resnet") -> tuple:
    """AdamW and its schedule of ``total`` steps: matrices decay; gains, biases, single vectors and the temperature do not."""
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": WEIGHT_DECAY},
              {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=LR, betas=(0.9, BETA2[tower]), eps=EPS[tower])
    return optimizer, optim.lr_scheduler.WarmupCosineLR(optimizer, min(100, total // 4), total)


def clip_stage(model: CLIP, images: np.ndarray | Callable, ids: np.ndarray, epochs: int, *, tower: str = "resnet",
               device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that teaches CLIP which text belongs to which picture of a batch.

    Args:
        model: CLIP.
        images, ids: pictures as ``PicturesWithTexts`` takes them, and their texts (N, L) int64.
        epochs: rounds.
        tower: "resnet" or "vit", which have other moments of AdamW.
        device: where the model is.
        trainer: more arguments for the Trainer.
    """
    loader = DataLoader(PicturesWithTexts(images, ids), min(BATCH, len(ids)), shuffle=True, drop_last=True)
    optimizer, scheduler = adamw(model, epochs * len(loader), tower)

    def step(batch) -> tuple[Tensor, Mapping[str, float]]:
        shown, said = (part.to(device) for part in batch)
        logits_per_image, _ = model(shown, said)
        numbers = {"1 / temperature": math.exp(float(model.logit_scale.detach()))}
        if not stage.steps:
            numbers["first loss, if unrelated"] = unrelated(logits_per_image.detach().cpu().numpy())
        return clip_loss(logits_per_image), numbers

    stage = Trainer(model, optimizer, loader, step, epochs, scheduler=scheduler, max_norm=MAX_NORM,
                    after=lambda: clip_temperature_(model.logit_scale), **trainer)
    return stage
