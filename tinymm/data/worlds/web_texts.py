"""What people on the web write below pictures: the same thing in many words, and sometimes only half of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .digit_scenes import DIGITS

FRAMES = ("a photo of {}", "a picture of {}", "a drawing of {}", "here is {}", "look at {}", "this is {}", "there is {}", "{}")
SHAPE_WORDS = {"circle": ("circle", "disc"), "square": ("square", "box"), "triangle": ("triangle", "wedge"), "star": ("star",),
               "cross": ("cross", "plus"), "heart": ("heart",)}
COLOUR_WORDS = {"red": ("red", "scarlet"), "green": ("green",), "blue": ("blue",), "yellow": ("yellow", "golden"),
                "purple": ("purple", "violet"), "white": ("white",)}
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
PEOPLE = ("a person", "someone", "a man", "a woman", "a child")
ACTION_WORDS = {"running": ("running", "jogging"), "jumping": ("jumping", "leaping"), "sitting": ("sitting", "seated"),
                "waving": ("waving",), "lying": ("lying", "lying down"), "kicking": ("kicking",)}
NUMERALS = ("the number {}", "the digit {}", "the numeral {}", "a handwritten {}", "a {} written by hand", "a {}")
SIGNS = ("a sign that says {}", "the word {}", "a label with the word {}", "{} written on a sign", "it says {}", "{}")
SYNONYM, PARTIAL, SIZED = 0.25, 0.12, 0.4   # how often another word, half of the truth, and the size are written


def _choose(rng: np.random.Generator, options):
    return options[rng.integers(len(options))]


def word_for(rng: np.random.Generator, words: Sequence[str]) -> str:
    """The first of the words, or sometimes another one."""
    return words[int(rng.integers(1, len(words)))] if len(words) > 1 and rng.random() < SYNONYM else words[0]


def chances(words: Sequence[str]) -> dict[str, float]:
    """With which probability ``word_for`` gives each of the words."""
    others = SYNONYM / (len(words) - 1) if len(words) > 1 else 0.0
    return {word: others if k else 1 - others * (len(words) - 1) for k, word in enumerate(words)}


def framed(rng: np.random.Generator, thing: str) -> str:
    """The thing in one of the usual sentences."""
    return _choose(rng, FRAMES).format(thing)


def sprite_text(rng: np.random.Generator, shape: str, colour: str, size: str) -> str:
    """A text about a sprite: colour and shape, perhaps the size; or only one of the first two."""
    shape, colour = word_for(rng, SHAPE_WORDS[shape]), word_for(rng, COLOUR_WORDS[colour])
    if rng.random() < PARTIAL:
        return framed(rng, _choose(rng, (f"a {shape}", f"something {colour}")))
    size = f"{_choose(rng, SIZE_WORDS[size])} " if rng.random() < SIZED else ""
    return framed(rng, f"a {size}{colour} {shape}")


def digit_text(rng: np.random.Generator, digit: int) -> str:
    """A text about a handwritten digit, which it names by a word or by the digit itself."""
    return framed(rng, _choose(rng, NUMERALS).format(DIGITS[digit] if rng.random() < 0.7 else digit))


def action_text(rng: np.random.Generator, action: str) -> str:
    """A text about a person who does something."""
    who, what = _choose(rng, PEOPLE), word_for(rng, ACTION_WORDS[action])
    return f"{who} is {what}" if rng.random() < 0.3 else framed(rng, f"{who} {what}")


def sign_text(rng: np.random.Generator, word: str) -> str:
    """A text about a written word."""
    thing = _choose(rng, SIGNS).format(word)
    return thing if thing.startswith("it says") else framed(rng, thing)
