"""Vocabulary: words as ids and back, with the four special ones every captioner needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .ids import checked_ids

SPECIALS = ("<pad>", "<start>", "<end>", "<unk>")   # their ids are their places


class Vocabulary:
    """Words with ids: 0 <pad>, 1 <start>, 2 <end>, 3 <unk>, then the words in the order given.

    Padding, start and end are three symbols and not one, so that a loss can leave out the first without losing the last.

    Args:
        words: distinct words, none of them a special one; the first gets id 4.
        counts: (V,) how often each id, special ones included, is a target in the training captions; ``build`` has them.

    Attributes:
        pad, start, end, unknown: the special ids.
        words: the V words by id, special ones included.
        counts: (V,) int64 or None. <unk> counts the words left out, <end> the captions; <pad> and <start> are never
            targets and have 0. The log of their shares is a good initial bias of the output layer.

    Raises:
        ValueError: a word twice, or a special one; counts of another length.
    """

    pad, start, end, unknown = range(4)

    def __init__(self, words: Iterable[str], counts: Sequence[int] | None = None):
        if isinstance(words, str):
            raise TypeError(f"Vocabulary: words={words!r} is one string; pass a list of words")
        self.words: tuple[str, ...] = SPECIALS + tuple(words)
        for word in self.words:
            if not isinstance(word, str):
                raise TypeError(f"Vocabulary: {word!r} is a {type(word).__name__}, not a word; captions go to Vocabulary.build")
        self._ids = {word: i for i, word in enumerate(self.words)}
        if len(self._ids) < len(self.words):
            word = next(w for w, n in Counter(self.words).items() if n > 1)
            raise ValueError(f"Vocabulary: {word!r} " + ("is a special word, and has its id already" if word in SPECIALS else
                                                         "is there twice; ids need distinct words"))
        self.counts = None if counts is None else np.array(counts, dtype=np.int64)
        if self.counts is not None and self.counts.shape != (len(self),):
            raise ValueError(f"Vocabulary: counts {self.counts.shape} must have one entry for each of the {len(self)} words, "
                             f"the special ones included")

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]], min_count: int = 1, max_size: int | None = None) -> Vocabulary:
        """The vocabulary of tokenized captions: words by descending count, equal counts in alphabetical order.

        Args:
            sentences: lists of tokens.
            min_count: keep words seen at least so often; Show and Tell keeps those seen at least 5 times (others write
                "more than 5", and get a smaller vocabulary from the same captions).
            max_size: the most entries, the four special ones included; the rarest words go.

        Raises:
            TypeError: strings instead of lists of tokens.
            ValueError: a caption has a special word in it.
        """
        if min_count < 1:
            raise ValueError(f"Vocabulary.build: min_count={min_count} must be at least 1")
        if max_size is not None and max_size < len(SPECIALS):
            raise ValueError(f"Vocabulary.build: max_size={max_size} has no room for the {len(SPECIALS)} special words")
        found: Counter[str] = Counter()
        captions = 0
        for tokens in [sentences] if isinstance(sentences, str) else sentences:
            found.update(_tokens("Vocabulary.build", tokens))
            captions += 1
        for word in SPECIALS:
            if word in found:
                raise ValueError(f"Vocabulary.build: {word!r} is a special word, but {found[word]} of the tokens are it; "
                                 f"rename or remove them")
        ranked = sorted((w for w, n in found.items() if n >= min_count), key=lambda w: (-found[w], w))
        kept = ranked[:None if max_size is None else max_size - len(SPECIALS)]
        counts = [found[w] for w in kept]
        return cls(kept, [0, 0, captions, found.total() - sum(counts), *counts])

    def encode(self, tokens: Sequence[str], *, start: bool = False, end: bool = False) -> list[int]:
        """Ids of tokens; words that are not in the vocabulary become <unk>.

        Args:
            tokens: a caption's tokens.
            start, end: put <start> before them, <end> after them.

        Raises:
            TypeError: a string instead of a list of tokens.
            ValueError: <pad>, <start> or <end> among the tokens.
        """
        ids = [self._ids.get(token, self.unknown) for token in _tokens("Vocabulary.encode", tokens)]
        if ids and min(ids) < self.unknown:
            raise ValueError(f"Vocabulary.encode: {self.words[min(ids)]!r} among the tokens {list(tokens)}; start=True and "
                             f"end=True add the marks, batch() pads")
        return [self.start] * start + ids + [self.end] * end

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of ids, up to the first <end>; <pad> and <start> are left out, <unk> is shown.

        Args:
            ids: (T,) integers: a list, an array or a Tensor.

        Raises:
            IndexError: an id outside the vocabulary.
        """
        tokens = []
        for i in checked_ids("Vocabulary.decode", ids, len(self), "caption"):
            if i == self.end:
                break
            if i not in (self.pad, self.start):
                tokens.append(self.words[i])
        return tokens

    def batch(self, captions: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Captions of different lengths as one array, padded at the end.

        Args:
            captions: B lists of ids.

        Returns:
            ids (B, T) int64 with <pad> after each caption, T the longest; lengths (B,) int64.

        Raises:
            IndexError: an id outside the vocabulary.
        """
        rows = [checked_ids("Vocabulary.batch", ids, len(self), "caption") for ids in captions]
        lengths = np.array([len(ids) for ids in rows], dtype=np.int64)
        padded = np.full((len(rows), lengths.max(initial=0)), self.pad, dtype=np.int64)   # (B, T)
        for row, ids in zip(padded, rows):
            row[:len(ids)] = ids
        return padded, lengths

    def state_dict(self) -> dict:
        """Words and counts as plain lists, for a checkpoint."""
        return {"words": list(self.words[len(SPECIALS):]), "counts": None if self.counts is None else self.counts.tolist()}

    @classmethod
    def from_state_dict(cls, state: dict) -> Vocabulary:
        """The vocabulary that ``state_dict`` describes.

        Raises:
            ValueError: not such a state.
        """
        if set(state) != {"words", "counts"}:
            raise ValueError(f"Vocabulary.from_state_dict: the keys are {sorted(state)}, but should be 'counts' and 'words'")
        return cls(state["words"], state["counts"])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def __getitem__(self, word: str) -> int:
        """The id of a word; that of <unk> for a word which is not in the vocabulary."""
        if not isinstance(word, str):
            raise TypeError(f"Vocabulary: [{word!r}] asks for the id of a word; words[{word!r}] is the word of an id")
        return self._ids.get(word, self.unknown)

    def __iter__(self):
        return iter(self.words)

    def __eq__(self, other) -> bool:
        return self.words == other.words if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        shown = ", ".join(self.words[len(SPECIALS):len(SPECIALS) + 5])
        more = ", ..." if len(self) > len(SPECIALS) + 5 else ""
        return f"Vocabulary({len(self)} words, {len(SPECIALS)} of them special: {shown}{more})"


def _tokens(name: str, tokens: Sequence[str]) -> Sequence[str]:
    """A caption's tokens; a string in their place is the likely mistake."""
    if isinstance(tokens, str):
        raise TypeError(f"{name}: {tokens!r} is a string; call tokenize first, captions are lists of tokens")
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"{name}: {token!r} among the tokens is a {type(token).__name__}; a caption is a list of words")
    return tokens
