"""One side of a comparison: a process that measures pieces of work when it is told to.

FILE defines ``WORKS``, a dict of name -> function that sets the work up and returns a step to call, and ``wake``, which
loads what its library loads at the first operation. What the process is told on its command line:

    child.py FILE                     read lines "NAME SECONDS", answer each with the seconds of every step in that time
    child.py FILE memory NAME STEPS   the resident memory before the work was set up, and the most after some steps
    child.py FILE first NAME          the seconds from before the work was set up to the end of its first step

Every answer is one line of JSON.
"""

import importlib.util
import json
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable

signal.signal(signal.SIGINT, signal.SIG_DFL)   # Ctrl-C goes to parent and child: the child ends, the parent says so
STARTED = time.perf_counter()


def load(path: str):
    """The module in FILE, which may import the files beside it."""
    sys.path.insert(0, str(pathlib.Path(path).resolve().parent))
    spec = importlib.util.spec_from_file_location("side", path)
    assert spec and spec.loader   # as the path ends in .py
    side = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(side)
    return side


def serve(side) -> None:
    """Time steps until the input ends."""
    print(json.dumps({"ready": getattr(side, "VERSION", "")}), flush=True)
    ready: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        name, seconds = line.split()
        if name not in ready:
            ready.clear()   # one work's memory at a time
            ready[name] = side.WORKS[name]()
            for _ in range(3):
                ready[name]()
        taken: list[float] = []
        step, end = ready[name], time.perf_counter() + float(seconds)
        while not taken or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            taken.append(time.perf_counter() - start)
        print(json.dumps(taken), flush=True)


def resident() -> tuple[int, int] | None:
    """Bytes of memory in use now, and the most so far; None where the system does not tell.

    Linux has both in /proc. getrusage knows the most only, and on Linux counts the process that started this one, too.
    """
    try:
        with open("/proc/self/status") as status:
            kib = {key: int(value.split()[0]) for key, _, value in (line.partition(":") for line in status)
                   if key in ("VmRSS", "VmHWM")}
        return kib["VmRSS"] * 1024, kib["VmHWM"] * 1024
    except (OSError, KeyError):
        pass
    try:
        import resource
    except ImportError:   # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return most, most


def memory(side, name: str, steps: int) -> dict | None:
    """Resident bytes before the work is set up, and the most after ``steps`` steps."""
    side.wake()
    before = resident()
    step = side.WORKS[name]()
    for _ in range(steps):
        step()
    return None if before is None else {"before": before[0], "peak": resident()[1]}


def first(side, name: str) -> dict:
    """Seconds to set the work up and take one step, and the same with the imports before it."""
    start = time.perf_counter()
    side.WORKS[name]()()
    end = time.perf_counter()
    return {"step": end - start, "with_imports": end - STARTED}


def main(path: str, what: str = "", *args: str) -> None:
    side = load(path)
    if not what:
        serve(side)
    elif what == "memory":
        print(json.dumps(memory(side, args[0], int(args[1]))))
    else:
        print(json.dumps(first(side, args[0])))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:   # the parent is gone, and has said why
        os._exit(1)           # without another attempt to write
