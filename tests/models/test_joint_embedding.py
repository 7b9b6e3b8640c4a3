"""DeViSE and the convolutional sentences: vectors by hand and by PyTorch, gradients, padding, what order they know."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck, nn, no_grad, optim
from tinymm.backend.random import manual_seed
from tinymm.models.conv_sentence import ConvSentence
from tinymm.models.devise import DeViSE
from tinymm.models.joint_embedding import JointEmbedding

FEATURES, V = 5, 9
WORDS = np.array([[3, 4, 5], [6, 3, 8], [7, 0, 4], [4, 0, 0]])           # (T, C): sentences of 4, 2 and 3 words
F_V = np.random.default_rng(0).standard_normal((3, FEATURES))


def made(kind: str, seed: int = 0) -> JointEmbedding:
    manual_seed(seed)
    model = (DeViSE(FEATURES, V, 4) if kind == "devise" else ConvSentence(FEATURES, V, 4, 6, 5)).double()
    if kind == "conv":
        with no_grad():
            model.conv.bias += 0.5                                         # most filters are awake
    return model


kinds = pytest.mark.parametrize("kind", ["devise", "conv"])


def arrays(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: p.numpy() for name, p in model.state_dict().items()}


def sentence_by_hand(model: JointEmbedding, words: np.ndarray) -> np.ndarray:
    """(D,) of one sentence without padding."""
    p, x = arrays(model), arrays(model)["W_e.weight"][words]                 # (T, E)
    if isinstance(model, DeViSE):
        return sum(x) / len(x)
    x = np.concatenate([np.zeros((1, x.shape[1])), x, np.zeros((1, x.shape[1]))])
    c = [np.maximum(0, sum(p["conv.weight"][:, :, k] @ x[t + k] for k in range(3)) + p["conv.bias"]) for t in range(len(words))]
    return p["W_s.weight"] @ np.max(c, 0) + p["W_s.bias"]


@kinds
def test_scores_and_loss_by_hand(kind):
    model = made(kind)
    p = arrays(model)
    s = np.array([sentence_by_hand(model, column[column > 0]) for column in WORDS.T])
    v = F_V @ p["W_I.weight"].T + p["W_I.bias"]
    wanted = v @ s.T / np.linalg.norm(v, axis=1)[:, None] / np.linalg.norm(s, axis=1)
    np.testing.assert_allclose(model(Tensor(F_V), Tensor(WORDS)).detach().numpy(), wanted, rtol=0, atol=1e-12)
    hinges = [max(0, model.margin - wanted[i, i] + wrong) for i in range(3) for j in range(3) if i != j
              for wrong in (wanted[i, j], wanted[j, i])]
    assert model.loss(Tensor(F_V), Tensor(WORDS)).item() == pytest.approx(sum(hinges) / 3, abs=1e-12)
    assert sum(hinges) > 0


@kinds
def test_gradients_of_the_whole_model(kind):
    model = made(kind)
    assert gradcheck(lambda *_: model.loss(Tensor(F_V), Tensor(WORDS)), list(model.parameters()))


@kinds
def test_padding_changes_nothing(kind):
    model = made(kind)
    longer = np.concatenate([WORDS, np.zeros((3, 3), int)])
    np.testing.assert_allclose(model(Tensor(F_V), Tensor(longer)).detach().numpy(),
                               model(Tensor(F_V), Tensor(WORDS)).detach().numpy(), rtol=0, atol=1e-14)


def test_a_mean_does_not_know_the_order_of_words():
    turned = Tensor(np.array([[3, 6], [4, 4], [5, 5], [6, 3]]))
    same, different = made("devise").sentences(turned).detach().numpy(), made("conv").sentences(turned).detach().numpy()
    np.testing.assert_allclose(same[0], same[1], rtol=0, atol=1e-14)
    assert abs(different[0] - different[1]).max() > 0.01


@kinds
def test_one_batch_can_be_overfitted(kind):
    rng = np.random.default_rng(1)
    words, f = rng.integers(1, 20, (4, 16)), rng.standard_normal((16, 8))
    manual_seed(0)
    model = (DeViSE(8, 20, 32) if kind == "devise" else ConvSentence(8, 20, 16, 32, 32)).double()
    optimizer, losses = optim.Adam(model.parameters(), lr=1e-2), []
    for _ in range(100):
        optimizer.zero_grad()
        loss = model.loss(Tensor(f), Tensor(words))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


@kinds
def test_the_first_loss_is_that_of_pairs_that_nobody_told_apart(kind):
    """With equal scores each of the 2 (B - 1) comparisons of a pair costs the margin."""
    model = made(kind)
    alike, words = np.repeat(F_V[:1], 3, 0), np.repeat(WORDS[:, :1], 3, 1)
    assert model.loss(Tensor(alike), Tensor(words)).item() == pytest.approx(4 * model.margin, abs=1e-12)


@kinds
@pytest.mark.parametrize("f, words, message", [
    (F_V[:, :4], WORDS, r"have shape \(3, 4\); they must be \(I, features=5\)"),
    (F_V[0], WORDS, r"have shape \(5,\); they must be \(I, features=5\)"),
    (F_V, WORDS[0], r"words have shape \(3,\); they must be \(T, C\), time first"),
    (F_V, WORDS * [1, 0, 1], "a sentence has no words"),
    (F_V, WORDS[:0], "a sentence has no words"),
    (F_V[:2], WORDS, r"scores has shape \(2, 3\)"),
])
def test_odd_input(kind, f, words, message):
    with pytest.raises(ValueError, match=message):
        made(kind).loss(Tensor(f), Tensor(words))


def test_a_window_has_a_middle():
    with pytest.raises(ValueError, match="window=4 has no word in its middle"):
        ConvSentence(FEATURES, V, window=4)
    with pytest.raises(NotImplementedError, match="JointEmbedding: sentences is not written"):
        JointEmbedding(FEATURES, V, 4, 4, 0.1)(Tensor(np.float32(F_V)), Tensor(WORDS))


@pytest.mark.oracle
@kinds
def test_against_pytorch(kind):
    """Loss and the gradients of all parameters; the hinges written with PyTorch's, pair by pair."""
    torch = pytest.importorskip("torch")
    nnf = torch.nn.functional
    model = made(kind)
    model.loss(Tensor(F_V), Tensor(WORDS)).backward()
    p = {name: torch.tensor(value, requires_grad=True) for name, value in arrays(model).items()}
    s = []
    for column in WORDS.T:
        x = nnf.embedding(torch.tensor(column[column > 0]), p["W_e.weight"])   # (T, E)
        if kind == "conv":
            x = nnf.relu(nnf.conv1d(x.T[None], p["conv.weight"], p["conv.bias"], padding=1)).amax(2)
            s.append(nnf.linear(x[0], p["W_s.weight"], p["W_s.bias"]))
        else:
            s.append(x.mean(0))
    v = nnf.linear(torch.tensor(F_V), p["W_I.weight"], p["W_I.bias"])
    fit, one = lambda i, j: nnf.cosine_similarity(v[i], s[j], 0), torch.ones(())
    loss = sum(nnf.margin_ranking_loss(fit(i, i), wrong, one, model.margin) for i in range(3) for j in range(3) if i != j
               for wrong in (fit(i, j), fit(j, i))) / 3
    loss.backward()
    assert model.loss(Tensor(F_V), Tensor(WORDS)).item() == pytest.approx(loss.item(), abs=1e-9)
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad.numpy(), p[name].grad.numpy(), rtol=0, atol=1e-9, err_msg=name)
