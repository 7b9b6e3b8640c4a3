"""A small dataset in the layout of COCO's release."""

import json
import pathlib

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200)}


def write_coco(folder: pathlib.Path, count: int = 12) -> None:
    """Red and blue pictures in turn, with two captions each."""
    (folder / "images").mkdir(), (folder / "annotations").mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(count):
        name = list(COLOURS)[i % 2]
        Image.fromarray((np.array(COLOURS[name]) + rng.integers(0, 30, (50, 70, 3))).astype(np.uint8)).save(
            folder / "images" / f"{i}.jpg")
        images.append({"id": i, "file_name": f"{i}.jpg"})
        annotations += [{"id": 2 * i + k, "image_id": i, "caption": text} for k, text in
                        enumerate((f"A {name} picture .", f"everything is {name}"))]
    (folder / "annotations" / "captions_small.json").write_text(json.dumps({"images": images, "annotations": annotations}))
