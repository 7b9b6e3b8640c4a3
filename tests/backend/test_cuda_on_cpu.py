"""The cuda rung of every fused operation, on the emulator of ``cuda_on_cpu.py``: same numbers as the definition.

This shows that the kernels' arithmetic and indices are right, that they are launched with the right arguments, and
that their barriers suffice for two opposite orders of the threads. It does not show that they run on a GPU:
``cuda_on_cpu.py`` lists what is missing, and ``pytest -m gpu`` is the test of that.
"""

import numpy as np
import pytest

from tests.backend.cuda_on_cpu import Library, can_compile, emulated_cuda, launched, parameters
from tests.device_double import StrictArray
from tests.ops.test_rungs import by_definition
from tests.sampling import as_tensors, cases, cotangents, draws, outputs_of, run
from tinymm import Tensor, functional as F, grad, manual_seed, optim
from tinymm.backend import cuda
from tinymm.backend.jit import use_kernels
from tinymm.ops.fused import rungs_of

pytestmark = pytest.mark.skipif(not can_compile(), reason="there is no g++ to compile the CUDA sources with")

CASES = cases(lambda operation: operation.fused is not None and "cuda" in rungs_of(operation.fused))
tried = set()


def on_device(array):
    return StrictArray(np.array(array))


def run_on_device(operation, sample, dtype):
    """``tests.sampling.run`` on the device double."""
    args, kwargs, inputs = as_tensors(sample, dtype, on_device)
    outputs = outputs_of(operation.function(*args, **kwargs))
    live = [(o, Tensor(on_device(c.astype(o.dtype)))) for o, c in zip(outputs, cotangents(outputs)) if o.requires_grad]
    grads = grad([o for o, _ in live], inputs, [c for _, c in live], allow_unused=True) if live and inputs else []
    return [o.detach()._data.get() for o in outputs], \
        [np.zeros(i.shape, dtype) if g is None else g._data.get() for g, i in zip(grads, inputs)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("operation, index", CASES)
def test_cuda_rung_equals_definition(operation, index, dtype):
    sample = draws(operation)[index]
    if operation.random:
        manual_seed(0)
        with use_kernels("numpy"):
            want = run(operation, sample, dtype)
        manual_seed(0)
    else:
        want = by_definition(operation, sample)
    with emulated_cuda():
        got = run_on_device(operation, sample, dtype)
    for part in (0, 1):
        assert len(want[part]) == len(got[part])
        for w, g in zip(want[part], got[part]):
            assert g.dtype == dtype and g.shape == w.shape
            if dtype == "float64":
                np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-10)
            elif w.size:
                scale = np.spacing(np.float32(max(np.abs(w).max(), 1.0)))
                assert np.abs(g - w).max() / scale <= operation.ulps
    tried.add((operation.name, index, dtype))


# ---------------------------------------------------------------------- sizes beyond one block

def beside(array, other):
    """A Tensor on the device of ``other``, and of its dtype where both are floating-point."""
    array = np.asarray(array)
    return Tensor(array.astype(other.dtype) if array.dtype.kind == "f" else array).to(device=other.device)


CLASSES, ROWS = [0, 1499, 40], [[3, 0], [3, 4]]
BOXES = [[0.0, 0, 0, 3, 4], [1, 2, 1, 5, 5], [1, 1, 0, 4, 2]]   # number of the image, x, y, x, y
LARGE = {   # name -> the shapes of its differentiable arguments, and the call
    "softmax": ([(2, 1500)], lambda x: F.softmax(x, -1)),
    "softmax, inner axis": ([(2, 300, 3)], lambda x: F.softmax(x, 1)),
    "log_softmax": ([(2, 1500)], lambda x: F.log_softmax(x, -1)),
    "cross_entropy": ([(3, 1500)], lambda x: F.cross_entropy(x, beside(CLASSES, x), label_smoothing=0.1)),
    "cross_entropy, probabilities": ([(2, 1500), (2, 1500)], F.cross_entropy),
    "layer_norm": ([(3, 700), (700,), (700,)], lambda x, w, b: F.layer_norm(x, (700,), w, b)),
    "rms_norm": ([(3, 700), (700,)], lambda x, w: F.rms_norm(x, (700,), w)),
    "group_norm": ([(2, 4, 300), (4,), (4,)], lambda x, w, b: F.group_norm(x, 2, w, b)),
    "batch_norm": ([(3, 2, 300), (2,), (2,)], lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True)),
    "dropout": ([(3, 300)], lambda x: F.dropout(x, 0.4)),
    "max_pool2d": ([(2, 3, 20, 20)], lambda x: F.max_pool2d(x, 3, 2, 1)),
    "roi_pool": ([(2, 40, 6, 6)], lambda x: F.roi_pool(x, beside(BOXES, x), 2)),
    "embedding": ([(5, 300)], lambda w: F.embedding(beside(ROWS, w), w)),
    "attention with dropout": ([(2, 40, 8), (2, 35, 8), (2, 35, 20)],
                               lambda q, k, v: F.scaled_dot_product_attention(q, k, v, dropout_p=0.3)),
}


def large(name, dtype, place):
    """The result of a call of ``LARGE`` and its gradients, NumPy arrays, computed on the arrays of ``place``."""
    shapes, function = LARGE[name]
    random = np.random.default_rng(0)
    manual_seed(0)
    inputs = [Tensor(place(random.uniform(0.1, 2, s).astype(dtype)), requires_grad=True) for s in shapes]
    out = function(*inputs)
    cotangent = Tensor(place(random.normal(size=out.shape).astype(dtype)))
    return [t.detach().to("cpu").numpy() for t in (out, *grad(out, inputs, cotangent))]


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-10), ("float32", 1e-4)])
@pytest.mark.parametrize("name", LARGE)
def test_more_than_one_block_or_warp(name, dtype, tolerance):
    with use_kernels("numpy"):
        want = large(name, "float64", np.asarray)
    with emulated_cuda():
        got = large(name, dtype, on_device)
    for w, g in zip(want, got):
        assert g.dtype == dtype
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)
    tried.add(("large", name, dtype))


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("make", [optim.Adam, lambda p: optim.Adam(p, 0.1, (0.8, 0.95), weight_decay=0.3),
                                  lambda p: optim.AdamW(p, 0.1, weight_decay=0.3)], ids=["adam", "decayed", "adamw"])
def test_fused_adam_step(make, dtype, tolerance):
    def train(dtype, place):
        random = np.random.default_rng(0)
        new = lambda shape, **options: Tensor(place(random.normal(size=shape).astype(dtype)), **options)
        parameters = [new((7, 60), requires_grad=True), new((), requires_grad=True), new((3, 0), requires_grad=True)]
        optimizer = make(parameters)
        for _ in range(4):
            for p in parameters:
                p.grad = new(p.shape)
            optimizer.step()
        return [p.detach().to("cpu").numpy() for p in parameters]

    with use_kernels("numpy"):
        want = train("float64", np.asarray)
    with emulated_cuda():
        got = train(dtype, on_device)
    for w, g in zip(want, got):
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)
    tried.add(("adam", id(make), dtype))


def test_every_kernel_has_run():
    if len(tried) < 2 * (len(CASES) + len(LARGE) + 3):
        pytest.skip("only after all other tests of this file")
    assert {name: {"float32", "float64"} for name in cuda.SOURCES} == \
        {name: dtypes for name, dtypes in launched.items() if name in cuda.SOURCES}


# ---------------------------------------------------------------------- the emulator itself

def small(name, body, arguments="T* x"):
    return {name: f"template <typename T> __global__ void {name}({arguments}) {{ int i = threadIdx.x; {body} }}"}


SHARED = "extern __shared__ double memory[]; T* s = (T*)memory; s[i] = x[i];"
KERNELS = {
    **small("total", "x[i] = block_sum(x[i]);"),
    **small("largest", "x[i] = block_max(x[i]);"),
    **small("turned", SHARED + "__syncthreads(); x[i] = s[blockDim.x - 1 - i];"),
    **small("counted", "atomicAdd(out, x[blockIdx.x * blockDim.x + i]);", "const T* x, T* out"),
    **small("numbered", "x[((blockIdx.y * gridDim.x + blockIdx.x) * blockDim.y + threadIdx.y) * blockDim.x + i] = "
                        "blockIdx.y * 1000 + blockIdx.x * 100 + threadIdx.y * 10 + i;"),
    **small("no_barrier", SHARED + "x[i] = s[blockDim.x - 1 - i];"),
    **small("runs_ahead", "__shared__ T s[2]; int warp = i / 32; s[warp] = warp; __syncthreads();"
                          "T seen = s[1 - warp]; seen = shuffle_down(seen, 0); s[warp] = 9; x[i] = seen;"),
    **small("beyond", "x[i + 1] = 1;"),
    **small("moved_beyond", "out[i + 1] = x[i + 1];", "const T* x, T* out"),
    **small("beyond_shared", SHARED + "s[i + 1] = 1;"),
    **small("some_leave", "if (i > 4) return; __syncthreads();"),
    **small("two_barriers", "if (i > 4) __syncthreads();\nelse __syncthreads();"),
    **small("half_a_shuffle", "if (i < 16) x[i] = shuffle_down(x[i], 1);"),
    **small("reads_beyond", "x[i] = x[i + 1];"),
}


def launch(name, *args, grid=(1,), block=(64,), shared=0):
    Library(KERNELS).kernel(name, "float32")(grid, block, args, shared_mem=shared)


def numbers(n=64):
    return StrictArray(np.arange(n, dtype=np.float32))


def test_emulator_runs_kernels():
    x = numbers()
    launch("total", x)
    assert (x.get() == 63 * 32).all()
    x = numbers(96)
    launch("largest", x, block=(96,))
    assert (x.get() == 95).all()
    x = numbers()
    launch("turned", x, shared=256)
    assert (x.get() == np.arange(64)[::-1]).all()
    out = StrictArray(np.zeros(1, np.float32))
    launch("counted", numbers(192), out, grid=(3,))
    assert out.get() == 191 * 96
    x = numbers(36)
    launch("numbered", x, grid=(2, 3), block=(3, 2))
    y, column, ty, tx = np.indices((3, 2, 2, 3))
    assert (x.get().reshape(3, 2, 2, 3) == y * 1000 + column * 100 + ty * 10 + tx).all()


@pytest.mark.parametrize("name, complaint, shared", [
    ("no_barrier", "depends on the order of the threads", 256),
    ("runs_ahead", "depends on the order of the threads", 0),
    ("beyond", "wrote out of bounds", 0), ("moved_beyond", "wrote out of bounds", 0),
    ("beyond_shared", "wrote beyond the dynamic shared memory", 256), ("some_leave", "a thread never reaches", 0),
    ("two_barriers", "meet in different __syncthreads", 0), ("half_a_shuffle", "same shuffle", 0),
    ("turned", "wrote beyond the dynamic shared memory", 128)])
def test_emulator_notices_a_wrong_kernel(name, complaint, shared):
    with pytest.raises(AssertionError, match=complaint):
        launch(name, *(numbers() for _ in parameters(name, KERNELS[name])), shared=shared)


def test_number_beyond_the_end_is_nan():
    x = numbers(1)
    launch("reads_beyond", x, block=(1,))
    assert np.isnan(x.get()).all()


@pytest.mark.parametrize("args, options, complaint", [
    ((numbers(), numbers()), {}, "2 arguments for 1"), ((3,), {}, "is a int, not a StrictArray"),
    ((StrictArray(np.zeros(64)),), {}, "is float64, the kernel reads float"),
    ((numbers(128)[::2],), {}, "not contiguous"), ((numbers(),), {"grid": (0,)}, "grid"),
    ((numbers(),), {"block": (2048,)}, "too large"), ((numbers(),), {"shared": 10**5}, "shared memory"),
    ((numbers(),), {"block": (16,)}, "warp of fewer than 32")])
def test_emulator_notices_a_wrong_launch(args, options, complaint):
    with pytest.raises(AssertionError, match=complaint):
        launch("total", *args, **options)
