"""The figures of the GANs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ... import plot
from ...data.worlds.placed_sprites import ATTRIBUTES
from ...plot.style import COLORS, FONT, GREY, SMALL, WIDTH, plain
from .gan import SYSTEMS

if TYPE_CHECKING:
    from .systems import Drawn, System, Trained

COLUMNS = 8             # sentences of the grid: the first ones
STRIPS = 4              # pairs of texts that are walked
KINDS = ("real, right text", "real, wrong text", "drawn")
LOGITS = (-12, 12)      # of the histograms; what is beyond is counted at the ends


def shown(images: np.ndarray) -> np.ndarray:
    """[-1, 1] -> [0, 1]."""
    return np.clip((images + 1) / 2, 0, 1)


def grid(measured: Drawn) -> Figure:
    """The slide's table: real pictures and what each system draws of their sentences, with the same noise; the first sentences."""
    q = measured.questions
    names = [name for name in SYSTEMS if name in measured.images]
    rows = [("GT", list(shown(q.images[:COLUMNS]))), *((name, list(shown(measured.images[name][:COLUMNS]))) for name in names)]
    return plot.picture_table(rows, q.sentences[:COLUMNS])


def strips(measured: Drawn) -> Figure:
    """Pictures from one text to another of another colour, of each system, with the same noise; the first pairs."""
    colours, contents = ATTRIBUTES["colour"], measured.questions.contents
    rows = [(f"{colours[contents[i, 0]]} to {colours[contents[j, 0]]}, {name}", list(shown(walks[k])))
            for k, (i, j) in enumerate(measured.pairs[:STRIPS]) for name, walks in measured.walks.items()]
    steps = len(rows[0][1])
    return plot.picture_table(rows, [f"\u03b2 = {1 - k / (steps - 1):.2g}" for k in range(steps)])


def along(measured: Drawn) -> Figure:
    """The judge's verdict after each round of the training."""
    systems = measured.metrics["systems"]
    curves = {f"{name}, {what}": of["curve"][key] for name, of in systems.items()
              for key, what in (("all", "all right"), ("shape", "shape"))}
    return plot.loss_curves(curves, x={label: next(iter(systems.values()))["curve"]["steps"] for label in curves},
                            ylabel="share of right pictures (judge)")


def scores(trained: Trained) -> Figure:
    """D's logits for three kinds of pairs, of each system, after the first round, half of the rounds, and the last."""
    systems = trained.systems
    rounds = len(next(iter(systems.values())).scores)
    times = sorted({0, rounds // 2, rounds - 1})
    figure = Figure(figsize=(WIDTH, 2.1 * len(systems) + 0.5), layout="constrained")
    panels = figure.subplots(len(systems), len(times), squeeze=False, sharex=True)
    for row, (name, system) in zip(panels, systems.items()):
        for axes, time in zip(row, times):
            for color, kind in zip(COLORS, KINDS):
                axes.hist(np.clip(system.scores[time][kind], *LOGITS), np.linspace(*LOGITS, 33), color=color, alpha=0.5, label=kind)
            axes.axvline(0, color=GREY, linewidth=0.8)
            axes.set_title(f"{name}, step {system.steps * (time + 1)}", fontsize=FONT)
            axes.set_yticks([])
            axes.tick_params(labelsize=SMALL)
            plain(axes)
    for axes in panels[-1]:
        axes.set_xlabel("logit of D", fontsize=FONT)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=len(KINDS), fontsize=FONT,
                  frameon=False)
    return figure


def signs(right: System, literal: System) -> Figure:
    """D's loss from the first step, with Algorithm 1's signs as they are printed, and with those that are meant."""
    printed = [-loss for loss in literal.history["D loss"]]
    figure = plot.loss_curves({"as meant: ascend L_D": right.history["D loss"][:len(printed)], "as printed: descend L_D": printed},
                              chance={"2 ln 2: knowing nothing": 2 * np.log(2)}, smooth=1, ylabel="-L_D (nats)")
    figure.axes[0].set_yscale("log")
    return figure


def all_figures(trained: Trained, measured: Drawn) -> dict:
    """File name -> Figure."""
    found = {"grid.png": grid(measured), "along.png": along(measured), "scores.png": scores(trained)}
    if len(measured.pairs):
        found["between.png"] = strips(measured)
    if trained.literal is not None:
        found["signs.png"] = signs(next(iter(trained.systems.values())), trained.literal)
    return found
