"""`python -m tinymm bench`: medians, spreads and ratios against PyTorch eager on the CPU."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import platform
import sys

import tinymm

from ..backend.threads import cpu_count
from .compare import Side, compare

TARGETS = {"lstm": 1.0, "layer_norm": 1.0, "cross_entropy": 1.5, "attention": 1.0, "attention_causal": 0.8,
           "conv2d_3": 0.8, "conv2d_64": 0.7, "norm_relu_pool": 1.0, "chain": 1.8, "adam": 1.2}


def folder_of_twins() -> pathlib.Path:
    """The ``benchmarks`` folder of the checkout."""
    return pathlib.Path(tinymm.__file__).resolve().parent.parent / "benchmarks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("works", nargs="*", help=f"which works (default: all): {', '.join(TARGETS)}")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side (default 7)")
    parser.add_argument("--seconds", type=float, default=0.5, help="seconds of a turn (default 0.5)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    parser.add_argument("--alone", action="store_true", help="time tinymm without PyTorch")


def run(args: argparse.Namespace) -> int:
    twins = folder_of_twins()
    if not twins.is_dir():
        print(f"bench: the folder {twins} is missing; run from a checkout of tinymm", file=sys.stderr)
        return 2
    unknown = [work for work in args.works if work not in TARGETS]
    if unknown:
        print(f"bench: unknown work {unknown[0]!r}; choose from {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    if not args.alone and importlib.util.find_spec("torch") is None:
        print("bench: PyTorch is not installed; pip install torch==2.13.0 (or time tinymm alone with --alone)",
              file=sys.stderr)
        return 2
    files = {"tinymm": "with_tinymm.py", "products": "with_numpy.py"}
    if not args.alone:
        files["pytorch"] = "with_pytorch.py"
    sides = {name: Side(twins / file) for name, file in files.items()}
    report = {"machine": platform.processor() or platform.machine(), "cores": cpu_count(), "python": platform.python_version(),
              "versions": {name: side.version for name, side in sides.items()}, "works": {}}
    print(f"{cpu_count()} cores, Python {platform.python_version()}, "
          + ", ".join(f"{name} on {side.version}" for name, side in sides.items()))
    print("Times in ms: median (lower to upper quartile). Ratio: PyTorch's time over ours, median (least to most) over "
          "the rounds.\nProducts: the bare matrix products in the work, the limit.")
    print(f"{'work':<18}{'tinymm':>24}{'PyTorch':>24}{'products':>10}{'ratio':>22}{'to reach':>10}")
    try:
        for work in args.works or TARGETS:
            result = compare(sides, work, args.rounds, args.seconds)
            report["works"][work] = {**result, "target": TARGETS[work]}
            print(_row(work, result), flush=True)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finally:
        for side in sides.values():
            side.close()
    if args.json:
        temporary = f"{args.json}.{os.getpid()}.tmp"
        pathlib.Path(temporary).write_text(json.dumps(report, indent=1))
        os.replace(temporary, args.json)
    return 0


def _row(work: str, result: dict) -> str:
    def times(side):
        if side not in result:
            return "-"
        r = result[side]
        return f"{r['median_ms']:.3f} ({r['low_ms']:.3f} to {r['high_ms']:.3f})"

    products = result["products"]["median_ms"]
    ratio = f"{result['ratio']:.2f} ({result['ratio_low']:.2f} to {result['ratio_high']:.2f})" if "ratio" in result else "-"
    return (f"{work:<18}{times('tinymm'):>24}{times('pytorch'):>24}{(f'{products:.3f}' if products > 1e-3 else '-'):>10}"
            f"{ratio:>22}{TARGETS[work]:>10}")
