"""The slides' tables, drawn with the numbers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..plot.style import FONT, GREY, NEUTRAL, PALE

BLEU = ("B-1", "B-2", "B-3", "B-4")
ROW = 0.26      # inches
HEAD = 1.9      # inches, of the rows' names
COLUMN = 0.85   # inches, of a number


def table(rows: Mapping[str, Sequence[float]], columns: Sequence[str], title: str, *, fmt: str = "{:.1f}",
          lower: Sequence[str] = (), aside: Sequence[str] = ()) -> Figure:
    """A table with the best number of each column in bold.

    Args:
        rows: name -> a number for each column.
        columns: their names.
        title: above.
        fmt: of the numbers.
        lower: columns in which the lowest is best.
        aside: rows that are shown in grey and do not compete.
    """
    width, height = HEAD + COLUMN * len(columns) + 0.2, ROW * (len(rows) + 1) + 0.6
    figure = Figure(figsize=(width, height))
    figure.text(0.1 / width, 1 - 0.22 / height, title, fontsize=FONT + 1, va="center", parse_math=False)
    y = lambda row: 1 - (0.6 + ROW * row) / height
    x = lambda column: (HEAD + COLUMN * (column + 0.9)) / width
    best = [(min if name in lower else max)(values[k] for row, values in rows.items() if row not in aside)
            for k, name in enumerate(columns)]
    for k, name in enumerate(columns):
        figure.text(x(k), y(0), name, ha="right", va="center", fontsize=FONT, color=GREY, parse_math=False)
    for n, (row, values) in enumerate(rows.items(), 1):
        colour = GREY if row in aside else NEUTRAL
        figure.text(0.1 / width, y(n), row, va="center", fontsize=FONT, color=colour, parse_math=False)
        for k, value in enumerate(values):
            figure.text(x(k), y(n), fmt.format(value), ha="right", va="center", fontsize=FONT, color=colour,
                        weight="bold" if row not in aside and value == best[k] else "normal")
    for line in (-0.5, 0.5, len(rows) + 0.5):
        figure.add_artist(Line2D([0.1 / width, 1 - 0.1 / width], [y(line), y(line)], color=PALE, linewidth=1))
    return figure
