"""What lecture 9 learns from, and how much of everything: pictures with captions, the captions' tokens, and the sizes of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...data.worlds.grounded_sprites import GroundedSprites
from ...models.dalle import PAD
from ...text.clip_tokenizer import CLIPTokenizer

PUBLISHED_BETA, PUBLISHED_STRIDE = 6.6, 8   # the KL's weight in the paper, and the pixels a side of one of its tokens
VOCABULARY = 800                            # text tokens at most


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large the models are, and how long they learn.

    Attributes:
        pixels: a side of a picture; groups: of the dVAE, whose tokens stand for 2^(groups - 1) pixels a side.
        codes: K; n_hid, n_init, blocks: of the dVAE.
        dvae_batch, dvae_rounds, dvae_lr: of its training; tau: at its end; ema: of its weights, a step.
        text_length: T, with start and end; d_model, layers, heads, kernel: of the Transformer.
        batch, rounds, lr: of its training.
        clip_pixels: a side of a picture as CLIP sees it, a multiple of ``pixels``; clip_width, clip_embedding: of its ResNet and
            its common space; clip_text: of its text's Transformer; clip_rounds: of its training.
        judge_rounds: of the judge's training.
        candidates: N, samples of each caption.
    """

    pixels: int = 16
    groups: int = 3
    codes: int = 128
    n_hid: int = 32
    n_init: int = 64
    blocks: int = 1
    dvae_batch: int = 32
    dvae_rounds: int = 11
    dvae_lr: float = 6e-3
    tau: float = 1 / 16
    ema: float = 0.99
    text_length: int = 16
    d_model: int = 96
    layers: int = 4
    heads: int = 4
    kernel: int = 3
    batch: int = 32
    rounds: int = 5
    lr: float = 2e-3
    clip_pixels: int = 32
    clip_width: int = 16
    clip_embedding: int = 64
    clip_text: int = 64
    clip_rounds: int = 5
    judge_rounds: int = 4
    candidates: int = 8

    @property
    def stride(self) -> int:
        """Pixels a side of a token."""
        return 2 ** (self.groups - 1)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.pixels // self.stride, self.pixels // self.stride

    @property
    def beta(self) -> float:
        """The weight that presses on a token as the paper's does: the KL of a token stands against the values that it is for, 3 for
        each of its pixels, and those are fewer here."""
        return PUBLISHED_BETA * self.stride**2 / PUBLISHED_STRIDE**2


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """Pictures of one part with their captions.

    Attributes:
        images: (N, 3, S, S) uint8.
        captions: one a picture.
        contents: (N, 3) int64, colour, shape and ground; None where nobody knows, as of photographs.
    """

    images: np.ndarray
    captions: list[str]
    contents: Any = None

    @classmethod
    def of(cls, world: GroundedSprites) -> Part:
        """A part of the world as arrays."""
        return cls(world.images(), world.captions(), world.contents())

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, rows=slice(None)) -> np.ndarray:
        """Pictures as the dVAE takes them, float32 in [0, 1]."""
        return scaled(self.images[rows])


def scaled(images: np.ndarray) -> np.ndarray:
    """uint8 -> float32 in [0, 1]."""
    return images.astype(np.float32) / 255


def enlarged(images: np.ndarray, pixels: int) -> np.ndarray:
    """Each pixel as a square of equal ones, (..., S, S) -> (..., pixels, pixels); ``pixels`` is a multiple of S."""
    times = pixels // images.shape[-1]
    return images.repeat(times, -1).repeat(times, -2)


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
    """What the trainings and measurements are given.

    Attributes:
        variant: of the lecture.
        parts: "train", "validation" and "test"; of the world also "judge" and "unseen".
        tokenizer: of byte pairs of the training captions.
        sizes: of the models and trainings.
        seed: of weights, order and samples.
        device: where to train.
        cut: whether captions that are too long are cut.
        judge: of real pictures, once it is trained.
    """

    variant: str
    parts: Mapping[str, Part]
    tokenizer: CLIPTokenizer
    sizes: Sizes
    seed: int = 0
    device: str = "cpu"
    cut: bool = False
    judge: Any = None

    def ids(self, captions: Sequence[str]) -> np.ndarray:
        """Captions as CLIP takes them: (N, T) int64, start, words, end, zeros.

        Raises:
            ValueError: a caption that is longer than T, and not to be cut.
        """
        return self.tokenizer.tokenize(captions, truncate=self.cut)

    def text(self, captions: Sequence[str]) -> np.ndarray:
        """Captions as the Transformer takes them: (N, T) int64, ``PAD`` after the end.

        Raises:
            ValueError: as ``ids``.
        """
        return padded(self.tokenizer, self.ids(captions))


def padded(tokenizer: CLIPTokenizer, ids: np.ndarray) -> np.ndarray:
    """Ids (N, T) of a tokenizer with ``PAD`` in place of the zeros after each end: 0 is the id of "!"."""
    ended = (ids == tokenizer.end).cumsum(1) - (ids == tokenizer.end)        # ends before each place
    return np.where(ended > 0, PAD, ids)


def train_tokenizer(captions: Sequence[str], length: int) -> CLIPTokenizer:
    """A vocabulary of byte pairs of these captions, and texts of so many tokens."""
    return CLIPTokenizer.train(captions, VOCABULARY, context_length=length)
