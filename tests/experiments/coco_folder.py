"""Datasets in the layout of COCO's release: a small one to be written, and the real photographs where they are."""

import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from tinymm.cli import main

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


def real_photographs(test):
    """Mark a test as one that reads them."""
    there = pytest.mark.skipif("TINYMM_REAL_DATA" not in os.environ, reason="TINYMM_REAL_DATA names no folder")
    return pytest.mark.real(pytest.mark.slow(there(test)))


def metrics_on_real_photographs(lecture: int, out: pathlib.Path) -> dict:
    """What a lecture measures of them at smoke scale."""
    root = pathlib.Path(os.environ["TINYMM_REAL_DATA"]) / "coco_val_subset"
    assert main(["lecture", str(lecture), "--scale", "smoke", "--data", "coco", "--root", str(root), "--out", str(out)]) == 0
    return json.loads((out / "report.json").read_text())["metrics"]
