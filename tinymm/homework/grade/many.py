"""All submissions graded, in several processes that judge; each submission runs in a process of its own beside them."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool

from .collect import Handed
from .one import Graded, Terms, grade_one, nothing

LOST = "the process that judges it was ended, twice: by the submission, or because the system had no memory left"
UNGRADED = "it could not be graded"


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def grade_all(handed: list[Handed], terms: Terms, jobs: int) -> Iterator[Graded]:
    """The result of each submission as it is there.

    A judge that is lost (the system had no memory left) takes nobody's points: what it was about is graded once more, alone.
    """
    left = {one.student: one for one in handed}
    for result in _round([*left.values()], terms, jobs):
        if result is not None:
            del left[result.student]
            yield result
    for one in left.values():
        lost = Graded(one.student, one.digest, nothing(terms.number, one, UNGRADED), LOST)
        yield next(filter(None, _round([one], terms, 1)), lost)


def _round(handed: list[Handed], terms: Terms, jobs: int) -> Iterator[Graded | None]:
    """The results; None for those whose judge was lost."""
    pool = concurrent.futures.ProcessPoolExecutor(min(jobs, max(1, len(handed))), multiprocessing.get_context("spawn"), _prepare)
    try:
        waiting = {pool.submit(grade_one, one, terms): one for one in handed}
        for future in concurrent.futures.as_completed(waiting):
            one = waiting[future]
            try:
                yield future.result()
            except BrokenProcessPool:
                yield None
            except (Exception, concurrent.futures.CancelledError) as error:
                yield Graded(one.student, one.digest, nothing(terms.number, one, UNGRADED), f"{type(error).__name__}: {error}")
    finally:   # also where the one that asked was interrupted: nothing goes on behind its back
        processes = [*(pool._processes or {}).values()]
        pool.shutdown(wait=False, cancel_futures=True)
        if sys.exc_info()[0] is not None:
            for process in processes:
                process.terminate()
        for process in processes:
            process.join(10.0)


def _prepare() -> None:
    """A judge: Ctrl-C is for the one that asked, and SIGTERM stops the submission, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when the one that asked has ended."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)
