"""Kernels: compiled lazily, in two versions, kept in a folder that changes with the sources."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tinymm.backend import jit, threads
from tinymm.backend.jit import force_parallel, kernel, prange, use_kernels

numba = pytest.importorskip("numba")


@kernel
def _square(x):
    return x * x


@kernel(parallel=True)
def _squares(x, y):
    for i in prange(x.size):
        y[i] = _square(x[i])


@pytest.mark.parametrize("parallel", [False, True, None])
def test_a_kernel_may_call_another(parallel):
    x, y = np.arange(10.0), np.empty(10)
    with force_parallel(parallel):
        _squares(x, y, work=10)
    np.testing.assert_array_equal(y, x * x)


def test_serial_and_parallel_are_kept_apart_in_the_cache():
    serial, parallel = _squares.compiled(), _squares.compiled(parallel=True)
    assert serial is not parallel
    assert serial._cache.name != parallel._cache.name


def test_small_work_stays_serial(monkeypatch):
    taken = []
    monkeypatch.setattr(_squares, "_serial", lambda *args: taken.append("serial"))
    monkeypatch.setattr(_squares, "_parallel", lambda *args: taken.append("parallel"))
    monkeypatch.setattr(jit, "get_num_threads", lambda: 2)
    _squares(None, None, work=jit.PARALLEL_WORK - 1)
    _squares(None, None, work=jit.PARALLEL_WORK)
    monkeypatch.setattr(jit, "get_num_threads", lambda: 1)
    _squares(None, None, work=10**9)
    assert taken == ["serial", "parallel", "serial"]


def test_rungs():
    x = np.zeros(3, np.float32)
    with use_kernels("numba"):
        assert jit.rung(x) == "numba" and jit.rung(x.astype(np.float16)) == "numpy"
    with use_kernels("numpy"):
        assert jit.rung(x) == "numpy"
    with pytest.raises(ValueError, match="choose 'auto', 'numba' or 'numpy'"), use_kernels("fast"):
        pass


def run(code, **environment):
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True)


def test_without_numba_nothing_imports_it():
    code = ("import sys, numpy as np, tinymm; x = tinymm.ones(300, 300, requires_grad=True); "
            "tinymm.layer_norm(x, (300,)).sum().backward(); assert 'numba' not in sys.modules")
    result = run(code, TINYMM_KERNELS="numpy")
    assert result.returncode == 0, result.stderr
    assert "choose 'auto', 'numba' or 'numpy'" in run("import tinymm", TINYMM_KERNELS="quick").stderr


def test_the_wait_policy_is_restored():
    code = ("import os; from tinymm.backend.threads import launch_numba_threads; os.environ.pop('OMP_WAIT_POLICY', None); "
            "launch_numba_threads(); assert 'OMP_WAIT_POLICY' not in os.environ")
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_thread_counts():
    with pytest.raises(ValueError, match="cores; choose 1 to"):
        threads.set_num_threads(0)
    code = ("import tinymm, numba, threadpoolctl; import numpy; from tinymm.backend.threads import launch_numba_threads; "
            "launch_numba_threads(); tinymm.set_num_threads(1); assert numba.get_num_threads() == 1; "
            "assert all(p['num_threads'] == 1 for p in threadpoolctl.threadpool_info() if p['user_api'] == 'blas')")
    result = run(code)
    assert result.returncode == 0, result.stderr
