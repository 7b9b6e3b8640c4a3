"""Calling a student's function: what it returned, or why there is nothing to judge."""

from __future__ import annotations

import numpy as np

from .report import Problem
from .submission import Raised, Submission, Unfit, arrays as arrays, kind as kind


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


def lookup(submission: Submission, name: str) -> None:
    """Stop if there is no function of that name."""
    found = submission.find(name)
    if found is None and submission.problems:
        raise Stop("not checked", Problem("the file has an error, and this function does not exist"))
    if found is None:
        raise Stop("missing", Problem(f"there is no function {name} in {submission.label}{submission.similar(name)}"))
    if not found.callable:
        raise Stop("wrong", Problem(f"{name} is not a function but {found.kind}"))


def call(submission: Submission, name: str, arguments: list, labels: list[str], quiet: bool = False):
    """What the student's function returns; Stop if it cannot be called, raises, or is not written.

    Args:
        arguments: passed by position, as they are.
        labels: what the exercise calls them.
        quiet: do not show what the function prints.
    """
    lookup(submission, name)
    try:
        return submission.invoke(name, arguments, quiet)
    except Unfit as unfit:
        raise Stop("wrong", Problem(f"it takes {unfit}, and is called with ({', '.join(labels)})")) from None
    except Raised as raised:
        problem = raised.problem
        if raised.unwritten and problem.where:
            raise Stop("to do", where=problem.where) from None
        shapes = ", ".join(f"{label} {list(a.shape)}" for label, a in zip(labels, arguments)
                           if isinstance(a, np.ndarray) and a.ndim)
        problem.text += f"\n(called with {shapes})" if shapes and not raised.unwritten else ""
        raise Stop("error", problem) from None


def copies(arguments) -> list:
    """Arrays copied, the rest as it is."""
    return [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]


def changed(arguments, originals, labels) -> list[str]:
    """Labels of the arguments that are no longer what they were."""
    return [label for a, b, label in zip(arguments, originals, labels)
            if isinstance(b, np.ndarray) and not (a.shape == b.shape and np.array_equal(a, b, equal_nan=b.dtype.kind == "f"))]


def where_written(submission: Submission, name: str, arguments: list) -> tuple[str, str]:
    """The student's line that writes into an argument, found by calling again with arrays that cannot be written."""
    try:
        submission.invoke(name, arguments, quiet=True, freeze=True)
    except Raised as raised:
        if "read-only" in raised.problem.text:
            return raised.problem.where, raised.problem.code
    except Unfit:
        pass
    return "", ""


def unpack(result, name: str, wanted: list[str]) -> list:
    """The values that a function returned; Stop if there are not as many as ``wanted`` names."""
    if result is None:
        raise Stop("wrong", Problem(f"it returns nothing (None) and should return {', '.join(wanted)}", "the return is missing"))
    several = next((t for t in (tuple, list) if issubclass(type(result), t)), None)   # isinstance believes a lying __class__
    values = [result] if several is None else list(several.__iter__(result))
    if len(values) != len(wanted):
        got = f"one value, {kind(result)}," if several is None else f"{len(values)} value{'s' if len(values) != 1 else ''}"
        should = f"the {len(wanted)} values " if len(wanted) > 1 else ""
        raise Stop("wrong", Problem(f"it returns {got} and should return {should}{', '.join(wanted)}",
                                    remedy(result) if several is None else ""))
    return values


def returned_by(submission: Submission, result, name: str, wanted: list[str]) -> list:
    """``unpack``, whose Stop tells the line with the return."""
    try:
        return unpack(result, name, wanted)
    except Stop as stop:
        at_return(submission, name, [stop.problem] if stop.problem is not None else [])
        raise


def at_return(submission: Submission, name: str, problems: list[Problem]) -> list[Problem]:
    """The problems, with the place of the function's return; they stay without one if it has several."""
    found = submission.find(name)
    for problem in problems:
        if found is not None and not problem.where and problem.index is None:
            problem.where, problem.code = found.returns
    return problems


def remedy(value) -> str:
    """What to return in the place of a value that is no array; "" where nothing is known."""
    name = type(value).__name__
    if name == "generator":
        return "a yield in a function makes a generator of it: return"
    if name == "coroutine":
        return "async def makes a coroutine of the function: def"
    if name == "Tensor":
        return "x.numpy() is the array of a Tensor, x.detach().numpy() that of one with a graph"
    if name in ("matrix", "MaskedArray"):
        return "np.array(x) is a plain array"
    if issubclass(type(value), dict):
        return "return the values themselves, in their order, not a dictionary of them"
    return "np.array(x) makes an array of a list" if issubclass(type(value), (list, tuple)) else ""
