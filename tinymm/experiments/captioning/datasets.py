"""The published caption datasets by name, each from the folder that people have it in."""

from __future__ import annotations

import pathlib
from typing import Any

from ...data import (CaptionDataset, RegionDataset, read_coco_captions, read_coco_regions, read_flickr8k, read_flickr30k,
                     read_flickr30k_entities, read_karpathy, read_pascal_sentences, read_sbu)

NAMES = ("coco", "karpathy", "flickr8k", "flickr30k", "pascal", "sbu")
WITH_BOXES = ("coco", "flickr30k")


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
    return _told(name, folder, dataset)


def open_regions(name: str, root: str, within: tuple[int, int] | None = None) -> RegionDataset:
    """A dataset with boxes by its name; single faulty boxes, and records whose picture is missing, are left out, and said so.

    Args:
        name: one of ``WITH_BOXES``.
        root: its folder. coco: as for ``open_captions``, with an ``instances_*.json`` beside each ``captions_*.json``.
            flickr30k: ``Sentences`` and ``Annotations`` of Flickr30k Entities, its lists of splits, and the pictures.
        within: see ``RegionDataset``.

    Raises:
        FileNotFoundError: no file of that kind; no picture is there.
        ValueError: a damaged file.
    """
    folder = pathlib.Path(root)
    if name == "coco":
        dataset = _joined([read_coco_regions(file, file.with_name(file.name.replace("captions_", "instances_", 1)), pictures,
                                             split=split, strict=False, within=within)
                           for file, pictures, split in _coco_files(folder)])
    else:
        dataset = read_flickr30k_entities(folder, strict=False, within=within)
    return _told(name, folder, dataset)


def _told(name: str, folder: pathlib.Path, dataset: Any) -> Any:
    """The records whose picture is there; what the reader noted, and what is left out, is printed."""
    for note in dataset.notes:
        print(f"{name}: {note}")
    if dataset.without_captions and not isinstance(dataset, RegionDataset):   # whose notes say it
        print(f"{name}: {len(dataset.without_captions)} pictures have no caption and are left out")
    if dataset.missing:
        print(f"{name}: {dataset.missing_message()}")
        dataset = dataset.present()
    if not len(dataset):
        raise FileNotFoundError(f"{name}: no captioned picture is in {folder}")
    return dataset


def _coco(folder: pathlib.Path, image_size: int, channels: int) -> CaptionDataset:
    return _joined([read_coco_captions(file, pictures, split=split, image_size=image_size, channels=channels)
                    for file, pictures, split in _coco_files(folder)])


def _coco_files(folder: pathlib.Path) -> list[tuple[pathlib.Path, pathlib.Path, str]]:
    """All captions_*.json of the folder, each with its folder of pictures; what is not named after train is "val"."""
    found = []
    for file in _files(folder, "captions_*.json", "coco"):
        year = folder / file.stem.removeprefix("captions_")
        found.append((file, year if year.is_dir() else _pictures(folder), "train" if "train" in file.stem else "val"))
    return found


def _joined(parts: list) -> Any:
    """Datasets of one kind as one."""
    whole = parts[0].of(record for part in parts for record in part.records)
    whole.without_captions = tuple(record for part in parts for record in part.without_captions)
    whole.notes = tuple(note for part in parts for note in part.notes)
    return whole


def _pictures(folder: pathlib.Path) -> pathlib.Path:
    return folder / "images" if (folder / "images").is_dir() else folder


def _files(folder: pathlib.Path, pattern: str, name: str) -> list[pathlib.Path]:
    found = sorted([*folder.glob(pattern), *(folder / "annotations").glob(pattern)])
    if not found:
        raise FileNotFoundError(f"{name}: there is no {pattern} in {folder} or in {folder / 'annotations'}")
    return found
