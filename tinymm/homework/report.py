"""What the checker found, for the terminal, for a notebook, and as data."""

from __future__ import annotations

import dataclasses
import html
import math

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

    def lines(self) -> list[str]:
        """The problem in lines of text, the cause last."""
        text = [*self.text.splitlines()]
        if self.where and self.code:
            text.append(f"{self.where}:  {self.code}")
        elif self.where:
            text.append(self.where)
        return text + ([f"likely: {self.likely}"] if self.likely else [])

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
    """

    function: str
    verdict: str
    where: str = ""
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    @staticmethod
    def of(data: dict) -> FunctionResult:
        """The FunctionResult whose fields these are."""
        return FunctionResult(**{**data, "problems": [Problem.of(p) for p in data["problems"]]})

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"

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

    def details(self) -> list[str]:
        """Problems and notes in lines; a cause that several problems share is told once, with the last of them."""
        lines: list[str] = []
        for i, problem in enumerate(self.problems):
            shared = any(later.likely == problem.likely for later in self.problems[i + 1:])
            lines += (dataclasses.replace(problem, likely="") if shared else problem).lines()
        return lines + [f"note: {note}" for note in self.notes]

    def __str__(self) -> str:
        mark = self.verdict if self.verdict in COLOURS else self.verdict.upper()
        head = f"{mark:<11}  {self.function}" + (f"  ({self.where})" if self.where and not self.ok else "")
        return "\n".join([head, *(f"               {line}" for line in self.details())])

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {"function": self.function, "verdict": self.verdict, "ok": self.ok, "where": self.where,
                "problems": [p.as_dict() for p in self.problems], "notes": self.notes, "seconds": round(self.seconds, 4)}


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
        """The first line: how much is right, of what."""
        return f"exercise {self.lecture:02d}, {self.title}: {self.passed} of {len(self.results)} functions right"

    def __repr__(self) -> str:
        lines = [f"{self.headline}  [{self.graded}]"]
        for problem in self.problems:
            lines += ["  " + line for line in problem.lines()]
        for result in self.results:
            lines += ["  " + line for line in str(result).splitlines()]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        escape = html.escape
        rows = []
        for r in self.results:
            colour = COLOURS.get(r.verdict, "#b00020")
            rows.append(f'<tr><td style="text-align:left;vertical-align:top"><code>{escape(r.function)}</code></td>'
                        f'<td style="color:{colour};font-weight:600;text-align:left;vertical-align:top" '
                        f'title="{escape(VERDICTS[r.verdict])}">{escape(r.verdict)}</td>'
                        '<td style="text-align:left;white-space:pre-wrap;max-width:52em">'
                        + escape("\n".join(([r.where] if r.where and not r.ok else []) + r.details())) + "</td></tr>")
        notes = [line for p in self.problems for line in p.lines()] + self.notes
        return (f"<div><b>{escape(self.headline)}</b> ({escape(self.graded)})<table>{''.join(rows)}</table>"
                + (f"<ul>{''.join(f'<li>{escape(n)}</li>' for n in notes)}</ul>" if notes else "") + "</div>")

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {"lecture": self.lecture, "title": self.title, "file": self.graded, "ok": self.ok, "passed": self.passed,
                "functions": len(self.results), "seconds": round(self.seconds, 3),
                "problems": [p.as_dict() for p in self.problems], "notes": self.notes,
                "results": [r.as_dict() for r in self.results]}
