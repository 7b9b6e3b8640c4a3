"""The levels of processors.py switch off what they say."""

import os
import platform
import subprocess
import sys

import pytest

from tests import processors

x86 = pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="levels of x86-64 processors")
SEEN = """
from numpy._core._multiarray_umath import __cpu_dispatch__ as names, __cpu_features__ as has
from tinymm.backend.simd import registers, width
import numba, numpy as np
print(any(has[n] for n in names if n.startswith(("AVX512", "X86_V4"))), any(has[n] for n in names if n in ("AVX2", "X86_V3")),
      *registers(), width(np.dtype("float32")))
"""


@x86
@pytest.mark.parametrize("level, seen", [("avx2", "False {} 32 3 24"), ("sse", "False False 16 3 12")])
def test_a_level_is_what_numpy_and_numba_see(level, seen):
    """Registers of Numba's target, not of this machine."""
    from numpy._core import _multiarray_umath as umath

    has = any(umath.__cpu_features__[name] for name in umath.__cpu_dispatch__ if name in ("AVX2", "X86_V3"))
    out = subprocess.run([sys.executable, "-W", "error", "-c", SEEN], capture_output=True, text=True,
                         env={**os.environ, **processors.environment(level)})
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == seen.format(has)


@pytest.mark.parametrize("dispatch, avx2, sse", [
    ("SSSE3 AVX F16C FMA3 AVX2 AVX512F AVX512_SKX", "AVX512F AVX512_SKX", "AVX F16C FMA3 AVX2 AVX512F AVX512_SKX"),
    ("X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "X86_V4 AVX512_ICL AVX512_SPR", "X86_V3 X86_V4 AVX512_ICL AVX512_SPR")])
def test_names_of_old_and_of_new_releases_of_numpy(monkeypatch, dispatch, avx2, sse):
    from numpy._core import _multiarray_umath as umath

    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    monkeypatch.setattr(umath, "__cpu_dispatch__", dispatch.split())
    monkeypatch.setattr(umath, "__cpu_features__", dict.fromkeys(dispatch.split(), True))
    assert (processors.disabled("native"), processors.disabled("avx2"), processors.disabled("sse")) == ("", avx2, sse)
    monkeypatch.setenv("NPY_DISABLE_CPU_FEATURES", dispatch.split()[-1])   # a level within a level switches nothing on
    assert processors.disabled("native") == dispatch.split()[-1] and processors.disabled("sse") == sse


def test_what_it_refuses(capsys, monkeypatch):
    with pytest.raises(ValueError, match="no level 'avx3'; choose from native, avx2, sse"):
        processors.environment("avx3")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    with pytest.raises(RuntimeError, match="avx2 is a level of x86-64 processors, and this is arm64"):
        processors.environment("avx2")
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    assert processors.environment("native") == {}
    with pytest.raises(SystemExit):
        processors.main(["native"])
    assert "which command?" in capsys.readouterr().err


def test_the_exit_code_is_the_commands(monkeypatch):
    assert processors.main(["native", "python", "-c", "raise SystemExit(3)"]) == 3
