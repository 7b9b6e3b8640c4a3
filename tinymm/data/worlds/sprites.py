"""Sprites: six shapes in six colours, drawn without jagged edges, filled or sketched."""

from __future__ import annotations

import functools

import numpy as np

COLOURS = {"red": (0.90, 0.12, 0.12), "green": (0.10, 0.65, 0.20), "blue": (0.15, 0.30, 0.95), "yellow": (0.95, 0.90, 0.15),
           "purple": (0.60, 0.15, 0.75), "white": (0.95, 0.95, 0.95)}
SAMPLES = 8      # sub-pixels a side of a pixel
STROKE = 0.28    # width of a sketch's outline, in half sides of the shape
INSIDE = 0.35    # how much of the colour a sketch has inside its outline


def _star(x, y):
    """Five points, the first at the top; between them the radius falls to its inner value on straight lines."""
    angle, inner = np.mod(np.arctan2(x, -y), 2 * np.pi / 5), 0.42
    angle = np.minimum(angle, 2 * np.pi / 5 - angle)   # from the nearest point
    edge = inner * np.sin(np.pi / 5) / (inner * np.sin(np.pi / 5 - angle) + np.sin(angle))
    return np.hypot(x, y) / edge


# For each shape: how far out a point is; 1 on the edge, less inside, growing in proportion to the distance from the centre.
SHAPES = {
    "circle": lambda x, y: np.hypot(x, y),
    "square": lambda x, y: np.maximum(abs(x), abs(y)) / 0.88,
    "triangle": lambda x, y: np.maximum(y / 0.75, (2 * abs(x) - y) / 0.95),
    "star": _star,
    "cross": lambda x, y: np.maximum(np.maximum(abs(x), abs(y)), np.minimum(abs(x), abs(y)) / 0.32),
    "heart": lambda x, y: np.where(y < -0.2, np.hypot(abs(x) - 0.48, y + 0.32) / 0.52,
                                   np.maximum(abs(x) + 0.95 * (y - 0.05), abs(x)) / 0.98),
}


@functools.lru_cache(maxsize=4096)
def coverage(shape: str, side: int, sketch: bool = False, turn: int = 0) -> np.ndarray:
    """How much of each pixel a shape covers, (side, side) floats from 0 to 1; read-only.

    Args:
        shape: one of ``SHAPES``.
        side: pixels.
        sketch: an outline, with less inside.
        turn: degrees, clockwise.
    """
    at = (2 * np.arange(side * SAMPLES) + 1) / (side * SAMPLES) - 1
    y, x = np.meshgrid(at, at, indexing="ij")
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    x, y = c * x + s * y, c * y - s * x
    far = SHAPES[shape](x, y)
    ink = (far <= 1).astype(float)
    if sketch:
        ink = np.where(far <= 1 - STROKE, INSIDE, ink)
    ink = ink.reshape(side, SAMPLES, side, SAMPLES).mean((1, 3))
    ink.flags.writeable = False
    return ink


def dark_ground(rng: np.random.Generator, canvas: int, brightest: float = 0.15) -> np.ndarray:
    """An empty dark picture of any tint, (3, canvas, canvas) floats, without noise; each colour is at most ``brightest``."""
    picture = np.empty((3, canvas, canvas))
    picture[...] = rng.uniform(0, brightest, (3, 1, 1))
    return picture


def shade(rng: np.random.Generator, colour, spread: float = 0.04) -> np.ndarray:
    """One of ``COLOURS``, or three numbers, as it may look, (3,) in [0, 1]; ``spread`` is the standard deviation."""
    return np.clip(np.asarray(COLOURS[colour] if isinstance(colour, str) else colour) + rng.normal(0, spread, 3), 0, 1)


def grainy(rng: np.random.Generator, picture: np.ndarray, noise: float = 0.02) -> np.ndarray:
    """A picture (3, H, W) of floats with noise in every pixel, as uint8; ``noise`` is the standard deviation."""
    return np.round(255 * np.clip(picture + rng.normal(0, noise, picture.shape), 0, 1)).astype(np.uint8)


def paint(picture: np.ndarray, shape: str, colour, box: tuple[int, int, int, int], sketch: bool = False, turn: int = 0) -> None:
    """Paint a shape over a picture, in place.

    Args:
        picture: (3, H, W) floats in [0, 1].
        colour: three floats in [0, 1].
        box: (top, left, bottom, right), a square.
        sketch, turn: see ``coverage``.
    """
    top, left, bottom, right = box
    ink = coverage(shape, bottom - top, sketch, turn)
    part = picture[:, top:bottom, left:right]
    part += ink * (np.asarray(colour)[:, None, None] - part)
