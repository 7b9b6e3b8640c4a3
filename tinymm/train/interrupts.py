"""Ctrl-C that waits for the end of a training step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


class Interrupted:
    """Whether somebody pressed Ctrl-C; the second time stops at once."""

    def __init__(self):
        self.asked = False

    def __call__(self, number, frame) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextlib.contextmanager
def delayed_interrupt() -> Iterator[Interrupted]:
    """In the ``with`` block Ctrl-C sets ``asked`` instead of raising: an update of parameters is never cut in two.

    Outside the main thread, where Python takes no signals, nothing changes; nor where a handler that is not Python's waits.
    """
    flag = Interrupted()
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield flag
        return
    before = signal.signal(signal.SIGINT, flag)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
