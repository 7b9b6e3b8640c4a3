"""The command line: ``python -m tinymm <command>``.

A command is a module with ``add_arguments(parser)`` and ``run(args) -> exit code``; it is listed below, and imported
when it is called. What it raises becomes one line and an exit code here, for all of them:

    0, 1      done; whether all that it looked at is right
    2         refused: an argument, a file or a folder, or the environment has to be put right first
    130, 143  interrupted, by Ctrl-C or by SIGTERM
"""

from __future__ import annotations

import importlib
import os
import signal
import sys

from .backend import starting
from .backend.settings import wrong_settings
from .backend.starting import INTERRUPTED
from .commands.terminal import REFUSED, Parser, flush, prepare_streams, reason, say

COMMANDS = {            # name -> (module, one line of help)
    "lecture": ("tinymm.commands.lecture", "run a lecture: training, metrics, claims and pictures"),
    "claims": ("tinymm.commands.claims", "what the lectures claim, what was measured, and whether it holds"),
    "caption": ("tinymm.commands.caption", "caption a picture of your own with a trained model"),
    "generate": ("tinymm.commands.generate", "draw pictures of a text of your own with a trained generator"),
    "zero-shot": ("tinymm.commands.zero_shot", "which of some words fits a picture, by a published CLIP"),
    "exercise": ("tinymm.homework.handout_cli", "write the file or notebook of an exercise, for your solution"),
    "check": ("tinymm.homework.cli", "check a student's exercise file"),
    "grade": ("tinymm.homework.grade.cli", "grade a class: a file or a folder for each student"),
    "gradcheck": ("tinymm.commands.gradcheck", "check the gradients of every registered operation"),
    "bench": ("tinymm.bench.cli", "compare the speed with PyTorch"),
    "doctor": ("tinymm.commands.doctor", "say what is installed, and what is wrong with it"),
    "warmup": ("tinymm.commands.warmup", "compile every kernel now"),
}
UNREAD = 1              # exit code where the reader of the standard output left in the middle
EXPECTED = (OSError, ValueError, RuntimeError, FloatingPointError, MemoryError)   # what is wrong with an input is said by these
TERMINATED = 143


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code.

    Args:
        argv: the arguments after the program's name. None: this process is the program; its arguments are those, its
            streams are made safe to write to, and its signals end it quietly.
    """
    if argv is not None:
        return _guarded(list(argv))
    prepare_streams()
    terminated, presses = False, 0

    def interrupt(number, frame) -> None:   # the second may fall into what the first one started, the third ends that, too
        nonlocal presses
        presses += 1
        if presses > 2:
            starting.leave_quietly(number, frame)
        raise KeyboardInterrupt

    def unraisable(found) -> None:          # an interrupt that a callback from C cannot hand on would be lost
        if isinstance(found.exc_value, KeyboardInterrupt):
            starting.leave_quietly(signal.SIGINT, None)
        sys.__unraisablehook__(found)

    def terminate(number, frame) -> None:   # like Ctrl-C, after which a lecture writes a checkpoint
        nonlocal terminated
        terminated = True
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    sys.unraisablehook = unraisable
    signal.signal(signal.SIGTERM, terminate)
    starting.watch()
    try:
        code = _guarded(sys.argv[1:], interrupt)
    finally:
        starting.watch()   # the command is over: Ctrl-C has nothing to interrupt but the exit
        flush()
        exec("")           # Python remembers a KeyboardInterrupt that passed through a string's code, and would end by the signal
    return TERMINATED if terminated and code == INTERRUPTED else code


def _guarded(argv: list[str], on_ctrl_c=None) -> int:
    """The exit code of a command; what it raised, in one line."""
    name = argv[0] if argv and argv[0] in COMMANDS else "tinymm"
    try:
        stopped, code = None, REFUSED
        try:
            code = _run(argv, on_ctrl_c)
        except SystemExit as stop:   # --help, or wrong arguments
            stopped = stop
        unwritten = flush()
        if unwritten is not None and not isinstance(unwritten, BrokenPipeError):
            raise unwritten
        if stopped is not None:
            raise stopped
        return code
    except KeyboardInterrupt:
        if on_ctrl_c is not None:
            starting.watch()
        say(f"{name}: interrupted")
        return INTERRUPTED
    except BrokenPipeError:   # head has seen enough
        flush()
        return UNREAD
    except EXPECTED as error:
        if os.environ.get("TINYMM_TRACEBACK"):
            raise
        what = reason(error)
        say(what if what.startswith(f"{name}: ") else f"{name}: {what}")
    except Exception as error:
        if os.environ.get("TINYMM_TRACEBACK"):
            raise
        say(f"{name}: {type(error).__name__}: {error} (a fault of tinymm's: TINYMM_TRACEBACK=1 shows where)")
    return REFUSED


def _run(argv: list[str], on_ctrl_c) -> int:
    parser = Parser(prog="tinymm", description="A deep-learning engine to read end to end.")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for name, (module, help_line) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_line, description=help_line)
        if name in argv[:1]:   # only the command that runs is imported
            importlib.import_module(module).add_arguments(sub)
    args = parser.parse_args(argv)
    for problem in wrong_settings():
        raise ValueError(problem)
    command = importlib.import_module(COMMANDS[args.command][0])
    if on_ctrl_c is not None:   # from here on there may be something to save
        starting.watch(on_ctrl_c)
    return command.run(args) or 0
