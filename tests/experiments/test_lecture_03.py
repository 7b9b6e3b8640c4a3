"""Lecture 3 at smoke scale: its report and pictures, resume, regions, what pairs know, its measurements by hand."""

import dataclasses
import json

import numpy as np
import pytest

from tests.train.small_training import interrupt
from tinymm.autograd import Tensor
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.worlds.region_scenes import RegionScene
from tinymm.data.worlds.sprite_scenes import Sprite
from tinymm.experiments.lecture_03 import evaluation
from tinymm.experiments.lecture_03.alignment import BATCH, alignment_stage, build
from tinymm.experiments.lecture_03.claims import ALONE, MAX, SHUFFLED, UNTRAINED, claims_of, comparisons, interior
from tinymm.experiments.lecture_03.data import Pairs, Part, read, scene_parts
from tinymm.experiments.lecture_03.experiment import SCALES, DeepVisualSemanticAlignments
from tinymm.experiments.lecture_03.figures import worth_showing
from tinymm.experiments.lecture_03.regions import SIDE, Regions, crops, regions_of
from tinymm.experiments.running import fit
from tinymm.models.conv_encoder import ConvEncoder
from tinymm.text import Vocabulary

DEFAULT = next(iter(DeepVisualSemanticAlignments.variants))
PICTURES = {"alignment.png", "scores.png", "norms.png", "epochs.png"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_03")
    assert main(["lecture", "3", "--scale", "smoke", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def small():
    """A few scenes as an untrained encoder sees them: the parts, the vocabulary, the pairs."""
    manual_seed(0)
    parts = scene_parts({"train": 60, "validation": 12, "test": 12}, seed=1)
    vocabulary = Vocabulary.build(parts["train"].captions)
    return parts, vocabulary, read(ConvEncoder(3), parts, vocabulary)


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 3, "variant": DEFAULT, "scale": "smoke", "seed": 0}.items() <= report.items()
    metrics, claims = report["metrics"], {claim["statement"]: claim for claim in report["claims"]}
    assert len(claims) == 11 and claims["segments do not grow with beta (share of the sentences)"]["measured"] == 1
    assert set(metrics["pointing"]) == set(metrics["retrieval"]) == {MAX, SHUFFLED, UNTRAINED}
    for row in metrics["pointing"].values():
        assert set(row) == {"all", "shape", "colour", "size", "two things", "things only", "chance"}
        assert 1 / 8 <= row["chance"] <= 1 / 6 and all(0 <= share <= 1 for share in row.values())
    trained = metrics["pointing"][MAX]
    assert trained["all"] > trained["chance"] and metrics["loss"]["last"] < metrics["loss"]["first"]   # even in so few steps
    words = metrics["words"]
    assert trained["all"] == pytest.approx(sum(trained[k] * words[k] for k in ("shape", "colour", "size"))
                                           / sum(words[k] for k in ("shape", "colour", "size")))
    assert metrics["beta"][0]["beta"] == 0 and metrics["beta"][0]["pointing"] == pytest.approx(trained["all"])
    assert metrics["chosen beta"] in [row["beta"] for row in interior(metrics["beta on validation"])]
    assert metrics["norms"]["ratio"] == pytest.approx(metrics["norms"]["content"] / metrics["norms"]["function"])
    assert {p.name for p in finished.glob("*.png")} == set(report["pictures"]) == PICTURES


def test_a_run_can_be_resumed_in_the_middle(tmp_path, monkeypatch):
    """Also what is measured after each round is that of an uninterrupted training."""
    monkeypatch.setitem(SCALES, "smoke", dataclasses.replace(SCALES["smoke"], windows=128, train=200, validation=20, test=20))

    def run(folder, resume, stop=None):
        manual_seed(0)
        experiment = DeepVisualSemanticAlignments("no_context", "smoke", epochs=2)
        experiment.prepare()
        if stop is None:
            return fit(experiment, folder, resume)[0]
        stages = experiment.stages(folder, False)
        next(stages).fit(resume)
        stage = next(stages)
        interrupt(stage, stop)
        stage.fit(resume)

    whole = run(tmp_path / "whole", False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", False, stop=200 // BATCH + 2)             # in the second round
    again = run(tmp_path / "broken", True)
    assert again.history == whole.history and len(whole.history["pointing, all"]) == 2
    for name, tensor in whole.models[ALONE].state_dict().items():
        np.testing.assert_array_equal(again.models[ALONE].state_dict()[name].numpy(), tensor.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["no_context", "sum"])
def test_the_other_variants_run(variant, tmp_path):
    assert main(["lecture", "3", "--scale", "smoke", "--variant", variant, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["pictures"]) == PICTURES and SHUFFLED not in report["metrics"]["pointing"]
    assert len(report["claims"]) == (variant == "no_context")


# ---------------------------------------------------------------------- regions and pairs

def test_crops_are_the_pixels_of_the_boxes():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (3, 40, 30), dtype=np.uint8), rng.random((3, 30, 50)).astype(np.float32)]
    boxes = [np.array([[0, 0, SIDE, SIDE], [5, 5, 5 + 2 * SIDE, 5 + SIDE]]), np.array([[3, 4, 3 + SIDE, 4 + SIDE]])]
    found = crops(pictures, boxes)
    assert found.shape == (3, 3, SIDE, SIDE) and found.dtype == np.float32
    np.testing.assert_allclose(found[0], pictures[0][:, :SIDE, :SIDE] / 255, atol=1e-6)          # in the boxes' order
    np.testing.assert_allclose(found[2], pictures[1][:, 3:3 + SIDE, 4:4 + SIDE], atol=1e-6)
    half = pictures[0][:, 5:5 + 2 * SIDE, 5:5 + SIDE].reshape(3, SIDE, 2, SIDE).mean(2) / 255    # half as high: means of two
    np.testing.assert_allclose(found[1], half, atol=1e-6)


@pytest.mark.parametrize("box", [(0, 0, 41, 9), (-1, 0, 9, 9), (4, 4, 4, 9), (0, 9, 9, 3)])
def test_boxes_that_hold_nothing_are_refused(box):
    with pytest.raises(ValueError, match=r"crops: the box .* is empty or not within its picture of 40 x 30 pixels"):
        crops([np.zeros((3, 40, 30), np.uint8)], [np.array([box])])


def test_regions_are_padded_and_scaled_by_those_that_are_there():
    manual_seed(0)
    scenes = scene_parts({"train": 20}, seed=2)["train"]
    encoder = ConvEncoder(3)
    found = regions_of(encoder, scenes.images, scenes.boxes)
    assert found.inside.sum(1).tolist() == [len(boxes) for boxes in scenes.boxes] and not found.phi[~found.inside].any()
    alone = regions_of(encoder, scenes.images[7:8], scenes.boxes[7:8])
    np.testing.assert_allclose(found.phi[7][found.inside[7]], alone.phi[0], rtol=1e-5, atol=1e-6)
    scaled = found.standard(found)
    known = scaled.phi[scaled.inside]
    np.testing.assert_allclose(known.mean(0), 0, atol=1e-4)
    assert ((abs(known.std(0) - 1) < 0.01) | (known.std(0) < 1e-3)).all() and not scaled.phi[~scaled.inside].any()
    other = Regions(found.phi + 3, found.inside).standard(found)           # by the regions of training, not by its own
    assert other.phi[other.inside].mean() > 1


def test_a_batch_is_no_longer_than_its_longest_sentence(small):
    parts, vocabulary, pairs = small
    rows = np.array([5, 2])
    phi, inside, S = pairs["train"].batch(rows)
    sentences = [parts["train"].captions[i] for i in rows]
    assert S.shape == (max(map(len, sentences)), 2) and phi.shape[:2] == inside.shape
    assert [tuple(vocabulary.decode(S.numpy()[:, b])) for b in range(2)] == list(map(tuple, sentences))
    np.testing.assert_array_equal(phi.numpy(), pairs["train"].regions.phi[rows])


def test_shuffled_sentences_are_of_other_pictures(small):
    pairs = small[2]["train"]
    other = pairs.shuffled(seed=0)
    assert other.regions is pairs.regions and sorted(map(bytes, other.ids)) == sorted(map(bytes, pairs.ids))
    marked = Pairs(pairs.regions, np.arange(len(pairs))[:, None]).shuffled(seed=0)
    assert (marked.ids[:, 0] != np.arange(len(pairs))).all()


def test_training_knows_pairs_only(small):
    """With the truth of the scenes hidden, or wrong, the same weights come out."""
    parts, vocabulary, pairs = small
    found = []
    for truth in (parts["validation"], Part([], [], [])):
        model = build(pairs["train"], len(vocabulary), seed=0)
        trainer = alignment_stage(model, pairs["train"], pairs["validation"], truth, 2, label=None)
        trainer.fit()
        found.append((trainer.history["loss"], {name: t.numpy().copy() for name, t in model.state_dict().items()}))
        assert ("pointing, all" in trainer.history) == bool(truth.scenes) and "R@1, images for a sentence" in trainer.history
    assert found[0][0] == found[1][0]
    for name, weights in found[0][1].items():
        np.testing.assert_array_equal(weights, found[1][1][name])


# ---------------------------------------------------------------------- measurements, by hand

def scene() -> RegionScene:
    """A red star and a red circle, the circle named first; boxes: distractor, circle, whole, star."""
    words = "a small red circle and a red star".split()
    return RegionScene(np.zeros((3, 8, 8), np.uint8), (Sprite("star", "red", "large"), Sprite("circle", "red", "small")),
                       np.zeros((4, 4), np.int64), np.array([-1, 1, -2, 0]), tuple(words), (-1, 1, 1, 1, -1, -1, 0, 0),
                       ("", "size", "colour", "shape", "", "", "colour", "shape"),
                       (False, False, True, False, False, False, True, False))


def test_pointing_by_hand():
    chosen = [0, 1, 1, 3, 2, 2, 1, 3]                                      # small, red, star right; circle and the second red wrong
    assert evaluation.pointed([chosen], [scene()]) == pytest.approx(
        {"all": 3 / 5, "shape": 1 / 2, "colour": 1 / 2, "size": 1, "two things": 1 / 2})
    scores = np.full((1, 9, 5), -np.inf)                                   # a word and a region of padding
    scores[0, :8, :4] = 0
    scores[0, range(8), chosen] = 2
    scores[0, [3, 6], 0] = 5                                               # a distractor is better, and for circle the thing next
    scores[0, 3, 1] = 3
    found = evaluation.pointing(scores, [scene()])
    assert found["all"] == pytest.approx(3 / 5) and found["things only"] == pytest.approx(4 / 5) and found["chance"] == 1 / 4
    phi = np.array([[[1.0, 0], [0, 2], [3, 4], [3, 3]]])                   # the whole is the longest; without it the star
    assert evaluation.longest(Regions(phi, np.ones((1, 4), bool)), [scene()]) == 0
    assert evaluation.longest(Regions(phi, np.array([[True, True, False, True]])), [scene()]) == pytest.approx(2 / 5)
    assert evaluation.guess([scene()]) == pytest.approx({"all": 1 / 4, "things only": 1 / 2, "two things": 1 / 2})


def test_no_words_of_a_kind_is_no_share():
    sentence = scene()
    silent = RegionScene(sentence.image, sentence.things, sentence.boxes, sentence.owner, ("a", "star"), (-1, 0), ("", "shape"),
                         (False, False))
    found = evaluation.pointed([[0, 3]], [silent])
    assert found["all"] == found["shape"] == 1 and np.isnan(found["size"]) and np.isnan(found["two things"])


def test_chains_by_hand():
    scores = np.zeros((1, 8, 4))
    scores[0, range(8), [0, 1, 1, 1, 2, 2, 1, 3]] = 1
    rows, monotone = evaluation.chains(scores, [scene()], (0.0, 0.4, 50.0))
    assert [row["segments"] for row in rows] == [5, 5, 1] and monotone == 1
    assert rows[0]["pointing"] == pytest.approx(4 / 5) and rows[2]["pointing"] == pytest.approx(3 / 5)   # one box: the circle's


def test_norms_are_those_of_the_words_where_they_stand(small):
    parts, vocabulary, pairs = small
    model = build(pairs["train"], len(vocabulary), seed=0)
    lengths = evaluation.norms(model, pairs["test"], parts["test"].scenes)
    said = [word for words in parts["test"].captions for word in words]
    assert {word: len(of_word) for word, of_word in lengths.items()} == {word: said.count(word) for word in set(said)}
    ids = np.array(vocabulary.encode(parts["test"].captions[0]))[:, None]
    s = model.encoder(Tensor(ids))[0].detach().numpy()
    assert lengths[parts["test"].captions[0][0]][0] == pytest.approx(float(np.linalg.norm(s[0, 0])), rel=1e-4)
    assert evaluation.ratio({"red": [3.0, 1.0], "star": [2.0], "large": [9.0], "a": [1.0], "and": [0.0, 2.0]}) == (2, 1, 2)


def test_retrieval_is_that_of_single_pairs(small):
    _, vocabulary, pairs = small
    model = build(pairs["train"], len(vocabulary), seed=0)
    scores, test = evaluation.all_scores(model, pairs["test"]), pairs["test"]
    assert scores.shape == (12, 12)
    for k, l in ((0, 0), (3, 7), (11, 2)):
        phi, inside, _ = test.batch([k])
        assert model(phi, inside, test.batch([l])[2]).item() == pytest.approx(float(scores[k, l]), rel=1e-4)


def metrics(**changes) -> dict:
    """Measurements with which every claim of the default variant holds at its threshold."""
    row = {"all": .85, "shape": .8, "colour": .8, "size": .8, "two things": .7, "chance": .14}
    found = {"pointing": {MAX: row, SHUFFLED: {"all": .24}}, "guess": {"two things": .47}, "scenes": {"test": 300},
             "retrieval": {MAX: {way: {"R@1": .4} for way in evaluation.WAYS}}, "norms": {"ratio": 1.3}, "monotone": 1,
             "beta": [{"beta": b, "pointing": p} for b, p in ((0.0, .8), (.5, .81), (5.0, .5))], "chosen beta": .5}
    return {**found, **changes}


def test_claims_fail_where_the_measurements_say_so():
    assert all(claim.holds for claim in claims_of("alignment", metrics()))
    failed = lambda **changes: [claim.statement for claim in claims_of("alignment", metrics(**changes)) if not claim.holds]
    row = metrics()["pointing"][MAX]
    for kind in ("shape", "colour", "size"):
        assert failed(pointing={MAX: {**row, kind: .79}, SHUFFLED: {"all": .24}}) == [
            f"words of {kind} point to the box of their thing"]
    assert len(failed(pointing={MAX: {**row, "all": .84, "two things": .69}, SHUFFLED: {"all": .25}})) == 3
    assert len(failed(norms={"ratio": 1.29}, monotone=.99)) == 2
    assert len(failed(beta=[{"beta": b, "pointing": p} for b, p in ((0.0, .8), (.5, .8), (5.0, .5))])) == 1
    assert [claim.holds for claim in claims_of("no_context", {"pointing": {ALONE: {"size": .31}}})] == [False]


def test_claims_between_variants():
    of = lambda row, share: {"pointing": {row: {"all": share}}}
    claim, = comparisons({"alignment": of(MAX, .9), "no_context": of(ALONE, .71)})
    assert claim.measured == pytest.approx(.19) and not claim.holds
    assert comparisons({"alignment": of(MAX, .9)}) == []


def test_pictures_to_show_have_what_the_figure_is_about():
    scenes = scene_parts({"test": 60}, seed=1)["test"].scenes
    chosen = worth_showing(scenes)
    assert len(chosen) == 3 and all(any(scenes[k].shared) and len(scenes[k].things) == 3 for k in chosen)


def test_wrong_commands_are_explained(capsys):
    assert main(["lecture", "3", "--variant", "brnn"]) == 2
    assert "there is no variant 'brnn'; choose from alignment, no_context, sum" in capsys.readouterr().err
