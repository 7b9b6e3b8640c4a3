"""What a student handed in: the names defined in it, its calls, the places in it, and its exceptions in words.

The judgement (``call.py`` and above) asks a submission for ``find``, ``invoke``, ``judging`` and ``mend`` alone. The one here is
in this process; ``remote.py`` has another of the same face whose functions run in a process of their own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import dis
import inspect
import linecache
import os
import sys
import traceback

import numpy as np

from .guard import Guard
from .limit import TimeLimit, time_limit
from .report import Problem
from .streams import Printed
from .uses import uses

MOST = 2_000     # characters of an exception's message that are told
LONGEST = 200    # of a source line that is shown


class NoProcess(OSError):
    """The process in which the functions should run cannot be started."""


class Unfit(Exception):
    """The function cannot be called with these arguments; the message is its signature."""


class Raised(Exception):
    """The function raised.

    Attributes:
        problem: what, and where.
        unwritten: it was NotImplementedError.
    """

    def __init__(self, problem: Problem, unwritten: bool):
        super().__init__(problem.text)
        self.problem, self.unwritten = problem, unwritten


@dataclasses.dataclass(frozen=True)
class Found:
    """What a submission has under a name.

    Attributes:
        callable: whether it can be called.
        kind: it in a few words.
        where: where it is defined; "" where that cannot be said.
        module: of another file that it was imported from; "" for the student's own.
        returns: place and line of its return; ("", "") if it has none, or several.
        uses: package that it and the student's functions that it calls reach -> (place, line of code).
    """

    callable: bool
    kind: str
    where: str = ""
    module: str = ""
    returns: tuple[str, str] = ("", "")
    uses: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


class Submission:
    """The names that a student defined.

    Attributes:
        namespace: name -> value.
        label: what the report calls it.
        problems: what is wrong with it as a whole.
        notes: what else is worth knowing.
        alone: it runs in a process of its own, where nobody presses Ctrl-C: a KeyboardInterrupt is the student's.
        guard: puts back what its functions replace.
    """

    executing = False     # a file is being executed, and what it calls must not start another check
    guard: Guard | None = None

    def __init__(self, namespace: dict, label: str, alone: bool = False):
        self.namespace, self.label, self.alone = namespace, label, alone
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.seen: dict[str, tuple[object, Found]] = {}   # asked for at each of some thousand calls

    # ------------------------------------------------------------------ functions

    def find(self, name: str) -> Found | None:
        """What it has under a name; None if nothing."""
        if name not in self.namespace:
            return None
        function = self.namespace[name]
        if name in self.seen and self.seen[name][0] is function:
            return self.seen[name][1]
        scope = getattr(function, "__globals__", None) if inspect.isfunction(function) else None
        module = "" if scope is None or scope is self.namespace else str(function.__module__)
        reached = uses(function, self.namespace, self.place)
        found = Found(callable(function), kind(function), self.defined(function), module, self.returns(function), reached)
        self.seen[name] = function, found
        return found

    def invoke(self, name: str, arguments: list, quiet: bool = False, freeze: bool = False):
        """What the function returns.

        Args:
            arguments: passed by position, as they are.
            quiet: do not show what it prints.
            freeze: arrays among the arguments, and in what they hold, cannot be written from now on.

        Raises:
            Unfit, Raised, TimeLimit: see there.
        """
        function = self.namespace[name]
        try:
            signature = inspect.signature(function)
        except Exception:   # a builtin without one, or an object that answers as it likes
            signature = None
        if signature is not None:
            try:
                signature.bind(*arguments)
            except TypeError:
                raise Unfit(str(signature)) from None
        for array in arrays(arguments) if freeze else ():
            array.setflags(write=False)
        try:
            with contextlib.redirect_stdout(Printed()) if quiet else contextlib.nullcontext(), np.errstate(all="ignore"):
                return function(*arguments)
        except TimeLimit:
            raise
        except BaseException as error:
            raise Raised(self.raised(error), isinstance(error, NotImplementedError)) from None

    def judging(self, name: str, limit: float) -> contextlib.AbstractContextManager:
        """The context in which a function is judged: it raises TimeLimit when that takes longer than ``limit``."""
        return time_limit(limit)

    def mend(self) -> list[str]:
        """Put back what a function replaced; the names of it."""
        return self.guard.mend() if self.guard is not None else []

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

    def returns(self, function) -> tuple[str, str]:
        """Place and source line of a function's return; ("", "") if it has none, or several."""
        if not inspect.isfunction(function):
            return "", ""
        code, line, lines = function.__code__, 0, set()
        starts = dict(dis.findlinestarts(code))
        last = list(dis.get_instructions(code))
        for step, before in zip(last, [None, *last]):
            line = starts.get(step.offset) or line
            none = step.opname == "RETURN_CONST" and step.argval is None or \
                before is not None and before.opname == "LOAD_CONST" and before.argval is None
            lines |= {line} if step.opname in ("RETURN_VALUE", "RETURN_CONST") and not none else set()
        if len(lines) != 1:
            return "", ""
        line = lines.pop()
        return self.place(code.co_filename, line), linecache.getline(code.co_filename, line).strip()[:LONGEST]

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


def arrays(value, depth: int = 0):
    """The arrays in nested lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif depth < 50:   # a list may hold itself
        for part in list(value.values()) if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
            yield from arrays(part, depth + 1)


def kind(value) -> str:
    """A value in a few words, for messages."""
    if issubclass(type(value), np.ndarray):
        return f"an array of shape {value.shape}"
    return "None" if value is None else f"of type {type(value).__name__}"
