"""The published caption datasets by name, each from the folder that people have it in."""

from __future__ import annotations

import pathlib

from ...data import (CaptionDataset, read_coco_captions, read_flickr8k, read_flickr30k, read_karpathy, read_pascal_sentences,
                     read_sbu)
from ...data.readers.captions import CaptionedImage

NAMES = ("coco", "karpathy", "flickr8k", "flickr30k", "pascal", "sbu")


def open_captions(name: str, root: str, image_size: int, channels: int = 3) -> CaptionDataset:
    """A dataset by its name; records whose picture is missing are left out, and said so.

    Args:
        name: one of ``NAMES``.
        root: its folder. coco: ``captions_*.json`` in it or in ``annotations/``, pictures in a folder of the file's name
            (train2014, val2017, ...) or in ``images/``. karpathy: ``dataset_*.json`` and the pictures. flickr8k, flickr30k:
            the release's text files and pictures. pascal: the saved page, or ``sentence/`` and ``dataset/`` with folders of
            the classes; all of it is "test". sbu: ``SBU_captioned_photo_dataset_{urls,captions}.txt`` and pictures.

    Raises:
        FileNotFoundError: no file of that kind; no picture is there.
        ValueError: a damaged file.
    """
    folder = pathlib.Path(root)
    if name == "coco":
        dataset = _coco(folder, image_size, channels)
    elif name == "karpathy":
        dataset = read_karpathy(_files(folder, "dataset*.json", "karpathy")[0], _pictures(folder), image_size=image_size,
                                channels=channels)
    else:
        dataset = {"flickr8k": read_flickr8k, "flickr30k": read_flickr30k, "pascal": read_pascal_sentences,
                   "sbu": read_sbu}[name](folder, image_size=image_size, channels=channels)
    for note in dataset.notes:
        print(f"{name}: {note}")
    if dataset.without_captions:
        print(f"{name}: {len(dataset.without_captions)} pictures have no caption and are left out")
    if dataset.missing:
        print(f"{name}: {dataset.missing_message()}")
        dataset = dataset.present()
    if not len(dataset):
        raise FileNotFoundError(f"{name}: no captioned picture is in {folder}")
    return dataset


def _coco(folder: pathlib.Path, image_size: int, channels: int) -> CaptionDataset:
    """All captions_*.json of the folder; what is not named after train is "val"."""
    records: list[CaptionedImage] = []
    without: list[CaptionedImage] = []
    notes: list[str] = []
    for file in _files(folder, "captions_*.json", "coco"):
        year = folder / file.stem.removeprefix("captions_")
        split = "train" if "train" in file.stem else "val"
        part = read_coco_captions(file, year if year.is_dir() else _pictures(folder), split=split)
        records += part.records
        without += part.without_captions
        notes += part.notes
    return CaptionDataset(records, image_size=image_size, channels=channels, without_captions=without, notes=notes)


def _pictures(folder: pathlib.Path) -> pathlib.Path:
    return folder / "images" if (folder / "images").is_dir() else folder


def _files(folder: pathlib.Path, pattern: str, name: str) -> list[pathlib.Path]:
    found = sorted([*folder.glob(pattern), *(folder / "annotations").glob(pattern)])
    if not found:
        raise FileNotFoundError(f"{name}: there is no {pattern} in {folder} or in {folder / 'annotations'}")
    return found
