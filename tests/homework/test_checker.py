"""The checker on files that are broken, incomplete or odd: every one is explained, and grading goes on."""

import json
import sys

import numpy as np
import pytest

from tests.homework.sources import FUNCTIONS, SOLUTION, changed, handed_in, namespace
from tinymm import get_default_dtype
from tinymm.homework import HomeworkError, check, exercise

MIDDLE = "# %%\ncheck(\"04\", only=\"soft_attention\")\n"


def of(tmp_path, source, function=None, name="my.py", **options):
    report = check("04", handed_in(tmp_path, source, name), **options)
    return report if function is None else report[function]


# ---------------------------------------------------------------------- files

def test_a_syntax_error_is_shown_with_its_line(tmp_path):
    report = of(tmp_path, changed((MIDDLE, "x = (1,\n" + MIDDLE)))
    assert not report and report.problems[0].text.startswith("SyntaxError") and "my.py, line" in report.problems[0].where
    assert [r.verdict for r in report.results] == ["not checked"] * 7


def test_a_notebook_command_in_a_python_file_is_explained(tmp_path):
    report = of(tmp_path, "%matplotlib inline\n" + SOLUTION)
    assert "a notebook command" in report.problems[0].likely and report.problems[0].where == "my.py, line 1"


def test_what_stands_before_an_error_is_checked(tmp_path):
    report = of(tmp_path, changed((MIDDLE, "print(undefined_name)\n" + MIDDLE)))
    assert "NameError" in report.problems[0].text and report.problems[0].code == "print(undefined_name)"
    assert [r.verdict for r in report.results] == ["ok", "ok"] + ["not checked"] * 5 and not report


def test_the_end_of_the_program_is_not_the_end_of_the_check(tmp_path):
    report = of(tmp_path, changed((MIDDLE, "import sys\nsys.exit()\n")))
    assert "ends the program" in report.problems[0].text and report.passed == 2


def test_missing_files_folders_and_exercises(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*nowhere.py"):
        check("04", tmp_path / "nowhere.py")
    with pytest.raises(IsADirectoryError, match="is a folder; give the student's"):
        check("04", tmp_path)
    with pytest.raises(ValueError, match="there is no exercise '99'; there are 00, 01, 02, 03, 04, 05, 07, 08"):
        check("99", {})
    with pytest.raises(ValueError, match="no exercise 'four'"):
        check("four", {})
    with pytest.raises(ValueError, match="has no task or function 'attention'; it has soft_attention, soft_attention_forward"):
        check(4, {}, only="attention")
    with pytest.raises(ValueError, match="source is int"):
        check(4, 5)


def test_the_file_on_the_disk_is_graded_and_nothing_else(tmp_path, monkeypatch):
    """A file changed between two checks is read again; a module of the same name that is right changes nothing."""
    assert of(tmp_path, SOLUTION, name="homework.py").ok
    right = type(sys)("homework")
    right.__dict__.update(namespace(SOLUTION))
    monkeypatch.setitem(sys.modules, "homework", right)
    wrong = changed(("du = (t * de", "du = 2 * (t * de"))
    report = of(tmp_path, wrong, name="homework.py")
    assert not report and report.graded == str(tmp_path / "homework.py")
    assert "2 times" in "\n".join(report["soft_attention_backward"].details())


def test_an_imported_function_is_pointed_out(tmp_path):
    handed_in(tmp_path, SOLUTION, "friend.py")
    report = of(tmp_path, "from friend import *\n")
    assert report["hard_attention_forward"].notes == ["it is not written here but imported, from friend"]
    assert "friend" not in sys.modules and str(tmp_path) not in sys.path


def test_modules_beside_the_file_are_read_again(tmp_path):
    source = changed(("dh = ds @ W_h\n", "from helper import factor\n    dh = factor * ds @ W_h\n"))
    handed_in(tmp_path, "factor = 2.0\n", "helper.py")
    assert of(tmp_path, source).passed == 6
    handed_in(tmp_path, "factor = 1.0  # right\n", "helper.py")
    assert of(tmp_path, source).ok


def test_a_file_is_not_run_as_a_script(tmp_path, capsys):
    report = of(tmp_path, SOLUTION + "\nprint('noise')\nif __name__ == '__main__':\n    raise SystemExit\n")
    assert report.ok and capsys.readouterr().out == ""


def test_a_dataclass_for_the_cache_works(tmp_path):
    head = "from __future__ import annotations\nimport dataclasses\n\n@dataclasses.dataclass\nclass Cache:\n    parts: tuple\n\n"
    source = changed(("cache = missing, words, lam", "cache = Cache((missing, words, lam))"),
                     ("missing, words, lam = cache", "missing, words, lam = cache.parts"))
    assert of(tmp_path, head + source).ok


# ---------------------------------------------------------------------- functions

NAME = "moving_average_baseline"
LAST = len(SOLUTION.splitlines()) + 4    # the line behind a def that follows the solution


@pytest.mark.parametrize("code, verdict, says", [
    (f"del {NAME}", "missing", f"there is no function {NAME}"),
    (f"{NAME}s = {NAME}\ndel {NAME}", "missing", f"is {NAME}s meant to be it?"),
    (f"{NAME} = 3", "wrong", f"{NAME} is not a function but of type int"),
    (f"def {NAME}(log_p):\n    pass", "wrong", "it takes (log_p), and is called with (log_p, b_0)"),
])
def test_a_function_that_is_none_or_not_there(code, verdict, says, tmp_path):
    report = of(tmp_path, SOLUTION + f"\n\n{code}\n")
    assert report[NAME].verdict == verdict and says in "\n".join(report[NAME].details()) and report.passed == 6


@pytest.mark.parametrize("code, says", [
    ("pass", "it returns nothing (None) and should return advantage, b\nlikely: the return is missing"),
    ("return log_p", "it returns one value, an array of shape (5, 3), and should return the 2 values advantage, b"),
    ("return log_p, b_0, 1", "it returns 3 values and should return the 2 values"),
    ("return log_p, [1.0] * 5", "b is of type list and should be a NumPy array, (M=5,)"),
    ("return log_p, None", "b is None and should be a NumPy array"),
    ("return log_p, np.zeros((5, 1))", "b has shape (5, 1) and should be (M=5,)\n"
     f"my.py, line {LAST}:  return log_p, np.zeros((5, 1))\nlikely: axis 1 of length 1"),
    ("return log_p, np.zeros(5, complex)", "b holds complex128 and should hold float64"),
    ("return log_p, np.zeros(5, np.int64)", "b is int64, though every input is float64\n"
     f"my.py, line {LAST}:  return log_p, np.zeros(5, np.int64)\nlikely: an array made of integers"),
    ("return log_p, np.zeros(5)", "likely: b is zero everywhere"),
    ("return log_p * np.nan, np.zeros(5)", "advantage[0, 0] is nan: 15 of 15 elements are not finite"),
    ("return 2 * log_p + 4, np.zeros(5)", "advantage[4, 0] is -12.8488 and should be -4.90861 (15 of 15 elements are wrong, by "),
    ("yield", "it returns one value, of type generator, and should return"),
])
def test_an_odd_result_is_explained(code, says, tmp_path):
    result = of(tmp_path, SOLUTION + f"\n\ndef {NAME}(log_p, b_0):\n    {code}\n", only=NAME)[NAME]
    assert result.verdict == "wrong" and says in "\n".join(result.details()), result


@pytest.mark.parametrize("code, says", [
    ("return log_p @ log_p", "ValueError: matmul"),
    ("raise KeyError", "KeyError"),
    ("return exit()", "it ends the program"),
    (f"return {NAME}(log_p, b_0)", "RecursionError"),
])
def test_an_exception_is_explained(code, says, tmp_path):
    result = of(tmp_path, SOLUTION + f"\n\ndef {NAME}(log_p, b_0):\n    {code}\n", only=NAME)[NAME]
    assert result.verdict == "error" and says in result.problems[0].text and result.problems[0].code == code, result


def test_other_right_answers_pass(tmp_path):
    """Loops, a cache that is a dict and is used up, a Python float as the scalar, gradients in a list."""
    source = changed(("cache = missing, words, lam", "cache = dict(missing=missing, words=words, lam=lam)"),
                     ("missing, words, lam = cache", "missing, words, lam = (cache.pop(k) for k in ('missing', 'words', 'lam'))"),
                     ("lambda_e * (entropy * mask).sum(axis=1)).mean()", "lambda_e * (entropy * mask).sum(axis=1)).mean().item()"),
                     ("    z = (alpha[:, :, None] * a).sum(axis=1)",
                      "    z = np.array([sum(w * v for w, v in zip(*pair)) for pair in zip(alpha, a)])"),
                     ("return da, dh, dW_a, dW_h, du", "return [da, dh, dW_a, dW_h, du]"),
                     ("    return dalpha\n", "    return (dalpha,)\n"),
                     ("    N, T, L = alpha", "    dJ *= 1.0\n    N, T, L = alpha"))
    assert of(tmp_path, source).ok


def test_an_exception_is_shown_with_the_students_own_line(tmp_path):
    source = SOLUTION + ("\n\ndef helper(x):\n    return np.linalg.solve(x, x)     # the inner one\n\n\n"
                         "def moving_average_baseline(log_p, b_0):\n    return helper(log_p)\n")
    problem = of(tmp_path, source, "moving_average_baseline").problems[0]
    line = source.splitlines().index("    return np.linalg.solve(x, x)     # the inner one") + 1
    assert problem.where == f"my.py, line {line}" and problem.code == "return np.linalg.solve(x, x)     # the inner one"
    assert problem.text.startswith("LinAlgError") and "(called with log_p [5, 3])" in problem.text


def test_an_endless_loop_is_stopped_and_placed(tmp_path):
    source = changed(("    baseline = b_0\n", "    baseline = b_0\n    while True:\n        baseline = baseline * 1.0\n"),
                     ("    missing, words, lam = cache\n",
                      "    try:\n        while True:\n            pass\n    except Exception:\n        pass\n"))
    report = of(tmp_path, source, limit=0.9)
    assert [r.function for r in report.results if not r.ok] == ["doubly_stochastic_backward", "moving_average_baseline"]
    result = report["moving_average_baseline"]
    assert result.verdict == "time limit" and "still running after 0.9 s" in result.problems[0].text
    assert result.problems[0].code in ("while True:", "baseline = baseline * 1.0") and get_default_dtype() == np.float32
    report = of(tmp_path, SOLUTION + "\nwhile True:\n    pass\n", limit=0.9)   # the others are quick, also on a busy machine
    assert "still running" in report.problems[0].text and report.passed == 7


def test_a_late_time_limit_does_not_strike_others():
    from tinymm.homework.limit import time_limit

    for _ in range(30):
        try:
            with time_limit(1e-4):
                sum(range(2000))
        except BaseException as error:
            assert type(error).__name__ == "TimeLimit"
    for _ in range(200_000):   # nothing is on its way any more
        pass


def test_everything_is_left_as_it_was(tmp_path):
    of(tmp_path, SOLUTION)   # what is imported at the first check stays
    before = np.geterr(), get_default_dtype(), list(sys.path), set(sys.modules)
    of(tmp_path, "import numpy\nnumpy.seterr(all='raise')\n" + changed(("dh = ds @ W_h\n", "dh = ds @ W_h.T\n")))
    assert (np.geterr(), get_default_dtype(), list(sys.path), set(sys.modules)) == before


def test_what_a_function_prints_is_shown_once_for_each_direct_call(tmp_path, capsys):
    of(tmp_path, changed(("    missing, words, lam = cache\n", "    missing, words, lam = cache\n    print('here')\n")))
    assert 1 <= capsys.readouterr().out.count("here") <= 5    # not at every finite difference


# ---------------------------------------------------------------------- the report

def test_the_report_in_all_its_forms(tmp_path):
    report = of(tmp_path, changed(("du = (t * de", "du = 3 * (t * de"),
                                  ("    drawn = np.take", "    raise NotImplementedError\n    drawn = np.take")))
    text, page = repr(report), report._repr_html_()
    assert text.startswith("exercise 04, Show, Attend and Tell: 4 of 7 functions right") and text.isascii()
    for part in ("WRONG        soft_attention_backward  (my.py, line", "to do        hard_attention_forward",
                 "not checked  hard_attention_backward"):
        assert part in text
    assert "<table" in page and "a constant factor: 3 times" in page and "http" not in page and "<script" not in page
    data = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert data["earned"] == report.earned < data["possible"] == 20
    assert data["passed"] == 4 and not data["ok"] and [r["function"] for r in data["results"]] == FUNCTIONS
    problem = data["results"][1]["problems"][0]
    assert problem["name"] == "du" and problem["got"] == pytest.approx(3 * problem["expected"], rel=1e-5) and problem["error"] > 0.6
    with pytest.raises(HomeworkError, match="4 of 7 functions right"):
        report.require()
    with pytest.raises(HomeworkError, match="a constant factor"):
        report["soft_attention_backward"].require()
    with pytest.raises(KeyError, match="no function 'du'"):
        report["du"]


def test_only_one_task_or_function(tmp_path):
    assert [r.function for r in of(tmp_path, SOLUTION, only="hard_attention").results] == FUNCTIONS[4:6]
    report = of(tmp_path, SOLUTION, only="soft_attention_backward")
    assert [r.function for r in report.results] == ["soft_attention_backward"] and report.ok


def test_the_cases_are_the_same_everywhere():
    """Numbers drawn from raw Philox bits, not from a distribution whose algorithm NumPy may change."""
    soft, _, hard, _ = exercise.find(4).tasks
    a = soft.cases_drawn()[0].arguments["a"]
    np.testing.assert_allclose(a[0, 0, :2], [-1.138841650767313, -0.3260042673473136], rtol=1e-12)
    assert hard.cases_drawn()[0].arguments["s"].tolist() == [[1, 0, 4], [1, 3, 4], [4, 4, 3], [3, 1, 1]]
