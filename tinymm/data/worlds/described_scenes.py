"""Scenes of sprites as a recogniser would describe them: a vector of features for each picture, and its sentences.

The features stand in for those of a network that was trained on other pictures. They say for each place in reading order
which shape, colour and size is there, and how the two stand to each other, with noise.
"""

from __future__ import annotations

import numpy as np

from ...backend.random import Stream
from .sprite_scenes import BACK, SIZES, SpriteScene, content_of, draw_scene
from .sprites import COLOURS, SHAPES

RELATIONS = ("", *BACK)                                                    # of the first sprite to the second; "": there is none
KINDS = [list(SHAPES), list(COLOURS), list(SIZES)]
PLACE = sum(len(kind) for kind in KINDS)                                   # features a place
FEATURES = 2 * PLACE + len(RELATIONS)
NOISE = 0.1


def distinct_scenes(part: str, count: int, seed: int = 0) -> list[SpriteScene]:
    """Scenes of a part that show different things, so that a full sentence tells each picture from the others.

    Raises:
        ValueError: fewer than ``count`` different ones among 20 times as many scenes.
    """
    rng = Stream(f"distinct scenes {part}", seed).generator
    found: dict[tuple, SpriteScene] = {}
    for _ in range(20 * count):
        scene = draw_scene(rng, part, "filled", seed)
        found.setdefault(content_of(scene.sprites), scene)
        if len(found) == count:
            return list(found.values())
    raise ValueError(f"distinct_scenes: among {20 * count} scenes of part {part!r} there are only {len(found)} different ones; "
                     f"count={count} is too many")


def scene_features(scenes: list[SpriteScene], name: str, seed: int = 0, noise: float = NOISE) -> np.ndarray:
    """(N, FEATURES) float32, each row of length 1.

    Args:
        scenes: N scenes.
        name: of the random stream of the noise, such as the part.
        seed: of the noise.
        noise: its standard deviation; what is there has 1, what is not has 0.
    """
    x = np.zeros((len(scenes), FEATURES))
    for row, scene in zip(x, scenes):
        for place, s in enumerate(scene.sprites):
            start = place * PLACE
            for kind, word in zip(KINDS, (s.shape, s.colour, s.size)):
                row[start + kind.index(word)] = 1
                start += len(kind)
        row[2 * PLACE + RELATIONS.index(scene.sprites[0].relation)] = 1
    x += noise * Stream(f"scene features {name}", seed).generator.standard_normal(x.shape)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
