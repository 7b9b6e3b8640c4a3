"""IAM-OnDB: lines of English written on a whiteboard, as points in time (Liwicki & Bunke 2005).

    lineStrokes/a01/a01-000/a01-000u-01.xml    the strokes of line 1 of the form a01-000u; y points down in the file
    ascii/a01/a01-000/a01-000u.txt             what was read (after "OCR:") and what was written (after "CSR:"), a line a line
    original/a01/a01-000/strokesu.xml          the whole form; here only its writer is looked for
"""

from __future__ import annotations

import codecs
import dataclasses
import functools
import operator
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from xml.parsers import expat

import numpy as np

from ..dataset import Dataset
from .captions import read_lines
from .files import ordinary_file

READER = "read_iam_ondb"
PLACES = {"lineStrokes": ("lineStrokes", "lineStrokes-all/lineStrokes"), "ascii": ("ascii", "ascii-all/ascii"),
          "original": ("original", "original-xml-all/original")}
BROKEN = ("a08-551z-08", "a08-551z-09", "z01-000z")   # two lines without sense, and a form whose text is another's
MOST_XML, MOST_TEXT, BLOCK = 2 ** 25, 2 ** 16, 2 ** 16   # bytes of a file, and of what is parsed at once
MOST_POSITION = 2 ** 20    # a whiteboard's coordinates have four or five digits
RULE = "%%%"               # begins a line between the lines of a few texts


@dataclasses.dataclass(frozen=True, eq=False)
class InkLine:
    """One line of handwriting of T points.

    Attributes:
        points: (T, 3) float32: the offsets (dx, dy) from the point before (of the first one 0), y pointing up, and 1 at the
            last point of a stroke, else 0.
        text: what was written.
        name: "a01-000u-01".
        writer: the number of the writer, or None where the form's ``original`` file is not there.
    """

    points: np.ndarray
    text: str
    name: str
    writer: int | None


def read_iam_ondb(root: str | os.PathLike, names: Sequence[str] | None = None) -> InkLines:
    """The lines of IAM-OnDB; folders are listed now, and a line is read when it is asked for.

    Args:
        root: holds ``lineStrokes``, ``ascii`` and, for the writers, ``original``, or the folders of their archives.
        names: keep these forms or lines only, such as those of one of the published splits ("a01-000u", "a01-000u-01").

    Returns:
        The lines by name; the broken ones (``BROKEN``) are left out, and counted in ``notes``.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no line in it, or a name that none has. When a line is read: XML that is damaged, without strokes, or with
            definitions of its own, fewer lines of text than of strokes; the message has file and line.
    """
    root = pathlib.Path(root)
    places: dict[str, pathlib.Path] = {}
    for kind, options in PLACES.items():
        found = next((root / option for option in options if (root / option).is_dir()), None)
        if found is None and kind != "original":
            raise FileNotFoundError(f"{READER}: {root} holds no folder {kind}; give the folder that holds lineStrokes and ascii")
        if found is not None:
            places[kind] = found
    files = sorted(_line_files(places["lineStrokes"]), key=lambda path: path.stem)
    if not files:
        raise ValueError(f"{READER}: {places['lineStrokes']} holds no line; expected files such as a01/a01-000/a01-000u-01.xml")
    whole = [path for path in files if not path.stem.startswith(BROKEN)]
    notes = [f"{len(files) - len(whole)} broken lines are left out: those of {', '.join(BROKEN)}"] if whole != files else []
    if names is not None:
        wanted = set(names)
        if unknown := sorted(wanted - {path.stem for path in files} - {_form(path) for path in files}):
            raise ValueError(f"{READER}: no line is of {', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''} in "
                             f"{places['lineStrokes']}; expected names of forms or lines such as a01-000u or a01-000u-01")
        whole = [path for path in whole if not wanted.isdisjoint((path.stem, _form(path)))]
    return InkLines(whole, places["ascii"], places.get("original"), notes)


class InkLines(Dataset):
    """Lines of handwriting; item i is an ``InkLine``. See ``read_iam_ondb``.

    Args:
        files: of the strokes.
        ascii, original: the folders of the texts and of the forms; None where there is none of the latter.
        notes: what the reader left out.
    """

    def __init__(self, files: Sequence[pathlib.Path], ascii: pathlib.Path, original: pathlib.Path | None,
                 notes: Sequence[str] = ()):
        self.files, self.ascii, self.original, self.notes = tuple(files), ascii, original, tuple(notes)
        self._texts = functools.lru_cache(64)(read_text)   # lines of a form are often read one after the other
        self._writers: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> InkLine:
        path = self.files[operator.index(index)]
        text_file = self.ascii / path.parent.parent.name / path.parent.name / f"{_form(path)}.txt"
        lines, number = self._texts(text_file), int(path.stem.rpartition("-")[2])
        if not 1 <= number <= len(lines):
            raise ValueError(f"{READER}: {text_file} has {len(lines)} lines of text after 'CSR:', and {path} is line {number}; "
                             f"expected a line of text for each line of strokes")
        return InkLine(read_strokes(path), lines[number - 1], path.stem, self.writer(index))

    def writer(self, index: int) -> int | None:
        """Who wrote a line, read from its form's file once; None where there is none."""
        path = self.files[operator.index(index)]
        form = _form(path)
        if form not in self._writers:
            letter = form.removeprefix(path.parent.name)
            place = self.original and self.original / path.parent.parent.name / path.parent.name / f"strokes{letter}.xml"
            self._writers[form] = read_writer(place) if place and place.is_file() else None
        return self._writers[form]


def read_strokes(path: str | os.PathLike) -> np.ndarray:
    """The points of a ``lineStrokes`` file as offsets, (T, 3) float32, see ``InkLine``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: XML that is damaged or has definitions of its own; no strokes, a stroke without points, a point that is none.
    """
    path = ordinary_file(path, READER, "a file of strokes such as a01-000u-01.xml", MOST_XML)
    strokes: list[tuple[int, list[tuple[float, float]]]] = []   # each with the line it begins on

    def start(tag: str, attributes: dict[str, str], line: int) -> bool:
        where = f"{READER}: {path} line {line}"
        if tag == "Stroke":
            strokes.append((line, []))
        elif tag == "Point":
            if not strokes:
                raise ValueError(f"{where}: a point outside of a stroke; expected <Stroke> around it")
            strokes[-1][1].append((_position(attributes, "x", where), _position(attributes, "y", where)))
        return False

    _parse(path, start)
    if not strokes:
        raise ValueError(f"{READER}: {path} has no strokes; expected <StrokeSet><Stroke><Point x= y= time=/> ...")
    for line, points in strokes:
        if not points:
            raise ValueError(f"{READER}: {path} line {line}: a stroke without points; expected <Point x= y= time=/> in it")
    at = np.concatenate([points for _, points in strokes]) * (1, -1)        # (T, 2)
    offsets = np.zeros((len(at), 3), np.float32)
    offsets[1:, :2] = np.diff(at, axis=0)
    offsets[np.cumsum([len(points) for _, points in strokes]) - 1, 2] = 1
    return offsets


def read_text(path: str | os.PathLike) -> tuple[str, ...]:
    """The lines of an ``ascii`` file after "CSR:", without empty ones.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no "CSR:" in it.
    """
    path = ordinary_file(path, READER, "the text of a form, such as ascii/a01/a01-000/a01-000u.txt", MOST_TEXT)
    lines: list[str] | None = None
    for _, text in read_lines(path, READER):
        if text.strip() == "CSR:":
            lines = []
        elif lines is not None and not text.startswith(RULE):
            lines.append(text.strip())
    if lines is None:
        raise ValueError(f"{READER}: {path} has no line 'CSR:'; expected what was written after it, a line a line")
    return tuple(lines)


def read_writer(path: str | os.PathLike) -> int:
    """The ``writerID`` of an ``original`` file; the file is read up to there.

    Raises:
        FileNotFoundError: no such file.
        ValueError: XML that is damaged or has definitions of its own; no writer in it, or no number.
    """
    path = ordinary_file(path, READER, "the file of a form such as original/a01/a01-000/strokesu.xml", MOST_XML)
    found: list[int] = []

    def start(tag: str, attributes: dict[str, str], line: int) -> bool:
        if (writer := attributes.get("writerID")) is not None:
            if not (writer.isascii() and writer.isdigit() and len(writer) < 10):
                raise ValueError(f"{READER}: {path} line {line}: writerID is {writer[:20]!r}; expected a number")
            found.append(int(writer))
        return bool(found)

    _parse(path, start)
    if not found:
        raise ValueError(f'{READER}: {path} names no writer; expected <Form ... writerID="10178"/>')
    return found[0]


def _parse(path: pathlib.Path, start: Callable[[str, dict[str, str], int], bool]) -> None:
    """Call ``start(tag, attributes, line)`` at each element until it says that this is enough.

    A document type with definitions inside is refused: entities that are made of entities take gigabytes.
    """
    parser, enough = expat.ParserCreate("iso-8859-1"), False   # what is read is ASCII, whatever else the file declares

    def element(tag: str, attributes: dict[str, str]) -> None:
        nonlocal enough
        enough = enough or start(tag, attributes, parser.CurrentLineNumber)

    def document_type(name: str, system: str | None, public: str | None, definitions: int) -> None:
        if definitions:
            raise ValueError(f"{READER}: {path} line {parser.CurrentLineNumber}: a document type with definitions of its own; "
                             f"expected elements only")

    parser.StartElementHandler, parser.StartDoctypeDeclHandler = element, document_type
    with open(path, "rb") as file:
        file.seek(3 if file.read(3) == codecs.BOM_UTF8 else 0)
        try:
            while not enough and (block := file.read(BLOCK)):
                parser.Parse(block)
            if not enough:
                parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise ValueError(f"{READER}: {path} line {error.lineno}: {expat.ErrorString(error.code)}; the file is damaged or not "
                             f"whole") from None


def _position(attributes: dict[str, str], name: str, where: str) -> float:
    try:
        value = float(attributes.get(name, ""))
    except ValueError:
        value = float("nan")
    if not abs(value) <= MOST_POSITION:
        raise ValueError(f"{where}: a point with {name}={attributes.get(name, 'nothing')[:20]!r}; expected a number")
    return value


def _form(path: pathlib.Path) -> str:
    """a01-000u of .../a01-000u-01.xml."""
    return path.stem.rpartition("-")[0]


def _line_files(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The files of lines, two folders deep, as the release has them."""
    for path in folder.glob("*/*/*.xml"):
        form, _, number = path.stem.rpartition("-")
        if form.startswith(path.parent.name) and number.isascii() and number.isdigit():
            yield path
