"""The studies of captions and retrieval at smoke scale: nearest neighbours, the tables, the normalised score, the claims."""

import dataclasses
import json

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.train.small_training import interrupt, trainer
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.experiments import running
from tinymm.experiments.captioning.parts import Part
from tinymm.experiments.lecture_01.caption import Caption, bleu_of, borrowed, nearest
from tinymm.experiments.lecture_01.experiment import LongTermRecurrentConvolutionalNetworks
from tinymm.experiments.lecture_01.retrieval import AHEAD, END, RAW, RAW_END, Retrieval
from tinymm.experiments.lecture_01.retrieval_figures import captions_for_pictures
from tinymm.experiments.lecture_01.rival import RetrievalData, Rival
from tinymm.experiments.lecture_01.scoring import WAYS, log_likelihoods, owners, tables
from tinymm.experiments.tables import table
from tinymm.metrics import bleu, ranks
from tinymm.models.lrcn import normalised_scores

BLEU = {"1NN fc8", "1NN fc7", "LRCN-1u", "LRCN-2u", "LRCN-2f"}


def study_of(variant: str):
    """A smoke run of a variant, in memory: the study, what was trained, the metrics."""
    experiment = LongTermRecurrentConvolutionalNetworks(variant, "smoke", epochs=1)
    manual_seed(0)
    experiment.prepare()
    trained, _ = running.fit(experiment)
    return experiment.study, trained, experiment.evaluate(trained).metrics


@pytest.fixture(scope="module")
def retrieved():
    return study_of("retrieval")


# ---------------------------------------------------------------------- captions

@pytest.mark.slow
def test_the_report_and_the_pictures_of_captions(tmp_path):
    assert main(["lecture", "1", "--variant", "caption", "--scale", "smoke", "--epochs", "1", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"lecture": 1, "variant": "caption", "scale": "smoke"}.items() <= report.items()
    assert set(report["pictures"]) == {"captions.png", "bleu.png", "bleu_4.png"}
    assert all((tmp_path / name).stat().st_size > 5000 for name in report["pictures"])
    metrics = report["metrics"]
    assert set(metrics["bleu"]) == BLEU and all(len(scores) == 4 and 0 <= min(scores) <= max(scores) <= 100
                                                for scores in metrics["bleu"].values())
    assert set(metrics["bleu of the best wording"]) == {"1NN fc8", "1NN fc7"}
    for loss in metrics["loss"].values():
        assert abs(loss["untrained nats a word"] - np.log(metrics["vocabulary"])) < 0.1   # nothing is known before the first step
        assert loss["test nats a word"] < loss["untrained nats a word"]
    [claim] = report["claims"]
    best = max(scores[3] for rows in (metrics["bleu"], metrics["bleu of the best wording"]) for row, scores in rows.items()
               if row.startswith("1NN"))
    assert claim["measured"] == pytest.approx(metrics["bleu"]["LRCN-2f"][3] - best, abs=1e-9) and claim["threshold"] == ">= 8"


@pytest.mark.slow
@pytest.mark.parametrize("stop_in", ["scenes", "lrcn_2u"])
def test_captions_can_be_resumed_in_the_middle(tmp_path, stop_in):
    """An encoder half taught, or the second of three captioners: the rest comes out as if nothing had been."""
    def run(folder, resume, stop=False):
        manual_seed(0)
        experiment = LongTermRecurrentConvolutionalNetworks("caption", "smoke", epochs=2)
        experiment.prepare()
        if not stop:
            return experiment.evaluate(running.fit(experiment, folder, resume)[0]).metrics
        for stage in experiment.stages(folder, False):
            if stage.folder is not None and stage.folder.name == stop_in:
                interrupt(stage, len(stage.loader) + 2)                    # in the second round
            stage.fit(resume)

    whole = run(tmp_path / "whole", False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", False, stop=True)
    assert run(tmp_path / "broken", True) == whole


def test_the_nearest_picture_and_its_caption():
    """L1-C13: a training caption, and for a training picture one of its own."""
    rng = np.random.default_rng(0)
    train, features = rng.standard_normal((9, 5)).astype(np.float32), rng.standard_normal((4, 5)).astype(np.float32)
    np.testing.assert_array_equal(nearest(train, train), np.arange(9))
    distances = ((features[:, None].astype(float) - train[None]) ** 2).sum(-1)
    np.testing.assert_array_equal(nearest(train, features), distances.argmin(1))
    np.testing.assert_array_equal(nearest(np.zeros((3, 5)), features), 0)   # of equal ones the first
    part = Part([[[f"{i}{k}"] for k in range(5)] for i in range(9)], lambda rows: None)
    said = borrowed(part, np.arange(9), seed=0)
    assert all(words in part.captions[i] for i, words in enumerate(said))
    assert len({words[0][1] for words in said}) > 1                        # not always the same of the five
    assert said == borrowed(part, np.arange(9), seed=0)


def test_nearest_neighbours_of_scenes(retrieved):
    """On a training picture its own caption, with features of an encoder; on a test picture a training caption."""
    study, trained, _ = retrieved
    known = set(map(tuple, study.parts["train"].tokens()))
    for layer in ("fc7", "fc8"):
        features = trained.seen.features[layer]
        np.testing.assert_array_equal(nearest(features["train"], features["train"]), np.arange(len(study.parts["train"])))
        said = borrowed(study.parts["train"], nearest(features["train"], features["test"]), 0)
        assert all(tuple(words) in known for words in said)
    fc7, fc8 = (trained.seen.features[layer]["test"] for layer in ("fc7", "fc8"))
    assert fc7.shape == (30, 256) and fc8.shape == (30, 34)                # two layers, not one array twice


def test_phi_is_scaled_by_the_training_pictures_alone(retrieved):
    seen = retrieved[1].seen
    train, test = seen.features["fc8"]["train"], seen.features["fc8"]["test"]
    np.testing.assert_allclose(seen.phi("train").mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(seen.phi("train").std(0), 1, rtol=1e-4)
    np.testing.assert_array_equal(seen.phi("test"), (test - train.mean(0)) / train.std(0))


def test_all_factorings_see_the_same_batches_in_the_same_order(retrieved):
    study, trained, _ = retrieved
    orders = []
    for factoring in ("1u", "2f"):
        _, stage = study.lrcn(trained.seen.phi("train"), factoring, folder=None, label=None)
        orders.append([tuple(pictures) for pictures, *_ in stage.loader])
    assert orders[0] == orders[1] and len(set(orders[0])) == len(orders[0]) > 5


def test_words_are_those_of_the_training_captions(retrieved):
    study = retrieved[0]
    assert set(study.vocabulary.words[4:]) == {word for words in study.parts["train"].tokens() for word in words}


def test_bleu_is_the_corpus_in_per_cent_against_five_references(retrieved):
    part = retrieved[0].parts["test"]
    said = [people[0][:4] for people in part.captions]
    assert all(len(people) == 5 for people in part.captions)
    assert bleu_of(said, part) == [100 * share for share in bleu(said, part.captions).corpus]
    assert abs(bleu_of(said, part)[3] - 100 * bleu(said, part.captions).sentences[:, 3].mean()) > 0.1   # no mean of sentences


def test_the_caption_claim_can_fail():
    metrics = {"bleu": {"1NN fc8": [0, 0, 0, 60.0], "1NN fc7": [0, 0, 0, 61.0], "LRCN-2f": [0, 0, 0, 75.0]},
               "bleu of the best wording": {"1NN fc8": [0, 0, 0, 66.0], "1NN fc7": [0, 0, 0, 65.0]}}
    [claim] = Caption.claims(metrics)
    assert claim.holds and claim.measured == pytest.approx(9)              # over the best of the four
    metrics["bleu of the best wording"]["1NN fc7"][3] = 67.5
    assert not Caption.claims(metrics)[0].holds


# ---------------------------------------------------------------------- retrieval

def test_the_table_of_both_directions(retrieved):
    study, _, metrics = retrieved
    assert set(metrics["retrieval"]) == {"caption to image", "image to caption"}
    for rows in metrics["retrieval"].values():
        assert list(rows) == ["DeViSE", "SDT-RNN", "DeFrag", "m-RNN", "ConvNet", AHEAD, RAW, RAW_END, END]   # the slide's order
        for entry in rows.values():
            assert set(entry) == {"R@1", "R@5", "R@10", "Medr"} and entry["R@1"] <= entry["R@5"] <= entry["R@10"] <= 1
    assert set(metrics["bleu"]) == {"m-RNN", AHEAD}
    assert (metrics["pictures"], metrics["captions"]) == (30, 150)
    contents = {scene.captions[0].words for scene in study.parts["test"].scenes}
    assert len(contents) == 30                                             # no two test pictures show the same


class Knowing(Rival):
    """Says of each picture what a person said, and scores by whose caption it is."""

    def stage(self, **options):
        return trainer(options["folder"], epochs=1)

    def scores(self):
        test = self.data.parts["test"]
        return (np.arange(len(test))[:, None] == owners(test)).astype(float)

    def sentences(self):
        return [people[2] for people in self.data.parts["test"].captions]


def test_a_rival_has_a_row_and_its_sentences_a_bleu(retrieved, monkeypatch):
    """It is trained after LRCN, on the same data, and comes first in the table."""
    study, trained, metrics = retrieved
    monkeypatch.setattr("tinymm.experiments.lecture_01.retrieval.RIVALS", {"Knowing": Knowing})
    stages, names = study.stages(lambda name: {"folder": None, "label": name}), []
    data = RetrievalData(study.parts, study.vocabulary, trained.seen, 1, 0, "cpu", {})
    found = study.evaluate(dataclasses.replace(trained, rivals={"Knowing": Knowing(data)}))
    for way, rows in found["retrieval"].items():
        assert list(rows)[:2] == ["Knowing", AHEAD]
        assert rows["Knowing"] == {"R@1": 1, "R@5": 1, "R@10": 1, "Medr": 1}
        assert rows[AHEAD] == metrics["retrieval"][way][AHEAD]
    assert found["bleu"]["Knowing"] == pytest.approx([100] * 4) and set(found["bleu"]) == {"Knowing", AHEAD}
    assert "bleu.png" in study.figures(trained, found)
    monkeypatch.setattr(study, "see", lambda at: iter_of(trained.seen))
    for stage in stages:
        names.append(type(stage.model).__name__)
    assert names == ["Captioner", "Sequential"]                            # LRCN, then the rival's


def iter_of(value):
    """A generator without stages that returns a value."""
    return value
    yield


def test_directions_are_not_confused():
    """Three pictures of two captions each: picture 2 is best for all captions, and caption 0 best for all pictures."""
    scores, own = np.array([[9, 1, 2, 1, 0, 0], [8, 2, 3, 1, 1, 0], [10, 5, 4, 5, 4, 5]], float), np.array([0, 0, 1, 1, 2, 2])
    found = tables({"a row": scores}, own)
    assert found["caption to image"]["a row"]["R@1"] == pytest.approx(2 / 6)   # only those of picture 2
    assert found["image to caption"]["a row"]["R@1"] == pytest.approx(1 / 3)   # only picture 0
    assert WAYS == ("image to caption", "caption to image")


def test_owners_of_captions():
    part = Part([[["a"], ["b"]], [["c"]], [["d"], ["e"], ["f"]]], lambda rows: None)
    np.testing.assert_array_equal(owners(part), [0, 0, 1, 2, 2, 2])


def test_the_end_of_a_sentence_can_only_cost(retrieved):
    """Without it, a caption that begins another is never less likely: what makes the raw score prefer short ones."""
    study, trained, _ = retrieved
    long = next(words for words in study.parts["test"].tokens() if len(words) > 6)
    captions = [long[:n] for n in range(2, len(long) + 1)]
    without, with_end = log_likelihoods(trained.captioner, study.vocabulary, trained.seen.phi("test"), captions)
    assert (np.diff(without, axis=1) < 0).all() and (with_end < without).all()


def test_the_normaliser_by_hand():
    log_p = np.log(np.array([[0.2, 0.5], [0.1, 0.5], [0.3, 0.2]]))
    wanted = np.log([[0.2 / 0.2, 0.5 / 0.4], [0.1 / 0.2, 0.5 / 0.4], [0.3 / 0.2, 0.2 / 0.4]])
    np.testing.assert_allclose(normalised_scores(log_p), wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(normalised_scores(log_p - 2000), wanted, rtol=0, atol=1e-12)   # far below what exp can hold


def test_the_normaliser_leaves_the_pictures_of_a_caption_in_order(retrieved):
    """L1-C10: caption to image is the same, exactly; image to caption is another order."""
    study, trained, metrics = retrieved
    raw, _ = log_likelihoods(trained.captioner, study.vocabulary, trained.seen.phi("test"), list(study.parts["test"].tokens()))
    scores, own = normalised_scores(raw), owners(study.parts["test"])
    mine = np.arange(len(raw))[:, None] == own
    np.testing.assert_array_equal(ranks(scores.T, mine.T), ranks(raw.T, mine.T))
    assert (ranks(scores, mine) != ranks(raw, mine)).any()
    assert metrics["retrieval"]["caption to image"][AHEAD] == metrics["retrieval"]["caption to image"][RAW]


def test_a_generic_caption_loses_its_attraction():
    """L1-C10: one caption that fits every picture a little is the likeliest of all; normalised, each picture finds its own."""
    own = np.arange(6)
    log_p = np.where(own[:, None] == own, np.log(0.02), np.log(0.0001))
    log_p[:, 0] = np.log(0.05)                                             # "there is a thing"
    log_p[0, 0] = np.log(0.06)                                             # it is of picture 0
    before, after = (tables({"": scores}, own) for scores in (log_p, normalised_scores(log_p)))
    assert before["image to caption"][""]["R@1"] == pytest.approx(1 / 6)   # only picture 0 finds its own
    assert after["image to caption"][""]["R@1"] == 1
    assert after["caption to image"] == before["caption to image"]


def test_the_retrieval_claim_can_fail():
    rows = {AHEAD: {"R@1": 0.8}, RAW: {"R@1": 0.3}, RAW_END: {"R@1": 0.6}}
    assert Retrieval.claims({"retrieval": {"image to caption": rows}})[0].measured == pytest.approx(0.2)
    rows[RAW_END]["R@1"] = 0.75
    assert not Retrieval.claims({"retrieval": {"image to caption": rows}})[0].holds


def test_the_pictures_of_retrieval(retrieved):
    study, trained, metrics = retrieved
    figures = study.figures(trained, metrics)
    assert set(figures) == {"caption_to_image.png", "image_to_caption.png", "captions_for_pictures.png",
                            "pictures_for_captions.png", "bleu.png"}   # the last because one rival writes
    texts = [text.get_text() for text in figures["image_to_caption.png"].texts]
    assert set(metrics["retrieval"]["image to caption"]) <= set(texts)


@pytest.mark.parametrize("length", [40, 44, 47, 50, 60])
def test_captions_stay_in_their_columns(retrieved, length):
    """Beside the pictures stand, by three scores, captions of about so many letters: some just fill a line."""
    test = retrieved[0].parts["test"]
    scores = np.tile([-abs(len(" ".join(words)) - length) for words in test.tokens()], (len(test), 1))
    figure = captions_for_pictures(test, dict.fromkeys("abc", scores), owners(test))
    figure.set_dpi(80)                                                     # as a notebook shows it; letters are rounded up
    renderer = FigureCanvasAgg(figure).get_renderer()
    starts = sorted({text.get_position()[0] * figure.bbox.width for text in figure.texts})
    assert len(starts) == 3
    for text in figure.texts:
        box = text.get_window_extent(renderer)
        assert box.x1 < min([start for start in starts if start > box.x0 + 1] + [figure.bbox.width]) - 2, text.get_text()


def test_a_drawn_table_has_the_best_of_each_column_in_bold():
    figure = table({"one": [1.0, 9.0], "two": [3.0, 2.0], "three": [3.0, 4.0], "beside": [8.0, 1.0]}, ["R@1", "Medr"], "a title",
                   lower=["Medr"], aside=["beside"])
    bold = [text.get_text() for text in figure.texts if text.get_weight() == "bold"]
    assert bold == ["3.0", "2.0", "3.0"]                                   # two equal ones in the first; what is beside never
    assert {"one", "two", "three", "beside", "R@1", "Medr", "a title"} <= {text.get_text() for text in figure.texts}
