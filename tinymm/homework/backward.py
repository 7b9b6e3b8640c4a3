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
from ..autograd.registry import Draw
from . import reference
from .call import Stop, arrays, at_return, call, changed, copies, returned_by, unpack, where_written
from .exercise import Case, Mistake, Task
from .forward import Run, in_case, run
from .report import Problem
from .submission import Submission
from .values import as_value, close, distinct, exchanged, floor_of, how_much, mismatch, name_axes, numeric, off, order_problem

LOOKED_INTO = 3   # so many gradients whose mistake is not known are looked into by differences
STEP = 1e-5       # of a difference in one direction


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
    if not forward_ok:
        return behind_a_wrong_forward(task, submission, case, cotangents, found, right, notes, floor)
    names = [f"d{name}" for name in task.gradients]
    wrong = [name for name, got, want in zip(names, found, right) if not close(got, want, floor=floor)]
    causes = usual(task, case, cotangents, found, right, wrong, floor, passed)
    pairs = exchanged(dict(zip(names, found)), dict(zip(names, right)), floor) if wrong and not causes else []
    if pairs:
        return [order_problem(pairs, names)]
    for name in set(wrong) - set(causes):
        other = next((other for other, want in zip(names, right) if close(found[names.index(name)], want, floor=floor)), "")
        causes.update({name: f"this is {other}"} if other else {})
    # what is wrong and known needs no differences: each is tens of calls, and hundreds for a gradient that is wrong
    unknown = [name[1:] for name in wrong if name not in causes and name[1:] not in task.stopped]
    moving = unknown[:LOOKED_INTO] if wrong else [name for name in task.gradients if name not in task.stopped]
    report = differences(task, submission, case, moving) if case.differences and moving else None
    return compare(task, submission, case, report, found, right, floor, causes)


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
    returned, found, form = returned_by(submission, result, name_of(task), names), [], []
    for name, value, want in zip(names, returned, right):
        array, trouble = as_value(task, name, value, want)
        found.append(array)
        form += trouble
    numbers = {name: np.asarray(value) for name, value in zip(names, returned) if numeric(value)}
    pairs = exchanged(numbers, dict(zip(names, right)), floor_of(this.case, cotangents)) if form else []
    for problem in form:   # of another shape, since it is another gradient
        other = next((other for other, want in zip(names, right) if problem.name in numbers and other != problem.name
                      and close(numbers[problem.name], want, floor=floor_of(this.case, cotangents))), "")
        problem.likely = f"this is {other}" if other else problem.likely
    if pairs:   # one sentence in the place of one for each shape
        kept = [p for p in form if p.name not in numbers or p.name not in dict(pairs)]
        form = [*kept, order_problem(pairs, names)]
    return found, problems + at_return(submission, name_of(task), form)


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


def differences(task: Task, submission: Submission, case: Case, moving: list[str]) -> GradcheckReport:
    """Gradcheck of the student's pair of functions in one case, with respect to the arguments in ``moving``."""
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


def compare(task: Task, submission: Submission, case: Case, report: GradcheckReport | None, found, right, floor: float,
            causes: dict[str, str]) -> list[Problem]:
    """The problems of the values behind a right forward: each that differs from the reference, or from the differences.

    Args:
        causes: gradient -> the mistake that gives it.
    """
    problems: list[Problem] = []
    unsteady = []
    judged = {argument.name: argument for argument in report.arguments} if report is not None else {}
    for name, got, want in zip(task.gradients, found, right):
        argument = judged.get(name)
        if argument is None or argument.ok:
            wrong = mismatch(task, f"d{name}", got, want, floor=floor)
            problems += [wrong] if wrong is not None else []
        elif argument.verdict != "wrong":
            unsteady.append(argument)
        elif not close(got, want, floor=floor) or abs(argument.analytic - argument.numeric) > floor:   # else both are zero
            problems.append(disagreement(task, argument, got, want))
    for problem in problems:
        problem.likely = causes.get(problem.name, problem.likely)
    return problems + ([misbehaviour(task, submission, case, unsteady)] if unsteady else [])


def behind_a_wrong_forward(task: Task, submission: Submission, case: Case, cotangents: list, found: list, right: list,
                           notes: list[str], floor: float) -> list[Problem]:
    """The problems of the values behind a forward that is wrong in this case, and a note of what their verdict hangs on."""
    equal = {name for name, got, want in zip(task.gradients, found, right) if close(got, want, floor=floor)}
    own = follows(task, submission, case, cotangents, dict(zip(task.gradients, found))) if case.differences else []
    rest = [name for name in task.gradients if name not in equal and name not in own and name not in task.stopped]
    moving = [*own, *rest[:1]]
    report = differences(task, submission, case, moving) if case.differences and moving else None
    judged = {argument.name: argument for argument in report.arguments} if report is not None else {}
    problems = [disagreement(task, argument, None, None) for argument in judged.values() if argument.verdict == "wrong"]
    if problems and len(rest) > 1:
        problems[0].text += f"; nor {'is' if len(rest) == 2 else 'are'} {', '.join('d' + name for name in rest[1:])} what they give"
    unsteady = [argument for argument in judged.values() if not argument.ok and argument.verdict != "wrong"]
    problems += [misbehaviour(task, submission, case, unsteady)] if unsteady else []
    equation = [f"d{name}" for name in task.gradients if name in equal and name not in own and name not in task.stopped]
    notes += hanging(task, problems, equation, [name for name in own if name not in equal])
    return problems


def follows(task: Task, submission: Submission, case: Case, cotangents: list, found: dict) -> list[str]:
    """The arguments along which the student's forward moves as the gradients say: by one difference in a random direction."""
    def value(arguments: dict) -> float:
        result = call(submission, task.forward, copies(arguments.values()), list(arguments), quiet=True)
        outputs = unpack(result, task.forward, [*task.outputs, "cache"])[:-1]
        return float(sum((np.asarray(c) * np.asarray(o, dtype=np.float64)).sum() for c, o in zip(cotangents, outputs)))

    draw, agreeing = Draw(seed=23), []
    for name, gradient in found.items():
        if name in task.stopped:
            continue
        at = case.arguments[name]
        step = STEP * draw.away(*np.shape(at), low=0.5, high=1.5)
        try:
            slope = (value({**case.arguments, name: at + step}) - value({**case.arguments, name: at - step})) / 2
        except Stop:
            continue
        terms = gradient * step
        if abs(slope - terms.sum()) <= 1e-6 * np.abs(terms).sum() + 1e-14:   # the last is the rounding of a value near 1
            agreeing.append(name)
    return agreeing


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


def disagreement(task: Task, argument: ArgumentReport, got: np.ndarray | None, want: np.ndarray | None) -> Problem:
    """A gradient ``got`` that is not the derivative of the forward; ``want`` is the right one, if the forward is right."""
    name, at = f"d{argument.name}", "" if not argument.index else str(list(argument.index))
    is_, gives = distinct(argument.analytic, argument.numeric)
    remark = argument.extent.replace(" (", "; ").rstrip(")")
    if got is not None and want is not None:
        remark = how_much(got, want, off(got, want), argument.error)
    remark = remark or f"relative error {argument.error:.2g}"
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
def usual(task: Task, case: Case, cotangents: list, found: list, right: list, wrong: list[str], floor: float,
          passed: list[Case]) -> dict[str, str]:
    """Gradient -> the usual mistake behind it: the first that explains most of the wrong ones, and spoils none that is right.

    Args:
        wrong: the gradients that are.
        passed: cases in which the gradients are right, so that a mistake which would show there is not the one.
    """
    names = [f"d{name}" for name in task.gradients]
    same = lambda a, b: close(a, b, floor=floor)
    best: tuple[tuple, dict[str, str]] = ((0, 0), {})
    for mistake in task.mistakes if wrong else ():
        spoilt = reference.gradients(mistake.variant, task, case, cotangents)
        hit = [name for name, got, bad, good in zip(names, found, spoilt, right)
               if name in wrong and not same(bad, good) and same(got, bad)]
        score = len(hit), sum(map(same, found, spoilt))
        if hit and score > best[0] and not any(shows(task, mistake, earlier) for earlier in passed):
            best = score, dict.fromkeys(hit, mistake.text)
    return best[1]


def shows(task: Task, mistake: Mistake, case: Case) -> bool:
    """Whether a mistake gives other gradients than the right ones in a case."""
    cotangents = reference.cotangents(reference.values(task.reference, case))
    spoilt, right = (reference.gradients(function, task, case, cotangents) for function in (mistake.variant, task.reference))
    floor = floor_of(case, cotangents)
    return not spoilt or not all(close(bad, good, floor=floor) for bad, good in zip(spoilt, right))
