"""The score of additive attention: PyTorch's value and gradients, saturation, and what it refuses.

Rungs, finite differences, float32 and layouts are checked through the registry.
"""

import numpy as np
import pytest

from tests.device_double import StrictArray
from tinymm import Tensor, grad
from tinymm.autograd.registry import Draw
from tinymm.backend.jit import use_kernels
from tinymm.functional import additive_attention_score


def case(B=3, L=5, A=7, seed=0):
    draw = Draw(seed)
    return draw.normal(B, A), draw.normal(B, L, A), draw.normal(A)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_by_loops(mode):
    """e_bi = sum_a w_a tanh(k_bia + q_ba) and the derivatives of sum g e, one number after another."""
    query, key, weight = case(2, 3, 4)
    g = Draw(1).normal(2, 3)
    e, dq, dk, dw = np.zeros((2, 3)), np.zeros_like(query), np.zeros_like(key), np.zeros_like(weight)
    for b, i, a in np.ndindex(2, 3, 4):
        t = np.tanh(key[b, i, a] + query[b, a])
        e[b, i] += weight[a] * t
        dk[b, i, a] = g[b, i] * weight[a] * (1 - t**2)
        dq[b, a] += dk[b, i, a]
        dw[a] += g[b, i] * t
    tensors = [Tensor(x, requires_grad=True) for x in (query, key, weight)]
    with use_kernels(mode):
        out = additive_attention_score(*tensors)
        found = grad(out, tensors, Tensor(g))
    for x, wanted in zip((out.detach(), *found), (e, dq, dk, dw)):
        np.testing.assert_allclose(x.numpy(), wanted, rtol=0, atol=1e-13)


@pytest.mark.oracle
@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 1, 1), (16, 36, 65)])
def test_same_as_pytorch(shape, mode):
    torch = pytest.importorskip("torch")
    arrays, g = case(*shape), Draw(2).normal(*shape[:2])
    there = [torch.tensor(x, requires_grad=True) for x in arrays]
    wanted = torch.tanh(there[1] + there[0].unsqueeze(1)) @ there[2]
    wanted.backward(torch.tensor(g))
    here = [Tensor(x, requires_grad=True) for x in arrays]
    with use_kernels(mode):
        out = additive_attention_score(*here)
        found = grad(out, here, Tensor(g))
    np.testing.assert_allclose(out.detach().numpy(), wanted.detach().numpy(), rtol=0, atol=1e-12)
    for x, y in zip(found, there):
        np.testing.assert_allclose(x.numpy(), y.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("needed", [(0,), (1,), (2,), (0, 2)])
def test_only_the_gradients_that_are_asked_for(mode, needed):
    arrays = case()
    with use_kernels(mode):
        every = [Tensor(x, requires_grad=True) for x in arrays]
        wanted = grad(additive_attention_score(*every).sum(), every)
        some = [Tensor(x, requires_grad=i in needed) for i, x in enumerate(arrays)]
        additive_attention_score(*some).sum().backward()
    for i, (x, y) in enumerate(zip(some, wanted)):
        assert (x.grad is None) == (i not in needed)
        if i in needed:
            np.testing.assert_allclose(x.grad.numpy(), y.numpy(), rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_saturated_and_broken_numbers(mode, dtype):
    """Huge scores saturate without a NaN and without a gradient; a NaN of one image stays with that image."""
    query, key = np.zeros((2, 3), dtype), np.zeros((2, 2, 3), dtype)
    key[0] = [[1e30, -1e30, 50], [np.inf, -np.inf, -50]]
    key[1, 1, 0] = np.nan
    tensors = [Tensor(x, requires_grad=True) for x in (query, key, np.array([1, 2, 4], dtype))]
    with use_kernels(mode):
        out = additive_attention_score(*tensors)
        dk = grad(out.sum(), tensors)[1].numpy()
    assert out.dtype == dtype and out.detach().numpy()[0].tolist() == [3, -5]
    assert not dk[0].any() and np.isnan(out.detach().numpy()[1]).tolist() == [False, True] and np.isfinite(dk[1, 0]).all()


def test_the_widest_dtype_wins():
    query, key, weight = (Tensor(x) for x in case())
    mixed = additive_attention_score(query.float(), key, weight.float())
    assert mixed.dtype == np.float64
    np.testing.assert_allclose(mixed.numpy(), additive_attention_score(query, key, weight).numpy(), atol=1e-5)
    assert additive_attention_score(query.float(), key.float(), weight.float()).dtype == np.float32


@pytest.mark.parametrize("query, key, weight, message", [
    ((2, 4, 1), (2, 3, 4), (4,), r"query has shape \(2, 4, 1\), key \(2, 3, 4\) and weight \(4,\); they must be \(B, A\), "
                                 r"\(B, L, A\) and \(A,\)"),
    ((2, 4), (6, 4), (4,), r"key \(6, 4\)"), ((2, 4), (2, 3, 4), (4, 1), r"weight \(4, 1\)"),
    ((3, 4), (2, 3, 4), (4,), r"query \(B=3, A=4\) and weight \(A=4\) do not fit key \(B=2, L=3, A=4\)"),
    ((2, 5), (2, 3, 4), (4,), r"query \(B=2, A=5\)"), ((2, 4), (2, 3, 4), (5,), r"weight \(A=5\)"),
    ((1, 4), (2, 3, 4), (4,), r"query \(B=1, A=4\)"), ((2, 4), (2, 3, 1), (4,), r"key \(B=2, L=3, A=1\)")])
def test_shapes_that_do_not_fit(query, key, weight, message):
    with pytest.raises(ValueError, match="^additive_attention_score: .*" + message):
        additive_attention_score(*(Tensor(np.zeros(shape)) for shape in (query, key, weight)))


@pytest.mark.parametrize("place, name", [(0, "query"), (1, "key"), (2, "weight")])
def test_what_is_no_floating_point_tensor(place, name):
    arguments = [Tensor(x) for x in case()]
    for bad, message in ((arguments[place].numpy(), f"{name} is a ndarray, not a Tensor"),
                         (Tensor(np.zeros(arguments[place].shape, int)), f"{name} must be floating point, not int64")):
        with pytest.raises(TypeError, match="additive_attention_score: " + message):
            additive_attention_score(*[bad if i == place else x for i, x in enumerate(arguments)])


def test_tensors_on_two_devices():
    query, key, weight = case()
    with pytest.raises(RuntimeError, match="additive_attention_score: query on cpu, key on double, weight on cpu; move them"):
        additive_attention_score(Tensor(query), Tensor(StrictArray(key)), Tensor(weight))
