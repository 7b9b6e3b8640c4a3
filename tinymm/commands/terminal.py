"""What a command says to the terminal: one line for what is wrong, whatever stands in it, and whoever reads it or does not."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import sys
import warnings
from typing import Any, NoReturn, TextIO, cast

from ..backend.files import target_of
from ..backend.telling import tell

REFUSED = 2             # exit code where there is nothing to do but put the input right
CONTROLS = {i: f"\\x{i:02x}" for i in (*range(32), *range(127, 160))} | {9: "\\t", 10: "\\n", 13: "\\r"}


class Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the arguments; ``--help`` has the rest."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}; {self.prog} --help tells more")
        self.exit(REFUSED)

    def _print_message(self, message: str, file: Any = None) -> None:
        with contextlib.suppress(OSError):   # as argparse itself does from Python 3.11.7 on; flush() finds a full disk
            super()._print_message(message, file)


def one_line(text: str) -> str:
    """Text in which line breaks and other control characters, as a file's name may have them, are shown and not obeyed."""
    return str(text).translate(CONTROLS)


def say(text: str) -> None:
    """One line on the standard error, if there is one."""
    tell(one_line(text))


class Forgiving:
    """A stream whose reader may be gone, or whose disk full: a bar that nobody sees does not end a training."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


def prepare_streams() -> None:
    """Give the process three streams that can be written, in the terminal's encoding, whatever stands in a name.

    A closed one becomes the null device: the next file opened would otherwise get its number, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)   # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = cast(TextIO, Forgiving(sys.stderr))
    warnings.formatwarning = lambda message, *_, **__: one_line(f"tinymm: {message}") + "\n"


def flush() -> OSError | None:
    """Hand over what was printed; if that cannot be, why, and the rest goes nowhere, so that nothing fails at the exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _silence(sys.stdout)
        return error if isinstance(error, OSError) else None
    return None


def _silence(stream) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError), open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), stream.fileno())


# types of arguments: what is wrong is said before any work is done

def output_file(text: str) -> str:
    """The name of a file that can be written."""
    if text == "-":
        raise argparse.ArgumentTypeError("'-' is no file's name; write ./- if you mean it")
    try:
        target_of(text)
    except OSError as error:
        raise argparse.ArgumentTypeError(reason(error)) from None
    return text


def output_folder(text: str) -> str:
    """The name of a folder that is there and can be written in, or that can be made."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is no folder's name; give one")
    place = os.path.realpath(text)
    while not os.path.lexists(place) and os.path.dirname(place) != place:   # the first one that is there
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise argparse.ArgumentTypeError(f"{place!r} is not a folder; give the name of another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"the folder {place!r} is write-protected; give the name of another")
    return text


def output_picture(text: str) -> str:
    """The name of a picture that can be written, in a format that its suffix says."""
    from ..experiments.running import check_format

    output_file(text)
    try:
        check_format(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def from_0(text: str) -> int:
    """An integer from 0 on."""
    return _from(0, text)


def from_1(text: str) -> int:
    """An integer from 1 on."""
    return _from(1, text)


def _from(least: int, text: str) -> int:
    value = int(text) if text.strip().isdecimal() else -1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} must be an integer, {least} or more")
    return value


def duration(text: str) -> float:
    """Seconds, more than none and not for ever."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds, more than 0")
    return value


def reason(error: BaseException) -> str:
    """What an exception says; of a system's error the name and what happened to it, without its number."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        if name is None:   # of a stream
            return f"the output cannot be written: {error.strerror}"
        return f"{name if isinstance(name, int) else os.fspath(name)!r}: {error.strerror}"
    return str(error) or type(error).__name__
