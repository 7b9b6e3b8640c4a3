"""Reading safetensors: every dtype's numbers, bfloat16 and float8 included, and damaged files."""

import json
import os
import pickle
import struct

import numpy as np
import pytest

import tinymm
from safetensors.numpy import save_file

from tinymm.serialization import read_safetensors


def write_bf16(path, arrays, extra=()):
    """The format by hand, since NumPy has no bfloat16: numbers given as float32 that it can hold."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for key, array in {**arrays, **dict(extra)}.items():
        kind = "BF16" if key in arrays else "F32"
        raw = (array.astype("<f4").view("<u4") >> 16).astype("<u2") if kind == "BF16" else array.astype("<f4")
        header[key] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + raw.nbytes]}
        data += raw.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_half_precision_becomes_single_and_the_rest_stays(tmp_path):
    rng = np.random.default_rng(0)
    wanted = {"half": rng.normal(size=(3, 4)).astype(np.float16), "single": rng.normal(size=5).astype(np.float32),
              "double": rng.normal(size=(2, 1)), "whole": np.arange(6), "scalar": np.asarray(2.5, np.float16)}
    save_file(wanted, tmp_path / "a.safetensors", metadata={"who": "me"})
    found, metadata = read_safetensors(tmp_path / "a.safetensors")
    assert metadata == {"who": "me"} and set(found) == set(wanted)
    for key, array in wanted.items():
        assert found[key].dtype == (np.float32 if array.dtype == np.float16 else array.dtype) and found[key].shape == array.shape
        np.testing.assert_array_equal(found[key], array.astype(found[key].dtype))


def test_bfloat16(tmp_path):
    """Signs, zeros, infinities, a number below the normal ones, and the largest."""
    values = np.array([[0.0, -0.0, 1.0], [-1.5, np.inf, -np.inf]], np.float32)
    edges = np.array([0x0001, 0x7F7F, 0xFF7F, 0x3DCD], np.uint32) << 16
    write_bf16(tmp_path / "b.safetensors", {"values": values, "edges": edges.view(np.float32), "one": np.float32(3.0).reshape(())},
               {"single": np.arange(3, dtype=np.float32) / 7})
    found, _ = read_safetensors(tmp_path / "b.safetensors")
    np.testing.assert_array_equal(found["values"], values)
    assert (np.signbit(found["values"]) == np.signbit(values)).all()
    np.testing.assert_array_equal(found["edges"].view(np.uint32), edges)
    assert found["one"].shape == () and found["one"] == 3
    np.testing.assert_array_equal(found["single"], np.arange(3, dtype=np.float32) / 7)


@pytest.mark.oracle
def test_bfloat16_is_pytorchs(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    wanted = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    save({"x": wanted, "y": wanted.half()}, tmp_path / "c.safetensors")
    found, _ = read_safetensors(tmp_path / "c.safetensors")
    np.testing.assert_array_equal(found["x"], wanted.float().numpy())
    np.testing.assert_array_equal(found["y"], wanted.half().float().numpy())


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.safetensors does not exist"):
        read_safetensors(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="it is a folder"):
        read_safetensors(tmp_path)
    path = tmp_path / "a.safetensors"
    save_file({"x": np.zeros(100, np.float32)}, path)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:20], b"", b"not a file of tensors at all"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="a.safetensors is not a complete safetensors file"):
            read_safetensors(path)


def write(path, header, data=b"", length=None):
    """A file of that header, which may be wrong in any way."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(kind, shape, begin, end):
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def test_float8(tmp_path):
    """Values by the tables of Micikevicius et al.: E4M3 to 448, without infinities; E5M2 to 57344, with them."""
    path = write(tmp_path / "a.safetensors", {"e4m3": entry("F8_E4M3", [2, 5], 0, 10), "e5m2": entry("F8_E5M2", [8], 10, 18),
                                              "one": entry("F8_E4M3", [], 18, 19)},
                 bytes([0x38, 0x40, 0x7E, 0xFE, 0x01, 0x08, 0x80, 0x7F, 0xFF, 0x07]
                       + [0x3C, 0xBC, 0x7B, 0x01, 0x04, 0x7C, 0xFC, 0x7D, 0x38]))
    for found in (read_safetensors(path)[0], {key: t.numpy() for key, t in tinymm.load(path).items()}):
        np.testing.assert_array_equal(found["e4m3"], [[1, 2, 448, -448, 2**-9], [2**-6, -0.0, np.nan, np.nan, 7 * 2**-9]])
        np.testing.assert_array_equal(found["e5m2"], [1, -1, 57344, 2**-16, 2**-14, np.inf, -np.inf, np.nan])
        assert found["e4m3"].dtype == found["e5m2"].dtype == np.float32 and found["one"].shape == () and found["one"] == 1
        assert np.signbit(found["e4m3"][1, 1])


@pytest.mark.oracle
def test_float8_is_pytorchs(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save

    every = torch.arange(256, dtype=torch.uint8)
    wanted = {"e4m3": every.view(torch.float8_e4m3fn), "e5m2": every.clone().view(torch.float8_e5m2)}
    save(wanted, tmp_path / "c.safetensors")
    for key, array in read_safetensors(tmp_path / "c.safetensors")[0].items():
        np.testing.assert_array_equal(array, wanted[key].float().numpy())
        np.testing.assert_array_equal(np.signbit(array), np.signbit(wanted[key].float().numpy()))


def test_load_reads_what_others_write(tmp_path):
    """bfloat16 as float32; half precision stays, since float16 is a dtype of ours."""
    write_bf16(tmp_path / "b.safetensors", {"x": np.array([1.0, -2.5], np.float32)}, {"y": np.ones(3)})
    found = tinymm.load(tmp_path / "b.safetensors")
    assert found["x"].tolist() == [1, -2.5] and found["x"].dtype == np.float32 and found["y"].tolist() == [1, 1, 1]
    save_file({"h": np.ones(2, np.float16), "b": np.array([True, False])}, tmp_path / "h.safetensors")
    found = tinymm.load(tmp_path / "h.safetensors")
    assert found["h"].dtype == np.float16 and found["b"].tolist() == [True, False]


F = entry("F32", [2], 0, 8)
DAMAGED = {
    "begins_late": ({"a": entry("F32", [2], 4, 12)}, b"\0" * 12, "a begins at byte 4 of the numbers, .* ends at 0"),
    "overlap": ({"a": F, "b": entry("F32", [2], 4, 12)}, b"\0" * 12, "b begins at byte 4"),
    "twice_the_same": ({"a": F, "b": F}, b"\0" * 8, "b begins at byte 0 .* ends at 8"),
    "hole": ({"a": F, "b": entry("F32", [1], 12, 16)}, b"\0" * 16, "b begins at byte 12 .* ends at 8"),
    "too_long": ({"a": F}, b"\0" * 9, "bytes, its tensors need"), "too_short": ({"a": F}, b"\0" * 7, "bytes, its tensors need"),
    "other_length": ({"a": entry("F32", [3], 0, 8)}, b"\0" * 8, r"a of dtype F32 and shape \[3\] needs 12 bytes, and has 8"),
    "backwards": ({"a": entry("F32", [2], 8, 0)}, b"\0" * 8, "a of dtype F32 .* and has -8"),
    "negative_axis": ({"a": entry("F32", [-2, -1], 0, 8)}, b"\0" * 8, "a has dtype 'F32', shape"),
    "negative_offset": ({"a": entry("F32", [2], -8, 0)}, b"\0" * 8, "data_offsets"),
    "fractional_axis": ({"a": entry("F32", [2.0], 0, 8)}, b"\0" * 8, "shape"),
    "true": ({"a": entry("F32", [True], 0, 4)}, b"\0" * 4, "shape"),
    "huge": ({"a": entry("F32", [2**40, 2**40], 0, 8)}, b"\0" * 8, "needs .* bytes, and has 8"),
    "huge_and_empty": ({"a": entry("F32", [0, 2**64], 0, 0)}, b"", "shape"),
    "three_offsets": ({"a": {**F, "data_offsets": [0, 4, 8]}}, b"\0" * 8, "data_offsets"),
    "no_shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, b"\0" * 8, "does not tell dtype, shape"),
    "no_entry": ({"a": 3}, b"", "tell"),
    "odd_metadata": ({"__metadata__": {"a": 1}}, b"", "__metadata__ is not name -> text"),
    "list": ([1], b"", "its header is a list"), "number": (b"12", b"", "its header is a int"), "empty": (b"", b"", "not JSON"),
    "twice": (b'{"a": {}, "b": {}, "a": {}}', b"", "its header has 'a' twice"),
    "not_utf8": (b'{"\xff": 1}', b"", "not JSON: .*utf-8"),
    "deep": (b"[" * 100_000, b"", "not JSON"), "cut": (b'{"a": {"dtype"', b"", "not JSON")}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_header_that_is_wrong(tmp_path, case):
    header, data, message = DAMAGED[case]
    path = write(tmp_path / "a.safetensors", header, data)
    for read in (read_safetensors, tinymm.load):
        with pytest.raises(ValueError, match=f"{read.__name__}: .*a.safetensors is not a complete safetensors file .*{message}"):
            read(path)


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 100_000_001, 3])
def test_a_length_that_is_wrong(tmp_path, length):
    path = write(tmp_path / "a.safetensors", {"a": F}, b"\0" * 8, length)
    with pytest.raises(ValueError, match="is not a complete safetensors file"):
        tinymm.load(path)


@pytest.mark.parametrize("kind", ["F4", "C64", "F8_E8M0", "X"])
def test_a_dtype_that_numpy_does_not_have(tmp_path, kind):
    path = write(tmp_path / "a.safetensors", {"a": entry(kind, [2], 0, 16)}, b"\0" * 16)
    with pytest.raises(ValueError, match=f"load: .*a.safetensors: a has dtype {kind}, which NumPy does not have; convert it"):
        tinymm.load(path)


def test_every_cut_of_a_file(tmp_path):
    path = tmp_path / "a.safetensors"
    tinymm.save({"x": np.arange(3.0), "n": 3}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is not a complete safetensors file"):
            tinymm.load(path)


def test_pickles_and_archives_are_named_as_such(tmp_path):
    path = tmp_path / "a.safetensors"
    for content in (*(pickle.dumps({"a": [1.0] * 100}, protocol) for protocol in (2, 4, 5)), b"PK\x03\x04" + b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="it is a pickle or an archive, as torch.save writes them; convert it with PyTorch"):
            tinymm.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError, match="pipe is no ordinary file"):
        tinymm.load(tmp_path / "pipe")


def test_no_tensors(tmp_path):
    assert tinymm.load(write(tmp_path / "a.safetensors", {})) == {}
    found = tinymm.load(write(tmp_path / "b.safetensors", {"b": entry("F32", [2, 0], 0, 0), "a": entry("I64", [0], 0, 0)}))
    assert found["a"].shape == (0,) and found["b"].shape == (2, 0)
