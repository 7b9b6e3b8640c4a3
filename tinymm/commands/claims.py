"""`python -m tinymm claims`: what the lectures claim, what was measured, and whether it holds."""

from __future__ import annotations

import argparse
import statistics

from ..backend.files import write_json
from ..backend.starting import INTERRUPTED
from ..experiments import LECTURES, find
from ..experiments.experiment import SCALES
from ..version import __version__
from .terminal import output_file, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", nargs="?", type=int, choices=sorted(LECTURES), help="of which lecture (default: all)")
    parser.add_argument("--variants", nargs="+", metavar="V", help="of these variants (default: the first; all: every one)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="S", help="over these seeds (default 0)")
    parser.add_argument("--scale", choices=SCALES, default="lecture")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="write the claims there, too")


def run(args: argparse.Namespace) -> int:
    """Print the claims of each run; a run that has no report in ``runs/`` yet is made first. 1 if a claim failed."""
    from ..experiments.claims import HOLDS, table
    from ..experiments.running import folder_of, read_report
    from ..experiments.running import run as run_lecture

    results: list[dict] = []
    command = ""
    try:
        for number in [args.number] if args.number is not None else sorted(LECTURES):
            lecture = find(number)
            chosen = args.variants or [next(iter(lecture.variants))]
            if chosen == ["all"]:
                chosen = list(lecture.variants)
            for seed in args.seeds:
                metrics = {}
                for variant in chosen:
                    experiment = lecture(variant, args.scale, seed)
                    out = folder_of(experiment)
                    command = (f"python -m tinymm lecture {number} --variant {variant} --scale {args.scale} --seed {seed} "
                               f"--resume")
                    report = read_report(out)
                    if report is None or not _same(report, experiment):
                        experiment.prepare()
                        report = run_lecture(experiment, out)
                    metrics[variant] = report["metrics"]
                    print(f"Lecture {number}, {variant}, seed {seed} ({report['seconds']:.0f} s, {out}):")
                    print(table(report["claims"]), flush=True)
                    results += [{"lecture": number, "variant": variant, "seed": seed, **claim} for claim in report["claims"]]
                between = _between(lecture, metrics, number, seed)
                if between:
                    print(f"Lecture {number}, between variants, seed {seed}:\n{table(between)}")
                    results += [{"lecture": number, "variant": "compared", "seed": seed, **claim} for claim in between]
    except KeyboardInterrupt:
        say(f"claims: interrupted; {command} continues" if command else "claims: interrupted")
        return INTERRUPTED
    if len(args.seeds) > 1:
        _spread(results)
    failed = [r for r in results if r["verdict"] != HOLDS]
    print(f"{len(results)} claims, {len(failed)} failed")
    if args.json:
        write_json(args.json, results)
    return 1 if failed else 0


def _between(lecture, metrics: dict[str, dict], number: int, seed: int) -> list[dict]:
    try:
        return [claim.as_dict() for claim in lecture.compare(metrics)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the reports of lecture {number}, seed {seed}, in runs/ cannot be compared ({type(error).__name__}: "
                         f"{error}); they are damaged, move them away and they are made again") from None


def _same(report: dict, experiment) -> bool:
    """Whether a report is of this very experiment, in this version."""
    return report["tinymm"] == __version__ and all(report.get(key) == value for key, value in experiment.config.items())


def _spread(results: list[dict]) -> None:
    """Mean and range of each claim over the seeds."""
    print("Over the seeds: mean (least to most)")
    for key in dict.fromkeys((r["lecture"], r["variant"], r["statement"]) for r in results):
        values = [r["measured"] for r in results if (r["lecture"], r["variant"], r["statement"]) == key]
        values = [v for v in values if v is not None]   # what could not be measured
        if not values:
            continue
        print(f"  lecture {key[0]}, {key[1]}: {key[2]}: {statistics.mean(values):.4g} ({min(values):.4g} to {max(values):.4g})")
