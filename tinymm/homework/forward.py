"""The judgement of a forward: its values against the reference's, in every case of the task."""

from __future__ import annotations

import dataclasses

import numpy as np

from . import reference
from .call import Stop, at_return, call, changed, copies, returned_by, where_written
from .exercise import Case, Mistake, Task
from .report import CASE, Problem
from .submission import Submission
from .values import RTOL, RTOL_FLOAT32, as_value, close, exchanged, floor_of, mismatch, numeric, order_problem, pattern


OVERFLOW = "exp overflows"   # a hint that begins so is told of values that are not finite, and of no others


@dataclasses.dataclass
class Run:
    """One call of a student's forward.

    Attributes:
        case: which.
        arguments: what it was given.
        returned: the outputs as they were returned.
        outputs: as float64 arrays; None where one has the wrong form.
        cache: the last thing returned, if the task has a backward.
        right: the reference's outputs.
        problems: what is wrong.
        steady: a second call gives the same.
    """

    case: Case
    arguments: list
    returned: list
    outputs: list
    cache: object
    right: list[np.ndarray]
    problems: list[Problem]
    steady: bool = True

    @property
    def usable(self) -> bool:
        """Whether a backward can be tried on it: steady, of the right form, and in float64, which differences need."""
        return self.steady and all(o is not None and np.asarray(r).dtype == np.float64 for o, r in zip(self.outputs, self.returned))


def run(task: Task, submission: Submission, case: Case, quiet: bool = False) -> Run:
    """Call the student's forward and look at what it returns; Stop if there is nothing to look at."""
    labels = list(case.arguments)
    originals = list(case.arguments.values())
    arguments = copies(originals)
    result = call(submission, task.forward, arguments, labels, quiet)
    problems = [written(submission, task.forward, name, originals) for name in changed(arguments, originals, labels)]
    wanted = [*task.outputs, *(["cache"] if task.backward else [])]
    returned = returned_by(submission, result, task.forward, wanted)
    cache = returned.pop() if task.backward else None
    right = reference.values(task.reference, case)
    outputs: list = []
    floor, form, wrong = floor_of(case), [], []
    for name, value, want in zip(task.outputs, returned, right):
        array, found = as_value(task, name, value, want)
        if array is not None:
            off = mismatch(task, name, array, want, RTOL_FLOAT32 if found else RTOL, floor)
            wrong += [off] if off is not None else []
        outputs.append(array)
        form += found
    return Run(case, arguments, returned, outputs, cache, right, problems + at_return(submission, task.forward, form) + wrong)


def judge(task: Task, submission: Submission) -> tuple[list[Problem], Run]:
    """The problems of a forward in the first case that has any, and its call in the first case of all; may Stop."""
    ordinary, *others = task.cases_drawn()
    first = run(task, submission, ordinary)
    again = run(task, submission, ordinary, quiet=True)
    first.steady = all(a is None or b is None or close(a, b, floor=floor_of(ordinary))
                       for a, b in zip(first.outputs, again.outputs))
    if not first.steady:   # asked first: what differs from itself cannot be compared with anything
        return [Problem("a second call with the same arguments gives another result", "it draws random numbers, or keeps "
                        "values between calls, or reads memory that was never written (np.empty)")], first
    cases = [ordinary, *others]
    for number, case in enumerate(cases):
        try:
            this = first if case is ordinary else run(task, submission, case, quiet=True)
        except Stop as stop:
            return in_case(case, [stop.problem or Problem("it is not written")]), first
        if this.problems:
            explain(task, this, cases[:number])
            return in_case(case, this.problems), first
    return [], first


def in_case(case: Case, problems: list[Problem]) -> list[Problem]:
    """The problems, with the case in which they arose if it is not the ordinary one."""
    for problem in problems:
        if case.name:
            problem.text += f"\n{CASE}{case.name})"
        if not problem.likely:
            problem.likely = case.hint if not case.hint.startswith(OVERFLOW) or overflown(problem) else ""
    return problems


def overflown(problem: Problem) -> bool:
    """Whether it is about a value that is not finite."""
    return not np.isnan(problem.expected) and not np.isfinite(problem.got)


@np.errstate(all="ignore")   # a variant overflows where its mistake does; the student's output is not the place to say so
def explain(task: Task, this: Run, passed: list[Case]) -> None:
    """Find the mistake behind wrong values: one of the usual ones, values exchanged, or a pattern in the numbers.

    Args:
        passed: cases in which the values are right, so that a mistake which would show there is not the one.
    """
    valued = [p for p in this.problems if not np.isnan(p.error) or "has shape" in p.text or "is a single number" in p.text]
    if not valued:
        return
    best: tuple[int, str, list[str]] = (0, "", [])
    for mistake in task.mistakes:
        spoilt = reference.values(mistake.variant, this.case)
        hit = [name for name, value, bad, good in zip(task.outputs, this.returned, spoilt, this.right)
               if any(p.name == name for p in valued) and not close(bad, good) and close(np.asarray(value), bad)]
        if len(hit) > best[0] and not any(shows(task, mistake, case) for case in passed):
            best = len(hit), mistake.text, hit
    got = {name: np.asarray(value) for name, value in zip(task.outputs, this.returned) if numeric(value)}
    pairs = exchanged(got, dict(zip(task.outputs, this.right))) if not best[2] else []
    if pairs:
        names = [name for name, _ in pairs]
        this.problems[:] = [p for p in this.problems if p.name not in names] + [order_problem(pairs, [*task.outputs])]
    for problem in valued:
        number = task.outputs.index(problem.name)
        if problem.name in best[2]:
            problem.likely = best[1]
        elif not np.isnan(problem.error) and not this.case.hint:   # a case with a hint is the only one that goes wrong
            problem.likely = pattern(task, problem.name, this.outputs[number], this.right[number])


def shows(task: Task, mistake: Mistake, case: Case) -> bool:
    """Whether a mistake gives other values than the right ones in a case."""
    return not all(map(close, reference.values(mistake.variant, case), reference.values(task.reference, case)))


def written(submission: Submission, function: str, name: str, arguments: list) -> Problem:
    """The Problem of a function that writes into an argument."""
    where, code = where_written(submission, function, copies(arguments))
    return Problem(f"it writes into its argument {name}, which the caller still needs", "an in-place operation (x += ..., "
                   "x[...] = ..., out=x): make a new array, or a copy first", where, code, name=name)
