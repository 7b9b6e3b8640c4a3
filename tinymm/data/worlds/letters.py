"""Lines of handwriting: five parametric letters, of 4 to 18 points, with the letter being written known at each point.

A letter is one stroke, a curve over the unit square (g hangs below it). A line has a text, a size, a slant and a
tempo of its own, and each point trembles. The pen is told by offsets, as in Graves (2013): (dx, dy, end), where
``end`` is 1 at the last point of a stroke. Letters differ in their number of points, so that a reader that moves on
at a constant rate is soon at the wrong one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ...backend.random import Stream


def _i(s):
    return 0.05 * np.sin(np.pi * s), 1 - s


def _c(s):
    angle = np.pi * (0.25 + 1.5 * s)
    return 0.4 + 0.4 * np.cos(angle), 0.5 + 0.5 * np.sin(angle)


def _s(s):
    return 0.3 - 0.35 * np.sin(2 * np.pi * s) + 0.2 * np.cos(np.pi * s), 1 - s


def _w(s):
    return s, 0.5 + 0.5 * np.cos(4 * np.pi * s)


def _g(s):
    """A ring, then a tail to the left below the line."""
    ring, tail = 2 * np.pi * np.minimum(s / 0.6, 1), np.maximum(s - 0.6, 0) / 0.4
    return 0.4 + 0.4 * np.cos(ring + np.pi * tail), 0.5 + 0.5 * np.sin(ring) - 1.3 * np.sin(0.6 * np.pi * tail)


# letter -> its points at tempo 1, and its curve: s from 0 to 1 -> x and y
LETTERS: dict[str, tuple[int, Callable]] = {"i": (5, _i), "c": (7, _c), "s": (10, _s), "w": (13, _w), "g": (16, _g)}
ALPHABET = "".join(LETTERS)
TEMPO = (0.8, 1.12)    # of a line: fewer or more points a letter
TREMBLE = 0.02         # standard deviation of a point, in heights of a letter
GAP = 0.35             # between letters


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of writing, T points of a text of U letters.

    Attributes:
        text: letters of ``ALPHABET``.
        points: (T, 3) float32, the offsets (dx, dy) from the point before, and 1 at the end of a stroke.
        letter: (T,) int64 from 0 to U - 1, which letter of the text each point belongs to.
    """

    text: str
    points: np.ndarray
    letter: np.ndarray


def write_line(text: str, rng: np.random.Generator) -> Line:
    """Write a text once.

    Args:
        text: letters of ``ALPHABET``, at least one.
        rng: gives the line's tempo, size and slant, and the trembling.

    Raises:
        ValueError: no letters, or others.
    """
    if not text or set(text) - set(ALPHABET):
        raise ValueError(f"write_line: the text is {text!r}; it takes one letter or more of {ALPHABET!r}")
    tempo, size, slant = rng.uniform(*TEMPO), rng.uniform(0.9, 1.1), rng.uniform(-0.1, 0.3)
    x0, places, letter = 0.0, [], []
    for u, name in enumerate(text):
        count, curve = LETTERS[name]
        x, y = curve(np.linspace(0, 1, round(count * tempo)))
        places.append(np.stack([x0 + x, y], 1))
        letter += [u] * len(x)
        x0 += x.max() + GAP
    at = np.concatenate(places)                                            # (T, 2)
    at = size * np.stack([at[:, 0] + slant * at[:, 1], at[:, 1]], 1) + rng.normal(0, TREMBLE, at.shape)
    end = np.append(np.diff(letter) > 0, True)
    points = np.concatenate([np.diff(at, axis=0, prepend=at[:1]), end[:, None]], 1)
    return Line(text, points.astype(np.float32), np.array(letter))


def split_lines(seed: int = 0, sizes: tuple[int, int, int] = (1500, 200, 200),
                letters: tuple[int, int] = (4, 6)) -> dict[str, list[Line]]:
    """Lines as "train", "validation" and "test"; no text is written twice.

    Args:
        seed: which lines.
        sizes: lines of each part.
        letters: the fewest and the most letters of a text.

    Raises:
        ValueError: more lines than there are texts.
    """
    rng = Stream("letters", seed).generator
    low, high = letters
    possible = sum(len(ALPHABET)**n for n in range(low, high + 1))
    if sum(sizes) > possible // 2:
        raise ValueError(f"split_lines: sizes={sizes} ask for {sum(sizes)} texts, more than half of the {possible} there are; "
                         "allow longer ones")
    texts: dict[str, None] = {}
    while len(texts) < sum(sizes):
        texts["".join(rng.choice(list(ALPHABET), rng.integers(low, high + 1)))] = None
    lines = iter([write_line(text, rng) for text in texts])
    return {name: [next(lines) for _ in range(size)] for name, size in zip(("train", "validation", "test"), sizes)}


def best_constant_rate(lines: Sequence[Line]) -> tuple[float, float]:
    """What a reader reaches that moves on by the same part of a letter at each point of each line.

    Args:
        lines: those to be read; the rate is chosen on them, which favours it.

    Returns:
        The best rate in letters a point, and the share of points at which it is at the letter being written.
    """
    points = sum(len(line.letter) for line in lines)

    def right(line: Line, rate: float) -> int:
        reached = ((np.arange(len(line.letter)) + 0.5) * rate).astype(int)
        return int((np.minimum(reached, len(line.text) - 1) == line.letter).sum())

    shares = {float(rate): sum(right(line, rate) for line in lines) / points for rate in np.linspace(0.02, 0.3, 141)}
    return max(shares.items(), key=lambda pair: pair[1])
