"""Run a command as another processor would run it: ``python tests/processors.py avx2 python -m pytest -q``.

Levels of an x86-64 machine, each switched off in everything that chooses its instructions at run time:

- ``native``: the machine as it is;
- ``avx2``: AVX2 and FMA but no AVX-512, most laptops and many servers;
- ``sse``: SSE4.2 only, registers of 16 bytes and no fused multiply-add.

``all`` stands for the three, one after the other. Kernels are compiled afresh, into a folder that is removed at the end;
``--cache FOLDER`` keeps them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time

BEYOND_AVX2 = ("AVX512", "X86_V4")                         # beginnings of NumPy's names, of any release
BEYOND_SSE = (*BEYOND_AVX2, "X86_V3", "AVX", "FMA", "F16C")
OTHERS = {   # what else chooses: Numba, OpenBLAS, the C library, and PyTorch with its oneDNN and MKL
    "native": {},
    # a named processor keeps the host's features unless they are emptied, too
    "avx2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Haswell",
             "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512DQ",
             "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "sse": {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Nehalem",
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512DQ,-AVX2,-FMA,-AVX",
            "ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}}
LEVELS = tuple(OTHERS)


def disabled(level: str) -> str:
    """NumPy's names of what the level lacks, out of those that this NumPy and this machine can choose; what is off stays off."""
    from numpy._core import _multiarray_umath as umath

    lacking = {"native": (), "avx2": BEYOND_AVX2, "sse": BEYOND_SSE}[level]
    off = os.environ.get("NPY_DISABLE_CPU_FEATURES", "").replace(",", " ").split()
    return " ".join(name for name in umath.__cpu_dispatch__
                    if name in off or lacking and name.startswith(lacking) and umath.__cpu_features__[name])


def environment(level: str) -> dict[str, str]:
    """The variables that make a process of this machine compute as one of ``level`` does.

    Raises:
        ValueError: an unknown level.
        RuntimeError: not an x86-64 machine.
    """
    if level not in LEVELS:
        raise ValueError(f"processors: there is no level {level!r}; choose from {', '.join(LEVELS)}")
    if level != "native" and platform.machine().lower() not in ("x86_64", "amd64"):
        raise RuntimeError(f"processors: {level} is a level of x86-64 processors, and this is {platform.machine()}")
    return {**OTHERS[level], **({"NPY_DISABLE_CPU_FEATURES": disabled(level)} if disabled(level) else {})}


WHAT_RUNS = """
from numpy._core._multiarray_umath import __cpu_dispatch__ as names, __cpu_features__ as has
import numba
from tinymm.backend.simd import registers
print("NumPy with", " ".join(n for n in names if has[n]) or "its baseline only", "and Numba with registers of", registers()[0],
      "bytes")
"""


def run(level: str, command: list[str], cache: str) -> int:
    """The exit code of a command at a level; says first what NumPy and Numba have there."""
    surroundings = {**os.environ, **environment(level), "TINYMM_CACHE_DIR": cache}
    print(f"--- {level}: ", end="", flush=True)
    subprocess.run([sys.executable, "-c", WHAT_RUNS], env=surroundings, check=True)
    start = time.monotonic()
    code = subprocess.run(command, env=surroundings).returncode
    print(f"--- {level}: exit code {code} after {time.monotonic() - start:.0f} s", flush=True)
    return code


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("level", choices=(*LEVELS, "all"))
    parser.add_argument("--cache", metavar="FOLDER", help="keep compiled kernels there")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="with its arguments; python is this interpreter")
    args = parser.parse_args(argv)
    if not args.command:
        parser.error("which command? For example: python -m pytest -q")
    command = [sys.executable if args.command[0] == "python" else args.command[0], *args.command[1:]]
    codes = []
    for level in LEVELS if args.level == "all" else (args.level,):
        with tempfile.TemporaryDirectory(prefix=f"tinymm-{level}-") as fresh:
            codes.append(run(level, command, args.cache or fresh))
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
