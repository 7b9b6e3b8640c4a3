"""GAN, GAN-CLS, GAN-INT and GAN-INT-CLS: one training, with two numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ... import functional as F
from ... import nn, optim
from ...autograd import Tensor, no_grad
from ...autograd.sampling import randn
from ...autograd.join import cat
from ...backend.random import stream
from ...data import DataLoader, TensorDataset
from ...data.worlds.placed_sprites import TEXTS, wrong_texts
from ...models.adversarial import discriminator_loss, generator_loss, interpolated_texts
from ...models.text_to_image_gan import Discriminator, Generator
from ...nn.chunks import array_in_chunks
from ...train import Trainer
from .data import Part

BATCH, LR, BETAS = 32, 5e-4, (0.5, 0.999)
WIDTHS, NOISE, EMBEDDING = (96, 48), 32, 32      # of G, whose D has them the other way round; Z; N_T


@dataclasses.dataclass(frozen=True)
class System:
    """The two numbers in which the systems differ.

    Attributes:
        w: weight of wrong texts in D's loss; 0 without them.
        interpolation: weight of interpolated texts in G's loss; 0 without them.
    """

    w: float = 0.0
    interpolation: float = 0.0


SYSTEMS = {"GAN": System(), "GAN-CLS": System(w=0.5), "GAN-INT": System(interpolation=1.0),
           "GAN-INT-CLS": System(w=0.5, interpolation=1.0)}


def networks(text: int) -> nn.ModuleDict:
    """G and D, untrained."""
    return nn.ModuleDict({"G": Generator(text, WIDTHS, NOISE, EMBEDDING), "D": Discriminator(text, WIDTHS[::-1], EMBEDDING)})


def drawn(G: nn.Module, z: np.ndarray, h: np.ndarray, device: str = "cpu") -> np.ndarray:
    """G's pictures for noise (N, Z) and texts (N, d), in evaluation mode: (N, 3, S, S) float32."""
    was = G.training
    G.eval()
    try:
        both = np.concatenate([z, h], 1)
        return array_in_chunks(lambda x: G(x[:, :z.shape[1]], x[:, z.shape[1]:]), lambda rows: both[rows.start:rows.stop], len(z), 200,
                               device)
    finally:
        G.train(was)


def gan_stage(model: nn.ModuleDict, system: System, train: Part, phi: np.ndarray, epochs: int, *, validate: Callable | None = None,
              device: str = "cpu", **trainer) -> Trainer:
    """A Trainer in which D and G take turns.

    D sees real pictures with a text of theirs, the same pictures with a text that contradicts them (``wrong_texts``; where w is
    0 they are drawn and not shown), and pictures that G draws for the first texts. G then draws anew, from other noise.

    Args:
        model: "G" and "D".
        system: the two numbers.
        train: pictures and what their texts say.
        phi: (N * 4, d) of the texts.
        epochs: rounds.
        trainer: more arguments for the Trainer.
    """
    G, D = model["G"], model["D"]
    parts = {"D": optim.Adam(D.parameters(), lr=LR, betas=BETAS), "G": optim.Adam(G.parameters(), lr=LR, betas=BETAS)}
    now: dict = {}

    def discriminate(batch):
        pictures, rng = batch[0].numpy(), stream("texts").generator
        texts = rng.integers(TEXTS, size=len(pictures))
        wrong = wrong_texts(rng, train.mentions[pictures, texts], train.contents[pictures])
        x, h = Tensor(train.images[pictures]).to(device), Tensor(phi[pictures * TEXTS + texts]).to(device)
        now.update(h=h)
        with no_grad():
            x_hat = G(randn(len(x), NOISE).to(device), h)
        s_r, s_f = D(x, h), D(x_hat, h)
        s_w = D(x, h[wrong]) if system.w else None
        return discriminator_loss(s_r, s_w, s_f, system.w), {"real": F.sigmoid(s_r).mean().item(), "fake": F.sigmoid(s_f).mean().item()}

    def generate(batch):
        h = now["h"]
        if system.interpolation:
            h = cat([h, interpolated_texts(h)])
        return generator_loss(D(G(randn(len(h), NOISE).to(device), h), h))

    return Trainer(model, parts, DataLoader(TensorDataset(Tensor(np.arange(len(train)))), BATCH, shuffle=True, drop_last=True),
                   {"D": discriminate, "G": generate}, epochs, validate=validate, **trainer)
