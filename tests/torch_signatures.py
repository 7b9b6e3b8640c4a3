"""Signatures of PyTorch's functions, and in what those of this package differ from them.

Functions written in Python are asked by ``inspect``, the others looked up in the stubs that PyTorch ships; these may have
several forms, one for each way to call them. A form is a list of parameters.
"""

import ast
import functools
import inspect
import pathlib
import re
import textwrap
from typing import Any, NamedTuple

import torch

REQUIRED = inspect.Parameter.empty
UNKNOWN = object()   # a default that a stub does not tell
STUBS = {"": "_C/_VariableFunctions.pyi", "nn.functional": "nn/functional.pyi", "_nn": "_C/_nn.pyi", "Tensor": "_C/__init__.pyi"}

# What a stub says, and the function itself does not: called so, it raises a TypeError.
UNTRUE = {("tensor", "dtype"), ("tensor", "device"), ("tensor", "requires_grad")}   # by name only
NAMED_AS = {("requires_grad_", "mode"): "requires_grad", ("copy_", "other"): "src"}   # by the documentation


class Part(NamedTuple):
    """One parameter of a form."""

    name: str
    kind: str        # "positional", "keyword", "*" or "**"
    default: Any = REQUIRED


def parts_of(function) -> list[Part]:
    """A form from what ``inspect`` says."""
    kinds = {inspect.Parameter.KEYWORD_ONLY: "keyword", inspect.Parameter.VAR_POSITIONAL: "*",
             inspect.Parameter.VAR_KEYWORD: "**"}
    return [Part(p.name, kinds.get(p.kind, "positional"), p.default)
            for p in inspect.signature(function).parameters.values()]


@functools.cache
def stubs(room: str) -> dict[str, list[list[Part]]]:
    """Name -> forms, from one of PyTorch's stub files; of the methods of TensorBase for "Tensor"."""
    body = ast.parse((pathlib.Path(torch.__file__).parent / STUBS[room]).read_text(encoding="utf-8")).body
    if room == "Tensor":
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == "TensorBase").body
    found: dict[str, list[list[Part]]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            arguments = ast.unparse(node.args)
            named_axes = "EllipsisType" in arguments or "names:" in arguments   # axes with names: not in this package
            form = _form(node.name, node.args)[int(room == "Tensor"):]
            deprecated = any(p == Part(name, "positional") for p in form for name in ("alpha", "beta"))   # add(x, alpha, y)
            if not named_axes and not deprecated:
                found.setdefault(node.name, []).append(form)
    return found


def _form(function: str, arguments: ast.arguments) -> list[Part]:
    def part(argument: ast.arg, kind: str, default: ast.expr | None) -> Part:
        name = "input" if argument.arg == "self" else argument.arg   # as the documentation has it
        value: Any = REQUIRED
        if default is not None:
            try:
                value = UNKNOWN if ast.unparse(default) == "..." else ast.literal_eval(default)
            except ValueError:
                value = UNKNOWN
        return Part(NAMED_AS.get((function, name), name), "keyword" if (function, name) in UNTRUE else kind, value)
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    parts = [part(a, "positional", d) for a, d in zip(positional, defaults)]
    if arguments.vararg:
        parts.append(Part(arguments.vararg.arg, "*"))
    parts += [part(a, "keyword", d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    return parts + ([Part(arguments.kwarg.arg, "**")] if arguments.kwarg else [])


def forms_of(function, name: str, room: str) -> list[list[Part]]:
    """The ways to call a function of PyTorch: by ``inspect``, or by its stub in ``room``, or by the head of its docstring."""
    try:
        parts = parts_of(function)
        if room == "Tensor":
            parts = parts[1:]
        if [p.kind for p in parts] != ["*", "**"]:
            return [parts]
    except (TypeError, ValueError):
        pass
    places = {"nn.functional": ("nn.functional", "_nn", "")}.get(room, (room,))
    for place in places:
        if name in stubs(place):
            return stubs(place)[name]
    head = re.search(rf"^{name}\((.*)\) -> ", function.__doc__ or "", re.MULTILINE)
    return [_form(name, ast.parse(f"def f({head[1]}): ...").body[0].args)] if head else []


def overloads_of(cls: type) -> list[list[Part]]:
    """The ways to make a class whose ``__init__`` takes anything, as its ``@overload`` tells them."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body
    forms = [_form("__init__", node.args)[1:] for node in body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    return [form for form in forms if [p.kind for p in form] != ["*", "**"]]


def same_default(ours: Any, theirs: Any) -> bool:
    """Whether two defaults mean the same; () is "not given" in PyTorch where this package has None."""
    if theirs is UNKNOWN or ours is theirs or ours is None and theirs == ():
        return True
    if REQUIRED in (ours, theirs) or isinstance(ours, bool) != isinstance(theirs, bool):
        return False
    return bool(ours == theirs)


def differences(ours: list[Part], forms: list[list[Part]]) -> dict[str, str]:
    """Parameter -> how a call that PyTorch allows would fail here, or mean something else; empty where none would.

    Each of PyTorch's forms must be covered: a parameter given by place has the same name in the same place, one given by name
    is a parameter here, and the default is that of one of the forms. ``*size_`` with ``size=`` beside it covers ``size`` in
    either way. What only this package has must be optional, and given by name.
    """
    found: dict[str, str] = {}
    by_name = {p.name: p for p in ours}
    in_order = [p for p in ours if p.kind in ("positional", "*")]

    def at(place: int) -> Part | None:
        if place < len(in_order):
            return in_order[place]
        return in_order[-1] if in_order and in_order[-1].kind == "*" else None

    for form in forms:
        for place, part in enumerate(form):
            here, mine = at(place), by_name.get(part.name)
            if part.kind == "**":
                if not any(p.kind == "**" for p in ours):
                    found.setdefault(part.name, "any keywords there")
            elif part.kind in ("positional", "*"):
                if here is not None and here.kind == "*" and here.name in (part.name, part.name + "_"):
                    continue
                where = f"; in its place {here.name}" if here else ""
                if mine is None:
                    found.setdefault(part.name, "missing" + where)
                elif part.kind == "*" and mine.kind == "positional":
                    found.setdefault(part.name, f"*{part.name} there, here one argument")
                elif here is None or here.name != part.name:
                    found.setdefault(part.name, f"positional argument {place + 1} there, here by name only" + where)
            elif mine is None:
                found.setdefault(part.name, "missing")
    for part in ours:
        theirs = [p for form in forms for p in form if p.name == part.name]
        if part.kind in ("*", "**"):
            if not any(p.kind == part.kind or p.name + "_" == part.name for form in forms for p in form):
                found.setdefault(part.name, "here only")
        elif not theirs:
            if f"{part.name}_" not in by_name:
                found.setdefault(part.name, "here only" + {"keyword": ""}.get(part.kind, ", by place"))
        elif part.kind == "positional" and all(p.kind == "keyword" for p in theirs):
            found.setdefault(part.name, "by name only there, here also by place")
        elif f"{part.name}_" not in by_name:
            defaults = [p.default for p in theirs if p.kind != "*"]
            optional = [d for d in defaults if d is not REQUIRED]   # what is required there may be left out here
            if defaults and (optional or part.default is REQUIRED) and not any(same_default(part.default, d) for d in defaults):
                found.setdefault(part.name, f"default {_said(part.default)}, there {' or '.join(sorted(map(_said, optional)))}")
    return found


def _said(default: Any) -> str:
    return "none" if default is REQUIRED else getattr(default, "__name__", repr(default))
