"""Lecture 1, variant video: the CRFs' calibration, equal terms for the systems, its measures and claims, a smoke run, resume."""

import json

import numpy as np
import pytest

from tests.train.small_training import interrupt
from tinymm.backend.random import manual_seed
from tinymm.data.worlds.kitchen import SIZES, SLOTS, describe
from tinymm.experiments.lecture_01 import video, video_figures
from tinymm.experiments.lecture_01.experiment import LongTermRecurrentConvolutionalNetworks as Lecture
from tinymm.experiments.lecture_01.video import Scale, Video
from tinymm.experiments.lecture_01.video_systems import (CRFS, ENCODER_DECODER, INPUTS, MAX, PROB, SMT_MAX, SMT_PROB, labels_of,
                                                         split, words_for)
from tinymm.experiments.running import fit, run


TINY = Scale({"train": 100, "validation": 20, "test": 20}, 4, 2, 1)   # clips, tuned, crf_epochs, epochs


def study(monkeypatch, scale=TINY):
    monkeypatch.setitem(video.SCALES, "smoke", scale)
    manual_seed(0)
    return Video("video", "smoke", 0, "cpu", {})


def finish(stages, each=lambda trainer: None):
    """Take all stages to their end, showing each to somebody first."""
    while True:
        try:
            trainer = next(stages)
        except StopIteration as end:
            return end.value
        each(trainer)
        trainer.fit()


def nowhere(name):
    return {"folder": None, "label": None}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the variant, its folder, and the experiment."""
    out = tmp_path_factory.mktemp("video")
    experiment = Lecture("video", "smoke")
    experiment.prepare()
    run(experiment, out, progress=False)
    return out, experiment


@pytest.mark.slow
def test_the_report_and_the_pictures(finished):
    out, _ = finished
    report = json.loads((out / "report.json").read_text())
    metrics = report["metrics"]
    assert list(metrics["bleu4"]) == list(metrics["bleu"]) == [SMT_MAX, SMT_PROB, ENCODER_DECODER, MAX, PROB]
    assert list(metrics["control"]) == [MAX, PROB]
    assert all(0 <= b[3] <= b[2] <= b[1] <= b[0] <= 100 and b[3] == metrics["bleu4"][row] for row, b in metrics["bleu"].items())
    assert [c["threshold"] for c in report["claims"]] == [">= 1.5", "> 0"]
    assert metrics["bleu4"][SMT_MAX] > 40   # what 200 clips are enough for
    assert set(report["pictures"]) == {"video_table.png", "video_marginals.png", "video_potentials.png"}
    assert {p.name for p in out.glob("*.png")} == set(report["pictures"])
    assert set(metrics["crf"]) == set(CRFS) and set(metrics["crf"]["star"]["maximum right"]) == set(SLOTS)
    assert set(metrics["weights"]) == {SMT_MAX, SMT_PROB}
    assert {(of["bonus"], of["language"]) for of in metrics["weights"].values()} <= set(video.WEIGHTS)


def test_the_table_stands_beside_the_papers_numbers():
    metrics = {"bleu4": dict(zip(INPUTS, (51.04, 52.0, 53.0, 54.0, 55.26))), "control": {MAX: 61.0, PROB: 62.0}}
    cells = video_figures.table(metrics).axes[0].tables[0].get_celld()
    text = [[cells[row, column].get_text().get_text() for column in range(4)] for row in range(8)]
    assert text[1][:2] == ["SMT", "CRF max"] and text[5][:2] == ["(c) decoder", "CRF prob"]
    assert [row[3] for row in text[1:6]] == ["24.9", "26.9", "25.3", "27.4", "28.8"] and text[6][3] == text[7][3] == ""
    assert [row[2] for row in text[1:]] == ["51.0", "52.0", "53.0", "54.0", "55.3", "61.0", "62.0"]


def test_systems_that_are_compared_have_the_same_start_order_steps_and_rate(monkeypatch):
    """(b) and (c), of both CRFs: equal weights before the first step, equal words in each batch, equal rates."""
    made, seen = study(monkeypatch), []

    def watch(trainer):
        if hasattr(trainer.model, "decoder"):
            batches, step = [], trainer.step
            weights = {name: value.numpy().copy() for name, value in trainer.model.state_dict().items()}
            trainer.step = lambda batch: (batches.append((batch[0].tolist(), batch[2].numpy().tolist())), step(batch))[1]
            seen.append((trainer.model.decoder.architecture, weights, batches, trainer.optimizer.param_groups[0]["lr"]))

    finish(made.stages(nowhere), watch)
    assert [architecture for architecture, *_ in seen] == ["encoder-decoder", "decoder", "decoder", "decoder", "decoder"]
    _, weights, batches, rate = seen[1]
    for _, other_weights, other_batches, other_rate in seen[2:]:
        assert weights.keys() == other_weights.keys() and all((weights[k] == other_weights[k]).all() for k in weights)
        assert batches == other_batches and rate == other_rate
    assert seen[0][2] == batches and len(batches) == 5   # 300 sentences


def test_a_run_can_be_resumed_in_the_middle(tmp_path, monkeypatch):
    """Of (b), the third stage; without the control."""
    monkeypatch.setitem(video.SCALES, "smoke", TINY)
    monkeypatch.delitem(CRFS, "all couplings")

    def go(folder, resume, stop=False):
        experiment = Lecture("video", "smoke")
        manual_seed(0)
        experiment.prepare()
        if stop:
            for stage in experiment.stages(folder, False):
                if stage.folder.name == "describer_b_star":
                    interrupt(stage, 3)
                stage.fit(resume)
        return fit(experiment, folder, resume)[0]

    whole = go(tmp_path / "whole", False)
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "broken", False, stop=True)
    again = go(tmp_path / "broken", True)
    for row, trainer in whole.trainers["star"].items():
        assert again.trainers["star"][row].history == trainer.history
    assert (again.p["star"]["prob"]["test"] == whole.p["star"]["prob"]["test"]).all() and again.weights == whole.weights


def test_the_crfs_are_calibrated_and_the_star_lacks_something(monkeypatch):
    """On 3,000 clips: what they hold for probable comes true as often, evidence counts as much as in the world, and the couplings
    that the star lacks are worth more than half a nat."""
    made, stages = study(monkeypatch, Scale({"train": 3000, "validation": 10, "test": 1000}, 10, 6, 1)), []
    for name, kind in CRFS.items():
        manual_seed(0)
        crf = kind(SIZES)
        made._crf_stage(crf, nowhere("")).fit()
        p = dict(zip(("max", "prob"), ({"test": given} for given in video.labelled(crf, made.clips["test"].evidence))))
        stages.append(made._crf_measures(crf, p))
    for found in stages:
        for slot in SLOTS:
            assert abs(found["likeliest right"][slot] - found["its probability"][slot]) < 0.04   # sd 0.013
            assert found["weight of evidence"][slot] == pytest.approx(2, abs=0.35)
    assert stages[0]["nats"] > stages[1]["nats"] + 0.5


@pytest.mark.parametrize("gap, control, verdicts", [(1.5, 1.4, [True, True]), (1.49, 0.0, [False, True]), (2.0, 2.0, [True, False]),
                                                     (-1.0, 3.0, [False, False])])
def test_each_claim_can_fail(gap, control, verdicts):
    metrics = {"bleu4": {MAX: 50.0, PROB: 50 + gap}, "control": {MAX: 64.0, PROB: 64 + control}}
    claims = Video.claims(metrics)
    assert [claim.holds for claim in claims] == verdicts and [claim.bound for claim in claims] == [1.5, 0]


def test_labels_in_sentences_by_hand():
    labels = np.array([[1, 8, 3, 2], [0, 0, 0, 0]])
    said = [describe(labels[0])[1], "the person peels a carrot with a fork over the stove".split()]
    assert video.right_labels(said, labels) == {"activity": 0.5, "object": 1.0, "tool": 1.0, "place": 0.5}
    assert words_for("activity", 0) == ("cuts", "cutting", "cut") and words_for("place", 2) == ("sink",)


def test_slots_are_cut_apart_by_hand():
    p = np.zeros((1, 29))
    p[0, [7, 8, 23, 24]] = 1   # the last activity, the first object, the last tool, the first place
    assert [part.shape for part in split(p)] == [(1, 8), (1, 10), (1, 6), (1, 5)]
    assert labels_of(p).tolist() == [[7, 0, 5, 0]]


def test_the_clips_that_are_shown():
    """Two where (c) is right and (b) wrong, one of the contrary; the first ones where there are none."""
    class Clips:
        labels = np.array([[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3], [4, 4, 4, 4]])

        def __len__(self):
            return 5

    true, wrong = [describe(row)[0] for row in Clips.labels.tolist()], describe([7, 9, 5, 4])[0]
    said = lambda right: [words if i in right else wrong for i, words in enumerate(true)]
    assert video_figures.chosen_clips({MAX: said({0, 2}), PROB: said({1, 3, 4})}, Clips()) == [1, 3, 0]
    assert video_figures.chosen_clips({MAX: said({0}), PROB: said({0, 4})}, Clips()) == [4, 0, 1]
    assert video_figures.chosen_clips({MAX: said({0}), PROB: said({0})}, Clips()) == [0, 1, 2]


def test_couplings_are_compared_without_what_no_data_tell():
    A = np.arange(6.0).reshape(2, 3)**2
    shifted = A + [[3.0], [-2.0]] + [1.0, 5.0, -4.0]
    np.testing.assert_allclose(video_figures.centred(shifted), video_figures.centred(A), rtol=0, atol=1e-12)
    np.testing.assert_allclose(video_figures.centred(A).sum(0), 0, rtol=0, atol=1e-12)
