"""What the caption metrics share: n-gram counts, the check of their input, and the form of their result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

Tokens = Sequence[Hashable]   # words, or their ids


class Score(NamedTuple):
    """A metric that is a mean over images.

    Attributes:
        mean: over the N images.
        per_image: (N,) float64.
    """

    mean: float
    per_image: np.ndarray

    @classmethod
    def of(cls, per_image: Sequence[float]) -> Score:
        scores = np.array(per_image, dtype=np.float64)
        return cls(float(scores.mean()), scores)


def ngrams(tokens: Tokens, n: int = 4) -> Counter[tuple]:
    """How often each run of 1 to n tokens occurs, shorter runs first.

    >>> ngrams(["a", "b", "a"], 2)
    Counter({('a',): 2, ('b',): 1, ('a', 'b'): 1, ('b', 'a'): 1})
    """
    found: Counter[tuple] = Counter()
    for k in range(1, n + 1):
        found.update(zip(*[tokens[i:] for i in range(k)]))
    return found


def check_captions(name: str, candidates: Sequence[Tokens] | None, references: Sequence[Sequence[Tokens]]) -> None:
    """Raise unless there is one candidate an image, one reference an image at least, and all are token lists.

    Args:
        name: of the function that was called, for the message.
        candidates: N token lists, or None where a function takes references only.
        references: N lists of token lists.

    Raises:
        TypeError: a string where a list of tokens belongs.
        ValueError: no images, unequal numbers of them, or an image without references.
    """
    if isinstance(candidates, str) or isinstance(references, str):
        raise TypeError(f"{name}: candidates and references are lists with one entry an image, not strings; call tokenize first")
    if candidates is not None and len(candidates) != len(references):
        raise ValueError(f"{name}: {len(candidates)} candidates but references of {len(references)} images; each image needs one "
                         f"candidate and a list of references")
    if not len(references):
        raise ValueError(f"{name}: no images; a mean over none is not defined")
    for i, tokens in enumerate(candidates if candidates is not None else ()):
        _check_tokens(name, f"candidates[{i}]", tokens, "each image has one candidate")
    for i, of_image in enumerate(references):
        if isinstance(of_image, str):
            raise TypeError(f"{name}: references[{i}]={of_image!r} is a string; each image has a list of references; call "
                            f"tokenize first on each")
        if not len(of_image):
            raise ValueError(f"{name}: references[{i}] is empty; every image needs at least one reference")
        for j, tokens in enumerate(of_image):
            _check_tokens(name, f"references[{i}][{j}]", tokens, "each image has a list of references, even of one")


def _check_tokens(name: str, where: str, tokens, rule: str) -> None:
    if isinstance(tokens, str):
        raise TypeError(f"{name}: {where}={tokens!r} is a string; call tokenize first: captions are lists of tokens, and {rule}")
    if not isinstance(tokens, Sequence) or (tokens and not isinstance(tokens[0], Hashable)):
        raise TypeError(f"{name}: {where}={tokens!r} is no list of tokens; {rule}")
