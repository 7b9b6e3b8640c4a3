"""Flickr8k and Flickr30k: the files of their release, and the CSV files that are passed around instead.

Flickr8k: Hodosh, Young & Hockenmaier 2013; Flickr30k: Young, Lai, Hodosh & Hockenmaier 2014.
"""

from __future__ import annotations

import os
import pathlib
import re

from .captions import CaptionDataset, CaptionedImage, find_file, folder_holding, read_lines

CAPTION_FILES = {"read_flickr8k": ("Flickr8k.token.txt", "captions.txt", "captions.csv"),
                 "read_flickr30k": ("results_20130124.token", "results.csv", "captions.txt", "captions.csv")}
PICTURE_FOLDERS = {"read_flickr8k": ("Flicker8k_Dataset", "Flickr8k_Dataset", "Images", "images", "."),   # the first one: sic
                   "read_flickr30k": ("flickr30k-images", "flickr30k_images", "Images", "images", ".")}
SPLIT_FILES = {"train": "Flickr_8k.trainImages.txt", "val": "Flickr_8k.devImages.txt", "test": "Flickr_8k.testImages.txt"}

TOKEN_LINE = re.compile(r"(?P<name>[^\t]+)#(?P<number>\d+)\t(?P<caption>.*)")
NO_BAR = re.compile(r"\s*(?P<number>\d+)\s+(?P<caption>\S.*)")   # results.csv has a line without its second bar
QUOTED = re.compile(r'\s*("(?:[^"]|"")*")\s*,')             # a cell of a CSV file, and the comma after it
RECORD = re.compile(r'\s*"?[^\s",][^",]*\.\w{2,5}"?\s*,')   # a line that begins with the name of a picture
COLUMNS = {"image": "image", "image_name": "image", "filename": "image", "file_name": "image", "comment_number": "number",
           "caption_number": "number", "caption": "caption", "comment": "caption"}
EXPECTED = ('expected lines "name.jpg#0<tab>caption", or a first line that names the columns: "image,caption" or '
            '"image_name| comment_number| comment"')


def read_flickr8k(folder: str | os.PathLike, *, captions: str | os.PathLike | None = None, images: str | os.PathLike | None = None,
                  image_size: int | tuple[int, int] | None = None, channels: int = 3) -> CaptionDataset:
    """Flickr8k, with the splits of ``Flickr_8k.{train,dev,test}Images.txt`` where these are there.

    Args:
        folder: holds ``Flickr8k.token.txt`` (or ``captions.txt`` with the first line "image,caption"), the split files
            and the folder of pictures; the text files may lie one folder deeper.
        captions: the caption file, where it has another name or place.
        images: the folder of pictures, likewise.
        image_size: see ``CaptionDataset``.
        channels: see ``CaptionDataset``.

    Returns:
        Pictures in the caption file's order, their captions by number; ``split`` is "train", "val" (dev), "test", or
        None: the release has captions of 92 pictures that are in no split, one of them without a picture.

    Raises:
        FileNotFoundError: no caption file.
        ValueError: a malformed line, with file, number and what was expected.
    """
    return _read("read_flickr8k", folder, captions, images, image_size, channels)


def read_flickr30k(folder: str | os.PathLike, *, captions: str | os.PathLike | None = None, images: str | os.PathLike | None = None,
                   image_size: int | tuple[int, int] | None = None, channels: int = 3) -> CaptionDataset:
    """Flickr30k. It was released without splits; the usual ones are Karpathy's (``read_karpathy``).

    Args:
        folder: holds ``results_20130124.token``, or ``results.csv`` with the first line "image_name| comment_number|
            comment", or ``captions.txt`` ("image,caption"), and the folder of pictures.
        captions: the caption file, where it has another name or place.
        images: the folder of pictures, likewise.
        image_size: see ``CaptionDataset``.
        channels: see ``CaptionDataset``.

    Returns:
        Pictures in the caption file's order, their captions by number. ``notes`` tells which lines were put right:
        results.csv has one whose second bar is missing.

    Raises:
        FileNotFoundError: no caption file.
        ValueError: a malformed line, with file, number and what was expected.
    """
    return _read("read_flickr30k", folder, captions, images, image_size, channels)


def _read(reader: str, folder, captions, images, image_size, channels: int) -> CaptionDataset:
    folder = pathlib.Path(folder)
    file = pathlib.Path(captions) if captions is not None else find_file(folder, CAPTION_FILES[reader])
    if file is None or not file.is_file():
        looked = f"{file} does not exist" if file else f"{folder} holds none of {', '.join(CAPTION_FILES[reader])}"
        raise FileNotFoundError(f"{reader}: {looked}; give the folder of the dataset, or captions=FILE")
    notes: list[str] = []
    sentences = _captions(file, reader, notes)
    split_of = _splits(folder, file, reader, sentences) if reader == "read_flickr8k" else {}
    pictures = pathlib.Path(images) if images is not None else picture_folder(folder, PICTURE_FOLDERS[reader], list(sentences))
    records = (CaptionedImage(pictures / name, tuple(numbered[n] for n in sorted(numbered)), name, split_of.get(name))
               for name, numbered in sentences.items())
    return CaptionDataset(records, image_size=image_size, channels=channels, notes=notes)


def picture_folder(folder: pathlib.Path, candidates: tuple[str, ...], names: list[str]) -> pathlib.Path:
    """The candidate folder that holds one of the first pictures; else the first that exists; else the release's."""
    places = [place for name in candidates for place in (folder / name, folder / name / name)]   # the CSV sets nest them
    return folder_holding(places, names) or next((place for place in places[:-2] if place.is_dir()), places[0])


def _captions(file: pathlib.Path, reader: str, notes: list[str]) -> dict[str, dict[int, str]]:
    """Name of the picture -> number of the caption -> caption."""
    sentences: dict[str, dict[int, str]] = {}
    line_of: dict[tuple[str, int], int] = {}
    lines = read_lines(file, reader)
    first = next(lines, None)
    if first is None:
        raise ValueError(f"{reader}: {file} is empty; {EXPECTED}")
    if TOKEN_LINE.fullmatch(first[1]):
        rows = _token_rows(first, lines, f"{reader}: {file}")
    else:
        rows = _column_rows(first, lines, reader, file, notes)
    for line, name, number, caption in rows:
        of_picture = sentences.setdefault(name, {})
        number = len(of_picture) if number is None else number
        if number in of_picture:
            raise ValueError(f"{reader}: {file} line {line}: caption {number} of {name} stands on line {line_of[name, number]} "
                             f"already")
        if not caption.strip():
            notes.append(f"{file.name} line {line}: caption {number} of {name} is empty")
        of_picture[number], line_of[name, number] = caption, line
    if not sentences:
        raise ValueError(f"{reader}: {file} names its columns and has no caption; the file is not whole")
    return sentences


def _token_rows(first, lines, where: str):
    for number, text in (first, *lines):
        match = TOKEN_LINE.fullmatch(text)
        if match is None:
            raise ValueError(f'{where} line {number}: expected "name.jpg#0<tab>caption", got {text[:60]!r}')
        yield number, match["name"], int(match["number"]), match["caption"]


def _column_rows(first, lines, reader: str, file: pathlib.Path, notes: list[str]):
    where = f"{reader}: {file}"
    bar = "|" if "|" in first[1] else ","
    columns = [COLUMNS.get(name.strip().strip('"').lower()) for name in first[1].split(bar)]
    numbered = columns == ["image", "number", "caption"]
    if not numbered and columns != ["image", "caption"]:
        raise ValueError(f"{where} line {first[0]}: got {first[1][:60]!r}, {EXPECTED}")
    for line, text in lines if bar == "|" else _logical_lines(lines, where, numbered):
        cells = [cell.strip() for cell in _split(text, bar, len(columns))]
        if numbered and len(cells) == 2 and (match := NO_BAR.fullmatch(cells[1])):
            cells[1:] = match["number"], match["caption"]
            notes.append(f"{file.name} line {line}: no {bar!r} after the caption's number; read as caption {cells[1]} of "
                         f"{cells[0]}")
        if len(cells) != len(columns) or not cells[0] or (numbered and not cells[1].strip('"').isdecimal()):
            wanted = f"name.jpg{bar} 0{bar} caption" if numbered else f"name.jpg{bar}caption"
            raise ValueError(f'{where} line {line}: expected "{wanted}", got {text[:60]!r}')
        caption = _unquoted(cells[-1]) if bar == "," else cells[-1]
        name = _unquoted(cells[0]).strip('"') if bar == "," else cells[0].strip('"')
        yield line, name, int(cells[1].strip('"')) if numbered else None, caption


def _split(text: str, bar: str, count: int) -> list[str]:
    """The cells of a line; the last one is all that is left, as a caption may contain the separator, and a quoted name, too."""
    cells: list[str] = []
    while len(cells) < count - 1 and bar in text:
        quoted = QUOTED.match(text) if bar == "," else None
        cell, _, text = (quoted[1], bar, text[quoted.end():]) if quoted else text.partition(bar)
        cells.append(cell)
    return [*cells, text]


def _logical_lines(lines, where: str, numbered: bool):
    """(number, text) of each record; a quoted caption may have line breaks in it.

    Raises:
        ValueError: a caption whose quotation mark is not closed before the next record, or the end.
    """
    for number, text in lines:
        cell = _split(text, ",", 3 if numbered else 2)[-1].strip()
        if not _open(cell):
            yield number, text
            continue
        for _, more in lines:
            if RECORD.match(more):
                break
            text, cell = f"{text}\n{more}", f"{cell}\n{more}"
            if not _open(cell):
                yield number, text
                break
        if _open(cell):
            raise ValueError(f"{where} line {number}: the quotation mark before {cell[1:41]!r} is not closed; close it, or quote "
                             f"the caption and double the mark")


def _open(cell: str) -> bool:
    """Whether a quoted cell goes on in the next line: it begins with a mark, and its marks are not in pairs."""
    return cell.startswith('"') and cell.count('"') % 2 == 1


def _unquoted(cell: str) -> str:
    """A CSV cell without its quotation marks; one whose inner marks are not doubled was never quoted, and stays."""
    inner = cell[1:-1]
    if len(cell) >= 2 and cell[0] == cell[-1] == '"' and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"').strip()
    return cell


def _splits(folder: pathlib.Path, file: pathlib.Path, reader: str, sentences) -> dict[str, str]:
    """Name of the picture -> split, from the split files that are there (beside the captions, or in the folder)."""
    split_of: dict[str, str] = {}
    for split, name in SPLIT_FILES.items():
        path = file.parent / name if (file.parent / name).is_file() else find_file(folder, (name,))
        for line, picture in read_lines(path, reader) if path else ():
            picture = picture.strip()
            if picture not in sentences:
                raise ValueError(f"{reader}: {path} line {line}: {picture!r} has no caption in {file.name}; expected the name of "
                                 f"a captioned picture")
            if split_of.setdefault(picture, split) != split:
                raise ValueError(f"{reader}: {path} line {line}: {picture} is in {SPLIT_FILES[split_of[picture]]} too; a picture "
                                 f"belongs to one split")
    return split_of
