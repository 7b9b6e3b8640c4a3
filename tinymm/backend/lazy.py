"""Parts of a package that are imported when they are first asked for (PEP 562).

A package that names its parts here says the same to static analysers in an ``if TYPE_CHECKING:`` block of imports::

    if TYPE_CHECKING:
        from . import metrics
        from .clip import CLIP
    else:
        __getattr__, __dir__ = lazily(__name__, globals(), {"": ["metrics"], "clip": ["CLIP"]})

``tests/test_editors.py`` holds the two equal.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence


def lazily(package: str, scope: dict[str, object],
           names: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: its ``__name__``.
        scope: its ``globals()``, which keep what was once asked for.
        names: module of the package -> the names that the package takes from it; "" -> modules that are parts themselves.
    """
    home = {name: module for module, owned in names.items() for name in owned}

    def get(name: str) -> object:
        module = home.get(name, "")
        if name in names or name in home and not module:
            return importlib.import_module(f"{package}.{name}")   # the import itself sets the attribute
        if module:
            value = scope[name] = getattr(importlib.import_module(f"{package}.{module}"), name)
            return value
        raise AttributeError(f"module {package!r} has no attribute {name!r}" + _hint(name, listed()))

    def listed() -> list[str]:
        return sorted({*scope, *home})

    return get, listed


def _hint(name: str, known: list[str]) -> str:
    if name.startswith("_"):   # asked by Python itself, not by a reader
        return ""
    import difflib

    near = difflib.get_close_matches(name, known, 3)
    return f"; did you mean {' or '.join(near)}?" if near else ""
