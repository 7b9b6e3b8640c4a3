"""The pages of the reference: one a room, with every public class and function, each described where it is public first."""

from __future__ import annotations

import importlib
import inspect
import pathlib
from types import ModuleType

ROOMS = {   # in the order of the page
    "tinymm.autograd": "The engine", "tinymm.functional": "Functions", "tinymm.autograd.creation": "Creation",
    "tinymm.autograd.sampling": "Sampling", "tinymm.nn": "Layers", "tinymm.optim": "Optimisers", "tinymm.models": "Models",
    "tinymm.data": "Data", "tinymm.text": "Text", "tinymm.decode": "Decoding", "tinymm.metrics": "Metrics",
    "tinymm.train": "Training", "tinymm.plot": "Figures", "tinymm.weights": "Published weights",
    "tinymm.serialization": "Files", "tinymm.homework": "Exercises"}


def write(folder: pathlib.Path) -> None:
    """Write ``index.rst`` and a page for each room of ``ROOMS``.

    Args:
        folder: where; made if need be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described: set[int] = set()
    for room, title in ROOMS.items():
        (folder / f"{room}.rst").write_text(page(importlib.import_module(room), room, title, described), encoding="utf-8")
    (folder / "index.rst").write_text("\n".join([*heading("Reference", "="), ".. toctree::", "   :maxdepth: 1", "",
                                                 *(f"   {room}" for room in ROOMS), ""]), encoding="utf-8")


def page(module: ModuleType, room: str, title: str, described: set[int]) -> str:
    """The page of one room; what is in ``described`` has its place already."""
    exported = {name: getattr(module, name) for name in module.__all__}
    new = {name: value for name, value in exported.items() if id(value) not in described and callable(value)}
    described.update(map(id, new.values()))
    classes = sorted(name for name, value in new.items() if inspect.isclass(value))
    functions = sorted(name for name in new if name not in classes)
    lines = [*heading(f"{title}: {room}", "="), (module.__doc__ or "").strip(), "", f".. currentmodule:: {room}", ""]
    for names, text, directive in ((classes, "Classes", "autoclass"), (functions, "Functions", "autofunction")):
        if names:
            lines += [*heading(text, "-"), ".. autosummary::", "", *(f"   {name}" for name in names), ""]
            for name in names:
                lines += [f".. {directive}:: {name}", *["   :members:"] * (directive == "autoclass"), ""]
    return "\n".join(lines)


def heading(text: str, underline: str) -> list[str]:
    """A heading in reStructuredText."""
    return [text, underline * len(text), ""]
