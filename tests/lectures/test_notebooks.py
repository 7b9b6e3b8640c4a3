"""Every notebook runs (at smoke scale), and is the executed form of its percent file."""

import importlib.util
import pathlib

import pytest

from tinymm.backend.threads import get_num_threads

jupytext = pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

LECTURES = pathlib.Path(__file__).parent.parent.parent / "lectures"
SOURCES = sorted(LECTURES.glob("[0-9][0-9]_*.py"))


def executor():
    spec = importlib.util.spec_from_file_location("execute", LECTURES / "execute.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.execute


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_notebook_runs(source):
    notebook = executor()(source, TINYMM_SCALE="smoke", TINYMM_NUM_THREADS=str(get_num_threads()))
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("source", SOURCES, ids=lambda p: p.stem)
def test_notebook_is_its_source_executed(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), 4)
    of_source = [(c.cell_type, c.source) for c in jupytext.read(source).cells]
    assert [(c.cell_type, c.source) for c in notebook.cells] == of_source, "run python lectures/execute.py"
    assert all(c.execution_count for c in notebook.cells if c.cell_type == "code")
    assert not [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert source.with_suffix(".ipynb").stat().st_size < 1_000_000
