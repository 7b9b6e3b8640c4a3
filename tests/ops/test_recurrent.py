"""Recurrent operations: known numbers, ragged batches, resets, dropout, layer norm, and PyTorch's packed sequences."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, grad
from tinymm.autograd.registry import Draw
from tinymm.backend import random
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.functional import (gru, gru_cell, layer_norm_gru, layer_norm_gru_cell, layer_norm_lstm,
                               layer_norm_lstm_cell, lstm, lstm_cell, pack_padded_sequence, pack_sequence,
                               pad_packed_sequence, pad_sequence, rnn_relu, rnn_tanh, unpad_sequence)
from tinymm.ops.recurrent.lstm_tiles import suitable

OPS = {"lstm": (lstm, 4), "gru": (gru, 3), "rnn_tanh": (rnn_tanh, 1), "rnn_relu": (rnn_relu, 1)}


def ramp(*shape, scale=1.0):
    """Numbers that anybody can make again."""
    return Tensor(scale * np.sin(1 + 0.7 * np.arange(int(np.prod(shape)))).reshape(shape))


def weights(draw, gates, D, H, layers=1, directions=1):
    found = []
    for i in range(layers * directions):
        features = D if i < directions else H * directions
        found += [draw.normal(gates * H, features, scale=0.5), draw.normal(gates * H, H, scale=0.5),
                  draw.normal(gates * H), draw.normal(gates * H)]
    return found


def call(name, x, states, params, layers=1, two=False, **options):
    """(output, final states...) of one of OPS; ``states`` is a list."""
    hx = tuple(states) if name == "lstm" else states[0]
    return OPS[name][0](x, hx, params, True, layers, 0.0, False, two, False, **options)


def n_states(name):
    return 2 if name == "lstm" else 1


@pytest.mark.parametrize("two", [False, True])
@pytest.mark.parametrize("op", [rnn_relu, rnn_tanh])
def test_an_input_that_is_added_as_it_is(op, two):
    """The same as with the identity for its weights: outputs, states, gradients."""
    draw, directions = Draw(5), 1 + two
    x, h = Tensor(draw.normal(4, 3, 5), requires_grad=True), Tensor(draw.normal(directions, 3, 5), requires_grad=True)
    w = [Tensor(draw.normal(5, 5, scale=0.4), requires_grad=True) for _ in range(directions)]
    b = [Tensor(draw.normal(5), requires_grad=True) for _ in range(directions)]
    results = []
    for w_ih, b_ih in ((None, None), (Tensor(np.eye(5)), Tensor(np.zeros(5)))):
        params = [p for i in range(directions) for p in (w_ih, w[i], b_ih, b[i])]
        y, last = op(x, h, params, True, 1, 0.0, False, two, False, lengths=[4, 1, 3])
        results.append([y, last, *grad((y * y).sum() + last.sum(), [x, h, *w, *b])])
    for given, wanted in zip(*results):
        np.testing.assert_allclose(given.detach().numpy(), wanted.detach().numpy(), rtol=1e-14, atol=1e-14)


# ---------------------------------------------------------------------- known numbers (made with PyTorch 2.13)

@pytest.mark.parametrize("name, last, final, dx", [
    ("lstm", [0.16708728, 0.08425456, 0.15638837, 0.08383829], [0.6022771, 0.41197344, 0.48916133, 0.5704663],
     [0.04735777, 0.05706842, 0.00907247, 0.03442648]),
    ("gru", [0.54444846, 0.49086864, 0.46455238, 0.64066693], [0.54444846, 0.49086864, 0.46455238, 0.64066693],
     [0.75929544, 0.94158398, 0.86423614, 0.84125394]),
    ("rnn_tanh", [0.85557806, 0.38627534, 0.92987401, 0.73282308], [0.85557806, 0.38627534, 0.92987401, 0.73282308],
     [0.46038077, 0.1155945, 0.95351377, 0.58437243])])
def test_known_numbers(name, last, final, dx):
    G, x = OPS[name][1], ramp(3, 2, 2).requires_grad_()
    params = [ramp(G * 2, 2), ramp(G * 2, 2, scale=0.5), ramp(G * 2, scale=0.1), ramp(G * 2, scale=0.2)]
    h = Tensor(np.full((1, 2, 2), 0.3))
    out = call(name, x, [h, h * 0.5][:n_states(name)], params)
    np.testing.assert_allclose(out[0][-1].detach().numpy().ravel(), last, atol=2e-8)
    np.testing.assert_allclose(out[-1].detach().numpy().ravel(), final, atol=2e-8)
    (out[0] * out[0]).sum().backward()
    np.testing.assert_allclose(x.grad[0].numpy().ravel(), dx, atol=2e-8)


# ---------------------------------------------------------------------- ragged batches

@pytest.mark.parametrize("two", [False, True], ids=["forward", "bidirectional"])
@pytest.mark.parametrize("name", OPS)
def test_ragged_batch_is_every_row_alone(name, two):
    draw, lengths = Draw(3), [2, 5, 1, 4]
    T, B, D, H, layers = 5, 4, 3, 3, 2
    data = draw.normal(T, B, D)
    for b, n in enumerate(lengths):
        data[n:, b] = np.nan   # padding is never read
    params = [Tensor(w, requires_grad=True) for w in weights(draw, OPS[name][1], D, H, layers, 1 + two)]
    states = [Tensor(draw.normal(layers * (1 + two), B, H), requires_grad=True) for _ in range(n_states(name))]
    x, cot = Tensor(data, requires_grad=True), draw.normal(T, B, H * (1 + two))
    out = call(name, x, states, params, layers, two, lengths=Tensor(np.array(lengths)))
    loss = (out[0] * Tensor(cot)).sum() + sum((s * s).sum() for s in out[1:])
    found = grad(loss, [x, *states, *params])
    total = 0
    for b, n in enumerate(lengths):
        alone = call(name, x[:n, b:b + 1], [s[:, b:b + 1] for s in states], params, layers, two)
        np.testing.assert_allclose(out[0].detach().numpy()[:n, b], alone[0].detach().numpy()[:, 0], rtol=1e-12)
        assert not out[0].detach().numpy()[n:, b].any()
        for whole, one in zip(out[1:], alone[1:]):
            np.testing.assert_allclose(whole.detach().numpy()[:, b], one.detach().numpy()[:, 0], rtol=1e-12)
        total = total + (alone[0] * Tensor(cot[:n, b:b + 1])).sum() + sum((s * s).sum() for s in alone[1:])
    for got, want in zip(found, grad(total, [x, *states, *params])):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-12)


def test_row_of_length_zero_keeps_its_state():
    draw = Draw(4)
    h = draw.normal(1, 2, 3)
    out, last = gru(Tensor(draw.normal(4, 2, 2)), Tensor(h), [Tensor(w) for w in weights(draw, 3, 2, 3)], True, 1, 0.0,
                    False, False, False, lengths=[0, 3])
    assert (last.numpy()[:, 0] == h[:, 0]).all() and not out.numpy()[:, 0].any()


# ---------------------------------------------------------------------- resets

@pytest.mark.parametrize("name", OPS)
def test_reset_cuts_a_stream_into_sequences(name):
    draw = Draw(5)
    T, B, D, H, cut = 6, 2, 3, 4, 3
    params = [Tensor(w) for w in weights(draw, OPS[name][1], D, H)]
    x = Tensor(draw.normal(T, B, D), requires_grad=True)
    states = [Tensor(draw.normal(1, B, H), requires_grad=True) for _ in range(n_states(name))]
    flags = np.zeros((T, B), bool)
    flags[cut, 0] = True   # row 0 starts anew at step 3, row 1 goes on
    out = call(name, x, states, params, reset=Tensor(flags))
    before = call(name, x[:cut], states, params)
    zeros = [Tensor(np.zeros((1, B, H)))] * n_states(name)
    after = call(name, x[cut:], zeros, params)
    goes_on = call(name, x, states, params)
    np.testing.assert_allclose(out[0].detach().numpy()[:cut], before[0].detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(out[0].detach().numpy()[cut:, 0], after[0].detach().numpy()[:, 0], rtol=1e-12)
    np.testing.assert_allclose(out[0].detach().numpy()[:, 1], goes_on[0].detach().numpy()[:, 1], rtol=1e-12)
    across = grad((out[0][cut:, 0] ** 2).sum() + sum((s[:, 0] ** 2).sum() for s in out[1:]), [x, *states],
                  retain_graph=True)
    assert all(not g.numpy()[:cut, 0].any() for g in across) and across[0].numpy()[cut:, 0].any()
    first = grad((out[0][:cut] ** 2).sum(), x)[0].numpy()   # the steps before the cut keep their own gradients
    np.testing.assert_allclose(first, grad((before[0] ** 2).sum(), x)[0].numpy(), rtol=1e-10, atol=1e-13)


# ---------------------------------------------------------------------- cells and options

def test_show_and_tells_output_is_o_times_c():
    draw = Draw(6)
    x, h, c = (Tensor(draw.normal(2, 3, scale=3.0)) for _ in range(3))
    w = [Tensor(draw.normal(12, 3)), Tensor(draw.normal(12, 3))]
    (with_tanh, c1), (without, c2) = lstm_cell(x, (h, c), *w), lstm_cell(x, (h, c), *w, output_tanh=False)
    assert (c1.numpy() == c2.numpy()).all()
    np.testing.assert_allclose(without.numpy() * np.tanh(c1.numpy()), with_tanh.numpy() * c1.numpy(), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_gates_saturate_without_nan(dtype):
    x, h, c = (Tensor(np.full((1, 1), v, dtype)) for v in (1.0, 0.0, 2.0))
    for sign in (1e4, -1e4):
        w = Tensor(np.full((4, 1), sign, dtype), requires_grad=True)
        new_h, new_c = lstm_cell(x, (h, c), w, Tensor(np.zeros((4, 1), dtype)))
        (new_h + new_c).sum().backward()
        assert np.isfinite(w.grad.numpy()).all()
        np.testing.assert_allclose(new_c.detach().numpy(), [[3.0 if sign > 0 else 0.0]], atol=1e-6)


def test_dropout_lies_between_layers_only_and_its_noise_is_kept_for_second_derivatives():
    draw = Draw(7)
    T, B, D, H = 3, 2, 3, 4
    params = [Tensor(w, requires_grad=True) for w in weights(draw, 4, D, H, 2)]
    x = Tensor(draw.normal(T, B, D), requires_grad=True)
    z = Tensor(np.zeros((2, B, H)))

    def run(p, train):
        return lstm(x, (z, z), params, True, 2, p, train, False, False)[0]

    same = run(0.0, True).detach().numpy()
    assert (run(0.5, False).detach().numpy() == same).all()
    before = random.state_dict()
    one = run(0.5, True)
    random.load_state_dict(before)
    assert (run(0.5, True).detach().numpy() == one.detach().numpy()).all() and (one.detach().numpy() != same).any()
    everything = run(1.0, True).detach().numpy()   # the second layer then sees zeros, and is itself not dropped
    zeros = Tensor(np.zeros((T, B, H)))
    np.testing.assert_allclose(everything, lstm(zeros, (z[:1], z[:1]), params[4:], True, 1, 0.0, True, False, False)[0]
                               .detach().numpy(), rtol=1e-12)
    plain = grad((one ** 2).sum(), params, retain_graph=True)
    through = grad((one ** 2).sum(), params, create_graph=True)
    for a, b in zip(plain, through):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-13)


def test_changing_the_output_in_place_is_noticed():
    draw = Draw(8)
    x = Tensor(draw.normal(3, 2, 2), requires_grad=True)
    out, _ = gru(x, Tensor(np.zeros((1, 2, 3))), [Tensor(w) for w in weights(draw, 3, 2, 3)], True, 1, 0.0, False,
                 False, False)
    loss = out.sum()
    with tinymm.no_grad():
        out.zero_()
    with pytest.raises(RuntimeError, match="gru: a tensor of shape .* was changed in place"):
        loss.backward()


def test_backward_twice_gives_the_same_gradient():
    draw = Draw(9)
    x = Tensor(draw.normal(3, 2, 2), requires_grad=True)
    z = Tensor(np.zeros((1, 2, 3)))
    out = lstm(x, (z, z), [Tensor(w) for w in weights(draw, 4, 2, 3)], True, 1, 0.0, False, False, False)
    loss = (out[0] ** 2).sum() + out[2].sum()
    first = grad(loss, x, retain_graph=True)[0].numpy().copy()
    assert (grad(loss, x)[0].numpy() == first).all()


# ---------------------------------------------------------------------- layer norm

def norm(a, gain, bias, eps):
    """Layer norm of rows, by hand."""
    return gain * (a - a.mean(1, keepdims=True)) / np.sqrt(a.var(1, keepdims=True) + eps) + bias


def logistic(a):
    return 1 / (1 + np.exp(-a))


def test_layer_norm_lstm_is_the_lectures_formula():
    draw = Draw(10)
    T, B, D, H, eps = 4, 3, 5, 4, 1e-3
    x, h, c, W, U = (draw.normal(*s) for s in ((T, B, D), (B, H), (B, H), (4 * H, D), (4 * H, H)))
    b2, b1, a2, a1, b = (draw.normal(4 * H) for _ in range(5))
    a3, b3 = draw.normal(H), draw.normal(H)
    out, last_h, last_c = layer_norm_lstm(Tensor(x), (Tensor(h), Tensor(c)),
                                          *map(Tensor, (W, U, b2, b1, a2, a1, a3, b3, b)), eps=eps)
    for t in range(T):
        f, i, o, g = np.split(norm(h @ U.T, a1, b1, eps) + norm(x[t] @ W.T, a2, b2, eps) + b, 4, axis=1)
        c = logistic(f) * c + logistic(i) * np.tanh(g)   # carried on as it is
        h = logistic(o) * np.tanh(norm(c, a3, b3, eps))
        np.testing.assert_allclose(out.numpy()[t], h, rtol=1e-10)
    np.testing.assert_allclose(last_c.numpy(), c, rtol=1e-10)
    np.testing.assert_allclose(last_h.numpy(), h, rtol=1e-10)


def test_layer_norm_gru_is_the_lectures_formula():
    draw = Draw(11)
    T, B, D, H, eps = 4, 3, 5, 4, 1e-3
    x, h, W, U = (draw.normal(*s) for s in ((T, B, D), (B, H), (3 * H, D), (3 * H, H)))
    b_ih, b_hh, a_ih, a_hh = (draw.normal(3 * H) for _ in range(4))
    out, last = layer_norm_gru(Tensor(x), Tensor(h), *map(Tensor, (W, U, b_ih, b_hh, a_ih, a_hh)), eps=eps)
    k = 2 * H
    for t in range(T):
        zr = norm(h @ U[:k].T, a_hh[:k], b_hh[:k], eps) + norm(x[t] @ W[:k].T, a_ih[:k], b_ih[:k], eps)
        z, r = logistic(zr[:, :H]), logistic(zr[:, H:])
        new = np.tanh(norm(x[t] @ W[k:].T, a_ih[k:], b_ih[k:], eps) + r * norm(h @ U[k:].T, a_hh[k:], b_hh[k:], eps))
        h = (1 - z) * h + z * new
        np.testing.assert_allclose(out.numpy()[t], h, rtol=1e-10)
    np.testing.assert_allclose(last.numpy(), h, rtol=1e-10)


@pytest.mark.parametrize("cell", [layer_norm_lstm_cell, layer_norm_gru_cell])
def test_layer_norm_cells_do_not_see_the_scale_of_their_weights(cell):
    draw, G = Draw(12), 4 if cell is layer_norm_lstm_cell else 3
    x, h, c = (Tensor(draw.normal(2, 5)) for _ in range(3))
    w, u, one = draw.normal(G * 5, 5), draw.normal(G * 5, 5), Tensor(np.ones(G * 5))
    hx = (h, c) if G == 4 else h

    def run(s):
        out = cell(x, hx, Tensor(s * w), Tensor(s * u), gain_ih=one, gain_hh=one, eps=0.0)
        return (out[0] if G == 4 else out).numpy()

    np.testing.assert_allclose(run(1.0), run(100.0), rtol=1e-9)


def test_layer_norm_lstm_from_a_zero_state_has_finite_gradients():
    draw = Draw(13)
    z = Tensor(np.zeros((2, 4)), requires_grad=True)
    one = Tensor(np.ones(16), requires_grad=True)
    h, c = layer_norm_lstm_cell(Tensor(draw.normal(2, 3)), (z, z), Tensor(draw.normal(16, 3)),
                                Tensor(draw.normal(16, 4)), gain_ih=one, gain_hh=one, gain_c=Tensor(np.ones(4)))
    assert all(np.isfinite(g.numpy()).all() for g in grad((h + c).sum(), [z, one]))


# ---------------------------------------------------------------------- padded and packed sequences

def test_packing_and_padding_are_inverse():
    draw, lengths = Draw(14), np.array([2, 4, 1])
    x = draw.normal(4, 3, 2)
    packed = pack_padded_sequence(Tensor(x), lengths, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1] and packed.sorted_indices.tolist() == [1, 0, 2]
    np.testing.assert_array_equal(packed.data.numpy()[:3], x[0, [1, 0, 2]])
    padded, back = pad_packed_sequence(packed, padding_value=-7.0, total_length=6)
    real = np.arange(6)[:, None] < lengths
    np.testing.assert_array_equal(padded.numpy()[real], x[real[:4]])
    assert (padded.numpy()[~real] == -7).all() and back.tolist() == lengths.tolist()
    first = pad_packed_sequence(packed, batch_first=True)[0]
    assert first.shape == (3, 4, 2)


def test_pad_sequence_and_back():
    rows = [Tensor(np.arange(2.0 * n).reshape(n, 2), requires_grad=True) for n in (1, 3, 0)]
    padded = pad_sequence(rows, batch_first=True, padding_value=9.0)
    assert padded.shape == (3, 3, 2) and padded.detach().numpy()[0].tolist() == [[0, 1], [9, 9], [9, 9]]
    left = pad_sequence(rows, batch_first=True, padding_side="left").detach().numpy()
    assert left[0].tolist() == [[0, 0], [0, 0], [0, 1]] and left[1].tolist() == [[0, 1], [2, 3], [4, 5]]
    (padded * 3).sum().backward()
    assert (rows[1].grad.numpy() == 3).all() and rows[0].grad.shape == (1, 2)
    for row, again in zip(rows, unpad_sequence(padded, [1, 3, 0], batch_first=True)):
        np.testing.assert_array_equal(row.detach().numpy(), again.detach().numpy())


# ---------------------------------------------------------------------- messages

def zeros(*shape):
    return Tensor(np.zeros(shape, "float32"))


def good(**changes):
    arguments = dict(input=zeros(4, 2, 3), hx=(zeros(1, 2, 5), zeros(1, 2, 5)),
                     params=[zeros(20, 3), zeros(20, 5), zeros(20), zeros(20)], has_biases=True, num_layers=1,
                     dropout=0.0, train=False, bidirectional=False, batch_first=False)
    return lstm(**{**arguments, **changes})


@pytest.mark.parametrize("changes, error, message", [
    (dict(input=zeros(20, 32, 128)), ValueError, r"lstm: input \(T=20, B=32, D=128\) but w_ih_l0 wants 3 features"),
    (dict(input=zeros(4, 3)), ValueError, r"lstm: input has shape \(4, 3\); it must be \(T, B, D\); unsqueeze"),
    (dict(input=zeros(0, 2, 3)), ValueError, r"lstm: input \(T=0, B=2, D=3\) has no time step"),
    (dict(hx=(zeros(1, 2, 5), zeros(2, 2, 5))), ValueError,
     r"lstm: c0 has shape \(2, 2, 5\) but must be .* \(1, 2, 5\)"),
    (dict(hx=zeros(1, 2, 5)), ValueError, r"lstm: hx must be the pair \(h0, c0\)"),
    (dict(num_layers=2), ValueError, r"lstm: 4 weights given but num_layers=2.*want 8"),
    (dict(params=[zeros(20, 3), zeros(19, 5), zeros(20), zeros(20)]), ValueError, r"w_hh_l0 .*\(4 \* H, H\)"),
    (dict(params=[zeros(20, 3), zeros(20, 5), zeros(20), zeros(5)]), ValueError, r"b_hh_l0 has shape \(5,\)"),
    (dict(lengths=[4, 5]), ValueError, r"lstm: lengths\[1\] is 5, outside 0 to T=4"),
    (dict(lengths=[4, -1]), ValueError, r"lstm: lengths\[1\] is -1"),
    (dict(lengths=[4]), ValueError, r"lstm: lengths has shape \(1,\) but the batch has B=2 rows"),
    (dict(lengths=[1.5, 2.0]), TypeError, "lengths must be integers"),
    (dict(reset=np.zeros((4, 2))), TypeError, "reset is float64, not bool"),
    (dict(reset=np.zeros((2, 4), bool)), ValueError, r"reset has shape \(2, 4\) but must be \(4, 2\)"),
    (dict(dropout=1.5), ValueError, "dropout=1.5 is not a probability"),
    (dict(input=Tensor(np.zeros((4, 2, 3), int))), TypeError, "lstm: input must be floating point"),
])
def test_messages(changes, error, message):
    with pytest.raises(error, match=message):
        good(**changes)


def test_messages_of_cells_and_packing():
    with pytest.raises(ValueError, match=r"gru_cell: input \(B=2, D=3\) but w_ih wants 4 features"):
        gru_cell(zeros(2, 3), zeros(2, 5), zeros(15, 4), zeros(15, 5))
    with pytest.raises(ValueError, match=r"rnn_relu: input \(T=2, B=1, D=3\) but without w_ih_l0 there must be H=4"):
        rnn_relu(ramp(2, 1, 3), ramp(1, 1, 4), [None, ramp(4, 4)], False, 1, 0.0, False, False, False)
    with pytest.raises(TypeError, match="gru: w_ih_l0 is a NoneType, not a Tensor"):
        gru(ramp(2, 1, 3), ramp(1, 1, 3), [None, ramp(9, 3)], False, 1, 0.0, False, False, False)
    with pytest.raises(ValueError, match=r"gru_cell: h has shape \(1, 5\) but .* \(B, H\) = \(2, 5\)"):
        gru_cell(zeros(2, 3), zeros(1, 5), zeros(15, 3), zeros(15, 5))
    with pytest.raises(ValueError, match=r"layer_norm_gru_cell: gain_hh has shape \(3,\) but must be \(15,\)"):
        layer_norm_gru_cell(zeros(2, 3), zeros(2, 5), zeros(15, 3), zeros(15, 5), gain_hh=zeros(3))
    with pytest.raises(ValueError, match="do not fall, as enforce_sorted=True wants"):
        pack_padded_sequence(zeros(3, 2), [1, 3])
    with pytest.raises(ValueError, match=r"lengths\[0\] is 0, outside 1 to T=3"):
        pack_padded_sequence(zeros(3, 2), [0, 3], enforce_sorted=False)
    with pytest.raises(ValueError, match="total_length=2 is less than the longest row's 3"):
        pad_packed_sequence(pack_padded_sequence(zeros(3, 1), [3]), total_length=2)


def test_cuda_sources_compile():
    nvrtc = pytest.importorskip("cupy").cuda.nvrtc
    from tinymm.backend.cuda import PRELUDE, SOURCES

    names = [f"{cell}_{way}" for cell in ("lstm", "gru", "rnn") for way in ("step", "back")]
    for name in names:
        for dtype in ("float", "double"):
            try:
                program = nvrtc.createProgram(PRELUDE + SOURCES[name].source, name, [], [])
            except RuntimeError as error:
                pytest.skip(f"no NVRTC library: {error}")
            nvrtc.addNameExpression(program, f"{name}<{dtype}>")
            nvrtc.compileProgram(program, ["-std=c++17", "--gpu-architecture=compute_70"])
            assert nvrtc.getPTX(program)


# ---------------------------------------------------------------------- PyTorch's modules and packed sequences

@pytest.mark.oracle
@pytest.mark.parametrize("layers, two, first", [(1, False, False), (2, True, True)])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_packed_sequences_against_torch(name, layers, two, first):
    torch = pytest.importorskip("torch")
    draw, lengths = Draw(20), np.array([2, 5, 1, 5, 3])
    T, B, D, H, n = 5, 5, 3, 4, layers * (1 + two)
    params = weights(draw, OPS[name][1], D, H, layers, 1 + two)
    make = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(name, torch.nn.RNN)
    extra = {"nonlinearity": name[4:]} if make is torch.nn.RNN else {}
    module = make(D, H, layers, bidirectional=two, batch_first=first, **extra).double()
    with torch.no_grad():
        for p, w in zip(module.parameters(), params):
            p.copy_(torch.tensor(w))
    x = draw.normal(*((B, T, D) if first else (T, B, D)))
    states = [draw.normal(n, B, H) for _ in range(n_states(name))]
    t_x, t_states = torch.tensor(x, requires_grad=True), [torch.tensor(s, requires_grad=True) for s in states]
    packed = torch.nn.utils.rnn.pack_padded_sequence(t_x, torch.tensor(lengths), batch_first=first,
                                                     enforce_sorted=False)
    t_out, t_last = module(packed, tuple(t_states) if name == "lstm" else t_states[0])
    t_out, _ = torch.nn.utils.rnn.pad_packed_sequence(t_out, batch_first=first)
    t_all = [t_out, *(t_last if name == "lstm" else [t_last])]
    o_x, o_states, o_params = (Tensor(x, requires_grad=True), [Tensor(s, requires_grad=True) for s in states],
                               [Tensor(w, requires_grad=True) for w in params])
    o_all = OPS[name][0](o_x, tuple(o_states) if name == "lstm" else o_states[0], o_params, True, layers, 0.0, False,
                         two, first, lengths=lengths)
    cots = [draw.normal(*o.shape) for o in o_all]
    for o, t in zip(o_all, t_all):
        np.testing.assert_allclose(o.detach().numpy(), t.detach().numpy(), rtol=1e-10, atol=1e-12)
    ours = grad(o_all, [o_x, *o_states, *o_params], [Tensor(c) for c in cots])
    theirs = torch.autograd.grad(t_all, [t_x, *t_states, *module.parameters()], [torch.tensor(c) for c in cots])
    for o, t in zip(ours, theirs):
        np.testing.assert_allclose(o.numpy(), t.numpy(), rtol=1e-9, atol=1e-11)
    ours_packed = pack_padded_sequence(Tensor(x), lengths, batch_first=first, enforce_sorted=False)
    np.testing.assert_array_equal(ours_packed.data.numpy(), packed.data.detach().numpy())
    for field in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        assert getattr(ours_packed, field).tolist() == getattr(packed, field).tolist()


@pytest.mark.oracle
def test_pack_sequence_and_pad_sequence_against_torch():
    torch = pytest.importorskip("torch")
    rows = [Draw(n).normal(n, 2) for n in (4, 3, 3, 1)]
    rnn = torch.nn.utils.rnn
    ours, theirs = pack_sequence([Tensor(r) for r in rows]), rnn.pack_sequence([torch.tensor(r) for r in rows])
    np.testing.assert_array_equal(ours.data.numpy(), theirs.data.numpy())
    assert ours.batch_sizes.tolist() == theirs.batch_sizes.tolist() and ours.sorted_indices is None
    for side in ("right", "left"):
        np.testing.assert_array_equal(
            pad_sequence([Tensor(r) for r in rows], padding_value=2.5, padding_side=side).numpy(),
            rnn.pad_sequence([torch.tensor(r) for r in rows], padding_value=2.5, padding_side=side).numpy())


@pytest.mark.oracle
def test_layer_norm_lstm_gradients_against_torch():
    torch = pytest.importorskip("torch")
    draw = Draw(21)
    T, B, D, H = 6, 3, 5, 4
    shapes = [(T, B, D), (B, H), (B, H), (4 * H, D), (4 * H, H), *[(4 * H,)] * 4, (H,), (H,), (4 * H,)]
    arrays = [draw.normal(*s) for s in shapes]
    o = [Tensor(a, requires_grad=True) for a in arrays]
    t = [torch.tensor(a, requires_grad=True) for a in arrays]
    out = layer_norm_lstm(o[0], (o[1], o[2]), *o[3:])
    x, h, c, W, U, b2, b1, a2, a1, a3, b3, b = t
    ln, steps = torch.nn.functional.layer_norm, []
    for step in x:
        f, i, u, g = (ln(h @ U.T, (4 * H,), a1, b1) + ln(step @ W.T, (4 * H,), a2, b2) + b).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = u.sigmoid() * ln(c, (H,), a3, b3).tanh()
        steps.append(h)
    wanted = [torch.stack(steps), h, c]
    cots = [draw.normal(*v.shape) for v in out]
    for got, want in zip(out, wanted):
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-10)
    for got, want in zip(grad(out, o, [Tensor(v) for v in cots]),
                         torch.autograd.grad(wanted, t, [torch.tensor(v) for v in cots])):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-11)


# ---------------------------------------------------------------------- whole sequences in tiles

@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("options", [{}, {"reset"}, {"lengths"}, {"lengths", "reset"}, {"output_tanh"}, {"two"}, {"first"}],
                         ids=lambda o: "+".join(sorted(o)) or "plain")
def test_lstm_in_tiles_is_the_sweep(options, parallel):
    """The kernel that takes rows through all steps, with every option, against the sweep of NumPy."""
    pytest.importorskip("numba")
    draw, (T, B, D, H), two = Draw(15), (8, 13, 5, 70), "two" in options
    x, cot = draw.normal(T, B, D), draw.normal(T, B, H * (1 + two))
    states, params = [draw.normal(1 + two, B, H) for _ in range(2)], weights(draw, 4, D, H, directions=1 + two)
    extra = {}
    if "reset" in options:
        extra["reset"] = draw.mask(T, B, p=0.3)
    if "lengths" in options:
        extra["lengths"] = [8, 0, 3, 1, 8, 8, 5, 2, 7, 4, 8, 6, 8]
        x[3, 3] = np.nan   # padding is never read
    if "output_tanh" in options:
        extra["output_tanh"] = False
    assert suitable(T, B, H)

    def run():
        tensors = [Tensor(a, requires_grad=True) for a in (x, *states, *params)]
        wanted = tensors[3:] if "first" in options else tensors   # neither dx nor the gradients of h0 and c0
        for t in tensors:
            t.requires_grad = any(t is w for w in wanted)
        out = call("lstm", tensors[0], tensors[1:3], tensors[3:], two=two, **extra)
        loss = (out[0] * Tensor(cot)).sum() + (out[1] * out[1]).sum() + out[2].sum()
        once = [g.numpy().copy() for g in grad(loss, wanted, retain_graph=True)]
        for a, b in zip(once, grad(loss, wanted)):   # the backward leaves what the forward kept as it was
            np.testing.assert_array_equal(a, b.numpy())
        return [o.detach().numpy() for o in out] + once

    with use_kernels("numpy"):
        want = run()
    with use_kernels("numba"), force_parallel(parallel):
        found = run()
    for f, w in zip(found, want):
        np.testing.assert_allclose(f, w, rtol=1e-10, atol=1e-11)
