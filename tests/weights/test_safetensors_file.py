"""Reading safetensors: every dtype's numbers, bfloat16 included, and damaged files."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tinymm.weights import read_safetensors


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
