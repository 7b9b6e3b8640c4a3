"""What a student hands in: a file, a notebook, or the namespace of a running notebook; and places in it.

A file is read from the disk and executed anew at each check, as a module of its own, never imported by name: what is
judged is what stands in it now.
"""

from __future__ import annotations

import builtins
import contextlib
import difflib
import inspect
import io
import json
import linecache
import os
import pathlib
import sys
import traceback
import types

import numpy as np

from .limit import TimeLimit, time_limit
from .report import Problem

MODULE = "student_file"     # the name under which a file is executed; never "__main__"


class Submission:
    """The names that a student defined.

    Attributes:
        namespace: name -> value.
        label: what the report calls it.
        problems: what is wrong with it as a whole.
        notes: what else is worth knowing.
    """

    executing = False     # a file is being executed, and what it calls must not start another check

    def __init__(self, namespace: dict, label: str):
        self.namespace, self.label = namespace, label
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    # ------------------------------------------------------------------ places

    def place(self, filename: str, line: int | None) -> str:
        """A place in words: "my.py, line 12"; "Cell In[3], line 4" in a running notebook."""
        shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
        named = getattr(getattr(shell, "compile", None), "format_code_name", lambda name: None)(filename)
        name = " ".join(named) if named else os.path.basename(filename)
        return f"{name}, line {line}" if line else name

    def defined(self, function) -> str:
        """Where a function is defined; "" where that cannot be said."""
        code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
        return self.place(code.co_filename, code.co_firstlineno) if code is not None else ""

    def last_place(self, frames) -> tuple[str, str]:
        """Place and source line of the innermost of the student's own frames; ("", "") if there is none.

        Args:
            frames: (filename, line, globals), the innermost last.
        """
        own = [(filename, line) for filename, line, names in frames if names is self.namespace]
        return (self.place(*own[-1]), linecache.getline(*own[-1]).strip()) if own else ("", "")

    def raised(self, error: BaseException) -> Problem:
        """An exception as a Problem, with the student's own line."""
        frames = [(frame.f_code.co_filename, line, frame.f_globals) for frame, line in traceback.walk_tb(error.__traceback__)]
        where, code = self.last_place(frames)
        if isinstance(error, SystemExit):
            return Problem("it ends the program (exit or quit)", where=where, code=code)
        message = str(error).strip()
        return Problem(f"{type(error).__name__}: {message}" if message else type(error).__name__, where=where, code=code)

    def endless(self, error: TimeLimit, seconds: float) -> Problem:
        """A TimeLimit as a Problem."""
        where, code = self.last_place(error.frames)
        return Problem(f"still running after {seconds:g} s, and stopped", "an endless loop, or loops over all elements that "
                       "array operations could do", where, code)

    def similar(self, name: str) -> str:
        """Names in the file that look like ``name``, in words; "" if none does."""
        own = [n for n, value in self.namespace.items() if inspect.isfunction(value) and not n.startswith("_")]
        close = difflib.get_close_matches(name, own, n=1, cutoff=0.75)
        return f"; is {close[0]} meant to be it?" if close else ""


def of_file(path, limit: float) -> Submission:
    """Read and execute a student's .py or .ipynb file.

    What the file prints while it is executed is not shown, and an exception in it becomes a problem of the submission,
    so that what was defined before it can still be checked.

    Args:
        path: of the file.
        limit: seconds after which it is stopped; 0 for no limit.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"check: {path} is a folder; give the student's .py or .ipynb file")
    if not path.exists():
        raise FileNotFoundError(f"check: there is no file {path} (in {pathlib.Path.cwd()})")
    module = types.ModuleType(MODULE)
    module.__dict__.update(__file__=str(path), __builtins__=builtins)
    submission = Submission(module.__dict__, str(path))
    parts = _cells(submission, path) if path.suffix == ".ipynb" else [(str(path), path.read_bytes())]
    with executing(module):
        for filename, source in parts:
            problem = _execute(submission, filename, source, limit)
            if problem is not None and path.suffix == ".ipynb":   # a notebook's other cells are run all the same
                submission.notes += ["; ".join(problem.lines())]
            elif problem is not None:
                submission.problems.append(problem)
    return submission


def _execute(submission: Submission, filename: str, source, limit: float) -> Problem | None:
    """Execute one file or cell; what went wrong, if something did."""
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:   # ValueError: null bytes
        line = getattr(error, "lineno", None)
        text = (getattr(error, "text", None) or "").strip()
        likely = "a notebook command, which plain Python does not know: remove it, or hand in the .ipynb" \
            if text[:1] in ("%", "!") else ""
        message = getattr(error, "msg", None) or str(error)
        return Problem(f"{type(error).__name__}: {message}", likely, submission.place(filename, line), text)
    linecache.checkcache(filename)
    try:
        with time_limit(limit), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            exec(code, submission.namespace)
    except TimeLimit as error:
        return submission.endless(error, limit)
    except (Exception, SystemExit) as error:
        problem = submission.raised(error)
        problem.text += "\n(while the file was executed; what stands after that line does not exist)"
        return problem
    return None


def _cells(submission: Submission, path: pathlib.Path) -> list[tuple[str, str]]:
    """(name, source) of each code cell, without the notebook's own commands."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [c["source"] if isinstance(c["source"], str) else "".join(c["source"])
                   for c in cells if c["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        submission.problems.append(Problem(f"{path.name} is not a notebook of format 4: {type(error).__name__}: {error}"))
        return []
    parts = []
    for number, source in enumerate(sources, 1):
        lines = source.splitlines()
        if lines and lines[0].startswith("%%"):   # the whole cell is for something else, unless it is timed or the like
            lines = ["", *lines[1:]] if lines[0].split()[0] in ("%%time", "%%timeit", "%%capture", "%%prun") else []
        plain = ["pass" if line.lstrip()[:1] in ("%", "!") else line for line in lines]
        plain = [line[:len(line) - len(line.lstrip())] + text if text == "pass" else text for line, text in zip(lines, plain)]
        name, text = f"{path.name}, cell {number}", "\n".join(plain) + "\n"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)   # for the lines in messages
        parts.append((name, text))
    return parts


@contextlib.contextmanager
def executing(module):
    """The module is known while it is executed (dataclasses look it up), and ``check`` in it does nothing."""
    before, Submission.executing = sys.modules.get(MODULE), True
    sys.modules[MODULE] = module
    try:
        yield
    finally:
        Submission.executing = False
        if before is None:
            del sys.modules[MODULE]
        else:
            sys.modules[MODULE] = before


@contextlib.contextmanager
def own_folder(path: pathlib.Path):
    """A student's own modules beside the file can be imported, and are forgotten afterwards."""
    folder, before = str(path.resolve().parent), set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if os.path.dirname(getattr(sys.modules[name], "__file__", None) or "") == folder:
                del sys.modules[name]
