"""Locks between processes and threads: they die with their owner, and are no obstacle where there are none."""

import contextlib
import errno
import importlib.util
import os
import subprocess
import sys
import threading
import types

import pytest

from tinymm.backend import locks, telling
from tinymm.backend.locks import Occupied, locked

HOLD = "import sys; from tinymm.backend.locks import locked\nwith locked(sys.argv[1]): print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until it is told to end, or killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_another_process_is_refused_until_the_owner_ends(tmp_path, holder):
    path = tmp_path / "lock"
    with pytest.raises(Occupied, match=f"is locked by process {holder.pid}") as caught, locked(path, wait=False):
        pass
    assert caught.value.owner.startswith(f"process {holder.pid} on ")
    holder.kill()
    holder.wait()
    assert path.exists()   # what a killed process leaves behind
    with locked(path, wait=False) as held:
        assert held and f"process {os.getpid()} " in path.read_text()
    assert not path.exists()


def test_who_waits_gets_its_turn_and_says_for_whom(tmp_path, holder, monkeypatch, capsys):
    monkeypatch.setattr(locks, "PATIENCE", 0.0)
    told = threading.Event()
    monkeypatch.setattr(locks, "tell", lambda text: (telling.tell(text), told.set(), holder.stdin.close()))
    with locked(tmp_path / "lock") as held:
        assert held and told.is_set()
    assert f"waiting for process {holder.pid} on" in capsys.readouterr().err


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(5):
            with locked(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 20 and max(most) == 1 and not list(tmp_path.iterdir())


def test_a_thread_does_not_wait_for_itself(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "lock")   # by another name, too
    with locked(tmp_path / "lock"):
        for path in (tmp_path / "lock", link):
            with pytest.raises(Occupied, match="another thread of this process|is locked by"), locked(path):
                pass
    with locked(tmp_path / "lock", wait=False):
        pass


def test_an_error_gives_the_lock_back(tmp_path):
    with pytest.raises(RuntimeError, match="inside"), locked(tmp_path / "lock"):
        raise RuntimeError("inside")
    with locked(tmp_path / "lock", wait=False) as held:
        assert held


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_neither_has_the_lock_nor_keeps_it_alive(tmp_path):
    told, tells = os.pipe()
    end, ends = os.pipe()
    with locked(tmp_path / "lock"):
        child = os.fork()
        if child == 0:
            try:
                with locked(tmp_path / "lock", wait=False):
                    os.write(tells, b"has it")
            except Occupied:
                os.write(tells, b"refused")
            os.read(end, 1)   # it lives on after its parent gave the lock back
            os._exit(0)
        assert os.read(told, 9) == b"refused"
    with locked(tmp_path / "lock", wait=False) as held:
        assert held
    os.write(ends, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for pipe in (told, tells, end, ends):
        os.close(pipe)


def test_a_file_system_without_locks_is_remarked_once(tmp_path, monkeypatch, capsys):
    def refuse(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", refuse)
    for _ in range(2):
        with locked(tmp_path / "lock", wait=False) as held:
            assert held is False
    assert capsys.readouterr().err.count("file system without locks") == 1 and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError), locked(tmp_path / "nowhere" / "lock"):
        pass

    def read_only(path, *args):
        raise OSError(errno.EROFS, "Read-only file system", path)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(OSError, match="Read-only file system"), locked(tmp_path / "lock"):
        pass


def test_a_folder_that_is_removed_meanwhile(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder / "lock"):
        (folder / "lock").unlink()
        folder.rmdir()
    assert not folder.exists()


def test_the_branch_of_windows(tmp_path, monkeypatch):
    """With a stand-in for msvcrt that locks as its documentation says: one byte from the file's position, or OSError."""
    taken = {}

    def locking(handle, mode, count):
        key = os.fstat(handle).st_ino
        assert count == 1 and os.lseek(handle, 0, os.SEEK_CUR) == locks.FAR
        if mode == 0:
            del taken[key]
        elif key in taken:
            raise PermissionError(errno.EACCES, "Permission denied")
        else:
            taken[key] = handle

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, LK_UNLCK=0, locking=locking))
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.find_spec("tinymm.backend.locks")
    windows = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(windows)
    path = tmp_path / "lock"
    with windows.locked(path, wait=False) as held:
        assert held and len(taken) == 1
        windows._held.clear()   # as another process would see it
        with pytest.raises(windows.Occupied, match=f"process {os.getpid()} on"), windows.locked(path, wait=False):
            pass
        windows._held[os.path.realpath(path)] = 0, threading.get_ident()
    assert not taken and not path.exists()


def test_remarks_need_no_stream(monkeypatch, tmp_path):
    closed = open(tmp_path / "stream", "w")
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        telling.tell("unheard")
        assert not telling.can_tell() and not telling.at_terminal()
    name = "/dev/full" if os.path.exists("/dev/full") else tmp_path / "stream"
    with contextlib.suppress(OSError), open(name, "w", encoding="ascii") as full:   # what was kept back fails at the end
        monkeypatch.setattr(sys, "stderr", full)
        telling.tell("ünheard")
        assert telling.can_tell() and not telling.at_terminal()
