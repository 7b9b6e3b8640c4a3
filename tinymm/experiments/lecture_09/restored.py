"""The models of a finished run, to draw pictures of other texts."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from ...data.worlds.grounded_sprites import GroundedSprites
from ...text.clip_tokenizer import CLIPTokenizer
from ...text.tokens import plain_words
from ..painters import Painter
from ..restoring import restore
from ..running import CHECKPOINTS
from .data import Setting, Sizes
from .evaluation import draw, ranked
from .systems import MAIN, Trained, build_clip, build_dvae, build_transformer

SAMPLE = 600     # pictures whose captions tell the words of the world: each is in dozens of them

M = TypeVar("M")


class Sampler(Painter):
    """Pictures of texts, token by token, and the best of them by CLIP.

    Args:
        name: of the system, for messages.
        setting: sizes, variant and tokenizer of the run; its parts are empty.
        trained: its dVAE, Transformer and, where the variant has one, CLIP.
        words: those of the captions that it learned from; None where that is not known.
    """

    def __init__(self, name: str, setting: Setting, trained: Trained, words: set[str] | None):
        super().__init__(name, words)
        self.setting, self.trained = setting, trained

    def drawn(self, texts: Sequence[str], count: int, seed: int = 0, candidates: int | None = None) -> np.ndarray:
        if candidates is not None and self.trained.clip is None:
            raise ValueError(f"--candidates: {self.name} has no CLIP that could choose among them; give a run of variant {MAIN}")
        self._check(texts)
        setting = dataclasses.replace(self.setting, seed=seed)
        found = []
        for text in texts:                                                   # one at a time, so each has the same random numbers
            images = draw(setting, self.trained, [text], candidates or count, "generate")               # (1, N, 3, S, S)
            best = slice(None) if candidates is None else ranked(setting, self.trained, [text], images)[0, :count]
            found.append(images[0, best])
        return np.stack(found)

    def strips(self, text: str, to: str, count: int, seed: int = 0, steps: int = 9) -> np.ndarray:
        raise ValueError(f"--to: {self.name} reads tokens, and between two texts there are none; give a run of lecture 7")

    def _check(self, texts: Sequence[str]) -> None:
        """Refuse what the text positions do not hold."""
        room = self.setting.sizes.text_length
        for n, text in enumerate(texts):
            if (needed := len(self.setting.tokenizer.encode(text)) + 2) > room:
                raise ValueError(f"text {n}, {text[:60]!r}, has {needed} tokens with start and end; {room} can be read: shorten it")


def painter(folder: pathlib.Path, report: dict) -> Sampler:
    """The models that a run trained.

    Args:
        folder: of the run; report: its own.

    Raises:
        FileNotFoundError: the run lacks a model.
        ValueError: the variant draws no pictures; a checkpoint does not load, or is damaged.
    """
    variant, data = report.get("variant"), report.get("data")
    if not (folder / CHECKPOINTS / "transformer").is_dir() and variant == "beta0":
        raise ValueError(f"the run in {folder} is of variant beta0, which trains dVAEs only; give one of variant {MAIN}")
    found: dict[str, Setting] = {}

    def load(stage: str, what: str, build: Callable[[Sizes, int], M], part: str = "") -> M:
        def built(config: Any) -> M:
            tokenizer = CLIPTokenizer.from_state_dict(config["tokenizer"])
            found[stage] = Setting(str(variant), {}, tokenizer, Sizes(**config["hyperparameters"]))
            return build(found[stage].sizes, len(tokenizer))

        return restore(folder, stage, what, "python -m tinymm lecture 9 --out {}", built, part)

    dvae = load("dvae", "dVAE", lambda sizes, vocabulary: build_dvae(sizes), "ema.module.")      # the average of its weights
    transformer = load("transformer", "Transformer", lambda sizes, vocabulary: build_transformer(sizes, vocabulary, str(variant)))
    clip = load("clip", "CLIP", build_clip) if variant == MAIN else None
    words = None if data else {word for text in GroundedSprites("train", SAMPLE).captions() for word in plain_words(text)}
    return Sampler(f"lecture 9, variant {variant}" + (f", {data}" if data else ""), found["transformer"],
                   Trained({MAIN: dvae}, transformer, clip), words)
