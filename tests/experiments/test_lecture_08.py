"""Lecture 8 at smoke scale: its report and pictures, resume, the bounded temperature, its measurements by hand."""

import json
import math

import numpy as np
import pytest

from tests.experiments.coco_folder import metrics_on_real_photographs, real_photographs, write_coco
from tinymm import Tensor, no_grad
from tinymm import functional as F
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.readers.clip_pictures import MEAN, STD
from tinymm.data.worlds.sprites import SHAPES
from tinymm.data.worlds.web_pictures import ATTACKS, CLASSES, WebPictures, is_novel, labelled
from tinymm.data.worlds.web_texts import FRAMES
from tinymm.experiments.lecture_08 import evaluation
from tinymm.experiments.captioning.parts import Part
from tinymm.experiments.clip_stage import PicturesWithTexts, adamw, pictures, unrelated
from tinymm.experiments.lecture_08.experiment import LearningFromText
from tinymm.experiments.lecture_08.claims import claims_of, comparisons
from tinymm.experiments.captioning.parts import shuffled
from tinymm.experiments.lecture_08.data import (CONTEXT, MATRIX, PROMPTS, distinct_pairs,
                                                train_tokenizer)
from tinymm.experiments.lecture_08.snapshots import Snapshots
from tinymm.experiments.lecture_08.systems import EMBEDDING, build
from tinymm.experiments.running import fit
from tinymm.models.clip import clip_loss, zero_shot_weights
from tinymm.text.clip_tokenizer import CLIPTokenizer
from tests.train.small_training import interrupt

DEFAULT = next(iter(LearningFromText.variants))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_08")
    assert main(["lecture", "8", "--scale", "smoke", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def web():
    return WebPictures("train", 400, 5)


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 8, "variant": DEFAULT, "scale": "smoke", "seed": 0}.items() <= report.items()
    verdicts = {claim["statement"].split(",")[0]: claim["verdict"] for claim in report["claims"]}
    assert verdicts["the first loss is within 0.3 of that of unrelated pictures and texts"] == "holds"
    assert verdicts["1 / temperature is never above 100"] == "holds" and len(report["claims"]) == 14
    metrics = report["metrics"]
    assert set(metrics["zero-shot"]) == {"name alone", "one prompt", "ensemble"} and set(metrics["attack"]) == set(ATTACKS)
    columns = {"sprites", "seen pairs", "unseen pairs", "unseen among themselves", "digits", "actions"}
    assert all(set(found) == columns for found in metrics["zero-shot"].values()) and columns < set(metrics["visual n-grams"])
    assert set(metrics["linear probe"]["accuracy"]) == set(CLASSES)
    assert metrics["1 / temperature"]["first"] == pytest.approx(1 / 0.07, rel=1e-5)
    assert {p.name for p in finished.glob("*.png")} == set(report["pictures"]) == {
        "loss.png", "temperature.png", "zero_shot.png", "similarity.png", "classifier.png", "examples.png", "attack.png",
        "attacked_pictures.png", "attack_shares.png", "table.png", "ways.png"}


def test_a_run_can_be_resumed_in_the_middle(tmp_path):
    """Also the matrices taken on the way are those of an uninterrupted training."""
    def run(folder, resume, stop=None):
        manual_seed(0)
        experiment = LearningFromText("cbow", "smoke", epochs=2)
        experiment.prepare()
        if stop is None:
            return fit(experiment, folder, resume)[0]
        stage = next(experiment.stages(folder, False))
        interrupt(stage, stop)
        stage.fit(resume)

    whole = run(tmp_path / "whole", False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", False, stop=len(whole.trainer.loader) + 3)   # in the second round
    again = run(tmp_path / "broken", True)
    assert again.trainer.history == whole.trainer.history and again.snapshots.taken == whole.snapshots.taken
    assert len(whole.snapshots.taken) == 3 and np.shape(whole.snapshots.taken) == (3, MATRIX, MATRIX)


@pytest.mark.slow
@pytest.mark.parametrize("variant", [v for v in LearningFromText.variants if v != DEFAULT])
def test_the_other_variants_run(variant, tmp_path):
    assert main(["lecture", "8", "--scale", "smoke", "--variant", variant, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [c["verdict"] for c in report["claims"]][:2] == ["holds", "holds"] and "visual n-grams" not in report["metrics"]
    assert ("linear probe" in report["metrics"]) == (variant != "shuffled") and len(report["pictures"]) == 11


def test_photographs_in_the_layout_of_coco(tmp_path):
    """Also with fewer pictures than a batch has; every picture is read when it is needed."""
    write_coco(tmp_path)
    out = tmp_path / "out"
    assert main(["lecture", "8", "--scale", "smoke", "--data", "coco", "--root", str(tmp_path), "--out", str(out)]) == 0
    report = json.loads((out / "report.json").read_text())
    assert len(report["claims"]) == 2 and report["data"] == "coco" and report["metrics"]["retrieval"]["pairs"] == 1
    assert {p.name for p in out.glob("*.png")} == {"loss.png", "temperature.png", "similarity.png", "found.png"}


def test_retrieval_by_hand(web):
    """Each picture among all texts, and each text among all pictures, in chunks or not."""
    manual_seed(2)
    texts = web.texts()[:30]
    tokenizer = train_tokenizer(web.texts())
    model = build("vit", len(tokenizer)).eval()
    part = Part([[text.split()] for text in texts], lambda rows: web.images()[np.asarray(rows)].astype(np.float32) / 255)
    found = evaluation.retrieval(model, part, tokenizer.tokenize)
    with no_grad():
        scores, _ = model(pictures(web.images()[:30]), Tensor(tokenizer.tokenize(texts)))
    for way, s in zip(evaluation.WAYS, (scores.numpy(), scores.numpy().T)):
        rank = np.array([(s[i] > s[i, i]).sum() for i in range(30)])
        assert found[way] == pytest.approx({"R@1": (rank < 1).mean(), "R@5": (rank < 5).mean()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "CHUNK", 7)
        assert evaluation.retrieval(model, part, tokenizer.tokenize) == found
    assert 0 < found[evaluation.WAYS[0]]["R@5"] < 1 and found["pairs"] == 30


@real_photographs
def test_the_real_photographs(tmp_path):
    metrics = metrics_on_real_photographs(8, tmp_path)
    assert metrics["tokens"] > 600 and metrics["retrieval"]["pairs"] == 3


# ---------------------------------------------------------------------- training

def test_the_temperature_is_bounded_after_every_step():
    manual_seed(0)
    experiment = LearningFromText("cbow", "smoke", epochs=1)
    experiment.prepare()
    trainer = next(experiment.stages(None, False))
    with no_grad():
        trainer.model.logit_scale.copy_(Tensor(np.float32(5.0)))   # beyond ln 100: one step brings it back
    batch = next(iter(trainer.loader))
    trainer.model.train()
    trainer._train_on(batch)
    assert math.exp(float(trainer.model.logit_scale.detach())) == pytest.approx(100, abs=1e-4)


def test_what_decays_and_what_does_not():
    model = build("vit", 600)
    optimizer, _ = adamw(model, 10)
    decaying, free = optimizer.param_groups
    assert decaying["weight_decay"] > 0 == free["weight_decay"] and all(p.ndim >= 2 for p in decaying["params"])
    names = {id(p): name for name, p in model.named_parameters()}
    assert len(decaying["params"]) + len(free["params"]) == len(names)
    assert {"logit_scale", "ln_final.weight", "visual.ln_pre.bias"} <= {names[id(p)] for p in free["params"]}


@pytest.mark.parametrize("variant", ["vit", "resnet", "cbow"])
def test_one_batch_can_be_overfitted(variant, web):
    manual_seed(0)
    rows = distinct_pairs(web, 12)
    tokenizer = train_tokenizer(web.texts())
    data = PicturesWithTexts(web.images()[rows], tokenizer.tokenize([web[i].text for i in rows]))
    model = build(variant, len(tokenizer))
    optimizer, _ = adamw(model, 10**6)
    images, ids = data.batch(range(12))
    losses = []
    for _ in range(40):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3
        optimizer.zero_grad()
        loss = clip_loss(model(images, ids)[0])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 < losses[0]


def test_the_loss_of_unrelated_normal_logits():
    rng = np.random.default_rng(0)
    for spread in (0.0, 0.5, 1.0):
        logits = spread * rng.standard_normal((1500, 1500)) + 3
        assert unrelated(logits) == pytest.approx(float(clip_loss(Tensor(logits))), abs=0.05)
    assert unrelated(np.zeros((64, 64))) == pytest.approx(math.log(64))


# ---------------------------------------------------------------------- data

def test_batches_are_normalised_pictures_and_their_texts(web):
    tokenizer = train_tokenizer(web.texts())
    ids = tokenizer.tokenize(web.texts())
    images, texts = PicturesWithTexts(web.images(), ids).batch([5, 2])
    np.testing.assert_array_equal(texts.numpy(), ids[[5, 2]])
    expected = (web[2].image / 255 - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    np.testing.assert_allclose(images.numpy()[1], expected, atol=1e-5)
    _, words = PicturesWithTexts(web.images(), [t.split() for t in web.texts()]).batch([5, 2])
    assert words == [web[5].text.split(), web[2].text.split()]
    with pytest.raises(ValueError, match="there are 400 pictures and 3 texts"):
        PicturesWithTexts(web.images(), ids[:3])


def test_shuffled_texts_are_the_same_texts(web):
    other = shuffled(web.texts(), 0)
    assert sorted(other) == sorted(web.texts()) and other == shuffled(web.texts(), 0)
    assert np.mean([a == b for a, b in zip(other, web.texts())]) < 0.05


def test_the_matrix_shows_distinct_things(web):
    rows = distinct_pairs(web, MATRIX)
    assert len(rows) == len(set(rows)) == MATRIX and {web[i].kind for i in rows} == {"sprite", "digit", "action", "sign"}
    assert len({(web[i].kind, web[i].truth) for i in rows}) == MATRIX


def test_prompts_are_sentences_of_the_web():
    assert PROMPTS["sprites"]["one prompt"] == ("a photo of a {}",) and PROMPTS["digits"]["name alone"] == ("{}",)
    for of in PROMPTS.values():
        assert of["one prompt"][0] in of["ensemble"] and len(set(of["ensemble"])) == len(of["ensemble"]) >= len(FRAMES)


def test_texts_fit_into_the_context(web):
    tokenizer = train_tokenizer(web.texts())
    assert isinstance(tokenizer, CLIPTokenizer) and tokenizer.context_length == CONTEXT
    longest = [name.join(t.split("{}")) for n, of in PROMPTS.items() for t in of["ensemble"] for name in CLASSES[n]]
    assert tokenizer.tokenize(longest).shape[1] == CONTEXT   # nothing is cut
    assert tokenizer.decode(tokenizer.encode("a photo of a red circle")) == "a photo of a red circle "


# ---------------------------------------------------------------------- measurements, by hand

def test_accuracy_by_column():
    labels = labelled("sprites", "test", 36).labels
    seen, novel = np.flatnonzero(~is_novel()), np.flatnonzero(is_novel())
    scores = np.eye(36)[labels]
    scores[labels == seen[0], seen[1]] = 2              # a seen pair taken for another
    scores[labels == novel[0], seen[0]] = 2             # a novel one for a seen one: right among the novel ones
    scores[labels == novel[1], novel[2]] = 2            # a novel one for a novel one
    found = evaluation.by_column("sprites", scores, labels)
    assert found == {"sprites": 33 / 36, "seen pairs": 29 / 30, "unseen pairs": 4 / 6, "unseen among themselves": 5 / 6}
    assert evaluation.by_column("digits", np.eye(10)[[1, 2]], np.array([1, 3])) == {"digits": 0.5}


def test_zero_shot_answers_by_hand(web):
    """The largest cosine between a picture and the mean of the prompts' directions."""
    manual_seed(1)
    tokenizer, data = train_tokenizer(web.texts()), labelled("actions", "test", 12)
    model = build("vit", len(tokenizer)).eval()
    said = evaluation.zero_shot_scores(model, tokenizer, "actions", data).argmax(1)
    with no_grad():
        image = model.encode_image(pictures(data.images)).numpy()
        scores = np.empty((12, 6))
        for k, name in enumerate(CLASSES["actions"]):
            text = [model.encode_text(Tensor(tokenizer.tokenize([template.format(name)]))).numpy()[0]
                    for template in PROMPTS["actions"]["ensemble"]]
            mean = np.mean([t / np.linalg.norm(t) for t in text], axis=0)
            scores[:, k] = image @ mean / np.linalg.norm(image, axis=1) / np.linalg.norm(mean)
    np.testing.assert_array_equal(said, scores.argmax(1))
    assert zero_shot_weights(model, tokenizer, SHAPES, PROMPTS["sprites"]["ensemble"]).shape == (6, EMBEDDING)


def test_snapshots_are_cosines(web):
    manual_seed(1)
    tokenizer = train_tokenizer(web.texts())
    model = build("vit", len(tokenizer)).train()
    ids = tokenizer.tokenize(web.texts()[:3])
    snapshots = Snapshots(model, web.images()[:3], ids)
    snapshots.take()
    assert model.training
    with no_grad():
        cosine = F.normalize(model.encode_image(pictures(web.images()[:3])), dim=1) @ \
            F.normalize(model.encode_text(Tensor(ids)), dim=1).T
    np.testing.assert_allclose(snapshots.taken[0], cosine.numpy(), atol=1e-4)
    other = Snapshots(model, web.images()[:3], ids)
    other.load_state_dict(json.loads(json.dumps(snapshots.state_dict())))
    assert other.taken == snapshots.taken


# ---------------------------------------------------------------------- claims

def metrics_of(**changes):
    columns = {"sprites": 0.9, "seen pairs": 0.95, "unseen pairs": 0.6, "unseen among themselves": 0.7, "digits": 0.8,
               "actions": 0.9}
    kinds = {"name alone": 0.7, "one prompt": 0.8, "ensemble": 0.9}
    found = {"loss": {"first": 4.9, "expected first": 4.8, "last": 1.0}, "1 / temperature": {"first": 14.3, "largest": 20.0},
             "zero-shot": {kind: {c: value * share for c, value in columns.items()} for kind, share in kinds.items()},
             "linear probe": {"accuracy": {name: 0.95 for name in CLASSES}},
             "attack": {kind: {"accuracy": a, "answered with the wrong word": b} for kind, a, b in
                        zip(ATTACKS, (0.9, 0.8, 0.9, 0.5), (0.02, 0.04, 0.02, 0.4))},
             "reading": {"accuracy": 0.9, "words": 34},
             "visual n-grams": {c: value / 2 for c, value in columns.items()}}
    return {**found, **changes}


def test_claims_can_fail():
    assert all(c.holds for c in claims_of(DEFAULT, metrics_of()))
    weak = metrics_of(**{"reading": {"accuracy": 0.5, "words": 34},
                         "visual n-grams": {c: 0.99 for c in metrics_of()["visual n-grams"]},
                         "linear probe": {"accuracy": {name: 0.5 for name in CLASSES}},
                         "loss": {"first": 5.2, "expected first": 4.8}})
    failed = [c.statement for c in claims_of(DEFAULT, weak) if not c.holds]
    assert len(failed) == 5 and any("Visual N-Grams" in s for s in failed) and any("linear probe" in s for s in failed)
    equal = {c: 0.1 * i for i, c in enumerate(metrics_of()["zero-shot"]["ensemble"], 1)}
    nearly = {c: value * (1 + 2e-16) for c, value in equal.items()}   # equal but for rounding
    tie = metrics_of(**{"zero-shot": {"name alone": nearly, "one prompt": nearly, "ensemble": equal}})
    assert all(c.holds for c in claims_of("cbow", tie) if "prompt is no worse" in c.statement or "of prompts" in c.statement)
    assert len(claims_of("shuffled", metrics_of())) == 3 and not claims_of("shuffled", metrics_of())[2].holds


def test_comparisons_of_variants():
    low = metrics_of(**{"zero-shot": {kind: {c: 0.03 for c in found} for kind, found in metrics_of()["zero-shot"].items()}})
    others = {v: metrics_of() for v in ("resnet", "cbow", "vit")}
    assert all(c.holds for c in comparisons({**others, "shuffled": low})) and len(comparisons({**others, "shuffled": low})) >= 4
    assert not all(c.holds for c in comparisons({**others, "shuffled": metrics_of()})) and comparisons({DEFAULT: low}) == []
