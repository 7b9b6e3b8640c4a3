"""`python -m tinymm lecture N`: run a lecture; metrics, claims and pictures go to a folder."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import sys
import time

LECTURES = {"0": "lecture_00"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("number", choices=sorted(LECTURES, key=int), help="which lecture")
    parser.add_argument("--scale", choices=("smoke", "lecture"), default="lecture", help="a quick look, or all of it (default)")
    parser.add_argument("--epochs", type=int, help="rounds of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", metavar="DIR", help="folder for report.json and the pictures (default runs/lecture_NN)")


def run(args: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    if args.epochs is not None and args.epochs < 1:
        print(f"lecture: --epochs {args.epochs} must be at least 1", file=sys.stderr)
        return 2
    lecture = importlib.import_module(f"tinymm.experiments.{LECTURES[args.number]}")
    out = pathlib.Path(args.out or f"runs/{LECTURES[args.number]}")
    out.mkdir(parents=True, exist_ok=True)
    print(f"Lecture {args.number}: {lecture.TITLE}")
    start = time.perf_counter()
    try:
        metrics, claims, pictures = lecture.run(args.scale, args.seed, args.epochs, lambda epochs: tqdm(epochs, desc="training"))
    except KeyboardInterrupt:
        print("\nlecture: interrupted; nothing was written", file=sys.stderr)
        return 130
    report = {"lecture": int(args.number), "scale": args.scale, "seed": args.seed,
              "seconds": round(time.perf_counter() - start, 2), "metrics": metrics,
              "claims": [{"statement": c.statement, "measured": c.measured, "threshold": c.threshold,
                          "verdict": "holds" if c.verdict else "failed"} for c in claims]}
    for name, picture in pictures.items():
        picture.save(out / name) if hasattr(picture, "svg") else picture.savefig(out / name, dpi=110)
    temporary = out / f".report.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(report, indent=1), encoding="utf-8")
    os.replace(temporary, out / "report.json")
    for claim in claims:
        print(f"  {'holds ' if claim.verdict else 'FAILED'}  {claim.statement}: {claim.measured:.4g} ({claim.threshold})")
    print(f"{report['seconds']:.1f} s; report.json and {len(pictures)} pictures in {out}")
    return 0
