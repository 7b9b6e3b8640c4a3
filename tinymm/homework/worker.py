"""The process in which ``remote.py`` has a student's file executed, and its functions called; nothing is judged here.

Requests come and answers go through the standard input and output that the process was started with. Before the student's code
runs, they are moved to numbers that nobody knows, and 0, 1 and 2 lead nowhere: closing them, printing to them or reading from
them does not touch the line. What Python code prints is sent through it, as far as it is shown.
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
import signal
import sys
import threading
import time
import types
from collections.abc import Callable

import numpy as np

from . import checker
from .execute import MODULE, Handed, Watch, execute, own_folder
from .guard import Guard
from .limit import TimeLimit, time_limit
from .remote import CUT_OFF
from .report import Problem, Report
from .streams import Nobody, Printed
from .submission import Raised, Submission, Unfit, worded
from .wire import NUMBERS, Reader, Writer, cut_frame, frame

DISK = 2 ** 30         # bytes of the largest file that a submission may write
PROCESSES = 100        # that it may start, where the system keeps count (Linux, and not for root)
HIDDEN = 200           # the pipes' numbers are at least this
REFERENCES = tuple(f"tinymm.homework.{name}" for name in ("exercises", "reference"))
end = os._exit         # the submission is given another one


class Line:
    """The line to the process that asked.

    Args:
        keyboard, channel: numbers of the pipes.
        mark: what each frame begins with.
    """

    def __init__(self, keyboard: int, channel: int, mark: bytes):
        self.keyboard, self.channel, self.mark, self.lock = keyboard, channel, mark, threading.RLock()
        self.read, self.write, self.getpid, self.pid = os.read, os.write, os.getpid, os.getpid()   # whatever becomes of os
        self.encode = json.JSONEncoder().encode
        self.received = bytearray()

    def send(self, body: bytes = b"", /, **message) -> None:
        """Send one message."""
        if self.getpid() != self.pid:   # a fork that the submission made of this process: it has nothing to say
            end(0)
        data = memoryview(frame(self.mark, message, body, self.encode))
        with self.lock:
            while data:
                try:
                    data = data[self.write(self.channel, data):]
                except OSError:
                    end(CUT_OFF)

    def receive(self) -> tuple[dict, bytes]:
        """The next request; the end of this process where none will come."""
        while True:
            found = cut_frame(self.mark, self.received)
            if found is not None:
                return found
            try:
                data = self.read(self.keyboard, 65_536)
            except OSError:   # the submission has closed it
                end(CUT_OFF)
            if not data:
                end(0)
            self.received += data


class Told(Watch):
    """Tells the process that asked how far the execution is, and stops where an earlier process ended."""

    def __init__(self, line: Line, deaths: list[dict]):
        self.line = line
        self.deaths = {(death["part"], death["step"]): Problem(**death["problem"]) for death in deaths}

    def part(self, part: int) -> Problem | None:
        self.line.send(part=part)
        return self.deaths.get((part, -1))

    def step(self, part: int, step: int, where: str, code: str) -> Problem | None:
        self.line.send(step=step, where=where, code=code)
        return self.deaths.get((part, step))


class Deadline(time_limit):
    """A time limit that the process that asked keeps, with a signal, where there are signals: no call has to start a thread."""

    running = False

    def __enter__(self):
        if not hasattr(signal, "SIGUSR2"):
            return super().__enter__()
        self.timer, Deadline.running = None, True
        return self

    def __exit__(self, kind, error, trace) -> None:
        Deadline.running = False
        super().__exit__(kind, error, trace)

    @staticmethod
    def signalled(number, frame) -> None:
        if Deadline.running:
            Deadline.running, late = False, TimeLimit()
            late.frames = []
            while frame is not None:
                late.frames.insert(0, (frame.f_code.co_filename, frame.f_lineno, frame.f_globals))
                frame = frame.f_back
            raise late


class Server:
    """Answers calls of a submission's functions.

    Args:
        caches: function -> how many of the values that it returns are told; those behind them stay here.
    """

    def __init__(self, submission: Submission, caches: dict[str, int]):
        self.submission, self.caches = submission, caches
        self.twins: dict[int, np.ndarray] = {}      # arrays that both sides hold
        self.states: dict[int, tuple] = {}          # what they were when the other side last heard of them
        self.kept: dict[int, object] = {}
        self.next_number = 1

    def call(self, request: dict, data: bytes) -> tuple[dict, bytes]:
        """The answer to a call."""
        for number in request["dropped"]:
            for table in (self.twins, self.states, self.kept):
                table.pop(number, None)
        reader = Reader(data, self._hold, lambda kind, number: self.kept[number] if kind == "handle" else self.twins[number])
        arguments = [reader.value(node) for node in request["arguments"]]
        for number in request["frozen"]:
            self.twins[number].setflags(write=False)
        for argument in arguments:   # one that came again may have been changed there
            number = self._known(argument) if type(argument) is np.ndarray else None
            if number is not None:
                self.states[number] = state(self.twins[number])
        result, name = None, request["function"]
        head: dict = {}
        try:
            with Deadline(request["left"]):
                result = self.submission.invoke(name, arguments, request["quiet"], request["freeze"])
        except Unfit as unfit:
            head["unfit"] = str(unfit)
        except Raised as raised:
            head.update(raised=dataclasses.asdict(raised.problem), unwritten=raised.unwritten)
        except TimeLimit as error:
            head["endless"] = dataclasses.asdict(self.submission.endless(error, request["limit"]))
        changed = [number for number, twin in self.twins.items() if state(twin) != self.states[number]]
        writer = Writer(self._number, self._known)
        if not head:
            try:
                head["value"] = self._told(writer, result, self.caches.get(name))
            except BaseException as error:   # an object that lies about itself
                head = {"raised": dataclasses.asdict(Problem(
                    f"what it returns cannot be judged: looking at it raises {worded(error)}",
                    "an object that only looks like an array, or a replaced function"))}
                writer = Writer(self._number, self._known)
        head["changed"] = [[number, *writer.raw(self.twins[number])] for number in changed]
        for number in changed:
            self.states[number] = state(self.twins[number])
        return head, writer.body()

    def _told(self, writer: Writer, result, told: int | None) -> list:
        """What a function returned as a node."""
        several = next((t for t in (tuple, list) if issubclass(type(result), t)), None)
        if told is None or several is None:
            return writer.node(result)
        values = list(several.__iter__(result))
        nodes = [writer.node(value, 1) for value in values[:told]]
        for value in values[told:told + 10]:
            self.next_number += 2
            self.kept[self.next_number] = value
            nodes.append(["handle", self.next_number])
        return [several.__name__, nodes]

    def _hold(self, array: np.ndarray, number: int) -> None:
        self.twins[number], self.states[number] = array, state(array)

    def _number(self, array: np.ndarray) -> int | None:
        if array.dtype.kind not in NUMBERS or array.nbytes > 2 ** 24:
            return None
        self.next_number += 2
        self._hold(array, self.next_number)
        return self.next_number

    def _known(self, value) -> int | None:
        return next((number for number, twin in self.twins.items() if twin is value), None)


def state(array: np.ndarray) -> tuple:
    """What tells whether an array has been written into."""
    return array.shape, array.dtype.str, np.ndarray.tobytes(array)


def main(mark: bytes) -> None:
    """Execute the file of the first request, and answer the others."""
    keyboard, channel, faults = (_hidden(number) for number in (0, 1, 2))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    line = Line(keyboard, channel, mark)
    _thread.start_new_thread(_end_with, (os.getppid(),))
    asked, data = line.receive()
    _prepare(line, asked["limit"], faults, asked["memory"])
    _hide(asked["lecture"], asked["title"])
    guard = Guard()
    handed = Handed(pathlib.Path(asked["path"]), data)
    token, receive, send = asked["token"], line.receive, line.send
    try:
        with own_folder(handed.path):
            sys.path.insert(1, os.getcwd())
            submission = execute(handed, asked["limit"], Told(line, asked["deaths"]), alone=asked["limit"] > 0)
            submission.guard = guard
            notes = submission.notes + checker.replaced(guard)
            found = {name: submission.find(name) for name in asked["functions"]}
            send(token=token, problems=[dataclasses.asdict(p) for p in submission.problems], notes=notes,
                 functions={name: vars(one) for name, one in found.items() if one is not None},
                 alike={name: submission.similar(name) for name, one in found.items() if one is None})
            server = Server(submission, asked["caches"])
            while True:
                request, data = receive()
                head, body = ({"replaced": submission.mend()}, b"") if request["op"] == "mend" else server.call(request, data)
                send(body, token=request["token"], **head)
    except BaseException as error:
        send(failed=worded(error))
    end(0)   # what the submission has left for the end of the process, and its threads, do not hold this up


def _hide(lecture: int, title: str) -> None:
    """``check`` does nothing here, and the references are not to be had by their names.

    This makes looking them up awkward, no more: the file can read what its user can, or start another Python.
    """
    def later(*args, **kwargs) -> Report:
        return Report(lecture, title, "later: the file is being executed", postponed=True)

    for name in [name for name in sys.modules if name.startswith(REFERENCES)]:
        del sys.modules[name]
    for module in [*sys.modules.values()]:
        if isinstance(module, types.ModuleType) and module.__name__.startswith("tinymm.homework"):
            for name, value in [*vars(module).items()]:
                if isinstance(value, types.ModuleType) and value.__name__.startswith(REFERENCES):
                    delattr(module, name)
    checker.check = later   # type: ignore[assignment]

    def refuse(event: str, args: tuple) -> None:
        if event == "import" and isinstance(args[0], str) and args[0].startswith(REFERENCES):
            raise ImportError("check: the references of the exercises are not for a submission")
    sys.addaudithook(refuse)


def _prepare(line: Line, limit: float, faults: int, memory: int) -> None:
    """Streams, limits and hooks of the process for a submission."""
    faulthandler.enable(faults)
    if hasattr(signal, "SIGUSR1"):   # where it is, should it not come back
        faulthandler.register(signal.SIGUSR1, faults, all_threads=True)
        signal.signal(signal.SIGUSR2, Deadline.signalled)
    if limit > 0:
        sys.stdin = Nobody()
        _limits(memory)
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


def _limits(memory: int) -> None:
    """Limits of memory, disk and processes, where the system has them."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[5]) * resource.getpagesize()   # data and stacks
        mine = sum(os.stat(f"/proc/{name}").st_uid == os.getuid() for name in os.listdir("/proc") if name.isdigit()
                   and os.path.exists(f"/proc/{name}"))
        limits = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": DISK, "RLIMIT_DATA": used + memory, "RLIMIT_NPROC": 4 * mine + PROCESSES}
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


def _end_with(parent: int) -> None:
    """End this process when the one that asked has ended, and nobody is left to stop it."""
    while os.getppid() == parent:
        time.sleep(0.5)
    end(0)
