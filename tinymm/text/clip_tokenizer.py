"""CLIPTokenizer: texts as CLIP reads them (Radford et al. 2021), 77 ids each, by byte-pair encoding in lower case.

    text -> clean -> split into words -> bytes -> merges -> [start] ids [end] 0 0 ...

Ids are those of OpenAI's ``clip.tokenize``, with one step left out: OpenAI first repairs texts with the package ftfy, which
undoes wrong decoding ("cafÃ©"), makes typographic quotes, ligatures and full-width letters plain, and composes accents
(NFC). Here such characters stay as they are, so that the ids depend on no other package. Texts in plain letters, composed
accents and emoji have the same ids.
"""

from __future__ import annotations

import html
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from .bpe import BytePairEncoding
from .clip_files import END, START, read_clip_files, write_clip_files
from .ids import checked_ids

# Unicode's White_Space: what Python calls a space, without four separators of records.
_SPACES = re.compile(r"[^\S\x1c-\x1f]+")

# CLIP's pattern is <|startoftext|>|<|endoftext|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+ without regard to case.
# ``re`` knows no \p{L}, so the pattern reads a shadow of the text: see _Shadow.
_WORD = re.compile(rf"{re.escape(START)}|{re.escape(END)}|'(?:s|t|re|ve|m|ll|d)|[a-z]+|[0-9]|[^\sa-z0-9]+", re.ASCII)


class _Shadow(dict):
    """A table for ``str.translate``: one ASCII character of the same kind for every other character.

    "z" for letters (the pattern's fixed words have none), "0" for numbers, "." for the rest.
    """

    def __missing__(self, code: int) -> int:
        if code < 128:
            shadow = code
        elif code == 0x17F:   # the long s is an s without regard to case
            shadow = ord("s")
        elif code == 0x345:   # a combining iota, which OpenAI's pattern loses: the mark is no letter, but its capital is one
            shadow = ord(" ")
        else:
            shadow = ord({"L": "z", "N": "0"}.get(unicodedata.category(chr(code))[0], "."))
        self[code] = shadow
        return shadow


_SHADOW = _Shadow()


def clean(text: str) -> str:
    """The text without HTML entities ("&amp;", also when escaped twice), with single spaces, in lower case."""
    return _SPACES.sub(" ", html.unescape(html.unescape(text))).strip().lower()


def split(text: str) -> list[str]:
    """The words of a clean text: runs of letters, single digits, runs of other signs, and "'s" and the like.

    >>> split("it's 2021: café!")
    ['it', "'s", '2', '0', '2', '1', ':', 'café', '!']

    Letters and numbers are Unicode's, as far as this Python's ``unicodedata`` knows them. A combining accent is neither.
    """
    return [text[match.start():match.end()] for match in _WORD.finditer(text.translate(_SHADOW))]


class CLIPTokenizer:
    """Texts to ids and back.

    Args:
        bpe: a vocabulary that has ``<|startoftext|>`` and ``<|endoftext|>``; ``from_pretrained`` and ``train`` have one.
        context_length: ids a text is padded to; start and end count.

    Attributes:
        start, end: the ids around a text; in CLIP's vocabulary the two largest, 49406 and 49407.
        pad: 0, which is also the id of "!": what comes after ``end`` is padding.
        vocab_size: the number of tokens.

    Raises:
        ValueError: a vocabulary without start or end; no room for both.
    """

    pad = 0

    def __init__(self, bpe: BytePairEncoding, context_length: int = 77):
        if lacking := [token for token in (START, END) if token not in bpe.ids]:
            raise ValueError(f"CLIPTokenizer: the vocabulary lacks {' and '.join(map(repr, lacking))}; add them to its tokens")
        self.bpe, self.context_length = bpe, _room("CLIPTokenizer", context_length)
        self.start, self.end = bpe.ids[START], bpe.ids[END]
        self.vocab_size = len(bpe)

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike, context_length: int = 77) -> CLIPTokenizer:
        """A published vocabulary.

        Args:
            path: a folder with ``vocab.json`` and ``merges.txt`` (Hugging Face), or ``tokenizer.json``, or OpenAI's
                ``bpe_simple_vocab_16e6.txt.gz``; or the path of a file of the last two kinds.
            context_length: as in the class; published models have 77.

        Raises:
            FileNotFoundError: none of these files.
            ValueError: a damaged file, with the line.
        """
        return cls(read_clip_files(path), context_length)

    def save_pretrained(self, folder: str | os.PathLike):
        """Write ``vocab.json`` and ``merges.txt``, which ``from_pretrained`` and Hugging Face's CLIPTokenizer read.

        Hugging Face's reads the same words, but leaves HTML entities as they are and pads with ``end``.
        """
        write_clip_files(self.bpe, folder)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, min_count: int = 1, context_length: int = 77) -> CLIPTokenizer:
        """A vocabulary of one's own; see ``BytePairEncoding.train``.

        Args:
            texts: the corpus.
            vocab_size: the most tokens, 512 bytes, start and end included; a small corpus gives fewer.
            min_count: join pairs that are there at least so often.
            context_length: as in the class.
        """
        if isinstance(texts, str):
            raise TypeError(f"CLIPTokenizer.train: {texts[:40]!r} is one string; pass a list of texts")
        counts = Counter(word for text in texts for word in split(clean(_string("CLIPTokenizer.train", text))))
        for token in (START, END):
            del counts[token]
        try:
            bpe = BytePairEncoding.train(counts, vocab_size - 2, min_count)
        except ValueError as error:
            raise ValueError(f"CLIPTokenizer.train: vocab_size={vocab_size} and min_count={min_count} must be at least 514 "
                             f"and 1, and texts Unicode ({error})") from None
        return cls(BytePairEncoding(bpe.merges, [*bpe.tokens, START, END]), context_length)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without start and end; of any length.

        A text in which ``<|endoftext|>`` is written has the id of it, as with OpenAI's.

        Raises:
            TypeError: not a string.
            ValueError: half of a surrogate pair.
        """
        ids: list[int] = []
        for word in split(clean(_string("CLIPTokenizer.encode", text))):
            if word in (START, END):
                ids.append(self.bpe.ids[word])
            else:
                ids.extend(self.bpe.encode(word))
        return ids

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = False) -> str:
        """The text of ids, in lower case and with a space after every word: "it's" comes back as "it 's ".

        Args:
            ids: (T,) integers: a list, an array or a Tensor.
            skip_special_tokens: leave out start, end, and all that comes after the end, as for a row of ``tokenize``.

        Raises:
            TypeError: not a sequence of integers.
            IndexError: an id outside the vocabulary.
        """
        ids = checked_ids("CLIPTokenizer.decode", ids, len(self), "text")
        if skip_special_tokens:
            ids = [i for i in (ids[:ids.index(self.end)] if self.end in ids else ids) if i != self.start]
        return self.bpe.decode(ids)

    def tokenize(self, texts: str | Sequence[str], context_length: int | None = None, truncate: bool = False) -> np.ndarray:
        """Texts as the model's input.

        Args:
            texts: N texts, or one.
            context_length: another one than ``self.context_length``.
            truncate: cut texts that are too long; the last id is ``end`` all the same.

        Returns:
            (N, context_length) int64: start, the text, end, then zeros.

        Raises:
            TypeError: what is not a string.
            ValueError: a text too long, without ``truncate``.
        """
        length = self.context_length if context_length is None else _room("CLIPTokenizer.tokenize", context_length)
        texts = [texts] if isinstance(texts, str) else list(texts)
        padded = np.full((len(texts), length), self.pad, dtype=np.int64)   # (N, L)
        for row, text in zip(padded, texts):
            ids = [self.start, *self.encode(text), self.end]
            if len(ids) > length:
                if not truncate:
                    shown = text if len(text) <= 200 else text[:200] + "..."
                    raise ValueError(f"CLIPTokenizer.tokenize: {shown!r} has {len(ids)} ids with start and end, more than "
                                     f"context_length={length}; shorten it or pass truncate=True")
                ids = [*ids[:length - 1], self.end]
            row[:len(ids)] = ids
        return padded

    def state_dict(self) -> dict:
        """Tokens, merges and the context's length as plain lists and numbers, for a checkpoint."""
        return {"tokens": list(self.bpe.tokens), "merges": [list(pair) for pair in self.bpe.merges],
                "context_length": self.context_length}

    @classmethod
    def from_state_dict(cls, state: dict) -> CLIPTokenizer:
        """The tokenizer that ``state_dict`` describes.

        Raises:
            ValueError: not such a state.
        """
        if set(state) != {"tokens", "merges", "context_length"}:
            raise ValueError(f"CLIPTokenizer.from_state_dict: the keys are {sorted(state)}, but should be 'context_length', "
                             f"'merges' and 'tokens'")
        return cls(BytePairEncoding(state["merges"], state["tokens"]), state["context_length"])

    def __len__(self) -> int:
        return self.vocab_size

    def __eq__(self, other) -> bool:
        if not isinstance(other, CLIPTokenizer):
            return NotImplemented
        return (self.bpe, self.context_length) == (other.bpe, other.context_length)

    def __hash__(self) -> int:
        return hash((self.bpe, self.context_length))

    def __repr__(self) -> str:
        return f"CLIPTokenizer({self.vocab_size} tokens, {len(self.bpe.merges)} merges, context_length={self.context_length})"


def _room(name: str, context_length: int) -> int:
    if context_length < 2:
        raise ValueError(f"{name}: context_length={context_length} has no room for start and end")
    return context_length


def _string(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name}: {text!r} is a {type(text).__name__}, not a text")
    return text
