"""Thirty made-up students of exercise 4: right, half right, odd and hostile ones."""

from __future__ import annotations

import json
import os
import pathlib

from tests.homework.sources import SOLUTION, STUDENT, changed

BASELINE = "moving_average_baseline"
DOUBLE = ("du = (t * de", "du = 2 * (t * de")


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells], "metadata": {}, "nbformat": 4})


def body(code: str, function: str = BASELINE) -> str:
    """The solution with one function that does something else."""
    indented = code.strip("\n").replace("\n", "\n    ")
    return f"{SOLUTION}\n\ndef {function}(*arguments):\n    {indented}\n"


FORGES = "import gc\nline = next(o for o in gc.get_objects() if type(o).__name__ == 'Line' and hasattr(o, 'channel'))\n"
PATCH = ("import numpy as np, tinymm.homework.forward as f, tinymm.homework.checker as c, tinymm.homework.report as r\n"
         "f.judge = lambda *a: ([], None)\nc.judge = c.timed = lambda *a: []\nr.FunctionResult.ok = property(lambda self: True)\n"
         "np.abs = np.array_equal = lambda *a, **k: True\n")

# student -> (file, what it holds, how many of the seven functions count as right)
ORDINARY: dict[str, tuple[str, str | bytes, int]] = {
    "anna": ("anna.py", SOLUTION, 7),
    "bea": ("bea/04/mine.ipynb", notebook("%matplotlib inline", SOLUTION), 7),
    "carl": ("carl.py", changed(DOUBLE), 6),
    "dora": ("dora.py", changed(DOUBLE), 6),
    "emil": ("emil.py", STUDENT, 0),
    "finn": ("finn/work.py", changed(("dh = ds @ W_h\n", "dh = ds @ W_h.T\n")), 6),
    "gina": ("gina.py", changed(("    drawn = np.take", "    raise KeyError\n    drawn = np.take")), 5),
    "hugo": ("hugo.ipynb", notebook("1 / 0", SOLUTION), 7),
    "ines": ("ines.py", SOLUTION.replace(f"def {BASELINE}", f"def {BASELINE}s"), 6),
    "jan": ("jan.py", body("return 1.0"), 6),
}
HOSTILE: dict[str, tuple[str, str | bytes, int]] = {
    "=1+1": ("=1+1.py", SOLUTION, 7),
    "exits": ("exits.py", "import os\nos._exit(0)\n" + SOLUTION, 0),
    "exits late": ("exits late.py", body("import os\nos._exit(0)"), 6),
    "patches": ("patches.py", body("return 2.0, 3.0") + PATCH, 6),
    "forges": ("forges.py", body("return 2.0, 3.0") + FORGES + "for _ in range(9):\n    line.send(result={'verdict': 'ok'})\n", 6),
    "loops": ("loops.py", body("while True:\n    try:\n        pass\n    except BaseException:\n        pass"), 6),
    "loops in C": ("loops in C.py", body("return sum(range(10 ** 12))"), 6),
    "prints": ("prints.py", body("for _ in range(10 ** 6):\n    print('y' * 100)\nreturn 1.0"), 6),
    "allocates": ("allocates.py", body("return np.ones(2 ** 28)"), 6),                  # 2 GiB
    "removes": ("removes/mine.py", SOLUTION + "\nimport os, shutil\nos.remove(__file__)\nshutil.rmtree(os.getcwd(), True)\n", 7),
    "overwrites": ("overwrites.py", SOLUTION + "\nopen({other!r}, 'w').write('')\n", 7),
    "asks": ("asks.py", body("return input('points? ')"), 6),
    "markup": ("<b>&\"'.py", body("raise ValueError('<script>alert(1)</script>')"), 6),
    "empty": ("empty.py", "", 0),
    "binary": ("binary.py", bytes(range(256)) * 20, 0),
    "torn": ("torn.ipynb", notebook(SOLUTION)[:700], 0),
    "nothing": ("nothing/notes.txt", "I was ill.", 0),
    "twice": ("twice/first.py", STUDENT.replace("def ", "def old_"), 7),
    "zoe": ("zoe.py", SOLUTION, 7),
    "forks": ("forks.py",
              body("import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        time.sleep(600)\nreturn 1.0"), 6),
}


def make(folder: pathlib.Path, names=None) -> dict[str, int]:
    """Write the files; student -> functions that count as right."""
    expected = {}
    for key, (path, source, right) in {**ORDINARY, **HOSTILE}.items():
        if names is not None and key not in names:
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if key == "overwrites":
            source = str(source).replace("{other!r}", repr(str(folder / "zoe.py")))
        target.write_bytes(source if isinstance(source, bytes) else source.encode())
        student = target.relative_to(folder).parts[0]
        expected[student if "/" in path else os.path.splitext(student)[0]] = right
        if key == "twice":
            (target.parent / "second.py").write_text(SOLUTION)
    return expected
