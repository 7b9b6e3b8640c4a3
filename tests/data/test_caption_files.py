"""Caption files as spreadsheets, editors and other systems leave them: read right, or refused with file and line."""

import json

import pytest

from tinymm.data.readers.captions import read_json, read_lines
from tinymm.data.readers.flickr import read_flickr8k
from tinymm.data.readers.karpathy import read_karpathy


def captions(folder, text: str | bytes) -> dict:
    (folder / "captions.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return {record.image_id: record.captions for record in read_flickr8k(folder).records}


@pytest.mark.parametrize("text, want", [
    ('image,caption\na.jpg,"A man\nruns, fast"\nb.jpg,two\n', {"a.jpg": ("A man\nruns, fast",), "b.jpg": ("two",)}),
    ('image,caption\r\na.jpg,"one\r\ntwo"\r\n', {"a.jpg": ("one\ntwo",)}),
    ('"image","caption"\n"a, 1.jpg","x"\n"a, 1.jpg",y, z\n', {"a, 1.jpg": ("x", "y, z")}),
    ('image,caption\na.jpg,"He said ""no"", twice"\n', {"a.jpg": ('He said "no", twice',)}),
    ('image,caption\na.jpg,He said "no", twice\n', {"a.jpg": ('He said "no", twice',)}),
    ('image,caption\na.jpg,"a" and "b"\n', {"a.jpg": ('"a" and "b"',)}),
    ('image,caption_number,caption\n"a.jpg","1","x, y"\na.jpg,0,z\n', {"a.jpg": ("z", "x, y")}),
    ("image,caption\ra.jpg,x\rb.jpg,y\r", {"a.jpg": ("x",), "b.jpg": ("y",)}),
    ("a.jpg#0\tx\ra.jpg#1\ty", {"a.jpg": ("x", "y")}),
    ("\ufeffimage,caption\na.jpg,x\n", {"a.jpg": ("x",)}),
    ("a, b.jpg#0\tx#1\n", {"a, b.jpg": ("x#1",)})], ids=lambda value: repr(value)[:40])
def test_cells_are_read_as_they_were_written(text, want, tmp_path):
    assert captions(tmp_path, text) == want


@pytest.mark.parametrize("text, message", [
    ('image,caption\na.jpg,x\nb.jpg,"hello\nc.jpg,world\n', "captions.txt line 3: the quotation mark before 'hello' is not closed"),
    ('image,caption\na.jpg,"hello\n', "line 2: the quotation mark before 'hello' is not closed"),
    ("a.jpg#0\tx\na.jpg#1\ty\0z\n", "line 2: a zero byte at position 9; the file is damaged, or in UTF-16"),
    ("image,caption\na.jpg,x\n".encode("utf-16-le"), "line 1: a zero byte at position 1"),
    ("image,caption\na.jpg,x\n".encode("utf-16"), "line 1: byte 0xff at position 0 is not UTF-8"),
    (b"a.jpg#0\tx\ra.jpg#1\tcaf\xe9", "line 2: byte 0xe9"),
    ("", "is empty"), ("\r\r", "is empty"), ("image,caption\r", "has no caption")], ids=lambda value: repr(value)[:40])
def test_a_damaged_file_is_refused_with_its_line(text, message, tmp_path):
    with pytest.raises(ValueError, match=message) as raised:
        captions(tmp_path, text)
    assert str(tmp_path / "captions.txt") in str(raised.value)


def test_a_carriage_return_within_a_line_is_not_its_end(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\rtwo\nthree\r\n\n")
    assert list(read_lines(tmp_path / "a.txt", "reader")) == [(1, "one\rtwo"), (2, "three")]
    assert list(read_lines(tmp_path / "a.txt", "reader", blank=True))[2:] == [(3, "")]


@pytest.mark.parametrize("text, message", [
    ("[" * 100_000, "brackets within brackets|line 1 column"), ('{"images": [1,]}', "line 1 column 15: not JSON|line 1 column 14"),
    ('{"images": 1' + "1" * 5000 + "}", "give a file")], ids=lambda value: value[:20])
def test_json_that_python_gives_up_on(text, message, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        read_json(tmp_path / "a.json", "reader", ("images",), "a file")
    assert str(tmp_path / "a.json") in str(raised.value)


def image(**changes):
    return {"imgid": 0, "filename": "a.jpg", "split": "train", "sentences": [{"raw": "x", "tokens": ["x"]}], **changes}


@pytest.mark.parametrize("images, message", [
    ([image(), image(filename="b.jpg")], r"image 1 \(imgid 0\): image 0 has the imgid 0 already"),
    ([image(), image(imgid=1)], r"image 1 \(imgid 1\): image 0 has the filename 'a.jpg' already"),
    ([image(cocoid=7), image(imgid=1, filename="b.jpg", cocoid=7)], "image 0 has the cocoid 7 already"),
    ([image(split="trian")], "'split' is 'trian'; it must be one of 'train', 'val', 'test', 'restval'")])
def test_karpathys_pictures_are_there_once_and_in_a_known_split(images, message, tmp_path):
    (tmp_path / "d.json").write_text(json.dumps({"images": images}))
    with pytest.raises(ValueError, match=message):
        read_karpathy(tmp_path / "d.json", tmp_path)


def test_one_name_in_two_folders_is_two_pictures(tmp_path):
    images = [image(filepath="train2014"), image(imgid=1, filepath="val2014")]
    (tmp_path / "d.json").write_text(json.dumps({"images": images}))
    assert len(read_karpathy(tmp_path / "d.json", tmp_path)) == 2
