"""The judgement of a backward: finite differences of the student's own forward, and the gradients of the reference.

The two are asked in this order because they answer different questions. Differences tell whether the backward is the
derivative of the forward that the student wrote, right or not; the reference tells whether it is the gradient of the
lecture's equation. A backward passes if it is either, so that one mistake in the forward is not counted twice; a note says
on which of the two its verdict hangs.
"""

from __future__ import annotations

import numpy as np

from ..autograd import Function, Tensor, enable_grad
from ..autograd.gradcheck.run import Check
from ..autograd.gradcheck.compare import Plan
from ..autograd.gradcheck.report import ArgumentReport, GradcheckReport
from ..autograd.gradcheck.subject import Subject
from . import reference
from .call import Stop, arrays, call, changed, copies, unpack, where_written
from .exercise import Case, Mistake, Task
from .forward import Run, in_case, run
from .report import Problem
from .submission import Submission
from .values import as_value, close, distinct, exchanged, extent, floor_of, mismatch, name_axes, numeric, off, order_problem


def judge(task: Task, submission: Submission, first: Run, forward_ok: bool) -> tuple[list[Problem], list[str]]:
    """The problems of a backward, and notes; may Stop.

    Args:
        first: the call of the forward in the first case.
        forward_ok: whether the forward is right.
    """
    notes: list[str] = []
    ordinary, *others = task.cases_drawn()
    skipped: list[str] = []
    passed: list[Case] = []
    for case in (ordinary, *others):
        try:
            this = first if case is ordinary else run(task, submission, case, quiet=True)
        except Stop:
            if forward_ok:
                raise
            skipped.append(case.name)
            continue
        right = not this.problems
        if not right and case is not ordinary:
            skipped.append(case.name)
            continue
        try:
            problems = in_case(case, problems_of(task, submission, case, right, notes, passed))
        except Stop as stop:
            if stop.problem is not None:
                in_case(case, [stop.problem])
            raise
        if problems:
            return problems, notes
        if not right:   # what is right for a wrong forward in one case need not be tried in others
            return [], notes
        passed.append(case)
    if skipped:
        notes.append(f"not judged where {task.forward} is not right yet: {'; '.join(skipped)}")
    return [], notes


def problems_of(task: Task, submission: Submission, case: Case, forward_ok: bool, notes: list[str],
                passed: list[Case]) -> list[Problem]:
    """The problems in one case; ``passed`` are those in which there are none."""
    this = run(task, submission, case, quiet=True)
    cotangents = reference.cotangents(this.right)
    right = reference.gradients(task.reference, task, case, cotangents)
    found, problems = gradients(task, submission, this, cotangents, right)
    if problems:
        return problems
    floor = floor_of(case, cotangents)
    report = differences(task, submission, case) if case.differences else None
    problems = compare(task, submission, case, report, found, right, forward_ok, notes, floor)
    explain(task, case, cotangents, found, right, problems, floor, passed)
    return problems


def probe(task: Task, submission: Submission, first: Run | None) -> Stop:
    """The verdict on a backward whose forward gave nothing to work with: to do, missing, or not checked.

    Args:
        first: the call of the forward, if it returned.
    """
    try:
        call(submission, name_of(task), [*(np.zeros(0) for _ in task.outputs), None], labels(task), quiet=True)
    except Stop as stop:
        if stop.verdict in ("to do", "missing"):
            return stop
    if first is not None and not first.steady:
        return Stop("not checked", Problem(f"{task.forward} gives another result at each call, so there is nothing to hold its "
                                           "gradient against"))
    return Stop("not checked", Problem(f"it needs {task.forward} first"))


def name_of(task: Task) -> str:
    """The name of the student's backward."""
    if task.backward is None:
        raise ValueError(f"check: {task.name} has no backward")
    return task.backward


def labels(task: Task) -> list[str]:
    """What the backward's arguments are called."""
    return [*(f"d{name}" for name in task.outputs), "cache"]


def gradients(task: Task, submission: Submission, this: Run, cotangents: list, right: list):
    """One call of the backward: the gradients as float64 arrays, and problems of their form."""
    names = [f"d{name}" for name in task.gradients]
    given = [c.copy()[()] for c in cotangents]   # a scalar as a scalar, which cannot be written into
    held, held_names = [*given, *this.arguments, *this.returned], [*labels(task)[:-1], *this.case.arguments, *task.outputs]
    before = copies(held)
    result = call(submission, name_of(task), [*given, this.cache], labels(task))
    problems = [written(task, submission, this.case, name) for name in changed(held, before, held_names)]
    returned, found, form = unpack(result, name_of(task), names), [], []
    for name, value, want in zip(names, returned, right):
        array, trouble = as_value(task, name, value, want)
        found.append(array)
        form += trouble
    numbers = {name: np.asarray(value) for name, value in zip(names, returned) if numeric(value)}
    pairs = exchanged(numbers, dict(zip(names, right)), floor_of(this.case, cotangents)) if form else []
    if pairs:   # one sentence in the place of one for each shape
        kept = [p for p in form if p.name not in numbers or p.name not in dict(pairs)]
        form = [*kept, order_problem(pairs, names)]
    return found, problems + form


def written(task: Task, submission: Submission, case: Case, name: str) -> Problem:
    """The Problem of a backward that writes into an argument of its own or of the forward, or into what that returned."""
    role = "its argument" if name in labels(task) else "the forward's result" if name in task.outputs else "the forward's argument"
    return Problem(f"it writes into {role} {name}, which the caller still needs", "an in-place operation (x += ..., x *= ..., "
                   "out=x): make a new array, or a copy first", *line_that_writes(task, submission, case), name=name)


def line_that_writes(task: Task, submission: Submission, case: Case) -> tuple[str, str]:
    """The line of the backward that writes into what others hold, or into its cache."""
    this = run(task, submission, case, quiet=True)
    for array in arrays([this.arguments, this.returned]):
        array.setflags(write=False)
    return where_written(submission, name_of(task), [*reference.cotangents(this.right), this.cache])


def differences(task: Task, submission: Submission, case: Case) -> GradcheckReport:
    """Gradcheck of the student's pair of functions in one case."""
    moving = [name for name in task.gradients if name not in task.stopped]
    later: list[Stop] = []   # what calls raised that only the checker makes, in the student's words

    class Pair(Function):
        name = task.name
        fresh = True         # its cache has not been used

        def forward(self, *values):
            arguments = copies({**case.arguments, **dict(zip(moving, values))}.values())
            result = call(submission, task.forward, arguments, list(case.arguments), quiet=True)
            *outputs, self.kept = unpack(result, task.forward, [*task.outputs, "cache"])
            outputs = [np.asarray(o, dtype=np.float64) for o in outputs]
            return tuple(outputs) if len(outputs) > 1 else outputs[0]

        def backward(self, *cotangents):
            try:
                result = call(submission, name_of(task), [*(c[()] for c in cotangents), self.kept], labels(task), quiet=True)
                found = dict(zip(task.gradients, unpack(result, name_of(task), [f"d{n}" for n in task.gradients])))
            except Stop as stop:
                if self.fresh:   # a cache that is used up by the first backward is no fault
                    later.append(stop)
                raise
            finally:
                self.fresh = False
            return [np.asarray(found[name]) for name in moving]

    inputs = [Tensor(case.arguments[name].copy(), requires_grad=True) for name in moving]
    with enable_grad():   # the file may have switched it off
        report = Check(Subject(Pair.apply, inputs, None, moving), Plan(), curve=False).run()
    if later:
        if later[0].problem is not None:
            later[0].problem.text += "\n(in a later call; the first one passed)"
        raise later[0]
    return report


def compare(task: Task, submission: Submission, case: Case, report: GradcheckReport | None, found, right, forward_ok: bool,
            notes: list[str], floor: float) -> list[Problem]:
    """The problems of the values: of those that neither the differences nor the reference agree with."""
    problems: list[Problem] = []
    unsteady, equation, own = [], [], []
    for name, got, want in zip(task.gradients, found, right):
        equal, argument = close(got, want, floor=floor), report[name] if report is not None and name not in task.stopped else None
        if argument is None or argument.ok:
            wrong = None if equal or not forward_ok else mismatch(task, f"d{name}", got, want, floor=floor)
            problems += [wrong] if wrong is not None else []
            own += [f"d{name}"] if not equal and argument is not None else []
        elif argument.verdict == "wrong" and equal and not forward_ok:
            equation.append(f"d{name}")
        elif argument.verdict == "wrong" and equal and abs(argument.analytic - argument.numeric) <= floor:
            pass   # both are zero but for rounding
        elif argument.verdict == "wrong":
            problems.append(disagreement(task, argument, got, want if forward_ok else None))
        else:
            unsteady.append(argument)
    if unsteady:
        problems.append(misbehaviour(task, submission, case, unsteady))
    if not forward_ok:
        notes += hanging(task, problems, equation, own)
    return problems


def hanging(task: Task, problems: list[Problem], equation: list[str], own: list[str]) -> list[str]:
    """Notes of a verdict that hangs on a wrong forward.

    Args:
        equation: the gradients that are those of the lecture's equation, and not of the student's forward.
        own: those that are the derivative of the student's forward, and not of the equation.
    """
    if problems:
        return [f"held against finite differences of your {task.forward}, which is not right yet: mend that first"]
    if equation:
        which = "all" if len(equation) == len(task.gradients) else ", ".join(equation)
        return [f"right for the lecture's equation, though not for your {task.forward}, which is wrong ({which})"]
    if own:
        return [f"right for your {task.forward}, which is wrong: finite differences of it give the same; once that is mended, this "
                "has to follow"]
    return [f"right, for your {task.forward} and for the lecture's equation: what is wrong there does not reach the gradient"]


def disagreement(task: Task, argument: ArgumentReport, got: np.ndarray, want: np.ndarray | None) -> Problem:
    """A gradient that is not the derivative of the forward; ``want`` is the right one, if the forward is right."""
    name, at = f"d{argument.name}", "" if not argument.index else str(list(argument.index))
    is_, gives = distinct(argument.analytic, argument.numeric)
    remark = extent(got, want, off(got, want)) if want is not None else f"relative error {argument.error:.2g}"
    return Problem(f"{name}{at} is {is_}, and finite differences of your forward give {gives} ({remark})",
                   name_axes(task, name, argument.guess), name=name,
                   index=argument.index, got=argument.analytic, expected=argument.numeric, error=argument.error)


def misbehaviour(task: Task, submission: Submission, case: Case, arguments: list[ArgumentReport]) -> Problem:
    """A backward that gradcheck calls anything but wrong: mostly, that gives another gradient when it is asked again."""
    where, code = line_that_writes(task, submission, case)
    first, names = arguments[0], ", ".join(f"d{argument.name}" for argument in arguments)
    text = "asked again, the backward gives another gradient" if first.verdict == "non-deterministic" else first.verdict
    likely = "an in-place operation changes what the cache holds: make a new array, or a copy first" if where else \
        first.guess.replace("on self (ctx)", "in the cache")
    return Problem(f"{text} (seen in {names})", likely, where, code, name=f"d{first.name}")


@np.errstate(all="ignore")   # a variant overflows where its mistake does; the student's output is not the place to say so
def explain(task: Task, case: Case, cotangents: list, found: list, right: list, problems: list[Problem],
            floor: float, passed: list[Case]) -> None:
    """Find the usual mistake behind wrong gradients: the first that explains most of them, and spoils none that is right.

    Args:
        passed: cases in which the gradients are right, so that a mistake which would show there is not the one.
    """
    wrong = [p for p in problems if not np.isnan(p.error)]
    names = [f"d{name}" for name in task.gradients]
    differs = lambda a, b: not close(a, b, floor=floor)
    best: tuple[tuple, str, list[str]] = ((0, 0), "", [])
    for mistake in task.mistakes if wrong else ():
        spoilt = reference.gradients(mistake.variant, task, case, cotangents)
        if not spoilt:
            continue
        hit = [name for name, got, bad, good in zip(names, found, spoilt, right)
               if any(p.name == name for p in wrong) and differs(bad, good) and not differs(got, bad)]
        score = len(hit), sum(not differs(got, bad) for got, bad in zip(found, spoilt))
        if hit and score > best[0] and not any(shows(task, mistake, earlier) for earlier in passed):
            best = score, mistake.text, hit
    pairs = exchanged(dict(zip(names, found)), dict(zip(names, right)), floor) if wrong and not best[2] else []
    if pairs:
        problems[:] = [p for p in problems if p.name not in dict(pairs)] + [order_problem(pairs, names)]
    for problem in wrong:
        if problem.name in best[2]:
            problem.likely = best[1]


def shows(task: Task, mistake: Mistake, case: Case) -> bool:
    """Whether a mistake gives other gradients than the right ones in a case."""
    cotangents = reference.cotangents(reference.values(task.reference, case))
    spoilt, right = (reference.gradients(function, task, case, cotangents) for function in (mistake.variant, task.reference))
    floor = floor_of(case, cotangents)
    return not spoilt or not all(close(bad, good, floor=floor) for bad, good in zip(spoilt, right))
