"""Write ``declared.pyi``: the methods that Tensor is given at run time, as editors and type checkers read them.

``python -m tinymm.autograd.declare`` writes the file anew from the table of ``methods.py``, with ``--check`` it fails where
the file differs from the table.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import pathlib
import re
import sys
import textwrap
from typing import Any

from . import tensor
from .axes import NUMPY, takes_numpy_names
from .tensor import Tensor

FILE = pathlib.Path(__file__).with_name("declared.pyi")
WIDTH = 126
HEAD = '''"""The methods and operators of Tensor that ``methods.py`` attaches: written by declare.py, not by hand."""

import builtins
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from .kinds import DType, Dims, Generator, Indices, Operand, Shape, ValuesIndices
from .tensor import Tensor

class TensorMethods:
'''


def attached() -> dict[str, object]:
    """Name -> what Tensor is given by that name outside of its class statement."""
    tree = ast.parse(inspect.getsource(tensor))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tensor").body
    written = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    written |= {target.id for node in body for target in getattr(node, "targets", [getattr(node, "target", None)])
                if isinstance(target, ast.Name)}
    return {name: value for name, value in vars(Tensor).items()
            if name not in written and (isinstance(value, property) or inspect.isfunction(value))}


def declaration(name: str, value: Any) -> str:
    """The stub of one method or property."""
    if isinstance(value, property):
        getter: Any = value.fget
        return _stub(name, getter, inspect.signature(getter), "@property")
    forms = _overloads(value) or [inspect.signature(value)]
    if takes_numpy_names(value):
        forms += [_in_numpy_names(form) for form in forms if NUMPY.keys() & form.parameters.keys()]
    if len(forms) == 1:
        return _stub(name, value, forms[0])
    return "".join(_stub(name, value, form, "@overload", told=form is forms[0]) for form in forms)


def _in_numpy_names(form: inspect.Signature) -> inspect.Signature:
    """The signature with ``axis`` and ``keepdims``."""
    return form.replace(parameters=[part.replace(name=NUMPY.get(part.name, part.name)) for part in form.parameters.values()])


def _overloads(function) -> list[inspect.Signature]:
    """The signatures that stand before a function under ``@overload``."""
    module = sys.modules[function.__module__]
    found = [node for node in ast.parse(inspect.getsource(module)).body
             if isinstance(node, ast.FunctionDef) and node.name == function.__name__
             and any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)]
    scope: dict = {}
    signatures = []
    for node in found:
        node.decorator_list = []
        exec("from __future__ import annotations\n" + ast.unparse(node), scope)
        signatures.append(inspect.signature(scope[node.name]))
    return signatures


def _stub(name: str, function, signature: inspect.Signature, mark: str = "", told: bool = True) -> str:
    """The lines of one signature; ``told``: with the summary of the docstring."""
    _, *rest = signature.parameters.values()
    if any(part.annotation is inspect.Parameter.empty for part in rest) or signature.return_annotation is signature.empty:
        raise TypeError(f"{name}{signature}: an attached method needs annotations, since editors show them")
    parts = ["self"]
    starred = False
    for parameter in rest:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        parts.append(_parameter(parameter))
    ending = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""   # object's give a bool, as everywhere
    head = _head(name, parts, _type(signature.return_annotation))
    mark = f"    {mark}\n" if mark else ""
    if name.startswith("__") or not told or not function.__doc__:
        return f"{mark}{head} ...{ending}\n"
    said = textwrap.fill(re.split(r"\n\s*\n|\n\s*Args:", inspect.cleandoc(function.__doc__))[0].replace("\n", " "), WIDTH,
                         initial_indent=" " * 8 + '"""', subsequent_indent=" " * 8) + '"""\n'
    return f"{mark}{head}\n{said}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {_type(parameter.annotation)}{default}"


def _type(annotation) -> str:
    """An annotation where ``float``, ``int`` and ``bool`` are methods of the class around it."""
    return re.sub(r"\b(float|int|bool)\b", r"builtins.\1", str(annotation))


def _head(name: str, parts: list[str], returned: str) -> str:
    """The line ``def name(parts) -> returned:``, folded between parts where it is too long."""
    lines = [f"    def {name}("]
    indent = " " * len(lines[0])
    for i, part in enumerate(parts):
        piece = part + (f") -> {returned}:" if i == len(parts) - 1 else ",")
        if i and len(lines[-1]) + 1 + len(piece) > WIDTH:
            lines.append(indent + piece)
        else:
            lines[-1] += (" " if i else "") + piece
    return "\n".join(lines)


def stub() -> str:
    """The whole text of ``declared.pyi``."""
    return HEAD + "".join(declaration(name, value) for name, value in attached().items())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tinymm.autograd.declare", description="write declared.pyi")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the file differs from the table")
    if not parser.parse_args().check:
        FILE.write_text(stub(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != stub():
        sys.exit(f"{FILE.name} differs from the methods of Tensor: run python -m tinymm.autograd.declare")


if __name__ == "__main__":
    main()
