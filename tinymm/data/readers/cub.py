"""Caltech-UCSD Birds 200-2011 (Wah et al. 2011), with the captions of Reed et al. 2016.

    images.txt             1 001.Black_footed_Albatross/Black_Footed_Albatross_0046_18.jpg      number and file, below images/
    bounding_boxes.txt     1 60.0 27.0 325.0 304.0                                              number, left, top, width, height
    classes.txt            1 001.Black_footed_Albatross
    train_test_split.txt   1 0                                                                  number, 1 for training
    text_c10/...           see ``char_captions``
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from .captions import find_file, read_lines
from .char_captions import SIZE, ClassDataset, ClassImage, TextFolder, check_split, of_split
from .files import ordinary_file

READER = "read_cub"
EXPECTED = "the folder of CUB-200-2011, with images.txt, bounding_boxes.txt, classes.txt, images/ and text_c10/"
MOST_FILE = 2 ** 24       # bytes of a list; the released ones have less than one million
MOST_PIXEL = 2 ** 20      # coordinates of a box
T = TypeVar("T")


def read_cub(root: str | os.PathLike, split: str | None = None, *, size: int = SIZE) -> ClassDataset:
    """Pictures of birds, cut out by their boxes, with ten captions and a class each.

    Args:
        root: holds the lists and ``images``, or a folder ``CUB_200_2011`` that does, and ``text_c10``, or a folder that does, with
            the lists of the classes' splits beside it.
        split: "train", "val", "trainval" or "test"; None for all.
        size: pixels a side.

    Returns:
        Pictures by their number, ``image_id``; each record's ``split`` is that of its class, "train", "val" or "test". Where
        there are no lists of classes, it is the picture's own of ``train_test_split.txt``, and ``notes`` says so. Pictures are
        read when they are asked for, captions and lists now.

    Raises:
        FileNotFoundError: a list, ``text_c10``, the captions of a class or of a picture.
        ValueError: a damaged list, a box without area, a file that has not ten captions, an unknown split, one without
            pictures. The message has file and line.
    """
    check_split(split, READER)
    root = pathlib.Path(root)
    lists = find_file(root, ("images.txt",))
    if lists is None:
        raise FileNotFoundError(f"{READER}: {root} holds no images.txt, nor does a folder of it; give {EXPECTED}")
    lists = lists.parent
    names = [name for _, name in table(lists / "classes.txt", _word, "the number and the name of a class")]
    label = {name: row for row, name in enumerate(names)}
    files = list(table(lists / "images.txt", _word, "the number and the file of a picture"))
    boxes = dict(table(lists / "bounding_boxes.txt", _box, "the number of a picture and its box: left, top, width, height"))
    texts = TextFolder(root, READER)
    split_of, notes = texts.splits(names), []
    own: dict[int, str] = {}
    if not split_of and (lists / "train_test_split.txt").is_file():
        own = dict(table(lists / "train_test_split.txt", _training, "the number of a picture, and 1 for training or 0"))
        notes.append("there are no lists of classes beside text_c10: the splits are those of train_test_split.txt, of pictures")
    records = []
    for number, file in files:
        of_class, _, name = file.partition("/")
        if of_class not in label or not name or "/" in name:
            raise ValueError(f"{READER}: {lists / 'images.txt'} line of number {number}: {file[:80]!r}; expected CLASS/IMAGE.jpg, "
                             f"of a class of classes.txt")
        for other, there in (("bounding_boxes.txt", number in boxes), ("train_test_split.txt", number in own or not own)):
            if not there:
                raise ValueError(f"{READER}: {lists / other} ends before the picture {number}, {file}; expected a line for it")
        told = own.get(number) if own else split_of.get(of_class)
        records.append(ClassImage(lists / "images" / file, (), number, told, None, label[of_class], boxes[number]))
    return of_split(records, names, split, size, notes, READER,
                    lambda r: texts.captions(r.path.parent.name, r.path.stem, f"{lists / 'images.txt'} (number {r.image_id})"))


def table(path: pathlib.Path, value: Callable[[list[str]], T | None], expected: str) -> Iterator[tuple[int, T]]:
    """The lines of a list, each a number and a value, which ascend from 1.

    Args:
        path: the file.
        value: what the fields after the number mean; None where they mean nothing.
        expected: what a line has, for the messages.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another line, with its number.
    """
    path, count = ordinary_file(path, READER, EXPECTED, MOST_FILE), 0
    for line, text in read_lines(path, READER):
        number, *fields = text.split()
        found = value(fields)
        if not number.isascii() or not number.isdigit() or len(number) > 9 or found is None:
            raise ValueError(f"{READER}: {path} line {line}: {text[:80]!r}; expected {expected}")
        if int(number) != count + 1:
            raise ValueError(f"{READER}: {path} line {line}: the number {number}; expected {count + 1}, a line is missing")
        count += 1
        yield count, found
    if not count:
        raise ValueError(f"{READER}: {path} is empty; expected {expected} on each line")


def _word(fields: list[str]) -> str | None:
    return fields[0] if len(fields) == 1 else None


def _training(fields: list[str]) -> str | None:
    return {"1": "train", "0": "test"}.get(fields[0]) if len(fields) == 1 else None


def _box(fields: list[str]) -> tuple[float, float, float, float] | None:
    try:
        left, top, width, height = map(float, fields)
    except ValueError:
        return None
    fine = all(math.isfinite(x) and abs(x) < MOST_PIXEL for x in (left, top, width, height)) and min(width, height) > 0
    return (left, top, width, height) if fine else None
