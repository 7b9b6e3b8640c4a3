"""The figures of the retrieval study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ...plot.style import FONT, GREY, RIGHT, WIDTH, WRONG, show, wrap
from ..captioning.parts import Part
from ..tables import BLEU, table

COLUMNS = ("R@1", "R@5", "R@10", "Medr")
FOUND = 3            # captions listed for a picture
PICTURES = 5         # pictures listed for a caption
EXAMPLES = 4
LINE = 1.25          # inches of a picture with its captions


def captions_for_pictures(test: Part, scores: Mapping[str, np.ndarray], own: np.ndarray) -> Figure:
    """Pictures, and beside each the best captions by each score; last a picture for which the last score fails, if there is one."""
    captions = [" ".join(words) for words in test.tokens()]
    said = [{captions[c] for c in np.flatnonzero(own == i)} for i in range(len(test))]
    found = {name: np.array([captions[c] in said[i] for i, c in enumerate(of_all.argmax(1))]) for name, of_all in scores.items()}
    fails = ~list(found.values())[-1]
    order = np.argsort(list(found.values())[0] | fails, kind="stable")     # first those that only the first score misses
    chosen = [*order[:EXAMPLES - int(fails.any())].tolist(), *np.flatnonzero(fails)[:1].tolist()]
    height, step = LINE * len(chosen) + 0.4, (WIDTH - 1.4) / len(scores)
    figure = Figure(figsize=(WIDTH, height))
    for k, name in enumerate(scores):
        figure.text((1.4 + step * k) / WIDTH, 1 - 0.2 / height, name, fontsize=FONT + 1, va="center", parse_math=False)
    for n, (i, image) in enumerate(zip(chosen, test.images(chosen))):
        top = height - 0.4 - LINE * n
        show(figure.add_axes((0.1 / WIDTH, (top - 1.15) / height, 1.15 / WIDTH, 1.15 / height)), image.transpose(1, 2, 0))
        for k, (name, of_all) in enumerate(scores.items()):
            left = (1.4 + step * k) / WIDTH
            best = dict.fromkeys(captions[c] for c in np.argsort(-of_all[i], kind="stable"))   # a sentence once, the best first
            for place, sentence in enumerate(list(best)[:FOUND]):
                lines = wrap(("\u2713 " if sentence in said[i] else "\u2717 ") + sentence, (step - 0.45) * 72, FONT - 1)
                figure.text(left, (top - 0.25 - 0.36 * place) / height, "\n".join(lines), fontsize=FONT - 1, va="center",
                            color=RIGHT if sentence in said[i] else WRONG, linespacing=1.1, parse_math=False)
    return figure


def pictures_for_captions(test: Part, scores: np.ndarray, own: np.ndarray) -> Figure:
    """Captions, and below each the best pictures, its own in a green frame: two that find it at once, and two that do not."""
    captions = [" ".join(words) for words in test.tokens()]
    at_once = scores.argmax(0) == own                                      # (C,)
    chosen = [c for kind in (at_once, ~at_once) for c in _of_different_pictures(np.flatnonzero(kind), own)[:EXAMPLES // 2]]
    side, gap = 1.35, 0.15
    width, height = PICTURES * (side + gap) + gap, len(chosen) * (side + 0.4) + 0.1
    figure = Figure(figsize=(width, height))
    for n, c in enumerate(chosen):
        top = height - n * (side + 0.4)
        figure.text(gap / width, (top - 0.22) / height, f"\u201c{captions[c]}\u201d", fontsize=FONT, va="center", parse_math=False)
        best = np.argsort(-scores[:, c], kind="stable")[:PICTURES].tolist()
        for k, (i, image) in enumerate(zip(best, test.images(best))):
            axes = figure.add_axes(((gap + k * (side + gap)) / width, (top - 0.38 - side) / height, side / width, side / height))
            show(axes, image.transpose(1, 2, 0), RIGHT if i == own[c] else GREY, 3 if i == own[c] else 0.5)
    return figure


def _of_different_pictures(captions: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Of these captions the first of each picture."""
    _, first = np.unique(own[captions], return_index=True)
    return captions[first]


def all_figures(test: Part, scores: Mapping[str, np.ndarray], own: np.ndarray, metrics: Mapping, aside: Sequence[str]) -> dict:
    """File name -> Figure; ``aside`` are the rows that do not compete, the raw scores first."""
    drawn = {}
    for way, entries in metrics["retrieval"].items():
        rows = {row: [entry[name] * (1 if name == "Medr" else 100) for name in COLUMNS] for row, entry in entries.items()}
        title = f"{way.capitalize()}: {metrics['pictures']} pictures, {metrics['captions']} captions"
        drawn[f"{way.replace(' ', '_')}.png"] = table(rows, COLUMNS, title, lower=["Medr"], aside=aside)
    if len(metrics["bleu"]) > 1:                                           # of those that write sentences
        drawn["bleu.png"] = table(metrics["bleu"], BLEU, f"BLEU in per cent on the same {metrics['pictures']} pictures")
    compared = {row: scores[row] for row in (*aside[:2], "LRCN-2f")}
    return {**drawn, "captions_for_pictures.png": captions_for_pictures(test, compared, own),
            "pictures_for_captions.png": pictures_for_captions(test, scores["LRCN-2f"], own)}
