"""Training of a GAN on pictures and texts: D and G take turns at every batch.

One implementation of four systems, which differ in two numbers, the weight w of wrong texts and that of interpolated ones:
GAN (0, 0), GAN-CLS (1/2, 0), GAN-INT (0, 1), GAN-INT-CLS (1/2, 1). For one seed all have the same first weights, batches, texts
and noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import nn, optim
from ...autograd import Tensor, no_grad
from ...autograd.join import cat
from ...backend.random import manual_seed, stream
from ...data import DataLoader
from ...data.worlds.placed_sprites import wrong_texts
from ...models.adversarial import discriminator_loss, generator_loss, interpolated_texts
from ...models.text_to_image_gan import Discriminator, Generator
from ...train import Trainer
from .data import Part
from .embedding import FEATURES

SYSTEMS = {"GAN": (0.0, 0.0), "GAN-CLS": (0.5, 0.0), "GAN-INT": (0.0, 1.0), "GAN-INT-CLS": (0.5, 1.0)}   # w, interpolation
BATCH, BETAS = 16, (0.5, 0.999)
LR, LR_D = 5e-4, 1e-3                         # of G and of D, which otherwise does not see shapes in time
WIDTHS, NOISE, EMBEDDING = (96, 48), 32, 32   # of G; D has the widths from behind


def build_generator(text: int = FEATURES, widths: Sequence[int] = WIDTHS, noise: int = NOISE,
                    embedding: int = EMBEDDING) -> Generator:
    """G, untrained; by default that of the world's small pictures."""
    return Generator(text, widths, noise, embedding, dcgan=False)


def build(seed: int, text: int = FEATURES, widths: Sequence[int] = WIDTHS, noise: int = NOISE,
          embedding: int = EMBEDDING, text_norm: bool = True) -> tuple[Generator, Discriminator]:
    """Untrained G and D; they and all that is drawn after are the same for a seed. D has G's widths from behind."""
    manual_seed(seed)
    G = build_generator(text, widths, noise, embedding)
    return G, Discriminator(text, widths[::-1], embedding, text_norm=text_norm, dcgan=False)


def noise(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """z ~ N(0, I): (count, size) float32."""
    return rng.standard_normal((count, size), dtype=np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Described:
    """Pictures and the texts about them, as a GAN is taught them.

    Other pictures than the world's may come from another class with ``len`` and ``batch``.

    Attributes:
        images: (N, 3, S, S) float32 in [-1, 1].
        phi: (N, T, d), the texts about each.
        mentions: (N, T, 3), what each says; contents: (N, 3), what is so.
    """

    images: np.ndarray
    phi: np.ndarray
    mentions: np.ndarray
    contents: np.ndarray

    @classmethod
    def of(cls, part: Part, phi: np.ndarray, count: int | None = None, large: bool = False) -> Described:
        """The small or the large pictures of a part, or the first of them, with phi of their texts (N, T, d)."""
        images = part.large if large else part.images
        return cls(images[:count], phi[:count], part.mentions[:count], part.contents[:count])

    def __len__(self) -> int:
        return len(self.phi)

    def batch(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pictures, for each a text that is drawn, and a wrong one among those of the batch.

        Wrong is a text that says something which the picture does not show. Another class's text need not be: "something red" fits
        every red sprite; so what each text says is compared, and never the class.

        Args:
            pictures: (B,) indices.

        Returns:
            x (B, 3, S, S), h (B, d), and for each picture the index of a text of the batch, (B,).
        """
        texts = stream("texts").generator.integers(self.phi.shape[1], size=len(pictures))
        wrong = wrong_texts(stream("wrong texts").generator, self.mentions[pictures, texts], self.contents[pictures])
        return self.images[pictures], self.phi[pictures, texts], wrong


class Turns:
    """What D and G do with a batch; the two losses of a step.

    Batch normalisation in D sees real pictures with right texts, those with wrong ones, and drawn ones in a forward pass each.

    Args:
        G, D: the networks.
        described: pictures and texts.
        w: weight of real pictures with wrong texts in D's loss.
        interpolation: weight of texts between two others in G's loss; each batch has half as many of them.
        beta: how near to the first.
        kind: of G's loss, see ``generator_loss``.
        literal: the signs of Algorithm 1 as they are printed, by which D *descends* ln D(x, h) + ..., and G ln D(x^, h).
        device: where the networks are.
    """

    def __init__(self, G: nn.Module, D: nn.Module, described: Described, w: float, interpolation: float = 0.0, *, beta: float = 0.5,
                 kind: str = "non-saturating", literal: bool = False, device: str = "cpu"):
        self.G, self.D, self.described, self.w, self.interpolation = G, D, described, w, interpolation
        self.beta, self.kind, self.sign, self.device = beta, kind, -1 if literal else 1, device

    def z(self, count: int, name: str) -> Tensor:
        """Fresh noise (count, Z), from a stream of its own for each use: no system's draws move another's."""
        return Tensor(noise(stream(name).generator, count, self.G.noise)).to(self.device)

    def draw(self, z: Tensor, h: Tensor) -> Tensor:
        """Pictures of texts."""
        return self.G(z, h)

    def discriminate(self, pictures: np.ndarray) -> Tensor:
        """D's loss. Each picture gets a right text and a wrong one, which plain GAN lets lie.

        Args:
            pictures: (B,) indices.
        """
        images, phi, wrong = self.described.batch(pictures)
        x = Tensor(images).to(self.device)                                              # (B, 3, S, S)
        self.h = h = Tensor(phi).to(self.device)                                        # (B, d)
        with no_grad():
            fake = self.draw(self.z(len(h), "noise of D"), h)
        real_wrong = self.D(x, h[wrong]) if self.w else None
        return self.sign * discriminator_loss(self.D(x, h), real_wrong, self.D(fake, h), self.w)

    def generate(self, pictures: np.ndarray) -> Any:
        """G's loss, with new noise and D as it is now; the texts are those of D's turn."""
        h, z = self.h, self.z(len(pictures), "noise of G")
        if not self.interpolation:
            return self.sign * generator_loss(self.D(self.draw(z, h), h), self.kind)
        between = interpolated_texts(h, self.beta)                                      # (B // 2, d)
        h = cat([h, between], 0)
        s = self.D(self.draw(cat([z, self.z(len(between), "noise between")], 0), h), h)
        B = len(pictures)                                                               # the mean is over all 1.5 B
        loss = B * generator_loss(s[:B], self.kind) + self.interpolation * len(between) * generator_loss(s[B:], self.kind)
        return self.sign * loss / len(h)


def gan_stage(G: nn.Module, D: nn.Module, described: Described, epochs: int, *, w: float = 0.5, interpolation: float = 0.0,
              snapshots=None, batch: int = BATCH, lr: float = LR, lr_D: float | None = None, device: str = "cpu",
              options: dict | None = None, turns: type[Turns] = Turns, **trainer) -> Trainer:
    """A Trainer of D and G, with Adam each; what it ends with is used, whatever the snapshots say.

    Args:
        G, D: the networks.
        described: pictures and texts.
        epochs: rounds through the pictures.
        w, interpolation: what makes the system, see ``SYSTEMS``.
        snapshots: with ``take()``, called after each round in evaluation mode, whose numbers are recorded; and with
            ``state_dict`` and ``load_state_dict``.
        batch: pictures at a step.
        lr: of both; lr_D: of D, if it is another.
        device: where to train.
        options: more arguments for ``turns``.
        turns: what D and G do with a batch.
        trainer: more arguments for the Trainer.
    """
    parts = {"D": D.to(device), "G": G.to(device)}
    taking = turns(G, D, described, w, interpolation, device=device, **(options or {}))
    loader = DataLoader(range(len(described)), batch, shuffle=True, drop_last=True, collate_fn=np.asarray, generator="pairs")
    watched = {} if snapshots is None else {"validate": snapshots.take, "carried": {"snapshots": snapshots}}
    rates = {"D": lr if lr_D is None else lr_D, "G": lr}
    optimizers: dict[str, optim.Optimizer] = {name: optim.Adam(part.parameters(), rates[name], betas=BETAS)
                                              for name, part in parts.items()}
    return Trainer(nn.ModuleDict(parts), optimizers, loader,
                   {"D": taking.discriminate, "G": taking.generate}, epochs, **watched, **trainer)

