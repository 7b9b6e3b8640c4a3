"""The figures of the alignment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ... import plot
from ...data.worlds.region_scenes import KIND_OF, KINDS, RegionScene
from ...decode.chain import align
from ...plot.regions import LINE, coloured_sentence, draw_boxes
from ...plot.style import COLORS, FONT, GREY, NEUTRAL, WIDTH
from .alignment import Aligned
from .claims import ROWS, UNTRAINED
from .data import Setting
from .evaluation import Pointed, all_scores, of_scenes

SHOWN = (0.0, 0.5, 2.0, 10.0)   # beta
SCENES = 3
PAIRS = 30                      # pictures and sentences of the matrices
SIDE, SIZE = 2.1, FONT + 1      # of a picture in inches, of a sentence in points


def aligned_sentences(scenes: Sequence[RegionScene], scores: Sequence[np.ndarray], betas: Sequence[float] = SHOWN) -> Figure:
    """Pictures with their boxes, and beside each its sentence by the regions of its words, once for each beta."""
    height = len(scenes) * (SIDE + 0.2) + 0.1
    figure = Figure(figsize=(WIDTH, height))
    for n, (scene, of_scene) in enumerate(zip(scenes, scores, strict=True)):
        top = height - 0.1 - n * (SIDE + 0.2)
        chosen = [align(of_scene, beta)[0] for beta in betas]
        axes = figure.add_axes((0.1 / WIDTH, (top - SIDE) / height, SIDE / WIDTH, SIDE / height))
        draw_boxes(axes, scene.image, scene.boxes)
        for k, (beta, a) in enumerate(zip(betas, chosen)):
            bottom = top - (k + 1) * SIDE / len(betas)
            figure.text((SIDE + 0.3) / WIDTH, (top - k * SIDE / len(betas) - 0.5 * LINE * SIZE / 72) / height,
                        f"\u03b2 = {beta:g}", fontsize=FONT, color=GREY, va="center_baseline", parse_math=False)
            axes = figure.add_axes(((SIDE + 0.95) / WIDTH, bottom / height, (WIDTH - SIDE - 1.05) / WIDTH,
                                    SIDE / len(betas) / height))
            coloured_sentence(axes, scene.caption, a, size=SIZE)
    return figure


def matrices(trained: Aligned, row: str, count: int = PAIRS) -> Figure:
    """S of the first test pairs before and after the training, each in its own standard deviations from its mean."""
    standard = lambda S: ((S - S.mean()) / S.std())[:count, :count]
    return plot.heatmap({"before the training": standard(all_scores(trained.models[UNTRAINED], trained.pairs["test"])),
                         "after": standard(all_scores(trained.models[row], trained.pairs["test"]))},
                        xlabel="sentence l", ylabel="image k", colorbar="S (k, l), in standard deviations")


def word_norms(measured: Pointed, row: str) -> Figure:
    """The mean length of every word's s_t, by kind of word, and what it was before the training."""
    mean = lambda of_row: {word: float(np.mean(lengths)) for word, lengths in measured.lengths[of_row].items()}
    after, before = mean(row), mean(UNTRAINED)
    kinds = [*KINDS, ""]
    order = sorted(after, key=lambda word: (kinds.index(KIND_OF.get(word, "")), -after[word]))
    shades = {"shape": COLORS[0], "colour": COLORS[2], "size": COLORS[4], "": GREY}
    figure = plot.bars({word: after[word] for word in order}, ylabel="mean length of s", fmt="",
                       colors=[shades[KIND_OF.get(word, "")] for word in order])
    axes = figure.axes[0]
    axes.plot(range(len(order)), [before[word] for word in order], "D", color=NEUTRAL, markersize=3.5, label="before the training")
    for kind, shade in shades.items():
        axes.bar(0, 0, color=shade, label=f"{kind or 'function'} words")
    axes.legend(fontsize=FONT - 1, framealpha=0.85, edgecolor="none", ncols=5, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def by_epoch(history: dict[str, list[float]], chance: float) -> Figure:
    """What the words of the validation scenes point to after each epoch, which no training reads."""
    curves = {f"{name.removeprefix('pointing, ')} words": values for name, values in history.items() if name.startswith("pointing")}
    figure = plot.loss_curves(curves, chance={"chance, all words": chance}, xlabel="epoch",
                              ylabel="share of words that point to their thing")
    figure.axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def worth_showing(scenes: Sequence[RegionScene]) -> list[int]:
    """The first scenes of three things whose sentence says a size, and a shape or a colour of two of them."""
    return [k for k, scene in enumerate(scenes) if len(scene.things) == 3 and any(scene.shared) and "size" in scene.kind][:SCENES]


def all_figures(setting: Setting, trained: Aligned, measured: Pointed) -> dict:
    """File name -> Figure."""
    scenes, row = setting.parts["test"].scenes, ROWS[setting.variant]
    chosen, scores = worth_showing(scenes), of_scenes(measured.scores[row], scenes)
    return {"alignment.png": aligned_sentences([scenes[k] for k in chosen], [scores[k] for k in chosen]),
            "scores.png": matrices(trained, row), "norms.png": word_norms(measured, row),
            "epochs.png": by_epoch(trained.history, measured.metrics["pointing"][row]["chance"])}
