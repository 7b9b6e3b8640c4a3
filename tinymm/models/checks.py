"""What several models check of their arguments."""

from __future__ import annotations

from collections.abc import Iterable


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
