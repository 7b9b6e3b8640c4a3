"""``python -m tinymm check NN FILE``: are the functions in a student's file right?"""

from __future__ import annotations

import argparse
import sys

from ..backend.files import write_json
from ..commands.terminal import output_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m tinymm check``."""
    parser.add_argument("number", help="of the exercise: 04, or 4")
    parser.add_argument("file", help="the student's .py or .ipynb file; it is executed, in a process of its own")
    parser.add_argument("--only", metavar="NAME", help="check this task or function alone")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="stop a function after this time (default 10; 0: never)")
    parser.add_argument("--json", metavar="FILE", type=output_file, help="also write the report here")


def run(args: argparse.Namespace) -> int:
    """Check a file; 0 if everything is right, 1 if something is not, 2 if it could not be checked, 130 after Ctrl-C."""
    from .apart import check_apart
    from .report import LIMIT

    report = check_apart(args.number, args.file, args.only, LIMIT if args.limit is None else args.limit)
    print(shown(repr(report)))
    if args.json:
        write_json(args.json, report.as_dict())
    return 0 if report.ok else 1


def shown(text: str) -> str:
    """A report as this terminal can show it: a student's line may hold anything, also what would steer the terminal."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    return text.encode(encoding, "replace").decode(encoding)
