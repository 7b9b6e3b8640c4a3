"""Exercise 3: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import itertools

import numpy as np
import pytest

from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm import Tensor, decode, functional as F, no_grad
from tinymm.homework import check
from tinymm.homework.exercise import find, words as mask_of
from tinymm.models.order_embedding import ranking_loss
from tinymm.models.visual_semantic import BidirectionalEncoder

SOLUTION = EXERCISES["03"].solution


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_other_right_answers_pass(tmp_path):
    """Loops over pairs and words, a table of all pairs of regions, the hinge by np.where, a state that is masked in place."""
    source = changed(
        ("    scores = np.einsum(\"kmd,tld->kltm\", v, s)\n",
         "    best = np.zeros((len(v), s.shape[1], len(s)), dtype=np.int32)\n"
         "    S = np.zeros(best.shape[:2])\n"
         "    for k, l in np.ndindex(S.shape):\n"
         "        for t in range(len(s)):\n"
         "            if words[t, l]:\n"
         "                there = np.flatnonzero(regions[k])\n"
         "                told = [v[k, i] @ s[t, l] for i in there]\n"
         "                best[k, l, t] = there[told.index(max(told))]\n"
         "                S[k, l] += max(told)\n"
         "    return S, (v, s, words, best)\n"
         "    scores = np.einsum(\"kmd,tld->kltm\", v, s)\n"),
        ("        stays = q + beta >= q[top]\n",
         "        reach = q[:, None] + beta * np.eye(M)                                   # (M, M), from j to i\n"
         "        stays = reach.diagonal() >= reach.max(axis=0)\n"),
        ("        came[t] = np.where(stays, np.arange(M), top)",
         "        came[t] = [i if stays[i] else reach[:, i].argmax() for i in range(M)]"),
        ("        q = scores[t] + np.where(stays, q + beta, q[top])", "        q = scores[t] + reach.max(axis=0)"),
        ("by_image = np.maximum(S - right[:, None] + 1, 0) * others ",
         "by_image = np.where(others & (S + 1 > right[:, None]), S - right[:, None] + 1, 0) "),
        ("        h_b[t] = np.maximum(e[t] + after @ W_b.T + b_b, 0) * there[t]\n",
         "        h_b[t] = np.einsum('ij,lj->li', W_b, after) + e[t] + b_b\n"
         "        h_b[t] *= (h_b[t] > 0) & there[t]\n"), source=SOLUTION)
    report = check("03", handed_in(tmp_path, source))
    assert report.ok, repr(report)


# ---------------------------------------------------------------------- the score

def padded(rng, K=3, M=5, T=6, L=4, D=3):
    """v, s, regions and words, with every image and every sentence of another size."""
    regions = rng.random((K, M)) < 0.6
    regions[np.arange(K), rng.integers(0, M, K)] = True
    return rng.normal(size=(K, M, D)), rng.normal(size=(T, L, D)), regions, mask_of(T, *rng.integers(1, T, L - 1)).T


def test_what_stands_at_masked_places_changes_nothing(solution):
    """And its gradient is 0."""
    rng = np.random.default_rng(0)
    v, s, regions, words = padded(rng)
    dS = rng.normal(size=(3, 4))
    S, cache = solution["image_sentence_score_forward"](v, s, regions, words)
    dv, ds = solution["image_sentence_score_backward"](dS, cache)
    assert not dv[~regions].any() and not ds[~words].any()
    other_v, other_s = np.where(regions[..., None], v, 1e6), np.where(words[..., None], s, -1e6)
    again, cache = solution["image_sentence_score_forward"](other_v, other_s, regions, words)
    np.testing.assert_array_equal(again, S)
    for got, want in zip(solution["image_sentence_score_backward"](dS, cache), (dv, ds)):
        np.testing.assert_array_equal(got, want)


def test_a_batch_is_its_pairs_one_by_one(solution):
    v, s, regions, words = padded(np.random.default_rng(1))
    S, _ = solution["image_sentence_score_forward"](v, s, regions, words)
    for k, n in np.ndindex(S.shape):
        alone = (v[k][regions[k]] @ s[:, n][words[:, n]].T).max(axis=0).sum()
        np.testing.assert_allclose(S[k, n], alone, rtol=1e-12)


def test_the_score_is_the_packages_operation(solution):
    """Values and gradients, also where regions are equal."""
    rng = np.random.default_rng(2)
    v, s, regions, words = padded(rng)
    v[:, 3] = v[:, 1]
    dS = rng.normal(size=(3, 4))
    S, cache = solution["image_sentence_score_forward"](v, s, regions, words)
    tensors = [Tensor(a, requires_grad=True) for a in (v, s)]
    out = F.region_word_scores(*tensors, Tensor(regions), Tensor(words))
    np.testing.assert_allclose(out.detach().numpy(), S, rtol=1e-12)
    (out * Tensor(dS)).sum().backward()
    for got, want in zip(solution["image_sentence_score_backward"](dS, cache), tensors):
        np.testing.assert_allclose(got, want.grad.numpy(), rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------------- the alignment

def tried_out(scores, beta):
    """The best of all M^N assignments; of equal ones by the rule: the last word lowest, then going back stay, else lowest."""
    def rank(a):
        Q = sum(row[i] for row, i in zip(scores, a)) + beta * sum(i == j for i, j in zip(a, a[1:]))
        return -Q, a[-1], *((a[t] != a[t + 1], a[t]) for t in range(len(a) - 2, -1, -1))

    best = min(itertools.product(range(len(scores[0])), repeat=len(scores)), key=rank)
    return list(best), -rank(best)[0]


@pytest.mark.parametrize("beta", [0.0, 0.125, 0.5, 1.0, 2.0, 10.0])
def test_align_finds_the_best_of_all_assignments(solution, beta):
    """Every other table holds quarters, whose sums are exact, so that equal assignments are equal."""
    rng = np.random.default_rng(3)
    for number in range(40):
        N, M = rng.integers(1, 6), rng.integers(1, 5)
        scores = rng.integers(0, 4, (N, M)) / 4 if number % 2 else rng.normal(size=(N, M))
        a, Q = solution["align"](scores, beta)
        best, value = tried_out(scores.tolist(), beta)
        assert a.tolist() == best and Q == pytest.approx(value, abs=1e-12), (scores, beta)


def test_align_is_the_packages_chain(solution):
    """Longer sentences than can be tried out, with regions that are not there."""
    rng = np.random.default_rng(4)
    for beta in (0.0, 0.25, 1.5):
        scores = rng.integers(-8, 9, (14, 8)) / 4
        scores[:, [2, 5]] = -np.inf
        (a, Q), (b, R) = solution["align"](scores, beta), decode.align(scores, beta)
        assert a.tolist() == b.tolist() and Q == R


def test_the_ends_of_beta(solution):
    """At 0 each word has its best region, at sum_t (max - min) all words have one; in between there are never more segments."""
    scores = np.random.default_rng(5).normal(size=(8, 5))
    enough = np.ptp(scores, axis=1).sum()
    found = [solution["align"](scores, beta)[0] for beta in (*np.linspace(0, 3, 31), enough)]
    assert found[0].tolist() == scores.argmax(axis=1).tolist()
    assert found[-1].tolist() == [scores.sum(axis=0).argmax()] * 8
    segments = [1 + np.count_nonzero(np.diff(a)) for a in found]
    assert segments == sorted(segments, reverse=True)


# ---------------------------------------------------------------------- the ranking loss

def test_the_diagonal_would_add_twice_the_batch(solution):
    """The slide's sums over all l less 2K, whatever the scores; and the loss of the package."""
    S = np.random.default_rng(6).normal(size=(5, 5))
    sentences, images, _ = solution["ranking_loss_forward"](S)
    right = S.diagonal()
    slide = np.maximum(S - right[:, None] + 1, 0).sum() + np.maximum(S.T - right[:, None] + 1, 0).sum()
    np.testing.assert_allclose(sentences + images, slide - 2 * 5, rtol=1e-12)
    np.testing.assert_allclose(sentences + images, float(ranking_loss(Tensor(S), 1.0)), rtol=1e-12)


def test_the_gradient_moves_nothing_together(solution):
    """Every violation raises one score and lowers another: dS sums to 0."""
    *_, cache = solution["ranking_loss_forward"](np.random.default_rng(7).normal(size=(6, 6)))
    dS = solution["ranking_loss_backward"](1.0, 1.0, cache)
    assert np.abs(dS).max() > 1 and dS.sum() == 0 and (dS.diagonal() <= 0).all()


# ---------------------------------------------------------------------- the encoder

def weights(rng, X=4, D=3):
    """W_e, b_e, W_f, b_f, W_b, b_b, W_d, b_d."""
    return [rng.normal(size=shape) * 0.7 for shape in ((D, X), (D,), (D, D), (D,), (D, D), (D,), (D, D), (D,))]


def test_a_padded_batch_is_its_sentences_one_by_one(solution):
    rng = np.random.default_rng(8)
    x, words, W = 3 * rng.normal(size=(5, 3, 4)), mask_of(5, 2, 3).T, weights(rng)
    s, _ = solution["bidirectional_encoder_forward"](x, words, *W)
    for n, length in enumerate(words.sum(axis=0)):
        alone, _ = solution["bidirectional_encoder_forward"](x[:length, n:n + 1], words[:length, n:n + 1], *W)
        np.testing.assert_allclose(s[:length, n], alone[:, 0], rtol=0, atol=1e-12)
        assert not s[length:, n].any()


def test_a_sentence_turned_round_with_the_directions_exchanged(solution):
    rng = np.random.default_rng(9)
    x, words, (W_e, b_e, W_f, b_f, W_b, b_b, *last) = rng.normal(size=(6, 2, 4)), np.ones((6, 2), dtype=bool), weights(rng)
    s, _ = solution["bidirectional_encoder_forward"](x, words, W_e, b_e, W_f, b_f, W_b, b_b, *last)
    turned, _ = solution["bidirectional_encoder_forward"](x[::-1], words, W_e, b_e, W_b, b_b, W_f, b_f, *last)
    assert s.any()
    np.testing.assert_allclose(turned[::-1], s, rtol=1e-12)


def test_the_encoder_is_the_packages(solution):
    """With its vectors of words as x, and its parameters."""
    rng = np.random.default_rng(10)
    encoder = BidirectionalEncoder(12, words=4, size=3).double()
    with no_grad():
        for p in encoder.parameters():
            p.copy_(Tensor(rng.normal(size=p.shape) * 0.7))
    S = np.where(mask_of(5, 2, 3).T, rng.integers(1, 12, (5, 3)), 0)
    want, inside = encoder(Tensor(S))
    layers = encoder.W_e, encoder.W_f, encoder.W_b, encoder.W_d
    W = [p.detach().numpy() for layer in layers for p in (layer.weight, layer.bias)]
    s, _ = solution["bidirectional_encoder_forward"](encoder.W_w.weight.detach().numpy()[S], S > 0, *W)
    assert s.any()
    np.testing.assert_allclose(s, want.detach().numpy() * inside.numpy()[..., None], rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------------- PyTorch

def score(torch, v, s, regions, words):
    scores = torch.einsum("kmd,tld->kltm", v, s).masked_fill(~regions[:, None, None], -torch.inf)
    return (scores.max(dim=3).values * words.T).sum(2)


def chain(torch, scores, beta):
    """All assignments."""
    a, Q = tried_out(scores.tolist(), beta)
    return torch.tensor(a), torch.tensor(Q, dtype=torch.float64)


def ranking(torch, S):
    """torch's hinge for each pair of a right and a wrong score."""
    def side(S):
        right = S.diagonal()[:, None].expand_as(S)
        each = torch.nn.functional.margin_ranking_loss(right, S, torch.ones_like(S), margin=1.0, reduction="none")
        return each[~torch.eye(len(S), dtype=torch.bool)].sum()
    return side(S), side(S.T)


def encoder(torch, x, words, W_e, b_e, W_f, b_f, W_b, b_b, W_d, b_d):
    """torch's bidirectional RNN on packed e_t, with the identity as its input matrices."""
    e, D = torch.relu(x @ W_e.T + b_e), len(b_e)
    rnn = torch.nn.RNN(D, D, nonlinearity="relu", bidirectional=True).double()
    one, none = torch.eye(D, dtype=x.dtype), torch.zeros(D, dtype=x.dtype)
    parameters = {"weight_ih_l0": one, "weight_hh_l0": W_f, "bias_ih_l0": none, "bias_hh_l0": b_f, "weight_ih_l0_reverse": one,
                  "weight_hh_l0_reverse": W_b, "bias_ih_l0_reverse": none, "bias_hh_l0_reverse": b_b}
    packed = torch.nn.utils.rnn.pack_padded_sequence(e, words.sum(0), enforce_sorted=False)
    out, _ = torch.func.functional_call(rnn, parameters, (packed,))
    h, _ = torch.nn.utils.rnn.pad_packed_sequence(out, total_length=len(x))
    return torch.relu((h[..., :D] + h[..., D:]) @ W_d.T + b_d) * words[..., None]


@pytest.mark.oracle
@pytest.mark.parametrize("number, equation", [*enumerate((score, chain, ranking, encoder))])
def test_the_references_against_torch(number, equation):
    """Values and gradients of every reference, in every case, against PyTorch; the chain against all assignments."""
    assert worst_gap(find(3).tasks[number], equation) < 1e-9
