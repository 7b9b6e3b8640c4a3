"""Models taken from the folder of a finished run, for commands that go on with them."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..autograd.host import to_numpy
from ..train import load_checkpoint
from .running import CHECKPOINTS

MESSAGE = 300    # characters of an error's message that are shown

M = TypeVar("M")


def restore(run: str | os.PathLike, stage: str, what: str, trains: str, build: Callable[[Any], M],
            part: str = "") -> M:
    """What a stage of a run trained, in evaluation mode.

    Args:
        run: the run's folder, e.g. "runs/lecture_04".
        stage: its name, that of a folder below the run's checkpoints.
        what: it is called in messages, e.g. "captioner".
        trains: a command that trains one; messages put ``--out`` and the folder behind it.
        build: configuration that the checkpoint keeps -> the untrained model; what it finds wrong, it raises.
        part: with a point at its end, that of a stage's modules which the model is, "G." for a GAN's generator; all by default.

    Raises:
        FileNotFoundError: no such stage was trained there.
        ValueError: its checkpoint does not load, is of another lecture or version, or is damaged.
    """
    folder = pathlib.Path(run)
    checkpoint = folder / CHECKPOINTS / stage
    if not checkpoint.is_dir():
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"{folder} is a file; give the folder of a run, e.g. runs/lecture_04")
        raise FileNotFoundError(f"{folder} holds no trained {what}; {trains.format(folder)} trains one")
    try:
        weights, _, state = load_checkpoint(checkpoint)
    except RecursionError:   # of the JSON reader
        raise ValueError(f"the checkpoint in {checkpoint} does not load: its state.json has brackets within brackets without "
                         "end") from None
    try:
        model: Any = build(state.get("config") if isinstance(state, dict) else None)
        model.load_state_dict({key[len(part):]: tensor for key, tensor in weights.items() if key.startswith(part)})
        _check_finite(model)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        said = " ".join(str(error).split())   # a list of keys has many lines
        raise ValueError(f"the checkpoint in {checkpoint} holds no {what} of this version: "
                         f"{said if len(said) <= MESSAGE else said[:MESSAGE] + ' ...'}; train it again, or give the folder of "
                         "another run") from None
    return model.eval()


def _check_finite(model) -> None:
    for name, tensor in model.state_dict().items():
        array = to_numpy(tensor)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} has NaN or infinity in it")
