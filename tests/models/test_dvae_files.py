"""DALL-E's dVAE from files: OpenAI's names, FLAVA's and ours, and files that do not fit."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.weights.dvae_layout import arrays, decoder_shapes, encoder_shapes, flava_name
from tinymm import Tensor, manual_seed, nn, serialization
from tinymm.models.dalle import DVAE

N_HID, K, N_INIT = 8, 20, 6
X = np.random.default_rng(0).random((2, 3, 16, 24), dtype=np.float32)
ENCODER, DECODER = arrays(encoder_shapes(N_HID, K)), arrays(decoder_shapes(N_HID, K, N_INIT), 1)
BOTH = {**{f"encoder.{key}": a for key, a in ENCODER.items()}, **{f"decoder.{key}": a for key, a in DECODER.items()}}


def by_hand(dtype=np.float32):
    """The model with those weights, each put in its place by name."""
    model = DVAE(K, N_HID, groups=4, n_init=N_INIT).eval()
    model = model.double() if dtype == np.float64 else model
    for half, state in ((model.encoder, ENCODER), (model.decoder, DECODER)):
        half.load_state_dict({re.sub("w$", "weight", re.sub("b$", "bias", key)): Tensor(array.astype(dtype))
                              for key, array in state.items()})
    return model


def write_openai(folder, encoder=ENCODER, decoder=DECODER):
    save_file(encoder, folder / "encoder.safetensors")
    if decoder is not None:
        save_file(decoder, folder / "decoder.safetensors")


def write_flava(folder, **config):
    save_file({flava_name(key): array for key, array in ENCODER.items()}, folder / "model.safetensors")
    said = {"hidden_size": N_HID, "num_blocks_per_group": 2, "num_groups": 4, "vocab_size": K, "input_channels": 3}
    (folder / "config.json").write_text(json.dumps({"model_type": "flava_image_codebook", **said, **config}))


def same(model, other):
    x = Tensor(X.astype(next(other.parameters()).dtype))
    np.testing.assert_array_equal(model.logits(x).detach().numpy(), other.logits(x).detach().numpy())
    np.testing.assert_array_equal(model.decode(model.tokens(x)).detach().numpy(), other.decode(other.tokens(x)).detach().numpy())


def test_openais_names(tmp_path):
    """Two files in a folder, or one with both parts."""
    write_openai(tmp_path)
    model = DVAE.from_pretrained(tmp_path)
    assert not model.training and model.options == by_hand().options
    same(model, by_hand())
    save_file(BOTH, tmp_path / "both.safetensors")
    same(DVAE.from_pretrained(str(tmp_path / "both.safetensors")), by_hand())


@pytest.mark.parametrize("options", [dict(vocab_size=5, n_hid=4, groups=3, n_init=16, n_blk_per_group=1, channels=1),
                                     dict(vocab_size=7, n_hid=12, groups=1, n_init=3, n_blk_per_group=3, channels=3),
                                     dict(vocab_size=4, n_hid=4, groups=4, n_init=32, n_blk_per_group=2, channels=2)])
def test_what_was_saved_comes_back(tmp_path, options):
    """All arguments follow from the shapes, also where a block needs no id path."""
    manual_seed(1)
    model = DVAE(**options).eval()
    serialization.save(model.state_dict(), tmp_path / "model.safetensors")
    again = DVAE.from_pretrained(tmp_path)
    assert again.options == options and set(again.state_dict()) == set(model.state_dict())
    for key, tensor in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[key].numpy(), tensor.numpy())
    assert again.encoder.blocks.group_1.block_1.post_gain == model.encoder.blocks.group_1.block_1.post_gain


def test_the_published_sizes():
    """The default arguments are those of the released models, tensor for tensor."""
    halves = {"encoder": encoder_shapes(256, 8192), "decoder": decoder_shapes(256, 8192, 128)}
    counts = {part: sum(math.prod(shape) for shape in shapes.values()) for part, shapes in halves.items()}
    assert counts == {"encoder": 53_786_240, "decoder": 43_829_766}
    ours = nn.utils.skip_init(DVAE).state_dict()
    assert {key: t.shape for key, t in ours.items()} == {
        f"{part}.{re.sub('w$', 'weight', re.sub('b$', 'bias', key))}": shape
        for part, shapes in halves.items() for key, shape in shapes.items()}


def test_flavas_names_are_those_of_an_encoder(tmp_path):
    write_flava(tmp_path)
    x, whole = Tensor(X), by_hand()
    for path in (tmp_path, tmp_path / "model.safetensors"):
        model = DVAE.from_pretrained(path)
        np.testing.assert_array_equal(model.logits(x).detach().numpy(), whole.logits(x).detach().numpy())
        assert set(model.state_dict()) == {key for key in whole.state_dict() if key.startswith("encoder.")}
    for use in (lambda: model.decode(model.tokens(x)), lambda: model.loss(x, 1.0, 1.0), lambda: model.nll(x, x)):
        with pytest.raises(RuntimeError, match="model.safetensors holds an encoder only, as FLAVA's codebook does, .* not decoded"):
            use()


def test_precisions(tmp_path):
    write_openai(tmp_path, {key: a.astype(np.float16) for key, a in ENCODER.items()})
    model = DVAE.from_pretrained(tmp_path)
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}
    np.testing.assert_array_equal(model.encoder.blocks.input.weight.detach().numpy(), ENCODER["blocks.input.w"].astype(np.float16))
    write_openai(tmp_path, {key: a.astype(np.float64) for key, a in ENCODER.items()})
    same(DVAE.from_pretrained(tmp_path), by_hand(np.float64))   # both halves, since they work together


# ---------------------------------------------------------------------- files that do not fit

def without(state, part):
    return {key: array for key, array in state.items() if part not in key}


ODD = {
    "another vocabulary": (dict(decoder=arrays(decoder_shapes(N_HID, 21, N_INIT))),
                           r"decoder.safetensors: decoder: blocks.input.w is of shape \(6, 21, 1, 1\) and float32; expected "
                           r"\(6, 20, 1, 1\) of real numbers, for vocab_size=20, n_hid=8, groups=4"),
    "a missing block": (dict(encoder=without(ENCODER, "group_2.block_1")),
                        r"encoder.safetensors: encoder: blocks.group_2.block_1.id_path.w is missing; expected \(16, 8, 1, 1\)"),
    "a missing group": (dict(decoder=without(DECODER, "group_4")),
                        r"decoder: blocks.group_4.block_1.id_path.w is missing; expected \(8, 16, 1, 1\)"),
    "no second blocks": (dict(encoder=without(ENCODER, "block_2")),
                         r"decoder: 32 tensors that a dVAE with .*n_blk_per_group=1.* does not have: blocks.group_1.block_2"),
    "another width": (dict(decoder=arrays(decoder_shapes(12, K, N_INIT))),
                      r"decoder: blocks.group_1.block_1.id_path.w is of shape \(96, 6, 1, 1\) .* expected \(64, 6, 1, 1\)"),
    "transposed": (dict(encoder={**ENCODER, "blocks.output.conv.w": np.ascontiguousarray(ENCODER["blocks.output.conv.w"][..., 0])}),
                   r"safetensors: encoder: blocks.output.conv.w is of shape \(20, 64, 1\); expected \(vocab_size, n_hid \* 2\^"),
    "no power of two": (dict(encoder={**ENCODER, "blocks.output.conv.w": np.zeros((K, 24, 1, 1), np.float32)}),
                        "takes 24 maps and blocks.input gives 8; expected 4 or more of them, doubled by each group"),
    "no first layer": (dict(encoder=without(ENCODER, "input")), "safetensors: encoder: blocks.input.w or .weight is missing"),
    "no numbers": (dict(encoder={}), "blocks.input.w or .weight is missing"),
    "integers": (dict(decoder={**DECODER, "blocks.output.conv.b": np.zeros(6, np.int64)}),
                 r"blocks.output.conv.b is of shape \(6,\) and int64; expected \(6,\) of real numbers"),
    "more": (dict(encoder={**ENCODER, "blocks.extra.w": np.zeros(3, np.float32)}), r"1 tensors that .*: blocks.extra.w \(3,\)"),
    "a block far away": (dict(encoder={**ENCODER, "blocks.group_1.block_1000000000.id_path.w": np.zeros(3, np.float32)}),
                         "block_3.* is missing"),
}


@pytest.mark.parametrize("name", ODD)
def test_files_that_do_not_fit(tmp_path, name):
    files, message = ODD[name]
    write_openai(tmp_path, **files)
    with pytest.raises(ValueError, match=f"(?s)^read_dvae: .*{message}"):
        DVAE.from_pretrained(tmp_path)


@pytest.mark.parametrize("state, message", [
    ({**BOTH, "step": np.zeros(1, np.float32)}, r"one.safetensors: 1 tensors with neither encoder. nor decoder. .*: step \(1,\)"),
    (without(BOTH, "decoder.blocks.input"), "one.safetensors: decoder: blocks.input.w or .weight is missing"),
    (without(BOTH, "encoder."), r"one.safetensors is no dVAE: its tensors are \['decoder.blocks"),
    (DECODER, "one.safetensors: encoder: the kernel of blocks.input is 1 x 1, as a decoder's is; .* give the folder")],
    ids=["one more", "half a decoder", "a decoder with its prefix", "a decoder"])
def test_one_file_that_does_not_fit(tmp_path, state, message):
    """The message says in which part a tensor is wrong, and does not deny the others."""
    save_file(state, tmp_path / "one.safetensors")
    with pytest.raises(ValueError, match=f"(?s)^read_dvae: .*{message}"):
        DVAE.from_pretrained(tmp_path / "one.safetensors")


@pytest.mark.parametrize("config, message", [
    (dict(vocab_size=8192), "config.json: vocab_size is 8192; the tensors beside it have 20; the files are not of one model"),
    (dict(num_groups=3), "num_groups is 3; the tensors beside it have 4"),
    (dict(hidden_size="8"), "hidden_size is '8'; the tensors beside it have 8")])
def test_a_configuration_of_another_codebook(tmp_path, config, message):
    write_flava(tmp_path, **config)
    with pytest.raises(ValueError, match=message):
        DVAE.from_pretrained(tmp_path)


def test_odd_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model.safetensors does not exist; .* holds \[\]"):
        DVAE.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        DVAE.from_pretrained(tmp_path / "nowhere")
    write_openai(tmp_path)
    (tmp_path / "encoder.safetensors").write_bytes((tmp_path / "encoder.safetensors").read_bytes()[:-4])
    with pytest.raises(ValueError, match="encoder.safetensors is not a complete safetensors file"):
        DVAE.from_pretrained(tmp_path)
    (tmp_path / "encoder.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="encoder.safetensors does not exist"):
        DVAE.from_pretrained(tmp_path)
    save_file({"text_projection": np.zeros(2, np.float32)}, tmp_path / "clip.safetensors")
    with pytest.raises(ValueError, match=r"clip.safetensors is no dVAE: its tensors are \['text_projection'\]; expected blocks"):
        DVAE.from_pretrained(tmp_path / "clip.safetensors")


@pytest.mark.parametrize("text", ["{", "3", "null", "[" * 100_000])
def test_a_configuration_that_is_none(tmp_path, text):
    write_flava(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="config.json is no configuration"):
        DVAE.from_pretrained(tmp_path)


def test_a_pickle_is_not_opened(tmp_path):
    """Whatever it holds; it is named, in a folder and by its path, with the line that converts it."""
    (tmp_path / "encoder.pkl").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    for path in (tmp_path, tmp_path / "encoder.pkl"):
        with pytest.raises(ValueError, match=r"encoder.pkl: a pickle may run any code, and is not opened here.*python -c \"import "
                                             r"torch.*torch.load\('.*encoder.pkl', .*encoder.safetensors'\)\"$"):
            DVAE.from_pretrained(path)
    write_openai(tmp_path, decoder=None)
    assert DVAE.from_pretrained(tmp_path).vocab_size == K   # it has been converted
    (tmp_path / "decoder.pkl").write_bytes(b"")
    with pytest.raises(ValueError, match="decoder.pkl: a pickle may run any code"):
        DVAE.from_pretrained(tmp_path)
    flava = tmp_path / "flava"
    flava.mkdir()
    (flava / "pytorch_model.bin").write_bytes(b"PK\x03\x04")
    with pytest.raises(FileNotFoundError, match="python -c \"from transformers import FlavaImageCodebook; FlavaImageCodebook.from"):
        DVAE.from_pretrained(flava)


# ---------------------------------------------------------------------- the judges

@pytest.mark.oracle
def test_what_transformers_writes(tmp_path):
    """Its codebook from a configuration, and from an archive by the line of the message."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.FlavaImageCodebookConfig(hidden_size=8, vocab_size=24, num_blocks_per_group=3)
    theirs = transformers.FlavaImageCodebook(config).eval()
    with torch.no_grad():
        for p in theirs.parameters():
            p.normal_(std=0.2)
        logits = theirs(torch.tensor(0.8 * X + 0.1)).numpy()
    saved, archive = tmp_path / "saved", tmp_path / "archive"
    theirs.save_pretrained(saved)
    archive.mkdir()
    config.save_pretrained(archive)
    torch.save(theirs.state_dict(), archive / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError) as refused:
        DVAE.from_pretrained(archive)
    execute(str(refused.value))
    for folder in (saved, archive):
        model = DVAE.from_pretrained(folder)
        np.testing.assert_allclose(model.logits(Tensor(X)).detach().numpy(), logits, atol=1e-6 * np.abs(logits).max())
        np.testing.assert_array_equal(model.tokens(Tensor(X)).numpy(), logits.argmax(1))


def execute(message):
    """The lines of a message that convert something, as a user would."""
    lines = re.findall(r'python -c "(.*?)"', message)
    assert lines
    for line in lines:
        subprocess.run([sys.executable, "-c", line], check=True, capture_output=True)


@pytest.mark.oracle
def test_the_line_that_converts_a_pickle(tmp_path, monkeypatch):
    """For whole modules, as OpenAI's files are, of a package that the converting Python finds."""
    torch = pytest.importorskip("torch")
    (tmp_path / "whole_modules.py").write_text("import torch\n\nclass Half(torch.nn.Module):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    import whole_modules

    for part, state in (("encoder", ENCODER), ("decoder", DECODER)):
        half = whole_modules.Half()
        for key, array in state.items():
            *path, name = key.split(".")
            owner = half
            for step in path:
                if not hasattr(owner, step):
                    owner.add_module(step, whole_modules.Half())
                owner = getattr(owner, step)
            owner.register_parameter(name, torch.nn.Parameter(torch.tensor(array)))
        torch.save(half, tmp_path / f"{part}.pkl")
    with pytest.raises(ValueError) as refused:
        DVAE.from_pretrained(tmp_path)
    execute(str(refused.value))
    same(DVAE.from_pretrained(tmp_path), by_hand())
