"""Stick figures of people who do something: a head and nine limbs, drawn without jagged edges."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

LENGTHS = {"torso": 1.0, "arm": 0.5, "leg": 0.6}   # an arm and a leg have two parts of this length each
HEAD = 0.26            # radius
POSE_NOISE = 9.0       # degrees, standard deviation of every angle
HALF_STROKE = 0.75     # pixels


@dataclasses.dataclass(frozen=True)
class Pose:
    """Angles in degrees: the torso's from upright, the limbs' from hanging down; positive is the way the person looks.

    Attributes:
        torso: lean.
        arms, legs: for the two sides the angle of the upper and of the lower part.
    """

    torso: float
    arms: tuple[tuple[float, float], tuple[float, float]]
    legs: tuple[tuple[float, float], tuple[float, float]]


POSES = {
    "running": Pose(15, ((60, 130), (-60, 10)), ((60, -5), (-30, -95))),
    "jumping": Pose(0, ((145, 165), (-145, -165)), ((55, -45), (-55, 45))),
    "sitting": Pose(0, ((35, 70), (30, 60)), ((90, 0), (80, -5))),
    "waving": Pose(0, ((125, 180), (-15, -8)), ((10, 8), (-10, -8))),
    "lying": Pose(88, ((-80, -85), (-100, -95)), ((-88, -90), (-95, -88))),
    "kicking": Pose(-18, ((70, 80), (-65, -75)), ((85, 85), (-8, -8)))}


def limbs(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Where the parts of a body are, with the hip at the origin, x to the right and y down.

    Returns:
        segments (9, 2, 2): from (x, y) to (x, y), the torso first; and the head's centre (2,).
    """
    def along(angle: float, length: float) -> np.ndarray:   # 0 degrees is down
        return length * np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])

    hip = np.zeros(2)
    up = along(180 - pose.torso, 1.0)
    shoulder = hip + LENGTHS["torso"] * up
    segments = [(hip, shoulder)]
    for start, kind, pairs in ((hip + 0.85 * (shoulder - hip), "arm", pose.arms), (hip, "leg", pose.legs)):
        for upper, lower in pairs:
            joint = start + along(upper, LENGTHS[kind])
            segments += [(start, joint), (joint, joint + along(lower, LENGTHS[kind]))]
    return np.array(segments), shoulder + HEAD * up


def shaken(pose: Pose, rng: np.random.Generator) -> Pose:
    """The pose with noise on every angle."""
    noisy: Callable = lambda pairs: tuple(tuple(float(a + rng.normal(0, POSE_NOISE)) for a in pair) for pair in pairs)
    return Pose(float(pose.torso + rng.normal(0, POSE_NOISE)), noisy(pose.arms), noisy(pose.legs))


def figure_ink(rng: np.random.Generator, action: str, canvas: int, unit: tuple[float, float]) -> np.ndarray:
    """How much of each pixel a person covers, (canvas, canvas) floats from 0 to 1.

    Args:
        rng: where pose noise, direction, size and place come from.
        action: one of ``POSES``.
        canvas: pixels a side.
        unit: least and greatest length of the torso in pixels.
    """
    segments, head = limbs(shaken(POSES[action], rng))
    scale = rng.uniform(*unit)
    segments, head, radius = scale * segments, scale * head, scale * HEAD
    if rng.random() < 0.5:   # looks to the left
        segments[..., 0], head[0] = -segments[..., 0], -head[0]
    points = np.concatenate([segments.reshape(-1, 2), [head - radius, head + radius]])
    low, high = points.min(0) - 1, points.max(0) + 1
    corner = rng.uniform(0, 1, 2) * np.maximum(canvas - (high - low), 0) - low   # anywhere that shows the whole person
    at = np.arange(canvas) + 0.5
    pixels = np.stack(np.meshgrid(at, at), -1) - corner                          # (H, W, 2), as (x, y)
    start, way = segments[:, 0], segments[:, 1] - segments[:, 0]                 # (9, 2)
    along = ((pixels[..., None, :] - start) * way).sum(-1) / (way**2).sum(-1)    # (H, W, 9)
    nearest = start + along.clip(0, 1)[..., None] * way
    far = np.linalg.norm(pixels[..., None, :] - nearest, axis=-1).min(-1) - HALF_STROKE
    far = np.minimum(far, np.linalg.norm(pixels - head, axis=-1) - radius)
    return (0.5 - far).clip(0, 1)
