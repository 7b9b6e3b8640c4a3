"""Pickles as Python 2 wrote them, whose strings are bytes and whose NumPy lies in ``numpy.core``."""

import io
import pickle
import struct


class _Pickler(pickle._Pickler):
    """Strings and names of functions by the opcodes of Python 2's pickler; the rest is the same."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        data = value if isinstance(value, bytes) else value.encode("latin-1")
        if not self.bin:
            self.write(b"S" + repr(data)[1:].encode() + b"\n")
        else:
            self.write(b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    def save_global(self, value, name=None):
        self.write(f"c{value.__module__.replace('numpy._core', 'numpy.core')}\n{value.__name__}\n".encode())
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string
    dispatch[type] = dispatch[type(len)] = dispatch[type(struct.pack)] = save_global


def python2(value, protocol=2) -> bytes:
    """``cPickle.dumps`` of lists, tuples, strings, numbers and arrays."""
    file = io.BytesIO()
    _Pickler(file, protocol).dump(value)
    return file.getvalue()
