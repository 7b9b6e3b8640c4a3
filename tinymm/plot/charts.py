"""Bars for a table's column, and matrices as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..autograd.host import to_numpy
from .style import COLORS, FONT, SMALL, WIDTH, plain, text_width, wrap


def bars(values: Mapping[str, float], *, errors: Mapping[str, float] | Sequence[float] | None = None, ylabel: str = "",
         line: float | tuple[str, float] | None = None, colors: Sequence[str] | Mapping[str, str] | None = None,
         fmt: str = "{:.2f}", title: str | None = None) -> Figure:
    """One bar a value, its number above it.

    Args:
        values: label -> height; NaN is drawn as "n/a".
        errors: half lengths of error bars, by label or in the order of the values.
        ylabel: at the left.
        line: a height to compare with, or (its label, height).
        colors: by label or in the order of the values.
        fmt: of the numbers.
        title: above.

    Raises:
        ValueError: no values, or errors or colors that do not fit them.
    """
    if not values:
        raise ValueError("bars: there are no values")
    labels, heights = list(values), np.array([float(v) for v in values.values()])
    spread = np.zeros(len(labels)) if errors is None else np.array([float(e) for e in _by_label("errors", errors, labels)])
    shades = [COLORS[0]] * len(labels) if colors is None else _by_label("colors", colors, labels)
    width = min(WIDTH, max(3.2, 1.0 + 0.95 * len(labels)))
    slot = (width - 0.8) / len(labels) * 72   # points
    figure = Figure(figsize=(width, 3.4), layout="constrained")
    axes = figure.subplots()
    shown = np.where(np.isfinite(heights), heights, 0)
    axes.bar(range(len(labels)), shown, width=0.65, color=shades, yerr=spread if errors is not None else None,
             error_kw={"ecolor": "#222222", "elinewidth": 1, "capsize": 3})
    for i, height in enumerate(heights):
        text, below = fmt.format(height) if np.isfinite(height) else "n/a", shown[i] < 0
        axes.annotate(text, (i, shown[i] + (-spread[i] if below else spread[i])), (0, -3 if below else 3),
                      textcoords="offset points", ha="center", va="top" if below else "bottom", fontsize=min(SMALL + 0.5, slot / 3))
    label = None
    if line is not None:
        label, y = line if isinstance(line, tuple) else (None, line)
        axes.axhline(y, color="#222222", linestyle="--", linewidth=1, label=label, zorder=3)
        if label:
            axes.legend(fontsize=SMALL + 0.5, framealpha=0.85, edgecolor="none", loc="lower left", bbox_to_anchor=(0, 1),
                        borderaxespad=0.1)
    if (shown < 0).any():
        axes.axhline(0, color="#222222", linewidth=0.8)
    narrow = any(text_width(word, FONT - 1) > slot for label in labels for word in label.split())
    ticks = labels if narrow else ["\n".join(wrap(label, slot * 0.95, FONT - 1)) for label in labels]
    axes.margins(y=0.12)
    axes.set_ylabel(ylabel)
    plain(axes)
    slant: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if narrow else {}
    axes.set_xticks(range(len(labels)), ticks, fontsize=FONT - 1, parse_math=False, **slant)
    if title:
        axes.set_title(title, fontsize=FONT + 1, pad=20 if label else 6)   # the line's label stands between
    return figure


def _by_label(name: str, given, labels: list[str]) -> list:
    """One of ``errors`` or ``colors``, in the order of the labels."""
    if isinstance(given, Mapping):
        lost = [label for label in labels if label not in given]
        if lost:
            raise ValueError(f"bars: {name} has nothing for {lost[0]!r}; it has {list(given)}")
        return [given[label] for label in labels]
    given = list(given)
    if len(given) != len(labels):
        raise ValueError(f"bars: there are {len(given)} {name} and {len(labels)} values")
    return given


def heatmap(matrix, *, title: str | None = None, xlabel: str = "", ylabel: str = "", colorbar: str | bool = True,
            limits: tuple[float, float] | None = None, rows: Sequence[str] | None = None, columns: Sequence[str] | None = None,
            fmt: str | None = None) -> Figure:
    """A matrix as colours, or several side by side on one scale.

    Args:
        matrix: (R, C), or name -> (R, C) for panels that are to be compared.
        title: above the figure.
        xlabel: below each panel.
        ylabel: at the left.
        colorbar: its label, True for one without a label, False for none.
        limits: the values of the first and the last colour (default: least and greatest of all panels).
        rows: names of the R rows.
        columns: names of the C columns.
        fmt: such as "{:.2f}" writes the numbers into the cells.

    Raises:
        ValueError: not a matrix, or names that do not fit.
    """
    panels = {name: to_numpy(m).astype(float) for name, m in (matrix.items() if isinstance(matrix, Mapping) else [("", matrix)])}
    if not panels:
        raise ValueError("heatmap: there is no matrix")
    for name, values in panels.items():
        if values.ndim != 2 or values.size == 0:
            raise ValueError(f"heatmap: matrix{f' {name!r}' if name else ''} has shape {values.shape}; it must be (R, C)")
        for kind, names, size in (("rows", rows, values.shape[0]), ("columns", columns, values.shape[1])):
            if names is not None and len(names) != size:
                raise ValueError(f"heatmap: there are {len(names)} names of {kind}, the matrix has {size} {kind}")
    low, high = limits or (min(np.nanmin(v) for v in panels.values()), max(np.nanmax(v) for v in panels.values()))
    height, width = next(iter(panels.values())).shape
    widest = (WIDTH - 1.6) / (width * len(panels))
    cell = min(widest, max(min(0.42, 5 / height), 2.2 / max(width, height)))   # width of a cell in inches
    tall = max(cell, 0.16) if rows is not None else cell                       # its height: room for a name
    size = (min(WIDTH, max(2.6, len(panels) * (width * cell + 0.25) + 1.4)), max(1.6, height * tall + 0.9))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for i, (ax, (name, values)) in enumerate(zip(axes, panels.items())):
        drawn = ax.imshow(values, cmap="viridis", vmin=low, vmax=high, interpolation="nearest", aspect=tall / cell)
        ax.set_title(name, fontsize=FONT, parse_math=False)
        ax.set_xlabel(xlabel, fontsize=FONT)
        ax.set_ylabel(ylabel if i == 0 else "", fontsize=FONT)
        ax.tick_params(labelsize=SMALL, length=2)
        _ticks(ax, "x", columns, width, cell)
        _ticks(ax, "y", rows, height, cell)
        if i and rows is not None:
            ax.set_yticklabels([])
        if fmt is not None:
            for (r, c), value in np.ndenumerate(values):
                dark = not np.isfinite(value) or value < (low + high) / 2   # the lower half of viridis
                text = fmt.format(value)
                ax.text(c, r, text, ha="center", va="center", color="white" if dark else "black",
                        fontsize=min(SMALL, SMALL * cell * 72 * 0.9 / max(text_width(text, SMALL), 1e-9)))
    if colorbar is not False:
        inches = width * cell
        bar = figure.colorbar(drawn, cax=axes[-1].inset_axes((1 + 0.08 / inches, 0, 0.13 / inches, 1)))   # as high as the matrix
        bar.ax.tick_params(labelsize=SMALL)
        bar.set_label(colorbar if isinstance(colorbar, str) else "", fontsize=FONT)
    if title:
        figure.suptitle(title, fontsize=FONT + 1)
    return figure


def _ticks(axes, which: str, names: Sequence[str] | None, size: int, cell: float) -> None:
    """Names of rows or columns, or a few whole numbers (``cell`` is the width of a column in inches)."""
    if names is None:
        step = max(1, -(-size // 8))
        getattr(axes, f"set_{which}ticks")(range(0, size, step))
        return
    turned = which == "x" and any(text_width(name, SMALL) > cell * 72 * 0.95 for name in names)
    look = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if turned else {}
    getattr(axes, f"set_{which}ticks")(range(size), names, parse_math=False, **look)
