"""SBU Captioned Photos: a million pictures of Flickr, each with the caption of whoever put it there.

Ordonez, Kulkarni & Berg 2011, "Im2Text: Describing Images Using 1 Million Captioned Photographs".
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Sequence

from .captions import CaptionDataset, CaptionedImage, find_file, read_json, read_lines

READER = "read_sbu"
URLS_FILE, CAPTIONS_FILE = "SBU_captioned_photo_dataset_urls.txt", "SBU_captioned_photo_dataset_captions.txt"
JSON_FILE = "sbu-captions-all.json"
PICTURE_FOLDERS = ("images", "sbu_images", "dataset/images", "dataset")   # where downloaders put them, and missing ones belong
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp")
DEPTH = 3         # folders within folders that are looked through for pictures
HOST_ENDS = 23    # the release's download.m names a picture after its URL from this character on, with _ for /

Pictures = Sequence[tuple[pathlib.Path, str]]   # folder and name of each


def read_sbu(folder: str | os.PathLike, *, first_number: int | None = None, image_size: int | tuple[int, int] | None = None,
             channels: int = 3) -> CaptionDataset:
    """SBU Captioned Photos. Flickr has taken many of the pictures down: see ``missing`` and ``present()``.

    Args:
        folder: holds ``SBU_captioned_photo_dataset_urls.txt`` and ``SBU_captioned_photo_dataset_captions.txt``, whose lines
            belong together, or ``sbu-captions-all.json`` with the lists ``image_urls`` and ``captions``; they may lie one
            folder deeper. Pictures anywhere in it, at most three folders deep, are known by their names: as at the end of
            the URL (4385058960_b0f291553e.jpg), as download.m of the release writes them
            (m_2723_4385058960_b0f291553e.jpg), or by line number (0000041.jpg).
        first_number: where pictures are named by number, the number of the first line's, 0 or 1. None finds it out: from
            the picture 0, or the one whose number is the number of lines; in numbered folders (00000/000000041.jpg) it is 0
            where neither tells.
        image_size: see ``CaptionDataset``.
        channels: see ``CaptionDataset``.

    Returns:
        A record for each line, in order, with one caption; ``image_id`` is the line's number, from 1 on. ``split`` is None.
        ``notes`` counts the blank captions and the URLs that repeat an earlier one; both are kept.

    Raises:
        FileNotFoundError: no such files.
        ValueError: not as many captions as URLs; a malformed line or record; or numbers of pictures that do not fit the
            lines, or do not tell which is the first line's.
    """
    if first_number not in (None, 0, 1):
        raise ValueError(f"{READER}: first_number={first_number!r} must be 0, 1 or None")
    folder = pathlib.Path(folder)
    urls, captions, unit = _lists(folder)
    notes = []
    if repeated := len(urls) - len(set(urls)):
        notes.append(f"{repeated} of the {len(urls)} URLs repeat an earlier one")
    if blank := [number for number, caption in enumerate(captions, 1) if not caption.strip()]:
        notes.append(f"{len(blank)} captions are blank: {unit} {', '.join(map(str, blank[:5]))}{', ...' if len(blank) > 5 else ''}")
    pictures = list(_pictures(folder, DEPTH))
    found = {name: place for place, name in pictures}
    names = _names(urls, pictures, found, first_number)
    default = next((found[name] for name in names if name in found), None)
    default = default or next((folder / name for name in PICTURE_FOLDERS if (folder / name).is_dir()), folder / "images")
    records = (CaptionedImage(found.get(name, default) / name, (caption,), number)
               for number, (name, caption) in enumerate(zip(names, captions), 1))
    return CaptionDataset(records, image_size=image_size, channels=channels, notes=notes)


def _lists(folder: pathlib.Path) -> tuple[list[str], list[str], str]:
    """URLs, captions, and what one of them is called in the file."""
    urls_file, captions_file = find_file(folder, (URLS_FILE,)), find_file(folder, (CAPTIONS_FILE,))
    if urls_file and captions_file:
        urls = [line.strip() for _, line in read_lines(urls_file, READER, blank=True)]
        captions = [line for _, line in read_lines(captions_file, READER, blank=True)]
        while urls and not urls[-1]:
            urls.pop()
        while len(captions) > len(urls) and not captions[-1].strip():
            captions.pop()
        unit, place = "line", str(urls_file)
        counts = f"{urls_file} has {len(urls)} URLs and {captions_file} has {len(captions)} captions"
    elif file := find_file(folder, (JSON_FILE,)):
        content = read_json(file, READER, ("image_urls", "captions"), f"{JSON_FILE} with 'image_urls' and 'captions'")
        urls, captions, unit, place = content["image_urls"], content["captions"], "record", str(file)
        for name in ("image_urls", "captions"):
            wrong = next((i for i, text in enumerate(content[name], 1) if not isinstance(text, str)), None)
            if wrong is not None:
                raise ValueError(f"{READER}: {file} record {wrong}: {name!r} must be strings, got {content[name][wrong - 1]!r}")
        counts = f"{file} has {len(urls)} 'image_urls' and {len(captions)} 'captions'"
    else:
        lacks = f"{CAPTIONS_FILE} beside {urls_file}" if urls_file else f"{URLS_FILE} beside {captions_file}"
        lacks = lacks if urls_file or captions_file else f"{URLS_FILE} and {CAPTIONS_FILE}, or {JSON_FILE}, in {folder}"
        raise FileNotFoundError(f"{READER}: there is no {lacks}; give the folder of the dataset")
    if len(urls) != len(captions) or not urls:
        raise ValueError(f"{READER}: {counts}; expected one caption for each URL, the files are not whole")
    for number, url in enumerate(urls, 1):
        if "://" not in url or url.endswith("/"):
            raise ValueError(f"{READER}: {place} {unit} {number}: expected the URL of a picture such as "
                             f"http://static.flickr.com/2723/4385058960_b0f291553e.jpg, got {url[:60]!r}")
    return urls, captions, unit


def _pictures(folder: pathlib.Path, depth: int) -> Iterator[tuple[pathlib.Path, str]]:
    """Folder and name of every picture in the folder and, down to a depth, in its folders. Each is listed once."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(ENDINGS):
                yield folder, entry.name
            elif depth and entry.is_dir():
                yield from _pictures(folder / entry.name, depth - 1)


def _names(urls: Sequence[str], pictures: Pictures, found: dict[str, pathlib.Path], first_number: int | None) -> list[str]:
    """Each URL's file name, in the manner in which the pictures that were found are named."""
    at_end = [url.rsplit("/", 1)[-1] for url in urls]
    if not found.keys().isdisjoint(at_end):
        return at_end
    as_released = [url[HOST_ENDS:].replace("/", "_") for url in urls]
    if not found.keys().isdisjoint(as_released):
        return as_released
    by_index = _numbered(pictures, len(urls), first_number)
    return [by_index.get(i, name) for i, name in enumerate(at_end)]


def _numbered(pictures: Pictures, count: int, first_number: int | None) -> dict[int, str]:
    """Index of the line -> name of the picture that has its number."""
    numbered: dict[int, pathlib.Path] = {}
    for place, name in pictures:
        if (stem := name.rsplit(".", 1)[0]).isdecimal():
            if (earlier := numbered.setdefault(int(stem), place / name)) != place / name:
                raise ValueError(f"{READER}: {place / name} and {earlier} have the same number; expected the number of a line, or "
                                 f"names as in the URLs")
    if not numbered:
        return {}
    lowest, highest = min(numbered), max(numbered)
    firsts = [n for n in ((0, 1) if first_number is None else (first_number,)) if n <= lowest and highest < n + count]
    if len(firsts) > 1 and any(path.parent.name.isdecimal() for path in numbered.values()):
        firsts = [0]   # img2dataset and its kind count from 0
    if len(firsts) == 1:
        return {number - firsts[0]: path.name for number, path in numbered.items()}
    names = f"{numbered[lowest].name} to {numbered[highest].name}"
    fix = ("give first_number=0 or first_number=1, the number of the first line's" if firsts
           else f"expected numbers from 0 to {count - 1}, or from 1 to {count}")
    raise ValueError(f"{READER}: the pictures are named by number, {names}, and there are {count} URLs; {fix}")
