"""Regions of a picture and the words that are about them, in the same colours: boxes here, a sentence there.

Colours are those of Okabe and Ito, which the colour-blind tell apart, and every box and every run of words carries its label too.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..autograd.host import to_numpy
from .style import COLORS, FONT, GREY, NEUTRAL, SMALL, WIDTH, picture, show, text_width

REGIONS = (*COLORS[:6], "#f0e442", "#999999")   # of regions 0, 1, ...; no black, which a dark picture hides
LINE = 1.9         # distance of two lines of a sentence, in font sizes
BLANK = 0.35       # between two words, in font sizes
LEAST = 5.0        # points, of a sentence in a small place
HALO = 0.75        # points, of white on both sides of a box's frame


def region_color(region: int) -> str:
    """The colour of a region; from the ninth on they come again."""
    return REGIONS[region % len(REGIONS)]


def draw_boxes(axes: Axes, image, boxes, *, regions: Iterable[int] | None = None, labels: Sequence[str] | None = None,
               linewidth: float = 2.0) -> None:
    """A picture with boxes, each a frame in its region's colour around what it holds, with its label at a corner.

    Args:
        axes: where to draw.
        image: (H, W), (1, H, W) or (3, H, W) of floats in [0, 1] or uint8.
        boxes: (M, 4) top, left, bottom, right, in pixels of the image; bottom and right are the first beyond the box.
        regions: the boxes to draw, as indices; all by default.
        labels: of all M boxes; their indices by default.
        linewidth: points.

    Raises:
        ValueError: boxes of another shape, of no area, outside the image or NaN; a region that is no box, another number of labels.
    """
    shown, boxes = picture(image, "draw_boxes"), to_numpy(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype.kind not in "iuf":
        raise ValueError(f"draw_boxes: boxes are {boxes.dtype} of shape {boxes.shape}; they must be numbers (M, 4)")
    height, width = shown.shape[:2]
    fits = ((0 <= boxes[:, :2]) & (boxes[:, :2] < boxes[:, 2:]) & (boxes[:, 2:] <= [height, width])).all(1)   # False for NaN
    if not fits.all():
        wrong = int(np.argmin(fits))
        raise ValueError(f"draw_boxes: box {wrong} is {boxes[wrong].tolist()}; it must have top < bottom <= {height} and "
                         f"left < right <= {width}")
    chosen = range(len(boxes)) if regions is None else sorted(set(regions))
    if any(not 0 <= i < len(boxes) for i in chosen):
        raise ValueError(f"draw_boxes: regions={list(chosen)}; they must be among the {len(boxes)} boxes")
    names = _labels("draw_boxes", labels, len(boxes))
    show(axes, shown)
    place = _points(axes)
    pixel = min(place[0] / width, place[1] / height)                       # points
    half, out = linewidth / 2 / pixel, (linewidth / 2 + HALO) / pixel      # pixels
    taken: list[tuple[float, float, float, float]] = []
    for i in sorted(chosen, key=lambda i: -_area(boxes[i])):               # the large ones below the small ones
        top, left = (max(n - 0.5 - out, half - 0.5) for n in boxes[i, :2])   # around what the box holds, within the picture
        bottom, right = (min(n - 0.5 + out, end - 0.5 - half) for n, end in zip(boxes[i, 2:], (height, width)))
        style = "-" if i < len(REGIONS) else (0, (3, 1.5))
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=region_color(i),
                                 linewidth=linewidth, linestyle=style, path_effects=[
                                     patheffects.withStroke(linewidth=linewidth + 2 * HALO, foreground="white")]))
        h, w = 1.3 * SMALL / pixel, (text_width(names[i], SMALL) + 4) / pixel
        beside = [(y, x) for y, x in itertools.product((top - h, bottom), (left - half, right + half - w))
                  if -0.5 <= y <= height - 0.5 - h and -0.5 <= x <= width - 0.5 - w]
        corners = [*beside, *itertools.product((top - half, bottom + half - h), (left - half, right + half - w))]
        y, x = next((c for c in corners if not any(_overlap((*c, c[0] + h, c[1] + w), other) for other in taken)), corners[0])
        taken.append((y, x, y + h, x + w))
        axes.add_patch(Rectangle((x, y), w, h, facecolor=region_color(i), edgecolor="none", zorder=3))
        axes.text(x + w / 2, y + h / 2, names[i], fontsize=SMALL, ha="center", va="center_baseline", color=_ink(region_color(i)),
                  zorder=4, parse_math=False)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)


def coloured_sentence(axes: Axes, words: Sequence[str], regions, *, labels: Sequence[str] | None = None,
                      size: float = FONT) -> None:
    """A sentence in lines; each run of words of one region stands on a ground of its colour, with its label at the end.

    Args:
        axes: where to write; its frame goes. The font shrinks where the sentence would not fit.
        words: N of them.
        regions: (N,) the region of each word, as ``decode.align`` gives it; -1 for none, which leaves the word without a ground.
        labels: of the regions, as ``draw_boxes`` takes them; their indices by default.
        size: of the font, in points.

    Raises:
        ValueError: no words, another number of regions, a region without a label.
    """
    regions = to_numpy(regions)
    if not len(words) or regions.shape != (len(words),) or regions.dtype.kind not in "iu" or regions.min() < -1:
        raise ValueError(f"coloured_sentence: there are {len(words)} words, and regions are {regions.dtype} of shape "
                         f"{regions.shape}; there must be words, and an integer of at least -1 for each")
    if labels is not None and regions.max() >= len(labels):
        raise ValueError(f"coloured_sentence: region {regions.max()} has no label; there are {len(labels)}")
    names = _labels("coloured_sentence", labels, int(regions.max()) + 1) if labels is None else labels
    width, height = _points(axes)
    lines = _lines(words, regions, names, width, size)
    while len(lines) * LINE * size > height and size > LEAST:
        size -= 0.5
        lines = _lines(words, regions, names, width, size)
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    for number, line in enumerate(lines):
        y = (number + 0.5) * LINE * size
        for region, run in itertools.groupby(line, key=lambda word: word[2]):
            pieces = list(run)
            if region >= 0:
                x, end = pieces[0][0] - 2, pieces[-1][0] + pieces[-1][1] + 2
                axes.add_patch(Rectangle((x, y - 0.75 * size), end - x, 1.5 * size, facecolor=region_color(region), linewidth=0))
            ink = NEUTRAL if region < 0 else _ink(region_color(region))
            for x, _, _, word, label in pieces:
                axes.text(x, y, word, fontsize=size, va="center_baseline", color=ink, parse_math=False)
                if label:
                    axes.text(x + text_width(word, size) + 2, y + 0.25 * size, label, fontsize=0.75 * size, va="center_baseline",
                              color=ink, parse_math=False)


def described_boxes(image, boxes, sentences: Sequence[Sequence[str]], *,
                    references: Sequence[Sequence[str]] | None = None) -> Figure:
    """A picture with boxes, and beside it what is said of each.

    Args:
        image: as ``draw_boxes`` takes it.
        boxes: (M, 4), likewise.
        sentences: M lists of words; an empty one is shown as a dash.
        references: M lists of words that people say of the boxes, shown in italics behind.

    Returns:
        A Figure, as high as picture and sentences need.

    Raises:
        ValueError: another number of sentences or references than boxes; as ``draw_boxes``.
    """
    for name, given in (("sentences", sentences), ("references", references)):
        if given is not None and len(given) != len(boxes):
            raise ValueError(f"described_boxes: there are {len(boxes)} boxes and {len(given)} {name}")
    shown = picture(image, "described_boxes")
    side = 3.2                                                             # inches of the longer side of the picture
    high, wide = (side * n / max(shown.shape[:2]) for n in shown.shape[:2])
    row = 0.3                                                              # inches of a sentence
    height = max(high, row * len(sentences)) + 0.2
    figure = Figure(figsize=(WIDTH, height))
    draw_boxes(figure.add_axes((0.1 / WIDTH, 1 - (high + 0.1) / height, wide / WIDTH, high / height)), image, boxes)
    left, width = side + 0.3, WIDTH - side - 0.4
    share = 1.0 if references is None else 0.55
    for i, words in enumerate(sentences):
        bottom = 1 - (0.1 + row * (i + 1)) / height
        said = list(words) or ["\u2014"]
        coloured_sentence(figure.add_axes((left / WIDTH, bottom, share * width / WIDTH, row / height)), said, [i] * len(said))
        if references is not None:
            figure.text((left + share * width) / WIDTH, bottom + row / 2 / height, f"\u201c{' '.join(references[i])}\u201d",
                        fontsize=FONT - 1, style="italic", color=GREY, va="center", parse_math=False)
    return figure


def _lines(words: Sequence[str], regions: np.ndarray, names: Sequence[str], width: float,
           size: float) -> list[list[tuple[float, float, int, str, str]]]:
    """Lines of (x, width, region, word, label); the last word of a region's run has the label."""
    lines: list[list[tuple[float, float, int, str, str]]] = [[]]
    x = 2.0
    for t, (word, region) in enumerate(zip(words, regions.tolist())):
        last = t + 1 == len(words) or regions[t + 1] != region
        label = names[int(region)] if last and region >= 0 else ""
        wide = text_width(word, size) + (text_width(label, 0.75 * size) + 3 if label else 0)
        if lines[-1] and x + wide + 2 > width:
            lines.append([])
            x = 2.0
        lines[-1].append((x, wide, region, word, label))
        x += wide + BLANK * size + (4 if last else 0)
    return lines


def _labels(where: str, labels: Sequence[str] | None, count: int) -> Sequence[str]:
    if labels is not None and len(labels) != count:
        raise ValueError(f"{where}: there are {count} boxes and {len(labels)} labels")
    return [str(i) for i in range(count)] if labels is None else labels


def _points(axes: Axes) -> tuple[float, float]:
    """Width and height of what axes have for themselves."""
    return axes.bbox.width * 72 / axes.figure.dpi, axes.bbox.height * 72 / axes.figure.dpi


def _area(box) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def _overlap(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _ink(ground: str) -> str:
    """Black or white, whichever has more contrast with a ground (WCAG's relative luminance)."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055)**2.4 for c in to_rgb(ground)]
    return "#000000" if np.dot([0.2126, 0.7152, 0.0722], linear) > 0.18 else "#ffffff"
