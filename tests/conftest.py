"""Tests in several processes at once: ``pytest -n auto --dist loadgroup``.

Each process then holds BLAS to one thread, and so do its children: OpenBLAS's threads spin while they wait for each other, and
with more of them than cores every product waits. What shares compiled kernels or a trained model runs in one process.
"""

import os

import pytest


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):   # workers start after this, with this environment
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        operation = item.callspec.params.get("operation") if hasattr(item, "callspec") else None
        fused = getattr(operation, "fused", None)   # of a registered operation: its kernels stand in one file
        item.add_marker(pytest.mark.xdist_group(fused.__module__ if fused else item.nodeid.partition("::")[0]))
