"""The code cells of a notebook file as Python: what is for the notebook alone is left out, line numbers stay.

Left out are lines with a magic (``%matplotlib inline``), a command of the shell (``!ls``, ``files = !ls``) or a question
(``np.dot?``), and cells for another language (``%%bash``). ``%time x = f()`` is executed without its ``%time``. A line counts
only where a statement can begin: in a string over several lines, in brackets or after a backslash, "% b" is Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

RUN_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")      # cell magics whose cell is Python all the same
ASSIGNED = re.compile(r"([\w.\[\], *()]+=)\s*[%!](?![=%!])")        # files = !ls
QUESTION = re.compile(r"\?{1,2}\s*[\w.*%]+\s*$|%{0,2}[\w.*\[\]]+\s*\?{1,2}\s*$")
TIMED = re.compile(r"%time\s+(?!-)(?=\S)")
STRING = re.compile(r"'''|\"\"\"|'|\"")


class NotANotebook(ValueError):
    """The file is damaged, or something else; the message says where."""


def cells(data: bytes) -> list[str]:
    """The source of each code cell, as it stands in the file; of formats 3 and later.

    Raises:
        NotANotebook: it cannot be read as one.
    """
    if not data.strip():
        raise NotANotebook("the file is empty")
    try:
        notebook = json.loads(data)   # in UTF-8, UTF-16 or UTF-32, with a mark at its beginning or without
    except (ValueError, RecursionError) as error:
        raise NotANotebook(f"{type(error).__name__}: {error}") from None
    sheets = notebook.get("worksheets") if isinstance(notebook, dict) else None
    found = notebook.get("cells") if isinstance(notebook, dict) else None
    if found is None and isinstance(sheets, list):   # format 3
        found = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    if not isinstance(found, list):
        raise NotANotebook("it has no list of cells")
    sources = []
    for number, cell in enumerate(found, 1):
        if not isinstance(cell, dict) or "cell_type" not in cell:
            raise NotANotebook(f"cell {number} has no cell_type")
        if cell["cell_type"] != "code":
            continue
        source = cell.get("source", cell.get("input", ""))
        lines = [source] if isinstance(source, str) else source
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise NotANotebook(f"the source of cell {number} is neither text nor a list of lines")
        sources.append("".join(lines))
    return sources


def python(source: str) -> str:
    """The Python of a cell."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if lines[first:] and lines[first].startswith("%%"):
        if lines[first].split()[0] not in RUN_CELLS:
            return "\n"
        lines[first] = ""
    return "\n".join(_plain(lines)) + "\n"


def _plain(lines: list[str]) -> Iterator[str]:
    """The lines with what is for the notebook alone replaced."""
    quote, depth, command = "", 0, False   # an open string's quote; open brackets; the last line was a command and goes on
    joined = False                         # the last line ends in a backslash
    for line in lines:
        text = line.lstrip()
        indent = line[:len(line) - len(text)]
        if command:
            command = text.endswith("\\")
            yield ""
            continue
        if not quote and not depth and not joined:
            timed, assigned = TIMED.match(text), ASSIGNED.match(text)
            if timed:
                text = text[timed.end():]
            elif text[:1] in ("%", "!") or assigned or QUESTION.match(text):
                command = text.endswith("\\")
                yield f"{indent}{assigned[1]} None" if assigned else f"{indent}pass"
                continue
        quote, depth, joined = _after(text, quote, depth)
        yield indent + text


def _after(line: str, quote: str, depth: int) -> tuple[str, int, bool]:
    """Which string is open, how many brackets are, and whether a backslash joins the next line, behind a line of Python."""
    at = 0
    while at < len(line):
        if quote:
            if line[at] == "\\":
                at += 2
            elif line.startswith(quote, at):
                at, quote = at + len(quote), ""
            else:
                at += 1
            continue
        string = STRING.match(line, at)
        if string:
            at, quote = string.end(), string[0]
            continue
        if line[at] == "#":
            break
        depth = max(0, depth + (line[at] in "([{") - (line[at] in ")]}"))
        at += 1
    joined = line.endswith("\\") and (not quote or len(quote) == 1) and "#" not in line[-2:]
    return (quote if len(quote) == 3 or joined else ""), depth, joined
