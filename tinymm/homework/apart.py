"""A student's file, checked in a process of its own: whatever it does to that, the check ends with its report.

The process (``worker.py``) says through a pipe what it is about to do and what it found. A function counts as right only if
the process said so: its exit code means nothing. If it ends, or does not come back within its time, that is told of the
statement or function that it was about, and another process goes on with the rest. It is started afresh, not forked, and only
how all that it has started is stopped with it hangs on the platform.

What this is not: a protection from malice. The file runs with the rights of whoever runs the check, it can read and write
files, use the network, look for the pipe and forge a verdict. Its memory is limited on Linux only, the number of its processes
nowhere; a process that it detaches from its own (a daemon) goes on. Grade what you do not trust in a container.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import pathlib
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from .execute import REMARK, Handed, parts, read
from .limit import checked_limit
from .report import LIMIT, FunctionResult, Problem, Report
from .submission import LONGEST, Submission

START = 120.0     # seconds for the process to start, on a machine that is busy
CUT_OFF = 74      # exit code of a process that has lost its pipe
RESTARTS = 5      # after so many ends while the file is executed it is given up
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent   # the folder that holds the package
HARD = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL"}


class Late(Exception):
    """The process has not come back in time."""


class Ended(Exception):
    """The process has ended."""


def check_apart(number: int | str, path, only: str | None = None, limit: float = LIMIT,
                show: Callable[[str, str], None] | None = None) -> Report:
    """``check`` of a file, in a process of its own.

    Args:
        number, path, only, limit: those of ``check``. Without a limit the file may read from the terminal.
        show: called with "out" or "err" and a piece of what the file prints; by default it is printed.

    Returns:
        Report: as of ``check``.

    Raises:
        ValueError: there is no such exercise, task or function.
        OSError: the file cannot be read, or no process can be started.
    """
    checked_limit(limit)
    start = time.perf_counter()
    checking = Checking(number, read(path), only, limit, show or printed)
    while not checking.over():
        checking.round()
    report = checking.finished()
    report.seconds = time.perf_counter() - start
    return report


class Checking:
    """A check, over as many processes as it takes.

    Attributes:
        report: from the process's first answer on.
        results: function -> FunctionResult.
        dead: functions that ended their process.
        deaths: places in the file that did, with the Problem to tell there.
    """

    def __init__(self, number: int | str, handed: Handed, only: str | None, limit: float, show: Callable[[str, str], None]):
        self.handed, self.limit, self.show = handed, limit, show
        self.asked = {"number": str(number), "path": str(handed.path), "only": only, "limit": limit, "size": len(handed.data),
                      "late": limit + grace(limit) / 2 if limit else 0}
        self.report: Report | None = None
        self.functions: list[str] = []
        self.results: dict[str, FunctionResult] = {}
        self.dead: list[str] = []
        self.deaths: list[dict] = []
        self.remarks: list[str] = []
        self.unended = False   # the last line that the file printed has no end

    def left(self) -> list[str]:
        """Functions without a verdict."""
        return [name for name in self.functions if name not in self.results]

    def over(self) -> bool:
        return self.report is not None and (not self.left() or len(self.deaths) > RESTARTS)

    def finished(self) -> Report:
        """The report, complete."""
        assert self.report is not None
        if self.unended:
            self.show("out", "\n")
        if self.left():
            self.report.problems = [Problem.of(death["problem"]) for death in self.deaths[-1:]]
        for name in self.left():
            self.results[name] = FunctionResult(name, "not checked", problems=[Problem("the file ends its process each time that "
                                                                                       "it is executed")])
        self.report.results = [self.results[name] for name in self.functions]
        self.report.notes += self.remarks
        return self.report

    def round(self) -> None:
        """One process: what it says, and what is to be said of its end."""
        todo = self.left() if self.report is not None else None
        process = Process({**self.asked, "todo": todo, "dead": self.dead, "deaths": self.deaths}, self.handed.data, self.limit > 0)
        at: dict = {}            # what the process is about: {"part", "step", "where", "code"} or {"function", "where"}
        last: dict = {}          # what it said of its own end
        deadline = time.monotonic() + START
        try:
            while "done" not in last:
                message = process.next(deadline)
                if "part" in message or "function" in message:
                    at = {"step": -1, "code": "", "where": "", **message}
                    deadline = time.monotonic() + (self.limit + grace(self.limit) if self.limit else float("inf"))
                elif "step" in message:
                    at.update(message)
                elif "out" in message or "err" in message:
                    for stream, text in message.items():
                        self.show(stream, text)
                        self.unended = not text.endswith("\n") if stream == "out" else self.unended
                elif "result" in message:
                    result = FunctionResult.of(message["result"])
                    self.results[result.function] = result
                    at = {}
                elif "problems" in message:
                    assert self.report is not None
                    self.report.problems, self.report.notes = [Problem.of(p) for p in message["problems"]], message["notes"]
                    at = {}
                elif "lecture" in message:
                    self.functions = message["functions"]
                    self.report = self.report or Report(message["lecture"], message["title"], str(self.handed.path))
                elif "refused" in message:
                    raise ValueError(message["refused"])
                else:   # done, ended or failed
                    last = message
        except Late:
            last = {"late": True}
        except Ended:
            pass
        finally:
            process.stop()
        if "done" not in last and (self.report is None or self.left()):
            self.bury(process, at, last)

    def bury(self, process: Process, at: dict, last: dict) -> None:
        """A process that has not come to its end: tell so at the statement or function that it was about."""
        if self.report is None or not at and not self.results and not self.deaths and not self.dead:
            raise OSError(f"check: the process that checks the file could not start: {last.get('failed') or process.last_words()}")
        verdict, problem = self.cause(process, at, last)
        if "part" in at:
            problem.text += REMARK
            self.deaths.append({"part": at["part"], "step": at["step"], "problem": vars(problem)})
            return
        name = at.get("function") or self.left()[0]
        self.dead.append(name)
        if name in self.functions:
            self.results[name] = FunctionResult(name, verdict, at.get("where", ""), [problem])
        else:   # the forward, where only the backward is asked for
            self.remarks.append("; ".join([f"{name}: {problem.lines()[0]}", *problem.lines()[1:]]))

    def cause(self, process: Process, at: dict, last: dict) -> tuple[str, Problem]:
        """Verdict and Problem of an end."""
        where, code = self.place(process.faults(), "late" in last)
        if not where and "part" in at:
            where, code = at["where"], at["code"]
        if "late" in last:
            return "time limit", Problem(f"still running after {self.limit:g} s, and stopped with its process", "a loop that goes "
                                         "on after every exception, or one step without an end (a huge power, a regular "
                                         "expression)", where, code)
        if "ended" in last:
            return "error", Problem(f"it ends the process, with {last['ended']}", where=last["where"] or where,
                                    code=last["code"] or code)
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

    def place(self, faults: str, late: bool) -> tuple[str, str]:
        """Place and line of the student's innermost frame in what faulthandler wrote; ("", "") where there is none.

        Args:
            late: every thread is in it, the first one last; otherwise the one at fault is the current one.
        """
        last = re.split(r"^(?=Timeout \(|Fatal Python error)", faults, flags=re.M)[-1]
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


class Process:
    """One process that checks a file, and what comes from it.

    Args:
        request: what it is asked.
        data: the file.
        group: in a group of its own, which is stopped as a whole.

    Attributes:
        code: its exit code; None where it had to be stopped.
    """

    code: int | None = None

    def __init__(self, request: dict, data: bytes, group: bool):
        self.group, self.nonce = group, secrets.token_hex(16).encode()
        here = {"", os.getcwd()}   # a student's random.py in the current folder is not the library's
        path = [entry for entry in sys.path if entry not in here] + [str(ROOT)]
        code = f"import sys; sys.path[:] = {path!r}; from tinymm.homework.worker import main; main()"
        options: dict = {"start_new_session": group} if os.name == "posix" else \
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        if not sys.executable:
            raise OSError("check: this Python does not know its own program (sys.executable), and can start no process")
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env={**os.environ, "MPLBACKEND": "Agg"}, **options)
        self.lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.written = bytearray()
        self.readers = [threading.Thread(target=work, daemon=True) for work in (self._read_lines, self._read_faults)]
        for reader in self.readers:
            reader.start()
        text = json.dumps({**request, "nonce": self.nonce.decode()}).encode()
        try:
            with contextlib.suppress(BrokenPipeError):   # it has ended: that is seen soon enough
                self._stdin.write(b"%d\n%b%b" % (len(text), text, data))
                self._stdin.flush()
        except BaseException:
            self.stop()
            raise

    @property
    def _stdin(self):
        assert self.process.stdin is not None
        return self.process.stdin

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):   # closed while it is read
            for line in self.process.stdout:
                self.lines.put(line)
        self.lines.put(None)

    def _read_faults(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self.process.stderr.fileno(), 65_536):
                self.written += data[:max(0, 2 ** 20 - len(self.written))]

    def next(self, deadline: float) -> dict:
        """The next message.

        Raises:
            Late: none has come by then.
            Ended: none will come.
        """
        while True:
            if time.monotonic() > deadline:
                raise Late
            over = self.process.poll() is not None   # its pipe may be held open by what it has started
            try:
                line = self.lines.get(timeout=max(0.0, min(0.5, deadline - time.monotonic())))
            except queue.Empty:
                if over:
                    raise Ended from None
                continue
            if line is None:
                with contextlib.suppress(subprocess.TimeoutExpired):   # it may have lost its pipe only
                    self.process.wait(max(0.0, min(5.0, deadline - time.monotonic())))
                raise Ended
            if line.startswith(self.nonce):
                with contextlib.suppress(ValueError):
                    return json.loads(line[len(self.nonce):])

    def stop(self) -> None:
        """End the process and all that it has started."""
        self.code = self.process.poll()
        with contextlib.suppress(OSError):
            if os.name == "posix" and self.group:
                os.killpg(self.process.pid, signal.SIGKILL)
            elif os.name == "nt":
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(self.process.pid)], capture_output=True)
        with contextlib.suppress(OSError):
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):   # a system call that cannot be interrupted
            self.process.wait(10.0)
        self.readers[1].join(1.0)   # the last lines of faulthandler
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError, ValueError):
                if stream is not None:
                    stream.close()

    def faults(self) -> str:
        """What faulthandler wrote."""
        return bytes(self.written).decode("utf-8", "replace")

    def last_words(self) -> str:
        """The last line that it wrote to its error stream."""
        lines = self.faults().split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {self.code}")


def grace(limit: float) -> float:
    """Seconds after its limit in which a process may still come back by itself."""
    return 1.0 + limit / 4


def printed(stream: str, text: str) -> None:
    """Print a piece of what a file prints."""
    out = sys.stdout if stream == "out" else sys.stderr
    if out is not None:
        encoding = getattr(out, "encoding", None) or "utf-8"
        out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()
