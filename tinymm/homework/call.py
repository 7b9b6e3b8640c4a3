"""Calling a student's function: what it returned, or why there is nothing to judge."""

from __future__ import annotations

import contextlib
import inspect
import io

import numpy as np

from .report import Problem
from .submission import Submission


class Stop(Exception):
    """The judgement of a function ends here.

    Attributes:
        verdict: a key of ``report.VERDICTS``.
        problem: why; None where the verdict says it.
        where: the line to look at, if it is not where the function is defined.
    """

    def __init__(self, verdict: str, problem: Problem | None = None, where: str = ""):
        super().__init__(verdict)
        self.verdict, self.problem, self.where = verdict, problem, where


def lookup(submission: Submission, name: str):
    """The student's function of that name; Stop if there is none."""
    if name not in submission.namespace and submission.problems:
        raise Stop("not checked", Problem("the file has an error, and this function does not exist"))
    if name not in submission.namespace:
        raise Stop("missing", Problem(f"there is no function {name} in {submission.label}{submission.similar(name)}"))
    function = submission.namespace[name]
    if not callable(function):
        raise Stop("wrong", Problem(f"{name} is not a function but {kind(function)}"))
    return function


def call(submission: Submission, name: str, arguments: list, labels: list[str], quiet: bool = False):
    """What the student's function returns; Stop if it cannot be called, raises, or is not written.

    Args:
        arguments: passed by position, as they are.
        labels: what the exercise calls them.
        quiet: do not show what the function prints.
    """
    function = lookup(submission, name)
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        raise Stop("wrong", Problem(f"it takes {inspect.signature(function)}, and is called with ({', '.join(labels)})"))
    except ValueError:   # a builtin without a signature
        pass
    try:
        with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext(), np.errstate(all="ignore"):
            return function(*arguments)
    except NotImplementedError as error:
        problem = submission.raised(error)
        raise Stop("to do", where=problem.where) if problem.where else Stop("error", problem)
    except (Exception, SystemExit) as error:
        problem = submission.raised(error)
        shapes = ", ".join(f"{label} {list(a.shape)}" for label, a in zip(labels, arguments)
                           if isinstance(a, np.ndarray) and a.ndim)
        problem.text += f"\n(called with {shapes})" if shapes else ""
        raise Stop("error", problem)


def copies(arguments) -> list:
    """Arrays copied, the rest as it is."""
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


def changed(arguments, originals, labels) -> list[str]:
    """Labels of the arguments that are no longer what they were."""
    return [label for a, b, label in zip(arguments, originals, labels)
            if isinstance(b, np.ndarray) and not (a.shape == b.shape and np.array_equal(a, b, equal_nan=b.dtype.kind == "f"))]


def where_written(submission: Submission, name: str, arguments: list) -> tuple[str, str]:
    """The student's line that writes into an argument, found by calling again with arrays that cannot be written."""
    for array in arrays(arguments):
        array.setflags(write=False)
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            submission.namespace[name](*arguments)
    except Exception as error:
        if "read-only" in str(error):
            problem = submission.raised(error)
            return problem.where, problem.code
    return "", ""


def arrays(value):
    """The arrays in nested lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        yield from arrays(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from arrays(part)


def unpack(result, name: str, wanted: list[str]) -> list:
    """The values that a function returned; Stop if there are not as many as ``wanted`` names."""
    if result is None:
        raise Stop("wrong", Problem(f"it returns nothing (None) and should return {', '.join(wanted)}", "the return is missing"))
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    if len(values) != len(wanted):
        got = f"{len(values)} values" if isinstance(result, (tuple, list)) else f"one value, {kind(result)},"
        should = f"the {len(wanted)} values " if len(wanted) > 1 else ""
        raise Stop("wrong", Problem(f"it returns {got} and should return {should}{', '.join(wanted)}"))
    return values


def kind(value) -> str:
    """A value in a few words, for messages."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return "None" if value is None else f"of type {type(value).__name__}"
