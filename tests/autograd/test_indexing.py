"""Indexing against NumPy and brute force, on random indices; and what the error messages say."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinymm import Tensor, grad, no_grad
from tinymm.autograd import scatter
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.backend.rows import add_rows

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def integers_first(x, index):
    """PyTorch's order: the integers of an index are applied before its arrays (NumPy takes them for arrays)."""
    index = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(i, int) for i in index) or not any(isinstance(i, np.ndarray) for i in index):
        return x[index]
    first, then = [], []
    for i in index:
        if isinstance(i, np.ndarray):
            first += [slice(None)] * (i.ndim if i.dtype == bool else 1)
            then.append(i)
        else:
            first.append(i)
            then += [] if isinstance(i, int) else [Ellipsis] if i is Ellipsis else [slice(None)]
    return x[tuple(first)][tuple(then)]


@st.composite
def indices(draw, shape):
    """A basic or advanced index that fits ``shape``."""
    items, d, ellipsis, mask = [], 0, False, False
    length = draw(st.integers(1, 3))
    while d < len(shape) and draw(st.integers(0, 5)):
        n = shape[d]
        kind = draw(st.sampled_from(["int", "slice", "array", "array", "none", "ellipsis", "mask"]))
        if kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            ends = st.one_of(st.none(), st.integers(-n - 1, n + 1))
            items.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1, -2]))))
        elif kind == "array":
            lead = draw(st.sampled_from([(length,), (1,), (2, length), (2, 1)]))
            count = math.prod(lead)
            items.append(np.array(draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))).reshape(lead))
        elif kind == "none":
            items.append(None)
            continue
        elif kind == "ellipsis":
            if not ellipsis:
                items.append(Ellipsis)
                ellipsis = True
                d = draw(st.integers(d, len(shape)))   # the ellipsis stands for these axes, if nothing more follows
                items_left = len(shape) - d
                for m in shape[len(shape) - items_left:]:
                    items.append(draw(st.integers(-m, m - 1)) if draw(st.booleans()) else slice(None))
                break
            continue
        else:
            if mask:
                continue
            k = draw(st.integers(1, len(shape) - d))
            items.append(np.array(draw(st.lists(st.booleans(), min_size=math.prod(shape[d:d + k]),
                                                max_size=math.prod(shape[d:d + k])))).reshape(shape[d:d + k]))
            mask = True
            d += k - 1
        d += 1
    return tuple(items) if len(items) != 1 or draw(st.booleans()) else items[0]


def as_tensors(index):
    wrap = lambda i: Tensor(i) if isinstance(i, np.ndarray) else i
    return tuple(wrap(i) for i in index) if isinstance(index, tuple) else wrap(index)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@given(st.data())
@settings(max_examples=250, deadline=None)
def test_any_index_like_numpy(mode, data):
    """Forward: NumPy's result. Gradient: every element of the result hands its cotangent to the element it was."""
    shape = data.draw(SHAPES)
    index = data.draw(indices(shape))
    values = np.arange(float(math.prod(shape))).reshape(shape).copy()
    try:
        want = integers_first(values, index)
    except IndexError:
        assume(False)   # arrays that do not broadcast with each other
    x = Tensor(values, requires_grad=True)
    with use_kernels(mode):
        y = x[as_tensors(index)]
        assert y.shape == want.shape
        np.testing.assert_array_equal(y._data, want)
        cotangent = np.random.default_rng(0).normal(size=want.shape)
        got, = grad(y, [x], [Tensor(cotangent)])
    brute = np.zeros(values.size)
    for element, g in zip(want.reshape(-1), cotangent.reshape(-1)):
        brute[int(element)] += g
    np.testing.assert_allclose(got.numpy(), brute.reshape(shape), atol=1e-12)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_second_derivative_of_any_index(data):
    """x -> x[i]^3 has the second derivative 6 x at the picked elements, times how often they were picked."""
    shape = data.draw(SHAPES)
    index = data.draw(indices(shape))
    values = np.arange(1.0, math.prod(shape) + 1).reshape(shape).copy()
    try:
        picked = integers_first(values, index)
    except IndexError:
        assume(False)
    x = Tensor(values, requires_grad=True)
    y = x[as_tensors(index)]
    first, = grad((y * y * y).sum(), [x], create_graph=True)
    second, = grad(first.sum(), [x], allow_unused=True) if first.requires_grad else (None,)
    times = np.bincount(picked.reshape(-1).astype(int), minlength=values.size + 1)[1:].reshape(shape)
    np.testing.assert_allclose(second.numpy() if second is not None else 0 * values, 6 * values * times)


@pytest.mark.parametrize("mode, parallel", [("numpy", False), ("numba", False), ("numba", True)])
@pytest.mark.parametrize("rows, width, count", [(1, 1, 1), (50, 1, 3), (200, 70, 5), (64, 33, 100), (0, 3, 2),
                                                (3, 0, 2)])
def test_add_rows_is_a_sum(mode, parallel, rows, width, count):
    rng = np.random.default_rng(0)
    index, g = rng.integers(0, count, rows), rng.normal(size=(rows, width))
    want, got = np.zeros((count, width)), np.zeros((count, width))
    for i, row in zip(index, g):
        want[i] += row
    with use_kernels(mode), force_parallel(parallel):
        add_rows(got, index, g)
    np.testing.assert_allclose(got, want, atol=1e-12)


def test_add_rows_does_not_depend_on_threads():
    rng = np.random.default_rng(0)
    index, g = rng.integers(0, 7, 500), rng.normal(size=(500, 64)).astype(np.float32)
    results = []
    for parallel in (False, True):
        out = np.zeros((7, 64), np.float32)
        with use_kernels("numba"), force_parallel(parallel):
            add_rows(out, index, g)
        results.append(out)
    np.testing.assert_array_equal(*results)


def test_integer_before_arrays_as_pytorch():
    x = np.arange(24).reshape(2, 3, 4)
    index = np.array([[1], [3]])
    assert Tensor(x)[0, 1:3, Tensor(index)].shape == (2, 2, 1)
    np.testing.assert_array_equal(Tensor(x)[0, 1:3, Tensor(index)].numpy(), x[0][1:3, index])
    np.testing.assert_array_equal(Tensor(x)[0, :, [1, 2]].numpy(), x[0][:, [1, 2]])


@pytest.mark.parametrize("index, rows", [
    ([0, 2], [0, 2]), (range(2), [0, 1]), (np.array([0, 2]), [0, 2]), (Tensor(np.array([0, 2])), [0, 2]),
    ([Tensor(np.array(0)), 2], [0, 2]), ([], []), ([True, False, True], [0, 2]), (np.array([0, 2], np.int32), [0, 2]),
    (np.array([1], np.uint8), [1]), (slice(None, None, -2), [2, 0])])
def test_kinds_of_index(index, rows):
    x = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
    y = x[index]
    assert y.tolist() == [x.tolist()[i] for i in rows]
    y.sum().backward()
    assert x.grad.tolist() == [[float(i in rows)] * 4 for i in range(3)]


@pytest.mark.parametrize("index", [1, np.int64(1), Tensor(np.array(1)), np.array(1)])
def test_kinds_of_integer_take_a_view(index):
    x = Tensor(np.arange(12.0).reshape(3, 4))
    assert x[index].tolist() == [4, 5, 6, 7] and np.shares_memory(x[index]._data, x._data)


def test_a_single_boolean_adds_an_axis():
    x = Tensor(np.arange(3.0))
    assert x[True].shape == (1, 3) and x[False].shape == (0, 3)


def test_index_changed_before_the_backward_is_noticed():
    x, index = Tensor(np.ones(3), requires_grad=True), Tensor(np.array([0, 1]))
    for pick in (lambda: x[index], lambda: scatter.index_put(x, (index,), 0.0),
                 lambda: scatter.index_add(x, 0, index, x[:2])):
        y = (pick() * 2).sum()
        index.add_(1)
        with pytest.raises(RuntimeError, match="changed in place by add_"):
            y.backward()
        index.sub_(1)


def test_basic_index_needs_no_value():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x[1:].sum()
    with no_grad():
        x.add_(1)
    y.backward()
    assert x.grad.tolist() == [0, 1, 1]


X = Tensor(np.arange(12.0).reshape(3, 4), requires_grad=True)
INDEX = Tensor(np.array([[0, 1], [2, 5]]))


@pytest.mark.parametrize("attempt, error, message", [
    (lambda: X[3], IndexError, r"getitem: index 3 is out of bounds .* \(the tensor has shape \(3, 4\)\)"),
    (lambda: X[[0, 7]], IndexError, r"getitem: index 7 .* \(the tensor has shape \(3, 4\)\)"),
    (lambda: X[0, 0, 0], IndexError, "getitem: too many indices"),
    (lambda: X[Tensor(np.ones(4, bool))], IndexError, "getitem: boolean index did not match"),
    (lambda: X[1.5], TypeError, "getitem: a float is no index"),
    (lambda: X["a"], TypeError, "getitem: a str is no index"),
    (lambda: X[Tensor(np.ones(2))], IndexError, "must hold integers or booleans, not float64; use .long()"),
    (lambda: X.gather(1, INDEX), IndexError, "gather: index 5 is out of range for dim=1 of length 4; choose 0 to 3"),
    (lambda: X.gather(1, Tensor(np.array([[-1]]))), IndexError, "gather: index -1 is out of range"),
    (lambda: X.gather(1, Tensor(np.array([0]))), ValueError, "need as many axes"),
    (lambda: X.gather(0, Tensor(np.zeros((1, 9), int))), ValueError, "longer than input"),
    (lambda: X.gather(1, Tensor(np.zeros((1, 1)))), TypeError, "gather: index must hold integers, not float64"),
    (lambda: X.index_select(0, INDEX), IndexError, "index_select: index 5"),
    (lambda: X.index_select(0, Tensor(np.zeros((1, 1), int))), ValueError, "it must be 1-d"),
    (lambda: X.take(Tensor(np.array([12]))), IndexError, "take: index 12 is out of range for dim=0 of length 12"),
    (lambda: X.masked_select(Tensor(np.ones((3, 4)))), TypeError, "mask is float64, not bool"),
    (lambda: X.scatter_add(1, Tensor(np.zeros((3, 2), int)), Tensor(np.zeros((3, 1)))), ValueError, "longer than src"),
    (lambda: X.scatter(1, Tensor(np.zeros((3, 2), int)), 1.0, reduce="max"), ValueError, "reduce='max'"),
    (lambda: X.index_add(0, Tensor(np.array([0])), Tensor(np.zeros((2, 4)))), ValueError, r"have shape \(1, 4\)"),
    (lambda: X.index_put((Tensor(np.array([0, 1])),), Tensor(np.zeros(3))), ValueError, "do not broadcast"),
    (lambda: X.index_put((Tensor(np.array([0, 9])),), 1.0), IndexError, "index_put: index 9"),
    (lambda: X.index_put(Tensor(np.array([0])), 1.0), TypeError, "must be a tuple"),
    (lambda: scatter.one_hot(Tensor(np.array([0, 4])), 3), IndexError,
     "one_hot: index 4 is out of range for dim=-1 of length 3"),
    (lambda: scatter.one_hot(Tensor(np.array([0.5]))), TypeError, "integers, not float64"),
    (lambda: scatter.one_hot(Tensor(np.zeros(0, int))), ValueError, "give num_classes"),
])
def test_errors_name_the_operation_and_the_range(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt()


def brute_scatter_add(x, dim, index, src):
    y = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[dim] = index[place]
        y[tuple(target)] += src[place]
    return y


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_scatter_add_with_a_part_of_src(dim):
    """src may be longer than the index (PyTorch computes that, but not its gradient)."""
    rng = np.random.default_rng(dim)
    x, src = rng.normal(size=(3, 4, 2)), rng.normal(size=(4, 4, 4))
    index = rng.integers(0, x.shape[dim], (2, 3, 2))
    a, b = Tensor(x, requires_grad=True), Tensor(src, requires_grad=True)
    y = a.scatter_add(dim, Tensor(index), b)
    np.testing.assert_allclose(y.detach().numpy(), brute_scatter_add(x, dim, index, src))
    cotangent = rng.normal(size=x.shape)
    ga, gb = grad(y, [a, b], [Tensor(cotangent)])
    np.testing.assert_array_equal(ga.numpy(), cotangent)
    want = np.zeros_like(src)
    part = cotangent[tuple(slice(None) if i == dim else slice(n) for i, n in enumerate(index.shape))]
    want[:2, :3, :2] = np.take_along_axis(part, index, dim)
    np.testing.assert_allclose(gb.numpy(), want)


def test_assignment_takes_the_gradient_away():
    x, v = Tensor(np.arange(4.0), requires_grad=True), Tensor(np.array([10.0, 20.0]), requires_grad=True)
    y = x.index_put((Tensor(np.array([1, 3])),), v)
    assert y.tolist() == [0, 10, 2, 20]
    (y * y).sum().backward()
    assert x.grad.tolist() == [0, 0, 4, 0] and v.grad.tolist() == [20, 40]


def test_one_hot_is_int64():
    y = scatter.one_hot(Tensor(np.array([2, 0], np.uint8)))
    assert y.dtype == np.int64 and y.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_gradient_dtype_and_leaf_array():
    for dtype in (np.float32, np.float64, np.float16):
        x = Tensor(np.ones((3, 4), dtype), requires_grad=True)
        x[[0, 0, 1]].sum().backward()
        assert x.grad.dtype == dtype and x.grad.tolist()[0] == [2, 2, 2, 2]
