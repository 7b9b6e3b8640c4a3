"""Ctrl-C while the program starts and while it ends, when there is nothing to save and nobody to catch an exception."""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130   # exit code after Ctrl-C, as shells have it


def is_program() -> bool:
    """Whether this process is ``python -m tinymm`` or the script ``tinymm``, about to import the package.

    A program of somebody else's, also one started by ``python -m``, keeps its own Ctrl-C.
    """
    first = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    if first == "-m":   # until Python has found the module, whose name stands on the command line after it
        words = sys.orig_argv
        return "-mtinymm" in words or "-m" in words and words[words.index("-m") + 1:][:1] == ["tinymm"]
    return first.removesuffix(".exe") == "tinymm"


def leave_quietly(number: int, frame) -> None:
    """A signal handler that ends the process at once, with a line in place of a traceback through the imports."""
    try:
        os.write(2, b"\ntinymm: interrupted\n")
    except OSError:   # nobody reads it
        pass
    os._exit(INTERRUPTED)


def watch_program() -> None:
    """Let Ctrl-C end a program that is about to import the package; in any other process do nothing."""
    if is_program():
        watch()


def watch(handler=leave_quietly) -> None:
    """Let Ctrl-C call ``handler``, unless whoever started this process has it ignored (as shells do for ``command &``)."""
    import signal

    if signal.getsignal(signal.SIGINT) not in (signal.SIG_IGN, None):
        signal.signal(signal.SIGINT, handler)
