"""The kernel cache: what is damaged is compiled again, what cannot be written is done without, and no operation fails."""

import argparse
import errno
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

import numpy as np
import pytest

from tinymm.backend import jit, kernel_cache
from tinymm.backend.jit import Kernel, prange
from tinymm.backend.telling import at_terminal

pytest.importorskip("numba")


def _twice(x, y):
    for i in prange(x.size):
        y[i] = 2 * x[i]


def _thrice(x, y):
    for i in prange(x.size):
        y[i] = 3 * x[i]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, as a new process finds it, and a temporary folder of its own."""
    monkeypatch.setattr(jit, "KERNELS", [])
    monkeypatch.setattr(kernel_cache, "counts", dict.fromkeys(kernel_cache.counts, 0))
    monkeypatch.setattr(kernel_cache, "_told", [])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    place(monkeypatch, tmp_path / "cache")
    yield tmp_path / "cache"
    kernel_cache.wanted_folder.cache_clear()


def place(monkeypatch, folder):
    monkeypatch.setenv("TINYMM_CACHE_DIR", str(folder))
    kernel_cache.wanted_folder.cache_clear()


def run(function=_twice, factor=2, dtype=np.float64):
    """One call, as a process makes it that has compiled nothing yet; what the cache counted of it."""
    before = dict(kernel_cache.counts)
    x, y = np.arange(5, dtype=dtype), np.empty(5, dtype)
    Kernel(function, parallel=False, reassociate=False)(x, y)
    np.testing.assert_array_equal(y, factor * x)
    return {name: count - before[name] for name, count in kernel_cache.counts.items() if count != before[name]}


def entries(folder):
    return sorted(folder.rglob("*.nbc"))


def test_an_entry_is_read_again(cache):
    assert run() == {"compiled": 1} and run() == {"read": 1}
    assert run(dtype=np.float32) == {"compiled": 1} and run(_thrice, 3) == {"compiled": 1}
    assert len(entries(cache)) == 3 and run() == run(dtype=np.float32) == {"read": 1}
    assert not [p for p in cache.rglob("*") if p.is_file() and p.suffix != ".nbc"]


def test_kernels_of_one_name_are_told_apart(cache):
    """Those that a function makes differ in what they hold of it."""
    def times(factor):
        def scaled(x, y):
            for i in prange(x.size):
                y[i] = factor * x[i]
        return scaled

    assert run(times(2), 2) == run(times(5), 5) == {"compiled": 1}
    assert run(times(5), 5) == run(times(2), 2) == {"read": 1}


@pytest.mark.parametrize("damage", [
    lambda b: b"", lambda b: b[:20], lambda b: b[:len(b) // 2], lambda b: b[:-1], lambda b: b + b"x", lambda b: b"\0" * len(b),
    lambda b: b[:900] + b"\0" * 64 + b[964:], lambda b: b"not an entry at all, but a text of somebody's" * 9])
def test_a_damaged_entry_is_compiled_again(cache, damage, capsys):
    run()
    entry, = entries(cache)
    entry.write_bytes(damage(entry.read_bytes()))
    assert run() == {"compiled": 1} and run() == {"read": 1} and capsys.readouterr().err == ""


def test_a_foreign_entry_is_compiled_again(cache):
    run()
    run(_thrice, 3)
    thrice, twice = entries(cache)
    shutil.copy(thrice, twice)
    assert run() == {"compiled": 1} and run() == run(_thrice, 3) == {"read": 1}


def test_an_entry_that_is_a_folder_or_a_link_to_nothing(cache, capsys):
    run()
    entry, = entries(cache)
    entry.unlink()
    entry.symlink_to(cache / "nowhere")
    assert run() == {"compiled": 1} and run() == {"read": 1}
    entry.unlink()
    (entry / "inside").mkdir(parents=True)
    assert run() == {"compiled": 1} and run() == {"read": 1}   # from the folder for temporary files
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_is_deleted_or_moved_while_it_is_used(cache, monkeypatch):
    run()
    shutil.rmtree(cache)
    assert run() == {"compiled": 1} and run() == {"read": 1}
    cache.rename(cache.with_name("moved"))
    assert run() == {"compiled": 1}
    place(monkeypatch, cache.with_name("moved"))
    assert run() == {"read": 1}


ODD = ["wörter и 図", "a" * 200 + "/" + "b" * 200] + ["a 'quote' and \n a line break", "bytes\udcff"] * (sys.platform == "linux")


@pytest.mark.parametrize("name", ODD)
def test_odd_and_long_names(cache, name, monkeypatch):
    place(monkeypatch, cache / name)
    assert run() == {"compiled": 1} and run() == {"read": 1} and len(entries(cache)) == 1


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300, "/".join(["y" * 200] * 30), "link"])
def test_a_place_that_is_none_is_said_once_and_another_taken(cache, name, monkeypatch, capsys):
    cache.mkdir()
    (cache / "file").write_text("something else")
    (cache / "link").symlink_to(cache / "link")
    place(monkeypatch, cache / name)
    assert run() == run(_thrice, 3) == {"compiled": 1} and run() == {"read": 1}
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "because TINYMM_CACHE_DIR cannot be written" in said
    private, = pathlib.Path(tempfile.gettempdir()).iterdir()
    assert kernel_cache.cache_folder() == private / "kernels" and len(entries(private)) == 2
    assert (cache / "file").read_text() == "something else"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_takes_nothing(cache, number, monkeypatch, capsys):
    def write(path, content):
        if content:   # the entry's file can be made, but not filled
            path.touch()
        raise OSError(number, os.strerror(number))

    run(_thrice, 3)
    monkeypatch.setattr(pathlib.Path, "write_bytes", write)
    assert run() == run() == {"compiled": 1, "not kept": 1}
    assert run(_thrice, 3) == {"read": 1} and kernel_cache.cache_folder() is None
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and os.strerror(number) in said and "TINYMM_CACHE_DIR can name another folder" in said
    assert len([p for p in cache.parent.rglob("*") if p.is_file()]) == 1   # no litter


def test_nothing_is_read_from_a_folder_that_others_can_write(cache, monkeypatch, capsys):
    """An entry is a pickle; in the folder for temporary files somebody else may have put one under our name."""
    cache.write_text("no folder")
    run()
    private = kernel_cache.private_folder().parent
    assert private.stat().st_mode & 0o777 == 0o700 and run() == {"read": 1}
    private.chmod(0o777)
    assert run() == {"compiled": 1, "not kept": 1}
    private.rename(private.with_name("theirs"))
    private.symlink_to(private.with_name("theirs"))
    assert run() == {"compiled": 1, "not kept": 1}
    private.unlink()
    assert run() == {"compiled": 1} and run() == {"read": 1}
    if hasattr(os, "getuid"):
        monkeypatch.setattr(os, "getuid", lambda: private.stat().st_uid + 1)
        monkeypatch.setattr(kernel_cache, "_user_name", lambda: private.name.removeprefix("tinymm-"))
        assert run() == {"compiled": 1, "not kept": 1}


def test_no_folder_for_temporary_files(cache, monkeypatch):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    cache.write_text("no folder")
    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert run() == {"compiled": 1, "not kept": 1} and kernel_cache.cache_folder() is None


def test_a_kernel_without_a_source_file(cache):
    """In a notebook's cell, or in a package that was moved away while it runs."""
    scope = {"prange": prange, "__name__": "cell"}
    exec(compile("def cell(x, y):\n    for i in prange(x.size):\n        y[i] = 2 * x[i]", "<a cell>", "exec"), scope)
    assert run(scope["cell"]) == {"compiled": 1, "not kept": 1} and not cache.exists()


def test_two_that_compile_the_same_at_once(cache):
    """Several threads and another process; afterwards each entry is whole and is of what its name says."""
    code = ("import sys; from tests.backend import test_kernel_cache as t\n"
            "for dtype in ('float32', 'float64', 'int64'): t.run(dtype=dtype); t.run(t._thrice, 3, dtype)")
    other = subprocess.Popen([sys.executable, "-c", code])
    errors = []

    def work():
        try:
            for dtype in ("int64", "float64", "float32"):
                run(dtype=dtype)
                run(_thrice, 3, dtype)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(timeout=120) == 0 and not errors and len(entries(cache)) == 6
    for dtype in ("float32", "float64", "int64"):
        assert run(dtype=dtype) == run(_thrice, 3, dtype) == {"read": 1}


def test_numbas_own_cache_is_left_to_the_user(cache):
    import numba

    before = numba.config.CACHE_DIR
    run()
    assert numba.config.CACHE_DIR == before


def test_a_slow_compilation_is_announced_where_somebody_reads(cache, monkeypatch, capsys):
    monkeypatch.setattr(jit, "SLOW_COMPILE_SECONDS", 0.0)
    monkeypatch.setattr(jit, "at_terminal", lambda: True)
    run()
    assert "tinymm: compiled _twice_serial in " in capsys.readouterr().err
    monkeypatch.setattr(jit, "at_terminal", at_terminal)
    monkeypatch.setattr(sys, "stderr", None)
    assert run(_thrice, 3) == {"compiled": 1}


def test_warmup_says_what_it_did(cache, monkeypatch, capsys):
    from tinymm.commands import warmup

    monkeypatch.setattr(warmup, "load", dict)
    monkeypatch.setattr(warmup, "warm_optimisers", lambda: (run(), run()))
    monkeypatch.setattr(warmup, "counts", kernel_cache.counts)
    assert warmup.run(argparse.Namespace(quiet=True)) == 0
    said = capsys.readouterr().out
    assert "of their versions 1 compiled now, 1 read" in said and f"kept in {cache / 'kernels'}" in said
    monkeypatch.setattr(kernel_cache, "_write", lambda *_: os.stat(cache / "nowhere"))
    monkeypatch.setattr(warmup, "warm_optimisers", lambda: run(_thrice, 3))
    assert warmup.run(argparse.Namespace(quiet=True)) == 1
    assert "1 of them are not kept for the next run; set TINYMM_CACHE_DIR" in capsys.readouterr().out
