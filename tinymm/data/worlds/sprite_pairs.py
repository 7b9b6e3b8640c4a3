"""Which pairs of a colour and a shape the parts of a world show: six pairs are in no part but "unseen" and the judge's."""

from __future__ import annotations

import numpy as np

from .sprite_scenes import NOVEL
from .sprites import COLOURS, SHAPES

PAIRS = tuple((c, s) for c, colour in enumerate(COLOURS) for s, shape in enumerate(SHAPES) if (colour, shape) not in NOVEL)
UNSEEN_PAIRS = tuple((c, s) for c, colour in enumerate(COLOURS) for s, shape in enumerate(SHAPES) if (colour, shape) in NOVEL)
PARTS = {"train": PAIRS, "validation": PAIRS, "test": PAIRS, "unseen": UNSEEN_PAIRS, "judge": PAIRS + UNSEEN_PAIRS}


def check_part(world: str, part: str, count: int) -> None:
    """What a world is asked for.

    Args:
        world: its name, for messages.
        part: one of ``PARTS``.
        count: pictures.

    Raises:
        ValueError: another part, or no picture.
    """
    if part not in PARTS:
        raise ValueError(f"{world}: part={part!r}; choose from {', '.join(PARTS)}")
    if count < 1:
        raise ValueError(f"{world}: count={count} must be at least 1")


def in_turn(rng: np.random.Generator, part: str, thirds: int, count: int) -> list[tuple[int, int, int]]:
    """Contents of a part's pictures: all of them in a random order, then all in another one, and so on.

    Args:
        rng: of the orders.
        part: one of ``PARTS``.
        thirds: values of what a picture shows beside colour and shape.
        count: pictures.

    Returns:
        (colour, shape, third) of each picture, as indices.
    """
    contents = [(*pair, third) for pair in PARTS[part] for third in range(thirds)]
    order = np.concatenate([rng.permutation(len(contents)) for _ in range(-(-count // len(contents)))])[:count]
    return [contents[i] for i in order]
