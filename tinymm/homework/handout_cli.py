"""``python -m tinymm exercise NN``: the file of an exercise, to write the solution in."""

from __future__ import annotations

import argparse

from ..commands.terminal import output_file
from .handout import handouts, title, write_handout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m tinymm exercise``."""
    parser.add_argument("number", nargs="?", help="of the exercise: 04, or 4 (default: say which there are)")
    parser.add_argument("--notebook", action="store_true", help="write a notebook (.ipynb), not a Python file")
    parser.add_argument("--out", metavar="FILE", type=output_file,
                        help="its name (default: the exercise's, in this folder); one that ends in .ipynb is a notebook")
    parser.add_argument("--force", action="store_true", help="replace the file if it is there; what you wrote in it is lost")


def run(args: argparse.Namespace) -> int:
    """Write the file of an exercise, or list the exercises; 0."""
    if args.number is None:
        if args.out is not None or args.notebook or args.force:
            raise ValueError("exercise: which one? Give its number before the other arguments; without any, they are listed")
        for number, path in handouts().items():
            print(f"{number:02d}  {title(path)}")
        print("python -m tinymm exercise NUMBER writes its file; --notebook makes it a notebook")
        return 0
    name = write_handout(args.number, args.out, args.notebook, args.force)
    print(f"{name} is written; python -m tinymm check {int(args.number):02d} {name} tells how far you are")
    return 0
