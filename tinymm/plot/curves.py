"""Training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..autograd.host import to_numpy
from .style import COLORS, FONT, GREY, SMALL, plain

DASHES = ("--", ":", "-.")
FEW = 60   # a curve of at most so many points shows them


def moving_average(values, window: int) -> np.ndarray:
    """The mean over a window centred on each point, cut at the ends; values that are not finite are left out.

    Args:
        values: (N,).
        window: points, made odd.

    Returns:
        (N,) float64; NaN where a window has no finite value.
    """
    values = to_numpy(values).astype(float)
    finite = np.isfinite(values)
    sums = np.concatenate([[0], np.where(finite, values, 0).cumsum()])
    counts = np.concatenate([[0], finite.cumsum()])
    low = np.arange(len(values)) - window // 2
    high = np.minimum(low + window // 2 * 2 + 1, len(values))
    low = np.maximum(low, 0)
    count = counts[high] - counts[low]
    return np.where(count > 0, (sums[high] - sums[low]) / np.maximum(count, 1), np.nan)


def loss_curves(history: Mapping[str, Sequence[float]], *, chance: Mapping[str, float] | None = None, xlabel: str = "step",
                ylabel: str = "loss (nats)", smooth: int | None = None, x: Mapping[str, Sequence[float]] | None = None,
                title: str | None = None) -> Figure:
    """Curves of different density on shared axes: the training loss of each step, the validation loss of each epoch.

    Args:
        history: label -> values. The longest counts the steps 1...N; a shorter one of n values stands at the steps N/n,
            2N/n, ..., N, the ends of n epochs.
        chance: label -> a constant to compare with, such as ``{"ln 10: knowing nothing": 2.30}``.
        xlabel: below.
        ylabel: at the left.
        smooth: window of the moving average in points; behind it the curve itself is pale. 1 smooths nothing; the default
            is a fiftieth of a curve, and nothing for curves of up to 60 points.
        x: label -> the positions of its values, where the rule above is wrong.
        title: above.

    Raises:
        ValueError: no history, an empty curve, or positions that do not fit.
    """
    if not history:
        raise ValueError("loss_curves: history is empty; give label -> values")
    curves = {label: to_numpy(values).astype(float).reshape(-1) for label, values in history.items()}
    steps = max(len(values) for values in curves.values())
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, (label, values) in enumerate(curves.items()):
        n = len(values)
        if n == 0:
            raise ValueError(f"loss_curves: history[{label!r}] is empty")
        at = to_numpy(x[label]).reshape(-1) if x and label in x else np.arange(1, n + 1) * (steps / n)
        if len(at) != n:
            raise ValueError(f"loss_curves: x[{label!r}] has {len(at)} positions, its curve has {n} values")
        window = smooth if smooth is not None else n // 50 if n > FEW else 1
        if window < 1:
            raise ValueError(f"loss_curves: smooth={smooth} must be at least 1")
        color = COLORS[i % len(COLORS)]
        if window > 1 and n > 1:
            axes.plot(at, values, color=color, alpha=0.25, linewidth=0.7)
            values = moving_average(values, window)
        axes.plot(at, values, color=color, linewidth=1.6, label=label, zorder=3, marker="o" if n <= FEW else None, markersize=3.5)
    for i, (label, y) in enumerate((chance or {}).items()):
        axes.axhline(y, color=GREY, linewidth=1, linestyle=DASHES[i % len(DASHES)], label=label)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    plain(axes)
    if len(curves) + len(chance or {}) > 1:
        axes.legend(fontsize=SMALL + 0.5, framealpha=0.85, edgecolor="none")
    if title:
        axes.set_title(title, fontsize=FONT + 1)
    return figure
