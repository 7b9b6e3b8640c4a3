"""Checkpoints: a folder that is there completely or not at all.

A run's folder holds ``checkpoint-00001200`` and the like, numbered by training step. Each has

    model.safetensors       the model's state dict, an ordinary safetensors file with PyTorch's keys
    optimizer.safetensors   the optimiser's moments
    state.json              everything else: position, random streams, data order, history, configuration

It is written under another name, flushed to the disk and renamed, so a process may be killed at any moment: the newest
complete checkpoint loads. The one before is kept for the case that a disk damages a file.

Who saves holds the folder's lock, and others who save there wait their turn. Who loads needs none: where a checkpoint was
replaced or removed in the middle, it is read again.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

from ..backend.locks import locked
from ..backend.telling import tell
from ..serialization import load, save
from .plain import plain

NAME = re.compile(r"checkpoint-(\d{8,})")
SET_ASIDE = ".replaced-"   # before the name of a checkpoint while another of the same step takes its place
LOCK = ".saving"
KEPT = 2


def save_checkpoint(folder: str | os.PathLike, step: int, model: dict, optimizer: dict, state: dict) -> pathlib.Path:
    """Write one checkpoint, and remove all but the newest two.

    Args:
        folder: of the run; made if it is not there.
        step: number of the training step, which names the checkpoint.
        model: a flat state dict.
        optimizer: the optimiser's state dict.
        state: plain data, as ``plain`` has it, for JSON.

    Returns:
        The checkpoint's folder.

    Raises:
        TypeError: something in ``state`` that JSON does not keep.
        OSError: the folder cannot be written, or the disk is full; the checkpoints that are there stay.
    """
    text = json.dumps(plain(state, "save_checkpoint: state"))
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"checkpoint-{step:08d}"
    with locked(folder / LOCK) as alone:
        if alone:
            _sweep(folder)
        temporary = folder / f".writing-{os.urandom(4).hex()}"
        temporary.mkdir()
        try:
            save(model, temporary / "model.safetensors")
            save(optimizer, temporary / "optimizer.safetensors")
            with open(temporary / "state.json", "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _flush(temporary)
            _put(temporary, target)
        except BaseException:   # a full disk has no room for halves
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _flush(folder)
        for older in checkpoints(folder)[KEPT:]:
            with contextlib.suppress(OSError):   # one that somebody looks into, on Windows; the next save tries again
                _discard(older)
    return target


def _put(temporary: pathlib.Path, target: pathlib.Path) -> None:
    """Rename a folder to ``target``; at each moment what was there, or what comes, has one of a checkpoint's names."""
    aside = target.with_name(SET_ASIDE + target.name)
    if target.exists():   # the same step again: a folder is not renamed over another
        if aside.exists():
            _discard(aside)
        os.rename(target, aside)
    os.rename(temporary, target)
    if aside.exists():
        _discard(aside)


def remove_checkpoints(folder: str | os.PathLike) -> None:
    """Remove all checkpoints in a run's folder, and nothing else."""
    if not checkpoints(folder):
        return
    with locked(pathlib.Path(folder) / LOCK):
        for path in checkpoints(folder):
            _discard(path)


def checkpoints(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The checkpoints in a run's folder, the newest first."""
    folder = pathlib.Path(folder)
    found: dict[int, pathlib.Path] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        step = _step_of(path)
        if step is not None and (step not in found or not path.name.startswith(SET_ASIDE)):
            found[step] = path
    return [found[step] for step in sorted(found, reverse=True)]


def _step_of(path: pathlib.Path) -> int | None:
    """The training step that the name of a checkpoint's folder says; None for other names."""
    match = NAME.fullmatch(path.name.removeprefix(SET_ASIDE))
    return None if match is None else int(match[1])


def load_checkpoint(path: str | os.PathLike) -> tuple[dict, dict, dict]:
    """(model, optimizer, state) of one checkpoint, or of the newest that loads in a run's folder.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: none of them loads; the message says why the newest does not.
    """
    path = pathlib.Path(path)
    try:
        return _read_newest(path, only_newest=True)
    except (OSError, ValueError):   # damaged, or removed by somebody who saves
        with _quiet(path if _step_of(path) is None else path.parent):
            return _read_newest(path)


def _read_newest(path: pathlib.Path, only_newest: bool = False) -> tuple[dict, dict, dict]:
    candidates = checkpoints(path) if _step_of(path) is None else [path]
    if not candidates:
        raise FileNotFoundError(f"load_checkpoint: there is no checkpoint in {path}" + ("" if path.is_dir() else
                                                                                       ", which does not exist"))
    failure = None
    for candidate in candidates[:1] if only_newest else candidates:
        try:
            loaded = _read(candidate)
        except (OSError, ValueError) as error:   # JSONDecodeError and a damaged safetensors file are ValueErrors
            failure = failure or error
            continue
        if failure is not None:
            tell(f"load_checkpoint: {candidates[0].name} does not load ({failure}); going on from {candidate.name}")
        return loaded
    raise ValueError(f"load_checkpoint: no checkpoint in {path} loads: {failure}")


def _read(checkpoint: pathlib.Path) -> tuple[dict, dict, dict]:
    """One checkpoint's files, all of the same one."""
    before = _identity(checkpoint)
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    if not isinstance(state, dict):
        raise ValueError(f"{checkpoint / 'state.json'} holds a {type(state).__name__}; expected an object")
    loaded = load(checkpoint / "model.safetensors"), load(checkpoint / "optimizer.safetensors"), state
    for part, name in zip(loaded, ("model", "optimizer")):
        if not isinstance(part, dict):
            raise ValueError(f"{checkpoint / name}.safetensors holds a {type(part).__name__}; expected a state dict")
    if _identity(checkpoint) != before:
        raise FileNotFoundError(f"{checkpoint} was replaced while it was read")
    return loaded


def _identity(folder: pathlib.Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_ino, status.st_mtime_ns


@contextlib.contextmanager
def _quiet(folder: pathlib.Path) -> Iterator[None]:
    """Nobody saves in ``folder`` meanwhile, where a lock can be had: not in a folder that is read-only."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(folder / LOCK))
        yield


def _discard(path: pathlib.Path) -> None:
    """Remove a checkpoint so that no half of it can be taken for a whole one."""
    doomed = path.with_name(f".removing-{os.urandom(4).hex()}")
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
