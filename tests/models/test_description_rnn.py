"""DescriptionRNN: its equations in a loop of PyTorch, gradients, the picture at the first step alone, decoding, learning."""

import numpy as np
import pytest

from tinymm import Tensor, gradcheck, no_grad, optim
from tinymm.backend.random import manual_seed
from tinymm.decode import beam_search, greedy_search
from tinymm.models.caption_likelihood import caption_log_prob
from tinymm.models.description_rnn import DescriptionRNN

FEATURES, V, E, H = 5, 8, 3, 4
PAD, START, END = 0, 1, 2
TARGETS = np.array([[3, 4, 6], [5, 5, END], [4, END, PAD], [END, PAD, PAD]])        # (T, B)
S = np.concatenate([np.full((1, 3), START), np.where(TARGETS == END, PAD, TARGETS)[:-1]])
F_V = np.random.default_rng(0).standard_normal((3, FEATURES))
EACH = pytest.mark.parametrize("image", ["once", "every"])


def made(image: str = "once") -> DescriptionRNN:
    model, rng = DescriptionRNN(FEATURES, V, E, H, PAD, image).double(), np.random.default_rng(1)
    with no_grad():
        for p in model.parameters():
            p.copy_(Tensor(0.7 * rng.standard_normal(p.shape)))
        model.W_w.weight[PAD] = 0
    return model


@EACH
def test_gradients_of_the_whole_model(image):
    model = made(image)
    assert gradcheck(lambda *_: -caption_log_prob(model(Tensor(F_V), Tensor(S)), Tensor(TARGETS)).sum(), list(model.parameters()))


def test_the_picture_enters_at_the_first_step_alone():
    """h_1 has b_v added to what the words alone give, before the rectifier; cut the recurrence, and no later step knows of it."""
    model = made()
    with no_grad():
        model.W_hh.weight.zero_()
        model.W_oh.weight.copy_(Tensor(np.eye(V, H)))                      # the first H logits are h_t
        model.W_oh.bias.zero_()
    w = {name: p.numpy() for name, p in model.state_dict().items()}
    words = w["W_w.weight"][S] @ w["W_hx.weight"].T + w["W_hx.bias"]       # (T, B, H)
    words[0] += F_V @ w["W_hi.weight"].T
    np.testing.assert_allclose(model(Tensor(F_V), Tensor(S)).detach().numpy()[..., :H], np.maximum(words, 0), rtol=0, atol=1e-14)
    f = Tensor(F_V, requires_grad=True)
    model(f, Tensor(S))[1:].sum().backward()
    assert not f.grad.numpy().any()


def test_the_recurrence_carries_the_picture_on():
    f = Tensor(F_V, requires_grad=True)
    (made()(f, Tensor(S))[-1] ** 2).sum().backward()
    assert (abs(f.grad.numpy()).max(1) > 1e-9).any()


@EACH
def test_steps_are_the_whole(image):
    model = made(image)
    wanted, state = model(Tensor(F_V), Tensor(S)).log_softmax(-1).detach().numpy(), model.start(Tensor(F_V))
    for t in range(len(S)):
        log_p, state = model.step(S[t], state)
        np.testing.assert_allclose(log_p.detach().numpy(), wanted[t], rtol=0, atol=1e-12)


def test_beam_search():
    model = made()
    greedy = greedy_search(model.step, model.start(Tensor(F_V)), 3, start=START, end=END, max_length=5)
    beams = beam_search(model.step, model.start(Tensor(F_V)), 3, start=START, end=END, max_length=5, beam_size=7)
    assert len(beams) == 3
    for found, one in zip(beams, greedy):
        assert found[0].log_prob >= one.log_prob - 1e-12


def test_the_first_loss_and_one_batch_overfitted():
    manual_seed(0)
    model = DescriptionRNN(FEATURES, V, 16, 32, PAD)
    optimizer, f, losses = optim.Adam(model.parameters(), lr=1e-2), Tensor(np.float32(F_V)), []
    for _ in range(100):
        optimizer.zero_grad()
        loss = -caption_log_prob(model(f, Tensor(S)), Tensor(TARGETS)).sum() / int((TARGETS != PAD).sum())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert abs(losses[0] - np.log(V)) < 0.25 and losses[-1] < 0.05
    found = beam_search(model.step, model.start(f), 3, start=START, end=END, max_length=5, beam_size=3)
    assert [h[0].tokens for h in found] == [(3, 5, 4), (4, 5), (6,)]


@pytest.mark.parametrize("call, message", [
    (lambda m: m(Tensor(F_V[:, :4]), Tensor(S)), r"have shape \(3, 4\); they must be \(B, features=5\)"),
    (lambda m: m(Tensor(F_V), Tensor(S.T.copy())), r"S has shape \(3, 4\); it takes words \(T, B=3\), time first"),
    (lambda m: m(Tensor(F_V), Tensor(S[:0])), "T at least 1"),
    (lambda m: m.start(Tensor(F_V[0])), r"have shape \(5,\)"),
    (lambda m: DescriptionRNN(FEATURES, V, image="last"), "image='last'; choose from once, every"),
])
def test_odd_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(made())


@pytest.mark.oracle
@EACH
def test_against_pytorch(image):
    """Logits, loss, and the gradients of all parameters, against a loop of ten lines."""
    torch = pytest.importorskip("torch")
    model = made(image)
    logits = model(Tensor(F_V), Tensor(S))
    loss = -caption_log_prob(logits, Tensor(TARGETS)).sum()
    loss.backward()
    p = {name: torch.tensor(value.numpy(), requires_grad=True) for name, value in model.state_dict().items()}
    h, theirs = torch.zeros(3, H).double(), []
    for t, words in enumerate(torch.tensor(S)):
        x = p["W_w.weight"][words]
        before = x @ p["W_hx.weight"].T + h @ p["W_hh.weight"].T + p["W_hx.bias"]
        if t == 0 or image == "every":
            before = before + torch.tensor(F_V) @ p["W_hi.weight"].T
        h = torch.relu(before)
        theirs.append(h @ p["W_oh.weight"].T + p["W_oh.bias"])
    wanted = torch.nn.functional.cross_entropy(torch.stack(theirs).reshape(-1, V), torch.tensor(TARGETS).reshape(-1),
                                               ignore_index=PAD, reduction="sum")
    wanted.backward()
    np.testing.assert_allclose(logits.detach().numpy(), torch.stack(theirs).detach().numpy(), rtol=0, atol=1e-9)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-9)
    for name, parameter in model.named_parameters():
        reference = p[name].grad.numpy().copy()
        if name == "W_w.weight":
            reference[PAD] = 0                                             # tinymm's padding has no gradient
        np.testing.assert_allclose(parameter.grad.numpy(), reference, rtol=0, atol=1e-9, err_msg=name)
