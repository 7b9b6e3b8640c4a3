"""Memory with a margin: arrays that a call makes and takes lie between bytes whose change, or influence, is noticed.

A kernel that writes past an array changes the margin. One that reads past it gets NaN (all bits are set), which then
stands in a result that the judge finds finite.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np

MARGIN = 256          # bytes on either side
LARGEST = 1 << 18     # bytes; larger arrays are left alone (``backend/recycle.py`` hands their memory round)

EMPTY, ZEROS, EMPTY_LIKE, ZEROS_LIKE = np.empty, np.zeros, np.empty_like, np.zeros_like
_watched: list[np.ndarray] = []


def guarded(shape, dtype) -> np.ndarray | None:
    """An array of any content with a margin; None where it would be large or is no plain array of numbers."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    dtype = np.dtype(dtype)
    if dtype.hasobject or any(n < 0 for n in shape):
        return None
    size = math.prod(map(int, shape)) * dtype.itemsize
    if not 0 < size < LARGEST:
        return None
    buffer = EMPTY(size + 2 * MARGIN, np.uint8)
    buffer[:MARGIN] = buffer[MARGIN + size:] = 255
    _watched.append(buffer)
    return buffer[MARGIN:MARGIN + size].view(dtype).reshape(shape)


def copied(array: np.ndarray) -> np.ndarray:
    """A copy of a contiguous array, with a margin; any other array as it is."""
    if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
        return array
    copy = guarded(array.shape, array.dtype)
    if copy is None:
        return array.copy()
    copy[...] = array
    return copy


def damaged() -> int:
    """How many margins were written to since the last question; forgets them."""
    count = sum(bool((b[:MARGIN] != 255).any() or (b[-MARGIN:] != 255).any()) for b in _watched)
    _watched.clear()
    return count


def _empty(shape, dtype=float, order="C", **rest):
    found = guarded(shape, dtype) if order == "C" and not rest else None
    return EMPTY(shape, dtype, order, **rest) if found is None else found


def _zeros(shape, dtype=float, order="C", **rest):
    found = guarded(shape, dtype) if order == "C" and not rest else None
    if found is None:
        return ZEROS(shape, dtype, order, **rest)
    found[...] = 0
    return found


def _empty_like(prototype, dtype=None, order="K", subok=True, shape=None, **rest):
    plain = type(prototype) is np.ndarray and prototype.flags.c_contiguous and shape is None and not rest
    found = guarded(prototype.shape, dtype or prototype.dtype) if plain else None
    return EMPTY_LIKE(prototype, dtype, order, subok, shape, **rest) if found is None else found


def _zeros_like(a, dtype=None, order="K", subok=True, shape=None, **rest):
    plain = type(a) is np.ndarray and a.flags.c_contiguous and shape is None and not rest
    found = guarded(a.shape, dtype or a.dtype) if plain else None
    if found is None:
        return ZEROS_LIKE(a, dtype, order, subok, shape, **rest)
    found[...] = 0
    return found


@contextlib.contextmanager
def margins():
    """Let ``np.empty`` and its kin give memory with a margin, except to Numba while it compiles."""
    _switch(True)
    try:
        yield
    finally:
        _switch(False)


def _switch(on: bool) -> None:
    np.empty, np.zeros, np.empty_like, np.zeros_like = (_empty, _zeros, _empty_like, _zeros_like) if on else \
        (EMPTY, ZEROS, EMPTY_LIKE, ZEROS_LIKE)


def spare_the_compiler() -> None:
    """Numba recognises NumPy's functions by identity: give it the real ones."""
    from tinymm.backend import jit

    announcing = jit._announcing

    def with_real_functions(dispatcher, name):
        dispatcher = announcing(dispatcher, name)
        compile_one = dispatcher.compile

        def compile_with_real_functions(signature):
            before = np.empty is _empty
            _switch(False)
            try:
                return compile_one(signature)
            finally:
                _switch(before)

        dispatcher.compile = compile_with_real_functions
        return dispatcher

    jit._announcing = with_real_functions
