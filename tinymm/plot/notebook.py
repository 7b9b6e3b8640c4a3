"""What a notebook shows beside its prose: a figure with a text for those who cannot see it, a table, the claims.

Each is an object that Jupyter asks for its forms (``_repr_mimebundle_``); nothing of Jupyter is imported.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

DPI = 90   # a figure of WIDTH inches is as wide as the column of a notebook


class Picture:
    """A figure as a PNG with its alternative text, see ``picture``.

    Attributes:
        png: the bytes of the file.
        alt: what the figure shows, in words.
    """

    def __init__(self, png: bytes, alt: str):
        self.png, self.alt = png, alt

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"image/png": base64.b64encode(self.png).decode(), "text/plain": repr(self)}, {"image/png": {"alt": self.alt}}


def picture(figure: Figure, alt: str, dpi: float = DPI) -> Picture:
    """A figure as the value of a notebook's cell, with a text for those who cannot see it.

    Args:
        figure: what is shown.
        alt: what it shows, in a sentence or two; Jupyter and the site give it to screen readers.
        dpi: pixels an inch.

    Raises:
        ValueError: ``alt`` is empty.
    """
    if not alt.strip():
        raise ValueError("picture: alt is empty; say in a sentence what the figure shows")
    stream, small = io.BytesIO(), io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    # a palette of the figure's own colours: half the bytes, of which a notebook may have a million
    Image.open(stream).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(small, format="png", optimize=True)
    return Picture(small.getvalue(), " ".join(alt.split()))


class Table:
    """Rows under a head, see ``table``.

    Attributes:
        head: the columns' names.
        rows: the cells, as text.
        caption: stands above it; "" for none.
        numeric: for each column, whether all its cells are numbers, which stand to the right.
    """

    def __init__(self, head: Sequence, rows: Iterable[Sequence], caption: str = ""):
        self.head = [shown(cell) for cell in head]
        given = [list(row) for row in rows]
        for number, row in enumerate(given):
            if len(row) != len(self.head):
                raise ValueError(f"table: row {number} has {len(row)} cells under a head of {len(self.head)} columns")
        self.rows = [[shown(cell) for cell in row] for row in given]
        self.caption = caption
        self.numeric = [bool(self.rows) and all(is_number(row[i]) for row in self.rows) for i in range(len(self.head))]

    def __repr__(self) -> str:
        lines = [self.head, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.head))]
        pad = lambda cell, width, right: cell.rjust(width) if right else cell.ljust(width)
        padded = ["  ".join(map(pad, line, widths, self.numeric)).rstrip() for line in lines]
        return "\n".join([self.caption] * bool(self.caption) + padded)

    def _repr_html_(self) -> str:
        def line(tag: str, cells: list[str]) -> str:
            return "<tr>" + "".join(f'<{tag} style="text-align:{"right" if right else "left"}">{html.escape(cell)}</{tag}>'
                                    for cell, right in zip(cells, self.numeric)) + "</tr>"

        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        body = "".join(line("td", row) for row in self.rows)
        return f"<table>{caption}<thead>{line('th', self.head)}</thead><tbody>{body}</tbody></table>"


def table(head: Sequence, rows: Iterable[Sequence], caption: str = "") -> Table:
    """A table as the value of a notebook's cell; columns of numbers stand to the right.

    Args:
        head: the columns' names.
        rows: a sequence of cells each; floats are shown with three digits, None and NaN as "-", the rest by ``str``.
        caption: stands above it.

    Raises:
        ValueError: a row has another number of cells than the head.
    """
    return Table(head, rows, caption)


def claims_table(claims: Iterable[dict[str, Any]]) -> Table:
    """The claims of a report (``report["claims"]``) with their thresholds, measurements and verdicts, failed ones in capitals.

    Args:
        claims: entries with ``statement``, ``threshold``, ``measured`` and ``verdict``, as in ``report.json``.
    """
    verdict = lambda claim: claim["verdict"] if claim["verdict"] == "holds" else claim["verdict"].upper()
    return Table(["claim", "threshold", "measured", "verdict"],
                 [[c["statement"], c["threshold"], c["measured"], verdict(c)] for c in claims],
                 "What the slides say, as claims whose thresholds were written down before")


def shown(cell) -> str:
    """A cell as text."""
    if cell is None or isinstance(cell, float) and math.isnan(cell):
        return "-"
    return f"{cell:.3g}" if isinstance(cell, float) else str(cell)


def is_number(text: str) -> bool:
    """Whether a cell holds a number, a percentage, or the dash of a missing one."""
    try:
        return text == "-" or math.isfinite(float(text.replace(",", "").rstrip("%")))
    except ValueError:
        return False
