"""`python -m tinymm lecture N`: run a lecture; checkpoints, metrics, claims and pictures go to a folder."""

from __future__ import annotations

import argparse
import pathlib

from ..backend.starting import INTERRUPTED
from ..experiments import LECTURES, find
from ..experiments.experiment import SCALES
from .terminal import output_folder, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", type=int, choices=sorted(LECTURES), help="which lecture")
    parser.add_argument("--variant", help="which of its systems (default: the first; --variant help lists them)")
    parser.add_argument("--scale", choices=SCALES, default="lecture", help="a quick look, or all of it (default)")
    parser.add_argument("--epochs", type=int, help="rounds of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--data", metavar="NAME", help="a published dataset in place of the embedded data")
    parser.add_argument("--root", metavar="FOLDER", help="the dataset's folder")
    parser.add_argument("--out", type=output_folder, metavar="DIR",
                        help="folder for checkpoints, report.json and pictures (default: in runs/)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted training in DIR")


def run(args: argparse.Namespace) -> int:
    from ..experiments.claims import table
    from ..experiments.running import folder_of, unfinished
    from ..experiments.running import run as run_lecture

    lecture = find(args.number)
    if args.variant == "help":
        print("\n".join(f"{name:<20}{text}" for name, text in lecture.variants.items()))
        return 0
    experiment = lecture(args.variant, args.scale, args.seed, args.epochs, args.device, args.data, args.root)
    out = pathlib.Path(args.out) if args.out else folder_of(experiment)
    print(f"Lecture {experiment.number}: {experiment.title}" +
          (f" ({experiment.variants[experiment.variant]})" if len(lecture.variants) > 1 else ""))
    try:
        experiment.prepare()
        report = run_lecture(experiment, out, args.resume)
    except KeyboardInterrupt:
        say("lecture: interrupted; " + (f"the checkpoint is in {out}, continue with the same command and --resume"
                                        if unfinished(out) else "there is no checkpoint yet"))
        return INTERRUPTED
    print(table(report["claims"]))
    print(f"{report['seconds']:.1f} s; report.json and {len(report['pictures'])} pictures in {out}")
    return 0
