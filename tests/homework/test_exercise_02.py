"""Exercise 2: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import itertools
import math

import numpy as np
import pytest

from tests.decode.test_beam import markov
from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm.decode import beam_search
from tinymm.homework import check
from tinymm.homework.exercise import find

SOLUTION = EXERCISES["02"].solution


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_other_right_answers_pass(tmp_path):
    """Other forms of sigma and of the sum over repeated words, loops over the gates, a dict, proposals in a list."""
    source = changed(
        ("gates = 0.5 * (1 + np.tanh(0.5 * a[:, :3 * H]))", "gates = 1 / (1 + np.exp(-a[:, :3 * H]))"),
        ("    da = np.concatenate([di, df, do, dg], axis=1)", "    da = np.hstack((di, df, do, dg))"),
        ("    dx = da @ W_x\n", "    dx = sum(d @ W for d, W in zip((di, df, do, dg), np.split(W_x, 4)))\n"),
        ("cache = log_p, S, counts", "cache = dict(p=np.exp(log_p), S=S, counts=counts)"),
        ("log_p, S, counts = cache", "log_p, S, counts = np.log(cache['p']), cache['S'], cache['counts']"),
        ("    np.add.at(dW_e, words, dX[1:]) ", "    dW_e = np.einsum('tbk,tbd->kd', np.eye(shape[0])[words], dX[1:]) "),
        ("    words = np.argsort(-log_p, axis=1, kind=\"stable\")",
         "    found, done = [], []\n"
         "    for parent, row in enumerate(log_p):\n"
         "        for word in sorted(range(len(row)), key=lambda w: -row[w])[:k]:\n"
         "            if row[word] > -np.inf:\n"
         "                (done if word == end else found).append([parent, word, log_prob[parent] + row[word]])\n"
         "    found.sort(key=lambda row: (-row[2], row[0], row[1]))\n"
         "    live = np.array([row[:2] for row in found[:k]], dtype=int).reshape(-1, 2)\n"
         "    ended = np.array([row[0] for row in done], dtype=int)\n"
         "    return live, np.array([row[2] for row in found[:k]]), ended, np.array([row[2] for row in done])\n"
         "    words = np.argsort(-log_p, axis=1, kind=\"stable\")"), source=SOLUTION)
    report = check("02", handed_in(tmp_path, source))
    assert report.ok, repr(report)


# ---------------------------------------------------------------------- the functions one by one

def test_one_unit_by_hand(solution):
    """x, m, c and all weights are numbers: what a pocket calculator gives, gradients included."""
    sigma = lambda a: 1 / (1 + math.exp(-a))
    x, m, c = 0.5, -1.0, 2.0
    i, f, o, g = sigma(0.5 * 1 - 2), sigma(-0.5 - 1), sigma(0.5 * 2 + 1), math.tanh(0.5 * 3 - 1)
    W_x, W_m = np.array([[1.0], [-1.0], [2.0], [3.0]]), np.array([[2.0], [1.0], [-1.0], [1.0]])
    m_next, c_next, cache = solution["lstm_step_forward"](*(np.array([[v]]) for v in (x, m, c)), W_x, W_m)
    assert c_next.item() == pytest.approx(f * c + i * g) and m_next.item() == pytest.approx(o * (f * c + i * g))
    *_, dc, dW_x, dW_m = solution["lstm_step_backward"](np.array([[1.0]]), np.array([[0.0]]), cache)
    assert dc.item() == pytest.approx(o * f)
    by_gate = [o * g * i * (1 - i), o * c * f * (1 - f), (f * c + i * g) * o * (1 - o), o * i * (1 - g**2)]
    np.testing.assert_allclose(dW_x[:, 0], np.multiply(by_gate, x), rtol=1e-12)
    np.testing.assert_allclose(dW_m[:, 0], np.multiply(by_gate, m), rtol=1e-12)


def test_the_output_is_not_bounded(solution):
    """What the slide's cell lacks without a tanh: an open memory counts its steps, and so does the output."""
    H = 3
    W_x, W_m, m, c = np.full((4 * H, 1), 50.0), np.zeros((4 * H, H)), np.zeros((1, H)), np.zeros((1, H))
    for _ in range(5):
        m, c, _ = solution["lstm_step_forward"](np.ones((1, 1)), m, c, W_x, W_m)
    np.testing.assert_allclose(m, 5.0)


def test_the_probabilities_of_all_captions_sum_to_one(solution):
    """Whatever the start word, whatever stands behind, whatever the output at the image step."""
    K, N, T = 3, 3, 4
    logits = np.random.default_rng(1).normal(size=(T + 1, 1, K))
    captions = np.array(list(itertools.product(range(K), repeat=N))).T                     # (N, B)
    B = captions.shape[1]
    total = []
    for start, behind in ((0, 1), (2, 0)):
        logits[0], logits[-1] = start, -1e6 * np.arange(K)
        S = np.concatenate([np.full((1, B), start), captions, np.full((1, B), behind)])
        loss, _ = solution["caption_loss_forward"](np.repeat(logits, B, axis=1), S, np.full(B, N))
        total.append(np.exp(-loss).sum())
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


def test_the_start_word_collects_from_every_caption(solution):
    image, W_I, W_e = np.ones((3, 2)), np.ones((4, 2)), np.zeros((5, 4))
    S = np.array([[0, 0, 0], [2, 3, 2], [2, 1, 1]])
    _, cache = solution["image_then_words_forward"](image, W_I, W_e, S)
    *_, dW_e = solution["image_then_words_backward"](np.ones((3, 3, 4)), cache)
    assert dW_e[:, 0].tolist() == [3, 0, 2, 1, 0]       # as often as each word is an input; word 1 only ends sentences


# ---------------------------------------------------------------------- beam search

def sentences(beam_step, next_words, start, end, k, max_length):
    """All steps of beam search: the k best (words, log-probability) of the completed sentences."""
    live, done = [((), 0.0)], []
    for _ in range(max_length):
        if not live:
            break
        log_p = next_words(np.array([words[-1] if words else start for words, _ in live]))
        going, totals, ended, ended_totals = beam_step(np.array([total for _, total in live]), log_p, end, k)
        done += [(live[parent][0], total) for parent, total in zip(ended, ended_totals)]
        live = [(live[parent][0] + (int(word),), total) for (parent, word), total in zip(going, totals)]
    return sorted(done, key=lambda sentence: -sentence[1])[:k]


@pytest.mark.parametrize("k, expected", [
    (1, [([4, 10], .16)]), (2, [([4, 10], .16), ([3, 8], .15)]), (3, [([2, 6], .18), ([4, 10], .16), ([3, 8], .15)]),
    (4, [([2, 6], .18), ([4, 10], .16), ([3, 8], .15), ([4], .12)])])
def test_a_published_table(solution, k, expected):
    """im2txt's test of its own beam search."""
    found = sentences(solution["beam_step"], lambda words: markov(words, None)[0], 0, 1, k, 20)
    assert [([*words], round(math.exp(total), 12)) for words, total in found] == expected


@pytest.mark.parametrize("seed", range(40))
def test_beam_step_is_a_step_of_beam_search(solution, seed):
    """Word after word it finds the sentences of tinymm.decode.beam_search; every other table is full of ties."""
    rng = np.random.default_rng(seed)
    K, k, max_length = int(rng.integers(2, 6)), int(rng.integers(1, 6)), 4
    p = rng.integers(1, 3, size=(K, K)).astype(float) if seed % 2 else rng.gamma(1.0, size=(K, K)) * (rng.random((K, K)) < 0.8)
    p[:, -1] += p.sum(axis=1) == 0
    with np.errstate(divide="ignore"):
        table = np.log2(p / 16) if seed % 2 else np.log(p / p.sum(axis=1, keepdims=True))   # exact sums where there are ties
    expected = beam_search(lambda words, state: (table[words], state), None, 1, start=0, end=1, max_length=max_length, beam_size=k,
                           n_best=k)[0]
    found = sentences(solution["beam_step"], lambda words: table[words], 0, 1, k, max_length)
    assert found == [(h.tokens, h.log_prob) for h in expected if h.finished]


def test_a_wide_beam_misses_nothing(solution):
    """As many places as there are partial sentences: all sentences, by enumeration."""
    K, max_length = 3, 4
    p = np.random.default_rng(7).dirichlet(np.ones(K), K)
    every = []
    for n in range(max_length):
        for words in itertools.product((0, 2), repeat=n):
            path = (0, *words, 1)
            every.append((words, sum(math.log(p[a, b]) for a, b in zip(path, path[1:]))))
    found = sentences(solution["beam_step"], lambda words: np.log(p[words]), 0, 1, 100, max_length)
    every.sort(key=lambda sentence: -sentence[1])
    assert [words for words, _ in found] == [words for words, _ in every]
    np.testing.assert_allclose([total for _, total in found], [total for _, total in every], rtol=1e-12)


# ---------------------------------------------------------------------- PyTorch

def cell(torch, x, m, c, W_x, W_m):
    """The slide's equations, one gate after the other."""
    (W_ix, W_fx, W_ox, W_cx), (W_im, W_fm, W_om, W_cm) = (W.reshape(4, m.shape[1], -1) for W in (W_x, W_m))
    i, f, o = (torch.sigmoid(torch.einsum("hd,bd->bh", a, x) + torch.einsum("hk,bk->bh", b, m))
               for a, b in ((W_ix, W_im), (W_fx, W_fm), (W_ox, W_om)))
    c = f * c + i * torch.tanh(torch.einsum("hd,bd->bh", W_cx, x) + torch.einsum("hk,bk->bh", W_cm, m))
    return o * c, c


def loss_of(torch, logits, S, lengths):
    """Cross-entropy with everything but S_1, ..., S_N marked to be ignored."""
    targets = S.clone()
    targets[0] = -100
    for b, N in enumerate(lengths):
        targets[N + 1:, b] = -100
    return torch.nn.functional.cross_entropy(logits.permute(1, 2, 0), targets.T, reduction="none").sum(1)


def inputs_of(torch, image, W_I, W_e, S):
    one_hot = torch.nn.functional.one_hot(S[:-1], len(W_e)).double()
    return torch.cat([torch.nn.functional.linear(image, W_I)[None], torch.einsum("tbk,kd->tbd", one_hot, W_e)])


def step_of(torch, log_prob, log_p, end, k):
    """The whole grid of (n, K) continuations, with what is not proposed marked."""
    n, K = log_p.shape
    words = torch.sort(log_p, dim=1, descending=True, stable=True).indices[:, :k]
    proposed = torch.zeros(n, K, dtype=torch.bool).scatter(1, words, True) & (log_p > -torch.inf)
    total = log_prob[:, None] + log_p
    ended = torch.nonzero(proposed[:, end])[:, 0]
    proposed[:, end] = False
    best = torch.sort(total.masked_fill(~proposed, -torch.inf).flatten(), descending=True, stable=True)
    best = best.indices[:min(k, int(proposed.sum()))]
    return torch.stack([best // K, best % K], 1), total.flatten()[best], ended, total[ended, end]


@pytest.mark.oracle
@pytest.mark.parametrize("number, equation", [*enumerate((cell, loss_of, inputs_of, step_of))])
def test_the_references_against_torch(number, equation):
    """Values and gradients of every reference, in every case, against the equations written in PyTorch."""
    assert worst_gap(find(2).tasks[number], equation) < 1e-12


@pytest.mark.oracle
def test_the_functions_make_a_caption_generator(solution):
    """The slide's whole model, p = softmax(m), from image to loss and back: the student's functions, and autograd."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(11)
    B, features, D, K, lengths = 3, 4, 5, 6, np.array([4, 1, 3])
    T = max(lengths)
    weights = {"image": rng.normal(size=(B, features)), "W_I": rng.normal(size=(D, features)), "W_e": rng.normal(size=(K, D)),
               "W_x": rng.normal(size=(4 * K, D)), "W_m": rng.normal(size=(4 * K, K))}
    S = rng.integers(0, K, size=(T + 1, B))

    X, inputs_cache = solution["image_then_words_forward"](weights["image"], weights["W_I"], weights["W_e"], S)
    m, c, logits, caches = np.zeros((B, K)), np.zeros((B, K)), [], []
    for x in X:
        m, c, cache = solution["lstm_step_forward"](x, m, c, weights["W_x"], weights["W_m"])
        logits.append(m)
        caches.append(cache)
    loss, loss_cache = solution["caption_loss_forward"](np.stack(logits), S, lengths)
    dlogits = solution["caption_loss_backward"](np.ones(B), loss_cache)
    found = {"W_x": 0.0, "W_m": 0.0}
    dm, dc, dX = np.zeros((B, K)), np.zeros((B, K)), np.zeros_like(X)
    for t in reversed(range(T + 1)):
        dX[t], dm, dc, dW_x, dW_m = solution["lstm_step_backward"](dlogits[t] + dm, dc, caches[t])
        found["W_x"], found["W_m"] = found["W_x"] + dW_x, found["W_m"] + dW_m
    found["image"], found["W_I"], found["W_e"] = solution["image_then_words_backward"](dX, inputs_cache)

    w = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
    m = c = torch.zeros(B, K, dtype=torch.float64)
    outputs = []
    for x in inputs_of(torch, w["image"], w["W_I"], w["W_e"], torch.tensor(S)):
        m, c = cell(torch, x, m, c, w["W_x"], w["W_m"])
        outputs.append(m)
    want = loss_of(torch, torch.stack(outputs), torch.tensor(S), lengths)
    want.sum().backward()
    np.testing.assert_allclose(loss, want.detach().numpy(), rtol=1e-12)
    for name, leaf in w.items():
        np.testing.assert_allclose(found[name], leaf.grad.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)
    assert np.abs(found["image"]).min() > 0    # discarded as an output, the image still reaches every loss through m and c
