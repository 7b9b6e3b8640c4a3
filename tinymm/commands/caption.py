"""`python -m tinymm caption IMAGE --model RUN`: sentences for a picture of your own or for boxes of it, and how they came about."""

from __future__ import annotations

import argparse
import os
import pathlib
from typing import TYPE_CHECKING

from .terminal import output_picture, say

if TYPE_CHECKING:
    import numpy as np

    from ..experiments.captioning.trained import BoxCaptioning, Captioning

WIDEST = 1000        # beam: more sentences than anybody reads
LONGEST_NAME = 255   # bytes, on nearly every file system


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", help="a picture file")
    parser.add_argument("--model", required=True, metavar="RUN",
                        help="folder of a trained lecture 2 or 4, or lecture 3 --variant generator, e.g. runs/lecture_04")
    parser.add_argument("--boxes", metavar="FILE", help="what to describe (lecture 3): a JSON list of [left, top, right, "
                        "bottom] in pixels of the picture")
    parser.add_argument("--beam", type=int, default=5, metavar="K", help="width of the beam search (default 5; 1 is greedy)")
    parser.add_argument("--n-best", type=int, metavar="N", help="how many sentences to print (default 3; 1 for each of the boxes)")
    parser.add_argument("--invert", choices=("auto", "yes", "no"), default="auto",
                        help="dark on light to light on dark, as the scenes are (auto: by the picture's border)")
    parser.add_argument("--out", type=output_picture, metavar="FILE", help="the picture of where the model looked (lecture 4), of "
                        "its beam (2) or of the boxes (3); default: NAME_attention.png, NAME_beam.png, NAME_boxes.png")


def run(args: argparse.Namespace) -> int:
    from ..experiments.captioning.trained import BoxCaptioning, load_captioner

    n_best = (1 if args.boxes is not None else 3) if args.n_best is None else args.n_best
    if not (1 <= args.beam <= WIDEST and 1 <= n_best):
        raise ValueError(f"--beam {args.beam} and --n-best {n_best} must be at least 1, and the beam at most {WIDEST}")
    captioning = load_captioner(args.model)
    described = isinstance(captioning, BoxCaptioning)
    if described and args.boxes is None:
        raise ValueError(f"the run in {args.model} is of lecture {captioning.lecture.number}, which describes boxes of a picture; "
                         "give them: --boxes FILE, a JSON list of [left, top, right, bottom] in pixels")
    if not described and args.boxes is not None:
        raise ValueError(f"the run in {args.model} is of lecture {captioning.lecture.number}, which captions whole pictures and "
                         "takes no boxes; leave --boxes away, or give a run of lecture 3 --variant generator")
    image, notes = captioning.read(args.image, {"auto": None, "yes": True, "no": False}[args.invert])
    for note in notes:
        say(f"caption: {note}")
    n_best = min(n_best, args.beam)
    drawn = (_boxes(captioning, args.image, args.boxes, image, args.beam, n_best) if isinstance(captioning, BoxCaptioning) else
             _picture(captioning, image, args.beam, n_best))
    if drawn is None:
        say("caption: the first sentence has no words, so there is no picture of it")
        return 0
    from ..experiments.running import save_figure

    what, text, figure = drawn
    out = pathlib.Path(args.out or name_for(args.image, f"_{what}.png"))
    save_figure(figure, out)
    print(f"{text}: {out}")
    return 0


def _picture(captioning: Captioning, image: np.ndarray, beam: int, n_best: int):
    """Print the sentences for a picture; what is drawn, in a word and in a line, and the Figure, or None for no words."""
    found = captioning.captions(image, beam, n_best)
    for words, log_prob in found:
        print(f"{log_prob:8.3f}  {' '.join(words)}")
    if not found[0][0]:
        return None
    what, figure = captioning.explain(image, found[0][0])
    return what, f"the {what} of the first, word by word", figure


def _boxes(captioning: BoxCaptioning, path: str, boxes_file: str, image: np.ndarray, beam: int, n_best: int):
    """Print the sentences for the boxes of a picture; as ``_picture``."""
    from ..plot import described_boxes

    boxes = captioning.boxes(boxes_file, path, image)
    found = captioning.describe(image, boxes, beam, n_best)
    for box, sentences in enumerate(found):
        for words, log_prob in sentences:
            print(f"box {box}  {log_prob:8.3f}  {' '.join(words)}")
    return "boxes", "the boxes with their descriptions", described_boxes(image, boxes, [best[0][0] for best in found])


def name_for(path: str, ending: str) -> str:
    """A file's name without its folder and suffix, and with another ending; as much of it as a name may be long."""
    stem = pathlib.Path(path).stem
    while len(os.fsencode(stem + ending)) > LONGEST_NAME:
        stem = stem[:-1]
    return stem + ending
