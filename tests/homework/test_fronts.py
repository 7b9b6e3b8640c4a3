"""The three doors - terminal, pytest, notebook - give one verdict."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.homework.sources import FOLDER, FUNCTIONS, HANDOUTS, NAME, SOLUTION, changed, handed_in, namespace
from tinymm.cli import main
from tinymm.homework import check, pytest_cases

MIXED = changed(("du = (t * de", "du = -(t * de"), (".astype(alpha.dtype)", ".astype(alpha)"),
                ("    shifted = e - e.max", "    raise NotImplementedError\n    shifted = e - e.max"))
VERDICTS = ["ok", "wrong", "error", "not checked", "to do", "not checked", "ok"]


def terminal(*arguments) -> int:
    return main(["check", *map(str, arguments)])


def as_notebook(source: str) -> dict:
    """A percent-format file as a notebook, by hand."""
    cells = []
    for part in re.split(r"^# %%", source, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        kind = "markdown" if "[markdown]" in head else "code"
        lines = body.strip("\n").splitlines(keepends=True)
        extra = {} if kind == "markdown" else {"outputs": [], "execution_count": None}
        cells.append({"cell_type": kind, "metadata": {}, "source": lines, **extra})
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}


# ---------------------------------------------------------------------- terminal

def test_the_terminal_prints_the_report_and_exits_by_it(tmp_path, capsys):
    assert terminal("04", FOLDER / "solutions" / f"{NAME}.py") == 0
    assert "7 of 7 functions right" in capsys.readouterr().out
    assert terminal("4", HANDOUTS / f"{NAME}.py") == 1 and capsys.readouterr().out.count("to do") == 7
    assert terminal("4", handed_in(tmp_path, MIXED), "--json", tmp_path / "report.json", "--limit", "5") == 1
    assert "the sign is wrong" in capsys.readouterr().out
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [r["verdict"] for r in data["results"]] == VERDICTS and data["file"].endswith("mutant.py")
    assert [p.name for p in tmp_path.glob("*.tmp")] == []
    assert terminal("4", handed_in(tmp_path, MIXED), "--only", "baseline") == 0


def test_the_terminal_explains_what_it_cannot_check(tmp_path, capsys):
    right = handed_in(tmp_path, SOLUTION)
    for arguments, says in ((("4", tmp_path / "none.py"), "there is no file"), (("4", tmp_path), "is a folder"),
                            (("77", right), "there is no exercise '77'; there are 00, 01, 02, 03, 04, 05, 07, 08"),
                            (("4", right, "--only", "x"), "no task or function 'x'")):
        assert terminal(*arguments) == 2
        assert says in capsys.readouterr().err
    assert terminal("4", handed_in(tmp_path, "def broken(:\n")) == 1
    assert "SyntaxError" in capsys.readouterr().out


def test_a_line_that_the_terminal_cannot_show_is_replaced(tmp_path):
    source = changed(("rewards.mean()", "rewards.mean('é→λ')"))
    code = ("import argparse, sys; from tinymm.homework import cli; p = argparse.ArgumentParser(); cli.add_arguments(p); "
            "sys.exit(cli.run(p.parse_args(sys.argv[1:])))")
    result = subprocess.run([sys.executable, "-c", code, "4", str(handed_in(tmp_path, source))], capture_output=True,
                            env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 1 and b"rewards.mean('???')" in result.stdout, result.stderr


# ---------------------------------------------------------------------- notebooks

def test_a_notebook_file_is_checked_like_a_python_file(tmp_path):
    path = handed_in(tmp_path, json.dumps(as_notebook("# %%\n%matplotlib inline\n!ls\n" + MIXED)), "my.ipynb")
    report = check("04", path)
    assert [r.verdict for r in report.results] == VERDICTS and not report.problems
    problem = report["doubly_stochastic_forward"].problems[0]
    assert re.fullmatch(r"my\.ipynb, cell \d+, line \d+", problem.where) and "astype(alpha)" in problem.code


def test_a_failing_scratch_cell_does_not_stop_a_notebook(tmp_path):
    path = handed_in(tmp_path, json.dumps(as_notebook("# %%\n1 / 0\n" + SOLUTION)), "my.ipynb")
    report = check("04", path)
    assert report.ok and "ZeroDivisionError" in report.notes[0] and "my.ipynb, cell 1, line 1" in report.notes[0]


def test_a_damaged_notebook_is_explained(tmp_path):
    report = check("04", handed_in(tmp_path, json.dumps(as_notebook(SOLUTION))[:500], "my.ipynb"))
    assert not report and "my.ipynb is not a notebook of format 4: JSONDecodeError" in report.problems[0].text


def test_names_of_the_caller_are_found():
    names = namespace(MIXED + "\nfound = check('04')\nalone = check(4, only='baseline')\n")
    assert [r.verdict for r in names["found"].results] == VERDICTS and names["alone"].ok
    assert [r.verdict for r in check("04", names).results] == VERDICTS


def test_a_running_notebook():
    """The mixed file as a notebook in a kernel of its own: the verdicts, the table, and the lines of its cells."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    source = MIXED + "\n# %%\nimport json\nprint('VERDICTS', json.dumps(report.as_dict()))\n"
    notebook = nbformat.reads(json.dumps(as_notebook(source)), 4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    pages = [o["data"]["text/html"] for c in notebook.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {})]
    assert len(pages) == 4 and "the sign is wrong" in pages[0] and "soft_attention_backward" in pages[0]
    assert re.search(r"Cell In\[\d+\], line \d+", pages[1]) and "astype(alpha)" in pages[1]
    data = json.loads(notebook.cells[-1].outputs[0].text.removeprefix("VERDICTS "))
    assert [r["verdict"] for r in data["results"]] == VERDICTS
    assert [o["data"]["text/plain"] for o in notebook.cells[-2].outputs if "data" in o] == ["6"]   # points, for nbgrader


# ---------------------------------------------------------------------- pytest

def run_pytest(*arguments):
    return subprocess.run([sys.executable, "-m", "pytest", str(FOLDER), "-p", "no:cacheprovider", "-v", *map(str, arguments)],
                          capture_output=True, text=True, cwd=FOLDER.parent.parent)


def test_pytest_gives_one_test_for_each_function(tmp_path):
    result = run_pytest("--student", handed_in(tmp_path, MIXED, "04_mine.py"))
    found = dict(re.findall(r"test_homework\[(\w+)\] (PASSED|FAILED)", result.stdout))
    assert found == {f: "PASSED" if v == "ok" else "FAILED" for f, v in zip(FUNCTIONS, VERDICTS)}, result.stdout
    assert "du[" in result.stdout and "the sign is wrong" in result.stdout and result.returncode == 1


def test_pytest_says_what_it_needs(tmp_path):
    result = run_pytest()
    assert result.returncode == 5 and "pytest lectures/homework --student FILE" in result.stdout, result.stdout
    result = run_pytest("--student", handed_in(tmp_path, SOLUTION, "mine.py"))
    assert result.returncode == 4 and "give --exercise NN" in result.stderr, result.stderr


def test_pytest_cases_in_a_file_of_ones_own(tmp_path):
    cases = pytest_cases("04", handed_in(tmp_path, MIXED))
    assert [case.id for case in cases] == FUNCTIONS and [case.values[0].verdict for case in cases] == VERDICTS
    cases = pytest_cases("04", handed_in(tmp_path, "x = (\n"))
    assert cases[0].id == "mutant.py" and not cases[0].values[0].ok and len(cases) == 8
