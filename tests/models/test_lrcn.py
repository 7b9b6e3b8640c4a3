"""LRCN: its equations by hand and against PyTorch's cells, where sequences are cut, the factorings, scores, decoding."""

import numpy as np
import pytest

import tinymm
from tests.device_double import StrictArray
from tinymm import Tensor, gradcheck, nn, no_grad, optim
from tinymm import functional as F
from tinymm.backend import arrays as backend_arrays
from tinymm.backend.arrays import to_host
from tinymm.decode import greedy_search, take
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.lrcn import FACTORINGS, FLOOR, ActivityLRCN, CaptionLRCN, Recurrent, VideoLRCN, normalised_scores

T, B, D, H = 7, 3, 4, 5
FEATURES, WORDS, EMBEDDING = 6, 8, 4
PAD, START, END = 0, 1, 2
# (T, B): captions of 4, 3 and 2 words with their end, padded; and the words before each step
TARGETS = np.array([[3, 4, 6], [5, 5, END], [4, END, PAD], [END, PAD, PAD]])
S = np.concatenate([np.full((1, 3), START), np.where(TARGETS == END, PAD, TARGETS)[:-1]])
units = pytest.mark.parametrize("unit", ["lstm", "rnn"])
factorings = pytest.mark.parametrize("factoring", FACTORINGS)


def stretched(model: nn.Module, seed: int = 0) -> nn.Module:
    """The model in float64, with weights and biases of any sign that matter."""
    rng = np.random.default_rng(seed)
    model = model.double()
    with no_grad():
        for p in model.parameters():
            p.copy_(Tensor(0.7 * rng.standard_normal(p.shape)))
    return model


def recurrent(unit: str) -> Recurrent:
    return stretched(Recurrent(D, H, unit))


def captioner(factoring: str, seed: int = 0) -> CaptionLRCN:
    return stretched(CaptionLRCN(FEATURES, WORDS, factoring, EMBEDDING, H, PAD), seed)


def clips(steps: int = T, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((steps, B, D))


def pictures(count: int = B, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, FEATURES))


# ---------------------------------------------------------------------- f_W

def sigma(x):
    return 1 / (1 + np.exp(-x))


def by_hand(model: Recurrent, x: np.ndarray) -> np.ndarray:
    """z (T, H) of one sequence (T, D) by the slide's equations."""
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    W_x, W_h, b = p["cell.weight_ih"], p["cell.weight_hh"], p["cell.bias_ih"] + p["cell.bias_hh"]
    h, c, z = np.zeros(H), np.zeros(H), []
    for x_t in x:
        a = W_x @ x_t + W_h @ h + b
        if model.unit == "rnn":
            h = np.tanh(a)
            z.append(np.tanh(p["W_hz.weight"] @ h + p["W_hz.bias"]))
        else:
            i, f, g, o = np.split(a, 4)
            c = sigma(f) * c + sigma(i) * np.tanh(g)
            h = sigma(o) * np.tanh(c)
            z.append(h)
    return np.array(z)


@units
def test_the_equations_sequence_by_sequence(unit):
    model, x = recurrent(unit), clips()
    z = model(Tensor(x)).detach().numpy()
    for n in range(B):
        np.testing.assert_allclose(z[:, n], by_hand(model, x[:, n]), rtol=0, atol=1e-13)


@pytest.mark.oracle
@units
def test_pytorchs_cells_with_the_same_weights(unit):
    """L1-C1: outputs, and gradients of the input and every parameter, over 7 steps."""
    torch = pytest.importorskip("torch")
    model, x, weights = recurrent(unit), clips(), np.random.default_rng(5).standard_normal((T, B, H))
    mine = Tensor(x, requires_grad=True)
    z = model(mine)
    (z * Tensor(weights)).sum().backward()
    cell = (torch.nn.LSTMCell if unit == "lstm" else torch.nn.RNNCell)(D, H).double()
    cell.load_state_dict({name: torch.tensor(p.numpy()) for name, p in model.cell.state_dict().items()})
    theirs, state, outputs = torch.tensor(x, requires_grad=True), None, []
    layer = None
    if unit == "rnn":
        layer = torch.nn.Linear(H, H).double()
        layer.load_state_dict({name: torch.tensor(p.numpy()) for name, p in model.W_hz.state_dict().items()})
    for x_t in theirs:
        state = cell(x_t, state)
        outputs.append(state[0] if unit == "lstm" else torch.tanh(layer(state)))
    wanted = torch.stack(outputs)
    (wanted * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(z.detach().numpy(), wanted.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=0, atol=1e-10)
    pairs = [*zip(model.cell.parameters(), cell.parameters())]
    for ours, other in pairs if layer is None else [*pairs, *zip(model.W_hz.parameters(), layer.parameters())]:
        np.testing.assert_allclose(ours.grad.numpy(), other.grad.numpy(), rtol=0, atol=1e-10)


def test_caffes_order_of_the_gates_is_another():
    """Weights of the authors' Caffe, ordered i, f, o, g, must be put in order: taken as they are, they give another network."""
    model, x = recurrent("lstm"), clips()
    swapped = lambda p: np.concatenate([np.split(p, 4)[k] for k in (0, 1, 3, 2)])   # i, f, g, o <-> i, f, o, g
    caffe = {name: swapped(p.numpy()) for name, p in model.cell.state_dict().items()}
    wrong, right = recurrent("lstm"), recurrent("lstm")
    wrong.cell.load_state_dict({name: Tensor(p) for name, p in caffe.items()})
    right.cell.load_state_dict({name: Tensor(swapped(p)) for name, p in caffe.items()})
    z = model(Tensor(x)).detach().numpy()
    np.testing.assert_array_equal(right(Tensor(x)).detach().numpy(), z)
    assert np.abs(wrong(Tensor(x)).detach().numpy() - z).max() > 0.1


@units
def test_cont_0_starts_a_new_sequence(unit):
    """L1-C2: a stream of two sequences gives what each gives alone, and no gradient passes between them."""
    model, x, at = recurrent(unit), clips(), np.array([3, 5, 0])           # each stream is cut at a step of its own
    cont = np.ones((T, B))
    cont[0] = 0
    cont[at, np.arange(B)] = 0
    x = Tensor(x, requires_grad=True)
    z = model(x, cont)
    alone = z.detach().numpy().copy()
    for n, t in enumerate(at):
        for part in (slice(0, t), slice(t, T)):
            if part.stop > part.start:
                one = model(Tensor(x.detach().numpy()[part, n:n + 1])).detach().numpy()
                np.testing.assert_allclose(alone[part, n:n + 1], one, rtol=0, atol=1e-12)
    z[T - 1].sum().backward()
    for n, t in enumerate(at):
        assert not x.grad.numpy()[:t, n].any() and x.grad.numpy()[t:, n].all()
    moved = x.detach().numpy().copy()
    moved[2, 0] += 1e-3                                                    # by finite differences, too: before the cut at 3
    again = model(Tensor(moved), cont).detach().numpy()
    np.testing.assert_array_equal(again[3:, 0], alone[3:, 0])
    assert (again[2, 0] != alone[2, 0]).any()


@units
def test_cont_as_integers_booleans_and_tensors(unit):
    model, cont = recurrent(unit), np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1]])
    wanted = model(Tensor(clips(3)), cont).detach().numpy()
    for other in (cont.astype(bool), cont.astype(np.float32), Tensor(cont), cont.tolist()):
        np.testing.assert_array_equal(model(Tensor(clips(3)), other).detach().numpy(), wanted)


@units
def test_gradients_of_a_sequence_to_a_label(unit):
    model = stretched(ActivityLRCN(D, 3, H, unit, dropout=0.0))
    cont, labels = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1]]), Tensor(np.tile([0, 2, 1], 3))
    report = gradcheck(lambda x, *parameters: F.cross_entropy(model(x, cont).flatten(0, 1), labels),
                       [Tensor(clips(3)), *model.parameters()])
    assert report.ok, report


def test_the_label_of_a_clip_averages_probabilities_and_not_logits():
    model = stretched(ActivityLRCN(D, 3, H, dropout=0.5)).eval()
    x = Tensor(clips())
    logits, p = model(x).detach().numpy(), model.probabilities(x).detach().numpy()
    e = np.exp(logits)
    np.testing.assert_allclose(p, e / e.sum(-1, keepdims=True), rtol=0, atol=1e-14)
    assert p.shape == (T, B, 3)


def test_dropout_only_in_training():
    tinymm.manual_seed(0)
    model, x = stretched(ActivityLRCN(D, 3, H, dropout=0.5)), Tensor(clips())
    assert np.abs(model(x).detach().numpy() - model(x).detach().numpy()).max() > 0
    model.eval()
    np.testing.assert_array_equal(model(x).detach().numpy(), model(x).detach().numpy())


# ---------------------------------------------------------------------- captions

def caption_by_hand(model: CaptionLRCN, f: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Logits (T, |V|) for one picture and its words, gate by gate."""
    p = {name: value.numpy() for name, value in model.state_dict().items()}

    def step(name: str, x, state):
        a = p[f"{name}.weight_ih"] @ x + p[f"{name}.weight_hh"] @ state[0] + p[f"{name}.bias_ih"] + p[f"{name}.bias_hh"]
        i, f_, g, o = np.split(a, 4)
        c = sigma(f_) * state[1] + sigma(i) * np.tanh(g)
        return sigma(o) * np.tanh(c), c

    one = two = (np.zeros(H), np.zeros(H))
    logits = []
    for w in words:
        e = p["W_e.weight"][w]
        one = step("lstm1", e if model.factoring == "2f" else np.r_[e, f], one)
        if model.factoring != "1u":
            two = step("lstm2", np.r_[one[0], f] if model.factoring == "2f" else one[0], two)
        logits.append(p["W_zc.weight"] @ (one if model.factoring == "1u" else two)[0] + p["W_zc.bias"])
    return np.array(logits)


@factorings
def test_the_factorings_word_by_word(factoring):
    model, f = captioner(factoring), pictures()
    logits = model(Tensor(f), Tensor(S)).detach().numpy()
    assert logits.shape == (*S.shape, WORDS)
    for n in range(B):
        np.testing.assert_allclose(logits[:, n], caption_by_hand(model, f[n], S[:, n]), rtol=0, atol=1e-12)


@factorings
def test_gradients_of_every_parameter(factoring):
    """L1-C3."""
    model = captioner(factoring)
    report = gradcheck(lambda f, *parameters: caption_log_prob(model(f, Tensor(S)), Tensor(TARGETS)).sum(),
                       [Tensor(pictures()), *model.parameters()])
    assert report.ok, report


@factorings
def test_the_picture_is_in_lstm1_unless_factored(factoring):
    """L1-C4: d h^1 / d phi is 0 in 2f, exactly, and is not in 1u and 2u; the words' probabilities see it at every step in all."""
    model, f = captioner(factoring), Tensor(pictures(), requires_grad=True)
    h = model.first(Tensor(S), f)
    moved = model.first(Tensor(S), Tensor(pictures(seed=2))).detach().numpy()
    if factoring == "2f":
        np.testing.assert_array_equal(moved, h.detach().numpy())
        h.sum().backward()
        assert f.grad is None
    else:
        assert (moved != h.detach().numpy()).all()
    for t in range(len(S)):
        f.grad = None
        model(f, Tensor(S))[t].sum().backward()
        assert f.grad.numpy().all()
    if factoring != "2f":
        f.grad = None
        model.first(Tensor(S), f).sum().backward()
        assert f.grad.numpy().all()


def test_phi_is_shown_at_every_step_and_not_once():
    """A memory that is wiped at every step still says what the picture is: phi comes with each word."""
    model, f = captioner("1u"), pictures()
    with no_grad():
        model.lstm1.weight_hh.fill_(0.0)
        model.lstm1.bias_ih[H:2 * H] = -1e3                                # forget gates closed
    logits, other = (model(Tensor(x), Tensor(S)).detach().numpy() for x in (f, pictures(seed=2)))
    assert (np.abs(logits - other).max((1, 2)) > 0.01).all()


@factorings
def test_the_scores_of_all_pictures_with_all_captions(factoring, monkeypatch):
    """L1-C4: the same as one pair after another; in 2f LSTM1 runs once, whatever the number of pictures."""
    model, f = captioner(factoring), pictures(5)
    mask = (TARGETS != PAD) & (TARGETS != END)
    whole = np.concatenate([S[:1], TARGETS])
    monkeypatch.setattr("tinymm.models.lrcn.ROWS", 6)                      # two pictures at a time
    calls, unroll = [], model.lstm1.unroll
    monkeypatch.setattr(model.lstm1, "unroll", lambda x: (calls.append(x.shape), unroll(x))[1])
    scores = model.log_likelihoods(Tensor(f), Tensor(whole), mask)
    assert scores.shape == (5, 3) and scores.dtype == np.float64
    assert [shape[1] for shape in calls] == ([3] if factoring == "2f" else [6, 6, 3])
    for i in range(5):
        for c in range(3):
            logits = caption_by_hand(model, f[i], S[:, c])
            log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            wanted = sum(log_p[t, TARGETS[t, c]] for t in range(len(S)) if mask[t, c])
            assert abs(scores[i, c] - wanted) < 1e-10


def test_the_end_is_not_scored_and_impossible_words_have_a_floor():
    model, f = captioner("2f"), Tensor(pictures())
    whole, mask = np.concatenate([S[:1], TARGETS]), (TARGETS != PAD) & (TARGETS != END)
    before = model.log_likelihoods(f, Tensor(whole), mask)
    with no_grad():
        model.W_zc.bias[END] = -1e4                                        # an end that is impossible ...
        with_end, without = model.log_likelihoods(f, Tensor(whole), np.stack([TARGETS != PAD, mask]))   # in one pass
    np.testing.assert_array_equal(without, model.log_likelihoods(f, Tensor(whole), mask))
    np.testing.assert_allclose(with_end - without, np.log(FLOOR), rtol=1e-12)   # ... costs this much, where it is scored
    assert (without > before).all()                                        # the other words share its probability
    assert np.isfinite(with_end).all()


@factorings
def test_steps_of_decoding_are_those_of_training(factoring):
    model, f = captioner(factoring), Tensor(pictures())
    wanted = model(f, Tensor(S)).log_softmax(-1).detach().numpy()
    state = model.start(f)
    for t, words in enumerate(S):
        log_p, state = model.step(words, state)
        np.testing.assert_allclose(log_p.detach().numpy(), wanted[t], rtol=0, atol=1e-12)
        state = take(state, np.arange(B))
    found = greedy_search(model.step, model.start(f), B, start=START, end=END, max_length=5)
    assert len(found) == B and all(len(h.tokens) <= 5 for h in found)


@factorings
def test_it_starts_near_ln_v_and_learns_one_batch_by_heart(factoring):
    tinymm.manual_seed(0)
    model = CaptionLRCN(FEATURES, WORDS, factoring, 16, 32, PAD)
    f, words, targets = Tensor(pictures().astype(np.float32)), Tensor(S), Tensor(TARGETS)
    count = int((TARGETS != PAD).sum())
    loss = lambda: -caption_log_prob(model(f, words), targets).sum() / count
    assert abs(float(loss().detach()) - np.log(WORDS)) < 0.15
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert float(loss().detach()) < 0.02


def test_the_start_of_lstms_and_words():
    tinymm.manual_seed(0)
    for model in (CaptionLRCN(FEATURES, WORDS, "2f", EMBEDDING, H, pad=3), VideoLRCN(FEATURES, WORDS, EMBEDDING, H, pad=3)):
        vectors = model.W_e.weight.detach().numpy()
        assert not vectors[3].any() and vectors[0].all() and np.abs(vectors).max() <= 0.08
        for cell in (m for m in model.modules() if isinstance(m, nn.LSTMCell)):
            bias = cell.bias_ih.detach().numpy().reshape(4, H)             # i, f, g, o
            assert (bias[1] >= 1 - H**-0.5).all() and np.abs(bias[[0, 2, 3]]).max() <= H**-0.5


@pytest.mark.parametrize("model", ["1u", "2u", "2f", "lstm", "rnn"])
def test_it_stays_on_the_device(model, monkeypatch):
    monkeypatch.setitem(backend_arrays._DEVICES, StrictArray, "cuda:7")   # .to() knows only such names as positional
    results = []
    for device in ("cpu", "cuda:7"):
        place = (lambda x: Tensor(x)) if device == "cpu" else (lambda x: Tensor(StrictArray(np.array(x))))
        if model in FACTORINGS:
            net = captioner(model).to(device=device)
            logits = net(place(pictures()), place(S))
            log_p, _ = net.step(S[1], net.start(place(pictures())))
            scores = net.log_likelihoods(place(pictures()), place(np.concatenate([S[:1], TARGETS])), TARGETS != PAD)
            tensors, loss = [logits, log_p], -caption_log_prob(logits, place(TARGETS)).sum()
        else:
            net = stretched(ActivityLRCN(D, 3, H, model, dropout=0.0)).to(device=device)
            cont = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1]])
            logits, scores = net(place(clips(3)), place(cont)), np.zeros(1)
            tensors, loss = [logits], logits.sum()
        loss.backward()
        tensors += [p.grad for p in net.parameters()]
        assert {t.device for t in tensors} == {device}
        results.append([scores, *(to_host(t._data) for t in tensors)])
    for x, y in zip(*results):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------------- videos

def test_a_decoder_goes_on_from_the_encoders_last_state():
    model = stretched(VideoLRCN(D, WORDS, EMBEDDING, H))
    x = Tensor(clips(4))
    logits = model(x, Tensor(S)).detach().numpy()
    _, (h, c) = model.encoder.unroll(x)
    m, _ = model.decoder.unroll(model.W_e(Tensor(S)), (h, c))
    np.testing.assert_array_equal(logits, model.W_zc(m).detach().numpy())
    swapped = clips(4)
    swapped[[0, 1]] = swapped[[1, 0]]                                      # the order of the labels matters
    assert np.abs(model(Tensor(swapped), Tensor(S)).detach().numpy() - logits).max() > 1e-3
    state = model.start(x)
    for t, words in enumerate(S):
        log_p, state = model.step(words, state)
        np.testing.assert_allclose(log_p.detach().numpy(), Tensor(logits[t]).log_softmax(-1).numpy(), rtol=0, atol=1e-12)


def test_gradients_of_a_sequence_to_a_sequence():
    model = stretched(VideoLRCN(D, WORDS, EMBEDDING, H))
    report = gradcheck(lambda x, *parameters: caption_log_prob(model(x, Tensor(S)), Tensor(TARGETS)).sum(),
                       [Tensor(clips(4)), *model.parameters()])
    assert report.ok, report


# ---------------------------------------------------------------------- odd input

def test_errors_say_what_is_wrong():
    model = CaptionLRCN(FEATURES, WORDS, "2f", EMBEDDING, H)
    f, x = Tensor(np.zeros((B, FEATURES), np.float32)), Tensor(np.zeros((T, B, D), np.float32))
    for call, words in (
            (lambda: Recurrent(D, H, "gru"), "lstm, rnn"), (lambda: CaptionLRCN(FEATURES, WORDS, "3f"), "1u, 2u, 2f"),
            (lambda: Recurrent(D, H)(x[:, :, :2]), "D=4"), (lambda: Recurrent(D, H)(x, np.ones((B, T))), "T=7, B=3"),
            (lambda: Recurrent(D, H)(x, np.full((T, B), 2)), "cont has the value 2; it must be 0 where a sequence starts"),
            (lambda: Recurrent(D, H)(x, np.full((T, B), np.nan)), "cont has the value nan"),
            (lambda: normalised_scores(np.zeros(3)), r"log_p has shape \(3,\)"),
            (lambda: normalised_scores(np.zeros((0, 3))), "of one picture or more"),
            (lambda: normalised_scores(np.array([[0, np.nan], [-np.inf, 0]])), "2 values that are not finite"),
            (lambda: model(f[:, :2], Tensor(S)), "features=6"), (lambda: model(f, Tensor(S.T)), "time first"),
            (lambda: model.start(f[0]), "features=6"),
            (lambda: model.log_likelihoods(f, Tensor(S), np.ones(S.shape, bool)), "start word"),
            (lambda: model.log_likelihoods(f[:0], Tensor(S), np.ones((3, B), bool)), "at least one of each"),
            (lambda: model.log_likelihoods(f, Tensor(S[:, :0]), np.ones((3, 0), bool)), "at least one of each"),
            (lambda: VideoLRCN(D, WORDS)(x, Tensor(S[:, :2])), "time first"),
            (lambda: VideoLRCN(D + 1, WORDS).start(x), "features=5")):
        with pytest.raises(ValueError, match=words):
            call()
