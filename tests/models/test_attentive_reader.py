"""The attentive reader: its equations written out, its attention, names that do not matter, and its start."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm import functional as F
from tinymm.data.worlds.cloze import ENTITIES, FIRST, VOCABULARY, ClozeStories, renamed
from tinymm.models.attentive_reader import NORMS, AttentiveReader

LENGTHS, QUERY_LENGTHS = np.array([5, 2, 3]), np.array([3, 3, 1])
RNG = np.random.default_rng(0)
STORY = np.where(np.arange(5)[:, None] < LENGTHS, RNG.integers(1, 7, (5, 3)), 0)         # (T, B)
QUERY = np.where(np.arange(3)[:, None] < QUERY_LENGTHS, RNG.integers(1, 7, (3, 3)), 0)   # (Q, B)
ANSWERS = np.array([1, 0, 3])


def build(norm, dtype="float64", **options):
    """A small reader whose scores differ enough for an uneven attention."""
    tinymm.manual_seed(1)
    model = AttentiveReader(**{**dict(vocabulary=9, entities=4, embedding=3, hidden=5, norm=norm), **options}).to(dtype=dtype)
    with no_grad():
        model.w_ms.weight *= 5
    return model


def run(model, story=STORY, query=QUERY, lengths=LENGTHS, query_lengths=QUERY_LENGTHS):
    return model(*(Tensor(part) for part in (story, query, lengths, query_lengths)))


def by_hand(model, story, query, lengths, query_lengths):
    """logits and s by the paper's equations: one story after another, one word after another, NumPy only."""
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    sigma = lambda x: 1 / (1 + np.exp(-x))
    norm = lambda a, gain, bias: gain * (a - a.mean()) / np.sqrt(((a - a.mean())**2).mean() + 1e-5) + bias

    def states(name, words):
        h, c, found = *np.zeros((2, model.W_ug.weight.shape[1])), []
        for word in words:
            x = p["E.weight"][word]
            if model.norm == "none":
                W_x, W_h, b_x, b_h = (p[f"{name}.{key}_l0"] for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
                a = W_x @ x + b_x + W_h @ h + b_h
                i, f, g, o = np.split(a, 4)
                c = sigma(f) * c + sigma(i) * np.tanh(g)
                h = sigma(o) * np.tanh(c)
            else:
                w = {key: p[f"{name}.{key}"] for key in ("weight_ih", "weight_hh", "gain_ih", "gain_hh", "gain_c",
                                                         "bias_ih", "bias_hh", "bias_c")}
                a = norm(w["weight_ih"] @ x, w["gain_ih"], w["bias_ih"]) + norm(w["weight_hh"] @ h, w["gain_hh"], w["bias_hh"])
                f, i, o, g = np.split(a, 4)
                c = sigma(f) * c + sigma(i) * np.tanh(g)
                h = sigma(o) * np.tanh(norm(c, w["gain_c"], w["bias_c"]))
            found.append(h)
        return found

    logits, attention = [], np.zeros(story.T.shape)
    for b in range(story.shape[1]):
        y, u = states("document", story[:lengths[b], b]), states("query", query[:query_lengths[b], b])[-1]
        m = [np.tanh(p["W_ym.weight"] @ y_t + p["W_um.weight"] @ u + p["W_um.bias"]) for y_t in y]
        s = np.exp([p["w_ms.weight"][0] @ m_t for m_t in m])
        s /= s.sum()
        r = sum(s_t * y_t for s_t, y_t in zip(s, y))
        g = np.tanh(p["W_rg.weight"] @ r + p["W_ug.weight"] @ u + p["W_ug.bias"])
        logits.append(p["W.weight"] @ g + p["W.bias"])
        attention[b, :lengths[b]] = s
    return np.array(logits), attention


@pytest.mark.parametrize("norm", NORMS)
def test_same_as_the_equations_word_by_word(norm):
    model = build(norm)
    with no_grad():   # gains and biases that are not 1 and 0
        for p in model.parameters():
            p += Tensor(0.1 * np.random.default_rng(2).normal(size=p.shape))
    read, (logits, s) = run(model), by_hand(model, STORY, QUERY, LENGTHS, QUERY_LENGTHS)
    np.testing.assert_allclose(read.logits.detach().numpy(), logits, rtol=0, atol=1e-12)
    np.testing.assert_allclose(read.s.detach().numpy(), s, rtol=0, atol=1e-12)
    assert s.max() > 0.4   # far from even, or the test would see little of the scores


@pytest.mark.oracle
def test_answers_and_gradients_are_pytorchs():
    torch = pytest.importorskip("torch")
    nn, model = torch.nn, build("none")
    read = run(model)
    loss = F.cross_entropy(read.logits, Tensor(ANSWERS))
    loss.backward()
    twin = nn.ModuleDict({"E": nn.Embedding(9, 3, padding_idx=0), "document": nn.LSTM(3, 5), "query": nn.LSTM(3, 5),
                          "W_ym": nn.Linear(5, 5, bias=False), "W_um": nn.Linear(5, 5), "w_ms": nn.Linear(5, 1, bias=False),
                          "W_rg": nn.Linear(5, 5, bias=False), "W_ug": nn.Linear(5, 5), "W": nn.Linear(5, 4)}).double()
    twin.load_state_dict({name: torch.tensor(value.numpy().copy()) for name, value in model.state_dict().items()})

    def lstm(name, words, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(twin["E"](torch.tensor(words)), torch.tensor(lengths), enforce_sorted=False)
        out, (h, _) = twin[name](packed)
        return nn.utils.rnn.pad_packed_sequence(out)[0], h[0]

    (y, _), (_, u) = lstm("document", STORY, LENGTHS), lstm("query", QUERY, QUERY_LENGTHS)
    e = twin["w_ms"](torch.tanh(twin["W_ym"](y) + twin["W_um"](u)))[..., 0]   # (T, B)
    s = e.masked_fill(torch.arange(5)[:, None] >= torch.tensor(LENGTHS), -torch.inf).softmax(0)
    r = (s[..., None] * y).sum(0)
    logits = twin["W"](torch.tanh(twin["W_rg"](r) + twin["W_ug"](u)))
    nn.functional.cross_entropy(logits, torch.tensor(ANSWERS)).backward()
    np.testing.assert_allclose(read.logits.detach().numpy(), logits.detach().numpy(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(read.s.detach().numpy(), s.T.detach().numpy(), rtol=0, atol=1e-12)
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), twin.get_parameter(name).grad.numpy(), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("norm", NORMS)
def test_the_attention_is_on_the_real_words_and_padding_has_no_influence(norm):
    model = build(norm)
    read = run(model)
    s = read.s.detach().numpy()
    real = np.arange(5) < LENGTHS[:, None]
    np.testing.assert_allclose(s.sum(1), 1, rtol=0, atol=1e-14)
    assert (s[real] > 0).all() and (s[~real] == 0).all()
    # other words after the end, and more of them: the same answers
    longer = np.concatenate([np.where(real.T, STORY, 7), np.full((2, 3), 8)])
    more = np.concatenate([np.where(np.arange(3)[:, None] < QUERY_LENGTHS, QUERY, 8), np.full((4, 3), 7)])
    again = run(model, longer, more)
    np.testing.assert_allclose(again.logits.detach().numpy(), read.logits.detach().numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(again.s.detach().numpy()[:, :5], s, rtol=0, atol=1e-13)
    F.cross_entropy(again.logits, Tensor(ANSWERS)).backward()
    gradient = model.E.weight.grad.numpy()
    seen = set(STORY[real.T]) | set(QUERY[np.arange(3)[:, None] < QUERY_LENGTHS])
    assert np.isfinite(gradient).all() and all(gradient[word].any() == (word in seen) for word in range(1, 9))
    assert not seen & {7, 8}   # these stand in the padding only


@pytest.mark.parametrize("norm", NORMS)
def test_names_do_not_matter(norm):
    """Rename people in the data and in the model (word vectors and answers): the same attention, the same answer renamed."""
    world = ClozeStories("test", 20, seed=5)
    batch = {key: value.numpy() for key, value in world.batch(range(20)).items()}
    model = build(norm, vocabulary=len(VOCABULARY), entities=ENTITIES, embedding=8, hidden=6)
    order = np.array([3, 5, 0, 1, 4, 2])   # person n is now called order[n]
    renamed_words = {key: renamed(batch[key], np.tile(order, (20, 1))) for key in ("story", "query")}
    other = build(norm, vocabulary=len(VOCABULARY), entities=ENTITIES, embedding=8, hidden=6)
    with no_grad():
        E, W, b = (p.detach().numpy() for p in (model.E.weight, model.W.weight, model.W.bias))
        other.E.weight[FIRST + order] = Tensor(E[FIRST:FIRST + ENTITIES].copy())
        other.W.weight[order], other.W.bias[order] = Tensor(W.copy()), Tensor(b.copy())
    first, second = (run(m, words["story"].T, words["query"].T, batch["story_length"], batch["query_length"])
                     for m, words in ((model, batch), (other, renamed_words)))
    np.testing.assert_allclose(second.s.detach().numpy(), first.s.detach().numpy(), rtol=0, atol=1e-13)
    np.testing.assert_allclose(second.logits.detach().numpy()[:, order], first.logits.detach().numpy(), rtol=0, atol=1e-13)
    losses = [F.cross_entropy(read.logits, Tensor(answer)) for read, answer in ((first, batch["answer"]),
                                                                               (second, order[batch["answer"]]))]
    assert float(losses[0]) == pytest.approx(float(losses[1]), abs=1e-13)


@pytest.mark.parametrize("norm", NORMS)
def test_its_gradients(norm):
    model = build(norm)
    report = gradcheck(lambda scale: F.cross_entropy(run(model).logits * scale, Tensor(ANSWERS)),
                       [Tensor(np.array([1.5]), requires_grad=True)], parameters=model, curve=False)
    assert report.ok, report


@pytest.mark.parametrize("norm", NORMS)
def test_it_starts_without_an_opinion_and_learns_a_batch_by_heart(norm):
    batch = ClozeStories("validation", 32, seed=0).batch(range(32))
    tinymm.manual_seed(0)
    model = AttentiveReader(len(VOCABULARY), ENTITIES, norm=norm)
    words = model.E.weight.detach().numpy()
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")} and not words[0].any()
    assert words[1:].std() == pytest.approx(1, abs=0.1)   # PyTorch's own start; small words keep the reader on a plateau
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        read = model(batch["story"].T, batch["query"].T, batch["story_length"], batch["query_length"])
        loss = F.cross_entropy(read.logits, batch["answer"])
        losses.append(float(loss))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[0] == pytest.approx(np.log(ENTITIES), abs=0.1)
    assert losses[-1] < 0.1


@pytest.mark.parametrize("change, message", [
    (dict(query=QUERY[:, :2]), r"q has shape \(3, 2\)"), (dict(lengths=np.array([5, 2])), r"d_lengths \(2,\)"),
    (dict(lengths=np.array([5, 0, 3])), "d_lengths run from 0 to 5; d has 5 steps"),
    (dict(query_lengths=np.array([3, 4, 1])), "q_lengths run from 1 to 4; q has 3 steps"),
    (dict(story=STORY[0]), r"d has shape \(3,\)")])
def test_mistakes_are_explained(change, message):
    with pytest.raises(ValueError, match=message):
        run(build("none"), **change)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm='batch'; choose from none, layer"):
        AttentiveReader(9, 4, norm="batch")
