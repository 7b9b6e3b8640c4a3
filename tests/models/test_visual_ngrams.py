"""Visual N-Grams: its formulas word by word, and what smoothing is for."""

import math

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, optim
from tinymm.models.visual_ngrams import VisualNGrams
from tinymm.text.ngram_dictionary import NGramDictionary

COMMENTS = [s.split() for s in ("the street market at night", "market street in the city", "a street market", "the city at night")]
DICTIONARY = NGramDictionary.build(COMMENTS, order=3)
d = 4


def build(seed=0, **options):
    tinymm.manual_seed(seed)
    return VisualNGrams(d, DICTIONARY, **options).double()


def pictures(n=4, seed=1):
    return np.random.default_rng(seed).normal(size=(n, d))


def p_obs(model, phi):
    """Phrase -> p_obs, by hand."""
    e = model.e.detach().numpy()
    weights = [math.exp(-sum(x * y for x, y in zip(row, phi))) for row in e]
    return {phrase: w / sum(weights) for phrase, w in zip(DICTIONARY.phrases, weights)}


def smoothed(p, words, i, n, lam):
    """The recursion of the docstring, as it stands there."""
    if n == 1:
        return p.get((words[i],), 0.0)
    whole, history = tuple(words[i - n + 1:i + 1]), tuple(words[i - n + 1:i])
    conditional = p[whole] / p[history] if whole in p else 0.0
    return lam * conditional + (1 - lam) * smoothed(p, words, i, n - 1, lam)


def test_the_dictionary_has_all_phrases_of_up_to_three_words():
    wanted = {tuple(words[i:i + n]) for words in COMMENTS for n in (1, 2, 3) for i in range(len(words) - n + 1)}
    assert set(DICTIONARY.phrases) == wanted and len(DICTIONARY) == len(wanted) and DICTIONARY.order == 3
    assert [len(p) for p in DICTIONARY.phrases] == sorted(len(p) for p in DICTIONARY.phrases)
    twice = NGramDictionary.build(COMMENTS, order=2, min_count=2)
    assert ("street", "market") in twice and ("market", "street") not in twice and ("at", "night") in twice
    rows = DICTIONARY.ids("the street city".split())
    assert rows.tolist() == [[DICTIONARY[("the",)], -1, -1], [DICTIONARY[("street",)], DICTIONARY[("the", "street")], -1],
                             [DICTIONARY[("city",)], -1, -1]]


def test_p_obs_sums_to_one_and_has_the_papers_sign():
    model, phi = build(), pictures()
    found = model.log_p_obs(Tensor(phi)).exp().detach().numpy()
    np.testing.assert_allclose(found.sum(1), 1, rtol=0, atol=1e-12)
    for row, x in zip(found, phi):
        np.testing.assert_allclose(row, list(p_obs(model, x).values()), rtol=1e-12)
    nearest = model.e.detach().numpy() @ phi[0]
    assert found[0].argmax() == nearest.argmin()


def test_the_naive_loss_by_hand():
    model, phi = build(), pictures()
    by_hand = 0.0
    for x, words in zip(phi, COMMENTS):
        p = p_obs(model, x)
        by_hand -= sum(math.log(p[tuple(words[i:i + n])]) for n in (1, 2, 3) for i in range(len(words) - n + 1))
    assert model.loss(Tensor(phi), COMMENTS, "naive").item() == pytest.approx(by_hand / 4, rel=1e-12)


@pytest.mark.parametrize("lam", [0.2, 0.7])
def test_the_smoothed_loss_by_hand(lam):
    model, phi = build(smoothing=lam), pictures()
    comments = [*COMMENTS[:2], "the night market street in a city".split(), "unheard street words".split()]
    by_hand = 0.0
    for x, words in zip(phi, comments):
        p = p_obs(model, x)
        for i, word in enumerate(words):
            if (word,) in p:   # what is not in D is left out
                by_hand -= math.log(smoothed(p, words, i, min(i + 1, 3), lam))
    assert model.loss(Tensor(phi), comments).item() == pytest.approx(by_hand / 4, rel=1e-12)


def test_scores_of_phrases():
    model, phi = build(), pictures()
    phrases = [s.split() for s in ("street market", "market street", "night market", "night", "unheard market")]
    naive, smooth = model.score(Tensor(phi), phrases, "naive"), model.score(Tensor(phi), phrases)
    for b, x in enumerate(phi):
        p = p_obs(model, x)
        for k, words in enumerate(phrases[:4]):
            by_hand = sum(math.log(smoothed(p, words, i, min(i + 1, 3), 0.2)) for i in range(len(words)))
            assert smooth[b, k] == pytest.approx(by_hand, rel=1e-10)
    assert (naive[:, 2] == -np.inf).all() and np.isfinite(smooth[:, 2]).all()   # no one wrote "night market"
    assert (smooth[:, 4] == -np.inf).all() and (naive[:, 4] == -np.inf).all()
    assert np.abs(naive[:, 0] - naive[:, 1]).min() > 1e-6 and np.abs(smooth[:, 0] - smooth[:, 1]).min() > 1e-6


@pytest.mark.parametrize("kind", ["naive", "jelinek_mercer"])
@pytest.mark.parametrize("stochastic", [False, True])
def test_gradients(kind, stochastic):
    model = build(stochastic=stochastic)
    phi = Tensor(pictures(), requires_grad=True)
    comments = [*COMMENTS[:2], "the night market street".split(), "a city".split()]

    def loss(phi, e):
        del model.e
        model.e = e
        return model.loss(phi, comments, kind)

    assert gradcheck(loss, [phi, Tensor(model.e.detach().numpy().copy(), requires_grad=True)]).ok


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["naive", "jelinek_mercer"])
@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("order", [1, 2, 5])
def test_losses_and_gradients_are_torchs(order, stochastic, kind):
    """The formulas once more, with PyTorch's autograd, for sentences of random words, some of which are not in D."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(order)
    draw = lambda words, longest: [list("abcdef"[i] for i in rng.integers(0, words, rng.integers(1, longest))) for _ in range(6)]
    dictionary, comments = NGramDictionary.build(draw(5, 10), order), draw(6, 9)   # no sentence of the dictionary's has an f
    assert dictionary.order == order
    tinymm.manual_seed(0)
    model, phi = VisualNGrams(d, dictionary, 0.3, stochastic).double(), Tensor(pictures(6), requires_grad=True)
    loss = model.loss(phi, comments, kind)
    loss.backward()

    e = torch.tensor(model.e.detach().numpy().copy(), requires_grad=True)
    x = torch.tensor(phi.detach().numpy().copy(), requires_grad=True)
    ids = {phrase: i for i, phrase in enumerate(dictionary.phrases)}
    in_batch = {tuple(words[i:i + n]) for words in comments for n in range(1, order + 1) for i in range(len(words) - n + 1)}
    away = [i for phrase, i in ids.items() if stochastic and phrase not in in_batch]
    logits = -(x @ e.T)
    log_p = torch.log_softmax(logits.index_fill(1, torch.tensor(away, dtype=torch.int64), -torch.inf), 1)
    total = 0.0
    for b, words in enumerate(comments):
        p = {phrase: log_p[b, i].exp() for phrase, i in ids.items()}
        if kind == "naive":
            total -= sum(log_p[b, ids[tuple(words[i:i + n])]] for n in range(1, order + 1) for i in range(len(words) - n + 1)
                         if tuple(words[i:i + n]) in ids)
        else:
            total -= sum(torch.log(smoothed(p, words, i, min(i + 1, order), 0.3)) for i, w in enumerate(words) if (w,) in ids)
    (total / 6).backward()
    assert loss.item() == pytest.approx(total.item() / 6, rel=1e-12)
    np.testing.assert_allclose(phi.grad.numpy(), x.grad.numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.e.grad.numpy(), e.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rare", [lambda p: p == ("market",), lambda p: len(p) == 1])
def test_very_unlikely_words_give_finite_numbers_in_float32(rare):
    """p_obs of e^-300 is 0 in float32, and a ratio by it infinite; their logarithms are not."""
    model, phi = VisualNGrams(1, DICTIONARY), Tensor(np.ones((4, 1), dtype=np.float32), requires_grad=True)
    with tinymm.no_grad():
        model.e.copy_(Tensor(np.array([[300.0 * rare(p)] for p in DICTIONARY.phrases], dtype=np.float32)))
    loss = model.loss(phi, COMMENTS)
    loss.backward()
    assert np.isfinite(loss.item()) and np.isfinite(phi.grad.numpy()).all() and np.isfinite(model.e.grad.numpy()).all()
    phrases = [["market"], ["market", "street"], ["night", "market"]]
    smooth, exact = model.score(phi, phrases), model.double().score(Tensor(np.ones((4, 1))), phrases)
    np.testing.assert_allclose(smooth, exact, rtol=1e-5)
    np.testing.assert_allclose(smooth[:, 0], model.score(phi, phrases[:1], "naive")[:, 0], rtol=1e-6)   # a word alone: p_obs


def test_the_stochastic_softmax_has_the_phrases_of_the_batch_only():
    model, phi = build(stochastic=True), Tensor(pictures(1))
    words = ["street", "market"]
    alone = NGramDictionary([("street",), ("market",), ("street", "market")])
    other = VisualNGrams(d, alone).double()
    with tinymm.no_grad():
        other.e.copy_(Tensor(model.e.detach().numpy()[[DICTIONARY[p] for p in alone.phrases]]))
    assert model.loss(phi, [words]).item() == pytest.approx(other.loss(phi, [words]).item(), rel=1e-12)
    model.eval()
    assert model.loss(phi, [words]).item() != pytest.approx(other.loss(phi, [words]).item(), rel=1e-3)


def test_it_learns_which_phrases_go_with_which_picture():
    model, phi = build(), Tensor(np.eye(4))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        model.loss(phi, COMMENTS).backward()
        optimizer.step()
    scores = model.score(phi, COMMENTS)
    assert (scores.argmax(0) == np.arange(4)).all()   # each comment fits its own picture best


@pytest.mark.parametrize("wrong, message", [
    (lambda: build(smoothing=1.0), "smoothing=1.0 must lie between 0 and 1"),
    (lambda: build().loss(Tensor(pictures()), COMMENTS[:2]), "2 comments and 4 pictures"),
    (lambda: build().loss(Tensor(pictures()), COMMENTS, "witten_bell"), "kind='witten_bell'"),
    (lambda: build().loss(Tensor(pictures(1)), [["unheard"]]), "no word of these comments"),
    (lambda: NGramDictionary([("a",), ("a",)]), r"\('a',\) is there twice"), (lambda: NGramDictionary([()]), "one is empty"),
    (lambda: NGramDictionary.build(COMMENTS, 0), "order=0")])
def test_mistakes_are_explained(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
