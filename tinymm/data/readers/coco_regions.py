"""COCO's captions together with its instances: what people wrote of a picture, and boxes of the things in it."""

from __future__ import annotations

import os
import pathlib

from ...text import plain_words
from .captions import field, read_json
from .coco_captions import annotations_of, images_of, read_coco_captions
from .regions import Oddities, RegionDataset, RegionImage, as_boxes, checked_box, region_dataset

READER = "read_coco_regions"


def read_coco_regions(captions: str | os.PathLike, instances: str | os.PathLike, images: str | os.PathLike, *,
                      split: str | None = None, strict: bool = True, within: tuple[int, int] | None = None,
                      channels: int = 3) -> RegionDataset:
    """COCO captions with the boxes of COCO instances (Lin et al. 2014; Chen et al. 2015).

    Nobody has linked words with boxes here: ``phrases`` is None.

    Args:
        captions: as for ``read_coco_captions``.
        instances: JSON with ``images`` [{id, width, height}] and ``annotations`` [{id, image_id, bbox: [x, y, width,
            height]}], perhaps with ``iscrowd``; the rest is not looked at.
        images: the folder that holds each ``file_name``.
        split: what the records' ``split`` shall say; the files do not know.
        strict: whether a box outside its picture or of zero area is an error; else it is left out and told in the notes (the
            released files have a few).
        within: see ``RegionDataset``.
        channels: see ``RegionDataset``.

    Returns:
        Pictures in the order of the captions file, ``tokens`` by ``plain_words``, boxes by ascending annotation id. Boxes of
        crowds are left out. Pictures without captions or without boxes are in ``without_captions`` and ``without_boxes``, and
        counted in the notes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file or record, a box for an unknown image; the message says which record and what was
            expected.
    """
    told = read_coco_captions(captions, images, split=split)
    content = read_json(instances, READER, ("images", "annotations"),
                        "a COCO instances file such as instances_val2017.json, with 'images' and 'annotations'")
    sizes: dict[int | str, tuple[int, int]] = {}
    names: dict[int | str, str] = {}
    for number, image, where in images_of(content, f"{READER}: {instances}"):
        height, width = (field(image, name, int, where) for name in ("height", "width"))
        if min(height, width) < 1:
            raise ValueError(f"{where}: {width} x {height} pixels (width x height); expected at least 1 x 1")
        sizes[number] = height, width
        if "file_name" in image:
            names[number] = field(image, "file_name", str, where)
    boxes: dict[int | str, list] = {number: [] for number in sizes}
    crowds, odd = 0, Oddities(strict)
    for number, image_id, annotation, where in annotations_of(content, f"{READER}: {instances}", boxes):
        if "bbox" not in annotation and "caption" in annotation:
            raise ValueError(f"{where}: it has a caption and no bbox; this is a captions file, give the instances file")
        box = _corners(field(annotation, "bbox", list, where), where)
        if annotation.get("iscrowd"):
            crowds += 1
            continue
        try:
            boxes[image_id].append((number, checked_box(box, *sizes[image_id], where)))
        except ValueError as error:
            odd.found("faulty boxes are", str(error))
    known = {record.image_id for record in (*told.records, *told.without_captions)}
    records = [RegionImage(record.path, record.captions, record.image_id, split,
                           tuple(tuple(plain_words(caption)) for caption in record.captions),
                           as_boxes([box for _, box in sorted(boxes.get(record.image_id, []))]),
                           sizes.get(record.image_id, (0, 0))) for record in told.records]
    silent = [*told.without_captions, *(RegionImage(pathlib.Path(images) / names.get(number, str(number)), (), number, split)
                                        for number in sizes if number not in known)]
    notes = [*told.notes, *odd.notes(), *[f"{crowds} boxes of crowds are left out"] * bool(crowds)]
    return region_dataset(records, silent, notes, within=within, channels=channels)


def _corners(box: list, where: str) -> list[float]:
    """x, y, width, height as left, top, right, bottom."""
    if len(box) != 4 or not all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in box):
        raise ValueError(f"{where}: 'bbox' is {str(box)[:80]}; expected [x, y, width, height], four numbers")
    x, y, width, height = box
    return [x, y, x + width, y + height]
