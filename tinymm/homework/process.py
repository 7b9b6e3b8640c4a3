"""A process that holds a submission: how it is started, asked, waited for and stopped.

It is started afresh, not forked, and only how all that it has started is stopped with it hangs on the platform.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import queue
import secrets
import select
import signal
import subprocess
import sys
import threading
import time

from .submission import NoProcess
from .wire import MARK, cut_frame, frame

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent   # the folder that holds the package
PIECE = 65_536           # bytes that are read at once
WAITING = 8              # pieces that wait to be looked at, where a thread reads them
FAULTS = 2 ** 20         # bytes of what faulthandler writes that are kept
NEEDED = {"PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT", "COMSPEC"}   # variables
ONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
CODE = "import sys; sys.path[:] = {path!r}; from tinymm.homework.worker import main; main({mark!r})"


class Late(Exception):
    """The process has not come back in time."""


class Ended(Exception):
    """The process has ended."""


class Process:
    """One process, and what comes from it.

    Args:
        group: in a group of its own, which is stopped as a whole.
        folder: in which it runs, for its own, with an environment that holds nothing but what Python needs; None for the
            current one, and the whole environment.

    Attributes:
        code: its exit code; None where it had to be stopped.

    Raises:
        NoProcess: none can be started.
    """

    code: int | None = None

    def __init__(self, group: bool, folder: str | None = None):
        self.group, self.mark, self.stopped = group, secrets.token_hex(MARK // 2).encode(), False
        here = {"", os.getcwd()}   # a student's random.py in the current folder is not the library's
        path = [entry for entry in sys.path if entry not in here] + [str(ROOT)]
        options: dict = {"start_new_session": group} if os.name == "posix" else \
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        if not sys.executable:
            raise NoProcess("check: this Python does not know its own program (sys.executable), and can start no process")
        environment = {name: value for name, value in os.environ.items() if folder is None or name in NEEDED
                       or name.startswith(("PYTHON", "LC_", "OMP_", "OPENBLAS_", "MKL_", "NUMBA_", "TINYMM_"))}
        if folder is not None:
            environment |= {"HOME": folder, "TMPDIR": folder, "TEMP": folder, "TMP": folder, **ONE}
        self.process = subprocess.Popen([sys.executable, "-c", CODE.format(path=path, mark=self.mark)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder, bufsize=0,
                                        env={**environment, "MPLBACKEND": "Agg"}, **options)
        self.received, self.written, self.closed = bytearray(), bytearray(), False
        self.pieces: queue.Queue[bytes] = queue.Queue(WAITING)
        self.readers = [threading.Thread(target=self._read_faults, daemon=True)]
        if os.name == "posix":
            os.set_blocking(self._stdin.fileno(), False)
        else:   # there is no waiting for a pipe
            self.readers.append(threading.Thread(target=self._read_pieces, daemon=True))
        for reader in self.readers:
            reader.start()

    @property
    def _stdin(self):
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def _stdout(self):
        assert self.process.stdout is not None
        return self.process.stdout

    def _read_pieces(self) -> None:
        data = b"more"
        while data and not self.stopped:
            try:
                data = os.read(self._stdout.fileno(), PIECE)
            except (OSError, ValueError):   # closed while it is read
                data = b""
            while not self.stopped:
                with contextlib.suppress(queue.Full):
                    self.pieces.put(data, timeout=0.5)
                    break

    def _receive(self, seconds: float) -> bool:
        """Wait for more of its output; whether any came."""
        try:
            if os.name != "posix":
                data = self.pieces.get(timeout=seconds)
            elif select.select([self._stdout], [], [], seconds)[0]:
                data = os.read(self._stdout.fileno(), PIECE)
            else:
                return False
        except queue.Empty:
            return False
        except (OSError, ValueError):
            data = b""
        self.received += data
        self.closed = not data
        return True

    def _read_faults(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while data := os.read(self.process.stderr.fileno(), 65_536):
                self.written += data[:max(0, FAULTS - len(self.written))]

    def send(self, head: dict, body: bytes, deadline: float) -> None:
        """Send a frame.

        Raises:
            Late: it has not been taken by then.
        """
        data = memoryview(frame(self.mark, head, body))
        while data:
            try:
                data = data[os.write(self._stdin.fileno(), data):]
            except BlockingIOError:
                if not select.select([], [self._stdin], [], max(0.0, min(1.0, deadline - time.monotonic())))[1] \
                        and time.monotonic() > deadline:
                    raise Late from None
            except OSError:   # it has ended, or closed its end: that is seen soon enough
                return

    def next(self, deadline: float) -> tuple[dict, bytes]:
        """The next frame.

        Raises:
            Late: none has come by then.
            Ended: none will come.
            Broken: what came is none.
        """
        while True:
            if time.monotonic() > deadline:
                raise Late
            found = cut_frame(self.mark, self.received)
            if found is not None:
                return found
            if self.closed:
                with contextlib.suppress(subprocess.TimeoutExpired):   # it may have lost its pipe only
                    self.process.wait(max(0.0, min(5.0, deadline - time.monotonic())))
                raise Ended
            if not self._receive(max(0.0, min(0.5, deadline - time.monotonic()))) and self.process.poll() is not None \
                    and not self._receive(0.0):   # its pipe may be held open by what it has started
                raise Ended

    def seconds(self) -> float:
        """Processor time that it has used; what a clock says where the system does not tell."""
        with contextlib.suppress(OSError, AttributeError, ValueError):
            if sys.platform == "linux":
                return time.clock_gettime((~self.process.pid << 3) | 2)   # as clock_getcpuclockid(3) makes it
        return time.monotonic()

    def hurry(self) -> None:
        """Tell it that the time of a call is over."""
        if hasattr(signal, "SIGUSR2") and self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.process.send_signal(signal.SIGUSR2)

    def ask_where(self) -> None:
        """Have faulthandler write where it is, also inside C."""
        if hasattr(signal, "SIGUSR1") and self.process.poll() is None:
            with contextlib.suppress(OSError):
                before = len(self.written)
                self.process.send_signal(signal.SIGUSR1)
                for _ in range(50):
                    if len(self.written) > before and self.written.endswith(b"\n"):
                        break
                    time.sleep(0.01)

    def stop(self) -> None:
        """End the process and all that it has started."""
        if self.stopped:
            return
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
        self.stopped = True   # now, as what it wrote at its end is still to be read
        self.readers[0].join(1.0)   # the last lines of faulthandler
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
