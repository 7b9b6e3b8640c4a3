"""`python -m tinymm generate RUN TEXT ...`: pictures that a trained generator draws of a text of your own."""

from __future__ import annotations

import argparse
import pathlib
import re

from .caption import name_for
from .terminal import from_0, from_1, output_picture, say

MOST, MOST_CANDIDATES = 40, 512   # texts, or pictures of one: smaller ones nobody could see
STEPS = 9                         # pictures from one text to another, both included


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of a finished lecture 7 or 9, e.g. runs/lecture_09")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help="what to draw, e.g. 'a red star on a black ground'")
    parser.add_argument("--to", metavar="TEXT", help="draw what lies between a text and this one, in a strip for each noise "
                        "(lecture 7)")
    parser.add_argument("--count", type=from_1, metavar="N", help="pictures of each text, from different noise (default 8), "
                        "or strips (4)")
    parser.add_argument("--seed", type=from_0, default=0, help="of the noise (default 0); the same noise serves all texts")
    parser.add_argument("--candidates", type=from_1, metavar="N", help="draw N pictures of each text, and keep the --count "
                        "that the run's CLIP finds to fit best, the best first (lecture 9)")
    parser.add_argument("--out", type=output_picture, metavar="FILE", help="the picture (default: named after the first text)")


def run(args: argparse.Namespace) -> int:
    from ..experiments.painters import load_painter
    from ..experiments.running import save_figure
    from ..plot import picture_table

    count = args.count or (4 if args.to is not None else min(8, args.candidates or 8))
    if max(count, len(args.texts)) > MOST:
        raise ValueError(f"{len(args.texts)} texts and --count {count}; at most {MOST} of each are drawn at a time")
    if args.to is not None and (len(args.texts) > 1 or args.candidates is not None):
        raise ValueError(f"--to leads from one text to another, and there are {len(args.texts)} texts; give one" if
                         len(args.texts) > 1 else "--to leads from one text to another; leave --candidates out")
    if args.candidates is not None and not count <= args.candidates <= MOST_CANDIDATES:
        raise ValueError(f"--candidates {args.candidates} must be at least --count {count}, the pictures that are kept of them, "
                         f"and at most {MOST_CANDIDATES}")
    painter = load_painter(args.run)
    named = [painter.shown(text) for text in args.texts]
    if args.to is None:
        pictures = painter.drawn(args.texts, count, args.seed, args.candidates)     # (texts, count, 3, S, S)
        figure = picture_table(list(zip(named, pictures)))
    else:
        pictures = painter.strips(args.texts[0], args.to, count, args.seed, STEPS)  # (count, steps, 3, S, S)
        heads = [*named, *(f"{step / (STEPS - 1):.0%}" for step in range(1, STEPS - 1)), painter.shown(args.to)]
        figure = picture_table([(f"noise {n}", row) for n, row in enumerate(pictures)], heads)
    for note in painter.remarks([*args.texts, *([args.to] if args.to is not None else [])]):
        say(f"generate: {note}")
    out = pathlib.Path(args.out or name_of(args.texts[0]))
    save_figure(figure, out)
    drawn, side = pictures.shape[0] * pictures.shape[1], pictures.shape[-1]
    print(f"{drawn} picture{'s' * (drawn > 1)} of {side} x {side} pixels, by {painter.name}: {out}")
    return 0


def name_of(text: str) -> str:
    """A file's name that a text gives: its letters and digits, joined by underscores."""
    return name_for(re.sub(r"\W+", "_", text).strip("_") or "text", ".png")
