"""The catalogue finds every operation, in whatever room of ``ops`` it stands."""

import ast
import pathlib
import subprocess
import sys

import tinymm

OPS = pathlib.Path(tinymm.__file__).parent / "ops"
LEAST = 226   # operations; a room that is not walked, or a file that no longer registers, makes their number fall


def registers(path: pathlib.Path) -> bool:
    """Whether a file calls ``register``."""
    return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "register"
               for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def test_every_file_that_registers_is_read():
    """In a process of its own: here, other tests have imported what they need."""
    code = ("import sys; from tinymm import catalog; print(len(catalog.load())); "
            "print(*(name for name in sys.modules if name.startswith('tinymm.ops.')))")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    files = {".".join(["tinymm", "ops", *path.relative_to(OPS).with_suffix("").parts])
             for path in OPS.rglob("*.py") if registers(path)}
    assert len(files) > 40 and files <= set(out[1].split())
    assert int(out[0]) >= LEAST
