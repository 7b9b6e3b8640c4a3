"""The figures of lecture 0, as matplotlib Figures."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ... import functional as F
from ...autograd import Tensor, no_grad
from ...autograd.drawing import draw
from ...data.worlds.digits import split_digits
from ..experiment import Measured
from .evaluation import step_size_curve, visits
from .systems import Trained


def _one(title: str, width: float = 5.6, height: float = 3.6):
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    return figure, axes


def paths(counts: list[tuple[int, int]]) -> Figure:
    """Nodes visited by both backward passes, over the number of doublings."""
    figure, axes = _one("Nodes visited by the backward pass of n times y = y + y")
    n = range(1, len(counts) + 1)
    axes.semilogy(n, [naive for naive, _ in counts], "o-", label="walking every path: $2^{n+1} - 1$")
    axes.semilogy(n, [ordered for _, ordered in counts], "s-", label="topological order: $n$")
    axes.set_xlabel("n")
    axes.set_ylabel("visits")
    axes.legend()
    return figure


def rungs(table: dict[str, dict[str, float]]) -> Figure:
    """Milliseconds of each rung."""
    figure, axes = _one("Layer normalisation, forward and backward")
    bars = axes.bar(list(table), [row["ms"] for row in table.values()], color=["#9ca3af", "#60a5fa", "#2563eb"][:len(table)])
    axes.bar_label(bars, [f"{row['ms']:.2f} ms" for row in table.values()])
    axes.set_ylabel("milliseconds (median)")
    axes.margins(y=0.15)
    return figure


def step_size() -> Figure:
    """The U-shaped error of a finite difference."""
    figure, axes = _one("Central difference of exp(sin x) at x = 1")
    steps = np.logspace(-13, -0.5, 120)
    axes.loglog(steps, np.maximum(step_size_curve(steps), 1e-17), color="#2563eb")
    axes.axvline(np.finfo(float).eps ** (1 / 3), color="#9ca3af", linestyle="--", label="cube root of the rounding unit")
    axes.annotate("rounding", (1e-10, 1e-5))
    axes.annotate("truncation", (6e-3, 1e-7))
    axes.set_xlabel("step h")
    axes.set_ylabel("relative error")
    axes.legend()
    return figure


def learning(history: dict) -> Figure:
    """Training loss and validation accuracy."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(history["loss"], color="#2563eb", linewidth=0.8)
    left.axhline(np.log(10), color="#9ca3af", linestyle="--", label="ln 10: knowing nothing")
    left.set_xlabel("step")
    left.set_ylabel("training loss (nats)")
    left.legend()
    epochs = range(1, len(history["validation"]) + 1)
    right.plot(epochs, history["validation"], "o-", color="#16a34a", markersize=3)
    right.set_xlabel("epoch")
    right.set_ylabel("validation accuracy")
    return figure


def digits(model, images: np.ndarray, labels: np.ndarray, count: int = 16) -> Figure:
    """Test digits with what the network reads, the doubtful ones first."""
    with no_grad():
        probabilities = model(Tensor(images)).softmax(-1).numpy()   # (N, 10)
    doubtful = np.argsort(probabilities.max(-1))[:count]
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    for axes, i in zip(figure.subplots(2, count // 2).flat, doubtful):
        read = probabilities[i].argmax()
        axes.imshow(images[i], cmap="gray_r")
        axes.set_title(f"{read} ({probabilities[i].max():.0%})", fontsize=8, color="#16a34a" if read == labels[i] else "#dc2626")
        axes.axis("off")
    figure.suptitle("The test digits it doubts most, and what it reads (red: wrong)", fontsize=10)
    return figure


def all_figures(trained: Trained, measured: Measured, seed: int) -> dict:
    """File name -> Figure or Drawing; ``seed`` is that of the split of the digits."""
    w, b = Tensor(np.ones((3, 2)), requires_grad=True), Tensor(np.zeros(3), requires_grad=True)
    graph = draw((F.linear(Tensor(np.ones((4, 2))), w, b).tanh() ** 2).mean(), names={"W": w, "b": b})
    trainer = trained.trainer
    return {"graph.svg": graph, "rungs.png": rungs(measured.metrics["rungs"]), "step_size.png": step_size(),
            "learning.png": learning(trainer.history), "digits.png": digits(trainer.model, *split_digits(seed)["test"]),
            "paths.png": paths([visits(k) for k in range(1, 13)])}
