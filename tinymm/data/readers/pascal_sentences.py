"""The UIUC Pascal sentences: their web page as saved, the folders that crawlers make of it, and a JSON file that one made.

Rashtchian, Young, Hodosh & Hockenmaier 2010, "Collecting Image Annotations Using Amazon's Mechanical Turk".
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .captions import CaptionDataset, CaptionedImage, field, find_file, folder_holding, read_json, read_lines

READER = "read_pascal_sentences"
PICTURES, SENTENCES = 1000, 5   # of the published set, and of nearly each of its pictures
PICTURE_FOLDERS = ("dataset", "images", "Images", ".")
SENTENCE_FOLDERS = ("sentence", "sentences", "Sentences", "texts", ".")
VOC_NAME = re.compile(r"\d{4}_\d{6}")
SENTENCE_FILE = re.compile(rf"(?P<name>{VOC_NAME.pattern})\.?txt")   # the crawler used most leaves out the dot: 2008_000716txt
JSON_FILE = "pascal_sentences.json"


class Row(NamedTuple):
    """One picture and its sentences.

    Attributes:
        name: as in PASCAL VOC, "2008_000716".
        files: where in the folder of pictures its file may be, the likeliest first.
        sentences: what people wrote about it.
        where: the file it was read from, with line or record.
    """

    name: str
    files: tuple[str, ...]
    sentences: tuple[str, ...]
    where: str


def read_pascal_sentences(folder: str | os.PathLike, *, image_size: int | tuple[int, int] | None = None,
                          channels: int = 3) -> CaptionDataset:
    """The Pascal sentences: 1,000 pictures of PASCAL VOC 2008, 50 of each class, with five sentences each but for four of them.

    Show and Tell only tests on them, so every record's ``split`` is "test".

    Args:
        folder: holds one of

            - the page, saved as ``index.html`` or under another name, whose rows are ``<img src="aeroplane/2008_000716.jpg">``
              and a table of sentences; pictures where ``src`` says, or beside the page under their name alone;
            - ``sentence/aeroplane/2008_000716.txt`` (or ``2008_000716txt``), a sentence a line, and
              ``dataset/aeroplane/2008_000716.jpg``. The folders may be called texts or sentences, and images, or be the
              folder itself; those of the classes may be absent;
            - ``pascal_sentences.json``, ``{"2008_000716.jpg": {"category": "aeroplane", "captions": [...]}}``, and
              ``images/2008_000716.jpg``.
        image_size: see ``CaptionDataset``.
        channels: see ``CaptionDataset``.

    Returns:
        Pictures in the page's order, or by class and name; ``image_id`` is the name in PASCAL VOC, "2008_000716". Pictures
        without sentences are in ``without_captions``. ``notes`` names those that have not five, and tells when it is not
        1,000 pictures in all.

    Raises:
        FileNotFoundError: none of these files; a class's folder without sentences.
        ValueError: a damaged or truncated file, or a picture twice; the message says where and what was expected.
    """
    root = folder = pathlib.Path(folder)
    crawled = _sentence_files(folder)
    if crawled:
        rows = [_of_file(kind, name, file) for kind, name, file in crawled]
    elif file := find_file(folder, (JSON_FILE,)):
        root, rows = file.parent, _of_json(file)
    else:
        rows = _of_pages(folder)
    _refuse_repeated(rows)
    place, files = _located([root / name for name in PICTURE_FOLDERS], rows)
    records = [CaptionedImage(place / file, row.sentences, row.name, "test") for file, row in zip(files, rows)]
    without, notes = [record for record in records if not record.captions], _notes(rows)
    if crawled and (others := _others(place, {row.name for row in rows})):
        without += [CaptionedImage(path, (), path.stem, "test") for path in others]
        notes.append(f"pictures without a file of sentences: {_some(others)}")
    return CaptionDataset((r for r in records if r.captions), image_size=image_size, channels=channels, without_captions=without,
                          notes=notes)


def _notes(rows: Sequence[Row]) -> list[str]:
    odd = [f"{row.name} ({len(row.sentences)})" for row in rows if len(row.sentences) != SENTENCES]
    notes = [f"pictures that have not {SENTENCES} sentences: {_some(odd)}"] if odd else []
    count = sum(bool(row.sentences) for row in rows)
    if count != PICTURES:
        notes.append(f"{count} pictures have sentences; in the published set {PICTURES} have")
    return notes


def _some(things: Sequence) -> str:
    return ", ".join(map(str, things[:5])) + (f", ... ({len(things)} in all)" if len(things) > 5 else "")


def _refuse_repeated(rows: Iterable[Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        if row.name in seen:
            raise ValueError(f"{READER}: {row.where}: the picture {row.name} is in {seen[row.name]} already; expected each once")
        seen[row.name] = row.where


def _located(places: list[pathlib.Path], rows: Sequence[Row]) -> tuple[pathlib.Path, tuple[str, ...]]:
    """The folder that holds one of the first pictures, or else the first folder that exists; and the files' names in it."""
    for files in zip(*(row.files for row in rows)):   # first all by the likeliest name, then all by the other
        if place := folder_holding(places, files):
            return place, files
    return next(place for place in places if place.is_dir()), tuple(row.files[0] for row in rows)   # the last one exists


def _others(place: pathlib.Path, names: set[str]) -> list[pathlib.Path]:
    """The other pictures of PASCAL VOC in the folder and in those of the classes."""
    found = [*place.glob("*.jpg"), *place.glob("*/*.jpg")]
    return sorted(path for path in found if VOC_NAME.fullmatch(path.stem) and path.stem not in names)


# folders of sentences

def _sentence_files(folder: pathlib.Path) -> list[tuple[str, str, pathlib.Path]]:
    """Class (or ""), name of the picture, and file, sorted; of the first folder of sentences that there is."""
    place = next((folder / name for name in SENTENCE_FOLDERS if (folder / name).is_dir()), None)
    if place is None:
        return []
    found = _matching(place, "")
    for inside in sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")):
        of_class = _matching(inside, inside.name)
        if not of_class and place != folder:
            raise FileNotFoundError(f"{READER}: {inside} holds no sentences; expected files such as 2008_000716.txt, a sentence "
                                    f"a line")
        found += of_class
    if not found and place != folder:
        raise FileNotFoundError(f"{READER}: {place} holds no sentences; expected files such as aeroplane/2008_000716.txt, a "
                                f"sentence a line")
    return found


def _matching(folder: pathlib.Path, kind: str) -> list[tuple[str, str, pathlib.Path]]:
    return [(kind, match["name"], path) for path in sorted(folder.iterdir()) if (match := SENTENCE_FILE.fullmatch(path.name))]


def _of_file(kind: str, name: str, file: pathlib.Path) -> Row:
    sentences = tuple(text.strip() for _, text in read_lines(file, READER))
    if not sentences:
        raise ValueError(f"{READER}: {file} is empty; expected the sentences about {name}, one a line")
    return Row(name, (str(pathlib.PurePath(kind, f"{name}.jpg")), f"{name}.jpg"), sentences, str(file))


# the JSON file

def _of_json(file: pathlib.Path) -> list[Row]:
    expected = 'an object {"2008_000716.jpg": {"category": "aeroplane", "captions": [...]}, ...}'
    content = read_json(file, READER, (), expected)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{READER}: {file} holds {f'a {type(content).__name__}' if content else 'no picture'}; give {expected}")
    rows = []
    for picture, record in content.items():
        where = f"{READER}: {file}: {picture}"
        category, captions = field(record, "category", str, where), field(record, "captions", list, where)
        if not all(isinstance(caption, str) for caption in captions):
            raise ValueError(f"{where}: 'captions' must be strings, got {captions}")
        rows.append(Row(pathlib.PurePath(picture).stem, (picture, str(pathlib.PurePath(category, picture))), tuple(captions),
                        f"{file}: {picture}"))
    return rows


# the page

def _of_pages(folder: pathlib.Path) -> list[Row]:
    """The rows of the first page in the folder that has any; index.html is looked at first."""
    pages = [path for path in folder.glob("*.htm*") if path.is_file()] if folder.is_dir() else []
    if not pages:
        raise FileNotFoundError(f"{READER}: {folder} holds no page (index.html), no folder of sentences "
                                f"(sentence/aeroplane/2008_000716.txt) and no {JSON_FILE}; give the folder of the dataset")
    for path in sorted(pages, key=lambda path: (path.stem != "index", path.name)):
        page = _Page(path)
        for page.line, text in read_lines(path, READER):
            page.feed(text + "\n")
        page.close()
        if page.rows:
            return page.rows
    raise ValueError(f'{READER}: {path} shows no pictures; expected rows of <img src="aeroplane/2008_000716.jpg"> and a table of '
                     f'its sentences')


class _Page(HTMLParser):
    """Reads a table whose rows have a picture in one cell and a table of sentences in the next."""

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.path, self.line = path, 0
        self.rows: list[Row] = []
        self.tables = 0                     # how many are open
        self.src: str | None = None         # of the current picture
        self.where, self.level = "", 0      # its place in the file, and how many tables are open there
        self.sentences: list[str] = []      # about it
        self.cell: list[str] | None = None  # the text so far of an open cell in a table of sentences

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("table", "tr", "td"):
            self._end_cell()   # HTML may leave out the end of a cell
        if tag == "table":
            self.tables += 1
        elif tag == "td" and self._inside():
            self.cell = []
        elif tag == "img" and self.tables:
            self._end_picture()
            self.src, self.level, self.where = dict(attrs).get("src") or "", self.tables, f"{self.path} line {self.line}"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("table", "tr", "td"):
            self._end_cell()
        if tag == "table":
            self.tables -= 1

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.append(data)

    def close(self) -> None:
        super().close()
        if self._inside():
            raise ValueError(f"{READER}: {self.path} ends at line {self.line}, in the table of sentences about {self.src}; "
                             f"expected the table's end, the page is not whole")
        self._end_picture()
        if self.tables > 0 and 0 < len(self.rows) < PICTURES:
            raise ValueError(f"{READER}: {self.path} ends at line {self.line}, in its table, after {len(self.rows)} of {PICTURES} "
                             f"pictures; expected the table's end, the page is not whole")

    def _inside(self) -> bool:
        """In a table of sentences."""
        return self.src is not None and self.tables > self.level

    def _end_cell(self) -> None:
        if self.cell is not None and (sentence := " ".join("".join(self.cell).split())):
            self.sentences.append(sentence)
        self.cell = None

    def _end_picture(self) -> None:
        if self.src is None:
            return
        parts = [part for part in unquote(urlsplit(self.src).path).split("/") if part]
        if not parts or not pathlib.PurePath(parts[-1]).suffix:
            raise ValueError(f'{READER}: {self.where}: src={self.src[:60]!r} names no picture file; expected one such as '
                             f'"aeroplane/2008_000716.jpg"')
        if not self.sentences:
            raise ValueError(f"{READER}: {self.where}: the picture {self.src} has no sentences; expected a table of them in the "
                             f"next cell")
        files = (str(pathlib.PurePath(*parts[-2:])), parts[-1])   # class and name; a browser may have moved the file
        self.rows.append(Row(pathlib.PurePath(parts[-1]).stem, files, tuple(self.sentences), self.where))
        self.src, self.sentences = None, []
