"""Tests in several processes at once: ``pytest -n auto --dist loadfile``.

Processes that share the cores must not wait for each other: BLAS has one thread in each and in its children, since OpenBLAS's
threads spin while they wait, and lectures train on one thread. What shares a trained model or compiled kernels runs in one
process, so that nothing is made twice.
"""

import os
import re

import pytest

from tinymm.backend.threads import get_num_threads, set_num_threads

ONE_THREAD = {"experiments", "lectures"}   # folders; elsewhere the parallel versions of kernels are tested


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):   # workers start after this, with this environment
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """``--dist loadfile``, but tests of registered operations stay with their kernels' file, and a notebook with its lecture."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    from tests.sampling import OPERATIONS

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            lecture = re.search(r"experiments/test_lecture_(\d\d)|lectures/.*\[(\d\d)_", nodeid)
            if lecture:
                return f"lecture {lecture[1] or lecture[2]}"
            named = re.search(r"\[(.*)\]$", test)   # [parallel-lstm_cell-0] is one of lstm_cell's
            operation = next((OPERATIONS[part] for part in named[1].split("-") if part in OPERATIONS), None) if named else None
            fused = operation and operation.fused
            return ".".join(fused.__module__.split(".")[:4]) if fused else file   # the file, or the room whose files are its rungs

    return Together(config, log)


@pytest.fixture(scope="module", autouse=True)
def threads_of_this_file(request):
    if not hasattr(request.config, "workerinput") or request.path.parent.name not in ONE_THREAD:
        yield
        return
    before = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@pytest.fixture(autouse=True)
def the_same_numbers(request):
    """A file's ``RNG`` starts anew for each test: what a test draws does not hang on those that ran before it."""
    module = request.module
    if hasattr(module, "RNG"):
        if not hasattr(module, "RNG_AT_FIRST"):
            module.RNG_AT_FIRST = module.RNG.bit_generator.state
        module.RNG.bit_generator.state = module.RNG_AT_FIRST
    yield
