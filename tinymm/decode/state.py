"""The recurrent state of hypotheses: any nesting of tuples, lists and dicts, one row of every array a hypothesis."""

from __future__ import annotations

from collections.abc import Callable

from ..autograd import Tensor
from ..backend.arrays import is_array


def take(state, rows):
    """The state of the hypotheses ``rows``: every Tensor and array of the nesting, indexed along axis 0.

    Args:
        state: Tensors and arrays of shape (N, ...), None, or tuples, lists and dicts of such.
        rows: integer array (M,), each in 0...N-1; rows may repeat, be left out, and change order.

    Returns:
        The same nesting with (M, ...) leaves: new Tensors for Tensors, new arrays for arrays.

    Raises:
        TypeError: something in the nesting is none of these.
    """
    return _map("take", lambda leaf, path: (leaf.detach() if isinstance(leaf, Tensor) else leaf)[rows], state)


def check_rows(name: str, state, n: int) -> None:
    """Refuse a state that does not have one row a hypothesis; ``name`` is the caller, for the message.

    Raises:
        ValueError: a leaf whose axis 0 has not length ``n``.
        TypeError: something in the nesting is no Tensor, array, tuple, list, dict or None.
    """
    def check(leaf, path: str) -> None:
        if leaf.ndim == 0 or len(leaf) != n:
            raise ValueError(f"{name}: {path} has shape {tuple(leaf.shape)}, but there are {n} hypotheses; axis 0 of every "
                             "array in the state must be the hypotheses (swap axes of an LSTM's (layers, N, H))")

    _map(name, check, state)


def _map(name: str, function: Callable, state, path: str = "state"):
    """``function(leaf, path)`` for each leaf, in the same nesting; ``path`` is how Python code would reach it."""
    if state is None:
        return None
    if isinstance(state, Tensor) or is_array(state):
        return function(state, path)
    if isinstance(state, dict):
        return {key: _map(name, function, value, f"{path}[{key!r}]") for key, value in state.items()}
    if isinstance(state, (tuple, list)):
        parts = [_map(name, function, value, f"{path}[{i}]") for i, value in enumerate(state)]
        if hasattr(state, "_fields"):   # a named tuple takes its fields one by one
            return type(state)(*parts)
        return tuple(parts) if isinstance(state, tuple) else parts
    raise TypeError(f"{name}: {path} is of type {type(state).__name__}; a decoding state holds Tensors, arrays and None, in "
                    "tuples, lists and dicts")
