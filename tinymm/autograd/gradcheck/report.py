"""The outcome of a gradient check, for the terminal and for a notebook."""

from __future__ import annotations

import dataclasses
import html
import math

import numpy as np

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
    ulps: float | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against this gradient."""
        return self.verdict not in FAILURES

    def row(self) -> list[str]:
        """The cells of the table."""
        along = self.index is None and not math.isnan(self.numeric)
        known = self.index is not None or along
        number = lambda v: "" if not known or math.isnan(v) and self.verdict != "wrong" else f"{v:.9g}"
        return [self.name, str(tuple(self.shape)), self.checked, self.verdict,
                "a direction" if along else str(list(self.index or ())) if known else "",
                number(self.analytic), number(self.numeric), f"{self.error:.1e}" if known else ""]


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
        head = ["argument", "shape", "checked", "verdict", "at", "analytic", "numeric", "rel. error"]
        rows = [a.row() for a in self.arguments]
        if any(a.ulps is not None for a in self.arguments):
            head.append("float32 ulps")
            rows = [[*row, "" if a.ulps is None else f"{a.ulps:.1f}"] for row, a in zip(rows, self.arguments)]
        lines = [f"gradcheck of {self.name}: {'ok' if self.ok else 'FAILED'}", *_table([head, *rows])]
        for a in self.arguments:
            if a.guess:
                lines.append(f"{a.name}: {a.guess}")
            if not a.ok and a.curve:
                lines.append(f"{a.name}{list(a.index or ())} by step size (analytic {a.analytic:.9g}):")
                lines += _table([["h", *(f"{h:.0e}" for h, _ in a.curve[::2])],
                                 ["numeric", *(f"{d:.6g}" for _, d in a.curve[::2])],
                                 ["error", *(f"{abs(d - a.analytic):.0e}" for _, d in a.curve[::2])]])
        lines += [f"{v}: {VERDICTS[v]}" for v in dict.fromkeys(a.verdict for a in self.arguments) if v != "ok"]
        lines += [f"note: {note}" for note in self.notes]
        if self.second is not None:
            lines += ["", repr(self.second)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        escape = html.escape
        head = ["argument", "shape", "checked", "verdict", "at", "analytic", "numeric", "rel. error",
                "error by step size", "guess"]
        rows = []
        for a in self.arguments:
            colour = "#b00020" if not a.ok else "#1b6e3c" if a.verdict == "ok" else "#8a6100"
            cells = [f"<td>{escape(c)}</td>" for c in a.row()]
            cells[3] = (f'<td style="color:{colour};font-weight:600" title="{escape(VERDICTS[a.verdict])}">{a.verdict}'
                        "</td>")
            rows.append("<tr>" + "".join(cells) + f"<td>{_u_curve(a)}</td>"
                        f'<td style="text-align:left;white-space:normal;max-width:24em">{escape(a.guess)}</td></tr>')
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return (f"<div><b>gradcheck of {escape(self.name)}: {'ok' if self.ok else 'failed'}</b><table><thead><tr>"
                + "".join(f"<th>{h}</th>" for h in head) + f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
                + (f"<ul>{notes}</ul>" if notes else "")
                + (self.second._repr_html_() if self.second is not None else "") + "</div>")

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


def relative_error(analytic: float, numeric: float, floor: float = 0.0) -> float:
    """|a - n| relative to the larger of the two, or to ``floor`` where that is larger."""
    if math.isnan(analytic) or math.isnan(numeric):
        return math.nan
    if analytic == numeric:
        return 0.0
    return abs(analytic - numeric) / max(abs(analytic), abs(numeric), floor)


def _table(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]


def _u_curve(a: ArgumentReport, width: int = 150, height: int = 60) -> str:
    """The error of the central difference over the step size, both logarithmic, as SVG."""
    points = [(h, abs(d - a.analytic)) for h, d in a.curve if np.isfinite(d) and np.isfinite(a.analytic)]
    if len(points) < 2:
        return ""
    xs = [math.log10(h) for h, _ in points]
    ys = [math.log10(max(e, 1e-16)) for _, e in points]
    x0, x1, y0, y1 = min(xs), max(xs), min(min(ys), -12), max(max(ys), 0)
    at = lambda x, y: f"{6 + (x - x0) / (x1 - x0) * (width - 12):.1f},{6 + (y1 - y) / (y1 - y0) * (height - 12):.1f}"
    return (f'<svg width="{width}" height="{height}" role="img"><title>error of the difference, 1e{y0:.0f} to '
            f'1e{y1:.0f}, over h = 1e{x0:.0f} to 1e{x1:.0f}</title><rect width="{width}" height="{height}" fill="none" '
            f'stroke="currentColor" opacity="0.3"/><polyline fill="none" stroke="#1f5fa8" stroke-width="1.5" '
            f'points="{" ".join(at(x, y) for x, y in zip(xs, ys))}"/></svg>')
