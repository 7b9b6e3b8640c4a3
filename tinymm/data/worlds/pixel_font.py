"""A font of capital letters, 3 x 5 pixels each, and labels written in it."""

from __future__ import annotations

import numpy as np

HEIGHT, ADVANCE = 5, 4   # pixels: of a letter, and from one letter to the next
PADDING = 1              # of paper around the letters

_ROWS = {   # for each letter its five rows
    "a": ".#. #.# ### #.# #.#", "b": "##. #.# ##. #.# ##.", "c": ".## #.. #.. #.. .##", "d": "##. #.# #.# #.# ##.",
    "e": "### #.. ##. #.. ###", "f": "### #.. ##. #.. #..", "g": ".## #.. #.# #.# .##", "h": "#.# #.# ### #.# #.#",
    "i": "### .#. .#. .#. ###", "j": "..# ..# ..# #.# .#.", "k": "#.# #.# ##. #.# #.#", "l": "#.. #.. #.. #.. ###",
    "m": "#.# ### ### #.# #.#", "n": "##. #.# #.# #.# #.#", "o": ".#. #.# #.# #.# .#.", "p": "##. #.# ##. #.. #..",
    "q": ".#. #.# #.# ### .##", "r": "##. #.# ##. #.# #.#", "s": ".## #.. .#. ..# ##.", "t": "### .#. .#. .#. .#.",
    "u": "#.# #.# #.# #.# ###", "v": "#.# #.# #.# #.# .#.", "w": "#.# #.# ### ### #.#", "x": "#.# #.# .#. #.# #.#",
    "y": "#.# #.# .#. .#. .#.", "z": "### ..# .#. #.. ###"}
GLYPHS = {letter: np.array([[dot == "#" for dot in row] for row in rows.split()]) for letter, rows in _ROWS.items()}


def write(word: str) -> np.ndarray:
    """A word as bool (5, 4 n - 1), True where there is ink.

    Args:
        word: n letters from a to z; they are drawn as capitals.

    Raises:
        ValueError: no letters, or a character that the font lacks.
    """
    if not word or any(letter not in GLYPHS for letter in word):
        raise ValueError(f"write: {word!r} must be letters from a to z, at least one")
    ink = np.zeros((HEIGHT, ADVANCE * len(word) - 1), dtype=bool)
    for i, letter in enumerate(word):
        ink[:, ADVANCE * i:ADVANCE * i + 3] = GLYPHS[letter]
    return ink


def label_size(word: str) -> tuple[int, int]:
    """Height and width in pixels of a label with this word."""
    return HEIGHT + 2 * PADDING, ADVANCE * len(word) - 1 + 2 * PADDING


def paste_label(picture: np.ndarray, word: str, top: int, left: int, paper, ink, blank: bool = False) -> None:
    """Paste a label over a picture, in place; what would lie outside the picture is cut off.

    Args:
        picture: (3, H, W) floats in [0, 1].
        word: on the label.
        top, left: of the label, perhaps negative.
        paper, ink: three floats in [0, 1] each.
        blank: leave the word out, and the label as large as with it.
    """
    height, width = label_size(word)
    label = np.empty((3, height, width))
    label[...] = np.asarray(paper)[:, None, None]
    if not blank:
        inner = label[:, PADDING:-PADDING, PADDING:-PADDING]
        inner[:, write(word)] = np.asarray(ink)[:, None]
    H, W = picture.shape[1:]
    rows, columns = slice(max(top, 0), min(top + height, H)), slice(max(left, 0), min(left + width, W))
    picture[:, rows, columns] = label[:, rows.start - top:rows.stop - top, columns.start - left:columns.stop - left]
