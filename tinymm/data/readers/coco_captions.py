"""The captions of COCO, in the JSON format of its release (captions_train2014.json, captions_val2017.json, ...)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Container, Iterator

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
    for number, image, where in images_of(content, f"{READER}: {annotations}"):
        paths[number] = pathlib.Path(images) / field(image, "file_name", str, where)
    captions: dict[int | str, list[tuple[int, str]]] = {number: [] for number in paths}
    notes = []
    for i, (number, image_id, annotation, where) in enumerate(annotations_of(content, f"{READER}: {annotations}", captions)):
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


def images_of(content: dict, where: str) -> Iterator[tuple[int | str, dict, str]]:
    """The images of a COCO file: id, record, and what opens a message about it.

    Args:
        content: of the file.
        where: reader and file.

    Raises:
        ValueError: an image without an id, or with that of an earlier one.
    """
    seen = set()
    for i, image in enumerate(content["images"]):
        number = field(image, "id", (int, str), f"{where}: image {i}")
        if number in seen:
            raise ValueError(f"{where}: image {i} (id {number}): an earlier image has the same id")
        seen.add(number)
        yield number, image, f"{where}: image {i} (id {number})"


def annotations_of(content: dict, where: str, known: Container) -> Iterator[tuple[int, int | str, dict, str]]:
    """The annotations of a COCO file: id, id of the image, record, and what opens a message about it.

    Args:
        content: of the file.
        where: reader and file.
        known: ids of images.

    Raises:
        ValueError: an annotation without ids, with that of an earlier one, or of an unknown image.
    """
    seen = set()
    for i, annotation in enumerate(content["annotations"]):
        here = f"{where}: annotation {i}"
        number = field(annotation, "id", int, here)
        here += f" (id {number})"
        if number in seen:
            raise ValueError(f"{here}: an earlier annotation has the same id")
        seen.add(number)
        image_id = field(annotation, "image_id", (int, str), here)
        if image_id not in known:
            raise ValueError(f"{here}: image_id {image_id!r} is not among the images")
        yield number, image_id, annotation, here
