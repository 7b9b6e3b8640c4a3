"""The pictures of the clips: the foldings, a clip and what the LSTM thinks of it, the two streams, confusions, the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ... import plot
from ...data.worlds import order_clips, tracked_clips
from ...plot.style import COLORS, FONT, GREY, PALE, SMALL, WIDTH, picture, plain
from .clip_networks import shuffled, step_probabilities
from .foldings import foldings

if TYPE_CHECKING:
    from .activity import Activity, Trained

PAPER = {"Single frame": (69.00, 72.20, 75.71, 79.04), "LRCN-fc6": (71.12, 76.95, 81.97, 82.92),
         "LRCN-fc7": (70.68, 69.36, 79.01, 80.51), "Single frame (all splits)": (67.70, 72.19, 75.87, 78.84),
         "LRCN-fc6 (all splits)": (68.19, 77.46, 80.62, 82.66)}      # UCF-101, in percent; the columns are ours
SHOWN = 1                                                            # the class of the clip that is drawn: right, left
SHUFFLES = 100
SHORT = tuple(name.replace("right", "R").replace("left", "L").replace(", ", "") for name in tracked_clips.CLASSES)


def all_figures(study: Activity, trained: Trained, metrics: dict) -> dict[str, Figure]:
    """File name -> Figure, of what was measured."""
    drawn = {"table.png": table(metrics["table"]), "confusion.png": confusions(metrics["confusion"]),
             "streams.png": streams(study.tracked[0]["test"])}
    if "order" in metrics:
        drawn |= {"foldings.png": foldings(), "clip.png": clip(study, trained), "order.png": order(metrics["order"])}
    return drawn


def clip(study: Activity, trained: Trained) -> Figure:
    """A clip of the test with P(class) of the LSTM over its steps; below, its frames shuffled, and the mean of many shuffles.

    A single shuffle may happen to look like the right class. The shuffles of a clip are those of the other classes' clips, too:
    whatever is said of them is right for one class in four.
    """
    assert trained.reader is not None   # there are order-only clips
    world = study.order["test"]
    frames = world.frames[np.flatnonzero(world.labels == SHOWN)[0]]                                       # (T, 1, 24, 24)
    mixed = shuffled(np.tile(np.arange(len(frames)), (SHUFFLES, 1)), np.random.default_rng(study.seed))   # (S, T)
    features = study.features(trained.reader, "fc6", frames[None])[0]                                     # (T, 128)
    said = lambda clips: step_probabilities(trained.order["LSTM on fc6"], clips, lambda x: x, study.device).mean(0)   # (T, 4)
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    first, above, second, below = figure.subplots(4, 1, height_ratios=(1, 3, 1, 3), sharex=True)
    strip(first, frames)
    curves(above, said(features[None]), "frames in order", SHOWN)
    strip(second, frames[mixed[0]])
    curves(below, said(features[mixed]), f"frames shuffled, mean of {SHUFFLES}: the same, whichever class is true", None)
    above.legend(fontsize=SMALL, frameon=False, loc="center right", title="turn 1, turn 2", title_fontsize=SMALL)
    return figure


def curves(axes: Axes, p: np.ndarray, title: str, true: int | None) -> None:
    """P(class) over the steps (T, 4), the true class thick; None where it could be any."""
    steps = range(1, len(p) + 1)
    for label, name in enumerate(order_clips.CLASSES):
        right = label == true
        axes.plot(steps, p[:, label], color=COLORS[label], linewidth=2.6 if right else 1.2, zorder=3 if right else 2,
                  linestyle="-" if right else "--", label=f"{name} (true)" if right else name)
    axes.axvline(order_clips.TURN + 0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlim(0.5, len(p) + 0.5)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks(steps)
    axes.set_ylabel("P(class)")
    axes.set_title(title, fontsize=FONT)
    plain(axes)


def order(rows: dict) -> Figure:
    """Mean p(true) over the steps of every order-only row, in order and shuffled."""
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2, sharey=True), ("in order", "shuffled")):
        for color, (row, found) in zip(COLORS, rows.items()):
            p = found[name]["p(true)"]
            axes.plot(range(1, len(p) + 1), p, color=color, linewidth=1.6,
                      label=f"{row.replace(', ', f',{chr(10)}')}: {found[name]['accuracy']:.3f}")
        axes.axvline(order_clips.TURN + 0.5, color=GREY, linewidth=0.8, linestyle=":")
        axes.set_title(f"test clips {name}", fontsize=FONT)
        axes.set_xlabel("step")
        axes.set_ylim(0, 1.02)
        axes.legend(fontsize=SMALL, frameon=False, loc="upper left", title="accuracy", title_fontsize=SMALL)
        plain(axes)
    figure.axes[0].set_ylabel("mean p(true)")
    return figure


def streams(world: tracked_clips.TrackedClips) -> Figure:
    """The first clip of each of three classes: every second frame, and the flow picture that is named after it."""
    chosen = [int(np.flatnonzero(world.labels == label)[0]) for label in (0, 5, 11)]
    times = np.arange(1, tracked_clips.FRAMES, 2)
    figure = Figure(figsize=(WIDTH, 7.6), layout="constrained")
    panels = figure.subplots(2 * len(chosen), 1)
    for i, one in enumerate(chosen):
        strip(panels[2 * i], world.rgb[one, times])
        strip(panels[2 * i + 1], world.flow[one, times - 1])
        panels[2 * i].set_ylabel(f"{tracked_clips.CLASSES[world.labels[one]].replace(': ', chr(10))}\nRGB", fontsize=SMALL)
        panels[2 * i + 1].set_ylabel("flow", fontsize=SMALL)
    panels[0].set_xticks(range(1, len(times) + 1), [f"frame {t + 1}" for t in times], fontsize=SMALL)
    panels[0].tick_params(top=False, labeltop=True, bottom=False, labelbottom=False)
    return figure


def strip(axes: Axes, frames: np.ndarray) -> None:
    """Frames (T, C, H, W) uint8 side by side, each a unit wide, the first around 1."""
    rim = np.pad(frames.astype(float) / 255, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=1)     # (T, C, H + 2, W + 2)
    axes.imshow(picture(np.concatenate(list(rim), -1), "strip"), cmap="gray", vmin=0, vmax=1, interpolation="nearest",
                extent=(0.5, len(frames) + 0.5, 0, 1))
    axes.set_yticks([])
    axes.tick_params(bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def confusions(found: dict) -> Figure:
    """What LRCN-fc6 takes for what: by colour alone, by motion alone, by both."""
    return plot.heatmap({title: np.array(found[column]) for title, column in
                         (("RGB", "RGB"), ("flow", "Flow"), ("fused 1/2, 1/2", "1/2, 1/2"))},
                        rows=SHORT, columns=SHORT, xlabel="said", ylabel="true", colorbar="share", limits=(0, 1))


def table(rows: dict, title: str = "colour and order, 12 classes (%)") -> Figure:
    """Ours in percent, and beside it the paper's numbers on UCF-101."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.36 * len(rows)), layout="constrained")
    columns = list(next(iter(rows.values())))
    ours = [[100 * row[column] for column in columns] for row in rows.values()]
    paper = [PAPER[row] for row in rows]
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    draw_table(left, title, [[f"{n:.1f}" for n in row] for row in ours], columns, list(rows))
    draw_table(right, "UCF-101 in the paper (%)", [[f"{n:.2f}" for n in row] for row in paper], columns)
    return figure


def draw_table(axes: Axes, title: str, text: list[list[str]], columns: list[str], rows: list[str] | None = None) -> None:
    """Cells with the names of the columns above; without names of rows all in grey, as what is only quoted."""
    axes.set_axis_off()
    axes.set_title(title, fontsize=FONT)
    room = 0.28 if rows else 0.0
    drawn = axes.table(text, rowLabels=rows, colLabels=columns, loc="center", cellLoc="center",
                       bbox=Bbox.from_bounds(room, 0, 1 - room, 1))
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(SMALL + 0.5)
    for cell in drawn.get_celld().values():
        cell.set_edgecolor(PALE)
        if rows is None:
            cell.get_text().set_color(GREY)
