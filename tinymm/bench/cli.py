"""`python -m tinymm bench`: medians, spreads and ratios against PyTorch eager on the CPU; memory and first steps; beams."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import platform
from typing import Any

from ..backend.files import write_json
from ..backend.starting import INTERRUPTED
from ..backend.threads import cpu_count
from ..commands.terminal import duration, from_1, output_file, say
from .compare import Side, busy, compare, started
from .fresh import STARTS, STEPS, first_step, peak_memory

TARGETS = {"lstm": 1.0, "layer_norm": 1.0, "cross_entropy": 1.5, "attention": 1.0, "attention_causal": 0.8,
           "conv2d_3": 0.8, "conv2d_64": 0.7, "norm_relu_pool": 1.0, "chain": 1.8, "adam": 1.2,
           "additive_score": 1.0, "conv_encoder": 1.0, "attend_tell": 1.0, "attend_tell_hard": 1.0, "attend_tell_joint": 1.0,
           "show_tell": 1.0, "show_tell_large": 1.0, "clip_vit": 1.0, "clip_resnet": 1.0, "clip_b32": 0.83,
           "order_gru": 1.0, "order_ln_gru": 1.0, "reader_lstm": 1.0, "reader_ln_lstm": 1.0, "draw_plain": 1.0, "draw_ln": 1.0,
           "lrcn_fc6": 1.0, "alignment": 1.0, "alignment_wide": 1.0, "gan_cls": 0.95, "gan_cls_paper": 0.95,
           "dvae": 0.95, "dvae_encoder": 0.83, "dalle": 0.95, "dalle_sample": 0.95}

BEAMS = {"lecture_1": 1, "lecture_32": 32, "paper_1": 1, "paper_32": 32}   # name -> pictures at once
BEAM_TARGET = 15.0


def folder_of_twins() -> pathlib.Path:
    """The ``benchmarks`` folder of the checkout."""
    return pathlib.Path(__file__).resolve().parents[2] / "benchmarks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("works", nargs="*", help=f"which works (default: all): {', '.join(TARGETS)}")
    parser.add_argument("--rounds", type=from_1, default=7, help="turns of each side (default 7)")
    parser.add_argument("--seconds", type=duration, default=0.5, help="seconds of a turn (default 0.5)")
    parser.add_argument("--json", type=output_file, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--alone", action="store_true", help="measure tinymm without PyTorch")
    parser.add_argument("--memory", action="store_true", help="measure, instead of the time, the most memory that each work takes")
    parser.add_argument("--first-step", action="store_true",
                        help="measure, instead of the time, the first step in a fresh process with compiled kernels")
    parser.add_argument("--busy", type=from_1, metavar="N",
                        help="measure each work alone on the machine, and then beside N endless loops in other processes")
    parser.add_argument("--beam", action="store_true", help="measure, instead of the works, beam search against a search that "
                        f"expands hypotheses one by one ({', '.join(BEAMS)}); needs no PyTorch")


def run(args: argparse.Namespace) -> int:
    twins = folder_of_twins()
    if not twins.is_dir():
        raise ValueError(f"the folder {twins} is missing; run from a checkout of tinymm")
    known = BEAMS if args.beam else TARGETS
    unknown = [work for work in args.works if work not in known]
    if unknown:
        raise ValueError(f"unknown work {unknown[0]!r}; choose from {', '.join(known)}")
    if args.busy and (args.memory or args.first_step or args.beam):
        raise ValueError("--busy measures times; leave --memory, --first-step and --beam away")
    if args.beam and (args.memory or args.first_step or args.alone):
        raise ValueError("--beam goes with --rounds, --seconds and --json, not with --memory, --first-step or --alone")
    if not args.alone and not args.beam and importlib.util.find_spec("torch") is None:
        raise ValueError("PyTorch is not installed; pip install torch==2.13.0 (or measure tinymm alone with --alone)")
    works = args.works or list(known)
    report: dict[str, Any] = {"machine": platform.processor() or platform.machine(), "cores": cpu_count(),
                              "python": platform.python_version(), "works": {work: {} for work in works}}
    files = {"tinymm": twins / "with_tinymm.py"}
    if not args.alone:
        files["pytorch"] = twins / "with_pytorch.py"
    try:
        if args.beam:
            _beams(twins, report, args.rounds, args.seconds)
        if args.memory:
            _memory(files, report["works"])
        if args.first_step:
            _first_step(files, report["works"])
        if args.busy:
            _busy_times(files, report, args.rounds, args.seconds, args.busy)
        elif not args.memory and not args.first_step and not args.beam:
            _times({**files, "products": twins / "with_numpy.py"}, report, args.rounds, args.seconds)
    except KeyboardInterrupt:
        say("bench: interrupted")
        return INTERRUPTED
    finally:
        if args.json:   # the works that were reached
            write_json(args.json, {**report, "works": {work: figures for work, figures in report["works"].items() if figures}})
    return 0


def _times(files: dict[str, pathlib.Path], report: dict, rounds: int, seconds: float) -> None:
    """Print the times of all works, and put them into the report."""
    with started(files) as sides:
        _print_times(sides, report, rounds, seconds)


def _introduce(sides: dict[str, Side], report: dict) -> None:
    """Print what is compared, on what machine, and put the versions into the report."""
    report["versions"] = {name: side.version for name, side in sides.items()}
    print(f"{cpu_count()} cores, Python {platform.python_version()}, "
          + ", ".join(f"{name} on {side.version}" for name, side in sides.items()))


def _print_times(sides: dict[str, Side], report: dict, rounds: int, seconds: float) -> None:
    _introduce(sides, report)
    print("Times in ms: median (lower to upper quartile). Ratio: PyTorch's time over ours, median (least to most) over "
          "the rounds.\nProducts: the bare matrix products in the work, the limit.")
    print(f"{'work':<18}{'tinymm':>27}{'PyTorch':>27}{'products':>10}{'ratio':>22}{'to reach':>10}")
    for work, figures in report["works"].items():
        figures.update(compare(sides, work, rounds, seconds), target=TARGETS[work])
        print(_row(work, figures), flush=True)


def _busy_times(files: dict[str, pathlib.Path], report: dict, rounds: int, seconds: float, loops: int) -> None:
    """Print the times of all works alone and beside other processes, and put them into the report."""
    report["loops"] = loops
    with started(files) as sides:
        _introduce(sides, report)
        print(f"Median times of a step in ms: alone on the machine, beside {loops} endless loop{'s' * (loops > 1)} in other "
              "processes, and the second\nover the first.")
        print(f"{'work':<18}" + "".join(f"{side:>18}{'beside':>10}{'slower':>8}" for side in files))
        for work, figures in report["works"].items():
            for name, count in (("alone", 0), ("beside", loops)):
                with busy(count):
                    figures[name] = compare(sides, work, rounds, seconds)
            row = f"{work:<18}"
            for side in files:
                alone, beside = (figures[name][side]["median_ms"] for name in ("alone", "beside"))
                figures.setdefault("slower", {})[side] = beside / alone
                row += f"{alone:>18.4g}{beside:>10.4g}{beside / alone:>8.2f}"
            print(row, flush=True)


def _beams(twins: pathlib.Path, report: dict, rounds: int, seconds: float) -> None:
    """Print the times of beam search with all hypotheses together and one by one, and put them into the report."""
    with started({"tinymm": twins / "beam_together.py", "one_by_one": twins / "beam_one_by_one.py"}) as sides:
        _print_beams(sides, report, rounds, seconds)


def _print_beams(sides: dict[str, Side], report: dict, rounds: int, seconds: float) -> None:
    report["versions"] = {name: side.version for name, side in sides.items()}
    print(f"{cpu_count()} cores, Python {platform.python_version()}, {sides['tinymm'].version}; Show and Tell, a beam of 20")
    print("Times in ms a picture: median (lower to upper quartile). Ratio: of one hypothesis after the other to all together, "
          "median\n(least to most) over the rounds. The number is how many pictures are searched together.")
    print(f"{'work':<18}{'together':>27}{'one by one':>27}{'ratio':>22}{'to reach':>10}")
    for work, figures in report["works"].items():
        pictures = BEAMS[work]
        figures.update(compare(sides, work, rounds, seconds, other="one_by_one", times=pictures), target=BEAM_TARGET,
                       pictures=pictures)
        together, alone = (_milliseconds(figures[side], n) for side, n in (("tinymm", pictures), ("one_by_one", 1)))
        print(f"{work:<18}{together:>27}{alone:>27}{_ratio(figures):>22}{BEAM_TARGET:>10}", flush=True)


def _memory(files: dict[str, pathlib.Path], works: dict[str, dict]) -> None:
    """Print the most memory that each work takes, and put it into the works' figures."""
    print(f"Memory in MiB: the most resident in {STEPS} steps above that before the work was set up, and the whole process's.\n"
          "Ratio: ours over PyTorch's.")
    print(f"{'work':<18}{'tinymm':>18}{'PyTorch':>18}{'ratio':>10}{'of processes':>14}")
    for work, figures in works.items():
        found = figures["memory"] = peak_memory(files, work)
        sizes = (_mebibytes(found[side]) if side in found else "-" for side in ("tinymm", "pytorch"))
        ratios = (f"{found[key]:.2f}" if key in found else "-" for key in ("ratio", "process_ratio"))
        print("{:<18}{:>18}{:>18}{:>10}{:>14}".format(work, *sizes, *ratios), flush=True)


def _mebibytes(found: dict | None) -> str:
    return f"{found['added'] / 2**20:.1f} of {found['process'] / 2**20:.0f}" if found else "n/a"


def _first_step(files: dict[str, pathlib.Path], works: dict[str, dict]) -> None:
    """Print the seconds of each work's first step, and put them into the works' figures."""
    print(f"First step in s, from before the model is built: median (least to most) of {STARTS} fresh processes.\n"
          "Imports: the median with the imports before it.")
    print(f"{'work':<18}{'tinymm':>24}{'imports':>10}{'PyTorch':>24}{'imports':>10}")
    for work, figures in works.items():
        found = figures["first_step"] = first_step(files, work)
        print(f"{work:<18}" + "".join(_seconds(found.get(side)) for side in ("tinymm", "pytorch")), flush=True)


def _seconds(found: dict | None) -> str:
    if found is None:
        return f"{'-':>24}{'-':>10}"
    step = f"{found['step']:.2f} ({found['step_low']:.2f} to {found['step_high']:.2f})"
    return f"{step:>24}{found['with_imports']:>10.2f}"


def _milliseconds(found: dict | None, share: int = 1) -> str:
    """A time and its quartiles, or the ``share``-th part of them."""
    if found is None:
        return "-"
    median, low, high = (found[key] / share for key in ("median_ms", "low_ms", "high_ms"))
    return f"{median:.4g} ({low:.4g} to {high:.4g})"


def _ratio(found: dict) -> str:
    return f"{found['ratio']:.2f} ({found['ratio_low']:.2f} to {found['ratio_high']:.2f})" if "ratio" in found else "-"


def _row(work: str, result: dict) -> str:
    times = [_milliseconds(result.get(side)) for side in ("tinymm", "pytorch")]
    products = result["products"]["median_ms"]
    return (f"{work:<18}{times[0]:>27}{times[1]:>27}{(f'{products:.4g}' if products > 1e-3 else '-'):>10}"
            f"{_ratio(result):>22}{TARGETS[work]:>10}")
