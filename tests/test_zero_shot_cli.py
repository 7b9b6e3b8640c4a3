"""The command zero-shot: both layouts of a model, its numbers, and what a user may get wrong."""

import gzip
import json

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import tinymm
from tests.text.test_clip_tokenizer import openai_lines
from tests.weights.clip_layout import hugging_face_config, hugging_face_state
from tinymm import Tensor, serialization
from tinymm.cli import main
from tinymm.data.readers.clip_pictures import read_clip_picture
from tinymm.models.clip import CLIP
from tinymm.models.clip.zero_shot import ENSEMBLE, zero_shot, zero_shot_weights
from tinymm.text import CLIPTokenizer
from tinymm.text.clip_files import OPENAI_FILE
from tinymm.weights import hugging_face_to_openai

LABELS = ["a dog", "two cats", "snow"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models of the same weights, in Hugging Face's layout and in OpenAI's, and a picture."""
    folder = tmp_path_factory.mktemp("zero_shot")
    tokenizer = CLIPTokenizer.train(["a photo of a dog.", "two cats in the snow"] * 3, 540, context_length=32)
    options = dict(embed_dim=16, image_resolution=16, vision_layers=1, vision_width=64, vision_patch_size=8, context_length=32,
                   vocab_size=tokenizer.vocab_size, transformer_width=64, transformer_heads=1, transformer_layers=1, vision_heads=1,
                   hidden_act="quick_gelu")
    state = hugging_face_state(options)
    for name in ("hf", "openai"):
        (folder / name).mkdir()
        tokenizer.save_pretrained(folder / name)
    save_file(state, folder / "hf" / "model.safetensors")
    (folder / "hf" / "config.json").write_text(json.dumps(hugging_face_config(options)))
    serialization.save({key: Tensor(a) for key, a in hugging_face_to_openai(state, options).items()},
                       folder / "openai" / "model.safetensors")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(folder / "a.png")
    return folder


def probabilities(folder, name, *more, picture=None):
    out, picture = folder / "probabilities.json", picture or folder / "a.png"
    arguments = ["zero-shot", str(picture), "--labels", *LABELS, "--model", str(folder / name), "--json", str(out), *more]
    assert main(arguments) == 0
    return json.loads(out.read_text())[str(picture)]


def test_both_layouts_give_the_same_numbers_and_these_are_the_models(folder, capsys):
    one, other = probabilities(folder, "hf"), probabilities(folder, "openai")
    assert list(one) == LABELS and one == pytest.approx(other, rel=1e-6) and sum(one.values()) == pytest.approx(1, abs=1e-6)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 8 and [line.split(maxsplit=1)[1] for line in printed[1:4]] == sorted(LABELS, key=lambda w: -one[w])
    model, tokenizer = CLIP.from_pretrained(folder / "hf"), CLIPTokenizer.from_pretrained(folder / "hf", 32)
    logits, _ = model(Tensor(read_clip_picture(folder / "a.png", 16)[None]),
                      Tensor(tokenizer.tokenize([f"a photo of a {label}." for label in LABELS])))
    wanted = logits.softmax(-1).detach().numpy()[0]
    assert list(one.values()) == pytest.approx(list(wanted), rel=1e-5)


def test_prompts_and_files_of_labels(folder, capsys):
    plain, ensemble = probabilities(folder, "hf"), probabilities(folder, "hf", "--ensemble")
    assert ensemble != plain
    repeated = [part for template in ENSEMBLE for part in ("--template", template)]
    assert probabilities(folder, "hf", *repeated) == pytest.approx(ensemble, rel=1e-6)
    (folder / "labels.txt").write_text("\n".join(LABELS) + "\n\n", encoding="utf-8-sig")
    capsys.readouterr()
    assert main(["zero-shot", str(folder / "a.png"), "--labels-file", str(folder / "labels.txt"), "--model", str(folder / "hf"),
                 "--top", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [f"  {max(plain.values()):7.4f}  {max(plain, key=plain.get)}"]


def test_the_files_that_openai_published(folder, tmp_path):
    """The weights under a name of their own, with the list of merges beside them."""
    (tmp_path / OPENAI_FILE).write_bytes(gzip.compress("\n".join(openai_lines()).encode(), 1))
    tinymm.manual_seed(1)
    model = CLIP(8, 16, 1, 64, 8, 20, 49_408, 64, 1, 1)
    file = tmp_path / "ViT-tiny.safetensors"
    serialization.save(model.state_dict(), file)
    found = probabilities(tmp_path, ".", picture=folder / "a.png")
    assert found == probabilities(tmp_path, file.name, picture=folder / "a.png")
    logits, _ = model.eval()(Tensor(read_clip_picture(folder / "a.png", 16)[None]), Tensor(
        CLIPTokenizer.from_pretrained(tmp_path, 20).tokenize([f"a photo of a {label}." for label in LABELS])))
    assert list(found.values()) == pytest.approx(list(logits.softmax(-1).detach().numpy()[0]), rel=1e-5)


@pytest.mark.parametrize("change, message", [
    (["--labels", "a dog"], "there must be at least two labels"), (["--labels", "a", "a"], "the label 'a' is there twice"),
    (["--template", "photo"], "has no {}"), (["--template", "{} " + 30 * "a "], "more than context_length=32; shorten it"),
    (["--model", "nowhere"], "does not exist"), (["--top", "0"], "must be at least 1"),
    (["--labels-file", "nowhere.txt"], "nowhere.txt"), (["--ensemble", "--template", "a {}"], "brings its own prompts")])
def test_mistakes_are_explained(folder, change, message, capsys):
    arguments = ["zero-shot", str(folder / "a.png"), "--labels", *LABELS, "--model", str(folder / "hf")]
    assert main(arguments + change) == 2
    assert message in capsys.readouterr().err


def test_wrong_files_are_explained(folder, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no picture")
    assert main(["zero-shot", str(tmp_path / "text.png"), "--labels", *LABELS, "--model", str(folder / "hf")]) == 2
    assert "not a whole, readable picture" in capsys.readouterr().err
    (tmp_path / "labels.txt").write_bytes(b"dog\ncaf\xe9\n")
    assert main(["zero-shot", str(folder / "a.png"), "--labels-file", str(tmp_path / "labels.txt"), "--model",
                 str(folder / "hf")]) == 2
    assert "labels.txt is not UTF-8 (" in capsys.readouterr().err
    for name in ("one", "other"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    assert main(["zero-shot", str(folder / "a.png"), "--labels", *LABELS, "--model", str(tmp_path)]) == 2
    assert "model.safetensors does not exist; " in capsys.readouterr().err
    (tmp_path / "model.safetensors").write_bytes((folder / "openai" / "model.safetensors").read_bytes())
    assert main(["zero-shot", str(folder / "a.png"), "--labels", *LABELS, "--model", str(tmp_path)]) == 2
    assert "needs vocab.json and merges.txt" in capsys.readouterr().err
    CLIPTokenizer.train(["many more words than that, of all kinds and colours"] * 2, 5000).save_pretrained(tmp_path)
    assert main(["zero-shot", str(folder / "a.png"), "--labels", *LABELS, "--model", str(tmp_path)]) == 2
    assert "they are not of one model" in capsys.readouterr().err


@pytest.mark.oracle
def test_the_same_as_transformers(folder, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "hf", 20)
    torch.manual_seed(0)
    config = transformers.CLIPConfig(
        text_config=dict(vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=128, num_hidden_layers=2,
                         num_attention_heads=4, max_position_embeddings=20, eos_token_id=tokenizer.end,
                         bos_token_id=tokenizer.start),
        vision_config=dict(hidden_size=48, intermediate_size=192, num_hidden_layers=2, num_attention_heads=3, image_size=16,
                           patch_size=8), projection_dim=24)
    judge = transformers.CLIPModel(config).eval()
    judge.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    tinymm.manual_seed(0)
    out = tmp_path / "p.json"
    assert main(["zero-shot", str(folder / "a.png"), "--labels", *LABELS, "--model", str(tmp_path), "--json", str(out)]) == 0
    found = list(json.loads(out.read_text()).values())[0]
    texts = transformers.CLIPTokenizer.from_pretrained(tmp_path)([f"a photo of a {label}." for label in LABELS], padding=True,
                                                                 return_tensors="pt")
    picture = read_clip_picture(folder / "a.png", 16)[None]
    with torch.no_grad():
        said = judge(**texts, pixel_values=torch.tensor(picture)).logits_per_image
    np.testing.assert_allclose(list(found.values()), said.softmax(-1)[0].numpy(), rtol=0, atol=1e-5)
    model = CLIP.from_pretrained(tmp_path)
    logits = zero_shot(model, Tensor(picture), zero_shot_weights(model, tokenizer, LABELS)).numpy()
    assert np.ptp(logits) > 1e-2   # or a comparison would say nothing
    np.testing.assert_allclose(logits, said.numpy(), rtol=0, atol=1e-5)
