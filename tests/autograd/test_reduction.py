"""What the generic tests cannot see of reductions and sorting: indices, ties, NaN, messages, random axes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymm as tm
from tinymm import Tensor, grad

nan, inf = math.nan, math.inf


def gradient(f, values):
    """The gradient of the sum of f at ``values``."""
    x = tm.tensor(np.array(values, dtype=np.float64), requires_grad=True)
    found, = grad(f(x).sum(), x)
    return found.numpy().tolist()


# ---------------------------------------------------------------------- dtypes

def test_dtypes_of_sums():
    assert tm.sum(tm.tensor([200, 100], dtype=np.uint8)).item() == 300
    for t in (tm.tensor([True, True]), tm.tensor([1, 1], dtype=np.int32)):
        for f in (tm.sum, tm.prod, lambda x: tm.cumsum(x, 0), lambda x: tm.cumprod(x, 0), tm.count_nonzero):
            assert f(t).dtype == np.int64
    assert tm.sum(tm.tensor([1, 2]), dtype=np.float32).dtype == np.float32
    assert tm.mean(tm.tensor([1, 2]), dtype=np.float64).item() == 1.5
    x = tm.ones(3)
    for f in (tm.sum, tm.mean, tm.var, tm.std, tm.norm, tm.prod, tm.amax, tm.max, lambda x: tm.logsumexp(x, 0)):
        assert f(x).dtype == np.float32
    assert tm.logsumexp(tm.tensor([0, 0]), 0).item() == pytest.approx(math.log(2))
    assert tm.argmax(x).dtype == tm.max(x, 0).indices.dtype == tm.sort(x).indices.dtype == np.int64
    for f in (tm.mean, tm.var, tm.std, tm.norm):
        with pytest.raises(TypeError, match="needs a floating-point tensor, not int64"):
            f(tm.tensor([1, 2]))


def test_truth_and_counts():
    x = tm.tensor([[0.0, 2.0, nan], [0.0, 0.0, 0.0]])
    assert tm.any(x).item() is True and tm.all(x).item() is False
    assert tm.any(x, 1).tolist() == [True, False] and tm.all(x == 0, 1, keepdim=True).tolist() == [[False], [True]]
    assert tm.count_nonzero(x).item() == 2 and tm.count_nonzero(x, 1).tolist() == [2, 0]
    assert tm.any(tm.zeros(0)).item() is False and tm.all(tm.zeros(0)).item() is True


# ---------------------------------------------------------------------- where the gradient goes

def test_ties():
    for f in (tm.max, tm.amax, tm.median):
        assert gradient(f, [3.0, 1.0, 3.0, 3.0] if f is tm.median else [1.0, 3.0, 3.0])[-2:] == \
            ([1 / 3, 1 / 3] if f is tm.median else [0.5, 0.5])
    assert gradient(lambda x: tm.max(x, 0).values, [1.0, 3.0, 3.0]) == [0, 1, 0]
    assert gradient(lambda x: tm.min(x, 0)[0], [1.0, 1.0, 3.0]) == [1, 0, 0]
    assert gradient(lambda x: tm.topk(x, 2).values, [3.0, 3.0, 3.0]).count(1) == 2


def test_gradients_at_zero():
    for p in (1, 2, 3, 1.5, "fro", inf):
        assert gradient(lambda x: tm.norm(x, p), [0.0, 0.0]) == [0, 0]
    for p in (1.5, 0.5):   # three powers, each correct to an ulp, which the outer one doubles for p = 0.5
        zero, one = gradient(lambda x: tm.norm(x, p), [0.0, 2.0])
        assert zero == 0 and abs(one - 1) <= 4 * np.spacing(1.0)
    assert gradient(tm.std, [2.0, 2.0]) == [0, 0]
    assert gradient(tm.prod, [0.0, 2.0, 3.0]) == [6, 0, 0]
    assert gradient(tm.prod, [0.0, 0.0, 3.0]) == [0, 0, 0]
    assert gradient(lambda x: tm.cumprod(x, 0), [0.0, 2.0]) == [3, 0]


def test_nan_is_the_extremum():
    x = tm.tensor([[1.0, nan, 3.0, nan]])
    assert math.isnan(tm.max(x).item()) and math.isnan(tm.amin(x).item()) and math.isnan(tm.median(x).item())
    for f in (tm.max, tm.min, tm.median):
        values, indices = f(x, 1)
        assert math.isnan(values.item()) and indices.item() == 1
    assert tm.argmax(x).item() == tm.argmin(x).item() == 1
    np.testing.assert_array_equal(tm.sort(x, descending=True).values.numpy(), [[nan, nan, 3, 1]])
    np.testing.assert_array_equal(tm.sort(x).indices.numpy(), [[0, 2, 1, 3]])
    np.testing.assert_array_equal(tm.topk(x, 3).values.numpy(), [[nan, nan, 3]])
    np.testing.assert_array_equal(tm.topk(x, 2, largest=False).values.numpy(), [[1, 3]])
    assert gradient(tm.max, [nan, 1.0]) == [1, 0]


def test_logsumexp_at_the_edges():
    assert tm.logsumexp(tm.tensor([-inf, -inf]), 0).item() == -inf
    assert gradient(lambda x: tm.logsumexp(x, 0), [-inf, -inf]) == [0, 0]
    assert tm.logsumexp(tm.tensor([1000.0, 1000.0]), 0).item() == pytest.approx(1000 + math.log(2))
    assert tm.logsumexp(tm.tensor([inf, 1.0]), 0).item() == inf
    assert gradient(lambda x: tm.logsumexp(x, 0), [-inf, 0.0]) == [0, 1]


def test_var_does_not_cancel_and_knows_its_corrections():
    x = tm.tensor(np.float32([10000.0, 10001.0, 10002.0]))
    assert tm.var(x).item() == 1.0 and tm.std(x, correction=0).item() == pytest.approx(math.sqrt(2 / 3))
    assert tm.var(x, unbiased=False).item() == tm.var(x, False).item() == tm.var(x, correction=0).item()
    assert math.isnan(tm.var(tm.ones(1)).item()) and tm.var(tm.ones(1), correction=0).item() == 0
    v, m = tm.var_mean(x, 0, keepdim=True)
    assert v.shape == m.shape == (1,) and m.item() == 10001
    s, m = tm.std_mean(x)
    assert s.item() == 1 and m.item() == 10001


def test_an_empty_tuple_of_axes_means_all():
    x = tm.tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    for f in (tm.sum, tm.mean, tm.var, tm.std, tm.amax, tm.amin):
        y = f(x, dim=())
        assert y.shape == () and y.item() == f(x).item()
        np.testing.assert_array_equal(grad(y, x)[0].numpy(), grad(f(x), x)[0].numpy())


# ---------------------------------------------------------------------- choosing

def test_results_have_names():
    x = tm.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    for result in (tm.max(x, 1), tm.min(x, dim=1, keepdim=True), tm.sort(x), tm.topk(x, 2), tm.median(x, -1)):
        values, indices = result
        assert result.values is values and result.indices is indices
        assert values.requires_grad and not indices.requires_grad
    assert x.max(1).indices.tolist() == [1] and x.argmin(1, keepdim=True).tolist() == [[0]]
    assert x.argmax().item() == 1 and x.argmax(keepdim=True).shape == (1, 1)
    assert tm.max(x, tm.tensor([2.0])).tolist() == [[2, 3, 2]]


def test_sorting_is_stable():
    x = tm.tensor([2, 1, 2, 1, 2])
    assert x.sort().indices.tolist() == [1, 3, 0, 2, 4]
    assert x.sort(descending=True).indices.tolist() == [0, 2, 4, 1, 3]
    assert x.argsort(descending=True, stable=True).tolist() == [0, 2, 4, 1, 3]
    assert tm.topk(tm.tensor([5, 7, 7, 1]), 2).indices.tolist() == [1, 2]
    assert sorted(tm.topk(tm.tensor([5, 9, 7, 1]), 2, sorted=False).values.tolist()) == [7, 9]


def test_messages():
    x = tm.ones(2, 3)
    with pytest.raises(ValueError, match=r"max: shape \(0, 3\) has no element along dim=0"):
        tm.max(tm.ones(0, 3), 0)
    for f in (tm.max, tm.amin, tm.median):
        with pytest.raises(ValueError, match="no element"):
            f(tm.ones(0))
    with pytest.raises(ValueError, match="argmax: .* no element"):
        tm.argmax(tm.ones(0))
    assert tm.max(tm.ones(0, 3), 1).values.shape == (0,) and tm.argmax(tm.ones(0, 3), 1).shape == (0,)
    for k in (-1, 4):
        with pytest.raises(ValueError, match=f"topk: k={k} is out of range for dim=1 of length 3"):
            tm.topk(x, k, 1)
    for f in (tm.sum, tm.cumsum, tm.prod, tm.sort, tm.max, tm.argmax, tm.logsumexp, tm.norm, tm.var):
        with pytest.raises(IndexError, match="dim=2 is out of range for a tensor with 2 axes"):
            f(x, dim=2)
    with pytest.raises(ValueError, match="sum: dim=.* names an axis twice"):
        tm.sum(x, (0, -2))
    with pytest.raises(TypeError, match="norm: p='nuc'"):
        tm.norm(x, "nuc")


INDEXED = [
    ("argmax", {}), ("argmax", {"dim": 1}), ("argmin", {"dim": 0, "keepdim": True}), ("argmax", {"keepdim": True}),
    ("sort", {"dim": 0}), ("sort", {"dim": 1, "descending": True, "stable": True}),
    ("argsort", {"dim": 1, "stable": True}),
    ("topk", {"k": 2}), ("topk", {"k": 3, "dim": 0, "largest": False}), ("max", {"dim": 1}), ("min", {"dim": 0}),
    ("median", {"dim": 1}), ("count_nonzero", {"dim": 0}), ("any", {"dim": 1}), ("all", {"dim": 0}),
    ("cumsum", {"dim": 1}),
    ("prod", {"dim": 1}), ("sum", {}), ("amax", {"dim": (0, 1)}),
]
NOT_OF_BOOLEANS = ("argmax", "argmin", "topk", "median")   # in PyTorch


@pytest.mark.oracle
@pytest.mark.parametrize("name, options, dtype", [
    (name, options, dtype) for name, options in INDEXED for dtype in ("int64", "float32", "bool")
    if not (dtype == "bool" and name in NOT_OF_BOOLEANS)
])
def test_values_and_indices_as_pytorch(name, options, dtype):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).permutation(20).reshape(4, 5) - 6
    x = (x > 3) if dtype == "bool" else x.astype(dtype)
    if dtype == "bool" and name in ("sort", "argsort"):
        options = {**options, "stable": True}
    got, want = getattr(tm, name)(tm.tensor(x), **options), getattr(torch, name)(torch.tensor(x), **options)
    for g, w in zip(got if isinstance(got, tuple) else [got], want if isinstance(want, tuple) else [want]):
        assert str(g.dtype) == str(w.dtype).removeprefix("torch.") and g.shape == tuple(w.shape)
        np.testing.assert_array_equal(g.numpy(), w.numpy())


# ---------------------------------------------------------------------- random axes

REDUCTIONS = {
    "sum": (np.sum, {}),
    "mean": (np.mean, {}),
    "var": (lambda x, axis, keepdims: np.var(x, axis=axis, keepdims=keepdims, ddof=0), {"correction": 0}),
    "std": (lambda x, axis, keepdims: np.std(x, axis=axis, keepdims=keepdims, ddof=0), {"correction": 0}),
    "amax": (np.max, {}),
    "amin": (np.min, {}),
    "logsumexp": (lambda x, axis, keepdims: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)), {}),
    "norm": (lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)), {}),
}


@st.composite
def shape_and_axes(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    every = [c for k in range(1, len(shape) + 1) for c in itertools.combinations(range(len(shape)), k)]
    over = draw(st.sampled_from(every))
    signed = tuple(d - len(shape) if draw(st.booleans()) else d for d in over)
    return shape, draw(st.permutations(signed))


@settings(max_examples=80, deadline=None)
@given(case=shape_and_axes(), keepdim=st.booleans(), name=st.sampled_from(sorted(REDUCTIONS)),
       seed=st.integers(0, 1000))
def test_random_axes(case, keepdim, name, seed):
    """Values against NumPy; the gradient along a random direction against finite differences of NumPy's values."""
    shape, over = case
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    values = ((rng.permutation(n) - n / 2) * 0.1 + rng.uniform(0, 0.04, n)).reshape(shape)   # no ties within a step
    reference, options = REDUCTIONS[name]
    if name == "std" and np.prod([shape[d] for d in over]) == 1:
        return   # 0 everywhere: a kink
    apply = lambda x: reference(x, axis=tuple(over), keepdims=keepdim)
    x = Tensor(values, requires_grad=True)
    y = getattr(tm, name)(x, dim=tuple(over), keepdim=keepdim, **options)
    want = np.asarray(apply(values))
    assert y.shape == want.shape
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-12, atol=1e-13)
    g, direction = np.asarray(rng.normal(size=want.shape)), rng.normal(size=shape)
    h = 1e-6
    numeric = (g * (apply(values + h * direction) - apply(values - h * direction))).sum() / (2 * h)
    found, = grad(y, x, Tensor(g))
    assert (found.numpy() * direction).sum() == pytest.approx(numeric, rel=1e-5, abs=1e-6)


def test_numpys_names_of_the_axis_arguments_work_too():
    x = tm.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert x.sum(axis=0).tolist() == [4, 7] and x.mean(axis=1, keepdims=True).shape == (2, 1)
    assert x.argmax(axis=1).tolist() == [1, 1] and tm.max(x, axis=0).values.tolist() == [3, 5]
    with pytest.raises(TypeError, match="sum: give dim or axis, not both"):
        x.sum(dim=0, axis=0)
