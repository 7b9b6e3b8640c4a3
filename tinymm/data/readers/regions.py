"""Pictures with captions and boxes: the dataset that every reader of boxes returns, and the check of a box."""

from __future__ import annotations

import dataclasses
import operator
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from .captions import CaptionDataset, CaptionedImage
from .images import picture_size, read_within

SLACK = 1.0               # pixels that a box may reach over the edge of its picture, as rounded ones do; they are cut off
MOST_SIDE = 2.0 ** 31     # of a picture, in pixels


class Phrase(NamedTuple):
    """Words of a caption that people have linked with boxes: tokens ``start`` to ``stop - 1``, and the rows of the boxes."""

    start: int
    stop: int
    boxes: tuple[int, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class RegionImage(CaptionedImage):
    """A captioned picture with boxes; ``tokens`` has the words of each caption.

    Attributes:
        boxes: (M, 4) float64, [left, top, right, bottom] in pixels from the picture's upper left corner; a box ends
            before ``right`` and ``bottom``.
        size: (H, W) of the picture, as the files have it.
        phrases: for each caption what people have linked, or None where the dataset has no such links.
    """

    boxes: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros((0, 4)))
    size: tuple[int, int] = (0, 0)
    phrases: tuple[tuple[Phrase, ...], ...] | None = None


class RegionDataset(CaptionDataset):
    """Captioned pictures with boxes, each read when it is asked for.

    Args:
        records: ``RegionImage``, all with captions and boxes.
        within: ``(H, W)``: scale each whole picture, and its boxes, until it just lies within this size; None keeps its own.
        channels: 3 for RGB, 1 for grey.
        without_captions: records of pictures that have no caption, and are left out of the items.
        without_boxes: likewise of pictures that have captions and no box.
        notes: what the reader had to put right or found odd, a sentence each.

    Item i is ``(picture, captions, boxes)``: (channels, H, W) float32 in [0, 1], a tuple of strings, (M, 4) float64 in pixels
    of this picture. A picture of another size than its record's is refused: its boxes would be elsewhere.
    """

    records: tuple[RegionImage, ...]

    def __init__(self, records: Iterable[RegionImage], *, within: tuple[int, int] | None = None, channels: int = 3,
                 without_captions: Iterable[CaptionedImage] = (), without_boxes: Iterable[CaptionedImage] = (),
                 notes: Iterable[str] = ()):
        super().__init__(records, channels=channels, without_captions=without_captions, notes=notes)
        self.without_boxes, self.within = tuple(without_boxes), within

    def __getitem__(self, index: int) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:   # type: ignore[override]
        picture, captions = super().__getitem__(index)
        record = self.records[operator.index(index)]
        (height, width), (own_height, own_width) = picture.shape[1:], record.size
        scale = np.array([width / own_width, height / own_height] * 2)
        return picture, captions, np.minimum(record.boxes * scale, [width, height] * 2)

    def _picture(self, record: RegionImage) -> np.ndarray:
        if (found := picture_size(record.path)) != record.size:
            raise ValueError(f"RegionDataset: {record.path} has {found[1]} x {found[0]} pixels (width x height), and its boxes are "
                             f"of a picture of {record.size[1]} x {record.size[0]}; give the pictures as released")
        if self.within is None:
            return super()._picture(record)
        return read_within(record.path, self.within, self.channels)

    def batch(self, indices: Sequence[int]) -> list[tuple[np.ndarray, tuple[str, ...], np.ndarray]]:   # type: ignore[override]
        """Several items, each with its own sizes."""
        return [self[i] for i in indices]

    def of(self, records: Iterable[RegionImage]) -> RegionDataset:   # type: ignore[override]
        return RegionDataset(records, within=self.within, channels=self.channels)

    def __repr__(self) -> str:
        boxes = sum(len(record.boxes) for record in self.records)
        return super().__repr__().replace("CaptionDataset", "RegionDataset").replace(" captions;", f" captions, {boxes} boxes;")

    def _only(self, keep) -> RegionDataset:
        return RegionDataset(filter(keep, self.records), within=self.within, channels=self.channels, notes=self.notes,
                             without_captions=filter(keep, self.without_captions), without_boxes=filter(keep, self.without_boxes))


def region_dataset(records: Sequence[RegionImage], silent: Sequence[CaptionedImage], notes: Sequence[str],
                   **options) -> RegionDataset:
    """The captioned pictures that have boxes; the others are beside them, and counted in the notes.

    Args:
        records: captioned pictures.
        silent: pictures without captions.
        notes: further notes, which come first.
        options: for ``RegionDataset``.
    """
    bare = [record for record in records if not len(record.boxes)]
    counts = ((len(silent), "pictures have no caption and are left out"),
              (len(bare), "captioned pictures have no box and are left out"))
    return RegionDataset((record for record in records if len(record.boxes)), without_captions=silent, without_boxes=bare,
                         notes=[*notes, *(f"{count} {what}" for count, what in counts if count)], **options)


class Oddities:
    """What is wrong with single records of a dataset: an error at once, or counted and told in the notes.

    Args:
        strict: whether it is an error.
    """

    def __init__(self, strict: bool):
        self.strict = strict
        self.first: dict[str, str] = {}
        self.count: Counter[str] = Counter()

    def found(self, kind: str, message: str) -> None:
        """One more of a kind; the message names file and record.

        Raises:
            ValueError: if strict.
        """
        if self.strict:
            raise ValueError(message)
        self.first.setdefault(kind, message)
        self.count[kind] += 1

    def notes(self) -> list[str]:
        """A sentence for each kind."""
        return [f"{self.count[kind]} {kind} left out, the first: {message}" for kind, message in self.first.items()]


def checked_box(box: Sequence[float], height: int, width: int, where: str) -> tuple[float, float, float, float]:
    """A box within its picture, without what reaches less than a pixel over the edge.

    Args:
        box: left, top, right, bottom in pixels.
        height, width: of the picture.
        where: what opens the message: reader, file, record.

    Raises:
        ValueError: no four finite numbers; a box outside the picture, or of zero area.
    """
    if len(box) != 4 or not all(isinstance(x, (int, float, np.integer, np.floating)) and not isinstance(x, bool)
                                and abs(x) < MOST_SIDE for x in box):   # NaN is not below it either
        raise ValueError(f"{where}: {str(box)[:80]} is no box; expected four numbers, in pixels")
    left, top, right, bottom = map(float, box)
    shown = f"the box [{left:g}, {top:g}, {right:g}, {bottom:g}] (left, top, right, bottom)"
    if not (left < right and top < bottom):
        raise ValueError(f"{where}: {shown} has no area; expected left < right and top < bottom")
    if min(left, top) < -SLACK or right > width + SLACK or bottom > height + SLACK:
        raise ValueError(f"{where}: {shown} is not in its picture, which has {width} x {height} pixels (width x height)")
    left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    if not (left < right and top < bottom):
        raise ValueError(f"{where}: {shown} touches its picture of {width} x {height} pixels (width x height) from outside")
    return left, top, right, bottom


def as_boxes(boxes: Sequence[Sequence[float]]) -> np.ndarray:
    """Boxes as (M, 4) float64, M = 0, too."""
    return np.array(boxes, np.float64).reshape(-1, 4)
