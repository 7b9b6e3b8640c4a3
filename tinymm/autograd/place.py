"""Where something stands in the user's file: for messages that shall lead there."""

from __future__ import annotations

import inspect
import linecache
import os
import sysconfig
from typing import Any

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARIES = tuple({sysconfig.get_path(key) + os.sep for key in ("stdlib", "purelib", "platlib")})


def place_of(func: Any) -> str:
    """" (line 7 of mine.py: return 2 * x)" for the last ``return`` of a function, or its ``def``; "" if unknown."""
    func = inspect.unwrap(getattr(func, "__func__", func)) if callable(func) else func
    code = getattr(func, "__code__", None)
    if code is None:
        return ""
    try:
        lines, first = inspect.getsourcelines(func)
    except (OSError, TypeError):
        return ""
    returns = [n for n, line in enumerate(lines) if line.strip().startswith("return")]
    at = returns[-1] if returns else next((n for n, line in enumerate(lines) if line.strip().startswith("def")), 0)
    return _words(code.co_filename, first + at, lines[at])


def place_of_error(error: BaseException) -> str:
    """The line of the user's file that an exception came out of; "" if it passed none."""
    found, tb = "", error.__traceback__
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if not os.path.abspath(name).startswith((_PACKAGE, *_LIBRARIES)):
            found = _words(name, tb.tb_lineno, linecache.getline(name, tb.tb_lineno))
        tb = tb.tb_next
    return found


def _words(filename: str, line: int, code: str) -> str:
    name = "its cell" if "ipykernel" in filename or filename.startswith("<ipython") else os.path.basename(filename)
    return f" (line {line} of {name}: {code.strip()})"
