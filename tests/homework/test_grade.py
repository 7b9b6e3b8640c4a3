"""A class graded in one command: what is collected, what becomes of each student, and what is written when."""

import csv
import html.parser
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.homework import classroom
from tests.homework.sources import FUNCTIONS, SOLUTION, STUDENT
from tinymm.cli import main
from tinymm.homework.exercise import find
from tinymm.homework.grade import cli, many, pages, table
from tinymm.homework.grade.collect import Handed, collect
from tinymm.homework.grade.one import Graded, nothing
from tinymm.homework.grade.summary import summary
from tinymm.homework.report import Problem

posix = pytest.mark.skipif(os.name != "posix", reason="links, signals and limits of POSIX")


@pytest.fixture
def room(tmp_path):
    """An empty folder for a class."""
    (tmp_path / "class").mkdir()
    return tmp_path / "class"


def files(room, **contents):
    for name, text in contents.items():
        path = room / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def collected(room):
    return {one.student: one for one in collect(room, find(4))[0]}


def marks(path) -> dict[str, int]:
    """Student -> functions that are right, from the JSON."""
    return {one["student"]: one["passed"] for one in json.loads(path.read_text())["students"]}


# ---------------------------------------------------------------------- what is collected

def test_files_folders_and_nbgraders_layout_are_students(room):
    files(room, anna_dot_py="x = 1", bea__04__mine_dot_ipynb="{}", bea__05__other_dot_py="", carl__inner__deep_dot_py="",
          dora__helper_dot_py="y = 2", dora__work_dot_py="def beam(): pass\ndef soft_attention_forward(): pass",
          emil__notes_dot_txt="", _dot_hidden_dot_py="", __pycache____x_dot_py="", list_dot_csv="")
    found, others = collect(room, find(4))
    assert [one.student for one in found] == ["anna", "bea", "carl", "dora", "emil"] and others == ["list.csv"]
    by_name = {one.student: one for one in found}
    assert by_name["bea"].path == os.path.join("bea", "04", "mine.ipynb") and by_name["carl"].path.endswith("deep.py")
    assert by_name["dora"].path.endswith("work.py") and by_name["dora"].beside == {"helper.py": b"y = 2"}
    assert by_name["emil"].problem == "there is no .py or .ipynb file" and by_name["anna"].data == b"x = 1"
    (room.parent / "course").mkdir()
    room.rename(room.parent / "course" / "submitted")
    assert set(collected(room.parent / "course")) == set(by_name)


def test_of_two_files_the_one_with_the_functions_counts_and_else_the_newest(room):
    files(room, anna_dot_py=SOLUTION, anna_dot_ipynb="{}", bea__old_dot_py=SOLUTION, bea__new_dot_py=SOLUTION + "\n")
    os.utime(room / "bea" / "old.py", (1, 1))
    found = collected(room)
    assert found["anna"].path == "anna.py" and not found["anna"].notes
    assert found["bea"].path.endswith("new.py") and "graded is the newest, new.py (not old.py)" in found["bea"].notes[0]


@posix
def test_links_and_pipes_are_not_followed(room):
    files(room, anna_dot_py=SOLUTION)
    (room / "bea.py").symlink_to(room / "anna.py")
    (room / "carl").mkdir()
    (room / "carl" / "carl.py").symlink_to(room / "anna.py")
    (room / "dora").symlink_to(room)
    os.mkfifo(room / "emil.py")
    found = collected(room)
    assert not found["anna"].problem and all("is a link" in found[name].problem for name in ("bea", "carl", "dora"))
    assert "a pipe or a device" in found["emil"].problem


def test_a_digest_tells_a_change(room):
    files(room, anna__anna_dot_py=SOLUTION, anna__helper_dot_py="x = 1")
    before = collected(room)["anna"].digest
    assert collected(room)["anna"].digest == before
    (room / "anna" / "helper.py").write_text("x = 2")
    assert collected(room)["anna"].digest != before


# ---------------------------------------------------------------------- what is written

def result(student, *problems) -> Graded:
    report = nothing("04", Handed(student, f"{student}.py"), "nothing")
    report.problems = []
    for one, problem in zip(report.results, problems):
        one.verdict, one.problems = ("wrong", [problem]) if problem else ("ok", [])
    return Graded(student, "0", report)


def test_cells_that_a_spreadsheet_would_compute_are_text(tmp_path):
    graded = [result(name, None) for name in ("=1+1", "+x", "-x", "@x", "\tx", "a,\"b\"\nc", "anna", "bad\udcff")]
    table.write_csv(tmp_path / "g.csv", graded, FUNCTIONS)
    with open(tmp_path / "g.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["student"] for row in found] == ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "a,\"b\"\nc", "anna", "bad\\udcff"]
    assert found[0]["file"] == "'=1+1.py" and found[0][f"{FUNCTIONS[0]} verdict"] == "ok"
    assert int(found[0]["points"]) == find(4).tasks[0].points[0] and int(found[0]["possible"]) == find(4).possible
    assert all("\n" not in line and "\t" not in line for line in table.rows(graded, FUNCTIONS))


class Tags(html.parser.HTMLParser):
    """The tags of a page, and whether each is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_holds_no_markup_of_a_student_and_no_address(tmp_path):
    evil = '<script>alert("1")</script>\'&'
    graded = [result(evil, Problem(evil, evil, evil, evil)), result("anna", None), result("Anna", None), result("index", None)]
    graded[0].report.notes, graded[0].report.problems = [evil], [Problem(evil, evil, evil, evil)]
    pages.write_pages(tmp_path / "new" / "fb", graded, summary(graded), f"Exercise {evil}")
    written = sorted(p.name for p in (tmp_path / "new" / "fb").iterdir())
    assert len(written) == 5 and len({name.casefold() for name in written}) == 5 and "anna.html" in written
    for name in written:
        text = (tmp_path / "new" / "fb" / name).read_text(encoding="utf-8")
        tags = Tags()
        tags.feed(text)
        assert not tags.open and not tags.seen & {"script", "img", "link"} and "<script" not in text and "http" not in \
            text.replace("http-equiv", "") and "prefers-color-scheme" in text and "width=device-width" in text
    assert (tmp_path / "new" / "fb" / "index.html").read_text().count("<a href=") == 4


def test_the_summary_counts_mistakes_and_finds_what_is_hard():
    sign, scale = Problem("du[0] is 1 and should be 2", "the sign is wrong"), "dh[{}] is {} and should be 3 (relative error 0.1)"
    graded = [result("a", sign, None), result("b", sign, Problem(scale.format(1, 5))),
              result("c", None, Problem(scale.format(2, 7)))]
    found = summary(graded)
    told = {(mistake.function, mistake.text): mistake.students for mistake in found.mistakes}
    assert told[FUNCTIONS[0], "the sign is wrong"] == ["a", "b"] and ["b", "c"] in told.values()
    assert found.hard[0] not in FUNCTIONS[:2] and found.functions[FUNCTIONS[0]] == {"wrong": 2, "ok": 1}
    assert summary([]).lines() == ["no submission was graded"]


# ---------------------------------------------------------------------- the command

def test_a_class_in_one_command(room, tmp_path, capsys):
    """A right, a wrong, an unwritten and some hostile submissions, each in a process."""
    names = ["anna", "carl", "emil", "=1+1", "overwrites", "exits late", "torn", "nothing", "zoe", "markup"]
    expected = classroom.make(room, names)
    argv = ["grade", "4", str(room), "--csv", str(tmp_path / "g.csv"), "--json", str(tmp_path / "g.json"), "--feedback",
            str(tmp_path / "fb"), "--jobs", "2"]
    assert main(argv) == 0
    out, err = capsys.readouterr()
    assert marks(tmp_path / "g.json") == expected and "Traceback" not in out + err
    assert "10 of 10 graded" in out and "a constant factor: 2 times" in out
    assert "zoe.py is no longer what was graded" in err   # the file is lost, its points are not
    assert len(list((tmp_path / "fb").iterdir())) == 11 and len((tmp_path / "g.csv").read_text().splitlines()) == 11
    assert not list(tmp_path.glob(".*")) and "<script>alert(1)" not in "".join(p.read_text() for p in (tmp_path / "fb").iterdir())


def scripted(monkeypatch, *, until=None):
    """Grading that only notes whom it was asked for, and is interrupted behind ``until`` students."""
    asked = []

    def grade_all(handed, terms, jobs):
        for number, one in enumerate(handed):
            if number == until:
                raise KeyboardInterrupt
            asked.append(one.student)
            graded = result(one.student, None)
            graded.digest = one.digest
            yield graded
    monkeypatch.setattr(many, "grade_all", grade_all)
    return asked


def test_ctrl_c_keeps_what_is_done_and_resume_goes_on(room, tmp_path, capsys, monkeypatch):
    for name in ("anna", "bea", "carl"):
        (room / f"{name}.py").write_text(SOLUTION)
    argv = ["grade", "04", str(room), "--csv", str(tmp_path / "g.csv"), "--json", str(tmp_path / "g.json")]
    asked = scripted(monkeypatch, until=2)
    assert main(argv) == 130 and asked == ["anna", "bea"] and marks(tmp_path / "g.json") == {"anna": 1, "bea": 1}
    assert "2 of 3 graded" in capsys.readouterr().out and len((tmp_path / "g.csv").read_text().splitlines()) == 3
    (room / "bea.py").write_text(STUDENT)
    asked = scripted(monkeypatch)
    assert main([*argv, "--resume"]) == 0 and asked == ["bea", "carl"] and len(marks(tmp_path / "g.json")) == 3
    asked = scripted(monkeypatch)
    assert main([*argv, "--resume"]) == 0 and asked == []
    assert main([*argv, "--resume", "--limit", "5"]) == 0 and len(asked) == 3   # under other conditions
    assert main([*argv[:-2], "--resume"]) == 2 and "--json FILE" in capsys.readouterr().err
    (tmp_path / "g.json").write_text("{")
    assert main([*argv, "--resume"]) == 2 and "is no file of grade --json" in capsys.readouterr().err


def test_what_was_written_is_read_as_it_was(tmp_path):
    graded = result("anna", Problem("text", "likely", "x.py, line 3", "code", "du", (1, 2), 1.0, float("nan"), 0.5), None)
    again = Graded.of(json.loads(json.dumps(graded.as_dict())))
    assert again.as_dict() == graded.as_dict()


def test_a_result_that_fails_is_told_by_the_exit_code(room, capsys, monkeypatch):
    files(room, anna_dot_py=SOLUTION)
    failed = Graded("anna", "0", result("anna").report, "no disk")
    monkeypatch.setattr(many, "grade_all", lambda handed, terms, jobs: iter([failed]))
    assert main(["grade", "04", str(room)]) == 1 and "anna could not be graded: no disk" in capsys.readouterr().err


def test_the_numbers_of_the_arguments(capsys):
    assert cli.whole("3") == 3 and cli.positive("0.5") == 0.5
    for argv in (["--jobs", "0"], ["--limit", "nan"], ["--memory", "-1"]):
        with pytest.raises(SystemExit):
            main(["grade", "04", ".", *argv])


# ---------------------------------------------------------------------- the whole class

@posix
@pytest.mark.slow
def test_thirty_students(room, tmp_path, capsys):
    expected = classroom.make(room)
    assert len(expected) == 30
    assert main(["grade", "04", str(room), "--json", str(tmp_path / "g.json"), "--limit", "3", "--jobs", "2"]) == 0
    found = marks(tmp_path / "g.json")
    if sys.platform != "linux":
        found["allocates"] = expected["allocates"]
    assert found == expected and "Traceback" not in "".join(capsys.readouterr())


@posix
@pytest.mark.slow
def test_a_submission_that_ends_its_judge_costs_nobody_else(room, tmp_path, capsys):
    files(room, anna_dot_py=SOLUTION, bea_dot_py=SOLUTION + "\nimport os\nos.kill(os.getppid(), 9)\n", carl_dot_py=SOLUTION)
    assert main(["grade", "04", str(room), "--json", str(tmp_path / "g.json"), "--jobs", "2"]) == 1
    assert marks(tmp_path / "g.json") == {"anna": 7, "bea": 0, "carl": 7}
    assert "bea could not be graded" in capsys.readouterr().err


@posix
@pytest.mark.slow
def test_ctrl_c_ends_every_process(room, tmp_path):
    beat = tmp_path / "beat"
    files(room, anna_dot_py=f"import time\nwhile True:\n    open({str(beat)!r}, 'a').write('x')\n    time.sleep(0.01)\n")
    process = subprocess.Popen([sys.executable, "-m", "tinymm", "grade", "04", str(room), "--csv", str(tmp_path / "g.csv")])
    while not beat.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130 and (tmp_path / "g.csv").exists()
    size = beat.stat().st_size
    time.sleep(0.3)
    assert beat.stat().st_size == size
