"""Pictures in rows and columns: systems by sentences, noises by texts, a walk from one text to another."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from .captions import LEADING, LETTERS
from .style import FONT, SMALL, WIDTH, picture, show, wrap

GAP = 0.06                    # inches between pictures
LABEL = (1.4, 2.4)            # inches of a row's name, at least and at most
LARGEST = 1.6                 # inches of a picture


def picture_table(rows: Sequence[tuple[str, Sequence]], columns: Sequence[str] | None = None, *,
                  title: str | None = None) -> Figure:
    """A table of pictures, a name before each row and a heading above each column.

    Args:
        rows: (name, pictures) of each; all rows have K pictures, each (H, W), (1, H, W) or (3, H, W) of floats in [0, 1] or uint8.
            A None leaves its place empty.
        columns: K headings.
        title: above the figure.

    Returns:
        A Figure, as high as the longest names need.

    Raises:
        ValueError: no row, no picture, rows of different lengths, another number of headings.
    """
    counts = {len(pictures) for _, pictures in rows}
    if len(counts) != 1 or not (count := counts.pop()):
        raise ValueError(f"picture_table: {len(rows)} rows of {sorted({len(p) for _, p in rows})} pictures; give at least one row, "
                         "and in each the same number of pictures, at least one")
    if columns is not None and len(columns) != count:
        raise ValueError(f"picture_table: there are {count} pictures in a row and {len(columns)} headings")
    named = any(name for name, _ in rows)
    least, most = LABEL
    side = min(LARGEST, (WIDTH - GAP - (least if named else 0)) / count - GAP)
    label = min(most, WIDTH - GAP - count * (side + GAP)) if named else 0.0
    width, line = label + count * (side + GAP) + GAP, SMALL * LEADING / 72
    names = [wrap(name, LETTERS * (label - GAP) * 72, SMALL) for name, _ in rows]
    heads = [wrap(head, LETTERS * side * 72, SMALL) for head in columns or ()]
    heights = [max(side, len(lines) * line) for lines in names]
    said = wrap(title or "", LETTERS * width * 72, FONT + 1)
    above = max((len(lines) for lines in heads), default=0) * line + GAP
    over = len(said) * (FONT + 1) * LEADING / 72 + 0.2 if title else 0.0
    height = over + above + sum(heights) + GAP * len(heights)
    figure = Figure(figsize=(width, height))
    if title:
        figure.suptitle("\n".join(said), fontsize=FONT + 1, y=1 - 0.1 / height, va="top", linespacing=LEADING, parse_math=False)
    for k, lines in enumerate(heads):
        figure.text((label + GAP + k * (side + GAP) + side / 2) / width, 1 - (over + above - GAP / 2) / height, "\n".join(lines),
                    ha="center", va="bottom", fontsize=SMALL, linespacing=LEADING, parse_math=False)
    top = height - over - above
    for n, ((_, pictures), lines, tall) in enumerate(zip(rows, names, heights)):
        figure.text(label / width, (top - tall / 2) / height, "\n".join(lines), ha="right", va="center", fontsize=SMALL,
                    linespacing=LEADING, parse_math=False)
        for k, image in enumerate(pictures):
            if image is not None:
                place = (label + GAP + k * (side + GAP), top - (tall + side) / 2, side, side)
                axes = figure.add_axes((place[0] / width, place[1] / height, side / width, side / height))
                show(axes, picture(image, f"picture_table: picture {k} of row {n}"))
        top -= tall + GAP
    return figure
