"""The command generate with a run of lecture 9: samples of its own models, the best by its own CLIP, and what is refused."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tinymm import Tensor, manual_seed, nn, no_grad
from tinymm.backend.random import Stream
from tinymm.cli import main
from tinymm.data.worlds.grounded_sprites import GroundedSprites
from tinymm.experiments import running
from tinymm.experiments.clip_stage import pictures
from tinymm.experiments.lecture_09.data import Setting, Sizes, enlarged, train_tokenizer
from tinymm.experiments.lecture_09.experiment import ZeroShotTextToImage
from tinymm.experiments.lecture_09.systems import build_clip, build_dvae, build_transformer
from tinymm.experiments.painters import load_painter
from tinymm.models import clip_scores, rerank, sample_images
from tinymm.optim.swa_utils import AveragedModel
from tinymm.train.checkpoint import save_checkpoint
from tinymm.version import __version__

TEXT, OTHER = "a red star on a black ground", "a teal background with a blue heart"
SIZES = Sizes(codes=12, n_hid=8, n_init=8, d_model=16, layers=2, heads=2, clip_width=8, clip_embedding=8, clip_text=8)


def untrained_run(folder: pathlib.Path, variant="default", **report) -> tuple[pathlib.Path, Setting, dict]:
    """The folder of a finished run whose models were never trained, what they read, and the models themselves."""
    manual_seed(0)
    setting = Setting(variant, {}, train_tokenizer(GroundedSprites("train", 240).captions(), SIZES.text_length), SIZES)
    vocabulary = len(setting.tokenizer)
    models = {"dvae": build_dvae(SIZES), "transformer": build_transformer(SIZES, vocabulary, variant)}
    if variant == "default":
        models["clip"] = build_clip(SIZES, vocabulary)
    for model in models.values():
        for p in model.parameters():
            if p.ndim > 1:                             # so that texts and tokens are seen in the pictures
                nn.init.kaiming_normal_(p)
    for stage, model in models.items():
        whole = nn.ModuleDict({"model": build_dvae(SIZES), "ema": AveragedModel(model)}) if stage == "dvae" else model
        save_checkpoint(folder / "checkpoints" / stage, 1, whole.state_dict(), {}, {"config": {
            "hyperparameters": dataclasses.asdict(SIZES), "tokenizer": setting.tokenizer.state_dict()}})
        model.eval()
    said = {"lecture": 9, "variant": variant, "data": None, "tinymm": __version__, "seconds": 1.0, "metrics": {}, "claims": []}
    (folder / "report.json").write_text(json.dumps({**said, **report}))
    return folder, setting, models


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("generate") / "run")


def refused(capsys, *argv) -> str:
    assert main(["generate", *map(str, argv)]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    return err


def samples(setting, models, text, count, seed):
    """Pictures by the models, without the code of the lecture."""
    tokens = sample_images(models["transformer"], Tensor(setting.text([text])), count, generator=Stream("generate", seed))
    with no_grad():
        return models["dvae"].decode(tokens[0]).numpy()


def test_pictures_are_samples_of_the_runs_models(run):
    """The average of the dVAE's weights decodes; every text has the same random numbers, so the texts beside it change nothing."""
    folder, setting, models = run
    painter = load_painter(folder)
    found = painter.drawn([TEXT, OTHER, ""], 3, seed=5)
    assert found.shape == (3, 3, 3, 16, 16) and 0 <= found.min() < found.max() <= 1
    for row, text in zip(found, (TEXT, OTHER, "")):                          # an empty caption is one, too
        np.testing.assert_allclose(row, samples(setting, models, text, 3, 5), atol=1e-5)   # float32, in other chunks
    np.testing.assert_array_equal(painter.drawn([OTHER], 3, seed=5)[0], found[1])
    assert np.abs(found[0] - found[1]).mean() > 1e-3 and np.abs(found - painter.drawn([TEXT, OTHER, ""], 3)).mean() > 1e-3


def test_candidates_are_chosen_by_the_runs_clip(run):
    folder, setting, models = run
    found = load_painter(folder).drawn([TEXT, OTHER], 2, seed=1, candidates=9)
    for row, text in zip(found, (TEXT, OTHER)):
        images = samples(setting, models, text, 9, 1)
        shown = pictures(enlarged(images, SIZES.clip_pixels)).unsqueeze(0)
        best = rerank(clip_scores(models["clip"], shown, Tensor(setting.ids([text]))), 2)[0]
        np.testing.assert_allclose(row, images[best], atol=1e-5)
        assert best.tolist() != [0, 1]                                       # others than without the choice


def test_a_picture_is_written_and_strange_words_are_said(run, tmp_path, capsys):
    out = tmp_path / "a.png"
    assert main(["generate", str(run[0]), TEXT, "A zebra \u6771", "--count", "2", "--candidates", "3", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out == f"4 pictures of 16 x 16 pixels, by lecture 9, variant default: {out}\n" and out.stat().st_size > 1000
    assert said.err == "generate: in no text that it learned from: zebra, \u6771\n"


@pytest.mark.parametrize("arguments, message", [
    (["a red star " * 9], "has 29 tokens with start and end; 16 can be read: shorten it"),
    ([TEXT, "bad\udcff"], "half of a surrogate pair"), ([TEXT, "--to", OTHER], "between two texts there are none"),
    ([TEXT, "--candidates", "513"], "at most 512"),
    ([TEXT, "--count", "4", "--candidates", "3"], "--candidates 3 must be at least --count 4")])
def test_arguments_that_are_refused(run, arguments, message, capsys):
    assert message in refused(capsys, run[0], *arguments)


def test_runs_without_clip_or_without_pictures(tmp_path, capsys):
    folder = untrained_run(tmp_path / "dense", "dense")[0]
    assert load_painter(folder).trained.transformer.kinds == ["full", "full"]
    assert main(["generate", str(folder), TEXT, "--count", "1", "--out", str(tmp_path / "a.png")]) == 0
    assert "variant dense has no CLIP" in refused(capsys, folder, TEXT, "--candidates", "9")
    shutil.rmtree(folder / "checkpoints/transformer")
    assert "holds no trained Transformer; python -m tinymm lecture 9" in refused(capsys, folder, TEXT)
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**report, "variant": "beta0"}))
    assert "variant beta0, which trains dVAEs only" in refused(capsys, folder, TEXT)


@pytest.mark.parametrize("stage, what, size", [("dvae", "dVAE", "codes"), ("transformer", "Transformer", "codes"),
                                               ("clip", "CLIP", "clip_width")])
def test_damaged_checkpoints_are_refused(stage, what, size, tmp_path, capsys):
    folder = untrained_run(tmp_path)[0]
    file = next((folder / "checkpoints" / stage).glob("*/model.safetensors"))
    weights = load_file(file)
    key = next(k for k in weights if not k.startswith("model.") and weights[k].ndim > 1)
    for changed in ({**weights, key: weights[key] * np.nan}, {**weights, key: weights[key][:1]},
                    {k: a for k, a in weights.items() if k != key}):
        save_file({k: np.ascontiguousarray(a) for k, a in changed.items()}, file)
        assert f"holds no {what} of this version" in refused(capsys, folder, TEXT)
    save_file({k: np.ascontiguousarray(a) for k, a in weights.items()}, file)
    state = json.loads((file.parent / "state.json").read_text())
    config = state["config"]
    for wrong in ({}, {**config, "tokenizer": 3}, {**config, "hyperparameters": {"codes": 12, "colours": 6}},
                  {**config, "hyperparameters": {**config["hyperparameters"], size: 16}}):
        (file.parent / "state.json").write_text(json.dumps({**state, "config": wrong}))
        assert f"holds no {what} of this version" in refused(capsys, folder, TEXT)


@pytest.mark.slow
def test_a_finished_lecture_is_drawn_from_again(tmp_path):
    """The samples that the lecture measured, from its folder alone: same captions, same random numbers."""
    from tinymm.experiments.lecture_09.evaluation import draw, ranked

    lecture = ZeroShotTextToImage(scale="smoke")
    lecture.prepare()
    running.run(lecture, tmp_path, progress=False)
    painter, captions = load_painter(tmp_path), lecture.setting.parts["test"].captions[:20]
    assert painter.setting.tokenizer == lecture.setting.tokenizer
    wanted, found = (draw(s, t, captions, 4, "again") for s, t in ((lecture.setting, lecture.trained),
                                                                   (painter.setting, painter.trained)))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_array_equal(ranked(painter.setting, painter.trained, captions, found),
                                  ranked(lecture.setting, lecture.trained, captions, wanted))
