"""What the generic suite does not see of the losses: infinities, ignored cases, broadcasts and bad arguments."""

import tracemalloc

import numpy as np
import pytest

from tinymm import Tensor, functional as F
from tinymm.backend import simd
from tinymm.backend.jit import use_kernels
from tinymm.ops.losses.pointwise import BLOCK

MODES = pytest.mark.parametrize("mode", ["numpy", "numba"])
LAYOUT = pytest.mark.parametrize("strided", [False, True])


def logits_of(rows, strided):
    """Logits (N, C), or the same as (1, C, N), where the classes are not contiguous."""
    rows = np.asarray(rows)
    return Tensor(np.ascontiguousarray(rows.T)[None] if strided else rows, requires_grad=True)


def classes_of(values, strided):
    return Tensor(np.asarray(values)[None] if strided else np.asarray(values))


# ---------------------------------------------------------------------- cross_entropy

def test_cross_entropy_worked_out_by_hand():
    x = Tensor(np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]]), requires_grad=True)
    loss = F.cross_entropy(x, Tensor(np.array([2, 0])), reduction="sum")
    assert float(loss) == pytest.approx(np.log(8 / 5) + np.log(4))
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), [[1 / 8, 2 / 8, 5 / 8 - 1], [1 / 4 - 1, 1 / 4, 1 / 2]], rtol=1e-14)


@MODES
@LAYOUT
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_ignored_cases_have_exactly_zero_loss_and_gradient(mode, strided, smoothing):
    rows = np.array([[1.0, 2, 3], [np.nan, 1, 2], [-np.inf] * 3, [3.0, 1, 2]])
    with use_kernels(mode):
        x = logits_of(rows, strided)
        losses = F.cross_entropy(x, classes_of([0, 9, 9, 2], strided), ignore_index=9, reduction="none",
                                 label_smoothing=smoothing)
        losses.backward(Tensor(np.ones(losses.shape)))
        values, grads = losses.detach().numpy().reshape(4), x.grad.numpy()[0].T if strided else x.grad.numpy()
        assert (values[1:3] == 0).all() and (values[[0, 3]] > 0).all()
        assert (grads[1:3] == 0).all() and (grads[[0, 3]] != 0).all()


@MODES
@LAYOUT
def test_mean_of_nothing_is_nan_and_its_gradient_zero(mode, strided):
    with use_kernels(mode):
        x = logits_of(np.ones((2, 3)), strided)
        loss = F.cross_entropy(x, classes_of([-100, -100], strided))
        loss.backward()
        assert np.isnan(float(loss)) and (x.grad.numpy() == 0).all()
        assert float(F.cross_entropy(x, classes_of([-100, -100], strided), reduction="sum")) == 0
        assert np.isnan(float(F.cross_entropy(Tensor(np.ones((0, 3))), Tensor(np.zeros(0, int)))))
        assert np.isnan(float(F.nll_loss(x, classes_of([-100, -100], strided))))


@MODES
@LAYOUT
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits(mode, strided, dtype):
    rows = np.array([[1e4, 9999.5, -1e4], [-1e4, -1e4, 1e4], [0, -np.inf, 0]], dtype)
    with use_kernels(mode):
        x = logits_of(rows, strided)
        losses = F.cross_entropy(x, classes_of([1, 2, 0], strided), reduction="none")
        losses.backward(Tensor(np.ones(losses.shape, dtype)))
        want = [0.5 + np.log1p(np.exp(-0.5)), 0, np.log(2)]
        np.testing.assert_allclose(losses.detach().numpy().reshape(3), want, rtol=2e-7)
        p = 1 / (1 + np.exp(-0.5))
        grads = x.grad.numpy()[0].T if strided else x.grad.numpy()
        np.testing.assert_allclose(grads, [[p, -p, 0], [0, 0, 0], [-0.5, 0, 0.5]], rtol=2e-7, atol=1e-7)
        x = logits_of(rows, strided)
        impossible = F.cross_entropy(x, classes_of([1, 2, 1], strided), reduction="none").detach().numpy().reshape(3)
        assert np.isinf(impossible).tolist() == [False, False, True]


def test_transposed_logits_are_not_copied():
    """(N, C, T) as a transposed view of (N, T, C) runs on the rows as they lie."""
    rng = np.random.default_rng(0)
    rows, y = rng.normal(size=(2, 5, 4)), Tensor(rng.integers(0, 4, (2, 5)))
    for reduction in ("mean", "none"):
        a, b = Tensor(rows, requires_grad=True), Tensor(rows.transpose(0, 2, 1).copy(), requires_grad=True)
        view = F.cross_entropy(a.transpose(1, 2), y, reduction=reduction)
        plain = F.cross_entropy(b, y, reduction=reduction)
        view.sum().backward()
        plain.sum().backward()
        np.testing.assert_allclose(view.detach().numpy(), plain.detach().numpy(), rtol=1e-13)
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy().transpose(0, 2, 1), rtol=1e-12, atol=1e-15)


def test_cross_entropy_needs_no_memory_but_the_gradient():
    x, y = Tensor(np.zeros((64, 5000), "float32"), requires_grad=True), Tensor(np.zeros(64, int))
    with use_kernels("numba"):
        F.cross_entropy(x, y).backward()   # compiles
        x.grad = None
        tracemalloc.start()
        loss = F.cross_entropy(x, y)
        after_forward = tracemalloc.get_traced_memory()[1]
        loss.backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert after_forward < 100_000 and peak < x.numel() * 4 + 100_000


def test_gradient_reaches_weights_and_target_probabilities():
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.normal(size=(3, 4)), requires_grad=True), Tensor(rng.uniform(1, 2, 4), requires_grad=True)
    F.cross_entropy(x, Tensor(np.array([0, 2, 2])), w, reduction="sum").backward()
    log_p = F.log_softmax(x, 1).detach().numpy()
    np.testing.assert_allclose(w.grad.numpy(), [-log_p[0, 0], 0, -log_p[1, 2] - log_p[2, 2], 0], rtol=1e-12)
    t = Tensor(np.full((3, 4), 0.25), requires_grad=True)
    F.cross_entropy(x, t, reduction="sum").backward()
    np.testing.assert_allclose(t.grad.numpy(), -log_p, rtol=1e-12)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_class_targets_are_checked(loss):
    x = Tensor(np.zeros((4, 3)))
    with pytest.raises(IndexError, match=r"target\[2\] = 3 is not a class: input has C=3 classes"):
        loss(x, Tensor(np.array([0, -100, 3, 5])))
    with pytest.raises(IndexError, match=r"target\[1\] = -1"):
        loss(x, Tensor(np.array([0, -1, 2, 0])))
    with pytest.raises(IndexError, match=r"target\[0, 1\] = 7"):
        loss(Tensor(np.zeros((1, 3, 2))), Tensor(np.array([[0, 7]])))
    with pytest.raises(ValueError, match=r"target has shape \(3,\) but input of shape \(4, 3\) wants \(4,\)"):
        loss(x, Tensor(np.zeros(3, int)))
    with pytest.raises(ValueError, match=r"weight has shape \(4,\).*C=3 classes"):
        loss(x, Tensor(np.zeros(4, int)), Tensor(np.ones(4)))
    with pytest.raises(ValueError, match="reduction='avg'; choose one of 'none', 'mean', 'sum'"):
        loss(x, Tensor(np.zeros(4, int)), reduction="avg")
    with pytest.raises(TypeError, match="target is a list, not a Tensor"):
        loss(x, [0, 1, 2, 0])


def test_probability_targets_are_checked():
    x = Tensor(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"must have the shape of input, \(4, 3\), not \(4,\).*target.long\(\)"):
        F.cross_entropy(x, Tensor(np.zeros(4)))
    with pytest.raises(ValueError, match="ignore_index=1 has no meaning"):
        F.cross_entropy(x, Tensor(np.zeros((4, 3))), ignore_index=1)
    with pytest.raises(ValueError, match="label_smoothing=1.5"):
        F.cross_entropy(x, Tensor(np.zeros(4, int)), label_smoothing=1.5)
    with pytest.raises(TypeError, match="nll_loss: target must hold integer class indices, not float64"):
        F.nll_loss(x, Tensor(np.zeros(4)))
    with pytest.raises(TypeError, match="target must hold integer class indices, not bool"):
        F.cross_entropy(x, Tensor(np.zeros(4, bool)))


# ---------------------------------------------------------------------- binary

@MODES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logit_loss_is_accurate_in_its_tail(mode, dtype):
    """The loss of a sure and right answer is e^-|x|, far below the rounding of 1 + e^-|x|."""
    x = np.array([20.0, 40.0, 60.0], dtype)
    with use_kernels(mode):
        t = np.array([1, 1, 1, 0, 0, 0], dtype)
        loss = F.binary_cross_entropy_with_logits(Tensor(np.concatenate([x, -x])), Tensor(t), reduction="none")
        np.testing.assert_allclose(loss.numpy(), np.tile(np.log1p(np.exp(-x.astype("float64"))), 2), rtol=5e-6)
        far = F.binary_cross_entropy_with_logits(Tensor(np.array([1e4, -1e4], dtype)), Tensor(np.array([0, 1], dtype)))
        assert float(far) == 1e4


def test_binary_cross_entropy_at_its_ends():
    x = Tensor(np.array([0.0, 1.0, 0.0, 1.0]), requires_grad=True)
    loss = F.binary_cross_entropy(x, Tensor(np.array([0.0, 1.0, 1.0, 0.0])), reduction="none")
    np.testing.assert_array_equal(loss.detach().numpy(), [0, 0, 100, 100])
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 0, -1e12, 1e12])
    for bad in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="probabilities between 0 and 1.*with_logits"):
            F.binary_cross_entropy(Tensor(np.array([0.5, bad])), Tensor(np.zeros(2)))


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
def test_binary_shapes_are_checked(loss):
    with pytest.raises(ValueError, match=r"target has shape \(3,\) but input has \(3, 1\); they must be equal"):
        loss(Tensor(np.full((3, 1), 0.5)), Tensor(np.zeros(3)))
    with pytest.raises(ValueError, match=r"weight of shape \(4,\) does not broadcast to input of shape \(2, 3\)"):
        loss(Tensor(np.full((2, 3), 0.5)), Tensor(np.zeros((2, 3))), Tensor(np.ones(4)))


# ---------------------------------------------------------------------- the others

@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
def test_regression_losses_warn_of_a_broadcast(loss):
    x, t = Tensor(np.array([[1.0], [3.0]]), requires_grad=True), Tensor(np.array([1.0, 3.0]))
    with pytest.warns(UserWarning, match=r"target of shape \(2,\) is broadcast against input of shape \(2, 1\)"):
        value = loss(x, t)
    value.backward()
    assert value.shape == () and float(value) > 0 and x.grad.shape == (2, 1)
    with pytest.raises(ValueError, match=r"target has shape \(3,\) but input has \(2, 1, 2\)"):
        loss(Tensor(np.ones((2, 1, 2))), Tensor(np.ones(3)))
    with pytest.raises(TypeError, match="target must be floating point"):
        loss(x, Tensor(np.ones((2, 1), int)))


@MODES
def test_long_float32_sums_keep_their_digits(mode):
    n = 3_000_000
    with use_kernels(mode):
        x = Tensor(np.full(n, 0.1, "float32"))
        total = float(F.mse_loss(x, Tensor(np.zeros(n, "float32")), reduction="sum"))
    # A kernel's block is summed in four vectors of lanes; equal terms round the same way, half an ulp and more each time.
    partial_sums = 4 * simd.registers()[0] // 4 if mode == "numba" else np.inf   # lanes of four bytes
    assert total == pytest.approx(n * float(np.float32(0.1)) ** 2, rel=max(1e-6, BLOCK / partial_sums * 2.0**-24))


def test_mean_of_no_elements_is_nan():
    empty = Tensor(np.zeros((0, 3)))
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits):
        assert np.isnan(float(loss(empty, empty)))


def test_smooth_l1_and_huber_meet_at_their_threshold():
    x = Tensor(np.array([0.5, 2.0]))
    zeros = Tensor(np.zeros(2))
    np.testing.assert_allclose(F.smooth_l1_loss(x, zeros, beta=1.0, reduction="none").numpy(), [0.125, 1.5])
    np.testing.assert_allclose(F.huber_loss(x, zeros, "none", 0.5).numpy(), [0.125, 0.875])
    with pytest.raises(ValueError, match="delta=0 must be positive"):
        F.huber_loss(x, x, delta=0)
    with pytest.raises(ValueError, match="beta=-1 must not be negative"):
        F.smooth_l1_loss(x, x, beta=-1)


def test_kl_div_counts_nothing_where_the_target_is_zero():
    t = Tensor(np.array([[0.0, 1.0], [0.5, 0.5]]), requires_grad=True)
    x = Tensor(np.log([[0.3, 0.7], [0.5, 0.5]]), requires_grad=True)
    loss = F.kl_div(x, t, reduction="batchmean")
    loss.backward()
    assert float(loss) == pytest.approx(-np.log(0.7) / 2)
    assert np.isfinite(t.grad.numpy()).all()
    with pytest.raises(ValueError, match="'none', 'mean', 'batchmean', 'sum'"):
        F.kl_div(x, t, reduction="avg")


def test_vectors_of_zeros():
    zero = Tensor(np.zeros((2, 3)), requires_grad=True)
    F.normalize(zero).sum().backward()
    assert np.isfinite(zero.grad.numpy()).all() and (F.normalize(zero).detach().numpy() == 0).all()
    assert (F.cosine_similarity(zero, Tensor(np.ones((2, 3)))).detach().numpy() == 0).all()


def test_shapes_of_comparisons_are_checked():
    a, b = Tensor(np.ones((2, 3))), Tensor(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"cosine_similarity: x1 \(2, 3\) and x2 \(2, 4\) do not broadcast"):
        F.cosine_similarity(a, b)
    with pytest.raises(ValueError, match="triplet_margin_loss: anchor"):
        F.triplet_margin_loss(a, a, b)
    with pytest.raises(ValueError, match="margin=0 must be positive"):
        F.triplet_margin_loss(a, a, a, margin=0)
    with pytest.raises(ValueError, match=r"must be \(N, D\), \(N, D\) and \(N,\)"):
        F.cosine_embedding_loss(a, a, Tensor(np.ones((2, 1))))
    with pytest.raises(ValueError, match="must have the same number of axes"):
        F.margin_ranking_loss(a, a, Tensor(np.ones(3)))
    with pytest.raises(TypeError, match="target is a int"):
        F.margin_ranking_loss(a, a, 1)


@pytest.mark.parametrize("mode", ["numpy", "numba"])
@pytest.mark.parametrize("strided", [False, True])
def test_targets_that_change_after_the_forward_change_nothing(mode, strided):
    classes = np.array([1, 2, 0])
    with use_kernels(mode):
        x = logits_of(np.zeros((3, 4)), strided)
        loss = F.cross_entropy(x, Tensor(classes[None] if strided else classes), reduction="sum")
        classes[:] = 10**9
        loss.backward()
        got = x.grad.numpy()[0].T if strided else x.grad.numpy()
        np.testing.assert_allclose(got, 0.25 - np.eye(4)[[1, 2, 0]], atol=1e-12)


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_class_weights_and_ignored_classes_that_are_none(loss):
    x, y = Tensor(np.zeros((2, 3))), Tensor(np.array([0, 1]))
    with pytest.raises(TypeError, match=f"{loss.__name__}: weight is a ndarray, not a Tensor"):
        loss(x, y, np.ones(3))
    with pytest.raises(TypeError, match=f"{loss.__name__}: weight must be floating point, not int64"):
        loss(x, y, Tensor(np.ones(3, np.int64)))
    for ignored in (2**63, -2**63 - 1, 10**30):
        with pytest.raises(ValueError, match=f"{loss.__name__}: ignore_index={ignored} is no integer of 64 bits"):
            loss(x, y, ignore_index=ignored)


# ---------------------------------------------------------------------- smooth_l1_loss

@MODES
@pytest.mark.parametrize(("dtype", "beta"), [(np.float32, 1e-300), (np.float32, 1e-39), (np.float64, 1e-309), (np.float16, 1e-300)])
def test_smooth_l1_loss_with_a_beta_whose_inverse_overflows_is_l1_loss(mode, dtype, beta):
    x = Tensor(np.array([0.5, -2.0, 1.0, 3.0], dtype), requires_grad=True)
    target = Tensor(np.array([1.0, -3.0, 1.0, 0.0], dtype))
    with use_kernels(mode):
        loss = F.smooth_l1_loss(x, target, beta=beta, reduction="sum")
        loss.backward()
    assert loss.item() == 4.5
    np.testing.assert_array_equal(x.grad.numpy(), [-1, 1, 0, 1])
