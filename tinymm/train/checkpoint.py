"""Checkpoints: a folder that is there completely or not at all.

A run's folder holds ``checkpoint-00001200`` and the like, numbered by training step. Each has

    model.safetensors       the model's state dict, an ordinary safetensors file with PyTorch's keys
    optimizer.safetensors   the optimiser's moments
    state.json              everything else: position, random streams, data order, history, configuration

It is written under another name, flushed to the disk and renamed, so a process may be killed at any moment: the newest
complete checkpoint loads. The one before is kept for the case that a disk damages a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

from ..serialization import load, save

NAME = re.compile(r"checkpoint-(\d{8,})")
KEPT = 2


def save_checkpoint(folder: str | os.PathLike, step: int, model: dict, optimizer: dict, state: dict) -> pathlib.Path:
    """Write one checkpoint, and remove all but the newest two.

    Args:
        folder: of the run; made if it is not there.
        step: number of the training step, which names the checkpoint.
        model: a flat state dict.
        optimizer: the optimiser's state dict.
        state: plain data for JSON.

    Returns:
        The checkpoint's folder.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"checkpoint-{step:08d}"
    _sweep(folder)
    temporary = pathlib.Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    save(model, temporary / "model.safetensors")
    save(optimizer, temporary / "optimizer.safetensors")
    with open(temporary / "state.json", "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    _flush(temporary)
    if target.exists():   # the same step again: the old one goes first, because a folder is not renamed over another
        _discard(target)
    os.rename(temporary, target)
    _flush(folder)
    for older in checkpoints(folder)[KEPT:]:
        with contextlib.suppress(OSError):   # one that somebody looks into, on Windows; the next save tries again
            _discard(older)
    return target


def remove_checkpoints(folder: str | os.PathLike) -> None:
    """Remove all checkpoints in a run's folder, and nothing else."""
    for path in checkpoints(folder):
        _discard(path)


def checkpoints(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The checkpoints in a run's folder, the newest first."""
    folder = pathlib.Path(folder)
    names = ((NAME.fullmatch(path.name), path) for path in (folder.iterdir() if folder.is_dir() else ()))
    found = [(int(match[1]), path) for match, path in names if match is not None]
    return [path for _, path in sorted(found, reverse=True)]


def load_checkpoint(path: str | os.PathLike) -> tuple[dict, dict, dict]:
    """(model, optimizer, state) of one checkpoint, or of the newest that loads in a run's folder.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: none of them loads; the message says why the newest does not.
    """
    path = pathlib.Path(path)
    candidates = [path] if NAME.fullmatch(path.name) else checkpoints(path)
    if not candidates:
        raise FileNotFoundError(f"load_checkpoint: there is no checkpoint in {path}" + ("" if path.is_dir() else
                                                                                       ", which does not exist"))
    failure = None
    for candidate in candidates:
        try:
            state = json.loads((candidate / "state.json").read_text(encoding="utf-8"))
            loaded = load(candidate / "model.safetensors"), load(candidate / "optimizer.safetensors"), state
        except (OSError, ValueError) as error:   # JSONDecodeError and a damaged safetensors file are ValueErrors
            failure = failure or error
            continue
        if failure is not None:
            print(f"load_checkpoint: {candidates[0].name} does not load ({failure}); going on from {candidate.name}",
                  file=sys.stderr)
        return loaded
    raise ValueError(f"load_checkpoint: no checkpoint in {path} loads: {failure}")


def _discard(path: pathlib.Path) -> None:
    """Remove a checkpoint so that no half of it can be taken for a whole one."""
    doomed = path.with_name(f".removing-{path.name}-{os.getpid()}")
    shutil.rmtree(doomed, ignore_errors=True)
    os.rename(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _sweep(folder: pathlib.Path) -> None:
    """Remove what killed processes left behind."""
    for path in folder.iterdir():
        if path.name.startswith((".writing-", ".removing-")):
            shutil.rmtree(path, ignore_errors=True)


def _flush(folder: pathlib.Path) -> None:
    """Ask for the folder's own entries to reach the disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
