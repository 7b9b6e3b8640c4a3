"""A report for the terminal: no line of ours is wider than 80 columns."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import ArgumentReport, GradcheckReport

COLUMNS = 80
HEAD = ["argument", "shape", "checked", "verdict", "at", "analytic", "numeric", "rel. err."]


def lines_of(report: GradcheckReport, verdicts: dict[str, str]) -> list[str]:
    """The lines of a report; ``verdicts`` says what each verdict means."""
    rows = [a.row() for a in report.arguments]
    head = list(HEAD)
    if any(a.ulps is not None for a in report.arguments):
        head.append("float32 ulps")
        rows = [[*row, "" if a.ulps is None else f"{a.ulps:.1f}"] for row, a in zip(rows, report.arguments)]
    lines = [f"gradcheck of {report.name}: {'ok' if report.ok else 'FAILED'}", *fitted([head, *rows])]
    for a in report.arguments:
        for sentence in filter(None, (a.guess, a.extent)):
            lines += wrapped(f"{a.name}: {sentence}")
        if not a.ok and a.curve:
            lines += steps(a)
    for verdict in dict.fromkeys(a.verdict for a in report.arguments if a.verdict != "ok"):
        lines += wrapped(f"{verdict}: {verdicts[verdict]}")
    for note in report.notes:
        lines += wrapped(f"note: {note}")
    return lines


def steps(a: ArgumentReport) -> list[str]:
    """The numeric value over the step sizes: in a word where it is the same for nearly all of them, else as a table."""
    where = f"{a.name}{list(a.index or ())}"
    flat = same_for(a)
    if flat is not None:
        return wrapped(f"{where}: the same numeric value came for every step h = {flat[0]:.0e} to {flat[1]:.0e}")
    shown = a.curve[::3]
    return [*wrapped(f"{where} by step size (analytic {a.analytic:.9g}):"),
            *table([["h", *(f"{h:.0e}" for h, _ in shown)], ["numeric", *(f"{d:.6g}" for _, d in shown)],
                    ["error", *(f"{abs(d - a.analytic):.0e}" for _, d in shown)]])]


def same_for(a: ArgumentReport) -> tuple[float, float] | None:
    """The largest and smallest step between which the numeric value has the same four digits, if that are most steps."""
    agree = [math.isfinite(a.numeric) and abs(d - a.numeric) <= 1e-4 * abs(a.numeric) for _, d in a.curve]
    best: tuple[int, int] = (0, 0)
    start = 0
    for end, good in enumerate([*agree, False]):
        if not good:
            best = max(best, (start, end), key=lambda run: run[1] - run[0])
            start = end + 1
    first, last = best
    return (a.curve[first][0], a.curve[last - 1][0]) if last - first >= 0.6 * len(a.curve) else None


def fitted(rows: list[list[str]]) -> list[str]:
    """A table; where it is too wide, every row takes two lines, the numbers in the second."""
    whole = table(rows)
    if max(map(len, whole)) <= COLUMNS:
        return whole
    first = table([[row[0], row[1], row[3]] for row in rows])
    second = table([["", *row[4:], row[2]] if row[2] else [""] * (len(row) - 2) for row in rows])
    return [line for pair in zip(first, second) for line in pair if line.strip()]


def table(rows: list[list[str]]) -> list[str]:
    """Cells in columns, two blanks apart."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]


def wrapped(text: str) -> list[str]:
    """A sentence in lines, those after the first indented."""
    return textwrap.wrap(text, COLUMNS, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)
