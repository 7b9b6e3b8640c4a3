"""Make the student versions of the exercises from the solutions: ``python lectures/homework/generate.py [NAME ...]``.

They are written into ``tinymm/homework/handouts``, from where ``python -m tinymm exercise`` hands them out.

What stands between ``### BEGIN SOLUTION`` and ``### END SOLUTION`` (nbgrader's markers) is replaced by a stub that raises
NotImplementedError. ``--check`` writes nothing, and exits with 1 if a student version is not what would be made.
"""

import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
HANDOUTS = HERE.parent.parent / "tinymm" / "homework" / "handouts"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def student_version(source: str, name: str) -> str:
    """The text of a solution without the solutions.

    Args:
        source: the text, with the markers on lines of their own.
        name: of the file, for messages.

    Raises:
        ValueError: a marker without its partner.
    """
    lines, begun, function = [], None, ""
    for number, line in enumerate(source.splitlines(), 1):
        defined = re.match(r"\s*def (\w+)", line)
        function = defined[1] if defined else function
        text = line.strip()
        if text == BEGIN:
            if begun is not None:
                raise ValueError(f"{name}, line {number}: {BEGIN} inside the block that begins in line {begun}")
            begun, indent = number, line[:len(line) - len(line.lstrip())]
            lines += [f"{indent}# YOUR CODE HERE", f'{indent}raise NotImplementedError("{function}")']
        elif text == END:
            if begun is None:
                raise ValueError(f"{name}, line {number}: {END} without {BEGIN}")
            begun = None
        elif begun is None:
            lines.append(line)
    if begun is not None:
        raise ValueError(f"{name}, line {begun}: {BEGIN} without {END}")
    return "\n".join(lines) + "\n"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description="Make the student versions of the exercises from the solutions.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of exercises, such as 04_show_attend_and_tell (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a student version is out of date")
    args = parser.parse_args(argv)
    stale = 0
    for solution in sorted((HERE / "solutions").glob("[0-9][0-9]_*.py")):
        if args.names and solution.stem not in args.names:
            continue
        target = HANDOUTS / solution.name
        made = student_version(solution.read_text(encoding="utf-8"), solution.name)
        current = target.read_text(encoding="utf-8") if target.exists() else ""
        if made == current:
            print(f"{target.name}: up to date")
        elif args.check:
            print(f"{target.name}: not what {solution.name} in solutions/ makes; run python lectures/homework/generate.py")
            stale += 1
        else:
            target.write_text(made, encoding="utf-8", newline="\n")
            print(f"{target.name}: written")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
