"""Remarks to the person at the terminal: on the standard error stream, where there is one."""

from __future__ import annotations

import contextlib
import sys


def can_tell() -> bool:
    """Whether there is an open standard error stream; a service or ``pythonw`` has none."""
    return sys.stderr is not None and not getattr(sys.stderr, "closed", False)


def at_terminal() -> bool:
    """Whether somebody sits at the standard error stream."""
    return can_tell() and hasattr(sys.stderr, "isatty") and sys.stderr.isatty()


def tell(text: str) -> None:
    """Print one line on the standard error stream; where that cannot be, go on without."""
    if can_tell():
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        with contextlib.suppress(OSError, ValueError):   # a broken pipe, a full disk
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)
