"""Torch7's binary files for the tests, written by the format's description: what ``torch.save`` of Lua does."""

import struct

import numpy as np

NAMES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short", "i1": "Char", "u1": "Byte"}


def integers(code, *values) -> bytes:
    return struct.pack(f"<{len(values)}{code}", *values)


def string(text) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return integers("i", len(data)) + data


def head(number: int, name: str) -> bytes:
    """Of an object of a class."""
    return integers("i", 4, number) + string("V 1") + string(name)


class Torch7:
    """Writes values; tables and arrays that are written again are named by their number."""

    def __init__(self):
        self.numbers = {}

    def number(self, value) -> tuple[int, bool]:
        known = id(value) in self.numbers
        return self.numbers.setdefault(id(value), (len(self.numbers) + 1, value))[0], known   # the value: its id stays its own

    def write(self, value) -> bytes:
        if value is None:
            return integers("i", 0)
        if isinstance(value, bool):
            return integers("i", 5, value)
        if isinstance(value, (int, float)):
            return integers("i", 1) + struct.pack("<d", value)
        if isinstance(value, (str, bytes)):
            return integers("i", 2) + string(value)
        if isinstance(value, (list, tuple)):
            value = dict(enumerate(value, 1))
        number, known = self.number(value)
        if isinstance(value, dict):
            body = b"" if known else integers("i", len(value))
            return integers("i", 3, number) + body + b"".join(self.write(k) + self.write(v) for k, v in value.items() if not known)
        return integers("i", 4, number) if known else self.tensor(value, number)

    def tensor(self, array: np.ndarray, number: int) -> bytes:
        """With the strides that it has, in the storage of its base."""
        name, base = NAMES[array.dtype.str[1:]], array if array.base is None else array.base
        first = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // array.itemsize
        strides = [step // array.itemsize for step in array.strides]
        of_storage, known = self.number(base.reshape(-1)) if base is array else self.number(base)
        storage = integers("i", 4, of_storage) if known else \
            head(of_storage, f"torch.{name}Storage") + integers("q", base.size) + base.tobytes()
        return head(number, f"torch.{name}Tensor") + integers("i", array.ndim) + integers("q", *array.shape, *strides,
                                                                                          first + 1) + storage


def write_torch7(path, value):
    path.write_bytes(Torch7().write(value))
    return path
