"""The objectives of Show, Attend and Tell: the bound and its gradient by enumeration, the estimator, the penalty, the baseline."""

import itertools
import json
import types

import numpy as np
import pytest
from scipy import optimize, special

import tinymm
from tinymm import Tensor, gradcheck, no_grad
from tinymm.models.attention_objective import (MovingAverage, attention_entropy, doubly_stochastic_penalty, hard_objective,
                                               path_log_prob, soft_objective)
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.show_attend_and_tell import Decoded, ShowAttendTell

L, C = 3, 3
PATHS = np.array(list(itertools.product(range(L), repeat=C))).T   # (C, 27), every s


@pytest.fixture(scope="module")
def task():
    """One image with three locations, one caption of three words, and a model whose attention is neither even nor one-hot."""
    tinymm.manual_seed(11)
    model = ShowAttendTell(features=3, vocabulary=5, embedding=3, hidden=4, attention=3, hard=True).double()
    model.soft_share = 0.0
    with no_grad():
        for p in (model.u, model.W_h.weight, model.lstm.weight_ih, model.L_z.weight, model.L_o.weight):
            p *= 3   # what is looked at matters, to the next word and to where to look next
    return types.SimpleNamespace(model=model, a=np.random.default_rng(5).normal(size=(1, L, 3)),
                                 words=np.array([[0], [2], [2]]), targets=np.array([[2], [2], [3]]))


def decode(task, count, a=None, **options):
    """The model on ``count`` copies of the image and the caption; also targets and mask."""
    a = Tensor(task.a) if a is None else a
    many = lambda array: Tensor(np.repeat(array, count, 1))
    decoded = task.model(a.expand(count, *a.shape[1:]), many(task.words), **options)
    return decoded, many(task.targets), Tensor(np.ones((C, count), bool))


def log_probs(task, a=None):
    """log p(s|a) and log p(y|s,a) of all 27 paths."""
    decoded, targets, mask = decode(task, PATHS.shape[1], a, locations=PATHS)
    return path_log_prob(decoded, mask), caption_log_prob(decoded.logits, targets)


def bound(task, a=None):
    """L_s = sum_s p(s|a) log p(y|s,a), by enumeration."""
    log_s, log_y = log_probs(task, a)
    return (log_s.exp() * log_y).sum()


def leaves(task, a):
    return [a, *task.model.parameters()]


def flat(gradients):
    return np.concatenate([g.numpy().ravel() for g in gradients])


def derivative(function, arrays, h=1e-3):
    """d function / d every element of ``arrays``, which are moved in place: central differences of fourth order."""
    found = []
    for array in arrays:
        for i in np.ndindex(array.shape):
            kept, values = array[i], []
            for k in (-2, -1, 1, 2):
                array[i] = kept + k * h
                values.append(function())
            array[i] = kept
            found.append((values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h))
    return np.array(found)


def path_gradients(task, **options):
    """(27, P): for every path the slide's estimate of dL_s, from hard_objective with that path given."""
    rows = []
    for path in PATHS.T:
        a = Tensor(task.a, requires_grad=True)
        decoded, targets, mask = decode(task, 1, a, locations=path[:, None])
        rows.append(-flat(tinymm.grad(hard_objective(decoded, targets, mask, **options)[0], leaves(task, a))))
    return np.array(rows)


def is_constant(task):
    """(P,) the coordinates that the model does not learn: the zero row of <pad>."""
    parts = [np.zeros(task.a.size, bool)]
    for name, p in task.model.named_parameters():
        parts.append(np.zeros(p.shape, bool))
        if name == "E.weight":
            parts[-1][0] = True
    return np.concatenate([part.ravel() for part in parts])


@pytest.fixture(scope="module")
def exact(task):
    """p(s) (27,), dL_s (P,) by the chain rule through the enumeration."""
    a = Tensor(task.a, requires_grad=True)
    p = log_probs(task)[0].exp().detach().numpy()
    return types.SimpleNamespace(p=p, gradient=flat(tinymm.grad(bound(task, a), leaves(task, a))))


# ---------------------------------------------------------------------- L4-C3: the bound and its gradient

def test_paths_have_probability_one_and_the_bound_is_below(task):
    log_s, log_y = (t.detach().numpy() for t in log_probs(task))
    assert np.exp(log_s).sum() == pytest.approx(1, abs=1e-13)
    marginal = special.logsumexp(log_s + log_y)   # log p(y|a)
    assert float(bound(task)) < marginal - 0.1
    u = task.model.u.detach().numpy().copy()
    try:
        with no_grad():
            task.model.u *= 1e4   # alpha is one-hot now
        log_s, log_y = (t.detach().numpy() for t in log_probs(task))
        assert float(bound(task)) == pytest.approx(special.logsumexp(log_s + log_y), abs=1e-12)
        assert np.exp(log_s).max() == 1
    finally:
        with no_grad():
            task.model.u[:] = Tensor(u)


@pytest.mark.parametrize("baseline", [0.0, -4.0, 7.5])
def test_the_expected_estimate_is_the_gradient_of_the_bound(task, exact, baseline):
    """sum_s p(s) [d log p(y|s) + (log p(y|s) - b) d log p(s)] = dL_s for any constant b."""
    expected = exact.p @ path_gradients(task, baseline=baseline)
    np.testing.assert_allclose(expected, exact.gradient, rtol=0, atol=1e-12)


def test_the_gradient_of_the_bound_by_finite_differences(task, exact):
    """dL_s by enumeration again, now without any backward pass."""
    a = task.a.copy()
    with no_grad():
        numeric = derivative(lambda: float(bound(task, Tensor(a))), [a, *(p._data for p in task.model.parameters())])
    learned = ~is_constant(task)
    np.testing.assert_allclose(exact.gradient[learned], numeric[learned], rtol=0, atol=1e-9)
    assert not exact.gradient[~learned].any() and np.abs(numeric).max() > 0.1


def test_other_weights_bias_the_estimate(task, exact):
    """The slide's errata: with lambda_r != 1 or lambda_e != 0, or with soft contexts, it is not the gradient of L_s."""
    plain = exact.p @ path_gradients(task, lambda_r=0.0)
    half = exact.p @ path_gradients(task, lambda_r=0.5)
    np.testing.assert_allclose(half, (plain + exact.gradient) / 2, rtol=0, atol=1e-12)
    bonus = exact.p @ path_gradients(task, lambda_e=0.1)
    for biased in (half, bonus):
        assert np.abs(biased - exact.gradient).max() > 0.01


# ---------------------------------------------------------------------- L4-C4: the estimate from samples

@pytest.mark.parametrize("baseline", ["none", "constant"])
def test_the_sampled_estimate_is_unbiased(task, exact, baseline):
    """20,000 samples from the training path: every coordinate within 4 standard errors of dL_s."""
    b = 0.0 if baseline == "none" else float(bound(task))
    count, batches, total, seen = 2000, 10, 0.0, np.zeros(27)
    rows = path_gradients(task, baseline=b)
    error = np.sqrt(np.maximum(exact.p @ rows**2 - (exact.p @ rows) ** 2, 0) / (count * batches))   # the exact one
    tinymm.manual_seed(3)
    for _ in range(batches):
        a = Tensor(task.a, requires_grad=True)
        decoded, targets, mask = decode(task, count, a)
        assert decoded.sampled.all()
        loss, log_p = hard_objective(decoded, targets, mask, baseline=b)
        gradient = -flat(tinymm.grad(loss, leaves(task, a)))
        share = np.bincount(decoded.locations.T @ [9, 3, 1], minlength=27) / count
        np.testing.assert_allclose(gradient, share @ rows, rtol=0, atol=1e-11)   # a batch is the mean of its images
        total, seen = total + gradient / batches, seen + share / batches
    assert (np.abs(total - exact.gradient) <= 4 * error + 1e-12).all()
    assert seen.min() > 0 and np.abs(total - exact.gradient).max() > 1e-6   # chance was at work
    forgotten = exact.p @ path_gradients(task, lambda_r=0.0)   # the score term left out would have been noticed
    assert (np.abs(forgotten - exact.gradient) > 10 * error).any()


def test_the_baseline_reduces_the_variance(task, exact):
    """The total variance of one sample's estimate, exactly; log p is about -6 here, far from 0."""
    def variance(b):
        rows = path_gradients(task, baseline=b)
        return exact.p @ (rows**2).sum(1) - (exact.gradient**2).sum()

    mean = float(bound(task))
    assert mean < -5
    assert variance(0.0) / variance(mean) > 15
    assert variance(-mean) > variance(0.0)   # a baseline of the wrong sign adds to it


def test_the_reward_is_a_number(task):
    """No gradient flows through log p - b: it is the same with the reward's value put in by hand."""
    decoded, targets, mask = decode(task, 27, locations=PATHS)
    loss, log_p = hard_objective(decoded, targets, mask, baseline=1.5, lambda_r=0.3)
    assert not log_p.requires_grad and loss.shape == ()
    by_hand = -(caption_log_prob(decoded.logits, targets)
                + 0.3 * Tensor(log_p.numpy() - 1.5) * path_log_prob(decoded, mask)).mean()
    parameters = list(task.model.parameters())
    for found, wanted in zip(tinymm.grad(loss, parameters, retain_graph=True), tinymm.grad(by_hand, parameters)):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=0, atol=1e-13)


def test_images_with_a_soft_context_have_no_score_term(task):
    tinymm.manual_seed(2)
    task.model.soft_share = 0.5
    try:
        decoded, targets, mask = decode(task, 12)
    finally:
        task.model.soft_share = 0.0
    assert 0 < decoded.sampled.sum() < 12
    loss, log_p = hard_objective(decoded, targets, mask, baseline=-2.0)
    reward = Tensor(np.where(decoded.sampled, log_p.numpy() + 2.0, 0.0))
    wanted = -(caption_log_prob(decoded.logits, targets) + reward * path_log_prob(decoded, mask)).mean()
    parameters = list(task.model.parameters())
    for x, y in zip(tinymm.grad(loss, parameters, retain_graph=True), tinymm.grad(wanted, parameters)):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=0, atol=1e-13)


# ---------------------------------------------------------------------- L4-C5: the entropy

def test_the_gradient_of_the_entropy_bonus(task):
    """lambda_e adds the derivative of sum_t H(alpha_t) along the given path, padded steps left out; by finite differences."""
    lam, path = 0.37, np.array([[0, 2], [1, 1], [2, 0]])
    mask = np.array([[True, True], [True, True], [True, False]])   # the second caption is a word shorter
    words, targets = np.repeat(task.words, 2, 1), np.where(mask, np.repeat(task.targets, 2, 1), 0)
    a = np.concatenate([task.a, task.a[:, ::-1] * 0.7])

    def forward(tensor):
        return task.model(tensor, Tensor(words), locations=path)

    def entropy():
        alpha = forward(Tensor(a)).alpha.detach().numpy()
        return -(alpha * np.log(alpha) * mask[:, :, None]).sum() / 2

    tensor = Tensor(a.copy(), requires_grad=True)
    decoded = forward(tensor)
    found = [-flat(tinymm.grad(hard_objective(decoded, Tensor(targets), Tensor(mask), lambda_e=weight)[0],
                               leaves(task, tensor), retain_graph=True)) for weight in (0.0, lam)]
    with no_grad():
        numeric = lam * derivative(entropy, [a, *(p._data for p in task.model.parameters())])
    learned = np.concatenate([np.ones(task.a.size, bool), ~is_constant(task)])
    np.testing.assert_allclose((found[1] - found[0])[learned], numeric[learned], rtol=0, atol=1e-9)
    assert np.abs(numeric).max() > 0.01
    per_image = attention_entropy(decoded, Tensor(mask)).detach().numpy()
    assert per_image.shape == (2,) and per_image.mean() == pytest.approx(entropy(), abs=1e-12)


def test_entropies_along_paths_average_to_the_entropy_of_paths(task, exact):
    """H[s] = sum_s p(s) sum_t H(alpha_t), the chain rule; but the pathwise gradient lacks the score term of H[s]."""
    a = Tensor(task.a, requires_grad=True)
    decoded, _, mask = decode(task, 27, a, locations=PATHS)
    along = attention_entropy(decoded, mask)
    log_s = path_log_prob(decoded, mask)
    of_paths = -(log_s.exp() * log_s).sum()
    assert float((Tensor(exact.p) * along).sum()) == pytest.approx(float(of_paths), abs=1e-12)
    parameters = [task.model.u, task.model.W_h.weight]
    pathwise = flat(tinymm.grad((Tensor(exact.p) * along).sum(), parameters, retain_graph=True))
    score = flat(tinymm.grad((Tensor(exact.p) * along.detach() * log_s).sum(), parameters, retain_graph=True))
    whole = flat(tinymm.grad(of_paths, parameters))
    np.testing.assert_allclose(pathwise + score, whole, rtol=0, atol=1e-12)
    assert np.abs(pathwise - whole).max() > 1e-3


def test_entropy_of_an_attention_that_underflows():
    log_alpha = Tensor(np.array([[[0.0, -1000.0]]]))
    decoded = Decoded(None, log_alpha.exp(), None, log_alpha)
    assert float(attention_entropy(decoded, Tensor(np.ones((1, 1), bool)))) == 0


# ---------------------------------------------------------------------- log-probabilities

def test_log_probability_of_a_path():
    rng = np.random.default_rng(1)
    log_alpha = special.log_softmax(rng.normal(size=(4, 3, 5)), 2)
    path, mask = rng.integers(0, 5, (4, 3)), np.arange(4)[:, None] < [4, 2, 0]
    decoded = Decoded(None, None, None, Tensor(log_alpha), path)
    wanted = [sum(log_alpha[t, b, path[t, b]] for t in range(4) if mask[t, b]) for b in range(3)]
    np.testing.assert_allclose(path_log_prob(decoded, Tensor(mask)).numpy(), wanted, rtol=1e-13)


# ---------------------------------------------------------------------- L4-C6: the doubly stochastic penalty

def softmaxed(seed, steps=4, images=3, places=5):
    return special.softmax(np.random.default_rng(seed).normal(size=(steps, images, places)), 2)


RAGGED = np.arange(4)[:, None] < np.array([4, 2, 1])   # (T, B)


@pytest.mark.parametrize("tau", [1.0, 0.3])
def test_penalty_by_hand_and_its_gradient(tau):
    alpha = softmaxed(0)
    wanted = [sum((tau - sum(alpha[t, b, i] for t in range(4) if RAGGED[t, b])) ** 2 for i in range(5)) for b in range(3)]
    penalty = lambda alpha: doubly_stochastic_penalty(alpha, Tensor(RAGGED), tau)
    np.testing.assert_allclose(penalty(Tensor(alpha)).numpy(), wanted, rtol=1e-13)
    assert all(argument.verdict == "ok" for argument in gradcheck(penalty, [alpha], curve=False).arguments)
    tensor = Tensor(alpha, requires_grad=True)
    penalty(tensor).sum().backward()
    total = (alpha * RAGGED[:, :, None]).sum(0)
    np.testing.assert_allclose(tensor.grad.numpy(), -2 * (tau - total) * RAGGED[:, :, None], rtol=0, atol=1e-13)
    assert penalty(Tensor(alpha.astype(np.float32))).dtype == np.float32


def test_steps_after_the_end_do_not_count():
    alpha = softmaxed(1)
    plain = doubly_stochastic_penalty(Tensor(alpha), Tensor(RAGGED)).numpy()
    alpha[~RAGGED] = 100.0
    assert (doubly_stochastic_penalty(Tensor(alpha), Tensor(RAGGED)).numpy() == plain).all()
    alone = [float(doubly_stochastic_penalty(Tensor(alpha[:n, b:b + 1]), Tensor(np.ones((n, 1), bool)))[0])
             for b, n in enumerate((4, 2, 1))]
    np.testing.assert_allclose(plain, alone, rtol=1e-13)


@pytest.mark.parametrize("places, words", [(5, 4), (4, 4), (3, 7)])
@pytest.mark.parametrize("tau", [1.0, 0.25, 3.0])
def test_the_least_penalty(places, words, tau):
    """L (tau - C/L)^2 at even attention, and no attention found by a minimiser has less: 0 only for tau = C/L."""
    formula = places * (tau - words / places) ** 2
    value = lambda alpha: float(doubly_stochastic_penalty(Tensor(alpha[:, None]), Tensor(np.ones((words, 1), bool)), tau)[0])
    assert value(np.full((words, places), 1 / places)) == pytest.approx(formula, abs=1e-12)
    uneven = special.softmax(np.random.default_rng(2).normal(size=(words, places)), 1)
    assert value(uneven) > formula + 1e-3

    def objective(scores):
        scores = Tensor(scores.reshape(words, 1, places), requires_grad=True)
        loss = doubly_stochastic_penalty(scores.softmax(-1), Tensor(np.ones((words, 1), bool)), tau).sum()
        return float(loss), tinymm.grad(loss, [scores])[0].numpy().ravel()

    found = optimize.minimize(objective, np.random.default_rng(3).normal(size=words * places), jac=True, method="BFGS",
                              options=dict(gtol=1e-9))
    assert found.fun == pytest.approx(formula, abs=1e-9)
    assert (formula == 0) == (tau == words / places)


def test_tau_changes_the_value_and_not_the_gradient():
    """A softmax hands out exactly C, so sum_i (tau - A_i)^2 = sum_i A_i^2 - 2 tau C + L tau^2."""
    scores = Tensor(np.random.default_rng(4).normal(size=(4, 3, 5)), requires_grad=True)
    results = []
    for tau in (0.0, 1.0, 5.0):
        penalty = doubly_stochastic_penalty(scores.softmax(-1), Tensor(RAGGED), tau)
        squares = penalty.detach().numpy() + 2 * tau * RAGGED.sum(0) - 5 * tau**2
        results.append((squares, tinymm.grad(penalty.sum(), [scores])[0].numpy()))
    for value, gradient in results[1:]:
        np.testing.assert_allclose(value, results[0][0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(gradient, results[0][1], rtol=0, atol=1e-13)
    assert np.abs(results[0][1]).max() > 0.1


def test_tau_does_not_change_the_gradient_of_the_model(task):
    soft = ShowAttendTell(features=3, vocabulary=5, embedding=3, hidden=4, attention=3).double()
    soft.load_state_dict(task.model.state_dict())
    decoded = soft(Tensor(task.a), Tensor(task.words))
    rest = Tensor(task.targets), Tensor(np.ones((C, 1), bool))
    parameters = list(soft.parameters())
    of = lambda **options: flat(tinymm.grad(soft_objective(decoded, *rest, **options), parameters, retain_graph=True))
    np.testing.assert_allclose(of(tau=3.0), of(tau=1.0), rtol=0, atol=1e-13)
    assert np.abs(of(lam=1.0) - of(lam=0.0)).max() > 1e-3


# ---------------------------------------------------------------------- the soft objective and the baseline

def test_soft_objective_is_the_mean_of_both_terms():
    rng = np.random.default_rng(6)
    logits, alpha = rng.normal(size=(4, 3, 6)), softmaxed(7)
    targets = np.where(RAGGED, rng.integers(1, 6, (4, 3)), 0)
    decoded = Decoded(Tensor(logits), Tensor(alpha), None)
    log_p = special.log_softmax(logits, 2)
    nll = -(np.take_along_axis(log_p, targets[:, :, None], 2)[:, :, 0] * RAGGED).sum(0)
    for lam, tau in ((1.0, 1.0), (0.0, 1.0), (0.3, 0.8)):
        wanted = nll + lam * ((tau - (alpha * RAGGED[:, :, None]).sum(0)) ** 2).sum(1)
        found = soft_objective(decoded, Tensor(targets), Tensor(RAGGED), lam=lam, tau=tau)
        assert found.shape == () and float(found) == pytest.approx(wanted.mean(), rel=1e-13)
    default, full = (soft_objective(decoded, Tensor(targets), Tensor(RAGGED), **o) for o in ({}, dict(lam=1.0, tau=1.0)))
    assert float(default) == float(full)


def test_the_moving_average_by_hand():
    baseline = MovingAverage()
    assert baseline.value == 0
    for log_p, wanted in ((-10.0, -1.0), (-20.0, -2.9), (-10.0, -3.61), (0.0, -3.249), (5.0, -2.4241)):
        baseline.update(log_p)
        assert baseline.value == pytest.approx(wanted, abs=1e-12)
    other = MovingAverage(decay=0.5, value=4.0)
    other.update(-2.0)
    assert other.value == 1.0
    for _ in range(400):
        baseline.update(-6.5)
    assert baseline.value == pytest.approx(-6.5, abs=1e-12)
    saved = MovingAverage()
    saved.load_state_dict(json.loads(json.dumps(baseline.state_dict())))
    assert saved.value == baseline.value


def test_what_hard_objective_returns_feeds_the_baseline(task):
    decoded, targets, mask = decode(task, 27, locations=PATHS)
    log_p = hard_objective(decoded, targets, mask)[1]
    np.testing.assert_array_equal(log_p.numpy(), caption_log_prob(decoded.logits, targets).detach().numpy())
