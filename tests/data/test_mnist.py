"""MNIST in IDX files, packed and not."""

import functools
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import DataLoader
from tinymm.data.readers.idx import IdxFile, read_mnist

from .damage import damaged, refused_by_name, refuses

PIXELS = np.random.default_rng(0).integers(0, 256, (7, 5, 4)).astype(np.uint8)
LABELS = np.arange(7, dtype=np.uint8)
PICTURES_FILE = struct.pack(">4I", 2051, 7, 5, 4) + PIXELS.tobytes()
LABELS_FILE = struct.pack(">2I", 2049, 7) + LABELS.tobytes()
packed = functools.partial(gzip.compress, mtime=0)   # the same bytes, and names of tests, whenever it runs


def release(folder, part="train", pictures=PICTURES_FILE, labels=LABELS_FILE, dot="-", packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in ((f"images{dot}idx3-ubyte", pictures), (f"labels{dot}idx1-ubyte", labels)):
        (folder / f"{part}-{kind}{'.gz' * packed}").write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("place, options", [(".", {}), (".", dict(packed=True)), (".", dict(dot=".")), ("MNIST/raw", {}),
                                            ("deep", dict(packed=True, dot="."))])
def test_as_people_have_it(tmp_path, place, options):
    release(tmp_path / place, **options)
    release(tmp_path / place, "t10k", struct.pack(">4I", 2051, 1, 2, 2) + b"\xff\0\0\xff", struct.pack(">2I", 2049, 1) + b"\x09",
            **options)
    data = read_mnist(tmp_path)
    assert len(data) == 7
    for i in (0, 6, -1):
        picture, label = data[i]
        assert picture.dtype == np.float32 and label == LABELS[i]
        np.testing.assert_array_equal(picture, PIXELS[i].astype(np.float32) / 255)
    picture, label = read_mnist(tmp_path, "test")[0]
    assert picture.tolist() == [[1, 0], [0, 1]] and label == 9
    batches = list(DataLoader(data, 4))
    assert [x.shape for x, _ in batches] == [(4, 5, 4), (3, 5, 4)] and batches[1][1].numpy().tolist() == [4, 5, 6]
    with pytest.raises(IndexError):
        data[7]


def test_a_packed_file_without_the_ending_and_in_two_members(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(PICTURES_FILE[:50]) + gzip.compress(PICTURES_FILE[50:]))
    np.testing.assert_array_equal(IdxFile(tmp_path / "a", 2051).values, PIXELS)


def test_pixels_are_read_when_they_are_asked_for(tmp_path):
    data = read_mnist(release(tmp_path))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(PICTURES_FILE[:-1])
    refuses(lambda: data[0], r"images-idx3-ubyte: expected 140 of 7 x 5 x 4 bytes after its head, got 139; the file is damaged")


@pytest.mark.parametrize("pictures, labels, message", [
    (PICTURES_FILE[:-1], LABELS_FILE, r"images-idx3-ubyte has 155 bytes; expected 16 .* 140 of 7 x 5 x 4, .* not whole"),
    (PICTURES_FILE + b"\0", LABELS_FILE, r"images-idx3-ubyte has 157 bytes; expected 16 .* the file is damaged"),
    (PICTURES_FILE[:9], LABELS_FILE, r"images-idx3-ubyte has 9 bytes; expected 16 of its head, then pictures"),
    (b"", LABELS_FILE, r"images-idx3-ubyte has 0 bytes"),
    (LABELS_FILE, LABELS_FILE, r"images-idx3-ubyte has 15 bytes; expected 16|begins with the number 2049, labels; expected 2051"),
    (PICTURES_FILE, PICTURES_FILE, r"labels-idx1-ubyte begins with the number 2051, pictures; expected 2049, labels"),
    (b"<!DOCTYPE html><html>", LABELS_FILE, r"begins with the number \d+, no IDX file of bytes; expected 2051, pictures"),
    (PICTURES_FILE, LABELS_FILE[:-2], r"labels-idx1-ubyte has 13 bytes; expected 8 of its head and 7 of 7, the file is not whole"),
    (PICTURES_FILE, struct.pack(">2I", 2049, 3) + b"\0" * 3, r"has 7 pictures and .*ubyte 3 labels; expected one label"),
    (struct.pack(">4I", 2051, 2 ** 31, 2 ** 31, 2 ** 31), LABELS_FILE, "x 2147483648, more than 1,073,741,824 bytes")])
def test_damage_is_explained(tmp_path, pictures, labels, message):
    refuses(lambda: read_mnist(release(tmp_path, pictures=pictures, labels=labels)), "read_mnist: .*" + message)


@pytest.mark.parametrize("content, message", [
    (packed(PICTURES_FILE)[:-20], r"ends in the middle of its gzip data, after \d+ unpacked bytes; get it again"),
    (packed(PICTURES_FILE)[:8], r"ends in the middle of its gzip data, after 0 unpacked bytes"),
    (packed(PICTURES_FILE)[:-8] + b"\0" * 8, r"not a whole gzip file \(.*data check\)"),
    (packed(PICTURES_FILE[:-1]), r"expected 140 of 7 x 5 x 4 bytes after its head, got 139; the file is damaged"),
    (packed(PICTURES_FILE + b"\0"), r"after its head, got more than that"),
    (packed(struct.pack(">4I", 2051, 10 ** 6, 28, 28)), r"bytes packed; expected 16 of its head and 784,000,000 of"),
    (packed(b"\0" * 10 ** 6), r"begins with the number 0, no IDX file")])
def test_damage_of_packed_files_is_explained(tmp_path, content, message):
    (tmp_path / "a.gz").write_bytes(content)
    refuses(lambda: IdxFile(tmp_path / "a.gz", 2051).values, r"read_mnist: .*a\.gz.* ?" + message)


def test_missing_files_are_named(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        refuses(lambda: read_mnist(folder), r"holds no train-images-idx3-ubyte, packed \(\.gz\) or not", FileNotFoundError)
    release(tmp_path, labels=LABELS_FILE)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    refuses(lambda: read_mnist(tmp_path), "holds no train-labels-idx1-ubyte", FileNotFoundError)
    refuses(lambda: read_mnist(tmp_path, "valid"), "part='valid'; choose from train, test")


@pytest.mark.parametrize("packed", [False, True])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, packed, data):
    file = tmp_path_factory.mktemp("idx") / "a"
    file.write_bytes(data.draw(damaged(gzip.compress(PICTURES_FILE) if packed else PICTURES_FILE)))
    refused_by_name(lambda: IdxFile(file, 2051).values, str(file))
