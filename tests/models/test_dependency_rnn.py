"""SDT-RNN: the recursion by hand and by PyTorch, gradients, padding, what is no tree."""

import numpy as np
import pytest

from tests.models.trees import HEADS, LENGTHS, RELATIONS, WORDS
from tinymm import Tensor, gradcheck, optim
from tinymm.backend.random import manual_seed
from tinymm.models.dependency_rnn import DependencyRNN

FEATURES, V, R = 5, 9, 3
F_V = np.random.default_rng(0).standard_normal((3, FEATURES))
SENTENCES = Tensor(WORDS), Tensor(HEADS), Tensor(RELATIONS)


def made(**options) -> DependencyRNN:
    manual_seed(0)
    model = DependencyRNN(FEATURES, V, R, 4, 6, **options).double()
    model.W_e.weight.data = Tensor(np.random.default_rng(1).standard_normal((V, 4)) * (np.arange(V) > 0)[:, None])
    return model


def recursion(i: int, c: int, W_e, W_v, W_r, tanh):
    """(h_i, l(i)) of word i of sentence c: its children first."""
    total, length = W_v @ W_e[WORDS[i, c]], 1
    for j in range(LENGTHS[c]):
        if HEADS[j, c] == i:
            h, l = recursion(j, c, W_e, W_v, W_r, tanh)
            total, length = total + l * (W_r[RELATIONS[j, c]] @ h), length + l
    return tanh(total / length), length


def test_the_recursion_by_hand():
    model = made()
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    roots = [HEADS[:n, c].tolist().index(-1) for c, n in enumerate(LENGTHS)]
    found = [recursion(i, c, p["W_e.weight"], p["W_v.weight"], p["W_r.weight"].reshape(R, 6, 6), np.tanh)
             for c, i in enumerate(roots)]
    assert [length for _, length in found] == list(LENGTHS)
    s = np.array([h for h, _ in found])
    np.testing.assert_allclose(model.sentences(*SENTENCES).detach().numpy(), s, rtol=0, atol=1e-13)
    v = F_V @ p["W_I.weight"].T + p["W_I.bias"]
    np.testing.assert_allclose(model(Tensor(F_V), *SENTENCES).detach().numpy(), v @ s.T, rtol=0, atol=1e-13)


def test_gradients_of_the_whole_model():
    model = made()
    assert gradcheck(lambda *_: model.loss(Tensor(F_V), *SENTENCES), list(model.parameters()))
    assert model.loss(Tensor(F_V), *SENTENCES).item() > 0


def test_padding_changes_nothing_and_relations_matter():
    model = made()
    s = model.sentences(*SENTENCES).detach().numpy()
    padded = [np.concatenate([a, np.full((2, 3), fill)]) for a, fill in ((WORDS, 0), (HEADS, -1), (RELATIONS, 0))]
    np.testing.assert_allclose(model.sentences(*map(Tensor, padded)).detach().numpy(), s, rtol=0, atol=1e-14)
    alone = model.sentences(*(Tensor(a[:2, 1:2]) for a in (WORDS, HEADS, RELATIONS))).detach().numpy()
    np.testing.assert_allclose(alone[0], s[1], rtol=0, atol=1e-14)
    other = RELATIONS.copy()
    other[0, 0] = 2
    changed = abs(model.sentences(Tensor(WORDS), Tensor(HEADS), Tensor(other)).detach().numpy() - s).max(1)
    assert changed[0] > 1e-3 and changed[1:].max() < 1e-14


def test_one_batch_can_be_overfitted():
    rng = np.random.default_rng(1)
    words, f = rng.integers(1, 20, (4, 16)), Tensor(np.float32(rng.standard_normal((16, 8))))
    heads = np.repeat([[1], [-1], [1], [2]], 16, 1)
    manual_seed(0)
    model = DependencyRNN(8, 20, R, 16, 16)
    optimizer, losses = optim.Adam(model.parameters(), lr=1e-2), []
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.loss(f, Tensor(words), Tensor(heads), Tensor(rng.integers(1, 2, (4, 16))))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


def changed(array: np.ndarray, place: tuple, value: int) -> Tensor:
    array = array.copy()
    array[place] = value
    return Tensor(array)


@pytest.mark.parametrize("sentence, message", [
    ((Tensor(WORDS), Tensor(HEADS[:4]), Tensor(RELATIONS)), r"heads \(4, 3\).* must be alike"),
    ((Tensor(WORDS), changed(HEADS, (4, 0), -1), Tensor(RELATIONS)), "just one word's, the root's, -1"),
    ((Tensor(WORDS), changed(HEADS, (1, 1), 0), Tensor(RELATIONS)), "just one word's, the root's, -1"),
    ((Tensor(WORDS), changed(HEADS, (0, 1), 4), Tensor(RELATIONS)), "must be a step of its sentence"),
    ((Tensor(WORDS), changed(HEADS, (4, 0), 3), Tensor(RELATIONS)), "go round in a circle"),
    ((Tensor(WORDS), Tensor(HEADS), changed(RELATIONS, (0, 1), 3)), "relations must be 0 to 2"),
])
def test_what_is_no_tree(sentence, message):
    with pytest.raises(ValueError, match=message):
        made()(Tensor(F_V), *sentence)


def test_a_word_that_hangs_on_padding_is_no_tree():
    words, heads = WORDS[:, :1].copy(), HEADS[:, :1].copy()
    leaf = next(i for i in range(LENGTHS[0]) if i not in heads[:LENGTHS[0]] and heads[i] != -1)
    words[leaf] = 0                                                        # padding amid the sentence, on which nothing hangs
    made()(Tensor(F_V), Tensor(words), Tensor(heads), Tensor(RELATIONS[:, :1]))
    heads[next(i for i in range(LENGTHS[0]) if i != leaf and heads[i] != -1)] = leaf
    with pytest.raises(ValueError, match="must be a step of its sentence"):
        made()(Tensor(F_V), Tensor(words), Tensor(heads), Tensor(RELATIONS[:, :1]))


def test_other_types_and_no_sentences_are_explained():
    with pytest.raises(TypeError, match="DependencyRNN: heads have dtype float64; they are integers"):
        made()(Tensor(F_V), Tensor(WORDS), Tensor(HEADS * 1.0), Tensor(RELATIONS))
    with pytest.raises(ValueError, match="give at least one sentence"):
        made().sentences(*(Tensor(a[:, :0]) for a in (WORDS, HEADS, RELATIONS)))


@pytest.mark.oracle
def test_against_pytorch():
    """Loss and the gradients of all parameters, of the recursion word by word and the hinges pair by pair."""
    torch = pytest.importorskip("torch")
    model = made()
    model.loss(Tensor(F_V), *SENTENCES).backward()
    p = {name: torch.tensor(value.numpy(), requires_grad=True) for name, value in model.state_dict().items()}
    s = [recursion(HEADS[:n, c].tolist().index(-1), c, p["W_e.weight"], p["W_v.weight"], p["W_r.weight"].reshape(R, 6, 6),
                   torch.tanh)[0] for c, n in enumerate(LENGTHS)]
    v = torch.nn.functional.linear(torch.tensor(F_V), p["W_I.weight"], p["W_I.bias"])
    hinge, one = torch.nn.functional.margin_ranking_loss, torch.ones(())
    loss = sum(hinge(v[i] @ s[i], wrong, one, 1.0) for i in range(3) for j in range(3) if i != j
               for wrong in (v[i] @ s[j], v[j] @ s[i])) / 3
    loss.backward()
    assert model.loss(Tensor(F_V), *SENTENCES).item() == pytest.approx(loss.item(), abs=1e-9)
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), p[name].grad.numpy(), rtol=0, atol=1e-9, err_msg=name)
