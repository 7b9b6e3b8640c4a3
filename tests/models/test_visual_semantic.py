"""The alignment of regions and words: equations against PyTorch and plain loops, padding, masks, gradients, odd inputs."""

import numpy as np
import pytest

from tests.device_double import StrictArray
from tinymm import Tensor, gradcheck, optim
from tinymm import functional as F
from tinymm.backend import arrays as backend_arrays
from tinymm.backend.arrays import to_host
from tinymm.backend.random import manual_seed
from tinymm.metrics import retrieval_scores
from tinymm.models import visual_semantic
from tinymm.models.order_embedding import ranking_loss
from tinymm.models.visual_semantic import BidirectionalEncoder, VisualSemanticAlignment

FEATURES, V, D, K, M, T = 5, 9, 6, 4, 3, 5
LENGTHS = (5, 3, 1, 4)
RNG = np.random.default_rng(0)
PHI = RNG.standard_normal((K, M, FEATURES))
INSIDE = np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 1]], bool)
S = np.where(np.arange(T)[:, None] < LENGTHS, RNG.integers(1, V, (T, K)), 0)
KINDS = [(True, "max"), (True, "sum"), (False, "max"), (False, "sum")]
kinds = pytest.mark.parametrize("context, score", KINDS)


def made(context=True, score="max", **options) -> VisualSemanticAlignment:
    """A model whose biases and recurrent matrices are not special, and few of whose units are off."""
    manual_seed(0)
    model = VisualSemanticAlignment(FEATURES, V, D, 4, context, score, **options).double()
    rng = np.random.default_rng(1)
    for name, p in model.named_parameters():
        p.data = Tensor(rng.standard_normal(p.shape) * .5 + (.2 if name.endswith("bias") else 0))
    return model


def arrays(model) -> dict:
    return {name: value.numpy() for name, value in model.state_dict().items()}


def read_by_loops(model, ids) -> np.ndarray:
    """s_t (n, D) of one sentence without pads, the paper's equations word by word."""
    p, f = arrays(model), lambda a: np.maximum(a, 0)
    e = [f(p["encoder.W_e.weight"] @ p["encoder.W_w.weight"][i] + p["encoder.W_e.bias"]) for i in ids]
    h = e
    if model.encoder.context:
        both = []
        for name, order in (("W_f", range(len(e))), ("W_b", range(len(e))[::-1])):
            state, states = np.zeros(D), {}
            for t in order:
                state = states[t] = f(e[t] + p[f"encoder.{name}.weight"] @ state + p[f"encoder.{name}.bias"])
            both.append(states)
        h = [both[0][t] + both[1][t] for t in range(len(e))]
    return np.stack([f(p["encoder.W_d.weight"] @ h_t + p["encoder.W_d.bias"]) for h_t in h])


def scored_by_loops(model, phi=PHI, inside=INSIDE, words=S) -> np.ndarray:
    p = arrays(model)
    v = [[p["W_m.weight"] @ x + p["W_m.bias"] for x, there in zip(*image) if there] for image in zip(phi, inside)]
    s = [read_by_loops(model, [i for i in column if i]) for column in words.T]
    best = max if model.score == "max" else lambda found: sum(max(0, x) for x in found)
    return np.array([[sum(best([v_i @ s_t for v_i in image]) for s_t in sentence) for sentence in s] for image in v])


def found(model, phi=PHI, inside=INSIDE, words=S) -> np.ndarray:
    return model(Tensor(phi), Tensor(inside), Tensor(words)).detach().numpy()


# ------------------------------------------------------------------ the equations

@kinds
def test_a_padded_batch_is_a_loop_without_padding(context, score):
    model = made(context, score)
    scores = found(model)
    np.testing.assert_allclose(scores, scored_by_loops(model), rtol=0, atol=1e-12)
    pads, hidden = np.zeros((2, K), int), np.zeros((K, 2), bool)
    more = found(model, np.concatenate([PHI, 1e3 * PHI[:, :2]], 1), np.concatenate([INSIDE, hidden], 1), np.concatenate([S, pads]))
    np.testing.assert_allclose(more, scores, rtol=0, atol=1e-12)
    alone = [[found(model, PHI[k:k + 1, INSIDE[k]], INSIDE[k:k + 1, INSIDE[k]], S[:n, l:l + 1])[0, 0]
              for l, n in enumerate(LENGTHS)] for k in range(K)]
    np.testing.assert_allclose(alone, scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("context", [True, False])
def test_words_in_a_padded_batch(context):
    """Right after the bias of e_t a pad is not zero, and would be read before the last word."""
    encoder = made(context).encoder
    s, inside = encoder(Tensor(S))
    np.testing.assert_array_equal(inside.numpy(), S != 0)
    assert F.relu(encoder.W_e(encoder.W_w(Tensor([0])))).detach().numpy().any()
    for l, n in enumerate(LENGTHS):
        np.testing.assert_allclose(s.detach().numpy()[:n, l], read_by_loops(made(context), S[:n, l]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("pad", [V - 1, -1])
def test_another_pad(pad):
    """Words counted from the end of the vocabulary, with the pad there."""
    one, other = made(), made(pad=pad)
    other.encoder.W_w.weight.data = Tensor(arrays(one)["encoder.W_w.weight"][::-1].copy())
    np.testing.assert_array_equal(found(other, words=V - 1 - S), found(one))


def test_the_literal_loss_of_the_slide_has_2_k_more():
    """With l = k in both sums; scores are quarters, so that sums are exact."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 9))
        scores = rng.integers(-40, 40, (n, n)) / 4
        own = np.diag(scores)
        literal = np.maximum(0, scores - own[:, None] + 1).sum() + np.maximum(0, scores - own + 1).sum()
        assert literal - ranking_loss(Tensor(scores), 1.0).item() == 2 * n
    apart = Tensor(np.eye(3) * 4)
    assert ranking_loss(apart, 1.0).item() == 0                            # literally 6


@kinds
def test_the_loss_is_that_of_its_scores(context, score):
    model = made(context, score, margin=2.0)
    scores = found(model)
    hinge = lambda a: max(0.0, a + 2)
    wanted = sum(hinge(scores[k, l] - scores[k, k]) + hinge(scores[l, k] - scores[k, k])
                 for k in range(K) for l in range(K) if l != k) / K
    assert model.loss(Tensor(PHI), Tensor(INSIDE), Tensor(S)).item() == pytest.approx(wanted, abs=1e-12)


def test_every_word_knows_of_every_other():
    encoder = made().encoder
    for context in (True, False):
        encoder.context = context
        for t, other in ((0, T - 1), (T - 1, 0)):
            encoder.zero_grad()
            s, _ = encoder(Tensor(np.array([[1], [2], [3], [4], [5]])))
            s[t].sum().backward()
            rows = np.abs(encoder.W_w.weight.grad.numpy()).sum(1)
            assert (rows[other + 1] > 0) == context and rows[t + 1] > 0


def test_a_sentence_read_backwards():
    """With (W_f, b_f) and (W_b, b_b) exchanged, the words have the same vectors in the other order."""
    encoder, turned = made().encoder, made().encoder
    turned.W_f, turned.W_b = encoder.W_b, encoder.W_f
    ids = S[:, :1]
    s, back, other = (model(Tensor(x.copy()))[0].detach().numpy()
                      for model, x in ((encoder, ids), (turned, ids[::-1]), (encoder, ids[::-1])))
    np.testing.assert_array_equal(back, s[::-1])
    assert np.abs(other - s[::-1]).max() > .01


@kinds
def test_gradients_of_the_whole_model(context, score):
    """Of small sizes: every number of every parameter is moved."""
    manual_seed(3)
    model = VisualSemanticAlignment(2, 4, 3, 2, context, score).double()
    phi, words = Tensor(PHI[:3, :, :2].copy(), requires_grad=True), Tensor(np.array([[1, 2, 3], [3, 1, 0], [2, 0, 0]]))
    for p in model.parameters():
        p.data = p + .3                                                    # few of the units are off
    loss = lambda *_: model.loss(phi, Tensor(INSIDE[:3]), words)
    assert gradcheck(loss, [phi, *model.parameters()])
    assert loss().item() > 0
    loss().backward()
    assert not phi.grad.numpy()[~INSIDE[:3]].any() and phi.grad.numpy()[INSIDE[:3]].any()


def test_the_recurrent_matrices_start_at_half_the_identity():
    encoder = BidirectionalEncoder(V, 4, D)
    for W in (encoder.W_f, encoder.W_b):
        np.testing.assert_array_equal(W.weight.detach().numpy(), np.eye(D) / 2)
        np.testing.assert_array_equal(W.bias.detach().numpy(), 0)
    assert not hasattr(BidirectionalEncoder(V, 4, D, context=False), "W_f")


# ------------------------------------------------------------------ training

def batch(n=12, M=4, T=6, V=20, least=2):
    rng = np.random.default_rng(1)
    inside = rng.random((n, M)) < .8
    inside[:, 0] = True
    ids = np.where(np.arange(T)[:, None] < rng.integers(least, T + 1, n), rng.integers(1, V, (T, n)), 0)
    return Tensor(rng.standard_normal((n, M, 8)).astype(np.float32)), Tensor(inside), Tensor(ids)


@kinds
def test_the_first_loss_is_that_of_equal_scores(context, score):
    """2 (B - 1) margins, for all hinges are open; exactly so where all regions are at the origin, as after a collapse."""
    manual_seed(0)
    model = VisualSemanticAlignment(8, 20, context=context, score=score, margin=.5)
    pairs = batch(50)
    model.W_m.weight.data, model.W_m.bias.data = model.W_m.weight * .01, model.W_m.bias * 0
    assert model.loss(*pairs).item() == pytest.approx(49, rel=.02)
    model.W_m.weight.data = model.W_m.weight * 0
    assert model.loss(*pairs).item() == pytest.approx(49, rel=1e-6)
    at_chance = retrieval_scores(model(*pairs).detach().numpy(), ways=("sentences", "images"))
    assert all(way["R@1"] == pytest.approx(1 / 50) for way in at_chance.values())   # ties are no hits


@kinds
def test_one_batch_can_be_overfitted(context, score):
    """No sentence has only words of another: without context its sum is never above the other's."""
    manual_seed(0)
    model, pairs = VisualSemanticAlignment(8, 20, 64, 16, context, score), batch(least=5)
    optimizer, losses = optim.Adam(model.parameters(), lr=1e-3), []
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.loss(*pairs)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < .02 * losses[0]
    scores = model(*pairs).detach().numpy()
    assert (scores.argmax(0) == np.arange(12)).all() and (scores.argmax(1) == np.arange(12)).all()


def test_a_sentence_that_stands_in_the_batch_twice():
    """Its other image counts as wrong: two hinges of each pair stay open, 4 margins, and their gradients cancel."""
    model = made()
    phi = np.concatenate([PHI[:1], 1.01 * PHI[:1]])                        # scores of the two differ by less than the margin
    pairs = Tensor(phi), Tensor(INSIDE[[0, 0]]), Tensor(S[:, [0, 0]])
    scores = found(model, *(x.numpy() for x in pairs))
    assert 0 < abs(scores[0, 0] - scores[1, 1]) < 1
    loss = model.loss(*pairs)
    assert loss.item() == pytest.approx(4 / 2, abs=1e-12)
    loss.backward()
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), 0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("score", ["max", "sum"])
def test_a_pair_whose_products_are_all_below_zero_is_lost_to_the_sum(score):
    """max(0, v . s) has no gradient there; the best region has one."""
    model = made(score=score)
    model.W_m.bias.data, model.W_m.weight.data = model.W_m.bias * 0 - 5, model.W_m.weight * .01
    model.loss(Tensor(PHI), Tensor(INSIDE), Tensor(S)).backward()
    moved = [name for name, p in model.named_parameters() if np.abs(p.grad.numpy()).max() > 1e-9]
    assert len(moved) == (0 if score == "sum" else len(list(model.parameters())))


# ------------------------------------------------------------------ masks

def test_a_region_that_is_not_there_never_wins():
    """All scores are below 0, where a region masked by 0 would be the best; what the features hold there does not matter."""
    model = made()
    model.W_m.bias.data, model.W_m.weight.data = model.W_m.bias * 0 - 5, model.W_m.weight * .01
    scores = found(model)
    assert (scores < -1).all()
    np.testing.assert_allclose(scores, scored_by_loops(model), rtol=0, atol=1e-12)
    wild = PHI.copy()
    wild[~INSIDE] = np.nan
    model.loss(Tensor(wild), Tensor(INSIDE), Tensor(S)).backward()
    np.testing.assert_array_equal(found(model, wild), scores)
    assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters())
    assert np.isfinite(model.word_scores(Tensor(wild), INSIDE, Tensor(S)).max(2)).all()


@kinds
def test_the_order_of_regions_and_kinds_of_masks(context, score):
    model = made(context, score)
    scores = found(model)
    np.testing.assert_allclose(found(model, PHI[:, ::-1].copy(), INSIDE[:, ::-1].copy()), scores, rtol=0, atol=1e-13)
    for mask in (INSIDE, INSIDE.tolist(), INSIDE.astype(int), Tensor(INSIDE.astype(np.float32))):
        np.testing.assert_array_equal(model(Tensor(PHI), mask, Tensor(S)).detach().numpy(), scores)


@kinds
def test_scores_of_more_sentences_than_images(context, score):
    model = made(context, score)
    np.testing.assert_array_equal(found(model, PHI[:2], INSIDE[:2]), found(model)[:2])
    assert found(model, PHI[:0], INSIDE[:0]).shape == (0, K)


# ------------------------------------------------------------------ words and regions of pairs

@pytest.mark.parametrize("size", [1, 3, 200])
def test_word_scores_are_those_of_a_loop(monkeypatch, size):
    monkeypatch.setattr(visual_semantic, "SENTENCES", size)
    model = made()
    p = arrays(model)
    scores = model.word_scores(Tensor(PHI), INSIDE, Tensor(S))
    assert isinstance(scores, np.ndarray) and scores.shape == (K, T, M) and scores.dtype == np.float64
    for k, n in enumerate(LENGTHS):
        s = read_by_loops(model, S[:n, k])
        for i in range(M):
            wanted = s @ (p["W_m.weight"] @ PHI[k, i] + p["W_m.bias"]) if INSIDE[k, i] else np.full(n, -np.inf)
            np.testing.assert_allclose(scores[k, :n, i], wanted, rtol=0, atol=1e-13)
        assert scores[k, :n].max(1).sum() == pytest.approx(found(model)[k, k], abs=1e-12)


# ------------------------------------------------------------------ the model as a module

@kinds
def test_float32_and_a_state_dict(context, score):
    model, other = made(context, score), made(context, score).float()
    scores = found(other, np.float32(PHI))
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, found(model), rtol=1e-5, atol=1e-5)
    assert other.word_scores(Tensor(np.float32(PHI)), INSIDE, Tensor(S)).dtype == np.float32
    manual_seed(7)
    fresh = VisualSemanticAlignment(FEATURES, V, D, 4, context, score).double()
    assert np.abs(found(fresh) - found(model)).max() > .01
    fresh.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(found(fresh), found(model))


@kinds
@pytest.mark.parametrize("host_mask", [True, False])
def test_it_stays_on_the_device(context, score, host_mask, monkeypatch):
    monkeypatch.setitem(backend_arrays._DEVICES, StrictArray, "cuda:7")    # .to() knows only such names as positional
    results = []
    for device, place in (("cpu", Tensor), ("cuda:7", lambda x: Tensor(StrictArray(np.array(x))))):
        model = made(context, score).to(device=device)
        pairs = place(PHI), INSIDE if host_mask else place(INSIDE), place(S)
        loss = model.loss(*pairs)
        loss.backward()
        tensors = [loss, *(p.grad for p in model.parameters())]
        assert {t.device for t in tensors} == {device}
        results.append([model.word_scores(*pairs), *(to_host(t._data) for t in tensors)])
        assert isinstance(results[-1][0], np.ndarray)
    for x, y in zip(*results):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


# ------------------------------------------------------------------ what is refused

HOLE, EMPTY, BROKEN = S.copy(), S.copy(), PHI.copy()
HOLE[1, 0], EMPTY[:, 2], BROKEN[1, 2, 0] = 0, 0, np.nan
NOTHING = INSIDE & (np.arange(K) != 1)[:, None]


@pytest.mark.parametrize("score", ["max", "sum"])
@pytest.mark.parametrize("phi, inside, words, message", [
    (PHI[:, :, :4], INSIDE, S, r"phi has shape \(4, 3, 4\); it must be \(K, M, features=5\)"),
    (PHI[:, 0], INSIDE, S, r"phi of shape \(4, 5\)"),
    (PHI[:, :0], INSIDE[:, :0], S, r"inside\[0\] hides all regions"),
    (BROKEN, INSIDE, S, r"phi\[1, 2\] has numbers that are NaN or infinite"),
    (PHI, NOTHING, S, r"inside\[1\] hides all regions of an image"),
    (PHI, INSIDE.T, S, r"inside has shape \(3, 4\) .* phi of shape \(4, 3, 5\)"),
    (PHI, INSIDE * .5, S, "inside .* must be booleans"),
    (PHI, INSIDE, S[:0], r"S has shape \(0, 4\); it must be \(T, L\), time first, T at least 1"),
    (PHI, INSIDE, EMPTY, r"S\[:, 2\] begins with the pad 0; a sentence has at least one word"),
    (PHI, INSIDE, HOLE, r"S\[1, 0\] is the pad 0, and a word follows"),
])
def test_odd_input(phi, inside, words, message, score):
    for call in (made(score=score).loss, made(score=score).word_scores):
        with pytest.raises(ValueError, match=message):
            call(Tensor(phi), np.ascontiguousarray(inside), Tensor(np.ascontiguousarray(words)))


@kinds
def test_other_mistakes(context, score):
    model = made(context, score)
    with pytest.raises(ValueError, match="score='mean'; choose from max, sum"):
        VisualSemanticAlignment(FEATURES, V, score="mean")
    for words in (S[:, 0], S.T.copy(), S[:, :2]):
        with pytest.raises(ValueError, match=r"and S \(.*\); image k goes with sentence k"):
            model.word_scores(Tensor(PHI), INSIDE, Tensor(words))
    with pytest.raises(ValueError, match=r"S has shape \(5,\); it must be \(T, L\)"):
        model(Tensor(PHI), INSIDE, Tensor(S[:, 0]))
    with pytest.raises(ValueError, match=r"scores has shape \(2, 4\)"):
        model.loss(Tensor(PHI[:2]), INSIDE[:2], Tensor(S))
    for words, error, message in ((S, TypeError, "S is a ndarray, not a Tensor"), (Tensor(S.astype(float)), TypeError, "integers"),
                                  (Tensor(np.where(S == 0, 0, V)), IndexError, "index 9 .* vocabulary of 9"),
                                  (Tensor(-S), IndexError, "index -")):
        for call in (model, model.word_scores):
            with pytest.raises(error, match=message):
                call(Tensor(PHI), INSIDE, words)


@pytest.mark.parametrize("score", ["max", "sum"])
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_a_recurrent_network_that_blows_up_is_told(score):
    """Nothing bounds a relu: h_40 overflows, and the loss would be NaN from here on."""
    model = made(score=score).float()
    model.encoder.W_f.weight.data = model.encoder.W_f.weight * 100
    ids = np.random.default_rng(0).integers(1, V, (40, K))
    with pytest.raises(ValueError, match="scores are NaN"):
        model.loss(Tensor(np.float32(PHI)), INSIDE, Tensor(ids))


@kinds
def test_one_pair_has_nothing_to_learn_from(context, score):
    """The last batch of an epoch may be as small: its loss is 0 and no NaN."""
    model = made(context, score)
    loss = model.loss(Tensor(PHI[:1]), INSIDE[:1], Tensor(S[:, :1]))
    loss.backward()
    assert loss.item() == 0 and all(not p.grad.numpy().any() for p in model.parameters())
    assert model.loss(Tensor(PHI[:0]), INSIDE[:0], Tensor(S[:, :0])).item() == 0
    assert model.word_scores(Tensor(PHI[:0]), INSIDE[:0], Tensor(S[:, :0])).shape == (0, T, M)


@kinds
def test_words_that_grow_without_bound(context, score):
    """A relu passes on everything above 0: what has become infinite is reported here, not as a loss that is NaN."""
    model = made(context, score)
    for name in ("W_f", "W_d") if context else ("W_d",):
        getattr(model.encoder, name).weight.data = Tensor(np.full((D, D), 1e200))
    model.encoder.W_e.weight.data = model.encoder.W_e.weight * 1e200
    model.W_m.weight.data, model.W_m.bias.data = model.W_m.weight * 0, model.W_m.bias * 0 + 1   # no inf - inf in the products
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(ValueError, match="scores are NaN or infinite"):
        model.loss(Tensor(PHI), INSIDE, Tensor(S))


@kinds
def test_one_pair_has_nothing_to_be_compared_with(context, score):
    model = made(context, score)
    for n in (0, 1):
        loss = model.loss(Tensor(PHI[:n]), INSIDE[:n], Tensor(S[:, :n]))
        assert loss.shape == () and loss.item() == 0
        loss.backward()
        assert all(p.grad is None or not p.grad.numpy().any() for p in model.parameters())
    assert model.word_scores(Tensor(PHI[:0]), INSIDE[:0], Tensor(S[:, :0])).shape == (0, T, M)


# ------------------------------------------------------------------ PyTorch

@pytest.mark.oracle
@pytest.mark.parametrize("bias", [True, False])
def test_the_words_against_a_bidirectional_network_of_pytorch(bias):
    """e_t through ``nn.RNN(bidirectional, relu)`` with W_ih = I, of packed sentences."""
    torch = pytest.importorskip("torch")
    model = made()
    if not bias:
        for W in (model.encoder.W_f, model.encoder.W_b):
            W.bias.data = W.bias * 0
    p = {name.removeprefix("encoder."): torch.tensor(value) for name, value in arrays(model).items()}
    rnn = torch.nn.RNN(D, D, nonlinearity="relu", bidirectional=True).double()
    rnn.load_state_dict({f"{part}_{side}_l0{end}": {("weight", "ih"): torch.eye(D), ("weight", "hh"): p[f"{W}.weight"],
                                                    ("bias", "ih"): torch.zeros(D), ("bias", "hh"): p[f"{W}.bias"]}[part, side]
                         for end, W in (("", "W_f"), ("_reverse", "W_b")) for part in ("weight", "bias") for side in ("ih", "hh")})
    linear, utils = torch.nn.functional.linear, torch.nn.utils.rnn
    e = torch.relu(linear(p["W_w.weight"][torch.tensor(S)], p["W_e.weight"], p["W_e.bias"]))
    packed = utils.pack_padded_sequence(e, torch.tensor(LENGTHS), enforce_sorted=False)
    h, _ = utils.pad_packed_sequence(rnn(packed)[0])
    s = torch.relu(linear(h[..., :D] + h[..., D:], p["W_d.weight"], p["W_d.bias"])).detach().numpy()
    np.testing.assert_allclose(model.encoder(Tensor(S))[0].detach().numpy()[S != 0], s[S != 0], rtol=0, atol=1e-12)


@pytest.mark.oracle
@kinds
def test_scores_loss_and_gradients_against_pytorch(context, score):
    """S by einsum and max, the loss by PyTorch's hinge of one pair at a time, all gradients by its autograd."""
    torch = pytest.importorskip("torch")
    model = made(context, score)
    model.loss(Tensor(PHI), Tensor(INSIDE), Tensor(S)).backward()
    p = {name: torch.tensor(value, requires_grad=True) for name, value in arrays(model).items()}
    linear = lambda x, name: torch.nn.functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])
    rows = []
    for l, n in enumerate(LENGTHS):
        e = torch.relu(linear(p["encoder.W_w.weight"][torch.tensor(S[:n, l])], "encoder.W_e"))
        h = [e] if not context else []
        for name, turn in (("W_f", lambda x: x), ("W_b", lambda x: x.flip(0))) if context else ():
            states = [torch.zeros(D, dtype=torch.float64)]
            for e_t in turn(e):
                states.append(torch.relu(e_t + linear(states[-1], f"encoder.{name}")))
            h.append(turn(torch.stack(states[1:])))
        products = torch.einsum("kid,td->kit", linear(torch.tensor(PHI), "W_m"), torch.relu(linear(sum(h), "encoder.W_d")))
        there = torch.tensor(INSIDE)[:, :, None]
        rows.append(products.masked_fill(~there, -torch.inf).amax(1).sum(1) if score == "max"
                    else (torch.relu(products) * there).sum((1, 2)))
    scores = torch.stack(rows, 1)                                          # (K, L)
    hinge, one = torch.nn.functional.margin_ranking_loss, torch.ones(())
    loss = sum(hinge(scores[k, k], wrong, one, 1.0) for k in range(K) for l in range(K) if k != l
               for wrong in (scores[k, l], scores[l, k])) / K
    loss.backward()
    np.testing.assert_allclose(found(model), scores.detach().numpy(), rtol=0, atol=1e-9)
    assert model.loss(Tensor(PHI), Tensor(INSIDE), Tensor(S)).item() == pytest.approx(loss.item(), abs=1e-9)
    for name, parameter in model.named_parameters():
        grad = p[name].grad.numpy()
        grad[0] *= name != "encoder.W_w.weight"                            # the pad's row is not trained
        np.testing.assert_allclose(parameter.grad.numpy(), grad, rtol=0, atol=1e-9, err_msg=name)
