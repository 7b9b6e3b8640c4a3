"""Lecture 2 at smoke scale: its report and pictures, its measurements by hand, captions for other pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.experiments.coco_folder import metrics_on_real_photographs, real_photographs
from tinymm import nn, no_grad
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.worlds.digit_scenes import DIGITS, LAYOUTS, DigitScenes
from tinymm.data.worlds.sprite_scenes import SpriteScenes
from tinymm.data.worlds.sprites import COLOURS, SHAPES
from tinymm.experiments.captioning.captioner import Captioner
from tinymm.experiments.captioning.likelihood import nats, unigram_entropy
from tinymm.experiments.captioning.parts import Part, scene_part
from tinymm.experiments.captioning.teaching import SPRITE_CLASSES, sprite_answers
from tinymm.experiments.captioning.trained import load_captioner
from tinymm.experiments.lecture_02 import evaluation
from tinymm.experiments.lecture_02.claims import claims_of, comparisons
from tinymm.experiments.lecture_02.data import DIGIT_CLASSES, digit_answers, noisy_parts, sprite_parts
from tinymm.experiments.lecture_02.experiment import ShowAndTell
from tinymm.experiments.lecture_02.systems import OPTIONS
from tinymm.models.show_and_tell import ShowTell
from tinymm.text import Vocabulary


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_02")
    assert main(["lecture", "2", "--scale", "smoke", "--out", str(out)]) == 0
    return out


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 2, "variant": "usual", "scale": "smoke", "seed": 0}.items() <= report.items()
    assert len(report["claims"]) == 11 and report["claims"][0]["verdict"] == "holds"   # the first loss; the rest takes training
    metrics = report["metrics"]
    assert set(metrics["captions"]) == set(metrics["levels"]) == {"test", "novel", "sketch"}
    assert set(metrics["beams"]) == {"1", "2", "3", "5", "10", "20"} and set(metrics["sizes"]) == {"50", "200", "400"}
    assert all(sum(shares.values()) == pytest.approx(1) for shares in metrics["levels"].values())
    assert len(metrics["novelty"]["novel"]["example"]["sentences"]) == 15
    assert 0.5 < metrics["people"]["test"]["BLEU-1"] < 1 and metrics["vocabulary"] == 37
    assert {p.name for p in finished.glob("*.png")} == set(report["pictures"]) == {
        "learning.png", "captions.png", "beam_tree.png", "beam_widths.png", "levels.png", "levels_by_world.png", "sizes.png"}


def test_a_users_picture_is_captioned(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene = SpriteScenes("test", 1)[0]
    Image.fromarray(255 - scene.image.transpose(1, 2, 0)).resize((200, 200)).save("mine.png")   # on light paper
    assert main(["caption", "mine.png", "--model", str(finished), "--n-best", "2", "--beam", "4"]) == 0
    out, err = capsys.readouterr()
    assert "inverted" in err and "one or two coloured sprites" in err and float(out.splitlines()[0].split()[0]) < 0
    captioning = load_captioner(finished)
    image, notes = captioning.read("mine.png", invert=False)
    assert image.shape == (3, 40, 40) and len(notes) == 1
    what, figure = captioning.explain(image, [])
    assert what == "beam" and any("<start>" in text.get_text() for text in figure.axes[0].texts)


def test_a_run_can_be_resumed_between_its_stages(tmp_path):
    def stages(folder, resume):
        manual_seed(0)
        experiment = ShowAndTell("every_step", "smoke", epochs=1)
        experiment.prepare()
        for stage in experiment.stages(folder, False):
            yield stage.fit(resume)["loss"]

    whole = list(stages(tmp_path / "whole", False))
    first = stages(tmp_path / "stopped", False)
    next(first), next(first)
    first.close()
    assert list(stages(tmp_path / "stopped", True)) == whole and len(whole) == 3


@pytest.mark.slow
@pytest.mark.parametrize("variant, pictures", [("slide", 6), ("every_step", 6), ("digits", 5)])
def test_the_other_variants_run(variant, pictures, tmp_path):
    assert main(["lecture", "2", "--scale", "smoke", "--variant", variant, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["pictures"]) == pictures and report["claims"][0]["verdict"] == "holds"
    assert ("against attention" in report["metrics"]) == (variant == "digits")
    assert load_captioner(tmp_path).captioner.decoder.image == ("every" if variant == "every_step" else "once")


@real_photographs
def test_the_real_photographs(tmp_path):
    assert metrics_on_real_photographs(2, tmp_path)["people"]["test"]["BLEU-1"] > 0.3


def test_wrong_commands_are_explained(tmp_path, capsys):
    assert main(["lecture", "2", "--variant", "literal"]) == 2
    assert "choose from usual, slide, every_step, digits" in capsys.readouterr().err
    assert main(["lecture", "2", "--variant", "digits", "--data", "coco", "--root", str(tmp_path)]) == 2
    assert "the variant digits compares models on lecture 4's scenes" in capsys.readouterr().err


# ---------------------------------------------------------------------- data

def test_pretraining_scenes_are_training_scenes_without_captions_of_their_own():
    counts = {"train": 30, "validation": 5, "test": 5, "novel": 5, "sketch": 5}
    parts, pretraining = sprite_parts(counts, 20, seed=1)
    world = SpriteScenes("train", 50, 1)
    assert [s.sprites for s in pretraining.scenes] == [s.sprites for s in world.scenes[:20]]
    assert [s.sprites for s in parts["train"].scenes] == [s.sprites for s in world.scenes[20:]]
    np.testing.assert_array_equal(parts["train"].images([0])[0], world.images()[20])
    np.testing.assert_array_equal(pretraining.images([3])[0], world.images()[3])
    assert {name: len(part) for name, part in parts.items()} == counts


def test_answers_about_scenes():
    part = scene_part(SpriteScenes("train", 60).scenes)
    answers = sprite_answers(part)
    for scene, row in zip(part.scenes, answers):
        assert [list(SHAPES)[row[0]], list(COLOURS)[row[1]]] == [scene.sprites[0].shape, scene.sprites[0].colour]
        assert (row[3] == len(SHAPES)) == (len(scene.sprites) == 1) == (row[6] == 0)
    assert (answers < SPRITE_CLASSES).all() and (answers >= 0).all()
    part = scene_part(DigitScenes("train", 60).scenes)
    answers = digit_answers(part)
    for scene, row in zip(part.scenes, answers):
        assert [d.label for d in scene.digits] == [x for x in row[[0, 2, 4]] if x < len(DIGITS)]
        rows = LAYOUTS[row[6]]
        assert sum(rows) == len(scene.digits) and (rows[0] > 1) == (scene.digits[0].relation == "left of")
    assert (answers < DIGIT_CLASSES).all() and (answers >= 0).all()


def test_noisy_parts_have_one_sentence_and_what_people_say():
    parts = noisy_parts(20, 10, seed=0)
    assert all(len(of_picture) == 1 for name in ("train", "test") for of_picture in parts[name].captions)
    assert [s.sprites for s in parts["test"].scenes] == [s.sprites for s in parts["test_people"].scenes]
    assert all(len(of_picture) == 5 for of_picture in parts["test_people"].captions)


# ---------------------------------------------------------------------- measurements, by hand

def test_neighbours_and_their_precision():
    vocabulary = Vocabulary(["red", "blue", "green", "star", "heart"])
    vectors = np.zeros((9, 3))
    vectors[4:] = [[1, 0, 0], [2, .2, 0], [3, 0, .3], [0, 1, 0], [0, 5, 1]]
    vectors[:4] = [[1, 0, 0]] * 4   # special words are no neighbours
    assert evaluation.neighbours(vectors, vocabulary, "red", 2) == ["blue", "green"]   # cosines .9950 and .9950: ids decide
    assert evaluation.neighbours(vectors, vocabulary, "star", 1) == ["heart"]
    assert evaluation.precision(vectors, vocabulary, ["red", "blue", "green"], 2) == 1
    assert evaluation.precision(vectors, vocabulary, ["star", "heart", "not there"], 2) == 0.5


def test_the_entropy_of_words():
    vocabulary = Vocabulary.build([["a"], ["a", "b"]])   # targets: a 2, b 1, <end> 2
    p = np.array([2, 1, 2]) / 5
    assert unigram_entropy(vocabulary) == pytest.approx(-(p * np.log(p)).sum())


def test_nats_are_those_of_the_search():
    manual_seed(3)
    part = scene_part(SpriteScenes("train", 4).scenes)
    vocabulary = Vocabulary.build(part.tokens())
    a = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    captioner = Captioner(nn.Identity(), ShowTell(6, len(vocabulary), 8, 8), Vocabulary.start)
    with no_grad():
        captioner.decoder.W_d.bias[[vocabulary.pad, vocabulary.start, vocabulary.unknown]] = -30   # no sentence has these words
        captioner.decoder.W_d.bias[vocabulary.end] = 1   # and each has an end
    found = captioner.search(a, 40, n_best=40)
    said = [[vocabulary.decode(h.tokens) for h in of_picture if h.finished] for of_picture in found]
    spent, words = nats(captioner, vocabulary, Part(said, None), a)
    finished = [h for of_picture in found for h in of_picture if h.finished]
    assert words == sum(len(h.tokens) + 1 for h in finished)   # with their ends
    assert max(len(h.tokens) for h in finished) > 1
    assert spent == pytest.approx(-sum(h.log_prob for h in finished), rel=1e-5)


@pytest.mark.parametrize("variant", OPTIONS)
def test_options_say_whether_words_have_a_projection(variant):
    captioner = ShowAndTell.build(3, (40, 40), 20, variant)
    assert OPTIONS[variant].projection == (captioner.decoder.W_d is not None)


def test_the_first_claim_is_about_what_an_untrained_model_pays():
    """ln |V| without a projection, else the entropy of the words."""
    loss = {"untrained nats a word": np.log(37), "entropy of the words": 2.5}
    for variant in ("slide", "usual"):
        claim, = claims_of(OPTIONS[variant], {"loss": loss, "vocabulary": 37})
        assert claim.holds == (variant == "slide")


def test_claims_between_variants():
    metrics = lambda bleu, nats: {"captions": {"test": {"BLEU-4": bleu}}, "loss": {"test nats a word": nats}}
    claims = comparisons({"usual": metrics(0.9, 0.2), "every_step": metrics(0.95, 0.2), "slide": metrics(0.5, 0.6)})
    assert [claim.holds for claim in claims] == [False, True]
    assert claims[0].measured == pytest.approx(-0.05) and claims[1].measured == pytest.approx(0.4)
    assert comparisons({"usual": metrics(0.9, 0.2)}) == []
