"""What several models check of their arguments."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def check_norm(name: str, norm: str, norms: Iterable[str] = ("none", "layer")) -> None:
    """Raise ValueError unless the norm of the model ``name`` is one of ``norms``."""
    if norm not in (choices := tuple(norms)):
        raise ValueError(f"{name}: norm={norm!r}; choose from {', '.join(choices)}")


def check_words(model: str, words, lengths, name: str, B: int | None = None, of_lengths: str = "lengths") -> None:
    """Raise unless the words are (steps, B), time first, and the lengths (B,), from 1 to the steps.

    Args:
        model: its name opens the messages.
        words, lengths: Tensors or arrays.
        name, of_lengths: of the two arguments.
        B: rows there must be; any number by default.

    Raises:
        TypeError: lengths that are neither.
        ValueError: shapes that do not fit, a length below 1 or beyond the steps.
    """
    if not hasattr(lengths, "shape"):
        raise TypeError(f"{model}: {of_lengths} is a {type(lengths).__name__}; pass a Tensor or an array (B,) of integers")
    if words.ndim != 2 or B not in (None, words.shape[1]) or lengths.shape != words.shape[1:]:
        raise ValueError(f"{model}: {name} has shape {words.shape} and {of_lengths} {lengths.shape}; they must be (steps, "
                         f"B{'' if B is None else f'={B}'}) and (B,), time first")
    least, most = (int(lengths.min()), int(lengths.max())) if lengths.shape[0] else (1, 1)
    if least < 1 or most > words.shape[0]:
        raise ValueError(f"{model}: {of_lengths} run from {least} to {most}; {name} has {words.shape[0]} steps, and each row at "
                         "least one word: leave out the rows that have none")


def check_sentences(model: str, S, B: int) -> None:
    """Raise ValueError unless the words S are (T, B), time first, for B pictures, T at least 1."""
    if S.ndim != 2 or S.shape[1] != B or not S.shape[0]:
        raise ValueError(f"{model}: S has shape {S.shape}; it takes words (T, B={B}), time first, T at least 1")


def checked_mask(function: str, S, mask) -> np.ndarray:
    """The mask (T, C) or (K, T, C) as booleans, of sentences (T + 1, C) that are to be scored.

    Raises:
        ValueError: shapes that do not fit.
    """
    mask = np.asarray(mask, dtype=bool)
    if S.ndim != 2 or S.shape[0] < 2 or mask.ndim not in (2, 3) or mask.shape[-2:] != (S.shape[0] - 1, S.shape[1]):
        raise ValueError(f"{function}: S has shape {S.shape} and mask {mask.shape}; they must be (T + 1, C) and (T, C) or "
                         "(K, T, C): the start word stands before the T words")
    return mask
