"""The pictures of lecture 5: the slide's three panels, the curves of all tasks, the table, and what a batch of 4 does."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ...plot.style import COLORS, FONT, GREY, RIGHT, SMALL, WIDTH, WRONG, plain
from .invariances import COLUMNS, SLIDE

NAMES = {"none": "plain", "layer": "LN", "batch": "BN", "batch, hidden": "BN, not on the scores", "cosine": "plain, cosine"}
SHADES = {"none": COLORS[0], "layer": COLORS[1], "batch": COLORS[2], "batch, hidden": COLORS[3], "cosine": COLORS[5]}


def file_name(task: str, title: str) -> str:
    """The file of a task's own picture."""
    path = pathlib.PurePath(title)
    return re.sub(r"[^\w.]+", "_", f"{task}_{path.stem}{path.suffix or '.png'}")


def draw_curves(axes: Axes, runs: Sequence[Mapping], followed: str, over: str = "steps") -> None:
    """A curve a system; of several runs the median, with a band from the least to the greatest.

    Args:
        axes: to draw on.
        runs: the entries of one task, one a seed.
        followed: "curve", or what else a system follows.
        over: "steps" or "seconds"; of several runs their median.
    """
    for norm in runs[0]["systems"]:
        x, y = (np.array([run["systems"][norm][key] for run in runs], float) for key in (over, followed))   # (runs, points)
        at = np.median(x, 0)
        axes.plot(at, np.median(y, 0), color=SHADES[norm], linewidth=1.6, label=NAMES[norm])
        if len(runs) > 1:
            axes.fill_between(at, y.min(0), y.max(0), color=SHADES[norm], alpha=0.2, linewidth=0)
    axes.set_xlabel(over)
    plain(axes)


def draw_threshold(axes: Axes, threshold: float) -> None:
    """A dashed line; nothing where there is none, of published data."""
    if math.isfinite(threshold):
        axes.axhline(threshold, color=GREY, linewidth=1, linestyle="--", label="threshold")


def recall(runs: Sequence[Mapping]) -> Figure:
    """Recall@1, @5 and @10 of pictures for a sentence over the steps, the slide's three panels."""
    figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
    for letter, k, axes in zip("abc", (1, 5, 10), figure.subplots(1, 3)):
        draw_curves(axes, runs, "curve" if k == 1 else f"R@{k}")
        axes.set_title(f"({letter}) Recall@{k}", fontsize=FONT)
        axes.set_ylim(0, 1.02)
        if k == 1:
            draw_threshold(axes, runs[0]["threshold"])
            axes.legend(fontsize=SMALL, frameon=False)
    return figure


def curves(tasks: Mapping[str, Sequence[Mapping]], over: str = "steps") -> Figure:
    """A panel a task: what it follows, with its threshold.

    Args:
        tasks: name -> its entries, one a seed.
        over: "steps" or "seconds".
    """
    columns = 2 if len(tasks) == 4 else min(3, len(tasks))
    rows = -(-len(tasks) // columns)
    figure = Figure(figsize=(WIDTH if columns > 1 else 5.5, 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes, runs in zip(panels, tasks.values()):
        draw_curves(axes, runs, "curve", over)
        draw_threshold(axes, runs[0]["threshold"])
        axes.set_title(runs[0]["title"], fontsize=FONT)
        axes.set_ylabel(runs[0]["measure"])
        systems = [s["curve"] for run in runs for s in run["systems"].values()]
        if not runs[0]["higher"] and len(systems[0]) > 5:   # an untrained system's nats say nothing and hide the rest
            low, high = min(map(min, systems)), max(curve[1] for curve in systems)
            axes.set_ylim(np.nanmin([low, runs[0]["threshold"]]) - 0.05 * (high - low), high)
        axes.legend(fontsize=SMALL, frameon=False)
    for axes in panels[len(tasks):]:
        axes.set_visible(False)
    return figure


def small_batches(large: Mapping, small: Mapping) -> Figure:
    """The error on validation over the steps, in batches of 128 and of 4."""
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    for axes, task in zip(figure.subplots(1, 2, sharey=True), (large, small)):
        draw_curves(axes, [task], "error")
        axes.set_title(task["title"], fontsize=FONT)
        axes.set_ylim(0, max(20.0, 1.05 * min(s["error"][-1] for t in (large, small) for s in t["systems"].values())))
    figure.axes[0].set_ylabel("error (%)")
    figure.axes[0].legend(fontsize=SMALL, frameon=False)
    return figure


def table(invariances: Mapping) -> Figure:
    """The slide's table with the deviation in each cell: green where nothing changes, red where something does."""
    figure = Figure(figsize=(WIDTH, 1.9), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    values = [[invariances["table"][row][column] for column in COLUMNS] for row in SLIDE]
    text = [[f"{'Invariant' if v <= 1e-10 else 'No'}\n{v:.1e}" for v in row] for row in values]
    drawn = axes.table(text, rowLabels=[row.capitalize() for row in SLIDE], colLabels=[c.replace(" re", "\nre") for c in COLUMNS],
                       loc="center", cellLoc="center", bbox=Bbox.from_bounds(0.1, 0, 0.9, 1))
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(SMALL)
    for (row, column), cell in drawn.get_celld().items():
        cell.set_edgecolor("#d1d5db")
        if row > 0 and column >= 0:
            cell.get_text().set_color(RIGHT if values[row - 1][column] <= 1e-10 else WRONG)
    return figure


def all_figures(metrics: Mapping) -> dict[str, Figure]:
    """File name -> Figure, of what was measured."""
    tasks = metrics["tasks"]
    drawn = {f"{over}.png": curves({name: [task] for name, task in tasks.items()}, over) for over in ("steps", "seconds")}
    if "invariances" in metrics:
        drawn["table.png"] = table(metrics["invariances"])
    if "ranking" in tasks:
        drawn["recall.png"] = recall([tasks["ranking"]])
    if {"digits", "digits, batch 4"} <= set(tasks):
        drawn["batch_4.png"] = small_batches(tasks["digits"], tasks["digits, batch 4"])
    return drawn
