"""DeFrag's score and loss: by hand and by PyTorch, gradients, padding, odd shapes."""

import numpy as np
import pytest

from tests.models.trees import HEADS, LENGTHS, RELATIONS, WORDS
from tinymm import Tensor, gradcheck, optim
from tinymm.backend.random import manual_seed
from tinymm.models.fragments import Fragments, fragment_scores

FEATURES, V, R, L = 5, 9, 3, 4
PARTS = np.random.default_rng(0).standard_normal((3, L, FEATURES))
GOVERNORS = np.where(HEADS < 0, 0, np.take_along_axis(WORDS, np.maximum(HEADS, 0), 0))
SENTENCES = Tensor(WORDS), Tensor(GOVERNORS), Tensor(RELATIONS)


def made(seed: int = 0) -> Fragments:
    manual_seed(seed)
    model = Fragments(FEATURES, V, R, 4, 6).double()
    model.W_e.weight.data = Tensor(np.random.default_rng(1).standard_normal((V, 4)) * (np.arange(V) > 0)[:, None])
    return model


def test_the_score_by_hand():
    rng = np.random.default_rng(2)
    v, s = rng.standard_normal((2, 3, 4)), rng.standard_normal((5, 2, 4))
    inside = np.array([[1, 1], [1, 0], [0, 0], [1, 1], [1, 0]])
    wanted = [[sum(max(0, v[k, i] @ s[j, l]) for i in range(3) for j in range(5) if inside[j, l]) / (3 * (inside[:, l].sum() + 5))
               for l in range(2)] for k in range(2)]
    found = fragment_scores(Tensor(v), Tensor(s), Tensor(inside.astype(float)))
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-13)
    none = fragment_scores(Tensor(v), Tensor(s), Tensor(np.zeros((5, 2))))
    np.testing.assert_array_equal(none.numpy(), 0)                         # a sentence without parts finds nothing


def test_n_makes_up_for_short_sentences():
    """One part that fits, alone or with three that do not: without n the short sentence wins by 4 to 1, with n = 5 by 9 to 6."""
    v, s = np.ones((1, 1, 1)), np.array([[1.0, 1.0], [0, -1], [0, -1], [0, -1]])[:, :, None]
    inside = np.array([[1.0, 1], [0, 1], [0, 1], [0, 1]])
    for n, ratio in ((0, 4), (5, 9 / 6)):
        short, long = fragment_scores(Tensor(v), Tensor(s), Tensor(inside), n).numpy()[0]
        assert short / long == pytest.approx(ratio)


def test_a_part_of_a_sentence_is_a_word_its_head_and_their_relation():
    model = made()
    p = {name: value.numpy() for name, value in model.state_dict().items()}
    s, inside = (x.detach().numpy() for x in model.sentences(*SENTENCES))
    W, b = p["W_R.weight"].reshape(R, 6, 8), p["W_R.bias"].reshape(R, 6)
    for c, n in enumerate(LENGTHS):
        for t in range(n):
            e = np.concatenate([p["W_e.weight"][GOVERNORS[t, c]], p["W_e.weight"][WORDS[t, c]]])
            np.testing.assert_allclose(s[t, c], np.maximum(0, W[RELATIONS[t, c]] @ e + b[RELATIONS[t, c]]), rtol=0, atol=1e-13)
            assert inside[t, c] == (HEADS[t, c] >= 0)                      # the root is no part
    assert inside.sum() == sum(LENGTHS) - 3


def test_gradients_of_the_whole_model():
    model = made()
    assert gradcheck(lambda *_: model.loss(Tensor(PARTS), *SENTENCES), list(model.parameters()))
    assert model.loss(Tensor(PARTS), *SENTENCES).item() > 0


def test_padding_and_the_order_of_parts_change_nothing():
    model = made()
    scores = model(Tensor(PARTS), *SENTENCES).detach().numpy()
    padded = [Tensor(np.concatenate([a, np.zeros((2, 3), int)])) for a in (WORDS, GOVERNORS, RELATIONS)]
    np.testing.assert_allclose(model(Tensor(PARTS), *padded).detach().numpy(), scores, rtol=0, atol=1e-14)
    np.testing.assert_allclose(model(Tensor(PARTS[:, ::-1].copy()), *SENTENCES).detach().numpy(), scores, rtol=0, atol=1e-14)


def test_one_batch_can_be_overfitted():
    rng = np.random.default_rng(1)
    words, governors = (Tensor(rng.integers(1, 20, (4, 12))) for _ in range(2))
    relations, parts = Tensor(rng.integers(0, R, (4, 12))), Tensor(np.float32(rng.standard_normal((12, 3, 8))))
    manual_seed(0)
    model = Fragments(8, 20, R, 16, 32)
    optimizer, losses = optim.Adam(model.parameters(), lr=1e-2), []
    for _ in range(200):
        optimizer.zero_grad()
        loss = model.loss(parts, words, governors, relations)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


@pytest.mark.parametrize("parts, sentence, message", [
    (PARTS[:, :, :4], SENTENCES, r"have shape \(3, 4, 4\); they must be \(I, L, features=5\)"),
    (PARTS[:, 0], SENTENCES, r"have shape \(3, 5\); they must be \(I, L, features=5\)"),
    (PARTS[:, :0], SENTENCES, "L at least 1"),
    (PARTS, (SENTENCES[0], SENTENCES[1][:3], SENTENCES[2]), r"heads \(3, 3\).* must be alike"),
    (PARTS[:2], SENTENCES, r"scores has shape \(2, 3\)"),
])
def test_odd_input(parts, sentence, message):
    with pytest.raises(ValueError, match=message):
        made().loss(Tensor(parts), *sentence)


@pytest.mark.oracle
def test_against_pytorch():
    """Loss and the gradients of all parameters; each part, product and hinge by itself."""
    torch = pytest.importorskip("torch")
    model = made()
    model.loss(Tensor(PARTS), *SENTENCES).backward()
    p = {name: torch.tensor(value.numpy(), requires_grad=True) for name, value in model.state_dict().items()}
    linear, relu = torch.nn.functional.linear, torch.relu
    W, b, E = p["W_R.weight"].reshape(R, 6, 8), p["W_R.bias"].reshape(R, 6), p["W_e.weight"]
    v = linear(torch.tensor(PARTS), p["W_m.weight"], p["W_m.bias"])
    s = [[relu(linear(torch.cat([E[GOVERNORS[t, c]], E[WORDS[t, c]]]), W[RELATIONS[t, c]], b[RELATIONS[t, c]]))
          for t in range(n) if HEADS[t, c] >= 0] for c, n in enumerate(LENGTHS)]
    S = lambda k, l: sum(relu(v[k, i] @ part) for i in range(L) for part in s[l]) / (L * (len(s[l]) + 5))
    hinge, one = torch.nn.functional.margin_ranking_loss, torch.ones(())
    loss = sum(hinge(S(k, k), wrong, one, model.margin) for k in range(3) for l in range(3) if k != l
               for wrong in (S(k, l), S(l, k))) / 3
    loss.backward()
    assert model.loss(Tensor(PARTS), *SENTENCES).item() == pytest.approx(loss.item(), abs=1e-9)
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), p[name].grad.numpy(), rtol=0, atol=1e-9, err_msg=name)
