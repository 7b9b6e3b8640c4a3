"""A student's file, checked with its functions in a process of their own: whatever it does to that, the check ends with its report.

What a function returns is judged in the process that asks (``remote.py``), which executes nothing of the file. A function counts
as right only if its values are: that its process ended well, or what it says of itself, means nothing.

What this is not: a protection of the computer from malice. The file runs with the rights of whoever runs the check, it can read
and write files and use the network. Its memory is limited on Linux only; a process that it detaches from its own (a daemon) goes
on. It can look up the references in the installed package, as a student can; ``worker.py`` only makes that awkward. Whether a
function writes into its arguments is the word of its process. Grade what you do not trust in a container.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from .checker import judge
from .execute import Handed, read
from .exercise import find
from .limit import checked_limit
from .remote import MEMORY, RemoteSubmission
from .report import LIMIT, FunctionResult, Report


def check_apart(number: int | str, path, only: str | None = None, limit: float = LIMIT,
                show: Callable[[str, str], None] | None = None) -> Report:
    """``check`` of a file, with its functions in a process of their own.

    Args:
        number, path, only, limit: those of ``check``. Without a limit the file may read from the terminal.
        show: called with "out" or "err" and a piece of what the file prints; by default it is printed.

    Returns:
        Report: as of ``check``.

    Raises:
        ValueError: there is no such exercise, task or function.
        OSError: the file cannot be read, or no process can be started.
    """
    checked_limit(limit)
    return check_handed(number, read(path), only, limit, show)


def check_handed(number: int | str, handed: Handed, only: str | None = None, limit: float = LIMIT,
                 show: Callable[[str, str], None] | None = None, memory: int = MEMORY, total: float = float("inf"),
                 closed: bool = False, label: str = "") -> Report:
    """``check_apart`` of a file that has been read.

    Args:
        memory: bytes that the file may add to its process.
        total: seconds that it may take.
        closed: it runs in its own folder, and sees nothing of the environment but what Python needs.
        label: what the report calls it; by default its path.
    """
    start, exercise, show = time.perf_counter(), find(number), show or printed
    selected = exercise.select(only)
    report = Report(exercise.number, exercise.title, label or str(handed.path))
    submission = RemoteSubmission(handed, exercise, limit, show, memory, total, closed)
    submission.label = report.graded
    try:
        for task, functions in selected:
            report.results += judge(task, submission, limit, functions, exercise.allows)
    finally:
        submission.stop()
        if submission.unended:
            show("out", "\n")
    told = {result.function for result in report.results}
    report.problems = submission.problems
    report.notes = submission.notes + [text for name, text in submission.remarks.items() if name not in told]
    report.seconds = time.perf_counter() - start
    return report


def printed(stream: str, text: str) -> None:
    """Print a piece of what a file prints."""
    out = sys.stdout if stream == "out" else sys.stderr
    if out is not None:
        encoding = getattr(out, "encoding", None) or "utf-8"
        out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()


def pytest_cases(number: int | str, path, only: str | None = None, limit: float = LIMIT) -> list:
    """One parameter for each function, for pytest: the whole of a test file is ::

        @pytest.mark.parametrize("result", pytest_cases("04", "my.py"))
        def test_homework(result):
            result.require()

    The file is checked in a process of its own: what it does to that does not end the tests.

    Args: those of ``check``.

    Returns:
        ``pytest.param(FunctionResult, id=name)`` for each function, and first one for the file if it has problems.
    """
    import pytest

    report = check_apart(number, path, only, limit)
    results = report.results
    if report.problems:
        results = [FunctionResult(os.path.basename(path), "error", problems=report.problems), *results]
    return [pytest.param(result, id=result.function) for result in results]
