"""The package's own environment variables: what they may be, and what is said of a value that they may not be.

``import tinymm`` reads none of them so that it could fail: a wrong value is warned about when it is first needed, and the
default is used. The commands refuse to start with one.
"""

from __future__ import annotations

import os
import warnings

from .starting import is_program

MODES = ("auto", "numba", "numpy")


THREADS = ("TINYMM_NUM_THREADS", "NUMBA_NUM_THREADS")   # the first that is set counts


def threads_wanted() -> int | None:
    """How many threads the environment asks for; None where it does not say."""
    for name in THREADS:
        value = os.environ.get(name)
        if value and value.strip():
            count, problem = _count(name, value)
            _warn(problem)
            return count
    return None


def mode_wanted() -> str:
    """TINYMM_KERNELS: "auto", "numba" or "numpy"."""
    mode, problem = _mode(os.environ.get("TINYMM_KERNELS"))
    _warn(problem)
    return mode


def wrong_settings() -> list[str]:
    """What is wrong with the variables that are set, a sentence with the fix each."""
    found = [*(_count(name, os.environ.get(name)) for name in THREADS), _mode(os.environ.get("TINYMM_KERNELS"))]
    return [problem for _, problem in found if problem]


def _count(name: str, value: str | None) -> tuple[int | None, str]:
    if not value or not value.strip():
        return None, ""
    try:
        count = int(value)
    except ValueError:   # no number, or one of thousands of digits
        count = 0
    if count < 1:
        return None, f"{name}={value[:40]!r} must be a number of threads, 1 or more; unset it to use all cores"
    return count, ""


def _mode(value: str | None) -> tuple[str, str]:
    mode = (value or "").strip() or "auto"
    if mode in MODES:
        return mode, ""
    return "auto", f"TINYMM_KERNELS={mode[:40]!r}; choose 'auto', 'numba' or 'numpy', or unset it"


def _warn(problem: str) -> None:
    if problem and not is_program():   # the commands refuse with it
        warnings.warn(problem, UserWarning, stacklevel=3)
