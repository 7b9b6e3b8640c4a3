"""Boxes on a picture of one's own: a JSON list of [left, top, right, bottom]."""

from __future__ import annotations

import os

import numpy as np

from .captions import read_json

READER = "read_boxes"
EXPECTED = "a JSON list of boxes, [[left, top, right, bottom], ...], in pixels of the picture"
MOST = 100           # boxes: more than anybody looks at in one picture


def read_boxes(path: str | os.PathLike, picture_size: tuple[int, int]) -> np.ndarray:
    """The boxes in a file, none of which leaves its picture.

    Args:
        path: the file.
        picture_size: (H, W) of the picture.

    Returns:
        (M, 4) float64: left, top, right, bottom in pixels; the right and lower borders are where the box ends, so the whole
        picture is [0, 0, W, H].

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON, not a list, an empty list, more than ``MOST`` boxes; a box that is not four numbers, has NaN, is
            without area or leaves the picture. The message names the file and the box.
    """
    content = read_json(path, READER, (), EXPECTED)
    if not isinstance(content, list) or not content:
        what = "an empty list" if content == [] else f"a {type(content).__name__}"
        raise ValueError(f"{READER}: {path} holds {what}; give {EXPECTED}")
    if len(content) > MOST:
        raise ValueError(f"{READER}: {path} holds {len(content)} boxes; at most {MOST} are read")
    height, width = picture_size
    for i, box in enumerate(content):
        where = f"{READER}: {path} box {i}"
        if not isinstance(box, list) or len(box) != 4 or not all(type(n) in (int, float) for n in box):
            raise ValueError(f"{where} is {_short(box)}; it must be four numbers, [left, top, right, bottom]")
        left, top, right, bottom = box
        if any(n != n for n in box):
            raise ValueError(f"{where} is {_short(box)}; NaN is no place")
        if not (0 <= left <= width and 0 <= right <= width and 0 <= top <= height and 0 <= bottom <= height):
            raise ValueError(f"{where} is {_short(box)}; it leaves the picture, which is {width} pixels wide and {height} high")
        if not (left < right and top < bottom):
            raise ValueError(f"{where} is {_short(box)}; it has no area: left < right and top < bottom must hold")
    return np.array(content, dtype=np.float64)


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
