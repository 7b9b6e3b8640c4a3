"""A time limit for code that may never end, in the thread that runs it.

A timer thread makes CPython raise TimeLimit in the thread that armed it, as soon as that thread executes Python again;
a single long call into C is not interrupted, nor a loop that catches every exception and goes on: for those a process of
its own has to be ended (``apart.py``). Where the interpreter has no such service there is no limit.
"""

from __future__ import annotations

import ctypes
import sys
import threading


LONGEST = 86_400   # seconds: a day


def checked_limit(limit: float) -> None:
    """Refuse what is no time limit.

    Raises:
        ValueError: it is not between 0 and a day.
    """
    if not isinstance(limit, (int, float)) or not 0 <= limit <= LONGEST:
        raise ValueError(f"check: a limit of {limit!r} s must be between 0 (none) and {LONGEST} (a day)")


class TimeLimit(BaseException):
    """Raised in code that ran too long; no Exception, so that ``except Exception`` in that code does not swallow it.

    Attributes:
        frames: (code filename, line number, globals) of the running functions, innermost last.
    """

    frames: list = []


class time_limit:
    """Context: the code inside raises TimeLimit after ``seconds``; 0 for no limit.

    Code that swallows the exception and comes to its end after all has taken too long all the same: then the context raises it.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds

    def __enter__(self):
        self.lock, self.armed, self.frames = threading.Lock(), True, []
        self.thread = threading.get_ident()
        self.timer = None
        if self.seconds > 0 and hasattr(ctypes, "pythonapi"):
            self.timer = threading.Timer(self.seconds, self.fire)
            self.timer.daemon = True
            self.timer.start()
        return self

    def fire(self) -> None:
        """What the timer does: note where the code is, and interrupt it."""
        with self.lock:
            if not self.armed:
                return
            frame, self.armed = sys._current_frames().get(self.thread), False
            while frame is not None:
                self.frames.insert(0, (frame.f_code.co_filename, frame.f_lineno, frame.f_globals))
                frame = frame.f_back
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), ctypes.py_object(TimeLimit))

    def __exit__(self, kind, error, trace) -> None:
        if self.timer is None:
            return
        self.timer.cancel()
        with self.lock:
            late, self.armed = not self.armed, False
            if late and not isinstance(error, TimeLimit):   # the exception is still on its way, or was swallowed
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread), None)
        if isinstance(error, TimeLimit):
            error.frames = self.frames
        elif late and not isinstance(error, KeyboardInterrupt):
            swallowed = TimeLimit()
            swallowed.frames = self.frames
            raise swallowed
