"""CUDA sources compile with NVRTC, which needs no GPU. This does not show that they compute the right thing."""

import numpy as np
import pytest

from tinymm.backend import cuda
from tinymm.catalog import load

load()
import tinymm.optim  # noqa: E402, F401  (registers the fused steps)


@pytest.mark.parametrize("name", sorted(cuda.SOURCES))
def test_source_compiles(name):
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="CuPy is not installed")
    kernel = cuda.SOURCES[name]
    try:
        program = nvrtc.createProgram(cuda.PRELUDE + kernel.source, f"{name}.cu", (), ())
    except Exception as error:   # CuPy is there, NVRTC is not
        pytest.skip(f"NVRTC is not installed: {error}")
    for dtype in cuda.CudaKernel.DTYPES.values():
        nvrtc.addNameExpression(program, f"{name}<{dtype}>")
    try:
        nvrtc.compileProgram(program, ("-std=c++17", "--gpu-architecture=compute_70"))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    finally:
        nvrtc.destroyProgram(program)


def test_asking_for_a_gpu_that_is_not_there_says_what_to_do():
    if cuda.is_available():
        pytest.skip("there is a GPU")
    import tinymm

    with pytest.raises(RuntimeError, match=r"cuda: CuPy is (not installed; pip install 'tinymm\[cuda|installed but finds no GPU)"):
        tinymm.zeros(2).to("cuda")
    with pytest.raises(ValueError, match="unknown device 'tpu'; devices are 'cpu', 'cuda' and 'cuda:N'"):
        tinymm.zeros(2).to(device="tpu")
    assert tinymm.zeros(2).to("cpu").dtype == np.float32
