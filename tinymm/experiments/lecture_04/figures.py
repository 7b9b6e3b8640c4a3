"""The figures of lecture 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ... import plot
from ...data.worlds.digit_scenes import Digit, Scene
from ..captioning.lecture import Material
from .evaluation import Look, Measured, is_true, mentions
from .systems import Trained

SHOWN = 3   # scenes whose attention is drawn word by word
REACH = 6   # half boxes that `landing` shows around a digit


def boxes_of(look: Look, scene: Scene | None) -> list | None:
    """For each word of a sentence the box of the digit it names, or None."""
    if scene is None:
        return None
    boxes: list[tuple[int, int, int, int] | None] = [None] * len(look.words)
    for t, digit in zip(mentions(look.words), scene.digits):
        boxes[t] = digit.box
    return boxes


def attention(image: np.ndarray, look: Look, grid: tuple[int, int], scene: Scene | None = None, title: str | None = None):
    """Where the model looked at each word of a sentence."""
    return plot.attention_words(image, list(look.words), look.alpha, grid, beta=look.beta, boxes=boxes_of(look, scene), title=title)


def learning(history: Mapping[str, Sequence[float]], words: int):
    """Nats a word in training and validation, beside ln K."""
    return plot.loss_curves({"training": history["nats a word"], "validation": history["validation nats a word"]},
                            chance={f"ln {words}: knowing nothing": np.log(words)}, ylabel="nats a word")


def landing(looks: Mapping[str, Sequence[Look]], scenes: Sequence[Scene], grid: tuple[int, int]):
    """Where the largest weight lies at each mention of a digit, seen from that digit, a panel for each system.

    The square is the digit's box, whatever its size: a dot at (1, 0) is in the middle of the box's right side. Places beyond
    six half boxes are drawn at the margin. Mentions of more digits than there are have no box, and are left out.
    """
    figure = Figure(figsize=(3.2 * len(looks), 3.5), layout="constrained")
    for axes, (name, of_system) in zip(figure.subplots(1, len(looks), squeeze=False)[0], looks.items()):
        away = np.array([_seen_from(k.alpha[t], digit, scenes[k.picture], grid) for k in of_system
                         for t, digit in zip(mentions(k.words), scenes[k.picture].digits)]).reshape(-1, 2)   # (mentions, 2)
        on = np.asarray(((away >= -1) & (away < 1)).all(1))   # (mentions,)
        for chosen, color in ((on, plot.RIGHT), (~on, plot.WRONG)):
            axes.plot(*away[chosen].clip(-REACH, REACH).T, ".", markersize=3, color=color, alpha=0.35)
        axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, linewidth=1.5))
        axes.set(xlim=(-REACH - 0.3, REACH + 0.3), ylim=(REACH + 0.3, -REACH - 0.3), aspect="equal", xticks=[], yticks=[])
        share = f"{100 * on.mean():.1f} % of {len(on)} on the digit" if len(on) else "no mentions"
        axes.set_title(f"{name}\n{share}", fontsize=10)
    return figure


def _seen_from(alpha: np.ndarray, digit: Digit, scene: Scene, grid: tuple[int, int]) -> tuple[float, float]:
    """The centre of the cell of the largest weight from the middle of a digit's box, in half boxes: (right, down)."""
    row, column = divmod(int(alpha.argmax()), grid[1])
    top, left, bottom, right = digit.box
    down, across = (row + 0.5) * scene.image.shape[0] / grid[0], (column + 0.5) * scene.image.shape[1] / grid[1]
    return (2 * across - left - right) / (right - left), (2 * down - top - bottom) / (bottom - top)


def gates(metrics: Mapping[str, dict]):
    """The mean gate of each word, of the 30 with the highest in the first system where there are more, for each system."""
    words = list(next(iter(metrics.values()))["beta"]["by word"])[:30]
    figure = Figure(figsize=(9.6, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, (name, found) in enumerate(metrics.items()):
        axes.plot([found["beta"]["by word"].get(word, np.nan) for word in words], "os^D"[i % 4], color=plot.COLORS[i], label=name)
    axes.set_xticks(range(len(words)), words, rotation=60, ha="right", rotation_mode="anchor", fontsize=9, parse_math=False)
    axes.set(ylabel="mean \u03b2", ylim=(0, 1))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=9)
    return figure


def all_figures(trained: Trained, measured: Measured, material: Material) -> dict:
    """File name -> Figure."""
    part, grid, metrics = material.parts["test"], measured.grid, measured.metrics
    shown = min(12, len(part))
    pictures = part.images(range(shown))
    sentences = measured.sentences["beam 5"]
    correct = [is_true(s, scene) for s, scene in zip(sentences[:shown], part.scenes)] if part.scenes else None
    figures = {
        "learning.png": learning(trained.trainer.history, len(material.vocabulary)),
        "captions.png": plot.caption_grid(list(pictures), [" ".join(s) for s in sentences[:shown]],
                                          [" ".join(of_picture[0]) for of_picture in part.captions[:shown]], correct,
                                          title="Sentences for scenes it has never seen (beam 5), and one that is true"
                                          if part.scenes else "Sentences for pictures it has never seen, "
                                          "and one that a person could have said"),
        "coverage.png": plot.heatmap(measured.coverage.reshape(grid), title="Mean attention of a whole sentence",
                                     colorbar="sum of α over the words"),
        "gates.png": gates({"\u03b2": metrics})}
    for i in range(min(SHOWN, len(part))):
        scene = part.scenes[i] if part.scenes else None
        if measured.written[i].words:   # an early model may say nothing at all
            figures[f"attention_{i + 1}.png"] = attention(pictures[i], measured.written[i], grid, scene)
    if part.scenes:
        figures["pointing.png"] = landing({"given captions": measured.given, "generated captions": measured.written},
                                          part.scenes, grid)
    if "gradient variance" in metrics:
        figures["variance.png"] = plot.bars(metrics["gradient variance"], ylabel="total variance of the gradient",
                                            fmt="{:.3g}", title="REINFORCE with and without the baseline")
    return figures
