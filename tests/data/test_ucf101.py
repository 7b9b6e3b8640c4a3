"""UCF-101's lists, byte for byte as they are released, and LRCN's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import read_ucf101, read_ucf101_classes, read_ucf101_list

from .damage import damaged, refused_by_name, refuses

CLASSES = ["1 ApplyEyeMakeup", "2 ApplyLipstick", "3 HandstandPushups"]
# the third class's folder and its videos are not written the same way in the release
TRAIN = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1", "ApplyLipstick/v_ApplyLipstick_g25_c04.avi 2",
         "HandstandPushups/v_HandStandPushups_g08_c02.avi 3"]
TEST = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi", "HandstandPushups/v_HandStandPushups_g01_c01.avi"]
LRCN = ["ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01 0", "HandstandPushups/v_HandStandPushups_g08_c02 2"]
NAMES = ("ApplyEyeMakeup", "ApplyLipstick", "HandstandPushups")


def write(path, lines, end="\r\n"):
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def release(folder, train=TRAIN, test=TEST, classes=CLASSES):
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("classInd.txt", classes), ("trainlist01.txt", train), ("testlist01.txt", test)):
        write(folder / name, lines)


@pytest.mark.parametrize("inside", [".", "ucfTrainTestlist"])
def test_the_release(tmp_path, inside):
    release(tmp_path / inside)
    train, test = read_ucf101(tmp_path), read_ucf101(tmp_path, "test")
    assert [(v.name, v.class_name, v.label, v.group) for v in train] == [
        ("v_ApplyEyeMakeup_g08_c01", "ApplyEyeMakeup", 0, 8), ("v_ApplyLipstick_g25_c04", "ApplyLipstick", 1, 25),
        ("v_HandStandPushups_g08_c02", "HandstandPushups", 2, 8)]
    assert [(v.name, v.label, v.group) for v in test] == [("v_ApplyEyeMakeup_g01_c01", 0, 1), ("v_HandStandPushups_g01_c01", 2, 1)]
    assert test[1].source == f"{tmp_path / inside / 'testlist01.txt'} line 2"
    assert read_ucf101_classes(tmp_path / inside / "classInd.txt") == NAMES


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_and_a_mark_at_the_beginning(tmp_path, end):
    file = write(tmp_path / "trainlist01.txt", [TRAIN[0], "", *TRAIN[1:]], end)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().removesuffix(end.encode()))
    assert [video.label for video in read_ucf101_list(file)] == [0, 1, 2]


def test_lrcns_lists_count_from_0_and_have_no_ending(tmp_path):
    write(tmp_path / "ucf101_split1_trainVideos.txt", LRCN, "\n")
    videos = read_ucf101(tmp_path)
    assert [(v.name, v.label) for v in videos] == [("v_ApplyEyeMakeup_g08_c01", 0), ("v_HandStandPushups_g08_c02", 2)]
    write(tmp_path / "classInd.txt", CLASSES)
    assert [v.label for v in read_ucf101(tmp_path)] == [0, 2]
    release(tmp_path)   # UCF-101's own list goes before
    assert len(read_ucf101(tmp_path)) == 3


@pytest.mark.parametrize("line", ["A/v_A.AVI 1", "A\\v_A.avi 1", "  A/v_A.avi\t1  "])
def test_other_manners_of_the_same_line(tmp_path, line):
    video, = read_ucf101_list(write(tmp_path / "list.txt", [line]))
    assert (video.name, video.class_name, video.label) == ("v_A", "A", 0)


def test_a_name_without_a_group(tmp_path):
    assert read_ucf101_list(write(tmp_path / "list.txt", ["Surfing/v_Name 87"]))[0].group is None


def test_the_last_labels(tmp_path):
    file = tmp_path / "list.txt"
    assert read_ucf101_list(write(file, ["YoYo/v_YoYo_g08_c01.avi 101"]))[0].label == 100
    assert read_ucf101_list(write(file, ["YoYo/v_YoYo_g08_c01 100"]))[0].label == 100


@pytest.mark.parametrize("lines, message", [
    ([], r"list\.txt is empty; expected 'Class/v_Class_g08_c01\.avi 1'"),
    ([TRAIN[0], "ApplyLipstick/v_B.avi 2 3"], "line 2: 'ApplyLipstick/v_B.avi 2 3' has 3 fields; expected 'Class/v_Class"),
    ([TRAIN[0], "v_B.avi 2"], "line 2: 'v_B.avi 2' has 2 fields; expected 'Class/"),
    (["a/b/v_B.avi 2"], "line 1: 'a/b/v_B.avi 2' has 2 fields; expected"),
    (["A/v_A.avi 0"], "line 1: the label is '0'; expected a number from 1 to 101"),
    (["A/v_A.avi 102"], "line 1: the label is '102'; expected a number from 1 to 101"),
    (["A/v_A.avi 1.0"], r"line 1: the label is '1\.0'; expected a number from 1 to 101"),
    (["A/v_A.avi -1"], "line 1: the label is '-1'; expected a number from 1 to 101"),
    (["A/v_A 101"], "line 1: the label is '101'; expected a number from 0 to 100, as LRCN counts"),
    (["A/v_A.mp4 1"], "line 1: 'A/v_A.mp4 1' has 2 fields; expected"),   # would count from 0, as LRCN's names without an ending
    (["A/.. 1"], "line 1: 'A/.. 1' has 2 fields; expected"), (["../v_A.avi 1"], "line 1: '../v_A.avi 1' has 2 fields; expected"),
    (["A/v_A.avi " + 5000 * "9"], "line 1: the label is '9{20}'; expected"),
    (["A/v_A.avi \u0661"], "line 1: the label is '\u0661'; expected a number from 1 to 101"),
    (["A/v_A"], "line 1: 'A/v_A' has neither an ending .avi nor a label"),
    ([TEST[0]], r"line 1: no label, as in a list of test videos; give classes=read_ucf101_classes\('classInd.txt'\)"),
    ([TRAIN[0], TEST[1]], "line 2: .* is written with .avi and without a label, the lines before with .avi and with a label"),
    ([TRAIN[0], LRCN[1]], "line 2: .* is written without .avi and with a label"),
    ([TRAIN[0], TRAIN[1], TRAIN[0]], "line 3: v_ApplyEyeMakeup_g08_c01 stands on line 1 already"),
    (["A/v_A.avi 1", "A/v_B.avi 2"], "line 2: class A has the label 2; expected 1, as before"),
    (["A/v_A.avi 7", "B/v_B.avi 7"], "line 2: class B has the label 7 of class A; expected one of its own")])
def test_a_list_that_is_not_one(tmp_path, lines, message):
    refuses(lambda: read_ucf101_list(write(tmp_path / "list.txt", lines)), "read_ucf101_list: .*" + message)


@pytest.mark.parametrize("lines, message", [
    (["Surfing/v_Surfing_g01_c01.avi"], r"line 1: class Surfing is not among the 3 classes; expected one of classInd\.txt's"),
    (["Surfing/v_Surfing_g01_c01.avi 3"], "line 1: class Surfing is not among the 3 classes"),
    ([TRAIN[0].replace(" 1", " 2")], "line 1: class ApplyEyeMakeup has the label 2; expected 1, as in classInd"),
    ([LRCN[1].replace(" 2", " 1")], "line 1: class HandstandPushups has the label 1; expected 2, as in classInd"),
    (["ApplyEyeMakeup/v_A.avi 4"], "line 1: the label is '4'; expected a number from 1 to 3")])
def test_a_list_that_does_not_fit_the_classes(tmp_path, lines, message):
    refuses(lambda: read_ucf101_list(write(tmp_path / "list.txt", lines), NAMES), message)


@pytest.mark.parametrize("lines, message", [
    ([], "is empty; expected lines such as '1 ApplyEyeMakeup'"),
    (["ApplyEyeMakeup"], "line 1: 'ApplyEyeMakeup' has 1 fields; expected a number and a name"),
    (["1 Apply Eye"], "line 1: '1 Apply Eye' has 3 fields"), (["0 ApplyEyeMakeup"], "line 1: .* has the number 0; expected 1, the"),
    ([CLASSES[0], CLASSES[2]], "line 2: class HandstandPushups has the number 3; expected 2, the next one"),
    ([CLASSES[0], "2 ApplyEyeMakeup"], "line 2: class ApplyEyeMakeup stands on line 1 already"),
    ([f"{i} C{i}" for i in range(1, 103)], "line 102: class C102 has the number 102; expected at most 101 classes")])
def test_classes_that_are_none(tmp_path, lines, message):
    refuses(lambda: read_ucf101_classes(write(tmp_path / "classInd.txt", lines)), "read_ucf101_classes: .*" + message)


def test_missing_files_parts_and_splits_are_named(tmp_path):
    refuses(lambda: read_ucf101(tmp_path), "holds neither trainlist01.txt nor LRCN's ucf101_split1_trainVi", FileNotFoundError)
    release(tmp_path)
    refuses(lambda: read_ucf101(tmp_path, split=2), "holds neither trainlist02.txt", FileNotFoundError)
    refuses(lambda: read_ucf101(tmp_path, "val"), "part='val'; choose from train, test")
    refuses(lambda: read_ucf101(tmp_path, split=4), "split=4; choose from 1, 2, 3")
    refuses(lambda: read_ucf101(tmp_path, split=1.0), "split=1.0 must be an integer", TypeError)
    for classes in (tmp_path / "classInd.txt", str(tmp_path / "classInd.txt")):
        refuses(lambda: read_ucf101_list(tmp_path / "trainlist01.txt", classes), "give the names, from read_ucf101_cla", TypeError)
    (tmp_path / "classInd.txt").unlink()
    refuses(lambda: read_ucf101(tmp_path, "test"), "testlist01.txt line 1: no label, as in a list of test videos")
    refuses(lambda: read_ucf101_list(tmp_path), "is a folder; give a list of videos")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    file = write(tmp_path_factory.mktemp("ucf101") / "trainlist01.txt", TRAIN)
    file.write_bytes(data.draw(damaged(file.read_bytes())))
    refused_by_name(lambda: read_ucf101_list(file, NAMES), str(file))
    refused_by_name(lambda: read_ucf101_classes(file), str(file))
