"""Order embeddings: when E is 0, the loss by hand and by PyTorch, gradients, and that one batch is learned."""

import numpy as np
import pytest

from tinymm import Tensor, nn, no_grad, optim
from tinymm.autograd import gradcheck
from tinymm.backend.random import manual_seed
from tinymm.models import OrderEmbedding, order_violation, ranking_loss

RNG = np.random.default_rng(0)
WORDS = np.array([[2, 3, 4], [3, 0, 2], [0, 0, 5], [0, 0, 0]])
LENGTHS = np.array([3, 2, 4])
FEATURES = RNG.standard_normal((3, 5))


def test_e_is_zero_just_where_the_sentence_lies_below_the_picture():
    im = RNG.uniform(0, 1, (4, 6))
    below = im * RNG.uniform(0, 1, (4, 6))
    E = order_violation(Tensor(below), Tensor(im)).numpy()
    assert (np.diag(E) == 0).all() and (np.diag(order_violation(Tensor(im), Tensor(below)).numpy()) > 0).all()
    s = below.copy()
    s[2, 3] = im[2, 3] + 0.25                       # one coordinate above
    assert order_violation(Tensor(s), Tensor(im)).numpy()[2, 2] == pytest.approx(0.0625)
    wanted = [[sum(max(0, a - b) ** 2 for a, b in zip(x, y)) for y in im] for x in s]
    np.testing.assert_allclose(order_violation(Tensor(s), Tensor(im)).numpy(), wanted, rtol=1e-12)
    with pytest.raises(ValueError, match=r"s has shape \(4, 6\) and im \(4, 5\)"):
        order_violation(Tensor(s), Tensor(im[:, :5]))


def test_the_loss_by_hand():
    S = RNG.standard_normal((4, 4))
    wanted = sum(max(0, 0.2 + S[i, j] - S[i, i]) + max(0, 0.2 + S[j, i] - S[i, i]) for i in range(4) for j in range(4) if i != j)
    assert float(ranking_loss(Tensor(S), 0.2)) == pytest.approx(wanted, rel=1e-12)
    assert float(ranking_loss(Tensor(10 * np.eye(4)), 0.2)) == 0 and float(ranking_loss(Tensor([[1.0]]), 0.2)) == 0
    assert float(ranking_loss(Tensor(np.zeros((4, 4))), 0.05)) == pytest.approx(2 * 12 * 0.05)   # all alike: only the margins
    with pytest.raises(ValueError, match=r"\(4, 3\); it must be \(B, B\)"):
        ranking_loss(Tensor(S[:, :3]), 0.2)


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("score", ["order", "cosine"])
def test_gradients_of_the_whole_model(norm, score):
    manual_seed(0)
    model = OrderEmbedding(6, 5, 4, 3, norm, score).double()
    parameters = list(model.parameters())

    def loss(*_):
        return model.loss(Tensor(WORDS), LENGTHS, Tensor(FEATURES))
    assert gradcheck(loss, parameters)


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_embeddings_have_length_one_and_padding_changes_nothing(norm):
    manual_seed(1)
    model = OrderEmbedding(6, 5, norm=norm)
    with no_grad():
        s, im = model.encode_sentences(Tensor(WORDS), LENGTHS).numpy(), model.encode_pictures(Tensor(np.float32(FEATURES))).numpy()
        alone = model.encode_sentences(Tensor(WORDS[:2, 1:2]), LENGTHS[1:2]).numpy()
        other = WORDS.copy()
        other[2:, 1] = 4                                # behind the end
        again = model.encode_sentences(Tensor(other), LENGTHS).numpy()
    for e in (s, im):
        np.testing.assert_allclose((e**2).sum(1), 1, rtol=1e-5)
        assert (e >= 0).all()
    np.testing.assert_allclose(alone[0], s[1], atol=1e-6)
    np.testing.assert_allclose(again, s, atol=1e-6)


@pytest.mark.parametrize("norm, score", [("none", "order"), ("layer", "order"), ("none", "cosine")])
def test_one_batch_can_be_overfitted(norm, score):
    manual_seed(0)
    rng = np.random.default_rng(3)
    words, lengths, features = rng.integers(2, 12, (5, 16)), np.full(16, 5), np.float32(rng.standard_normal((16, 5)))
    model = OrderEmbedding(12, 5, 16, 32, norm, score)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = model.loss(Tensor(words), lengths, Tensor(features))
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.05 * losses[0]


def test_other_arguments_are_refused():
    with pytest.raises(ValueError, match="norm='batch'; choose"):
        OrderEmbedding(5, 5, norm="batch")
    with pytest.raises(ValueError, match="score='dot'; choose"):
        OrderEmbedding(5, 5, score="dot")
    assert isinstance(OrderEmbedding(5, 5, norm="layer").gru, nn.LayerNormGRU)


@pytest.mark.oracle
@pytest.mark.parametrize("score, margin", [("order", 0.05), ("cosine", 0.2)])
def test_against_pytorch(score, margin):
    """Embeddings and loss of a plain GRU; the loss written with PyTorch's hinge of every triplet, one by one."""
    torch = pytest.importorskip("torch")
    manual_seed(2)
    model = OrderEmbedding(6, 5, 4, 3, "none", score).double()
    gru = torch.nn.GRU(4, 3).double()
    gru.load_state_dict({name: torch.tensor(p.detach().numpy()) for name, p in model.gru.named_parameters()})
    table = torch.tensor(model.embedding.weight.detach().numpy())
    packed = torch.nn.utils.rnn.pack_padded_sequence(table[torch.tensor(WORDS)], torch.tensor(LENGTHS), enforce_sorted=False)
    place = lambda x: torch.nn.functional.normalize(x, dim=1).abs() if score == "order" else torch.nn.functional.normalize(x, dim=1)
    s = place(gru(packed)[1][0])
    im = place(torch.nn.functional.linear(torch.tensor(FEATURES), *(torch.tensor(p.detach().numpy())
                                                                    for p in (model.picture.weight, model.picture.bias))))
    fit = lambda a, b: -((a - b).clamp(min=0) ** 2).sum() if score == "order" else torch.nn.functional.cosine_similarity(a, b, 0)
    one = torch.ones(())
    loss = sum(torch.nn.functional.margin_ranking_loss(fit(s[i], im[i]), fit(*pair), one, margin)
               for i in range(3) for j in range(3) if i != j for pair in ((s[i], im[j]), (s[j], im[i])))
    np.testing.assert_allclose(model.encode_sentences(Tensor(WORDS), LENGTHS).detach().numpy(), s.detach().numpy(), atol=1e-12)
    assert float(model.loss(Tensor(WORDS), LENGTHS, Tensor(FEATURES)).detach()) == pytest.approx(float(loss.detach()), abs=1e-9)
