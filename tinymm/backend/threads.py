"""How many threads, and how the two pools (BLAS and Numba) are kept from fighting.

Numba's OpenMP workers spin while they wait; on two cores they then steal the core that BLAS needs
(a 128 x 128 product after a small parallel loop became 100 times slower). ``OMP_WAIT_POLICY=PASSIVE``
makes them sleep. It has to be in the environment while OpenMP loads, and only then: a child process
that inherits it, or PyTorch in this one, would be slowed down.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator

from .settings import threads_wanted

_requested: int | None = None   # what set_num_threads was told
_launched = False


@functools.lru_cache(maxsize=1)
def cpu_count() -> int:
    """Cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:   # not on macOS or Windows
        return os.cpu_count() or 1


def get_num_threads() -> int:
    """Threads that kernels and matrix products may use: what ``set_num_threads`` said, or else the environment
    (TINYMM_NUM_THREADS, NUMBA_NUM_THREADS), or else all cores. There are never more than cores."""
    if _requested is not None:
        return _requested
    return min(threads_wanted() or cpu_count(), cpu_count())


def set_num_threads(n: int) -> None:
    """Use ``n`` threads in both pools, Numba's and the BLAS library's.

    Raises:
        ValueError: n < 1, or more than the machine's cores.
    """
    global _requested
    if not 1 <= n <= max(cpu_count(), 1):
        raise ValueError(f"set_num_threads: n={n} but this process has {cpu_count()} cores; choose 1 to {cpu_count()}")
    _requested = n
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=n, user_api="blas")
    if _launched:
        import numba

        numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))


@contextlib.contextmanager
def blas_threads(n: int | None) -> Iterator[None]:
    """Let the BLAS library use ``n`` threads in a ``with`` block; None leaves it as it is.

    On a machine that is busy with other work, small products are better done by one: each can wait a time slice for the second.
    """
    if n is None:
        yield
        return
    with _pools().limit(limits=n, user_api="blas"):
        yield


@functools.lru_cache(maxsize=1)
def _pools():
    """The thread pools of the loaded libraries; looking for them takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def launch_numba_threads() -> None:
    """Load Numba's threading layer with workers that sleep while they wait; once a process."""
    global _launched
    if _launched:
        return
    import numba
    from numba.np.ufunc import parallel

    before = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        parallel._launch_threads()
    finally:
        if before is None:
            del os.environ["OMP_WAIT_POLICY"]
        else:
            os.environ["OMP_WAIT_POLICY"] = before
    _launched = True
    numba.set_num_threads(min(get_num_threads(), numba.config.NUMBA_NUM_THREADS))
