"""The switches of the engine: is a graph being recorded, are NaNs hunted, are saved arrays checksummed."""

from __future__ import annotations

import contextlib
import functools
import threading


class _State(threading.local):
    """Per thread, so that a data-loading thread under ``no_grad`` does not switch off the trainer's graph."""

    grad_enabled = True
    detect_anomaly = False
    checksum_saved = False


state = _State()


class _Switch(contextlib.ContextDecorator):
    """A context manager, and a decorator, that sets one attribute of ``state``."""

    attribute: str
    value: bool

    def __enter__(self):
        self._before = getattr(self, "_before", [])
        self._before.append(getattr(state, self.attribute))
        setattr(state, self.attribute, self.value)
        return self

    def __exit__(self, *exc):
        setattr(state, self.attribute, self._before.pop())
        return False

    def __call__(self, function):
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with self._recreate_cm():
                return function(*args, **kwargs)
        return inside

    def _recreate_cm(self):
        copy = type(self).__new__(type(self))
        copy.attribute, copy.value = self.attribute, self.value
        return copy


class no_grad(_Switch):
    """``with no_grad():`` records no graph; in-place changes of parameters are allowed."""

    attribute, value = "grad_enabled", False


class enable_grad(_Switch):
    """``with enable_grad():`` records the graph again, inside a ``no_grad``."""

    attribute, value = "grad_enabled", True


class set_grad_enabled(_Switch):
    """``with set_grad_enabled(mode):`` records the graph if ``mode`` is true."""

    attribute = "grad_enabled"

    def __init__(self, mode: bool):
        self.value = bool(mode)


class detect_anomaly(_Switch):
    """``with detect_anomaly():`` raises at the first operation, forward or backward, that makes a NaN or infinity."""

    attribute, value = "detect_anomaly", True


class detect_mutation(_Switch):
    """``with detect_mutation():`` checksums every array kept for the backward pass.

    Version counters see every change made through Tensors; this sees also those made to the bare arrays
    (``t.data`` of a NumPy array given to ``from_numpy``). It costs a pass over the memory.
    """

    attribute, value = "checksum_saved", True


def is_grad_enabled() -> bool:
    """Whether operations record a graph now."""
    return state.grad_enabled
