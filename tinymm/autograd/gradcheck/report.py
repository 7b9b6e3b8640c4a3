"""The outcome of a gradient check, for the terminal and for a notebook."""

from __future__ import annotations

import dataclasses
import math

from .markup import page_of
from .text import lines_of

VERDICTS = {
    "ok": "analytic and numeric gradient agree",
    "wrong": "they disagree by more than the numeric one can be off",
    "kink": "the function has no derivative here (the analytic value is a possible subgradient); move the input",
    "precision": "right as far as one can see: the function computes in float32, or rounds as coarsely",
    "below precision": "too small to tell from rounding: nothing was verified, nothing is contradicted",
    "non-deterministic": "two evaluations of the same thing differ",
    "input mutated": "the function or its backward wrote into this input",
    "error": "the backward raised",
    "not checked": "another argument's failure came first",
}
FAILURES = ("wrong", "non-deterministic", "input mutated", "error")


@dataclasses.dataclass
class ArgumentReport:
    """What was found for one argument or parameter.

    Attributes:
        name: of the argument ("weight") or parameter ("encoder.0.weight").
        shape: of the argument.
        verdict: a key of ``VERDICTS``.
        checked: what was compared, in words.
        index: the worst element (a tuple); None where there is none, or where ``analytic`` and ``numeric`` are slopes
            along a direction.
        analytic, numeric: the gradients there.
        error: their difference, relative to the larger one (or to 1/10,000 of the argument's largest gradient where
            that is larger, and, if accepted, to the size below which the absolute tolerance rules).
        precision: how far the numeric value may be off.
        curve: (h, central difference) pairs at the worst element.
        guess: what the mistake may be.
        extent: how much of it is wrong, and by how much.
        ulps: float32 gradient against the float64 one, in units in the last place; None if not asked for.
    """

    name: str
    shape: tuple
    verdict: str = "ok"
    checked: str = ""
    index: tuple | None = None
    analytic: float = math.nan
    numeric: float = math.nan
    error: float = 0.0
    precision: float = 0.0
    curve: list = dataclasses.field(default_factory=list)
    guess: str = ""
    extent: str = ""
    ulps: float | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against this gradient."""
        return self.verdict not in FAILURES

    def row(self) -> list[str]:
        """The cells of the table."""
        along = self.index is None and not math.isnan(self.numeric)
        known = self.index is not None or along
        numbers = (f"{self.analytic:.6g}", f"{self.numeric:.6g}") if self.ok else told_apart(self.analytic, self.numeric)
        analytic, numeric = ("" if not known or math.isnan(v) and self.verdict != "wrong" else text
                             for v, text in zip((self.analytic, self.numeric), numbers))
        return [self.name, str(tuple(self.shape)), self.checked, self.verdict,
                "a direction" if along else str(list(self.index or ())) if known else "",
                analytic, numeric, f"{self.error:.1e}" if known and (math.isfinite(self.error) or self.verdict == "wrong") else ""]


@dataclasses.dataclass
class GradcheckReport:
    """What ``gradcheck`` found; true if nothing speaks against the gradients.

    Attributes:
        name: of the function.
        arguments: one ArgumentReport for each argument and parameter.
        notes: what else is worth knowing.
        second: the report on second derivatives, if they were asked for.
    """

    name: str
    arguments: list[ArgumentReport]
    notes: list[str] = dataclasses.field(default_factory=list)
    second: GradcheckReport | None = None

    @property
    def ok(self) -> bool:
        """Whether no argument failed (kinks and gradients below precision do not fail)."""
        return all(a.ok for a in self.arguments) and (self.second is None or self.second.ok)

    @property
    def failures(self) -> list[ArgumentReport]:
        """The arguments that failed, those of the second derivatives last."""
        return [a for a in self.arguments if not a.ok] + (self.second.failures if self.second is not None else [])

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, name: str) -> ArgumentReport:
        for argument in self.arguments:
            if argument.name == name:
                return argument
        raise KeyError(f"gradcheck of {self.name} has no argument {name!r}; it has "
                       f"{', '.join(a.name for a in self.arguments)}")

    def __repr__(self) -> str:
        lines = lines_of(self, VERDICTS)
        return "\n".join(lines if self.second is None else [*lines, "", repr(self.second)])

    def _repr_html_(self) -> str:
        return page_of(self, VERDICTS)

    def as_dict(self) -> dict:
        """Plain data, for JSON."""
        return {"name": self.name, "ok": self.ok, "notes": self.notes,
                "arguments": [{**dataclasses.asdict(a), "ok": a.ok} for a in self.arguments],
                "second": None if self.second is None else self.second.as_dict()}


class GradcheckError(RuntimeError):
    """A failed gradient check; ``report`` holds what was found."""

    def __init__(self, report: GradcheckReport):
        super().__init__("\n" + repr(report))
        self.report = report

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of the traceback, all of which but the caller's line is the checker's own."""
        return [f"{type(self).__name__}:", *repr(self.report).splitlines()]


def told_apart(a: float, b: float, digits: int = 6) -> tuple[str, str]:
    """Two numbers with ``digits`` digits, or with as many as it takes until they differ."""
    while a != b and digits < 17 and f"{a:.{digits}g}" == f"{b:.{digits}g}":
        digits += 1
    return f"{a:.{digits}g}", f"{b:.{digits}g}"


def relative_error(analytic: float, numeric: float, floor: float = 0.0) -> float:
    """|a - n| relative to the larger of the two, or to ``floor`` where that is larger."""
    if math.isnan(analytic) or math.isnan(numeric):
        return math.nan
    if analytic == numeric:
        return 0.0
    return abs(analytic - numeric) / max(abs(analytic), abs(numeric), floor)
