"""Two habits of C libraries that cost a training step much of its time, changed where it is safe; elsewhere nothing happens.

OpenBLAS's idle threads wait for work by spinning, by default 2^26 clock ticks (some 25 ms), on a core that Numba's threads
want: a step of convolutions and a recurrent decoder took 1.4 times as long. And glibc returns large freed blocks to the
system, so that the arrays of every step get their pages anew, a fault each.
"""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

TICKS = "21"              # idle BLAS threads go to sleep after 2^21 clock ticks, about a millisecond
TIMEOUT = "OPENBLAS_THREAD_TIMEOUT"
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3    # of glibc's malloc.h


@functools.lru_cache(maxsize=1)
def tune() -> None:
    """Let idle OpenBLAS threads sleep, and let freed memory stay with the process; once a process."""
    _let_blas_sleep()
    _keep_memory()


def _let_blas_sleep() -> None:
    """Start OpenBLAS's threads again with a shorter wait, unless the user has set one."""
    if TIMEOUT in os.environ:
        return
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool.get("internal_api") != "openblas" or pool.get("threading_layer") != "pthreads":
            continue
        library = ctypes.CDLL(pool["filepath"])
        names = "openblas_read_env", "blas_thread_shutdown_", "blas_thread_init"
        functions: list[Any] = [getattr(library, name, None) for name in names]
        if not all(functions):
            continue
        os.environ[TIMEOUT] = TICKS   # only while it is read: a child process decides for itself
        try:
            for function in functions:
                function()
        finally:
            del os.environ[TIMEOUT]


def _keep_memory() -> None:
    """Have malloc serve large arrays from memory that it keeps, up to what was once in use."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or any(name in os.environ for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")):
        return
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
    mallopt(M_TOP_PAD, 64 << 20)


def give_back() -> None:
    """Return to the system what is freed but kept: after something that took much memory once, such as reading a large model."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
