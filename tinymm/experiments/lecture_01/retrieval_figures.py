"""The figures of the retrieval study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...plot.style import FONT, GREY, RIGHT, WIDTH, WRONG, show
from ..captioning.parts import Part
from .tables import table

COLUMNS = ("R@1", "R@5", "R@10", "Medr")
FOUND = 3            # captions listed for a picture
PICTURES = 5         # pictures listed for a caption
EXAMPLES = 4


def captions_for_pictures(test: Part, scores: Mapping[str, np.ndarray], own: np.ndarray, rows: Sequence[str]) -> Figure:
    """Pictures, and beside each the best captions by two scores: where the first of the first is wrong, if there are such."""
    captions = [" ".join(words) for words in test.tokens()]
    first = scores[rows[0]].argmax(1)                                      # (I,)
    order = np.argsort(own[first] == np.arange(len(test)), kind="stable")  # those that it misses come first
    chosen = order[:EXAMPLES]
    figure = Figure(figsize=(WIDTH, 1.25 * len(chosen) + 0.4))
    height = 1.25 * len(chosen) + 0.4
    for k, name in enumerate(rows):
        figure.text((1.4 + 4.3 * k) / WIDTH, 1 - 0.2 / height, name, fontsize=FONT + 1, va="center", parse_math=False)
    for n, (i, image) in enumerate(zip(chosen, test.images(chosen))):
        top = height - 0.4 - 1.25 * n
        show(figure.add_axes((0.1 / WIDTH, (top - 1.15) / height, 1.15 / WIDTH, 1.15 / height)), image.transpose(1, 2, 0))
        for k, name in enumerate(rows):
            for place, c in enumerate(np.argsort(-scores[name][i], kind="stable")[:FOUND]):
                mine = own[c] == i
                figure.text((1.4 + 4.3 * k) / WIDTH, (top - 0.25 - 0.32 * place) / height,
                            ("\u2713 " if mine else "\u2717 ") + captions[c], fontsize=FONT - 1, va="center",
                            color=RIGHT if mine else WRONG, parse_math=False)
    return figure


def pictures_for_captions(test: Part, scores: np.ndarray, own: np.ndarray) -> Figure:
    """Captions, and below each the best pictures; the right one has a green frame. Two that are found at once, two that are not."""
    captions = [" ".join(words) for words in test.tokens()]
    at_once = scores.argmax(0) == own                                      # (C,)
    chosen = [*np.flatnonzero(at_once)[:EXAMPLES // 2], *np.flatnonzero(~at_once)[:EXAMPLES - EXAMPLES // 2]]
    side, gap = 1.35, 0.15
    width, height = PICTURES * (side + gap) + gap, len(chosen) * (side + 0.4) + 0.1
    figure = Figure(figsize=(width, height))
    for n, c in enumerate(chosen):
        top = height - n * (side + 0.4)
        figure.text(gap / width, (top - 0.22) / height, f"\u201c{captions[c]}\u201d", fontsize=FONT, va="center", parse_math=False)
        best = np.argsort(-scores[:, c], kind="stable")[:PICTURES]
        for k, (i, image) in enumerate(zip(best, test.images(best))):
            axes = figure.add_axes(((gap + k * (side + gap)) / width, (top - 0.38 - side) / height, side / width, side / height))
            show(axes, image.transpose(1, 2, 0), RIGHT if i == own[c] else GREY, 3 if i == own[c] else 0.5)
    return figure


def all_figures(test: Part, scores: Mapping[str, np.ndarray], own: np.ndarray, metrics: Mapping, aside: Sequence[str]) -> dict:
    """File name -> Figure; ``aside`` are the rows that do not compete, the first of them the raw score."""
    drawn = {}
    for way, entries in metrics["retrieval"].items():
        rows = {row: [entry[name] * (1 if name == "Medr" else 100) for name in COLUMNS] for row, entry in entries.items()}
        title = f"{way.capitalize()}: {metrics['pictures']} pictures, {metrics['captions']} captions"
        drawn[f"{way.replace(' ', '_')}.png"] = table(rows, COLUMNS, title, lower=["Medr"], aside=aside)
    return {**drawn, "captions_for_pictures.png": captions_for_pictures(test, scores, own, (aside[0], "LRCN-2f")),
            "pictures_for_captions.png": pictures_for_captions(test, scores["LRCN-2f"], own)}
