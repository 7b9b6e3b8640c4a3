"""A function that lets another engine compute does not count, wherever that is hidden; an import alone is no offence."""

import pytest

from tests.homework.sources import EXERCISES, SOLUTION, handed_in
from tinymm.homework import check
from tinymm.homework.exercise import find
from tinymm.homework.submission import Submission
from tinymm.homework.uses import ENGINES

NAME = "moving_average_baseline"
WRAPPED = f"_right = {NAME}\n"


def judged(tmp_path, code: str):
    return check("04", handed_in(tmp_path, f"{SOLUTION}\n{WRAPPED}{code}\n"), only=NAME)[NAME]


@pytest.mark.parametrize("code, line", [
    (f"import scipy.special as sp\ndef {NAME}(x, b):\n    sp.logsumexp(x)\n    return _right(x, b)", "sp.logsumexp(x)"),
    (f"def {NAME}(x, b):\n    from scipy import special\n    return _right(x, b)", "from scipy import special"),
    (f"from tinymm import tensor\ndef helper(x): return tensor(x).numpy()\ndef {NAME}(x, b):\n    return _right(helper(x), b)",
     "def helper(x): return tensor(x).numpy()"),
    (f"import tinymm\nclass Help:\n    def get(self, x):\n        return tinymm.tensor(x).numpy()\n"
     f"def {NAME}(x, b):\n    return _right(Help().get(x), b)", "return tinymm.tensor(x).numpy()"),
    (f"import functools, tinymm\n@functools.cache\ndef one(): return tinymm.ones(1).numpy()\n"
     f"def timed(f):\n    @functools.wraps(f)\n    def g(*a):\n        return f(*a)\n    return g\n"
     f"@timed\ndef {NAME}(x, b):\n    tinymm.ones(1)\n    return _right(x, b)", "tinymm.ones(1)"),
    (f"import importlib\ndef {NAME}(x, b):\n    importlib.import_module('scipy.special')\n    return _right(x, b)",
     "importlib.import_module('scipy.special')"),
    (f"import tinymm.functional as F\ndef {NAME}(x, b):\n    return _right(*(lambda y: (F.relu(y).numpy() * 0 + y, b))(x))",
     "F.relu"),
])
def test_another_engine_does_not_count(code, line, tmp_path):
    result = judged(tmp_path, code)
    assert result.verdict == "wrong" and len(result.problems) == 1 and result.earned == 0
    problem = result.problems[0]
    assert "where plain NumPy is asked for: it does not count" in problem.text and line in problem.code
    assert problem.where.startswith("mutant.py, line ")


@pytest.mark.parametrize("code", ["import scipy, tinymm",
                                  "import scipy\ndef unused(x): return scipy.special.logsumexp(x)",
                                  f"import math, matplotlib\ndef {NAME}(x, b):\n    math.exp(0)\n    return _right(x, b)"])
def test_what_is_not_used_is_no_offence(code, tmp_path):
    assert judged(tmp_path, code).ok


def test_a_module_beside_the_file_is_looked_into(tmp_path):
    handed_in(tmp_path, "import scipy.special\ndef log_sum(x):\n    return scipy.special.logsumexp(x)\n", "mine.py")
    result = judged(tmp_path, f"from mine import log_sum\ndef {NAME}(x, b):\n    log_sum(x)\n    return _right(x, b)")
    assert "solved with scipy" in result.problems[0].text and result.problems[0].where == "mine.py, line 3"


def test_the_solutions_use_nothing_but_numpy(tmp_path):
    for source in EXERCISES.values():
        names: dict = {"__name__": "homework"}
        exec(compile(source.solution, source.name, "exec"), names)
        submission, allowed = Submission(names, ""), find(source.number).allows
        for function in source.functions:
            assert not ({*ENGINES} - {*allowed}) & {*submission.find(function).uses}, function
