"""The 102 Category Flower Dataset of Oxford (Nilsback & Zisserman 2008), with the captions of Reed et al. 2016.

    jpg/image_00001.jpg    pictures, by number
    imagelabels.mat        labels (1, N): the class of each, counted from 1
    setid.mat              trnid, valid, tstid: numbers of the pictures of each split
    text_c10/class_00001/image_06734.txt    see ``char_captions``
"""

from __future__ import annotations

import os
import pathlib

import numpy as np

from .captions import find_file
from .char_captions import SIZE, ClassDataset, ClassImage, TextFolder, check_split, of_split
from .files import ordinary_file
from .mat import read_mat

READER = "read_oxford102"
EXPECTED = "the folder of the flowers, with imagelabels.mat, setid.mat, jpg/ and text_c10/"
SETS = {"trnid": "train", "valid": "val", "tstid": "test"}
MOST_CLASSES, MOST_PICTURES = 1000, 100_000
MOST_FILE = 2 ** 24       # bytes of a .mat file; the released ones have a few thousand


def read_oxford102(root: str | os.PathLike, split: str | None = None, *, size: int = SIZE) -> ClassDataset:
    """Pictures of flowers, whole and squeezed to a square, with ten captions and a class each.

    Args:
        root: holds ``imagelabels.mat``, ``jpg`` and ``text_c10``, or folders that do; the lists of the classes' splits lie beside
            ``text_c10``.
        split: "train", "val", "trainval" or "test"; None for all.
        size: pixels a side.

    Returns:
        Pictures by their number, ``image_id``, of classes "class_00001", ...; each record's ``split`` is that of its class. Where
        there are no lists of classes, it is the picture's own of ``setid.mat``, and ``notes`` says so. Pictures are read when
        they are asked for, captions and lists now.

    Raises:
        FileNotFoundError: ``imagelabels.mat``, ``text_c10``, the captions of a class or of a picture.
        ValueError: a damaged file, a number of a class or of a picture that cannot be, a file that has not ten captions, an
            unknown split, one without pictures. The message has the file and the line, byte or picture.
    """
    check_split(split, READER)
    root = pathlib.Path(root)
    file = find_file(root, ("imagelabels.mat",))
    if file is None:
        raise FileNotFoundError(f"{READER}: {root} holds no imagelabels.mat, nor does a folder of it; give {EXPECTED}")
    labels = _integers(file, "labels", MOST_CLASSES, "the class of each picture")
    classes = [f"class_{number:05}" for number in range(1, int(labels.max()) + 1)]
    texts = TextFolder(root, READER)
    split_of, own, notes = texts.splits(classes), {}, []
    if not split_of and (sets := file.with_name("setid.mat")).is_file():
        own = _sets(sets, len(labels))
        notes.append("there are no lists of classes beside text_c10: the splits are those of setid.mat, of pictures")
    jpg = find_file(root, ("jpg/image_00001.jpg",))
    folder = file.parent / "jpg" if jpg is None else jpg.parent
    records = []
    for number, label in enumerate(labels.tolist(), 1):
        told = own.get(number) if own else split_of.get(classes[label - 1])
        records.append(ClassImage(folder / f"image_{number:05}.jpg", (), number, told, None, label - 1))
    return of_split(records, classes, split, size, notes, READER,
                    lambda r: texts.captions(classes[r.label], r.path.stem, f"{file} (labels, picture {r.image_id})"))


def _integers(path: pathlib.Path, key: str, most: int, what: str) -> np.ndarray:
    """A row of integers from 1 to ``most`` in a .mat file, int64."""
    found = read_mat(ordinary_file(path, READER, EXPECTED, MOST_FILE), key).ravel()
    if not found.size or found.size > MOST_PICTURES:
        raise ValueError(f"{READER}: {path}: {key!r} has {found.size} numbers; expected {what}, 1 to {MOST_PICTURES}")
    wrong = np.flatnonzero(~((found >= 1) & (found <= most) & (found == np.floor(found))))
    if wrong.size:
        raise ValueError(f"{READER}: {path}: {key!r} has {found[wrong[0]]} at {wrong[0] + 1}; expected {what}, integers from 1 to "
                         f"{most}")
    return found.astype(np.int64)


def _sets(path: pathlib.Path, count: int) -> dict[int, str]:
    """The split of each picture by its number."""
    split_of: dict[int, str] = {}
    for key, split in SETS.items():
        for number in _integers(path, key, count, "numbers of pictures").tolist():
            if split_of.setdefault(number, split) != split:
                raise ValueError(f"{READER}: {path}: picture {number} is in {key!r} and in the split {split_of[number]!r}; each "
                                 f"is expected in one")
    return split_of
