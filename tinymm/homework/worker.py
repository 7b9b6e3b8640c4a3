"""The process in which ``apart.py`` has a student's file executed and judged; what it finds goes back through a pipe.

The pipe is the standard output that the process was started with. Before the student's code runs, it is moved to a number
that nobody knows, and 0, 1 and 2 lead nowhere: closing them, printing to them or reading from them does not touch it. What
Python code prints is sent through the pipe, as far as it is shown.
"""

from __future__ import annotations

import _thread
import contextlib
import dataclasses
import faulthandler
import json
import linecache
import os
import pathlib
import sys
import threading
from collections.abc import Callable

from .apart import CUT_OFF
from .checker import judge, replaced
from .execute import MODULE, Handed, Watch, execute, own_folder
from .exercise import find
from .guard import Guard
from .report import Problem
from .streams import Nobody, Printed
from .submission import worded

MEMORY = 4 * 2 ** 30   # bytes that a submission may add to the process, where the system keeps count (Linux)
DISK = 2 ** 30         # bytes of the largest file that it may write
HIDDEN = 200           # the pipes' numbers are at least this
end = os._exit         # the submission is given another one


class Line:
    """The line to the process that asked.

    Args:
        channel: number of the pipe.
        nonce: what each message begins with, so that nothing else is taken for one.
    """

    def __init__(self, channel: int, nonce: str):
        self.channel, self.nonce, self.lock = channel, nonce, threading.RLock()
        self.write, self.getpid, self.pid = os.write, os.getpid, os.getpid()   # whatever becomes of os
        self.encode = json.JSONEncoder().encode

    def send(self, **message) -> None:
        """Send one message."""
        if self.getpid() != self.pid:   # a fork that the submission made of this process: it has nothing to say
            end(0)
        data = f"{self.nonce}{self.encode(message)}\n".encode()
        with self.lock:
            while data:
                try:
                    data = data[self.write(self.channel, data):]
                except OSError:
                    end(CUT_OFF)


class Told(Watch):
    """Tells the process that asked how far the check is, and stops where an earlier process ended."""

    def __init__(self, line: Line, request: dict, faults: int):
        self.line, self.late, self.faults = line, request["late"], faults
        self.deaths = {(death["part"], death["step"]): Problem.of(death["problem"]) for death in request["deaths"]}

    def begins(self, **message) -> None:
        """Something that has a time limit of its own begins."""
        self.line.send(**message)
        if self.late:   # where it is by then, should nothing else stop it
            faulthandler.dump_traceback_later(self.late, file=self.faults)

    def part(self, part: int) -> Problem | None:
        self.begins(part=part)
        return self.deaths.get((part, -1))

    def step(self, part: int, step: int, where: str, code: str) -> Problem | None:
        self.line.send(step=step, where=where, code=code)
        return self.deaths.get((part, step))

    def function(self, name: str, where: str) -> None:
        self.begins(function=name, where=where)


def main() -> None:
    """Answer the request that stands in the standard input."""
    keyboard, channel, faults = (_hidden(number) for number in (0, 1, 2))
    with os.fdopen(os.dup(keyboard), "rb", buffering=0) as stream:
        request = json.loads(_read(stream, int(stream.readline())))
        data = _read(stream, request["size"])
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    line = Line(channel, request["nonce"])
    try:
        exercise = find(request["number"])
        selected = exercise.select(request["only"])
    except ValueError as error:
        line.send(refused=str(error))
        end(0)
    functions = [name for _, names in selected for name in names]
    line.send(lecture=exercise.number, title=exercise.title, functions=functions)
    _thread.start_new_thread(_end_with, (keyboard,))
    _prepare(line, request["limit"], faults)
    guard, watch = Guard(), Told(line, request, faults)
    todo = set(functions if request["todo"] is None else request["todo"])
    handed = Handed(pathlib.Path(request["path"]), data)
    try:
        with own_folder(handed.path):
            sys.path.insert(1, os.getcwd())
            submission = execute(handed, request["limit"], watch, alone=request["limit"] > 0)
            line.send(problems=[dataclasses.asdict(p) for p in submission.problems], notes=submission.notes + replaced(guard))
            for task, names in selected:
                for result in judge(task, submission, request["limit"], todo & set(names), guard, watch, request["dead"]):
                    faulthandler.cancel_dump_traceback_later()
                    line.send(result=dataclasses.asdict(result))
        line.send(done=True)
    except BaseException as error:
        line.send(failed=worded(error))
    end(0)   # what the submission has left for the end of the process, and its threads, do not hold this up


def _prepare(line: Line, limit: float, faults: int) -> None:
    """Streams, limits and hooks of the process for a submission."""
    faulthandler.enable(faults)
    if limit > 0:
        sys.stdin = Nobody()
        _limits()
    else:   # a debugger wants to be answered
        with contextlib.suppress(OSError):
            sys.stdin = open("CONIN$" if os.name == "nt" else "/dev/tty", encoding="utf-8", errors="replace")
    sys.stdout, sys.stderr = Printed(lambda text: line.send(out=text)), Printed(lambda text: line.send(err=text))
    threading.excepthook = lambda unseen: _unseen("a thread of the file", unseen.exc_value)
    sys.unraisablehook = lambda unseen: _unseen("something that the file leaves behind", unseen.exc_value)
    vars(os)["_exit"] = _exit_of(line)


def _exit_of(line: Line) -> Callable[[int], None]:
    """An ``os._exit`` that says where it was called."""
    def _exit(status):
        frame, place = sys._getframe(1), ("", 0)
        while frame is not None and not place[0]:
            if frame.f_globals.get("__name__") == MODULE:
                place = frame.f_code.co_filename, frame.f_lineno
            frame = frame.f_back
        if line.getpid() == line.pid:
            line.send(ended=f"os._exit({status})", code=linecache.getline(*place).strip(),
                      where=f"{os.path.basename(place[0])}, line {place[1]}" if place[0] else "")
        end(status)
    return _exit


def _unseen(what: str, error: BaseException | None) -> None:
    """One line of an exception that nobody catches."""
    if error is not None and not isinstance(error, SystemExit):
        sys.stderr.write(f"check: {what} raised {worded(error)}\n")


def _limits() -> None:
    """Limits of memory and disk, where the system has them."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[5]) * resource.getpagesize()   # data and stacks
        limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": DISK, "RLIMIT_DATA": used + MEMORY}
        for name, value in limits.items():
            _, most = resource.getrlimit(getattr(resource, name))
            resource.setrlimit(getattr(resource, name), (value if most == resource.RLIM_INFINITY else min(value, most), most))
    except (ImportError, OSError, ValueError, IndexError):   # Windows, macOS
        pass


def _hidden(number: int) -> int:
    """A copy of a file descriptor, with a number that no one comes upon."""
    try:
        import fcntl

        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, HIDDEN)
    except (ImportError, OSError):
        return os.dup(number)


def _read(stream, size: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:   # the process that asked has ended
            end(0)
        data += more
    return data


def _end_with(keyboard: int) -> None:
    """End this process when the one that asked has ended, and nobody is left to stop it."""
    try:
        while os.read(keyboard, 1):
            pass
    except OSError:   # the submission has closed it
        return
    end(0)
