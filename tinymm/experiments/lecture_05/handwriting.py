"""Task (e): handwriting from text, lines of letters of different lengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ...autograd import Tensor, no_grad
from ...autograd.host import to_numpy
from ...backend.random import Stream
from ...data.worlds.letters import ALPHABET, Line, best_constant_rate, split_lines
from ...models import handwriting as equations
from ...nn import Module
from ...plot.style import COLORS, FONT, SMALL
from .comparison import Task

TITLES = {"none": "plain", "layer": "LN"}
BIAS = 0.5   # of the samples that are shown; 0 is shown beside it


@dataclasses.dataclass(frozen=True)
class Batch:
    """B lines, the longest of T points and U letters.

    Attributes:
        x: (T, B, 3) points in units of the training offsets' deviations, 0 after a line's end.
        text: (B, U) letters from 0, -1 after a text's end.
        mask: (T, B) 1 for points of a line, else 0.
        letter: (T, B) which letter is being written, -1 after a line's end.
    """

    x: Tensor
    text: Tensor
    mask: Tensor
    letter: np.ndarray


def letters_of(texts: Sequence[str], alphabet: str = ALPHABET) -> Tensor:
    """(B, U) letters from 0, -1 after a text's end."""
    ids = np.full((len(texts), max(map(len, texts))), -1)
    for row, text in zip(ids, texts):
        row[:len(text)] = [alphabet.index(letter) for letter in text]
    return Tensor(ids)


def batch_of(lines: Sequence[Line], scale: np.ndarray, alphabet: str = ALPHABET) -> Batch:
    """Lines side by side; their offsets are divided by ``scale`` (2,)."""
    T, B = max(len(line.points) for line in lines), len(lines)
    x, mask, letter = np.zeros((T, B, 3), np.float32), np.zeros((T, B), np.float32), np.full((T, B), -1)
    for b, line in enumerate(lines):
        n = len(line.points)
        x[:n, b], mask[:n, b], letter[:n, b] = line.points / np.append(scale, 1), 1, line.letter
    return Batch(Tensor(x), letters_of([line.text for line in lines], alphabet), Tensor(mask), letter)


def nats_a_point(model: equations.Handwriting, batch: Batch) -> tuple[Tensor, equations.Written]:
    """The mean of -ln p(x_t) over the points of all lines, and what the model said."""
    written = model(batch.x, batch.text)
    return (written.mixture.nll(batch.x) * batch.mask).sum() / batch.mask.sum(), written


def window_on_letter(written: equations.Written, batch: Batch) -> float:
    """The share of points at which the window is highest on the letter being written."""
    phi = np.where(to_numpy(batch.text) >= 0, to_numpy(written.phi), -1.0)   # (T, B, U)
    return float((phi.argmax(2) == batch.letter).sum() / to_numpy(batch.mask).sum())


class Handwriting(Task):
    """Nats a point, and how often the window is on the letter being written."""

    name = "handwriting"
    title = "Handwriting from text"
    rates = (1e-3, 3e-3)
    measure = "nats a point"
    higher = False
    threshold = 0.0
    max_norm = 10.0
    alphabet = ALPHABET

    def __init__(self, scale: str, seed: int):
        small = scale == "smoke"
        self.parts = self.read(scale, seed)
        self.scale = np.concatenate([line.points for line in self.parts["train"]])[:, :2].std(0)
        self.steps, self.every, self.probe, self.batch = (4, 2, 2, 8) if small else (240, 20, 60, 32)
        self.options = dict(hidden=12, mixtures=2) if small else dict(hidden=64, mixtures=5)
        self.train = self.parts["train"]
        self.held = {name: self.collate(self.parts[name]) for name in ("validation", "test")}

    def read(self, scale: str, seed: int) -> dict[str, list[Line]]:
        """Part -> lines."""
        return split_lines(seed, (64, 16, 16) if scale == "smoke" else (1500, 200, 200))

    def collate(self, lines: list[Line]) -> Batch:
        return batch_of(lines, self.scale, self.alphabet)

    def model(self, norm: str) -> Module:
        return equations.Handwriting(len(self.alphabet), layers=2, window=3, norm=norm, **self.options)

    def loss(self, model: equations.Handwriting, batch: Batch) -> Tensor:
        return nats_a_point(model, batch)[0]

    def measured(self, model: equations.Handwriting, part: str) -> dict[str, float]:
        with no_grad():
            nats, written = nats_a_point(model, self.held[part])
        return {"nats a point": nats.item(), "window": window_on_letter(written, self.held[part])}

    def finished(self, models: dict) -> dict:
        """The window on the letter being written in test lines, beside the constant rate that is best there."""
        rate, share = best_constant_rate(self.parts["test"])
        found = {norm: self.measured(model, "test") for norm, model in models.items()}
        return {"window": {norm: one["window"] for norm, one in found.items()},
                "constant rate": {"rate": rate, "window": share}}

    def figures(self, models: dict, result: dict) -> dict:
        return {"samples.png": written_lines(models, self.parts["test"][0], self.scale),
                **{f"window_{norm}.png": window(model, self.parts["test"][0], self.scale, TITLES.get(norm) or norm)
                   for norm, model in models.items()}}


# ---------------------------------------------------------------------- pictures

def draw_pen(axes, points: np.ndarray, scale: np.ndarray, colours: Sequence[str] | None = None) -> None:
    """Strokes of a line (T, 3), offsets times ``scale``: a new one begins after each end; ``colours`` one a point."""
    at = (points[:, :2] * scale).cumsum(0)
    starts = np.flatnonzero(np.append(True, points[:-1, 2] > 0.5))
    for first, stop in zip(starts, [*starts[1:], len(points)]):
        axes.plot(*at[first:stop].T, color="#222222", linewidth=1.2, zorder=1)
    axes.scatter(*at.T, s=8, c=colours or "#222222", zorder=2)
    axes.set_aspect("equal")
    axes.axis("off")


def tint(u: np.ndarray) -> list[str]:
    """The colour of each letter's points, by its place in the text."""
    return [COLORS[int(i) % 6] for i in u]


def written_lines(models: dict, line: Line, scale: np.ndarray) -> Figure:
    """A text as the world writes it, and as each system does, with and without bias; points are coloured by the letter with the
    highest window."""
    rows = [("the world", line.points / np.append(scale, 1), line.letter)]
    for norm, model in models.items():
        for bias in (0.0, BIAS):
            (points,), (phi,) = model.sample(letters_of([line.text]), 120, bias, Stream("samples", 0))
            rows.append((f"{TITLES.get(norm, norm)}, bias {bias:g}", points, phi.argmax(1)))
    figure = Figure(figsize=(8, 1.25 * len(rows) + 0.4), layout="constrained")
    for axes, (name, points, letter) in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows):
        draw_pen(axes, points, scale, tint(letter))
        axes.set_title(name, fontsize=SMALL, loc="left")
    figure.suptitle(f"“{line.text}”: each colour is a letter, for a model the one its window is on", fontsize=FONT)
    return figure


def window(model: equations.Handwriting, line: Line, scale: np.ndarray, name: str) -> Figure:
    """phi(t, u) of one line that is given, with the letter being written as steps."""
    batch = batch_of([line], scale)
    with no_grad():
        phi = to_numpy(nats_a_point(model, batch)[1].phi)[:, 0]            # (T, U)
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(phi.T, aspect="auto", cmap="Blues", interpolation="nearest", origin="lower")
    axes.step(np.arange(len(line.letter)), line.letter, where="mid", color="#d55e00", linewidth=1.3,
              label="the letter being written")
    axes.set_yticks(range(len(line.text)), list(line.text))
    axes.set_xlabel("point t", fontsize=FONT)
    axes.set_ylabel("letter u", fontsize=FONT)
    axes.tick_params(labelsize=SMALL)
    axes.legend(fontsize=SMALL, loc="upper left")
    figure.colorbar(image, ax=axes, label="φ(t, u)")
    axes.set_title(f"{name}: where the window looks while “{line.text}” is written", fontsize=FONT)
    return figure
