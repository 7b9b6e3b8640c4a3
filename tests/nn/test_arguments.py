"""What layers and Modules do with PyTorch's arguments: device and dtype, borders, sizes, norms, hooks, names; what is refused."""

import inspect

import numpy as np
import pytest

import tests.device_double  # noqa: F401 - the device "double"
import tinymm
from tinymm import Tensor, nn
from tinymm import functional as F
from tinymm.autograd.registry import Draw

LAYERS = [("Linear", 3, 2), ("Bilinear", 3, 2, 2), ("Embedding", 4, 2), ("Conv1d", 2, 2, 3), ("Conv2d", 2, 2, 3),
          ("Conv3d", 2, 2, 3), ("ConvTranspose1d", 2, 2, 3), ("ConvTranspose2d", 2, 2, 3), ("ConvTranspose3d", 2, 2, 3),
          ("BatchNorm1d", 2), ("BatchNorm2d", 2), ("BatchNorm3d", 2), ("InstanceNorm1d", 2, 1e-5, 0.1, True, True),
          ("InstanceNorm2d", 2, 1e-5, 0.1, True, True), ("InstanceNorm3d", 2, 1e-5, 0.1, True, True), ("GroupNorm", 1, 2),
          ("LayerNorm", 2), ("RMSNorm", 2), ("LSTM", 2, 2), ("GRU", 2, 2), ("RNN", 2, 2), ("LSTMCell", 2, 2),
          ("GRUCell", 2, 2), ("RNNCell", 2, 2), ("MultiheadAttention", 4, 2), ("TransformerEncoderLayer", 4, 2, 8),
          ("TransformerDecoderLayer", 4, 2, 8)]


@pytest.mark.parametrize("made", LAYERS, ids=[layer[0] for layer in LAYERS])
def test_a_layer_is_made_on_a_device_and_in_a_dtype(made):
    name, *args = made
    layer = getattr(nn, name)(*args, device="double", dtype=np.float64)
    values = [*layer.parameters(), *layer.buffers()]
    assert values and {v.device for v in values} == {"double"}
    assert {v.dtype for v in values} <= {np.dtype(np.float64), np.dtype(np.int64)}


def test_every_layer_with_parameters_takes_a_device():
    layers = {name: value for name, value in vars(nn).items() if isinstance(value, type) and issubclass(value, nn.Module)}
    takes = {name for name, layer in layers.items() if "device" in inspect.signature(layer.__init__).parameters}
    assert takes == {name for name, *_ in LAYERS}


REFUSED = {
    "ReLU(inplace=True)": (lambda: nn.ReLU(inplace=True), ValueError, "ReLU: inplace=True is not supported.*leave it out"),
    "ReLU(True)": (lambda: nn.ReLU(True), ValueError, "inplace"), "SiLU": (lambda: nn.SiLU(True), ValueError, "inplace"),
    "ELU": (lambda: nn.ELU(1.0, True), ValueError, "inplace"), "Dropout": (lambda: nn.Dropout(0.5, True), ValueError, "inplace"),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.1, True), ValueError, "inplace"),
    "relu": (lambda: F.relu(tinymm.ones(2), True), ValueError, "relu: inplace=True is not supported"),
    "sparse": (lambda: nn.Embedding(3, 2, sparse=True), NotImplementedError,
               "Embedding: sparse gradients .*leave sparse=False"),
    "padding_mode": (lambda: nn.Conv2d(2, 2, 3, padding_mode="mirror"), ValueError,
                     "padding_mode='mirror'; choose 'zeros' or 'reflect'"),
    "transposed": (lambda: nn.ConvTranspose2d(2, 2, 3, padding_mode="reflect"), ValueError,
                   "choose 'zeros'$"),
    "output_size": (lambda: nn.ConvTranspose2d(2, 2, 3, 2)(tinymm.ones(1, 2, 3, 3), (9, 9)), ValueError,
                    r"output_size=\(9, 9\); from an input of shape \(1, 2, 3, 3\) it can be \[7, 7\] to \[8, 8\]"),
    "MSELoss": (lambda: nn.MSELoss("sum"), TypeError, "positional"),
    "KLDivLoss": (lambda: nn.KLDivLoss("sum"), TypeError, "positional"),
    "CrossEntropyLoss": (lambda: nn.CrossEntropyLoss(None, None), TypeError, "positional"),
    "heads": (lambda: F.scaled_dot_product_attention(tinymm.ones(1, 4, 2, 2), *[tinymm.ones(1, 3, 2, 2)] * 2, enable_gqa=True),
              ValueError, r"the heads \(axis -3\) of query \(1, 4, 2, 2\) to be a multiple of those of key \(1, 3, 2, 2\)"),
    "size twice": (lambda: tinymm.zeros(2, size=(2,)), TypeError, "zeros: size is given twice"),
    "dims twice": (lambda: tinymm.ones(2, 2).permute(1, 0, dims=(1, 0)), TypeError, "permute: dims is given twice"),
    "dim twice": (lambda: tinymm.ones(2).squeeze(0, dim=0), TypeError, "squeeze: dim is given twice"),
    "no end": (lambda: tinymm.arange(), TypeError, r"arange: give an end"),
    "other and dim": (lambda: tinymm.max(tinymm.ones(2), 0, other=tinymm.ones(2)), TypeError, "max: give dim and"),
    "src and value": (lambda: tinymm.ones(2).scatter(0, tinymm.tensor([0]), tinymm.ones(1), value=1), TypeError,
                      "either src or value"),
    "no src": (lambda: tinymm.ones(2).scatter(0, tinymm.tensor([0])), TypeError, "either src or value"),
    "decimals": (lambda: tinymm.tensor([1, 2]).round(decimals=1), TypeError, "round: decimals=1 is for floating-point tensors"),
    "view": (lambda: tinymm.ones(2).view(np.int32), TypeError, r"view: int32 is a dtype.*use \.to\(dtype\)"),
    "no repeats": (lambda: tinymm.tensor([1, 2]).repeat_interleave(dim=0), TypeError, "dim=0 without repeats"),
    "repeats": (lambda: tinymm.ones(2).repeat_interleave(2, output_size=3), ValueError, "the repeats add up to 4"),
    "max_norm": (lambda: F.embedding(tinymm.tensor([0]), tinymm.ones(2, 2, requires_grad=True) * 2, max_norm=1.0),
                 RuntimeError, "max_norm changes the weight in place, and this weight is a result of mul"),
    "to": (lambda: tinymm.ones(2).to(np.float64, "cpu"), TypeError, r"write to\(device, dtype\)"),
    "to twice": (lambda: tinymm.ones(2).to("cpu", device="cpu"), TypeError, r"write to\(device, dtype\)"),
    "Module.to": (lambda: nn.Linear(2, 2).to("cpu", np.float64, what=1), TypeError, "Module.to: cannot take"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_what_to_write(case):
    call, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding, border", [((1, 2), (2, 2, 1, 1)), ("valid", (0, 0, 0, 0)), ("same", (1, 2, 1, 1))])
def test_the_border_of_a_convolution(mode, padding, border):
    layer, x = nn.Conv2d(2, 3, (3, 4), padding=padding, padding_mode=mode, dtype=np.float64), Tensor(Draw(0).normal(2, 2, 5, 6))
    want = F.conv2d(F.pad(x, border, mode), layer.weight, layer.bias)
    np.testing.assert_array_equal(layer(x).detach().numpy(), want.detach().numpy())
    assert f"padding_mode='{mode}'" in repr(layer)


def test_an_output_size_undoes_a_strided_convolution():
    x = Tensor(Draw(0).normal(1, 2, 12, 11))
    down, up = nn.Conv2d(2, 2, 3, stride=2, padding=1).double(), nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1).double()
    assert up(down(x)).shape == (1, 2, 11, 11)
    assert up(down(x), output_size=x.size()).shape == up(down(x), (12, 11)).shape == x.shape


def test_rows_longer_than_max_norm_are_shortened_in_the_weight():
    layer = nn.Embedding(4, 3, max_norm=1.0)
    with tinymm.no_grad():
        layer.weight.copy_(np.full((4, 3), 2.0))
        layer.weight[2] = 0.1
    y = layer(tinymm.tensor([1, 2, 1]))
    y.sum().backward()
    lengths = np.linalg.norm(layer.weight.detach().numpy(), axis=1)
    np.testing.assert_allclose(lengths, [np.sqrt(12), 1, np.sqrt(0.03), np.sqrt(12)], rtol=1e-5)
    np.testing.assert_array_equal(y.detach().numpy(), layer.weight.detach().numpy()[[1, 2, 1]])
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [[0] * 3, [2] * 3, [1] * 3, [0] * 3])
    square = (layer.weight * layer.weight).sum()
    layer(tinymm.tensor([0]))
    with pytest.raises(RuntimeError, match="__setitem__"):   # what a graph keeps is not shortened unseen
        square.backward()


def test_running_statistics_of_instance_normalisation():
    layer, x = nn.InstanceNorm1d(2, momentum=1.0, track_running_stats=True).double(), Tensor(Draw(0).normal(3, 2, 50, scale=2.0))
    layer(x)
    np.testing.assert_allclose(layer.running_mean.numpy(), x.numpy().mean((0, 2)))
    np.testing.assert_allclose(layer.running_var.numpy(), x.numpy().var(2, ddof=1).mean(0))
    shifted = layer.eval()(x + 1).detach().numpy()
    np.testing.assert_allclose(shifted.mean((0, 2)), 1 / np.sqrt(layer.running_var.numpy() + 1e-5))
    assert list(layer.state_dict()) == ["running_mean", "running_var", "num_batches_tracked"]


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3, bias=False), nn.InstanceNorm1d(3, affine=True, bias=False),
                                   nn.GroupNorm(1, 3, bias=False)], ids=lambda layer: type(layer).__name__)
def test_a_weight_without_a_bias(layer):
    assert layer.bias is None and [name for name, _ in layer.named_parameters()] == ["weight"]
    layer(Tensor(np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32))).sum().backward()
    assert layer.weight.grad.shape == (3,)


# ---------------------------------------------------------------------- hooks, names and states of Modules

def test_hooks_in_order_with_keywords():
    class Scale(nn.Module):
        def forward(self, x, by=1.0):
            return x * by

    model, calls = Scale(), []
    model.register_forward_pre_hook(lambda m, args: calls.append("second"))
    model.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True, prepend=True)
    model.register_forward_hook(lambda m, args, out: calls.append(out.tolist()))
    handle = model.register_forward_hook(lambda m, args, kwargs, out: out * kwargs["by"], with_kwargs=True, prepend=True)
    assert model(tinymm.ones(1), by=2.0).tolist() == [9.0]   # 1 * 3, times 3
    handle.remove()
    assert model(tinymm.ones(1), by=2.0).tolist() == [3.0]
    assert calls == ["second", [9.0], "second", [3.0]]
    model.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(TypeError, match="returns None or \\(args, kwargs\\), not a tuple|not a"):
        model(tinymm.ones(1), by=2.0)


def test_a_hook_that_is_always_called():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("broken")

    model, seen = Broken(), []
    model.register_forward_hook(lambda m, args, out: seen.append("not me"))
    model.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(ValueError, match="broken"):
        model(tinymm.ones(1))
    assert seen == [None]
    model.register_forward_hook(lambda m, args, out: 1 / 0, always_call=True)
    with pytest.warns(UserWarning, match="a forward hook with always_call raised ZeroDivisionError"):
        with pytest.raises(ValueError, match="broken"):
            model(tinymm.ones(1))


def test_names_of_what_is_shared():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU())
    model.append(model[0])
    assert [n for n, _ in model.named_parameters()] == ["0.weight"]
    assert [n for n, _ in model.named_parameters("net", remove_duplicate=False)] == ["net.0.weight", "net.2.weight"]
    assert [n for n, _ in model.named_modules(remove_duplicate=False)] == ["", "0", "1", "2"]
    assert len(list(model.modules())) == 3 and len(list(model.modules(remove_duplicate=False))) == 4
    norm = nn.BatchNorm1d(2)
    assert [n for n, _ in nn.ModuleList([norm, norm]).named_buffers(remove_duplicate=False)][3] == "1.running_mean"


def test_a_state_under_a_prefix():
    model = nn.Linear(2, 1)
    state = model.state_dict(prefix="head.", keep_vars=True)
    assert list(state) == ["head.weight", "head.bias"] and state["head.weight"] is model.weight
    more = {"step": tinymm.tensor(3)}
    assert model.state_dict(destination=more, prefix="x.") is more and list(more) == ["step", "x.weight", "x.bias"]
    assert not more["x.weight"].requires_grad and np.shares_memory(more["x.weight"].numpy(), model.weight.detach().numpy())


def test_a_module_and_a_tensor_go_where_another_tensor_is():
    target = tinymm.ones(1, device="double", dtype=np.float64)
    layer, x = nn.Linear(2, 2).to(target), tinymm.ones(3, 2).to(target)
    assert (layer.weight.device, layer.weight.dtype, x.device, x.dtype) == ("double", np.float64, "double", np.float64)
    assert layer(x).device == "double"
    assert x.numpy(force=True).sum() == 6 and x.to(target) is x and x.to(target, False, True) is not x
