"""check: judge a student's functions, one after the other, whatever becomes of each.

Everything here runs in the process that asks, but for the calls of a ``RemoteSubmission``: what ends a process, or never comes
back from C, is seen of those only.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Container, Iterator

from . import backward, forward
from .call import Stop
from .execute import execute, own_folder, read
from .exercise import Task, find
from .guard import Guard
from .limit import TimeLimit, checked_limit
from .report import LIMIT, FunctionResult, Problem, Report
from .submission import NoProcess, Submission, worded
from .uses import ENGINES


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
        OSError: ``source`` is not a file, or cannot be read.
    """
    checked_limit(limit)
    exercise = find(number)
    selected = exercise.select(only)
    if Submission.executing:
        return Report(exercise.number, exercise.title, "later: the file is being executed", postponed=True)
    start = time.perf_counter()
    report = Report(exercise.number, exercise.title, "the functions defined here")
    if source is None or isinstance(source, dict):
        submission = Submission(sys._getframe(1).f_globals if source is None else source, report.graded)
        for task, functions in selected:
            report.results += judge(task, submission, limit, functions, exercise.allows)
    elif isinstance(source, (str, os.PathLike)):
        handed, report.graded = read(source), str(source)
        guard = Guard()
        with own_folder(handed.path):
            submission = execute(handed, limit)
            submission.guard = guard
            report.problems, report.notes = submission.problems, submission.notes + replaced(guard)
            for task, functions in selected:
                report.results += judge(task, submission, limit, functions, exercise.allows)
    else:
        raise ValueError(f"check: source is {type(source).__name__}; give a path, a namespace such as globals(), or nothing")
    report.seconds = time.perf_counter() - start
    return report


def replaced(guard: Guard) -> list[str]:
    """Put back what a file replaced, and a note of it."""
    names = guard.mend()
    return [f"the file replaces {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}, which all others use, too; the check "
            "went on with what was there before"] if names else []


def judge(task: Task, submission: Submission, limit: float, functions: Container[str],
          allows: Container[str] = ()) -> Iterator[FunctionResult]:
    """The results of those of a task's functions that are in ``functions``.

    The forward is judged first, also where only the backward is asked for.

    Args:
        allows: packages that a solution may use beside NumPy and Python's own.
    """
    first, forward_ok = None, False

    def judge_forward(result):
        nonlocal first, forward_ok
        result.problems, first = forward.judge(task, submission)
        forward_ok = not result.problems

    def judge_backward(result):
        if first is None or not first.usable:
            raise backward.probe(task, submission, first)
        result.problems, result.notes = backward.judge(task, submission, first, forward_ok)

    for name, judgement in ((task.forward, judge_forward), (task.backward, judge_backward)):
        if name is not None and (name in functions or task.backward in functions):
            result = timed(submission, name, judgement, limit, allows)
            result.points, result.extra = dict(zip(task.functions, task.points))[name], task.extra
            if name in functions:
                yield result


def timed(submission: Submission, name: str, judgement, limit: float, allows: Container[str]) -> FunctionResult:
    """One function's result; ``judgement(result)`` fills in the problems, or ends in Stop or at the time limit.

    An object that lies about itself may make the judgement itself raise: that is a verdict, too.
    """
    start, found, result = time.perf_counter(), None, FunctionResult(name, "ok")
    try:
        with submission.judging(name, limit):
            found = submission.find(name)
            result.where = found.where if found is not None else ""
            judgement(result)
        result.verdict = "wrong" if result.problems else "ok"
    except Stop as stop:
        result.verdict, result.problems = stop.verdict, [stop.problem] if stop.problem is not None else []
        result.where = stop.where or result.where
    except TimeLimit as error:
        result.verdict, result.problems = "time limit", [submission.endless(error, limit)]
    except (KeyboardInterrupt, NoProcess):
        raise
    except BaseException as error:
        problem = Problem(f"what it returns cannot be judged: looking at it raises {worded(error)}",
                          "an object that only looks like an array, or a replaced function")
        result.verdict, result.problems = "error", [problem]
    names = submission.mend()
    if names:
        result.problems.append(Problem(f"it replaces {', '.join(names[:5])}, which all others use, too"))
        result.verdict = "wrong" if result.verdict == "ok" else result.verdict
    helped = found is not None and next((package for package in found.uses if package in ENGINES and package not in allows), "")
    if found is not None and helped and result.verdict != "to do":
        result.problems.insert(0, Problem(f"it is solved with {helped}, where plain NumPy is asked for: it does not count",
                                          "", *found.uses[helped]))
        result.verdict = "wrong" if result.verdict == "ok" else result.verdict
    if found is not None and found.module:
        result.notes.append(f"it is not written here but imported, from {found.module}")
    result.seconds = time.perf_counter() - start
    return result
