"""The reader of Torch7's files on bytes made by the format's description, against ``torchfile``, and on damaged ones."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymm.data import read_torch7

from .damage import damaged, refused_by_name, refuses
from .torch7_files import NAMES, Torch7, head, integers, string, write_torch7

RECORD = {"char": np.arange(6, dtype=np.uint8).reshape(3, 2), "img": "001.A/b_1.jpg",
          "txt": np.arange(8, dtype=np.float32).reshape(2, 4),
          "word": [1, 2.5, True, None, "é"], 3: {"deep": False}}


def same(a, b) -> bool:
    if isinstance(b, (list, tuple)):
        b = dict(enumerate(b, 1))
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in b)
    if isinstance(b, np.ndarray):
        return isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    return type(a) is type(b) and a == b


def test_tables_strings_numbers_and_nothing(tmp_path):
    assert same(read_torch7(write_torch7(tmp_path / "a.t7", RECORD)), RECORD)
    for value in (None, True, 0, -2.0 ** 60, 1e300, "", "x", {}, [[], [[]]]):
        assert same(read_torch7(write_torch7(tmp_path / "a.t7", value)), float(value) if isinstance(value, float) else value)
    assert read_torch7(write_torch7(tmp_path / "a.t7", b"caf\xe9")).encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_bytes_by_hand(tmp_path):
    """A 2 x 3 FloatTensor of which rows are four apart, that begins at the second number, as Lua writes ``t:narrow(2, 2, 3)``."""
    storage = np.arange(8, dtype="<f4")
    content = (b"\4\0\0\0" b"\1\0\0\0" b"\3\0\0\0V 1" b"\x11\0\0\0torch.FloatTensor" b"\2\0\0\0" + struct.pack("<qqqqq", 2, 3, 4,
                                                                                                               1, 2) +
               b"\4\0\0\0" b"\2\0\0\0" b"\3\0\0\0V 1" b"\x12\0\0\0torch.FloatStorage" + struct.pack("<q", 8) + storage.tobytes())
    (tmp_path / "a.t7").write_bytes(content)
    np.testing.assert_array_equal(read_torch7(tmp_path / "a.t7"), [[1, 2, 3], [5, 6, 7]])
    old = content.replace(b"\3\0\0\0V 1", b"")   # before there were versions
    (tmp_path / "a.t7").write_bytes(old)
    np.testing.assert_array_equal(read_torch7(tmp_path / "a.t7"), [[1, 2, 3], [5, 6, 7]])


@pytest.mark.parametrize("dtype", NAMES)
def test_tensors_of_all_kinds_and_strides(tmp_path, dtype):
    whole = np.arange(24).astype(dtype).reshape(2, 3, 4)
    for array in (whole, whole.T, whole[:, 1:, ::2], whole[1, 2, 3:]):
        found = read_torch7(write_torch7(tmp_path / "a.t7", array))
        assert same(found, array) and not found.flags.writeable


@pytest.mark.parametrize("cuda, dtype", [("torch.Cuda", "f4"), ("torch.CudaLong", "i8"), ("torch.CudaHalf", "f2")])
def test_tensors_of_gpus_and_storages(tmp_path, cuda, dtype):
    values = np.arange(5).astype(dtype)
    storage = head(7, f"{cuda}Storage") + integers("q", 5) + values.tobytes()
    (tmp_path / "a.t7").write_bytes(head(3, f"{cuda}Tensor") + integers("i", 1) + integers("q", 5, 1, 1) + storage)
    assert same(read_torch7(tmp_path / "a.t7"), values)
    (tmp_path / "a.t7").write_bytes(storage)
    assert same(read_torch7(tmp_path / "a.t7"), values)


def test_empty_tensors(tmp_path):
    empty = head(3, "torch.IntTensor") + integers("i", 0) + integers("q", 1) + integers("i", 0)
    (tmp_path / "a.t7").write_bytes(empty)
    assert same(read_torch7(tmp_path / "a.t7"), np.zeros(0, np.int32))


def test_what_is_there_twice_is_one(tmp_path):
    shared, array = {"a": 1}, np.arange(4.0)
    itself = {"x": shared, "y": shared, 1: array, 2: array, 3: array[1:]}
    itself["self"] = itself
    found = read_torch7(write_torch7(tmp_path / "a.t7", itself))
    assert found["self"] is found and found["x"] is found["y"] == {"a": 1} and found[1] is found[2]
    assert same(found[3], array[1:]) and np.shares_memory(found[3], found[1])


@pytest.mark.parametrize("content, message", [
    (head(1, "nn.Linear") + integers("i", 3, 2, 0),
     r"a\.t7 byte 8: an object of the class 'nn\.Linear'; expected a tensor, a storage or"),
    (head(1, "torch.Tensor"), "of the class 'torch.Tensor'"), (head(1, "torch.FloatStorageTensor"), "of the class"),
    *((integers("i", kind, 1) + string(b"\x1bLua..."), "byte 0: a Lua function; functions are not read") for kind in (6, 7, 8)),
    (Torch7().write({"f": None})[:-4] + integers("i", 8, 2), r"byte 21: a Lua function"),
    (integers("i", 9), "byte 0: a value of kind 9; expected 0 to 5"), (b"4\n1\n3\nV 1\n", "in ASCII; save it as binary"),
    (integers("i", 5, 2), "a boolean of 2"), (integers("i", 2, -5), "expected -5 bytes of a string"),
    (integers("i", 3, 1, -1), "a table of -1 pairs"), (integers("i", 3, 1, 2 ** 30), "expected 4 bytes of the kind of a value"),
    (integers("i", 3, 1, 1, 0, 0), "a key of a table is of type NoneType"), (integers("i", 3, 1, 1, 3, 1), "of type dict"),
    (integers("i", 3, 1, 1) + Torch7().write(np.arange(3)), "a key of a table is of type ndarray"),
    (integers("i", 3, 1, 1, 1) + struct.pack("<d", np.nan) + integers("i", 0), "a key of a table is NaN"),
    (integers("i", 3, 1, 2) + 2 * (Torch7().write("a") + Torch7().write(1)), "the key 'a' is in its table twice"),
    (Torch7().write(1) + b"\0", r"byte 12: 1 bytes after the end of the value"),
    (b"", "byte 0: expected 4 bytes of the kind of a value"),
    (head(1, "torch.FloatStorage") + integers("q", 2 ** 60), "bytes of a storage, and the file has 0 more; it is not whole"),
    (head(1, "torch.FloatTensor") + integers("i", 1) + integers("q", 3, 1, 1) + Torch7().write([1]),
     "expected the storage of a torch.F"),
    (integers("i", 4, 1, 2 ** 30), "1,073,741,824 bytes of a version; expected at most 200")])
def test_what_is_refused(tmp_path, content, message):
    (tmp_path / "a.t7").write_bytes(content)
    refuses(lambda: read_torch7(tmp_path / "a.t7"), message)


@pytest.mark.parametrize("sizes, strides, first", [((3, 3), (3, 1), 1), ((2, 3), (3, 1), 0), ((2, 3), (3, 1), 2),
                                                   ((2, 3), (-3, 1), 4),
                                                   ((-2, -3), (3, 1), 1), ((2 ** 62, 4), (0, 1), 1),
                                                   ((2 ** 20, 2 ** 20), (0, 0), 1),
                                                   ((2, 2), (2 ** 62, 2 ** 62), 1), ((0, -1), (1, 1), 1),
                                                   ((0, 2 ** 62), (1, 1), 1)])
def test_tensors_that_lie(tmp_path, sizes, strides, first):
    storage = head(2, "torch.ByteStorage") + integers("q", 6) + bytes(6)
    (tmp_path / "a.t7").write_bytes(head(1, "torch.ByteTensor") + integers("i", 2) + integers("q", *sizes, *strides,
                                                                                              first) + storage)
    refuses(lambda: read_torch7(tmp_path / "a.t7"), r"byte \d+: a tensor .* does not lie in its storage of 6")


def test_tables_without_end(tmp_path):
    value = 0
    for _ in range(101):
        value = [value]
    refuses(lambda: read_torch7(write_torch7(tmp_path / "a.t7", value)), "tables within tables, deeper than 100")


def test_every_cut_is_found(tmp_path):
    content = write_torch7(tmp_path / "a.t7", RECORD).read_bytes()
    for length in range(len(content)):
        (tmp_path / "a.t7").write_bytes(content[:length])
        refuses(lambda: read_torch7(tmp_path / "a.t7"), r"read_torch7: .*a\.t7 byte \d+: expected .* it is not whole")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_refused_by_name(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("t7") / "a.t7"
    path.write_bytes(data.draw(damaged(Torch7().write(RECORD))))
    refused_by_name(lambda: read_torch7(path), str(path))


def test_missing_files_are_named(tmp_path):
    refuses(lambda: read_torch7(tmp_path / "a.t7"), r"read_torch7: .*a\.t7 does not exist; give a binary file", FileNotFoundError)
    refuses(lambda: read_torch7(tmp_path), "is a folder; give")


@pytest.mark.oracle
def test_as_torchfile_reads_it(tmp_path):
    torchfile = pytest.importorskip("torchfile")
    whole = {**{name: np.arange(24).astype(dtype).reshape(2, 3, 4) for dtype, name in NAMES.items() if dtype != "f2"},
             "again": RECORD}
    whole["turned"] = whole["Float"].T
    path = write_torch7(tmp_path / "a.t7", whole)

    def plain(value):
        if isinstance(value, dict):
            return {plain(key): plain(item) for key, item in value.items()}
        return value.decode() if isinstance(value, bytes) else value

    assert same(read_torch7(path), plain(torchfile.load(str(path), use_list_heuristic=False)))
