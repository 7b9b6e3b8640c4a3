"""Lecture 4 at smoke scale: its report and pictures, its measurements by hand, captions for other pictures, photographs."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from tests.experiments.coco_folder import metrics_on_real_photographs, real_photographs, write_coco
from tinymm.cli import main
from tinymm.data.worlds.digit_scenes import DigitScenes
from tinymm.data.worlds.digit_windows import WINDOW, digit_windows
from tinymm.experiments.captioning.pairs import CaptionPairs
from tinymm.experiments.captioning.trained import load_captioner
from tinymm.experiments.lecture_04 import evaluation, figures
from tinymm.experiments.lecture_04.claims import claims_of, comparisons
from tinymm.experiments.lecture_04.evaluation import Look
from tinymm.experiments.lecture_04.experiment import ShowAttendAndTell
from tinymm.experiments.lecture_04.figures import boxes_of
from tinymm.experiments.lecture_04.systems import OBJECTIVES, build
from tinymm.text import Vocabulary


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_04")
    assert main(["lecture", "4", "--scale", "smoke", "--out", str(out)]) == 0
    return out


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 4, "variant": "soft", "scale": "smoke", "seed": 0}.items() <= report.items()
    assert len(report["claims"]) == 6 and report["claims"][0]["verdict"] == "holds"   # the first loss; the rest takes training
    metrics = report["metrics"]
    assert set(metrics["captions"]) == {"greedy", "beam 5"} and 0 < metrics["attention"]["chance"] < 0.15
    assert 0 < metrics["people"]["BLEU-4"] < 1 and metrics["vocabulary"] == 30
    assert {p.name for p in finished.glob("*.png")} == {"learning.png", "captions.png", "coverage.png", "gates.png", "pointing.png",
                                                        "attention_1.png", "attention_2.png", "attention_3.png"}
    assert set(report["pictures"]) == {p.name for p in finished.glob("*.png")}


def test_a_users_picture_is_captioned(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scene = DigitScenes("test", 1)[0]
    Image.fromarray(255 - scene.image).resize((240, 240)).convert("RGB").save("mine.jpg")   # dark ink on paper
    assert main(["caption", "mine.jpg", "--model", str(finished), "--n-best", "2"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) in (2, 3) and float(lines[0].split()[0]) < 0 and "taken for dark ink on paper, and inverted" in err
    captioning = load_captioner(finished)
    image, _ = captioning.read("mine.jpg")
    assert image.shape == (1, 48, 48) and np.corrcoef(image.ravel(), scene.image.ravel())[0, 1] > 0.95
    assert np.allclose(captioning.read("mine.jpg", invert=False)[0], 1 - image)
    (words, log_prob), = captioning.captions(image, beam_size=3)
    if words:
        part = evaluation.Part([[words]], lambda rows: image[None])
        one, = evaluation.look(captioning.captioner, captioning.vocabulary, part)
        assert one.nats == pytest.approx(-log_prob, rel=1e-4)   # search and teacher forcing agree on the sentence
        what, figure = captioning.explain(image, words)
        assert what == "attention" and len(figure.axes) == 1 + len(words)


def test_a_wrong_picture_or_model_is_explained(finished, tmp_path, capsys):
    (tmp_path / "text.png").write_text("not a picture")
    assert main(["caption", str(tmp_path / "text.png"), "--model", str(finished)]) == 2
    assert "not a whole, readable picture" in capsys.readouterr().err
    assert main(["caption", str(tmp_path / "text.png"), "--model", str(tmp_path)]) == 2
    assert "holds no trained captioner; python -m tinymm lecture 4 --out" in capsys.readouterr().err
    assert main(["caption", "x.png", "--model", str(finished), "--beam", "0"]) == 2
    assert "must be at least 1" in capsys.readouterr().err


def test_wrong_commands_are_explained(tmp_path, capsys):
    assert main(["lecture", "4", "--variant", "medium"]) == 2
    assert "choose from soft, hard, doubly_stochastic" in capsys.readouterr().err
    assert main(["lecture", "4", "--variant", "help"]) == 0
    assert "hard attention, by REINFORCE" in capsys.readouterr().out
    assert main(["lecture", "4", "--data", "coco"]) == 2
    assert "needs both its name (--data) and its folder (--root)" in capsys.readouterr().err
    assert main(["lecture", "4", "--data", "coco", "--root", str(tmp_path)]) == 2
    assert "there is no captions_*.json in" in capsys.readouterr().err
    assert main(["lecture", "4", "--data", "imagenet", "--root", str(tmp_path)]) == 2
    assert "it reads coco, karpathy, flickr8k, flickr30k" in capsys.readouterr().err


# ---------------------------------------------------------------------- measurements, by hand

GRID, PICTURE = (6, 6), (48, 48)


def test_the_cells_of_a_box_have_their_centres_in_it():
    cells = evaluation.cells_of((4, 12, 13, 28), GRID, PICTURE).reshape(GRID)   # centres at 4, 12, 20, ...
    assert np.argwhere(cells).tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]


def look_at(cell: int, words, picture=0) -> Look:
    alpha = np.full((len(words), 36), 0.4 / 35)
    alpha[:, cell] = 0.6
    return Look(picture, tuple(words), alpha, np.linspace(0, 1, len(words)), 1.0)


def test_pointing_counts_hits_of_the_named_digit():
    scene = DigitScenes("train", 1)[0]
    first, second = (np.flatnonzero(evaluation.cells_of(d.box, GRID, PICTURE)) for d in scene.digits[:2])
    words = ["zero", "and", "nine"]
    on_first = evaluation.pointing([look_at(first[0], words)], [scene], GRID)
    assert on_first.accuracy == 0.5 and on_first.by_place[:2] == (1.0, 0.0) and math.isnan(on_first.by_place[2])
    assert on_first.mentions == 2
    assert on_first.mass == pytest.approx((0.6 + (len(first) - 1) * 0.4 / 35 + len(second) * 0.4 / 35) / 2)
    assert on_first.chance == pytest.approx((len(first) + len(second)) / 72)
    assert evaluation.pointing([look_at(second[0], words)], [scene], GRID).by_place[:2] == (0.0, 1.0)
    more = ["one"] * (len(scene.digits) + 1)   # it names one digit too many: a miss
    assert evaluation.pointing([look_at(first[0], more)], [scene], GRID).accuracy <= 1 / len(more)


def test_the_picture_of_where_it_looks_counts_as_pointing_does():
    scene = DigitScenes("train", 1)[0]
    first, second = (np.flatnonzero(evaluation.cells_of(d.box, GRID, PICTURE)) for d in scene.digits[:2])
    looks = {"all": [look_at(first[0], ["zero"])], "half": [look_at(second[0], ["zero", "and", "nine"])], "silent": []}
    titles = [axes.get_title() for axes in figures.landing(looks, [scene], GRID).axes]
    assert titles == ["all\n100.0 % of 1 on the digit", "half\n50.0 % of 2 on the digit", "silent\nno mentions"]
    dots = figures.landing(looks, [scene], GRID).axes[1].lines
    assert [len(line.get_xdata()) for line in dots] == [1, 1]   # on the digit, and beside it


def test_boxes_follow_the_digit_words():
    scene = DigitScenes("train", 1)[0]
    boxes = boxes_of(look_at(0, ["a", "zero", "left", "of", "nine", "one", "two"]), scene)
    wanted = [d.box for d in scene.digits] + [None] * 2
    assert boxes == [None, wanted[0], None, None, wanted[1], wanted[2] if len(scene.digits) > 2 else None, None]


def test_gates_are_averaged_over_kinds_of_words():
    found = evaluation.betas([look_at(0, ["a", "small", "one"])])
    assert found == {"content words": 0.75, "function words": 0.0, "by word": {"one": 1.0, "small": 0.5, "a": 0.0}}


def test_coverage_is_the_mean_sum_of_the_attention():
    even = Look(0, ("a", "b"), np.full((2, 4), 0.25), np.ones(2), 1.0)
    sharp = Look(0, ("a", "b"), np.eye(4)[[1, 1]], np.ones(2), 1.0)
    total, entropy = evaluation.coverage([even, sharp])
    np.testing.assert_allclose(total, [0.25, 1.25, 0.25, 0.25])
    assert entropy == pytest.approx(np.log(4) / 2)


def test_true_sentences_are_told_from_false_ones():
    scene = DigitScenes("train", 1)[0]
    for caption in scene.captions:
        assert evaluation.is_true(caption.words, scene) and evaluation.says_the_digits(caption.words, scene)
        wrong = ["one" if w == "zero" else w for w in caption.words]
        assert not evaluation.is_true(wrong, scene) and not evaluation.says_the_digits(wrong, scene)


def test_pairs_are_time_first_and_padded():
    vocabulary = Vocabulary(["a", "b"])
    pairs = CaptionPairs([[["a"]], [["b", "a"], ["b"]]], vocabulary, vocabulary.pad)
    pictures, y, targets = pairs.batch([1, 0])
    assert pictures.tolist() == [1, 0] and pairs.lengths.tolist() == [2, 3, 2]
    assert targets.numpy().T.tolist() == [[5, 4, 2], [4, 2, 0]]
    assert y.numpy().T.tolist() == [[0, 5, 4], [0, 4, 0]]   # after the end there is no word
    assert CaptionPairs([[["a"]]], vocabulary, vocabulary.start).batch([0])[1].numpy().T.tolist() == [[1, 4]]


def test_windows_hold_one_digit_of_the_right_size():
    images, classes = digit_windows("validation", 300, seed=1)
    again, _ = digit_windows("validation", 300, seed=1)
    assert (images == again).all() and images.shape == (300, 1, WINDOW, WINDOW) and set(classes) == set(range(20))
    extent = [np.ptp(np.flatnonzero(image[0].any(1))) + 1 for image in images]
    assert max(e for e, c in zip(extent, classes) if c < 10) <= 12 and max(extent) <= 18
    assert np.mean([e for e, c in zip(extent, classes) if c >= 10]) > np.mean([e for e, c in zip(extent, classes) if c < 10]) + 3


# ---------------------------------------------------------------------- claims

def test_claims_can_fail():
    points = lambda accuracy: {"accuracy": accuracy, "mass": accuracy}
    metrics = lambda good: {
        "loss": {"first nats a word": np.log(30) + 0.5 * (1 - good)}, "vocabulary": 30,
        "captions": {"beam 5": {"BLEU-4": 0.95 * good}},
        "attention": {"given captions": points(good), "generated captions": points(good)},
        "beta": {"function words": 0.5, "content words": 0.2 + 0.5 * good},
        "gradient variance": {"with baseline": 2.0 - good, "without": 1.5}}
    for variant, count in (("soft", 6), ("hard", 6), ("doubly_stochastic", 5)):
        for good in (1.0, 0.0):
            claims = claims_of(OBJECTIVES[variant], metrics(good))
            assert len(claims) == count and all(claim.holds == bool(good) for claim in claims)
    photographs = {key: metrics(1.0)[key] for key in ("loss", "vocabulary")}
    assert [claim.holds for claim in claims_of(OBJECTIVES["soft"], photographs)] == [True]


def test_comparisons_of_variants():
    spread = lambda soft, penalised: {"soft": {"coverage entropy": soft}, "doubly_stochastic": {"coverage entropy": penalised}}
    assert [claim.holds for claim in comparisons(spread(2.0, 3.0))] == [True] != [c.holds for c in comparisons(spread(3.0, 2.0))]
    assert comparisons({"soft": {"coverage entropy": 2.0}}) == []


# ---------------------------------------------------------------------- other variants, other data

@pytest.mark.slow
@pytest.mark.parametrize("variant", ["hard", "doubly_stochastic"])
def test_the_other_variants_run(variant, tmp_path):
    assert main(["lecture", "4", "--scale", "smoke", "--variant", variant, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert ("gradient variance" in report["metrics"]) == (variant == "hard") == (tmp_path / "variance.png").is_file()


def test_the_baseline_lowers_the_measured_variance(finished):
    """On a hardly trained model every caption costs many nats, and a baseline near their mean takes most variance away."""
    experiment = ShowAttendAndTell("hard", "smoke")
    experiment.prepare()
    part, vocabulary = experiment.material.parts["test"], experiment.material.vocabulary
    captioner = build(1, len(vocabulary), hard=True)
    pairs = CaptionPairs(part.captions, vocabulary, vocabulary.pad)
    found = evaluation.gradient_variance(captioner, pairs, captioner.annotate(part), baseline=-30.0, samples=8, seed=0, batch=8)
    assert found["with baseline"] < 0.5 * found["without"]
    assert captioner.decoder.soft_share == 0.5


@pytest.mark.slow
def test_photographs_in_the_layout_of_coco(tmp_path):
    """Twelve coloured pictures with captions, in the format of COCO's release, through the whole command."""
    write_coco(tmp_path)
    out = tmp_path / "out"
    assert main(["lecture", "4", "--scale", "smoke", "--data", "coco", "--root", str(tmp_path), "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert len(report["claims"]) == 1 and report["data"] == "coco"
    captioning = load_captioner(out)
    image, notes = captioning.read(tmp_path / "images" / "0.jpg")
    assert image.shape == (3, 64, 64) and notes == []


@real_photographs
def test_the_real_photographs(tmp_path):
    assert metrics_on_real_photographs(4, tmp_path)["people"]["BLEU-4"] > 0.1


def test_looking_at_given_captions_gives_their_probability(finished):
    captioning = load_captioner(finished)
    scenes = DigitScenes("test", 3)
    images = scenes.images()
    captions = [[c.words for c in scene.captions] for scene in scenes.scenes]
    looks = evaluation.look(captioning.captioner, captioning.vocabulary, evaluation.Part(captions, lambda rows: images[list(rows)]),
                            batch=4)
    assert [k.words for k in looks] == [words for of_picture in captions for words in of_picture]
    for k in looks:
        assert k.alpha.shape == (len(k.words), 36) and np.allclose(k.alpha.sum(1), 1, atol=1e-5)
        alone = evaluation.look(captioning.captioner, captioning.vocabulary,
                                evaluation.Part([[k.words]], lambda rows, k=k: images[k.picture:k.picture + 1]))[0]
        assert k.nats == pytest.approx(alone.nats, rel=1e-5)   # whatever the batch it was in
        np.testing.assert_allclose(k.alpha, alone.alpha, atol=1e-6)


def test_stopped_between_its_stages_it_resumes_to_the_same(tmp_path):
    """The second stage must not depend on what the first left in memory: a fresh process has only the checkpoint."""
    from tinymm.backend.random import manual_seed

    def losses(folder, resume):
        manual_seed(0)
        experiment = ShowAttendAndTell(scale="smoke")
        experiment.prepare()
        for stage in experiment.stages(folder, False):
            yield stage.fit(resume)["loss"]

    encoder, whole = losses(tmp_path / "whole", False)
    first = losses(tmp_path / "stopped", False)
    assert next(first) == encoder
    first.close()
    assert list(losses(tmp_path / "stopped", True))[1] == whole
