"""The command line: ``python -m tinymm <command>``.

A command is a module with ``add_arguments(parser)`` and ``run(args) -> exit code``; it is listed below, and imported
when it is called.
"""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS = {            # name -> (module, one line of help)
    "lecture": ("tinymm.commands.lecture", "run a lecture: training, metrics, claims and pictures"),
    "claims": ("tinymm.commands.claims", "what the lectures claim, what was measured, and whether it holds"),
    "caption": ("tinymm.commands.caption", "caption a picture of your own with a trained model"),
    "zero-shot": ("tinymm.commands.zero_shot", "which of some words fits a picture, by a published CLIP"),
    "check": ("tinymm.homework.cli", "check a student's exercise file"),
    "gradcheck": ("tinymm.commands.gradcheck", "check the gradients of every registered operation"),
    "bench": ("tinymm.bench.cli", "compare the speed with PyTorch"),
    "doctor": ("tinymm.commands.doctor", "say what is installed, and what is wrong with it"),
    "warmup": ("tinymm.commands.warmup", "compile every kernel now"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code.

    Args:
        argv: the arguments after the program's name; those of the process by default.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="tinymm", description="A deep-learning engine to read end to end.")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, (module, help_line) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line)
        if name in argv[:1]:   # only the command that runs is imported
            importlib.import_module(module).add_arguments(sub)
    args = parser.parse_args(argv)
    return importlib.import_module(COMMANDS[args.command][0]).run(args) or 0
