"""Where a reader looked: the words of a text, each on a ground as dark as its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..autograd.host import to_numpy
from .style import FONT, GREY, WIDTH, text_width

GROUND = (1.0, 0.6, 0.1)   # of the word with the greatest weight; black text stays readable on it
LINE = 0.24                # inches from line to line
MARGIN = 0.15


def attended_text(texts: Mapping[str, tuple[Sequence[str], Sequence[float] | np.ndarray]], *, title: str | None = None) -> Figure:
    """Texts one below the other, each word on a ground as strong as its weight relative to the greatest.

    Args:
        texts: a line above the text -> (T words, (T,) weights, at least 0).
        title: above the figure.

    Returns:
        A Figure.

    Raises:
        ValueError: no text, no words, or weights that do not fit them.
    """
    if not texts:
        raise ValueError("attended_text: there are no texts; give a name -> (words, weights)")
    placed, top = [], 0.3 if title else 0.05   # (x, y, width, word, strength), inches from the upper left corner
    blank = text_width("x", FONT) / 72
    headings = []
    for name, (words, given) in texts.items():
        weights = to_numpy(given).astype(float)
        if not len(words) or weights.shape != (len(words),) or not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError(f"attended_text: {name!r} has {len(words)} words and weights of shape {weights.shape}; there must be "
                             "one finite weight of at least 0 for each word")
        headings.append((top, name))
        x, y = MARGIN, top + LINE
        for word, strength in zip(words, weights / max(weights.max(), 1e-12)):
            width = text_width(word, FONT) / 72 + blank
            if x + width > WIDTH - MARGIN:
                x, y = MARGIN, y + LINE
            placed.append((x, y, width, word, strength))
            x += width
        top = y + 1.5 * LINE
    figure = Figure(figsize=(WIDTH, top))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(top, 0)
    for y, name in headings:
        axes.text(MARGIN, y + LINE / 2, name, fontsize=FONT, color=GREY, va="center", parse_math=False)
    for x, y, width, word, strength in placed:
        axes.add_patch(Rectangle((x, y + 0.02), width, LINE - 0.04, facecolor=GROUND, alpha=float(strength), edgecolor="none"))
        axes.text(x + width / 2, y + LINE / 2, word, fontsize=FONT, ha="center", va="center", parse_math=False)
    if title:
        axes.text(MARGIN, 0.15, title, fontsize=FONT + 1, va="center", parse_math=False)
    return figure
