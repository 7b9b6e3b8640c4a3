"""The worlds of lecture 2, and the questions by which its encoder learns what a scene of digits shows."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...data.worlds.digit_scenes import DIGITS, LAYOUTS, SIZES, DigitScenes
from ...data.worlds.sprite_scenes import SpriteScenes, noisy_captions
from ..captioning.lecture import Material
from ..captioning.parts import Part, scene_part

# "Which digit is the first, second, third, how large is it, and how do they stand?"
DIGIT_CLASSES = (len(DIGITS), len(SIZES)) + (len(DIGITS) + 1, len(SIZES) + 1) * 2 + (len(LAYOUTS),)


@dataclasses.dataclass(frozen=True)
class Worlds(Material):
    """What lecture 2 reads.

    Attributes:
        pretraining: scenes that only the encoder learns from; None for photographs.
        noisy: scenes with one sentence each, see ``noisy_parts``, and their words; of the variant "usual".
    """

    pretraining: Part | None = None
    noisy: Material | None = None


def sprite_parts(counts: dict[str, int], pretraining: int, seed: int) -> tuple[dict[str, Part], Part]:
    """Scenes of sprites: the parts that have captions, and other training scenes, whose captions nobody reads.

    Args:
        counts: how many scenes "train", "validation", "test", "novel" and "sketch" have.
        pretraining: how many scenes the encoder learns from.
        seed: of all of them.
    """
    scenes = SpriteScenes("train", pretraining + counts["train"], seed).scenes
    parts = {"train": scene_part(scenes[pretraining:])}
    for name in ("validation", "test", "novel"):
        parts[name] = scene_part(SpriteScenes(name, counts[name], seed).scenes)
    parts["sketch"] = scene_part(SpriteScenes("test", counts["sketch"], seed, style="sketch").scenes)
    return parts, scene_part(scenes[:pretraining])


def noisy_parts(count: int, test: int, seed: int) -> dict[str, Part]:
    """Scenes with one sentence each, half of them not about the picture, as photographers write them.

    "test_people" are the test scenes with what five people say of them.
    """
    parts = {}
    for name, n in (("train", count), ("test", test)):
        world = SpriteScenes(name, n, seed)
        people = scene_part(world.scenes)
        parts[name] = Part(noisy_captions(world, seed=seed), people.images, people.scenes)
    return {**parts, "test_people": people}


def digit_parts(counts: dict[str, int], pretraining: int, seed: int) -> tuple[dict[str, Part], Part]:
    """The scenes of lecture 4, and others of the same training originals."""
    scenes = DigitScenes("train", counts["train"] + pretraining, seed).scenes
    parts = {name: scene_part(scenes[:count] if name == "train" else DigitScenes(name, count, seed).scenes)
             for name, count in counts.items()}
    return parts, scene_part(scenes[counts["train"]:])


def digit_answers(part: Part) -> np.ndarray:
    """(N, 7) int64, one column for each question of DIGIT_CLASSES."""
    sizes, rows = list(SIZES), []
    for scene in part.scenes:
        row = [number for d in scene.digits for number in (d.label, sizes.index(d.size))]
        row += [len(DIGITS), len(sizes)] * (3 - len(scene.digits))
        rows.append([*row, LAYOUTS.index(_layout(scene.digits))])
    return np.array(rows, dtype=np.int64)


def _layout(digits) -> tuple[int, ...]:
    """Digits in each row: a row ends where the next digit is below."""
    rows = [1]
    for digit in digits[:-1]:
        rows = [*rows, 1] if digit.relation == "above" else [*rows[:-1], rows[-1] + 1]
    return tuple(rows)
