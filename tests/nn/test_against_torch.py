"""Every layer against PyTorch's: the same state-dict keys, values and gradients with the same weights, in float64."""

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn
from tinymm.autograd.registry import Draw

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

IMAGE, SEQUENCE = (2, 4, 6, 5), (5, 3, 4)   # (B, C, H, W) and (T, B, D)
CASES = {
    "Linear": (("Linear", 4, 3), [SEQUENCE]), "Linear without bias": (("Linear", 4, 3, {"bias": False}), [(2, 4)]),
    "Bilinear": (("Bilinear", 4, 5, 3), [(2, 4), (2, 5)]), "Flatten": (("Flatten",), [IMAGE]),
    "Unflatten": (("Unflatten", 1, (2, 2)), [IMAGE]), "Identity": (("Identity",), [IMAGE]),
    "Conv1d": (("Conv1d", 4, 6, 3, {"padding": 1}), [(2, 4, 9)]),
    "Conv2d": (("Conv2d", 4, 6, 3, {"stride": 2, "padding": 1, "groups": 2}), [IMAGE]),
    "Conv2d same": (("Conv2d", 4, 6, (3, 2), {"padding": "same", "dilation": 2}), [IMAGE]),
    "Conv3d": (("Conv3d", 2, 3, 2), [(2, 2, 3, 4, 4)]),
    "ConvTranspose1d": (("ConvTranspose1d", 4, 6, 3, {"stride": 2}), [(2, 4, 5)]),
    "ConvTranspose2d": (("ConvTranspose2d", 4, 6, 3, {"stride": 2, "padding": 1, "output_padding": 1}), [IMAGE]),
    "MaxPool1d": (("MaxPool1d", 2), [(2, 3, 8)]), "MaxPool2d": (("MaxPool2d", 3, {"stride": 2, "padding": 1}), [IMAGE]),
    "MaxPool3d": (("MaxPool3d", 2), [(1, 2, 4, 4, 4)]), "AvgPool1d": (("AvgPool1d", 2), [(2, 3, 8)]),
    "AvgPool2d": (("AvgPool2d", 2, {"padding": 1, "count_include_pad": False}), [IMAGE]),
    "AvgPool3d": (("AvgPool3d", 2), [(1, 2, 4, 4, 4)]), "AdaptiveAvgPool2d": (("AdaptiveAvgPool2d", (3, 2)), [IMAGE]),
    "AdaptiveAvgPool1d": (("AdaptiveAvgPool1d", 3), [(2, 3, 8)]), "AdaptiveMaxPool2d": (("AdaptiveMaxPool2d", (3, 2)), [IMAGE]),
    "ConvTranspose3d": (("ConvTranspose3d", 2, 3, 2, {"stride": 2}), [(1, 2, 2, 3, 2)]),
    "AdaptiveAvgPool3d": (("AdaptiveAvgPool3d", 2), [(1, 2, 4, 3, 4)]), "AdaptiveMaxPool1d": (("AdaptiveMaxPool1d", 3), [(2, 3, 8)]),
    "InstanceNorm3d": (("InstanceNorm3d", 2), [(2, 2, 3, 2, 2)]), "Softmin": (("Softmin", 1), [IMAGE]),
    "PairwiseDistance": (("PairwiseDistance",), [(3, 4)] * 2),
    "Unfold": (("Unfold", 3, {"padding": 1}), [IMAGE]), "Fold": (("Fold", (6, 5), 3, {"padding": 1}), [(2, 36, 30)]),
    "Upsample": (("Upsample", {"scale_factor": 2, "mode": "bilinear", "align_corners": False}), [IMAGE]),
    "PixelShuffle": (("PixelShuffle", 2), [IMAGE]), "PixelUnshuffle": (("PixelUnshuffle", 2), [(2, 3, 6, 4)]),
    "LayerNorm": (("LayerNorm", (6, 5)), [IMAGE]), "RMSNorm": (("RMSNorm", 4), [SEQUENCE]),
    "BatchNorm1d": (("BatchNorm1d", 4), [(6, 4)]), "BatchNorm2d": (("BatchNorm2d", 4), [IMAGE]),
    "BatchNorm2d plain average": (("BatchNorm2d", 4, {"momentum": None}), [IMAGE]),
    "BatchNorm3d": (("BatchNorm3d", 2), [(2, 2, 3, 2, 2)]), "GroupNorm": (("GroupNorm", 2, 4), [IMAGE]),
    "InstanceNorm2d": (("InstanceNorm2d", 4, {"affine": True}), [IMAGE]), "InstanceNorm1d": (("InstanceNorm1d", 4), [(2, 4, 7)]),
    "LocalResponseNorm": (("LocalResponseNorm", 3), [IMAGE]),
    "ReLU": (("ReLU",), [IMAGE]), "LeakyReLU": (("LeakyReLU", 0.2), [IMAGE]), "ELU": (("ELU", 0.7), [IMAGE]),
    "GELU": (("GELU",), [IMAGE]), "GELU tanh": (("GELU", {"approximate": "tanh"}), [IMAGE]), "SiLU": (("SiLU",), [IMAGE]),
    "Sigmoid": (("Sigmoid",), [IMAGE]), "LogSigmoid": (("LogSigmoid",), [IMAGE]), "Tanh": (("Tanh",), [IMAGE]),
    "Softplus": (("Softplus", 2.0, 3.0), [IMAGE]), "Softmax": (("Softmax", 1), [IMAGE]), "LogSoftmax": (("LogSoftmax", -1), [IMAGE]),
    "LSTM": (("LSTM", 4, 3), [SEQUENCE]), "LSTM stacked": (("LSTM", 4, 3, {"num_layers": 2, "bidirectional": True}), [SEQUENCE]),
    "LSTM batch first": (("LSTM", 4, 3, {"batch_first": True, "bias": False}), [SEQUENCE]), "LSTM alone": (("LSTM", 4, 3), [(5, 4)]),
    "GRU": (("GRU", 4, 3, {"num_layers": 2, "bidirectional": True}), [SEQUENCE]), "RNN": (("RNN", 4, 3), [SEQUENCE]),
    "RNN relu": (("RNN", 4, 3, {"nonlinearity": "relu"}), [SEQUENCE]),
    "LSTMCell": (("LSTMCell", 4, 3), [(2, 4)]), "GRUCell": (("GRUCell", 4, 3), [(2, 4)]), "RNNCell": (("RNNCell", 4, 3), [(2, 4)]),
    "MultiheadAttention": (("MultiheadAttention", 4, 2), [SEQUENCE] * 3),
    "MultiheadAttention kdim": (("MultiheadAttention", 4, 2, {"kdim": 3, "vdim": 5, "batch_first": True}), [(2, 5, 4), (2, 6, 3), (2, 6, 5)]),
    "MultiheadAttention bias_kv": (("MultiheadAttention", 4, 2, {"add_bias_kv": True, "add_zero_attn": True}), [SEQUENCE] * 3),
    "TransformerEncoderLayer": (("TransformerEncoderLayer", 4, 2, 8, {"dropout": 0.0}), [SEQUENCE]),
    "TransformerEncoderLayer norm_first": (("TransformerEncoderLayer", 4, 2, 8, {"dropout": 0.0, "norm_first": True, "activation": "gelu", "batch_first": True}), [SEQUENCE]),
    "TransformerDecoderLayer": (("TransformerDecoderLayer", 4, 2, 8, {"dropout": 0.0}), [SEQUENCE, (6, 3, 4)]),
    "TransformerDecoderLayer norm_first": (("TransformerDecoderLayer", 4, 2, 8, {"dropout": 0.0, "norm_first": True}), [SEQUENCE, (6, 3, 4)]),
    "MSELoss": (("MSELoss",), [IMAGE, IMAGE]), "L1Loss": (("L1Loss", {"reduction": "sum"}), [IMAGE, IMAGE]),
    "SmoothL1Loss": (("SmoothL1Loss", {"beta": 0.5}), [IMAGE, IMAGE]), "HuberLoss": (("HuberLoss", {"delta": 0.5}), [IMAGE, IMAGE]),
    "TripletMarginLoss": (("TripletMarginLoss", {"swap": True}), [(3, 4)] * 3), "CosineSimilarity": (("CosineSimilarity",), [(3, 4)] * 2),
}


def make(library, spec, **extra):
    name, *args = spec
    kwargs = {**(args.pop() if args and isinstance(args[-1], dict) else {}), **extra}
    return getattr(library, name)(*args, **kwargs)


def flat(result):
    return [t for part in result if part is not None for t in flat(part)] if isinstance(result, tuple) else [result]


def twins(spec):
    ours, theirs = make(nn, spec).double(), make(torch.nn, spec).double()
    draw = Draw(5)
    for name, p in ours.named_parameters():   # also biases and gains, which start at 0 and 1
        p.detach().copy_(Tensor(draw.normal(*p.shape, scale=0.5)))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v.numpy().copy()) for k, v in ours.state_dict().items()})
    return ours, theirs


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_layer(case, training):
    spec, shapes = CASES[case]
    ours, theirs = twins(spec)
    ours.train(training), theirs.train(training)
    draw = Draw(1)
    arrays = [draw.normal(*shape) for shape in shapes]
    xs, ts = [Tensor(a, requires_grad=True) for a in arrays], [torch.tensor(a, requires_grad=True) for a in arrays]
    for _ in range(2 if "BatchNorm" in case else 1):
        got, want = flat(ours(*xs)), flat(theirs(*ts))
    assert len(got) == len(want)
    cots = [draw.normal(*g.shape) for g in got]
    pairs = [(g, w, c) for g, w, c in zip(got, want, cots) if w.requires_grad]
    tinymm.backward([g for g, _, _ in pairs], [Tensor(c) for *_, c in pairs])
    torch.autograd.backward([w for _, w, _ in pairs], [torch.tensor(c) for *_, c in pairs])
    for g, w in zip(got, want):
        np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), rtol=1e-9, atol=1e-10)
    for x, t in zip(xs, ts):
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-8, atol=1e-10)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters()):
        want = np.zeros(p.shape) if q.grad is None else q.grad.numpy()
        np.testing.assert_allclose(want * 0 if p.grad is None else p.grad.numpy(), want, rtol=1e-8, atol=1e-10, err_msg=name)
    for (name, b), q in zip(ours.named_buffers(), theirs.buffers()):
        np.testing.assert_allclose(b.numpy(), q.numpy(), rtol=1e-12, err_msg=name)


def test_every_layer_is_compared():
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)}
    elsewhere = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "Dropout", "Embedding", "TransformerEncoder",
                 "TransformerDecoder", "CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss", "KLDivLoss",
                 "MarginRankingLoss", "CosineEmbeddingLoss", "LayerNormLSTM", "LayerNormLSTMCell", "LayerNormGRU", "LayerNormGRUCell"}
    assert layers - {spec[0] for spec, _ in CASES.values()} == elsewhere


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_and_ragged_sequences(kind, bidirectional):
    ours, theirs = twins((kind, 4, 3, {"num_layers": 2, "bidirectional": bidirectional}))
    lengths, array = [5, 2, 4], Draw(2).normal(5, 3, 4)
    x, t = Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    want, want_state = theirs(pack_padded_sequence(t, lengths, enforce_sorted=False))
    want = pad_packed_sequence(want)[0]
    padded, state = ours(x, lengths=lengths)
    packed, packed_state = ours(tinymm.functional.pack_padded_sequence(x, lengths, enforce_sorted=False))
    unpacked, found = tinymm.functional.pad_packed_sequence(packed)
    assert found.tolist() == lengths
    for got in (padded, unpacked):
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-12)
    for got in (state, packed_state):
        for g, w in zip(flat(got), flat(want_state)):
            np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), atol=1e-12)
    (padded * padded).sum().backward()
    (want * want).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), atol=1e-12)


def test_masks_of_multihead_attention():
    ours, theirs = twins(("MultiheadAttention", 4, 2))
    array, draw = Draw(3).normal(5, 3, 4), Draw(4)
    padding = np.zeros((3, 5), bool)
    padding[1, 3:] = True
    for mask in (np.triu(np.ones((5, 5), bool), 1), draw.normal(5, 5)):
        x, t = Tensor(array), torch.tensor(array)
        got = ours(x, x, x, Tensor(padding), attn_mask=Tensor(mask))
        float_padding = torch.zeros(3, 5, dtype=torch.float64).masked_fill(torch.tensor(padding), -torch.inf)
        want = theirs(t, t, t, torch.tensor(padding) if mask.dtype == bool else float_padding, attn_mask=torch.tensor(mask))
        for g, w in zip(got, want):
            np.testing.assert_allclose(g.detach().numpy(), w.detach().numpy(), atol=1e-12)


def test_stacks_of_transformer_layers():
    ours = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0), 2, nn.LayerNorm(4)).double()
    theirs = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0), 2, torch.nn.LayerNorm(4),
                                         enable_nested_tensor=False).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(v.numpy().copy()) for k, v in ours.state_dict().items()})
    x = Draw(6).normal(5, 3, 4)
    got = ours(Tensor(x), nn.generate_square_subsequent_mask(5, dtype=np.float64))
    want = theirs(torch.tensor(x), torch.nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-12)


def test_embedding_and_losses_of_indices():
    weight, index = Draw(7).normal(6, 4), np.array([[1, 2, 0], [2, 2, 5]])
    ours, theirs = nn.Embedding(6, 4, padding_idx=0).double(), torch.nn.Embedding(6, 4, padding_idx=0).double()
    ours.load_state_dict({"weight": weight})
    theirs.load_state_dict({"weight": torch.tensor(weight)})
    (ours(Tensor(index)) ** 2).sum().backward()
    (theirs(torch.tensor(index)) ** 2).sum().backward()
    np.testing.assert_allclose(ours.weight.grad.numpy(), theirs.weight.grad.numpy())
    logits, target, classes = Draw(8).normal(5, 4), np.array([0, 3, 1, 1, 2]), Draw(9).uniform(4)
    for name in ("CrossEntropyLoss", "NLLLoss"):
        got = getattr(nn, name)(weight=Tensor(classes), ignore_index=1)(Tensor(logits), Tensor(target))
        want = getattr(torch.nn, name)(weight=torch.tensor(classes), ignore_index=1)(torch.tensor(logits), torch.tensor(target))
        assert float(got) == pytest.approx(float(want), rel=1e-12)
    probability, y = Draw(10).uniform(5, 4), np.where(Draw(11).mask(5), 1.0, -1.0)
    for name, args in {"BCELoss": (probability, probability[::-1].copy()), "BCEWithLogitsLoss": (logits, probability),
                       "KLDivLoss": (np.log(probability), probability), "MarginRankingLoss": (logits[:, 0], logits[:, 1], y),
                       "CosineEmbeddingLoss": (logits, probability, y)}.items():
        got = getattr(nn, name)()(*map(Tensor, args))
        assert float(got) == pytest.approx(float(getattr(torch.nn, name)()(*map(torch.tensor, args))), rel=1e-10)


def test_layer_normalised_lstm_against_a_cell_of_torch_layers():
    """Ba et al., supplement: f, i, o, g over the concatenated 4H, and the un-normalised cell carried."""
    tinymm.manual_seed(0)
    ours = nn.LayerNormLSTM(4, 3).double()
    draw = Draw(12)
    for p in ours.parameters():
        p.detach().copy_(Tensor(draw.normal(*p.shape)))
    x = draw.normal(5, 2, 4)
    w = {name: torch.tensor(p.detach().numpy()) for name, p in ours.named_parameters()}
    norm = torch.nn.functional.layer_norm
    h = c = torch.zeros(2, 3, dtype=torch.float64)
    want = []
    for step in torch.tensor(x):
        gates = norm(step @ w["weight_ih"].T, (12,), w["gain_ih"], w["bias_ih"]) + norm(h @ w["weight_hh"].T, (12,), w["gain_hh"], w["bias_hh"])
        f, i, o, g = gates.chunk(4, -1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * norm(c, (3,), w["gain_c"], w["bias_c"]).tanh()
        want.append(h)
    out, (h_n, c_n) = ours(Tensor(x))
    np.testing.assert_allclose(out.detach().numpy(), torch.stack(want).numpy(), atol=1e-12)
    np.testing.assert_allclose(c_n.detach().numpy(), c.numpy(), atol=1e-12)
    cell = nn.LayerNormLSTMCell(4, 3).double()
    cell.load_state_dict(ours.state_dict())
    state = None
    for step in x:
        state = cell(Tensor(step), state)
    np.testing.assert_allclose(state[0].detach().numpy(), h_n.detach().numpy(), atol=1e-12)


def test_layer_normalised_gru_and_its_cell():
    tinymm.manual_seed(0)
    gru, cell = nn.LayerNormGRU(4, 3).double(), nn.LayerNormGRUCell(4, 3).double()
    cell.load_state_dict(gru.state_dict())
    x = Draw(13).normal(5, 2, 4)
    out, last = gru(Tensor(x))
    w = {name: torch.tensor(p.detach().numpy()) for name, p in gru.named_parameters()}
    h, state = torch.zeros(2, 3, dtype=torch.float64), None
    norm = torch.nn.functional.layer_norm
    for step in x:
        xs, hs = torch.tensor(step) @ w["weight_ih"].T, h @ w["weight_hh"].T
        zr = (norm(xs[:, :6], (6,)) + norm(hs[:, :6], (6,))).sigmoid()
        z, r = zr.chunk(2, -1)
        n = (norm(xs[:, 6:], (3,)) + r * norm(hs[:, 6:], (3,))).tanh()
        h = (1 - z) * h + z * n
        state = cell(Tensor(step), state)
    np.testing.assert_allclose(last.detach().numpy(), h.numpy(), atol=1e-12)
    np.testing.assert_allclose(state.detach().numpy(), h.numpy(), atol=1e-12)
    np.testing.assert_allclose(out.detach().numpy()[-1], h.numpy(), atol=1e-12)


def test_weight_norm_of_a_layer():
    ours, theirs = twins(("Linear", 4, 3))
    nn.utils.weight_norm(ours)
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(theirs)
    x = Draw(14).normal(2, 4)
    assert {n for n, _ in ours.named_parameters()} == {n for n, _ in theirs.named_parameters()} == {"bias", "weight_g", "weight_v"}
    (ours(Tensor(x)) ** 2).sum().backward()
    (theirs(torch.tensor(x)) ** 2).sum().backward()
    for name in ("weight_g", "weight_v"):
        np.testing.assert_allclose(getattr(ours, name).grad.numpy(), getattr(theirs, name).grad.numpy(), atol=1e-12)
    with pytest.raises(ValueError, match="no parameter 'weight'; it has"):
        nn.utils.weight_norm(ours)


def test_spectral_norm_of_a_layer_reaches_the_largest_singular_value():
    tinymm.manual_seed(0)
    layer = nn.utils.spectral_norm(nn.Linear(6, 5)).double()
    for _ in range(200):
        layer(Tensor(np.ones((1, 6))))
    sigma = np.linalg.svd(layer.weight_orig.detach().numpy(), compute_uv=False)[0]
    np.testing.assert_allclose(layer.weight.detach().numpy(), layer.weight_orig.detach().numpy() / sigma, rtol=1e-6)
    assert {"weight_u", "weight_v", "weight_orig", "bias"} == set(layer.state_dict())
