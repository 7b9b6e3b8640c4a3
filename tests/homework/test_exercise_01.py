"""Exercise 1: the solution is right by other means; test_exercises.py has what is common to all exercises."""

import itertools

import numpy as np
import pytest

import tinymm
from tests.homework.judged import worst_gap
from tests.homework.sources import EXERCISES, changed, handed_in, namespace
from tinymm import Tensor, metrics, nn
from tinymm.homework import check
from tinymm.homework.exercise import find

SOLUTION = EXERCISES["01"].solution


@pytest.fixture(scope="module")
def solution():
    return namespace(SOLUTION)


def test_the_examples_in_numbers(solution):
    """What the texts of the exercise promise."""
    step, one = solution["lstm_step_with_cont_forward"], np.ones((4, 1))
    args = np.zeros((1, 1)), np.array([[2.0]]), np.array([[1.0]])
    h, c, _ = step(*args, np.ones(1), 0 * one, one, np.zeros(4))
    np.testing.assert_allclose((c.item(), h.item()), (1.730, 0.827), atol=5e-4)
    h, c, _ = step(*args, np.zeros(1), 0 * one, one, np.zeros(4))
    assert c.item() == h.item() == 0
    h, c, _ = step(args[0], args[1], 0 * args[2], np.ones(1), 0 * one, one, np.zeros(4))      # what an uncut h gives
    np.testing.assert_allclose((c.item(), h.item()), (0.849, 0.608), atol=5e-4)

    for n, starts in ((8, [0, 2, 4, 4]), (9, [0, 2, 4, 5, 5])):
        assert solution["window_average"](np.zeros((n - 3, 4, 2)), n, 2)[0].tolist() == starts
    p = np.array([0.8, 0.8, 0.001])
    logits = np.log(np.stack([p, 1 - p], axis=1))[None]
    _, found, label = solution["window_average"](logits, 3, 3)
    assert label == 0 and abs(found[0] - 0.534) < 5e-4
    mean = (logits[0, :, 0] - logits[0, :, 1]).mean()
    np.testing.assert_allclose((mean, 1 / (1 + np.exp(-mean))), (-1.378, 0.20), atol=2e-3)

    log_Z, centre, outer = solution["star_crf_marginals"](np.zeros(2), np.log([[1.0, 2.0]]), np.log([[[3.0, 1.0], [1.0, 1.0]]]))
    np.testing.assert_allclose([np.exp(log_Z), *centre, *outer[0]], [8, 5 / 8, 3 / 8, 1 / 2, 1 / 2])

    scores = np.array([[0.9, 0.1, 0.2], [0.9, 0.5, 0.5], [0.1, 0.2, 0.9]])
    ranks, recall, _ = solution["rank_metrics"](scores, 2)
    assert ranks.tolist() == [1, 2.5, 1] and np.isclose(recall, (1 + 0.5 + 1) / 3)


def test_other_right_answers_pass(tmp_path):
    """Views, work in place on own copies, a mask of another dtype, products by einsum, a loop: right, and told so."""
    source = changed(
        ("    keep = cont[:, None] ", "    keep = cont.astype(np.float32)[:, None] "),              # 0 and 1 are exact in float32
        ("    h_cut, c_cut = keep * h, keep * c ",
         "    h_cut, c_cut = h.copy(), c.copy()\n    h_cut[cont == 0] = 0\n    c_cut[cont == 0] = 0 "),
        ("    a = x @ W_x.T + h_cut @ W_h.T + b ",
         "    a = np.einsum('bd,kd->bk', x, W_x)\n    a += np.einsum('bh,kh->bk', h_cut, W_h)\n    a += b "),
        ("    i, f, o, g = np.split(a, 4, axis=1) ", "    i, f, o, g = a.reshape(len(a), 4, -1).transpose(1, 0, 2) "),
        ("    g = np.tanh(g)\n", "    g = np.tanh(g, out=g)\n"),
        ("    c_next = f * c_cut + i * g\n", "    c_next = np.asfortranarray(f * c_cut + i * g)\n"),
        ("    dW_h = da.T @ h_cut\n", "    dW_h = np.ascontiguousarray(h_cut.T @ da).T\n"),
        ("    db = da.sum(axis=0)\n", "    db = np.ones(len(da)) @ da\n"),
        ("    starts = np.minimum(np.arange(0, frames, stride), frames - L)           # (W,)\n",
         "    starts = np.array([s if s + L <= frames else frames - L for s in range(0, frames, stride)], dtype=np.int32)\n"),
        ("    label = p.argmax()\n", "    label = int(np.argmax(p))\n"),
        ("    centre = np.exp(total - log_Z)\n", "    centre = np.exp(total - total.max())\n    centre /= centre.sum()\n"),
        ("    recall = np.clip((K - above) / at, 0, 1).mean()\n",
         "    recall = float(np.mean([min(max((K - a) / t, 0), 1) for a, t in zip(above, at)]))\n"), source=SOLUTION)
    report = check("01", handed_in(tmp_path, source))
    assert report.ok, repr(report)


def test_arithmetic_in_float32_is_named(tmp_path):
    """Inside, its rounding is 1e9 times that of float64, and the results are not those of the equations."""
    source = changed(("h_next = o * t\n", "h_next = (o * t).astype(np.float32)\n"), source=SOLUTION)
    report = check("01", handed_in(tmp_path, source))
    assert "h_next is float32" in "\n".join(report["lstm_step_with_cont_forward"].details())


def test_the_step_is_the_packages_cell_with_reset(solution):
    """The students' function against nn.LSTM, whose gates are i, f, g, o, over two streams with starts in the middle."""
    rng = np.random.default_rng(3)
    T, B, D, H = 6, 2, 3, 5
    lstm = nn.LSTM(D, H).double()
    cont = np.ones((T, B))
    cont[0] = cont[2, 1] = cont[4, 0] = 0
    x = Tensor(rng.normal(size=(T, B, D)), requires_grad=True)
    out, _ = lstm(x, reset=cont == 0)
    order = np.r_[:2 * H, 3 * H:4 * H, 2 * H:3 * H]                            # i, f, o, g of i, f, g, o
    W_x, W_h, b = (p.detach().numpy()[order] for p in (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0 + lstm.bias_hh_l0))
    h = c = rng.normal(size=(B, H))                                            # of another sequence: cut at the first step
    caches = []
    for t in range(T):
        h, c, cache = solution["lstm_step_with_cont_forward"](x.detach().numpy()[t], h, c, cont[t], W_x, W_h, b)
        np.testing.assert_allclose(h, out.detach().numpy()[t], rtol=1e-10, atol=1e-12)
        caches.append(cache)
    weight = rng.normal(size=(T, B, H))
    dx, dW = tinymm.grad((out * Tensor(weight)).sum(), [x, lstm.weight_hh_l0])
    dh, dc, total = np.zeros((B, H)), np.zeros((B, H)), 0.0
    for t in reversed(range(T)):
        dx_t, dh, dc, _, dW_h, _ = solution["lstm_step_with_cont_backward"](weight[t] + dh, dc, caches[t])
        np.testing.assert_allclose(dx_t, dx.numpy()[t], rtol=1e-8, atol=1e-12)
        assert not dh[cont[t] == 0].any() and not dc[cont[t] == 0].any()
        total = total + dW_h
    np.testing.assert_allclose(total, dW.numpy()[order], rtol=1e-8, atol=1e-12)


def test_every_frame_is_read_and_the_end_more_than_once(solution):
    """n = 16 ... 60: whole windows, no frame lost, as many as there are multiples of the stride below n."""
    for n in range(16, 61):
        starts = solution["window_average"](np.zeros((n - 15, 16, 2)), n, 8)[0]
        covered = np.unique(starts[:, None] + np.arange(16))
        assert covered.tolist() == list(range(n)) and len(starts) == -(-n // 8) and (starts[-2:] == n - 16).all()


def test_the_marginals_are_those_of_an_enumeration(solution):
    rng = np.random.default_rng(5)
    S, K, V = 3, 3, 4
    psi_0, psi, A = rng.normal(size=K), rng.normal(size=(S, V)), rng.normal(size=(S, K, V))
    log_Z, centre, outer = solution["star_crf_marginals"](psi_0, psi, A)
    want_centre, want_outer, Z = np.zeros(K), np.zeros((S, V)), 0.0
    for y_0, *y in itertools.product(range(K), *[range(V)] * S):
        weight = np.exp(psi_0[y_0] + sum(psi[s, k] + A[s, y_0, k] for s, k in enumerate(y)))
        Z += weight
        want_centre[y_0] += weight
        want_outer[range(S), y] += weight
    np.testing.assert_allclose(log_Z, np.log(Z), rtol=1e-12)
    np.testing.assert_allclose(centre, want_centre / Z, rtol=1e-12)
    np.testing.assert_allclose(outer, want_outer / Z, rtol=1e-12)


@pytest.mark.parametrize("N, values", [(7, 2), (8, 3), (5, 1), (9, 1000)])
def test_ranks_are_those_of_the_package_and_of_all_orders(solution, N, values):
    rng = np.random.default_rng(N)
    scores = rng.integers(0, values, (N, N)).astype(float)
    for K in (1, 2, N):
        ranks, recall, medr = solution["rank_metrics"](scores, K)
        np.testing.assert_allclose(ranks, metrics.ranks(scores))
        assert np.isclose(recall, metrics.recall_at_k(scores, K)) and medr == metrics.median_rank(scores)
    if values == 1:
        assert np.isclose(solution["rank_metrics"](scores, 2)[1], 2 / N)      # a constant model guesses


# ---------------------------------------------------------------------- PyTorch

@pytest.mark.oracle
def test_the_reference_of_the_step_against_torch():
    """Values and gradients in every case against torch.nn.LSTMCell's function, its gates put in its order."""
    def step(torch, x, h, c, cont, W_x, W_h, b):
        H = h.shape[1]
        order = torch.tensor(np.r_[:2 * H, 3 * H:4 * H, 2 * H:3 * H])
        keep = cont[:, None]
        return torch._VF.lstm_cell(x, (keep * h, keep * c), W_x[order], W_h[order], b[order], torch.zeros_like(b))

    assert worst_gap(find(1).tasks[0], step) < 1e-9
