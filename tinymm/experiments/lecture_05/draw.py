"""Task (d): DRAW on binarised digits, with layer normalisation of the cells' outputs."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...autograd import Tensor, no_grad
from ...autograd.host import to_numpy
from ...backend.random import Stream
from ...data import TensorDataset
from ...data.worlds.digits import split_digits
from ...models import draw as equations
from ...nn import Module
from ...plot.style import FONT, SMALL, show
from .comparison import Task

BELOW = 1.0            # nats below independent pixels: the threshold
TITLES = {"none": "plain", "layer": "LN"}
READ, WRITE = "#56b4e9", "#d55e00"   # boxes
AROUND = 4             # pixels shown around a canvas, since windows may reach beyond it


def binarised(images: np.ndarray) -> np.ndarray:
    """Pixels that are more than half ink as 1, float32."""
    return (images > 0.5).astype(np.float32)


def independent_bernoulli(train: np.ndarray, held: np.ndarray) -> float:
    """Nats a picture when each pixel is a coin of its own, with the share of ink that it has in ``train``.

    Args:
        train, held: (N, A, A) of 0 and 1. One picture more with ink and one without are counted in (Laplace), so that
            a pixel that is always blank in training does not cost infinity.
    """
    p = (train.sum(0) + 1) / (len(train) + 2)
    return float(-(held * np.log(p) + (1 - held) * np.log1p(-p)).sum((1, 2)).mean())


class Draw(Task):
    """The bound in nats of binarised digits, BCE and KL."""

    name = "draw"
    title = "DRAW on binarised digits"
    rates = (1e-3, 3e-3)
    measure = "nats"
    higher = False
    threshold = float("nan")   # each instance's own: BELOW independent pixels on its validation digits
    max_norm = 10.0
    window = dict(side=8, write=3)   # pixels a side, and filters that write

    def __init__(self, scale: str, seed: int):
        small = scale == "smoke"
        self.parts = self.read(scale, seed)
        self.independent = {name: independent_bernoulli(self.parts["train"], part) for name, part in self.parts.items()}
        self.threshold = self.independent["validation"] - BELOW
        self.steps, self.every, self.probe, self.batch = (20, 10, 10, 32) if small else (1600, 100, 400, 64)
        sizes = dict(glimpses=3, hidden=16, latent=4) if small else dict(glimpses=6, hidden=64, latent=8)
        self.options = {**self.window, **sizes}
        self.train = TensorDataset(Tensor(self.parts["train"]))

    def read(self, scale: str, seed: int) -> dict[str, np.ndarray]:
        """Part -> pictures (N, A, A) of 0 and 1, float32."""
        return {name: binarised(images) for name, (images, _) in split_digits(seed).items()}

    def model(self, norm: str) -> Module:
        return equations.Draw(read=2, norm=norm, **self.options)

    def loss(self, model: equations.Draw, batch: tuple[Tensor]) -> Tensor:
        x, = batch
        bce, kl = model(x).loss(x)
        return (bce + kl).mean()

    def measured(self, model: equations.Draw, part: str) -> dict[str, float]:
        """The bound, and the KL in it; the same eps at each measurement and for each system."""
        x = Tensor(self.parts[part])
        with no_grad():
            bce, kl = model(x, Stream("held-out", 0)).loss(x)
        bce, kl = to_numpy(bce).mean(), to_numpy(kl).mean()
        return {"nats": float(bce + kl), "KL": float(kl)}

    def finished(self, models: dict) -> dict:
        """Independent pixels, and how far below them each system's bound is on test digits."""
        nats = {norm: self.measured(model, "test") for norm, model in models.items()}
        return {"independent": self.independent,
                "below independent": {norm: self.independent["test"] - one["nats"] for norm, one in nats.items()},
                "KL": {norm: one["KL"] for norm, one in nats.items()}}

    def figures(self, models: dict, result: dict) -> dict:
        return {"canvas.png": canvases(models, self.parts["test"][:2]), "samples.png": samples(models, self.parts["test"][:12])}


# ---------------------------------------------------------------------- pictures

def box(look: equations.Glimpse, b: int, N: int) -> tuple[float, float, float]:
    """Left, top and side of the square from the first filter's pixel to the last one's, of picture b.

    They are told as ``imshow`` counts, where the first pixel reaches from -0.5 to 0.5.
    """
    x, y, delta = (float(to_numpy(v)[b, 0]) for v in (look.x, look.y, look.delta))
    side = (N - 1) * delta + 1
    return x - 1 - side / 2, y - 1 - side / 2, side


def canvases(models: dict, pictures: np.ndarray) -> Figure:
    """A row for each system and picture: the picture, and the canvas after each glimpse, with the windows that read and wrote."""
    glimpses = next(iter(models.values())).glimpses
    rows = [(norm, b) for norm in models for b in range(len(pictures))]
    figure = Figure(figsize=(1.15 * (glimpses + 1), 1.2 * len(rows) + 0.6), layout="constrained")
    grid = figure.subplots(len(rows), glimpses + 1, squeeze=False)
    for row, (norm, b) in zip(grid, rows):
        model = models[norm]
        with no_grad():
            drawn = model(Tensor(pictures), Stream("held-out", 0))
        show(row[0], pictures[b])
        row[0].set_ylabel(TITLES.get(norm, norm), fontsize=FONT)
        for t, axes in enumerate(row[1:]):
            show(axes, to_numpy(drawn.canvases[t + 1].sigmoid())[b])
            for looks, N, colour in ((drawn.reads, model.read_size, READ), (drawn.writes, model.write_size, WRITE)):
                left, top, side = box(looks[t], b, N)
                axes.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor=colour, linewidth=1.3))
            axes.set_xlim(-0.5 - AROUND, model.side - 0.5 + AROUND)
            axes.set_ylim(model.side - 0.5 + AROUND, -0.5 - AROUND)
    for t, axes in enumerate(grid[0]):
        axes.set_title(f"glimpse {t}" if t else "picture", fontsize=SMALL)
    figure.suptitle("The canvas after each glimpse: blue reads, orange writes", fontsize=FONT)
    return figure


def samples(models: dict, real: np.ndarray) -> Figure:
    """Pictures drawn from the prior, as probabilities of ink, above real ones."""
    count = len(real)
    figure = Figure(figsize=(0.75 * count, 0.85 * (len(models) + 1) + 0.5), layout="constrained")
    grid = figure.subplots(len(models) + 1, count, squeeze=False)
    for row, (norm, model) in zip(grid, models.items()):
        with no_grad():
            drawn = to_numpy(model.sample(count, Stream("samples", 0)).canvases[-1].sigmoid())
        for axes, picture in zip(row, drawn):
            show(axes, picture)
        row[0].set_ylabel(TITLES.get(norm, norm), fontsize=SMALL)
    for axes, picture in zip(grid[-1], real):
        show(axes, picture)
    grid[-1][0].set_ylabel("real", fontsize=SMALL)
    figure.suptitle("Drawn from the prior (probability of ink), and real digits", fontsize=FONT)
    return figure
