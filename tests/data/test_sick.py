"""SICK's files, as in SemEval 2014 and as released later."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data.readers.sick import SickPair, read_sick

from .damage import damaged, refused_by_name, refuses

HEADER = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment"
ROWS = ["1\tA group of kids is playing in a yard\tA group of boys, \"in\" a yard\t4.5\tNEUTRAL",
        "4\tThe young boys are playing outdoors\tA caf\u00e9\t1\tCONTRADICTION", "9\tA man\tA person\t5.0\tENTAILMENT"]
LATER = ("pair_ID\tsentence_A\tsentence_B\tentailment_label\trelatedness_score\tentailment_AB\tentailment_BA\t"
         "sentence_A_original\tsentence_B_original\tsentence_A_dataset\tsentence_B_dataset\tSemEval_set")
LATER_ROWS = [f"{i}\tA man\tA person {i}\tENTAILMENT\t4.{i}\tA_entails_B\tB_neutral_A\ta\tb\tFLICKR\tFLICKR\t{part}"
              for i, part in enumerate(("TRAIN", "TRIAL", "TEST", "TRAIN"))]


def write(folder, lines, end="\n"):
    (folder / "SICK.txt").write_bytes(end.join([*lines, ""]).encode())
    return folder / "SICK.txt"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_part_of_semeval(tmp_path, end):
    data = read_sick(write(tmp_path, [HEADER, *ROWS], end))
    assert len(data) == 3 and data[0] == SickPair("A group of kids is playing in a yard", 'A group of boys, "in" a yard', 4.5,
                                                  "NEUTRAL", 1)
    assert [pair.relatedness for pair in data] == [4.5, 1.0, 5.0] and data[1].b == "A caf\u00e9" and data[2].part is None


def test_the_whole_of_it(tmp_path):
    file = write(tmp_path, [LATER, *LATER_ROWS])
    assert [pair.part for pair in read_sick(file)] == ["train", "validation", "test", "train"]
    assert [pair.number for pair in read_sick(file, "train")] == [0, 3] and read_sick(file, "test")[0].relatedness == 4.2


@pytest.mark.parametrize("lines, message", [
    ([], r"SICK\.txt is empty; give SICK_train"), ([HEADER], "names its columns and has no pair; the file is not whole"),
    ([HEADER.replace("sentence_B", "B"), *ROWS], r"line 1: 0 columns are sentence_B, in 'pair_ID\\tsentence_A"),
    (ROWS, "line 1: 0 columns are pair_ID"), ([HEADER.replace("\t", " "), *ROWS], "line 1: 0 columns are pair_ID"),
    ([HEADER, ROWS[0], ROWS[1][:40]], r"line 3: 3 cells; expected 5 with tabs between, as the first line has them"),
    ([HEADER, ROWS[0] + "\tx"], "line 2: 6 cells; expected 5"),
    ([HEADER, ROWS[0].replace("4.5", "5.5")], "line 2: relatedness_score is '5.5'; expected a number from 1 to 5"),
    ([HEADER, ROWS[0].replace("4.5", "nan")], "relatedness_score is 'nan'"), ([HEADER, ROWS[0].replace("4.5", "")], "score is ''"),
    ([HEADER, ROWS[0].replace("NEUTRAL", "neutral")], "line 2: the entailment is 'neutral'; expected NEUTRAL, ENTAILMENT"),
    ([HEADER, "x" + ROWS[0]], "line 2: pair_ID is 'x1'; expected a number"),
    ([HEADER, *ROWS, ROWS[1]], "line 5: pair 4 stands on line 3 already"),
    ([HEADER, ROWS[2].replace("A man", " ")], "line 2: sentence_A is empty; expected a sentence"),
    ([LATER, LATER_ROWS[0].replace("TRAIN", "DEV")], "line 2: SemEval_set is 'DEV'; expected TRAIN, TRIAL, TEST")])
def test_damage_is_explained(tmp_path, lines, message):
    refuses(lambda: read_sick(write(tmp_path, lines)), "read_sick: .*" + message)


def test_missing_files_and_parts_are_named(tmp_path):
    refuses(lambda: read_sick(tmp_path / "SICK.txt"), r"SICK\.txt does not exist; give SICK_train\.txt", FileNotFoundError)
    refuses(lambda: read_sick(tmp_path), "is a folder; give SICK_train")
    refuses(lambda: read_sick(write(tmp_path, [HEADER, *ROWS]), "train"), "no pair is in part='train'; there are none")
    refuses(lambda: read_sick(write(tmp_path, [LATER, *LATER_ROWS]), "dev"), "no pair is in part='dev'; there are test, train, va")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    file = write(tmp_path_factory.mktemp("sick"), [HEADER, *ROWS])
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    refused_by_name(lambda: read_sick(file), str(file))
