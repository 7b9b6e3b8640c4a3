"""The CNN of LRCN: its layers by hand, clips frame by frame, gradients with a recurrent network behind it, odd input."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, gradcheck, no_grad
from tinymm import functional as F
from tinymm.models import ActivityLRCN, FrameEncoder


def encoder(**options) -> FrameEncoder:
    tinymm.manual_seed(0)
    return FrameEncoder(2, (8, 8), **{"channels": (3, 4), "sizes": (6, 5), **options}).double()


def clips(T=3, B=2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((T, B, 2, 8, 8))


def test_fc6_and_fc7_are_two_layers():
    model = encoder().eval()
    frames = Tensor(clips()[0])
    a = model.conv.feature_map(frames).flatten(1).detach().numpy()                          # (B, 4 * 2 * 2)
    six = np.maximum(a @ model.W_6.weight.detach().numpy().T + model.W_6.bias.detach().numpy(), 0)
    seven = np.maximum(six @ model.W_7.weight.detach().numpy().T + model.W_7.bias.detach().numpy(), 0)
    np.testing.assert_allclose(model.fc6(frames).detach().numpy(), six, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model(frames).detach().numpy(), seven, rtol=1e-12, atol=1e-14)
    assert model.features == {"fc6": 6, "fc7": 5} and six.shape == (2, 6) and seven.shape == (2, 5)


@pytest.mark.parametrize("layer", ["fc6", "fc7"])
def test_a_clip_is_read_frame_by_frame(layer):
    """Nothing of one clip, or of one time, arrives at another: the place where time first and batch first are mixed up."""
    model, x = encoder().eval(), clips(T=4, B=3)
    found = model.of_clips(Tensor(x), layer).detach().numpy()
    assert found.shape == (4, 3, model.features[layer])
    for t in range(4):
        for b in range(3):
            alone = getattr(model, layer)(Tensor(x[t, b][None])).detach().numpy()[0]
            np.testing.assert_allclose(found[t, b], alone, rtol=1e-12, atol=1e-14)


def test_dropout_is_on_both_layers_in_training():
    """A coordinate of fc6 that is left is twice what it was; fc7 then sees another fc6, and half of it is zero."""
    frames = Tensor(np.random.default_rng(1).standard_normal((200, 2, 8, 8)))
    whole, dropped = encoder(), encoder(dropout=0.5)
    was, now = whole.fc6(frames).detach().numpy(), dropped.fc6(frames).detach().numpy()
    left = now[was > 0] != 0
    assert 0.4 < left.mean() < 0.6
    np.testing.assert_allclose(now[was > 0][left], 2 * was[was > 0][left], rtol=1e-12)
    dropped.W_7.bias.data.fill_(100)                       # without dropout nothing would be zero
    assert 0.4 < (dropped.fc7(frames).detach().numpy() == 0).mean() < 0.6
    assert (dropped.eval().fc7(frames).detach().numpy() != 0).all()


@pytest.mark.parametrize("layer", ["fc6", "fc7"])
def test_gradients_through_time_and_through_the_cnn(layer):
    model = encoder()
    lrcn = ActivityLRCN(model.features[layer], 3, hidden=4, dropout=0.0).double()
    with no_grad():
        for p in lrcn.parameters():
            p.copy_(Tensor(0.5 * np.random.default_rng(2).standard_normal(p.shape)))
    used = dict(lrcn.named_parameters()) | {name: p for name, p in model.named_parameters()
                                            if not (layer == "fc6" and name.startswith("W_7"))}
    labels = Tensor(np.array([2, 0] * 3))

    def loss(x, *parameters):
        return F.cross_entropy(lrcn(model.of_clips(x, layer)).flatten(0, 1), labels)

    assert gradcheck(loss, [Tensor(clips(), requires_grad=True), *used.values()])


def test_what_does_not_fit_is_refused():
    model = encoder()
    with pytest.raises(ValueError, match=r"FrameEncoder: frames have shape \(2, 2, 8, 9\); they must be \(B, C=2, H=8, W=8\)"):
        model.fc6(Tensor(np.zeros((2, 2, 8, 9))))
    with pytest.raises(ValueError, match="FrameEncoder: layer='fc8'; choose from fc6, fc7"):
        model.of_clips(Tensor(clips()), "fc8")
    with pytest.raises(ValueError, match=r"clips have shape \(2, 2, 8, 8\); they must be \(T, B, C, H, W\), time first"):
        model.of_clips(Tensor(clips()[0]))
    for size in (8, (8,), (3, 8)):
        with pytest.raises(ValueError, match=r"FrameEncoder: picture_size=.*; it must be \(H, W\), at least 4 pixels each"):
            FrameEncoder(2, size, (3, 4))


def test_no_clips_and_no_steps_keep_the_features():
    for T, B in ((0, 2), (3, 0)):
        assert encoder().eval().of_clips(Tensor(clips(T, B)), "fc6").shape == (T, B, 6)


@pytest.mark.oracle
@pytest.mark.parametrize("layer", ["fc6", "fc7"])
def test_pytorch_says_the_same_of_clips(layer):
    """The whole network, CNN and LSTM: probabilities, loss, and the gradients of frames and of every weight."""
    torch = pytest.importorskip("torch")
    model = encoder()
    lrcn = ActivityLRCN(model.features[layer], 3, hidden=4, dropout=0.0).double()
    T, B, labels = 5, 3, np.array([2, 0, 1])
    x = Tensor(clips(T, B), requires_grad=True)
    logits = lrcn(model.of_clips(x, layer))
    loss = F.cross_entropy(logits.flatten(0, 1), Tensor(np.tile(labels, T)))
    loss.backward()

    theirs = {}
    for name, p in [*model.named_parameters(), *lrcn.named_parameters()]:
        theirs[name] = torch.tensor(p.detach().numpy(), requires_grad=True)
    z = theirs_x = torch.tensor(x.detach().numpy(), requires_grad=True)
    z = z.reshape(T * B, 2, 8, 8)
    for k in (0, 4):   # convolution, batch normalisation, ReLU, pooling
        z = torch.nn.functional.conv2d(z, theirs[f"conv.layers.{k}.weight"], theirs[f"conv.layers.{k}.bias"], padding=1)
        z = torch.nn.functional.batch_norm(z, None, None, theirs[f"conv.layers.{k + 1}.weight"],
                                           theirs[f"conv.layers.{k + 1}.bias"], training=True)
        z = torch.nn.functional.max_pool2d(torch.relu(z), 2)
    z = z.flatten(1)
    for name in ("W_6", "W_7")[:1 + (layer == "fc7")]:
        z = torch.relu(z @ theirs[f"{name}.weight"].T + theirs[f"{name}.bias"])
    cell = [theirs[f"f_W.cell.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    h = c = torch.zeros(B, 4, dtype=torch.float64)
    steps = []
    for x_t in z.reshape(T, B, -1):
        h, c = torch.lstm_cell(x_t, (h, c), *cell)
        steps.append(h @ theirs["W_zc.weight"].T + theirs["W_zc.bias"])
    said = torch.stack(steps)
    torch.nn.functional.cross_entropy(said.flatten(0, 1), torch.tensor(np.tile(labels, T))).backward()

    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    close(logits.softmax(-1).detach().numpy(), said.softmax(-1).detach().numpy())
    close(x.grad.numpy(), theirs_x.grad.numpy())
    for name, p in [*model.named_parameters(), *lrcn.named_parameters()]:
        if p.grad is not None:
            close(p.grad.numpy(), theirs[name].grad.numpy())
    assert sum(p.grad is None for p in model.parameters()) == (2 if layer == "fc6" else 0)   # W_7 has no part in fc6
