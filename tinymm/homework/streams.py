"""What a submission prints, where nobody is to see it or not without end; and the keyboard at which nobody sits."""

from __future__ import annotations

import io
from collections.abc import Callable

MOST = 65_536     # characters of one stream that are shown
PIECE = 1_000     # characters handed on at once: with its escapes a line that a pipe takes as a whole


class Printed(io.TextIOBase):
    """A text stream that counts what it is given and hands on the first of it.

    Args:
        show: called with pieces of the text; None to show nothing.
        most: characters that are shown.
    """

    encoding, errors = "utf-8", "replace"

    def __init__(self, show: Callable[[str], object] | None = None, most: int = MOST):
        self._show, self._left, self._most = show, most if show is not None else 0, most
        self.buffer = Bytes(self)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._show is not None and self._left > 0:
            shown = text[:self._left]
            self._left -= len(shown)
            for start in range(0, len(shown), PIECE):
                self._show(shown[start:start + PIECE])
            if not self._left:
                self._show(f"\n[check shows no more than {self._most} characters of what is printed]\n")
        return len(text)

    def close(self) -> None:
        """Others print here, too; it stays open."""


class Bytes(io.RawIOBase):
    """The ``buffer`` of a Printed."""

    def __init__(self, text: Printed):
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)

    def close(self) -> None:
        """As of the text stream."""


class Nobody(io.StringIO):
    """A keyboard at which nobody sits: who reads from it is told so."""

    def readline(self, size=-1):
        raise EOFError("it asks for input(), and nobody answers while a file is checked: call the function with the value instead")

    def read(self, size=-1):
        return self.readline()

    def close(self) -> None:
        """exit() and quit() close the keyboard; the next one asks all the same."""
