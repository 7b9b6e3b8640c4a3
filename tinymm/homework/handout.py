"""The student's versions of the exercises, and how one becomes a file or a notebook of the student's own.

They are data of the package, in ``handouts``: Python files in the percent format, which ``lectures/homework/generate.py`` makes
of the solutions. A notebook is made of one here, so that a student needs no jupytext.
"""

from __future__ import annotations

import json
import os
import pathlib
import re

from ..backend.files import replacing

FOLDER = pathlib.Path(__file__).parent / "handouts"
CELL = re.compile(r"# %%(?: \[(markdown)\])?(.*)")
HEADING = re.compile(r"^# # Exercise \d+: (.+)$", re.MULTILINE)
METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}}


def handouts() -> dict[int, pathlib.Path]:
    """The number of each exercise, and its file."""
    return {int(path.name[:2]): path for path in sorted(FOLDER.glob("[0-9][0-9]_*.py"))}


def title(path: pathlib.Path) -> str:
    """What the first heading of an exercise's file says behind its number.

    Raises:
        ValueError: there is no such heading.
    """
    found = HEADING.search(path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"exercise: {path.name} has no heading \"Exercise N: title\"")
    return found[1]


def find_handout(number: int | str) -> pathlib.Path:
    """The student's version of an exercise, by its number ("04", "4" or 4).

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    known = handouts()
    if not re.fullmatch(r"[0-9]{1,2}", str(number)) or int(number) not in known:
        there = ", ".join(f"{n:02d} {title(path)}" for n, path in known.items())
        raise ValueError(f"exercise: there is no exercise {str(number)!r}; there are {there}")
    return known[int(number)]


def write_handout(number: int | str, out: str | os.PathLike | None = None, notebook: bool = False, force: bool = False) -> str:
    """Write the student's version of an exercise, completely or not at all.

    Args:
        number: of the lecture ("04", 4).
        out: the name of the file; by default that of the exercise, in the current folder. One that ends in .ipynb is a
            notebook.
        notebook: write a notebook.
        force: replace a file that is there.

    Returns:
        str: the name of the file.

    Raises:
        ValueError: there is no such exercise, or ``out`` has the suffix of something else.
        FileExistsError: the file is there, and ``force`` is not set.
        OSError: it cannot be written.
    """
    handout = find_handout(number)
    name = os.fspath(out if out is not None else handout.stem + (".ipynb" if notebook else ".py"))
    suffix = pathlib.Path(name).suffix.lower()
    if suffix not in ((".ipynb",) if notebook else (".py", ".ipynb")):
        raise ValueError(f"exercise: {name!r} must end in .ipynb" + ("" if notebook else ", for a notebook, or in .py"))
    if os.path.lexists(name) and not force:
        raise FileExistsError(f"exercise: {name!r} is there already, and may hold your work; give another name with --out, or "
                              "--force to replace it")
    text = handout.read_text(encoding="utf-8")
    with replacing(name) as temporary:
        temporary.write_text(as_notebook(text) if suffix == ".ipynb" else text, encoding="utf-8", newline="\n")
    return name


def as_notebook(source: str) -> str:
    """A file in the percent format as the JSON of a notebook of format 4.5, with the metadata of its cells (nbgrader's).

    A cell begins with a line "# %%" or "# %% [markdown]", behind which stand its metadata, as key={...}. What stands before
    the first one is jupytext's, and left out.
    """
    cells: list[dict] = []
    for line in source.splitlines():
        begins = CELL.fullmatch(line)
        if begins:
            kind = begins[1] or "code"
            cell: dict = {"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": metadata(begins[2].strip()), "source": []}
            cells.append({**cell, "execution_count": None, "outputs": []} if kind == "code" else cell)
        elif cells:
            cells[-1]["source"].append(re.sub(r"^# ?", "", line) if cells[-1]["cell_type"] == "markdown" else line)
    for cell in cells:
        cell["source"] = "\n".join(cell["source"]).strip("\n").splitlines(keepends=True)
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def metadata(text: str) -> dict:
    """The metadata of a cell, of which a line "# %% key={...}" has one, or none."""
    key, _, value = text.partition("=")
    return {key: json.loads(value)} if key else {}
