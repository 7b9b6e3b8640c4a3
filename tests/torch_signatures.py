"""Signatures of PyTorch's functions, and in what those of this package differ from them.

Functions written in Python are asked by ``inspect``, the others looked up in the stubs that PyTorch ships; these may have
several forms, one for each way to call them. A form is a list of parameters.
"""

import ast
import functools
import inspect
import pathlib
from typing import Any, NamedTuple

import torch

REQUIRED = inspect.Parameter.empty
STUBS = {"": "_C/_VariableFunctions.pyi", "nn.functional": "nn/functional.pyi", "_nn": "_C/_nn.pyi", "Tensor": "_C/__init__.pyi"}
UNKNOWN = object()   # a default that a stub does not tell


class Part(NamedTuple):
    """One parameter of a form."""

    name: str
    kind: str        # "positional", "keyword", "*" or "**"
    default: Any = REQUIRED


def parts_of(signature: inspect.Signature) -> list[Part]:
    """A form from what ``inspect`` says."""
    kinds = {inspect.Parameter.KEYWORD_ONLY: "keyword", inspect.Parameter.VAR_POSITIONAL: "*",
             inspect.Parameter.VAR_KEYWORD: "**"}
    return [Part(p.name, kinds.get(p.kind, "positional"), p.default) for p in signature.parameters.values()]


@functools.cache
def stubs(room: str) -> dict[str, list[list[Part]]]:
    """Name -> forms, from one of PyTorch's stub files; of the methods of TensorBase for "Tensor"."""
    tree = ast.parse((pathlib.Path(torch.__file__).parent / STUBS[room]).read_text(encoding="utf-8"))
    body = tree.body
    if room == "Tensor":
        body = next(node for node in body if isinstance(node, ast.ClassDef) and node.name == "TensorBase").body
    found: dict[str, list[list[Part]]] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef):
            arguments = ast.unparse(node.args)
            if "EllipsisType" not in arguments and "names:" not in arguments:   # axes that have names: not in this package
                found.setdefault(node.name, []).append(_form(node.args, skip=room == "Tensor"))
    return found


def _form(arguments: ast.arguments, skip: bool) -> list[Part]:
    def default(node):
        if node is None:
            return REQUIRED
        try:
            return UNKNOWN if ast.unparse(node) == "..." else ast.literal_eval(node)
        except ValueError:
            return UNKNOWN
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    parts = [Part(a.arg, "positional", default(d)) for a, d in zip(positional, defaults)][int(skip):]
    if arguments.vararg:
        parts.append(Part(arguments.vararg.arg, "*"))
    parts += [Part(a.arg, "keyword", default(d)) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults)]
    return parts + ([Part(arguments.kwarg.arg, "**")] if arguments.kwarg else [])


def forms_of(theirs, name: str, room: str, method: bool = False) -> list[list[Part]]:
    """The ways to call a function of PyTorch, without ``self`` for a method.

    Args:
        theirs: the function, class or method.
        name, room: where the stubs have it.
    """
    try:
        parts = parts_of(inspect.signature(theirs))[int(method):]
        if [p.kind for p in parts] != ["*", "**"]:
            return [parts]
    except (TypeError, ValueError):
        pass
    for place in (room, "_nn") if room == "nn.functional" else (room,):
        if name in stubs(place):
            return stubs(place)[name]
    return stubs("").get(name, []) if room == "nn.functional" else []


def same_default(ours: Any, theirs: Any) -> bool:
    """Whether two defaults are the same value; a dtype that follows from the arguments is None in both."""
    if theirs is UNKNOWN or ours is theirs:
        return True
    if isinstance(ours, bool) != isinstance(theirs, bool):
        return False
    return ours is not REQUIRED and theirs is not REQUIRED and bool(ours == theirs)


def differences(ours: list[Part], forms: list[list[Part]]) -> dict[str, str]:
    """Parameter -> how a call that PyTorch allows would fail here, or mean something else; empty where none would.

    Each of PyTorch's forms must be covered: a positional parameter has the same name in the same place (``*`` takes what is
    in its place and after), one of keywords is a parameter here, defaults agree. What only this package has must be
    optional, and out of the way of positional calls.
    """
    found: dict[str, str] = {}
    by_name = {p.name: p for p in ours}
    positional = [p for p in ours if p.kind in ("positional", "*")]
    anything = any(p.kind == "**" for p in ours)
    for form in forms:
        place = 0
        for part in form:
            if part.kind == "**":
                if not anything:
                    found[part.name] = "any keywords there"
                continue
            mine = by_name.get(part.name)
            if part.kind in ("positional", "*"):
                here = positional[min(place, len(positional) - 1)] if positional else None
                if here is None or place >= len(positional) and here.kind != "*":
                    here = None
                place += 1
                if mine is None:
                    found.setdefault(part.name, f"missing; in its place {here.name}" if here else "missing")
                    continue
                if here is None or here.name != part.name:
                    found.setdefault(part.name, f"positional argument {place} there, here "
                                     + (f"that is {here.name}" if here else "a keyword"))
            elif mine is None:
                found.setdefault(part.name, "missing")
                continue
            if "*" in (part.kind, mine.kind):
                continue
            optional = len(forms) > 1   # what one form requires another may leave out
            if not same_default(mine.default, part.default) and not (optional and REQUIRED in (part.default, mine.default)
                                                                     and mine.default is not REQUIRED):
                found.setdefault(part.name, f"default {_said(mine.default)}, there {_said(part.default)}")
    known = {part.name for form in forms for part in form}
    longest = max((sum(p.kind == "positional" for p in form) for form in forms), default=0)
    for i, part in enumerate(ours):
        if part.name not in known and part.kind not in ("*", "**"):
            if part.default is REQUIRED:
                found[part.name] = "required here only"
            elif part.kind == "positional":
                found[part.name] = f"here only, as positional argument {i + 1}"
            else:
                found[part.name] = "here only"
        elif part.name not in known and part.kind == "*":
            found[part.name] = f"*{part.name} here only"
    del longest
    return found


def _said(default: Any) -> str:
    return "none" if default is REQUIRED else repr(default)
