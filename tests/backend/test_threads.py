"""The tuned habits of the C libraries."""

import os
import subprocess
import sys

import numpy as np
from threadpoolctl import threadpool_info

from tinymm.backend import tuning


def blas_pool_sizes():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_tuning_leaves_results_threads_and_environment_alone(monkeypatch):
    monkeypatch.delenv(tuning.TIMEOUT, raising=False)
    a = np.random.default_rng(0).standard_normal((300, 300))
    product, before, environment = a @ a, blas_pool_sizes(), dict(os.environ)
    tuning.tune.__wrapped__()   # once more, whatever ran before
    assert blas_pool_sizes() == before and dict(os.environ) == environment
    np.testing.assert_array_equal(a @ a, product)
    large = [np.full(3 << 20, i, np.uint8) for i in range(8)]   # malloc still works above and below the old threshold
    assert [int(x.sum()) for x in large] == [i * (3 << 20) for i in range(8)]


def test_what_the_user_has_set_is_respected():
    code = ("import ctypes, tinymm.backend.tuning as t; called = []; "
            "ctypes.CDLL = lambda *a: called.append(a) or __import__('types').SimpleNamespace(); t.tune(); print(called)")
    environment = {**os.environ, tuning.TIMEOUT: "26", "MALLOC_TRIM_THRESHOLD_": "131072"}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert "openblas" not in out
