"""run: a lecture from its first training step to the last picture, in a folder from which it can be resumed."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import time

import tinymm

from ..backend.random import manual_seed
from ..train.checkpoint import checkpoints
from .experiment import Experiment

CHECKPOINTS = "checkpoints"
REPORT = "report.json"


class Unfinished(Exception):
    """The folder holds a training that was interrupted, and nobody said to resume it."""


def run(experiment: Experiment, out: str | os.PathLike | None = None, resume: bool = False, progress: bool = True) -> dict:
    """Train, measure, judge the claims, draw.

    Args:
        experiment: the lecture, prepared.
        out: folder for checkpoints, ``report.json`` and pictures; None writes nothing.
        resume: continue an interrupted training in ``out``.
        progress: show bars.

    Returns:
        The report.

    Raises:
        Unfinished: ``out`` holds an interrupted training, and ``resume`` is False.
        KeyboardInterrupt: Ctrl-C; a checkpoint was written.
    """
    out = None if out is None else pathlib.Path(out)
    if out is not None:
        _prepare(out, resume)
    manual_seed(experiment.seed)
    start = time.monotonic()
    trained = 0.0
    for stage in experiment.stages(None if out is None else out / CHECKPOINTS, progress):
        stage.fit(resume)
        trained += stage.seconds
    fitted = time.monotonic()
    metrics = experiment.evaluate()
    claims = [claim.as_dict() for claim in experiment.claims(metrics)]
    figures = experiment.figures(metrics)
    seconds = trained + time.monotonic() - fitted if resume else time.monotonic() - start
    report = {"lecture": experiment.number, "title": experiment.title, **experiment.config, "tinymm": tinymm.__version__,
              "seconds": round(seconds, 2), "metrics": metrics, "claims": claims, "pictures": sorted(figures)}
    if out is not None:
        for name, figure in figures.items():
            save_figure(figure, out / name)
        _write(out / REPORT, json.dumps(report, indent=1))
    return report


def save_figure(figure, path: pathlib.Path) -> None:
    """Write a Figure as PNG, or a Drawing as SVG, completely or not at all."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    figure.save(temporary) if hasattr(figure, "svg") else figure.savefig(temporary, dpi=110)
    os.replace(temporary, path)


def unfinished(out: pathlib.Path) -> bool:
    """Whether a folder holds checkpoints of a run that wrote no report."""
    stages = out / CHECKPOINTS
    return not (out / REPORT).exists() and stages.is_dir() and any(checkpoints(stage) for stage in stages.iterdir())


def _prepare(out: pathlib.Path, resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        return
    if unfinished(out):
        raise Unfinished(f"{out} holds a training that was interrupted; continue it with --resume, or choose another folder with "
                         f"--out (or remove {out})")
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)   # of a run that is over; the same options would train the same again
    (out / REPORT).unlink(missing_ok=True)


def _write(path: pathlib.Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
