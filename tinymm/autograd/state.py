"""The switches of the engine: is a graph being recorded, are NaNs hunted, are saved arrays checksummed."""

from __future__ import annotations

import contextlib
import threading


RECORD, ANOMALY, CHECKSUM = 1, 2, 4


class _State(threading.local):
    """Per thread, so that a data-loading thread under ``no_grad`` does not switch off the trainer's graph."""

    flags = RECORD   # all switches in one number, so that the hot path looks at one attribute

    grad_enabled = property(lambda self: bool(self.flags & RECORD))
    detect_anomaly = property(lambda self: bool(self.flags & ANOMALY))
    checksum_saved = property(lambda self: bool(self.flags & CHECKSUM))


state = _State()


class _Switch(contextlib.ContextDecorator):
    """A context manager, and a decorator, that sets or clears one flag of ``state``; it may be nested."""

    flag: int
    value: bool

    def __init__(self):
        self._before: list[int] = []

    def __enter__(self):
        self._before.append(state.flags & self.flag)
        state.flags = state.flags | self.flag if self.value else state.flags & ~self.flag
        return self

    def __exit__(self, *exc):
        state.flags = state.flags & ~self.flag | self._before.pop()
        return False


class no_grad(_Switch):
    """``with no_grad():`` records no graph; in-place changes of parameters are allowed."""

    flag, value = RECORD, False


class enable_grad(_Switch):
    """``with enable_grad():`` records the graph again, inside a ``no_grad``."""

    flag, value = RECORD, True


class set_grad_enabled(_Switch):
    """``with set_grad_enabled(mode):`` records the graph if ``mode`` is true."""

    flag = RECORD

    def __init__(self, mode: bool):
        super().__init__()
        self.value = bool(mode)


class detect_anomaly(_Switch):
    """``with detect_anomaly():`` raises at the first operation, forward or backward, that makes a NaN or infinity."""

    flag, value = ANOMALY, True


class detect_mutation(_Switch):
    """``with detect_mutation():`` checksums every array kept for the backward pass.

    Version counters see every change made through Tensors; this sees also those made to the bare arrays
    (``t.data`` of a NumPy array given to ``from_numpy``). It costs a pass over the memory.
    """

    flag, value = CHECKSUM, True


def is_grad_enabled() -> bool:
    """Whether operations record a graph now."""
    return state.grad_enabled
