"""The report at the width of a terminal, and its points."""

import pytest

from tinymm.homework import FunctionResult, Problem, Report

LONG = ("dW_a[0, 2] is 0.123456 and should be 0.234567 (relative error 0.47; 12 of 24 elements are wrong, by 12 to 47 %), "
        "which has shape (K=6, D=4) in the case of scores near 1000")
LIKELY = "the Jacobian of the softmax is missing: from the gradient g of alpha, de = alpha * (g - sum_j alpha_j g_j)"
CODE = "de = alpha * (dalpha + (a * dz[:, None, :]).sum(axis=2))  # here"


def report() -> Report:
    problem = Problem(LONG, LIKELY, "a_long_name_of_a_students_file.py, line 123", CODE)
    results = [FunctionResult("forward", "ok", points=3),
               FunctionResult("backward", "wrong", "my.py, line 9", [problem], points=5),
               FunctionResult("more", "ok", points=2, extra=True)]
    notes = ["the file says " + "much " * 30]
    return Report(4, "Show, Attend and Tell", "a/rather/long/path/of/a/file/my.py", results, notes=notes)


def test_points():
    found = report()
    assert (found.earned, found.possible) == (5, 8) and [r.earned for r in found.results] == [3, 0, 2]
    data = found.as_dict()
    assert (data["earned"], data["possible"]) == (5, 8) and data["results"][2]["extra"] and data["results"][1]["points"] == 5
    for shown in (repr(found), found._repr_html_()):
        for part in ("2 of 3 functions right, 5 of 8 points (2 of them extra)", "0 of 5 points", "3 points", "2 extra points"):
            assert part in shown, part


@pytest.mark.parametrize("width", [40, 60, 80, 100, 165])
def test_lines_fit_and_nothing_is_lost(width, monkeypatch):
    """Only a line of code, or a path, may be longer than the terminal; an index and a shape are not cut."""
    monkeypatch.setenv("COLUMNS", str(width))
    rows = repr(report()).splitlines()
    long = [row.strip() for row in rows if len(row) > width]
    assert all(row.startswith(("de = alpha * (dalpha", "a_long_name")) for row in long), long
    assert "".join("".join(rows).split()).count("".join(LONG.split())) == 1
    assert any("dW_a[0, 2]" in row for row in rows) and any("(K=6, D=4)" in row for row in rows)
    assert any(CODE in row for row in rows)


def test_the_width_of_an_unknown_terminal_is_80(monkeypatch):
    monkeypatch.delenv("COLUMNS")
    assert max(len(row) for row in str(report()["backward"]).splitlines() if "# here" not in row) <= 80
