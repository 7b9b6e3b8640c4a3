"""Which packages a student's function reaches: by the names in its code and in that of the functions of theirs that it calls."""

from __future__ import annotations

import dis
import functools
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Iterator

# What computes for the student where plain NumPy is asked for; a plot or a progress bar is no help.
ENGINES = ("tinymm", "torch", "jax", "jaxlib", "scipy", "tensorflow", "keras", "cupy", "autograd", "mxnet", "paddle", "mlx",
           "theano", "pytensor", "chainer", "sklearn", "statsmodels")
LONGEST = 200    # characters of a source line that is shown


def uses(function, namespace: dict, place: Callable[[str, int], str]) -> dict[str, tuple[str, str]]:
    """Package -> the place and the line of code where it is reached first.

    An import that is not used is no use. Classes of the student's count with all their methods.

    Args:
        function: where to begin.
        namespace: of the student's file.
        place: (filename, line) in words.
    """
    found: dict[str, tuple[str, str]] = {}
    todo, seen = [function], set()
    while todo:
        value = todo.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        for code, scope in _codes(value, namespace):
            for line, package, reached in _reached(code, scope):
                if package and package not in found:
                    found[package] = (place(code.co_filename, line), linecache.getline(code.co_filename, line).strip()[:LONGEST])
                todo += [] if reached is None else [reached]
    return found


def _codes(value, namespace: dict) -> Iterator[tuple[types.CodeType, dict]]:
    """The code objects of what is the student's own, inner functions among them, with their global names."""
    if isinstance(value, functools.partial):
        value = value.func
    parts = [value]
    if inspect.isclass(value) and _own(value, namespace):
        parts = [getattr(part, "fget", None) or getattr(part, "__func__", part) for part in vars(value).values()]
    elif inspect.isfunction(value):   # what a decorator has put around it
        parts += [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
    for part in parts:
        if inspect.isfunction(part) and _own(part, namespace):
            codes = [part.__code__]
            for code in codes:
                codes += [const for const in code.co_consts if isinstance(const, types.CodeType)]
                yield code, part.__globals__


def _own(value, namespace: dict) -> bool:
    """Whether a function or class is written in the student's file, or in one beside it, and not in an installed package."""
    if getattr(value, "__globals__", None) is namespace or getattr(value, "__module__", None) == namespace.get("__name__"):
        return True
    root = str(getattr(value, "__module__", "")).split(".")[0]
    path = str(getattr(sys.modules.get(root), "__file__", None) or "")
    return root not in sys.stdlib_module_names and root not in (*ENGINES, "numpy") and "-packages" not in path


def _reached(code: types.CodeType, scope: dict) -> Iterator[tuple[int, str, object]]:
    """(line, package or "", the function or class reached) of each name that is used."""
    line, starts = code.co_firstlineno, dict(dis.findlinestarts(code))
    importing = {"import_module", "__import__"} & {*code.co_names}
    for step in dis.get_instructions(code):
        line = starts.get(step.offset) or line
        if step.opname == "IMPORT_NAME":
            yield line, step.argval.split(".")[0], None
        elif importing and step.opname == "LOAD_CONST" and isinstance(step.argval, str) and step.argval.split(".")[0] in ENGINES:
            yield line, step.argval.split(".")[0], None
        elif step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and step.argval in scope:
            value = scope[step.argval]
            if inspect.ismodule(value):
                yield line, value.__name__.split(".")[0], None
            elif callable(value):
                yield line, str(getattr(value, "__module__", None)).split(".")[0], value
