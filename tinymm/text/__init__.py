"""The foot of floor 4: text as tokens, and tokens as numbers. Every room of the floor may use it."""

from .tokens import PUNCTUATION, tokenize
from .vocabulary import SPECIALS, Vocabulary

__all__ = ["PUNCTUATION", "tokenize", "SPECIALS", "Vocabulary"]
