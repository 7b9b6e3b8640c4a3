"""Karpathy's splits: dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json (Karpathy & Fei-Fei 2015)."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

from .captions import CaptionDataset, CaptionedImage, field, read_json

READER = "read_karpathy"
SPLITS = ("train", "val", "test", "restval")
EXTRA_TRAINING = "restval"   # COCO's validation pictures outside Karpathy's val and test: training pictures for everyone since


def read_karpathy(json_file: str | os.PathLike, images: str | os.PathLike, splits: str | Iterable[str] | None = None, *,
                  image_size: int | tuple[int, int] | None = None, channels: int = 3) -> CaptionDataset:
    """Captions with Karpathy's splits and words; ``restval`` counts as "train".

    Args:
        json_file: ``{dataset, images: [{imgid, filename, split, sentences: [{raw, tokens}]}]}``; COCO's images also have
            ``cocoid`` and ``filepath``.
        images: the folder of the pictures. Where it has a folder named ``filepath`` (train2014, val2014), COCO's pictures
            are looked for in there, else in ``images`` itself.
        splits: keep these only ("train", "val", "test"); None keeps all.
        image_size: see ``CaptionDataset``.
        channels: see ``CaptionDataset``.

    Returns:
        Pictures in the file's order, with ``tokens``; ``image_id`` is COCO's id where there is one, else ``imgid``.

    Raises:
        FileNotFoundError: no such JSON file.
        ValueError: a damaged file or record, a picture twice, an unknown split, or one that no picture is in.
    """
    content = read_json(json_file, READER, ("images",), "one of Karpathy's files such as dataset_coco.json, with 'images'")
    folders: dict[str, pathlib.Path] = {}
    notes: list[str] = []
    records = []
    first: dict[tuple, int] = {}   # what names a picture -> where it stands first
    for i, image in enumerate(content["images"]):
        where = f"{READER}: {json_file}: image {i}"
        number = field(image, "imgid", int, where)
        where += f" (imgid {number})"
        split = field(image, "split", str, where)
        if split not in SPLITS:
            raise ValueError(f"{where}: 'split' is {split!r}; it must be one of {', '.join(map(repr, SPLITS))}")
        filename = field(image, "filename", str, where)
        filepath = field(image, "filepath", str, where) if "filepath" in image else ""
        coco = field(image, "cocoid", int, where) if "cocoid" in image else None
        for name in (("imgid", number), ("filename", filename, filepath), *([("cocoid", coco)] if coco is not None else [])):
            if (earlier := first.setdefault(name, i)) != i:
                raise ValueError(f"{where}: image {earlier} has the {name[0]} {name[1]!r} already; expected each picture once, "
                                 f"with all its sentences")
        if filepath not in folders:
            folders[filepath] = _folder(pathlib.Path(images), filepath)
        captions, tokens = [], []
        for j, sentence in enumerate(field(image, "sentences", list, where)):
            captions.append(field(sentence, "raw", str, f"{where}, sentence {j}"))
            words = field(sentence, "tokens", list, f"{where}, sentence {j}")
            if not all(isinstance(word, str) for word in words):
                raise ValueError(f"{where}, sentence {j}: 'tokens' must be strings, got {words}")
            tokens.append(tuple(words))
            if not words:
                notes.append(f"image {i} (imgid {number}), sentence {j}: it has no words")
        records.append(CaptionedImage(folders[filepath] / filename, tuple(captions),
                                      number if coco is None else coco,
                                      "train" if split == EXTRA_TRAINING else split, tuple(tokens)))
    if splits is not None:
        wanted, there = {splits} if isinstance(splits, str) else set(splits), {str(record.split) for record in records}
        if not wanted <= there:
            raise ValueError(f"{READER}: {json_file}: no picture is in {sorted(wanted - there)}; there are {sorted(there)}")
        records = [record for record in records if record.split in wanted]
    return CaptionDataset((r for r in records if r.captions), image_size=image_size, channels=channels,
                          without_captions=(r for r in records if not r.captions), notes=notes)


def _folder(images: pathlib.Path, filepath: str) -> pathlib.Path:
    """``images/filepath``, or ``images`` where all pictures lie in one folder."""
    return images if images.is_dir() and not (images / filepath).is_dir() else images / filepath
