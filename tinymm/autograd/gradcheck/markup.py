"""A report for a notebook: a table, and for each argument its sentences and the U of the numeric error over the step size."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from .text import HEAD

if TYPE_CHECKING:
    from .report import ArgumentReport, GradcheckReport

WIDTH, HEIGHT = 300, 130                 # of a curve, in its own units and in pixels
LEFT, BOTTOM, MARGIN = 44, 32, 8         # room for the labels of its axes


def page_of(report: GradcheckReport, verdicts: dict[str, str]) -> str:
    """The report as HTML, without scripts, styles of its own or a network. Only the table scrolls in a narrow column."""
    rows = "".join(row(a, verdicts) for a in report.arguments)
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    below = "".join(said(a) for a in report.arguments)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes)
    return (f'<div><b>gradcheck of {html.escape(report.name)}: {"ok" if report.ok else "FAILED"}</b>'
            f'<div style="overflow-x:auto"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{below}'
            + (f"<ul>{notes}</ul>" if notes else "") + (page_of(report.second, verdicts) if report.second is not None else "")
            + "</div>")


def row(a: ArgumentReport, verdicts: dict[str, str]) -> str:
    """The cells of an argument."""
    colour = "#b00020" if not a.ok else "#1b6e3c" if a.verdict == "ok" else "#8a6100"
    cells = [f'<td style="white-space:nowrap">{html.escape(cell)}</td>' for cell in a.row()]
    cells[3] = (f'<td style="color:{colour};font-weight:600;white-space:nowrap" title="{html.escape(verdicts[a.verdict])}">'
                f"{a.verdict}</td>")
    return f"<tr>{''.join(cells)}</tr>"


def said(a: ArgumentReport) -> str:
    """What there is to say of an argument, and its curve."""
    text = "<br>".join(html.escape(sentence) for sentence in (a.guess, a.extent) if sentence)
    picture = curve(a)
    where = f"{html.escape(a.name)}{list(a.index)}" if a.index else html.escape(a.name)
    caption = f'<div style="opacity:0.7">relative error at {where} by step size</div>{picture}' if picture else ""
    return f'<div style="margin:0.5em 0"><strong>{html.escape(a.name)}</strong>: {text or a.verdict}{caption}</div>' \
        if text or picture else ""


def curve(a: ArgumentReport) -> str:
    """The relative error of the central difference over the step size h, both logarithmic, as SVG with axes; "" without a curve."""
    size = max(abs(a.analytic), abs(a.numeric) if math.isfinite(a.numeric) else 0.0) or 1.0
    points = [(math.log10(h), math.log10(max(abs(d - a.analytic) / size, 1e-16))) for h, d in a.curve
              if math.isfinite(d - a.analytic)]
    if len(points) < 2:
        return ""
    x0, x1 = math.floor(min(x for x, _ in points)), math.ceil(max(x for x, _ in points))
    y0, y1 = math.floor(min(-12.0, *(y for _, y in points))), math.ceil(max(0.0, *(y for _, y in points)))
    across = lambda x: LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - MARGIN)
    down = lambda y: MARGIN + (y1 - y) / (y1 - y0) * (HEIGHT - MARGIN - BOTTOM)
    text = lambda x, y, words, anchor: f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'
    ticks = [text(across(x), HEIGHT - BOTTOM + 12, f"1e{x}", "middle") for x in range(x0, x1 + 1, max(1, (x1 - x0) // 3))]
    ticks += [text(LEFT - 4, down(y) + 3, f"1e{y}", "end") for y in range(y1, y0 - 1, -max(1, (y1 - y0) // 4))]
    drawn = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
    words = f"relative error of the numeric derivative against the analytic one, over step sizes h from 1e{x0} to 1e{x1}"
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="width:{WIDTH}px;max-width:100%;height:auto" role="img" '
            f'aria-label="{words}" fill="currentColor" font-size="10"><title>{words}</title>'
            f'<path d="M{LEFT} {MARGIN}V{HEIGHT - BOTTOM}H{WIDTH - MARGIN}" fill="none" stroke="currentColor" opacity="0.5"/>'
            f'{"".join(ticks)}{text((LEFT + WIDTH) / 2, HEIGHT - 6, "step size h", "middle")}'
            f'<text transform="translate(9 {(HEIGHT - BOTTOM) / 2 + 4:.0f}) rotate(-90)" text-anchor="middle">relative error</text>'
            f'<polyline fill="none" stroke="#1f77b4" stroke-width="1.8" points="{drawn}"/></svg>')
