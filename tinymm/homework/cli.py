"""``python -m tinymm check NN FILE``: are the functions in a student's file right?"""

from __future__ import annotations

import argparse
import json
import sys

from ..backend.files import replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m tinymm check``."""
    parser.add_argument("number", help="of the exercise: 04, or 4")
    parser.add_argument("file", help="the student's .py or .ipynb file; it is executed")
    parser.add_argument("--only", metavar="NAME", help="check this task or function alone")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="stop a function after this time (default 10; 0: never)")
    parser.add_argument("--json", metavar="FILE", help="also write the report here")


def run(args: argparse.Namespace) -> int:
    """Check a file; 0 if everything is right, 1 if something is not, 2 if there is nothing to check."""
    from .checker import LIMIT, check

    try:
        report = check(args.number, args.file, args.only, LIMIT if args.limit is None else args.limit)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    encoding = sys.stdout.encoding or "utf-8"   # a student's line may hold what this terminal cannot show
    print(repr(report).encode(encoding, "replace").decode(encoding))
    if args.json:
        with replacing(args.json) as temporary:
            temporary.write_text(json.dumps(report.as_dict(), indent=1), encoding="utf-8")
    return 0 if report.ok else 1
