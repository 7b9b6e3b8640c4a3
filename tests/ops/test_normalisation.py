"""Normalisations: what the generic suite cannot see (running statistics, invariances, messages, edges)."""

import numpy as np
import pytest

from tinymm import Tensor, grad, no_grad
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.ops.normalisation.batch_norm import BatchNorm, batch_norm
from tinymm.ops.normalisation.group_norm import group_norm, instance_norm
from tinymm.ops.normalisation.layer_norm import layer_norm
from tinymm.ops.normalisation.local_response_norm import local_response_norm
from tinymm.ops.normalisation.rms_norm import rms_norm
from tinymm.ops.normalisation.weight_norm import spectral_norm, weight_norm

MODES = pytest.mark.parametrize("mode", ["numpy", "numba"])


def normal(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def running(channels):
    return Tensor(np.zeros(channels)), Tensor(np.ones(channels))


# ---------------------------------------------------------------------- running statistics

@MODES
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2), (2, 3, 4, 2), (2, 3, 2, 2, 2)])
def test_running_statistics_are_a_moving_average_with_unbiased_variance(mode, shape):
    x, (mean, var) = normal(*shape) + 2, running(3)
    with use_kernels(mode):
        batch_norm(Tensor(x), mean, var, training=True, momentum=0.3)
    flat = np.moveaxis(x, 1, 0).reshape(3, -1)
    np.testing.assert_allclose(mean.numpy(), 0.3 * flat.mean(1))
    np.testing.assert_allclose(var.numpy(), 0.7 + 0.3 * flat.var(1, ddof=1))


@MODES
def test_running_statistics_are_updated_once_even_under_double_backward(mode):
    x, (mean, var) = Tensor(normal(4, 3), requires_grad=True), running(3)
    with use_kernels(mode):
        y = batch_norm(x, mean, var, training=True)
        after = mean.numpy().copy(), var.numpy().copy(), mean._version.count
        first, = grad((y * y * y).sum(), x, create_graph=True)
        grad((first * first).sum(), x)
    assert (mean.numpy() == after[0]).all() and (var.numpy() == after[1]).all() and mean._version.count == after[2]


def test_running_statistics_change_in_place_and_tell_their_version():
    mean, var = running(2)
    array, y = mean._data, mean * Tensor(np.ones(2), requires_grad=True)
    with no_grad():
        batch_norm(Tensor(normal(4, 2)), mean, var, training=True)
    assert mean._data is array and not mean.requires_grad
    with pytest.raises(RuntimeError, match="changed in place by batch_norm"):
        y.sum().backward()


def test_evaluation_leaves_the_running_statistics_alone():
    mean, var = running(2)
    batch_norm(Tensor(normal(4, 2)), mean, var, training=False)
    assert (mean.numpy() == 0).all() and (var.numpy() == 1).all()


def test_two_training_steps_before_one_backward():
    """The second forward changes the running statistics, which the first backward does not need."""
    x, (mean, var) = Tensor(normal(4, 2), requires_grad=True), running(2)
    y = batch_norm(x, mean, var, training=True)
    z = batch_norm(x * 2, mean, var, training=True)
    (y * z).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


@MODES
def test_instance_norm_averages_its_statistics_over_cases(mode):
    x, (mean, var) = normal(4, 3, 5), running(3)
    with use_kernels(mode):
        instance_norm(Tensor(x), mean, var, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), 0.5 * x.mean((0, 2)))
    np.testing.assert_allclose(var.numpy(), 0.5 + 0.5 * x.var(2, ddof=1).mean(0))


def test_batch_norm_keeps_its_input_and_two_numbers_a_channel():
    x = normal(2, 3, 4, 4, dtype="float32")
    y = batch_norm(Tensor(x, requires_grad=True), None, None, training=True)
    kept = [v for v in vars(y.grad_fn).values() if isinstance(v, np.ndarray) and not np.shares_memory(v, x)]
    assert sum(v.size for v in kept) <= 3 * 3


# ---------------------------------------------------------------------- invariances and edges

@MODES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_row_gives_the_bias_and_a_finite_gradient(mode, dtype):
    x = Tensor(np.full((3, 5), 7, dtype), requires_grad=True)
    bias = Tensor(normal(5, dtype=dtype))
    with use_kernels(mode):
        y = layer_norm(x, (5,), Tensor(normal(5, seed=1, dtype=dtype)), bias)
        (y * y).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), np.tile(bias.numpy(), (3, 1)))
    assert np.isfinite(x.grad.numpy()).all()


@MODES
@pytest.mark.parametrize("norm", [lambda x: layer_norm(x, (64,)), lambda x: group_norm(x, 1),
                                  lambda x: batch_norm(x.T, None, None, training=True).T])
def test_a_large_mean_does_not_spoil_the_variance(mode, norm):
    """E[x^2] - E[x]^2 in float32 would give noise here."""
    x = normal(4, 64) + 3000
    with use_kernels(mode):
        y = norm(Tensor(x.astype("float32"))).numpy()
    x = x.astype("float32").astype("float64")
    want = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y, want, atol=2e-3)   # the mean itself is rounded to 3000 * 6e-8


@MODES
def test_shift_and_scale_of_the_input_do_not_matter(mode):
    x = normal(3, 8)
    with use_kernels(mode):
        a, b = (layer_norm(Tensor(v), (8,), eps=0.0).numpy() for v in (x, 5 * x - 2))
        c, d = (rms_norm(Tensor(v), (8,), eps=0.0).numpy() for v in (x, 5 * x))
    np.testing.assert_allclose(a, b)
    np.testing.assert_allclose(c, d)


@MODES
def test_nan_stays_in_its_own_statistics(mode):
    x = normal(4, 6)
    x[1, 2] = np.nan
    with use_kernels(mode):
        rows = layer_norm(Tensor(x), (6,)).numpy()
        columns = batch_norm(Tensor(x), None, None, training=True).numpy()
    assert np.isnan(rows[1]).all() and np.isfinite(np.delete(rows, 1, 0)).all()
    assert np.isnan(columns[:, 2]).all() and np.isfinite(np.delete(columns, 2, 1)).all()


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 129), (2, 65, 3), (7, 2, 17)])
def test_batch_norm_kernels_cross_their_block_sizes(shape, parallel):
    x, g = normal(*shape), normal(*shape, seed=1)
    weight, bias = normal(shape[1], seed=2), normal(shape[1], seed=3)
    found = []
    for mode in ("numpy", "numba"):
        with use_kernels(mode), force_parallel(parallel):
            inputs = [Tensor(v, requires_grad=True) for v in (x, weight, bias)]
            y = batch_norm(inputs[0], None, None, *inputs[1:], training=True)
            found.append([y.detach().numpy(), *(v.numpy() for v in grad(y, inputs, Tensor(g)))])
    for a, b in zip(*found):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_float32_input_with_float64_parameters_computes_in_float64():
    y = layer_norm(Tensor(normal(2, 3, dtype="float32")), 3, Tensor(normal(3)))
    assert y.dtype == np.float64


def test_definitions_do_not_call_the_fused_operation(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the definition called the fused operation")

    x = Tensor(normal(3, 2), requires_grad=True)
    y = batch_norm(x, None, None, training=True)
    monkeypatch.setattr(BatchNorm, "apply", refuse)
    grad(y.sum(), x, create_graph=True)


# ---------------------------------------------------------------------- re-parametrised weights

def test_weight_norm_has_the_asked_lengths():
    v, g = normal(4, 3, 2), np.abs(normal(1, 3, 1)) + 0.1
    w = weight_norm(Tensor(v), Tensor(g), dim=1).numpy()
    np.testing.assert_allclose(np.sqrt((w * w).sum((0, 2))), g.reshape(-1))


def test_spectral_norm_converges_to_the_largest_singular_value():
    weight, u, v = normal(4, 3, 2), Tensor(normal(3, seed=1)), Tensor(normal(8, seed=2))
    w = spectral_norm(Tensor(weight), u, v, n_power_iterations=200, dim=1).numpy()
    matrix = np.moveaxis(weight, 1, 0).reshape(3, 8)
    np.testing.assert_allclose(w, weight / np.linalg.svd(matrix, compute_uv=False)[0], rtol=1e-9)
    np.testing.assert_allclose([np.linalg.norm(u.numpy()), np.linalg.norm(v.numpy())], 1)


def test_spectral_norm_iterates_in_training_only_and_its_graph_survives_the_next_call():
    weight, u, v = Tensor(normal(3, 4), requires_grad=True), Tensor(normal(3, seed=1)), Tensor(normal(4, seed=2))
    before = u.numpy().copy()
    spectral_norm(weight, u, v, training=False)
    assert (u.numpy() == before).all()
    first = spectral_norm(weight, u, v)
    assert not (u.numpy() == before).all()
    spectral_norm(weight, u, v)
    first.sum().backward()
    assert weight.grad.shape == (3, 4)


# ---------------------------------------------------------------------- messages

@pytest.mark.parametrize("call, error, words", [
    (lambda: layer_norm(Tensor(normal(2, 3)), (4,)), ValueError, r"layer_norm: .*\(2, 3\).*normalized_shape=\(4,\)"),
    (lambda: layer_norm(Tensor(normal(2, 3)), 3, Tensor(normal(2))), ValueError, "layer_norm: weight has shape"),
    (lambda: layer_norm(Tensor(np.arange(3)), 3), TypeError, r"layer_norm: input .*int64; use .float\(\)"),
    (lambda: layer_norm(normal(2, 3), 3), TypeError, "layer_norm: input is a ndarray"),
    (lambda: rms_norm(Tensor(normal(2, 3)), (2, 3, 4)), ValueError, "rms_norm: input has shape"),
    (lambda: batch_norm(Tensor(normal(2, 3)), *running(4)), ValueError,
     r"3 channels \(axis 1\) but running_mean .*\(4,\)"),
    (lambda: batch_norm(Tensor(normal(2, 3)), None, None, Tensor(normal(2)), training=True), ValueError,
     "but weight has"),
    (lambda: batch_norm(Tensor(normal(1, 3)), None, None, training=True), ValueError, "more than 1 value per channel"),
    (lambda: batch_norm(Tensor(normal(1, 3, 1, 1)), None, None, training=True), ValueError,
     "more than 1 value per channel"),
    (lambda: batch_norm(Tensor(normal(2, 3)), None, None), ValueError, "running_mean and running_var; give both"),
    (lambda: batch_norm(Tensor(normal(3)), *running(3)), ValueError, "needs a batch and a channel axis"),
    (lambda: group_norm(Tensor(normal(2, 5)), 2), ValueError, "5 channels, which num_groups=2 does not divide"),
    (lambda: group_norm(Tensor(normal(1, 4)), 4), ValueError, "more than 1 value per channel"),
    (lambda: instance_norm(Tensor(normal(2, 4, 1))), ValueError, "more than 1 spatial element"),
    (lambda: instance_norm(Tensor(normal(2, 4))), ValueError, "needs space axes"),
    (lambda: instance_norm(Tensor(normal(2, 4, 3)), use_input_stats=False), ValueError, "give both"),
    (lambda: local_response_norm(Tensor(normal(2, 4)), 3), ValueError, "needs .N, C, "),
    (lambda: local_response_norm(Tensor(normal(2, 4, 2)), 0), ValueError, "size=0"),
    (lambda: weight_norm(Tensor(normal(2, 4)), Tensor(normal(2))), ValueError, r"g must have shape \(2, 1\)"),
    (lambda: spectral_norm(Tensor(normal(2, 4)), Tensor(normal(4)), Tensor(normal(2))), ValueError, "2 x 4 matrix"),
])
def test_bad_arguments_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


# ---------------------------------------------------------------------- against PyTorch

@pytest.mark.oracle
@MODES
def test_running_statistics_equal_pytorchs(mode):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    for ours, theirs in ((batch_norm, functional.batch_norm), (instance_norm, functional.instance_norm)):
        (mean, var), (t_mean, t_var) = running(3), (torch.zeros(3).double(), torch.ones(3).double())
        for seed in range(3):
            x = normal(4, 3, 5, seed=seed) * 3 + 1
            with use_kernels(mode):
                ours(Tensor(x), mean, var, None, None, True, 0.2)
            theirs(torch.tensor(x), t_mean, t_var, None, None, True, 0.2)
        np.testing.assert_allclose(mean.numpy(), t_mean.numpy(), rtol=1e-12)
        np.testing.assert_allclose(var.numpy(), t_var.numpy(), rtol=1e-12)


@pytest.mark.oracle
def test_spectral_norm_equals_pytorchs():
    torch = pytest.importorskip("torch")
    weight = normal(4, 3, 2)
    layer = torch.nn.Conv1d(3, 4, 2).double()
    layer.weight.data = torch.tensor(weight)
    layer = torch.nn.utils.parametrizations.spectral_norm(layer)
    state = layer.parametrizations.weight[0]
    u, v = Tensor(state._u.numpy().copy()), Tensor(state._v.numpy().copy())
    ours, theirs = Tensor(weight, requires_grad=True), layer.parametrizations.weight.original
    for _ in range(2):
        w, want = spectral_norm(ours, u, v), layer.weight
        np.testing.assert_allclose(w.detach().numpy(), want.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(u.numpy(), state._u.numpy(), rtol=1e-10)
    g = normal(4, 3, 2, seed=5)
    w.backward(Tensor(g))
    want.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10)


@pytest.mark.oracle
@pytest.mark.parametrize("dim", [0, -1])
def test_weight_norm_equals_pytorchs(dim):
    torch = pytest.importorskip("torch")
    v, g = normal(4, 3), normal(4, 1) if dim == 0 else normal(1, 3)
    cotangent = normal(4, 3, seed=2)
    ours = [Tensor(a, requires_grad=True) for a in (v, g)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (v, g)]
    w, want = weight_norm(*ours, dim), torch._weight_norm(*theirs, dim % 2)
    np.testing.assert_allclose(w.detach().numpy(), want.detach().numpy(), rtol=1e-12)
    w.backward(Tensor(cotangent))
    want.backward(torch.tensor(cotangent))
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-10, atol=1e-12)
