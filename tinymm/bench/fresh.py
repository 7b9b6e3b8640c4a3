"""What has to be measured in a fresh process: the most memory that a work takes, and how long its first step is."""

from __future__ import annotations

import json
import pathlib
import statistics
import subprocess
import sys

from .compare import CHILD, environment

STEPS = 5       # of a work whose memory is measured: the second and later ones reuse what the first allocated
STARTS = 5      # fresh processes whose first steps are timed


def ask(path: pathlib.Path, *arguments: str) -> dict | None:
    """The answer of a fresh child process."""
    result = subprocess.run([sys.executable, str(CHILD), str(path), *arguments], stdout=subprocess.PIPE, text=True,
                            env=environment())
    if result.returncode:
        raise RuntimeError(f"{' '.join(arguments)} of {path.name} failed (exit code {result.returncode}); see above")
    return json.loads(result.stdout)


def peak_memory(files: dict[str, pathlib.Path], work: str) -> dict:
    """For each side the bytes that a work adds to its process, and the whole process's; PyTorch's and our ratio.

    Args:
        files: side -> file with its works.

    Returns:
        side -> {"added", "process"} in bytes, or None where the system does not tell; "ratio" and "process_ratio", ours
        over PyTorch's, if both sides are there.
    """
    found: dict = {}
    for side, path in files.items():
        bytes_ = ask(path, "memory", work, str(STEPS))
        found[side] = bytes_ and {"added": bytes_["peak"] - bytes_["before"], "process": bytes_["peak"]}
    ours, theirs = found.get("tinymm"), found.get("pytorch")
    if ours and theirs:
        found["ratio"] = ours["added"] / max(theirs["added"], 1)
        found["process_ratio"] = ours["process"] / theirs["process"]
    return found


def first_step(files: dict[str, pathlib.Path], work: str) -> dict:
    """For each side the seconds of its first step in a fresh process: medians, and the least and most.

    One more process goes before, so that kernels are compiled and files are in the system's cache.

    Returns:
        side -> {"step", "step_low", "step_high", "with_imports"} in seconds.
    """
    taken: dict[str, list[dict]] = {side: [] for side in files}
    for path in files.values():
        ask(path, "first", work)
    for _ in range(STARTS):
        for side, path in files.items():
            taken[side].append(ask(path, "first", work))
    found = {}
    for side, answers in taken.items():
        steps = [a["step"] for a in answers]
        found[side] = {"step": statistics.median(steps), "step_low": min(steps), "step_high": max(steps),
                       "with_imports": statistics.median(a["with_imports"] for a in answers)}
    return found
