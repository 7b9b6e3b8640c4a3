"""The rows of a class, for the terminal and as CSV."""

from __future__ import annotations

import csv
import io
import os

from ...backend.files import replacing
from ..report import columns
from .one import Graded

MARKS = {"ok": "ok", "wrong": "wrong", "to do": "todo", "error": "error", "missing": "none", "time limit": "time",
         "not checked": "-"}
NAME = 20        # columns of a name
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(graded: list[Graded], functions: list[str]) -> list[str]:
    """The table in lines of text: a row a student; functions are numbered."""
    width = min(NAME, max((len(plain(one.student)) for one in graded), default=0) + 1)
    wide = width + 12 + 6 * len(functions) + 6 <= columns()
    mark = 6 if wide else 3
    lines = [f"  {i}  {name}" for i, name in enumerate(functions, 1)]
    head = "".join(f"{i:<{mark}}" for i in range(1, len(functions) + 1))
    lines.append(f"{'student':<{width}}  {'points':<9} {head}seconds")
    for one in graded:
        marks = {result.function: MARKS[result.verdict] for result in one.report.results}
        cells = "".join(f"{marks.get(name, '?')[:mark - 1]:<{mark}}" for name in functions)
        points = f"{one.report.earned}/{one.report.possible}"
        name = plain(one.student)
        name = name if len(name) <= width else name[:width - 1] + "~"
        why = one.failed or (one.report.problems[0].text.split("\n")[0] if one.report.problems else "")
        lines.append(f"{name:<{width}}  {points:<9} {cells}{one.report.seconds:>5.1f}".rstrip())
        lines += [f"{'':<{width}}  {why}"[:columns()]] if why else []
    return lines


def plain(text: str) -> str:
    """A text on one line, whatever a file's name holds."""
    return "".join(c if c.isprintable() else "?" for c in text)


def write_csv(path: str | os.PathLike, graded: list[Graded], functions: list[str]) -> None:
    """Write the table as CSV, completely or not at all; cells that a spreadsheet would take for a formula begin with '."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["student", "file", "points", "possible", "extra", "right", "functions", "seconds", "problem",
                     *(f"{name} {what}" for name in functions for what in ("points", "verdict"))])
    for one in graded:
        report = one.report
        found = {result.function: result for result in report.results}
        problem = one.failed or (report.problems[0].text.split("\n")[0] if report.problems else "")
        extra = sum(result.earned for result in report.results if result.extra)
        row: list[object] = [one.student, report.graded, report.earned, report.possible, extra, report.passed, len(report.results),
                             round(report.seconds, 2), problem]
        for name in functions:
            row += [found[name].earned, found[name].verdict] if name in found else ["", ""]
        writer.writerow([cell(value) for value in row])
    with replacing(path) as temporary:
        temporary.write_text(buffer.getvalue(), encoding="utf-8", errors="backslashreplace", newline="")


def cell(value: object) -> object:
    """A value as a cell that no spreadsheet computes."""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else value
