"""Feedback as HTML: a page a student, and an index for the teacher.

There is no script and no network, and nothing that a student wrote is markup.
"""

from __future__ import annotations

import hashlib
import html
import os
import pathlib
import re

from ...backend.files import replacing
from ..report import VERDICTS, FunctionResult, Problem
from .one import Graded
from .summary import Summary

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --text: #1c2024; --soft: #5b6570; --page: #fff; --card: #f4f6f8; --line: #d5dbe1;
  --right: #17663a; --wrong: #a8112b; --open: #7a5600; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --soft: #a2adb8; --page: #15181c; --card: #1e2329; --line: #38414b;
  --right: #6fd69a; --wrong: #ff8f9c; --open: #e8bd62; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: .5rem 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .9rem; margin: .7rem 0; }
section h2 { margin: 0; font-size: 1rem; } code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { margin: .4rem 0; white-space: pre-wrap; } ul { margin: .4rem 0; padding-left: 1.3rem; }
.ok { color: var(--right); } .wrong { color: var(--wrong); } .open { color: var(--open); } .verdict { font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; } th, .number { white-space: nowrap; } .name { min-width: 6.5rem; } a { color: inherit; }
@media (max-width: 30rem) { body { padding: .6rem; } .late { display: none; } }
"""
escape = html.escape


def page(title: str, body: str) -> str:
    """A whole page."""
    return (f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
            f"<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n")


def colour(verdict: str) -> str:
    """The class of a verdict."""
    return "ok" if verdict == "ok" else "open" if verdict in ("to do", "not checked", "missing") else "wrong"


def feedback(one: Graded) -> str:
    """The page of a student."""
    report = one.report
    parts = [f"<h1>{escape(one.student)}</h1>", f"<p>{escape(report.headline)}</p>",
             f'<p class="soft">{escape(report.graded)}</p>']
    if one.failed:
        parts.append(f'<p class="wrong">This could not be graded: {escape(one.failed)}</p>')
    if report.problems:
        parts.append(f"<section><h2>The file</h2>{''.join(map(told, report.problems))}</section>")
    parts += [section(result) for result in report.results]
    if report.notes:
        parts.append(f"<h2>Notes</h2><ul>{''.join(f'<li>{escape(note)}</li>' for note in report.notes)}</ul>")
    return page(f"{one.student}: {report.title}", "\n".join(parts))


def section(result: FunctionResult) -> str:
    """What is to be said of a function."""
    where = f" ({escape(result.where)})" if result.where and not result.ok else ""
    marks = f'<p class="soft">{escape(result.marks())}</p>' if result.marks() else ""
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in result.notes)
    return (f'<section><h2><code>{escape(result.function)}</code> <span class="verdict {colour(result.verdict)}">'
            f"{escape(result.verdict)}</span></h2>"
            + (f'<p class="soft">{escape(VERDICTS[result.verdict])}{where}</p>' if not result.ok else "")
            + marks + "".join(map(told, result.problems)) + notes + "</section>")


def told(problem: Problem) -> str:
    """A problem as markup."""
    text = "".join(f"<p>{escape(line)}</p>" for line in problem.text.splitlines())
    place = f'<pre>{escape(problem.where)}{":  " if problem.code else ""}{escape(problem.code)}</pre>' if problem.where else ""
    return text + place + (f"<p><b>Likely:</b> {escape(problem.likely)}</p>" if problem.likely else "")


def index(graded: list[Graded], files: dict[str, str], found: Summary, title: str) -> str:
    """The page of the teacher."""
    rows = "".join(
        f'<tr><td class="name"><a href="{escape(files[one.student])}">{escape(one.student)}</a></td>'
        f'<td class="number">{one.report.earned} / {one.report.possible}</td>'
        f'<td>{" ".join(verdict(result) for result in one.report.results)}'
        f'{"".join(f"<p>{escape(problem.text.splitlines()[0])}</p>" for problem in one.report.problems[:1] if problem.text)}</td>'
        f'<td class="number late">{one.report.seconds:.1f}</td></tr>' for one in graded)
    functions = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td class=\"number\">{found.functions[name]['ok']} of {len(graded)}</td><td>"
        f"{escape(', '.join(f'{n} {v}' for v, n in found.functions[name].most_common() if v != 'ok'))}</td></tr>"
        for name in found.hard)
    mistakes = "".join(
        f'<tr><td class="number">{len(mistake.students)}</td><td><code>{escape(mistake.function)}</code><br>{escape(mistake.text)}'
        f'<br><span class="soft">{escape(", ".join(mistake.students))}</span></td></tr>' for mistake in found.mistakes)
    return page(title, f"""<h1>{escape(title)}</h1>
<p>{escape(found.lines()[0])}</p>
<h2>Students</h2>
<div class="wide"><table><tr><th>student</th><th class="number">points</th><th>functions</th>
<th class="number late">seconds</th></tr>
{rows}</table></div>
<h2>Functions, the hardest first</h2>
<div class="wide"><table><tr><th>function</th><th class="number">right</th><th>otherwise</th></tr>{functions}</table></div>
<h2>Mistakes, the most frequent first</h2>
<div class="wide"><table><tr><th class="number">times</th><th>mistake</th></tr>{mistakes}</table></div>""")


def verdict(result: FunctionResult) -> str:
    """A verdict as a mark with the function as its title."""
    sign = {"ok": "&#10003;", "wrong": "&#10007;", "error": "!", "time limit": "&#8734;"}.get(result.verdict, "&ndash;")
    words = escape(f"{result.function}: {result.verdict}")
    return f'<span class="{colour(result.verdict)}" title="{words}" aria-label="{words}" role="img">{sign}</span>'


def filename(student: str) -> str:
    """The name of a student's page: one that every system takes, and no other student's."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", student).strip("-")[:60]
    mark = hashlib.sha256(student.encode(errors="surrogateescape")).hexdigest()[:6]
    as_it_is = slug == student and slug.islower() and slug != "index"
    return f"{slug}.html" if as_it_is else f"{slug or 'student'}-{mark}.html"


def write_pages(folder: str | os.PathLike, graded: list[Graded], found: Summary, title: str) -> None:
    """Write the pages, each completely or not at all."""
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = {one.student: filename(one.student) for one in graded}
    pages = {files[one.student]: feedback(one) for one in graded} | {"index.html": index(graded, files, found, title)}
    for name, text in pages.items():
        with replacing(target / name) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
