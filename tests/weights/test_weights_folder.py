"""Folders of weights: one file, several with an index, and archives that have to be converted."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.weights.clip_layout import hugging_face_config, hugging_face_state
from tests.weights.test_clip_layouts import OPTIONS
from tinymm.weights import read_clip, read_weights

INDEX = "model.safetensors.index.json"


def write_sharded(folder, arrays, parts=3):
    """As model hubs have them: an index and numbered files."""
    names = [f"model-{i + 1:05d}-of-{parts:05d}.safetensors" for i in range(parts)]
    files = {key: names[i % parts] for i, key in enumerate(arrays)}
    for name in names:
        save_file({key: arrays[key] for key in arrays if files[key] == name}, folder / name, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
    return files


def test_the_parts_together_are_the_whole(tmp_path):
    arrays = {f"layer.{i}": np.arange(i + 1, dtype=np.float32) for i in range(7)} | {"half": np.ones(2, np.float16)}
    write_sharded(tmp_path, arrays)
    for path in (tmp_path, tmp_path / INDEX):
        file, found, metadata = read_weights(path)
        assert file == tmp_path / INDEX and metadata == {} and set(found) == set(arrays) and found["half"].dtype == np.float32
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key], array)
    save_file({"whole": np.ones(1)}, tmp_path / "model.safetensors")
    assert set(read_weights(tmp_path)[1]) == {"whole"}   # one file, where there is one


def test_a_model_in_parts(tmp_path):
    state = hugging_face_state(OPTIONS)
    (tmp_path / "config.json").write_text(json.dumps(hugging_face_config(OPTIONS)))
    write_sharded(tmp_path, state)
    _, options, found = read_clip(tmp_path)
    save_file(state, tmp_path / "model.safetensors")
    _, same, wanted = read_clip(tmp_path)
    assert options == same == OPTIONS and set(found) == set(wanted)
    for key, array in wanted.items():
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"weight_map": []}', '{"weight_map": {}}', '{"weight_map": {"a": 3}}',
                                  "[" * 100_000, '{"weight_map": null}'])
def test_an_index_that_is_none(tmp_path, text):
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ValueError, match="index.json(: weight_map is not tensor -> file| is no index of weights)"):
        read_weights(tmp_path)


def test_an_index_that_does_not_fit_its_files(tmp_path):
    files = write_sharded(tmp_path, {f"t{i}": np.ones(i) for i in range(6)})
    first = "model-00001-of-00003.safetensors"

    def rewrite(changed):
        (tmp_path / INDEX).write_text(json.dumps({"weight_map": changed}))

    rewrite({**files, "more": first})
    with pytest.raises(ValueError, match=f"{first} does not have what .* 1 missing, such as more; the files are not of one model"):
        read_weights(tmp_path)
    rewrite({key: name for key, name in files.items() if key != "t3"})
    with pytest.raises(ValueError, match=f"{first} does not have .* 1 more, such as t3"):
        read_weights(tmp_path)
    for name in ("../secret.safetensors", "/etc/passwd", "", "..", "a\\b"):
        rewrite({**files, "t0": name})
        with pytest.raises(ValueError, match="expected the name of one beside it"):
            read_weights(tmp_path)
    rewrite(files)
    (tmp_path / first).write_bytes(b"")
    with pytest.raises(ValueError, match=f"{first} is not a complete safetensors file"):
        read_weights(tmp_path)
    (tmp_path / first).unlink()
    with pytest.raises(FileNotFoundError, match=f"{first} does not exist"):
        read_weights(tmp_path)


def test_how_to_convert_is_said(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="has its weights in pytorch_model.bin only.*this writes model.safetensors beside "
                                                "it: python -c .*save_pretrained"):
        read_clip(tmp_path)
    with pytest.raises(ValueError, match="pytorch_model.bin is an archive of PyTorch's; convert it"):
        read_clip(tmp_path / "pytorch_model.bin")
