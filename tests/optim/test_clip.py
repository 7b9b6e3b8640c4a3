"""Clipping: odd gradients and arguments; against PyTorch in ``test_against_torch.py``."""

import math

import numpy as np
import pytest

import tinymm
from tinymm import Tensor, nn, optim


def with_gradient(values, dtype="float32"):
    p = nn.Parameter(tinymm.zeros(*np.shape(values), dtype=dtype))
    p.grad = Tensor(np.asarray(values, dtype))
    return p


def read_only(a):
    a.flags.writeable = False
    return a


ODD = {
    "read-only": lambda: read_only(np.array([3.0, -4.0], np.float32)),
    "broadcast": lambda: np.broadcast_to(np.float32(5), (2,)),
    "one number, twice": lambda: np.lib.stride_tricks.as_strided(np.array([5.0], np.float32), (2,), (0,), writeable=True),
    "strided": lambda: np.arange(8, dtype=np.float32)[::4],
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_gradients_are_clipped_once(kind):
    p = nn.Parameter(tinymm.zeros(2))
    p.grad = Tensor(ODD[kind]())
    before = p.grad.numpy().copy()
    total = optim.clip_grad_norm_([p], 1.0)
    assert float(total) == pytest.approx(math.hypot(*before))
    np.testing.assert_allclose(p.grad.numpy(), before / math.hypot(*before), rtol=1e-5)
    p.grad = Tensor(ODD[kind]())
    optim.clip_grad_value_([p], 2.0)
    np.testing.assert_array_equal(p.grad.numpy(), before.clip(-2, 2))


def test_after_the_backward_of_a_sum():
    x = tinymm.ones(500, 1, requires_grad=True)
    x.mean(1).sum().backward()
    optim.clip_grad_norm_([x], 1.0)
    np.testing.assert_allclose(x.grad.numpy(), np.full((500, 1), 500**-0.5), rtol=1e-5)


def test_generators_one_tensor_and_no_gradients():
    model = nn.Linear(2, 2)
    assert float(optim.clip_grad_norm_(model.parameters(), 1.0)) == 0
    model(tinymm.ones(1, 2)).sum().backward()
    want = math.sqrt(sum(float((p.grad * p.grad).sum()) for p in model.parameters()))
    assert float(optim.clip_grad_norm_((p for p in model.parameters()), 0.5)) == pytest.approx(want)
    assert float(optim.clip_grad_norm_(model.parameters(), 9.0)) == pytest.approx(0.5, rel=1e-5)
    assert float(optim.clip_grad_norm_(with_gradient([3.0, 4.0]), 1)) == 5
    assert float(optim.clip_grad_norm_([], 1.0)) == 0
    assert float(optim.clip_grad_norm_([with_gradient(np.zeros((0, 3))), with_gradient([2.0])], 1.0)) == 2
    used_up = (p for p in ())
    with pytest.warns(UserWarning, match="empty or used up"):
        optim.clip_grad_norm_(used_up, 1.0)


def test_float16_norms_beyond_its_largest_number():
    p, q = with_gradient(np.full(70_000, 300.0), "float16"), with_gradient([-300.0], "float16")
    total = optim.clip_grad_norm_([p, q], 1.0)
    assert total.dtype == np.float32 and float(total) == pytest.approx(300 * math.sqrt(70_001), rel=1e-6)
    assert p.grad.dtype == np.float16
    np.testing.assert_allclose(p.grad.numpy().astype(float), 70_001**-0.5, rtol=2e-3)   # in float16 the scale is a denormal
    q.grad = Tensor(np.array([np.inf], np.float16))
    optim.clip_grad_value_([q], 1e6)   # beyond float16: no limit
    assert math.isinf(float(q.grad[0]))
    counted = optim.clip_grad_norm_([with_gradient(np.ones(70_000), "float16")], 1e9, norm_type=0)
    assert float(counted) == 70_000


def test_squares_beyond_float32():
    p = with_gradient([3e30, -4e30])
    assert float(optim.clip_grad_norm_([p], 1.0)) == pytest.approx(5e30)
    np.testing.assert_allclose(p.grad.numpy(), [0.6, -0.8], rtol=1e-6)


@pytest.mark.parametrize("bad, scaled", [(math.nan, [math.nan, math.nan]), (math.inf, [0.0, math.nan]),
                                         (-math.inf, [0.0, math.nan])])
def test_norms_that_are_not_finite(bad, scaled):
    p = with_gradient([1.0, bad])
    with pytest.raises(RuntimeError, match="clip_grad_norm_: the joint norm is (nan|inf)"):
        optim.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad.numpy(), np.float32([1.0, bad]))
    assert not math.isfinite(float(optim.clip_grad_norm_([p], 1.0)))
    np.testing.assert_array_equal(p.grad.numpy(), np.float32(scaled))


@pytest.mark.parametrize("norm_type, want", [(0, 3), (1, 7), (2, math.sqrt(21)), ("inf", 4), (-math.inf, 1), (3, 73 ** (1 / 3))])
def test_kinds_of_norm(norm_type, want):
    params = [with_gradient([1.0, -2.0]), with_gradient([4.0])]
    assert float(optim.clip_grad_norm_(params, 100.0, norm_type)) == pytest.approx(want)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, "1", None, True, [1.0], tinymm.ones(2)], ids=str)
def test_limits_that_are_none(wrong):
    p = with_gradient([3.0, 4.0])
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        with pytest.raises((ValueError, TypeError), match=f"^{clip.__name__}: "):
            clip([p], wrong)
    np.testing.assert_array_equal(p.grad.numpy(), [3.0, 4.0])
    assert float(optim.clip_grad_norm_([p], tinymm.tensor(1.0))) == 5


def test_what_are_no_parameters():
    with pytest.raises(TypeError, match=r"write its .parameters\(\)"):
        optim.clip_grad_norm_(nn.Linear(2, 2), 1.0)
    with pytest.raises(TypeError, match="a parameter is a str"):
        optim.clip_grad_norm_(nn.Linear(2, 2).state_dict(), 1.0)
    with pytest.raises(TypeError, match="a parameter is a tuple"):
        optim.clip_grad_value_(nn.Linear(2, 2).named_parameters(), 1.0)
