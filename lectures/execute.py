"""Execute the lecture notebooks: ``python lectures/execute.py [NAME ...]`` turns each .py into an executed .ipynb."""

import os
import pathlib
import sys

import jupytext
import nbclient
import nbformat

HERE = pathlib.Path(__file__).parent


def execute(source: pathlib.Path, **environment: str) -> nbformat.NotebookNode:
    """The notebook of a percent-format file, executed."""
    notebook = jupytext.read(source)
    notebook.metadata.setdefault("kernelspec", {"display_name": "Python 3", "language": "python", "name": "python3"})
    nbclient.NotebookClient(notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute(
        env={**os.environ, **environment})
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i}"   # the same at every execution
        cell.metadata.pop("execution", None)
    return notebook


if __name__ == "__main__":
    names = sys.argv[1:] or [p.stem for p in sorted(HERE.glob("[0-9][0-9]_*.py"))]
    for name in names:
        target = HERE / f"{name}.ipynb"
        temporary = target.with_suffix(".tmp")
        nbformat.write(execute(HERE / f"{name}.py"), temporary)
        temporary.replace(target)
        print(f"{target.name}: {target.stat().st_size / 1024:.0f} KiB")
