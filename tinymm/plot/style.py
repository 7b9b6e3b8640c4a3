"""The common look of the figures: colours, sizes, pictures as matplotlib wants them, text wrapped by its measured width."""

from __future__ import annotations

import functools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from ..autograd.host import to_numpy

WIDTH = 10.0   # inches: no figure is wider, so that a notebook shows it at its own size
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")   # Okabe & Ito: for the colour-blind too
RIGHT, WRONG, NEUTRAL = "#00795a", "#c24400", "#222222"   # the green and the red of the palette, dark enough for small text
GREY, PALE = "#6b7280", "#d1d5db"
FONT = 9       # points; titles of panels and axis labels
SMALL = 7.5    # points; ticks and remarks


def picture(image, where: str) -> np.ndarray:
    """An image as ``imshow`` wants it.

    Args:
        image: (H, W), (1, H, W) or (3, H, W) of floats in [0, 1] (clipped) or uint8.
        where: opens the message of an error.

    Returns:
        (H, W) or (H, W, 3) float in [0, 1].

    Raises:
        ValueError: another shape, or values far outside [0, 1].
    """
    array = to_numpy(image)
    if array.ndim == 3 and array.shape[0] in (1, 3):
        array = array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0)
    elif array.ndim != 2:
        raise ValueError(f"{where}: the image has shape {array.shape}; it must be (H, W), (1, H, W) or (3, H, W)")
    if array.size == 0:
        raise ValueError(f"{where}: the image of shape {array.shape} has no pixels")
    array = array / 255 if array.dtype == np.uint8 else array.astype(float)
    low, high = array.min(), array.max()
    if not (low >= -0.5 and high <= 1.5):
        raise ValueError(f"{where}: the image's values run from {low:.3g} to {high:.3g}; give floats in [0, 1] or uint8 (undo a "
                         f"normalisation by mean and deviation first)")
    return array.clip(0, 1)


def grey(shown: np.ndarray) -> np.ndarray:
    """The luma (H, W) of what ``picture`` returned."""
    return shown if shown.ndim == 2 else shown @ np.array([0.299, 0.587, 0.114])


def show(axes: Axes, shown: np.ndarray, frame: str = PALE, linewidth: float = 0.6) -> None:
    """Draw what ``picture`` returned, framed and without ticks; small images in crisp pixels."""
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest" if max(shown.shape[:2]) < 128 else "antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(color=frame, linewidth=linewidth)


def plain(axes: Axes) -> None:
    """Axes of a chart: no frame above and to the right, small ticks, labels of one size."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL + 0.5)
    axes.xaxis.label.set_fontsize(FONT)
    axes.yaxis.label.set_fontsize(FONT)


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float, italic: bool = False) -> float:
    """Width in points of one line of the default font."""
    font = FontProperties(size=size, style="italic" if italic else "normal")
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] if text else 0.0


def wrap(text: str, width: float, size: float, italic: bool = False) -> list[str]:
    """A text in lines of at most ``width`` points; a word that is wider alone is cut.

    Args:
        text: words separated by blanks.
        width: of a line, in points.
        size: of the font, in points.
        italic: the slanted face.
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if text_width(longer, size, italic) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and text_width(lines[-1] + letter, size, italic) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def fit(text: str, width: float, size: float, least: float = 5.0) -> float:
    """The font size, at most ``size`` and at least ``least``, at which the text is no wider than ``width`` points."""
    return max(least, min(size, size * width / max(text_width(text, size), 1e-9)))
