"""Importing everything that registers operations fills the registry."""

import importlib
import pkgutil


def load() -> dict:
    """The complete registry: name -> Operation. Every module of ``ops`` may register; primitives do in ``samples``."""
    from . import autograd, ops
    from .autograd.registry import OPERATIONS

    rooms = [f"autograd.{m.name}" for m in pkgutil.iter_modules(autograd.__path__) if m.name.startswith("samples")]
    rooms += [f"ops.{m.name}" for m in pkgutil.iter_modules(ops.__path__)]
    for room in rooms:
        importlib.import_module(f"tinymm.{room}")
    return OPERATIONS
