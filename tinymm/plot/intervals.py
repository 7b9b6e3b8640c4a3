"""Shares of cases, grouped, each with the interval that so many cases leave open."""

from __future__ import annotations

import math
from collections.abc import Mapping

from matplotlib.figure import Figure

from .style import COLORS, FONT, GREY, NEUTRAL, PALE, WIDTH, plain, text_width

LINE, BETWEEN = 0.24, 0.16   # inches: of a value, and more between groups
Z = 1.96                     # of 95 %


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a probability of which ``share`` of ``count`` cases were seen (Wilson 1927).

    >>> [round(end, 3) for end in wilson(1.0, 100)]
    [0.963, 1.0]
    """
    width = 1 + Z**2 / count
    middle = (share + Z**2 / (2 * count)) / width
    half = Z / width * math.sqrt(share * (1 - share) / count + (Z / (2 * count))**2)
    return max(0.0, middle - half), min(1.0, middle + half)


def intervals(groups: Mapping[str, Mapping[str, float]], counts: Mapping[str, int], *, chance: Mapping[str, float] | None = None,
              xlabel: str = "", title: str | None = None) -> Figure:
    """One line a share: a dot, its 95 % interval, and the number; a kind has one colour in all groups.

    Args:
        groups: name of a group -> kind -> share, between 0 and 1.
        counts: name of a group -> cases that its shares are of.
        chance: name of a group -> the share that guessing has, a dashed line.
        xlabel: below.
        title: above.

    Raises:
        ValueError: no groups, a share outside 0 to 1, or no positive count for a group.
    """
    if not groups or not all(groups.values()):
        raise ValueError("intervals: there are no shares")
    for name, shares in groups.items():
        if counts.get(name, 0) < 1:
            raise ValueError(f"intervals: group {name!r} needs its number of cases, at least 1; counts has {dict(counts)}")
        if wrong := [kind for kind, share in shares.items() if not 0 <= share <= 1]:
            raise ValueError(f"intervals: the share of {name!r}, {wrong[0]!r} is {shares[wrong[0]]}; it must lie between 0 and 1")
    kinds = list(dict.fromkeys(kind for shares in groups.values() for kind in shares))
    rows = sum(len(shares) * LINE + BETWEEN for shares in groups.values())           # inches
    widest = lambda texts, size: max(text_width(text, size) for text in texts) / 72
    names, left = widest(groups, FONT + 1) * 1.12 + 0.25, widest(kinds, FONT) + 0.15    # bold is wider
    width, height = min(WIDTH, names + left + 6.0), rows + (0.85 if title else 0.6)
    figure = Figure(figsize=(width, height))
    across = width - names - left - 0.6
    axes = figure.add_axes(((names + left) / width, 0.5 / height, across / width, rows / height))
    y = 0.0
    for name, shares in groups.items():
        top = y
        for kind, share in shares.items():
            color = COLORS[kinds.index(kind) % len(COLORS)]
            low, high = wilson(share, counts[name])
            axes.plot([low, high], [y, y], color=color, linewidth=2.2, alpha=0.45, solid_capstyle="butt")
            axes.plot([share], [y], "o", color=color, markersize=5.5)
            axes.text(1 + 0.15 / across, y, f"{share:.3f}", fontsize=FONT, va="center", color=color)
            axes.text(-0.1 / across, y, kind, fontsize=FONT, va="center", ha="right", color=color)
            y += LINE
        if chance and name in chance:
            axes.plot([chance[name]] * 2, [top - LINE / 2, y - LINE / 2], "--", color=NEUTRAL, linewidth=1)
        axes.text((0.1 - names - left) / across, (top + y - LINE) / 2, name, fontsize=FONT + 1, va="center", color=NEUTRAL,
                  weight="bold")
        y += BETWEEN
        axes.axhline(y - (LINE + BETWEEN) / 2, color=PALE, linewidth=0.6)
    axes.set(xlim=(0, 1.0), ylim=(y - BETWEEN - LINE / 2, -LINE / 2 - 0.03), yticks=[])
    axes.set_xlabel(xlabel + (", dashed: guessing" if chance else "") + "; bars are 95 % intervals", fontsize=FONT, color=GREY)
    plain(axes)
    axes.spines["left"].set_visible(False)
    for artist in axes.lines:
        artist.set_clip_on(False)
    if title:
        axes.set_title(title, fontsize=FONT + 1)
    return figure
