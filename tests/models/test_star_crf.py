"""The CRFs: against enumeration tuple by tuple, against each other, against Bayes' rule, and in training."""

import itertools

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, grad, gradcheck, no_grad, optim
from tinymm.data.worlds.kitchen import SIZES as KITCHEN
from tinymm.data.worlds.kitchen import Kitchen, couplings, joint
from tinymm.models.label_slots import SLACK, checked_labels, checked_probabilities, slot_offsets, label_one_hots
from tinymm.models.star_crf import FullCRF, StarCRF

SIZES = [(4, 4, 4, 4), (3, 2, 4), (2, 4, 1, 3), (1, 2)]
BOTH = pytest.mark.parametrize("kind", [StarCRF, FullCRF])


def build(kind, sizes, seed=0, scale=2.0):
    """A CRF with random weights, in float64."""
    model, rng = kind(sizes).to(dtype="float64"), np.random.default_rng(seed)
    with no_grad():
        for p in model.parameters():
            p += Tensor(scale * rng.normal(size=p.shape))
    return model


def evidence(sizes, B=5, seed=1):
    return np.random.default_rng(seed).normal(size=(B, sum(sizes)))


def enumerated(model, x):
    """log Z (B,), marginals (B, sum K), maxima (B, S) and log p(y | x) {y: (B,)}, tuple by tuple from the parameters alone."""
    sizes, p = model.sizes, {name: value.numpy() for name, value in model.state_dict().items()}
    psi, start = [], 0
    for s, size in enumerate(sizes):
        psi.append(x[:, start:start + size] @ p[f"unary.{s}.weight"].T + p[f"unary.{s}.bias"])
        start += size
    S = range(len(sizes))
    pairs = [(0, s) for s in S if s] if isinstance(model, StarCRF) else [(i, j) for i in S for j in S if i < j]
    tuples = list(itertools.product(*map(range, sizes)))
    F = np.array([sum(psi[s][:, y[s]] for s in S) + sum(p[f"couplings.{n}"][y[i], y[j]] for n, (i, j) in enumerate(pairs))
                  for y in tuples])                                          # (tuples, B)
    weights = np.exp(F)
    log_Z = np.log(weights.sum(0))
    marginals = [sum(w for y, w in zip(tuples, weights) if y[s] == k) / weights.sum(0) for s in S for k in range(sizes[s])]
    return log_Z, np.stack(marginals, 1), np.array(tuples)[F.argmax(0)], dict(zip(tuples, F - log_Z))


@BOTH
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_everything_is_as_enumeration_has_it(kind, sizes):
    """L1-C11, at most 4 values in 4 slots, 1e-10."""
    model, x = build(kind, sizes), evidence(sizes)
    log_Z, marginals, best, log_p = enumerated(model, x)
    np.testing.assert_allclose(model.log_partition(Tensor(x)).detach().numpy(), log_Z, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.marginals(Tensor(x)).detach().numpy(), marginals, rtol=0, atol=1e-10)
    assert (model.maximum(Tensor(x)) == best).all()
    for y, expected in list(log_p.items())[::7]:
        found = model.log_prob(Tensor(x), Tensor(np.tile(y, (5, 1)))).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_the_star_is_the_full_one_without_its_outer_couplings():
    star, full = build(StarCRF, KITCHEN), FullCRF(KITCHEN).to(dtype="float64")
    full.load_state_dict({**full.state_dict(), **star.state_dict()})   # the first three pairs are the star's
    assert full.pairs[:3] == star.pairs
    x = Tensor(evidence(KITCHEN))
    for name in ("log_partition", "marginals"):
        found, expected = (getattr(model, name)(x).detach().numpy() for model in (star, full))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    assert (star.maximum(x) == full.maximum(x)).all()


@BOTH
def test_marginals_are_the_gradient_of_log_z(kind):
    """d log Z / d psi_s[k] = p(y_s = k): a second way to the same numbers, by backpropagation."""
    model = build(kind, (3, 2, 4))
    with no_grad():
        for linear in model.unary:
            linear.weight.copy_(Tensor(np.eye(len(linear.bias))))
            linear.bias.zero_()
    x = Tensor(evidence((3, 2, 4)), requires_grad=True)
    slope, = grad(model.log_partition(x).sum(), x)
    np.testing.assert_allclose(model.marginals(x).detach().numpy(), slope.numpy(), rtol=0, atol=1e-12)


def test_with_the_worlds_own_numbers_the_full_one_is_bayes_rule():
    """Potentials written down: W = 2 I and the world's couplings; p(y) p(x | y) over its sum, from the normal density."""
    world, p = Kitchen("test", 6, seed=2), joint(2)
    model = FullCRF(KITCHEN).to(dtype="float64")
    h = [np.log(p[tuple(slice(None) if t == s else 0 for t in range(4))]) - np.log(p[0, 0, 0, 0]) for s in range(4)]
    own = couplings(2)
    with no_grad():
        for pair, A in zip(model.pairs, model.couplings):
            if pair in own:
                A.copy_(Tensor(own[pair]))
        for s, linear in enumerate(model.unary):
            linear.weight.copy_(Tensor(2 * np.eye(KITCHEN[s])))
            drop = sum(A[:, 0] - A[0, 0] if i == s else A[0] - A[0, 0] for (i, j), A in own.items() if s in (i, j))
            linear.bias.copy_(Tensor(h[s] - drop))   # h of the tuples that differ from (0, 0, 0, 0) in s, without their couplings
    x = world.evidence.astype(np.float64)
    found = model.marginals(Tensor(x)).detach().numpy()
    for row, seen in zip(found, x):
        posterior = p.copy()
        for s, (start, size) in enumerate(zip(slot_offsets(KITCHEN), KITCHEN)):
            density = np.exp([-0.5 * ((seen[start:start + size] - 2 * np.eye(size)[k])**2).sum() for k in range(size)])
            posterior *= density.reshape([size if t == s else 1 for t in range(4)])
        posterior /= posterior.sum()
        expected = np.concatenate([posterior.sum(tuple(t for t in range(4) if t != s)) for s in range(4)])
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-9)


@BOTH
def test_its_gradients(kind):
    model, x = build(kind, (3, 2, 4)), evidence((3, 2, 4))
    y = Tensor(np.array([[0, 1, 3], [2, 0, 0], [1, 1, 2], [0, 0, 0], [2, 1, 1]]))
    report = gradcheck(lambda x: model.loss(x, y), [Tensor(x, requires_grad=True)], parameters=model, curve=False)
    assert report.ok, report


@BOTH
def test_it_starts_at_all_tuples_alike_and_learns_a_batch_by_heart(kind):
    """The first loss is ln(8 * 10 * 6 * 5), exactly but for float32."""
    model, batch = kind(KITCHEN), Kitchen("train", 30, seed=0).batch(range(30))
    optimizer, losses = optim.Adam(model.parameters(), lr=0.1), []
    for _ in range(150):
        loss = model.loss(batch["evidence"], batch["labels"])
        losses.append(float(loss))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[0] == pytest.approx(np.log(2400), abs=1e-5) and losses[-1] < 0.05
    assert (model.maximum(batch["evidence"]) == batch["labels"].numpy()).all()


def test_float32_is_near_float64():
    model, x = build(StarCRF, KITCHEN, scale=1.0), evidence(KITCHEN)
    marginals = model.marginals(Tensor(x)).detach().numpy()
    found = model.to(dtype="float32").marginals(Tensor(x.astype(np.float32))).detach().numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, marginals, rtol=0, atol=2e-5)


def test_large_potentials_overflow_nothing():
    model = build(StarCRF, (3, 4, 2), scale=3000.0)
    x = Tensor(evidence((3, 4, 2)))
    marginals = model.marginals(x).detach().numpy()
    assert np.isfinite(model.log_partition(x).detach().numpy()).all()
    checked_probabilities("test", marginals, (3, 4, 2))
    certain = label_one_hots(model.maximum(x), (3, 4, 2))
    np.testing.assert_allclose(marginals, certain, rtol=0, atol=1e-6)


# ---------------------------------------------------------------------- labels and probabilities in slots

def test_one_hots_by_hand():
    found = label_one_hots(np.array([[1, 0], [0, 2]]), (2, 3))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]])
    assert slot_offsets((2, 3, 4)) == [0, 2, 5]


@pytest.mark.parametrize("y, error, message", [
    ([[0, 2], [2, 0]], ValueError, r"y\[1, 0\]=2, but slot 0 has the labels 0 to 1"),
    ([[0, -1]], ValueError, r"y\[0, 1\]=-1, but slot 1 has the labels 0 to 2"),
    ([[0, 1, 1]], ValueError, r"y has shape \(1, 3\); it must be \(B, 2\), a label for each slot"),
    ([0, 1], ValueError, r"y has shape \(2,\)"), ([[0.0, 1.0]], TypeError, r"y has dtype float64; labels are integers, use .long")])
def test_wrong_labels_are_explained(y, error, message):
    with pytest.raises(error, match="here: " + message):
        checked_labels("here", np.array(y), (2, 3))


def test_labels_of_another_batch_are_explained():
    with pytest.raises(ValueError, match=r"StarCRF: y has shape \(2, 2\); it must be \(3, 2\)"):
        StarCRF((2, 3)).loss(Tensor(np.zeros((3, 5), np.float32)), Tensor(np.zeros((2, 2), int)))


@pytest.mark.parametrize("p, message", [
    ([[0.5, 0.5, 1.2, -0.2, 0]], r"p\[0, 3\]=-0.2 is no probability; of scores take the softmax in each slot first"),
    ([[0.5, np.nan, 1, 0, 0]], r"p\[0, 1\]=nan is no probability"),
    ([[1, 0, 1, 0, 0], [0.5, 0.5, 0.5, 0.5, 0.5]], r"in p\[1\] the probabilities of slot 1 sum to 1.5; each slot must sum to 1"),
    ([[0.2, 0.2, 0.2, 0.2, 0.2]], r"in p\[0\] the probabilities of slot 0 sum to 0.4"),
    ([[1, 0, 1, 0]], r"p has shape \(1, 4\); it must be \(B, 5\)"),
    ([1, 0, 1, 0, 0], r"p has shape \(5,\)")])
def test_wrong_probabilities_are_explained(p, message):
    with pytest.raises(ValueError, match="here: " + message):
        checked_probabilities("here", np.array(p, float), (2, 3))


def test_rounded_probabilities_are_let_through():
    p = np.array([[0.5, 0.5 + SLACK / 2, 1, 0, 0]])
    assert checked_probabilities("here", p, (2, 3)) is p


@pytest.mark.parametrize("sizes, message", [((3,), "two slots or more"), ((3, 0), r"sizes\[1\]=0 must be a positive integer")])
def test_wrong_sizes_are_explained(sizes, message):
    with pytest.raises(ValueError, match=message):
        StarCRF(sizes)


@pytest.mark.parametrize("kind", [StarCRF, FullCRF])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_evidence_that_is_not_finite_has_no_maximum(kind, value):
    """argmax would say slot 0's first label."""
    x = np.zeros((3, 5), np.float32)
    x[1, 3] = value
    message = kind.__name__ + r".maximum: .* slot 1 are not finite for x\[1\]"
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=message):
        kind((2, 3)).maximum(Tensor(x))


def test_wrong_evidence_is_explained():
    tinymm.manual_seed(0)
    with pytest.raises(ValueError, match=r"FullCRF: x has shape \(3, 4\); the evidence must be \(B, 5\), the slots' 2 \+ 3 values"):
        FullCRF((2, 3)).marginals(Tensor(np.zeros((3, 4), np.float32)))
