"""Files that are written completely or not at all: the one way in which pictures, reports and weights reach the disk."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import stat
from collections.abc import Iterator
from typing import Any

LONGEST_SUFFIX = 20   # characters that the temporary name keeps; no format has more


def target_of(path: str | os.PathLike) -> pathlib.Path:
    """The ordinary file, there or not yet, that ``path`` means: links are followed, a link to nothing names what it points to.

    Raises:
        OSError: it cannot be written: a folder, a device or a pipe, write-protected, in a folder that is not there or is
            protected, or a name that the system does not take. The message names it and the fix.
    """
    name = os.fsdecode(path)
    shown = repr(name)
    if not name:
        raise FileNotFoundError("the name of the file to write is empty; give one")
    if "\0" in name:
        raise OSError(f"{shown} has a zero byte, which no file's name can have; give another name")
    target = pathlib.Path(os.path.realpath(path))
    try:
        there: os.stat_result | None = os.stat(path)
    except FileNotFoundError:
        there = None
    if there is not None and stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(f"{shown} is a folder; give the name of a file")
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise OSError(f"{shown} is a device or a pipe, which cannot be replaced; give the name of an ordinary file")
    if there is not None and not os.access(target, os.W_OK):
        raise PermissionError(f"{shown} is write-protected; give another name, or allow writing")
    folder = target.parent
    if not folder.is_dir():
        raise FileNotFoundError(f"{shown} cannot be written: there is no folder {str(folder)!r}; make it, or give another name")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{shown} cannot be written: the folder {str(folder)!r} is write-protected; give another name")
    return target


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A temporary name beside ``path``; what the ``with`` block wrote there takes its place, unless the block raised.

    A file that is replaced hands on its mode, and a link goes on pointing to its target. The temporary name keeps the
    suffix, by which matplotlib knows the format, and is short: it fits wherever ``path`` does.

    Raises:
        OSError: as ``target_of``, before the block runs.
    """
    target = target_of(path)
    temporary = target.with_name(f".{os.getpid()}-{os.urandom(4).hex()}.tmp{target.suffix[:LONGEST_SUFFIX]}")
    try:
        yield temporary
        with contextlib.suppress(OSError):   # a new file keeps the mode that the system gave it
            os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None or str(error.filename or temporary) != str(temporary):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None   # nobody has heard of the temporary name
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write a JSON file, completely or not at all; what is not finite becomes null."""
    import json

    text = json.dumps(finite(value), indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def finite(value: Any) -> Any:
    """JSON has no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
