"""One submission graded: in a folder of its own that is removed afterwards, with limits of time and memory."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
import time
from typing import Any

from ..apart import check_handed
from ..execute import Handed as File
from ..exercise import find
from ..report import FunctionResult, Problem, Report
from .collect import Handed


@dataclasses.dataclass(frozen=True)
class Terms:
    """How a class is graded.

    Attributes:
        number: of the exercise.
        limit: seconds for the calls of one function.
        total: seconds for a student.
        memory: bytes that a submission may add to its process.
    """

    number: str
    limit: float
    total: float
    memory: int


@dataclasses.dataclass
class Graded:
    """A student's result.

    Attributes:
        student: the name.
        digest: of what was handed in.
        report: on it.
        failed: why it could not be graded, which is not the student's fault; "" where it was.
    """

    student: str
    digest: str
    report: Report
    failed: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {"student": self.student, "digest": self.digest, "failed": self.failed, **self.report.as_dict()}

    @staticmethod
    def of(data: dict[str, Any]) -> Graded:
        """The Graded whose data these are.

        Raises:
            KeyError, TypeError, ValueError: they are not.
        """
        report = Report(int(data["lecture"]), str(data["title"]), str(data["file"]), notes=[str(note) for note in data["notes"]],
                        seconds=float(data["seconds"]), problems=[problem_of(problem) for problem in data["problems"]])
        for result in data["results"]:
            fields = {key: value for key, value in result.items() if key not in ("ok", "earned")}
            report.results.append(FunctionResult(**{**fields, "problems": [problem_of(p) for p in result["problems"]]}))
        return Graded(str(data["student"]), str(data["digest"]), report, str(data["failed"]))


def problem_of(data: dict[str, Any]) -> Problem:
    """A Problem from JSON, which has no NaN."""
    numbers = {key: float("nan" if data[key] is None else data[key]) for key in ("got", "expected", "error")}
    return Problem.of({**data, **numbers})


def grade_one(handed: Handed, terms: Terms) -> Graded:
    """The result of one submission, whatever it does."""
    start = time.perf_counter()
    if handed.problem:
        report = nothing(terms.number, handed, handed.problem)
    else:
        with tempfile.TemporaryDirectory(prefix="tinymm-grade-", ignore_cleanup_errors=True) as folder:
            path = pathlib.Path(folder) / pathlib.Path(handed.path).name
            for name, data in {**handed.beside, path.name: handed.data}.items():
                (pathlib.Path(folder) / name).write_bytes(data)
            report = check_handed(terms.number, File(path, handed.data), None, terms.limit, lambda *_: None, terms.memory,
                                  terms.total, closed=True, label=handed.path)
    report.notes = handed.notes + report.notes
    report.seconds = time.perf_counter() - start
    return Graded(handed.student, handed.digest, report)


def nothing(number: str, handed: Handed, why: str) -> Report:
    """The report on a submission of which nothing could be executed."""
    exercise = find(number)
    report = Report(exercise.number, exercise.title, handed.path or handed.student, problems=[Problem(why)])
    report.results = [FunctionResult(name, "not checked", points=points, extra=task.extra) for task in exercise.tasks
                      for name, points in zip(task.functions, task.points)]
    return report
