"""Descriptions of videos from labels: the equations written out, certain marginals, and the beginning and end of training."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.data.worlds.kitchen import SIZES as KITCHEN
from tinymm.data.worlds.kitchen import VOCABULARY, Kitchen
from tinymm.decode import greedy_search
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.label_slots import label_one_hots
from tinymm.models.star_crf import StarCRF
from tinymm.models.video_lrcn import ARCHITECTURES, VideoDescriber

SIZES, V, PAD, START, END = (3, 2, 4), 7, 0, 1, 2
WORDS = np.array([[START, START, START], [3, 4, 6], [5, 5, PAD], [4, PAD, PAD]])          # (T, B)
TARGETS = np.array([[3, 4, 6], [5, 5, END], [4, END, PAD], [END, PAD, PAD]])
BOTH = pytest.mark.parametrize("architecture", ARCHITECTURES)


def build(architecture, seed=0, dtype="float64"):
    """A small model with weights stretched so that labels and words matter."""
    tinymm.manual_seed(seed)
    model = VideoDescriber(SIZES, V, architecture, embedding=4, hidden=5)
    with no_grad():
        for p in model.parameters():
            p *= 3
    return model.to(dtype=dtype)


def marginals(B=3, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.dirichlet(np.ones(size), B) for size in SIZES], 1)


def by_hand(model, p, words):
    """Logits (T, B, |V|) by the docstring's equations: one clip after another, one step after another, NumPy only."""
    w = {name.removeprefix("lrcn."): value.numpy() for name, value in model.state_dict().items()}
    sigma = lambda x: 1 / (1 + np.exp(-x))

    def lstm(name, x, h, c):
        a = w[f"{name}.weight_ih"] @ x + w[f"{name}.weight_hh"] @ h + w[f"{name}.bias_ih"] + w[f"{name}.bias_hh"]
        i, f, g, o = np.split(a, 4)
        c = sigma(f) * c + sigma(i) * np.tanh(g)
        return sigma(o) * np.tanh(c), c

    logits = np.zeros((*words.shape, V))
    for b in range(words.shape[1]):
        h = c = np.zeros(5)
        if model.architecture == "encoder-decoder":
            start = 0
            for size in SIZES:
                seen = np.zeros(sum(SIZES))
                seen[start:start + size] = p[b, start:start + size]
                h, c = lstm("encoder", seen, h, c)
                start += size
        for t in range(len(words)):
            e = w["W_e.weight"][words[t, b]]
            decoder = "lstm1" if model.architecture == "decoder" else "decoder"
            h, c = lstm(decoder, np.concatenate([e, p[b]]) if model.architecture == "decoder" else e, h, c)
            logits[t, b] = w["W_zc.weight"] @ h + w["W_zc.bias"]
    return logits


@BOTH
def test_same_as_the_equations_step_by_step(architecture):
    model = build(architecture)
    for p in (marginals(), label_one_hots(np.array([[2, 0, 3], [0, 1, 1], [1, 1, 0]]), SIZES).astype(float)):
        np.testing.assert_allclose(model(Tensor(p), Tensor(WORDS)).detach().numpy(), by_hand(model, p, WORDS), rtol=0, atol=1e-12)


@BOTH
def test_decoding_is_the_forward_step_by_step(architecture):
    model, p = build(architecture), Tensor(marginals())
    state, expected = model.start(p), model(p, Tensor(WORDS)).log_softmax(-1).detach().numpy()
    for t in range(len(WORDS)):
        log_p, state = model.step(WORDS[t], state)
        np.testing.assert_allclose(log_p.detach().numpy(), expected[t], rtol=0, atol=1e-12)


@BOTH
def test_its_gradients(architecture):
    model, p = build(architecture), Tensor(marginals())
    loss = lambda scale: -caption_log_prob(model(p, Tensor(WORDS)) * scale, Tensor(TARGETS)).mean()
    report = gradcheck(loss, [Tensor(np.array([1.3]), requires_grad=True)], parameters=model, curve=False)
    assert report.ok, report


def test_where_the_crf_is_certain_prob_is_max():
    """L1-C11: evidence so strong that marginals are one-hots; (c) then has the numbers of (b), and says its sentences."""
    crf, rng = StarCRF(SIZES).to(dtype="float64"), np.random.default_rng(0)
    with no_grad():
        for linear in crf.unary:
            linear.weight.copy_(Tensor(np.eye(len(linear.bias))))
        for A in crf.couplings:
            A.copy_(Tensor(rng.normal(size=A.shape)))
    model = build("decoder")
    for scale, same in ((1.0, False), (1e3, True)):
        x = Tensor(scale * rng.normal(size=(3, sum(SIZES))))
        best, p = label_one_hots(crf.maximum(x), SIZES).astype(float), crf.marginals(x).detach().numpy()
        logits = [model(Tensor(given), Tensor(WORDS)).detach().numpy() for given in (best, p)]
        assert (np.abs(logits[0] - logits[1]).max() < 1e-10) == same
        said = [[h.tokens for h in greedy_search(model.step, model.start(Tensor(given)), 3, start=START, end=END, max_length=6)]
                for given in (best, p)]
        assert not same or said[0] == said[1]


def test_the_slots_are_read_in_order_and_all_of_them():
    """(a): another label in any slot changes what is said; the decoder sees nothing of p but through the encoder's last state."""
    model = build("encoder-decoder")
    base = np.array([[0, 0, 0]])
    logits = lambda labels: model(Tensor(label_one_hots(labels, SIZES).astype(float)), Tensor(WORDS[:, :1])).detach().numpy()
    for slot in range(3):
        other = base.copy()
        other[0, slot] = 1
        assert np.abs(logits(other) - logits(base)).max() > 1e-3
    inputs = model.inputs(Tensor(marginals())).numpy()
    assert inputs.shape == (3, 3, 9)
    np.testing.assert_array_equal(inputs.sum(0), marginals())
    assert not inputs[0, :, 3:].any() and not inputs[1, :, :3].any() and not inputs[1, :, 5:].any() and not inputs[2, :, :5].any()


@BOTH
def test_it_starts_without_an_opinion_and_learns_a_batch_by_heart(architecture):
    """The first loss is about ln |V| a word; one sentence a clip, true labels."""
    clips = Kitchen("train", 24, seed=0)
    ids, lengths = VOCABULARY.batch([VOCABULARY.encode(clips.sentences[i][i % 3], start=True, end=True) for i in range(24)])
    tinymm.manual_seed(0)
    model = VideoDescriber(KITCHEN, len(VOCABULARY), architecture, embedding=48, hidden=96)
    p, words, targets = Tensor(clips.evidence.clip(0.1, 1)), Tensor(ids[:, :-1].T), Tensor(ids[:, 1:].T)
    p = Tensor(np.concatenate([part / part.sum(1, keepdims=True) for part in np.split(p.numpy(), [8, 18, 24], 1)], 1))
    optimizer, losses = optim.Adam(model.parameters(), lr=2e-2), []
    for _ in range(150):
        loss = -caption_log_prob(model(p, words), targets).sum() / float(lengths.sum() - 24)
        losses.append(float(loss))
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert losses[0] == pytest.approx(np.log(len(VOCABULARY)), rel=0.03) and losses[-1] < 0.05


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ValueError, match="VideoDescriber: architecture='encoder'; choose from encoder-decoder, decoder"):
        VideoDescriber(SIZES, V, "encoder")


@BOTH
@pytest.mark.parametrize("change, message", [
    (lambda p: p[:, :8], r"p has shape \(3, 8\); it must be \(B, 9\), the slots' 3 \+ 2 \+ 4 probabilities side by side"),
    (lambda p: p * np.where(np.arange(9) < 3, 2, 1), r"in p\[0\] the probabilities of slot 0 sum to 2; each slot must sum to 1"),
    (lambda p: np.where(np.arange(9) == 3, p - 2, np.where(np.arange(9) == 4, p + 2, p)), r"p\[0, 3\]=-1.\d+ is no probability"),
    (np.log, r"p\[0, 0\]=-\d.\d+ is no probability; of scores take the softmax in each slot first")])
def test_inputs_that_are_no_probabilities_are_explained(architecture, change, message):
    model, p = build(architecture), Tensor(change(marginals()))
    for use in (lambda: model(p, Tensor(WORDS)), lambda: model.start(p)):
        with pytest.raises(ValueError, match="VideoDescriber: " + message):
            use()


@BOTH
def test_words_that_do_not_fit_are_explained(architecture):
    with pytest.raises(ValueError, match=r"S has shape \(3, 4\)|and S \(3, 4\)"):
        build(architecture)(Tensor(marginals()), Tensor(WORDS.T))
