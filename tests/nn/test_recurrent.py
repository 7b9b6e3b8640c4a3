"""Recurrent layers and cells: their options are those of the functions, and a cell unrolls to its layer."""

import numpy as np
import pytest

from tinymm import Tensor, functional as F, grad, gradcheck, nn
from tinymm.autograd.registry import Draw

T, B, D, H = 5, 3, 4, 3
LENGTHS = [2, 5, 4]
LAYERS = {"LSTM": (nn.LSTM, {}, F.lstm), "LSTM without tanh": (nn.LSTM, {"output_tanh": False}, F.lstm),
          "GRU": (nn.GRU, {}, F.gru), "RNN": (nn.RNN, {}, F.rnn_tanh), "RNN relu": (nn.RNN, {"nonlinearity": "relu"}, F.rnn_relu)}
CELLS = {"LSTM": nn.LSTMCell, "LSTM without tanh": nn.LSTMCell, "GRU": nn.GRUCell, "RNN": nn.RNNCell, "RNN relu": nn.RNNCell}
OPTIONS = {"none": {}, "lengths": {"lengths": LENGTHS}, "reset": {"reset": True},
           "lengths and reset": {"lengths": LENGTHS, "reset": True}}


def options_of(case: str, draw) -> dict:
    return {**OPTIONS[case], **({"reset": draw.mask(T, B, p=0.4)} if "reset" in OPTIONS[case] else {})}


def states(result) -> list:
    """(output, (h, c)) or (output, h) as a flat list."""
    out, last = result
    return [out, *last] if isinstance(last, tuple) else [out, last]


def same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("first", [False, True], ids=["time first", "batch first"])
@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_its_function(kind, case, first):
    make, arguments, function = LAYERS[kind]
    layer, draw = make(D, H, 2, batch_first=first, dtype="float64", **arguments), Draw(1)
    x, options = draw.normal(T, B, D), options_of(case, draw)
    n = 2 if make is nn.LSTM else 1
    hx = [Tensor(draw.normal(2, B, H)) for _ in range(n)]
    if first:
        x, options = x.swapaxes(0, 1), {**options, **({"reset": options["reset"].T} if "reset" in options else {})}
    extra = {"output_tanh": layer.output_tanh} if n == 2 else {}
    want = function(Tensor(x), tuple(hx) if n == 2 else hx[0], list(layer.parameters()), True, 2, 0.0, True, False, first,
                    **options, **extra)
    found = states(layer(Tensor(x), tuple(hx) if n == 2 else hx[0], **options))
    same(found, want)
    weights = list(layer.parameters())
    same(grad(found[0].sum(), weights), grad(want[0].sum(), weights))


@pytest.mark.parametrize("case", OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_cell_unrolls_to_its_layer(kind, case):
    make, arguments, _ = LAYERS[kind]
    layer, draw = make(D, H, dtype="float64", **arguments), Draw(2)
    cell = CELLS[kind](D, H, dtype="float64", **arguments)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, options = Tensor(draw.normal(T, B, D)), options_of(case, draw)
    found, wanted = states(cell.unroll(x, **options)), states(layer(x, **options))
    same(found, [wanted[0], *(s[0] for s in wanted[1:])])
    same(grad(found[0].sum(), list(cell.parameters())), grad(wanted[0].sum(), list(layer.parameters())))
    bare = CELLS[kind](D, H, bias=False, **arguments)
    assert bare.unroll(Tensor(np.zeros((T, B, D), "float32")))[0].shape == (T, B, H)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_cell_steps_as_it_unrolls(kind):
    cell, draw = CELLS[kind](D, H, dtype="float64", **LAYERS[kind][1]), Draw(3)
    x, reset = Tensor(draw.normal(T, B, D)), draw.mask(T, B, p=0.4)
    state, outputs = None, []
    for t in range(T):
        state = cell(x[t], state, reset=reset[t])
        outputs.append(state[0] if isinstance(state, tuple) else state)
    out, last = cell.unroll(x, reset=reset)
    np.testing.assert_allclose(F.stack(outputs).detach().numpy(), out.detach().numpy(), atol=1e-14)
    for a, b in zip([state] if isinstance(state, Tensor) else state, [last] if isinstance(last, Tensor) else last, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-14)


@pytest.mark.parametrize("kind", LAYERS)
def test_gradients(kind):
    cell, draw = CELLS[kind](D, H, dtype="float64", **LAYERS[kind][1]), Draw(4)
    x = Tensor(draw.normal(T, B, D), requires_grad=True)
    options = options_of("lengths and reset", draw)
    assert gradcheck(lambda x, *_: cell.unroll(x, **options)[0], [x, *cell.parameters()])
    assert gradcheck(lambda x, *_: states((x, cell(x, reset=options["reset"][0])))[1], [x[0].detach().requires_grad_(),
                                                                                        *cell.parameters()])


def test_the_output_without_tanh():
    cell = nn.LSTMCell(D, H, output_tanh=False, dtype="float64")
    x = Draw(5).normal(B, D)
    h, c = cell(Tensor(x))
    i, f, g, o = np.split((x @ cell.weight_ih.detach().numpy().T + (cell.bias_ih + cell.bias_hh).detach().numpy()), 4, 1)
    np.testing.assert_allclose(c.detach().numpy(), np.tanh(g) / (1 + np.exp(-i)), rtol=1e-13)
    np.testing.assert_allclose(h.detach().numpy(), c.detach().numpy() / (1 + np.exp(-o)), rtol=1e-13)
    assert "output_tanh=False" in repr(cell) and "output_tanh=False" in repr(nn.LSTM(2, 3, output_tanh=False))
    assert "output_tanh" not in repr(nn.LSTM(2, 3)) and list(cell.state_dict()) == list(nn.LSTMCell(D, H).state_dict())


def test_one_sequence_alone_and_packed_ones():
    lstm, draw = nn.LSTM(D, H, dtype="float64"), Draw(6)
    x, reset = draw.normal(T, B, D), draw.mask(T, B, p=0.4)
    alone = lstm(Tensor(x[:, 0]), reset=reset[:, 0])
    whole = lstm(Tensor(x), reset=reset)
    np.testing.assert_allclose(alone[0].detach().numpy(), whole[0][:, 0].detach().numpy(), atol=1e-14)
    packed = F.pack_padded_sequence(Tensor(x), LENGTHS, enforce_sorted=False)
    out, last = lstm(packed, reset=reset)
    padded = lstm(Tensor(x), lengths=LENGTHS, reset=reset)
    same([F.pad_packed_sequence(out)[0], *last], [padded[0], *padded[1]])


@pytest.mark.parametrize("make", [nn.LayerNormLSTM, nn.LayerNormGRU])
def test_layer_normalised_layers_take_the_options(make):
    layer, draw = make(D, H, dtype="float64"), Draw(7)
    x, options = Tensor(draw.normal(T, B, D)), options_of("lengths and reset", draw)
    zeros = Tensor(np.zeros((B, H)))
    if make is nn.LayerNormLSTM:
        want = F.layer_norm_lstm(x, (zeros, zeros), *layer._weights(), layer.gain_c, layer.bias_c, **options)
    else:
        want = F.layer_norm_gru(x, zeros, *layer._weights(), **options)
    same(states(layer(x, **options)), want)


def test_messages():
    for make, name in ((nn.RNN, "RNN"), (nn.RNNCell, "RNNCell")):
        with pytest.raises(ValueError, match=f"{name}: nonlinearity='sigmoid'; choose 'tanh' or 'relu'"):
            make(D, H, nonlinearity="sigmoid")
    x = Tensor(np.zeros((T, B, D), "float32"))
    with pytest.raises(ValueError, match="lstm: reset marks where sequences start"):
        nn.LSTM(D, H, bidirectional=True)(x, reset=np.zeros((T, B), bool))
    with pytest.raises(ValueError, match="lstm_cell: input has shape .4,.; it must be"):
        nn.LSTMCell(D, H)(x[0, 0])


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "RNN relu"])
def test_lengths_are_pytorchs_packed_sequences(kind):
    torch = pytest.importorskip("torch")
    make, arguments, _ = LAYERS[kind]
    layer, draw = make(D, H, dtype="float64", **arguments), Draw(8)
    theirs = getattr(torch.nn, make.__name__)(D, H, dtype=torch.float64, **arguments)
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in layer.state_dict().items()})
    data = draw.normal(T, B, D)
    x, tx = Tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    found = states(layer(x, lengths=LENGTHS))
    packed, last = theirs(torch.nn.utils.rnn.pack_padded_sequence(tx, torch.tensor(LENGTHS), enforce_sorted=False))
    want = [torch.nn.utils.rnn.pad_packed_sequence(packed)[0], *(last if isinstance(last, tuple) else (last,))]
    for a, b in zip(found, want, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-13)
    sum((v * v).sum() for v in found).backward()
    sum((v * v).sum() for v in want).backward()
    for a, b in [(x, tx), *zip(layer.parameters(), theirs.parameters(), strict=True)]:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), atol=1e-12)
