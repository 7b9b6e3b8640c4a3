"""Numbers in words: as many digits as it takes."""

from __future__ import annotations


def digits(a: float, b: float, least: int = 6) -> tuple[str, str]:
    """Two numbers with so many digits that they look different, if they are."""
    for n in range(least, 18):
        first, second = f"{a:.{n}g}", f"{b:.{n}g}"
        if first != second or n == 17:
            break
    return first, second
