"""The slide's layer-normalised RNN: its equations by hand, gradients, PyTorch, lengths, batches, odd input."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, nn
from tinymm.models.layer_norm_rnn import LayerNormRNN

T, B, D, H = 5, 3, 4, 6
both_forms = pytest.mark.parametrize("separate", [False, True], ids=["the slide's form", "two norms"])


def model_of(separate: bool, nonlinearity: str = "tanh") -> LayerNormRNN:
    """A model in float64 with gains and biases that are not 1 and 0."""
    tinymm.manual_seed(1)
    model = LayerNormRNN(D, H, separate, nonlinearity).double()
    rng = np.random.default_rng(0)
    with tinymm.no_grad():
        for p in model.parameters():
            p.copy_(Tensor(rng.standard_normal(p.shape)))
    return model


def inputs(steps: int = T) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(3)
    h = Tensor(rng.standard_normal((B, H)))
    return Tensor(rng.standard_normal((steps, B, D))), h


def normalised(a, eps=1e-5):
    """One case: (H,) -> (H,)."""
    mu = sum(a) / len(a)
    return (a - mu) / np.sqrt(sum((a - mu) ** 2) / len(a) + eps)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@both_forms
def test_the_equations_case_by_case(separate, nonlinearity):
    model = model_of(separate, nonlinearity)
    W_xh, W_hh, g, b = (p.detach().numpy() for p in (model.weight_ih, model.weight_hh, model.gain, model.bias))
    f = np.tanh if nonlinearity == "tanh" else lambda a: np.maximum(a, 0)
    x, h_0 = inputs()
    out, last = model(x, h_0)
    for n in range(B):
        h = h_0.numpy()[n]
        for t in range(T):
            of_h, of_x = W_hh @ h, W_xh @ x.numpy()[t, n]
            a = g * normalised(of_h if separate else of_h + of_x)
            if separate:
                a = a + model.gain_ih.detach().numpy() * normalised(of_x)
            h = f(a + b)
            np.testing.assert_allclose(out.detach().numpy()[t, n], h, rtol=1e-11, atol=1e-13)
    np.testing.assert_array_equal(out[-1].detach().numpy(), last.detach().numpy())


@both_forms
def test_its_gradients(separate):
    model, (x, h) = model_of(separate), inputs(3)
    report = gradcheck(lambda x, h, *parameters: model(x, h), [x, h, *model.parameters()])
    assert report.ok, str(report)


@both_forms
def test_a_longer_sequence_has_the_shorter_ones_states_and_no_more_parameters(separate):
    """One gain and one bias for all steps: nothing in the model knows a length."""
    model, (x, h) = model_of(separate), inputs(40)
    long, _ = model(x, h)
    short, _ = model(x[:T], h)
    np.testing.assert_array_equal(long[:T].detach().numpy(), short.detach().numpy())
    assert sum(p.numel() for p in model.parameters()) == H * D + H * H + (3 if separate else 2) * H


@both_forms
def test_a_case_does_not_see_its_batch(separate):
    model, (x, h) = model_of(separate), inputs()
    together, _ = model(x, h)
    alone, _ = model(x[:, :1], h[:1])
    np.testing.assert_allclose(together[:, :1].detach().numpy(), alone.detach().numpy(), rtol=1e-10, atol=1e-12)


@both_forms
def test_a_state_and_an_input_of_zeros_give_the_bias_and_finite_gradients(separate):
    """sigma = 0, as at the first step of the form with two norms from h_0 = 0."""
    model = model_of(separate)
    out, _ = model(Tensor(np.zeros((1, B, D))))
    np.testing.assert_allclose(out[0].detach().numpy(), np.tile(np.tanh(model.bias.detach().numpy()), (B, 1)), rtol=1e-12)
    gradients = tinymm.grad(out.sum(), [model.weight_ih, model.weight_hh, model.gain, model.bias])
    assert all(np.isfinite(g.numpy()).all() for g in gradients)


def test_one_unit_returns_its_bias():
    """With H = 1 the only unit is its own mean: nothing of the input is left."""
    model = LayerNormRNN(D, 1)
    with tinymm.no_grad():
        model.bias.fill_(0.5)
    out, _ = model(Tensor(np.random.default_rng(0).standard_normal((T, B, D)).astype(np.float32)))
    np.testing.assert_allclose(out.detach().numpy(), np.tanh(0.5), rtol=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="LayerNormRNN: nonlinearity='sin'; choose 'tanh' or 'relu'"):
        LayerNormRNN(2, 3, nonlinearity="sin")
    for eps in (-1e-5, float("nan")):
        with pytest.raises(ValueError, match="must be at least 0; it is added to a variance, inside the root"):
            LayerNormRNN(2, 3, eps=eps)
    with pytest.raises(ValueError, match=r"input has shape \(3, 2\); it must be \(T, B, D=2\)"):
        LayerNormRNN(2, 3)(Tensor(np.zeros((3, 2), np.float32)))


# ---------------------------------------------------------------------- PyTorch

def torch_lstm(torch, x, h, c, W_x, W_h, norm_x, norm_h, norm_c):
    """The paper's LSTM (equations 20 to 22) with torch's LayerNorm over 4H; c is carried as it is."""
    out = []
    for x_t in x:
        f, i, o, g = (norm_h(h @ W_h.T) + norm_x(x_t @ W_x.T)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(norm_c(c))
        out.append(h)
    return torch.stack(out), h, c


def torch_norm(torch, gain, bias, leaves: list):
    """A torch LayerNorm with these numbers; its parameters are appended to ``leaves``."""
    norm = torch.nn.LayerNorm(gain.shape[0], dtype=torch.float64)
    norm.load_state_dict({"weight": torch.tensor(gain.detach().numpy()),
                          "bias": torch.zeros(gain.shape[0]) if bias is None else torch.tensor(bias.detach().numpy())})
    leaves += [norm.weight] if bias is None else [norm.weight, norm.bias]
    return norm


def leaf(torch, value):
    return torch.tensor(value.detach().numpy(), requires_grad=True)


def compared(found, wanted, relative=1e-9):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted):
        a, b = ours.detach().numpy(), theirs.detach().numpy()
        assert a.shape == b.shape and np.abs(a - b).max() <= relative * max(1, np.abs(b).max())


@pytest.mark.oracle
def test_the_lstm_against_torchs_layer_norm():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    lstm = nn.LayerNormLSTM(D, H).double()
    with tinymm.no_grad():
        for p in lstm.parameters():
            p.copy_(Tensor(rng.standard_normal(p.shape)))
    x, h, c = (Tensor(rng.standard_normal(shape), requires_grad=True) for shape in ((T, B, D), (B, H), (B, H)))
    out, (h_T, c_T) = lstm(x, (h, c))

    leaves = [leaf(torch, t) for t in (x, h, c, lstm.weight_ih, lstm.weight_hh)]
    first, extra = list(leaves), []
    norms = [torch_norm(torch, gain, bias, extra) for gain, bias in
             ((lstm.gain_ih, lstm.bias_ih), (lstm.gain_hh, lstm.bias_hh), (lstm.gain_c, lstm.bias_c))]
    theirs = torch_lstm(torch, *first, *norms)
    compared((out, h_T, c_T), theirs)
    weights = [rng.standard_normal(t.shape) for t in (out, h_T, c_T)]
    ours = tinymm.grad(sum((t * Tensor(w)).sum() for t, w in zip((out, h_T, c_T), weights)),
                       [x, h, c, lstm.weight_ih, lstm.weight_hh, lstm.gain_ih, lstm.bias_ih, lstm.gain_hh, lstm.bias_hh,
                        lstm.gain_c, lstm.bias_c])
    compared(ours, torch.autograd.grad(sum((t * torch.tensor(w)).sum() for t, w in zip(theirs, weights)), leaves + extra))


@pytest.mark.oracle
@both_forms
def test_the_rnn_against_torchs_layer_norm(separate):
    torch = pytest.importorskip("torch")
    model, (x, h) = model_of(separate), inputs()
    out, last = model(x, h)
    W_x, W_h = leaf(torch, model.weight_ih), leaf(torch, model.weight_hh)
    extra: list = []
    of_h = torch_norm(torch, model.gain, model.bias, extra)
    of_x = torch_norm(torch, model.gain_ih, None, extra) if separate else None
    state, states = torch.tensor(h.numpy()), []
    for x_t in torch.tensor(x.numpy()):
        a, b = state @ W_h.T, x_t @ W_x.T
        state = torch.tanh(of_h(a) + of_x(b) if separate else of_h(a + b))
        states.append(state)
    theirs = torch.stack(states)
    compared((out, last), (theirs, state))
    ours = tinymm.grad((out * out).sum(), [model.weight_ih, model.weight_hh, model.gain, model.bias,
                                           *([model.gain_ih] if separate else [])])
    compared(ours, torch.autograd.grad((theirs * theirs).sum(), [W_x, W_h, *extra]))
