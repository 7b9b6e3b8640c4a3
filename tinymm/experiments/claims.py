"""Claims: statements that a measurement can refute."""

from __future__ import annotations

import dataclasses
import operator

HOLDS, FAILED = "holds", "failed"
RELATIONS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "=": operator.eq}


@dataclasses.dataclass(frozen=True)
class Claim:
    """A statement, what was measured, and the threshold that decides.

    Attributes:
        statement: what is claimed.
        measured: the number.
        relation: ">=", ">", "<=", "<" or "=": how ``measured`` must stand to ``bound``.
        bound: the number it is compared with.
    """

    statement: str
    measured: float
    relation: str
    bound: float

    @property
    def holds(self) -> bool:
        """Whether the measurement bears the statement out; a NaN never does."""
        return bool(RELATIONS[self.relation](self.measured, self.bound))

    @property
    def threshold(self) -> str:
        """The relation and the bound, in words."""
        return f"{self.relation} {self.bound:.6g}"

    @property
    def verdict(self) -> str:
        """HOLDS or FAILED."""
        return HOLDS if self.holds else FAILED

    def as_dict(self) -> dict:
        """The entry in ``report.json``."""
        return {"statement": self.statement, "measured": float(self.measured), "threshold": self.threshold, "verdict": self.verdict}


def table(claims: list[dict]) -> str:
    """Claims (as in ``report.json``) as lines: verdict, statement, measurement, threshold."""
    number = lambda measured: "not measurable" if measured is None or measured != measured else f"{measured:.4g}"
    return "\n".join(f"  {c['verdict'] if c['verdict'] == HOLDS else c['verdict'].upper():<6}  {c['statement']}: "
                     f"{number(c['measured'])} ({c['threshold']})" for c in claims)
