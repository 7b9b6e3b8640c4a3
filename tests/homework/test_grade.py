"""``python -m tinymm grade``: points, table, pages and summary; and that hostile submissions cost their student's points only."""

import csv
import json
import re

import pytest

from tests.homework import classroom
from tinymm.cli import main

QUICK = [*classroom.ORDINARY, "=1+1", "exits late", "patches", "forges", "markup", "empty", "binary", "torn", "nothing", "twice"]


def graded(tmp_path, names=None, *more):
    """Grade a classroom; expected number of right functions, and what is in the JSON, by student."""
    expected = classroom.make(tmp_path / "class", names)
    code = main(["grade", "04", str(tmp_path / "class"), "--csv", str(tmp_path / "g.csv"), "--json", str(tmp_path / "g.json"),
                 "--feedback", str(tmp_path / "pages"), "--jobs", "2", *more])
    assert code == 0
    return expected, {one["student"]: one for one in json.loads((tmp_path / "g.json").read_text())["students"]}


def agree(expected, found):
    """Every student has the functions that are right, and the points of these."""
    assert set(found) == set(expected)
    assert {name: one["passed"] for name, one in found.items()} == expected
    for one in found.values():
        assert one["earned"] == sum(r["points"] for r in one["results"] if r["verdict"] == "ok")
    assert found["anna"]["earned"] == 24 and found["anna"]["possible"] == 20


def test_a_class(tmp_path, capsys):
    expected, found = graded(tmp_path, QUICK)
    agree(expected, found)
    table = capsys.readouterr().out
    assert re.search(r"^carl +18/20 +ok +wrong", table, re.M) and "2 x soft_attention_backward: a constant factor: 2 times" in table
    with open(tmp_path / "g.csv", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(expected) and "'=1+1" in rows, "a cell that a spreadsheet takes for a formula"
    assert (rows["carl"]["points"], rows["carl"]["soft_attention_backward verdict"]) == ("18", "wrong")
    pages = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "pages").iterdir()}
    assert len(pages) == len(expected) + 1 and not any("<script>alert" in page for page in pages.values())
    assert not any(re.search(r"(src|href)=\"(https?:)?//", page) for page in pages.values()), "a page asks the network"
    assert "constant factor" in pages["carl.html"]
    before = (tmp_path / "g.json").read_text()
    (tmp_path / "class" / "anna.py").write_text(classroom.STUDENT)   # she hands in again
    _, again = graded(tmp_path, ["jan"], "--resume")
    assert again["anna"]["earned"] == 0 and again["carl"] == {o["student"]: o for o in json.loads(before)["students"]}["carl"]


@pytest.mark.slow
def test_thirty_students_and_what_some_of_them_try(tmp_path):
    agree(*graded(tmp_path))
    assert (tmp_path / "class" / "zoe.py").read_text() == classroom.SOLUTION


def test_what_is_refused(tmp_path, capsys):
    assert main(["grade", "04", str(tmp_path / "nowhere")]) == 2
    assert main(["grade", "99", str(tmp_path)]) == 2
    assert main(["grade", "04", str(tmp_path), "--resume"]) == 2
    assert "--resume takes over what an earlier call wrote" in capsys.readouterr().err
