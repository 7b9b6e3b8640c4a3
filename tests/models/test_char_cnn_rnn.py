"""char-CNN-RNN: published lengths and counts, gradients, PyTorch's modules, one batch overfitted, and odd input."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, optim
from tinymm.backend.random import manual_seed
from tinymm.models import CharCNNRNN, joint_embedding_loss
from tinymm.text.characters import one_hot_characters

TEXTS = ["a red star at the top left", "at the bottom right is a blue ring", "something green", "A big yellow cross", "a disc!"]
both = pytest.mark.parametrize("recurrent", ["rnn", "gru"])


def small(recurrent: str = "gru", channels=(4, 3), **options) -> CharCNNRNN:
    manual_seed(3)
    return CharCNNRNN(channels, 5, recurrent=recurrent, pools=((3, 3), (3, 2)), length=40, **options)


def test_published_lengths_and_counts():
    hybrid, gan = CharCNNRNN.hybrid(), CharCNNRNN.gan()
    assert hybrid.lengths == (198, 66, 63, 21, 18, 8) and gan.lengths == (198, 66, 63, 21, 18)
    assert [sum(p.numel() for p in model.parameters()) for model in (hybrid, gan)] == [1_814_144, 4_045_184]
    assert all(0.07 < np.abs(p.detach().numpy()).max() <= 0.08 for model in (hybrid, gan) for p in model.parameters())
    t, steps = Tensor(one_hot_characters(TEXTS[:2])), []
    for layer in hybrid.cnn:
        t = layer(t)
        steps.append(t.shape[2])
    assert steps == [198, 198, 66, 63, 63, 21, 18, 18, 8] and t.shape == (2, 256, 8)
    assert gan(Tensor(one_hot_characters(TEXTS[:2]))).shape == (2, 1024)


@both
def test_gradients_of_the_whole_model(recurrent):
    model, t = small(recurrent).double(), Tensor(one_hot_characters(TEXTS[:2], 40).astype(float))
    report = gradcheck(lambda *_: model(t), list(model.parameters()))
    assert report.ok, str(report)


def test_a_text_does_not_see_its_batch_nor_its_capitals():
    model = small().double()
    together = model(Tensor(one_hot_characters(TEXTS, 40).astype(float))).detach().numpy()
    alone = model(Tensor(one_hot_characters([TEXTS[1].upper()], 40).astype(float))).detach().numpy()
    np.testing.assert_allclose(alone[0], together[1], rtol=1e-12)
    assert np.abs(together[1:] - together[:-1]).max(1).min() > 1e-3


@both
def test_one_batch_can_be_overfitted(recurrent):
    """Five texts find five fixed pictures: the hinge starts near its value with all scores alike, 2 (B - 1) / B, and ends at 0."""
    model, B = small(recurrent, (16, 16), uniform=0.08), len(TEXTS)
    theta, t = Tensor(np.random.default_rng(0).standard_normal((B, 5)).astype(np.float32)), Tensor(one_hot_characters(TEXTS, 40))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = joint_embedding_loss(theta @ model(t).T, np.arange(B))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(2 * (B - 1) / B, abs=0.01) and losses[-1] < 0.02


@pytest.mark.oracle
@both
def test_the_model_against_pytorchs_modules(recurrent):
    """Convolutions, pools, linears; the RNN by torch.nn.RNN from h_1 on, the GRU step by step with torch.nn.Linear."""
    torch = pytest.importorskip("torch")
    model = small(recurrent).double()
    x = Tensor(np.random.default_rng(4).standard_normal((3, 70, 40)), requires_grad=True)
    out = model(x)
    weight = np.random.default_rng(5).standard_normal(out.shape)
    ours = tinymm.grad((out * Tensor(weight)).sum(), [x, *model.parameters()])

    nn, names = torch.nn, [name for name, _ in model.named_parameters()]
    theirs = {name: torch.tensor(p.detach().numpy(), requires_grad=True) for name, p in model.named_parameters()}
    cnn = nn.Sequential(nn.Conv1d(70, 4, 4), nn.ReLU(), nn.MaxPool1d(3, 3), nn.Conv1d(4, 3, 4), nn.ReLU(), nn.MaxPool1d(3, 2))
    x_t = torch.tensor(x.detach().numpy(), requires_grad=True)
    call = torch.func.functional_call
    c = call(cnn, {name[4:]: p for name, p in theirs.items() if name.startswith("cnn.")}, x_t).permute(2, 0, 1)   # (L, N, 3)
    W, U, b, d = (theirs["recurrent." + name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    if recurrent == "rnn":
        h_1 = torch.relu(nn.functional.linear(c[0], W, b))[None]
        rnn = nn.RNN(3, 3, nonlinearity="relu", dtype=torch.float64)
        later, _ = call(rnn, dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), (W, U, b, d))), (c[1:], h_1))
        h = torch.cat([h_1, later])
    else:
        (W_u, W_r, W_c), (U_u, U_r, U_c), (b_u, b_r, b_c), (d_u, d_r, d_c) = (p.chunk(3) for p in (W, U, b, d))
        linear, states = nn.functional.linear, []
        for n, x_n in enumerate(c):
            if not n:
                states.append(torch.tanh(linear(x_n, W_c, b_c)))
                continue
            before = states[-1]
            u = torch.sigmoid(linear(x_n, W_u, b_u) + linear(before, U_u, d_u))
            r = torch.sigmoid(linear(x_n, W_r, b_r) + linear(before, U_r, d_r))
            candidate = torch.tanh(linear(x_n, W_c, b_c) + linear(r * before, U_c, d_c))
            states.append(u * candidate + (1 - u) * before)
        h = torch.stack(states)
    out_t = nn.functional.linear(h.mean(0), theirs["project.weight"], theirs["project.bias"])
    np.testing.assert_allclose(out.detach().numpy(), out_t.detach().numpy(), rtol=1e-9, atol=1e-12)
    wanted = torch.autograd.grad((out_t * torch.tensor(weight)).sum(), [x_t, *(theirs[name] for name in names)])
    for name, a, w in zip(["x", *names], ours, wanted):
        assert np.abs(a.numpy() - w.numpy()).max() <= 1e-9 * max(1, w.abs().max().item()), name


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="recurrent='lstm'; choose from rnn, gru"):
        CharCNNRNN(recurrent="lstm")
    with pytest.raises(ValueError, match="at most one pool for each"):
        CharCNNRNN((4,), pools=((3, 3), (3, 3)))
    with pytest.raises(ValueError, match=r"length=20 is too short .* \(17, 5, 2, 0\) steps are left"):
        CharCNNRNN((4, 4), pools=((3, 3), (3, 2)), length=20)
    with pytest.raises(ValueError, match=r"t has shape \(2, 70, 41\); it must be \(N, 70 symbols, length=40\)"):
        small()(Tensor(one_hot_characters(TEXTS[:2], 41)))
    with pytest.raises(TypeError, match="not a Tensor"):
        small()(one_hot_characters(TEXTS[:2], 40))
