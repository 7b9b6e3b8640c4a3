"""The reader of MAT-files against SciPy, which also writes them, and on files damaged in every way."""

import os
import pathlib
import struct
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data.readers.mat import read_mat

from .damage import damaged, refused_by_name, refuses

REAL = os.environ.get("TINYMM_REAL_DATA")
ARRAYS = {"X": np.arange(6.0).reshape(2, 3) / 7, "digits": (np.arange(120) % 3 == 0).astype(np.uint8).reshape(4, 30),
          "small": np.array([[1, 2, 3]], np.int8), "one": np.array([[65535]], np.uint16), "deep": np.arange(24).reshape(2, 3, 4),
          "none": np.zeros((0, 4)), "singles": np.array([[1.5, np.nan, np.inf]], np.float32)}
both = pytest.mark.parametrize("compressed", [False, True])


def write(path, arrays, compressed=False):
    scipy.io.savemat(path, arrays, do_compression=compressed)
    return path


@both
@pytest.mark.parametrize("name", ARRAYS)
def test_what_scipy_wrote(tmp_path, name, compressed):
    file = write(tmp_path / "a.mat", ARRAYS, compressed)
    found, wanted = read_mat(file, name), scipy.io.loadmat(file)[name]
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)


@both
def test_logical_arrays_are_booleans(tmp_path, compressed):
    found = read_mat(write(tmp_path / "a.mat", {"X": np.eye(3) > 0}, compressed))
    assert found.dtype == bool and (found == np.eye(3)).all()


def element(kind, data, order):
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_as_the_format_has_them(tmp_path, order, compressed):
    """A double array whose numbers are stored as uint8, as MATLAB writes whole numbers; by hand, either end first."""
    array = b"".join([element(6, struct.pack(order + "II", 6, 0), order), element(5, struct.pack(order + "ii", 2, 3), order),
                      struct.pack(order + "I", 1 << 16 | 1) + b"X\0\0\0",   # a name of one byte, in the tag
                      element(2, bytes([1, 2, 3, 4, 5, 6]), order)])
    array = element(14, array, order)
    if compressed:
        packed = zlib.compress(array)
        array = struct.pack(order + "II", 15, len(packed)) + packed
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "H", 0x0100) + (b"IM" if order == "<" else b"MI")
    (tmp_path / "a.mat").write_bytes(head + array)
    np.testing.assert_array_equal(read_mat(tmp_path / "a.mat"), [[1, 3, 5], [2, 4, 6]])
    np.testing.assert_array_equal(scipy.io.loadmat(tmp_path / "a.mat")["X"], [[1, 3, 5], [2, 4, 6]])


@both
@pytest.mark.parametrize("value, kind", [("words", "text"), ({"a": 1.0}, "a struct"), (np.array([[1 + 2j]]), "complex"),
                                         (scipy.sparse.eye(3, format="csc"), "a sparse array"),
                                         (np.array([[1, "a"]], dtype=object), "a cell array")])
def test_other_variables_are_named(tmp_path, value, kind, compressed):
    file = write(tmp_path / "a.mat", {"before": np.eye(2), "Y": value}, compressed)
    refuses(lambda: read_mat(file, "Y"), rf"read_mat: .*a\.mat, the array at byte \d+ \('Y'\): it is {kind}; expected a full array")
    assert read_mat(file, "before").shape == (2, 2)
    refuses(lambda: read_mat(file), r"a\.mat has no variable 'X', it has 'before', 'Y'; give key=NAME")


@both
def test_every_cut_is_found(tmp_path, compressed):
    content = write(tmp_path / "a.mat", {"X": ARRAYS["X"]}, compressed).read_bytes()
    for length in range(len(content)):
        (tmp_path / "a.mat").write_bytes(content[:length])
        refuses(lambda: read_mat(tmp_path / "a.mat"), r"read_mat: .*a\.mat.*(not whole|not the head|holds no array)")


def test_a_check_sum_that_is_wrong(tmp_path):
    content = bytearray(write(tmp_path / "a.mat", {"X": ARRAYS["X"]}, compressed=True).read_bytes())
    content[-1] ^= 1
    (tmp_path / "a.mat").write_bytes(content)
    refuses(lambda: read_mat(tmp_path / "a.mat"), r"a\.mat, the array at byte 128: its compressed data are damaged .*data check")


@pytest.mark.parametrize("head, message", [
    (b"MATLAB 7.3 MAT-file, Platform".ljust(512), r"a\.mat is a MAT-file of version 7\.3 \(HDF5\); expected a .* version 5"),
    (b"\x89HDF\r\n\x1a\n".ljust(512), r"version 7\.3"), (b"", r"its first 0 bytes are not the head of a MAT-file"),
    (b"x" * 200, r"its first 128 bytes are not the head of a MAT-file .* begin with b'xxxx"),
    (b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\2IM", "are not the head")])
def test_other_formats_are_named(tmp_path, head, message):
    (tmp_path / "a.mat").write_bytes(head)
    refuses(lambda: read_mat(tmp_path / "a.mat"), message)


def test_missing_files_are_named(tmp_path):
    refuses(lambda: read_mat(tmp_path / "a.mat"), r"read_mat: .*a\.mat does not exist; give a MAT-file", FileNotFoundError)
    refuses(lambda: read_mat(tmp_path), "is a folder; give a MAT-file")


@pytest.mark.parametrize("shape, message", [((2 ** 30, 4), r"in 48 bytes; expected 34,359,738,368"), ((2, -3), "expected -48"),
                                            ((3, 3), "in 48 bytes; expected 72")])
def test_dimensions_that_lie(tmp_path, shape, message):
    content = write(tmp_path / "a.mat", {"X": ARRAYS["X"]}).read_bytes()
    content = content.replace(struct.pack("<ii", 2, 3), struct.pack("<ii", *shape))
    (tmp_path / "a.mat").write_bytes(content)
    refuses(lambda: read_mat(tmp_path / "a.mat"), message)


@pytest.mark.parametrize("side, size, message", [(2 ** 14, 2 ** 28, "268,435,456 bytes of numbers are more than there are"),
                                                 (2 ** 15, 2 ** 30, "more than there are"),
                                                 (2 ** 15 + 1, (2 ** 15 + 1) ** 2, "are more than 1,073,741,824 bytes; save fewer"),
                                                 (2 ** 16, 0, "in 0 bytes; expected 4,294,967,296")])
def test_a_bomb_is_not_unpacked(tmp_path, side, size, message):
    """Its head promises more than a file of its size can hold, or more than is ever read."""
    array = b"".join([element(6, struct.pack("<II", 9, 0), "<"), element(5, struct.pack("<ii", side, side), "<"),
                      element(1, b"X", "<"), struct.pack("<II", 2, size), b"\0" * 1000])
    packed = zlib.compress(struct.pack("<II", 14, 2 ** 31) + array)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    (tmp_path / "a.mat").write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    refuses(lambda: read_mat(tmp_path / "a.mat"), message)


@both
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, compressed, data):
    folder = tmp_path_factory.mktemp("mat")
    content = write(folder / "whole.mat", {"Y": np.eye(2), "X": ARRAYS["digits"]}, compressed).read_bytes()
    (folder / "a.mat").write_bytes(data.draw(damaged(content)))
    refused_by_name(lambda: read_mat(folder / "a.mat"), str(folder / "a.mat"))


@pytest.mark.real
@pytest.mark.skipif(not REAL, reason="TINYMM_REAL_DATA is not set")
@pytest.mark.parametrize("part, count, mean", [("train", 50_000, 0.13056), ("valid", 10_000, 0.13113), ("test", 10_000, 0.13251)])
def test_real_binarized_mnist(part, count, mean):
    file = pathlib.Path(REAL) / "binarized_mnist" / f"binarized_mnist_{part}.mat"
    X = read_mat(file)
    assert X.shape == (count, 784) and X.dtype == np.uint8 and abs(X.mean() - mean) < 5e-6
    np.testing.assert_array_equal(X, scipy.io.loadmat(file)["X"])
