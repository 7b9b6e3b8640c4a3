"""A drawing: one network in three foldings, with the shapes on the arrows."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from ...plot.style import COLORS, FONT, GREY, NEUTRAL, SMALL, WIDTH

CNN, NET, SOFTMAX, WORD = COLORS[4], COLORS[0], COLORS[2], COLORS[1]
STEP = 1.45                 # from one time step to the next
LEVELS = {"x": 0.0, "cnn": 1.2, "net": 2.7, "softmax": 4.2, "y": 5.4}
HIGH = 0.36                 # half the height of a box


def box(axes: Axes, x: float, y: float, text: str, color: str, dashed: bool = False) -> None:
    """A rounded box around its middle."""
    axes.add_patch(FancyBboxPatch((x - 0.46, y - HIGH), 0.92, 2 * HIGH, boxstyle="round,pad=0,rounding_size=0.12", facecolor=color,
                                  alpha=0.22, edgecolor="none"))
    axes.add_patch(FancyBboxPatch((x - 0.46, y - HIGH), 0.92, 2 * HIGH, boxstyle="round,pad=0,rounding_size=0.12", facecolor="none",
                                  edgecolor=color, linewidth=1.2, linestyle="--" if dashed else "-"))
    axes.text(x, y, text, ha="center", va="center", fontsize=FONT, color=NEUTRAL)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "", aside: float = 0.08) -> None:
    """An arrow, with a shape beside its middle."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0,
                                              "mutation_scale": 8})
    if text:
        level = start[1] == end[1]
        axes.text((start[0] + end[0]) / 2 + (0 if level else aside), (start[1] + end[1]) / 2 + (0.12 if level else 0), text,
                  ha="center" if level else "left", va="bottom" if level else "center", fontsize=SMALL - 1, color=GREY)


def column(axes: Axes, x: float, given: str, said: str, shapes: bool, cnn: bool = True) -> None:
    """What belongs to one time step: the input below, the label above; either may be missing ("")."""
    low, high = LEVELS["net"] - HIGH, LEVELS["net"] + HIGH
    box(axes, x, LEVELS["net"], r"$f_W$", NET)
    if given:
        axes.text(x, LEVELS["x"], given, ha="center", va="center", fontsize=FONT, color=NEUTRAL)
    if given and cnn:
        box(axes, x, LEVELS["cnn"], r"$\phi_V$", CNN)
        arrow(axes, (x, LEVELS["x"] + 0.25), (x, LEVELS["cnn"] - HIGH), "(C, H, W)" * shapes)
        arrow(axes, (x, LEVELS["cnn"] + HIGH), (x, low), "(d,)" * shapes)
    elif given:
        arrow(axes, (x, LEVELS["x"] + 0.25), (x, low), "(labels,)" * shapes)
    if said:
        box(axes, x, LEVELS["softmax"], "softmax", SOFTMAX)
        arrow(axes, (x, high), (x, LEVELS["softmax"] - HIGH), "$z_t$ (H,)" * shapes)
        arrow(axes, (x, LEVELS["softmax"] + HIGH), (x, LEVELS["y"] - 0.25), "(classes,)" * shapes)
        axes.text(x, LEVELS["y"], said, ha="center", va="center", fontsize=FONT, color=NEUTRAL)


def word(axes: Axes, left: float, right: float) -> None:
    """The word that was said at one step goes in at the next, between the two columns."""
    between, below = left + STEP / 2 - 0.06, LEVELS["net"] - HIGH - 0.3
    axes.plot([left + 0.25, between, between, right - 0.32], [LEVELS["y"], LEVELS["y"], below, below], color=WORD, linewidth=1.0,
              linestyle=(0, (4, 2)), solid_capstyle="butt")
    axes.annotate("", (right - 0.32, LEVELS["net"] - HIGH), (right - 0.32, below), arrowprops={
        "arrowstyle": "-|>", "color": WORD, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8})


def chain(axes: Axes, columns: list[float], shape: bool = True) -> None:
    """The arrows of the state from each step to the next."""
    for i, (left, right) in enumerate(zip(columns, columns[1:])):
        arrow(axes, (left + 0.46, LEVELS["net"]), (right - 0.46, LEVELS["net"]), "(H,)" * (shape and i == 0))


def foldings() -> Figure:
    """Sequence to label, static input to sequence, sequence to sequence: the same boxes, connected in three ways."""
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(3.3, 3.3, 4.4))
    times = [STEP * t for t in range(4)]
    first, second, third = panels

    for t, x in enumerate(times[:3]):
        column(first, x, f"$x_{t + 1}$", f"$P(y_{t + 1})$", t == 0)
    chain(first, times[:3])
    mean = LEVELS["y"] + 1.3
    for x in times[:3]:
        arrow(first, (x, LEVELS["y"] + 0.28), (times[1] + 0.25 * (x - times[1]), mean - HIGH))
    box(first, times[1], mean, "mean", COLORS[3])
    first.text(times[1] + 0.6, mean, "$y$: the clip's label", fontsize=SMALL, color=NEUTRAL, va="center")
    first.set_title("activity: sequence to label", fontsize=FONT)

    for t, x in enumerate(times[:3]):
        column(second, x, "", f"$y_{t + 1}$", False)
        arrow(second, (times[1] + 0.3 * (x - times[1]), LEVELS["cnn"] + HIGH), (x + 0.1, LEVELS["net"] - HIGH))
        if t:
            word(second, times[t - 1], x)
    chain(second, times[:3], shape=False)
    box(second, times[1], LEVELS["cnn"], r"$\phi_V$", CNN)
    arrow(second, (times[1], LEVELS["x"] + 0.25), (times[1], LEVELS["cnn"] - HIGH), "(C, H, W)")
    second.text(times[1], LEVELS["x"], "$x$, the same at every step", ha="center", va="center", fontsize=FONT, color=NEUTRAL)
    second.text(times[1] + 0.16, LEVELS["cnn"] + 0.6, "(d,)", fontsize=SMALL - 1, color=GREY, va="center")
    second.set_title("captions: static input to sequence", fontsize=FONT)

    for t, x in enumerate(times[:2]):
        column(third, x, f"$x_{t + 1}$", "", t == 0, cnn=False)
    for t, x in enumerate(times[2:]):
        column(third, x, "", f"$y_{t + 1}$", False)
    word(third, times[2], times[3])
    chain(third, times)
    third.text((times[0] + times[1]) / 2, LEVELS["net"] + 0.55, "encoder", ha="center", fontsize=SMALL, color=GREY)
    third.text((times[2] + times[3]) / 2, LEVELS["net"] - 1.05, "decoder", ha="center", fontsize=SMALL, color=GREY)
    third.set_title("video: sequence to sequence", fontsize=FONT)

    for axes in (second, third):
        axes.plot([], [], color=WORD, linewidth=1.0, linestyle=(0, (4, 2)), label="the word before, (|V|,)")
        axes.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(0, 0.94))
    for axes, last in zip(panels, (times[2], times[2], times[3])):
        axes.set_xlim(-0.75, last + 0.95)
        axes.set_ylim(-0.5, LEVELS["y"] + 1.9)
        axes.set_axis_off()
    return figure
