"""What readers of big or packed files share: files that are there and not too big, gzip with a bound, one line of millions."""

from __future__ import annotations

import os
import pathlib
import zlib

import numpy as np

MOST_BYTES = 2 ** 30      # of one array or packed file in memory: more than any dataset here needs
MOST_LINE = 2 ** 20       # bytes of a line
BLOCK = 2 ** 20           # bytes that are looked through at once
GZIP = b"\x1f\x8b"
BEST_PACKED = 1032        # bytes that deflate can make of one (zlib's documentation, "maximum compression factor")


def ordinary_file(path: str | os.PathLike, reader: str, expected: str, most: int | None = None) -> pathlib.Path:
    """The path of a file that can be read.

    Args:
        path: the file.
        reader: the function whose name opens the messages.
        expected: what to give instead, for the messages.
        most: bytes that it may have; None for any number.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a folder or a pipe, or a larger file.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{reader}: {path} does not exist; give {expected}")
    if not path.is_file():   # of a pipe, a reader would wait for ever
        raise ValueError(f"{reader}: {path} is {'a folder' if path.is_dir() else 'no ordinary file'}; give {expected}")
    if most is not None and (size := path.stat().st_size) > most:
        raise ValueError(f"{reader}: {path} has {size:,} bytes, at most {most:,} are read; give {expected}")
    return path


def unpacked(path: pathlib.Path, reader: str, most: int) -> bytes:
    """The first ``most`` bytes of a file, or of what a gzip file holds; fewer where it is shorter.

    Raises:
        ValueError: a gzip file that is damaged or cut before that.
    """
    with open(path, "rb") as file:
        if file.read(len(GZIP)) != GZIP:
            file.seek(0)
            return file.read(most)
        file.seek(0)
        inflate, parts, length = zlib.decompressobj(wbits=31), [], 0   # 31: with gzip's head and check sum
        while length < most and (packed := file.read(BLOCK)):
            while packed and length < most:
                try:
                    parts.append(inflate.decompress(packed, most - length))
                except zlib.error as error:
                    raise ValueError(f"{reader}: {path}: not a whole gzip file ({error}), after {length:,} unpacked bytes; get it "
                                     f"again") from None
                length += len(parts[-1])
                if inflate.eof:   # the end, or the head of a further member
                    packed, inflate = inflate.unused_data, zlib.decompressobj(wbits=31)
                    if not packed.startswith(GZIP):
                        return b"".join(parts)
                else:
                    packed = inflate.unconsumed_tail
        if length < most:
            raise ValueError(f"{reader}: {path} ends in the middle of its gzip data, after {length:,} unpacked bytes; get it again")
        return b"".join(parts)


def decoded(line: bytes, where: str, first: bool) -> str:
    """The text of a line of a UTF-8 file, without its end.

    Args:
        line: its bytes.
        where: the reader's name, the file and the line's number, which open the messages.
        first: whether it is the file's first line, which may begin with a mark.

    Raises:
        ValueError: bytes that are not UTF-8, or a zero byte.
    """
    try:
        text = line.decode("utf-8-sig" if first else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: byte {line[error.start]:#04x} at position {error.start} is not UTF-8; convert the file to "
                         "UTF-8") from None
    if "\0" in text:
        raise ValueError(f"{where}: a zero byte at position {text.index(chr(0))}; the file is damaged, or in UTF-16: convert it to "
                         "UTF-8")
    return text


class LineFile:
    """The lines of a UTF-8 file, each read when it is asked for; the file may have millions.

    Args:
        path: the file.
        reader: the function whose name opens the messages.

    One pass looks for the ends of lines (a line feed, or a carriage return and a line feed) and remembers where every
    ``STRIDE``-th line begins. A last line needs no end.

    Raises:
        ValueError: a line of more than ``MOST_LINE`` bytes.
    """

    STRIDE = 32

    def __init__(self, path: pathlib.Path, reader: str):
        self.path, self.reader = path, reader
        self.count = 0
        starts, begin, place = [np.zeros(1, np.int64)], 0, 0   # begin: of the current line; place: of the block
        with open(path, "rb") as file:
            while block := file.read(BLOCK):
                ends = np.flatnonzero(np.frombuffer(block, np.uint8) == 10).astype(np.int64) + place + 1   # (lines that end here,)
                place += len(block)
                edges = np.concatenate([[begin], ends, [place]])
                if (long := np.flatnonzero(np.diff(edges) > MOST_LINE)).size:
                    raise ValueError(f"{reader}: {path} line {self.count + 1 + int(long[0])}: more than {MOST_LINE:,} bytes; "
                                     f"expected lines of text")
                starts.append(ends[self.STRIDE - 1 - self.count % self.STRIDE::self.STRIDE])
                self.count, begin = self.count + len(ends), int(edges[-2])
        self.count += begin < place   # a last line without an end
        self._starts = np.concatenate(starts)

    def __len__(self) -> int:
        return self.count

    def lines(self, start: int, count: int) -> list[str]:
        """``count`` lines from number ``start`` on, from 0, without their ends.

        Raises:
            IndexError: there are not so many.
            ValueError: a line that is not UTF-8, or has a zero byte in it, or a file that has become shorter.
        """
        if not (0 <= start and 0 <= count and start + count <= self.count):
            raise IndexError(f"{self.reader}: lines {start} to {start + count - 1} of {self.path}, which has {self.count}")
        if not count:
            return []
        with open(self.path, "rb") as file:
            file.seek(int(self._starts[start // self.STRIDE]))
            for _ in range(start % self.STRIDE):
                file.readline(MOST_LINE)
            return [self._text(file.readline(MOST_LINE), number) for number in range(start, start + count)]

    def line(self, index: int) -> str:
        """The line of a number, from 0; see ``lines``."""
        return self.lines(index, 1)[0]

    def _text(self, line: bytes, index: int) -> str:
        where = f"{self.reader}: {self.path} line {index + 1}"
        if not line:
            raise ValueError(f"{where}: the file has become shorter since it was opened; expected {self.count} lines")
        return decoded(line, where, index == 0)
