"""Characters as one-hot columns, as char-CNN-RNN reads them (Zhang, Zhao and LeCun 2015; Reed, Akata, Schiele and Lee 2016).

    "a red star" -> lower case -> numbers 1 to 70, 0 after the end -> a column with a single 1 for each character

The alphabet is that of Reed's code, with 70 symbols. The hyphen stands in it twice, so 69 are distinct: the later place, 60, is
used, and 37 never is. Numbers count from 1, as in the published files of texts; row k - 1 of the columns is that of number k.
A character outside the alphabet is 0, and its column is empty like those after the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..autograd.integers import integer

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "
LENGTH = 201                                                            # of the published texts
_NUMBERS = {character: k for k, character in enumerate(ALPHABET, 1)}    # the later hyphen wins


def unknown_characters(text: str) -> str:
    """The characters of a text that are not in the alphabet, each once, in their order: "café 東" -> "é東"."""
    return "".join(c for c in dict.fromkeys(text.lower()) if c not in _NUMBERS)


def character_numbers(texts: Sequence[str], length: int = LENGTH) -> np.ndarray:
    """Texts as numbers of characters.

    Args:
        texts: N texts, read in lower case.
        length: characters that a text may have.

    Returns:
        (N, length) uint8, from 1 to 70; 0 where a character is not in the alphabet, and after the end.

    Raises:
        TypeError: one text instead of a sequence of them, or what is no text.
        ValueError: no text, an empty one, one without any character of the alphabet but spaces, or one that is too long.
    """
    length = integer("character_numbers", "length", length, 1)
    if isinstance(texts, str):
        raise TypeError(f"character_numbers: texts is the text {texts!r}; give a sequence of texts, [{texts!r}]")
    if not len(texts):
        raise ValueError("character_numbers: there is no text; give at least one")
    out = np.zeros((len(texts), length), np.uint8)
    for n, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"character_numbers: text {n} is a {type(text).__name__}; it must be a str")
        found = [_NUMBERS.get(c, 0) for c in text.lower()]
        if not any(k and ALPHABET[k - 1] != " " for k in found):
            raise ValueError(f"character_numbers: text {n}, {text!r}, of length {len(text)}, has no character of the alphabet but "
                             "spaces")
        if len(found) > length:
            raise ValueError(f"character_numbers: text {n}, {text[:40]!r}..., has {len(found)} characters; {length} can be "
                             "read: shorten it")
        out[n, :len(found)] = found
    return out


def one_hot(numbers) -> np.ndarray:
    """Columns of numbers of characters, the symbols on axis 1 as ``Conv1d`` wants them.

    Args:
        numbers: (N, L) integers from 0 to 70, as ``character_numbers`` or a published file gives them.

    Returns:
        (N, 70, L) float32; row k - 1 is 1 where the number is k. A 0 leaves its column empty.

    Raises:
        TypeError: no integers.
        ValueError: another shape, or a number that no symbol has.
    """
    numbers = np.asarray(numbers)
    if numbers.dtype.kind not in "iu":
        raise TypeError(f"one_hot: numbers have dtype {numbers.dtype}; they are integers")
    if numbers.ndim != 2 or numbers.size and not 0 <= numbers.min() <= numbers.max() <= len(ALPHABET):
        raise ValueError(f"one_hot: numbers of shape {numbers.shape}; they must be (N, L), from 0 to {len(ALPHABET)}")
    return (numbers[:, None] == np.arange(1, len(ALPHABET) + 1)[:, None]).astype(np.float32)


def one_hot_characters(texts: Sequence[str], length: int = LENGTH) -> np.ndarray:
    """Texts as one-hot columns, ``one_hot(character_numbers(texts, length))``.

    Args:
        texts: N texts, read in lower case.
        length: characters that a text may have; columns after the end are empty.

    Returns:
        (N, 70, length) float32.

    Raises:
        TypeError, ValueError: as ``character_numbers``.
    """
    return one_hot(character_numbers(texts, length))
