"""How a PictureEncoder learns to see before it is shown a caption: windows with one sprite, then questions about whole scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ... import nn
from ...data.worlds.sprite_scenes import SIZES
from ...data.worlds.sprite_windows import CLASSES, sprite_windows
from ...data.worlds.sprites import COLOURS, SHAPES
from ...models.conv_encoder import ConvEncoder
from ...models.picture_encoder import PictureEncoder
from ...train import Trainer
from ..classify_stage import classify_stage, window_stage
from .captioner import of_all_pictures
from .parts import Part

# "What shape, colour and size is the first thing in reading order, and the second, and how do they stand?"; the last
# answer to the second's questions is that there is none.
SPRITE_CLASSES = (len(SHAPES), len(COLOURS), len(SIZES), len(SHAPES) + 1, len(COLOURS) + 1, len(SIZES) + 1, 3)


def sprite_answers(part: Part) -> np.ndarray:
    """(N, 7) int64, one column for each question of SPRITE_CLASSES."""
    numbers = [{word: i for i, word in enumerate(words)} for words in (SHAPES, COLOURS, SIZES)]
    rows = []
    for scene in part.scenes:
        row = [n[word] for s in scene.sprites for n, word in zip(numbers, (s.shape, s.colour, s.size))]
        row += [len(n) for n in numbers] * (2 - len(scene.sprites))
        rows.append([*row, ["", "left of", "above"].index(scene.sprites[0].relation)])
    return np.array(rows, dtype=np.int64)


def sprite_window_stage(conv: ConvEncoder, count: int, rounds: int, seed: int, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that classifies windows with single sprites.

    Args:
        conv: what is trained.
        count: windows in a round.
        rounds: epochs.
        seed: of the windows.
        trainer: more arguments for the Trainer.
    """
    return window_stage(conv, CLASSES, sprite_windows("train", count, seed), sprite_windows("validation", 1000, seed), rounds,
                        device=device, **trainer)


def scene_stage(encoder: PictureEncoder, classes: Sequence[int], answers: Callable[[Part], np.ndarray], pretraining: Part,
                validation: Part, rounds: int, *, device: str = "cpu", **trainer) -> Trainer:
    """A Trainer that answers questions about whole scenes, with the convolutional part as it is.

    Its model is two layers: the encoder's connected part, and one linear layer from the encoder's vector to the answers.

    Args:
        encoder: whose connected part is trained.
        classes: how many answers each question has.
        answers: the right ones of a part, (N, questions).
        pretraining: scenes to learn from, whose captions nobody reads.
        validation: scenes for the share with every answer right.
        rounds: epochs.
        trainer: more arguments for the Trainer.
    """
    model = nn.Sequential(encoder.connected, nn.Linear(encoder.features, sum(classes))).to(device)
    train, held = ((of_all_pictures(encoder.strips, encoder, part), answers(part)) for part in (pretraining, validation))
    return classify_stage(model, model, classes, train, held, rounds, device=device, **trainer)
