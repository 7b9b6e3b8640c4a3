"""Docstrings for Sphinx: they are plain text, whose stars and bars are products and sizes, and whose indented lines formulas."""

from __future__ import annotations

import re

SECTION = re.compile(r"[A-Z][a-z]+( [a-z]+)*:$")        # "Args:", "Returns:", "Gradient:"
LITERAL = re.compile(r"(``.+?``)")
MARKUP = re.compile(r"([*|`]|(?<=\w)_(?!\w))")


def process(app, what, name, obj, options, lines: list[str]) -> None:
    """Make reStructuredText of a docstring, in place: formulas literal blocks, stars and bars no markup.

    Connected to ``autodoc-process-docstring`` before napoleon, which knows the sections.
    """
    made: list[str] = []
    section, formula = False, False
    for i, line in enumerate(lines):
        indented = line.startswith("    ")
        if line and not indented:
            section, formula = bool(SECTION.match(line)), False
        elif indented and not section and not formula and i and not lines[i - 1].strip():
            made += [] if i > 1 and lines[i - 2].endswith("::") else ["::", ""]
            formula = True
        made.append(line if formula else escaped(line))
    lines[:] = made


def escaped(line: str) -> str:
    """A line whose ``*``, ``|`` and trailing underscores, outside of literals, stand for themselves."""
    literal = lambda part: part.startswith("``") and len(part) > 4
    return "".join(part if literal(part) else MARKUP.sub(r"\\\1", part) for part in LITERAL.split(line))
