"""The pictures of the variant video: the table beside the paper's, clips with marginals and sentences, what the CRFs learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ...data.worlds.kitchen import SIZES, SLOTS, Kitchen, couplings
from ...plot.style import COLORS, FONT, GREY, NEUTRAL, PALE, RIGHT, SMALL, WIDTH, WRONG, plain, text_width
from .video_systems import ENCODER_DECODER, INPUTS, MAX, PROB, SMT_MAX, SMT_PROB, Trained, labels_of, split, words_for

PAPER = {SMT_MAX: 24.9, SMT_PROB: 26.9, ENCODER_DECODER: 25.3, MAX: 27.4, PROB: 28.8}   # TACoS multilevel, BLEU in per cent
SHORT = {SMT_MAX: "SMT max", SMT_PROB: "SMT prob", ENCODER_DECODER: "(a) max", MAX: "(b) max", PROB: "(c) prob"}
SHOWN = 3   # clips
LINE = 0.22   # inches, from a sentence to the next


def table(metrics: Mapping) -> Figure:
    """The slide's five rows, here and in the paper, and the rows of the control."""
    rows = [[*row.split(", "), f"{metrics['bleu4'][row]:.1f}", f"{PAPER[row]:.1f}"] for row in INPUTS]
    rows += [[row.split(", ")[0], f"{row.split(', ')[1]}, all couplings", f"{score:.1f}", ""]
             for row, score in metrics["control"].items()]
    figure = Figure(figsize=(7.4, 0.3 * (len(rows) + 1) + 0.1), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    drawn = axes.table(rows, colLabels=["architecture", "input", "BLEU-4, kitchen", "BLEU, TACoS (paper)"], cellLoc="center",
                       colWidths=[0.28, 0.28, 0.2, 0.24], bbox=Bbox.from_bounds(0, 0, 1, 1))
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(FONT)
    for (row, column), cell in drawn.get_celld().items():
        cell.set_edgecolor(PALE)
        cell.get_text().set_color(GREY if row > len(INPUTS) else NEUTRAL)
        cell.get_text().set_fontweight("bold" if row == 0 else "normal")
    return figure


def chosen_clips(said: Mapping[str, Sequence[Sequence[str]]], clips: Kitchen, count: int = SHOWN) -> list[int]:
    """Two clips whose labels (c) has all right and (b) has not, and one of the contrary; where there are none, the first ones."""
    right = {row: [all(set(words_for(slot, label)) & set(words) for slot, label in zip(SLOTS, labels))
                   for words, labels in zip(said[row], clips.labels.tolist())] for row in (MAX, PROB)}
    better = [i for i in range(len(clips)) if right[PROB][i] and not right[MAX][i]]
    worse = [i for i in range(len(clips)) if right[MAX][i] and not right[PROB][i]]
    return list(dict.fromkeys([*better[:count - 1], *worse[:1], *range(count)]))[:count]


def clips_and_sentences(clips: Kitchen, trained: Trained, which: Sequence[int]) -> Figure:
    """A row a clip: the star's marginals of each slot, and the sentence that each row of the table makes."""
    p, height = trained.p["star"], max(1.9, LINE * (len(INPUTS) + 3))
    figure = Figure(figsize=(WIDTH, height * len(which) + 0.35), layout="constrained")
    grid = figure.subplots(len(which), len(SLOTS) + 1, squeeze=False, width_ratios=[1.0, 1.0, 1.0, 1.25, 4.4])
    marginals, maxima = split(p["prob"]["test"]), labels_of(p["max"]["test"])
    for row, i in enumerate(which):
        for s, (slot, values) in enumerate(SLOTS.items()):
            names = [value.split()[-1] for value in values]
            _bars(grid[row, s], marginals[s][i], names, clips.labels[i, s], maxima[i, s])
            if row == 0:
                grid[row, s].set_title(slot, fontsize=FONT)
        _sentences(grid[row, -1], {name: trained.said[name][i] for name in INPUTS}, clips.labels[i].tolist(), clips.sentences[i][0])
    grid[0, 0].set_ylabel("")
    figure.suptitle("What the star CRF believes (green: the truth; circle: its maximum), and what is said", fontsize=FONT + 1)
    return figure


def _bars(axes: Axes, p: np.ndarray, names: Sequence[str], truth: int, maximum: int) -> None:
    """The marginals of one slot."""
    at = np.arange(len(p))
    axes.barh(at, p, 0.75, color=[RIGHT if k == truth else PALE for k in at])
    axes.plot([p[maximum] + 0.12], [maximum], "o", color=COLORS[0], markersize=4, clip_on=False)
    axes.set_ylim(len(p) - 0.4, -0.6)
    axes.set_xlim(0, 1.15)
    plain(axes)
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"], fontsize=SMALL)
    axes.set_yticks(at, names, fontsize=SMALL)
    axes.tick_params(length=2)


def _sentences(axes: Axes, said: Mapping[str, Sequence[str]], labels: Sequence[int], reference: Sequence[str]) -> None:
    """A line a row of the table, below one of the references; words for labels are green, or red where they are wrong."""
    axes.set_axis_off()
    true = {word for slot, label in zip(SLOTS, labels) for word in words_for(slot, label)}
    naming = {word for slot, size in zip(SLOTS, SIZES) for label in range(size) for word in words_for(slot, label)}
    colour = lambda word: NEUTRAL if word not in naming else RIGHT if word in true else WRONG
    for k, (name, words) in enumerate([("one of three", reference), *((SHORT[row], words) for row, words in said.items())]):
        down = -(12 + k * LINE * 72 + (6 if k else 0))   # points
        write = lambda text, x, shade: axes.annotate(text, (0, 1), (x, down), xycoords="axes fraction", textcoords="offset points",
                                                     fontsize=SMALL, color=shade, va="center", annotation_clip=False)
        write(name, 0, GREY)
        x = 52.0
        for word in words:
            write(word, x, colour(word))
            x += text_width(word + " i", SMALL) - text_width("i", SMALL)


def centred(A: np.ndarray) -> np.ndarray:
    """A coupling without what only shifts the potentials of its two slots, which no data can tell apart."""
    return A - A.mean(0) - A.mean(1, keepdims=True) + A.mean()


def potentials(trained: Trained, seed: int, weights: Mapping[str, Mapping[str, float]]) -> Figure:
    """The couplings of the world, and those that the two CRFs learnt.

    Args:
        trained: with both CRFs.
        seed: of the world.
        weights: CRF -> slot -> by how much a value's own evidence counts more than the others'.
    """
    own, names = couplings(seed), list(SLOTS)
    learnt = {name: {pair: A.detach().cpu().numpy() for pair, A in zip(crf.pairs, crf.couplings)}
              for name, crf in trained.crfs.items()}
    heading = lambda name: f"CRF, {name}\nevidence weighs {np.mean(list(weights[name].values())):.2f}"
    rows = {"the world\nevidence weighs 2": own, **{heading(name): matrices for name, matrices in learnt.items()}}
    limit = max(np.abs(centred(A)).max() for A in own.values())
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    grid = figure.subplots(len(rows), len(own), width_ratios=[SIZES[j] for _, j in own])
    for axes_row, (title, matrices) in zip(grid, rows.items()):
        axes_row[0].set_ylabel(title, fontsize=FONT)
        for axes, (i, j) in zip(axes_row, own):
            axes.set_xticks([])
            axes.set_yticks([])
            if axes in grid[0]:
                axes.set_title(f"{names[i]}\nand {names[j]}", fontsize=FONT)
            if (i, j) in matrices:
                axes.imshow(centred(matrices[i, j]), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
            else:
                axes.text(0.5, 0.5, "not in\nthe model", ha="center", va="center", transform=axes.transAxes, fontsize=SMALL,
                          color=GREY)
                axes.spines[:].set_color(PALE)
    bar = figure.colorbar(grid[0, 0].images[0], ax=grid, shrink=0.5, pad=0.01)
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label("nats, centred", fontsize=FONT)
    return figure


def all_figures(clips: Kitchen, trained: Trained, metrics: Mapping, seed: int) -> dict[str, Figure]:
    """File name -> Figure.

    Args:
        clips: of the test.
        trained: with what was said, after ``evaluate``.
        metrics: of the study.
        seed: of the world.
    """
    weights = {name: measured["weight of evidence"] for name, measured in metrics["crf"].items()}
    return {"video_table.png": table(metrics), "video_potentials.png": potentials(trained, seed, weights),
            "video_marginals.png": clips_and_sentences(clips, trained, chosen_clips(trained.said, clips))}
