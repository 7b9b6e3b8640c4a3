"""Reed's recurrences: double loops in NumPy, gradients, how the GRU differs from PyTorch's, and odd input."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck, nn
from tinymm.backend.random import manual_seed
from tinymm.models import ReedGRU, ReedRNN

L, B, I, H = 4, 3, 5, 2
both = pytest.mark.parametrize("kind", [ReedRNN, ReedGRU])


def made(kind, steps: int = L):
    """A model in float64 and an input (steps, B, I)."""
    manual_seed(2)
    return kind(I, H).double(), Tensor(np.random.default_rng(1).standard_normal((steps, B, I)), requires_grad=True)


def weights(model) -> list[np.ndarray]:
    return [p.detach().numpy() for p in (model.weight_ih, model.weight_hh, model.bias_ih, model.bias_hh)]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def by_hand(model, x: np.ndarray) -> np.ndarray:
    """Every unit of every step of every case, one number at a time."""
    W, U, b, d = weights(model)
    out = np.zeros((len(x), x.shape[1], H))
    for n in range(x.shape[1]):
        for t in range(len(x)):
            before = out[t - 1, n]
            a = [sum(W[k, i] * x[t, n, i] for i in range(I)) + b[k] for k in range(len(W))]
            for k in range(H):
                if isinstance(model, ReedRNN):
                    more = sum(U[k, j] * before[j] for j in range(H)) + d[k] if t else 0
                    out[t, n, k] = max(0, a[k] + more)
                elif not t:
                    out[t, n, k] = np.tanh(a[2 * H + k])
                else:
                    u = sigmoid(a[k] + sum(U[k, j] * before[j] for j in range(H)) + d[k])
                    r = [sigmoid(a[H + i] + sum(U[H + i, j] * before[j] for j in range(H)) + d[H + i]) for i in range(H)]
                    c = np.tanh(a[2 * H + k] + sum(U[2 * H + k, j] * r[j] * before[j] for j in range(H)) + d[2 * H + k])
                    out[t, n, k] = u * c + (1 - u) * before[k]
    return out


@both
@pytest.mark.parametrize("steps", [1, L])
def test_the_equations_unit_by_unit(kind, steps):
    model, x = made(kind, steps)
    np.testing.assert_allclose(model(x).detach().numpy(), by_hand(model, x.detach().numpy()), rtol=1e-12, atol=1e-14)


@both
def test_their_gradients(kind):
    model, x = made(kind)
    report = gradcheck(lambda x, *_: model(x), [x, *model.parameters()])
    assert report.ok, str(report)


def test_the_gru_is_not_pytorchs():
    """From one state on, with the same numbers: nn.GRU's r multiplies U h + d, and its z is 1 - u."""
    model, x = made(ReedGRU, 2)
    W, U, b, d = weights(model)
    swap = np.r_[H:2 * H, :H, 2 * H:3 * H]                             # u, r, c -> r, z, n
    sign = np.repeat([1, -1, 1], H)                                    # z = sigmoid(-(...)) = 1 - u
    gru = nn.GRU(I, H).double()
    gru.load_state_dict({"weight_ih_l0": Tensor(W[swap] * sign[:, None]), "weight_hh_l0": Tensor(U[swap] * sign[:, None]),
                         "bias_ih_l0": Tensor(b[swap] * sign), "bias_hh_l0": Tensor(d[swap] * sign)})
    h = model(x).detach()                                              # h_1, h_2
    theirs = gru(x[1:], h[:1])[0][0].detach().numpy()
    assert np.abs(theirs - h[1].numpy()).max() > 1e-3

    h_1, x_2 = h[0].numpy(), x.detach().numpy()[1]                     # both by their own equation: nothing else differs
    a, of_h = x_2 @ W.T + b, h_1 @ U.T + d
    u, r = sigmoid(a[:, :H] + of_h[:, :H]), sigmoid(a[:, H:2 * H] + of_h[:, H:2 * H])
    for wanted, candidate in ((h[1].numpy(), (r * h_1) @ U[2 * H:].T + d[2 * H:]), (theirs, r * of_h[:, 2 * H:])):
        np.testing.assert_allclose(wanted, u * np.tanh(a[:, 2 * H:] + candidate) + (1 - u) * h_1, rtol=1e-12)


@both
def test_inputs_that_do_not_fit(kind):
    for shape in ((L, B, I + 1), (0, B, I), (B, I)):
        with pytest.raises(ValueError, match=rf"{kind.__name__}: x has shape .*; it must be \(L, B, I=5\), time first"):
            kind(I, H)(Tensor(np.zeros(shape, np.float32)))
    with pytest.raises(TypeError, match="not a Tensor"):
        kind(I, H)(np.zeros((L, B, I)))
