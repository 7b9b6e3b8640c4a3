"""Clips that need both streams: the colour of a thing shows in the pictures alone, the order of its turns in the flow alone.

A coloured digit goes round a circle twice, as in ``order_clips``; the class is its colour and the directions of the two
turns. The RGB stream is the window of a shaky tracker: it stands where the tracker believes the digit to be, which is off by
at most two pixels and corrected late, so that it says nothing of the motion; colours vary from frame to frame and are noisy.
The flow stream has the displacement of every pixel, with noise, seen by a camera that stands still.
"""

from __future__ import annotations

import numpy as np

from ...autograd.integers import integer
from ...backend.random import Stream
from ..dataset import Dataset
from ..flow_pictures import flow_pictures
from .digits import split_digits
from .order_clips import CANVAS, CLASSES as ORDERS, DIGIT, ROOM, TURN, balanced, cells, places, visits

COLOURS = {"red": (0.9, 0.25, 0.25), "green": (0.25, 0.8, 0.25), "blue": (0.25, 0.35, 0.95)}
CLASSES = tuple(f"{colour}: {order}" for colour in COLOURS for order in ORDERS)
STEPS = 2 * TURN                 # displacements, and flow pictures
FRAMES = STEPS + 1
WINDOW = 16                      # pixels a side of the RGB stream
OFF = 2                          # pixels by which the tracker errs at most
TINT, GRAIN = 0.08, 0.06         # deviations of a frame's colour, and of a pixel
FLOW_NOISE = 0.5                 # deviation of u and v, in pixels
INK = 0.25                       # darkness from which a pixel belongs to the digit



class TrackedClips(Dataset):
    """Clips of one part of the handwritten digits; digit, centre, first station, errors and noise are drawn for each.

    Args:
        part: "train", "validation" or "test"; no original is in two parts.
        count: how many clips.
        seed: of the clips and of the split.
        fold: which split of the originals, 0 to 2, as for ``split_digits``.

    Attributes:
        rgb: (count, 17, 3, 16, 16) uint8.
        flow: (count, 16, 3, 24, 24) uint8; picture t shows the motion from frame t to frame t + 1, and is named after the later.
        labels: (count,) int64, of ``CLASSES``: four times the colour, plus the order.
        stations: (count, 17) int64, where the digit is.

    Raises:
        ValueError: another part, fewer than one clip.
    """

    def __init__(self, part: str, count: int, seed: int = 0, fold: int = 0):
        originals = split_digits(seed, fold=fold)
        if part not in originals:
            raise ValueError(f"TrackedClips: part={part!r}; choose from {', '.join(originals)}")
        count = integer("TrackedClips", "count", count, 1)
        images, _ = originals[part]
        rng = Stream(f"tracked clips {part}", seed).generator
        self.labels = balanced(rng, count, len(CLASSES))
        starts, chosen = rng.integers(TURN, size=count), rng.integers(len(images), size=count)
        centres = rng.integers(-ROOM, ROOM + 1, size=(count, 2))
        colours, orders = np.divmod(self.labels, len(ORDERS))
        self.stations = np.stack([visits(order, start, FRAMES, before=TURN) for order, start in zip(orders, starts)])
        self.rgb = np.stack([windows_of(rng, images[i], colour, errors(rng, FRAMES)) for i, colour in zip(chosen, colours)])
        self.flow = np.stack([motion_of(rng, images[i], places(stations, centre))
                              for i, stations, centre in zip(chosen, self.stations, centres)])

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        return self.rgb[index], self.flow[index], int(self.labels[index])

    def __len__(self) -> int:
        return len(self.labels)


def errors(rng: np.random.Generator, length: int) -> np.ndarray:
    """By how many pixels the tracker errs in each frame, (length, 2) int64 within +-2: a part of each error stays."""
    error, found = np.zeros(2), np.zeros((length, 2), np.int64)
    for t in range(length):
        error = 0.6 * error + rng.standard_normal(2)
        found[t] = np.clip(np.round(error), -OFF, OFF)
    return found


def windows_of(rng: np.random.Generator, image: np.ndarray, colour: int, off: np.ndarray) -> np.ndarray:
    """A digit (8, 8) in [0, 1] of a colour, in windows that err by ``off`` (T, 2): (T, 3, 16, 16) uint8."""
    ink = np.zeros((len(off), 1, WINDOW, WINDOW), np.float32)
    for frame, (top, left) in zip(ink, off + (WINDOW - DIGIT) // 2):
        frame[0, top:top + DIGIT, left:left + DIGIT] = image
    normal = lambda *shape: rng.standard_normal((len(off), *shape), np.float32)
    shade = np.array(list(COLOURS.values()), np.float32)[colour] + TINT * normal(3)    # (T, 3)
    seen = ink * shade[:, :, None, None] + GRAIN * normal(3, WINDOW, WINDOW)           # (T, 3, 16, 16)
    return np.round(255 * np.clip(seen, 0, 1)).astype(np.uint8)


def motion_of(rng: np.random.Generator, image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The flow pictures (T - 1, 3, 24, 24) of a digit (8, 8) with its corner at each of ``corners`` (T, 2)."""
    steps = np.diff(corners, axis=0)                                   # (T - 1, 2): down, right
    v, u = FLOW_NOISE * rng.standard_normal((2, len(steps), CANVAS, CANVAS), np.float32)
    for t, (top, left) in enumerate(corners[1:]):
        there = slice(top, top + DIGIT), slice(left, left + DIGIT)
        v[t][there] += steps[t, 0] * (image > INK)
        u[t][there] += steps[t, 1] * (image > INK)
    return flow_pictures(u, v)


def tracked_frames(part: str, count: int, seed: int = 0, fold: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Single windows, none of a clip, to teach a CNN for RGB first: which digit, and where it is in the window.

    Args:
        part: "train", "validation" or "test" of the originals, the same split as the clips'.
        count: how many.
        seed: of the windows and of the split.
        fold: which split.

    Returns:
        Windows (count, 3, 16, 16) uint8 and answers (count, 2) int64: the digit, 0 to 9, and the cell of a 4 x 4 grid of the
        tracker's errors, 0 to 15.

    Raises:
        ValueError: fewer than one window.
    """
    count = integer("tracked_frames", "count", count, 1)
    images, labels = split_digits(seed, fold=fold)[part]
    rng = Stream(f"tracked frames {part}", seed).generator
    chosen, off = rng.integers(len(images), size=count), rng.integers(-OFF, OFF + 1, size=(count, 2))
    colours = rng.integers(len(COLOURS), size=count)
    windows = np.concatenate([windows_of(rng, images[i], colour, error[None]) for i, colour, error in zip(chosen, colours, off)])
    return windows, np.stack([labels[chosen], cells(off + OFF, 2 * OFF + 1)], 1)
