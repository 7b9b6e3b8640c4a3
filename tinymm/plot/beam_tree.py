"""The tree that a beam search explores, from left to right: a column a word, the best sentence in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, PathPatch
from matplotlib.path import Path

from .captions import LEADING, LETTERS
from .style import COLORS, FONT, GREY, NEUTRAL, SMALL, WIDTH, fit, text_width, wrap

BEST, COMPLETED = COLORS[1], COLORS[0]
DASHED = (0, (3, 2))
TINT = 0.15                    # opacity of a completed sentence's filling
BOX, ROW = 0.38, 0.50          # inches: height of a node, distance of two in a column
NEAR, FAR = 0.30, 0.75         # inches between two columns, at least and at most
SIDE, HEAD, FOOT = 0.12, 0.26, 0.45   # inches: margins, the line of the steps' numbers, the legend
PAGE, LEGEND = WIDTH - 2 * SIDE, 4.8  # inches: room for the columns; the least width
WORD, LONGEST = 1.2, 30        # inches: a longer word is set smaller; letters: the rest is left out
NUMBER = SMALL - 0.5           # points
LINE = (FONT + 1) * LEADING / 72   # inches: a line of the title
SWEEPS = 60                    # over the columns, to place the nodes


def beam_tree(nodes: Sequence[tuple], *, words: Sequence[str] | Mapping[int, str] | None = None, log: bool = False,
              title: str | None = None) -> Figure:
    """A box for each hypothesis with its last word and its probability so far, a line to the one it grew out of.

    A line is as thick as the word is likely, given those before it. Completed sentences are filled and numbered by rank;
    the best one is orange back to the start. Hypotheses that nothing grew out of are dashed.

    Args:
        nodes: tuples (step, parent, word, log_prob, score, finished), as ``tinymm.decode.beam_tree`` returns them: how many
            words the hypothesis has; the place in ``nodes`` of the one it grew out of, None for the first; its last word;
            the natural logarithm of its probability; what completed sentences are ranked by; whether it is completed.
        words: word of a node -> its text, such as ``vocabulary.words``; without it the nodes' words are written as they are.
        log: write natural logarithms instead of probabilities.
        title: above.

    Returns:
        A Figure; a tree that is too wide for it goes on below, beginning with the last column once more.

    Raises:
        ValueError: no nodes, or nodes that are no tree; the message gives the place of the first wrong one.
    """
    nodes = [_check(nodes, i) for i in range(len(nodes))]
    if not nodes:
        raise ValueError("beam_tree: nodes is empty; its first node is the start of the sentence")
    parents = [node[1] for node in nodes]
    columns = [[i for i, node in enumerate(nodes) if node[0] == step] for step in range(1 + max(node[0] for node in nodes))]
    ranked = sorted((i for i, node in enumerate(nodes) if node[5]), key=lambda i: -nodes[i][4])   # stable: of equals the first
    best = _path(parents, ranked[0] if ranked else max(columns[-1], key=lambda i: nodes[i][4]))
    texts = [_text(words, node[2], i) for i, node in enumerate(nodes)]
    numbers = [_number(node[3], log) for node in nodes]
    weighed = any(nodes[i][4] != nodes[i][3] for i in ranked)   # by a length penalty
    for place, i in enumerate(ranked, 1):
        numbers[i] = f"#{place}: {numbers[i]}" + (f", score {nodes[i][4]:.3g}" if weighed else "")

    sizes = [fit(text, WORD * 72, FONT) for text in texts]
    widths = [max(max(text_width(texts[i], sizes[i]), text_width(numbers[i], NUMBER)) for i in column) / LETTERS / 72 + 0.12
              for column in columns]   # inches
    height = _heights(columns, parents, best) * ROW
    gap = min(FAR, max(NEAR, (PAGE - sum(widths)) / max(len(columns) - 1, 1)))
    bands = _even_bands(widths, gap)
    inner = set(parents)
    shown = [[[i for i in columns[step] if step > a or step == 0 or i in inner] for step in range(a, b + 1)]
             for a, b in bands]   # leaves are at the end of a band, not again where the next begins
    extents = [[height[i] for column in band for i in column] for band in shown]
    rooms = [max(extent) - min(extent) + BOX + HEAD + 0.12 for extent in extents]   # inches

    need = max(_span(widths, gap, a, b) for a, b in bands) + 2 * SIDE
    width = min(WIDTH, max(need, LEGEND, text_width(title or "", FONT + 1) / LETTERS / 72 + 2 * SIDE))
    heads = wrap(title, (width - 2 * SIDE) * 72 * LETTERS, FONT + 1) if title else []
    heading = 0.18 + len(heads) * LINE if title else 0.08
    tall = heading + sum(rooms) + FOOT
    figure = Figure(figsize=(width, tall))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(tall, 0))   # in inches, from the upper left corner
    axes.set_axis_off()
    top = heading
    for (a, b), band, extent, room in zip(bands, shown, extents, rooms):
        y = height + (top + HEAD + BOX / 2 - min(extent))
        left = SIDE + (width - need) / 2
        for step, column in enumerate(band, a):
            axes.text(left + widths[step] / 2, top + HEAD / 2, f"word {step}" if step else "start", ha="center", va="center",
                      fontsize=SMALL, color=GREY)
            for i in column:
                lost = i not in inner and not nodes[i][5]
                if step > a:
                    _edge(axes, (left - gap, y[parents[i]]), (left, y[i]), np.exp(min(0.0, nodes[i][3] - nodes[parents[i]][3])),
                          i in best)
                _node(axes, (left, y[i]), widths[step], (texts[i], sizes[i]), numbers[i], i in best, nodes[i][5], lost)
            left += widths[step] + gap
        top += room
    _legend(axes)
    if title:
        axes.text(width / 2, heading / 2 + 0.03, "\n".join(heads), ha="center", va="center", fontsize=FONT + 1, linespacing=LEADING,
                  parse_math=False)
    return figure


def _check(nodes: Sequence[tuple[Any, ...]], i: int) -> tuple:
    """Node ``i``, where it is one of a tree whose nodes come after their parents."""
    try:
        step, parent, word, log_prob, score, finished = nodes[i]
    except (TypeError, ValueError):
        raise ValueError(f"beam_tree: node {i} is {nodes[i]!r}; it must be (step, parent, word, log_prob, score, finished)")
    if (parent is None) != (i == 0) or (parent is not None and not 0 <= parent < i):
        raise ValueError(f"beam_tree: node {i} has parent={parent}; " + ("the first node is the start, and has None" if i == 0 else
                                                                         f"it must be the place of an earlier node, 0...{i - 1}"))
    if step != (0 if parent is None else nodes[parent][0] + 1):
        raise ValueError(f"beam_tree: node {i} has step={step}; " + ("the start has 0" if parent is None else
                                                                     f"its parent, node {parent}, has {nodes[parent][0]}"))
    if parent is not None and nodes[parent][5]:
        raise ValueError(f"beam_tree: node {i} has parent={parent}, which is a completed sentence")
    if not (np.isfinite(log_prob) and np.isfinite(score)):
        raise ValueError(f"beam_tree: node {i} has log_prob={log_prob} and score={score}; both must be finite")
    return step, parent, word, float(log_prob), float(score), bool(finished)


def _text(words, word, i: int) -> str:
    """What to write for the word of node ``i``: of a very long one its first letters."""
    try:
        text = str(word if words is None else words[word])
    except (LookupError, TypeError):
        raise ValueError(f"beam_tree: node {i} has word={word!r}, for which words has no text")
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "\u2026"


def _number(log_prob: float, log: bool) -> str:
    """The probability or its logarithm in a few digits."""
    if log:
        return f"{round(log_prob, 2) + 0.0:.2f}"   # no -0.00
    p = np.exp(log_prob)
    return f"{p:.2f}" if p >= 0.1 else f"{p:.2g}"


def _path(parents: list, i: int) -> list[int]:
    """The nodes from ``i`` back to the start."""
    path = [i]
    while parents[path[-1]] is not None:
        path.append(parents[path[-1]])
    return path


def _heights(columns: list[list[int]], parents: list, best: list[int]) -> np.ndarray:
    """A height for each node, in rows: lines are short, the best sentence nearly straight, and none cross.

    Siblings stay together and columns keep their parents' order, so that no two lines cross. Column after column is moved
    to where the sum of its lines' squared slopes is least, the nodes of a column at least one row apart.
    """
    pull = 0.02   # towards one another: trees stay low
    place: dict[int, float] = {}
    ordered = []
    for column in columns:
        ordered.append(sorted(column, key=lambda i: (place.get(parents[i], 0), i)))
        place.update({i: k for k, i in enumerate(ordered[-1])})
    height = np.zeros(len(parents))
    for column in ordered:
        height[column] = np.arange(len(column)) - (len(column) - 1) / 2
    neighbours: list[list[tuple[int, float]]] = [[] for _ in parents]
    for i, parent in enumerate(parents):
        if parent is not None:
            stiff = 20.0 if i in best else 1.0
            neighbours[i].append((parent, stiff))
            neighbours[parent].append((i, stiff))
    for _ in range(SWEEPS):
        for column in ordered:
            weight = np.array([pull + sum(stiff for _, stiff in neighbours[i]) for i in column])
            wish = np.array([sum(stiff * height[j] for j, stiff in neighbours[i]) for i in column]) / weight
            height[column] = _apart(wish, weight)
    return height - height.min()


def _apart(wish: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Heights at least 1 apart, in the order given, nearest to the wishes in weighted least squares.

    With k taken off the k-th, the heights need only not descend, which is isotonic regression: neighbours that would
    descend are pooled at their mean.
    """
    pools: list[list[float]] = []   # (mean, weight, count)
    for k, (mean, mass) in enumerate(zip(wish, weight)):
        pools.append([mean - k, mass, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, mass, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * mass) / (last[1] + mass)
            last[1] += mass
            last[2] += count
    return np.repeat([pool[0] for pool in pools], [int(pool[2]) for pool in pools]) + np.arange(len(wish))


def _span(widths: list[float], gap: float, first: int, last: int) -> float:
    """From the left edge of column ``first`` to the right edge of column ``last``."""
    return sum(widths[first:last + 1]) + gap * (last - first)


def _bands(widths: list[float], gap: float, room: float) -> list[tuple[int, int]]:
    """First and last column of each band, as many columns in one as fit; the next begins with the last one again."""
    bands: list[tuple[int, int]] = []
    first = 0
    while first < len(widths) - 1 or not bands:
        last = min(first + 1, len(widths) - 1)
        while last + 1 < len(widths) and _span(widths, gap, first, last + 1) <= room + 1e-9:
            last += 1
        bands.append((first, last))
        first = last
    return bands


def _even_bands(widths: list[float], gap: float) -> list[tuple[int, int]]:
    """As few bands as the page allows, none of them wider than that takes."""
    fewest = len(_bands(widths, gap, PAGE))
    return next(bands for bands in (_bands(widths, gap, room) for room in np.linspace(0.3, 1, 29) * PAGE) if len(bands) == fewest)


def _thick(p: float) -> float:
    """Points, for the line of a word of probability p."""
    return 0.6 + 4.0 * p


def _edge(axes, start: tuple[float, float], stop: tuple[float, float], p: float, best: bool) -> None:
    """A line that leaves and arrives level."""
    middle = (start[0] + stop[0]) / 2
    path = Path([start, (middle, start[1]), (middle, stop[1]), stop], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axes.add_patch(PathPatch(path, fill=False, edgecolor=BEST if best else GREY, linewidth=_thick(p), alpha=1 if best else 0.55,
                             capstyle="butt", zorder=2 if best else 1))


def _node(axes, place: tuple[float, float], width: float, word: tuple[str, float], number: str, best: bool, finished: bool,
          lost: bool) -> None:
    """A box whose left edge's middle is ``place``; the word with its font size, and the number below it."""
    x, y = place
    frame, ink = BEST if best else COMPLETED if finished else GREY, GREY if lost and not best else NEUTRAL
    axes.add_patch(FancyBboxPatch((x + 0.03, y - BOX / 2 + 0.03), width - 0.06, BOX - 0.06, boxstyle="round,pad=0.03",
                                  facecolor=(frame, TINT) if finished else "white", edgecolor=frame, linewidth=1.6 if best else 0.8,
                                  linestyle=DASHED if lost else "-", zorder=3))
    look = {"ha": "center", "va": "center", "color": ink, "zorder": 4, "parse_math": False}
    axes.text(x + width / 2, y - 0.065, word[0], fontsize=word[1], **look)
    axes.text(x + width / 2, y + 0.105, number, fontsize=NUMBER, **look)


def _legend(axes) -> None:
    """What the colours, the frames and the lines mean, at the bottom."""
    handles = [Line2D([], [], color=BEST, linewidth=2.4, label="best sentence"),
               Patch(facecolor=(COMPLETED, TINT), edgecolor=COMPLETED, linewidth=0.8, label="completed"),
               Line2D([], [], color=GREY, linestyle=DASHED, linewidth=1, label="not continued"),
               *(Line2D([], [], color=GREY, linewidth=_thick(p), label=f"p(word | before) = {p:g}") for p in (0.1, 0.5, 1.0))]
    axes.legend(handles=handles, loc="lower center", ncols=3, fontsize=SMALL, frameon=False, handlelength=2.2, columnspacing=1.4,
                borderaxespad=0.2)
