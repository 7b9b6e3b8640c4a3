"""What the caption metrics share: n-gram counts, the check of their input, and the form of their result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from ..autograd import Tensor

ONE_EACH = "candidates and references are lists with one entry an image, not strings"
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


def check_captions(name: str, candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> None:
    """Raise unless there is one candidate an image, one reference an image at least, and all are token lists.

    Args:
        name: of the function that was called, for the message.
        candidates: N token lists.
        references: N lists of token lists.

    Raises:
        TypeError: a string, an array, a Tensor or something else where a list belongs; a Tensor or None as a token.
        ValueError: no images, unequal numbers of them, or an image without references.
    """
    for what, given in (("candidates", candidates), ("references", references)):
        _check_list(name, what, given, ONE_EACH)
    if len(candidates) != len(references):
        raise ValueError(f"{name}: {len(candidates)} candidates but references of {len(references)} images; each image needs one "
                         f"candidate and a list of references")
    for i, tokens in enumerate(candidates):
        _check_tokens(name, f"candidates[{i}]", tokens, "each image has one candidate")
    check_references(name, references)


def check_references(name: str, references: Sequence[Sequence[Tokens]]) -> None:
    """What ``check_captions`` checks of references, for functions that take these only."""
    _check_list(name, "references", references, ONE_EACH)
    if not len(references):
        raise ValueError(f"{name}: no images; a mean over none is not defined")
    for i, of_image in enumerate(references):
        _check_list(name, f"references[{i}]", of_image, "each image has a list of references")
        if not len(of_image):
            raise ValueError(f"{name}: references[{i}] is empty; every image needs at least one reference")
        for j, tokens in enumerate(of_image):
            _check_tokens(name, f"references[{i}][{j}]", tokens, "each image has a list of references, even of one")


def _check_list(name: str, where: str, value, rule: str) -> None:
    if isinstance(value, str):
        raise TypeError(f"{name}: {where}={_short(value)} is a string; {rule}; call tokenize first on each")
    if not _is_list(value):
        raise TypeError(f"{name}: {where} is no list but {_kind(value)}; {rule}")


def _check_tokens(name: str, where: str, tokens, rule: str) -> None:
    if isinstance(tokens, str):
        raise TypeError(f"{name}: {where}={_short(tokens)} is a string; call tokenize first: captions are lists of tokens, "
                        f"and {rule}")
    if not _is_list(tokens):
        raise TypeError(f"{name}: {where}={_short(tokens)} is no list of tokens but {_kind(tokens)}; {rule}")
    for kind in set(map(type, tokens)):   # a few, however many tokens there are
        if kind is type(None) or issubclass(kind, Tensor) or kind.__hash__ is None:
            wrong = next(token for token in tokens if type(token) is kind)
            raise TypeError(f"{name}: {where}={_short(tokens)} is no list of tokens; {rule}, and a token is a word or a number, "
                            f"not {_kind(wrong)}")


def _is_list(value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))


def _short(value) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value) -> str:
    """What something is, and how to make a list of it."""
    if isinstance(value, Tensor) or hasattr(value, "dtype"):
        what = "a Tensor" if isinstance(value, Tensor) else "an array"
        return f"{what} of shape {tuple(value.shape)} (.tolist() makes lists of it)"
    return "None" if value is None else f"a {type(value).__name__}"
