"""Flickr30k Entities: which words of Flickr30k's captions belong to which boxes (Plummer et al. 2015).

    Sentences/ID.txt      a caption a line: [/EN#12/people A man] in [/EN#14/clothing a blue shirt] smiles .
    Annotations/ID.xml    in the manner of Pascal VOC: size, and objects with names (the ids of phrases, one or several) and a
                          bndbox, or nobndbox (it has no box) or scene (it is the whole picture)
"""

from __future__ import annotations

import os
import pathlib
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .captions import find_file, read_lines
from .files import ordinary_file
from .flickr import CAPTION_FILES, PICTURE_FOLDERS, picture_folder, read_flickr30k
from .regions import Oddities, Phrase, RegionDataset, RegionImage, as_boxes, checked_box, region_dataset

READER = "read_flickr30k_entities"
SPLITS = ("train", "val", "test")
NOT_VISUAL = "0"          # the id of phrases that nobody looked for
MOST_FILE = 2 ** 20       # bytes; the released files have at most a few ten thousand
OPENING = re.compile(r"\[/EN#(?P<id>[^/\s]+)((?:/[^/\s\]]+)+)")
EXPECTED = "the folder of Flickr30k Entities, with Sentences/ID.txt and Annotations/ID.xml"


class Linked(NamedTuple):
    """Words ``start`` to ``stop - 1`` of a caption, and the id that they share with boxes and with other phrases."""

    start: int
    stop: int
    id: str


class Annotation(NamedTuple):
    """What an annotation file says: (H, W) of the picture, boxes (M, 4), and of each id the rows of its boxes."""

    size: tuple[int, int]
    boxes: np.ndarray
    rows: dict[str, tuple[int, ...]]


def read_flickr30k_entities(folder: str | os.PathLike, *, images: str | os.PathLike | None = None, split: str | None = None,
                            strict: bool = True, within: tuple[int, int] | None = None, channels: int = 3) -> RegionDataset:
    """Flickr30k's captions with the boxes of their phrases.

    Args:
        folder: holds ``Sentences``, ``Annotations``, and perhaps ``train.txt``, ``val.txt``, ``test.txt`` with an id a line,
            Flickr30k's own captions (see ``read_flickr30k``) and the folder of pictures. Sentences and Annotations may lie one
            folder deeper.
        images: the folder of pictures, where it has another name or place.
        split: read only the pictures of "train", "val" or "test".
        strict: whether a box outside its picture or of zero area, and a phrase whose id no annotation has, are errors; else
            they are left out and told in the notes.
        within: see ``RegionDataset``.
        channels: see ``RegionDataset``.

    Returns:
        Pictures by ascending id. ``tokens`` are the words as they stand in the file, ``phrases`` for each caption the words
        that have boxes. Boxes are turned from VOC's, of which the first pixel is 1 and the last belongs to the box. Where
        Flickr30k's own captions are there, too, ``captions`` are those, and the notes say how many have other words.

    Raises:
        FileNotFoundError: no such folder, or no annotation of a picture.
        ValueError: a damaged file, brackets that are not closed, an unknown split; the message has file and line, or object.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"{READER}: split={split!r}; choose one of {', '.join(map(repr, SPLITS))}")
    folder = pathlib.Path(folder)
    place = next((p for p in _places(folder) if (p / "Sentences").is_dir() and (p / "Annotations").is_dir()), None)
    if place is None:
        raise FileNotFoundError(f"{READER}: {folder} holds no folders Sentences and Annotations; give {EXPECTED}")
    there = {file.stem for file in (place / "Sentences").glob("*.txt")}
    split_of = _splits(folder, place, there)
    if split is not None and split not in split_of.values():
        raise ValueError(f"{READER}: no picture is in {split!r}; {folder} has no {split}.txt, or an empty one")
    ids = sorted((i for i in there if split is None or split_of.get(i) == split), key=lambda i: (len(i), i))
    if not ids:
        raise ValueError(f"{READER}: {place / 'Sentences'} holds no ID.txt; give {EXPECTED}")
    pictures = pathlib.Path(images) if images is not None else picture_folder(folder, PICTURE_FOLDERS["read_flickr30k"],
                                                                             [f"{i}.jpg" for i in ids])
    released = {}
    if find_file(folder, CAPTION_FILES["read_flickr30k"]) is not None:
        released = {record.image_id: record.captions for record in read_flickr30k(folder).records}
    odd, other = Oddities(strict), 0
    records: list[RegionImage] = []
    silent: list[RegionImage] = []
    for i in ids:
        annotation = read_annotation(place / "Annotations" / f"{i}.xml", odd)
        tokens, phrases = [], []
        for line, (words, linked) in read_sentences(place / "Sentences" / f"{i}.txt"):
            for phrase in linked:
                if phrase.id not in annotation.rows and phrase.id != NOT_VISUAL:
                    odd.found("phrases without an annotation are",
                              f"{READER}: {place / 'Sentences' / i}.txt line {line}: the id {phrase.id!r} of "
                              f"{' '.join(words[phrase.start:phrase.stop])!r} is in no object of {i}.xml; expected a box, nobndbox "
                              f"or scene for it")
            tokens.append(words)
            phrases.append(tuple(Phrase(phrase.start, phrase.stop, rows) for phrase in linked
                                 if phrase.id != NOT_VISUAL and (rows := annotation.rows.get(phrase.id))))
        joined = tuple(" ".join(words) for words in tokens)
        captions = released.get(f"{i}.jpg", joined)
        other += sum(" ".join(a.split()) != b for a, b in zip(captions, joined)) if len(captions) == len(joined) else len(joined)
        record = RegionImage(pictures / f"{i}.jpg", captions if len(captions) == len(joined) else joined, f"{i}.jpg",
                             split_of.get(i), tuple(tokens), annotation.boxes, annotation.size, tuple(phrases))
        (records if tokens else silent).append(record)
    notes = [*odd.notes(), *[f"{other} captions have other words than Flickr30k's own"] * bool(other)]
    return region_dataset(records, silent, notes, within=within, channels=channels)


def read_sentences(path: str | os.PathLike) -> list[tuple[int, tuple[tuple[str, ...], list[Linked]]]]:
    """The captions of a file of ``Sentences``.

    Args:
        path: the file.

    Returns:
        (number of the line, (words, phrases)) of each line that is not blank.

    Raises:
        FileNotFoundError: no such file.
        ValueError: bytes that are not UTF-8, a bracket that is not closed, or closed twice, or has no id; with its line.
    """
    path = ordinary_file(path, READER, EXPECTED, MOST_FILE)
    return [(number, _caption(text, f"{READER}: {path} line {number}")) for number, text in read_lines(path, READER)]


def _caption(text: str, where: str) -> tuple[tuple[str, ...], list[Linked]]:
    words: list[str] = []
    phrases: list[Linked] = []
    inside: tuple[int, str] | None = None   # where the phrase begins, and its id
    for piece in text.split():
        if piece.startswith("["):
            opening = OPENING.fullmatch(piece)
            if inside is not None:
                raise ValueError(f"{where}: {piece[:40]!r} begins within the phrase of id {inside[1]!r}; close its bracket before")
            if opening is None:
                raise ValueError(f"{where}: {piece[:40]!r} begins no phrase; expected '[/EN#id/type words]'")
            inside = len(words), opening["id"]
            continue
        word = piece.removesuffix("]")
        if word.endswith("]") or "[/EN#" in word:
            raise ValueError(f"{where}: {piece[:40]!r} has a bracket too many; expected '[/EN#id/type words]'")
        words += [word] if word else []
        if word != piece:
            if inside is None or inside[0] == len(words):
                raise ValueError(f"{where}: {piece[:40]!r} closes " + ("no phrase" if inside is None else "a phrase without words")
                                 + "; expected '[/EN#id/type words]'")
            phrases.append(Linked(inside[0], len(words), inside[1]))
            inside = None
    if inside is not None:
        raise ValueError(f"{where}: the bracket of the phrase of id {inside[1]!r} is not closed; expected '[/EN#id/type words]'")
    return tuple(words), phrases


def read_annotation(path: str | os.PathLike, odd: Oddities | None = None) -> Annotation:
    """A file of ``Annotations``.

    Args:
        path: the file.
        odd: where boxes outside their picture, or of zero area, are counted; without it they are errors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no XML, with line and column; a number, a name or a box that is not there, with the object.
    """
    path = ordinary_file(path, READER, EXPECTED, MOST_FILE)
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        (line, column), what = error.position, error.msg.partition(":")[0]
        raise ValueError(f"{READER}: {path} line {line} column {column + 1}: not XML ({what}); the file is damaged, or not "
                         f"whole") from None
    except (ValueError, LookupError) as error:   # an encoding that is none
        raise ValueError(f"{READER}: {path}: not XML ({error}); the file is damaged") from None
    if root.tag != "annotation" or (head := root.find("size")) is None:
        raise ValueError(f"{READER}: {path} has the element {root.tag!r}, expected 'annotation' with 'size' and 'object' in it")
    height, width = (_number(head, name, f"{READER}: {path}: size") for name in ("height", "width"))
    if min(height, width) < 1:
        raise ValueError(f"{READER}: {path}: size: {width} x {height} pixels (width x height); expected at least 1 x 1")
    boxes: list[tuple[float, ...]] = []
    rows: dict[str, list[int]] = {}
    for n, element in enumerate(root.findall("object")):
        where = f"{READER}: {path}: object {n}"
        names = [(name.text or "").strip() for name in element.findall("name")]
        if not names or not all(names):
            raise ValueError(f"{where} has no name, or an empty one; expected the ids of its phrases")
        for name in names:
            rows.setdefault(name, [])
        found = element.findall("bndbox")
        if not found and not any(_number(element, flag, where) for flag in ("nobndbox", "scene") if element.find(flag) is not None):
            raise ValueError(f"{where} (name {names[0]}) has neither a bndbox, nor nobndbox or scene of 1")
        for box in found:
            named = f"{where} (name {names[0]})"
            left, top, right, bottom = (_number(box, side, named) for side in ("xmin", "ymin", "xmax", "ymax"))
            try:
                inside = checked_box([left - 1, top - 1, right, bottom], height, width, named)
            except ValueError as error:
                if odd is None:
                    raise
                odd.found("faulty boxes are", str(error))
                continue
            for name in dict.fromkeys(names):
                rows[name].append(len(boxes))
            boxes.append(inside)
    return Annotation((height, width), as_boxes(boxes), {name: tuple(of_name) for name, of_name in rows.items()})


def _number(element: ElementTree.Element, name: str, where: str) -> int:
    text = (element.findtext(name) or "").strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise ValueError(f"{where}: {name!r} is {text[:40]!r}; expected an integer" if element.find(name) is not None else
                         f"{where}: {name!r} is not there in {element.tag!r}; expected an integer")
    return int(text)


def _places(folder: pathlib.Path) -> Sequence[pathlib.Path]:
    return [folder, *sorted(p for p in folder.iterdir() if p.is_dir())] if folder.is_dir() else []


def _splits(folder: pathlib.Path, place: pathlib.Path, there: set[str]) -> dict[str, str]:
    """Id of a picture -> its split, of the lists that are in one of the folders."""
    split_of: dict[str, str] = {}
    for split in SPLITS:
        file = next((p / f"{split}.txt" for p in (place, folder) if (p / f"{split}.txt").is_file()), None)
        for line, text in read_lines(file, READER) if file else ():
            name = text.strip().removesuffix(".jpg")
            if name not in there:
                raise ValueError(f"{READER}: {file} line {line}: {name[:40]!r} has no file in {place / 'Sentences'}; expected the "
                                 f"id of a picture")
            if split_of.setdefault(name, split) != split:
                raise ValueError(f"{READER}: {file} line {line}: {name} is in {split_of[name]}.txt too; a picture belongs to one "
                                 f"split")
    return split_of
