"""run: a lecture from its first training step to the last picture, in a folder from which it can be resumed."""

from __future__ import annotations

import json
import os
import pathlib
import time
from collections.abc import Container
from typing import Any

from ..backend.files import finite, replacing, write_json
from ..backend.locks import Occupied, locked
from ..backend.random import manual_seed
from ..train.checkpoint import checkpoints, remove_checkpoints
from ..version import __version__
from .experiment import Experiment, M, T

CHECKPOINTS = "checkpoints"
REPORT = "report.json"
LOCK = ".running"
STAGES = ("lecture", "variant", "data")   # options on which it depends which stages there are
CLAIM: dict[str, Any] = {   # what a report has of one
    "statement": str, "measured": (int, float, type(None)), "threshold": str, "verdict": str}
FORMATS = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")   # of Figures


class OccupiedFolder(ValueError):
    """The folder holds something that a new run would destroy."""


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
        OccupiedFolder: another run is at work in ``out``, or ``out`` holds a run with other options; or ``resume`` is False, and
            it holds an interrupted training, or a ``report.json`` that is none of ours.
        KeyboardInterrupt: Ctrl-C; a checkpoint was written.
    """
    if out is None:
        return _run(experiment, None, resume, progress)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out / LOCK, wait=False):
            _prepare(out, experiment, resume)
            return _run(experiment, out, resume, progress)
    except Occupied as error:
        raise OccupiedFolder(f"{out} is in use by another run ({error.owner}); wait for its end, or choose another folder with "
                             "--out") from None


def _run(experiment: Experiment, out: pathlib.Path | None, resume: bool, progress: bool) -> dict:
    manual_seed(experiment.seed)
    start = time.monotonic()
    experiment.trained, training = fit(experiment, None if out is None else out / CHECKPOINTS, resume, progress)
    fitted = time.monotonic()
    experiment.measured = experiment.evaluate(experiment.trained)
    metrics = experiment.measured.metrics
    claims = [claim.as_dict() for claim in experiment.claims(metrics)]
    seconds = training + time.monotonic() - fitted if resume else time.monotonic() - start
    report: dict = finite({"lecture": experiment.number, "title": experiment.title, **experiment.config, "tinymm": __version__,
                     "seconds": round(seconds, 2), "metrics": metrics, "claims": claims, "pictures": []})
    if out is not None:
        write_json(out / REPORT, report)   # before anything is drawn: numbers are not lost for a picture
    figures = experiment.figures(experiment.trained, experiment.measured)
    report["pictures"] = sorted(figures)
    if out is not None:
        for name, figure in figures.items():
            save_figure(figure, out / name)
        write_json(out / REPORT, report)
    return report


def fit(experiment: Experiment[T, M], folder: pathlib.Path | None = None, resume: bool = False,
        progress: bool = False) -> tuple[T, float]:
    """Train all stages of a lecture.

    Args:
        experiment: the lecture, prepared.
        folder: for checkpoints; None keeps none.
        resume: continue from them.
        progress: show bars.

    Returns:
        What was trained, and the seconds it took, those before an interruption included.
    """
    stages, seconds = experiment.stages(folder, progress), 0.0
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            return end.value, seconds
        stage.fit(resume)
        seconds += stage.seconds


def folder_of(experiment: Experiment) -> pathlib.Path:
    """The default folder of a run: of its own for each variant, dataset, scale, number of epochs and seed."""
    parts = [f"lecture_{experiment.number:02d}"]
    if experiment.variant != next(iter(experiment.variants)):
        parts.append(experiment.variant)
    if experiment.data is not None:
        parts.append(experiment.data)
    if experiment.scale != "lecture":
        parts.append(experiment.scale)
    if experiment.epochs is not None:
        parts.append(f"epochs{experiment.epochs}")
    if experiment.seed:
        parts.append(f"seed{experiment.seed}")
    return pathlib.Path("runs") / "_".join(parts)


def check_format(path: str | os.PathLike) -> None:
    """Raise unless the suffix of a Figure's file says a format that is written.

    Raises:
        ValueError: it says none.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{str(path)!r} does not end in a picture's format; choose one of {', '.join(FORMATS)}")


def save_figure(figure, path: pathlib.Path) -> None:
    """Write a Figure in the format that the suffix says, or a Drawing as SVG, completely or not at all."""
    drawing = hasattr(figure, "svg")
    if not drawing:
        check_format(path)   # matplotlib would write another file than it was told
    with replacing(path) as temporary:
        figure.save(temporary) if drawing else figure.savefig(temporary, dpi=110)


def unfinished(out: pathlib.Path) -> bool:
    """Whether a folder holds checkpoints of a run that wrote no report."""
    stages = out / CHECKPOINTS
    return not (out / REPORT).exists() and stages.is_dir() and any(checkpoints(stage) for stage in stages.iterdir())


def _prepare(out: pathlib.Path, experiment: Experiment, resume: bool) -> None:
    """Refuse a folder with something else in it; where a run with the same options is over, remove what is written again."""
    if resume:
        stages = out / CHECKPOINTS
        if not stages.is_dir() or not any(checkpoints(stage) for stage in stages.iterdir()):
            print(f"there is no checkpoint in {out} yet: starting")
        for stage in stages.iterdir() if stages.is_dir() else ():
            started = _config_of(stage)
            _same_options(out, experiment, started, [key for key in STAGES if key in started])
        if (report := read_report(out)) is not None:
            _same_options(out, experiment, report, STAGES)   # what differs within a stage, its checkpoint refuses
        return
    if unfinished(out):
        raise OccupiedFolder(f"{out} holds a training that was interrupted; continue it with python -m tinymm lecture "
                             f"{experiment.number} ... --resume, or choose another folder with --out")
    if not (out / REPORT).exists():
        return
    report = read_report(out)
    if report is None:
        raise OccupiedFolder(f"{out / REPORT} was not written by a lecture; choose another folder with --out")
    _same_options(out, experiment, report)
    for stage in (out / CHECKPOINTS).iterdir() if (out / CHECKPOINTS).is_dir() else ():
        remove_checkpoints(stage)
    (out / REPORT).unlink()


def _same_options(out: pathlib.Path, experiment: Experiment, report: dict, keys: Container[str] | None = None) -> None:
    """Refuse a folder whose report is of a run with other options, all of them or those named."""
    options = {"lecture": experiment.number, **experiment.config}
    other = [f"{key} is {report.get(key)!r} there and {value!r} here" for key, value in options.items()
             if report.get(key) != value and not isinstance(value, dict) and (keys is None or key in keys)]
    if other:
        raise OccupiedFolder(f"{out} holds a run with other options ({', '.join(other)}); choose another folder with --out")


def _config_of(stage: pathlib.Path) -> dict:
    """What a stage's newest checkpoint keeps of the options; {} where that cannot be told, which is for its Trainer to say."""
    try:
        config = json.loads((checkpoints(stage)[0] / "state.json").read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return {}
    return config if isinstance(config, dict) else {}


def read_report(out: pathlib.Path) -> dict | None:
    """The report of a run's folder; None where there is none, or something else of that name."""
    try:
        report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return report if _is_report(report) else None


def _is_report(report: Any) -> bool:
    """Whether it has what ``claims`` prints and compares."""
    return (isinstance(report, dict) and {"lecture", "tinymm"} <= set(report) and isinstance(report.get("metrics"), dict)
            and type(report.get("seconds")) in (int, float) and isinstance(report.get("claims"), list)
            and all(isinstance(claim, dict) and all(isinstance(claim.get(key), kind) for key, kind in CLAIM.items())
                    and "measured" in claim for claim in report["claims"]))
