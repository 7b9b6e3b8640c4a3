"""Making tensors: dtypes, shapes, devices, and what random numbers promise."""

import numpy as np
import pytest

import tinymm as tm
from tinymm import Tensor


@pytest.mark.parametrize("data, dtype", [
    (3.0, "float32"), (3, "int64"), (True, "bool"), ([1, 2.5], "float32"), ([True, 2], "int64"), ([], "float32"),
    (np.float64(3), "float64"), ([np.float64(3)], "float64"), (np.float32(3), "float32"), (np.int32(3), "int32"),
    ([np.array([1.0, 2.0])], "float64"), (np.ones(2, np.float32), "float32"), (np.ones(2, np.uint8), "uint8"),
    ((1.0, 2.0), "float32"), (range(3), "int64"),
])
def test_dtype_of_tensor(data, dtype):
    assert tm.tensor(data).dtype == np.dtype(dtype)
    assert tm.tensor(data, dtype=np.float64).dtype == np.float64


def test_tensor_copies_and_takes_tensors():
    array = np.ones(3)
    t, shared = tm.tensor(array), tm.from_numpy(array)
    same, kept = tm.tensor(array, dtype=np.float64), tm.as_tensor(array)
    array[0] = 5
    assert t.tolist() == same.tolist() == [1, 1, 1] and shared.tolist() == kept.tolist() == [5, 1, 1]
    x = tm.tensor([1.0, 2.0], requires_grad=True)
    y = tm.tensor(x)
    assert not y.requires_grad and y.tolist() == [1, 2] and not np.shares_memory(x._data, y._data)
    assert tm.tensor([tm.tensor(1.0), 2]).dtype == np.float32
    assert tm.tensor([[tm.tensor(1.5), 2], [3, tm.tensor(4)]]).tolist() == [[1.5, 2], [3, 4]]
    assert tm.tensor([x, x]).tolist() == [[1, 2], [1, 2]]
    assert tm.as_tensor(x) is x
    assert tm.tensor(1.5, requires_grad=True).requires_grad
    assert tm.tensor([1.7, -1.7], dtype=np.int64).tolist() == [1, -1]
    with tm.no_grad():
        assert tm.tensor([[], []]).shape == (2, 0)


@pytest.mark.parametrize("data, error, message", [
    ([[1, 2], [3]], ValueError, "ragged"), ("a", TypeError, "cannot hold"), (None, TypeError, "cannot hold"),
    ([1, "a"], TypeError, "cannot hold"), (1j, TypeError, "cannot hold complex"), ({1: 2}, TypeError, "cannot hold"),
])
def test_what_is_not_a_tensor(data, error, message):
    with pytest.raises(error, match=message):
        tm.tensor(data)


def test_messages():
    with pytest.raises(ValueError, match="does not fit int8"):
        tm.tensor([300], dtype=np.int8)
    with pytest.raises(TypeError, match="from_numpy: expected a NumPy array, got list"):
        tm.from_numpy([1])
    with pytest.raises(TypeError, match="only floating-point tensors have gradients"):
        tm.tensor([1], requires_grad=True)
    with pytest.raises(ValueError, match="arange: step must not be 0"):
        tm.arange(0, 5, 0)
    with pytest.raises(ValueError, match="arange: .* never reaches end=5"):
        tm.arange(0, 5, -1)
    with pytest.raises(ValueError, match="linspace: steps=-1"):
        tm.linspace(0, 1, -1)
    with pytest.raises(ValueError, match="unknown device 'tpu'"):
        tm.zeros(2, device="tpu")
    with pytest.raises(ValueError, match="randint: low=5 must be smaller than high=5"):
        tm.randint(5, 5, (2,))
    with pytest.raises(TypeError, match="randn: dtype must be floating point, not int64"):
        tm.randn(2, dtype=np.int64)
    with pytest.raises(ValueError, match="normal: std must not be negative"):
        tm.normal(0.0, -1.0, (2,))
    with pytest.raises(ValueError, match="bernoulli: the probabilities must lie in"):
        tm.bernoulli(tm.tensor([0.5, 2.0]))
    with pytest.raises(TypeError, match="bernoulli: .* not int64"):
        tm.bernoulli(tm.tensor([1, 0]))


def test_filled():
    assert tm.zeros(2, 3).shape == tm.zeros((2, 3)).shape == tm.empty([2, 3]).shape == (2, 3)
    assert tm.zeros(()).shape == () and tm.ones(2, 0).shape == (2, 0)
    assert tm.ones(2, dtype=np.int64).tolist() == [1, 1] and tm.ones(2, requires_grad=True).requires_grad
    assert [tm.full((2,), v).dtype for v in (1, 1.5, True, np.float64(1))] \
        == [np.int64, np.float32, np.bool_, np.float64]
    assert tm.full((), tm.tensor(3.0)).item() == 3 and tm.full(2, 7).tolist() == [7, 7]
    x = tm.tensor([[1, 2]], dtype=np.int32)
    for like, value in ((tm.zeros_like, 0), (tm.ones_like, 1), (lambda t, **k: tm.full_like(t, 4, **k), 4)):
        assert like(x).dtype == np.int32 and like(x).tolist() == [[value] * 2]
        assert like(x, dtype=np.float32, requires_grad=True).requires_grad
    assert tm.empty_like(x).shape == (1, 2)
    assert not tm.zeros_like(tm.ones(2, requires_grad=True)).requires_grad


def test_sequences():
    assert tm.arange(3).tolist() == [0, 1, 2] and tm.arange(3).dtype == np.int64
    assert tm.arange(3.0).dtype == np.float32 and tm.arange(3, dtype=np.float64).dtype == np.float64
    assert tm.arange(5.5).tolist() == [0, 1, 2, 3, 4, 5] and tm.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert tm.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75] and tm.arange(3, 3).shape == (0,)
    assert len(tm.arange(0, 1, 0.1)) == 10
    assert tm.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1] and tm.linspace(2, 1, 1).tolist() == [2]
    assert tm.eye(2).tolist() == [[1, 0], [0, 1]] and tm.eye(1, 3).tolist() == [[1, 0, 0]]


@pytest.mark.oracle
def test_sequences_as_pytorch():
    torch = pytest.importorskip("torch")
    for args in ((7,), (2, 9, 3), (0.5, 4.2), (1, -3, -0.75), (0, 1, 0.1)):
        got, want = tm.arange(*args), torch.arange(*args)
        assert str(want.dtype) == f"torch.{got.dtype}"
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=3e-7)
    for args in ((0, 1, 7), (-3.5, 2, 1), (5, -5, 0)):
        np.testing.assert_allclose(tm.linspace(*args).numpy(), torch.linspace(*args).numpy(), rtol=1e-6, atol=3e-7)


# ---------------------------------------------------------------------- random numbers

def test_a_seed_repeats_the_numbers():
    def draw():
        tm.manual_seed(7)
        weights = tm.tensor([0.2, 0.3, 0.5])
        return [tm.rand(3), tm.randn(3), tm.randint(0, 9, (3,)), tm.randperm(9), tm.normal(0.0, 1.0, (3,)),
                tm.bernoulli(tm.full((9,), 0.5)), tm.multinomial(weights, 2), tm.multinomial(weights, 9, True)]

    for a, b in zip(draw(), draw()):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_stream_of_its_own():
    tm.manual_seed(7)
    want = tm.rand(3).tolist()
    tm.manual_seed(7)
    tm.rand(5, generator="other")
    assert tm.rand(3).tolist() == want


def test_distributions():
    tm.manual_seed(0)
    n = 40_000
    u, z = tm.rand(n).numpy(), tm.randn(n, dtype=np.float64).numpy()
    assert u.dtype == np.float32 and 0 <= u.min() and u.max() < 1 and abs(u.mean() - 0.5) < 5 / np.sqrt(12 * n)
    assert abs(z.mean()) < 5 / np.sqrt(n) and abs(z.var() - 1) < 5 * np.sqrt(2 / n)
    i = tm.randint(-2, 3, (n,)).numpy()
    assert set(i) == {-2, -1, 0, 1, 2} and i.dtype == np.int64
    m = tm.normal(tm.tensor([0.0, 10.0]), tm.tensor([[1.0], [0.0]]))
    assert m.shape == (2, 2) and m.numpy()[1].tolist() == [0, 10]
    b = tm.bernoulli(tm.full((n,), 0.2)).numpy()
    assert set(b) == {0.0, 1.0} and abs(b.mean() - 0.2) < 5 * np.sqrt(0.16 / n)
    assert tm.bernoulli(tm.tensor([0.0, 1.0])).tolist() == [0, 1]
    assert sorted(tm.randperm(50).tolist()) == list(range(50)) and tm.randperm(0).shape == (0,)


def test_like():
    x = tm.zeros(2, 3, dtype=np.float64)
    for f in (tm.rand_like, tm.randn_like, lambda t: tm.randint_like(t, 5)):
        assert f(x).shape == (2, 3) and f(x).dtype == np.float64
    assert tm.randint_like(tm.tensor([1, 2]), 3, 4).tolist() == [3, 3]
    assert tm.rand(2, dtype=np.float16).dtype == np.float16
    assert tm.randn(()).shape == () and tm.randn(2, 3, requires_grad=True).requires_grad
    assert tm.randint(5, (2,), dtype=np.float32).dtype == np.float32


def test_multinomial():
    tm.manual_seed(0)
    weights = np.array([[1.0, 0.0, 3.0], [0.0, 5.0, 5.0]])
    t = Tensor(weights)
    for replacement in (True, False):
        first = np.concatenate([tm.multinomial(t, 2, replacement).numpy()[:, :1] for _ in range(1500)], axis=1)
        for row, share in zip(first, weights / weights.sum(1, keepdims=True)):
            found = np.bincount(row, minlength=3) / row.size
            assert (np.abs(found - share) <= 5 * np.sqrt(share * (1 - share) / row.size)).all()
    pairs = tm.multinomial(t, 2).numpy()
    assert sorted(pairs[0]) == [0, 2] and sorted(pairs[1]) == [1, 2]
    assert tm.multinomial(t[0], 5, True).shape == (5,) and tm.multinomial(t, 5, True).shape == (2, 5)
    with pytest.raises(ValueError, match="cannot draw 3 indices from a row with 2 weights"):
        tm.multinomial(t, 3)
    with pytest.raises(ValueError, match="with 0 weights that are not 0"):
        tm.multinomial(tm.zeros(3), 1, True)
    with pytest.raises(ValueError, match="finite and not negative"):
        tm.multinomial(tm.tensor([-1.0, 2.0]), 1)
    with pytest.raises(ValueError, match="num_samples=0"):
        tm.multinomial(t, 0)
    with pytest.raises(TypeError, match="must be floating point"):
        tm.multinomial(tm.tensor([1, 2]), 1)
    with pytest.raises(ValueError, match=r"input has shape \(1, 1, 2\)"):
        tm.multinomial(tm.ones(1, 1, 2), 1)
