"""StackGAN in lecture 7: how two stages are held against real pictures, and what a stage II that cheats is caught by."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.train.small_training import interrupt
from tinymm import nn
from tinymm.autograd import Tensor
from tinymm.backend.random import manual_seed
from tinymm.cli import main
from tinymm.data.worlds.placed_sprites import ATTRIBUTES, PlacedSprites
from tinymm.experiments.lecture_07 import stackgan
from tinymm.experiments.lecture_07.data import Part, Setting
from tinymm.experiments.lecture_07.embedding import FEATURES
from tinymm.experiments.lecture_07.experiment import TextToImage
from tinymm.experiments.lecture_07.gan import EMBEDDING, NOISE, Described, gan_stage
from tinymm.experiments.lecture_07.judge import Judge
from tinymm.experiments.lecture_07.stackgan import (CONDITION, KL, StackTurns, Trained, build_generators, claims_of, drawn,
                                                    enlarged, halves, nearest_psnr)
from tinymm.models.stackgan import StageIGenerator, StageIIGenerator
from tinymm.models.text_to_image_gan import Discriminator

STAGE_II = "nearer to real pictures"
FOLLOWS = "stage II heeds stage I"
JUDGE = "no less that is all right"


def part_of(name: str, count: int) -> Part:
    return Part.of(PlacedSprites(name, count))


@pytest.fixture(scope="module")
def setting():
    """A few pictures of each class, and in the place of phi the number of the picture."""
    parts = {name: part_of(name, count) for name, count in (("train", 480), ("test", 120), ("unseen", 24))}
    phi = {}
    for name, part in parts.items():
        phi[name] = np.zeros((len(part), 4, FEATURES), np.float32)
        phi[name][..., 0] = np.arange(len(part))[:, None]
    manual_seed(0)
    return Setting("stackgan", parts, 1, None, 0, "cpu", judge=Judge(ATTRIBUTES).eval(), net=None, encoder=None, phi=phi)


class Stage(nn.Module):
    """A G whose picture is a function of its input and of the number of the test picture that its text is about."""

    noise = NOISE

    def __init__(self, picture):
        super().__init__()
        self.picture = picture

    def forward(self, input, h, epsilon):
        return Tensor(self.picture(input.numpy(), h.numpy()[:, 0].astype(int), epsilon.numpy()).astype(np.float32)), None, None


def measured(setting, monkeypatch, one, two):
    """The measures of two known stages, and which claims about them hold."""
    monkeypatch.setattr(stackgan, "zero_shot", lambda *_: {"unseen classes": 24, "seen": 1.0, "unseen among themselves": 1.0})
    monkeypatch.setattr(stackgan, "POOL", 16)
    history = {"KL": [1.0], "D loss": [1.4]}
    found = stackgan.evaluate(setting, Trained(Stage(one), Stage(two), (history, history)))
    return found.metrics, {c.statement: c.holds for c in claims_of("stackgan", found.metrics)}, found


def holds(claims, statement):
    (key,) = [key for key in claims if statement in key]
    return claims[key]


@pytest.fixture
def blurred(setting):
    """A stage I: the real picture's small version, with noise of z."""
    def one(z, k, epsilon):
        grain = np.random.default_rng(0).standard_normal((NOISE, 3 * 256)) / NOISE**0.5
        return setting.parts["test"].images[k] + 0.3 * (z @ grain).reshape(-1, 3, 16, 16) + 0.01 * epsilon[:, :1, None, None]
    return one


# ---------------------------------------------------------------------- the measures

def test_the_nearest_picture_is_found_exactly():
    rng = np.random.default_rng(0)
    images, pool = rng.uniform(-1, 1, (6, 3, 4, 4)), rng.uniform(-1, 1, (20, 3, 4, 4))
    classes, pool_classes = np.array([0, 1, 2, 0, 1, 2]), np.arange(20) % 3
    by_hand = []
    for x, c in zip(images, classes):
        least = min(sum((a - b)**2 for a, b in zip(x.flat, y.flat)) / x.size for y, k in zip(pool, pool_classes) if k == c)
        by_hand.append(10 * np.log10(2**2 / least))
    assert nearest_psnr(images, classes, pool, pool_classes) == pytest.approx(np.mean(by_hand), abs=1e-9)
    assert nearest_psnr(pool[:3], pool_classes[:3], pool, pool_classes) == pytest.approx(106.02, abs=0.01)   # itself
    with pytest.raises(ValueError, match="no picture of class 7 among the 20 of the pool"):
        nearest_psnr(images[:1], np.array([7]), pool, pool_classes)


def test_both_sizes_are_of_the_same_pictures(setting):
    part = setting.parts["test"]
    np.testing.assert_allclose(halves(part.large), part.images, atol=1 / 127)                       # the small ones are rounded
    np.testing.assert_array_equal(halves(enlarged(part.images, "nearest")), part.images)


def test_pools_are_cut_to_as_many_of_each_class():
    pool, classes = stackgan.first_of(np.arange(6), np.array([3, 5, 3, 3, 5, 5]), 2)
    assert pool.tolist() == [0, 2, 1, 4] and classes.tolist() == [3, 3, 5, 5]


# ---------------------------------------------------------------------- what cheats are caught by

def test_an_honest_stage_ii_bears_the_claims_out(setting, monkeypatch, blurred):
    """It makes a sharp picture of what stage I drew: here the real picture, with some of stage I's noise left."""
    large = setting.parts["test"].large
    two = lambda x0, k, epsilon: large[k] + 0.2 * (enlarged(x0, "nearest") - enlarged(halves(large[k]), "nearest")) \
        + 0.01 * epsilon[:, :1, None, None]
    metrics, claims, _ = measured(setting, monkeypatch, blurred, two)
    assert holds(claims, STAGE_II) and holds(claims, FOLLOWS) and metrics["follows"] > 0.9
    assert all(metrics["variety"]["augmented"].values()) and max(metrics["variety"]["not augmented"].values()) < 1e-6


def test_an_enlargement_gains_nothing(setting, monkeypatch, blurred):
    metrics, claims, _ = measured(setting, monkeypatch, blurred, lambda x0, k, epsilon: enlarged(x0, "bilinear"))
    assert metrics["psnr"]["stage II"] <= metrics["psnr"]["stage I"] + 1e-5 and not holds(claims, STAGE_II)


def test_a_mean_picture_of_the_class_is_near_to_all_of_it_and_follows_nothing(setting, monkeypatch, blurred):
    train, test = setting.parts["train"], setting.parts["test"]
    means = np.stack([train.large[train.classes == c].mean(0) for c in test.classes])
    metrics, claims, _ = measured(setting, monkeypatch, blurred, lambda x0, k, epsilon: means[k])
    assert metrics["psnr"]["stage II"] == pytest.approx(metrics["psnr"]["class means"], abs=1e-4)
    assert not holds(claims, FOLLOWS) and 0.25 < metrics["follows"] < 0.75
    assert metrics["variety"]["augmented"]["stage II"] == 0 and not holds(claims, "augmentation stage II draws")


def test_training_pictures_that_are_repeated_are_nearer_to_the_training_than_to_the_pool(setting, monkeypatch, blurred):
    train, test = setting.parts["train"], setting.parts["test"]
    first = np.array([np.flatnonzero(train.classes == c)[0] for c in test.classes])
    metrics, claims, _ = measured(setting, monkeypatch, blurred, lambda x0, k, epsilon: train.large[first[k]])
    psnr = metrics["psnr"]
    assert psnr["stage II to training pictures"] > 100 > psnr["stage II to as many others"] + 50
    assert psnr["stage II"] == pytest.approx(psnr["real"], abs=2) and not holds(claims, FOLLOWS)


def test_real_pictures_of_another_text_are_far_from_the_class(setting, monkeypatch, blurred):
    """A stage II that does not read: a real picture, of the next sentence."""
    large = setting.parts["test"].large
    metrics, claims, _ = measured(setting, monkeypatch, blurred, lambda x0, k, epsilon: large[(k + 1) % len(large)])
    assert metrics["psnr"]["stage II"] < metrics["psnr"]["real"] - 5 and not holds(claims, STAGE_II)


def test_figures_show_the_first_sentences(setting, monkeypatch, blurred):
    _, _, found = measured(setting, monkeypatch, blurred, lambda x0, k, epsilon: enlarged(x0, "nearest"))
    figures = stackgan.all_figures(setting, None, found)
    assert set(figures) == {"stages.png", "augmentation.png"}
    assert len(figures["stages.png"].axes) == 3 * 8 and len(figures["augmentation.png"].axes) == 4 * stackgan.AGAIN


# ---------------------------------------------------------------------- training

@pytest.fixture(scope="module")
def taught():
    """Both stages after three steps: what stage I was before stage II, and after."""
    manual_seed(0)
    part, rng = part_of("train", 120), np.random.default_rng(0)
    phi = rng.standard_normal((len(part), 4, FEATURES)).astype(np.float32)
    one = StageIGenerator(FEATURES, CONDITION, NOISE, 16, ups=2)
    two = StageIIGenerator(FEATURES, CONDITION, 4, downs=1, ups=2)
    kept, trainers = [], []
    for p in [p for G in (one, two) for p in G.parameters() if p.ndim > 1]:
        nn.init.kaiming_normal_(p)                                         # so that chance is seen in pictures
    for G, widths, below in ((one, (4, 8), None), (two, (4, 4, 8), one)):
        described = Described.of(part, phi, large=below is not None)
        trainers.append(gan_stage(G, Discriminator(FEATURES, widths, EMBEDDING), described, 1, batch=40, turns=StackTurns,
                                  options={"below": below}))
        trainers[-1].fit()
        G.eval()
        kept.append({name: value.numpy().copy() for name, value in one.state_dict().items()})
    return SimpleNamespace(one=one, two=two, kept=kept, trainers=trainers, phi=phi, part=part)


def test_stage_i_rests_when_stage_ii_learns(taught):
    """Its weights and its running statistics."""
    assert all((taught.kept[0][name] == value).all() for name, value in taught.kept[1].items())


def test_g_pays_for_its_condition(taught):
    """The KL is recorded in nats, and stands in the loss with the weight of the authors' codes."""
    for trainer in taught.trainers:
        assert len(trainer.history["KL"]) == 3 and min(trainer.history["KL"]) > 0
    turns = StackTurns(taught.one, lambda x, h: Tensor(np.zeros(len(h), np.float32)), Described.of(taught.part, taught.phi), 0.5)
    turns.discriminate(np.arange(40))
    loss, more = turns.generate(np.arange(40))
    assert loss.item() == pytest.approx(np.log(2) + KL * more["KL"], abs=1e-5)


def test_the_augmentation_is_the_only_chance_besides_noise(taught):
    rng = np.random.default_rng(0)
    z, h = rng.standard_normal((6, NOISE)).astype(np.float32), taught.phi[:6, 0]
    epsilon, none = rng.standard_normal((2, 6, CONDITION)).astype(np.float32), np.zeros((6, CONDITION), np.float32)
    trained = Trained(taught.one, taught.two, ({}, {}))
    with_it, without = (drawn(trained, z, h, e) for e in (tuple(epsilon), (none, none)))
    for a, b, c in zip(with_it, without, drawn(trained, z, h, (none, none))):
        assert (b == c).all() and (a != b).any()
    assert [x.shape for x in without] == [(6, 3, 16, 16), (6, 3, 32, 32)]


def test_the_worlds_generators_have_the_two_sizes():
    one, two = build_generators()
    assert one.noise == NOISE and one.size == 16
    trained = Trained(one.eval(), two.eval(), ({}, {}))
    zeros = lambda size: np.zeros((2, size), np.float32)
    small, large = drawn(trained, zeros(NOISE), zeros(FEATURES), (zeros(CONDITION), zeros(CONDITION)))
    assert small.shape == (2, 3, 16, 16) and large.shape == (2, 3, 32, 32)


# ---------------------------------------------------------------------- the command

@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A smoke run of the variant, by the command."""
    out = tmp_path_factory.mktemp("stackgan")
    assert main(["lecture", "7", "--variant", "stackgan", "--scale", "smoke", "--out", str(out)]) == 0
    return out


@pytest.mark.slow
def test_the_report_and_the_pictures(finished):
    report = json.loads((finished / "report.json").read_text())
    metrics = report["metrics"]
    assert report["variant"] == "stackgan" and len(report["claims"]) == len(claims_of("stackgan", metrics))
    assert {"stages.png", "augmentation.png"} <= {path.name for path in finished.iterdir()}
    assert metrics["variety"]["augmented"]["stage II"] > 1e-6 > metrics["variety"]["not augmented"]["stage II"]
    assert set(metrics["right"]) == {"stage I", "stage II", "class means"}


@pytest.mark.slow
def test_a_run_that_is_broken_off_in_stage_ii_ends_the_same(finished, tmp_path):
    """Before a turn of its G, where stage I is read from its checkpoint again."""
    manual_seed(0)
    experiment = TextToImage("stackgan", "smoke")
    experiment.prepare()
    stages = experiment.stages(tmp_path / "checkpoints", False)
    for _ in range(4):                                                      # judge, picture net, embedding, stage I
        next(stages).fit()
    two = next(stages)
    interrupt(two, 5, "G")
    with pytest.raises(KeyboardInterrupt):
        two.fit()
    assert main(["lecture", "7", "--variant", "stackgan", "--scale", "smoke", "--out", str(tmp_path), "--resume"]) == 0
    whole, resumed = (json.loads((out / "report.json").read_text()) for out in (finished, tmp_path))
    assert whole["metrics"] == resumed["metrics"] and whole["claims"] == resumed["claims"]
