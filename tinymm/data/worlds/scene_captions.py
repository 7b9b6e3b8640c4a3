"""Sentences about composed pictures that remember which of their words mean what."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Caption:
    """A sentence about a scene.

    Attributes:
        words: its tokens.
        mentions: (position of the word, index of the thing) of every word that names a thing of the scene.
    """

    words: tuple[str, ...]
    mentions: tuple[tuple[int, int], ...]


def sentence(*parts) -> Caption:
    """Words from strings, and mentions from (string, index of the thing) pairs."""
    words: list[str] = []
    mentions: list[tuple[int, int]] = []
    for part in parts:
        text, thing = part if isinstance(part, tuple) else (part, None)
        if thing is not None:
            mentions.append((len(words), thing))
        words += text.split()
    return Caption(tuple(words), tuple(mentions))
