"""The foot of floor 4: text as tokens, and tokens as numbers. Every room of the floor may use it."""

from .bpe import BytePairEncoding
from .clip_tokenizer import CLIPTokenizer
from .tokens import PUNCTUATION, plain_words, tokenize
from .vocabulary import SPECIALS, Vocabulary

__all__ = ["BytePairEncoding", "CLIPTokenizer", "PUNCTUATION", "plain_words", "tokenize", "SPECIALS", "Vocabulary"]
