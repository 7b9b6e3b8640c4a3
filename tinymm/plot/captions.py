"""Pictures with what a model says of them, and what a person said."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from .style import FONT, GREY, NEUTRAL, RIGHT, WIDTH, WRONG, picture, show, wrap

GAP = 0.15      # inches between panels
LEADING = 1.3   # distance of two lines, in font sizes
LETTERS = 0.96  # share of a width that a text may be measured to fill: letters on the screen are a little wider


def caption_grid(images: Sequence, captions: Sequence[str], references: Sequence[str] | None = None,
                 correct: Sequence[bool | None] | None = None, *, columns: int | None = None, title: str | None = None) -> Figure:
    """Pictures, below each its generated caption, and below that a reference.

    Args:
        images: N images (H, W), (1, H, W) or (3, H, W) of floats in [0, 1].
        captions: N sentences.
        references: N sentences of people, in italics.
        correct: for each caption True (green, with a tick), False (red, with a cross) or None (black).
        columns: pictures in a row (default: up to 4).
        title: above the figure.

    Returns:
        A Figure of N panels, as high as the longest captions need.

    Raises:
        ValueError: lists of different lengths, or empty ones.
    """
    count = len(images)
    if count == 0:
        raise ValueError("caption_grid: there are no images")
    for name, part in (("captions", captions), ("references", references), ("correct", correct)):
        if part is not None and len(part) != count:
            raise ValueError(f"caption_grid: there are {count} images and {len(part)} {name}")
    columns = min(4, count) if columns is None else columns
    if columns < 1:
        raise ValueError(f"caption_grid: columns={columns} must be at least 1")
    panel = min(2.6, (WIDTH - GAP) / columns - GAP)   # inches
    size = FONT if panel > 1.8 else FONT - 1.5
    shown = [picture(image, f"caption_grid: image {i}") for i, image in enumerate(images)]
    text_width = LETTERS * panel * 72   # points
    below = []   # of each panel: (lines of the caption, lines of the reference)
    for i in range(count):
        mark = "" if correct is None or correct[i] is None else "\u2713 " if correct[i] else "\u2717 "
        below.append((wrap(mark + captions[i], text_width, size),
                      wrap(f"\u201c{references[i]}\u201d", text_width, size - 1, italic=True) if references is not None else []))
    line, small = size * LEADING / 72, (size - 1) * LEADING / 72   # inches
    rows = [range(start, min(start + columns, count)) for start in range(0, count, columns)]
    sides = [panel * min(max(max(shown[i].shape[0] / shown[i].shape[1] for i in row), 0.4), 1.5) for row in rows]
    texts = [max(len(below[i][0]) * line + len(below[i][1]) * small for i in row) + 0.2 for row in rows]
    heading = 0.4 if title else GAP
    width, height = columns * (panel + GAP) + GAP, heading + sum(texts) + sum(sides)
    figure = Figure(figsize=(width, height))
    top = height - heading
    for row, side, text in zip(rows, sides, texts):
        for column, i in enumerate(row):
            left = GAP + column * (panel + GAP)
            axes = figure.add_axes((left / width, (top - side) / height, panel / width, side / height), anchor="S")
            color = NEUTRAL if correct is None or correct[i] is None else RIGHT if correct[i] else WRONG
            show(axes, shown[i]) if color == NEUTRAL else show(axes, shown[i], color, 1.5)
            write_below(axes, below[i][0], 5, size, color=color)
            write_below(axes, below[i][1], 5 + len(below[i][0]) * line * 72, size - 1, color=GREY, style="italic")
        top -= side + text
    if title:
        figure.suptitle(title, fontsize=FONT + 1, y=1 - 0.1 / height, va="top", parse_math=False)
    return figure


def write_below(axes, lines: list[str], distance: float, size: float, **look) -> None:
    """Lines of text under the axes, the first ``distance`` points below the frame."""
    if lines:
        axes.annotate("\n".join(lines), (0.5, 0), (0, -distance), "axes fraction", "offset points", ha="center", va="top",
                      fontsize=size, linespacing=LEADING, annotation_clip=False, parse_math=False, **look)
