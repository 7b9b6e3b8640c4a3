"""What an editor sees of the package: lazy parts, static declarations of Tensor's methods, public names, types."""

import ast
import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest

import tinymm
from tinymm.autograd import axes, declare
from tinymm.backend.lazy import lazily

ROOT = pathlib.Path(tinymm.__file__).parent
ROOMS = {"decode", "experiments", "homework", "metrics", "models", "plot", "text", "train", "weights"}
LAZY = ["tinymm", "tinymm.data", "tinymm.models", "tinymm.homework"]


def fresh(code: str) -> str:
    """What ``code`` prints in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT.parent).stdout


# ---------------------------------------------------------------------- lazy parts

def two_tables(package: str):
    """Module -> names of the package's TYPE_CHECKING imports, and of its call of ``lazily``."""
    tree = ast.parse(pathlib.Path(importlib.import_module(package).__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING")
    imports = {node.module or "": [alias.name for alias in node.names] for node in block.body}
    call = next(node for node in ast.walk(block) if isinstance(node, ast.Call) and node.func.id == "lazily")
    return imports, ast.literal_eval(call.args[2])


@pytest.mark.parametrize("package", LAZY)
def test_lazy_parts_are_the_ones_that_analysers_see(package):
    imports, table = two_tables(package)
    assert imports == table


@pytest.mark.parametrize("package", LAZY)
def test_every_lazy_part_is_there_and_listed(package):
    module = importlib.import_module(package)
    _, table = two_tables(package)
    for home, names in table.items():
        for name in names:
            value = getattr(module, name)
            if home:
                assert value is getattr(importlib.import_module(f"{package}.{home}"), name)
            else:
                assert value is importlib.import_module(f"{package}.{name}")
            assert name in dir(module)


def test_import_tinymm_is_enough_for_every_room():
    code = "import tinymm, sys; before = set(sys.modules); print(*(r for r in {} if 'tinymm.' + r in before)); " \
           "print(*(getattr(tinymm, r).__name__ for r in {}))"
    loaded, found = fresh(code.format(sorted(ROOMS), sorted(ROOMS))).split("\n")[:2]
    assert loaded == ""
    assert found.split() == [f"tinymm.{room}" for room in sorted(ROOMS)]


def test_one_model_does_not_load_the_others():
    code = "import tinymm, sys; tinymm.models.ShowTell; print(*(m for m in sys.modules if m.startswith('tinymm.models.')))"
    assert "tinymm.models.show_and_tell" in fresh(code).split()
    assert not {"tinymm.models.clip", "tinymm.models.visual_ngrams"} & set(fresh(code).split())


def test_models_offers_every_public_class_and_function_of_its_files():
    """Every one, but for parts of parts (underscored names, and those of CLIP's room that the room keeps to itself)."""
    import tinymm.models as models

    for path in sorted(set((ROOT / "models").glob("*.py")) - {ROOT / "models" / "checks.py"}):   # of arguments, for the others
        tree = ast.parse(path.read_text())
        public = {node.name for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))
                  and not node.name.startswith("_")} - {"one_hot", "sweep"}   # helpers, named too generally for a whole room
        assert public <= set(models.__all__), path.name
    assert set(importlib.import_module("tinymm.models.clip").__all__) <= set(models.__all__)
    assert set(models.__all__) <= set(dir(models))


@pytest.mark.parametrize("owner, wrong, right", [("tinymm", "modles", "models"),
                                                 ("tinymm.models", "ShowAtendTell", "ShowAttendTell")])
def test_a_misspelt_part_names_its_neighbours(owner, wrong, right):
    with pytest.raises(AttributeError, match=f"{owner}.*{wrong}.*did you mean.*{right}"):
        getattr(importlib.import_module(owner), wrong)


def test_nothing_near_is_no_hint():
    get, listed = lazily("tinymm", {}, {"": ["text"]})
    assert listed() == ["text"]
    with pytest.raises(AttributeError, match="has no attribute 'zzzzzz'$"):
        get("zzzzzz")


# ---------------------------------------------------------------------- names

@pytest.mark.parametrize("name", ["tinymm.functional", "tinymm.nn"])
def test_all_names_what_the_module_offers(name):
    """A static analyser takes the names of ``__all__`` for public ones, and no others."""
    module = importlib.import_module(name)
    offered = {key for key, value in vars(module).items() if not key.startswith("_") and not inspect.ismodule(value)}
    rooms = {"chunks", "init", "utils"} if name == "tinymm.nn" else set()
    assert set(module.__all__) == offered | rooms
    assert len(module.__all__) == len(set(module.__all__))


# ---------------------------------------------------------------------- Tensor's methods

def test_the_declarations_are_those_of_the_table():
    subprocess.run([sys.executable, "-m", "tinymm.autograd.declare", "--check"], check=True, cwd=ROOT.parent)


def test_every_public_name_of_tensor_is_declared_and_no_other():
    def names(path: pathlib.Path, kind: str) -> set[str]:
        body = next(n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef) and n.name == kind).body
        return {n.name if isinstance(n, ast.FunctionDef) else n.target.id for n in body
                if isinstance(n, ast.FunctionDef) or isinstance(n, ast.AnnAssign)}

    declared = names(declare.FILE, "TensorMethods") | names(ROOT / "autograd" / "tensor.py", "Tensor")
    there = {name for name in dir(tinymm.Tensor) if not name.startswith("_")}
    assert {name for name in declared if not name.startswith("_")} == there
    operators = {name for name, value in vars(tinymm.Tensor).items() if name.startswith("__") and inspect.isfunction(value)}
    assert operators <= declared


def test_what_takes_numpys_names_is_declared_with_them():
    """``x.sum(axis=1, keepdims=True)``: in each form that has ``dim`` or ``keepdim``."""
    body = next(n for n in ast.parse(declare.FILE.read_text()).body if isinstance(n, ast.ClassDef)).body
    forms = [(n.name, {a.arg for a in (*n.args.args, *n.args.kwonlyargs)}) for n in body if isinstance(n, ast.FunctionDef)]
    with_axis = {name for name, names in forms if "axis" in names}
    methods = {name: value for name, value in vars(tinymm.Tensor).items() if inspect.isfunction(value)}
    assert with_axis == {name for name, method in methods.items() if axes.takes_numpy_names(method)} >= {"sum", "max"}
    for name in with_axis:
        ours = [names for form, names in forms if form == name and "dim" in names]
        assert [{axes.NUMPY.get(n, n) for n in names} for names in ours] == \
            [names for form, names in forms if form == name and "axis" in names]
        function = tinymm.functional.__dict__[name]
        parameters = inspect.signature(function).parameters.values()
        needed = {p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL}
        if any("keepdim" in names for names in ours):
            assert function(tinymm.ones(2, 3), axis=1, keepdims=True) is not None
        elif needed <= {"input", "dim"} and name != "repeat_interleave":   # without repeats it has no axis
            assert function(tinymm.ones(2, 3), axis=1) is not None


def test_check_finds_a_method_without_a_declaration(monkeypatch):
    before = declare.stub()

    def cube(self: tinymm.Tensor, times: int = 1) -> tinymm.Tensor:
        """self ** 3."""

    monkeypatch.setattr(tinymm.Tensor, "cube", cube, raising=False)
    after = declare.stub()
    assert before == declare.FILE.read_text() and after != before and "def cube(self, times: " in after


def test_a_method_without_annotations_is_refused():
    def cube(self, times=1):
        """self ** 3."""

    with pytest.raises(TypeError, match="cube.*annotations"):
        declare.declaration("cube", cube)
