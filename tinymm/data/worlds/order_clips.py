"""Clips of which only the order of the frames says what is done: a handwritten digit goes round a circle twice.

It steps from one of eight stations to the next, eight steps a turn. The class is the direction of the first turn and that of
the second. Either way a turn visits every station once, so the clips of all classes consist of the same frames: neither a
frame nor the set of them says anything, and what the first turn shows leaves two classes.
"""

from __future__ import annotations

import numpy as np

from ...autograd.integers import integer
from ...backend.random import Stream
from ..dataset import Dataset
from .digits import split_digits

CANVAS, DIGIT = 24, 8                                        # pixels a side
STATIONS = np.array([(-6, 0), (-4, 4), (0, 6), (4, 4), (6, 0), (4, -4), (0, -6), (-4, -4)])   # (down, right) of the centre
TURN = len(STATIONS)                                         # steps of a turn
FRAMES = 2 * TURN
CLASSES = ("right, right", "right, left", "left, right", "left, left")   # directions of the two turns
DIRECTIONS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])  # of each class: 1 is clockwise
ROOM = (CANVAS - DIGIT) // 2 - 6                             # the circle's centre is off the middle by at most this


def visits(label: int, start: int, length: int = FRAMES, before: int = TURN - 1) -> np.ndarray:
    """The stations of a clip, one a frame.

    Args:
        label: of ``CLASSES``.
        start: the station in the first frame, 0 to 7.
        length: frames; what comes after the first turn goes on as the second one.
        before: steps of the first turn. The 8 stations of a turn are 7 steps apart, and the step to the next one is the
            second turn's.

    Returns:
        (length,) int64.
    """
    first, second = DIRECTIONS[label]
    step = np.arange(length)
    turned = np.minimum(step, before)
    return (start + first * turned + second * (step - turned)) % TURN


def places(stations: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Where the digit's top left corner is, (..., 2), at stations (...) of a circle around ``centre`` (2,)."""
    return STATIONS[stations] + centre + (CANVAS - DIGIT) // 2


def frames_of(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A digit (8, 8) in [0, 1] with its corner at each of ``corners`` (T, 2), on black: (T, 1, 24, 24) uint8."""
    found = np.zeros((len(corners), 1, CANVAS, CANVAS), np.uint8)
    ink = np.round(255 * image).astype(np.uint8)
    for frame, (top, left) in zip(found, corners):
        frame[0, top:top + DIGIT, left:left + DIGIT] = ink
    return found


def balanced(rng: np.random.Generator, count: int, classes: int) -> np.ndarray:
    """Labels (count,) int64 in random order, each as often as every other, or once more."""
    return rng.permutation(count) % classes


class OrderClips(Dataset):
    """Clips of one part of the handwritten digits; digit, centre and first station are drawn for each.

    Args:
        part: "train", "validation" or "test"; no original is in two parts.
        count: how many clips.
        seed: of the clips and of the split.
        steady: both turns in one direction, the only clips whose later windows show the same.
        length: frames of a clip, more than ``FRAMES`` only of steady ones.

    Attributes:
        frames: (count, length, 1, 24, 24) uint8.
        labels: (count,) int64, of ``CLASSES``.
        stations: (count, length) int64, where the digit is.

    Raises:
        ValueError: another part, fewer than one clip or frame, long clips that are not steady.
    """

    def __init__(self, part: str, count: int, seed: int = 0, steady: bool = False, length: int = FRAMES):
        originals = split_digits(seed)
        if part not in originals:
            raise ValueError(f"OrderClips: part={part!r}; choose from {', '.join(originals)}")
        count, length = integer("OrderClips", "count", count, 1), integer("OrderClips", "length", length, 1)
        if length > FRAMES and not steady:
            raise ValueError(f"OrderClips: length={length}; a window that starts in the second turn shows another class, so clips "
                             f"longer than {FRAMES} frames must be steady")
        images, _ = originals[part]
        rng = Stream(f"order clips {part}{' steady' * steady}", seed).generator
        self.labels = balanced(rng, count, 2) * 3 if steady else balanced(rng, count, len(CLASSES))
        starts, chosen = rng.integers(TURN, size=count), rng.integers(len(images), size=count)
        centres = rng.integers(-ROOM, ROOM + 1, size=(count, 2))
        self.stations = np.stack([visits(label, start, length) for label, start in zip(self.labels, starts)])
        self.frames = np.stack([frames_of(images[i], places(stations, centre))
                                for i, stations, centre in zip(chosen, self.stations, centres)])

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.frames[index], int(self.labels[index])

    def __len__(self) -> int:
        return len(self.labels)


def order_frames(part: str, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Single frames, none of a clip, to teach a CNN what it needs before it sees motion: which digit, and where.

    Args:
        part: "train", "validation" or "test" of the originals, the same split as the clips'.
        count: how many.
        seed: of the frames and of the split.

    Returns:
        Frames (count, 1, 24, 24) uint8 and answers (count, 2) int64: the digit, 0 to 9, and the cell of a 4 x 4 grid in
        which the middle of the digit lies, 0 to 15.

    Raises:
        ValueError: fewer than one frame.
    """
    count = integer("order_frames", "count", count, 1)
    images, labels = split_digits(seed)[part]
    rng = Stream(f"order frames {part}", seed).generator
    chosen, corners = rng.integers(len(images), size=count), rng.integers(CANVAS - DIGIT + 1, size=(count, 2))
    frames = np.stack([frames_of(images[i], corner[None])[0] for i, corner in zip(chosen, corners)])
    return frames, np.stack([labels[chosen], cells(corners, CANVAS - DIGIT + 1)], 1)


def cells(corners: np.ndarray, room: int, side: int = 4) -> np.ndarray:
    """The cell (N,) int64 of a grid with ``side`` rows and columns in which each of ``corners`` (N, 2), 0 to room - 1, lies."""
    row, column = (corners * side // room).T
    return row * side + column
