"""The figures of the variant "generator"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ...data.worlds.region_scenes import RegionScene
from ...plot import coloured_sentence, draw_boxes
from ...plot.style import FONT, GREY, WIDTH
from ..tables import BLEU, table
from .describer import BOUND, Described

SCENES = 4
SIDE = 2.3                       # inches of a picture
LINE = 0.42                      # inches of a box's sentences
WIDTHS = (2.8, 1.5, 1.5, 1.5)    # inches of the columns: what was taught on full images says more


def captions(scenes: Sequence[RegionScene], described: Described) -> Figure:
    """Scenes with the boxes of their things, and in columns what each describer says of every box."""
    chosen = [int(np.argmax([len(s.things) == n for s in scenes])) for n in (2, 3, 4)]   # one scene of each number of things
    chosen += [i for i in range(len(scenes)) if i not in chosen][:SCENES - len(chosen)]
    height = len(chosen) * (SIDE + 0.2) + 0.1
    figure = Figure(figsize=(WIDTH, height))
    lefts = SIDE + 0.25 + np.cumsum((0, *WIDTHS[:-1]))
    for n, k in enumerate(chosen):
        top = height - 0.1 - n * (SIDE + 0.2)
        mine = np.flatnonzero(described.things[:, 0] == k)
        boxes = described.things[mine, 1].tolist()
        axes = figure.add_axes((0.1 / WIDTH, (top - SIDE) / height, SIDE / WIDTH, SIDE / height))
        draw_boxes(axes, scenes[k].image, scenes[k].boxes, regions=boxes)
        for (row, said), left, width in zip(described.said.items(), lefts, WIDTHS):
            figure.text(left / WIDTH, (top - 0.1) / height, row, fontsize=FONT - 1, color=GREY, va="center", parse_math=False)
            for line, (i, thing) in enumerate(zip(boxes, mine), 1):
                words = said[thing] or ["\u2014"]
                place = (left / WIDTH, (top - 0.25 - LINE * line) / height, (width - 0.1) / WIDTH, LINE / height)
                coloured_sentence(figure.add_axes(place), words, [i] * len(words), size=FONT - 1)
    return figure


def all_figures(scenes: Sequence[RegionScene], described: Described) -> dict:
    """File name -> Figure."""
    metrics = described.metrics
    rows = {row: [*scores, 100 * metrics["exact"][row]] for row, scores in metrics["bleu"].items()}
    title = f"In per cent, on the true boxes of {metrics['boxes']} things of test scenes"
    return {"captions.png": captions(scenes, described), "bleu.png": table(rows, (*BLEU, "exact"), title, aside=[BOUND])}
