"""check: judge a student's functions, one after the other, whatever becomes of each."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import time

from . import backward, forward
from .call import Stop
from .exercise import Task, find
from .limit import TimeLimit, time_limit
from .report import FunctionResult, Report
from .submission import Submission, of_file, own_folder

LIMIT = 10.0     # seconds for one function; a right one takes a twentieth of a second


def check(number: int | str, source=None, only: str | None = None, limit: float = LIMIT) -> Report:
    """Check the functions of an exercise.

    In a notebook, ``check("04")`` as the last line of a cell checks the functions defined so far. While ``check``
    executes a file, a call of ``check`` in that file does nothing.

    Args:
        number: of the lecture ("04", 4).
        source: a path of a .py or .ipynb file, or a namespace such as ``globals()``; by default the caller's globals.
        only: the name of a task or function, to check that alone.
        limit: seconds after which a function is stopped; 0 for no limit, as a debugger wants it.

    Returns:
        Report: true if everything is right; shows itself in a terminal and in a notebook.

    Raises:
        ValueError: there is no such exercise, task or function.
        FileNotFoundError, IsADirectoryError: ``source`` is not a file.
    """
    exercise = find(number)
    selected = exercise.select(only)
    if Submission.executing:
        return Report(exercise.number, exercise.title, "later: the file is being executed", postponed=True)
    start = time.perf_counter()
    if source is None or isinstance(source, dict):
        names = sys._getframe(1).f_globals if source is None else source
        folder: contextlib.AbstractContextManager = contextlib.nullcontext()
        read = lambda: Submission(names, "the functions defined here")
    elif isinstance(source, (str, os.PathLike)):
        folder, read = own_folder(pathlib.Path(source)), lambda: of_file(source, limit)
    else:
        raise ValueError(f"check: source is {type(source).__name__}; give a path, a namespace such as globals(), or nothing")
    with folder:
        submission = read()
        report = Report(exercise.number, exercise.title, submission.label, problems=submission.problems, notes=submission.notes)
        for task, functions in selected:
            report.results += [r for r in judge(task, submission, limit) if r.function in functions]
    report.seconds = time.perf_counter() - start
    return report


def judge(task: Task, submission: Submission, limit: float) -> list[FunctionResult]:
    """The results of a task's functions. The forward is judged first, also where only the backward is asked for."""
    first, forward_ok = None, False

    def judge_forward(result):
        nonlocal first, forward_ok
        result.problems, first = forward.judge(task, submission)
        forward_ok = not result.problems

    def judge_backward(result):
        if first is None or not first.usable:
            raise backward.probe(task, submission)
        result.problems, result.notes = backward.judge(task, submission, first, forward_ok)

    results = [timed(submission, task.forward, judge_forward, limit)]
    if task.backward is not None:
        results.append(timed(submission, task.backward, judge_backward, limit))
    return results


def timed(submission: Submission, name: str, judgement, limit: float) -> FunctionResult:
    """One function's result; ``judgement(result)`` fills in the problems, or ends in Stop or at the time limit."""
    function, start = submission.namespace.get(name), time.perf_counter()
    result = FunctionResult(name, "ok", submission.defined(function))
    try:
        with time_limit(limit):
            judgement(result)
        result.verdict = "wrong" if result.problems else "ok"
    except Stop as stop:
        result.verdict, result.problems = stop.verdict, [stop.problem] if stop.problem is not None else []
        result.where = stop.where or result.where
    except TimeLimit as error:
        result.verdict, result.problems = "time limit", [submission.endless(error, limit)]
    if getattr(function, "__globals__", submission.namespace) is not submission.namespace:
        result.notes.append(f"it is not written here but imported, from {function.__module__}")
    result.seconds = time.perf_counter() - start
    return result


def pytest_cases(number: int | str, path, only: str | None = None, limit: float = LIMIT) -> list:
    """One parameter for each function, for pytest: the whole of a test file is ::

        @pytest.mark.parametrize("result", pytest_cases("04", "my.py"))
        def test_homework(result):
            result.require()

    Args: those of ``check``.

    Returns:
        ``pytest.param(FunctionResult, id=name)`` for each function, and first one for the file if it has problems.
    """
    import pytest

    report = check(number, path, only, limit)
    results = report.results
    if report.problems:
        results = [FunctionResult(pathlib.Path(path).name, "error", problems=report.problems), *results]
    return [pytest.param(result, id=result.function) for result in results]
