"""Lecture 9 on photographs with captions: a small dataset in COCO's layout, and real photographs."""

import dataclasses
import json

import numpy as np
import pytest

from tests.experiments.coco_folder import COLOURS, metrics_on_real_photographs, real_photographs, write_coco
from tinymm.cli import main
from tinymm.experiments.lecture_09 import photographs
from tinymm.experiments.lecture_09.photographs import MOST, SIZES, photo_setting
from tinymm.models.dalle import PAD

SIZE = SIZES["smoke"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    write_coco(folder, 24)
    return folder


def setting(root, **sizes):
    return photo_setting("coco", str(root), "default", "smoke", dataclasses.replace(SIZE, **sizes), 0, "cpu")


def test_parts(root, monkeypatch):
    monkeypatch.setattr(photographs, "CHUNK", 5)   # read in several pieces
    found = setting(root)
    assert {name: len(part) for name, part in found.parts.items()} == {"train": 18, "validation": 3, "test": 3}
    for part in found.parts.values():
        assert part.images.dtype == np.uint8 and part.images.shape[1:] == (3, 32, 32) and part.contents is None
        for image, caption in zip(part.images, part.captions):
            name = next(name for name in COLOURS if name in caption)
            assert caption == f"a {name} picture" and image.mean((1, 2)) == pytest.approx(np.add(COLOURS[name], 15), abs=6)
    every = np.concatenate([part.images for part in found.parts.values()])
    assert len(np.unique(every.reshape(24, -1), axis=0)) == 24   # no photograph is in two parts
    monkeypatch.setitem(MOST, "smoke", {"train": 7, "validation": 2, "test": 1})
    few = setting(root)
    assert {name: len(part) for name, part in few.parts.items()} == {"train": 7, "validation": 2, "test": 1}
    np.testing.assert_array_equal(few.parts["train"].images, found.parts["train"].images[:7])
    assert few.parts["train"].captions == found.parts["train"].captions[:7]


def test_long_captions_are_cut_and_said_so(root, capsys):
    whole = setting(root)
    assert "cut" not in capsys.readouterr().out
    ids = whole.text(["a red picture"])[0]
    length = int((ids != PAD).sum())
    short = setting(root, text_length=length - 1)
    said = capsys.readouterr().out
    assert f"24 captions have more than {length - 1} tokens, start and end included, and are cut; the longest has {length}" in said
    text = short.text(["a red picture"])
    assert text.shape == (1, length - 1) and text[0].tolist() == [*ids[:length - 2], whole.tokenizer.end]
    with pytest.raises(ValueError, match=f"'a red picture'.*{length}.*context_length={length - 1}"):
        dataclasses.replace(short, cut=False).text(["a red picture"])


@pytest.mark.parametrize("variant", ["default", pytest.param("beta0", marks=pytest.mark.slow),
                                     pytest.param("dense", marks=pytest.mark.slow),
                                     pytest.param("shuffled", marks=pytest.mark.slow)])
def test_photographs_take_the_path(root, tmp_path, variant):
    assert main(["lecture", "9", "--variant", variant, "--scale", "smoke", "--data", "coco", "--root", str(root), "--out",
                 str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    metrics = report["metrics"]
    assert report["claims"] == [] and report["data"] == "coco" and "judge" not in metrics | metrics["dvae"]
    assert metrics["photographs"] == {"train": 18, "validation": 3, "test": 3}
    drawn = {"reconstructions.png", "usage.png", "gap.png"}
    if variant == "beta0":
        assert 0 < metrics["beta0"]["codes"] <= SIZE.codes and "transformer" not in metrics
    else:
        drawn |= {"masks.png", "validation.png", "losses.png", "cost.png"}
        assert metrics["transformer"]["image CE"] < 2 * np.log(SIZE.codes) and metrics["transformer"]["codes"] == SIZE.codes
        assert len(metrics["cost"]["cached"]) == SIZE.grid[0] * SIZE.grid[1] - 1
    assert {p.name for p in tmp_path.glob("*.png")} == drawn | ({"reranked.png"} if variant == "default" else set())


def test_what_is_measured_by_hand(root):
    """The dVAE's error beside the mean training photograph's, captions of others, and the samples in CLIP's order."""
    from tinymm import Tensor, manual_seed, no_grad
    from tinymm.experiments.clip_stage import pictures
    from tinymm.experiments.lecture_09.data import enlarged
    from tinymm.experiments.lecture_09.systems import Trained, build_clip, build_dvae, build_transformer
    from tinymm.models.dalle import dalle_loss

    given = setting(root)
    manual_seed(0)
    dvae, model, clip = build_dvae(SIZE), build_transformer(SIZE, len(given.tokenizer)), build_clip(SIZE, len(given.tokenizer))
    for p in model.parameters():
        if p.ndim > 1:
            p.data[...] = p.data * 4   # so that captions matter to a model that has learnt nothing
    trained = Trained({"default": dvae.eval()}, model.eval(), clip.eval())
    found = photographs.evaluate(given, trained)
    test, x = given.parts["test"], Tensor(given.parts["test"].pixels())
    with no_grad():
        z = dvae.tokens(x)
        again = dvae.decode(z)
        raster = z.reshape(3, -1)
        losses = [float(dalle_loss(*model(y, raster), y, raster)[2]) for y in
                  (Tensor(given.text(said)) for said in (test.captions, test.captions[1:] + test.captions[:1]))]
    assert found.metrics["dvae"]["MSE"] == pytest.approx(float(((again - x)**2).mean()), rel=1e-4)
    mean = given.parts["train"].images.mean(0) / 255
    assert found.metrics["dvae"]["mean picture's MSE"] == pytest.approx(((x.numpy() - mean)**2).mean(), rel=1e-4)
    measured = found.metrics["transformer"]
    assert [measured["image CE"], measured["image CE, another's caption"]] == pytest.approx(losses, rel=1e-5)
    assert len({caption for caption in test.captions}) == 2 and losses[0] != pytest.approx(losses[1], rel=1e-5)
    np.testing.assert_array_equal(found.originals, test.pixels())
    np.testing.assert_allclose(found.reconstructed["default"], again.numpy(), atol=1e-6)
    assert found.usage["default"].sum() == 3 * 64 and found.captions == test.captions and found.unseen == [False] * 3
    assert found.candidates.shape == (3, SIZE.candidates, 3, 32, 32)
    np.testing.assert_array_equal(found.ours, found.candidates[:, 0])
    with no_grad():
        images = pictures(enlarged(found.candidates.reshape(-1, 3, 32, 32), SIZE.clip_pixels))
        _, logits = clip(images, Tensor(given.ids(test.captions)))
    for i, order in enumerate(found.order):
        of_caption = logits.numpy()[i].reshape(3, -1)[i]
        assert (np.diff(of_caption[order]) <= 1e-4).all()


def test_too_few_photographs(tmp_path):
    write_coco(tmp_path, 2)
    with pytest.raises(ValueError, match="lecture 9: coco in .* has 2 captioned pictures; it takes at least 3"):
        setting(tmp_path)


@real_photographs
def test_the_real_photographs(tmp_path):
    metrics = metrics_on_real_photographs(9, tmp_path)
    assert metrics["photographs"] == {"train": 22, "validation": 3, "test": 3}
    assert metrics["dvae"]["MSE"] < 0.1 and 0 < metrics["transformer"]["image CE"] < 2 * np.log(SIZE.codes)
