"""The house: imports point down only, without a circle; importing the package is light."""

import ast
import functools
import pathlib
import subprocess
import sys

import pytest

import tinymm

PACKAGE = pathlib.Path(tinymm.__file__).parent
JUDGES = {"torch", "transformers", "tokenizers", "regex", "ftfy", "scipy", "sklearn", "nltk", "pycocoevalcap", "pycocotools"}
FLOORS = {"backend": 0, "version": 0, "autograd": 1, "ops": 2, "functional": 2, "catalog": 2, "nn": 3, "optim": 3,
          "serialization": 3, "text": 3.5, "data": 4, "decode": 4, "metrics": 4, "plot": 4, "train": 4, "weights": 4,
          "models": 5, "experiments": 6, "homework": 7, "bench": 7, "cli": 7, "commands": 7,
          "__main__": 8, "__init__": 8}   # text is at the foot of floor 4: its rooms may use it, and not each other
# Circles through an import inside a function: none at the top of a file, and in functions only these.
CIRCLES = [{"autograd.tensor", "autograd.function", "autograd.engine"}]   # x.backward() runs nodes, which hold Tensors


@functools.cache
def modules() -> dict[str, pathlib.Path]:
    """Every file of the package by its module's name; a room's ``__init__`` by the room's, the package's by ""."""
    found = {}
    for path in set(PACKAGE.rglob("*.py")) - set(PACKAGE.glob("homework/handouts/*.py")):   # those are data, for students
        *room, name = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(room if name == "__init__" else [*room, name])] = path
    return found


def imported(source: str, room: list[str], when: str) -> set[str]:
    """Modules of the package that a file in ``room`` imports: ``when`` it is itself imported, when it runs (inside functions,
    too), or ever (also for type checkers only)."""
    def module(target: list[str]) -> str:   # the module of that name, or the one that defines the name
        return ".".join(target if ".".join(target) in modules() else target[:-1])

    tree, found = ast.parse(source), set()
    if when != "ever":
        tree = Running().visit(tree)
    for node in tree.body if when == "imported" else ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ["tinymm", *room[:len(room) - node.level + 1]] if node.level else []
            targets = [[*base, *filter(None, (node.module or "").split(".")), alias.name] for alias in node.names]
        else:
            continue
        found |= {module(target[1:]) for target in targets if target[0] == "tinymm"}
    return found


class Running(ast.NodeTransformer):
    """Without the blocks that only type checkers read."""

    def visit_If(self, node):
        return node.orelse or None if getattr(node.test, "id", "") == "TYPE_CHECKING" else self.generic_visit(node)


@functools.cache
def imports(name: str, when: str) -> frozenset[str]:
    """What the module ``name`` imports of the package, itself left out."""
    path = modules()[name]
    room = list(path.relative_to(PACKAGE).parent.parts)
    return frozenset(imported(path.read_text(), room, when) - {name})


def floor(name: str) -> float:
    return FLOORS[name.split(".")[0] or "__init__"]


def circles(when: str) -> list[set[str]]:
    """The sets of modules that import each other, directly or round about (strongly connected components)."""
    reached = {}
    for start in modules():
        reached[start], stack = set(), [start]
        while stack:
            new = imports(stack.pop(), when) - reached[start]
            reached[start] |= new
            stack += new
    return [set(c) for c in {frozenset(b for b in reached[a] if a in reached[b]) for a in reached if a in reached[a]}]


@pytest.mark.parametrize("source, room, found", [
    ("import tinymm", ["data"], {""}), ("import numpy, tinymm.nn.init", [], {"nn.init"}),
    ("from tinymm import nn, zeros", ["data"], {"nn", ""}), ("from tinymm.nn import Linear, init", [], {"nn", "nn.init"}),
    ("from .. import functional as F", ["nn"], {"functional"}),
    ("from ..autograd import Tensor, shape", ["nn"], {"autograd", "autograd.shape"}),
    ("from . import init", ["nn"], {"nn.init"}), ("from ...backend.jit import kernel", ["ops", "losses"], {"backend.jit"}),
    ("from .. import Tensor", ["nn"], {""}), ("import numpy.linalg\nfrom os import path", ["nn"], set()),
    ("def f():\n    from .module import Module", ["nn"], {"nn.module"}),
    ("if TYPE_CHECKING:\n    from .module import Module", ["nn"], {"nn.module"})])
def test_the_reader_of_imports(source, room, found):
    assert imported(source, room, "ever") == found
    assert imported(source, room, "running") == (set() if source.startswith("if") else found)
    assert imported(source, room, "imported") == (found if source[:2] not in ("de", "if") else set())


def test_every_room_has_a_floor():
    assert {name.split(".")[0] or "__init__" for name in modules()} == set(FLOORS)


def test_imports_point_down():
    """In a function, too; so nothing below the package's ``__init__`` imports it."""
    wrong = [f"{name} (floor {floor(name)}) imports {target or 'tinymm'} (floor {floor(target)})"
             for name in modules() for target in imports(name, "ever") if floor(target) > floor(name)]
    assert not wrong, "\n".join(wrong)


def test_the_rooms_of_floor_4_stand_beside_each_other():
    wrong = [f"{name} imports {target}" for name in modules() for target in imports(name, "ever")
             if floor(name) == floor(target) == 4 and name.split(".")[0] != target.split(".")[0]]
    assert not wrong, "\n".join(wrong)


def test_no_lecture_uses_anothers_room():
    """Its systems excepted: what they share stands in ``captioning``, or beside the rooms."""
    def lecture(name: str) -> str | None:
        room = name.split(".")
        return room[1] if room[0] == "experiments" and len(room) > 1 and room[1].startswith("lecture_") else None

    wrong = [f"{name} imports {target}" for name in modules() if lecture(name) for target in imports(name, "ever")
             if lecture(target) not in (None, lecture(name)) and not target.endswith(".systems")]
    assert not wrong, "\n".join(wrong)


def test_no_circles():
    assert circles("imported") == []


def test_circles_through_imports_in_functions_are_known():
    found = circles("running")
    assert all(circle in CIRCLES for circle in found), "new: " + "\n".join(str(sorted(c)) for c in found if c not in CIRCLES)
    assert all(circle in found for circle in CIRCLES), "broken by now: take it out of CIRCLES"


def test_what_students_read_keeps_to_the_public_tensor():
    """On floors 4 to 6 nothing reaches into a Tensor for its array: there are methods, and ``autograd.host.to_numpy``.

    The doors of floor 7 may: homework and the gradient checker test the engine itself.
    """
    wrong = [f"{name}:{node.lineno}" for name, path in modules().items() if 3 < floor(name) < 7
             for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute) and node.attr == "_data"]
    assert not wrong, "\n".join(wrong)


def test_importing_is_light():
    code = ("import sys, tinymm; heavy = {'numba', 'matplotlib', 'cupy', 'torch', 'scipy', 'tqdm', 'safetensors'}; "
            "assert not heavy & set(sys.modules), heavy & set(sys.modules)")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_never_imports_its_judges():
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
                [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {n.split(".")[0] for n in names} & JUDGES, name


def test_functions_of_functional_say_what_they_do():
    """Every public function has a docstring, and comes from where it is defined."""
    functional = tinymm.functional
    for name, value in vars(functional).items():
        if not name.startswith("_") and callable(value):
            assert value.__doc__, name
