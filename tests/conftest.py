"""Tests in several processes at once: ``pytest -n auto --dist loadgroup``.

Processes that share the cores must not wait for each other: BLAS has one thread in each and in its children, since OpenBLAS's
threads spin while they wait, and lectures train on one thread. What shares compiled kernels or a trained model runs in one
process; so each kernel is compiled once, and the notebooks, which come last, find all of them.
"""

import os

import pytest

from tinymm.backend.threads import get_num_threads, set_num_threads

ONE_THREAD = {"experiments", "lectures"}   # folders; elsewhere the parallel versions of kernels are tested


def pytest_configure(config):
    if getattr(config.option, "numprocesses", None):   # workers start after this, with this environment
        for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        for item in items:
            item.add_marker(pytest.mark.xdist_group(group_of(item)))


def group_of(item) -> str:
    """What has to run in the same process: an operation's kernels, a notebook alone, a file."""
    params = item.callspec.params if hasattr(item, "callspec") else {}
    operation = params.get("operation")
    fused = getattr(operation, "fused", None)
    if fused:
        return ".".join(fused.__module__.split(".")[:4])   # the file, or the room whose files are its rungs
    return item.nodeid if "source" in params and item.path.parent.name == "lectures" else item.nodeid.partition("::")[0]


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
