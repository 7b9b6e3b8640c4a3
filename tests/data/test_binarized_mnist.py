"""Binarized MNIST: rows of text, and arrays of a MAT-file."""

import os
import pathlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import DataLoader
from tinymm.data.readers.binarized_mnist import AmatPictures, MatPictures, read_binarized_mnist

from .damage import damaged, refused_by_name, refuses

REAL = os.environ.get("TINYMM_REAL_DATA")
DIGITS = np.random.default_rng(0).integers(0, 2, (70, 784))


def text(digits, end="\n"):
    return "".join(" ".join(map(str, row)) + end for row in digits)


def amat(folder, content, name="binarized_mnist_train.amat"):
    (folder / name).write_bytes(content.encode())
    return folder / name


@pytest.mark.parametrize("content", [text(DIGITS), text(DIGITS, " \r\n"), text(DIGITS)[:-1], text(DIGITS) + "\n \n"],
                         ids=["as released", "of Windows", "no last end", "empty lines at the end"])
def test_text(tmp_path, content):
    amat(tmp_path, content)
    data = read_binarized_mnist(tmp_path)
    assert len(data) == 70 and data[0].shape == (28, 28) and data[0].dtype == np.float32
    for i in (0, 1, 31, 32, 63, 64, 69, -1):
        np.testing.assert_array_equal(data[i], DIGITS[i].reshape(28, 28))
    np.testing.assert_array_equal(data.batch([69, 3]).numpy(), DIGITS[[69, 3]].reshape(2, 28, 28))
    with pytest.raises(IndexError):
        data[70]


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays(tmp_path, compressed):
    (tmp_path / "deep").mkdir()
    for part in ("train", "valid", "test"):
        scipy.io.savemat(tmp_path / "deep" / f"binarized_mnist_{part}.mat", {"X": DIGITS[:len(part)].astype(np.uint8)},
                         do_compression=compressed)
    for part, count in (("train", 5), ("validation", 5), ("test", 4)):
        data = read_binarized_mnist(tmp_path, part)
        assert isinstance(data, MatPictures) and len(data) == count
        np.testing.assert_array_equal(data[3], DIGITS[3].reshape(28, 28))
    assert [batch.shape for batch in DataLoader(data, 3)] == [(3, 28, 28), (1, 28, 28)]


def test_text_is_read_a_line_at_a_time(tmp_path):
    """A damaged line is no matter until it is asked for."""
    lines = text(DIGITS).splitlines()
    lines[1], lines[40], lines[50] = lines[1] + " 1", lines[40].replace("1", "2", 1), ""
    data = AmatPictures(amat(tmp_path, "\n".join(lines)))
    np.testing.assert_array_equal(data[2], DIGITS[2].reshape(28, 28))
    place = int(DIGITS[40].argmax()) + 1
    refuses(lambda: data[1], r"read_binarized_mnist: .*train\.amat line 2: 785 values; expected 784, a picture of 28 x 28")
    refuses(lambda: data[40], rf"train\.amat line 41: value {place} is '2'; expected 0 or 1")
    refuses(lambda: data[50], r"line 51: 0 values; expected 784")


def test_a_cut_file_has_a_short_last_line(tmp_path):
    data = AmatPictures(amat(tmp_path, text(DIGITS)[:-801]))
    refuses(lambda: data[69], r"train\.amat line 70: 384 values; expected 784")


def test_a_file_that_changes_under_the_reader(tmp_path):
    data = AmatPictures(amat(tmp_path, text(DIGITS)))
    amat(tmp_path, text(DIGITS[:5]))
    refuses(lambda: data[60], r"train\.amat line 61: the file has become shorter since it was opened; expected 70 lines")


@pytest.mark.parametrize("content, message", [("", r"train\.amat is empty; expected 784 values"), ("\n\n", "is empty"),
                                              ("0 " * 2 ** 20, r"train\.amat line 1: more than 1,048,576 bytes")])
def test_no_rows(tmp_path, content, message):
    refuses(lambda: AmatPictures(amat(tmp_path, content)), message)


@pytest.mark.parametrize("X, message", [
    (DIGITS[:, :783], r"X has the shape \(70, 783\); expected \(pictures, 784\), of 28 x 28 pixels"),
    (np.where(np.arange(784) == 9, 2, DIGITS), r"X\(1, 10\) is 2; expected 0 or 1"),
    (np.where(np.arange(784) == 9, np.nan, DIGITS), r"X\(1, 10\) is nan; expected 0 or 1"),
    (np.zeros((2, 28, 28)), r"X has the shape \(2, 28, 28\)")])
def test_arrays_of_something_else(tmp_path, X, message):
    scipy.io.savemat(tmp_path / "binarized_mnist_train.mat", {"X": X})
    data = read_binarized_mnist(tmp_path)
    refuses(lambda: data[0], r"read_binarized_mnist: .*train\.mat: " + message)


def test_missing_files_are_named(tmp_path):
    refuses(lambda: read_binarized_mnist(tmp_path), r"holds neither binarized_mnist_train\.amat nor binarized_mnist_train\.mat",
            FileNotFoundError)
    refuses(lambda: read_binarized_mnist(tmp_path, "valid"), "part='valid'; choose from train, validation, test")
    refuses(lambda: AmatPictures(tmp_path / "x.amat"), r"x\.amat does not exist; give a text file of zeros", FileNotFoundError)
    refuses(lambda: MatPictures(tmp_path / "x.mat"), r"x\.mat does not exist; give a MAT-file", FileNotFoundError)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("amat")
    file = amat(folder, "")
    file.write_bytes(data.draw(damaged(text(DIGITS[:3]).encode())))

    def read():
        pictures = AmatPictures(file)
        for i in range(len(pictures)):
            assert set(np.unique(pictures[i])) <= {0.0, 1.0}

    refused_by_name(read, str(file))


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="TINYMM_REAL_DATA is not set")
def test_real_digits():
    data = read_binarized_mnist(pathlib.Path(REAL) / "binarized_mnist", "validation")
    assert len(data) == 10_000 and set(np.unique(data[9999])) == {0.0, 1.0}
    assert 20 < data.batch(range(1000)).numpy().mean(0)[4:24, 4:24].sum() < 200   # ink in the middle ...
    assert data.batch(range(1000)).numpy()[:, :2].mean() < 0.001                # ... and none at the upper edge
