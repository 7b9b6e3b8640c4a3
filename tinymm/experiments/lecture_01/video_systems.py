"""The rows of the variant video's table, what their trainings yield, and labels of slots that stand side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from ... import nn
from ...data.worlds.kitchen import ACTIVITIES, SIZES, SLOTS
from ...models.label_slots import slot_offsets
from ...models.phrase_translation import PhraseTranslation
from ...models.star_crf import CRF, FullCRF, StarCRF
from ...models.video_lrcn import VideoDescriber
from ...train import Trainer
from ..captioning.captioner import Captioner

CRFS: dict[str, Callable[[Sequence[int]], CRF]] = {"star": StarCRF, "all couplings": FullCRF}
SMT_MAX, SMT_PROB = "SMT, CRF max", "SMT, CRF prob"
ENCODER_DECODER, MAX, PROB = "(a) encoder-decoder, CRF max", "(b) decoder, CRF max", "(c) decoder, CRF prob"
LSTMS = {ENCODER_DECODER: ("encoder-decoder", "max"), MAX: ("decoder", "max"), PROB: ("decoder", "prob")}
INPUTS = {SMT_MAX: "max", SMT_PROB: "prob"} | {row: kind for row, (_, kind) in LSTMS.items()}   # the rows in the slide's order


@dataclasses.dataclass
class Trained:
    """What the trainings yield.

    Attributes:
        crfs: name, of ``CRFS`` -> CRF.
        p: name of a CRF -> input ("max", "prob") -> part -> (N, 29) probabilities of labels.
        captioners: name of a CRF -> row -> VideoDescriber in a captioner; of the CRF with all couplings (b) and (c) only.
        trainers: of the captioners, likewise.
        translation: learnt from the maxima of the star's training clips and their sentences.
        weights: row -> (word bonus, weight of the trigram model) that did best on validation.
        said: row -> its sentences about the test clips, after ``evaluate``.
    """

    crfs: dict[str, CRF]
    p: dict[str, dict[str, dict[str, np.ndarray]]] = dataclasses.field(default_factory=dict)
    captioners: dict[str, dict[str, Captioner[nn.Identity, VideoDescriber]]] = dataclasses.field(default_factory=dict)
    trainers: dict[str, dict[str, Trainer]] = dataclasses.field(default_factory=dict)
    translation: PhraseTranslation | None = None
    weights: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    said: dict[str, list[list[str]]] = dataclasses.field(default_factory=dict)


def split(p: np.ndarray) -> list[np.ndarray]:
    """(N, 29) -> (N, K_s) of each slot."""
    return np.split(p, slot_offsets(SIZES)[1:], 1)


def labels_of(p: np.ndarray) -> np.ndarray:
    """The likeliest label of each slot, (N, 4)."""
    return np.stack([part.argmax(1) for part in split(p)], 1)


def words_for(slot: str, label: int) -> tuple[str, ...]:
    """The words, one of which says the label."""
    value = SLOTS[slot][label]
    return (value, *ACTIVITIES[value]) if slot == "activity" else (value.split()[-1],)
