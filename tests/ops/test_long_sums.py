"""Fused operations over many rows or long rows: float32 against float64, within the bound of backend/sums.py."""

import numpy as np
import pytest

import tinymm as tm
import tinymm.functional as F
from tinymm.backend.jit import force_parallel, use_kernels

U = 2.0**-24
CHANCE = np.random.default_rng(0)
ROWS = 40_000


def positive(*shape):
    """Of one sign and nearly one size: each rounding of a long sum then errs to the same side for a while."""
    return (0.1 + 0.001 * CHANCE.random(shape)).astype(np.float32)


def gradients(function, arrays, dtype):
    tensors = [tm.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y = function(*tensors)
    (y * 0.1).sum().backward()
    return [y.detach().numpy()] + [t.grad.numpy() for t in tensors]


def ones(*shape):
    return np.ones(shape, np.float32)


INDEX, FEW = np.zeros(ROWS, np.int64), CHANCE.integers(0, 3, ROWS)
CASES = {   # (function, arrays, which results are sums over all rows: 0 the value, 1 and on the gradients)
    "linear": (F.linear, (positive(ROWS, 3), ones(2, 3), ones(2)), (3,)),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (2,), w, b), (np.tile(np.float32([1, 2]), (ROWS, 1)), ones(2), ones(2)), (2, 3)),
    "rms_norm": (lambda x, w: F.rms_norm(x, (2,), w), (positive(ROWS, 2), ones(2)), (2,)),
    "group_norm": (lambda x, w, b: F.group_norm(x, 1, w, b), (np.tile(np.float32([1, 2]), (ROWS, 1)), ones(2), ones(2)), (2, 3)),
    "batch_norm columns": (lambda x, b: F.batch_norm(x, None, None, None, b, True), (positive(ROWS, 2), ones(2)), (2,)),
    "batch_norm space": (lambda x, b: F.batch_norm(x, None, None, None, b, True), (positive(2, 2, ROWS), ones(2)), (2,)),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b), (positive(3, 2, ROWS), ones(2, 2, 3), ones(2)), (3,)),
    "conv1d many": (lambda x, w, b: F.conv1d(x, w, b), (positive(ROWS // 10, 2, 5), ones(2, 2, 3), ones(2)), (3,)),
    "conv_transpose1d": (lambda x, w, b: F.conv_transpose1d(x, w, b), (positive(3, 2, ROWS), ones(2, 2, 3), ones(2)), (3,)),
    "embedding": (lambda w: F.embedding(tm.tensor(INDEX), w), (positive(4, 20),), (1,)),
    "embedding few": (lambda w: F.embedding(tm.tensor(FEW), w), (positive(4, 1),), (1,)),
    "index_add": (lambda x, s: tm.index_add(x, 0, tm.tensor(FEW), s), (ones(4, 20), positive(ROWS, 20)), (0,)),
    "mse": (lambda x: F.mse_loss(x, x.detach() * 0), (positive(ROWS),), (0,)),
    "bce": (lambda x: F.binary_cross_entropy_with_logits(x, x.detach() * 0 + 0.5), (positive(ROWS),), (0,)),
    "cross_entropy": (lambda x: F.cross_entropy(x, tm.tensor(FEW)), (positive(ROWS, 3),), (0,)),
    "smooth": (lambda x: F.cross_entropy(x, tm.tensor([3]), label_smoothing=0.5), (positive(1, ROWS),), (0,)),
    "avg_pool": (lambda x: F.avg_pool2d(x, 200), (positive(1, 200, 200),), (0,)),
    "adaptive_avg_pool": (lambda x: F.adaptive_avg_pool2d(x, (1, 3)), (positive(1, 1000, 40),), (0,)),
    "broadcast": (lambda x, b: x + b, (positive(ROWS, 2), ones(2)), (2,)),
    "var": (lambda x: x.var(0), (positive(ROWS, 2),), ()),
    "cumsum": (lambda x: x.cumsum(0), (positive(ROWS, 2),), (0, 1)),
    "softmax": (lambda x: F.softmax(x, 0), (positive(ROWS),), (0,)),
    "softmax columns": (lambda x: F.softmax(x, 0), (positive(ROWS, 2),), (0,)),
    "log_softmax columns": (lambda x: F.log_softmax(x, 0), (positive(ROWS, 2),), (0,)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("mode", ["numpy", "numba", "parallel"])
def test_float32_within_the_bound(case, mode):
    function, arrays, which = CASES[case]
    wanted = gradients(function, arrays, np.float64)
    with use_kernels("numpy" if mode == "numpy" else "numba"), force_parallel(mode == "parallel"):
        got = gradients(function, arrays, np.float32)
    for k in which:
        assert got[k].dtype == np.float32
        np.testing.assert_allclose(got[k], wanted[k], rtol=300 * U)   # 128 u a level, at most two of them, and a few single ones


@pytest.mark.parametrize("size", [1_000, 70_000])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy_with_logits",
                                  "binary_cross_entropy", "kl_div"])
def test_losses_in_float16(name, size):
    loss = getattr(F, name)
    x, t = (CHANCE.uniform(0.1, 0.9, size).astype(np.float16) for _ in range(2))
    for reduction in ("mean", "sum"):
        got, wanted = [], []
        for dtype, found in ((np.float16, got), (np.float64, wanted)):
            a = tm.tensor(x.astype(dtype), requires_grad=True)
            y = loss(a, tm.tensor(t.astype(dtype)), reduction=reduction)
            y.backward()
            found += [y.item(), a.grad.numpy().astype(np.float64)]
        if abs(wanted[0]) < 65_000:
            np.testing.assert_allclose(got[0], wanted[0], rtol=4e-3)
        np.testing.assert_allclose(got[1], wanted[1], rtol=2e-2, atol=6e-8)   # float16 has no smaller steps than 6e-8


def test_classes_in_float16():
    x, y = CHANCE.normal(size=(70_000, 3)).astype(np.float16), tm.tensor(CHANCE.integers(0, 3, 70_000))
    weight = np.float16([1, 2, 3])
    for choices in ({}, {"label_smoothing": 0.1}, {"weight": weight}, {"weight": weight, "label_smoothing": 0.1}):
        results = []
        for dtype in (np.float16, np.float64):
            a = tm.tensor(x.astype(dtype), requires_grad=True)
            options = {k: tm.tensor(v.astype(dtype)) if k == "weight" else v for k, v in choices.items()}
            loss = F.cross_entropy(a, y, **options)
            loss.backward()
            nll = F.nll_loss(a.detach(), y, options.get("weight"))
            results.append((loss.item(), nll.item(), a.grad.numpy().astype(np.float64)))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=2e-3)
        np.testing.assert_allclose(results[0][1], results[1][1], rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(results[0][2], results[1][2], rtol=2e-2, atol=6e-8)


@pytest.mark.parametrize("function", [
    lambda x: F.layer_norm(x, x.shape[1:]), lambda x: F.rms_norm(x, x.shape[1:]), lambda x: F.group_norm(x.reshape(1, 2, -1), 1),
    lambda x: F.batch_norm(x.reshape(-1, 1), None, None, training=True), lambda x: F.normalize(x / 256, dim=1),
    lambda x: F.cosine_similarity(x, x + 1), lambda x: F.adaptive_avg_pool1d(x, 1), lambda x: F.softmax(x * 0, 1) * 1000])
def test_long_rows_in_float16(function):
    x = CHANCE.normal(300, 20, (1, 70_000)).astype(np.float16)   # squares and counts are beyond float16
    got, wanted = (function(tm.tensor(x.astype(dtype))).numpy().astype(np.float64) for dtype in (np.float16, np.float64))
    np.testing.assert_allclose(got, wanted, rtol=4e-3, atol=2e-3)
