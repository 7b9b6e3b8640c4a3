"""Lecture 9 at smoke scale: its report and pictures, resume, its measurements by hand, its claims."""

import dataclasses
import json
import math

import numpy as np
import pytest

from tests.train.small_training import interrupt
from tinymm import Tensor, no_grad
from tinymm.backend.random import manual_seed, stream
from tinymm.cli import main
from tinymm.data.worlds.grounded_sprites import GroundedSprites
from tinymm.experiments.lecture_09 import evaluation, systems
from tinymm.experiments.lecture_09.claims import claims_of, comparisons
from tinymm.experiments.captioning.parts import shuffled
from tinymm.experiments.lecture_09.data import Part, Setting, Sizes, enlarged, padded, train_tokenizer
from tinymm.experiments.lecture_09.experiment import ZeroShotTextToImage
from tinymm.experiments.restoring import restore
from tinymm.experiments.running import fit
from tinymm.models.dalle import PAD, dalle_loss
from tinymm.text.clip_tokenizer import CLIPTokenizer

SMALL = Sizes(codes=16, n_hid=4, n_init=4, d_model=16, layers=3, heads=2, clip_width=8, clip_embedding=8, clip_text=16,
              dvae_rounds=1, rounds=1, clip_rounds=1, candidates=3, judge_rounds=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_09")
    assert main(["lecture", "9", "--scale", "smoke", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def setting():
    parts = {part: Part.of(GroundedSprites(part, count, 3)) for part, count in (("train", 64), ("validation", 12), ("test", 12))}
    return Setting("default", parts, train_tokenizer(parts["train"].captions, SMALL.text_length), SMALL, 3)


@pytest.fixture(scope="module")
def trained(setting):
    """Untrained models, in evaluation mode."""
    manual_seed(0)
    words = len(setting.tokenizer)
    return systems.Trained({systems.MAIN: systems.build_dvae(SMALL).eval()}, systems.build_transformer(SMALL, words).eval(),
                           systems.build_clip(SMALL, words).eval())


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 9, "variant": "default", "scale": "smoke", "seed": 0}.items() <= report.items()
    metrics = report["metrics"]
    shares = {"colour", "shape", "ground", "all"}
    assert set(metrics["judge"]["test"]) == set(metrics["dvae"]["judge"]) == set(metrics["samples"]["unseen"]) == shares
    assert metrics["reranked"]["seen"]["random"] == metrics["samples"]["seen"] and metrics["reranked"]["seen"]["N"] == 8
    assert metrics["dvae"]["gap"] == pytest.approx(metrics["dvae"]["NLL hard"] - metrics["dvae"]["NLL relaxed"])
    assert metrics["transformer"]["first image CE"] == pytest.approx(math.log(128), abs=0.1)
    assert len(metrics["cost"]["cached"]) == 15 and len(report["claims"]) == 18
    assert {p.name for p in finished.glob("*.png")} == set(report["pictures"]) == {
        "cost.png", "gap.png", "losses.png", "masks.png", "reconstructions.png", "reranked.png", "usage.png", "validation.png"}


def test_what_is_restored_is_the_average_of_the_weights(finished):
    """Its reconstructions are the report's, and those of the weights themselves are others."""
    build = lambda config: systems.build_dvae(Sizes(**config["hyperparameters"]))
    read = lambda part: restore(finished, "dvae", "dVAE", "{}", build, part)
    report = json.loads((finished / "report.json").read_text())
    test = Part.of(GroundedSprites("test", 60, 0))
    found = [systems.reconstruction(read(part), test, Sizes().tau)[0]["NLL hard"] for part in ("ema.module.", "model.")]
    assert found[0] == pytest.approx(report["metrics"]["dvae"]["NLL hard"], abs=1e-5) and abs(found[1] - found[0]) > 1e-4
    words = []
    restore(finished, "transformer", "Transformer", "{}", lambda config: words.append(CLIPTokenizer.from_state_dict(
        config["tokenizer"])) or systems.build_transformer(Sizes(**config["hyperparameters"]), len(words[0])))
    assert words[0] == train_tokenizer(GroundedSprites("train", 480).captions(), 16)


@pytest.mark.slow
@pytest.mark.parametrize("variant", [v for v in ZeroShotTextToImage.variants if v != "default"])
def test_the_other_variants_run(variant, tmp_path):
    assert main(["lecture", "9", "--scale", "smoke", "--variant", variant, "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    metrics, claims = report["metrics"], len(report["claims"])
    assert "reranked" not in metrics and ("beta0" in metrics) == (variant == "beta0") == ("transformer" not in metrics)
    assert claims == {"beta0": 8, "dense": 17, "shuffled": 14}[variant]


def test_an_interrupted_run_ends_as_if_nothing_had_happened(tmp_path, monkeypatch):
    """Interrupted in the dVAE's second round: its average of weights goes on, too, and all that follows is equal."""
    from tinymm.experiments.lecture_09 import experiment as module

    scale = module.Scale(judge=72, train=96, validation=12, test=12, unseen=6, sizes=dataclasses.replace(SMALL, dvae_rounds=2))
    monkeypatch.setitem(module.SCALES, "smoke", scale)

    def run(folder, resume, stop=None):
        manual_seed(0)
        experiment = ZeroShotTextToImage(scale="smoke")
        experiment.prepare()
        if stop is None:
            return fit(experiment, folder, resume)[0]
        stages = experiment.stages(folder, False)
        next(stages).fit(resume)                                                 # the judge
        stage = next(stages)
        interrupt(stage, stop)
        stage.fit(resume)

    whole = run(tmp_path / "whole", False)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", False, stop=4)
    again = run(tmp_path / "broken", True)
    for name, trainer in whole.trainers.items():
        assert again.trainers[name].history == trainer.history, name
    for key, weight in whole.dvae.state_dict().items():
        assert np.array_equal(again.dvae.state_dict()[key].numpy(), weight.numpy()), key


# ---------------------------------------------------------------------- what is given

def test_beta_presses_on_a_token_as_in_the_paper():
    """6.6 against the 192 values of a token there, and the same share of 48 here."""
    assert Sizes(pixels=256, groups=4).beta == 6.6 and Sizes(pixels=256, groups=4).grid == (32, 32)
    assert Sizes().beta / (3 * Sizes().stride**2) == pytest.approx(6.6 / (256 * 256 * 3 / (32 * 32)))
    assert Sizes().grid == (4, 4)


def test_pads_come_after_the_end_and_an_exclamation_mark_stays(setting):
    text, ids = setting.text(["a red star!!", ""]), setting.ids(["a red star!!", ""])
    length = len(setting.tokenizer.encode("a red star!!")) + 2
    assert setting.tokenizer.decode(text[0, :length], skip_special_tokens=True).split() == ["a", "red", "star", "!!"]
    assert (text[0, :length] == ids[0, :length]).all() and (text[0, length:] == PAD).all() and 0 in text[0]
    assert text[1].tolist() == [setting.tokenizer.start, setting.tokenizer.end, *[PAD] * 14]
    assert np.array_equal(padded(setting.tokenizer, ids), text)


def test_a_caption_that_is_too_long_is_cut_or_refused(setting):
    with pytest.raises(ValueError, match="more than context_length=16"):
        setting.text(["a red star " * 9])
    text = dataclasses.replace(setting, cut=True).text(["a red star " * 9])
    assert text.shape == (1, 16) and text[0, -1] == setting.tokenizer.end


def test_enlarged_pictures_have_squares_for_pixels():
    images = np.arange(8).reshape(2, 2, 2)
    large = enlarged(images, 6)
    assert large.shape == (2, 6, 6) and all((large[:, i::3, j::3] == images).all() for i in range(3) for j in range(3))


def test_shuffled_captions_are_the_same_ones_elsewhere():
    captions = [str(i) for i in range(50)]
    found = shuffled(captions, 0)
    assert sorted(found) == sorted(captions) and sum(a == b for a, b in zip(found, captions)) < 5
    assert found == shuffled(captions, 0) != shuffled(captions, 1)


@pytest.mark.parametrize("variant, learns", [("default", ["dvae", "transformer", "clip"]), ("dense", ["dvae", "transformer"]),
                                             ("shuffled", ["dvae", "transformer"]), ("beta0", ["dvae", "dvae_beta0"])])
def test_the_stages_of_each_variant(variant, learns, setting):
    def build(variant):
        of_variant, found = dataclasses.replace(setting, variant=variant), {}
        stages = systems.stages(of_variant, lambda name: names.append(name) or {"label": None})
        while True:
            try:
                stage = next(stages)
            except StopIteration as end:
                return end.value, found
            found[names[-1]] = stage                                             # not fitted: the models are as they begin

    names: list[str] = []
    made, found = build(variant)
    assert names == learns == list(made.trainers)
    if variant == "beta0":
        assert made.transformer is None
        one, other = (stage.model["model"].state_dict() for stage in found.values())
        assert all(np.array_equal(one[key].numpy(), other[key].numpy()) for key in one)          # the same start
    else:
        assert (made.transformer.kinds == ["full"] * 3) == (variant == "dense")
        texts = np.stack([found["transformer"].loader.dataset[i][0].numpy() for i in range(64)])
        right = setting.text(setting.parts["train"].captions)
        assert np.array_equal(texts, right) == (variant != "shuffled") and np.array_equal(np.sort(texts, 0), np.sort(right, 0))


def test_tau_beta_and_rate_follow_the_step(setting):
    sizes = dataclasses.replace(SMALL, dvae_rounds=10)                           # 20 steps: tau falls for 16, beta rises for 2
    parts = (setting.parts[name] for name in ("train", "validation"))
    stage = systems.dvae_stage(systems.build_dvae(sizes), *parts, sizes, 1.65, label=None)
    stage.fit()
    tau, beta = stage.history["tau"], stage.history["beta"]
    assert tau[0] == 1 and tau[8] == pytest.approx((1 + 1 / 16) / 2) and tau[16:] == [1 / 16] * 4
    assert beta[:4] == pytest.approx([0, 0.825, 1.65, 1.65]) and stage.history["round's tau"][-1] == 1 / 16
    assert stage.optimizer.param_groups[0]["lr"] == pytest.approx(sizes.dvae_lr * systems.LAST_LR, rel=1e-6)
    loss = np.array(stage.history["NLL"]) + np.array(beta) * np.array(stage.history["KL"]) / 48
    assert np.allclose(loss, stage.history["loss"], atol=1e-5)                   # 48 values a token


def test_the_transformer_starts_at_knowing_nothing_and_learns_a_batch_by_heart(setting):
    manual_seed(1)
    sizes = dataclasses.replace(SMALL, rounds=80, d_model=32, lr=1e-2, batch=4)
    model, words = systems.build_transformer(sizes, len(setting.tokenizer)), len(setting.tokenizer)
    batch = (setting.text(setting.parts["train"].captions[:4]), np.random.default_rng(0).integers(0, 16, (4, 4, 4)))
    history = systems.transformer_stage(model, batch, batch, sizes, label=None).fit()
    assert history["image CE"][0] == pytest.approx(math.log(16), abs=0.1)
    assert history["text CE"][0] == pytest.approx(math.log(words), abs=0.1)
    assert history["held image CE"][-1] < 0.1 and history["held text CE"][-1] < 0.5     # four captions begin in the same way


# ---------------------------------------------------------------------- what is measured

def test_reconstruction_by_hand(setting, trained, monkeypatch):
    """In chunks or not, and without touching the training's random stream."""
    part, dvae = setting.parts["test"], trained.dvae
    before = stream("sampling").state_dict()
    found, tokens = systems.reconstruction(dvae, part, 0.5, seed=1)
    assert stream("sampling").state_dict() == before
    with no_grad():
        x = Tensor(part.pixels())
        assert np.array_equal(tokens, dvae.logits(x).numpy().argmax(1))
        assert found["MSE"] == pytest.approx(float(((dvae.decode(Tensor(tokens)).numpy() - part.pixels())**2).mean()), rel=1e-4)
        one_hot = np.eye(16, dtype=np.float32)[tokens].transpose(0, 3, 1, 2)
        assert found["NLL hard"] == pytest.approx(float(dvae.nll(x, dvae.decoder(Tensor(one_hot))).mean()), abs=1e-5)
        assert found["KL"] == pytest.approx(dvae.loss(x, 0.5, 1.0)[1]["KL"], abs=1e-5)
    p = np.unique(tokens, return_counts=True)[1] / tokens.size
    assert found["codes"] == len(p) and found["perplexity"] == pytest.approx(np.prod(p**-p))
    monkeypatch.setattr(systems, "CHUNK", 5)
    again = systems.reconstruction(dvae, part, 0.5, seed=1)[0]
    assert [again[k] for k in ("MSE", "NLL hard", "KL")] == pytest.approx([found[k] for k in ("MSE", "NLL hard", "KL")], abs=1e-5)


def test_predictions_by_hand(setting, trained, monkeypatch):
    part = setting.parts["test"]
    text, tokens = setting.text(part.captions), systems.encoded(trained.dvae, part.images)
    with no_grad():
        y, z = Tensor(text), Tensor(tokens.reshape(len(tokens), -1))
        _, text_loss, image_loss = dalle_loss(*trained.transformer(y, z), y, z)
    expected = {"text CE": text_loss.item(), "image CE": image_loss.item()}
    for chunk in (500, 5):                                                       # the chunks have unequal numbers of words
        monkeypatch.setattr(systems, "CHUNK", chunk)
        assert systems.predictions(trained.transformer, text, tokens) == pytest.approx(expected, abs=1e-5)


def test_samples_come_of_captions_and_the_seed_alone(setting, trained):
    captions = setting.parts["test"].captions[:2]
    images = evaluation.draw(setting, trained, captions, 3)
    assert images.shape == (2, 3, 3, 16, 16) and 0 <= images.min() <= images.max() <= 1
    assert np.array_equal(images, evaluation.draw(setting, trained, captions, 3))
    assert not np.array_equal(images, evaluation.draw(dataclasses.replace(setting, seed=4), trained, captions, 3))
    others = dataclasses.replace(setting, parts={"test": setting.parts["validation"]})           # other pictures, the same texts
    assert np.array_equal(images, evaluation.draw(others, trained, captions, 3))


def test_candidates_are_ordered_by_the_cosine_with_their_own_caption(setting, trained):
    captions = setting.parts["test"].captions[:4]
    candidates = np.random.default_rng(0).random((4, 3, 3, 16, 16), dtype=np.float32)
    order = evaluation.ranked(setting, trained, captions, candidates)
    with no_grad():
        shown = evaluation.pictures(enlarged(candidates.reshape(12, 3, 16, 16), 32))
        logits = trained.clip(shown, Tensor(setting.ids(captions)))[0].numpy().reshape(4, 3, 4)
    assert np.array_equal(order, [np.argsort(-logits[m, :, m]) for m in range(4)])


# ---------------------------------------------------------------------- what is claimed

def metrics(**changes):
    good = {"colour": 1.0, "shape": 0.6, "ground": 1.0, "all": 0.6}
    found = {"judge": {"test": dict.fromkeys(good, 0.99), "unseen": dict.fromkeys(good, 0.99)},
             "dvae": {"MSE": 0.01, "mean picture's MSE": 0.08, "codes": 100, "gap": 0.02, "judge": good},
             "transformer": {"first image CE": math.log(128), "text CE a caption": 8.6, "text entropy a caption": 8.5,
                             "image CE": 2.0},
             "samples": {"seen": good, "unseen": good},
             "reranked": {"seen": {"N": 8, "random": good, "best": {**good, "all": 0.8}}},
             "cost": {"cached": [10, 10, 10, 11], "recomputed": [10, 20, 30, 40]}}
    for path, value in changes.items():
        *room, name = path.split("__")
        place = found
        for key in room:
            place[key] = dict(place[key])
            place = place[key]
        place[name] = value
    return found


def failed(found, variant="default"):
    return [claim.statement for claim in claims_of(variant, found, 128) if not claim.holds]


@pytest.mark.parametrize("change, words", [
    ({"judge__unseen__shape": 0.96}, ["the judge is right"]), ({"dvae__MSE": 0.021}, ["squared error"]),
    ({"dvae__codes": 63}, ["at least half"]), ({"transformer__first image CE": math.log(128) + 0.11}, ["first image loss"]),
    ({"transformer__text CE a caption": 8.1}, ["captions' loss"]), ({"samples__seen__colour": 0.89}, ["right colour"]),
    ({"samples__seen__all": 0.29}, ["all three"]), ({"samples__unseen__all": 0.14}, ["pairs never seen"]),
    ({"samples__seen__shape": 0.41}, ["a shape as right"]), ({"reranked__seen__best": {"all": 0.64}}, ["CLIP's first"]),
    ({"cost__cached": [10, 11, 14, 16]}, ["with a cache"]), ({"cost__recomputed": [10, 10, 10, 10]}, ["without a cache"])])
def test_a_claim_fails_where_the_measurements_say_so(change, words):
    assert not failed(metrics())
    found = failed(metrics(**change))
    assert len(found) == 1 and all(word in found[0] for word in words)


def test_claims_of_the_other_variants():
    assert len(failed({**metrics(), "beta0": {"codes": 100, "gap": 0.02}}, "beta0")) == 2
    assert not failed({**metrics(), "beta0": {"codes": 99, "gap": 0.03}}, "beta0")
    assert len(failed(metrics(), "shuffled")) == 6                               # what follows its caption is no control
    chance = {"colour": 0.17, "shape": 0.2, "ground": 0.26, "all": 0.01}
    assert not failed({**metrics(), "samples": {"seen": chance, "unseen": chance}}, "shuffled")
    found = comparisons({"default": metrics(), "dense": metrics(transformer={"image CE": 1.89}), "shuffled": metrics()})
    assert [claim.holds for claim in found] == [False, False] and found[0].measured == pytest.approx(0.11)
    assert comparisons({"default": metrics()}) == []


def test_a_run_has_the_options_of_its_variant():
    with pytest.raises(ValueError, match="no variant 'vae'; choose from default, beta0, dense, shuffled"):
        ZeroShotTextToImage("vae")
    assert ZeroShotTextToImage(epochs=2).config["hyperparameters"]["dvae_rounds"] == 2
