"""The generator and the encoder of texts of a finished run, to draw other texts."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from ...backend.random import Stream
from ...data.worlds.placed_sprites import PlacedSprites
from ...models.char_cnn_rnn import CharCNNRNN
from ...text.characters import character_numbers, unknown_characters
from ...text.tokens import plain_words
from ..painters import Painter
from ..restoring import restore
from ..running import CHECKPOINTS
from . import photographs, stackgan
from .embedding import FEATURES, phi_of, text_encoder
from .evaluation import per_row
from .gan import build_generator, noise

SAMPLE = 600     # pictures whose texts tell the words of the world: each is in dozens of them

M = TypeVar("M")
Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]   # noise (N, Z), phi of texts (N, d) -> pictures (N, 3, S, S) in [-1, 1]


class Generator(Painter):
    """Pictures of texts from noise.

    Args:
        name: of the system, for messages.
        encoder: phi.
        draw: noise and phi of texts -> pictures.
        noises: Z, with all that is drawn beside z.
        words: those of the texts that it learned from; None where that is not known.
    """

    def __init__(self, name: str, encoder: CharCNNRNN, draw: Draw, noises: int, words: set[str] | None):
        super().__init__(name, words)
        self.encoder, self.draw, self.noises = encoder, draw, noises

    def noise(self, count: int, seed: int = 0) -> np.ndarray:
        """(count, Z) from N(0, 1), the same for a seed."""
        return noise(Stream("generate", seed).generator, count, self.noises)

    def phi(self, texts: Sequence[str]) -> np.ndarray:
        """(K, d) of K texts.

        Raises:
            ValueError: an empty text, or one that is too long.
        """
        return phi_of(self.encoder, character_numbers(texts, self.encoder.length))

    def remarks(self, texts: Sequence[str]) -> list[str]:
        """What of the texts the encoder cannot read, or has never read."""
        unknown = unknown_characters("".join(texts))
        notes = [f"not among the 70 characters that it reads, and left empty: {' '.join(unknown)}"] if unknown else []
        return notes + super().remarks(texts)

    def drawn(self, texts: Sequence[str], count: int, seed: int = 0, candidates: int | None = None) -> np.ndarray:
        if candidates is not None:
            raise ValueError(f"--candidates: {self.name} has no CLIP that could choose among them; give a run of lecture 9")
        return self.pictures(texts, self.noise(count, seed))

    def pictures(self, texts: Sequence[str], z: np.ndarray) -> np.ndarray:
        """Each of K texts with each of N noises (N, Z): (K, N, 3, S, S) in [0, 1]."""
        return self._table(self.phi(texts)[:, None], z[None])

    def strips(self, text: str, to: str, count: int, seed: int = 0, steps: int = 9) -> np.ndarray:
        z = self.noise(count, seed)
        start, end = self.phi([text, to])
        beta = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        return self._table(((1 - beta) * start + beta * end)[None], z[:, None])

    def _table(self, phi: np.ndarray, z: np.ndarray) -> np.ndarray:
        """(K or 1, N or 1, d) and (K or 1, N or 1, Z) -> pictures of every place of the table."""
        rows, columns = np.broadcast_shapes(phi.shape[:2], z.shape[:2])
        each = lambda x: np.broadcast_to(x, (rows, columns, x.shape[2])).reshape(rows * columns, -1)
        pictures = self.draw(each(z), each(phi))
        return (pictures.reshape(rows, columns, *pictures.shape[1:]) + 1) / 2


def painter(folder: pathlib.Path, report: dict) -> Generator:
    """The generator that a run trained, with its encoder of texts.

    Args:
        folder: of the run; report: its own.

    Raises:
        FileNotFoundError: the run lacks a network.
        ValueError: a checkpoint does not load, or is damaged.
    """
    trains = "python -m tinymm lecture 7 --out {}"
    data, variant = report.get("data"), report.get("variant")
    sizes = None if data is None else photographs.SCALES.get(str(report.get("scale")))
    if data is not None and sizes is None:
        raise ValueError(f"the report in {folder} says scale {report.get('scale')!r}, which this version does not have")
    if data is not None and not (folder / CHECKPOINTS / "embedding").is_dir():
        raise ValueError(f"the run in {folder} took phi(t) from the published files of {data}, and has no encoder for other texts; "
                         "give a run without those files")

    def load(stage: str, what: str, build: Callable[[], M], part: str = "") -> M:
        return restore(folder, stage, what, trains, lambda config: build(), part)

    encoder = load("embedding", "encoder of texts", text_encoder if sizes is None else photographs.text_encoder)
    if variant == "stackgan":
        draw, numbers = _stacked(load)
    else:
        G = load("gan", "generator", build_generator if sizes is None else
                 lambda: build_generator(FEATURES, sizes.widths, sizes.noise, sizes.embedding), "G.")
        draw, numbers = lambda z, h: per_row(G, z, h), G.noise
    words = None if sizes else {word for text in PlacedSprites("train", SAMPLE).texts() for word in plain_words(text)}
    return Generator(f"lecture 7, variant {variant}" + (f", {data}" if data else ""), encoder, draw, numbers, words)


def _stacked(load) -> tuple[Draw, int]:
    """Both stages of StackGAN; their noise is z and the epsilons of both augmentations, side by side."""
    one, two = (load(stage, f"generator of {stage.replace('_', ' ')}", lambda k=k: stackgan.build_generators()[k], "G.")
                for k, stage in enumerate(("stage_one", "stage_two")))
    trained, ends = stackgan.Trained(one, two, ({}, {})), np.cumsum([one.noise, one.ca_net.condition])

    def draw(z: np.ndarray, h: np.ndarray) -> np.ndarray:
        z0, first, second = np.split(z, ends, 1)
        return stackgan.drawn(trained, z0, h, (first, second))[1]

    return draw, int(ends[-1]) + two.ca_net.condition
