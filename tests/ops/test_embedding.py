"""Embedding and linear: errors, edges, and what is kept."""

import numpy as np
import pytest

from tinymm import Tensor, from_numpy, no_grad
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.ops.embedding import embedding
from tinymm.ops.linear import linear


def table(rows=5, width=3, dtype=np.float64):
    return Tensor(np.arange(float(rows * width)).reshape(rows, width).astype(dtype), requires_grad=True)


@pytest.mark.parametrize("index, message", [
    ([[0, 1], [7, 2]], r"embedding: index 7 at position \(1, 0\) is out of range for a vocabulary of 5 .*choose 0 to"),
    ([0, -3, 5], r"index -3 at position \(1,\)"),
    ([0, -1], r"index -1 at position \(1,\)"),
    (99, r"index 99 at position \(\)"),
])
def test_index_out_of_range_names_the_worst(index, message):
    with pytest.raises(IndexError, match=message):
        embedding(Tensor(np.array(index)), table())


@pytest.mark.parametrize("kwargs, error, message", [
    (dict(sparse=True), NotImplementedError, "sparse"),
    (dict(padding_idx=5), ValueError, "padding_idx=5 is not in a vocabulary of 5"),
    (dict(padding_idx=-6), ValueError, "padding_idx=-6"),
])
def test_options_that_are_refused(kwargs, error, message):
    with pytest.raises(error, match=message):
        embedding(Tensor(np.array([0])), table(), **kwargs)


def test_wrong_arguments():
    with pytest.raises(TypeError, match="embedding: input must hold integers, not float64"):
        embedding(Tensor(np.array([0.0])), table())
    with pytest.raises(ValueError, match=r"weight has shape \(3,\)"):
        embedding(Tensor(np.array([0])), Tensor(np.ones(3)))
    with pytest.raises(TypeError, match="weight must be floating point"):
        embedding(Tensor(np.array([0])), Tensor(np.ones((3, 2), int)))


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_every_integer_dtype(mode, dtype):
    w = table()
    with use_kernels(mode):
        y = embedding(Tensor(np.array([[1, 1], [4, 0]], dtype)), w)
        y.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), w._data[[[1, 1], [4, 0]]])
    np.testing.assert_array_equal(w.grad.numpy(), np.array([1, 2, 0, 0, 1.0])[:, None] * np.ones(3))


@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_padding_row_gets_no_gradient_but_its_value(mode):
    w = table()
    w._data[2] = np.nan
    with use_kernels(mode):
        y = embedding(Tensor(np.array([2, 1])), w, padding_idx=2)
        y.sum().backward()
    assert np.isnan(y._data[0]).all() and w.grad.tolist() == [[0] * 3, [1] * 3, [0] * 3, [0] * 3, [0] * 3]


def test_gradient_is_the_same_bit_for_bit_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    index, g = rng.integers(0, 11, (40, 50)), rng.normal(size=(40, 50, 48)).astype(np.float32)
    grads = []
    for parallel in (False, True):
        w = Tensor(np.zeros((11, 48), np.float32), requires_grad=True)
        with use_kernels("numba"), force_parallel(parallel):
            embedding(Tensor(index), w).backward(Tensor(g))
        grads.append(w.grad.numpy())
    np.testing.assert_array_equal(*grads)


def test_table_may_change_between_forward_and_backward_but_not_the_index():
    w, index = table(), Tensor(np.array([1, 2]))
    y = embedding(index, w).sum()
    with no_grad():
        w.add_(1)
    y.backward()
    assert w.grad.tolist()[1] == [1, 1, 1]
    y = embedding(index, w).sum()
    index.add_(1)
    with pytest.raises(RuntimeError, match="embedding: a tensor of shape .* changed in place"):
        y.backward()


# ---------------------------------------------------------------------- linear

@pytest.mark.parametrize("attempt, message", [
    (lambda: linear(Tensor(np.ones((32, 16, 128))), Tensor(np.ones((4, 256)))),
     r"linear: x \(B=32, T=16, in=128\) but weight wants in_features=256"),
    (lambda: linear(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 5)))),
     r"linear: x \(B=2, in=3\) but weight wants in_features=5"),
    (lambda: linear(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 3))), Tensor(np.ones(3))), "gives out_features=4"),
    (lambda: linear(Tensor(np.ones(())), Tensor(np.ones((4, 3)))), "in_features=3"),
    (lambda: linear(Tensor(np.ones(3)), Tensor(np.ones((4, 3, 1)))), "weight has shape"),
])
def test_linear_names_the_axes(attempt, message):
    with pytest.raises(ValueError, match=message):
        attempt()


def test_linear_mixes_dtypes_to_the_wider():
    x, w = Tensor(np.ones((2, 3), np.float32), requires_grad=True), Tensor(np.ones((4, 3)), requires_grad=True)
    y = linear(x, w)
    y.sum().backward()
    assert y.dtype == np.float64 and x.grad.dtype == np.float32 and w.grad.dtype == np.float64


@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_linear_skips_gradients_nobody_wants(mode):
    with use_kernels(mode):
        y = linear(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 3))), Tensor(np.ones(4), requires_grad=True))
        dx, dw, db = y.grad_fn.backward(np.ones((2, 4)))
    assert dx is None and dw is None and db.tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("pick", [lambda w, i: embedding(i, w), lambda w, i: w[i], lambda w, i: w.index_select(0, i),
                                  lambda w, i: w.gather(0, i[:, None])])
@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("value", [10**6, -10**6])
def test_indices_that_change_after_the_forward_write_nowhere(pick, mode, value):
    index = np.array([1, 2, 0])
    with use_kernels(mode):
        weight = Tensor(np.zeros((3, 2)), requires_grad=True)
        loss = pick(weight, from_numpy(index)).sum()
        index[1] = value
        with pytest.raises((IndexError, ValueError), match="backward: the indices now reach" if mode == "numba" else None):
            loss.backward()
