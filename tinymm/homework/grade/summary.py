"""What a class knows: how many have each function right, and which mistakes are made how often."""

from __future__ import annotations

import collections
import dataclasses
import re
import statistics
from typing import Any

from ..report import columns, wrap
from .one import Graded

TOLD = 10       # mistakes that are told of in the terminal


@dataclasses.dataclass
class Mistake:
    """A mistake and who made it.

    Attributes:
        function: in which.
        text: what is wrong, without the numbers of one student.
        students: the names.
    """

    function: str
    text: str
    students: list[str]


@dataclasses.dataclass
class Summary:
    """Of a class.

    Attributes:
        functions: name -> verdict -> how often.
        points: of each student.
        possible: points, without the extra ones.
        mistakes: the most frequent first.
    """

    functions: dict[str, collections.Counter[str]]
    points: list[int]
    possible: int
    mistakes: list[Mistake]

    @property
    def hard(self) -> list[str]:
        """The functions, the one that fewest have right first."""
        return sorted(self.functions, key=lambda name: self.functions[name]["ok"])

    def lines(self) -> list[str]:
        """The summary in lines of text."""
        if not self.points:
            return ["no submission was graded"]
        mean, median = statistics.mean(self.points), statistics.median(self.points)
        text = [f"points: {mean:.1f} on average, median {median:g}, from {min(self.points)} to {max(self.points)}, "
                f"of {self.possible}", "right, the hardest first:"]
        width = max(map(len, self.functions), default=0)
        for name in self.hard:
            counts = self.functions[name]
            others = ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common() if verdict != "ok")
            text.append(f"  {name:<{width}}  {counts['ok']:>3} of {len(self.points)}" + (f"  ({others})" if others else ""))
        if self.mistakes:
            text.append("mistakes, the most frequent first:")
        text += [f"  {row}" for mistake in self.mistakes[:TOLD]
                 for row in wrap(f"{len(mistake.students):>3} x {mistake.function}: {mistake.text}", columns() - 2)]
        return text + ([f"  and {len(self.mistakes) - TOLD} more"] if len(self.mistakes) > TOLD else [])

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"points": self.points, "possible": self.possible, "functions": {k: dict(v) for k, v in self.functions.items()},
                "mistakes": [dataclasses.asdict(mistake) for mistake in self.mistakes]}


def summary(graded: list[Graded]) -> Summary:
    """The summary of a class."""
    functions: dict[str, collections.Counter[str]] = {}
    made: dict[tuple[str, str], list[str]] = {}
    for one in graded:
        for result in one.report.results:
            functions.setdefault(result.function, collections.Counter())[result.verdict] += 1
            told = {problem.likely.split("\n")[0] or named(problem.text) for problem in result.problems} \
                if result.verdict not in ("to do", "missing", "not checked") else set()
            for text in told:
                made.setdefault((result.function, text), []).append(one.student)
    mistakes = [Mistake(*key, students) for key, students in made.items()]
    mistakes.sort(key=lambda mistake: (-len(mistake.students), mistake.function, mistake.text))
    possible = max((one.report.possible for one in graded), default=0)
    return Summary(functions, [one.report.earned for one in graded], possible, mistakes)


def named(text: str) -> str:
    """The first line of a Problem's text without the numbers, so that two students' mistakes can be the same."""
    line = text.split("\n")[0]
    return re.sub(r"(?<![\w.])[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf)\b", "...", line)
