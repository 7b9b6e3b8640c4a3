"""Published layouts of CLIP: the architecture from shapes and configurations, names, and what is wrong with a file."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.weights.clip_layout import hugging_face_config, hugging_face_state, openai_shapes, zeros
from tinymm.weights import hugging_face_options, hugging_face_to_openai, openai_options, read_clip

OPTIONS = dict(embed_dim=16, image_resolution=24, vision_layers=2, vision_width=12, vision_patch_size=8, context_length=9,
               vocab_size=30, transformer_width=20, transformer_heads=2, transformer_layers=3, hidden_act="gelu", vision_heads=3,
               eos_token_id=None)
# (embed_dim, image_resolution, vision_layers, vision_width, vision_patch_size, text width, text heads) of OpenAI's nine models
PUBLISHED = {"RN50": (1024, 224, (3, 4, 6, 3), 64, None, 512, 8), "RN101": (512, 224, (3, 4, 23, 3), 64, None, 512, 8),
             "RN50x4": (640, 288, (4, 6, 10, 6), 80, None, 640, 10), "RN50x16": (768, 384, (6, 8, 18, 8), 96, None, 768, 12),
             "RN50x64": (1024, 448, (3, 15, 36, 10), 128, None, 1024, 16), "ViT-B/32": (512, 224, 12, 768, 32, 512, 8),
             "ViT-B/16": (512, 224, 12, 768, 16, 512, 8), "ViT-L/14": (768, 224, 24, 1024, 14, 768, 12),
             "ViT-L/14@336px": (768, 336, 24, 1024, 14, 768, 12)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_shapes_tell_the_architecture(name):
    embed, resolution, layers, width, patch, text_width, heads = PUBLISHED[name]
    wanted = dict(embed_dim=embed, image_resolution=resolution, vision_layers=layers, vision_width=width, vision_patch_size=patch,
                  context_length=77, vocab_size=49408, transformer_width=text_width, transformer_heads=heads, transformer_layers=12)
    assert openai_options(zeros(openai_shapes(**wanted))) == wanted


def test_what_shapes_cannot_tell_is_named():
    wanted = {key: OPTIONS[key] for key in list(OPTIONS)[:10]}
    whole = zeros(openai_shapes(**wanted))
    for key, message in (("text_projection", r"text_projection is missing; .*\(width, embed_dim\)"),
                         ("visual.conv1.weight", "visual.conv1.weight is missing"),
                         ("ln_final.weight", "ln_final.weight is missing")):
        with pytest.raises(ValueError, match=f"a file: {message}"):
            openai_options({k: v for k, v in whole.items() if k != key}, "a file")
    with pytest.raises(ValueError, match=r"token_embedding.weight is of shape \(30,\)"):
        openai_options({**whole, "token_embedding.weight": np.zeros(30)})
    with pytest.raises(ValueError, match=r"visual.positional_embedding has 11 positions; .*1 \+ side\^2"):
        openai_options({**whole, "visual.positional_embedding": np.zeros((11, 12))})


# ---------------------------------------------------------------------- Hugging Face

@pytest.mark.parametrize("legacy", [False, True])
def test_a_configuration_tells_the_arguments(legacy):
    config = hugging_face_config(OPTIONS, eos_token_id=2 if legacy else 29)
    assert hugging_face_options(config) == {**OPTIONS, "eos_token_id": None if legacy else 29}


def test_what_a_configuration_leaves_out_has_its_default():
    vit_b_32 = dict(embed_dim=512, image_resolution=224, vision_layers=12, vision_width=768, vision_patch_size=32,
                    context_length=77, vocab_size=49408, transformer_width=512, transformer_heads=8, transformer_layers=12,
                    hidden_act="quick_gelu", vision_heads=12, eos_token_id=49407)
    assert hugging_face_options({}) == hugging_face_options({"text_config": None, "vision_config_dict": None}) == vit_b_32
    older = {"text_config": {"hidden_size": 512}, "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072}}
    assert hugging_face_options(older)["transformer_width"] == 768


@pytest.mark.oracle
def test_defaults_are_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    assert hugging_face_options(transformers.CLIPConfig().to_dict()) == hugging_face_options({})
    assert hugging_face_options(transformers.CLIPConfig().to_diff_dict()) == hugging_face_options({})


@pytest.mark.parametrize("part, key, value, message", [
    ("text_config", "intermediate_size", 81, "text_config.intermediate_size is 81; CLIP here has 80"),
    ("vision_config", "layer_norm_eps", 1e-6, "vision_config.layer_norm_eps is 1e-06; CLIP here has 1e-05"),
    ("vision_config", "num_channels", 1, "vision_config.num_channels is 1; CLIP here has 3"),
    ("vision_config", "hidden_act", "quick_gelu", "vision_config.hidden_act is 'quick_gelu'; CLIP here has 'gelu'"),
    ("text_config", "num_attention_heads", "two", "text_config.num_attention_heads is 'two'; expected an integer")])
def test_a_configuration_of_another_model_is_refused(part, key, value, message):
    config = hugging_face_config(OPTIONS)
    config[part][key] = value
    with pytest.raises(ValueError, match=f"c.json: {message}"):
        hugging_face_options(config, "c.json")


def test_another_kind_of_model_is_refused():
    with pytest.raises(ValueError, match="model_type is 'blip'; expected 'clip'"):
        hugging_face_options({"model_type": "blip"})


def test_every_name_goes_where_it_belongs():
    """Each array of the file is told apart by its values; queries, keys and values stand one below the other."""
    theirs = hugging_face_state(OPTIONS)
    ours = hugging_face_to_openai(theirs, OPTIONS)
    assert {key: array.shape for key, array in ours.items()} == openai_shapes(**{key: OPTIONS[key] for key in list(OPTIONS)[:10]})
    for prefix, tower, layers in (("", "text_model", 3), ("visual.", "vision_model", 2)):
        for i in range(layers):
            old, new = f"{tower}.encoder.layers.{i}", f"{prefix}transformer.resblocks.{i}"
            for kind in ("weight", "bias"):
                parts = np.split(ours[f"{new}.attn.in_proj_{kind}"], 3)
                for part, found in zip("qkv", parts):
                    np.testing.assert_array_equal(found, theirs[f"{old}.self_attn.{part}_proj.{kind}"])
                for name, other in (("attn.out_proj", "self_attn.out_proj"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
                                    ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2")):
                    np.testing.assert_array_equal(ours[f"{new}.{name}.{kind}"], theirs[f"{old}.{other}.{kind}"])
    np.testing.assert_array_equal(ours["visual.proj"], theirs["visual_projection.weight"].T)
    np.testing.assert_array_equal(ours["text_projection"], theirs["text_projection.weight"].T)
    for name, other in (("visual.ln_pre", "vision_model.pre_layrnorm"), ("visual.ln_post", "vision_model.post_layernorm"),
                        ("ln_final", "text_model.final_layer_norm")):
        np.testing.assert_array_equal(ours[f"{name}.weight"], theirs[f"{other}.weight"])
    for name, other in (("visual.conv1", "vision_model.embeddings.patch_embedding"),
                        ("token_embedding", "text_model.embeddings.token_embedding")):
        np.testing.assert_array_equal(ours[f"{name}.weight"], theirs[f"{other}.weight"])
    np.testing.assert_array_equal(ours["visual.positional_embedding"], theirs["vision_model.embeddings.position_embedding.weight"])
    np.testing.assert_array_equal(ours["positional_embedding"], theirs["text_model.embeddings.position_embedding.weight"])
    np.testing.assert_array_equal(ours["visual.class_embedding"], theirs["vision_model.embeddings.class_embedding"])


def test_positions_as_numbers_are_no_weights():
    theirs = hugging_face_state(OPTIONS)
    ids = {f"{tower}_model.embeddings.position_ids": np.arange(n)[None] for tower, n in (("text", 9), ("vision", 10))}
    assert set(hugging_face_to_openai({**theirs, **ids}, OPTIONS)) == set(hugging_face_to_openai(theirs, OPTIONS))


def test_what_does_not_fit_is_named():
    theirs = hugging_face_state(OPTIONS)
    key = "text_model.encoder.layers.1.self_attn.k_proj.weight"
    with pytest.raises(ValueError, match=rf"f: {key} is missing; .* wants \(20, 20\)"):
        hugging_face_to_openai({k: v for k, v in theirs.items() if k != key}, OPTIONS, "f")
    with pytest.raises(ValueError, match=rf"f: {key} is of shape \(20, 19\); .* wants \(20, 20\)"):
        hugging_face_to_openai({**theirs, key: np.zeros((20, 19))}, OPTIONS, "f")
    with pytest.raises(ValueError, match="f: 16 tensors that this configuration .* text_model.encoder.layers.2.self_attn"):
        hugging_face_to_openai(theirs, {**OPTIONS, "transformer_layers": 2}, "f")


# ---------------------------------------------------------------------- files

def test_the_layout_is_told_from_the_names(tmp_path):
    theirs, wanted = hugging_face_state(OPTIONS), hugging_face_to_openai(hugging_face_state(OPTIONS), OPTIONS)
    save_file(theirs, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(hugging_face_config(OPTIONS)))
    for path in (tmp_path, tmp_path / "model.safetensors", str(tmp_path)):
        file, options, state = read_clip(path)
        assert file == tmp_path / "model.safetensors" and options == OPTIONS and set(state) == set(wanted)
    save_file({**{key: np.ascontiguousarray(a) for key, a in wanted.items()}, "context_length": np.asarray(9),
               "input_resolution": np.asarray(24), "vocab_size": np.asarray(30)}, tmp_path / "openai.safetensors")
    file, options, state = read_clip(tmp_path / "openai.safetensors")
    assert options["vision_layers"] == 2 and set(state) == set(wanted)
    for key, array in wanted.items():
        np.testing.assert_array_equal(state[key], array)


def test_files_that_are_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="model.safetensors does not exist; .* holds \\[\\]"):
        read_clip(tmp_path)
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        read_clip(tmp_path / "nothing")
    (tmp_path / "ViT-B-32.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match="ViT-B-32.pt is an archive of PyTorch's; convert it"):
        read_clip(tmp_path / "ViT-B-32.pt")
    save_file({"weight": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other.safetensors has neither .* first tensors are \['weight'\]"):
        read_clip(tmp_path / "other.safetensors")
    save_file(hugging_face_state(OPTIONS), tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="config.json does not exist"):
        read_clip(tmp_path)
    for text, message in (("{", "config.json is not JSON"), ("[1]", "config.json holds a list; expected an object")):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match=message):
            read_clip(tmp_path)
