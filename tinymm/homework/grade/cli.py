"""``python -m tinymm grade NN FOLDER``: a class graded in one command.

Exit codes: 0 every submission was graded, whatever its points; 1 some could not be, through no fault of theirs; 2 refused: an
argument, the folder or a file to write; 130 after Ctrl-C, with what was graded so far written.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time
from typing import Any

from ...backend.files import write_json
from ...commands.terminal import output_file, output_folder, say
from ...version import __version__
from ..cli import shown

SECONDS = 3.0       # between two times that what is done is written
LIMIT, TOTAL, MEMORY = 10.0, 60.0, 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``python -m tinymm grade``."""
    parser.add_argument("number", help="of the exercise: 04, or 4")
    parser.add_argument("folder", help="holds a file (.py, .ipynb) or a folder for each student; nbgrader's submitted/ is one")
    parser.add_argument("--csv", metavar="FILE", type=output_file, help="write the table here")
    parser.add_argument("--feedback", metavar="DIR", type=output_folder, help="write a page for each student here, and an index")
    parser.add_argument("--json", metavar="FILE", type=output_file, help="write everything that was found here")
    parser.add_argument("--resume", action="store_true", help="take over what --json FILE holds of submissions that are unchanged")
    parser.add_argument("--jobs", type=whole, metavar="N", help="submissions graded at a time (default: one for each processor)")
    parser.add_argument("--limit", type=positive, default=LIMIT, metavar="SECONDS", help="for one function (default %(default)g)")
    parser.add_argument("--total", type=positive, default=TOTAL, metavar="SECONDS", help="for one student (default %(default)g)")
    parser.add_argument("--memory", type=positive, default=MEMORY, metavar="GIB",
                        help="for one student, on Linux (default %(default)g)")


def whole(text: str) -> int:
    """A number of processes."""
    if not text.isdecimal() or not 1 <= int(text) <= 256:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs; give one from 1 to 256")
    return int(text)


def positive(text: str) -> float:
    """A positive number, at most a day of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to 86400")
    return value


def run(args: argparse.Namespace) -> int:
    """Grade a class; see the module for the exit codes."""
    from tqdm.auto import tqdm

    from ..exercise import find
    from .collect import collect, unlike
    from .many import cores, grade_all
    from .one import Graded, Terms
    from .pages import write_pages
    from .summary import summary
    from .table import plain, rows, write_csv

    exercise = find(args.number)
    if args.resume and not args.json:
        raise ValueError("grade: --resume takes over what an earlier call wrote with --json FILE; give that, too")
    handed, others = collect(args.folder, exercise)
    terms = Terms(args.number, args.limit, args.total, int(args.memory * 2 ** 30))
    conditions = {"version": __version__, "exercise": exercise.number, "limit": args.limit, "total": args.total,
                  "memory": args.memory}
    known = earlier(args.json, conditions) if args.resume else {}
    graded = {one.student: known[one.student, one.digest] for one in handed if (one.student, one.digest) in known}
    functions = [name for task in exercise.tasks for name in task.functions]
    title = f"Exercise {exercise.number:02d}, {exercise.title}"

    def in_order() -> list[Graded]:
        return [graded[one.student] for one in handed if one.student in graded]

    def write() -> None:
        if args.csv:
            write_csv(args.csv, in_order(), functions)
        if args.json:
            data = {**conditions, "title": exercise.title, "students": [one.as_dict() for one in in_order()],
                    "summary": summary(in_order()).as_dict()}
            write_json(args.json, data)

    todo, written, complete = [one for one in handed if one.student not in graded], time.monotonic(), False
    try:
        with tqdm(total=len(handed), initial=len(graded), desc=f"grade {exercise.number:02d}", unit="student", file=sys.stderr,
                  disable=None) as bar:
            for result in grade_all(todo, terms, args.jobs or cores()):
                graded[result.student] = result
                bar.update()
                if time.monotonic() - written > SECONDS:
                    write()
                    written = time.monotonic()
        complete = True
    finally:   # after Ctrl-C, too
        print(shown("\n".join([f"{title}: {len(graded)} of {len(handed)} graded", *rows(in_order(), functions),
                               *summary(in_order()).lines()])))
        write()
        if args.feedback:
            write_pages(args.feedback, in_order(), summary(in_order()), title)
    for name in others[:5]:
        say(f"grade: {plain(name)} is no submission")
    for name in unlike(handed, args.folder):
        say(f"grade: {plain(name)} is no longer what was graded: a submission may have changed or removed it")
    failed = [one for one in in_order() if one.failed]
    for one in failed:
        say(f"grade: {plain(one.student)} could not be graded: {one.failed}")
    return 0 if complete and not failed else 1


def earlier(path: str, conditions: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """(student, digest) -> Graded of an earlier call under the same conditions; those that could not be graded are left out."""
    from .one import Graded

    try:
        data = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        if not isinstance(data, dict) or "students" not in data:
            raise ValueError("it holds no students")
        if any(data.get(key) != value for key, value in conditions.items()):
            return {}
        found = [Graded.of(one) for one in data["students"]]
    except FileNotFoundError:   # nothing has been done yet
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"grade: {path} is no file of grade --json ({error}); remove it, or call without --resume") from None
    return {(one.student, one.digest): one for one in found if not one.failed}

