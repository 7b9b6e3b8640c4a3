"""Pictures of birds and flowers with ten captions each, in the folders of Reed et al. 2016 (``text_c10``): what both readers share.

    text_c10/CLASS/IMAGE.txt     ten captions, one a line
    allclasses.txt               the classes, one a line; further lists name those of a split, or their numbers in allclasses.txt,
    trainvalclasses.txt          counted from 1: trainclasses.txt, valclasses.txt, testclasses.txt, trainids.txt, valids.txt,
    trainvalids.txt              testids.txt. No class is in two splits: a GAN is asked for birds that it has never seen
"""

from __future__ import annotations

import dataclasses
import operator
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ...autograd import Tensor
from ...autograd.integers import integer
from .captions import CaptionDataset, CaptionedImage, read_lines
from .files import ordinary_file
from .images import read_squeezed

CAPTIONS = 10             # of each picture
TEXTS = "text_c10"
SIZE, CUT = 76, 64        # pixels a side, before and after a random cut
LISTS = {"train": "train", "val": "val", "trainval": "train", "test": "test"}   # NAMEclasses.txt or NAMEids.txt -> the split
SPLITS = (*LISTS, None)
MOST_FILE = 2 ** 20       # bytes of a file of captions; the released ones have about a thousand


@dataclasses.dataclass(frozen=True)
class ClassImage(CaptionedImage):
    """A captioned picture of a class.

    Attributes:
        label: the class, a row of ``ClassDataset.classes``.
        box: [left, top, width, height] in pixels, as the file has it, or None.
    """

    label: int = 0
    box: tuple[float, float, float, float] | None = None


class ClassDataset(CaptionDataset):
    """Captioned pictures of classes, each read when it is asked for.

    Args:
        records: the pictures, ``ClassImage``.
        classes: the names of the classes.
        size: pixels a side.
        notes: what the reader found odd, a sentence each.

    Item i is ``(picture, captions, label)``: the part around the box (``square_about``), or the whole picture where there is no
    box, squeezed to (3, size, size), float32 in [0, 1]; ten strings; an integer.
    """

    records: tuple[ClassImage, ...]

    def __init__(self, records: Iterable[ClassImage], classes: Sequence[str], *, size: int = SIZE, notes: Iterable[str] = ()):
        size = integer("ClassDataset", "size", size, 1)
        super().__init__(records, image_size=size, notes=notes)
        self.classes, self.size = tuple(classes), size

    def __getitem__(self, index: int) -> tuple[np.ndarray, tuple[str, ...], int]:   # type: ignore[override]
        picture, captions = super().__getitem__(index)
        return picture, captions, self.records[operator.index(index)].label

    def _picture(self, record: ClassImage) -> np.ndarray:
        return read_squeezed(record.path, self.size, None if record.box is None else square_about(record.box))

    def batch(self, indices: Sequence[int]) -> tuple[Tensor, list[tuple[str, ...]], np.ndarray]:   # type: ignore[override]
        """Several items at once: pictures (B, 3, size, size), the captions of each, and labels (B,) int64."""
        pictures, captions, labels = zip(*(self[i] for i in indices))
        return Tensor(np.stack(pictures)), list(captions), np.array(labels, np.int64)

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64."""
        return np.array([record.label for record in self.records], np.int64)

    def of(self, records: Iterable[ClassImage]) -> ClassDataset:   # type: ignore[override]
        return ClassDataset(records, self.classes, size=self.size)

    def __repr__(self) -> str:
        shown = len({record.label for record in self.records})
        return super().__repr__().replace("CaptionDataset", "ClassDataset").replace(" captions;", f" captions, {shown} classes;")

    def _only(self, keep) -> ClassDataset:
        return ClassDataset(filter(keep, self.records), self.classes, size=self.size, notes=self.notes)


def square_about(box: Sequence[float]) -> tuple[int, int, int, int]:
    """The square of which a picture shows what is in a box: half a side is int(.75 max(width, height)).

    Args:
        box: [left, top, width, height] in pixels.

    Returns:
        (left, top, right, bottom) about the box's centre. It may reach over the border of the picture, where it is cut, and then
        it is no square any more, but is squeezed to one.
    """
    left, top, width, height = box
    x, y, half = int((2 * left + width) / 2), int((2 * top + height) / 2), int(.75 * max(width, height))
    return x - half, y - half, x + half, y + half


def random_cuts(pictures: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A part of each picture, at a random place, and flipped or not, as the GANs see them.

    Args:
        pictures: (B, 3, S, S).
        size: pixels a side of the part, at most S.
        rng: where the places and flips come from.

    Returns:
        (B, 3, size, size).

    Raises:
        ValueError: pictures of another shape, or smaller ones.
    """
    if pictures.ndim != 4 or min(pictures.shape[2:]) < size:
        raise ValueError(f"random_cuts: pictures have shape {pictures.shape}; they must be (B, 3, S, S), S at least size={size}")
    B, _, height, width = pictures.shape
    tops, lefts = (rng.integers(0, side - size + 1, B).tolist() for side in (height, width))
    steps = rng.choice([1, -1], B).tolist()
    return np.stack([of_one[:, top:top + size, left:left + size][:, :, ::step]
                     for of_one, top, left, step in zip(pictures, tops, lefts, steps)])


class TextFolder:
    """The folder ``text_c10`` of a dataset.

    Args:
        root: the dataset's folder; ``text_c10`` lies in it, or in a folder of it.
        reader: the function whose name opens the messages.

    Raises:
        FileNotFoundError: there is none.
    """

    def __init__(self, root: pathlib.Path, reader: str):
        self.reader, self.expected = reader, f"the dataset's folder, with {TEXTS}/CLASS/IMAGE.txt"
        found = next((place / TEXTS for place in places(root) if (place / TEXTS).is_dir()), None)
        if found is None:
            raise FileNotFoundError(f"{reader}: {root} holds no folder {TEXTS}, nor does a folder of it; give {self.expected}")
        self.root, self.folder = root, found
        self._there: dict[str, set[str]] = {}                              # class -> its files

    def captions(self, of_class: str, image: str, where: str) -> tuple[str, ...]:
        """The ten captions of a picture.

        Args:
            of_class: the class's folder.
            image: the file's name without ending.
            where: what lists the picture, for the messages.

        Raises:
            FileNotFoundError: the class has no captions, or this picture has none.
            ValueError: another number of captions, bytes that are not UTF-8; with the line.
        """
        folder = self.folder / of_class
        if of_class not in self._there:
            self._there[of_class] = {name for name in os.listdir(folder) if name.endswith(".txt")} if folder.is_dir() else set()
        if not self._there[of_class]:
            state = "holds no IMAGE.txt" if folder.is_dir() else "does not exist"
            raise FileNotFoundError(f"{self.reader}: the class {of_class!r} has no captions: {folder} {state}; {where} has "
                                    f"pictures of it, each needs a file of {CAPTIONS} lines")
        if f"{image}.txt" not in self._there[of_class]:
            raise FileNotFoundError(f"{self.reader}: {folder / image}.txt does not exist; {where} names its picture, expected a "
                                    f"file of {CAPTIONS} lines")
        path = ordinary_file(folder / f"{image}.txt", self.reader, f"a file of {CAPTIONS} captions, one a line", MOST_FILE)
        lines = list(read_lines(path, self.reader))
        if len(lines) != CAPTIONS:
            end = lines[-1][0] if lines else 0
            at = f"line {lines[CAPTIONS][0]}: a caption more than" if len(lines) > CAPTIONS else f"ends after line {end}: " \
                f"{len(lines)} captions,"
            raise ValueError(f"{self.reader}: {path} {at} expected {CAPTIONS}, one a line")
        return tuple(text.strip() for _, text in lines)

    def splits(self, classes: Sequence[str]) -> dict[str, str]:
        """Class -> "train", "val" or "test", of the lists beside the folder, or else in the dataset's folder or a folder of it;
        empty if there are none.

        Args:
            classes: all that there are.

        Raises:
            ValueError: a class that is not among them, or is in two splits; with file and line.
        """
        names = [f"{name}{end}.txt" for name in LISTS for end in ("classes", "ids")]
        folders = [self.folder.parent, *places(self.root)]
        place = next((p for p in folders if any((p / name).is_file() for name in names)), None)
        return {} if place is None else _splits(place, classes, self.reader)


def _splits(folder: pathlib.Path, classes: Sequence[str], reader: str) -> dict[str, str]:
    found: dict[str, tuple[str, str]] = {}                                 # class -> its split, and where that is said
    for name, split in LISTS.items():
        file = next((path for end in ("classes", "ids") if (path := folder / f"{name}{end}.txt").is_file()), None)
        if file is None:
            continue
        by_number = list(classes)
        if file.stem.endswith("ids") and (folder / "allclasses.txt").is_file():
            by_number = [text.strip() for _, text in read_lines(folder / "allclasses.txt", reader)]
        for line, text in read_lines(file, reader):
            entry, where = text.strip(), f"{reader}: {file} line {line}"
            if file.stem.endswith("ids"):
                if not entry.isascii() or not entry.isdigit() or not 1 <= int(entry) <= len(by_number):
                    raise ValueError(f"{where}: {entry[:40]!r}; expected the number of a class, 1 to {len(by_number)}")
                entry = by_number[int(entry) - 1]
            if entry not in classes:
                raise ValueError(f"{where}: {entry[:60]!r} is no class of this dataset; expected one like {classes[0]!r}")
            if found.setdefault(entry, (split, where))[0] != split and not (name == "trainval" and found[entry][0] == "val"):
                raise ValueError(f"{where}: the class {entry!r} is in the split {found[entry][0]!r} already; expected each class "
                                 f"in one")
    return {entry: split for entry, (split, _) in found.items()}


def places(root: pathlib.Path) -> list[pathlib.Path]:
    """A folder and the folders in it."""
    return [root, *sorted(path for path in root.iterdir() if path.is_dir())] if root.is_dir() else []


def of_split(records: Sequence[ClassImage], classes: Sequence[str], split: str | None, size: int, notes: Sequence[str],
             reader: str, captions: Callable[[ClassImage], tuple[str, ...]]) -> ClassDataset:
    """The records of one split with their captions, which are read here; "trainval" are those of train and val.

    Raises:
        FileNotFoundError, ValueError: as ``captions``; a split without pictures.
    """
    wanted = {None: None, "trainval": ("train", "val")}.get(split, (split,))
    kept = [record for record in records if wanted is None or record.split in wanted]
    if not kept:
        there = sorted({record.split for record in records if record.split})
        raise ValueError(f"{reader}: no picture is in the split {split!r}; there are {there or 'no splits'}")
    told = [dataclasses.replace(record, captions=captions(record)) for record in kept]
    return ClassDataset(told, classes, size=size, notes=notes)


def check_split(split: str | None, reader: str) -> None:
    """Refuse the name of a split that no dataset has."""
    if split not in SPLITS:
        raise ValueError(f"{reader}: split={split!r}; choose one of {', '.join(map(repr, LISTS))}, or None for all")
