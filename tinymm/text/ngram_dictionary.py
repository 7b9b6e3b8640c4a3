"""A dictionary of n-grams: the phrases of one to five words that are frequent enough to be learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np


class NGramDictionary:
    """Phrases with ids.

    Args:
        phrases: distinct phrases, tuples of words; their places are their ids.

    Attributes:
        phrases: the phrases by id.
        order: words of the longest.

    Raises:
        ValueError: a phrase twice, or one without words.
    """

    def __init__(self, phrases: Iterable[Sequence[str]]):
        self.phrases = tuple(tuple(phrase) for phrase in phrases)
        self._ids = {phrase: i for i, phrase in enumerate(self.phrases)}
        if len(self._ids) < len(self.phrases) or () in self._ids:
            raise ValueError("NGramDictionary: the phrases must be distinct and have words; " + (
                "one is empty" if () in self._ids else
                f"{next(p for p, n in Counter(self.phrases).items() if n > 1)} is there twice"))
        self.order = max((len(phrase) for phrase in self.phrases), default=0)

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]], order: int = 5, min_count: int = 1) -> NGramDictionary:
        """All phrases of up to ``order`` words that are there at least so often: shorter ones first, then by descending count.

        Args:
            sentences: lists of words.
            order: the longest phrase.
            min_count: how often a phrase must be there.
        """
        if order < 1 or min_count < 1:
            raise ValueError(f"NGramDictionary.build: order={order} and min_count={min_count} must be at least 1")
        found: Counter[tuple[str, ...]] = Counter()
        for words in sentences:
            if isinstance(words, str):
                raise TypeError(f"NGramDictionary.build: {words!r} is a string; sentences are lists of words")
            for n in range(1, order + 1):
                found.update(tuple(words[i:i + n]) for i in range(len(words) - n + 1))
        kept = [phrase for phrase, n in found.items() if n >= min_count]
        kept.sort(key=lambda phrase: (len(phrase), -found[phrase], phrase))
        return cls(kept)

    def ids(self, words: Sequence[str]) -> np.ndarray:
        """(T, order) int64: in row i and column n - 1 the phrase of n words that ends with word i; -1 where there is none."""
        found = np.full((len(words), self.order), -1, dtype=np.int64)
        for i in range(len(words)):
            for n in range(1, min(i + 1, self.order) + 1):
                found[i, n - 1] = self._ids.get(tuple(words[i + 1 - n:i + 1]), -1)
        return found

    def __len__(self) -> int:
        return len(self.phrases)

    def __contains__(self, phrase: Sequence[str]) -> bool:
        return tuple(phrase) in self._ids

    def __getitem__(self, phrase: Sequence[str]) -> int:
        """The id of a phrase.

        Raises:
            KeyError: it is not in the dictionary.
        """
        return self._ids[tuple(phrase)]

    def __repr__(self) -> str:
        sizes = Counter(map(len, self.phrases))
        return f"NGramDictionary({', '.join(f'{sizes[n]} of {n}' for n in sorted(sizes))})"
