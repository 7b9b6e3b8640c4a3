"""What mypy and pyright say of the README's example, of ordinary lines of a user, and of the package."""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

import tinymm

ROOT = pathlib.Path(tinymm.__file__).parent.parent
MOST = {"mypy": 40, "pyright": 80}   # errors in the package: 31 and 69, and a few for other releases of NumPy's stubs
MODELS = ["tinymm/models/show_attend_and_tell.py", "tinymm/models/show_and_tell.py", "tinymm/models/clip/clip.py"]

LINES = """
import numpy as np
import tinymm

x = tinymm.tensor([[1.0, 2.0, 3.0]])
w = tinymm.tensor([[0.1], [-0.2], [0.3]], requires_grad=True)
x.mean(1).sum().backward()
best, where = x.max(1)
x += 1
for row in x:
    row.softmax(0)
else:
    row = x[0]
if x.grad is not None:
    x.grad.zero_()
model = tinymm.models.ShowTell(features=4, vocabulary=5).eval()
optimizer = tinymm.optim.Adam([w], lr=1e-3)
tinymm.zeros(3, 4).reshape(2, -1).sum((0, 1), keepdim=True)
tinymm.clip(x, min=0.0), tinymm.text.Vocabulary, tinymm.save, tinymm.float32
x.sum(axis=1, keepdims=True).amax(axis=(0, 1))
values, indices = x.min(axis=1, keepdims=True)
x.pow(exponent=2)
tinymm.manual_seed(0)
"""
TENSORS = ["x @ w", "2 * x", "x[0]", "x[:, None]", "-x", "x == 3", "x < w", "x.T", "x.exp()", "x.sum()", "x.max()", "x.max(1)[0]",
           "x.mean(axis=0)", "x.max(axis=0)[0]", "best", "row", "tinymm.exp(x)", "tinymm.exp(input=x)",
           "tinymm.pow(input=x, exponent=2)", "tinymm.maximum(input=x, other=0)", "tinymm.where(x > 0, x, 0)",
           "tinymm.functional.relu(x)", "x.to(tinymm.float64)", "x.detach().clone()", "x.requires_grad_()", "x.grad or x"]
WRONG = ["x.expp()", "tinymm.modles", "tinymm.models.CLIPP", "tinymm.exp(x, 2)", "x.mean(keepdims='yes', dimension=1)",
         "x.reshape('a')", "x.exp(axis=0)", "tinymm.exp('a')"]


def mypy(*files, folder: pathlib.Path) -> list[tuple[str, int, str, str]]:
    """(file, line, severity, message) of every finding."""
    command = ["--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(folder.parent / "mypy"), *map(str, files)]
    run = subprocess.run([sys.executable, "-m", "mypy", *command], cwd=ROOT, env={**os.environ, "MYPYPATH": str(ROOT)},
                         capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    found = re.findall(r"^(.+?):(\d+): (error|note): (.*)$", run.stdout, re.M)
    assert run.returncode == 0 or found, run.stdout
    return [(file, int(line), kind, text) for file, line, kind, text in found]


def pyright(*files, folder: pathlib.Path) -> list[tuple[str, int, str, str]]:
    """The same, in a project made in ``folder``, so that no settings of a folder above count."""
    settings = {"include": [os.path.relpath(file, folder) for file in files], "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run([sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)],
                         cwd=folder, capture_output=True, text=True)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    report = json.loads(run.stdout[run.stdout.index("{"):])
    assert report["summary"]["filesAnalyzed"] >= len(files)
    return [(one["file"], one["range"]["start"]["line"] + 1, one["severity"].replace("information", "note"), one["message"])
            for one in report["generalDiagnostics"]]


def check(checker: str, *files, folder: pathlib.Path):
    return {"mypy": mypy, "pyright": pyright}[checker](*files, folder=folder)


def errors(found, within: str = "") -> list[str]:
    return [f"{file}:{line}: {text}" for file, line, kind, text in found
            if kind == "error" and within in file.replace(os.sep, "/")]


pytestmark = pytest.mark.oracle
both = pytest.mark.parametrize("checker", ["mypy", "pyright"])


@both
def test_a_user_sees_tensors_and_no_errors(checker, tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "readme.py").write_text(re.search(r"```python\n(.*?)```", readme, re.S)[1])
    (tmp_path / "lines.py").write_text(LINES + "\n".join(f"reveal_type({text})" for text in TENSORS))
    found = check(checker, tmp_path / "readme.py", tmp_path / "lines.py", folder=tmp_path)
    assert errors(found, "readme.py") + errors(found, "lines.py") == []
    revealed = [text for file, _, kind, text in found if kind == "note" and file.endswith("lines.py") and "type" in text.lower()]
    assert len(revealed) == len(TENSORS)
    for asked, text in zip(TENSORS, revealed):
        assert re.search(r'is "(tinymm\.autograd\.tensor\.)?Tensor"', text), (asked, text)


@both
def test_what_is_wrong_is_found(checker, tmp_path):
    """So that the absence of errors says something: each of these lines has one."""
    (tmp_path / "wrong.py").write_text("import tinymm\nx = tinymm.ones(2)\n" + "\n".join(WRONG))
    found = check(checker, tmp_path / "wrong.py", folder=tmp_path)
    lines = {line for file, line, kind, _ in found if kind == "error" and file.endswith("wrong.py")}
    assert lines == set(range(3, 3 + len(WRONG)))


@both
def test_the_package_has_no_more_errors_than_before(checker, tmp_path):
    found = check(checker, ROOT / "tinymm", folder=tmp_path)
    for model in MODELS:
        assert errors(found, model) == []
    wrong = errors(found)
    rooms = collections.Counter(re.search(r"tinymm/(\w+)", text.replace(os.sep, "/").removeprefix(str(ROOT)))[1] for text in wrong)
    assert len(wrong) <= MOST[checker], f"{len(wrong)} errors: {rooms}"
