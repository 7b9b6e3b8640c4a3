"""Values on their way between the process that judges and the one that holds a submission: a JSON head and raw array bytes.

Nothing is unpickled. Arrays of numbers are sent with their bytes; of other arrays, and of those that are too large, dtype and
shape are. Plain values and tuples, lists and dicts of them are sent as such, up to a size. Anything else becomes a stand-in: an
object that has nothing but the type's name. What comes from a submission is checked: ``Reader`` raises ``Broken``.

A frame is a mark, the lengths of head and body, and both.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

MARK = 16                # bytes that each frame begins with
LENGTHS = struct.Struct(">II")
START = MARK + LENGTHS.size
MOST_HEAD = 4 * 2 ** 20
MOST_BODY = 64 * 2 ** 20
MOST_ARRAY = 16 * 2 ** 20
NODES, DEPTH = 4096, 6   # of nested tuples, lists and dicts
LONGEST = 1_000          # characters of a text
NUMBERS = "biufc"        # kinds of dtype that are sent with their bytes
LARGEST = 10 ** 300      # of integers
SEQUENCES: dict[str, Any] = {"tuple": tuple, "list": list}


class Broken(Exception):
    """What came is no answer."""


class Handle:
    """The place of a value that stays in the process of the submission."""

    def __init__(self, number: int, process: object):
        self.number, self.process = number, process


def frame(mark: bytes, head: dict, body: bytes = b"", encode: Callable[[dict], str] = json.dumps) -> bytes:
    """Head and body as the bytes of a frame."""
    text = encode(head).encode()
    return mark + LENGTHS.pack(len(text), len(body)) + text + body


def cut_frame(mark: bytes, received: bytearray) -> tuple[dict, bytes] | None:
    """The first frame of what was received, which is cut off; None if it is not there as a whole.

    Raises:
        Broken: what was received is none.
    """
    if not mark.startswith(received[:MARK]):
        raise Broken("it writes into the line of the checker")
    if len(received) < START:
        return None
    head, body = LENGTHS.unpack(received[MARK:START])
    if head > MOST_HEAD or body > MOST_BODY:
        raise Broken("its answer is too large")
    if len(received) < START + head + body:
        return None
    text, data = received[START:START + head], received[START + head:START + head + body]
    del received[:START + head + body]
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise Broken("its answer is no JSON") from None
    if not isinstance(message, dict):
        raise Broken("its answer is not what was asked for")
    return message, bytes(data)


class Writer:
    """Values into nodes of JSON, and the bytes of their arrays.

    Args:
        number: gives an array the number by which both sides know it; None if it has none.
        known: gives the number of a ``Handle`` or of an array that the other side holds already; None if it does not.
    """

    def __init__(self, number: Callable[[np.ndarray], int | None], known: Callable[[Any], int | None]):
        self.number, self.known = number, known
        self.pieces: list[bytes] = []
        self.nodes, self.size = 0, 0

    def node(self, value, depth: int = 0) -> list:
        """A value as a node: a list that begins with its kind. The type is asked for, not what an object says of itself."""
        self.nodes += 1
        cls = type(value)
        if value is None:
            return ["none"]
        if cls is bool:
            return ["bool", value]
        if cls is Handle:
            return ["handle", self.known(value)]
        if issubclass(cls, np.ndarray):
            number = self.known(value)
            return ["again", number, *self.raw(value)] if number is not None else self.array(value)
        if issubclass(cls, np.generic):
            return ["scalar", None, *self.raw(np.asarray(value))]
        if issubclass(cls, int):
            return ["int", max(-LARGEST, min(LARGEST, int.__index__(value)))]
        if issubclass(cls, float):
            return ["float", float.__add__(value, 0.0) if value == value else float("nan")]
        if issubclass(cls, str):
            return ["str", str.__getitem__(value, slice(LONGEST))]
        for kind, sequence in SEQUENCES.items():
            if issubclass(cls, sequence):
                parts = itertools.islice(sequence.__iter__(value), NODES)
                return [kind, [self.node(part, depth + 1) for part in parts if self.nodes < NODES and depth < DEPTH]]
        if issubclass(cls, dict):
            return ["dict", [[self.node(part, depth + 1) for part in pair] for pair in itertools.islice(dict.items(value), NODES)
                             if self.nodes < NODES and depth < DEPTH]]
        return ["other", str(cls.__name__)[:LONGEST], str(cls.__module__)[:LONGEST]]

    def array(self, value: np.ndarray) -> list:
        """An array that the other side does not know yet."""
        special = (("matrix", np.matrix), ("masked", np.ma.MaskedArray))
        kind = next((kind for kind, cls in special if issubclass(type(value), cls)), "array")
        return [kind, self.number(value), *self.raw(np.ndarray.view(value, np.ndarray))]

    def raw(self, value: np.ndarray) -> list:
        """[dtype, shape, number of bytes], the last -1 where they are not sent."""
        shape = list(value.shape)
        if value.dtype.kind not in NUMBERS:
            return [np.lib.format.dtype_to_descr(value.dtype) if value.dtype.kind != "O" else "O", shape, -1]
        if self.size + value.nbytes > MOST_ARRAY:
            return [value.dtype.str, shape, -1]
        data = np.ndarray.tobytes(value)
        self.pieces.append(data)
        self.size += len(data)
        return [value.dtype.str, shape, len(data)]

    def body(self) -> bytes:
        return b"".join(self.pieces)


class Reader:
    """Nodes back into values.

    Args:
        data: the body of the frame.
        number: is told of an array and the number by which both sides know it.
        known: gives the array or value of a number, "again" or "handle" by its kind.
    """

    def __init__(self, data: bytes, number: Callable[[np.ndarray, Any], None], known: Callable[[str, Any], Any]):
        self.data, self.number, self.known = memoryview(data), number, known
        self.at, self.nodes = 0, 0

    def value(self, node) -> Any:
        """The value of a node.

        Raises:
            Broken: it is none.
        """
        try:
            return self._value(node)
        except Broken:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
            raise Broken(f"its answer is malformed ({type(error).__name__})") from None

    def _value(self, node) -> Any:
        kind, *rest = node
        self.nodes += 1
        if self.nodes > 2 * NODES:
            raise Broken("its answer is too large")
        if kind == "none":
            return None
        if kind in ("bool", "int", "float", "str"):
            value, = rest
            if type(value) is not {"bool": bool, "int": int, "float": float, "str": str}[kind]:
                raise Broken(f"its answer is malformed ({kind})")
            return value
        if kind in SEQUENCES:
            return SEQUENCES[kind](map(self._value, rest[0]))
        if kind == "dict":
            return {key if isinstance(key, (str, int, float, bool, type(None))) else str(type(key)): value
                    for key, value in (map(self._value, pair) for pair in rest[0])}
        if kind == "other":
            name, module = map(str, rest)
            return type(name.replace("\0", "?")[:LONGEST], (), {"__module__": module[:LONGEST]})()
        if kind == "handle":
            return self.known(kind, rest[0])
        number, *raw = rest
        array = self.raw(*raw)
        if kind == "scalar":
            return array[()]
        if kind == "again":
            held = self.known(kind, number)
            if held.flags.writeable and held.shape == array.shape and held.dtype == array.dtype:
                np.copyto(held, array)
            return held
        if kind not in ("array", "matrix", "masked"):
            raise Broken("its answer is malformed (kind)")
        if kind == "array":
            if number is not None:
                self.number(array, number)
            return array
        return np.asmatrix(array) if kind == "matrix" else np.ma.array(array)

    def raw(self, described, shape, size) -> np.ndarray:
        """An array of its own; one whose bytes were not sent holds zeros, which take no memory."""
        if not all(type(n) is int and 0 <= n < 2 ** 62 for n in shape) or len(shape) > 32 or type(size) is not int:
            raise Broken("its answer is malformed (shape)")
        dtype = np.dtype(_tuples(described))
        if size < 0:
            return np.broadcast_to(np.zeros((), dtype), shape)
        data = self.data[self.at:self.at + size]
        self.at += size
        if dtype.kind not in NUMBERS or len(data) != size:
            raise Broken("its answer is malformed (array)")
        return np.frombuffer(bytearray(data), dtype).reshape(shape)


def _tuples(described):
    """A dtype's description as NumPy wants it: JSON made lists of the tuples in it."""
    if not isinstance(described, list):
        return str(described)
    return [tuple(tuple(part) if isinstance(part, list) and i == 2 else _tuples(part) if isinstance(part, list) else part
                  for i, part in enumerate(field)) for field in described]
