"""The figures of lecture 4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ... import plot
from ...data.worlds.digit_scenes import Scene
from ..captioning.lecture import Material
from .evaluation import Look, Measured, is_true, mentions
from .systems import Trained

SHOWN = 3   # scenes whose attention is drawn word by word


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


def by_place(metrics: dict):
    """Pointing accuracy by the mention's place in the sentence."""
    given, written = (metrics["attention"][name]["by place"] for name in ("given captions", "generated captions"))
    values = {f"{name}, {kind}": value for name, pair in zip(("1st", "2nd", "3rd"), zip(given, written))
              for kind, value in zip(("given", "generated"), (np.nan if v is None else v for v in pair))}   # None in a report
    return plot.bars(values, ylabel="attention on the named digit", line=("chance", metrics["attention"]["chance"]),
                     colors=list(plot.COLORS[:2]) * 3, title="Mentions by their place in the sentence")


def gates(metrics: dict):
    """The mean gate of each word, of the 30 with the highest where there are more."""
    shown = dict(list(metrics["beta"]["by word"].items())[:30])
    return plot.bars(shown, ylabel="mean β", title="How much of the picture each word takes in")


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
        "gates.png": gates(metrics)}
    for i in range(min(SHOWN, len(part))):
        scene = part.scenes[i] if part.scenes else None
        if measured.written[i].words:   # an early model may say nothing at all
            figures[f"attention_{i + 1}.png"] = attention(pictures[i], measured.written[i], grid, scene)
    if part.scenes:
        figures["pointing.png"] = by_place(metrics)
    if "gradient variance" in metrics:
        figures["variance.png"] = plot.bars(metrics["gradient variance"], ylabel="total variance of the gradient",
                                            fmt="{:.3g}", title="REINFORCE with and without the baseline")
    return figures
