"""One run of the checker: the gradients of a Subject against finite differences, argument by argument."""

from __future__ import annotations

import re

import numpy as np

from ...backend.arrays import to_host
from ..function import Function
from ..place import place_of, place_of_error
from .compare import Comparer, Comparison, Plan, random_signs
from .diagnose import Evidence, guess
from .diagnose.words import extent
from .gather import gather, others
from .numeric import central
from .precision import float32_gradients, sensitivity, ulps_apart
from .repeat import Difference, difference, elsewhere, questions, shrunk, unsteady
from .report import ArgumentReport, GradcheckReport, relative_error
from .subject import Leaf, Subject


class Check:
    """One run of the checker over one Subject."""

    def __init__(self, subject: Subject, plan: Plan, seed: int = 0, nondet_tol: float = 1e-9, curve: bool = True,
                 ulps: float | None = None, again: bool = True):
        self.subject, self.plan, self.nondet_tol, self.curve, self.ulps = subject, plan, nondet_tol, curve, ulps
        self.again = again            # whether to ask for the gradient in other circumstances, too
        self.rng = np.random.Generator(np.random.Philox(key=seed))
        self.trouble: dict[int, list] = {}   # leaf number -> Differences
        self.overwritten = ""                # what the backward wrote into, besides its inputs
        self.forward_differs = ""            # how two forward passes differ
        self.ones: list | None = None        # gradients under a cotangent of ones

    def run(self) -> GradcheckReport:
        with self.subject as subject, np.errstate(all="ignore"):   # infinities are for the report to name
            outputs = subject.first_call()
            # Another layout or alignment may round otherwise, by some units of what the outputs are held in.
            self.nondet_tol = max(self.nondet_tol, 64 * subject.unit)
            if not outputs:   # of integers
                raise ValueError(f"gradcheck: {name_of(subject.func)} returned no floating-point Tensor")
            self.y0 = subject.flat(outputs)
            finite = np.isfinite(self.y0)
            if not finite.all():
                subject.notes.append(f"{int((~finite).sum())} of {finite.size} outputs are not finite and were left "
                                     "out")
            self.cotangents = random_signs(self.rng, 2, self.y0.size) * finite
            if subject.coarse:   # what a float32 output can be handed
                self.cotangents = self.cotangents.astype(np.float32).astype(np.float64)
            mutated = {name: "the forward" for name in subject.mutated()}
            reports, error = [], None
            if self.again and not mutated:
                self.forward_differs = unsteady(subject, self.y0, shrunk(subject, self.rng), self.nondet_tol)
                if self.forward_differs:
                    reports = [ArgumentReport(leaf.name, leaf.base.shape, "non-deterministic", guess=self.forward_differs)
                               for leaf in subject.leaves]
                    return GradcheckReport(name_of(subject.func), reports, list(dict.fromkeys(subject.notes)))
                outputs = subject.call()   # of the arrays that the leaves hold now
            try:
                self.gradients = self.first_gradients(outputs)
            except Exception as e:   # a broken backward may raise anything, and the report says what
                error = e
            for name in subject.mutated():
                mutated.setdefault(name, "the backward")
            subject.cast("float64")   # undo the mutation
            if error is not None:
                reports = self.failed(error)
            else:
                if not mutated and self.again and subject.connected:
                    self.ask_again()
                reports = [self.argument(i, leaf) for i, leaf in enumerate(subject.leaves)]
                if self.ulps is not None and all(r.ok for r in reports):
                    self.in_float32(reports)
            for name, culprit in mutated.items():
                self.mark_mutated(reports, name, culprit)
            return GradcheckReport(name_of(subject.func), reports, list(dict.fromkeys(subject.notes)))

    # ------------------------------------------------------------------ analytic gradients

    def first_gradients(self, outputs) -> list[list]:
        """For each cotangent the gradients of all leaves, from one graph; and a second pass through it."""
        subject, (first, second) = self.subject, self.cotangents
        gradients = [subject.backward(outputs, first, retain=True)]
        for handed, part in zip(subject.handed if subject.connected else [], self._parts(first)):
            if not np.array_equal(to_host(handed._data).reshape(-1), part.astype(handed.dtype)):
                self.overwritten = "the backward writes into the gradient that it is given, which others may hold"
        if not np.array_equal(subject.flat(outputs), self.y0, equal_nan=True):
            self.overwritten = "the backward writes into the output of the forward, which others may hold"
        try:
            if self.again:
                repeated = subject.backward(outputs, first, retain=True)
                self.note("non-deterministic", "right the first time only: a second backward through the same graph "
                          "gives another gradient", gradients[0], repeated)
            gradients.append(subject.backward(outputs, second, retain=True))
        except Exception as error:   # a Function may drop what it kept in its first backward
            subject.notes.append(f"the backward cannot run twice through one graph: {told(error)}")
            gradients.append(subject.backward(subject.call(), second))
        return gradients

    def _parts(self, cotangent):
        ends = np.cumsum([int(np.prod(s)) for s in self.subject.shapes])
        return np.split(cotangent, ends[:-1])

    def note(self, kind: str, text: str, first, again) -> None:
        for i in range(len(self.subject.leaves)):
            found = difference(kind, text, first[i], again[i], self.nondet_tol)
            if found is not None:
                self.trouble.setdefault(i, []).append(found)

    def ask_again(self) -> None:
        """The same gradient in other circumstances, and the gradient at another point."""
        subject, cotangent = self.subject, self.cotangents[0]
        bases = shrunk(subject, self.rng)
        try:
            finite = np.isfinite(self.y0).all()
            self.ones = subject.backward(subject.call(), np.ones(self.y0.size)) if finite else None
            for i, found in questions(subject, self.gradients[0], cotangent, self.ones, bases, self.nondet_tol):
                self.trouble.setdefault(i, []).append(found)
            self.second_point(bases)
        except Exception as error:   # the first backward passed and a later one did not
            for i in range(len(subject.leaves)):
                self.trouble.setdefault(i, []).append(
                    _raised(f"the first backward passed, a later one raised {told(error)}"))

    def second_point(self, bases) -> None:
        """One random direction for each leaf at another point: values kept from the first call would show there."""
        subject = self.subject
        y = elsewhere(subject, bases)
        if y is None:
            return
        before = [leaf.base for leaf in subject.leaves]
        for leaf, base in zip(subject.leaves, bases):
            leaf.base = base
        try:
            subject.cast("float64")
            outputs = subject.call()
            y0 = subject.flat(outputs)
            cotangents = self.cotangents * np.isfinite(y0)
            gradients = subject.backward(outputs, cotangents[0])
            for i, leaf in enumerate(subject.leaves):
                g = gradients[i] if gradients[i] is not None else np.zeros(leaf.base.shape)
                if g.shape != leaf.base.shape or not leaf.base.size:
                    continue
                comparer = Comparer(subject, leaf, [g], cotangents[:1], y0, self.plan, self.rng)
                u = np.where(np.isfinite(leaf.base), random_signs(self.rng, *leaf.base.shape) *
                             np.maximum(1.0, np.abs(leaf.base)), 0.0)
                line = subject.line(leaf, direction=u)
                if not comparer.agree(*comparer.quick(line)) and comparer.examine(line).verdict == "wrong":
                    worst = comparer.examine(subject.line(leaf, comparer.halve(u)))
                    found = _raised("right at the given point, wrong at another one: the backward keeps values of an "
                                    "earlier call, or was fitted to the test")
                    found.kind, found.index = "wrong", worst.index
                    found.again, found.first = worst.analytic, worst.numeric
                    self.trouble.setdefault(i, []).append(found)
        finally:
            for leaf, base in zip(subject.leaves, before):
                leaf.base = base
            subject.cast("float64")

    # ------------------------------------------------------------------ one argument

    def argument(self, i: int, leaf: Leaf) -> ArgumentReport:
        """The verdict on one argument."""
        gradients = [g[i] for g in self.gradients]
        missing = all(g is None for g in gradients)
        gradients = [np.zeros(leaf.base.shape) if g is None else g for g in gradients]
        report = ArgumentReport(leaf.name, leaf.base.shape)
        trouble = self.trouble.get(i, [])
        if gradients[0].shape != leaf.base.shape:
            return self.ill_shaped(report, leaf, gradients)
        comparer = Comparer(self.subject, leaf, gradients, self.cotangents, self.y0, self.plan, self.rng)
        result = comparer.run()
        self.fill(report, leaf, result)
        if self.overwritten:
            report.verdict, report.guess = "input mutated", self.overwritten
        elif result.verdict == "wrong":
            try:
                report.guess = self.guess(i, leaf, gradients[result.cotangent], result)
            except Exception as error:   # the cause asks the backward again, which may have had enough
                report.guess = f"the first backward passed, a later one raised {told(error)}"
            if not re.search(r" of \d+ elements ", report.guess):
                report.extent = extent(gradients[result.cotangent], np.asarray(result.found).reshape(leaf.base.shape))
            if comparer.rough and not self.subject.coarse:
                self.subject.notes.append(f"the function computes in float32, or rounds as coarsely, as {leaf.name} is moved")
            if missing:
                report.guess = self.without_gradient(leaf)
            if any(t.kind == "non-deterministic" for t in trouble):
                report.verdict, report.guess, report.extent = "non-deterministic", self._noise(trouble), ""
        elif gradients[0].dtype != np.float64 and not missing and report.verdict != "precision" and not self.subject.coarse:
            report.verdict = "wrong"
            report.guess = f"the gradient is {gradients[0].dtype} for a float64 argument"
        elif trouble and not missing:
            self.overrule(report, leaf, trouble)
        if self.curve and not report.curve and report.index is not None:
            at = int(np.ravel_multi_index(report.index, leaf.base.shape)) if leaf.base.ndim else 0
            line = self.subject.line(leaf, at)
            found, _ = comparer.curve(line, self.cotangents[result.cotangent])
            report.curve, report.precision = list(zip(found.steps, found.differences)), found.precision
        return report

    def without_gradient(self, leaf: Leaf) -> str:
        """What to say of a gradient that is None where the output moves with the argument."""
        owner = getattr(self.subject.func, "__self__", None)
        if isinstance(owner, type) and issubclass(owner, Function):
            return f"no gradient arrives: {owner.name}.backward returned None for {leaf.name}, and the output depends on " \
                f"it: return its gradient{place_of(owner.backward)}"
        return "no gradient arrives (None), although the output depends on it: is it detached, or used outside the engine?"

    def fill(self, report: ArgumentReport, leaf: Leaf, result: Comparison) -> None:
        report.verdict, report.checked = result.verdict, result.checked
        known = result.found[np.isfinite(result.found)] if result.found is not None else np.zeros(0)
        if result.index is not None:
            report.index = tuple(int(k) for k in np.unravel_index(result.index, leaf.base.shape))
        elif "direction" not in result.checked:
            return
        report.analytic, report.numeric, report.precision = result.analytic, result.numeric, result.precision
        # Where the absolute tolerance rules, an accepted error is told relative to the size where both tolerances meet.
        floor = self.plan.atol / self.plan.rtol if result.verdict != "wrong" and self.plan.rtol else 0.0
        scale = max(1e-4 * np.abs(known).max(initial=0.0), floor)
        report.error = relative_error(result.analytic, result.numeric, scale)
        report.guess = result.detail
        if result.study is not None:
            report.curve = list(zip(result.study.steps, result.study.differences))

    def overrule(self, report: ArgumentReport, leaf: Leaf, trouble) -> None:
        """The gradient is right, but not in all circumstances."""
        worst = next((t for t in trouble if t.kind == "non-deterministic"), trouble[0])
        report.verdict = worst.kind
        report.guess = self._noise(trouble) if worst.kind == "non-deterministic" else worst.guess
        report.curve = []
        if leaf.base.size and not np.isnan(worst.first):
            report.index = tuple(int(k) for k in np.unravel_index(worst.index, leaf.base.shape))
            report.analytic, report.numeric = worst.again, worst.first
            report.error = relative_error(worst.again, worst.first)

    def _noise(self, trouble) -> str:
        found = [t for t in trouble if t.kind == "non-deterministic"]
        changing = [t.gradient for t in found if t.gradient is not None]
        if len(changing) > 1 and any(not np.array_equal(changing[0], g) for g in changing[1:]):
            return "every backward gives another gradient: random numbers, or uninitialised or overwritten memory"
        return found[0].guess

    def guess(self, i: int, leaf: Leaf, gradient, result: Comparison) -> str:
        """What the mistake may be, from the pattern of the error."""
        subject, k = self.subject, result.cotangent
        assert result.found is not None, "nothing was compared"
        numeric = result.found.reshape(leaf.base.shape)
        cotangent = self.cotangents[k]
        evidence = gather(subject, leaf, gradient, numeric, cotangent, self.y0, self.plan.eps, self.gradients[k], result.detail,
                          self.right_for_ones(i, leaf))
        text = guess(evidence)
        return "; ".join(part for part in (result.detail, text) if part)

    def right_for_ones(self, i: int, leaf: Leaf) -> bool:
        """Whether a cotangent of ones would have found nothing."""
        ones = self.ones
        if ones is None or ones[i] is None or self.y0.size < 2 or leaf.base.size > 256:
            return False
        comparer = Comparer(self.subject, leaf, [ones[i]], np.ones((1, self.y0.size)), self.y0, self.plan, self.rng)
        return comparer.run().verdict != "wrong"

    def ill_shaped(self, report, leaf, gradients) -> ArgumentReport:
        """The gradient has another shape than the argument."""
        self.fill(report, leaf, Comparer(self.subject, leaf, [np.full(leaf.base.shape, np.nan)] * 2, self.cotangents,
                                         self.y0, self.plan, self.rng).run())
        numeric = np.array([central(self.subject.line(leaf, n), self.cotangents[:1], self.plan.eps)[0]
                            for n in range(min(leaf.base.size, 256))])
        if numeric.size == leaf.base.size:
            found = others(self.subject, leaf, self.cotangents[0], self.plan.eps, None, gradients[0].shape)
            report.guess = guess(Evidence(gradients[0], numeric.reshape(leaf.base.shape), leaf.base, self.cotangents[0],
                                          self.y0, None, found, [], None))
        else:
            report.guess = f"the gradient has shape {gradients[0].shape}, the argument {leaf.base.shape}"
        report.verdict, report.index, report.curve = "wrong", None, []
        report.analytic = report.numeric = np.nan   # no two elements that belong to each other
        return report

    # ------------------------------------------------------------------ other failures

    def failed(self, error: Exception) -> list[ArgumentReport]:
        """Reports when the backward raised; the engine's message on a gradient's shape names the argument."""
        culprit, gradient = getattr(error, "argument", None), getattr(error, "gradient", None)
        reports = []
        for leaf in self.subject.leaves:
            report = ArgumentReport(leaf.name, leaf.base.shape, "not checked")
            if culprit is not None and culprit._node is leaf.tensor._node:
                report = self.ill_shaped(report, leaf, [np.asarray(gradient)] * 2)
            reports.append(report)
        if not any(r.verdict == "wrong" for r in reports):
            for r in reports:
                r.verdict, r.guess = "error", f"the backward raised {told(error)}"
        return reports

    def mark_mutated(self, reports, name: str, culprit: str) -> None:
        for report in reports:
            if report.name == name:
                report.verdict, report.guess = "input mutated", f"{culprit} wrote into this input"
                return
        reports.append(ArgumentReport(name, (), "input mutated", guess=f"{culprit} wrote into this input"))

    def in_float32(self, reports) -> None:
        """The gradients in float32 against those in float64 at the same, rounded, values."""
        subject = self.subject
        if subject.draws:
            subject.notes.append("float32 was not compared: it draws other random numbers than float64")
            return
        narrow, wide = float32_gradients(subject, self.cotangents[0])
        allowed = [self.ulps * max(1.0, s) for s in sensitivity(subject, self.cotangents[0], wide)]
        for report, found, want, limit in zip(reports, narrow, wide, allowed):
            report.ulps, at = ulps_apart(found, want)
            if report.ulps > limit:
                report.verdict, report.index = "wrong", tuple(int(k) for k in np.unravel_index(at, want.shape))
                report.analytic, report.numeric = float(found.flat[at]), float(want.flat[at])
                report.error, report.curve = relative_error(report.analytic, report.numeric), []
                report.guess = f"right in float64, but off by {report.ulps:.3g} units in the last place in float32 " \
                    "(numeric: the float64 gradient)"


def name_of(func) -> str:
    """What to call a function in the report."""
    owner = getattr(func, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, Function):
        return owner.name
    return getattr(func, "__name__", None) or type(func).__name__


def told(error: Exception) -> str:
    """An exception with its text, and the line of the user's file."""
    place = place_of_error(error)
    return f"{type(error).__name__}: {error}" + (place if place not in str(error) else "")


def _raised(text: str) -> Difference:
    return Difference("non-deterministic", text, 0, np.nan, np.nan, None)
