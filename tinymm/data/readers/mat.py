"""Numeric arrays in MATLAB's MAT-files of version 5, plain or compressed.

"MAT-File Format", The MathWorks: a head of 128 bytes, then elements of a tag (type and bytes) and data. An array is an element
of elements: flags, dimensions, name, real part. Its numbers may stand there in a smaller type than the array's own.
"""

from __future__ import annotations

import math
import os
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from .files import BEST_PACKED, BLOCK, MOST_BYTES, ordinary_file

READER = "read_mat"
EXPECTED = "a MAT-file of version 5 (in MATLAB: save -v7 or -v6)"
HEAD, TAG = 128, 8        # bytes
MATRIX, COMPRESSED = 14, 15
INT32, UINT32, INT8 = 5, 6, 1
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}   # types of elements
NUMERIC = range(6, 16)    # classes of arrays: double, single, and the integers
OTHER = {1: "a cell array", 2: "a struct", 3: "an object", 4: "text", 5: "a sparse array"}
COMPLEX, LOGICAL = 0x0800, 0x0200
MOST_HEAD = 4096          # bytes that hold an array's parts before its numbers; a name has at most 63 characters

MOST_AXES = 32


class Header(NamedTuple):
    """What an array says of itself before its numbers."""

    name: str
    odd: str                                # what it is, if no full array of real numbers
    shape: tuple[int, ...]
    dtype: np.dtype = np.dtype(np.uint8)    # of the numbers in the file
    logical: bool = False
    start: int = 0                          # where they begin, counted from the array's own tag
    size: int = 0                           # bytes that they take


def read_mat(path: str | os.PathLike, key: str = "X") -> np.ndarray:
    """One numeric array of a MAT-file of version 5.

    Args:
        path: the file.
        key: the variable's name.

    Returns:
        The array, column after column in memory as in the file. Its type is the one that the file stores its numbers in:
        MATLAB writes a double array of zeros and ones as uint8. A logical array is bool.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format or version, a damaged or truncated file, no such variable, one that is no full real numeric
            array, or one of more than 2**30 bytes. The message says which variable, and at which byte of the file.
    """
    path = ordinary_file(path, READER, EXPECTED)
    with open(path, "rb") as file:
        order = _byte_order(file.read(HEAD), path)
        names = []
        for kind, start, size in _elements(file, order, path):
            element = _Element(file, kind, start, size, path)
            header = _header(element, order)
            if header is not None and header.name == key:
                return _array(element, header)
            names += [header.name] if header else []
    found = f"it has {', '.join(map(repr, names))}" if names else "it holds no array"
    raise ValueError(f"{READER}: {path} has no variable {key!r}, {found}; give key=NAME")


def _byte_order(head: bytes, path: pathlib.Path) -> str:
    if head.startswith(b"MATLAB 7.3") or head.startswith(b"\x89HDF"):
        raise ValueError(f"{READER}: {path} is a MAT-file of version 7.3 (HDF5); expected {EXPECTED}")
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if len(head) < HEAD or order is None or struct.unpack(order + "H", head[124:126])[0] != 0x0100:
        raise ValueError(f"{READER}: {path}: its first {len(head)} bytes are not the head of {EXPECTED}; they begin with "
                         f"{head[:20]!r}")
    return order


def _elements(file: BinaryIO, order: str, path: pathlib.Path) -> Iterator[tuple[int, int, int]]:
    """(type, where the data begin, bytes) of each element of the file."""
    length, place = path.stat().st_size, HEAD
    while place < length:
        file.seek(place)
        tag = file.read(TAG)
        if len(tag) < TAG:
            raise ValueError(f"{READER}: {path} ends at byte {length} in a tag of {TAG} bytes at byte {place}; the file is not "
                             f"whole")
        kind, size = struct.unpack(order + "II", tag)
        if kind not in (MATRIX, COMPRESSED):
            raise ValueError(f"{READER}: {path} byte {place}: an element of type {kind}; expected an array ({MATRIX}) or a "
                             f"compressed one ({COMPRESSED}), the file is damaged")
        if place + TAG + size > length:
            raise ValueError(f"{READER}: {path} byte {place}: an array of {size:,} bytes, and the file has "
                             f"{length - place - TAG:,} more; it is not whole")
        yield kind, place + TAG, size
        place += TAG + size   # arrays are padded to 8 bytes inside; compressed ones are not padded


class _Element:
    """The bytes of one array from its own tag on; those of a compressed one are unpacked as far as they are asked for."""

    def __init__(self, file: BinaryIO, kind: int, start: int, size: int, path: pathlib.Path):
        self.file, self.start, self.size, self.packed = file, start, size, kind == COMPRESSED
        self.most = size * BEST_PACKED if self.packed else size + TAG
        self.where = f"{READER}: {path}, the array at byte {start - TAG}"

    def read(self, count: int) -> bytes:
        """The first ``count`` bytes, or fewer where there are no more.

        Raises:
            ValueError: compressed data that are damaged, or end before that and before their own end.
        """
        if not self.packed:
            self.file.seek(self.start - TAG)
            return self.file.read(min(count, self.most))
        self.file.seek(self.start)
        inflate, parts, left, length, block = zlib.decompressobj(), [], self.size, 0, b""
        try:
            while length < count and not inflate.eof:
                if not block:
                    block = self.file.read(min(left, BLOCK))
                    left -= len(block)
                    if not block:
                        raise ValueError(f"{self.where}: its compressed data end after {length:,} unpacked bytes; the file is not "
                                         f"whole")
                parts.append(inflate.decompress(block, count - length))
                length, block = length + len(parts[-1]), inflate.unconsumed_tail
        except zlib.error as error:
            raise ValueError(f"{self.where}: its compressed data are damaged after {length:,} unpacked bytes ({error})") from None
        return b"".join(parts)


class _Parts:
    """The parts of an array, one after the other, from its first bytes."""

    def __init__(self, element: _Element, order: str):
        self.where, self.head, self.order, self.at = element.where, element.read(MOST_HEAD), order, 0

    def next(self, what: str, kinds: tuple[int, ...]) -> tuple[int, int, int]:
        """Type, first byte and bytes of the next part's data; ``at`` is then where they begin.

        Raises:
            ValueError: there is none, or it has another type.
        """
        if self.at + TAG > len(self.head):
            raise ValueError(f"{self.where}: it ends after {len(self.head)} bytes, before its {what}; the file is not whole")
        kind, size = struct.unpack_from(self.order + "II", self.head, self.at)
        self.at += TAG
        if kind >> 16:   # up to four bytes stand in the tag itself
            kind, size, self.at = kind & 0xFFFF, kind >> 16, self.at - 4
        if kind not in kinds or (self.at % TAG and size > 4):
            raise ValueError(f"{self.where}: type {kind}, {size:,} bytes; expected its {what}, of type "
                             f"{' or '.join(map(str, kinds[:3]))}; the file is damaged")
        return kind, self.at, size

    def read(self, what: str, kind: int) -> bytes:
        """The next part's data, which are in the first bytes."""
        _, start, size = self.next(what, (kind,))
        if start + size > len(self.head):
            raise ValueError(f"{self.where}: {size:,} bytes of {what} are more than there are; the file is damaged")
        self.at = start + max(size + -(start + size) % TAG, TAG - start % TAG)   # each part begins at a multiple of 8
        return self.head[start:start + size]


def _header(element: _Element, order: str) -> Header | None:
    """What the array says of itself; None for MATLAB's own objects, which have other parts."""
    parts = _Parts(element, order)
    parts.next("tag", (MATRIX,))
    flags = parts.read("flags", UINT32)
    if len(flags) != 8:
        raise ValueError(f"{element.where}: {len(flags)} bytes of flags; expected 8, the file is damaged")
    flag, = struct.unpack_from(order + "I", flags)
    number = flag & 0xFF
    if number not in NUMERIC and number not in OTHER:
        return None
    lengths = parts.read("dimensions", INT32)
    if len(lengths) % 4 or not 2 <= len(lengths) // 4 <= MOST_AXES:
        raise ValueError(f"{element.where}: {len(lengths)} bytes of dimensions; expected 4 for each of 2 to {MOST_AXES}")
    shape = struct.unpack(f"{order}{len(lengths) // 4}i", lengths)
    name = parts.read("name", INT8).decode("latin-1")
    kind = OTHER.get(number) or ("complex" if flag & COMPLEX else "")
    if kind:
        return Header(name, kind, shape)
    stored, start, size = parts.next(f"numbers ({name!r})", tuple(STORED))
    dtype = np.dtype(STORED[stored]).newbyteorder(order)
    return Header(name, "", shape, dtype, bool(flag & LOGICAL), start, size)


def _array(element: _Element, header: Header) -> np.ndarray:
    where = f"{element.where} ({header.name!r})"
    if header.odd:
        raise ValueError(f"{where}: it is {header.odd}; expected a full array of real numbers")
    count = math.prod(header.shape)   # of Python's integers: that of damaged ones does not wrap
    sizes = f"{' x '.join(map(str, header.shape))} numbers of {header.dtype.itemsize} bytes"
    wanted = count * header.dtype.itemsize
    if min(header.shape) < 0 or wanted != header.size:
        raise ValueError(f"{where}: {sizes} in {header.size:,} bytes; expected {wanted:,}, the file is damaged")
    if wanted > MOST_BYTES:
        raise ValueError(f"{where}: {sizes} are more than {MOST_BYTES:,} bytes; save fewer")
    end = header.start + wanted
    data = element.read(end + TAG) if end <= element.most else b""   # beyond the end: the check sum of compressed data
    if len(data) < end:
        raise ValueError(f"{where}: {wanted:,} bytes of numbers are more than there are; the file is not whole")
    numbers = np.frombuffer(data, header.dtype, count, header.start)
    numbers = numbers.astype(bool if header.logical else header.dtype.newbyteorder("="))
    return numbers.reshape(header.shape, order="F")
