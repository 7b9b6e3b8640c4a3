"""Captioned pictures: the dataset that every reader of caption files returns, and what the readers share."""

from __future__ import annotations

import dataclasses
import functools
import json
import operator
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np

from ...autograd import Tensor
from ...text import Vocabulary, plain_words
from ..dataset import Dataset
from .files import decoded
from .images import read_picture


@dataclasses.dataclass(frozen=True)
class CaptionedImage:
    """One picture and what people wrote about it.

    Attributes:
        path: the picture file; nothing has looked whether it exists.
        captions: the sentences as they stand in the file.
        image_id: the dataset's own name or number of the picture.
        split: "train", "val", "test", or None where the files do not say.
        tokens: for each caption its words, where the file has them.
    """

    path: pathlib.Path
    captions: tuple[str, ...]
    image_id: str | int
    split: str | None = None
    tokens: tuple[tuple[str, ...], ...] | None = None


class CaptionDataset(Dataset):
    """Captioned pictures, each read from its file when it is asked for.

    Args:
        records: the captioned pictures.
        image_size: ``S`` or ``(H, W)``: scale to cover it and cut out the centre; None keeps each picture's own size.
        channels: 3 for RGB, 1 for grey.
        without_captions: records of pictures that have no caption, and are left out of the items.
        notes: what the reader had to put right or found odd, a sentence each.

    Item i is ``(picture, captions)``: (channels, H, W) float32 in [0, 1], and a tuple of strings.
    """

    def __init__(self, records: Iterable[CaptionedImage], *, image_size: int | tuple[int, int] | None = None, channels: int = 3,
                 without_captions: Iterable[CaptionedImage] = (), notes: Iterable[str] = ()):
        self.records, self.without_captions, self.notes = tuple(records), tuple(without_captions), tuple(notes)
        self.image_size, self.channels = image_size, channels

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> tuple[np.ndarray, tuple[str, ...]]:
        record = self.records[operator.index(index)]
        try:
            return self._picture(record), record.captions
        except FileNotFoundError:
            raise FileNotFoundError(f"CaptionDataset: the picture of item {index} is not at {record.path}. In all, "
                                    f"{self.missing_message()}") from None

    def _picture(self, record) -> np.ndarray:
        return read_picture(record.path, self.image_size, self.channels)

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[tuple[str, ...]]]:
        """Several items at once, for a DataLoader: pictures (B, channels, H, W), and the captions of each.

        Raises:
            ValueError: pictures of different sizes, because ``image_size`` is None.
        """
        pictures, captions = zip(*(self[i] for i in indices))
        shapes = sorted({picture.shape for picture in pictures})
        if len(shapes) > 1:
            raise ValueError(f"CaptionDataset: pictures of shapes {shapes} do not stack; read them with image_size=S")
        return Tensor(np.stack(pictures)), list(captions)

    def __repr__(self) -> str:
        splits = ", ".join(f"{name or 'no split'}: {count}" for name, count in self.splits.items())
        captions = sum(len(record.captions) for record in self.records)
        return f"CaptionDataset({len(self)} pictures, {captions} captions; {splits or 'empty'})"

    @functools.cached_property
    def splits(self) -> dict[str | None, int]:
        """How many pictures each split has, in the order of their first appearance."""
        counts: dict[str | None, int] = {}
        for record in self.records:
            counts[record.split] = counts.get(record.split, 0) + 1
        return counts

    def split(self, name: str) -> CaptionDataset:
        """The pictures of one split.

        Raises:
            ValueError: no picture is in it.
        """
        if name not in self.splits:
            raise ValueError(f"CaptionDataset.split: no picture is in {name!r}; there are {list(self.splits)}")
        return self._only(lambda record: record.split == name)

    @functools.cached_property
    def missing(self) -> tuple[CaptionedImage, ...]:
        """The records whose picture file is absent (each folder is listed once, at the first call)."""
        listed: dict[str, tuple[set[str], set[str]]] = {}

        def absent(path: pathlib.Path) -> bool:
            folder, name = os.path.split(path)
            if folder not in listed:
                names = _files(pathlib.Path(folder))
                listed[folder] = names, {name.casefold() for name in names}
            names, folded = listed[folder]
            if name in names:
                return False
            # a file system may know the file by other letters; only where that is possible is it asked, a million times is long
            return not ((name.casefold() in folded or not name.isascii()) and os.path.isfile(path))

        return tuple(record for record in self.records if absent(record.path))

    def missing_message(self) -> str:
        """A sentence about the absent picture files; empty where all are there."""
        if not self.missing:
            return ""
        first = self.missing[0].path
        names = ", ".join(record.path.name for record in self.missing[:3]) + (", ..." if len(self.missing) > 3 else "")
        where = f"not in {first.parent}" if first.parent.is_dir() else f"the folder {first.parent} does not exist"
        return (f"{len(self.missing)} of {len(self)} picture files are missing: {names} ({where}); give the folder that holds "
                f"them, or use .present() to leave these records out")

    def present(self) -> CaptionDataset:
        """The records whose picture file exists."""
        absent = {record.path for record in self.missing}
        return self._only(lambda record: record.path not in absent)

    def of(self, records: Iterable[CaptionedImage]) -> CaptionDataset:
        """A dataset of these records of this one, in this order, whose pictures are read alike."""
        return CaptionDataset(records, image_size=self.image_size, channels=self.channels)

    def vocabulary(self, min_count: int = 5) -> Vocabulary:
        """The frequent words of all captions, in the manner of Karpathy & Fei-Fei (2015): see ``text.plain_words``.

        ``read_flickr8k(folder).split("train").vocabulary()`` has 2537 words beside the special ones.

        Args:
            min_count: how often a word is there at least.

        Raises:
            ValueError: a ``min_count`` below 1.
        """
        return Vocabulary.build((plain_words(caption) for record in self.records for caption in record.captions), min_count)

    def _only(self, keep) -> CaptionDataset:
        return CaptionDataset(filter(keep, self.records), image_size=self.image_size, channels=self.channels,
                              without_captions=filter(keep, self.without_captions), notes=self.notes)


def _files(folder: pathlib.Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def read_json(path: str | os.PathLike, reader: str, lists: tuple[str, ...], expected: str) -> dict:
    """The object in a JSON file, in which the named fields are lists.

    Args:
        path: the file.
        reader: the function whose name opens the messages.
        lists: the fields that must be there.
        expected: what kind of file was wanted, for the messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON (with line and column), not an object, or without one of the lists.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        state = "is a folder" if path.is_dir() else "does not exist"
        raise FileNotFoundError(f"{reader}: {path} {state}; give {expected}")
    try:
        content = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(f"{reader}: {path} line {error.lineno} column {error.colno}: not JSON ({error.msg}); the file is "
                         f"damaged or not whole") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{reader}: {path} byte {error.start}: not text in UTF-8; the file is damaged, or packed") from None
    except RecursionError:
        raise ValueError(f"{reader}: {path}: brackets within brackets without end; give {expected}") from None
    except ValueError as error:   # an integer of thousands of digits
        raise ValueError(f"{reader}: {path}: {error}; give {expected}") from None
    for name in lists:
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            has = f"an object with the fields {sorted(content)}" if isinstance(content, dict) else f"a {type(content).__name__}"
            raise ValueError(f"{reader}: {path} has no list {name!r}, it is {has}; give {expected}")
    return content


def field(record, name: str, kind: type | tuple[type, ...], where: str):
    """One field of a JSON record.

    Args:
        record: what should be an object.
        name: the field.
        kind: the type, or types, it must have (a boolean is not an integer here).
        where: file and record, for the message.

    Raises:
        ValueError: not an object, no such field, or another type.
    """
    kinds = kind if isinstance(kind, tuple) else (kind,)
    wanted = " or ".join(k.__name__ for k in kinds)
    if not isinstance(record, dict):
        raise ValueError(f"{where}: expected an object with {name!r}, got {_short(record)}")
    if name not in record:
        raise ValueError(f"{where}: {name!r} is not there; its fields are {sorted(record)}")
    value = record[name]
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{where}: {name!r} must be of type {wanted}, got {_short(value)}")
    return value


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_lines(path: pathlib.Path, reader: str, *, blank: bool = False) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that are not blank, numbered from 1, without their ends.

    Args:
        path: the file.
        reader: the function whose name opens the messages.
        blank: also give the blank ones, as files need whose lines belong together by number.

    Lines end with a line feed, with a carriage return before it, or, in a file without line feeds, with a carriage return.

    Raises:
        ValueError: a line that is not UTF-8, or has a zero byte in it.
    """
    with open(path, "rb") as file:   # str.splitlines would also break at the separators that some captions contain
        for number, line in enumerate(_raw_lines(file), 1):
            text = decoded(line, f"{reader}: {path} line {number}", number == 1)
            if blank or text.strip():
                yield number, text


def _raw_lines(file: BinaryIO) -> Iterator[bytes]:
    first = file.readline()
    if first.endswith(b"\n") or b"\r" not in first:
        yield from filter(None, (first,))
        yield from file
    else:   # the whole file, as old programs of the Macintosh write it
        yield from first.removesuffix(b"\r").split(b"\r")


def find_file(folder: pathlib.Path, names: Sequence[str]) -> pathlib.Path | None:
    """The first of the files that lies in the folder or in a folder of it."""
    if not folder.is_dir():
        return None
    with os.scandir(folder) as entries:   # its entries know what they are: a million pictures may lie here
        places = [folder, *sorted(folder / entry.name for entry in entries if entry.is_dir())]
    return next((place / name for name in names for place in places if (place / name).is_file()), None)


def folder_holding(places: Iterable[pathlib.Path], names: Sequence[str]) -> pathlib.Path | None:
    """The first of the folders that holds one of the first pictures."""
    return next((place for place in places if any((place / name).is_file() for name in names[:20])), None)
