"""Lecture 5's table, claims, ranking and digits, each against something outside them."""

import math

import numpy as np
import pytest

from tinymm import Tensor, nn, no_grad, optim
from tinymm import functional as F
from tinymm.autograd import gradcheck
from tinymm.backend.random import manual_seed
from tinymm.data.worlds.described_scenes import FEATURES, distinct_scenes, scene_features
from tinymm.data.worlds.sprite_scenes import content_of
from tinymm.experiments.lecture_05 import claims, digits, invariances
from tinymm.experiments.lecture_05.comparison import best_rate
from tinymm.experiments.lecture_05.digits import CLASSES, Digits, SmallBatches, classifier
from tinymm.experiments.lecture_05.ranking import END, WAYS, Ranking, mean_of_folds, padded

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def ranking():
    return Ranking("smoke", 0)


# ---------------------------------------------------------------------- the table (L5-C1, L5-C5)

def by_hand(norm, W, X):
    a = X @ W.T
    if norm == "batch norm":
        return (a - a.mean(0)) / a.std(0)
    if norm == "weight norm":
        return a / np.sqrt((W**2).sum(1))
    return (a - a.mean(1, keepdims=True)) / a.std(1, keepdims=True)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_slides_table(seed):
    """18 cells, each with what NumPy says of it."""
    table = invariances.deviations(seed)
    rng = np.random.default_rng(seed)
    W, X = (rng.standard_normal((n, invariances.INPUTS)) for n in (invariances.UNITS, invariances.CASES))
    changed = invariances.changes(np.random.default_rng([seed, 1]), W, X)
    for row, cells in table.items():
        for (column, (w, x)), yes in zip(changed.items(), invariances.SLIDE[row]):
            wanted = np.abs(by_hand(row, w, x) - by_hand(row, W, X)).max()
            assert cells[column] == pytest.approx(wanted, rel=1e-9, abs=1e-11)
            assert cells[column] <= 1e-10 if yes else cells[column] >= 1e-2, (row, column)
    found = invariances.summary(seed)
    assert found["largest where invariant"] < 1e-10 < 1e-7 < found["with eps"]["largest where invariant"] < 1e-2
    assert found["least where not"] >= 1e-2


def test_the_changes_are_those_of_the_slide():
    W, X = RNG.standard_normal((3, 4)), RNG.standard_normal((6, 4))
    changed = dict(zip(invariances.COLUMNS, invariances.changes(RNG, W, X).values()))
    rows = lambda a, b: a - b
    assert np.ptp(changed["weight matrix re-scaling"][0] / W) < 1e-12
    assert np.ptp(rows(changed["weight matrix re-centering"][0], W), axis=0).max() < 1e-12   # one row vector for all rows
    assert np.ptp(changed["weight vector re-scaling"][0] / W, axis=1).max() < 1e-12
    assert np.ptp(changed["dataset re-scaling"][1] / X) < 1e-12
    assert np.ptp(rows(changed["dataset re-centering"][1], X), axis=0).max() < 1e-12
    ratio = changed["single training case re-scaling"][1] / X
    assert np.ptp(ratio, axis=1).max() < 1e-12 < 0.01 < np.ptp(ratio[:, 0])
    assert all((w == W).all() or (x == X).all() for w, x in changed.values())


def test_a_case_alone_and_among_others():
    found = invariances.batch_independence()
    assert found["layer"] == 0 and found["batch"] > 0.01
    model = classifier("layer")
    x = RNG.standard_normal((128, 64)).astype(np.float32)
    with no_grad():   # products of another shape may add in another order
        np.testing.assert_allclose(model(Tensor(x[5:6])).numpy()[0], model(Tensor(x)).numpy()[5], atol=1e-6)
    batch = classifier("batch")
    with no_grad():
        assert np.abs(batch(Tensor(x[:64])).numpy()[5] - batch(Tensor(x)).numpy()[5]).max() > 0.01


def test_one_unit_one_case_and_a_sequence_longer_than_any():
    """LN of one unit is its bias; BN cannot train on one case; the gains and biases of a step serve any number of steps."""
    x, bias = Tensor(RNG.standard_normal((3, 1)), requires_grad=True), Tensor(np.array([0.7]))
    out = F.layer_norm(x, (1,), Tensor(np.array([2.0])), bias)
    out.sum().backward()
    assert (out.detach().numpy() == 0.7).all() and (x.grad.numpy() == 0).all()
    with pytest.raises(ValueError):
        classifier("batch")(Tensor(np.zeros((1, 64), np.float32)))
    gru, long = nn.LayerNormGRU(4, 6).double(), Tensor(RNG.standard_normal((60, 2, 4)))
    with no_grad():
        (short, _), (whole, _) = gru(long[:5]), gru(long)
    np.testing.assert_allclose(whole.numpy()[:5], short.numpy(), atol=1e-14)
    assert np.isfinite(whole.numpy()).all() and np.abs(whole.numpy()).max() < 1


def test_scaling_by_a_negative_number_turns_the_sign():
    W, X = RNG.standard_normal((5, 7)), RNG.standard_normal((4, 7))
    before, after = (invariances.layer_norm(Tensor(w), Tensor(X), 0.0).numpy() for w in (W, -W))
    np.testing.assert_allclose(after, -before, atol=1e-12)


# ---------------------------------------------------------------------- the norms themselves (L5-C2, L5-C3, L5-C4)

def test_constant_input_gives_the_bias_and_a_finite_gradient():
    gain, bias = (Tensor(RNG.standard_normal(6), requires_grad=True) for _ in range(2))
    x = Tensor(np.zeros((2, 6)), requires_grad=True)
    out = F.layer_norm(x, (6,), gain, bias)
    np.testing.assert_array_equal(out.detach().numpy(), np.tile(bias.detach().numpy(), (2, 1)))
    (out * Tensor(RNG.standard_normal((2, 6)))).sum().backward()
    assert all(np.isfinite(t.grad.numpy()).all() for t in (x, gain, bias))
    assert gradcheck(lambda x: F.layer_norm(x, (6,), eps=1e-2), [Tensor(np.zeros((2, 6)), requires_grad=True)])


def test_the_gradient_of_layer_norm_is_orthogonal_to_ones_and_to_the_input():
    """It cannot point where nothing changes: along a common shift, nor (without eps) along a common factor."""
    a, g = Tensor(RNG.standard_normal((8, 20)), requires_grad=True), Tensor(RNG.standard_normal((8, 20)))
    (F.layer_norm(a, (20,), eps=0.0) * g).sum().backward()
    d, size = a.grad.numpy(), np.abs(a.grad.numpy()).max()
    assert np.abs(d.sum(1)).max() < 1e-13 * 20 * size
    assert np.abs((d * a.detach().numpy()).sum(1)).max() < 1e-13 * 20 * size


@pytest.mark.oracle
@pytest.mark.parametrize("training", [True, False])
def test_the_norms_against_pytorch(training):
    torch = pytest.importorskip("torch")
    from torch.nn.utils.parametrizations import weight_norm as torch_weight_norm

    x, g = RNG.standard_normal((16, 10)), RNG.standard_normal((16, 10))
    pairs = [(nn.LayerNorm(10), torch.nn.LayerNorm(10)), (nn.BatchNorm1d(10), torch.nn.BatchNorm1d(10)),
             (nn.utils.weight_norm(nn.Linear(10, 10)), torch_weight_norm(torch.nn.Linear(10, 10)))]
    for ours, theirs in pairs:
        ours, theirs = ours.double().train(training), theirs.double().train(training)
        values = [RNG.standard_normal(p.shape) for p in theirs.parameters()]
        with torch.no_grad():
            for p, v in zip(theirs.parameters(), values):
                p.copy_(torch.tensor(v))
        mine = list(ours.parameters())
        order = _matched(ours, theirs)
        with no_grad():
            for i, j in enumerate(order):
                mine[i].copy_(Tensor(values[j].reshape(mine[i].shape)))
        a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        (ours(a) * Tensor(g)).sum().backward()
        (theirs(b) * torch.tensor(g)).sum().backward()
        np.testing.assert_allclose(ours(Tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), atol=1e-9)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-9)
        wanted = list(theirs.parameters())
        for i, j in enumerate(order):
            np.testing.assert_allclose(mine[i].grad.numpy(), wanted[j].grad.numpy().reshape(mine[i].shape), atol=1e-9)


def _matched(ours, theirs):
    """For each of our parameters the place of theirs: "weight_g" is "original0", "weight_v" is "original1"."""
    theirs = [name.split(".")[-1].replace("original0", "weight_g").replace("original1", "weight_v")
              for name, _ in theirs.named_parameters()]
    return [theirs.index(name.split(".")[-1].replace("original0", "weight_g").replace("original1", "weight_v"))
            for name, _ in ours.named_parameters()]


# ---------------------------------------------------------------------- (a) ranking (L5-C9)

def test_no_two_held_out_scenes_show_the_same(ranking):
    for part in ("validation", "test"):
        assert len({content_of(s.sprites) for s in ranking.scenes[part]}) == len(ranking.scenes[part]) == 50
    twos = {part: {content_of(s.sprites) for s in scenes if len(s.sprites) > 1} for part, scenes in ranking.scenes.items()}
    assert not twos["train"] & twos["test"] and not twos["train"] & twos["validation"] and not twos["test"] & twos["validation"]
    with pytest.raises(ValueError, match="count=5000 is too many"):
        with pytest.MonkeyPatch.context() as patch:
            from tinymm.data.worlds import described_scenes
            one = ranking.scenes["test"][0]
            patch.setattr(described_scenes, "draw_scene", lambda *_: one)
            distinct_scenes("test", 5000)


def test_features_say_what_there_is(ranking):
    scenes = ranking.scenes["test"]
    x = scene_features(scenes, "test", 0, 0.0)
    assert x.shape == (50, FEATURES) and x.dtype == np.float32
    np.testing.assert_allclose((x**2).sum(1), 1, rtol=1e-6)
    assert [int((row > 0).sum()) for row in x] == [3 * len(s.sprites) + 1 for s in scenes]
    assert len({row.tobytes() for row in x}) == 50   # different contents, different features
    noisy = scene_features(scenes, "test", 0)
    np.testing.assert_array_equal(noisy, scene_features(scenes, "test", 0))
    assert 0 < np.abs(noisy - scene_features(scenes, "test", 1)).max() < 1


def test_a_batch_has_one_sentence_of_each_picture(ranking):
    manual_seed(0)
    words, lengths, features = ranking.collate([4, 2, 9])
    of = {i: w for w, i in ranking.ids.items()}
    for b, row in enumerate([4, 2, 9]):
        said = tuple(of[i] for i in words.numpy()[:lengths[b] - 1, b])
        assert said in [c.words for c in ranking.scenes["train"][row].captions]
        assert (words.numpy()[lengths[b] - 1:, b] == END).all()
    np.testing.assert_array_equal(features.numpy(), ranking.features["train"][[4, 2, 9]])
    assert padded([["nonsense"]], ranking.ids)[0].numpy().tolist() == [[1], [0]]


def test_folds_by_hand(ranking):
    """R@1, the median rank and their means over the folds, counted one by one."""
    manual_seed(0)
    model = ranking.model("layer").eval()
    found, wanted = ranking.retrieval(model, "test"), []
    assert mean_of_folds([{"w": {"R@1": 0.2}}, {"w": {"R@1": 0.6}}]) == {"w": {"R@1": pytest.approx(0.4)}}
    for fold in range(5):
        rows = range(10 * fold, 10 * fold + 10)
        with no_grad():
            scores, own = ranking.scores(model, "test", rows, [range(5)] * 10)
        assert scores.shape == (50, 10) and own.tolist() == [i for i in range(10) for _ in range(5)]
        image = [1 + int((row > row[i]).sum()) for row, i in zip(scores, own)]
        sentence = [1 + min(int((scores[:, i] > s).sum()) for s in scores[own == i, i]) for i in range(10)]
        wanted.append([[np.mean(np.array(r) <= k) for k in (1, 5, 10)] + [np.median(r)] for r in (image, sentence)])
    for way, numbers in zip(WAYS, np.mean(wanted, 0)):
        assert list(found[way].values()) == pytest.approx(list(numbers))


def test_the_first_loss_is_near_that_of_unrelated_pairs(ranking):
    """Nothing is known yet: a right pair is as good as a wrong one, on average, so each hinge is near its margin or above."""
    manual_seed(0)
    rows = list(range(100))
    loss = float(ranking.loss(ranking.model("none"), ranking.collate(rows)).detach())
    assert 2 * 100 * 99 * 0.05 * 0.9 < loss < 2 * 100 * 99 * 0.05 * 3


# ---------------------------------------------------------------------- (f) digits

@pytest.mark.parametrize("norm", Digits.norms)
def test_gradients_of_the_classifier(norm, monkeypatch):
    """All of them, of a smaller one."""
    monkeypatch.setattr(digits, "HIDDEN", 4)
    manual_seed(0)
    model = classifier(norm, pixels=5).double()
    x, y = Tensor(RNG.standard_normal((6, 5))), Tensor(np.arange(6))
    assert gradcheck(lambda *_: F.cross_entropy(model(x), y), list(model.parameters()))


@pytest.mark.parametrize("norm", Digits.norms)
def test_the_first_loss_is_near_ln_10_and_a_batch_is_learned(norm):
    manual_seed(0)
    task = Digits("smoke", 0)
    model, batch = task.model(norm), task.train[:32]
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = task.loss(model, batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    # normalised scores begin with deviation 1: half a variance more than ln 10
    assert losses[0] == pytest.approx(math.log(CLASSES) + (0.5 if norm == "batch" else 0), abs=0.3)
    assert losses[-1] < (0.3 if norm == "batch" else 0.01)


def test_where_the_norms_stand():
    kinds = lambda norm: [type(m).__name__ for m in classifier(norm)]
    assert kinds("none") == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert kinds("layer") == ["Linear", "LayerNorm", "ReLU", "Linear", "LayerNorm", "ReLU", "Linear"]
    assert kinds("batch") == [*kinds("batch, hidden"), "BatchNorm1d"] and kinds("batch, hidden").count("BatchNorm1d") == 2
    assert SmallBatches("smoke", 0).batch == 4


@pytest.mark.oracle
@pytest.mark.parametrize("norm", Digits.norms)
@pytest.mark.parametrize("batch", [128, 4])
def test_a_training_against_pytorch(norm, batch):
    """Twenty steps of Adam from the same weights on the same digits, and the scores in evaluation; float64."""
    torch = pytest.importorskip("torch")
    manual_seed(0)
    ours, layers = classifier(norm).double(), []
    for m in ours:
        args = {"Linear": lambda m=m: m.weight.shape[::-1], "BatchNorm1d": lambda m=m: m.weight.shape,
                "LayerNorm": lambda m=m: m.weight.shape, "ReLU": lambda: ()}[type(m).__name__]()
        layers.append(getattr(torch.nn, type(m).__name__)(*args))
    theirs = torch.nn.Sequential(*layers).double()
    theirs.load_state_dict({name: torch.tensor(t.numpy()) for name, t in ours.state_dict().items()})
    x, y = (t.numpy() for t in Digits("smoke", 0).parts["train"])
    a, b = optim.Adam(ours.parameters(), lr=1e-3), torch.optim.Adam(theirs.parameters(), lr=1e-3)
    for i in range(20):
        rows = np.arange(i * batch, (i + 1) * batch) % len(x)
        of = F.cross_entropy(ours(Tensor(x[rows].astype(float))), Tensor(y[rows]))
        to = torch.nn.functional.cross_entropy(theirs(torch.tensor(x[rows].astype(float))), torch.tensor(y[rows]))
        for optimizer, loss in ((a, of), (b, to)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert float(of.detach()) == pytest.approx(float(to.detach()), abs=1e-8)
    np.testing.assert_allclose(ours.eval()(Tensor(x[:50].astype(float))).detach().numpy(),
                               theirs.eval()(torch.tensor(x[:50].astype(float))).detach().numpy(), atol=1e-7)


def test_measurements_of_digits_by_hand():
    manual_seed(0)
    task = Digits("smoke", 0)
    model = task.model("batch").train()
    found = task.measured(model, "test")
    x, y = (t.numpy() for t in task.parts["test"])
    assert model.training and len(y) == 400
    with no_grad():
        scores = model.eval()(Tensor(x)).numpy().astype(float)
    assert found["error"] == pytest.approx(100 * (scores.argmax(1) != y).mean())
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    assert found["nats"] == pytest.approx(-log_p[np.arange(400), y].mean(), rel=1e-5)


# ---------------------------------------------------------------------- claims

def entry(none, layer, last=100, **more):
    return {"measure": "m", "systems": {norm: {"steps": [0, last], "steps to": to, "test": {"m": 0.5}}
                                        for norm, to in (("none", none), ("layer", layer))}, **more}


def test_ratios_of_steps():
    assert claims.steps_ratio(entry(80, 40)) == 0.5 and claims.steps_ratio(entry(None, 40)) == pytest.approx(0.4)
    assert math.isnan(claims.steps_ratio(entry(80, None))) and math.isnan(claims.steps_ratio(entry(None, None)))
    runs = [{name: entry(80, layer) for name in claims.SIX} for layer in (40, 100, None)]
    assert set(claims.fewer_steps(runs).values()) == {1.25}
    assert claims.fewer_steps([*runs[:1], *runs[2:], *runs[2:]])["draw"] == math.inf


def test_every_claim_can_fail():
    def systems(**test):
        return {norm: {"steps": [0, 100], "steps to": {"none": 50, "layer": 60, "batch": None}[norm], "test": values}
                for norm, values in test.items()}
    bad = {"accuracy": 0.1, "error": 3.0, "nats": 1.0, "window": 0.5}
    good = {**bad, "error": 2.0, "nats": 0.5}
    of = lambda measure, **more: {"measure": measure, "systems": systems(none=good, layer=bad, batch=good), **more}
    tasks = {"ranking": of("R@1"), "reader": of("accuracy"),
             "skip_thoughts": of("nats", finished={"probe": {"layer": 0.5, "untrained layer": 0.4}}),
             "draw": of("nats", finished={"below independent": {"layer": 2.0, "none": 0.9}}),
             "handwriting": of("nats", finished={"constant rate": {"window": 0.6}}),
             "digits": of("nats"), "digits, batch 4": of("nats")}
    metrics = {"tasks": tasks, "invariances": {"largest where invariant": 1e-9, "least where not": 1e-3}, "alone": {"layer": 1e-9}}
    found = claims.claims_of(metrics)
    assert len(found) == 13 and not any(claim.holds for claim in found)
    six, = claims.comparisons({"default": metrics})
    assert six.measured == 0 and not six.holds and not claims.comparisons({"default": {"tasks": {"ranking": tasks["ranking"]}}})
    assert best_rate({1e-3: math.nan, 2e-3: 5.0}, False) == 2e-3
