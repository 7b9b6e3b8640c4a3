"""The solution and the student version of exercise 4 as text, and copies with changes."""

import importlib.util
import pathlib

FOLDER = pathlib.Path(__file__).parent.parent.parent / "lectures" / "homework"
NAME = "04_show_attend_and_tell"
SOLUTION = (FOLDER / "solutions" / f"{NAME}.py").read_text(encoding="utf-8")
STUDENT = (FOLDER / f"{NAME}.py").read_text(encoding="utf-8")
FUNCTIONS = ["soft_attention_forward", "soft_attention_backward", "doubly_stochastic_forward", "doubly_stochastic_backward",
             "hard_attention_forward", "hard_attention_backward", "moving_average_baseline"]


def changed(*pairs: tuple[str, str], source: str = SOLUTION) -> str:
    """The solution with texts replaced, each of which must occur once."""
    for old, new in pairs:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    return source


def handed_in(folder: pathlib.Path, source: str, name: str = "mutant.py") -> pathlib.Path:
    """A file with this text."""
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def module(path: pathlib.Path):
    """A file of lectures/homework as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def namespace(source: str, name: str = "cell") -> dict:
    """What a running notebook holds after it executed ``source``."""
    names: dict = {"__name__": "__main__"}
    exec(compile(source, name, "exec"), names)
    return names
