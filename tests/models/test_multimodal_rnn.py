"""m-RNN: its equations by hand and by PyTorch, gradients, decoding, the likelihood of every pair, where the picture goes in."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend.random import manual_seed
from tinymm.decode import greedy_search
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.lrcn import FLOOR
from tinymm.models.multimodal_rnn import MultimodalRNN

FEATURES, V, E, H, M = 5, 8, 3, 4, 6
PAD, START, END = 0, 1, 2
TARGETS = np.array([[3, 4, 6], [5, 5, END], [4, END, PAD], [END, PAD, PAD]])        # (T, B)
S = np.concatenate([np.full((1, 3), START), np.where(TARGETS == END, PAD, TARGETS)[:-1]])
F_V = np.random.default_rng(0).standard_normal((3, FEATURES))


def made(seed: int = 0) -> MultimodalRNN:
    model, rng = MultimodalRNN(FEATURES, V, E, H, M, PAD).double(), np.random.default_rng(seed)
    with no_grad():
        for p in model.parameters():
            p.copy_(Tensor(0.7 * rng.standard_normal(p.shape)))
    return model


def weights(model) -> dict[str, np.ndarray]:
    return {name: p.numpy() for name, p in model.state_dict().items()}


def test_the_equations_sentence_by_sentence():
    model = made()
    p, logits = weights(model), model(Tensor(F_V), Tensor(S)).detach().numpy()
    for b in range(3):
        r = np.zeros(H)
        for t in range(len(S)):
            w = p["W_2.weight"] @ p["W_1.weight"][S[t, b]] + p["W_2.bias"]
            r = np.maximum(0, p["U_r.weight"] @ r + w)
            m = 1.7159 * np.tanh(2 / 3 * (p["V_w.weight"] @ w + p["V_r.weight"] @ r + p["V_I.weight"] @ F_V[b] + p["V_w.bias"]))
            np.testing.assert_allclose(logits[t, b], p["W_m.weight"] @ m + p["W_m.bias"], rtol=0, atol=1e-12)


def test_gradients_of_the_whole_model():
    model = made()
    assert gradcheck(lambda *_: -caption_log_prob(model(Tensor(F_V), Tensor(S)), Tensor(TARGETS)).sum(), list(model.parameters()))


def test_the_recurrent_layer_never_sees_the_picture():
    """What is read of the words is the same for all pictures, and every step's logits depend on the picture."""
    model = made()
    f = Tensor(F_V, requires_grad=True)
    for t in range(len(S)):
        f.grad = None
        (model(f, Tensor(S))[t] ** 2).sum().backward()
        assert (abs(f.grad.numpy()).max(1) > 1e-6).all()
    assert model.read(Tensor(S)).shape == (4, 3, M)


def test_steps_are_the_whole():
    model = made()
    wanted, state = model(Tensor(F_V), Tensor(S)).log_softmax(-1).detach().numpy(), model.start(Tensor(F_V))
    for t in range(len(S)):
        log_p, state = model.step(S[t], state)
        np.testing.assert_allclose(log_p.detach().numpy(), wanted[t], rtol=0, atol=1e-12)
    found = greedy_search(model.step, model.start(Tensor(F_V)), 3, start=START, end=END, max_length=5)
    assert len(found) == 3


@pytest.mark.parametrize("few", [False, True])
def test_every_picture_with_every_caption(few, monkeypatch):
    if few:
        monkeypatch.setattr("tinymm.models.multimodal_rnn.PAIRS", 1)        # one picture at a time
    model, words = made(), np.concatenate([S[:1], TARGETS])
    masks = np.stack([(TARGETS != PAD) & (TARGETS != END), TARGETS != PAD])
    found = model.log_likelihoods(Tensor(F_V), Tensor(words), masks)
    assert found.shape == (2, 3, 3) and found.dtype == np.float64
    for i in range(3):
        log_p = model(Tensor(np.repeat(F_V[i:i + 1], 3, 0)), Tensor(words[:-1])).log_softmax(-1).detach().numpy()
        said = np.maximum(np.take_along_axis(log_p, TARGETS[:, :, None], 2)[:, :, 0], np.log(FLOOR))
        np.testing.assert_allclose(found[:, i], (said * masks).sum(1), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(model.log_likelihoods(Tensor(F_V), Tensor(words), masks[1]), found[1])


def test_the_first_loss_and_one_batch_overfitted():
    manual_seed(0)
    model = MultimodalRNN(FEATURES, V, 16, 32, 32, PAD)
    optimizer, f, losses = optim.Adam(model.parameters(), lr=1e-2), Tensor(np.float32(F_V)), []
    for _ in range(100):
        optimizer.zero_grad()
        loss = -caption_log_prob(model(f, Tensor(S)), Tensor(TARGETS)).sum() / int((TARGETS != PAD).sum())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert abs(losses[0] - np.log(V)) < 0.25 and losses[-1] < 0.05


@pytest.mark.parametrize("call, message", [
    (lambda m: m(Tensor(F_V[:, :4]), Tensor(S)), r"have shape \(3, 4\); they must be \(B, features=5\)"),
    (lambda m: m(Tensor(F_V), Tensor(S.T.copy())), r"S has shape \(3, 4\); it takes words \(T, B=3\), time first"),
    (lambda m: m(Tensor(F_V), Tensor(S[:0])), "T at least 1"),
    (lambda m: m.start(Tensor(F_V[0])), r"have shape \(5,\)"),
    (lambda m: m.log_likelihoods(Tensor(F_V), Tensor(S), S > 0), r"they must be \(T \+ 1, C\)"),
    (lambda m: m.log_likelihoods(Tensor(F_V[:0]), Tensor(S), S[1:] > 0), "there are no pictures"),
])
def test_odd_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(made())


@pytest.mark.oracle
def test_against_pytorch():
    """Logits, loss, and the gradients of all parameters, with PyTorch's own recurrent cell."""
    torch = pytest.importorskip("torch")
    model = made()
    logits = model(Tensor(F_V), Tensor(S))
    loss = -caption_log_prob(logits, Tensor(TARGETS)).sum()
    loss.backward()
    p = {name: torch.tensor(value, requires_grad=True) for name, value in weights(model).items()}
    linear, zero = torch.nn.functional.linear, torch.zeros(H).double()
    r, outputs = torch.zeros(3, H).double(), []
    for words in torch.tensor(S):
        w = linear(p["W_1.weight"][words], p["W_2.weight"], p["W_2.bias"])
        r = torch.rnn_relu_cell(w, r, torch.eye(H).double(), p["U_r.weight"], zero, zero)
        m = linear(w, p["V_w.weight"], p["V_w.bias"]) + linear(r, p["V_r.weight"]) + linear(torch.tensor(F_V), p["V_I.weight"])
        outputs.append(linear(1.7159 * torch.tanh(m / 1.5), p["W_m.weight"], p["W_m.bias"]))
    theirs = torch.stack(outputs)
    wanted = torch.nn.functional.cross_entropy(theirs.reshape(-1, V), torch.tensor(TARGETS).reshape(-1), ignore_index=PAD,
                                               reduction="sum")
    wanted.backward()
    np.testing.assert_allclose(logits.detach().numpy(), theirs.detach().numpy(), rtol=0, atol=1e-9)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-9)
    for name, parameter in model.named_parameters():
        reference = p[name].grad.numpy().copy()
        if name == "W_1.weight":
            reference[PAD] = 0                                             # tinymm's padding has no gradient
        np.testing.assert_allclose(parameter.grad.numpy(), reference, rtol=0, atol=1e-9, err_msg=name)
