"""UCF-101's lists of videos and classes (Soomro, Zamir & Shah 2012), and the lists of LRCN's release.

    classInd.txt                 1 ApplyEyeMakeup
    trainlist01.txt              ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
    testlist01.txt               ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi
    ucf101_split1_trainVideos.txt, ucf101_split1_testVideos.txt of LRCN
                                 ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01 0

The first three end their lines with a carriage return and a line feed and count classes from 1; LRCN's lists count from 0 and
leave the ending of the file away. Labels are counted from 0 here, as everywhere in this package.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re

from ...autograd.integers import integer
from .captions import find_file, read_lines
from .files import ordinary_file

MOST = 2 ** 26           # bytes; the release's lists have less than 2**20
MOST_CLASSES = 101
PARTS = ("train", "test")
SPLITS = (1, 2, 3)
CLASS_FILE = "classInd.txt"
LINE = re.compile(r"(?P<class>[^/\\\s.]+)[/\\](?P<video>[^/\\\s.]+)(?P<ending>\.avi)?(?:[ \t]+(?P<label>\S+))?", re.IGNORECASE)
GROUP = re.compile(r"_g(\d+)_c\d+$", re.IGNORECASE)
EXPECTED = ("expected 'Class/v_Class_g08_c01.avi 1', without the label in a list of test videos, or 'Class/v_Class_g08_c01 0' as "
            "in LRCN's lists")


@dataclasses.dataclass(frozen=True)
class LabelledVideo:
    """A line of a list.

    Attributes:
        name: the video's, without folder and ending: "v_ApplyEyeMakeup_g08_c01".
        class_name: the folder it stands in: "ApplyEyeMakeup".
        label: its number, from 0.
        group: of the clips that were cut out of one original video, and are never in two parts; None where the name has none.
        source: file and line.
    """

    name: str
    class_name: str
    label: int
    group: int | None
    source: str


def read_ucf101_classes(path: str | os.PathLike) -> tuple[str, ...]:
    """The names of the classes in ``classInd.txt``, that with number 1 first.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line that is no number and name, numbers that are not 1, 2, 3, ..., a name twice, more than 101.
    """
    reader = "read_ucf101_classes"
    path = ordinary_file(path, reader, f"UCF-101's {CLASS_FILE}", MOST)
    names: dict[str, int] = {}   # name -> line
    for line, text in read_lines(path, reader):
        where, fields = f"{reader}: {path} line {line}", text.split()
        if len(fields) != 2 or _number(fields[0]) is None:
            raise ValueError(f"{where}: {text[:60]!r} has {len(fields)} fields; expected a number and a name such as '1 "
                             "ApplyEyeMakeup'")
        number, name = int(fields[0]), fields[1]
        if number != len(names) + 1 or number > MOST_CLASSES:
            wanted = f"{len(names) + 1}, the next one" if len(names) < MOST_CLASSES else f"at most {MOST_CLASSES} classes"
            raise ValueError(f"{where}: class {name} has the number {number}; expected {wanted}")
        if (earlier := names.setdefault(name, line)) != line:
            raise ValueError(f"{where}: class {name} stands on line {earlier} already")
    if not names:
        raise ValueError(f"{reader}: {path} is empty; expected lines such as '1 ApplyEyeMakeup'")
    return tuple(names)


def read_ucf101_list(path: str | os.PathLike, classes: tuple[str, ...] | None = None) -> tuple[LabelledVideo, ...]:
    """The videos of a list, in its order.

    Args:
        path: ``trainlist0N.txt`` or ``testlist0N.txt`` of UCF-101, or LRCN's lists.
        classes: names by number, from ``read_ucf101_classes``. A list without labels has them from here; the labels of
            another are compared with it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line with another number of fields, a label outside the classes (1 to 101 in UCF-101's lists, 0 to 100
            in LRCN's), lines of two kinds in one file, a class that ``classes`` lacks or that has two labels, a video twice, a
            list without labels where there are no ``classes``. The message has file and line.
        TypeError: ``classes`` that are no names.
    """
    reader = "read_ucf101_list"
    if classes is not None and not isinstance(classes, (tuple, list)):
        raise TypeError(f"{reader}: classes={str(classes)[:60]!r}; give the names, from read_ucf101_classes('{CLASS_FILE}')")
    path = ordinary_file(path, reader, "a list of videos such as UCF-101's trainlist01.txt", MOST)
    videos: list[LabelledVideo] = []
    numbers = {name: i for i, name in enumerate(classes or ())}
    first: dict[str, int] = {}    # video -> line
    labels: dict[str, int] = {}   # class -> label
    owner: dict[int, str] = {}    # label -> class
    kind = None
    for line, text in read_lines(path, reader):
        where, match = f"{reader}: {path} line {line}", LINE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{where}: {text[:80]!r} has {len(text.split())} fields; {EXPECTED}")
        ours = bool(match["ending"]), match["label"] is not None
        if ours == (False, False):
            raise ValueError(f"{where}: {text[:80]!r} has neither an ending .avi nor a label; {EXPECTED}")
        kind = kind or ours
        if ours != kind:
            raise ValueError(f"{where}: {text[:80]!r} is written {_manner(ours)}, the lines before {_manner(kind)}; expected one "
                             "kind in a file")
        name, least = match["class"], int(kind[0])   # UCF-101 counts from 1
        if classes is not None and name not in numbers:
            raise ValueError(f"{where}: class {name} is not among the {len(classes)} classes; expected one of {CLASS_FILE}'s")
        if match["label"] is not None:
            label = _label(match["label"], least, MOST_CLASSES if classes is None else len(classes), where)
        elif classes is not None:
            label = numbers[name]
        else:
            raise ValueError(f"{where}: no label, as in a list of test videos; give classes=read_ucf101_classes('{CLASS_FILE}')")
        has = f"{where}: class {name} has the label {match['label']}"
        if numbers.get(name, label) != label:
            raise ValueError(f"{has}; expected {numbers[name] + least}, as in {CLASS_FILE}")
        if labels.setdefault(name, label) != label:
            raise ValueError(f"{has}; expected {labels[name] + least}, as before")
        if owner.setdefault(label, name) != name:
            raise ValueError(f"{has} of class {owner[label]}; expected one of its own")
        if (earlier := first.setdefault(match["video"], line)) != line:
            raise ValueError(f"{where}: {match['video']} stands on line {earlier} already")
        group = GROUP.search(match["video"])
        videos.append(LabelledVideo(match["video"], name, label, group and int(group[1]), f"{path} line {line}"))
    if not videos:
        raise ValueError(f"{reader}: {path} is empty; {EXPECTED}")
    return tuple(videos)


def read_ucf101(folder: str | os.PathLike, part: str = "train", split: int = 1) -> tuple[LabelledVideo, ...]:
    """The videos of a part of one of UCF-101's three splits.

    Args:
        folder: holds ``classInd.txt`` and ``trainlist01.txt``, ... , or has a folder that does (ucfTrainTestlist). Without
            ``trainlist01.txt`` and its kind, LRCN's ``ucf101_split1_trainVideos.txt`` is read.
        part: "train" or "test".
        split: 1, 2 or 3.

    Raises:
        FileNotFoundError: no list.
        ValueError: an unknown part or split; what ``read_ucf101_list`` and ``read_ucf101_classes`` refuse.
    """
    reader = "read_ucf101"
    if part not in PARTS:
        raise ValueError(f"{reader}: part={part!r}; choose from {', '.join(PARTS)}")
    split = integer(reader, "split", split)
    if split not in SPLITS:
        raise ValueError(f"{reader}: split={split!r}; choose from 1, 2, 3")
    folder = pathlib.Path(folder)
    names = [f"{part}list{split:02}.txt", f"ucf101_split{split}_{part}Videos.txt"]
    path, classes = find_file(folder, names), find_file(folder, [CLASS_FILE])
    if path is None:
        raise FileNotFoundError(f"{reader}: {folder} holds neither {names[0]} nor LRCN's {names[1]}; give the folder of the lists")
    return read_ucf101_list(path, None if classes is None else read_ucf101_classes(classes))


def _label(text: str, least: int, count: int, where: str) -> int:
    """A label counted from ``least``, as counted from 0."""
    label = _number(text)
    if label is None or not least <= label < least + count:
        raise ValueError(f"{where}: the label is {text[:20]!r}; expected a number from {least} to {least + count - 1}"
                         f"{'' if least else ', as LRCN counts'}")
    return label - least


def _number(text: str) -> int | None:
    """A whole number of up to nine digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _manner(kind: tuple[bool, bool]) -> str:
    return f"{'with' if kind[0] else 'without'} .avi and {'with' if kind[1] else 'without'} a label"
