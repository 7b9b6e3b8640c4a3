"""Locks between processes: a file that the operating system locks for its owner until the owner ends, however it ends.

``flock`` on POSIX, ``msvcrt.locking`` on Windows. The file holds its owner's name, for messages, and is removed with
the lock; one that a killed process left behind is no obstacle, because the lock on it is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator

from .telling import tell

WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}   # file systems say it so
POLL = 0.01          # seconds between two attempts of one that waits
PATIENCE = 3.0       # seconds of waiting that pass without a remark
FAR = 1 << 30        # Windows lets nobody read a locked byte: the one that is locked lies beyond the owner's name

_held: dict[str, tuple[int, int]] = {}   # real path -> (file descriptor, thread) of the locks of this process
_guard = threading.Lock()
_told: set[str] = set()                  # folders of which it was said that they know no locks


class Occupied(BlockingIOError):
    """Somebody else holds the lock.

    Attributes:
        owner: "process 12 on machine", or "another process" where the file does not say.
    """

    def __init__(self, text: str, owner: str):
        super().__init__(text)
        self.owner = owner


@contextlib.contextmanager
def locked(path: str | os.PathLike, wait: bool = True) -> Iterator[bool]:
    """Hold the lock on the file ``path`` in a ``with`` block; other processes and other threads do not get it.

    Args:
        path: the lock's file, made if it is not there, in a folder that is.
        wait: until the lock is free.

    Yields:
        Whether the lock is held: False on a file system without locks, of which a remark is made once.

    Raises:
        Occupied: without ``wait``, somebody else holds it; with ``wait``, this thread does, and would wait for itself.
        OSError: the file cannot be made, in a folder that is missing or read-only.
    """
    path = os.path.realpath(path)
    asked = time.monotonic()
    told = False
    while True:
        try:
            handle = _take(path)
            break
        except Occupied as error:
            if not wait or _held.get(path, (0, None))[1] == threading.get_ident():
                raise
            if not told and time.monotonic() - asked > PATIENCE:
                tell(f"waiting for {error.owner}, which is writing in {os.path.dirname(path)}")
                told = True
        time.sleep(POLL)
    process = os.getpid()
    try:
        yield handle is not None
    finally:
        if handle is not None and os.getpid() == process:   # a forked child leaves its parent's lock alone
            with _guard:
                del _held[path]
                _release(path, handle)


def _take(path: str) -> int | None:
    """The descriptor of the locked file, None where the file system knows no locks; raises Occupied."""
    with _guard:
        if path in _held:   # some file systems give a process its own lock twice
            raise Occupied(f"{path} is locked by another thread of this process", f"process {os.getpid()}")
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _lock(handle)
                if _is_at(handle, path):
                    _write_owner(handle)
                    _held[path] = handle, threading.get_ident()
                    return handle
                os.close(handle)   # its last owner removed the file after it was opened here
            except OSError as error:
                owner = _read_owner(handle)
                os.close(handle)
                if error.errno in WITHOUT_LOCKS:
                    with contextlib.suppress(OSError):
                        os.unlink(path)
                    _tell_once(path)
                    return None
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
                raise Occupied(f"{path} is locked by {owner}", owner) from None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _release(path: str, handle: int) -> None:
        os.lseek(handle, FAR, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        os.close(handle)
        with contextlib.suppress(OSError):   # refused while somebody has it open
            os.unlink(path)
else:
    import fcntl

    def _lock(handle: int) -> None:
        """Lock an open file, or raise OSError at once."""
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(path: str, handle: int) -> None:
        with contextlib.suppress(OSError):
            os.unlink(path)   # before the lock goes, so that nobody's next lock is removed
        os.close(handle)


def _is_at(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _write_owner(handle: int) -> None:
    machine = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "this machine")
    with contextlib.suppress(OSError):   # a full disk: the lock holds without a name
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, f"process {os.getpid()} on {machine}\n".encode())


def _read_owner(handle: int) -> str:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        name = os.read(handle, 200).decode("utf-8", "replace").strip()
    except OSError:
        name = ""
    return name if name.startswith("process ") and name.isprintable() else "another process"


def _tell_once(path: str) -> None:
    folder = os.path.dirname(path)
    if folder not in _told:
        _told.add(folder)
        tell(f"{folder} is on a file system without locks: see to it that nobody else writes there at the same time")


def _after_fork() -> None:
    """In a forked child: the parent's locks are not the child's, and must not live on in it."""
    global _guard
    _guard = threading.Lock()
    for handle, _ in _held.values():
        os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
