"""Run the two sides in turn, each in a process of its own, and compare medians."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

CHILD = pathlib.Path(__file__).with_name("child.py")
LOOP = "import os\nwhile os.getppid() > 1: sum(range(10_000))"   # ends with whoever started it


def environment() -> dict[str, str]:
    """This process's environment, in which a child finds this checkout."""
    package = str(pathlib.Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}


class Side:
    """A child process with one side's work in it, in its own untouched environment."""

    def __init__(self, path: pathlib.Path):
        self.process = subprocess.Popen([sys.executable, str(CHILD), str(path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment())
        assert self.process.stdin and self.process.stdout   # both are pipes
        self.asks, self.answers = self.process.stdin, self.process.stdout
        first = self.answers.readline()
        if not first:
            raise RuntimeError(f"the side in {path.name} did not start (exit code {self.process.wait()}); see above")
        self.version = json.loads(first)["ready"]

    def run(self, work: str, seconds: float) -> list[float]:
        """Seconds of each step of ``work``, repeated for about ``seconds``."""
        self.asks.write(f"{work} {seconds}\n")
        self.asks.flush()
        line = self.answers.readline()
        if not line:
            raise RuntimeError(f"{work} failed (exit code {self.process.wait()}); see above")
        return json.loads(line)

    def close(self) -> None:
        """End the child."""
        with contextlib.suppress(OSError):   # it ended before
            self.asks.close()
        self.answers.close()
        self.process.wait()


@contextlib.contextmanager
def started(paths: dict[str, pathlib.Path]) -> Iterator[dict[str, Side]]:
    """A Side for each file, all of them ended after the ``with`` block, those that were started when one was not, too."""
    sides: dict[str, Side] = {}
    try:
        for name, path in paths.items():
            sides[name] = Side(path)
        yield sides
    finally:
        for side in sides.values():
            side.close()


@contextlib.contextmanager
def busy(loops: int) -> Iterator[list[subprocess.Popen]]:
    """Endless loops in processes of their own, for a ``with`` block."""
    running: list[subprocess.Popen] = []
    try:
        for _ in range(loops):
            running.append(subprocess.Popen([sys.executable, "-c", LOOP]))
        time.sleep(0.3 if loops else 0)   # until they have started
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def summary(seconds: list[float]) -> dict:
    """Median and quartiles in milliseconds, and how many steps they stand on."""
    ms = sorted(1e3 * s for s in seconds)
    return {"median_ms": statistics.median(ms), "low_ms": ms[len(ms) // 4], "high_ms": ms[(3 * len(ms)) // 4],
            "steps": len(ms)}


def compare(sides: dict[str, Side], work: str, rounds: int, seconds: float, other: str = "pytorch", times: int = 1) -> dict:
    """Time one work on all sides, alternating, and give their summaries and the ratio.

    The ratio is the other side's time over ours: the median over the rounds of the ratio of the round's medians, so that
    a slow moment of the machine weighs on both sides. The other side needs ``times`` steps for one of ours.
    """
    taken: dict[str, list[list[float]]] = {name: [] for name in sides}
    for side in sides.values():
        side.run(work, 0.2)   # warm up, compile
    for turn in range(rounds):
        for name in sorted(sides, reverse=turn % 2 == 1):
            taken[name].append(sides[name].run(work, seconds))
    result: dict[str, Any] = {name: summary([s for one in parts for s in one]) for name, parts in taken.items()}
    if {"tinymm", other} <= sides.keys():
        ratios = [times * statistics.median(p) / statistics.median(o) for p, o in zip(taken[other], taken["tinymm"])]
        result["ratio"] = statistics.median(ratios)
        result["ratio_low"], result["ratio_high"] = min(ratios), max(ratios)
    return result
