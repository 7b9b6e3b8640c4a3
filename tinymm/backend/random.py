"""Named, counter-based random streams.

Each stream (initialisation, data order, dropout, sampling, ...) is a Philox generator with its own key, so
drawing more from one never shifts another, and its state is a few integers that fit in a checkpoint. The
numbers are drawn on the host, so a GPU gets the same ones.
"""

from __future__ import annotations

import zlib

import numpy as np

_streams: dict[str, "Stream"] = {}
_seed = 0


class Stream:
    """One named source of random numbers.

    Args:
        name: which stream; the same (name, seed) always gives the same numbers.
        seed: a non-negative integer.
    """

    def __init__(self, name: str, seed: int = 0):
        self.name = name
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> "Stream":
        """Start the stream again from ``seed``."""
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"manual_seed: {seed!r} is not a non-negative integer")
        key = (zlib.crc32(self.name.encode()) << 64) | (int(seed) & (2**64 - 1))
        self.generator = np.random.Generator(np.random.Philox(key=key))
        return self

    def state_dict(self) -> dict:
        """The position of the stream, of plain integers and strings (it goes through JSON)."""
        return _plain(self.generator.bit_generator.state)

    def load_state_dict(self, state: dict) -> None:
        """Continue from a position that ``state_dict`` gave."""
        arrays = {key: np.array(value, dtype=np.uint64) for key, value in state["state"].items()}
        self.generator.bit_generator.state = {**state, "state": arrays,
                                              "buffer": np.array(state["buffer"], dtype=np.uint64)}

    def __repr__(self) -> str:
        return f"Stream({self.name!r})"


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def manual_seed(seed: int) -> None:
    """Start every stream, present and future, again from ``seed``."""
    global _seed
    Stream("check", seed)   # refuses a bad seed before any stream moves
    _seed = int(seed)
    for named in _streams.values():
        named.manual_seed(seed)


def stream(name: str | Stream | None, default: str = "sampling") -> Stream:
    """The stream of that name (made at its first use), or ``name`` itself when it is a Stream.

    Raises:
        TypeError: neither; a seed, say.
    """
    if isinstance(name, Stream):
        return name
    if name is not None and not isinstance(name, str):
        raise TypeError(f"generator: {name!r} is a {type(name).__name__}, not a Stream or the name of one; make one with "
                        "Stream(name, seed)")
    name = name or default
    if name not in _streams:
        _streams[name] = Stream(name, _seed)
    return _streams[name]


def state_dict() -> dict:
    """The positions of all streams, for a checkpoint."""
    return {"seed": _seed, "streams": {name: named.state_dict() for name, named in _streams.items()}}


def load_state_dict(state: dict) -> None:
    """Continue all streams from a checkpoint."""
    manual_seed(state["seed"])
    for name, position in state["streams"].items():
        stream(name).load_state_dict(position)


def one_of_each(rng: np.random.Generator, allowed: np.ndarray) -> np.ndarray:
    """A random place in each row of those that are True: (N, K) bool -> (N,) int64; 0 in a row without any."""
    return np.where(allowed, rng.random(allowed.shape), -1.0).argmax(1)
