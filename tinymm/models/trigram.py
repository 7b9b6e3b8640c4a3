"""A trigram model of sentences with Witten and Bell's smoothing (1991): the language model of phrase-based translation.

    p(w | h) = (c(h w) + n(h) p(w | h')) / (c(h) + n(h))

h' is the history h without its first word, c counts in the training sentences, and n(h) is the number of different words that
follow h there: the more of them, the likelier a new one. Below the empty history all words are equally likely.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

START, END = "<start>", "<end>"


class Trigram:
    """p(w | the two words before) of words.

    Args:
        sentences: lists of tokens.

    Attributes:
        words: all that may follow: the words of the sentences, and ``END``.

    Raises:
        ValueError: no sentence.
    """

    def __init__(self, sentences: Iterable[Sequence[str]]):
        self._counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)   # history -> what follows it, how often
        for sentence in sentences:
            words = (START, START, *sentence, END)
            for i in range(2, len(words)):
                for length in range(3):
                    self._counts[words[i - length:i]][words[i]] += 1
        if not self._counts:
            raise ValueError("Trigram: there are no sentences to count in")
        self._totals = {history: (counts.total(), len(counts)) for history, counts in self._counts.items()}
        self.words = frozenset(self._counts[()])
        self._known: dict[tuple, float] = {}   # (history, words) -> log p, as far as it was asked

    def probability(self, word: str, history: tuple[str, ...]) -> float:
        """p(word | history) for at most two words before it. What ``words`` leave over is for one word that is not among them."""
        lower = self.probability(word, history[1:]) if history else 1 / (len(self.words) + 1)
        if history not in self._totals:
            return lower
        total, different = self._totals[history]
        return (self._counts[history][word] + different * lower) / (total + different)

    def log_prob(self, words: Sequence[str], history: tuple[str, ...] = (START, START)) -> float:
        """log p(words | history), the sum over the words; ``END`` is one only where it is given."""
        words = tuple(words)
        found = self._known.get((history, words))
        if found is None:
            line = (*history, *words)
            found = sum(math.log(self.probability(word, line[i:i + 2])) for i, word in enumerate(words))
            self._known[history, words] = found
        return found
