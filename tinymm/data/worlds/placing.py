"""Where things stand in a composed picture: in rows from the top, each row from the left, with a gap between any two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GAP = 2   # pixels between two things, at least


def fits(rows: Sequence[np.ndarray], canvas: int) -> bool:
    """Whether squares with these sides, row by row, have room on a square canvas."""
    return sum(row.max() + GAP for row in rows) <= canvas and all((row + GAP).sum() <= canvas for row in rows)


def place(rng: np.random.Generator, rows: Sequence[np.ndarray], canvas: int) -> list[tuple[int, int]]:
    """Random places for squares that fit.

    Args:
        rng: where the choices come from.
        rows: for each row the sides of its squares, in pixels.
        canvas: pixels a side.

    Returns:
        (top, left) of each square, in reading order.
    """
    places = []
    for top, row in zip(_spread(rng, [int(row.max()) for row in rows], canvas), rows):
        for side, left in zip(row, _spread(rng, [int(side) for side in row], canvas)):
            places.append((top + int(rng.integers(0, row.max() - int(side) + 1)), left))
    return places


def relations(rows: Sequence[np.ndarray]) -> list[str]:
    """How each thing stands to the next in reading order: "left of", "above" at the end of a row, "" for the last."""
    return [relation for row in rows for relation in ["left of"] * (len(row) - 1) + ["above"]][:-1] + [""]


def _spread(rng: np.random.Generator, lengths: list[int], canvas: int) -> list[int]:
    """Starts of pieces of the given lengths in a row on the canvas, with at least GAP between them, else at random."""
    spare = canvas - sum(lengths) - GAP * (len(lengths) - 1)
    cuts = np.sort(rng.integers(0, spare + 1, size=len(lengths)))   # how much of the spare room lies before each piece
    return [int(cut) + sum(lengths[:i]) + GAP * i for i, cut in enumerate(cuts)]
