"""CLIP from files: what it wrote itself, OpenAI's layout and Hugging Face's, half precision, and files that do not fit."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import tinymm
from tests.weights.clip_layout import hugging_face_config, hugging_face_state
from tests.serialization.test_safetensors_file import write_bf16
from tinymm import Tensor, serialization
from tinymm.models.clip import CLIP, QuickGELU
from tinymm.weights import hugging_face_to_openai

VIT = dict(embed_dim=16, image_resolution=24, vision_layers=2, vision_width=12, vision_patch_size=8, context_length=9,
           vocab_size=30, transformer_width=20, transformer_heads=2, transformer_layers=3, vision_heads=3)
RESNET = {**VIT, "image_resolution": 32, "vision_layers": (1, 2, 1, 1), "vision_width": 4, "vision_patch_size": None,
          "vision_heads": 2}
LAYOUT = {**VIT, "hidden_act": "gelu", "eos_token_id": None}
TEXTS = np.array([[1, 5, 4, 29, 0, 0, 0, 0, 0], [1, 6, 7, 8, 9, 10, 11, 12, 29]])


def logits(model, dtype=np.float32):
    side = model.visual.input_resolution
    image = np.random.default_rng(0).normal(size=(2, 3, side, side)).astype(dtype)
    return model.eval()(Tensor(image), Tensor(TEXTS))[0].detach().numpy()


def write_hugging_face(folder, eos_token_id=2, dtype=np.float32, **more):
    save_file({**hugging_face_state(LAYOUT, dtype=dtype), **more}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(hugging_face_config(LAYOUT, eos_token_id)))


@pytest.mark.parametrize("options", [VIT, {**RESNET, "eos_token_id": 29}, {**VIT, "text_encoder": "cbow", "hidden_act": "gelu"}],
                         ids=["vit", "resnet", "cbow"])
def test_what_was_saved_comes_back_without_a_configuration(tmp_path, options):
    tinymm.manual_seed(1)
    model = CLIP(**options)
    path = tmp_path / "model.safetensors"
    model.save_pretrained(path)
    for place in (path, tmp_path):
        again = CLIP.from_pretrained(place)
        assert not again.training and again.eos_token_id == options.get("eos_token_id")
        np.testing.assert_array_equal(logits(again), logits(model))
    arrays = {key: t for key, t in serialization.load(path).items() if key != "options"}
    assert set(arrays) == set(model.state_dict())   # for other libraries: one tensor for each of OpenAI's names


def test_a_state_in_openais_layout(tmp_path):
    """Only shapes tell the architecture, so heads have 64 features, unless one is told otherwise."""
    tinymm.manual_seed(2)
    model = CLIP(16, 32, 1, 128, 16, 9, 30, 64, 1, 2)
    serialization.save(model.state_dict(), tmp_path / "a.safetensors")
    np.testing.assert_array_equal(logits(CLIP.from_pretrained(tmp_path / "a.safetensors")), logits(model))
    other = CLIP.from_pretrained(tmp_path / "a.safetensors", vision_heads=4, transformer_heads=8, hidden_act="gelu")
    assert other.visual.transformer.resblocks[0].attn.num_heads == 4 and other.transformer.resblocks[0].attn.num_heads == 8
    assert not any(isinstance(module, QuickGELU) for module in other.modules())
    assert np.abs(logits(other) - logits(model)).max() > 1e-4


@pytest.mark.parametrize("eos_token_id", [2, 29])
def test_hugging_faces_layout(tmp_path, eos_token_id):
    """Also with the old files' position_ids."""
    write_hugging_face(tmp_path, eos_token_id, **{"text_model.embeddings.position_ids": np.arange(9)[None]})
    model = CLIP.from_pretrained(tmp_path)
    assert model.eos_token_id == (None if eos_token_id == 2 else 29)
    by_hand = CLIP(**LAYOUT)
    by_hand.load_state_dict(hugging_face_to_openai(hugging_face_state(LAYOUT), LAYOUT))
    np.testing.assert_array_equal(logits(model), logits(by_hand))
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}


def test_precisions(tmp_path):
    whole = hugging_face_state(LAYOUT)
    (tmp_path / "config.json").write_text(json.dumps(hugging_face_config(LAYOUT)))
    rounded = {"F16": {key: a.astype(np.float16).astype(np.float32) for key, a in whole.items()},
               "BF16": {key: (a.view(np.uint32) & 0xFFFF0000).view(np.float32) for key, a in whole.items()}}
    for kind, values in rounded.items():
        if kind == "F16":
            save_file({key: a.astype(np.float16) for key, a in values.items()}, tmp_path / "model.safetensors")
        else:
            write_bf16(tmp_path / "model.safetensors", values)
        model = CLIP.from_pretrained(tmp_path)
        assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}
        for key, array in hugging_face_to_openai(values, LAYOUT).items():
            np.testing.assert_array_equal(model.state_dict()[key].numpy(), array)
    write_hugging_face(tmp_path, dtype=np.float64)
    model = CLIP.from_pretrained(tmp_path)
    assert {p.dtype for p in model.parameters()} == {np.dtype("float64")} and logits(model, np.float64).dtype == np.float64


def test_a_file_that_does_not_fit_is_named_with_tensor_and_shapes(tmp_path):
    write_hugging_face(tmp_path, **{"visual_projection.weight": np.zeros((16, 13), np.float32)})
    with pytest.raises(ValueError, match=r"safetensors: visual_projection.weight is of shape \(16, 13\); .* wants \(16, 12\)"):
        CLIP.from_pretrained(tmp_path)
    state = {key: np.ascontiguousarray(t.numpy()) for key, t in CLIP(**VIT).state_dict().items()}
    path = tmp_path / "openai.safetensors"
    heads = dict(vision_heads=3, transformer_heads=2)
    for change, message in (({"visual.ln_pre.bias": np.zeros(11)}, r"visual.ln_pre.bias has shape \(12,\) here but \(11,\)"),
                            ({"visual.extra": np.zeros(1)}, "unexpected: visual.extra")):
        save_file({**state, **change}, path)
        with pytest.raises(ValueError, match=rf"(?s)openai.safetensors does not fit the model: .*{message}"):
            CLIP.from_pretrained(path, **heads)
    del state["transformer.resblocks.1.mlp.c_fc.bias"]
    save_file(state, path)
    with pytest.raises(ValueError, match="(?s)openai.safetensors .*missing: transformer.resblocks.1.mlp.c_fc.bias"):
        CLIP.from_pretrained(path, **heads)


MEMORY = """
import sys
from tinymm import functional as F
from tinymm.models.clip import CLIP
from tinymm import Tensor
import numpy as np

def own():   # KiB of memory that belongs to this process alone
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

F.layer_norm(Tensor(np.ones((2, 2), np.float32)), (2,))   # what the first operation loads
before = own()
model = CLIP.from_pretrained(sys.argv[1])
print((own() - before) * 1024 / sum(p.numel() * 4 for p in model.parameters()))
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads the memory of a process from Linux's /proc")
@pytest.mark.parametrize("layout", ["own", "hugging_face"])
def test_loading_keeps_one_copy_of_the_weights(tmp_path, layout):
    options = {**LAYOUT, "vocab_size": 20_000, "transformer_width": 512, "vision_width": 384, "transformer_layers": 6}   # 140 MB
    if layout == "own":
        CLIP(**options).save_pretrained(tmp_path / "model.safetensors")
    else:
        save_file(hugging_face_state(options, dtype=np.float32), tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps(hugging_face_config(options, 2)))
    found = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    assert 0.9 < float(found.stdout) < 1.2
