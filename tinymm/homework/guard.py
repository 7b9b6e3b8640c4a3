"""What everybody in a process uses and a submission may replace: noticed, and put back.

``np.sum = my_sum`` or ``sys.path.clear()`` in a student's file changes the checker, too, and could make a wrong function
pass. Functions and classes of the modules below are compared by identity; what is new beside them is left.
"""

from __future__ import annotations

import builtins
import contextlib
import operator
import os
import sys
import types
from collections.abc import Mapping

SHARED = ("builtins", "contextlib", "ctypes", "functools", "inspect", "io", "json", "linecache", "math", "numpy", "numpy.linalg",
          "numpy.random", "os", "re", "threading", "time", "traceback", "warnings")
CODE = (types.FunctionType, types.BuiltinFunctionType, type)
CLASSES = (("tinymm.autograd.tensor", "Tensor"), ("tinymm.autograd.function", "Function"))


class Guard:
    """Remembers the state of the process; ``mend`` goes back to it."""

    def __init__(self) -> None:
        self.modules = dict(sys.modules)
        self.code = [(name, scope, {key: value for key, value in scope.items() if key != "__builtins__"
                                    and (isinstance(value, CODE) or name == "numpy" and callable(value))})
                     for name, scope in self.scopes()]
        self.classes = [(f"tinymm.{name}", cls, {k: v for k, v in vars(cls).items() if isinstance(v, types.FunctionType)})
                        for module, name in CLASSES for cls in [getattr(self.modules.get(module), name, None)] if cls]
        self.streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")}
        self.path, self.meta, self.hooks = list(sys.path), list(sys.meta_path), list(sys.path_hooks)
        self.recursion, self.folder = sys.getrecursionlimit(), _folder()

    def scopes(self) -> list[tuple[str, dict]]:
        """The modules that are guarded, by name."""
        return [(name, vars(module)) for name, module in self.modules.items()
                if isinstance(module, types.ModuleType) and (name in SHARED or name.split(".")[0] == "tinymm")]

    def mend(self) -> list[str]:
        """Put back what was replaced; the names of the functions and classes among it, as "numpy.sum"."""
        replaced = []
        for name, scope, code in self.code:
            for key in _other(scope, code):
                scope[key] = code[key]
                replaced.append(key if scope is vars(builtins) else f"{name}.{key}")
        for name, cls, code in self.classes:
            for key in _other(vars(cls), code):
                setattr(cls, key, code[key])
                replaced.append(f"{name}.{key}")
        for name in _other(sys.modules, self.modules):
            sys.modules[name] = self.modules[name]
        for name, stream in self.streams.items():
            setattr(sys, name, stream)
        lists: list[tuple[list, list]] = [(sys.path, self.path), (sys.meta_path, self.meta), (sys.path_hooks, self.hooks)]
        for now, before in lists:
            now[:] = before + [entry for entry in now if entry not in before]   # what was added stays: a student's own folder
        sys.setrecursionlimit(self.recursion)
        if _folder() != self.folder and self.folder:
            with contextlib.suppress(OSError):   # it has been removed
                os.chdir(self.folder)
        return replaced


def _other(now: Mapping[str, object], before: dict) -> list[str]:
    """The names whose values are no longer the same objects."""
    if all(map(operator.is_, map(now.get, before), before.values())):   # 5,000 comparisons in a fraction of a millisecond
        return []
    return [name for name, value in before.items() if now.get(name) is not value]


def _folder() -> str:
    """The current folder; "" where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""
