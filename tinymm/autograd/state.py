"""The switches of the engine: is a graph being recorded, are NaNs hunted, are saved arrays checksummed."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable
from threading import get_ident
from typing import Any


RECORD, ANOMALY, CHECKSUM = 1, 2, 4


class _State(threading.local):
    """Per thread, so that a data-loading thread under ``no_grad`` does not switch off the trainer's graph."""

    flags = RECORD   # all switches in one number, so that the hot path looks at one attribute

    grad_enabled = property(lambda self: bool(self.flags & RECORD))
    detect_anomaly = property(lambda self: bool(self.flags & ANOMALY))
    checksum_saved = property(lambda self: bool(self.flags & CHECKSUM))


state = _State()


class _Switch:
    """A context manager, and a decorator, that sets or clears one flag of ``state``.

    It may be nested, and shared by threads: each thread gets back what it had. As a decorator it stands with or
    without parentheses, and holds while the function runs: while a generator or a coroutine is suspended, its caller
    has the caller's flags.
    """

    flag: int
    value: bool
    _before: dict[int, list[int]]   # thread -> what the flag was before each ``with``

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        switch: Any = super().__new__(cls)
        switch._before = {}
        if cls.__init__ is object.__init__ and args:   # @no_grad, without parentheses
            function, *more = args
            if kwargs or more or not callable(function):
                raise TypeError(f"{cls.__name__}: takes no arguments; write `with {cls.__name__}():`")
            return switch(function)
        return switch

    def __enter__(self):
        self._before.setdefault(get_ident(), []).append(state.flags & self.flag)
        self._set()
        return self

    def __exit__(self, *exc):
        before = self._before.get(get_ident())
        if before:   # none where a generator's `with` is closed by another thread than the one that opened it
            state.flags = state.flags & ~self.flag | before.pop()
        return False

    def _set(self) -> None:
        state.flags = state.flags | self.flag if self.value else state.flags & ~self.flag

    def __call__(self, function: Callable) -> Callable:
        """``function`` under this switch."""
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"{type(self).__name__}: decorates functions and methods, not "
                            f"{'the class ' + function.__name__ if isinstance(function, type) else type(function).__name__}"
                            "; decorate its methods")
        under = _async_generator if inspect.isasyncgenfunction(function) else \
            _coroutine if inspect.iscoroutinefunction(function) else \
            _generator if inspect.isgeneratorfunction(function) else _function
        return functools.wraps(function)(under(self, function))


def _function(switch: _Switch, function: Callable) -> Callable:
    def under(*args, **kwargs):
        with switch:
            return function(*args, **kwargs)
    return under


def _generator(switch: _Switch, function: Callable) -> Callable:
    def under(*args, **kwargs):
        return (yield from _steps(switch, function(*args, **kwargs)))
    return under


def _coroutine(switch: _Switch, function: Callable) -> Callable:
    async def under(*args, **kwargs):
        return await _paced(switch, function(*args, **kwargs))
    return under


def _async_generator(switch: _Switch, function: Callable) -> Callable:
    async def under(*args, **kwargs):
        inner, sent = function(*args, **kwargs), None
        step = inner.asend
        try:
            while True:
                try:
                    value = await _paced(switch, step(sent))
                except StopAsyncIteration:
                    return
                try:
                    sent, step = (yield value), inner.asend
                except GeneratorExit:
                    raise
                except BaseException as error:
                    sent, step = error, inner.athrow
        finally:
            await _paced(switch, inner.aclose())
    return under


def _steps(switch: _Switch, inner):
    """Run a generator, or what is awaited, under ``switch``, step by step: outside of it while suspended."""
    step, sent = inner.send, None
    try:
        while True:
            try:
                with switch:
                    value = step(sent)
            except StopIteration as stop:
                return stop.value
            try:
                sent, step = (yield value), inner.send
            except GeneratorExit:
                raise
            except BaseException as error:
                sent, step = error, inner.throw
    finally:
        with switch:
            inner.close()


_paced = types.coroutine(_steps)


class no_grad(_Switch):
    """``with no_grad():`` records no graph; in-place changes of parameters are allowed."""

    flag, value = RECORD, False


class enable_grad(_Switch):
    """``with enable_grad():`` records the graph again, inside a ``no_grad``."""

    flag, value = RECORD, True


class set_grad_enabled(_Switch):
    """``set_grad_enabled(mode)`` records the graph if ``mode`` is true: from now on, or inside a ``with``.

    Called alone it holds until the next call, in this thread; ``with set_grad_enabled(mode):`` and the decorator
    ``@set_grad_enabled(mode)`` give back what was before.

    Raises:
        TypeError: ``mode`` is no bool.
    """

    flag = RECORD

    def __init__(self, mode: bool):
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled: mode is True or False, got {mode!r}")
        self.value = mode
        self._made: int | None = state.flags & self.flag   # before the call, until a ``with`` or a decorator takes it
        self._set()

    def __enter__(self):
        self._restore()
        return super().__enter__()

    def __call__(self, function: Callable) -> Callable:
        self._restore()
        return super().__call__(function)

    def _restore(self) -> None:
        if self._made is not None:
            state.flags = state.flags & ~self.flag | self._made
            self._made = None


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
