"""Boxes in a JSON file: what is read, and what is refused with the file and the box in the message."""

import json

import numpy as np
import pytest

from tinymm.data import read_boxes

SIZE = (40, 56)      # (H, W)


def test_boxes_as_they_stand(tmp_path):
    file = tmp_path / "b.json"
    file.write_text("[[0, 0, 56, 40], [1.5, 2, 3, 4.25]]\r\n")
    found = read_boxes(file, SIZE)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[0, 0, 56, 40], [1.5, 2, 3, 4.25]])


@pytest.mark.parametrize("content, message", [
    ([], "an empty list"), ({"boxes": []}, "holds a dict"), (3, "holds a int"), ([3], "box 0 is 3; it must be four numbers"),
    ([[0, 0, 5, 5], [0, 0, 5]], r"box 1 is \[0, 0, 5\]; it must be four numbers"), ([[0, 0, 5, True]], "four numbers"),
    ([[0, 0, 5, "5"]], "four numbers"), ([[0, 0, 5, None]], "four numbers"),
    ([[0, 0, float("nan"), 5]], "box 0 is .*nan.*NaN is no place"),
    ([[0, 0, float("inf"), 5]], "leaves the picture"), ([[-1, 0, 5, 5]], "leaves the picture, which is 56 pixels wide and 40 high"),
    ([[0, 0, 40, 56]], "leaves"), ([[0, 0, 10**400, 5]], "leaves"), ([[5, 0, 5, 5]], "no area"), ([[6, 0, 5, 5]], "no area"),
    ([[0, 5, 5, 2]], "no area"), ([[0, 0, 1, 1]] * 101, "holds 101 boxes; at most 100"), ([["x" * 100]], r"box 0 is .{60};")])
def test_what_is_refused(content, message, tmp_path):
    file = tmp_path / "b.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        read_boxes(file, SIZE)
    assert str(file) in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("content, message", [(b"[[0, 0, 5", "line 1 column .*not JSON"), (b"", "not JSON"), (b"\xff[[", "UTF-8"),
                                              (b"[" * 100_000, "brackets within brackets")])
def test_damaged_files(content, message, tmp_path):
    file = tmp_path / "b.json"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_boxes(file, SIZE)
    with pytest.raises(FileNotFoundError, match="does not exist; give a JSON list of boxes"):
        read_boxes(tmp_path / "nowhere.json", SIZE)
