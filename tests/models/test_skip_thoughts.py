"""Skip-thoughts: the equations written out, the code as the only way to the decoders, the loss by hand, and the start."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.data.worlds.stories import VOCABULARY, Stories
from tinymm.models.skip_thoughts import NORMS, SkipThoughts, skip_thoughts_loss

LENGTHS = np.array([4, 1, 3])
RNG = np.random.default_rng(0)
S = np.where(np.arange(4)[:, None] < LENGTHS, RNG.integers(3, 8, (4, 3)), 0)   # (T, B); words 8 and 9 stand nowhere
PREVIOUS = np.array([[1, 1, 1], [4, 3, 2], [5, 2, 0], [2, 0, 0]])              # (P + 1, B): 1 starts, 2 ends
NEXT = np.array([[1, 1, 1], [3, 2, 7], [2, 0, 2]])                             # (N + 1, B)


def build(norm, dtype="float64", **options):
    """A small model with gains and biases that are not 1 and 0."""
    tinymm.manual_seed(1)
    model = SkipThoughts(**{**dict(vocabulary=10, embedding=3, hidden=4, norm=norm), **options}).to(dtype=dtype)
    with no_grad():
        model.E.weight *= 10
        for name, p in model.named_parameters():
            if "E." not in name:
                p += Tensor(0.2 * np.random.default_rng(2).normal(size=p.shape).astype(dtype))
    return model


def run(model, s=S, lengths=LENGTHS, previous=PREVIOUS[:-1], next=NEXT[:-1]):
    return model(*(Tensor(part) for part in (s, lengths, previous, next)))


def states(model, name, words, h):
    """h after each word, by the GRU's equations and one word after another."""
    p = {key.removeprefix(name + "."): value.numpy() for key, value in model.state_dict().items() if key.startswith(name)}
    E = model.state_dict()["E.weight"].numpy()
    sigma = lambda x: 1 / (1 + np.exp(-x))
    found = []
    for x in E[np.asarray(words, int)]:
        if model.norm == "none":
            a, b = p["weight_ih_l0"] @ x + p["bias_ih_l0"], p["weight_hh_l0"] @ h + p["bias_hh_l0"]
            (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(a, 3), np.split(b, 3)
            z = sigma(z_x + z_h)   # the share of the old state
            h = (1 - z) * np.tanh(n_x + sigma(r_x + r_h) * n_h) + z * h
        else:
            H = len(h)
            norm = lambda v, rows, side: (p[f"gain_{side}"][rows] * (v[rows] - v[rows].mean())
                                          / np.sqrt(v[rows].var() + 1e-5) + p[f"bias_{side}"][rows])
            gates, rest = slice(0, 2 * H), slice(2 * H, 3 * H)
            a, b = p["weight_ih"] @ x, p["weight_hh"] @ h
            z, r = np.split(sigma(norm(a, gates, "ih") + norm(b, gates, "hh")), 2)
            h = (1 - z) * h + z * np.tanh(norm(a, rest, "ih") + r * norm(b, rest, "hh"))
        found.append(h)
    return found


@pytest.mark.parametrize("norm", NORMS)
def test_same_as_the_equations_word_by_word(norm):
    model = build(norm)
    found = run(model)
    V, bias = model.V.weight.detach().numpy(), model.V.bias.detach().numpy()
    for b in range(3):
        h_i = states(model, "encoder", S[:LENGTHS[b], b], np.zeros(4))[-1]
        codes = model.encode(Tensor(S), Tensor(LENGTHS)).detach().numpy()
        np.testing.assert_allclose(codes[b], h_i, rtol=0, atol=1e-12)
        for name, words, logits in (("previous", PREVIOUS, found.previous), ("next", NEXT, found.next)):
            expected = [V @ h + bias for h in states(model, name, words[:-1, b], h_i)]   # h_{i+1}^0 = h_i
            np.testing.assert_allclose(logits.detach().numpy()[:, b], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
def test_the_code_is_the_first_state_and_the_only_way_to_a_decoder(norm):
    """With the same code another sentence says the same; and what a decoder says depends on the words before only."""
    model = build(norm)
    h = model.encode(Tensor(S), Tensor(LENGTHS))
    np.testing.assert_array_equal(model.decode(model.next, h, Tensor(NEXT[:-1])).detach().numpy(), run(model).next.detach().numpy())
    later = NEXT[:-1].copy()
    later[-1] = 9
    changed = run(model, next=later)
    np.testing.assert_array_equal(changed.next.detach().numpy()[:-1], run(model).next.detach().numpy()[:-1])
    np.testing.assert_array_equal(changed.previous.detach().numpy(), run(model).previous.detach().numpy())
    other = model.decode(model.next, h[[1, 0, 2]], Tensor(NEXT[:-1])).detach().numpy()
    assert np.abs(other[:, :2] - run(model).next.detach().numpy()[:, :2]).max() > 1e-3   # and it does depend on it


@pytest.mark.parametrize("norm", NORMS)
def test_the_loss_is_two_masked_cross_entropies_and_padding_has_no_influence(norm):
    model = build(norm)
    found = run(model)
    before, after = skip_thoughts_loss(found, Tensor(PREVIOUS[1:]), Tensor(NEXT[1:]))
    for loss, logits, words in ((before, found.previous, PREVIOUS[1:]), (after, found.next, NEXT[1:])):
        values = logits.detach().numpy()
        log_p = values - np.log(np.exp(values).sum(-1, keepdims=True))
        nats = [-log_p[t, b, words[t, b]] for t, b in np.ndindex(*words.shape) if words[t, b]]
        assert float(loss) == pytest.approx(np.mean(nats), abs=1e-12) and len(nats) < words.size
    # other words after the end, and more of them
    padded = np.concatenate([np.where(np.arange(4)[:, None] < LENGTHS, S, 8), np.full((2, 3), 9)])
    inputs = lambda words: np.concatenate([np.where(words[:-1] == 0, 9, words[:-1]), np.full((2, 3), 8)])
    targets = lambda words: np.concatenate([words[1:], np.zeros((2, 3), int)])
    again = skip_thoughts_loss(run(model, padded, previous=inputs(PREVIOUS), next=inputs(NEXT)),
                               *(Tensor(targets(words)) for words in (PREVIOUS, NEXT)))
    np.testing.assert_allclose([float(part) for part in again], [float(before), float(after)], rtol=0, atol=1e-13)
    (again[0] + again[1]).backward()
    gradient = model.E.weight.grad.numpy()
    assert np.isfinite(gradient).all() and not gradient[8:].any() and gradient[3:8].any()


@pytest.mark.oracle
@pytest.mark.parametrize("chosen", ["previous", "next"])
def test_loss_and_gradients_are_pytorchs(chosen):
    torch = pytest.importorskip("torch")
    model = build("none")
    parts = skip_thoughts_loss(run(model), Tensor(PREVIOUS[1:]), Tensor(NEXT[1:]))
    loss = parts[("previous", "next").index(chosen)]
    loss.backward()
    twin = torch.nn.ModuleDict({"E": torch.nn.Embedding(10, 3, padding_idx=0), "encoder": torch.nn.GRU(3, 4),
                                "previous": torch.nn.GRU(3, 4), "next": torch.nn.GRU(3, 4), "V": torch.nn.Linear(4, 10)}).double()
    twin.load_state_dict({name: torch.tensor(value.numpy().copy()) for name, value in model.state_dict().items()})
    packed = torch.nn.utils.rnn.pack_padded_sequence(twin["E"](torch.tensor(S)), torch.tensor(LENGTHS), enforce_sorted=False)
    _, h = twin["encoder"](packed)
    words = torch.tensor({"previous": PREVIOUS, "next": NEXT}[chosen])
    out, _ = twin[chosen](twin["E"](words[:-1]), h)
    judge = torch.nn.functional.cross_entropy(twin["V"](out).flatten(0, 1), words[1:].flatten(), ignore_index=0)
    judge.backward()
    assert float(loss) == pytest.approx(judge.item(), abs=1e-12)
    for name, p in twin.named_parameters():
        own = dict(model.named_parameters())[name].grad
        if p.grad is None:
            assert own is None or not own.numpy().any(), name
        else:
            np.testing.assert_allclose(own.numpy(), p.grad.numpy(), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("norm", NORMS)
def test_its_gradients(norm):
    model = build(norm)

    def loss(scale):
        found = run(model)
        before, after = skip_thoughts_loss(found, Tensor(PREVIOUS[1:]), Tensor(NEXT[1:]))
        return (before + after) * scale

    report = gradcheck(loss, [Tensor(np.array(1.5), requires_grad=True)], parameters=model, curve=False)
    assert report.ok, report


@pytest.mark.parametrize("norm", NORMS)
def test_it_starts_without_an_opinion_and_learns_a_batch_by_heart(norm):
    batch = Stories("validation", 8).batch(range(32))
    previous, following = batch["previous"].T, batch["next"].T
    tinymm.manual_seed(0)
    model = SkipThoughts(len(VOCABULARY), norm=norm)
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")} and not model.E.weight.detach().numpy()[0].any()
    optimizer, losses = optim.Adam(model.parameters(), lr=2e-2), []
    for _ in range(80):
        before, after = skip_thoughts_loss(model(batch["sentence"].T, batch["length"], previous[:-1], following[:-1]),
                                           previous[1:], following[1:])
        losses.append((float(before), float(after)))
        optimizer.zero_grad()
        (before + after).backward()
        optimizer.step()
    assert losses[0] == pytest.approx([np.log(len(VOCABULARY))] * 2, abs=0.25)
    assert sum(losses[-1]) < 0.2


@pytest.mark.parametrize("change, message", [
    (dict(s=S[0]), r"s has shape \(3,\)"),
    (dict(lengths=np.array([4, 1])), r"s has shape \(4, 3\) and lengths \(2,\)"),
    (dict(lengths=np.array([4, 0, 3])), "lengths run from 0 to 4; s has 4 steps"),
    (dict(next=NEXT[:, :2]), r"next has shape \(3, 2\)"), (dict(previous=PREVIOUS[0]), r"previous has shape \(3,\)")])
def test_mistakes_are_explained(change, message):
    with pytest.raises(ValueError, match=message):
        run(build("none"), **change)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm='batch'; choose from none, layer"):
        SkipThoughts(9, norm="batch")
