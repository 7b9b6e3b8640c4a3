"""Torch7's binary files (.t7), as Lua's ``torch.save`` writes them: tables, tensors, storages, strings, numbers, booleans, nil.

Everything is little-endian. A value is a 32-bit integer that says what it is, and its content; tables and tensors have a number,
under which they are written once and then only named:

    1  number     8 bytes, a double                       0  nil
    2  string     its length (32 bits), its bytes         5  boolean (32 bits)
    3  table      number, how many pairs, key, value, key, value ...
    4  tensor     number, "V 1", "torch.FloatTensor", axes (32 bits), sizes and strides (64 bits each), where in the storage it
                  begins, counted from 1, and the storage: number, "V 1", "torch.FloatStorage", length (64 bits), the numbers

Functions, and objects of other classes such as ``nn.Linear``, are refused by name. Nothing in a file is executed.
"""

from __future__ import annotations

import math
import os
import struct

import numpy as np

from .files import MOST_BYTES, ordinary_file

READER = "read_torch7"
EXPECTED = "a binary file of Torch7 (torch.save in Lua), with tables and tensors"
NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)     # the two older ways of writing them, and the present one
KINDS = {"Double": "f8", "Float": "f4", "Half": "f2", "Long": "i8", "Int": "i4", "Short": "i2", "Char": "i1", "Byte": "u1"}
CLASSES = {**{f"torch.{cuda}{kind}": dtype for cuda in ("", "Cuda") for kind, dtype in KINDS.items()}, "torch.Cuda": "f4"}
MOST_DEPTH = 100          # tables within tables
MOST_AXES = 32
MOST_NAME = 200           # characters of a class's name


def read_torch7(path: str | os.PathLike):
    """The value in a binary file of Torch7.

    Args:
        path: the file.

    Returns:
        Of a table a dict, whose keys are those of Lua: a list's are 1, 2, ...; one that is in the file twice is the same object.
        Of a tensor or storage an array (read-only, of the file's type; an empty tensor is (0,)); of nil None; of a number an
        int where it is whole, else a float; of a string a str, in which bytes that are not UTF-8 are surrogate escapes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a function, an object of another class, another format, a damaged or truncated file, one of more than 2**30
            bytes. The message has the byte at which it is.
    """
    path = ordinary_file(path, READER, EXPECTED, MOST_BYTES)
    reader = _Reader(path.read_bytes(), f"{READER}: {path}")
    value = reader.value()
    if left := len(reader.content) - reader.at:
        raise reader.error(reader.at, f"{left:,} bytes after the end of the value; expected none, the file is damaged")
    return value


class _Reader:
    """The values of a file, one after the other."""

    def __init__(self, content: bytes, where: str):
        self.content, self.where, self.at = content, where, 0
        self.seen: dict[tuple[int, int], object] = {}                      # (kind, number) -> table, array
        self.depth = 0

    def error(self, at: int, message: str) -> ValueError:
        return ValueError(f"{self.where} byte {at}: {message}")

    def take(self, count: int, what: str) -> bytes:
        """The next bytes.

        Raises:
            ValueError: there are not so many.
        """
        left = len(self.content) - self.at
        if not 0 <= count <= left:
            state = "the file is damaged" if count < 0 else "it is not whole, or damaged"
            raise self.error(self.at, f"expected {count:,} bytes of {what}, and the file has {left:,} more; {state}")
        self.at += count
        return self.content[self.at - count:self.at]

    def integers(self, code: str, count: int, what: str) -> tuple[int, ...]:
        """``count`` integers, of 32 bits ("i") or 64 ("q")."""
        return struct.unpack(f"<{count}{code}", self.take(count * struct.calcsize(f"<{code}"), what))

    def integer(self, what: str, code: str = "i") -> int:
        return self.integers(code, 1, what)[0]

    def string(self, what: str, most: int | None = None) -> str:
        at, length = self.at, self.integer(f"the length of {what}")
        if most is not None and length > most:
            raise self.error(at, f"{length:,} bytes of {what}; expected at most {most}, the file is damaged")
        return self.take(length, what).decode("utf-8", "surrogateescape")

    def value(self):
        """The next value, with all that is in it."""
        at, kind = self.at, self.integer("the kind of a value")
        if kind == NIL:
            return None
        if kind == NUMBER:
            number, = struct.unpack("<d", self.take(8, "a number"))
            return int(number) if number.is_integer() and abs(number) <= 2 ** 53 else number
        if kind == STRING:
            return self.string("a string")
        if kind == BOOLEAN:
            if (truth := self.integer("a boolean")) not in (0, 1):
                raise self.error(at, f"a boolean of {truth}; expected 0 or 1, the file is damaged")
            return bool(truth)
        if kind in FUNCTIONS:
            raise self.error(at, f"a Lua function; functions are not read, save {EXPECTED}")
        if kind not in (TABLE, TORCH):
            text = at == 0 and self.content[:1].isdigit() and self.content[1:2] in b"\r\n"
            raise self.error(at, "a file of Torch7 in ASCII; save it as binary" if text else
                             f"a value of kind {kind}; expected 0 to 5, this is not {EXPECTED}, or it is damaged")
        number = self.integer("the number of a table or tensor")
        if (kind, number) in self.seen:
            return self.seen[kind, number]
        if self.depth == MOST_DEPTH:
            raise self.error(at, f"tables within tables, deeper than {MOST_DEPTH}; the file is damaged")
        self.depth += 1
        value = self.table(number) if kind == TABLE else self.torch(number)
        self.depth -= 1
        return value

    def table(self, number: int) -> dict:
        found: dict = {}
        self.seen[TABLE, number] = found                                   # it may be in itself
        at, count = self.at, self.integer("the size of a table")
        if count < 0:
            raise self.error(at, f"a table of {count} pairs; the file is damaged")
        for _ in range(count):
            at, key = self.at, self.value()
            if not isinstance(key, (int, float, str)):
                raise self.error(at, f"a key of a table is of type {type(key).__name__}; expected numbers, strings or booleans")
            if key != key:
                raise self.error(at, "a key of a table is NaN; the file is damaged")
            if key in found:
                raise self.error(at, f"the key {str(key)[:60]!r} is in its table twice; the file is damaged")
            found[key] = self.value()
        return found

    def torch(self, number: int) -> np.ndarray:
        at, version = self.at, self.string("a version", MOST_NAME)
        name = self.string("a class's name", MOST_NAME) if version.startswith("V ") else version   # once there were no versions
        kind, what = (name[:-6], "Tensor") if name.endswith("Tensor") else (name[:-7], "Storage")
        if kind not in CLASSES or not name.endswith(what):
            raise self.error(at, f"an object of the class {name!r}; expected a tensor, a storage or a table, others are not read")
        dtype = np.dtype(CLASSES[kind]).newbyteorder("<")
        found = self.tensor(kind, dtype) if what == "Tensor" else self.storage(dtype)
        found.flags.writeable = False
        self.seen[TORCH, number] = found
        return found

    def storage(self, dtype: np.dtype) -> np.ndarray:
        count = self.integer("the length of a storage", "q")
        return np.frombuffer(self.take(count * dtype.itemsize, "a storage"), dtype).astype(dtype.newbyteorder("="), copy=False)

    def tensor(self, kind: str, dtype: np.dtype) -> np.ndarray:
        at, axes = self.at, self.integer("the axes of a tensor")
        if not 0 <= axes <= MOST_AXES:
            raise self.error(at, f"a tensor of {axes} axes; expected 0 to {MOST_AXES}, the file is damaged")
        sizes, strides = (self.integers("q", axes, f"{what} of a tensor") for what in ("sizes", "strides"))
        first = self.integer("the place of a tensor in its storage", "q") - 1
        of_storage, storage = self.at, self.value()
        if storage is None:
            storage = np.zeros(0, dtype)
        if not isinstance(storage, np.ndarray) or storage.ndim != 1 or storage.dtype != dtype.newbyteorder("="):
            raise self.error(of_storage, f"expected the storage of a {kind}Tensor; the file is damaged")
        if not axes:
            sizes, strides = (0,), (0,)
        last = first + sum((size - 1) * stride for size, stride in zip(sizes, strides))   # of Python's integers: nothing wraps
        lies = 0 in sizes or 0 <= first <= last < len(storage)
        if min(*sizes, *strides) < 0 or not lies or math.prod(max(size, 1) for size in sizes) * storage.itemsize > MOST_BYTES:
            raise self.error(at, f"a tensor {' x '.join(map(str, sizes))} with strides {strides} from {first + 1} on does not lie "
                                 f"in its storage of {len(storage):,}; the file is damaged")
        if 0 in sizes:
            return np.zeros(sizes, storage.dtype)
        steps = [stride * storage.itemsize if size > 1 else 0 for size, stride in zip(sizes, strides)]
        return np.lib.stride_tricks.as_strided(storage[first:], sizes, steps)
