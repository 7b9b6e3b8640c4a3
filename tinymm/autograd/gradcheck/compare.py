"""One argument: its gradient against the numeric derivative, element by element or along random directions.

A small argument is moved one element at a time. A large one is moved along random directions: one wrong element among
N shifts the slope along a dense direction by about 1/sqrt(N) of it, which float64 differences see easily; halving the
direction's support again and again then leads to that element.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from .numeric import Study, central, extrapolated, noise_level, study
from .subject import Leaf, Subject

COARSE = 1e-10      # relative rounding from here on is float32's, or worse: 2^-24 is 6e-8, of the largest of many outputs less
PASSED = ("ok", "precision", "below precision")
DIAGNOSED = 2048    # so many elements of a wrong gradient are computed, to see the pattern in the error


@dataclasses.dataclass
class Plan:
    """How thoroughly, and how strictly, to compare.

    Attributes:
        eps: step of the first difference.
        atol, rtol: a difference within ``atol + rtol * size`` is accepted, and within ten times the precision of
            the numeric derivative.
        max_elements: larger arguments are moved along random directions.
        directions: how many dense ones.
        groups: into how many sparse ones, each element in one of them.
        singles: how many random elements of a large argument are moved alone, too.
    """

    eps: float = 1e-5
    atol: float = 1e-10
    rtol: float = 1e-6
    max_elements: int = 256
    directions: int = 3
    groups: int = 8
    singles: int = 12


@dataclasses.dataclass
class Comparison:
    """The outcome for one argument.

    Attributes:
        verdict: "ok", "wrong", "kink", "precision" or "below precision".
        index: flat index of the worst element; None if there are none, or if it is a direction.
        analytic, numeric, precision: there.
        study: the step-size curve there, if it was drawn.
        cotangent: which cotangent shows the worst.
        found: numeric gradient for that cotangent (flat; NaN where it was not computed).
        checked: what was compared, in words.
        detail: more about a kink.
    """

    verdict: str
    checked: str
    index: int | None = None
    analytic: float = 0.0
    numeric: float = 0.0
    precision: float = 0.0
    study: Study | None = None
    cotangent: int = 0
    found: np.ndarray | None = None
    detail: str = ""

    @property
    def smooth(self) -> bool:
        """Whether the step-size curve has a derivative at its bottom."""
        return self.study is not None and self.study.numeric is not None


class Comparer:
    """Compares one argument's gradients with numeric ones.

    Args:
        gradients: one array of the argument's shape for each cotangent.
        cotangents: (K, M).
        y0: the outputs, (M,).
    """

    def __init__(self, subject: Subject, leaf: Leaf, gradients, cotangents, y0, plan: Plan, rng):
        self.subject, self.leaf, self.gradients = subject, leaf, gradients
        self.cotangents, self.y0, self.plan, self.rng = cotangents, y0, plan, rng
        self.found = np.full((len(cotangents), leaf.base.size), np.nan)
        self.rough = 0.0   # the coarsest rounding met

    def agree(self, analytic, numeric) -> bool:
        plan = self.plan
        with np.errstate(invalid="ignore"):
            size = np.maximum(np.abs(analytic), np.abs(numeric))
            return bool((np.isfinite(size) & (np.abs(analytic - numeric) <= plan.atol + plan.rtol * size)).all())

    def quick(self, line, h=None):
        """Analytic and numeric slope along a line; the numeric one from two evaluations, or six where they disagree."""
        analytic = line.slope(self.gradients)
        numeric = central(line, self.cotangents, h or self.plan.eps)
        if not self.agree(analytic, numeric) and np.isfinite(analytic).all():
            better = extrapolated(line, self.cotangents)
            if self.agree(analytic, better):
                numeric = better
        return analytic, numeric

    def examine(self, line) -> Comparison:
        """The final word on one line, from its whole step-size curve; for a tiny number in steps of its own size, too."""
        result = self.judge(line)
        if result.verdict != "ok" and 0 < line.small < 0.1:
            unit, line.unit = line.unit, line.small
            finer = self.judge(line)
            if finer.verdict == "ok" or not result.smooth and finer.smooth:
                return finer
            line.unit = unit
        return result

    def judge(self, line) -> Comparison:
        """``examine`` in the line's own steps."""
        analytic = line.slope(self.gradients)
        rough = central(line, self.cotangents, self.plan.eps)
        with np.errstate(invalid="ignore"):
            error = np.abs(analytic - rough)
        k = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
        curve, coarse = self.curve(line, self.cotangents[k])
        a, plan = float(analytic[k]), self.plan
        result = Comparison("wrong", "", line.index, a, curve.numeric if curve.numeric is not None else np.nan,
                            curve.precision, curve, k, detail=curve.kink or "")
        if curve.numeric is None:
            slack = 1e-3 * max(abs(curve.low), abs(curve.high)) + plan.atol if np.isfinite(curve.low) else 0.0
            outside = a < curve.low - slack or a > curve.high + slack   # False where there are no one-sided slopes
            if np.isnan(a) or np.isinf(a) and np.isfinite(curve.low) or outside:
                result.numeric = (curve.low + curve.high) / 2
                result.detail += f"; a subgradient lies between {curve.low:.6g} and {curve.high:.6g}" if outside else ""
            else:
                result.verdict = "kink"
            return result
        size = max(abs(a), abs(curve.numeric))
        if np.isfinite(a) and abs(a - curve.numeric) <= plan.atol + plan.rtol * size + 10 * curve.precision:
            lost = size <= 10 * curve.precision + plan.atol and size > 0
            result.verdict = "precision" if coarse else "below precision" if lost else "ok"
        return result

    def curve(self, line, cotangent) -> tuple[Study, bool]:
        """The step-size curve of one line, and whether the function turns out to round as coarsely as float32."""
        level = self.level(line, cotangent)
        coarse = self.subject.coarse or level > 0
        unit = self.subject.unit if self.subject.coarse else 2.0**-23 if coarse else 2.0**-52
        return study(line, cotangent, self.y0, coarse, level, unit), coarse

    def level(self, line, cotangent) -> float:
        """The rounding error of <cotangent, outputs> where it is as coarse as float32's (here or on an earlier line), else 0."""
        size, found = np.abs(cotangent * np.where(np.isfinite(self.y0), self.y0, 0.0)).max(initial=0.0), 0.0
        for h in (1e-6, 1e-7) if line.index is None else (1e-5, 1e-6):   # where many elements move, kinks are near
            wide = noise_level(line, cotangent, self.y0, h)
            if wide > COARSE * size:
                narrow = noise_level(line, cotangent, self.y0, h / 2)
                if narrow > COARSE * size and wide < 5 * narrow:   # 16 times would be a smooth function's
                    found = max(found, wide)
        if line.unit < 1:   # in a tiny number's own steps
            return found
        self.rough = max(self.rough, found)
        return self.rough

    # ------------------------------------------------------------------ the argument as a whole

    def run(self) -> Comparison:
        """Compare; see the module."""
        shape, movable = self.leaf.base.shape, np.flatnonzero(np.isfinite(self.leaf.base))
        if not len(movable):
            return Comparison("ok", "no element" if 0 in shape else "no finite element")
        if len(movable) <= self.plan.max_elements:
            outcome = self.elements(movable)
            outcome.checked = f"{len(movable)} element" + "s" * (len(movable) > 1)
        else:
            lines = list(self.directions(movable))
            outcome = self.search(movable, lines)
            if outcome.verdict != "wrong" and self.plan.singles:
                few = np.unique(np.r_[movable[0], movable[-1], self.rng.choice(movable, self.plan.singles)])
                alone = self.elements(few)
                coarse = outcome.verdict == "precision" and alone.verdict in PASSED
                outcome = alone if alone.verdict == "wrong" or outcome.index is None else outcome
                outcome.verdict = "precision" if coarse else outcome.verdict
            outcome.checked = f"{len(lines)} directions in {len(movable)} elements"
        if outcome.verdict == "wrong":
            self.look_around(outcome, movable)
        outcome.found = self.found[outcome.cotangent]
        return outcome

    def elements(self, indices) -> Comparison:
        """Move each of some elements alone."""
        suspects, zeros, small, coarse, worst = [], 0, 0, 0, None
        for i in indices:
            line = self.subject.line(self.leaf, int(i))
            analytic, numeric = self.quick(line)
            self.found[:, i] = numeric
            if not self.agree(analytic, numeric):
                error = np.abs(analytic - numeric).max()
                suspects.append((-error if np.isfinite(error) else -np.inf, int(i)))
                continue
            size = max(np.abs(analytic).max(), np.abs(numeric).max())
            zeros += size == 0
            small += 0 < size <= self.plan.atol
            relative = (np.abs(analytic - numeric) / np.maximum(np.abs(numeric), 1e-30)).max() * (size > self.plan.atol)
            if worst is None or relative > worst[0]:
                k = int(np.argmax(np.abs(analytic - numeric)))
                worst = (relative, Comparison("ok", "", int(i), float(analytic[k]), float(numeric[k]), cotangent=k))
        kinks: list[Comparison] = []
        wrong: list[Comparison] = []
        for _, i in sorted(suspects)[:8]:
            self.level(self.subject.line(self.leaf, i), self.cotangents[0])
        for _, i in sorted(suspects):
            result = self.examine(self.subject.line(self.leaf, i))
            self.found[result.cotangent, i] = result.numeric
            small += result.verdict == "below precision"
            if result.verdict in ("wrong", "kink"):
                (wrong if result.verdict == "wrong" else kinks).append(result)
            elif worst is None or worst[1].study is None:
                worst = (np.inf, result)
            coarse += result.verdict == "precision"
            if len(wrong) == 4:
                break
        if wrong:
            return max(wrong, key=lambda r: abs(r.analytic - r.numeric) if np.isfinite(r.analytic) else np.inf)
        if kinks:
            kinks[0].detail += f" (and at {len(kinks) - 1} more elements)" if len(kinks) > 1 else ""
            return kinks[0]
        assert worst is not None, "no element was moved"
        result = worst[1]
        result.verdict = "precision" if coarse else "below precision" if small and small + zeros == len(indices) else "ok"
        return result

    def directions(self, movable):
        """Dense random directions, then sparse ones that together hold every element once."""
        shape, scale = self.leaf.base.shape, np.maximum(1.0, np.abs(self.leaf.base.reshape(-1)[movable]))

        def spread(members):
            u = np.zeros(self.leaf.base.size)
            u[movable[members]] = random_signs(self.rng, len(members)) * scale[members]
            return u.reshape(shape)

        everything = np.arange(len(movable))
        for _ in range(self.plan.directions):
            yield spread(everything)
        if self.plan.groups:
            for members in np.array_split(self.rng.permutation(everything), self.plan.groups):
                yield spread(members)

    def search(self, movable, lines) -> Comparison:
        """Move along each direction; where the slopes disagree, halve the direction until one element is left."""
        kinks, excluded, best, coarse = [], np.zeros(self.leaf.base.shape, bool), None, False
        for direction in lines:
            for _ in range(8):
                u = np.where(excluded, 0.0, direction)
                line = self.subject.line(self.leaf, direction=u)
                analytic, numeric = self.quick(line)
                agreed = self.agree(analytic, numeric)
                outcome = Comparison("ok", "", None, analytic[0], numeric[0]) if agreed else self.examine(line)
                if outcome.verdict in PASSED:
                    outcome.study = None
                    coarse = coarse or outcome.verdict == "precision"
                    if best is None or abs(outcome.analytic - outcome.numeric) > abs(best.analytic - best.numeric):
                        best = outcome
                    break
                index = self.halve(u)
                alone = self.examine(self.subject.line(self.leaf, index))
                if alone.verdict == "wrong":
                    return alone
                if alone.verdict != "kink":
                    if outcome.verdict != "wrong":   # a kink in the direction that no single element has
                        break
                    outcome.index, outcome.detail = index, "the error is spread over many elements, little in each"
                    return outcome
                kinks.append(alone)
                excluded.flat[index] = True
        if kinks:
            kinks[0].detail += f" (and at {len(kinks) - 1} more elements)" if len(kinks) > 1 else ""
            return kinks[0]
        best = best or Comparison("ok", "")
        best.verdict = "precision" if coarse else best.verdict
        return best

    def halve(self, direction) -> int:
        """The element that is most to blame for a wrong slope along ``direction``."""
        members = np.flatnonzero(direction)
        while len(members) > 1:
            halves = np.array_split(members, 2)
            errors = []
            for half in halves:
                u = np.zeros(direction.shape)
                u.flat[half] = direction.flat[half]
                analytic, numeric = self.quick(self.subject.line(self.leaf, direction=u))
                error = np.abs(analytic - numeric).max()
                errors.append(error if np.isfinite(error) else np.inf)
            members = halves[int(np.argmax(errors))]
        return int(members[0])

    def look_around(self, outcome: Comparison, movable) -> None:
        """Compute more of a wrong argument's numeric gradient, and name its worst element."""
        chosen = movable
        if len(movable) > DIAGNOSED and outcome.index is not None:
            shape, at = self.leaf.base.shape, np.unravel_index(outcome.index, self.leaf.base.shape)
            near = [np.ravel_multi_index((*at[:d], i, *at[d + 1:]), shape) for d in range(len(shape))
                    for i in range(max(0, at[d] - 16), min(shape[d], at[d] + 17))]
            chosen = np.intersect1d(np.r_[near, self.rng.choice(movable, 256)], movable)
        if self.rough or self.subject.coarse:   # small steps show the rounding only
            for i in chosen:
                self.found[:, i] = extrapolated(self.subject.line(self.leaf, int(i)), self.cotangents, 0.1)
        for i in chosen:
            if np.isnan(self.found[:, i]).any():
                numeric = central(self.subject.line(self.leaf, int(i)), self.cotangents, self.plan.eps)
                self.found[:, i] = np.where(np.isnan(self.found[:, i]), numeric, self.found[:, i])
        k = outcome.cotangent
        error = np.abs(self.gradients[k].reshape(-1) - self.found[k])
        error[~np.isfinite(error)] = -1
        if np.isfinite(outcome.analytic) and error.max() > 2 * abs(outcome.analytic - outcome.numeric):
            worst = self.examine(self.subject.line(self.leaf, int(np.argmax(error))))
            if worst.verdict == "wrong":
                outcome.__dict__.update(worst.__dict__ | {"checked": outcome.checked})


def random_signs(rng, *shape):
    """Random numbers of either sign between 1/2 and 3/2: no element of a direction or cotangent is nearly blind."""
    return rng.uniform(0.5, 1.5, shape) * np.where(rng.uniform(size=shape) < 0.5, -1.0, 1.0)
