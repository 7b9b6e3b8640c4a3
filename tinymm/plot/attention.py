"""Where a caption model looked, word by word: Show, Attend and Tell's figures 2 and 3 (Xu et al. 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from ..autograd.host import to_numpy
from .style import FONT, GREY, SMALL, WIDTH, fit, grey, picture, show, text_width

COLUMNS = 7                 # panels in a row, at most
PANEL = WIDTH / COLUMNS     # inches
HEAT = (1.0, 0.5, 0.0)      # the overlay: orange, over a grey picture, so that no colour of the picture can be mistaken for it
OUTLINE = "#56b4e9"
PIXELS = 160                # the overlay's resolution along the longer side, at least

Box = tuple[float, float, float, float]


def spread_attention(weights, grid: tuple[int, int], shape: tuple[int, int], blur: float = 0.5) -> np.ndarray:
    """Weights of cells as a smooth map over pixels: each cell's weight at all its pixels, then a Gaussian filter.

    Xu et al. 2015, section 5.4, up-sample by the stride of the convolutions and filter. At the borders the filter is
    normalised again, so that equal weights give an even map.

    Args:
        weights: (L,) of the cells, row by row.
        grid: (rows, columns), with rows * columns = L.
        shape: (H, W) of the map.
        blur: standard deviation of the Gaussian, in cells.

    Returns:
        (H, W) float64, in the scale of the weights.
    """
    cells = to_numpy(weights).astype(float).reshape(grid)
    return _spread(shape[0], grid[0], blur) @ cells @ _spread(shape[1], grid[1], blur).T   # (H, W)


def _spread(pixels: int, cells: int, blur: float) -> np.ndarray:
    """(pixels, cells): the filtered up-sampling along one axis."""
    position = np.arange(pixels) + 0.5
    nearest = np.eye(cells)[(position * cells / pixels).astype(int)]   # (pixels, cells)
    if blur <= 0:
        return nearest
    distance = (position[:, None] - position) * cells / pixels / blur
    gaussian = np.exp(-0.5 * distance * distance)   # (pixels, pixels)
    return gaussian / gaussian.sum(1, keepdims=True) @ nearest


def attention_words(image, words: Sequence[str], alpha, grid: tuple[int, int], *, beta=None,
                    boxes: Sequence[Box | None] | None = None, title: str | None = None) -> Figure:
    """A panel for each word: where the model looked when it said it. The first panel is the image alone.

    The overlay is as strong as the weight relative to the word's greatest, but no stronger than half for equal weights:
    a word that looks everywhere gets an even, pale overlay.

    Args:
        image: (H, W), (1, H, W) or (3, H, W) of floats in [0, 1].
        words: T words.
        alpha: (T, L) weights of the cells at each word.
        grid: (rows, columns) of the cells, which lie row by row; rows * columns = L.
        beta: (T,) the gate of each word, written below its panel.
        boxes: for each word (top, left, bottom, right) in pixels, bottom and right excluded, or None.
        title: above the figure.

    Returns:
        A Figure of 1 + T panels in rows of up to 7.

    Raises:
        ValueError: alpha, beta or boxes that do not fit words and grid.
    """
    return _figure("attention_words", image, [("", _check("attention_words", words, alpha, grid, beta, boxes))], grid, title)


def attention_pair(image, rows: Mapping[str, tuple], grid: tuple[int, int], *, title: str | None = None) -> Figure:
    """``attention_words`` of several systems, such as soft and hard attention, one below the other.

    Args:
        image: (H, W), (1, H, W) or (3, H, W) of floats in [0, 1].
        rows: name of the system -> (words, alpha), (words, alpha, beta) or (words, alpha, beta, boxes), as in
            ``attention_words``; beta and boxes may be None.
        grid: (rows, columns) of the cells.
        title: above the figure.

    Returns:
        A Figure; each system begins a new row with the image alone, and wraps after 7 panels.

    Raises:
        ValueError: no system, or one whose parts do not fit; the message names it.
    """
    if not rows:
        raise ValueError("attention_pair: rows is empty; give name -> (words, alpha)")
    systems = []
    for name, parts in rows.items():
        if not isinstance(parts, (tuple, list)) or not 2 <= len(parts) <= 4:
            raise ValueError(f"attention_pair: rows[{name!r}] must be (words, alpha), (words, alpha, beta) or (words, alpha, beta, "
                             f"boxes)")
        words, alpha, beta, boxes = (*parts, None, None)[:4]
        systems.append((name, _check(f"attention_pair: {name!r}", words, alpha, grid, beta, boxes)))
    return _figure("attention_pair", image, systems, grid, title)


def _check(where: str, words, alpha, grid, beta, boxes):
    """The parts of one system as (words, alpha (T, L), beta (T,) or None, boxes or Nones)."""
    words, alpha = list(words), to_numpy(alpha)
    if not words:
        raise ValueError(f"{where}: there are no words")
    if alpha.ndim != 2:
        raise ValueError(f"{where}: alpha has shape {alpha.shape}; it must be (T, L), a row for each word")
    if len(alpha) != len(words):
        raise ValueError(f"{where}: alpha has {len(alpha)} rows, there are {len(words)} words")
    if alpha.shape[1] != grid[0] * grid[1]:
        raise ValueError(f"{where}: alpha has {alpha.shape[1]} columns, grid={tuple(grid)} has {grid[0] * grid[1]} cells")
    wrong = np.flatnonzero(~(np.isfinite(alpha) & (alpha >= 0)).all(1))
    if len(wrong):
        raise ValueError(f"{where}: alpha of word {wrong[0]} ({words[wrong[0]]!r}) has a weight that is negative or not finite")
    if beta is not None:
        beta = to_numpy(beta).reshape(-1)
        if len(beta) != len(words):
            raise ValueError(f"{where}: beta has {len(beta)} values, there are {len(words)} words")
    if boxes is not None and len(boxes) != len(words):
        raise ValueError(f"{where}: there are {len(boxes)} boxes and {len(words)} words; give None for a word that names nothing")
    return words, alpha, beta, [None] * len(words) if boxes is None else list(boxes)


def _figure(where: str, image, systems, grid, title) -> Figure:
    shown = picture(image, where)
    columns = min(COLUMNS, 1 + max(len(words) for _, (words, *_) in systems))
    lines = [-(-(1 + len(words)) // columns) for _, (words, *_) in systems]   # rows of each system
    has_beta = any(beta is not None for _, (_, _, beta, _) in systems)
    height = PANEL * min(max(shown.shape[0] / shown.shape[1], 0.4), 2.0) + (0.42 if has_beta else 0.24)
    label = 0.25 if any(name for name, _ in systems) else 0
    heading = 0.35 if title else 0
    width = columns * (PANEL - label / COLUMNS) + label
    if title:
        width = min(WIDTH, max(width, text_width(title, FONT + 1) / 72 + 0.3))
    figure = Figure(figsize=(width, sum(lines) * height + heading),
                    layout=ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.05, wspace=0, hspace=0))
    places = figure.add_gridspec(sum(lines), columns)
    row = 0
    for (name, (words, alpha, beta, boxes)), count in zip(systems, lines):
        axes = figure.add_subplot(places[row, 0])
        show(axes, shown)
        axes.set_title("image", fontsize=SMALL, color=GREY, pad=3)
        axes.set_ylabel(name, fontsize=FONT, parse_math=False)
        for t, word in enumerate(words):
            line, column = divmod(t + 1, columns)
            axes = figure.add_subplot(places[row + line, column])
            _panel(axes, shown, alpha[t], grid, boxes[t])
            axes.set_title(word, fontsize=fit(word, (PANEL - 0.1) * 72, FONT), pad=3, parse_math=False)
            if beta is not None:
                axes.set_xlabel(f"\u03b2 = {beta[t]:.2f}", fontsize=SMALL, labelpad=2)
        row += count
    if title:
        figure.suptitle(title, fontsize=fit(title, (width - 0.2) * 72, FONT + 1), parse_math=False)
    return figure


def _panel(axes, shown: np.ndarray, weights: np.ndarray, grid, box) -> None:
    """One word: the picture in grey, the overlay, the box."""
    height, width = shown.shape[:2]
    show(axes, grey(shown))
    times = max(1, -(-PIXELS // max(height, width)))
    smooth = spread_attention(weights, grid, (height * times, width * times))
    strength = (smooth / max(smooth.max(), 2 * weights.mean(), 1e-12)).clip(0, 1)
    overlay = np.empty((*strength.shape, 4))
    overlay[..., :3], overlay[..., 3] = HEAT, 0.8 * strength
    axes.imshow(overlay, extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="bilinear")
    if box is not None:
        top, left, bottom, right = box
        frame = Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=OUTLINE, linewidth=1.3)
        frame.set_path_effects([patheffects.withStroke(linewidth=2.6, foreground="black")])
        axes.add_patch(frame)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
