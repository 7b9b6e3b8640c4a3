"""Lecture 7 at smoke scale: its report and pictures, resume, what the systems share, its measurements by hand."""

import dataclasses
import json
import math

import numpy as np
import pytest

from tests.train.small_training import interrupt
from tinymm.autograd import Tensor
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.worlds.placed_sprites import PlacedSprites, contradicts
from tinymm.experiments.lecture_07 import evaluation
from tinymm.experiments.lecture_07.claims import claims_of
from tinymm.experiments.lecture_07.data import Part, centred
from tinymm.experiments.lecture_07.embedding import FEATURES, embedding_stage, phi_of, text_encoder
from tinymm.experiments.lecture_07.experiment import SCALES, TextToImage
from tinymm.experiments.lecture_07.gan import BATCH, SYSTEMS, Described, Turns, build
from tinymm.experiments.lecture_07.judge import rightness
from tinymm.models.text_to_image_gan import Generator
from tinymm.nn import Linear, Module
from tinymm.text.characters import character_numbers

PICTURES = {"grid.png", "along.png", "scores.png", "between.png"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the default variant, by the command."""
    out = tmp_path_factory.mktemp("lecture_07")
    assert main(["lecture", "7", "--scale", "smoke", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def described():
    """Some pictures, with random phi."""
    part = Part.of(PlacedSprites("train", 120))
    return Described.of(part, np.random.default_rng(0).standard_normal((120, 4, FEATURES)).astype(np.float32))


def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    assert {"lecture": 7, "variant": "cls", "scale": "smoke", "seed": 0}.items() <= report.items()
    metrics, size = report["metrics"], SCALES["smoke"]
    assert metrics["pictures"] == {part: getattr(size, part) for part in ("judge", "train", "validation", "test", "unseen")}
    assert metrics["judge"]["accuracy"] == metrics["judge"]["test"]["all"] > 0.2        # a guess has 1 / 144
    assert metrics["embedding"]["classes"] == 120 and metrics["embedding"]["unseen classes"] == 24
    assert list(metrics["systems"]) == ["GAN-CLS", "GAN"]
    for system in metrics["systems"].values():
        curve, steps = system["curve"], size.train // BATCH
        assert curve["steps"] == [steps * (k + 1) for k in range(size.epochs)]
        assert {name: curve[name][-1] for name in ("colour", "shape", "place", "all")} == system["end"]   # of the last weights
        assert curve["AUC"][-1] == pytest.approx(system["auc"]) and system["mean"] == pytest.approx(np.mean(curve["all"]))
        assert system["end"]["all"] <= min(system["end"][name] for name in ("colour", "shape", "place"))
        assert abs(system["first D loss"] - 2 * math.log(2)) < 0.5
    assert metrics["literal"]["steps"] == size.literal_steps
    assert PICTURES | {"signs.png"} <= set(report["pictures"]) and all((finished / name).exists() for name in report["pictures"])
    assert len(report["claims"]) == len(claims_of("cls", metrics))


def test_an_interrupted_run_ends_as_if_nothing_had_happened(finished, tmp_path):
    """Broken off in the GAN's second round, before G's turn."""
    manual_seed(0)
    experiment = TextToImage("cls", "smoke")
    experiment.prepare()
    stages = experiment.stages(tmp_path / "checkpoints", False)
    for _ in range(3):                                                       # judge, picture net, embedding
        next(stages).fit()
    gan = next(stages)
    interrupt(gan, len(gan.loader) + 3, "G")
    with pytest.raises(KeyboardInterrupt):
        gan.fit()
    assert main(["lecture", "7", "--scale", "smoke", "--out", str(tmp_path), "--resume"]) == 0
    whole, resumed = (json.loads((out / "report.json").read_text()) for out in (finished, tmp_path))
    assert whole["metrics"] == resumed["metrics"] and whole["claims"] == resumed["claims"]


@pytest.mark.slow
@pytest.mark.parametrize("variant, systems", [("int", ["GAN-INT", "GAN"]), ("int_cls", ["GAN-INT-CLS", "GAN-CLS"])])
def test_the_other_variants(variant, systems, finished, tmp_path):
    assert main(["lecture", "7", "--variant", variant, "--scale", "smoke", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["metrics"]["systems"]) == systems and set(report["pictures"]) == PICTURES
    assert len(report["claims"]) == 6
    whole = json.loads((finished / "report.json").read_text())["metrics"]["systems"]   # the rival is the same in any variant
    assert report["metrics"]["systems"][systems[1]] == whole[systems[1]]


# ---------------------------------------------------------------------- a step

class Listening(Module):
    """In the place of G or D: keeps what it is given."""

    noise = 4

    def __init__(self, out):
        super().__init__()
        self.layer, self.out, self.given = Linear(1, 1), out, []

    def forward(self, a, h):
        self.given.append((a.detach().numpy(), h.detach().numpy()))
        return self.layer(Tensor(np.full((len(h), 1), self.out, np.float32))).reshape(len(h))


def turns(described, name, **options):
    manual_seed(0)
    G, D = Listening(0.0), Listening(0.0)
    w, interpolation = SYSTEMS[name]
    return G, D, Turns(G, D, described, w, interpolation, **options)


def test_systems_see_the_same_batches_texts_and_noise(described):
    seen, rows = {}, np.arange(8)
    for name in SYSTEMS:
        G, D, both = turns(described, name)
        both.discriminate(rows)
        drawn = D.given[-1]
        both.generate(rows)
        seen[name] = [G.given[0], (G.given[1][0][:8], G.given[1][1][:8]), drawn]
        assert len(D.given) == 3 + (name.endswith("CLS")) and len(G.given[1][0]) == (12 if "INT" in name else 8)
        assert not np.array_equal(G.given[0][0], G.given[1][0][:8])        # fresh noise for G's turn
    first = seen.pop("GAN")
    for other in seen.values():
        for ours, theirs in zip(first, other):
            assert all(np.array_equal(a, b) for a, b in zip(ours, theirs))


def test_d_is_shown_the_right_pairs_and_g_the_texts_between(described):
    G, D, both = turns(described, "GAN-INT-CLS", beta=0.25)
    rows = np.arange(10, 18)
    both.discriminate(rows)
    (x_wrong, h_wrong), (x, h), (_, h_fake) = D.given
    assert np.array_equal(x, described.images[rows]) and np.array_equal(x, x_wrong) and np.array_equal(h, h_fake)
    text = lambda vector: next(k for k in range(120 * 4) if np.array_equal(described.phi.reshape(-1, FEATURES)[k], vector))
    own, wrong = [text(v) for v in h], [text(v) for v in h_wrong]
    assert [k // 4 for k in own] == list(rows) and set(wrong) <= set(own)
    assert contradicts(described.mentions.reshape(-1, 3)[wrong], described.contents[rows]).all()
    both.generate(rows)
    h_all = D.given[-1][1]
    assert np.allclose(h_all[8:], 0.25 * h[:4] + 0.75 * h[4:], atol=1e-6) and np.array_equal(h_all, G.given[-1][1])


def test_the_weights_of_the_terms(described):
    rows = np.arange(8)
    for name, (w, interpolation) in SYSTEMS.items():
        _, _, both = turns(described, name)
        assert both.discriminate(rows).item() == pytest.approx(2 * math.log(2), abs=2) and both.w == w
        assert both.interpolation == interpolation
    _, D, both = turns(described, "GAN-INT")
    both.interpolation = 3.0
    both.h = Tensor(described.phi[rows, 0])
    D.forward = lambda x, h: Tensor(np.r_[np.zeros(8), np.full(4, 50.0)].astype(np.float32))[:len(h)]
    assert both.generate(rows).item() == pytest.approx(8 * math.log(2) / 12, rel=1e-6)     # the four between cost nothing
    D.forward = lambda x, h: Tensor(np.r_[np.full(8, 50.0), np.zeros(4)].astype(np.float32))
    assert both.generate(rows).item() == pytest.approx(3 * 4 * math.log(2) / 12, rel=1e-6)


def test_the_literal_sign_is_the_opposite(described):
    losses = []
    for literal in (False, True):
        _, _, both = turns(described, "GAN-CLS", literal=literal)
        losses.append([both.discriminate(np.arange(8)).item(), both.generate(np.arange(8)).item()])
    assert losses[1] == [-loss for loss in losses[0]]


def test_one_class_in_a_batch_has_no_wrong_text(described):
    one = np.flatnonzero((described.contents == described.contents[0]).all(1))[:1].repeat(4)
    with pytest.raises(ValueError, match="a batch must have more than one class"):
        described.batch(one)


def test_the_same_seed_builds_the_same_networks():
    states = [[t.numpy() for network in build(3) for t in network.state_dict().values()] for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*states))
    assert isinstance(build(0)[0], Generator) and build(0)[0].size == build(0)[1].size == 16


# ---------------------------------------------------------------------- measurements

def test_auc_by_hand():
    assert evaluation.auc(np.array([3.0, 1.0]), np.array([0.0, 2.0])) == 0.75
    assert evaluation.auc(np.array([1.0]), np.array([1.0])) == 0.5
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 50), rng.integers(0, 9, 70)
    assert evaluation.auc(a, b) == pytest.approx(((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean())


def test_rightness_by_hand():
    said, contents = np.array([[0, 1, 2], [0, 1, 3], [1, 1, 2], [0, 0, 2]]), np.array([[0, 1, 2]] * 4)
    assert rightness(said, contents) == {"colour": 0.75, "shape": 0.75, "place": 0.75, "all": 0.25}


def test_questions_are_whole_sentences_and_wrong_ones():
    part = Part.of(PlacedSprites("test", 60))
    phi = np.arange(60 * 4 * 2, dtype=np.float32).reshape(60, 4, 2)
    q = evaluation.Questions.of(part, phi, 5, seed=1)
    again = evaluation.Questions.of(part, phi, 5, seed=1)
    assert len(q) <= 60 and q.z.shape == (len(q), 5) and np.array_equal(q.z, again.z) and np.array_equal(q.wrong, again.wrong)
    for sentence, content, h, wrong in zip(q.sentences, q.contents, q.h, q.wrong):
        k, other = int(h[0]) // 2, int(wrong[0]) // 2                        # numbers of texts
        assert part.texts[k] == sentence and np.array_equal(part.mentions.reshape(-1, 3)[k], content)
        assert contradicts(part.mentions.reshape(-1, 3)[other], content)


def test_progress_of_a_walk_between_real_pictures():
    part = Part.of(PlacedSprites("train", 960))
    pairs = evaluation.colour_pairs(part.contents[:200], 10)
    contents = part.contents[pairs]                                          # (10, 2, 3)
    assert len(pairs) == 10 and (contents[:, 0, 0] != contents[:, 1, 0]).all() and (contents[:, 0, 1:] == contents[:, 1, 1:]).all()
    mean = lambda c: part.images[(part.contents == c).all(1)].mean(0)
    share = np.linspace(0, 1, 5)[:, None, None, None]
    images = np.stack([(1 - share) * mean(a) + share * mean(b) for a, b in contents])
    way = evaluation.progress(images, contents, part)
    assert np.allclose(way, np.linspace(0, 1, 5), atol=1e-5) and evaluation.monotone(way).all()
    assert not evaluation.monotone(way[:, ::-1]).any()
    assert evaluation.monotone(np.array([[0.1, 0.1, 0.1], [0, 0.7, 0.6], [0, 0.6, 0.59]])).tolist() == [False, False, True]


def test_phi_is_as_long_as_the_noise():
    manual_seed(0)
    encoder = text_encoder().eval()
    phi = phi_of(encoder, character_numbers(["a red star", "something blue at the top left"], 64))
    assert phi.shape == (2, FEATURES) and np.allclose((phi ** 2).mean(1), 1, atol=1e-5)


def test_the_embeddings_batches_have_each_class_once(monkeypatch):
    part = Part.of(PlacedSprites("train", 240))
    manual_seed(0)
    stage = embedding_stage(text_encoder(), np.ones((240, FEATURES), np.float32), part, 1, label=None)
    assert math.isfinite(stage.step(None).item())                            # the loss refuses a class that stands there twice


def test_pictures_are_as_tanh_gives_them():
    assert centred(np.array([0, 255], np.uint8)).tolist() == [-1, 1]


# ---------------------------------------------------------------------- claims

def metrics(**changes) -> dict:
    """Measurements of the two GANs, with which every claim of theirs holds at its threshold."""
    own = {"mean": .4, "end": {"colour": .85, "shape": .6, "place": .9, "all": .5}, "auc": .8, "monotone": .8,
           "first D loss": 2 * math.log(2) + .25 - 1e-9}
    other = {"mean": .3, "end": {"all": .49}, "auc": .65, "monotone": .8}
    return {"judge": {"accuracy": .98}, "embedding": {"seen": .9, "unseen among themselves": .35, "unseen classes": 24},
            "systems": {"GAN-INT": {**own, **changes}, "GAN": other}}


def test_claims_of_interpolation_fail_where_the_measurements_say_so():
    assert all(claim.holds for claim in claims_of("int", metrics()))
    assert sum(not claim.holds for claim in claims_of("int", metrics(mean=.29))) == 1
    assert sum(not claim.holds for claim in claims_of("int", metrics(monotone=.79))) == 2
    embedding = {"seen": .89, "unseen among themselves": .34, "unseen classes": 24}
    judged = {**metrics(), "judge": {"accuracy": .979}, "embedding": embedding}
    assert [claim.holds for claim in claims_of("int", judged)][:3] == [False] * 3


def test_a_run_has_the_options_of_its_variant():
    assert TextToImage(variant="int", scale="smoke").size == SCALES["smoke"]
    assert {field.name for field in dataclasses.fields(SCALES["lecture"])} >= {"judge", "train", "epochs"}
    with pytest.raises(ValueError, match="there is no variant 'gan'; choose from cls, int, int_cls, stackgan"):
        TextToImage(variant="gan")
