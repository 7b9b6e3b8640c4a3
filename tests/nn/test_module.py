"""Modules: finding their parts, state, modes, hooks, summaries; what they say when used wrongly."""

import copy

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn
from tinymm.backend.random import stream


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.second = nn.Linear(8, 2, bias=False)
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.register_buffer("count", Tensor(np.zeros(2, np.float32)))
        self.register_buffer("scratch", Tensor(np.zeros(2, np.float32)), persistent=False)

    def forward(self, x):
        return self.second(self.first(x).relu()) * self.scale


def test_parts_are_found_by_name():
    model = Two()
    assert [n for n, _ in model.named_parameters()] == ["scale", "first.weight", "first.bias", "second.weight"]
    assert list(model.state_dict()) == ["scale", "count", "first.weight", "first.bias", "second.weight"]
    assert [n for n, _ in model.named_modules()] == ["", "first", "second"]
    assert model.get_submodule("first") is model.first
    with pytest.raises(AttributeError, match="no part 'third'; it has"):
        model.get_submodule("third")


def test_shared_parameters_are_listed_once_and_saved_twice():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    assert len(list(model.parameters())) == 1
    assert list(model.state_dict()) == ["0.weight", "1.weight"]


def test_loading_checks_everything_before_it_changes_anything():
    model, other = Two(), Two()
    state = dict(other.state_dict())
    before = model.first.weight.detach().clone()
    bad = {**state, "first.bias": Tensor(np.zeros(3, np.float32)), "extra": Tensor(np.zeros(1))}
    del bad["scale"]
    with pytest.raises(ValueError, match=r"(?s)missing: scale.*unexpected: extra.*first.bias has shape \(8,\) here but \(3,\)"):
        model.load_state_dict(bad)
    np.testing.assert_array_equal(before.numpy(), model.first.weight.detach().numpy())
    result = model.load_state_dict({"scale": np.full(1, 5.0, np.float32)}, strict=False)
    assert model.scale.item() == 5 and "first.weight" in result.missing_keys
    model.load_state_dict(state)
    np.testing.assert_array_equal(other.first.weight.detach().numpy(), model.first.weight.detach().numpy())


def test_assigned_arrays_are_shared_not_copied():
    model, x = nn.Linear(3, 2).double(), np.ones((1, 3), np.float32)
    weight, bias = np.arange(6, dtype=np.float32).reshape(3, 2).T, np.ones(2, np.float32)
    bias.flags.writeable = False
    model.weight.grad = Tensor(np.ones((2, 3)))
    kept = model.weight
    model.load_state_dict({"weight": np.ascontiguousarray(weight), "bias": bias}, assign=True)
    assert model.weight is kept and kept.grad is None and kept.requires_grad and kept.dtype == np.float32   # the state's dtype
    np.testing.assert_array_equal(model(Tensor(x)).detach().numpy(), x @ weight.T + 1)
    own = np.ones((2, 3), np.float32)
    model.load_state_dict({"weight": own, "bias": bias}, assign=True)
    own[0, 0] = 7                                                     # it is the same memory
    assert model.weight[0, 0].item() == 7
    with tinymm.no_grad():
        model.bias.mul_(2)                                            # a read-only array was copied
    assert model.bias.detach().numpy().tolist() == [2, 2] and bias.tolist() == [1, 1]
    other = nn.Linear(3, 2)
    other.load_state_dict({"weight": weight, "bias": Tensor(np.zeros(2, np.float32))}, assign=True)
    assert other.weight.detach().numpy().flags.c_contiguous
    with pytest.raises(ValueError, match=r"weight has shape \(2, 3\) here but \(3, 2\)"):
        other.load_state_dict({"weight": weight.T, "bias": bias}, assign=True)
    with pytest.raises(ValueError, match="missing: bias"):
        other.load_state_dict({"weight": own}, assign=True)
    np.testing.assert_array_equal(other.weight.detach().numpy(), weight)


def test_initialisation_can_be_skipped():
    tinymm.manual_seed(3)
    first = nn.Linear(4, 4)
    tinymm.manual_seed(3)
    skipped = nn.utils.skip_init(nn.Linear, 4, 4)
    again = nn.Linear(4, 4)                                           # nothing was drawn for the other
    np.testing.assert_array_equal(first.weight.detach().numpy(), again.weight.detach().numpy())
    skipped.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(first.weight.detach().numpy(), skipped.weight.detach().numpy())
    with pytest.raises(TypeError):
        nn.utils.skip_init(nn.Linear, 4)
    tinymm.manual_seed(3)
    np.testing.assert_array_equal(first.weight.detach().numpy(), nn.Linear(4, 4).weight.detach().numpy())   # also after an error


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_numbers_do_not_depend_on_how_many_are_drawn_at_a_time(block, monkeypatch):
    monkeypatch.setattr(nn.init, "BLOCK", block)
    for fill, draw in ((nn.init.normal_, lambda g: g.normal(0.5, 2.0, (9, 7))),
                       (nn.init.uniform_, lambda g: g.uniform(0.5, 2.0, (9, 7)))):
        tinymm.manual_seed(4)
        found = fill(Tensor(np.zeros((9, 7), np.float32)), 0.5, 2.0).numpy()
        tinymm.manual_seed(4)
        np.testing.assert_array_equal(found, draw(stream(None, "init").generator).astype(np.float32))


def test_forgetting_super_init_is_explained():
    class Bad(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

    with pytest.raises(AttributeError, match=r"call super\(\).__init__\(\) before assigning layer"):
        Bad()


def test_a_parameter_is_not_replaced_by_a_tensor():
    model = Two()
    with pytest.raises(TypeError, match="wrap it in Parameter"):
        model.scale = Tensor(np.zeros(1))
    with pytest.raises(AttributeError, match="Two has no attribute 'frist'"):
        model.frist  # noqa: B018


def test_modes_and_freezing():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    x = tinymm.ones(100, 2)
    assert not np.array_equal(model(x).detach().numpy(), model(x).detach().numpy())
    model.eval()
    np.testing.assert_array_equal(model(x).detach().numpy(), model(x).detach().numpy())
    model.requires_grad_(False)
    assert not model(x).requires_grad


def test_dtypes():
    model = Two().double()
    assert {p.dtype for p in model.parameters()} == {np.dtype("float64")} and model.count.dtype == np.float64
    assert model(Tensor(np.zeros((1, 4)))).dtype == np.float64
    with pytest.raises(TypeError, match="not a floating-point dtype"):
        model.to(np.int64)


def test_hooks():
    model, seen = nn.Linear(2, 2), []
    pre = model.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    post = model.register_forward_hook(lambda m, args, out: seen.append(out.shape))
    back = model.register_full_backward_hook(lambda m, gin, gout: seen.append((gin[0].shape, gout[0].shape)))
    x = tinymm.ones(3, 2)
    x.requires_grad_()
    doubled = model(x)
    doubled.sum().backward()
    assert seen == [(3, 2), ((3, 2), (3, 2))]
    for handle in (pre, post, back):
        handle.remove()
    plain = model(x)
    np.testing.assert_allclose((doubled - plain).detach().numpy(), (plain - model.bias).detach().numpy(), rtol=1e-5)
    assert len(seen) == 2


def test_summary_counts_parameters_and_shows_shapes():
    summary = Two().summary(tinymm.ones(5, 4))
    assert summary.total == 4 * 8 + 8 + 8 * 2 + 1 and summary.trainable == summary.total
    text = repr(summary)
    assert "(5, 8)" in text and "57 parameters" in text
    assert summary._repr_html_().count("<tr>") == 4


def test_deepcopy_is_independent():
    model = Two()
    twin = copy.deepcopy(model)
    with tinymm.no_grad():
        twin.scale.fill_(9.0)
    assert model.scale.item() == 1 and isinstance(twin.scale, nn.Parameter)


def test_representation_shows_the_structure():
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.ReLU())) == \
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)"


def test_containers():
    with pytest.raises(TypeError, match=r"not a Module; functions go in as a layer"):
        nn.Sequential(nn.Linear(2, 2), tinymm.relu)
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    assert len(layers) == 3 and len(list(layers.parameters())) == 6 and len(layers[1:]) == 2
    named = nn.ModuleDict({"a": nn.Linear(1, 1)})
    assert "a" in named and list(named.state_dict()) == ["a.weight", "a.bias"]


def test_initialisers_have_the_variance_they_promise():
    from tinymm.nn import init

    tinymm.manual_seed(0)
    weight = tinymm.zeros(400, 300)
    for fill, variance in ((init.xavier_uniform_, 2 / 700), (init.xavier_normal_, 2 / 700),
                           (lambda w: init.kaiming_normal_(w, nonlinearity="relu"), 2 / 300),
                           (lambda w: init.kaiming_uniform_(w, mode="fan_out", nonlinearity="relu"), 2 / 400)):
        values = fill(weight).numpy()
        assert values.var() == pytest.approx(variance, rel=0.03)   # 3 % is about 7 standard errors
    q = init.orthogonal_(weight).numpy()
    np.testing.assert_allclose(q.T @ q, np.eye(300), atol=1e-5)
    assert np.abs(init.trunc_normal_(weight, std=2.0, a=-1, b=1).numpy()).max() <= 1


def test_the_same_seed_gives_the_same_weights():
    tinymm.manual_seed(3)
    first = nn.Linear(3, 3).weight.detach().numpy().copy()
    nn.Linear(5, 5)
    tinymm.manual_seed(3)
    np.testing.assert_array_equal(first, nn.Linear(3, 3).weight.detach().numpy())


# ---------------------------------------------------------------------- what comes from outside

def linear_state(**changes):
    return {"weight": np.ones((1, 2), np.float32), "bias": np.zeros(1, np.float32), **changes}


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize("state, error, words", [
    ([1, 2], TypeError, "a state is a dictionary .* a list"), (None, TypeError, "NoneType"),
    ({1: np.ones(2)}, TypeError, "other keys than strings"),
    (linear_state(bias=[0.0]), TypeError, "bias is a list; a state holds Tensors or arrays"),
    (linear_state(bias=None), TypeError, "bias is a NoneType"), (linear_state(bias="b"), TypeError, "bias is a str"),
    (linear_state(bias=np.float32(1)), ValueError, r"bias has shape \(1,\) here but \(\) in the state"),
    (linear_state(bias=np.zeros((1, 1))), ValueError, r"bias has shape \(1,\) here but \(1, 1\)")])
def test_a_state_that_does_not_fit_changes_nothing(state, error, words, assign):
    layer = nn.Linear(2, 1)
    before = {name: value.tolist() for name, value in layer.state_dict().items()}
    with pytest.raises(error, match=f"(?s)Linear.load_state_dict:.*{words}"):
        layer.load_state_dict(state, assign=assign)
    assert {name: value.tolist() for name, value in layer.state_dict().items()} == before


def test_integers_of_a_state_stay_integers():
    norm = nn.BatchNorm1d(3)
    with pytest.raises(TypeError, match="num_batches_tracked is int64 here but float64"):
        norm.load_state_dict({**norm.state_dict(), "num_batches_tracked": np.array(1.5)})
    layer = nn.Linear(2, 1)
    layer.load_state_dict(linear_state(weight=np.ones((1, 2), int)), assign=True)
    assert layer.weight.dtype == np.float32


@pytest.mark.parametrize("call, error, words", [
    (lambda m: m.register_parameter("x", tinymm.ones(1)), TypeError, r"'x' is a Tensor; wrap it in Parameter"),
    (lambda m: m.register_buffer("x", np.ones(1)), TypeError, "'x' is a ndarray"),
    (lambda m: m.register_buffer("a.b", tinymm.ones(1)), ValueError, "'a.b' must not be empty or contain a dot"),
    (lambda m: m.register_buffer("", None), ValueError, "must not be empty"),
    (lambda m: m.register_buffer(3, None), TypeError, "a name is a string, got int"),
    (lambda m: m.register_buffer("forward", None), KeyError, "already has an attribute 'forward'"),
    (lambda m: m.register_parameter("training", None), KeyError, "already has an attribute 'training'"),
    (lambda m: m.add_module("x", 3), TypeError, "'x' is a int, not a Module"),
    (lambda m: m.add_module("part", m), ValueError, "a module cannot be a part of itself"),
    (lambda m: setattr(m, "part", nn.Sequential(nn.Sequential(m))), ValueError, "a module cannot be a part of itself"),
    (lambda m: m.train("no"), TypeError, "mode is True or False, got 'no'"),
    (lambda m: m.register_forward_hook(3), TypeError, "a hook is a function"),
    (lambda m: m.register_forward_pre_hook(None), TypeError, "a hook is a function")])
def test_what_cannot_be_registered_is_refused(call, error, words):
    layer = nn.Linear(2, 1)
    names = list(dir(layer))
    with pytest.raises(error, match=words):
        call(layer)
    assert list(dir(layer)) == names and layer.training is True


def test_a_registered_name_can_be_registered_again():
    layer = nn.Linear(2, 1)
    layer.register_parameter("bias", None)
    layer.register_buffer("bias", tinymm.ones(1))
    assert list(layer.state_dict()) == ["weight", "bias"] and not isinstance(layer.bias, nn.Parameter)
