"""A submission whose functions run in a process of their own; what is judged of them is judged here.

The process executes the student's file and answers calls. Each request carries a token that nobody can guess before it is sent,
so that nothing that is written early counts as an answer. A process that ends, does not come back in time or sends what is no
answer costs the function that was called, and another process goes on with the rest. Arrays that were sent or received are the
same arrays on both sides (``wire.py``): what a function writes into one is seen here.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import secrets
import signal
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .call import Stop
from .execute import REMARK, Handed, parts
from .exercise import Exercise
from .process import Ended, Late, Process
from .report import Problem
from .streams import MOST
from .submission import LONGEST, Found, NoProcess, Raised, Submission, Unfit
from .wire import Broken, Handle, Reader, Writer

START = 120.0            # seconds for the process to start, on a machine that is busy
CUT_OFF = 74             # exit code of a process that has lost its pipe
PATIENCE = 3             # times its limit that a call may last if it uses less of a processor
RESTARTS = 5             # after so many ends while the file is executed it is given up
TEXT = 4_000             # characters of a text from the process that are kept
MEMORY = 4 * 2 ** 30     # bytes that a submission may add to the process, where the system keeps count (Linux)
HARD = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"}
GIVEN_UP = "the file ends its process each time that it is executed"


class RemoteSubmission(Submission):
    """See the module.

    Args:
        handed: the file.
        exercise: whose functions it holds.
        limit: seconds for the file or a cell, and for the calls of one function; 0 for no limit.
        show: called with "out" or "err" and a piece of what the file prints.
        memory: bytes that the submission may add to its process.
        total: seconds for all of the file's processes.
        closed: they run in the file's folder, and see nothing of the environment but what Python needs.

    Attributes:
        remarks: function -> what ended its process.
        unended: the last line that the file printed has no end.
    """

    def __init__(self, handed: Handed, exercise: Exercise, limit: float, show: Callable[[str, str], None],
                 memory: int = MEMORY, total: float = float("inf"), closed: bool = False):
        super().__init__({}, str(handed.path))
        self.handed, self.limit, self.show, self.left = handed, limit, show, total
        self.folder = str(handed.path.parent) if closed else None
        names = [(task.forward, task.backward, len(task.outputs)) for task in exercise.tasks]
        self.asked = {"path": str(handed.path), "limit": limit, "memory": memory,
                      "lecture": exercise.number, "title": exercise.title,
                      "functions": [name for forward, backward, _ in names for name in (forward, backward) if name],
                      "caches": {forward: outputs for forward, backward, outputs in names if backward}}
        self.cells = len(parts(Submission({}, ""), handed))
        self.process: Process | None = None
        self.deaths: list[dict] = []
        self.remarks: dict[str, str] = {}
        self.unended, self.printed = False, 0
        self.function, self.spent = "", 0.0
        self.found: dict[str, Found] = {}
        self.alike: dict[str, str] = {}
        self.arrays: dict[int, weakref.ref] = {}   # number -> an array that both sides hold
        self.numbers: dict[int, int] = {}          # id of it -> number
        self.handles: dict[int, weakref.ref] = {}
        self.dropped: list[int] = []
        self.next_number = 0

    # ------------------------------------------------------------------ the face of a submission

    def find(self, name: str) -> Found | None:
        return self.found.get(name)

    def similar(self, name: str) -> str:
        return self.alike.get(name, "")

    def invoke(self, name: str, arguments: list, quiet: bool = False, freeze: bool = False):
        """As of every submission; Stop if the process ends, is late, or answers what is no answer."""
        process = self._process()
        writer = Writer(self._numbered, self._known)
        nodes = [writer.node(argument) for argument in arguments]
        frozen = [number for number, held in self.arrays.items() for array in [held()]
                  if array is not None and not array.flags.writeable]
        dropped, self.dropped = self.dropped, []
        left = self.limit - self.spent if self.limit else 0.0
        if self.limit and left <= 0:
            raise Stop("time limit", Problem(f"its calls take more than {self.limit:g} s together", "loops over all elements that "
                                             "array operations could do"))
        head = {"op": "call", "function": name, "arguments": nodes, "quiet": quiet, "freeze": freeze, "left": left,
                "limit": self.limit, "frozen": frozen, "dropped": dropped}
        reply, data = self._ask(process, head, writer.body(), left)
        with self._unbroken(process):
            return self._answer(process, reply, data)

    @contextlib.contextmanager
    def judging(self, name: str, limit: float) -> Iterator[None]:
        self.function, self.spent = name, 0.0
        self._process()
        yield

    def mend(self) -> list[str]:
        if self.process is None:
            return []
        try:
            reply, _ = self._ask(self.process, {"op": "mend"}, b"", self.limit)
            return [_text(name) for name in _list(reply.get("replaced"))]
        except (Stop, Broken):   # it has ended behind the last call, which was judged
            return []

    # ------------------------------------------------------------------ answers

    def _answer(self, process: Process, reply: dict, data: bytes):
        reader = Reader(data, self._received, lambda kind, number: self._held(process, kind, number))
        result = reader.value(reply["value"]) if "value" in reply else None
        for number, *raw in _list(reply.get("changed")):
            held = self.arrays.get(number)
            array = held() if held is not None else None
            new = reader.raw(*raw)
            if array is not None:
                _rewrite(array, new)
        if "unfit" in reply:
            raise Unfit(_text(reply["unfit"]))
        if "raised" in reply:
            raise Raised(_problem(reply["raised"]), reply.get("unwritten") is True)
        if "endless" in reply:
            raise Stop("time limit", _problem(reply["endless"]))
        if "value" not in reply:
            raise Broken("its answer is malformed (value)")
        return result

    def _numbered(self, array: np.ndarray) -> int:
        self.next_number += 2
        self._hold(array, self.next_number)
        return self.next_number

    def _received(self, array: np.ndarray, number) -> None:
        if type(number) is not int or number % 2 == 0 or number in self.arrays:
            raise Broken("its answer is malformed (number)")
        self._hold(array, number)

    def _hold(self, array: np.ndarray, number: int) -> None:
        key = id(array)

        def gone(_):
            self.arrays.pop(number, None)
            if self.numbers.get(key) == number:
                del self.numbers[key]
            self.dropped.append(number)
        self.arrays[number], self.numbers[key] = weakref.ref(array, gone), number

    def _known(self, value) -> int | None:
        if isinstance(value, Handle):
            if value.process is not self.process:
                raise Stop("not checked", Problem("what the forward kept is gone: the process that held it has ended"))
            return value.number
        number = self.numbers.get(id(value))
        held = self.arrays[number]() if number is not None else None
        return number if held is value else None

    def _held(self, process: Process, kind: str, number):
        if type(number) is not int:
            raise Broken("its answer is malformed (number)")
        if kind == "handle":
            handle = Handle(number, process)

            def gone(_):
                self.handles.pop(number, None)
                self.dropped.append(number)
            self.handles[number] = weakref.ref(handle, gone)
            return handle
        held = self.arrays.get(number)
        array = held() if held is not None else None
        if array is None:
            raise Broken("its answer is malformed (array)")
        return array

    # ------------------------------------------------------------------ the process

    def stop(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is not None:
            process.stop()
        for known in (self.arrays, self.numbers, self.handles):
            known.clear()
        self.dropped = []

    def _process(self) -> Process:
        """The process, with the file executed in it; Stop if that cannot be had.

        Raises:
            OSError: no process can be started.
        """
        while self.process is None:
            if len(self.deaths) > RESTARTS:
                self.problems = [Problem(**vars(self.deaths[-1]["problem"]))]
                raise Stop("not checked", Problem(GIVEN_UP))
            if self.left <= 0:
                raise Stop("time limit", Problem("the whole file has taken too long, and is stopped"))
            self._start()
        return self.process

    def _start(self) -> None:
        """Start a process and have the file executed; a death there is noted."""
        if self.folder is not None:   # an earlier process may have removed it
            with contextlib.suppress(OSError):
                os.makedirs(self.folder, exist_ok=True)
            if not os.path.isdir(self.folder):
                raise Stop("error", Problem("it removes the folder in which it runs"))
        process = self.process = Process(self.limit > 0, self.folder)
        self.printed = 0
        at: dict = {}
        deaths = [{"part": death["part"], "step": death["step"], "problem": vars(death["problem"])} for death in self.deaths]
        try:
            head = {**self.asked, "deaths": deaths}
            ready, _ = self._round(process, head, self.handed.data, time.monotonic() + START, at)
            with self._unbroken(process, at):
                self._ready(ready)
        except _Fault as fault:
            if not at:
                words = process.last_words()
                self.stop()
                raise NoProcess("check: the process that checks the file could not start: "
                                f"{fault.last.get('failed') or words}") from None
            problem = self._cause(process, at, fault)[1]
            problem.text += REMARK
            self.deaths.append({"part": at["part"], "step": at["step"], "problem": problem})
            self.stop()
        except BaseException:
            self.stop()
            raise

    def _ready(self, ready: dict) -> None:
        """What the process says when the file has been executed."""
        self.problems = [_problem(problem) for problem in _list(ready.get("problems"))[:100]]
        self.notes = [_text(note) for note in _list(ready.get("notes"))[:1000]]
        functions, alike = ready.get("functions"), ready.get("alike")
        if not isinstance(functions, dict) or not isinstance(alike, dict):
            raise Broken("its answer is malformed (functions)")
        self.alike = {str(name): _text(text) for name, text in alike.items()}
        self.found = {str(name): Found(found.get("callable") is True, _text(found.get("kind")), _text(found.get("where")),
                                       _text(found.get("module")), _pair(found.get("returns")), _uses(found.get("uses")))
                      for name, found in functions.items() if isinstance(found, dict)}

    def _ask(self, process: Process, head: dict, body: bytes, seconds: float) -> tuple[dict, bytes]:
        """The answer to one request; Stop if there is none."""
        start = time.monotonic()
        used, at = process.seconds(), {"where": ""}
        try:
            return self._round(process, head, body, start + PATIENCE * min(seconds, self.left) + grace(self.limit), at,
                               (used, min(seconds, self.left))) if self.limit else \
                self._round(process, head, body, float("inf"), at)
        except _Fault as fault:
            raise self._lost(process, at, fault) from None
        except BaseException:
            self.stop()
            raise
        finally:
            self.spent += min(time.monotonic() - start, max(0.0, process.seconds() - used))

    @contextlib.contextmanager
    def _unbroken(self, process: Process, at: dict | None = None) -> Iterator[None]:
        """What is malformed inside ends the process."""
        try:
            yield
        except (Broken, TypeError, ValueError, KeyError, AttributeError) as error:
            fault = _Fault({"broken": str(error) if isinstance(error, Broken) else f"its answer is malformed ({error})"})
            if at is not None:
                raise fault from None
            raise self._lost(process, {"where": ""}, fault) from None

    def _lost(self, process: Process, at: dict, fault: _Fault) -> Stop:
        """The Stop for a process that is lost in a call."""
        verdict, problem = self._cause(process, at, fault)
        self.stop()
        self.remarks[self.function] = "; ".join([f"{self.function}: {problem.lines()[0]}", *problem.lines()[1:]])
        return Stop(verdict, problem)

    def _round(self, process: Process, head: dict, body: bytes, deadline: float, at: dict,
               allowed: tuple[float, float] | None = None) -> tuple[dict, bytes]:
        """Send a request and wait for its answer; what comes before that is shown, or tells how far the file is.

        Args:
            deadline: when it is too late.
            at: the statement that the file is at, filled in here.
            allowed: the processor time that the process had used, and what it may use more; then it is told to come back, and
                has ``grace`` seconds for that. A busy machine takes nobody's points.

        Raises:
            _Fault: there is none.
        """
        token, last, begun, hurried = secrets.token_hex(8), {}, time.monotonic(), False
        look = begun + allowed[1] if allowed is not None else float("inf")   # when to look at what it has used
        try:
            process.send({**head, "token": token}, body, deadline)
            while True:
                try:
                    message, data = process.next(min(look, deadline))
                except Late:
                    if allowed is None or hurried:
                        raise
                    left = allowed[1] - max(0.0, process.seconds() - allowed[0])
                    look = time.monotonic() + max(left, 0.01)
                    if left <= 0 or look > deadline - grace(self.limit):
                        look, hurried, deadline = float("inf"), True, time.monotonic() + grace(self.limit)
                        process.hurry()
                    continue
                if message.get("token") == token:
                    late = hurried and "value" in message   # it caught what should have stopped it
                    return ({"endless": {"text": f"still running after {self.limit:g} s"}}, b"") if late else (message, data)
                if "part" in message:
                    part = message["part"]
                    if type(part) is not int or not at.get("part", -1) < part < self.cells or "functions" not in head:
                        raise Broken("its answer is malformed (part)")
                    at.update(part=part, step=-1, code="", where="")
                    deadline = time.monotonic() + (min(self.limit, self.left) + grace(self.limit) if self.limit else float("inf"))
                elif "step" in message and "part" in at:
                    at.update(step=int(message["step"]), where=_text(message["where"]), code=_text(message["code"]))
                elif "out" in message or "err" in message:
                    self._print(message)
                elif "ended" in message or "failed" in message:
                    last = {key: _text(message.get(key)) for key in ("ended", "failed", "where", "code") if key in message}
                else:
                    raise Broken("it sends what was not asked for")
        except Late:
            process.ask_where()
            last = {"late": "yes"}
        except Ended:
            pass
        except (Broken, TypeError, ValueError, KeyError) as error:
            last = {"broken": str(error) if isinstance(error, Broken) else "its answer is malformed"}
        finally:
            self.left -= time.monotonic() - begun
        process.stop()
        raise _Fault(last)

    def _print(self, message: dict) -> None:
        for stream in ("out", "err"):
            if stream in message:
                text = str(message[stream])
                self.printed += len(text) + 1
                if self.printed > 4 * MOST:
                    raise Broken("it floods the line of the checker")
                self.show(stream, text)
                self.unended = not text.endswith("\n") if stream == "out" else self.unended

    def _cause(self, process: Process, at: dict, fault: _Fault) -> tuple[str, Problem]:
        """Verdict and Problem of an end."""
        process.stop()
        last, (where, code) = fault.last, self._place(process.faults(), "late" in fault.last)
        if not where and "part" in at:
            where, code = at["where"], at["code"]
        if "late" in last:
            return "time limit", Problem(f"still running after {self.limit:g} s, and stopped with its process", "a loop that goes "
                                         "on after every exception, or one step without an end (a huge power, a regular "
                                         "expression)", where, code)
        if "ended" in last:
            return "error", Problem(f"it ends the process, with {last['ended']}", where=last.get("where") or where,
                                    code=last.get("code") or code)
        if "broken" in last:
            return "error", Problem(last["broken"], "it writes into files that are not its own, or replaces what all others use",
                                    where, code)
        if "failed" in last:
            return "error", Problem(f"the check could not go on: {last['failed']}", "the file replaces something that all others "
                                    "use, too", where, code)
        returned = process.code
        if returned is None or returned == CUT_OFF:
            return "error", Problem("it closes files that are not its own, the checker's among them (os.close, os.closerange)",
                                    where=where, code=code)
        if returned < 0:
            name = signal.Signals(-returned).name if -returned in set(signal.Signals) else "unknown"
            likely = "something outside Python went wrong: ctypes, or compiled code that was given a wrong array" if name in HARD \
                else "os.kill, or the system had no memory left" if name == "SIGKILL" else ""
            return "error", Problem(f"its process was ended by signal {-returned} ({name})", likely, where, code)
        return "error", Problem(f"its process ended, with exit code {returned}", where=where, code=code)

    def _place(self, faults: str, late: bool) -> tuple[str, str]:
        """Place and line of the student's innermost frame in what faulthandler wrote; ("", "") where there is none.

        Args:
            late: every thread is in it, the first one last; otherwise the one at fault is the current one.
        """
        last = re.split(r"^(?=Fatal Python error)", faults, flags=re.M)[-1]
        threads = re.split(r"^(?=(?:Current t|T)hread 0x)", last, flags=re.M)[1:]
        name = self.handed.path.name.encode("ascii", "backslashreplace").decode()
        for thread in reversed(threads) if late else threads:
            for file, line in re.findall(r'^  File "(.*)", line (\d+) in', thread, flags=re.M):
                cell = re.fullmatch(re.escape(name) + r", cell (\d+)", file)
                if cell or file == str(self.handed.path).encode("ascii", "backslashreplace").decode():
                    named = f"{self.handed.path.name}, cell {cell[1]}" if cell else str(self.handed.path)
                    parts(Submission({}, ""), self.handed)   # known to linecache from here on
                    return f"{os.path.basename(named)}, line {line}", linecache.getline(named, int(line)).strip()[:LONGEST]
        return "", ""


class _Fault(Exception):
    """There is no answer.

    Attributes:
        last: why: "late", "broken", or what the process said of its own end.
    """

    def __init__(self, last: dict):
        super().__init__()
        self.last = last


def grace(limit: float) -> float:
    """Seconds after its limit in which a process may still come back by itself."""
    return 1.0 + limit / 4


def _rewrite(array: np.ndarray, new: np.ndarray) -> None:
    """Do to an array what was done to its twin."""
    writeable = array.flags.writeable
    with contextlib.suppress(ValueError, TypeError):
        array.setflags(write=True)
        if array.shape != new.shape or array.dtype != new.dtype:
            spoilt = array.reshape(-1).view(np.uint8)   # of another form by now: any other content tells so
            np.bitwise_xor(spoilt, 1, out=spoilt)
        else:
            np.copyto(array, new)
        array.setflags(write=writeable)


def _text(value: Any) -> str:
    """A text from the process."""
    return str(value if value is not None else "")[:TEXT]


def _uses(value) -> dict[str, tuple[str, str]]:
    """See Found."""
    return {str(package): _pair(at) for package, at in [*value.items()][:100]} if isinstance(value, dict) else {}


def _pair(value) -> tuple[str, str]:
    """A place and a line of code."""
    return (_text(value[0]), _text(value[1])) if isinstance(value, list) and len(value) == 2 else ("", "")


def _list(value: Any) -> list:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Broken("its answer is malformed (list)")
    return value


def _problem(data: Any) -> Problem:
    """A Problem from the process, of which only texts are taken: numbers are found here."""
    if not isinstance(data, dict):
        raise Broken("its answer is malformed (problem)")
    text, likely, where, code = (_text(data.get(key)) for key in ("text", "likely", "where", "code"))
    return Problem(text, likely, where, code)
