"""The house: imports point down only, without a circle; importing the package is light."""

import ast
import functools
import pathlib
import subprocess
import sys

import tinymm

PACKAGE = pathlib.Path(tinymm.__file__).parent
JUDGES = {"torch", "transformers", "tokenizers", "regex", "ftfy", "scipy", "sklearn", "nltk", "pycocoevalcap", "pycocotools"}
FLOORS = {"backend": 0, "autograd": 1, "ops": 2, "functional": 2, "catalog": 2, "nn": 3, "optim": 3, "serialization": 3,
          "text": 3.5, "data": 4, "decode": 4, "metrics": 4, "plot": 4, "train": 4, "weights": 4, "models": 5, "experiments": 6,
          "homework": 7, "bench": 7, "cli": 7, "commands": 7,
          "__main__": 8, "__init__": 8}   # text is at the foot of floor 4: its rooms may use it, and not each other


@functools.lru_cache
def modules():
    return {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in PACKAGE.rglob("*.py")}


def imports(name: str, path: pathlib.Path, lazy: bool):
    """Modules of the package that a module imports at its top (or, with ``lazy``, anywhere)."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.ImportFrom):
            base = name.split(".")[:-1]
            if node.level:
                base = base[:len(base) - (node.level - 1)]
                target = base + (node.module.split(".") if node.module else [])
            elif node.module and node.module.split(".")[0] == "tinymm":
                target = node.module.split(".")[1:]
            else:
                continue
            for alias in node.names:
                full = ".".join(target + [alias.name])
                yield full if full in modules() or full + ".__init__" in modules() else ".".join(target)


def test_every_room_has_a_floor():
    assert {name.split(".")[0] for name in modules()} == set(FLOORS)


def test_imports_point_down():
    wrong = []
    for name, path in modules().items():
        floor = FLOORS[name.split(".")[0]]
        for target in imports(name, path, lazy=True):
            room = target.split(".")[0]
            if room and FLOORS[room] > floor:
                wrong.append(f"{name} (floor {floor}) imports {target} (floor {FLOORS[room]})")
    assert not wrong, "\n".join(wrong)


def test_the_rooms_of_floor_4_stand_beside_each_other():
    wrong = []
    for name, path in modules().items():
        room = name.split(".")[0]
        others = {target.split(".")[0] for target in imports(name, path, lazy=True)} - {room, ""}
        wrong += [f"{name} imports {other}" for other in others if FLOORS[room] == FLOORS[other] == 4]
    assert not wrong, "\n".join(wrong)


def test_no_lecture_uses_anothers_room():
    """Its systems excepted: what they share stands in ``captioning``, or beside the rooms."""
    wrong = []
    for name, path in modules().items():
        here = name.split(".")
        if here[0] != "experiments" or not here[1].startswith("lecture_"):
            continue
        for target in imports(name, path, lazy=True):
            there = target.split(".")
            if there[:1] == ["experiments"] and len(there) > 1 and there[1].startswith("lecture_"):
                if there[1] != here[1] and there[2:] != ["systems"]:
                    wrong.append(f"{name} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_no_circles():
    known = modules()
    graph = {name: {t if t in known else t + ".__init__" for t in imports(name, path, lazy=False)} - {name}
             for name, path in known.items()}
    done, active = set(), []

    def visit(name):
        if name in done or name not in graph:
            return
        assert name not in active, " -> ".join([*active[active.index(name):], name])
        active.append(name)
        for target in sorted(graph[name]):
            visit(target)
        done.add(active.pop())

    for name in graph:
        visit(name)


def test_what_students_read_keeps_to_the_public_tensor():
    """On floors 4 to 6 nothing reaches into a Tensor for its array: there are methods, and ``autograd.host.to_numpy``.

    The doors of floor 7 may: homework and the gradient checker test the engine itself.
    """
    wrong = [f"{name}:{node.lineno}" for name, path in modules().items() if 3 < FLOORS[name.split(".")[0]] < 7
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
