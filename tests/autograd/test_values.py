"""Values where PyTorch's meaning is easily missed: booleans, integers at their limits, powers and divisions of integers."""

import numpy as np
import pytest

import tinymm as tm


def i64(*values):
    return tm.tensor(np.array(values, np.int64))


def u8(*values):
    return tm.tensor(np.array(values, np.uint8))


def b(*values):
    return tm.tensor(np.array(values, bool))


CASES = [   # what PyTorch 2.13 says: values, dtype
    (lambda: b(1, 0) ** 2, [1, 0], "int64"), (lambda: True ** i64(1, 2), [1, 1], "int64"),
    (lambda: tm.square(b(1, 0)), [1, 0], "int64"), (lambda: b(1) ** 1.5, [1.0], "float32"),
    (lambda: tm.sign(b(1, 0)), [True, False], "bool"), (lambda: b(1, 1) + b(1, 0), [True, True], "bool"),
    (lambda: b(1) * 3, [3], "int64"), (lambda: b(1) / 2, [0.5], "float32"),
    (lambda: u8(3) - 5, [254], "uint8"), (lambda: u8(3) * -1, [253], "uint8"), (lambda: u8(3) + 300, [47], "uint8"),
    (lambda: -1 - u8(3), [252], "uint8"), (lambda: u8(3) // -2, [0], "uint8"), (lambda: u8(3) % -2, [3], "uint8"),
    (lambda: u8(3) / -2, [-1.5], "float32"), (lambda: u8(3).clamp(min=-1), [255], "uint8"), (lambda: -u8(3), [253], "uint8"),
    (lambda: tm.full((2,), -1, dtype=np.uint8), [255, 255], "uint8"), (lambda: tm.where(b(1, 0), u8(3, 4), -1), [3, 255], "uint8"),
    (lambda: tm.masked_fill(u8(3, 4), b(1, 0), -1), [255, 4], "uint8"),
    (lambda: i64(0, 1, -1, 2) ** i64(-1, -1, -1, -1), [0, 1, -1, 0], "int64"),
    (lambda: i64(-1, -1) ** i64(-2, -3), [1, -1], "int64"),
    (lambda: 2 ** i64(-1, 2), [0, 4], "int64"), (lambda: tm.tensor([2.0]) ** i64(-1), [0.5], "float32"),
    (lambda: tm.tensor([0.0, 0.0, 0.0]) ** tm.tensor([0.0, -1.0, 2.0]), [1, np.inf, 0], "float32"),
    (lambda: i64(-7, 7) // i64(2, -2), [-4, -4], "int64"), (lambda: i64(-7, 7) % i64(2, -2), [1, -1], "int64"),
]


@pytest.mark.parametrize("index", range(len(CASES)))
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
def test_meaning_is_pytorchs(index):
    function, values, dtype = CASES[index]
    got = function()
    np.testing.assert_array_equal(got.numpy(), values)
    assert got.dtype == dtype


@pytest.mark.parametrize("function, error, words", [
    (lambda: i64(3) // 0, ZeroDivisionError, "floor_divide"), (lambda: i64(3) % i64(0), ZeroDivisionError, "remainder"),
    (lambda: tm.div(i64(3), i64(0), rounding_mode="trunc"), ZeroDivisionError, "div"),
    (lambda: u8(3) ** -1, ValueError, "negative integer powers"),
    (lambda: i64(2, 3) ** -1, ValueError, "negative integer powers"), (lambda: b(1) ** b(0), TypeError, "two booleans"),
    (lambda: b(1) // b(1), TypeError, "two booleans"), (lambda: b(1) % True, TypeError, "two booleans"),
    (lambda: b(1) - b(0), TypeError, "bool")])
def test_what_has_no_meaning_is_refused(function, error, words):
    with pytest.raises(error, match=words):
        function()


@pytest.mark.parametrize("size", [1e5, 1e6, 1e7, 1e10, 3e38, -3e38, 1.0])
def test_shares_of_large_logarithms(size):
    x = tm.tensor([size, size], requires_grad=True)
    tm.logaddexp(x[0], x[1]).backward()
    assert x.grad.tolist() == [0.5, 0.5]
    y = tm.tensor([size, size], requires_grad=True)
    tm.logsumexp(y, 0).backward()
    np.testing.assert_allclose(y.grad.numpy(), [0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("a, c, shares", [(np.inf, 0, (1, 0)), (-np.inf, 0, (0, 1)), (np.inf, -np.inf, (1, 0)),
                                          (np.inf, np.inf, (0.5, 0.5)), (-np.inf, -np.inf, (0, 0)), (-1e38, 1e38, (0, 1))])
def test_logaddexp_of_infinities(a, c, shares):
    x, y = (tm.tensor([float(v)], requires_grad=True) for v in (a, c))
    tm.logaddexp(x, y).backward()
    assert (x.grad.item(), y.grad.item()) == shares
    assert tm.logaddexp(tm.tensor([float(a)]), float(c)).item() == np.float32(np.logaddexp(a, c))
