"""``python -m tinymm check NN FILE``: are the functions in a student's file right?"""

from __future__ import annotations

import argparse
import json
import os
import sys

from ..backend.files import replacing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m tinymm check``."""
    parser.add_argument("number", help="of the exercise: 04, or 4")
    parser.add_argument("file", help="the student's .py or .ipynb file; it is executed, in a process of its own")
    parser.add_argument("--only", metavar="NAME", help="check this task or function alone")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="stop a function after this time (default 10; 0: never)")
    parser.add_argument("--json", metavar="FILE", help="also write the report here")


def run(args: argparse.Namespace) -> int:
    """Check a file; 0 if everything is right, 1 if something is not, 2 if it could not be checked, 130 after Ctrl-C."""
    from .apart import check_apart
    from .report import LIMIT

    try:
        if args.json is not None:
            writable(args.json)
        report = check_apart(args.number, args.file, args.only, LIMIT if args.limit is None else args.limit)
    except BrokenPipeError:   # nobody reads what is printed: no fault of the file's
        raise
    except (ValueError, OSError) as error:
        print(error if str(error).startswith("check: ") else f"check: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ncheck: interrupted", file=sys.stderr)
        return 130
    print(shown(repr(report)))
    if args.json:
        try:
            with replacing(args.json) as temporary:
                temporary.write_text(json.dumps(report.as_dict(), indent=1), encoding="utf-8")
        except OSError as error:
            print(f"check: the report could not be written to {args.json}: {error}", file=sys.stderr)
            return 2
    return 0 if report.ok else 1


def writable(path: str) -> None:
    """Refuse a place where no report can be written, before a long check rather than after it."""
    if not path:
        raise ValueError("check: --json wants the name of a file")
    if os.path.isdir(path):
        raise OSError(f"check: --json {path} is a folder; give the name of a file")
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise OSError(f"check: --json {path}: there is no folder {os.path.dirname(path)}")


def shown(text: str) -> str:
    """A report as this terminal can show it: a student's line may hold anything, also what would steer the terminal."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)
    return text.encode(encoding, "replace").decode(encoding)
