"""Saving and loading: round trips, interruption, damage."""

import errno
import json
import os

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn, optim


def test_nested_state_comes_back_as_it_was(tmp_path):
    state = {"model": {"w": Tensor(np.arange(6.0).reshape(2, 3)[:, ::-1].T)}, "step": 7, "names": ["a", None, True, 0.5],
             "table": {0: Tensor(np.zeros(2, np.int64)), 3: {"x": np.float32(2.5)}}, "raw": np.ones((0, 2))}
    tinymm.save(state, tmp_path / "s.safetensors")
    back = tinymm.load(tmp_path / "s.safetensors")
    np.testing.assert_array_equal(back["model"]["w"].numpy(), state["model"]["w"].numpy())   # a non-contiguous array
    assert back["step"] == 7 and back["names"] == ["a", None, True, 0.5] and back["table"][3]["x"] == 2.5
    assert back["table"][0].dtype == np.int64 and isinstance(back["raw"], np.ndarray) and back["raw"].shape == (0, 2)


def test_a_state_dict_is_an_ordinary_safetensors_file(tmp_path):
    from safetensors.numpy import load_file, save_file

    model = nn.Linear(3, 2)
    tinymm.save(model.state_dict(), tmp_path / "m.safetensors")
    arrays = load_file(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(arrays["weight"], model.weight.detach().numpy())
    save_file({"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2, np.float32)}, tmp_path / "other.safetensors")
    model.load_state_dict(tinymm.load(tmp_path / "other.safetensors"))
    assert model.weight.sum().item() == 6


def test_training_continues_as_if_it_had_not_stopped(tmp_path):
    def train(model, optimiser, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            (model(tinymm.ones(4, 3)) ** 2).mean().backward()
            optimiser.step()

    tinymm.manual_seed(0)
    model = nn.Linear(3, 2)
    optimiser = optim.Adam(model.parameters(), lr=0.1)
    train(model, optimiser, 3)
    tinymm.save({"model": model.state_dict(), "optimiser": optimiser.state_dict()}, tmp_path / "c.safetensors")
    train(model, optimiser, 3)
    again = nn.Linear(3, 2)
    second = optim.Adam(again.parameters(), lr=0.5)
    state = tinymm.load(tmp_path / "c.safetensors")
    again.load_state_dict(state["model"])
    second.load_state_dict(state["optimiser"])
    train(again, second, 3)
    np.testing.assert_array_equal(again.weight.detach().numpy(), model.weight.detach().numpy())


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "s.safetensors"
    tinymm.save({"a": 1}, path)
    with pytest.raises(TypeError, match=r"cannot store a object \(at b.c\)"):
        tinymm.save({"a": 2, "b": {"c": object()}}, path)
    assert tinymm.load(path) == {"a": 1} and [p.name for p in tmp_path.iterdir()] == ["s.safetensors"]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"\xff" * 40, lambda b: b""])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "s.safetensors"
    tinymm.save({"a": Tensor(np.zeros(100))}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="s.safetensors is not a complete safetensors file"):
        tinymm.load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        tinymm.load(tmp_path / "none")


def the_same(a, b):
    """Values, types, dtypes and keys."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            the_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            the_same(x, y)
    elif isinstance(a, (Tensor, np.ndarray)):
        x, y = (t.numpy() if isinstance(t, Tensor) else t for t in (a, b))
        assert x.shape == y.shape and x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)
    else:
        assert a == b or a != a and b != b


def t(number):
    return Tensor(np.full(2, number, np.float32))


@pytest.mark.parametrize("state", [
    {"a.b": t(1), "a": {"b": t(2)}}, {"a": {"b": t(2)}, "a.b": t(1)}, {"a.0": t(1), "a": [t(2)]}, {"": t(1), "tensor": t(2)},
    {"tensor": t(2), "": t(1)}, {"": {"": t(1)}, "tensor": t(2)}, {"a": {1: t(1)}, "a.1": t(2)}, {".a": t(1), "": {"a": t(2)}},
    {"a.b": t(1), "a": {"b": t(2)}, "a.b#2": t(3)}, {"a.b#2": t(3), "a.b": t(1), "a": {"b": t(2)}},
    {"__metadata__": t(1)}, {"__metadata__": {"x": t(1)}, "__metadata__.x": t(2)}, {"tinymm": t(1)},
    {"__tensor__": t(1), "array": False}, {"__tensor__": "a", "a": t(1)}, {"__dict_with_integer_keys__": {"1": t(1)}},
    {"__tuple__": [1, 2]}, {"__dict__": {"__tensor__": "x"}}, {"__dict__": {}}, {"__tuple__": 0, "__dict__": {"a": t(1)}},
    {"x": (1, (t(1), [t(2), ()]))}, (), [], {}, (t(1),), t(3), np.arange(3), None, True, 7, "text", 0.5, float("nan"),
    float("-inf"), {-1: t(1), 0: None}, {"ünï": t(1), "图": "图", "half \ud800": t(2)}, {"a b/c\\d\n": t(1)}, 2**80,
    [True, 1, 1.0]], ids=lambda state: ascii(state)[:40])
def test_what_is_saved_comes_back_in_its_place(tmp_path, state):
    tinymm.save(state, tmp_path / "s.safetensors")
    the_same(tinymm.load(tmp_path / "s.safetensors"), state)


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">f4", ">i2"])
def test_every_dtype_and_layout(tmp_path, dtype):
    array = (np.arange(24) % 2 if dtype == "?" else np.arange(24)).reshape(2, 3, 4).astype(dtype)
    largest = np.array(True) if dtype == "?" else np.array(np.finfo(dtype).max if "f" in dtype else np.iinfo(dtype).max, dtype)
    parts = {"whole": array, "turned": array.T, "every second": array[:, ::-2, 1::2], "none": array[:, :0], "one": array[1, 1, 1:2],
             "scalar": largest, "spread": np.broadcast_to(array[0, 0], (3, 4))}
    tinymm.save(parts, tmp_path / "s.safetensors")
    native = {key: value.astype(value.dtype.newbyteorder("=")) for key, value in parts.items()}
    the_same(tinymm.load(tmp_path / "s.safetensors"), native)


def test_tensors_that_share_memory_come_back_apart(tmp_path):
    x = t(1)
    tinymm.save({"x": x, "again": x, "view": x[:1]}, tmp_path / "s.safetensors")
    back = tinymm.load(tmp_path / "s.safetensors")
    with tinymm.no_grad():
        back["x"].fill_(5)
    assert back["again"].tolist() == [1, 1] and back["view"].tolist() == [1]


@pytest.mark.parametrize("thing, message", [
    ({"a": [np.zeros(2, complex)]}, r"ndarray of dtype complex128 \(at a.0\); convert it with astype"),
    (np.array(["x"]), r"dtype <U1 \(at the top\)"), ({"o": np.array([{}], object)}, r"dtype object \(at o\)"),
    ({"m": np.ma.masked_array([1, 2], [0, 1])}, r"MaskedArray of dtype int64 \(at m\)"),
    ({"l": np.zeros(1, np.longdouble)}, r"at l\)"), ({"d": np.zeros(1, "M8[s]")}, r"at d\)"), ({"s": {1, 2}}, r"a set \(at s\)"),
    ({"c": 1j}, r"a complex \(at c\)"), ({"d": np.datetime64("2020-01-01")}, r"\(at d\)"), ({"b": b"x"}, r"a bytes \(at b\)"),
    ({"k": {1: 0, "1": 0}}, "two keys of the dict at k read the same"), ({"k": {1: 0, "b": 0}}, "has keys that are neither"),
    ({None: 0}, "the dict at the top has keys"), ({True: 0}, "the dict at the top has keys"), ({(1, 2): 0}, "at the top has keys")])
def test_what_cannot_be_kept_is_refused_and_named(tmp_path, thing, message):
    with pytest.raises(TypeError, match=message):
        tinymm.save(thing, tmp_path / "s.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_thing_that_holds_itself(tmp_path):
    thing: dict = {}
    thing["self"] = [thing]
    with pytest.raises(TypeError, match="too many things within each other, or one that holds itself"):
        tinymm.save(thing, tmp_path / "s.safetensors")


def test_an_older_file_is_read(tmp_path):
    """As written before tuples had a mark of their own."""
    from safetensors.numpy import save_file

    skeleton = {"model": {"w": {"__tensor__": "model.w", "array": False}}, "betas": [0.9, 0.99],
                "state": {"__dict_with_integer_keys__": {"0": {"__tensor__": "state.0", "array": True}}}}
    arrays, metadata = {"model.w": np.ones(2), "state.0": np.zeros(1)}, {"tinymm": json.dumps(skeleton)}
    save_file(arrays, tmp_path / "s.safetensors", metadata)
    the_same(tinymm.load(tmp_path / "s.safetensors"), {"model": {"w": Tensor(np.ones(2))}, "betas": [0.9, 0.99],
                                                       "state": {0: np.zeros(1)}})


@pytest.mark.parametrize("skeleton", ["{", "[" * 100_000, '{"a": {"__tensor__": "b", "array": false}}',
                                      '{"a": {"__tensor__": "a"}}',
                                      '{"__dict_with_integer_keys__": {"x": 1}}', '{"__tuple__": 3}', '{"__dict__": 3}',
                                      '{"a": {"__tensor__": ["a"], "array": 1}}'])
def test_a_skeleton_that_does_not_fit_is_an_error_of_the_file(tmp_path, skeleton):
    from safetensors.numpy import save_file

    save_file({"a": np.ones(2)}, tmp_path / "s.safetensors", metadata={"tinymm": skeleton})
    with pytest.raises(ValueError, match="s.safetensors: what its header says under \"tinymm\""):
        tinymm.load(tmp_path / "s.safetensors")


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, moment, monkeypatch):
    path = tmp_path / "s.safetensors"
    tinymm.save({"a": t(1)}, path)

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if moment == "write":
            real = open

            class Full:
                def __init__(self, *args):
                    self.file = real(*args)
                    self.write = full
                def __enter__(self):
                    return self
                def __exit__(self, *_):
                    self.file.close()

            patch.setattr("tinymm.serialization.state.open", Full, raising=False)
        else:
            patch.setattr(os, moment, full)
        with pytest.raises(OSError, match="No space left"):
            tinymm.save({"a": t(2)}, path)
    assert tinymm.load(path)["a"].tolist() == [1, 1] and list(tmp_path.iterdir()) == [path]
