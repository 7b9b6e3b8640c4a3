"""The CUDA kernels compiled with g++ and run on the CPU: their own source text, a thread at a time.

Inside ``with emulated_cuda():`` the arrays of ``tests/device_double.py`` take the "cuda" rung, and a ``CudaKernel``
runs what g++ makes of ``cuda_on_cpu.hpp`` and the sources. A thread of a block is a fiber that runs until it comes to
``__syncthreads`` or ``__shfl_down_sync``. A launch raises AssertionError where CUDA would fail or be silently wrong:

* arguments that are not what the kernel declares (number, dtype, contiguous memory, exact type of a scalar);
* a grid or block that is empty or over CUDA's limits, more dynamic shared memory than every GPU has;
* writing beyond the end of an array or of the dynamic shared memory; what is read there is NaN or -1, and so is memory
  from ``xp.empty``, so that a number which is never written, or one too many that is read, spoils the result;
* a barrier that not all threads reach, or that they reach in different places; a shuffle that not all of a warp make;
* a result that depends on the order of threads and blocks: every launch runs twice, forwards and backwards, warp after
  warp from barrier to barrier, and the two must agree to the bit (unless there is an ``atomicAdd``); a missing barrier
  breaks that.

What this does not show: races that need more than these two orders, static shared memory that is read before it is
written or beyond its end, limits of registers and memory, NVRTC's own rounding, its fast mathematics and fused
multiply-adds, speed, and whatever differs between CuPy and the device double. ``pytest -m gpu`` shows those.
"""

from __future__ import annotations

import contextlib
import ctypes
import getpass
import hashlib
import math
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np

from tests.device_double import StrictArray, xp
from tinymm.backend import cuda
from tinymm.backend.arrays import register_array_type

HEADER = pathlib.Path(__file__).with_name("cuda_on_cpu.hpp")
DTYPES = {"int": "int32", "long long": "int64", "bool": "bool", "float": "float32", "double": "float64"}
SHARED_LIMIT = 48 * 1024      # bytes that every GPU gives a block without asking
GUARD = 256                   # bytes on either side of an array

launched: dict[str, set[str]] = {}     # kernel -> the dtypes it has run in
compiled: dict[str, "Library"] = {}    # one for all kernels of the package


def can_compile() -> bool:
    """Whether there is a g++."""
    return shutil.which("g++") is not None


def parameters(name: str, source: str) -> list[tuple[str, bool, bool]]:
    """For each parameter of a kernel its C type without const, whether it is an array, and whether it is const."""
    found = re.search(rf"__global__\s+void\s+{name}\s*\(([^)]*)\)", source).group(1)
    kinds = [re.fullmatch(r"\s*(const\s+)?([\w ]+?)\s*(\*?)\s*\w+\s*", text) for text in found.split(",")]
    return [(kind.group(2), kind.group(3) == "*", kind.group(1) is not None) for kind in kinds]


class Library:
    """Kernels compiled for the CPU, all of them in one shared library that is kept in the folder for temporary files.

    Args:
        sources: kernel name -> CUDA source.
    """

    def __init__(self, sources: dict[str, str]):
        self.sources = sources
        code = "\n".join([HEADER.read_text(), cuda.PRELUDE, *map(self._translated, sources)])
        folder = pathlib.Path(tempfile.gettempdir()) / f"tinymm-cuda-on-cpu-{getpass.getuser()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{hashlib.sha256(code.encode()).hexdigest()[:24]}.so"
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=folder) as work:
                text, made = pathlib.Path(work, "kernels.cpp"), pathlib.Path(work, "kernels.so")
                text.write_text(code)
                done = subprocess.run(["g++", "-std=c++17", "-O1", "-w", "-U_FORTIFY_SOURCE", "-shared", "-fPIC",
                                       "-o", made, text], capture_output=True, text=True)
                if done.returncode:
                    raise RuntimeError(f"g++ refuses a CUDA source:\n{done.stderr[:4000]}")
                os.replace(made, path)
        self.functions = ctypes.CDLL(str(path))

    def _translated(self, name: str) -> str:
        """A source in a namespace of its own, and a C function for each dtype that launches it."""
        text = re.sub(r"extern\s+__shared__\s+(\w+)\s+(\w+)\s*\[\s*\]", r"\1* \2 = (\1*)dynamic_shared",
                      self.sources[name])
        made = [f"namespace of_{name} {{\n{text}\n}}"]
        for number in cuda.CudaKernel.DTYPES.values():
            values = [f"*({number if c == 'T' else c}{'*' if is_array else ''}*)args[{i}]"
                      for i, (c, is_array, _) in enumerate(parameters(name, text))]
            made.append(f'extern "C" const char* {name}_{number}(void** args, const unsigned* sizes, size_t shared, '
                        f"int backwards) {{\n    return launch(sizes, shared, backwards, "
                        f"[&] {{ of_{name}::{name}<{number}>({', '.join(values)}); }});\n}}")
        return "\n".join(made)

    def kernel(self, name: str, dtype: str):
        """What CuPy's ``get_function`` gives: a callable (grid, block, args, shared_mem=0)."""
        number = cuda.CudaKernel.DTYPES[dtype]
        run = getattr(self.functions, f"{name}_{number}")
        run.restype = ctypes.c_char_p
        kinds = [(number if c == "T" else c, *rest) for c, *rest in parameters(name, self.sources[name])]
        exact = "atomicAdd" not in self.sources[name]

        def launch(grid: tuple, block: tuple, args: tuple, shared_mem: int = 0) -> None:
            sizes = _checked_sizes(name, grid, block, shared_mem)
            _check_arguments(name, args, kinds)
            forwards, backwards = (_once(name, run, sizes, args, shared_mem, order) for order in (0, 1))
            for i, (_, is_array, constant) in enumerate(kinds):
                if is_array and not constant:
                    assert not exact or forwards[i].tobytes() == backwards[i].tobytes(), \
                        f"{name}: argument {i} depends on the order of the threads"
                    args[i]._a[...] = forwards[i]
            launched.setdefault(name, set()).add(dtype)
        return launch


def _checked_sizes(name: str, grid: tuple, block: tuple, shared: int):
    grid, block = ((*size, 1, 1)[:3] for size in (grid, block))
    assert all(type(n) is int and n > 0 for n in (*grid, *block)), f"{name}: grid {grid}, block {block}"
    assert grid[0] < 2**31 and max(grid[1:]) < 2**16, f"{name}: grid {grid} is too large"
    assert math.prod(block) <= 1024 and block[2] <= 64, f"{name}: block {block} is too large"
    assert shared <= SHARED_LIMIT, f"{name}: {shared} bytes of shared memory"
    return (ctypes.c_uint * 6)(*grid, *block)


def _check_arguments(name: str, args: tuple, kinds: list) -> None:
    assert len(args) == len(kinds), f"{name}: {len(args)} arguments for {len(kinds)} parameters"
    for i, (arg, (c, is_array, _)) in enumerate(zip(args, kinds)):
        wanted = StrictArray if is_array else np.generic
        assert isinstance(arg, wanted), f"{name}: argument {i} is a {type(arg).__name__}, not a {wanted.__name__}"
        assert arg.dtype == DTYPES[c], f"{name}: argument {i} is {arg.dtype}, the kernel reads {c}"
        assert not is_array or arg.flags.c_contiguous, f"{name}: argument {i} is not contiguous"


def _guard(dtype, number: int) -> np.ndarray:
    """What lies before and after an array: -1, or a NaN of its own, so that copying one to another is noticed."""
    return np.full(GUARD // 2, 0xFFF1 + number % 14 if dtype.kind == "f" else 0xFFFF, np.uint16).view(np.uint8)


def _once(name: str, run, sizes, args: tuple, shared: int, backwards: int) -> list:
    """The arrays among ``args`` (None for a scalar) after one run on guarded copies of them."""
    memory, arrays, values = {}, [], []
    for number, arg in enumerate(args):
        if not isinstance(arg, StrictArray):
            arrays.append(None)
            values.append(np.array([arg]))
            continue
        a = arg._a
        where = a.ctypes.data, a.nbytes     # two arguments may be one array
        if where not in memory:
            guard = _guard(a.dtype, number)
            memory[where] = np.concatenate([guard, np.frombuffer(a.tobytes(), np.uint8), guard]), guard
        inside = memory[where][0][GUARD:GUARD + a.nbytes]
        arrays.append(inside.view(a.dtype).reshape(a.shape))
        values.append(np.array([inside.ctypes.data], np.uint64))
    error = run((ctypes.c_void_p * len(values))(*(v.ctypes.data for v in values)), sizes, ctypes.c_size_t(shared),
                backwards)
    assert error is None, f"{name}: {error.decode()}"
    for guarded, guard in memory.values():
        assert (guarded[:GUARD] == guard).all() and (guarded[-GUARD:] == guard).all(), f"{name}: wrote out of bounds"
    return arrays


def _poisoned(create):
    """``empty`` or ``empty_like`` whose floating-point numbers and integers are NaN and -1."""
    def make(*args, **kwargs):
        made = create(*args, **kwargs)
        if made.dtype.kind in "fi":
            made._a[...] = math.nan if made.dtype.kind == "f" else -1
        return made
    return make


@contextlib.contextmanager
def emulated_cuda():
    """Run the cuda rung on the CPU inside a ``with`` block, for StrictArrays."""
    if "all" not in compiled:
        compiled["all"] = Library({name: kernel.source for name, kernel in cuda.SOURCES.items()})
    before = {"empty": xp.empty, "empty_like": xp.empty_like}
    real_call, cache = cuda.CudaKernel.__call__, {}

    def call(self, grid, block, args, dtype, shared=0):
        key = self.name, str(dtype)
        if key not in cache:
            cache[key] = compiled["all"].kernel(*key)
        as_tuple = lambda size: size if isinstance(size, tuple) else (size,)
        cache[key](as_tuple(grid), as_tuple(block), args, shared_mem=shared)

    try:
        cuda.CudaKernel.__call__ = call
        for name, create in before.items():
            setattr(xp, name, _poisoned(create))
        register_array_type(StrictArray, xp, "double", rung="cuda")
        yield
    finally:
        cuda.CudaKernel.__call__ = real_call
        for name, create in before.items():
            setattr(xp, name, create)
        register_array_type(StrictArray, xp, "double", rung="numpy")
