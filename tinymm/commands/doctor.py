"""`python -m tinymm doctor`: versions, cores, threads, kernel cache, GPU, and what is wrong with them."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import pathlib
import platform
import time

import numpy as np
from threadpoolctl import threadpool_info

from ..backend import cuda
from ..backend.jit import kernel, kernel_mode
from ..backend.kernel_cache import cache_folder
from ..backend.neighbours import Neighbours
from ..backend.threads import cpu_count, get_num_threads
from ..version import __version__

PACKAGES = ("numpy", "numba", "llvmlite", "matplotlib", "tqdm", "safetensors", "pillow", "threadpoolctl")
OPTIONAL = ("cupy-cuda12x", "cupy-cuda13x", "pytest", "hypothesis", "jupyter", "torch", "transformers")
WATCH = 0.5    # seconds for which other processes are watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No arguments."""


def version_of(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@kernel
def _probe(x):
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


def findings() -> tuple[list[tuple[str, str]], list[str]]:
    """What there is, as (name, value) rows, and what is wrong, as sentences with the fix."""
    rows, wrong = [], []
    rows.append(("tinymm", f"{__version__} in {pathlib.Path(__file__).resolve().parents[1]}"))
    rows.append(("Python", f"{platform.python_version()} on {platform.platform()}"))
    for package in PACKAGES:
        version = version_of(package)
        rows.append((package, version or "missing"))
        if version is None and package not in ("numba", "llvmlite"):
            wrong.append(f"{package} is missing: pip install {package}")
    for package in OPTIONAL:
        version = version_of(package)
        if version:
            rows.append((package, version))
    if version_of("cupy-cuda12x") and version_of("cupy-cuda13x"):
        wrong.append("both CuPy wheels are installed and will break each other: pip uninstall one of them")
    rows.append(("cores", f"{cpu_count()} usable of {os.cpu_count()}"))
    rows.append(("threads", str(get_num_threads())))
    rows.append(("other work", _neighbours()))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TINYMM_NUM_THREADS"):
        value = os.environ.get(variable)
        if value is not None:
            rows.append((variable, value))
            if value.isdigit() and int(value) < cpu_count():
                wrong.append(f"{variable}={value} leaves {cpu_count() - int(value)} cores idle: unset it")
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        wrong.append("NUMBA_DISABLE_JIT is set, so kernels run as slow Python: unset it, or use TINYMM_KERNELS=numpy")
    if os.environ.get("OPENBLAS_CORETYPE"):
        wrong.append(f"OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']} pins the matrix-product kernels, perhaps to those of "
                     "an older processor: unset it")
    for library in threadpool_info():
        if library["user_api"] == "blas":
            kind = f"{library['internal_api']} {library['version']}, kernels for {library.get('architecture', '?')}"
            rows.append(("BLAS", kind))
    rows.append(("kernels", kernel_mode()))
    if version_of("numba") is None:
        wrong.append("numba is missing, so all runs on NumPy, several times slower: pip install numba")
    elif kernel_mode() == "numba":
        _check_kernels(rows, wrong)
    else:
        wrong.append("TINYMM_KERNELS=numpy switches the kernels off: unset it when you are done debugging")
    _check_gpu(rows, wrong)
    return rows, wrong


def _neighbours() -> str:
    """What other processes leave of the machine."""
    neighbours = Neighbours()
    time.sleep(WATCH)
    used, cores = neighbours.look(), cpu_count()
    if not neighbours.seen:
        return "not known on this system"
    if used < 0.25:
        return "none: the machine is idle"
    return f"busy: other processes use {used:.1f} of {cores} cores; kernels run on {neighbours.free(get_num_threads())}"


def _check_kernels(rows, wrong) -> None:
    start = time.perf_counter()
    try:
        total = _probe(np.arange(4.0))
    except Exception as error:
        wrong.append(f"Numba cannot compile ({type(error).__name__}: {str(error).splitlines()[0]}): reinstall numba and llvmlite")
        return
    if total != 6.0:
        wrong.append(f"a compiled kernel gave {total} instead of 6: reinstall numba")
    rows.append(("first kernel", f"{time.perf_counter() - start:.2f} s, Numba's import included"))
    folder = cache_folder()
    if folder is None:
        wrong.append("compiled kernels can be kept nowhere: set TINYMM_CACHE_DIR to a folder that can be written")
        return
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20
    rows.append(("kernel cache", f"{folder} ({size:.1f} MiB)"))
    wanted = os.environ.get("TINYMM_CACHE_DIR")
    if wanted and not str(folder).startswith(os.path.abspath(wanted)):
        wrong.append(f"TINYMM_CACHE_DIR={wanted} is not writable, so {folder} is used: choose another folder")


def _check_gpu(rows, wrong) -> None:
    cupy_there = version_of("cupy-cuda12x") or version_of("cupy-cuda13x")
    if not cupy_there:
        rows.append(("GPU", "CuPy is not installed (pip install 'tinymm[cuda12]' or 'tinymm[cuda13]' to use one)"))
    elif not cuda.is_available():
        rows.append(("GPU", "none: CuPy is installed but finds no GPU"))
        wrong.append("CuPy is installed but finds no GPU: check the driver with nvidia-smi, or ignore this on a CPU machine")
    else:
        import cupy

        properties = cupy.cuda.runtime.getDeviceProperties(0)
        rows.append(("GPU", f"{properties['name'].decode()}, {properties['totalGlobalMem'] / 2**30:.0f} GiB"))


def run(args: argparse.Namespace) -> int:
    rows, wrong = findings()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    print()
    if not wrong:
        print("Nothing is wrong.")
    for problem in wrong:
        print(f"! {problem}")
    return 1 if wrong else 0
