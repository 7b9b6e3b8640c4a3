"""Where a text ends: the feature of a text is read at its end-of-text token, which has seen all of it.

OpenAI's vocabulary has that token last, so its place is the largest id's. Vocabularies with other tokens
after it need the id itself.
"""

from __future__ import annotations

import numpy as np


def end_of_text(ids: np.ndarray, eos_token_id: int | None = None) -> np.ndarray:
    """The position of each text's end.

    Args:
        ids: (N, L) integers.
        eos_token_id: the end-of-text token, whose first place counts; None for the place of the largest id.

    Returns:
        (N,) int64.

    Raises:
        ValueError: a text without that token.
    """
    if eos_token_id is None:
        return ids.argmax(1)
    found = ids == eos_token_id
    without = ~found.any(1)
    if without.any():
        raise ValueError(f"end_of_text: text {int(without.argmax())} has no end-of-text token {eos_token_id}; cut texts before "
                         "the token is appended, or put it in the last place")
    return found.argmax(1)
