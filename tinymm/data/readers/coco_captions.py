"""The captions of COCO, in the JSON format of its release (captions_train2014.json, captions_val2017.json, ...)."""

from __future__ import annotations

import os
import pathlib

from .captions import CaptionDataset, CaptionedImage, field, read_json

READER = "read_coco_captions"


def read_coco_captions(annotations: str | os.PathLike, images: str | os.PathLike, *, split: str | None = None,
                       image_size: int | tuple[int, int] | None = None, channels: int = 3) -> CaptionDataset:
    """COCO captions (Chen et al. 2015, "Microsoft COCO Captions"); ``info`` and ``licenses`` may be absent.

    Args:
        annotations: JSON with ``images`` [{id, file_name}] and ``annotations`` [{id, image_id, caption}].
        images: the folder that holds each ``file_name``.
        split: what the records' ``split`` shall say; the file does not know.
        image_size: see ``CaptionDataset``.
        channels: see ``CaptionDataset``.

    Returns:
        Pictures in the file's order, each with its captions by ascending annotation id. Pictures that have no caption
        are in ``without_captions``.

    Raises:
        FileNotFoundError: no such annotation file.
        ValueError: a damaged file or record; the message says which record and what was expected.
    """
    content = read_json(annotations, READER, ("images", "annotations"),
                        "a COCO captions file such as captions_val2017.json, with 'images' and 'annotations'")
    paths: dict[int | str, pathlib.Path] = {}
    for i, image in enumerate(content["images"]):
        where = f"{READER}: {annotations}: image {i}"
        number = field(image, "id", (int, str), where)
        if number in paths:
            raise ValueError(f"{where} (id {number}): an earlier image has the same id")
        paths[number] = pathlib.Path(images) / field(image, "file_name", str, f"{where} (id {number})")
    captions: dict[int | str, list[tuple[int, str]]] = {number: [] for number in paths}
    seen: set[int] = set()
    notes = []
    for i, annotation in enumerate(content["annotations"]):
        where = f"{READER}: {annotations}: annotation {i}"
        number = field(annotation, "id", int, where)
        where += f" (id {number})"
        if number in seen:
            raise ValueError(f"{where}: an earlier annotation has the same id")
        seen.add(number)
        image_id = field(annotation, "image_id", (int, str), where)
        if image_id not in captions:
            raise ValueError(f"{where}: image_id {image_id!r} is not among the images")
        if "caption" not in annotation and "category_id" in annotation:
            raise ValueError(f"{where}: it has a category and no caption; this is an instances or keypoints file, "
                             f"give the captions file")
        caption = field(annotation, "caption", str, where)
        if not caption.strip():
            notes.append(f"annotation {i} (id {number}): the caption is empty")
        captions[image_id].append((number, caption))
    records = [CaptionedImage(path, tuple(text for _, text in sorted(captions[number])), number, split)
               for number, path in paths.items()]
    return CaptionDataset((r for r in records if r.captions), image_size=image_size, channels=channels,
                          without_captions=(r for r in records if not r.captions), notes=notes)
