"""Compiled kernels on disk: read if they are whole, compiled again if not, done without where nothing can be written.

An entry is one file for each kernel, signature, processor and release of Numba, in a folder named after a hash of the
sources: a digest, then Numba's own serialised form of the compilation. It is written under another name and renamed, so
two processes that compile the same kernel at once leave either's entry; a cut, mixed up or foreign one does not have its
digest, and is removed. No operation ever fails because of this folder.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import pathlib
import pickle
import stat
import sys
import tempfile
import types
from collections.abc import Iterator
from typing import Any

from .telling import tell

DIGEST = 32                                              # bytes of SHA-256
counts = {"read": 0, "compiled": 0, "not kept": 0}       # entries of this process, for `python -m tinymm warmup`


class KernelCache:
    """What one dispatcher of Numba's asks for a compilation, and gives it to.

    Args:
        function: the kernel's version; its qualified name says which.
        sources: the hash of its sources; None keeps nothing.
    """

    def __init__(self, function: types.FunctionType, sources: str | None):
        self.name, self.sources = function.__qualname__, sources
        self.cache_path = None   # Numba shows it in its statistics
        try:
            self._function = _identity(function)
        except Exception:   # it holds something that no other process knows again
            self.sources = None

    def load_overload(self, signature, target_context) -> Any:
        """A compilation that was kept; None where there is none."""
        target_context.refresh()
        key = self._key(signature, target_context.codegen())
        for folder in _folders_to_read() if self.sources is not None else ():
            path = self._path(folder, key)
            try:
                content = path.read_bytes()
            except OSError:
                continue
            try:
                found = _unpack(content, key, target_context)
            except Exception:   # damaged: whatever a foreign pickle raises
                with contextlib.suppress(OSError):
                    path.unlink()
                continue
            counts["read"] += 1
            return found
        return None

    def save_overload(self, signature, compiled) -> None:
        """Keep a compilation in the first folder that takes it."""
        counts["compiled"] += 1
        if self.sources is None or any(not part.can_cache for part in compiled.lifted) or compiled.library.has_dynamic_globals:
            counts["not kept"] += 1
            return
        key = self._key(signature, compiled.codegen)
        reasons: list[Exception] = []
        try:
            content = _pack(key, compiled)
            for folder in _folders_to_write():
                try:
                    _write(self._path(folder, key), content)
                except OSError as error:
                    reasons.append(error)
                    continue
                if reasons and os.environ.get("TINYMM_CACHE_DIR"):
                    _tell_once(f"compiled kernels are kept in {folder}, because TINYMM_CACHE_DIR cannot be written ({reasons[0]})")
                return
        except Exception as error:   # whatever it is, the operation can do without
            reasons.append(error)
        counts["not kept"] += 1
        _tell_once(f"compiled kernels are not kept for the next run ({reasons[0]}); TINYMM_CACHE_DIR can name another folder")

    def _key(self, signature, codegen) -> str:
        import numba

        return repr((self.name, self._function, signature, codegen.magic_tuple(), numba.__version__))

    def _path(self, folder: pathlib.Path, key: str) -> pathlib.Path:
        kernel = self.name.replace("<", "").replace(">", "")[-80:]   # in a function's <locals>
        return folder / str(self.sources) / f"{kernel}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.nbc"

    def enable(self) -> None:
        """Part of Numba's interface; nothing is to be done."""

    disable = flush = enable


def _identity(function: types.FunctionType) -> tuple[int, str, str]:
    """What tells it from others of its name in the same file: its line, its code, and what it holds of a function around it."""
    from numba.core.serialize import dumps

    held = dumps(tuple(cell.cell_contents for cell in function.__closure__ or ()))
    code = function.__code__
    return code.co_firstlineno, hashlib.sha256(code.co_code).hexdigest(), hashlib.sha256(held).hexdigest()


def _pack(key: str, compiled) -> bytes:
    from numba.core.serialize import dumps

    payload = dumps((key, compiled._reduce()))
    return hashlib.sha256(payload).digest() + payload


def _unpack(content: bytes, key: str, target_context) -> Any:
    from numba.core.compiler import CompileResult

    if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
        raise ValueError("a damaged entry")
    there, parts = pickle.loads(content[DIGEST:])
    if there != key:
        raise ValueError("the entry of another kernel")
    return CompileResult._rebuild(target_context, *parts)


def _write(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)   # again each time: it may have been deleted meanwhile
    temporary = path.with_name(f".{os.urandom(8).hex()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


_told: list[str] = []


def _tell_once(text: str) -> None:
    if not _told:   # one remark in a process, whatever it says
        _told.append(text)
        tell(f"tinymm: {text}")


# ---------------------------------------------------------------------- where

@functools.lru_cache(maxsize=1)
def wanted_folder() -> pathlib.Path:
    """In TINYMM_CACHE_DIR, else in the user's cache."""
    base = os.path.expanduser(os.environ.get("TINYMM_CACHE_DIR") or _user_cache())
    return pathlib.Path(os.path.abspath(base)) / "kernels"


def private_folder() -> pathlib.Path:
    """In the folder for temporary files, in one that is nobody else's: entries are pickles, and others could write them.

    Raises:
        OSError: there is no such folder, or it belongs to somebody else.
    """
    private = pathlib.Path(tempfile.gettempdir()) / f"tinymm-{_user_name()}"
    status = private.lstat()
    if not stat.S_ISDIR(status.st_mode) or hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        raise PermissionError(errno.EACCES, "Others can write there", str(private))
    return private / "kernels"


def _folders_to_read() -> list[pathlib.Path]:
    folders = [wanted_folder()]
    with contextlib.suppress(OSError):
        folders.append(private_folder())
    return folders


def _folders_to_write() -> Iterator[pathlib.Path]:
    """The private one is made when the first was of no use."""
    yield wanted_folder()
    with contextlib.suppress(OSError):
        os.mkdir(os.path.join(tempfile.gettempdir(), f"tinymm-{_user_name()}"), 0o700)
    with contextlib.suppress(OSError):
        yield private_folder()


def cache_folder() -> pathlib.Path | None:
    """Where compiled kernels are kept now; None where nothing can be written."""
    for folder in _folders_to_write():
        with contextlib.suppress(OSError):
            _write(folder / ".probe", b"")
            (folder / ".probe").unlink(missing_ok=True)
            return folder
    return None


def _user_name() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _user_cache() -> str:
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA", os.path.expanduser("~")), "tinymm")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches/tinymm")
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "tinymm")


# ---------------------------------------------------------------------- sources

@functools.cache
def sources_of(files: frozenset[str]) -> str | None:
    """A hash of source files and of the tools that compile them; None where one cannot be read, as a notebook's cell."""
    tools = [pathlib.Path(__file__).with_name(name) for name in ("jit.py", "kernel_cache.py", "sums.py", "vmath.py", "simd.py")]
    try:
        return hash_of([*tools, *map(pathlib.Path, sorted(files))])
    except OSError:
        return None


def hash_of(paths) -> str:
    """The first 16 digits of a hash of files, their names and the Python that runs."""
    digest = hashlib.sha256(sys.version.encode())
    for path in paths:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
