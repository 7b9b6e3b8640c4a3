"""Kernels: Python functions that Numba compiles at their first call, never at import.

A kernel is written once, with ``prange`` over its outermost loop. It is compiled twice, on demand:
serial for small work (a call costs 0.2 microseconds) and parallel for large work (5, and 100 where the workers sleep). The compiled
code is kept on disk (``kernel_cache.py``), for each kernel in a folder named after a hash of the files that it and the kernels
it calls stand in, because Numba's own check does not notice when a function that a kernel calls has changed.
"""

from __future__ import annotations

import contextlib
import functools
import pathlib
import time
import types
from collections.abc import Callable, Iterator
from typing import Any, overload

import numpy as np

from .arrays import Array, rung_of
from .kernel_cache import KernelCache, hash_of, sources_of
from .settings import MODES, mode_wanted
from .sums import BLOCK
from .telling import at_terminal, tell
from .threads import get_num_threads, launch_numba_threads, share_cores

PARALLEL_WORK = 150_000       # elements below which a second thread costs more than it brings, the time to wake it among that
SLOW_COMPILE_SECONDS = 2.0    # a compile longer than this is announced

prange = range                # replaced by numba.prange in the compiled versions
KERNELS: list["Kernel"] = []  # every kernel of every imported module, for `python -m tinymm warmup`

_mode = mode_wanted()
_force_parallel: bool | None = None


def kernel_mode() -> str:
    """"numba" or "numpy": which rung runs on CPU arrays now."""
    if _mode == "auto":
        return "numba" if _numba_installed() else "numpy"
    return _mode


@functools.lru_cache(maxsize=1)
def _numba_installed() -> bool:
    import importlib.util

    return importlib.util.find_spec("numba") is not None


def rung(array: Array) -> str:
    """The rung that a fused operation takes for ``array``: "numpy", "numba" or "cuda"."""
    if type(array) is np.ndarray:
        return "numba" if array.dtype.char in "fd" and kernel_mode() == "numba" else "numpy"
    return rung_of(array) or "numpy"


@contextlib.contextmanager
def use_kernels(mode: str) -> Iterator[None]:
    """Run the CPU operations of a ``with`` block on one rung: "numpy" or "numba"."""
    global _mode
    if mode not in MODES:
        raise ValueError(f"use_kernels: {mode!r}; choose 'auto', 'numba' or 'numpy'")
    before, _mode = _mode, mode
    try:
        yield
    finally:
        _mode = before


@contextlib.contextmanager
def force_parallel(parallel: bool | None) -> Iterator[None]:
    """Make every kernel of a ``with`` block take its parallel (True) or serial (False) version."""
    global _force_parallel
    before, _force_parallel = _force_parallel, parallel
    try:
        yield
    finally:
        _force_parallel = before


class Kernel:
    """A function that is compiled when it is first called.

    ``kernel(*args, work=n)`` runs the parallel version when ``n`` elements are worth it.
    Other kernels called inside the function are compiled with it. Contract of every kernel:
    C-contiguous arrays of one floating-point dtype, no aliasing between outputs and inputs unless it says so.
    """

    __name__: str

    def __init__(self, function: Any, parallel: bool, reassociate: bool):
        self.function, self.has_parallel = function, parallel
        # "contract" allows a*b+c in one rounding; "reassoc" lets a sum run in vector lanes. Neither breaks NaN or inf.
        self.fastmath = {"contract", "reassoc", "nsz"} if reassociate else {"contract"}
        self._serial: Callable | None = None
        self._parallel: Callable | None = None
        functools.update_wrapper(self, function)
        KERNELS.append(self)

    def __call__(self, *args: Any, work: int = 0) -> Any:
        parallel = self.has_parallel and work >= PARALLEL_WORK if _force_parallel is None \
            else self.has_parallel and _force_parallel
        if parallel and get_num_threads() > 1:
            compiled = self._parallel or self.compiled(parallel=True)
            share_cores()
        else:
            compiled = self._serial or self.compiled()
        try:
            return compiled(*args)
        except SystemError as error:   # how a parallel kernel says that a thread got no memory
            raise error.__cause__ or error

    def compiled(self, parallel: bool = False) -> Any:
        """The Numba dispatcher of one version, made at the first request."""
        attribute = "_parallel" if parallel else "_serial"
        if getattr(self, attribute) is None:
            numba = _import_numba()
            if parallel:
                launch_numba_threads()
            scope = dict(self.function.__globals__)
            for name in _names(self.function.__code__):
                value = scope.get(name)
                if isinstance(value, Kernel):
                    scope[name] = value.compiled()
                elif value is range:   # prange of this module
                    scope[name] = numba.prange
            copy = types.FunctionType(self.function.__code__, scope, self.function.__name__,
                                      self.function.__defaults__, self.function.__closure__)
            copy.__qualname__ = self.function.__qualname__ + ("_parallel" if parallel else "_serial")
            copy.__module__ = self.function.__module__
            dispatcher = numba.njit(parallel=parallel, error_model="numpy", fastmath=self.fastmath, nogil=True)(copy)
            dispatcher._cache = KernelCache(copy, sources_of(self.files()))   # as cache=True would, with Numba's own
            setattr(self, attribute, _announcing(dispatcher, copy.__qualname__))
        return getattr(self, attribute)

    def files(self) -> frozenset[str]:
        """The source files of this kernel and of all kernels that it calls."""
        scope = self.function.__globals__
        called = (scope.get(name) for name in _names(self.function.__code__))
        return frozenset({self.function.__code__.co_filename}).union(*(k.files() for k in called if isinstance(k, Kernel)))


@overload
def kernel(function: Callable, *, parallel: bool = False, reassociate: bool = False) -> Kernel: ...
@overload
def kernel(function: None = None, *, parallel: bool = False, reassociate: bool = False) -> Callable[[Callable], Kernel]: ...
def kernel(function: Callable | None = None, *, parallel: bool = False, reassociate: bool = False) -> Any:
    """Mark a function as a kernel.

    Args:
        parallel: its outermost loop is a ``prange``, and a parallel version is wanted too.
        reassociate: its sums may be taken in any order, so that they vectorise.
    """
    if function is None:
        return functools.partial(kernel, parallel=parallel, reassociate=reassociate)
    return Kernel(function, parallel, reassociate)


def ready(array: np.ndarray) -> np.ndarray:
    """The array as kernels want it: C-contiguous, aligned and writeable (Numba compiles once more for other ones)."""
    if array.flags.carray:
        return array
    return np.array(array, order="C", copy=True)


def chunks(rows: int, work: int) -> int:
    """In how many pieces to cut ``rows`` so that each thread sums into buffers of its own, and none adds more than BLOCK."""
    return max(shares(rows, work), -(-rows // BLOCK))


def shares(rows: int, work: int) -> int:
    """Into how many shares, one a thread, ``rows`` can be cut."""
    if rows == 0:
        return 1
    parallel = work >= PARALLEL_WORK if _force_parallel is None else _force_parallel
    return min(rows, get_num_threads()) if parallel else 1


def _names(code: types.CodeType) -> set[str]:
    """Global names used by a code object and by the functions nested in it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _announcing(dispatcher, name: str):
    """``dispatcher``, with a line on stderr when one of its compilations took long."""
    compile_one = dispatcher.compile

    def compile_and_tell(signature):
        start = time.perf_counter()
        result = compile_one(signature)
        seconds = time.perf_counter() - start
        if seconds > SLOW_COMPILE_SECONDS and at_terminal():
            tell(f"tinymm: compiled {name} in {seconds:.1f} s")
        return result

    dispatcher.compile = compile_and_tell
    return dispatcher


@functools.lru_cache(maxsize=1)
def _import_numba() -> Any:
    import numba

    from . import blas, simd, vmath
    from .tuning import tune

    vmath.install()
    simd.install()
    blas.install()
    tune()   # with kernels, and threads of Numba's, comes what the C libraries' habits disturb
    return numba


def source_hash() -> str:
    """A hash of every source file that holds or feeds a kernel: the key of a GPU test log."""
    package = pathlib.Path(__file__).resolve().parent.parent
    return hash_of(path for folder in ("backend", "ops", "optim") for path in sorted((package / folder).rglob("*.py")))
