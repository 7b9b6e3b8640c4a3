"""What a student handed in: the names defined in it, the places in it, and its exceptions in words."""

from __future__ import annotations

import difflib
import inspect
import linecache
import os
import sys
import traceback

from .limit import TimeLimit
from .report import Problem

MOST = 2_000     # characters of an exception's message that are told
LONGEST = 200    # of a source line that is shown


class Submission:
    """The names that a student defined.

    Attributes:
        namespace: name -> value.
        label: what the report calls it.
        problems: what is wrong with it as a whole.
        notes: what else is worth knowing.
        alone: it runs in a process of its own, where nobody presses Ctrl-C: a KeyboardInterrupt is the student's.
    """

    executing = False     # a file is being executed, and what it calls must not start another check

    def __init__(self, namespace: dict, label: str, alone: bool = False):
        self.namespace, self.label, self.alone = namespace, label, alone
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
        try:
            code = inspect.unwrap(function).__code__ if callable(function) else None
            return self.place(code.co_filename, code.co_firstlineno) if inspect.iscode(code) else ""
        except Exception:   # an object that answers as it likes
            return ""

    def last_place(self, frames) -> tuple[str, str]:
        """Place and source line of the innermost of the student's own frames; ("", "") if there is none.

        Args:
            frames: (filename, line, globals), the innermost last.
        """
        own = [(filename, line) for filename, line, names in frames if names is self.namespace]
        return (self.place(*own[-1]), linecache.getline(*own[-1]).strip()[:LONGEST]) if own else ("", "")

    def raised(self, error: BaseException) -> Problem:
        """An exception as a Problem, with the student's own line; Ctrl-C is none, and goes on its way."""
        if isinstance(error, KeyboardInterrupt) and not self.alone:
            raise error
        frames = [(frame.f_code.co_filename, line, frame.f_globals) for frame, line in traceback.walk_tb(error.__traceback__)]
        where, code = self.last_place(frames)
        if isinstance(error, SystemExit):
            return Problem("it ends the program (exit, quit or sys.exit)", where=where, code=code)
        return Problem(worded(error), hint(error), where, code)

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


def worded(error: BaseException) -> str:
    """An exception in words: its type and its message, which may be long, or raise in its turn."""
    try:
        message = str(error)
    except Exception as fault:
        message = f"(its message cannot be told: that raises {type(fault).__name__})"
    message = str.__getitem__(message, slice(MOST)).strip() + (" ..." if len(message) > MOST else "")
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def hint(error: BaseException) -> str:
    """What to think of at an exception; "" where its message says it."""
    if isinstance(error, MemoryError):
        return "an array far larger than the exercise needs"
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "a file is executed by itself, not as part of a package: import a file beside it without the dot"
    return ""
