"""Every fused operation: its rungs against its definition, in float64 and in float32, serial and parallel."""

import numpy as np
import pytest

from tests.sampling import as_tensors, cases, cotangents, draws, outputs_of, run
from tinymm import Tensor, grad
from tinymm.backend.jit import KERNELS, force_parallel, use_kernels

FUSED = cases(lambda operation: operation.fused is not None)


def by_definition(operation, sample):
    """Outputs and gradients with ``definition`` in the place of the fused forward and backward."""
    fused, original = operation.fused, operation.fused.__dict__.get("apply")

    def apply(cls, *args, **options):
        return cls.definition(*args, **options)

    fused.apply = classmethod(apply)
    try:
        return run(operation, sample)
    finally:
        if original is None:
            del fused.apply
        else:
            fused.apply = original


def strided(array):
    """The same values behind a negative and a doubled stride."""
    if array.ndim == 0:
        return array
    wide = np.zeros(array.shape[:-1] + (2 * array.shape[-1],), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2][::-1].copy()[::-1] if array.ndim == 1 else wide[..., ::2]


def signatures():
    """Argument types of everything that has been compiled in this process."""
    return {(kernel.function.__name__, kind) for kernel in KERNELS for version in (kernel._serial, kernel._parallel)
            if version is not None for kind in version.signatures}


@pytest.fixture(scope="module", autouse=True)
def compiled_for_writeable_arrays():
    """All tests of this file together: read-only arrays make Numba compile a kernel once more (``ready`` in backend/jit.py)."""
    before = signatures()
    yield
    twice = [f"{name} (argument {i})" for name, types in signatures() - before for i, t in enumerate(types)
             if hasattr(t, "layout") and not t.mutable]
    assert not twice, f"compiled for read-only arrays: {', '.join(twice)}"


@pytest.mark.parametrize("operation, index", FUSED)
@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_rung_equals_definition_in_float64(operation, index, mode):
    if operation.random:
        pytest.skip("random: the definition needs the noise of the forward")
    sample = draws(operation)[index]
    want = by_definition(operation, sample)
    with use_kernels(mode):
        got = run(operation, sample)
    for part in (0, 1):
        assert len(want[part]) == len(got[part])
        for w, g in zip(want[part], got[part]):
            np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("operation, index", FUSED)
@pytest.mark.parametrize("parallel", [False, True], ids=["serial", "parallel"])
def test_float32_kernel_within_ulps_of_float64(operation, index, parallel):
    if operation.random:
        pytest.skip("random: float32 and float64 draw different numbers")
    sample = draws(operation)[index]
    with use_kernels("numpy"):
        want = run(operation, sample)
    with use_kernels("numba"), force_parallel(parallel):
        got = run(operation, sample, "float32")
    for part in (0, 1):
        for w, g in zip(want[part], got[part]):
            assert g.dtype == np.float32 and g.shape == w.shape
            if w.size:
                scale = np.spacing(np.float32(max(np.abs(w).max(), 1.0)))
                assert np.abs(g - w).max() / scale <= operation.ulps


@pytest.mark.parametrize("operation, index", FUSED)
@pytest.mark.parametrize("mode", ["numpy", "numba"])
def test_memory_layout_does_not_matter(operation, index, mode):
    if operation.random:
        pytest.skip("random")
    sample = draws(operation)[index]
    with use_kernels(mode):
        want, got = run(operation, sample), run(operation, sample, layout=strided)
    for part in (0, 1):
        for w, g in zip(want[part], got[part]):
            np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("operation, index", cases(lambda o: o.fused is not None and o.second and o.differentiable))
def test_double_backward_is_the_derivative_of_the_fused_backward(operation, index):
    """Along random directions: d/dt of the fused gradient by finite differences = double backward."""
    if operation.random:
        pytest.skip("random")
    sample = draws(operation)[index]
    args, kwargs, inputs = as_tensors(sample)
    if not inputs or not any(i.numel() for i in inputs):
        pytest.skip("no differentiable element")
    outputs = outputs_of(operation.function(*args, **kwargs))
    cots = cotangents(outputs)
    first = grad(outputs, inputs, [Tensor(c) for c in cots], create_graph=True, allow_unused=True)
    directions = cotangents(inputs, seed=2)
    dotted = sum((Tensor(c) * f).sum() for c, f in zip(cotangents(inputs, seed=3), first) if f is not None)
    numeric = 0.0
    h = 1e-5
    for sign in (1, -1):
        args, kwargs, moved = as_tensors(sample)
        for tensor, direction in zip(moved, directions):
            tensor._data = np.asarray(tensor._data + sign * h * direction)   # 0-d sums are scalars
        outs = outputs_of(operation.function(*args, **kwargs))
        fused = grad(outs, moved, [Tensor(c) for c in cots], allow_unused=True)
        numeric += sign * sum(float((c * f.numpy()).sum()) for c, f in zip(cotangents(inputs, seed=3), fused)
                              if f is not None) / (2 * h)
    if not isinstance(dotted, Tensor) or not dotted.requires_grad:
        analytic = 0.0
    else:
        second = grad(dotted, inputs, allow_unused=True)
        analytic = sum(float((s.numpy() * d).sum()) for s, d in zip(second, directions) if s is not None)
    assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-6)
