"""Tuples of labels with sentences."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import read_tuples
from tinymm.data.readers.tuples import DescribedTuple

from .damage import damaged, refused_by_name, refuses

LINES = ["cut,cucumber,knife,cutting board\tHe cut the cucumber, slowly.", "peel,caf\u00e9 bean,peeler,counter\tShe peeled it.",
         "wash,plum,null,sink\tThe plum is washed ."]


def write(folder, lines, end="\n"):
    (folder / "pairs.txt").write_bytes(end.join([*lines, ""]).encode())
    return folder / "pairs.txt"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labels_and_sentence(tmp_path, end):
    data = read_tuples(write(tmp_path, [*LINES, ""], end))
    assert len(data) == 3 and data.slots == 4
    assert data[0] == DescribedTuple(("cut", "cucumber", "knife", "cutting board"), "He cut the cucumber, slowly.")
    assert data[-1].labels == ("wash", "plum", "null", "sink") and data.batch([1])[0].labels[1] == "caf\u00e9 bean"


def test_blanks_between_the_labels(tmp_path):
    assert read_tuples(write(tmp_path, ["CUT  KNIFE CUCUMBER\tcut it"]))[0].labels == ("CUT", "KNIFE", "CUCUMBER")


def test_a_line_is_read_when_it_is_asked_for(tmp_path):
    data = read_tuples(write(tmp_path, [*LINES, "no tab here"]))
    assert data[2].sentence == "The plum is washed ."
    refuses(lambda: data[3], r"pairs\.txt line 4: 1 fields in 'no tab here'; expected 2: labels with commas or")


@pytest.mark.parametrize("line, message", [
    ("cut,fig,knife,table\tone\ttwo", "line 2: 3 fields in .*; expected 2"), ("cut,fig,knife\tCut it.", "line 2: 3 labels in "
     "'cut,fig,knife'; expected 4 on every line"), ("cut,,knife,table\tCut it.", "line 2: an empty label in 'cut,,knife,table'"),
    ("\tCut it.", "line 2: an empty label in ''"), ("cut,fig,knife,table\t ", "line 2: no sentence after the tab"),
    ("", "line 2: 1 fields in ''")])
def test_lines_that_are_none(tmp_path, line, message):
    data = read_tuples(write(tmp_path, [LINES[0], line, LINES[1]]))
    refuses(lambda: data[1], "read_tuples: .*" + message)
    assert data[2].sentence == "She peeled it."


def test_files_that_are_none(tmp_path):
    refuses(lambda: read_tuples(write(tmp_path, [])), r"pairs\.txt is empty; expected labels with commas or blanks between")
    refuses(lambda: read_tuples(write(tmp_path, LINES), slots=0), "slots=0 must be a positive integer")
    refuses(lambda: read_tuples(tmp_path / "no.txt"), "no.txt does not exist; give a text file with labels", FileNotFoundError)
    refuses(lambda: read_tuples(write(tmp_path, LINES), slots=5)[0], "line 1: 4 labels in 'cut,cucumber.*; expected 5 on ev")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    file = write(tmp_path_factory.mktemp("tuples"), LINES)
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    refused_by_name(lambda: list(read_tuples(file)), str(file))
