"""The student's version of an exercise: made of the solution, handed out as a file or a notebook, also from a wheel."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.homework.sources import EXERCISES, FOLDER, HANDOUTS, NAME, SOLUTION, STUDENT, handed_in, module
from tinymm.cli import main
from tinymm.homework import check
from tinymm.homework.exercise import find, numbers
from tinymm.homework.handout import as_notebook, handouts, title

every_exercise = pytest.mark.parametrize("source", EXERCISES.values(), ids=lambda source: source.number)


# ---------------------------------------------------------------------- made of the solution

def test_the_student_file_is_what_the_generator_makes(capsys):
    generate = module(FOLDER / "generate.py")
    for solution in (FOLDER / "solutions").glob("[0-9][0-9]_*.py"):
        made = generate.student_version(solution.read_text(encoding="utf-8"), solution.name)
        assert (HANDOUTS / solution.name).read_text(encoding="utf-8") == made, "run python lectures/homework/generate.py"
    assert generate.main(["--check"]) == 0
    for source in EXERCISES.values():
        assert "SOLUTION" not in source.student
        assert source.student.count("    raise NotImplementedError(") == len(source.functions)


def test_the_generator_refuses_lone_markers():
    make = module(FOLDER / "generate.py").student_version
    begin, end = "    ### BEGIN SOLUTION\n", "    ### END SOLUTION\n"
    stub = '    # YOUR CODE HERE\n    raise NotImplementedError("f")\n'
    assert make(f"def f():\n{begin}    x = 1\n{end}", "x.py") == "def f():\n" + stub
    for text, says in ((begin, "x.py, line 1: ### BEGIN SOLUTION without"), (end, "x.py, line 1: ### END SOLUTION without"),
                       (begin + "a\n" + begin + end, "line 3: ### BEGIN SOLUTION inside the block that begins in line 1")):
        with pytest.raises(ValueError, match=says):
            make(text, "x.py")


def test_a_stale_student_file_is_noticed(tmp_path, capsys):
    generate = module(FOLDER / "generate.py")
    (tmp_path / "solutions").mkdir()
    handed_in(tmp_path / "solutions", SOLUTION, f"{NAME}.py")
    generate.HERE = generate.HANDOUTS = tmp_path
    assert generate.main(["--check"]) == 1 and "run python lectures/homework/generate.py" in capsys.readouterr().out
    assert generate.main([]) == 0 and generate.main(["--check"]) == 0
    assert (tmp_path / f"{NAME}.py").read_bytes() == STUDENT.encode()


# ---------------------------------------------------------------------- handed out

def test_every_exercise_is_handed_out_under_its_title():
    assert list(handouts()) == numbers()
    for number, path in handouts().items():
        assert title(path) == find(number).title and path.name == f"{EXERCISES[f'{number:02d}'].name}.py"


@every_exercise
def test_the_command_writes_the_file_that_is_checked(source, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["exercise", source.number]) == 0
    written = tmp_path / f"{source.name}.py"
    assert written.read_bytes() == source.student.encode() and [*tmp_path.iterdir()] == [written]
    assert f"python -m tinymm check {source.number} {written.name}" in capsys.readouterr().out


def test_a_file_with_work_in_it_is_not_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mine = handed_in(tmp_path, "work\n", f"{NAME}.py")
    assert main(["exercise", "04"]) == 2 and mine.read_text() == "work\n"
    assert f"'{NAME}.py' is there already, and may hold your work" in capsys.readouterr().err
    (tmp_path / "link.py").symlink_to("nothing.py")
    assert main(["exercise", "04", "--out", "link.py"]) == 2 and not (tmp_path / "nothing.py").exists()
    assert main(["exercise", "04", "--force"]) == 0 and mine.read_text(encoding="utf-8") == STUDENT
    assert main(["exercise", "4", "--out", "other.py"]) == 0 and (tmp_path / "other.py").read_text(encoding="utf-8") == STUDENT
    assert not [*tmp_path.glob(".*")]


def test_without_a_number_the_exercises_are_listed(capsys):
    assert main(["exercise"]) == 0
    assert "04  Show, Attend and Tell\n" in capsys.readouterr().out
    for argv, says in ((["99"], "there is no exercise '99'; there are "), (["99"], ", 04 Show, Attend and Tell,"),
                       (["--notebook"], "which one?"),
                       (["4", "--out", "x.txt"], "'x.txt' must end in .ipynb, for a notebook, or in .py"),
                       (["4", "--out", "x.py", "--notebook"], "'x.py' must end in .ipynb")):
        assert main(["exercise", *argv]) == 2 and says in capsys.readouterr().err


# ---------------------------------------------------------------------- as a notebook

@every_exercise
def test_a_notebook_is_what_jupytext_makes(source):
    jupytext, nbformat = pytest.importorskip("jupytext"), pytest.importorskip("nbformat")
    for text, solution in ((source.solution, True), (source.student, False)):
        made, oracle = nbformat.reads(as_notebook(text), 4), jupytext.reads(text, fmt="py:percent")
        nbformat.validate(made)
        for cell in oracle.cells:
            cell.metadata.pop("lines_to_next_cell", None)   # for jupytext's way back
        assert [(c.cell_type, c.source, c.metadata) for c in made.cells] == \
            [(c.cell_type, c.source, c.metadata) for c in oracle.cells]
        code = [c for c in made.cells if c.cell_type == "code"]
        marked = [c for c in code if c.metadata.get("nbgrader", {}).get("solution")]
        assert len(marked) == len(find(source.number).tasks) and all(("BEGIN SOLUTION" in c.source) == solution for c in marked)
        assert code[-1].metadata["nbgrader"]["grade"] and code[-1].metadata["nbgrader"]["points"] == find(source.number).possible


@every_exercise
def test_a_notebook_with_the_solution_filled_in_is_right(source, tmp_path, capsys):
    path = tmp_path / "my.ipynb"
    assert main(["exercise", source.number, "--out", str(path)]) == 0
    assert {r.verdict for r in check(source.number, path).results} == {"to do"}
    path.write_text(as_notebook(source.solution), encoding="utf-8")
    report = check(source.number, path)
    assert report.ok and not report.notes, report


# ---------------------------------------------------------------------- from a wheel

@pytest.mark.slow
def test_a_wheel_has_the_student_files_and_no_solution(tmp_path):
    pytest.importorskip("setuptools")
    root = FOLDER.parent.parent
    shutil.copytree(root / "tinymm", tmp_path / "tree" / "tinymm", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path / "tree")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", "..", "."]
    result = subprocess.run(command, cwd=tmp_path / "tree", capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    wheel, = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if pathlib.PurePath(name).match("handouts/[0-9]*.py")}
        assert held == {f"tinymm/homework/handouts/{source.name}.py" for source in EXERCISES.values()}
        assert not [name for name in archive.namelist() if "solution" in name.lower()]
        assert not [name for name in archive.namelist() if b"### BEGIN " + b"SOLUTION" in archive.read(name)]
        archive.extractall(tmp_path / "site")
    code = "import sys; sys.path[:0] = [sys.argv.pop(1)]; from tinymm.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path / "site"), "exercise", "04"], cwd=tmp_path, env=environment,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / f"{NAME}.py").read_text(encoding="utf-8") == STUDENT
