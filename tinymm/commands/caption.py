"""`python -m tinymm caption IMAGE --model RUN`: sentences for a picture of your own, and how they came about."""

from __future__ import annotations

import argparse
import os
import pathlib

from .terminal import output_picture, say

WIDEST = 1000        # beam: more sentences than anybody reads
LONGEST_NAME = 255   # bytes, on nearly every file system


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", help="a picture file")
    parser.add_argument("--model", required=True, metavar="RUN", help="folder of a trained lecture 2 or 4, e.g. runs/lecture_04")
    parser.add_argument("--beam", type=int, default=5, metavar="K", help="width of the beam search (default 5; 1 is greedy)")
    parser.add_argument("--n-best", type=int, default=3, metavar="N", help="how many sentences to print (default 3)")
    parser.add_argument("--invert", choices=("auto", "yes", "no"), default="auto",
                        help="dark on light to light on dark, as the scenes are (auto: by the picture's border)")
    parser.add_argument("--out", type=output_picture, metavar="FILE", help="the picture of where the model looked (lecture 4) or "
                        "of its beam (2); default: NAME_attention.png, NAME_beam.png")


def run(args: argparse.Namespace) -> int:
    from ..experiments.captioning.trained import load_captioner
    from ..experiments.running import save_figure

    if not (1 <= args.beam <= WIDEST and 1 <= args.n_best):
        raise ValueError(f"--beam {args.beam} and --n-best {args.n_best} must be at least 1, and the beam at most {WIDEST}")
    captioning = load_captioner(args.model)
    image, notes = captioning.read(args.image, {"auto": None, "yes": True, "no": False}[args.invert])
    for note in notes:
        say(f"caption: {note}")
    found = captioning.captions(image, args.beam, min(args.n_best, args.beam))
    for words, log_prob in found:
        print(f"{log_prob:8.3f}  {' '.join(words)}")
    if found[0][0]:
        what, figure = captioning.explain(image, found[0][0])
        out = pathlib.Path(args.out or name_for(args.image, f"_{what}.png"))
        save_figure(figure, out)
        print(f"the {what} of the first, word by word: {out}")
    else:
        say("caption: the first sentence has no words, so there is no picture of it")
    return 0


def name_for(path: str, ending: str) -> str:
    """A file's name without its folder and suffix, and with another ending; as much of it as a name may be long."""
    stem = pathlib.Path(path).stem
    while len(os.fsencode(stem + ending)) > LONGEST_NAME:
        stem = stem[:-1]
    return stem + ending
