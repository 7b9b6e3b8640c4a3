"""Cores that other processes use: what is counted, and what is left."""

import sys
import time

import pytest

from tinymm.backend import neighbours, threads
from tinymm.backend.neighbours import Neighbours
from tinymm.bench.compare import busy


def counted(monkeypatch, *counts):
    """Neighbours that find these counts, one after the other: (seconds, busy, own)."""
    found = iter(counts)
    monkeypatch.setattr(Neighbours, "_counts", lambda self: next(found))
    neighbours_ = Neighbours()
    neighbours_.cores = {0, 1, 2, 3}
    return neighbours_


def test_what_others_used_is_all_but_this_process_s(monkeypatch):
    n = counted(monkeypatch, (10.0, 100.0, 5.0), (12.0, 106.0, 9.0), (14.0, 106.5, 9.0), (15.0, 110.5, 9.0))
    assert n.look() == pytest.approx(1.0) and n.free(4) == 3 and n.free(2) == 2
    assert n.look() == pytest.approx(0.25) and n.free(4) == 4
    assert n.look() == pytest.approx(4.0) and n.free(4) == 1   # one is always used


def test_clocks_that_disagree_are_no_neighbours(monkeypatch):
    n = counted(monkeypatch, (10.0, 100.0, 5.0), (11.0, 100.5, 6.5), (11.0, 100.5, 6.5))
    assert n.look() == 0.0 and n.look() == 0.0 and n.free(4) == 4


def test_a_system_that_does_not_tell(monkeypatch):
    n = counted(monkeypatch, None, None)
    assert not n.seen and n.look() == 0.0 and n.next == float("inf") and n.free(4) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_loops_in_other_processes_are_seen():
    n = Neighbours()
    with busy(1):
        n.look()
        deadline = time.monotonic() + 30   # the loop may have to wait for a core
        while True:
            time.sleep(0.5)
            if n.look() > 0.3:
                break
            assert time.monotonic() < deadline


def test_kernels_run_on_what_is_free(monkeypatch):
    used = []
    n = counted(monkeypatch, (10.0, 100.0, 5.0), (12.0, 107.0, 5.0), (14.0, 107.0, 5.0))
    monkeypatch.setattr(threads, "_neighbours", n)
    monkeypatch.setattr(threads, "_use", used.append)
    monkeypatch.setattr(threads, "get_num_threads", lambda: 4)
    threads.share_cores()              # too early for a look
    assert used == []
    n.next = 0.0
    threads.share_cores()
    n.next = 0.0
    threads.share_cores()
    assert used == [1, 4] and n.next > time.monotonic() - 1 and neighbours.LOOK < 1
