"""A student's .py or .ipynb file, executed anew at each check, as a module of its own and never imported by name.

It is executed statement by statement, as Python does, but so that whoever watches knows which one is next: a file that ends
its process is executed once more up to that statement, and what was defined before can still be checked.
"""

from __future__ import annotations

import __future__
import ast
import builtins
import contextlib
import dataclasses
import importlib.util
import inspect
import linecache
import os
import pathlib
import stat
import sys
import types
import warnings
from typing import Any

import numpy as np

from . import notebook
from .limit import TimeLimit, time_limit
from .report import Problem
from .streams import Printed
from .submission import LONGEST, Submission, worded

MODULE = "student_file"     # the name under which a file is executed; never "__main__"
MOST = 16 * 2 ** 20         # bytes of a file that are read
FUTURE = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
REMARK = "\n(while the file was executed; what stands after that line does not exist)"


class Watch:
    """Whoever wants to know how far a check is; this one does not."""

    def part(self, part: int) -> Problem | None:
        """A file or cell is read next; a Problem if it must not be."""

    def step(self, part: int, step: int, where: str, code: str) -> Problem | None:
        """A statement is next; a Problem if it must not be executed, nor what follows in its file or cell."""


@dataclasses.dataclass
class Handed:
    """A file as it was handed in.

    Attributes:
        path: of it.
        data: its bytes.
    """

    path: pathlib.Path
    data: bytes

    @property
    def is_notebook(self) -> bool:
        return self.path.suffix.lower() == ".ipynb"


def read(path) -> Handed:
    """Read a student's file.

    Raises:
        OSError: there is no such file, it is a folder or a device, larger than ``MOST``, or cannot be read.
    """
    path = pathlib.Path(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(f"check: {path} is a folder; give the student's .py or .ipynb file")
        if not stat.S_ISREG(status.st_mode):   # reading it may never end
            raise OSError(f"check: {path} is a pipe or a device; give the student's .py or .ipynb file")
        if status.st_size > MOST:
            raise OSError(f"check: {path} has {status.st_size / 2 ** 20:.0f} MiB, and a student's file at most {MOST >> 20}")
        return Handed(path, path.read_bytes())
    except FileNotFoundError:
        raise FileNotFoundError(f"check: there is no file {path} (in {pathlib.Path.cwd()})") from None
    except ValueError as error:   # a zero byte in the name
        raise OSError(f"check: {str(path)!r} is no name of a file: {error}") from None
    except OSError as error:
        if str(error).startswith("check: "):
            raise
        raise type(error)(f"check: {path} cannot be read: {error.strerror or error}") from None


def execute(handed: Handed, limit: float, watch: Watch | None = None, alone: bool = False) -> Submission:
    """The names that a file defines.

    What the file prints while it is executed is not shown, and an exception in it becomes a problem of the submission,
    so that what was defined before it can still be checked. A notebook's other cells are executed all the same.

    Args:
        limit: seconds after which the file, or a cell, is stopped; 0 for no limit.
        watch: is told of each statement.
        alone: see Submission.
    """
    module = types.ModuleType(MODULE)
    module.__dict__.update(__file__=str(handed.path), __builtins__=builtins)
    submission = Submission(module.__dict__, str(handed.path), alone)
    sys.modules[MODULE] = module   # dataclasses look it up
    with executing(), warnings.catch_warnings():   # what it asks of warnings is not asked of the checker
        for part, (filename, source) in enumerate(parts(submission, handed)):
            problem = _execute(submission, part, filename, source, limit, handed, watch or Watch())
            if problem is not None and handed.is_notebook:
                submission.notes += ["; ".join(problem.lines())]
            elif problem is not None:
                submission.problems.append(problem)
    return submission


def parts(submission: Submission, handed: Handed) -> list[tuple[str, str | bytes]]:
    """(name, source) of the file, or of each code cell."""
    if not handed.is_notebook:
        remember(str(handed.path), decoded(handed.data))
        return [(str(handed.path), handed.data)]
    try:
        sources = notebook.cells(handed.data)
    except notebook.NotANotebook as error:
        submission.problems.append(Problem(f"{handed.path.name} is not a notebook of format 4: {error}"))
        return []
    named = [(f"{handed.path.name}, cell {number}", source) for number, source in enumerate(sources, 1)]
    for name, source in named:
        remember(name, source)
    return [(name, notebook.python(source)) for name, source in named]


def _execute(submission: Submission, part: int, filename: str, source, limit: float, handed: Handed,
             watch: Watch) -> Problem | None:
    """Execute one file or cell; what went wrong, if something did."""
    stopped = watch.part(part)
    if stopped is not None:
        return stopped
    try:
        steps = compiled(source, filename, handed.is_notebook)
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError) as error:   # ValueError: null bytes
        return unreadable(submission, error, filename, handed)
    try:
        with time_limit(limit), contextlib.redirect_stdout(Printed()), np.errstate(all="ignore"), Loop() as loop:
            for step, (line, code) in enumerate(steps):
                text = linecache.getline(filename, line).strip()[:LONGEST]
                stopped = watch.step(part, step, submission.place(filename, line), text)
                if stopped is not None:
                    return stopped
                result = eval(code, submission.namespace)
                if inspect.iscoroutine(result):
                    loop.run(result)
    except TimeLimit as error:
        return submission.endless(error, limit)
    except BaseException as error:
        problem = submission.raised(error)
        problem.text += REMARK
        return problem
    return None


class Loop:
    """The event loop of a cell that awaits something outside a function."""

    loop: Any = None

    def run(self, coroutine) -> None:
        if self.loop is None:
            import asyncio

            self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(coroutine)

    def __enter__(self):
        return self

    def __exit__(self, *exc) -> None:
        if self.loop is not None:
            self.loop.close()


def compiled(source, filename: str, awaits: bool) -> list[tuple[int, types.CodeType]]:
    """(line, code) of each statement.

    Args:
        awaits: ``await`` may stand outside a function.
    """
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if awaits else 0
    whole = compile(source, filename, "exec", flags, dont_inherit=True)   # also what only the compiler refuses, or warns of
    flags |= whole.co_flags & FUTURE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")   # once is enough
        try:
            tree = compile(source, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
            return [(statement.lineno, compile(ast.Module([statement], []), filename, "exec", flags, dont_inherit=True))
                    for number, statement in enumerate(tree.body) if not (number and is_text(statement))]
        except (RecursionError, MemoryError):   # deeper than the syntax tree can be, though not than the compiler
            return [(1, whole)]


def is_text(statement: ast.stmt) -> bool:
    """A string that stands for itself; alone it would be the docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def unreadable(submission: Submission, error: Exception, filename: str, handed: Handed) -> Problem:
    """A file or cell that is not Python as a Problem."""
    line = getattr(error, "lineno", None)
    text = (getattr(error, "text", None) or "").strip()[:LONGEST]
    message, likely = getattr(error, "msg", None) or worded(error).partition(": ")[2], ""
    if text[:1] in ("%", "!") and not handed.is_notebook:
        likely = "a notebook command, which plain Python does not know: remove it, or hand in the .ipynb"
    elif handed.data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        likely = "the file is saved as UTF-16 (\"Unicode\"): save it as UTF-8"
    elif b"\0" in handed.data:
        likely = "the file is damaged, or no text"
    elif "codec can't decode" in message:
        likely = "the file is not saved as UTF-8: save it as that, or say in its first line what it is: # -*- coding: latin-1 -*-"
    elif isinstance(error, (MemoryError, RecursionError)):
        message, likely = message or "it is too much for the parser", "an expression that is nested thousands of times"
    return Problem(f"{type(error).__name__}: {message}", likely, submission.place(filename, line), text)


def decoded(data: bytes) -> str:
    """The text of a file for messages, whatever its encoding."""
    try:
        return importlib.util.decode_source(data)
    except (SyntaxError, ValueError, LookupError):
        return data.decode("latin-1")


def remember(filename: str, text: str) -> None:
    """The lines that messages show are those that are executed, whatever becomes of the file."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    linecache.cache[filename] = (len(text), None, [line + "\n" for line in lines], filename)


@contextlib.contextmanager
def executing():
    """``check`` does nothing in what is executed now."""
    Submission.executing = True
    try:
        yield
    finally:
        Submission.executing = False


@contextlib.contextmanager
def own_folder(path: pathlib.Path):
    """A student's own modules beside the file can be imported, and are forgotten afterwards, as is the file's own name."""
    folder, before, module = str(path.resolve().parent), set(sys.modules), sys.modules.get(MODULE)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        sys.modules.pop(MODULE, None)
        if module is not None:
            sys.modules[MODULE] = module
        for name in set(sys.modules) - before:
            if os.path.dirname(getattr(sys.modules[name], "__file__", None) or "") == folder:
                del sys.modules[name]
