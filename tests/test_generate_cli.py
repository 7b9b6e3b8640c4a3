"""The command generate: its pictures are the run's own, noise and texts are shared as promised, and what a user may get wrong."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from tests.experiments.drawing_run import drawing_run
from tinymm import Tensor, no_grad
from tinymm.cli import main
from tinymm.experiments import running
from tinymm.experiments.lecture_07.embedding import phi_of, text_encoder
from tinymm.experiments.lecture_07.experiment import TextToImage
from tinymm.experiments.lecture_07.gan import build_generator
from tinymm.experiments.painters import load_painter
from tinymm.serialization import load
from tinymm.text.characters import character_numbers

TEXT, TO = "a red star at the top left", "a blue heart at the bottom right"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return drawing_run(tmp_path_factory.mktemp("generate") / "run")


@pytest.fixture(scope="module")
def painter(run):
    return load_painter(run)


def refused(capsys, *argv) -> str:
    assert main(["generate", *map(str, argv)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    return err


def test_pictures_are_those_of_the_runs_networks_in_evaluation_mode(run, painter):
    encoder, G = text_encoder(), build_generator()
    encoder.load_state_dict(load(next((run / "checkpoints/embedding").glob("*/model.safetensors"))))
    weights = load(next((run / "checkpoints/gan").glob("*/model.safetensors")))
    G.load_state_dict({key[2:]: tensor for key, tensor in weights.items() if key.startswith("G.")})
    z, h = painter.noise(3, 5), phi_of(encoder.eval(), character_numbers([TEXT, TO], encoder.length))
    found = painter.pictures([TEXT, TO], z)
    assert found.shape == (2, 3, 3, 16, 16) and 0 <= found.min() < found.max() <= 1
    with no_grad():
        for k in range(2):
            for n in range(3):
                alone = G.eval()(Tensor(z[n:n + 1]), Tensor(h[k:k + 1])).numpy()[0]
                np.testing.assert_allclose(found[k, n], (alone + 1) / 2, atol=1e-5)    # float32, another batch
    assert np.abs(found[:, 0] - found[:, 1]).mean() > 0.01 and np.abs(found[0] - found[1]).mean() > 0.01


def test_noise_is_of_the_seed_and_a_longer_list_begins_with_the_shorter(painter):
    np.testing.assert_array_equal(painter.noise(4, 7)[:2], painter.noise(2, 7))
    assert np.abs(painter.noise(2, 7) - painter.noise(2, 8)).max() > 0.1
    z = painter.noise(400, 0)
    assert z.shape == (400, 32) and abs(z.mean()) < 0.05 and abs(z.std() - 1) < 0.05


def test_strips_lead_from_the_one_text_to_the_other(painter):
    z = painter.noise(2)
    strips, ends = painter.strips(TEXT, TO, 2, steps=5), painter.pictures([TEXT, TO], z)
    assert strips.shape == (2, 5, 3, 16, 16)
    np.testing.assert_allclose(strips[:, 0], ends[0], atol=1e-5)
    np.testing.assert_allclose(strips[:, -1], ends[1], atol=1e-5)
    halves = painter.draw(z, np.repeat(painter.phi([TEXT, TO]).mean(0, keepdims=True), 2, 0))
    np.testing.assert_allclose(strips[:, 2], (halves + 1) / 2, atol=1e-5)


def test_a_picture_is_written_and_its_name_is_the_texts(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", str(run), TEXT, TO, "--count", "3"]) == 0
    said = capsys.readouterr()
    assert said.out == "6 pictures of 16 x 16 pixels, by lecture 7, variant cls: a_red_star_at_the_top_left.png\n" and not said.err
    first = np.asarray(Image.open("a_red_star_at_the_top_left.png"))
    for out, more in (("again.png", []), ("other.png", ["--seed", "1"])):
        assert main(["generate", str(run), TEXT, TO, "--count", "3", "--out", out, *more]) == 0
    assert (np.asarray(Image.open("again.png")) == first).all() and (np.asarray(Image.open("other.png")) != first).any()
    capsys.readouterr()
    assert main(["generate", str(run), TEXT, "--to", TO, "--count", "2", "--out", "strip.png"]) == 0
    assert capsys.readouterr().out.startswith("18 pictures") and np.asarray(Image.open("strip.png")).std() > 1


def test_what_cannot_be_read_or_was_never_read_is_said(run, tmp_path, capsys):
    assert main(["generate", str(run), "a Red café, zebra", "--out", str(tmp_path / "a.png")]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err == ["generate: not among the 70 characters that it reads, and left empty: é",
                   "generate: in no text that it learned from: café, zebra"]
    assert load_painter(run).shown("A Café\n\u6771 x\udcff") == "a caf\ufffd\ufffd\ufffd x\ufffd"
    for odd in ("a\u6771star", "a\nstar", "a\udcffstar", "$x^2$"):    # what a font lacks, or matplotlib takes for a formula
        assert main(["generate", str(run), odd, "--count", "1", "--out", str(tmp_path / "odd.png")]) == 0
    assert "Glyph" not in capsys.readouterr().err


def test_a_run_on_photographs(tmp_path, capsys):
    """Networks of the scale's sizes, captions of 201 characters; its words are not known, so none is called strange."""
    run = drawing_run(tmp_path / "run", variant="int", data="cub", scale="smoke")
    assert main(["generate", str(run), "a zebra " + "and another one " * 10, "--count", "2", "--out", str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("2 pictures of 16 x 16 pixels, by lecture 7, variant int, cub: ") and not said.err
    shutil.rmtree(run / "checkpoints/embedding")
    assert "took phi(t) from the published files of cub" in refused(capsys, run, TEXT)
    drawing_run(run, data="cub", scale="smoke")
    report = json.loads((run / "report.json").read_text())
    (run / "report.json").write_text(json.dumps({**report, "scale": "huge"}))
    assert "scale 'huge', which this version does not have" in refused(capsys, run, TEXT)


def test_a_run_of_stackgan(tmp_path):
    """Both stages, each with its own epsilon: what is drawn hangs on the seed alone, and on every part of the noise."""
    from tinymm.experiments.lecture_07.stackgan import build_generators

    painter = load_painter(drawing_run(tmp_path, variant="stackgan"))
    z, (one, two) = painter.noise(2, 3), build_generators()
    found = painter.pictures([TEXT, TO], z)
    assert found.shape == (2, 2, 3, 32, 32)
    np.testing.assert_array_equal(found, load_painter(tmp_path).pictures([TEXT, TO], z))
    for G, stage in ((one, "stage_one"), (two, "stage_two")):
        weights = load(next((tmp_path / "checkpoints" / stage).glob("*/model.safetensors")))
        G.load_state_dict({key[2:]: tensor for key, tensor in weights.items()})
        G.eval()
    Z, C = one.noise, one.ca_net.condition
    h, z_t = Tensor(painter.phi([TEXT])), Tensor(z[:1])
    with no_grad():
        small = one(z_t[:, :Z], h, z_t[:, Z:Z + C])[0]
        large = two(small, h, z_t[:, Z + C:])[0].numpy()
    np.testing.assert_allclose(found[0, 0], (large[0] + 1) / 2, atol=1e-5)
    for k in (0, Z, Z + C):
        other = z[:1].copy()
        other[0, k] += 1
        assert np.abs(painter.pictures([TEXT], other) - found[:1, :1]).max() > 1e-4


@pytest.mark.slow
def test_a_finished_lecture_is_drawn_from_again(tmp_path):
    """The pictures that the lecture measured, from its folder alone: same sentences, same noise."""
    lecture = TextToImage(scale="smoke")
    lecture.prepare()
    running.run(lecture, tmp_path, progress=False)
    painter, (found, asked) = load_painter(tmp_path), (lecture.measured.images["GAN-CLS"], lecture.measured.questions)
    h = painter.phi(asked.sentences)
    np.testing.assert_allclose(h, asked.h, atol=1e-4)                       # float32, in other chunks
    np.testing.assert_allclose(painter.draw(asked.z, h), found, atol=1e-3)


@pytest.mark.parametrize("arguments, message", [
    ([""], "text 0, '', of length 0, has no character"), ([TEXT, " "], "text 1, ' '"), (["東京"], "no character of the alphabet"),
    (["a" * 65], "has 65 characters; 64 can be read: shorten it"), ([TEXT, "--to", ""], "text 1, ''"),
    ([TEXT, TO, "--to", "a star"], "there are 2 texts; give one"), ([TEXT, "--count", "41"], "at most 40"),
    ([TEXT, "--candidates", "8"], "variant cls has no CLIP that could choose among them; give a run of lecture 9"),
    ([TEXT, "--count", "8", "--candidates", "7"], "--candidates 7 must be at least --count 8"),
    ([TEXT, "--to", TO, "--candidates", "9"], "leave --candidates out"),
    ([TEXT] * 41, "at most 40")])
def test_texts_that_are_refused(run, arguments, message, capsys):
    assert message in refused(capsys, run, *arguments)


def test_folders_that_hold_no_such_run(run, tmp_path, capsys):
    assert "holds no finished run of lecture 7 or 9; python -m tinymm lecture 7 --out" in refused(capsys, tmp_path, TEXT)
    assert "holds no finished run" in refused(capsys, tmp_path / "nowhere", TEXT)
    other = drawing_run(tmp_path / "other", lecture=4)
    assert "is of lecture 4, which draws no pictures" in refused(capsys, other, TEXT)
    (other / "report.json").unlink()
    assert "is not finished; continue it" in refused(capsys, other, TEXT)
    assert "is a file" in refused(capsys, run / "report.json", TEXT)
    drawing_run(tmp_path / "half")
    shutil.rmtree(tmp_path / "half/checkpoints/gan")
    assert "holds no trained generator; python -m tinymm lecture 7 --out" in refused(capsys, tmp_path / "half", TEXT)


@pytest.mark.parametrize("stage, what", [("gan", "generator"), ("embedding", "encoder of texts")])
def test_damaged_networks_are_refused(stage, what, tmp_path, capsys):
    run = drawing_run(tmp_path)
    file = next((run / "checkpoints" / stage).glob("*/model.safetensors"))
    weights = load_file(file)
    key = next(k for k in weights if not k.startswith("D.") and weights[k].ndim > 1)
    for changed in ({**weights, key: weights[key] * np.nan}, {**weights, key: weights[key][:1]},
                    {k: a for k, a in weights.items() if k != key}):
        save_file({k: np.ascontiguousarray(a) for k, a in changed.items()}, file)
        assert f"holds no {what} of this version" in refused(capsys, run, TEXT)
    file.write_bytes(b"x")
    refused(capsys, run, TEXT)
    (file.parent / "state.json").write_text(json.dumps([]))
    refused(capsys, run, TEXT)
