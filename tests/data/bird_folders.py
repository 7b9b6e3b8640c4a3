"""Small folders in the layouts of CUB-200-2011 and of Oxford's flowers, with text_c10, for the tests."""

import pathlib

import numpy as np
import scipy.io
from PIL import Image

COLOURS = {"red": (220, 30, 30), "blue": (30, 30, 220), "green": (30, 180, 40), "yellow": (220, 210, 40), "white": (230, 230, 230)}


def pixels(rng: np.random.Generator, colour: str, height: int, width: int, box) -> Image.Image:
    """A dark picture with a disc of a colour in a box (left, top, width, height)."""
    left, top, w, h = box
    y, x = np.mgrid[:height, :width]
    inside = ((x - left - w / 2) / (w / 2)) ** 2 + ((y - top - h / 2) / (h / 2)) ** 2 < 1
    picture = rng.integers(0, 40, (height, width, 3)) + inside[..., None] * (np.array(COLOURS[colour]) - 40).clip(0)
    return Image.fromarray(picture.astype(np.uint8))


def captions(colour: str, what: str) -> str:
    return "".join(f"This {what} is {colour}, it has {n} {colour} parts.\n" for n in range(1, 11))


def write_cub(root: pathlib.Path, classes=3, each=6, test=1) -> pathlib.Path:
    """Classes of a colour each, the last ones for the test."""
    rng, lists, texts = np.random.default_rng(0), root / "CUB_200_2011", root / "birds" / "text_c10"
    names = [f"{n:03}.{colour.title()}_Bird" for n, colour in enumerate(list(COLOURS)[:classes], 1)]
    images, boxes, own = [], [], []
    for name, colour in zip(names, COLOURS):
        (lists / "images" / name).mkdir(parents=True)
        (texts / name).mkdir(parents=True)
        for k in range(each):
            box = (10 + k % 6, 6, 24 + k % 6, 20)
            pixels(rng, colour, 48, 60, box).save(lists / "images" / name / f"{name[4:]}_{k:04}_{7 * k}.jpg", quality=95)
            (texts / name / f"{name[4:]}_{k:04}_{7 * k}.txt").write_text(captions(colour, "bird"))
            images.append(f"{name}/{name[4:]}_{k:04}_{7 * k}.jpg")
            boxes.append(" ".join(f"{x:.1f}" for x in box))
            own.append(k % 2)
    for file, rows in (("images", images), ("bounding_boxes", boxes), ("train_test_split", own), ("classes", names)):
        (lists / f"{file}.txt").write_text("".join(f"{n} {row}\n" for n, row in enumerate(rows, 1)))
    for file, some in (("all", names), ("trainval", names[:-test]), ("test", names[-test:])):
        (texts.parent / f"{file}classes.txt").write_text("".join(f"{name}\n" for name in some))
    return root


def write_oxford(root: pathlib.Path, classes=3, each=6, test=1) -> pathlib.Path:
    """Classes of a colour each; the pictures of a class do not follow one another."""
    rng, count = np.random.default_rng(1), classes * each
    labels = rng.permutation(np.repeat(np.arange(1, classes + 1), each))
    (root / "jpg").mkdir(parents=True)
    for number, label in enumerate(labels, 1):
        colour, folder = list(COLOURS)[label - 1], root / "flowers" / "text_c10" / f"class_{label:05}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels(rng, colour, 50, 40, (8, 8, 24, 30)).save(root / "jpg" / f"image_{number:05}.jpg", quality=95)
        (folder / f"image_{number:05}.txt").write_text(captions(colour, "flower"))
    order = rng.permutation(count) + 1
    scipy.io.savemat(root / "imagelabels.mat", {"labels": labels[None].astype(np.uint8)})
    scipy.io.savemat(root / "setid.mat", {"trnid": order[None, :4], "valid": order[None, 4:8], "tstid": order[None, 8:]})
    names = [f"class_{n:05}" for n in range(1, classes + 1)]
    for file, some in (("trainval", names[:-test]), ("test", names[-test:])):
        (root / "flowers" / f"{file}classes.txt").write_text("".join(f"{name}\n" for name in some))
    return root
