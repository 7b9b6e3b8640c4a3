"""Saving and loading: round trips, interruption, damage."""

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
