"""Where normalisation has nothing to go by: one unit, one case, no steps, and an eps that no root takes."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn
from tinymm import functional as F
from tinymm.backend.jit import use_kernels

LAYERS = [nn.LayerNormLSTM, nn.LayerNormGRU]
RNG = np.random.default_rng(0)
kernels = pytest.mark.parametrize("kernels", ["numpy", "numba"])


def finite(*tensors):
    return all(t.grad is not None and np.isfinite(t.grad.numpy()).all() for t in tensors)


@kernels
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", ["one unit", "constant rows"])
def test_layer_norm_without_variance_returns_the_bias(rows, dtype, kernels):
    H = 1 if rows == "one unit" else 5
    x = Tensor(np.repeat(RNG.normal(size=(4, 1)), H, 1).astype(dtype), requires_grad=True)
    weight, bias = (Tensor(RNG.normal(size=H).astype(dtype), requires_grad=True) for _ in range(2))
    with use_kernels(kernels):
        y = F.layer_norm(x, (H,), weight, bias)
        (y * Tensor(RNG.normal(size=(4, H)).astype(dtype))).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), np.broadcast_to(bias.detach().numpy(), (4, H)), rtol=0, atol=1e-4)
    assert finite(x, weight, bias)
    if rows == "one unit":   # the output is the bias, whatever the input
        assert (y.detach().numpy() == bias.detach().numpy()).all() and not weight.grad.numpy().any()
        # h - mean(h) is 0 up to a rounding of h (below 16), and is multiplied by 1 / sqrt(eps) = 316
        assert np.abs(x.grad.numpy()).max() <= 316.3 * 16 * np.finfo(dtype).eps


@kernels
@pytest.mark.parametrize("layer", LAYERS)
def test_a_recurrence_of_one_unit(layer, kernels):
    """The z and r of a GRU, and the four gates of an LSTM, are normalised together; only what has one unit is the bias."""
    tinymm.manual_seed(0)
    model, x = layer(3, 1).double(), Tensor(RNG.normal(size=(6, 2, 3)), requires_grad=True)
    with use_kernels(kernels):
        out, _ = model(x)
        out.sum().backward()
    assert out.shape == (6, 2, 1) and np.isfinite(out.detach().numpy()).all() and finite(x, *model.parameters())
    if layer is nn.LayerNormLSTM:   # h' = s(o) tanh(LN(c)) with LN(c) = bias_c = 0
        assert not out.detach().numpy().any()


def test_batch_norm_of_one_case():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="batch_norm: expected more than 1 value per channel when training, .* Use a larger batch"):
        layer(Tensor(np.ones((1, 3))))
    assert layer.eval()(Tensor(np.ones((1, 3)))).shape == (1, 3)


@kernels
@pytest.mark.parametrize("layer", LAYERS)
def test_sequences_without_a_step(layer, kernels):
    """Length 0: no output, the state as it was given, and no gradient but the state's; the other sequences as if alone."""
    tinymm.manual_seed(0)
    model = layer(3, 4).double()
    x, h = Tensor(RNG.normal(size=(5, 3, 3)), requires_grad=True), Tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    state = (lambda h: (h, h)) if layer is nn.LayerNormLSTM else (lambda h: h)
    with use_kernels(kernels):
        out, last = model(x, state(h), lengths=[5, 0, 2])
        last = last if isinstance(last, tuple) else (last,)
        alone, _ = model(x[:2, 2:], state(h[2:]))
        (out.sum() + sum(s.sum() for s in last)).backward()
    assert not out[:, 1].detach().numpy().any()
    for s in last:
        np.testing.assert_array_equal(s[1].detach().numpy(), h[1].detach().numpy())
    np.testing.assert_allclose(out[:2, 2:].detach().numpy(), alone.detach().numpy(), rtol=1e-12, atol=1e-12)
    assert not x.grad[:, 1].numpy().any() and finite(x, h, *model.parameters())
    np.testing.assert_array_equal(h.grad[1].numpy(), float(len(last)))
    with pytest.raises(ValueError, match="lengths"):
        model(x, state(h), lengths=[5, -1, 2])


X = Tensor(np.ones((2, 4)))
CALLS = {
    "layer_norm": lambda eps: F.layer_norm(X, (4,), eps=eps), "rms_norm": lambda eps: F.rms_norm(X, (4,), eps=eps),
    "group_norm": lambda eps: F.group_norm(X, 2, eps=eps),
    "instance_norm": lambda eps: F.instance_norm(X[:, :, None] * Tensor(np.arange(2.0)), eps=eps),
    "batch_norm": lambda eps: nn.BatchNorm1d(4, eps=eps).double()(X),
    "layer_norm_lstm": lambda eps: nn.LayerNormLSTM(4, 3, eps=eps).double()(X[None]),
    "layer_norm_gru": lambda eps: nn.LayerNormGRU(4, 3, eps=eps).double()(X[None]),
    "layer_norm_lstm_cell": lambda eps: nn.LayerNormLSTMCell(4, 3, eps=eps).double()(X),
    "layer_norm_gru_cell": lambda eps: nn.LayerNormGRUCell(4, 3, eps=eps).double()(X)}


@pytest.mark.parametrize("eps", [-1e-5, -1.0, float("nan")])
@pytest.mark.parametrize("name", CALLS)
def test_an_eps_below_0_is_refused(name, eps):
    with pytest.raises(ValueError, match=f"^{name}: eps=.* must be at least 0; it is added to the variance, inside the root"):
        CALLS[name](eps)


@pytest.mark.parametrize("name", CALLS)
def test_an_eps_of_0_is_taken(name):
    with np.errstate(all="ignore"):   # the rows are constant
        CALLS[name](0)
