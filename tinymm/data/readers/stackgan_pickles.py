"""StackGAN's pickles of birds and flowers, turned once into a file .npz that needs no pickle.

    train/filenames.pickle                   N names without ending: 002.Laysan_Albatross/Laysan_Albatross_0002_1027
    train/class_info.pickle                  N numbers of classes
    train/char-CNN-RNN-embeddings.pickle     phi(t) of ten captions each, (N, 10, 1024), or N arrays (10, 1024)
    train/76images.pickle                    pictures, N arrays (76, 76, 3) uint8; may be absent

A pickle is a program: it can name any function of any module and call it. The one here knows NumPy's arrays, types and numbers
alone, and even these by stand-ins of its own, so that it calls nothing. The files are of Python 2, whose strings are bytes.
"""

from __future__ import annotations

import os
import pathlib
import pickle
import re
import warnings
import zipfile
import zlib
from typing import IO, Any, NamedTuple

import numpy as np

from ...backend.files import replacing
from .files import MOST_BYTES, ordinary_file

READER = "convert_stackgan"
NAMES, CLASSES, EMBEDDINGS, IMAGES = "filenames.pickle", "class_info.pickle", "char-CNN-RNN-embeddings.pickle", "76images.pickle"
CONVERTED = "stackgan.npz"
MOST_PICKLE = 2 ** 32     # bytes; in the oldest protocol a byte takes up to four
CORES = ("numpy.core.multiarray", "numpy._core.multiarray")   # of NumPy 1 and 2
GLOBALS = {("numpy", "ndarray"), ("numpy", "dtype"), *((core, name) for core in CORES for name in ("_reconstruct", "scalar"))}
DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")


class StackGANPart(NamedTuple):
    """What one of StackGAN's parts, train or test, holds.

    Attributes:
        names: N names of pictures, without ending.
        classes: (N,) int64, the dataset's numbers of classes.
        embeddings: (N, K, d) float32, phi of K captions each.
        images: (N, 3, S, S) uint8, or None.
    """

    names: tuple[str, ...]
    classes: np.ndarray
    embeddings: np.ndarray
    images: np.ndarray | None = None


def convert_stackgan(folder: str | os.PathLike, out: str | os.PathLike | None = None) -> pathlib.Path:
    """Turn the pickles of one of StackGAN's parts into a file .npz, which ``read_stackgan`` reads.

    Args:
        folder: of the part, as ``birds/train``, with ``filenames.pickle``, ``class_info.pickle``,
            ``char-CNN-RNN-embeddings.pickle`` and perhaps ``76images.pickle``.
        out: the file to write; ``stackgan.npz`` in the folder if not given. It is there completely or not at all.

    Returns:
        The file that was written.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a pickle that names anything but NumPy's arrays, types and numbers, or holds other objects; one that is
            damaged or truncated; files of different lengths. The message has the file and, within a pickle, the byte.
        OSError: ``out`` cannot be written.
    """
    folder = pathlib.Path(folder)
    names = _names(folder / NAMES)
    classes = _numbers(folder / CLASSES, len(names), 0, "iu").astype(np.int64)
    with np.errstate(over="ignore"):   # what float32 cannot hold is refused below
        embeddings = _numbers(folder / EMBEDDINGS, len(names), 2, "f").astype(np.float32)
    if not np.isfinite(embeddings).all():
        raise ValueError(f"{READER}: {folder / EMBEDDINGS}: a number that is not finite in float32; expected embeddings")
    arrays = {"names": np.array(names), "classes": classes, "embeddings": embeddings}
    if (folder / IMAGES).exists():
        images = _numbers(folder / IMAGES, len(names), 3, "u")
        if images.shape[-1] != 3 or images.dtype != np.uint8:
            raise ValueError(f"{READER}: {folder / IMAGES}: pictures of shape {images.shape[1:]}, {images.dtype}; expected "
                             f"(S, S, 3), uint8")
        arrays["images"] = np.ascontiguousarray(images.transpose(0, 3, 1, 2))   # (N, 3, S, S)
    out = folder / CONVERTED if out is None else pathlib.Path(out)
    with replacing(out) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)   # type: ignore[arg-type]
    return out


def read_stackgan(path: str | os.PathLike) -> StackGANPart:
    """A file that ``convert_stackgan`` has written; nothing in it is unpickled.

    Args:
        path: the file.

    Returns:
        Names, classes, embeddings and pictures.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format, damage, arrays that do not belong together.
    """
    expected = "a file .npz that convert_stackgan has written"
    path = ordinary_file(path, "read_stackgan", expected, 4 * MOST_BYTES)
    try:
        with zipfile.ZipFile(path) as packed:
            if (size := sum(entry.file_size for entry in packed.infolist())) > 4 * MOST_BYTES:
                raise ValueError(f"{size:,} bytes of arrays are more than {4 * MOST_BYTES:,}")
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        names, classes, embeddings, images = (found.get(name) for name in ("names", "classes", "embeddings", "images"))
        if names is None or names.dtype.kind != "U" or classes is None or classes.dtype != np.int64 or embeddings is None \
                or embeddings.dtype != np.float32 or embeddings.ndim != 3 \
                or images is not None and (images.dtype != np.uint8 or images.ndim != 4) \
                or any(len(array) != len(names) for array in (classes, embeddings, *([] if images is None else [images]))):
            raise ValueError(f"it holds {', '.join(f'{name} {a.shape} {a.dtype}' for name, a in found.items()) or 'nothing'}")
    except (ValueError, OSError, KeyError, EOFError, RuntimeError, NotImplementedError, SyntaxError, TypeError, OverflowError,
            MemoryError, zipfile.BadZipFile, zlib.error) as error:   # what NumPy and zipfile say of damaged files
        raise ValueError(f"read_stackgan: {path}: {error}; expected {expected}") from None
    return StackGANPart(tuple(names.tolist()), classes, embeddings, images)


def _names(path: pathlib.Path) -> list[str]:
    found = unpickled(path)
    names = [_text(name) for name in found] if isinstance(found, list) else []
    if not names or None in names:
        raise ValueError(f"{READER}: {path} holds {_told(found)}; expected a list of names of pictures")
    return names   # type: ignore[return-value]


def _numbers(path: pathlib.Path, count: int, axes: int, kinds: str) -> np.ndarray:
    """An array of ``count`` rows, or a list of so many arrays or numbers, each of ``axes`` axes and one of the kinds."""
    found = unpickled(path)
    rows = [row.numbers if isinstance(row, _Array) else row for row in (found if isinstance(found, list) else [found])]
    if any(not isinstance(row, (np.ndarray, np.generic, int)) or isinstance(row, bool) for row in rows):
        raise ValueError(f"{READER}: {path} holds {_told(found)}; expected an array, or a list of arrays or numbers")
    shapes = {np.shape(row) for row in rows}
    if len(shapes) > 1:
        raise ValueError(f"{READER}: {path} holds arrays of shapes {sorted(shapes)[:5]}; expected the same shape for all")
    if sum(np.asarray(row).nbytes for row in rows) > 4 * MOST_BYTES:   # a pickle may name one array a million times
        raise ValueError(f"{READER}: {path} holds more than {4 * MOST_BYTES:,} bytes of numbers")
    array = np.array(rows) if isinstance(found, list) else np.asarray(rows[0])
    if array.ndim != axes + 1 or array.dtype.kind not in kinds:
        raise ValueError(f"{READER}: {path} holds an array {array.shape} of {array.dtype}; expected {axes + 1} axes, of kind "
                         f"{' or '.join(kinds)}")
    if len(array) != count:
        raise ValueError(f"{READER}: {path} has {len(array)} rows, and {NAMES} {count} names; expected a row for each name")
    return array


def _text(value) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _told(found) -> str:
    return f"a list of {len(found)}" + (f", the first of type {type(found[0]).__name__.strip('_')}" if found else "") \
        if isinstance(found, list) else f"a value of type {type(found).__name__.strip('_')}"


# a pickle without functions

def unpickled(path: str | os.PathLike) -> Any:
    """The value of a pickle; arrays are stand-ins with an attribute ``numbers``, strings of Python 2 are bytes.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: any global but NumPy's, an array of other things than numbers, damage; with the byte.
    """
    path = ordinary_file(path, READER, "a pickle of StackGAN", MOST_PICKLE)
    with open(path, "rb") as file:
        content = _Content(file, path.stat().st_size)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)   # of a damaged string with a backslash too many
                value = _Unpickler(content, encoding="bytes").load()
            if file.read(1):
                raise ValueError("there is more after the end of the pickle")
            return value
        except MemoryError:
            reason = "more than memory holds"
        except Exception as error:   # the machine of pickles says by any exception that a program for it is damaged
            reason = str(error) if isinstance(error, (ValueError, pickle.UnpicklingError, EOFError)) else \
                f"it is damaged ({type(error).__name__})"
        raise ValueError(f"{READER}: {path} byte {file.tell():,}: {reason}; expected a pickle of StackGAN, with lists, strings, "
                         f"numbers and NumPy's arrays")


class _Content:
    """A file as the unpickler reads it, which does not ask for memory that a damaged length calls for.

    The oldest protocol is text, and copies are about whose lines Git has ended in Windows' way.
    """

    def __init__(self, file: IO[bytes], size: int):
        self.file, self.size = file, size
        first = file.readline(200)
        self.windows = first.endswith(b"\r\n") and first.isascii()   # later protocols begin with the byte 0x80
        file.seek(0)

    def read(self, count: int) -> bytes:
        if count > self.size - self.file.tell():
            raise EOFError("the file ends here; it is not whole, or damaged")
        return self.file.read(count)

    def readline(self) -> bytes:
        line = self.file.readline()
        return line[:-2] + b"\n" if self.windows and line.endswith(b"\r\n") else line


class _Unpickler(pickle._Unpickler):   # the one in Python: the one in C makes as much room as a damaged number says
    """Pickle's machine, for which nothing has a name but what stands in for NumPy's arrays, types and numbers."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in GLOBALS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused; nothing but NumPy's arrays is made, and "
                                         f"no function is called")
        return _Global(name)

    def get_extension(self, code: int) -> Any:
        raise pickle.UnpicklingError(f"it asks for the registered extension {code}, which is refused")


class _Global:
    """What a pickle gets for a name of NumPy's."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __call__(self, *arguments):
        if self.name == "_reconstruct":   # its arguments, a class and no shape, say nothing
            return _Array()
        if self.name == "dtype":
            return _Type(*arguments)
        if self.name == "scalar":
            kind, data = arguments
            return _filled(kind, (), data)[()]
        raise ValueError("it makes an array by calling ndarray, which is refused")

    def __setstate__(self, state):
        raise ValueError(f"it changes numpy's {self.name}, which is refused")


class _Type:
    """A dtype of plain numbers: called with its code, then told its byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code, align=False, copy=False):
        text = _text(code)
        if text is None or not DTYPE.fullmatch(text):
            raise ValueError(f"an array of dtype {text or code!r}; integers, floats and booleans are read, objects are refused")
        self.code, self.order = text.lstrip("<>|="), text[:1] if text[0] in "<>" else "="

    def __setstate__(self, state):
        order, rest = _text(state[1]), state[2:5]
        if order not in ("<", ">", "|", "=") or rest != (None, None, None):
            raise ValueError("an array of records or of unknown byte order; plain numbers are read")
        self.order = order

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class _Array:
    """An array of plain numbers, told its shape, type and bytes."""

    __slots__ = ("numbers",)
    numbers: np.ndarray

    def __init__(self):
        self.numbers = np.zeros(0)

    def __setstate__(self, state):
        _, shape, kind, fortran, data = state
        self.numbers = _filled(kind, shape, data, "F" if fortran else "C")


def _filled(kind, shape, data, order="C") -> np.ndarray:
    """The array that bytes are.

    Raises:
        ValueError: no plain type, or another number of bytes than shape and type ask for.
    """
    if not isinstance(kind, _Type) or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an array without a shape of integers and a type; it is damaged")
    data = data.encode("latin-1") if isinstance(data, str) else data
    wanted = kind.dtype.itemsize
    for n in shape:   # of Python's integers: nothing wraps
        wanted *= n
    if not isinstance(data, bytes) or len(data) != wanted:
        held = f"{len(data):,} bytes" if isinstance(data, bytes) else f"a value of type {type(data).__name__}"
        raise ValueError(f"an array {' x '.join(map(str, shape)) or '()'} of {kind.dtype} in {held}; expected {wanted:,} bytes")
    return np.frombuffer(data, kind.dtype).astype(kind.dtype.newbyteorder("="), copy=False).reshape(
        shape, order="F" if order == "F" else "C")
