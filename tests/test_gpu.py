"""The registry on a real GPU (``pytest -m gpu``), with a log keyed by the hash of the kernel sources.

A CUDA kernel without such a log in docs/gpu has not yet been run.
"""

import json
import pathlib

import numpy as np
import pytest

from tests.sampling import OPERATIONS, build, cotangents, draws, outputs_of, run
from tinymm import Tensor, grad
from tinymm.backend import cuda
from tinymm.backend.jit import source_hash

pytestmark = pytest.mark.gpu
LOG = pathlib.Path(__file__).parent.parent / "docs" / "gpu"


def on_gpu(operation, sample, dtype):
    import cupy

    def to_gpu(array):
        return cupy.asarray(array.astype(dtype) if array.dtype.kind == "f" else array)

    args, kwargs, inputs = build(sample, lambda a: Tensor(to_gpu(a), requires_grad=True), lambda a: Tensor(to_gpu(a)))
    outputs = outputs_of(operation.function(*args, **kwargs))
    values = [o.detach().cpu().numpy() for o in outputs]
    live = [(o, Tensor(to_gpu(c))) for o, c in zip(outputs, cotangents(outputs)) if o.requires_grad]
    if not live or not inputs:
        return values, []
    grads = grad([o for o, _ in live], inputs, [c for _, c in live], allow_unused=True)
    return values, [np.zeros(i.shape, dtype) if g is None else g.cpu().numpy() for g, i in zip(grads, inputs)]


@pytest.fixture(scope="module")
def log():
    cuda.require_cupy()
    import cupy

    found: dict = {"device": cupy.cuda.runtime.getDeviceProperties(0)["name"].decode(), "cupy": cupy.__version__,
                   "sources": source_hash(), "operations": {}}
    yield found["operations"]
    LOG.mkdir(parents=True, exist_ok=True)
    (LOG / f"{source_hash()}.json").write_text(json.dumps(found, indent=1))


@pytest.mark.parametrize("name", sorted(name for name, o in OPERATIONS.items() if not o.random))
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-9), ("float32", 2e-4)])
def test_gpu_equals_cpu(name, dtype, tolerance, log):
    operation = OPERATIONS[name]
    worst = 0.0
    for sample in draws(operation):
        want, got = run(operation, sample), on_gpu(operation, sample, dtype)
        for part in (0, 1):
            assert len(want[part]) == len(got[part])
            for w, g in zip(want[part], got[part]):
                np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)
                if w.size:
                    worst = max(worst, float(np.abs(g - w).max()))
    log[f"{name} {dtype}"] = worst
