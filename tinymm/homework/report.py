"""What the checker found, for the terminal, for a notebook, and as data."""

from __future__ import annotations

import dataclasses
import html
import math
import re
import shutil
import textwrap

LIMIT = 10.0     # seconds for one function; a right one takes a twentieth of a second

VERDICTS = {
    "ok": "right",
    "wrong": "the function runs and its result is not what it should be",
    "to do": "not written yet",
    "error": "it raised",
    "missing": "there is no such function",
    "time limit": "it did not end",
    "not checked": "something else must be right first",
}
CASE = "(in the case: "   # how the line begins that names the case; what follows with the same one tells it
INDENT = 6       # columns before what is said of a function
COLOURS = {"ok": "#1b6e3c", "to do": "#8a6100", "not checked": "#8a6100"}


class HomeworkError(AssertionError):
    """Raised by ``Report.require`` and ``FunctionResult.require``; the message is the report."""


@dataclasses.dataclass
class Problem:
    """One thing that is wrong.

    Attributes:
        text: what.
        likely: the mistake that may be behind it; "" where nothing is known to fit.
        where: a place in the student's file: "my.py, line 12".
        code: the line there.
        name: the output or gradient that is wrong ("alpha", "dW_a"); "" if it is not about one.
        index: its worst element.
        got, expected, error: there; ``error`` is relative.
    """

    text: str
    likely: str = ""
    where: str = ""
    code: str = ""
    name: str = ""
    index: tuple | None = None
    got: float = math.nan
    expected: float = math.nan
    error: float = math.nan

    def lines(self, width: int = 0) -> list[str]:
        """The problem in lines of text, the cause last; at most ``width`` wide where they can be, a line of code stays whole."""
        text = [row for line in self.text.splitlines() for row in wrap(line, width)]
        place = f"{self.where}:  {self.code}" if self.code else self.where
        if self.where and self.code and 0 < width < len(place):
            text += [f"{self.where}:", f"    {self.code}"]
        elif self.where:
            text.append(place)
        return text + (wrap(f"likely: {self.likely}", width) if self.likely else [])

    @staticmethod
    def of(data: dict) -> Problem:
        """The Problem whose fields these are."""
        return Problem(**{**data, "index": None if data["index"] is None else tuple(data["index"])})

    def as_dict(self) -> dict:
        """Plain data for JSON, which has no NaN and no infinity."""
        number = lambda v: None if math.isnan(v) else v if math.isfinite(v) else str(v)
        return {"text": self.text, "likely": self.likely, "where": self.where, "code": self.code, "name": self.name,
                "index": None if self.index is None else list(self.index), "got": number(self.got),
                "expected": number(self.expected), "error": number(self.error)}


@dataclasses.dataclass
class FunctionResult:
    """The verdict on one function; true if it is right.

    Attributes:
        function: its name.
        verdict: a key of ``VERDICTS``.
        where: where it is defined: "my.py, line 41".
        problems: what is wrong.
        notes: what else is worth knowing.
        seconds: how long the check took.
        points: what it is worth if it is right.
        extra: its points come on top of the possible ones.
    """

    function: str
    verdict: str
    where: str = ""
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    points: int = 0
    extra: bool = False

    @staticmethod
    def of(data: dict) -> FunctionResult:
        """The FunctionResult whose fields these are."""
        return FunctionResult(**{**data, "problems": [Problem.of(p) for p in data["problems"]]})

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"

    @property
    def earned(self) -> int:
        """Its points if it is right, else 0."""
        return self.points if self.ok else 0

    def __bool__(self) -> bool:
        return self.ok

    def require(self) -> FunctionResult:
        """Itself if the function is right.

        Raises:
            HomeworkError: it is not; the message says why.
        """
        if not self.ok:
            raise HomeworkError(str(self))
        return self

    def details(self, width: int = 0) -> list[str]:
        """Problems and notes in lines; what several share, a cause, a line, a case, is told once, with the last."""
        lines: list[str] = []
        for i, problem in enumerate(self.problems):
            shared = any(later.likely == problem.likely for later in self.problems[i + 1:])
            following = [line for later in self.problems[i + 1:i + 2] for line in later.text.splitlines()]
            text = [line for line in problem.text.splitlines() if not (line.startswith(CASE) and line in following)]
            told = dataclasses.replace(problem, text="\n".join(text), likely="" if shared else problem.likely)
            if any((later.where, later.code) == (told.where, told.code) for later in self.problems[i + 1:]):
                told.where = told.code = ""
            lines += told.lines(width)
        return lines + [row for note in self.notes for row in wrap(f"note: {note}", width)]

    def marks(self) -> str:
        """The points in words: "3 points", "0 of 3 points", "1 extra point"; "" if it is worth none."""
        share = f"{self.points}" if self.ok else f"0 of {self.points}"
        return f"{share}{' extra' if self.extra else ''} point{'s' * (self.points != 1)}" if self.points else ""

    def head(self) -> str:
        """The line of the verdict."""
        mark = self.verdict if self.verdict in COLOURS else self.verdict.upper()
        at = f"({self.where})" if self.where and not self.ok else ""
        return f"{mark:<11}  " + "  ".join(filter(None, [self.function, at, self.marks()]))

    def __str__(self) -> str:
        return "\n".join(self.rows(columns()))

    def rows(self, width: int) -> list[str]:
        """The verdict and the details in lines of ``width`` columns."""
        return [*wrap(self.head(), width), *(" " * INDENT + line for line in self.details(width - INDENT))]

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {"function": self.function, "verdict": self.verdict, "ok": self.ok, "where": self.where,
                "problems": [p.as_dict() for p in self.problems], "notes": self.notes, "seconds": round(self.seconds, 4),
                "points": self.points, "earned": self.earned, "extra": self.extra}


@dataclasses.dataclass
class Report:
    """What ``check`` found; true if everything is right.

    Attributes:
        lecture, title: of the exercise.
        graded: what was checked: the path of the file, or "this notebook".
        results: one FunctionResult for each function, in the order of the exercise.
        problems: with the file as a whole.
        notes: what else is worth knowing of the file.
        seconds: how long the check took.
        postponed: nothing was checked, as the file that asks for it is itself being executed for a check.
    """

    lecture: int
    title: str
    graded: str
    results: list[FunctionResult] = dataclasses.field(default_factory=list)
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    postponed: bool = False

    @property
    def ok(self) -> bool:
        """Whether every function that was asked for is right, and the file has no problem."""
        return bool(self.results) and all(self.results) and not self.problems

    @property
    def passed(self) -> int:
        """How many functions are right; as the last value of a graded cell, nbgrader takes it for points."""
        return sum(r.ok for r in self.results)

    @property
    def earned(self) -> int:
        """The points of all functions that are right, the extra ones among them."""
        return sum(r.earned for r in self.results)

    @property
    def possible(self) -> int:
        """The points of all functions that are not extra."""
        return sum(r.points for r in self.results if not r.extra)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, function: str) -> FunctionResult:
        for result in self.results:
            if result.function == function:
                return result
        raise KeyError(f"the report has no function {function!r}; it has {', '.join(r.function for r in self.results)}")

    def require(self) -> Report:
        """Itself if everything is right, or if it was asked for while the file was being executed.

        Raises:
            HomeworkError: something is not; the message is the report.
        """
        if not self.ok and not self.postponed:
            raise HomeworkError("\n" + repr(self))
        return self

    @property
    def headline(self) -> str:
        """The first line: how much is right, of what, and its points."""
        extra = sum(r.earned for r in self.results if r.extra)
        text = f"exercise {self.lecture:02d}, {self.title}: {self.passed} of {len(self.results)} functions right"
        core = f", {self.earned} of {self.possible} points" if self.possible else ""
        return text + core + ((f" ({extra} of them extra)" if core else f", {extra} extra points") if extra else "")

    def __repr__(self) -> str:
        width = columns()
        lines = wrap(f"{self.headline}  [{self.graded}]", width)
        for problem in self.problems:
            lines += ["  " + line for line in problem.lines(width - 2)]
        for result in self.results:
            lines += ["  " + row for row in result.rows(width - 2)]
        return "\n".join([*lines, *(f"  {row}" for note in self.notes for row in wrap(f"note: {note}", width - 2))])

    def _repr_html_(self) -> str:
        escape, rows = html.escape, []
        row, left = '<tr style="background:none">', "text-align:left;vertical-align:top"
        for r in self.results:
            told = escape("\n".join(([r.where] if r.where and not r.ok else []) + r.details()))
            for code in {escape(problem.code) for problem in r.problems if problem.code}:
                told = told.replace(f":  {code}", f':  <code style="white-space:pre-wrap">{code}</code>')
            rows.append(f'{row}<td style="{left};overflow-wrap:anywhere"><code>{escape(r.function)}</code></td>'
                        f'<td style="{left};color:{COLOURS.get(r.verdict, "#b00020")};font-weight:600" '
                        f'title="{escape(VERDICTS[r.verdict])}">{escape(r.verdict)}</td>'
                        f'<td style="{left}">{escape(r.marks())}</td></tr>')
            if told:   # below, over the whole width: beside the names a narrow page leaves no room
                rows.append(f'{row}<td colspan="3" style="{left};white-space:pre-wrap;overflow-wrap:anywhere;max-width:52em;'
                            f'padding-left:2em">{told}</td></tr>')
        notes = [line for p in self.problems for line in p.lines()] + self.notes
        return (f'<div style="overflow-wrap:anywhere"><b>{escape(self.headline)}</b> ({escape(self.graded)})'
                f'<table style="margin-left:0">{"".join(rows)}</table>'
                + (f"<ul>{''.join(f'<li>{escape(n)}</li>' for n in notes)}</ul>" if notes else "") + "</div>")

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {"lecture": self.lecture, "title": self.title, "file": self.graded, "ok": self.ok, "passed": self.passed,
                "functions": len(self.results), "earned": self.earned, "possible": self.possible,
                "seconds": round(self.seconds, 3),
                "problems": [p.as_dict() for p in self.problems], "notes": self.notes,
                "results": [r.as_dict() for r in self.results]}


def columns() -> int:
    """How wide a line may be: the terminal, 80 where that is not known, and never so narrow that nothing fits."""
    return max(shutil.get_terminal_size((80, 24)).columns, 40)


def wrap(line: str, width: int) -> list[str]:
    """A line in rows of at most ``width`` columns, later ones two further in; cut at spaces, not in an index or a shape."""
    if width <= 0 or len(line) <= width:
        return [line]
    kept = re.sub(r"[\[(][^\[\]()]{0,24}[\])]|(?<=,) line \d+", lambda m: m[0].replace(" ", "\0"), line)
    rows = textwrap.wrap(kept, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [row.replace("\0", " ") for row in rows]
