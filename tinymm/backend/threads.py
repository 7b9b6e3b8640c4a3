"""How many threads the kernels run on, how long they wait awake, and when they leave cores to other processes.

There is one pool of workers, Numba's; matrix products run on it, too (``products.py``). An idle OpenMP worker spins for
milliseconds by default, on a core that others want; one that sleeps at once takes 0.1 ms to wake on a virtual machine, longer
than many kernels run. So it waits awake for TURNS and then sleeps. That has to be in the environment while OpenMP loads, and
only then: a child process that inherits it, or PyTorch in this one, would be slowed down.
"""

from __future__ import annotations

import functools
import os
import time

from .neighbours import Neighbours
from .settings import threads_wanted

TURNS = "30000"   # of a waiting worker, about 0.4 ms, before it sleeps

_requested: int | None = None   # what set_num_threads was told
_launched = False
_neighbours: Neighbours | None = None   # looked at from the first parallel kernel on


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
    return _of_environment()


@functools.cache
def _of_environment() -> int:
    """The environment is read once: a look takes as long as a small product."""
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
        _use(n)


def launch_numba_threads() -> None:
    """Load Numba's threading layer with workers that soon sleep while they wait; once a process."""
    global _launched
    if _launched:
        return
    from numba.np.ufunc import parallel

    wanted = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", TURNS)}   # the second is GCC's
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        parallel._launch_threads()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    _launched = True
    _use(get_num_threads())


def share_cores() -> None:
    """Leave the cores that other processes use to them, until the next look at what they use.

    Only who does the work changes with that, not how it is cut: results stay the same to the last bit.
    """
    global _neighbours
    if _neighbours is None:
        _neighbours = Neighbours()
    if time.monotonic() < _neighbours.next:
        return
    _neighbours.look()
    _use(_neighbours.free(get_num_threads()))


def _use(n: int) -> None:
    """Let kernels of this thread run on ``n`` of the workers."""
    import numba

    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))
