"""Importing everything that registers operations fills the registry."""

import importlib
import pkgutil


def load() -> dict:
    """The complete registry: name -> Operation. Every module of ``ops`` may register; primitives do in ``samples``."""
    from . import autograd, ops
    from .autograd.registry import OPERATIONS

    names = [f"autograd.{m.name}" for m in pkgutil.iter_modules(autograd.__path__) if m.name.startswith("samples")]
    names += [m.name for m in pkgutil.walk_packages(ops.__path__, "ops.")]   # rooms, and the files in them
    for name in names:
        importlib.import_module(f"tinymm.{name}")
    return OPERATIONS
