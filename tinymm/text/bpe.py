"""Byte-pair encoding (Sennrich et al. 2016) over bytes: any text as ids of pieces of words, without an unknown word.

A word is its UTF-8 bytes, the last one marked as the end of the word. Training joins the pair of neighbours that is most
frequent in a corpus, again and again; each join is a *merge*, and its place in the list is its *rank*. A new word is cut by
the same merges: of all pairs in it, the one of lowest rank is joined first. Frequent words become one token, rare ones
several, and what was never seen ends as single bytes.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .ids import checked_ids

END_OF_WORD = "</w>"
CACHED_WORDS = 65_536   # words whose ids are remembered; a text repeats most of its words

# A byte is shown as one visible character: itself in Latin-1 where that is visible, else the next one from U+0100 on. The
# visible ones come first in GPT-2's and CLIP's vocabularies, so "!" has id 0.
_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]
SYMBOL_OF_BYTE = {byte: chr(byte) for byte in _VISIBLE} | {byte: chr(256 + i) for i, byte in enumerate(_HIDDEN)}
BYTE_OF_SYMBOL = {symbol: byte for byte, symbol in SYMBOL_OF_BYTE.items()}
BYTE_TOKENS = (*SYMBOL_OF_BYTE.values(), *(symbol + END_OF_WORD for symbol in SYMBOL_OF_BYTE.values()))   # ids 0..511


class BytePairEncoding:
    """Words as ids of tokens, by an ordered list of merges.

    >>> BytePairEncoding([("d", "o"), ("do", "g</w>")]).pieces("dogdog")
    ('do', 'g', 'dog</w>')

    Args:
        merges: pairs of tokens, the lowest rank first.
        tokens: the vocabulary by id, where it is not the usual one: the 512 bytes inside and at the end of a word, then
            what each merge makes. It may have tokens that no merge makes.

    Attributes:
        merges: the pairs by rank.
        tokens: the V tokens by id, as strings of visible characters that each stand for a byte; "</w>" ends a word.
        ids: the id of each token.

    Raises:
        ValueError: tokens that are there twice or lack a byte; a merge of or into what is no token; a token with a
            character that stands for no byte.
    """

    def __init__(self, merges: Iterable[Sequence[str]], tokens: Iterable[str] | None = None):
        self.merges: tuple[tuple[str, str], ...] = tuple((left, right) for left, right in merges)
        self.tokens = tuple(dict.fromkeys([*BYTE_TOKENS, *map("".join, self.merges)]) if tokens is None else tokens)
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self.ids) < len(self.tokens):
            token = next(token for token, n in Counter(self.tokens).items() if n > 1)
            raise ValueError(f"BytePairEncoding: the token {token!r} is there twice; ids need distinct tokens")
        if foreign := next((token for token in self.tokens if not BYTE_OF_SYMBOL.keys() >= set(token)), None):
            raise ValueError(f"BytePairEncoding: the token {foreign!r} has characters that stand for no byte")
        if lacking := [token for token in BYTE_TOKENS if token not in self.ids]:
            raise ValueError(f"BytePairEncoding: {len(lacking)} of the {len(BYTE_TOKENS)} tokens of one byte are missing, the "
                             f"first is {lacking[0]!r}; without them some texts have no ids")
        if wrong := unknown_in_merges(self.merges, self.ids):
            rank, token = wrong
            raise ValueError(f"BytePairEncoding: merge {rank} {self.merges[rank]} needs the token {token!r}, which is not in the "
                             f"vocabulary")
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._cache: dict[str, tuple[int, ...]] = {}

    def pieces(self, word: str) -> tuple[str, ...]:
        """The tokens of a word, as strings.

        Args:
            word: any text; all of it is one word, spaces included.

        Raises:
            ValueError: half of a surrogate pair, which is no character and has no bytes.
        """
        symbols: Sequence = _symbols(word)
        while len(symbols) > 1:
            rank = min(self._ranks.get(pair, len(self.merges)) for pair in zip(symbols, symbols[1:]))
            if rank == len(self.merges):
                break
            symbols = _joined(symbols, self.merges[rank], "".join(self.merges[rank]))
        return tuple(symbols)

    def encode(self, word: str) -> tuple[int, ...]:
        """The ids of a word's tokens; those of many words are remembered.

        Raises:
            ValueError: as ``pieces``.
        """
        found = self._cache.get(word)
        if found is None:
            if len(self._cache) >= CACHED_WORDS:
                self._cache.clear()
            found = self._cache[word] = tuple(self.ids[token] for token in self.pieces(word))
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, with a space after each word; bytes that are not UTF-8 become U+FFFD.

        Args:
            ids: (T,) integers: a list, an array or a Tensor.

        Raises:
            TypeError: not a sequence of integers.
            IndexError: an id outside the vocabulary.
        """
        text = "".join(self.tokens[i] for i in checked_ids("BytePairEncoding.decode", ids, len(self), "text"))
        return bytes(BYTE_OF_SYMBOL[symbol] for symbol in text).decode(errors="replace").replace(END_OF_WORD, " ")

    @classmethod
    def train(cls, words: Iterable[str] | Mapping[str, int], vocab_size: int, min_count: int = 1) -> BytePairEncoding:
        """Merges from a corpus: each joins the pair that is most frequent by then (Sennrich et al. 2016, algorithm 1).

        Of equally frequent pairs the one with the smaller ids wins, left id first: older tokens before younger ones. Two
        merges never make the same token, but for words that have the letters "</w>" in them: there it keeps its first id.

        Args:
            words: the corpus, word after word, or its distinct words with their counts.
            vocab_size: stop at so many tokens, 512 bytes included; a small corpus has nothing left to join earlier.
            min_count: join pairs that are there at least so often.

        Raises:
            TypeError: one string instead of words.
            ValueError: no room for the bytes, or a count below 1.
        """
        if isinstance(words, str):
            raise TypeError(f"BytePairEncoding.train: {words[:40]!r} is one string; pass a list of words")
        if vocab_size < len(BYTE_TOKENS):
            raise ValueError(f"BytePairEncoding.train: vocab_size={vocab_size} has no room for the {len(BYTE_TOKENS)} bytes")
        if min_count < 1:
            raise ValueError(f"BytePairEncoding.train: min_count={min_count} must be at least 1")
        tokens = list(BYTE_TOKENS)
        ids = {token: i for i, token in enumerate(tokens)}
        corpus = _Corpus((([ids[s] for s in _symbols(word)], n) for word, n in Counter(words).items()))
        merges = []
        while len(tokens) < vocab_size:
            pair, count = corpus.most_frequent()
            if count < min_count:
                break
            left, right = merge = tokens[pair[0]], tokens[pair[1]]
            joined = ids.setdefault(left + right, len(tokens))
            if joined == len(tokens):
                tokens.append(left + right)
            merges.append(merge)
            corpus.join(pair, joined)
        return cls(merges, tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other) -> bool:
        return (self.merges, self.tokens) == (other.merges, other.tokens) if isinstance(other, BytePairEncoding) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.merges, self.tokens))

    def __repr__(self) -> str:
        return f"BytePairEncoding({len(self)} tokens, {len(self.merges)} merges)"


class _Corpus:
    """Distinct words as lists of ids, with how often each pair of neighbours is in them; kept up to date by ``join``.

    A merge touches only the words that have its pair, so these are looked up and not searched for.
    """

    def __init__(self, words: Iterable[tuple[list[int], int]]):
        self.words: list[list[int]] = []
        self.times: list[int] = []                      # how often each word is in the corpus
        self.counts: dict[tuple[int, int], int] = defaultdict(int)
        self.places: dict[tuple[int, int], set[int]] = defaultdict(set)   # words which have, or had, the pair
        for symbols, n in words:
            self.words.append(symbols)
            self.times.append(n)
            self._count(len(self.words) - 1)
        self.heap = [(-n, pair) for pair, n in self.counts.items()]       # an entry may be out of date: see most_frequent
        heapq.heapify(self.heap)

    def _count(self, place: int) -> list[tuple[int, int]]:
        """Add the pairs of a word to the counts, and return them."""
        symbols = self.words[place]
        pairs = list(zip(symbols, symbols[1:]))
        for pair in pairs:
            self.counts[pair] += self.times[place]
            self.places[pair].add(place)
        return pairs

    def most_frequent(self) -> tuple[tuple[int, int], int]:
        """The pair with the highest count and, among equals, the smallest ids; a count of 0 where none is left.

        ``join`` notes each count that grew. One that shrank is found here, when its old entry comes up.
        """
        while self.heap:
            count, pair = self.heap[0]
            current = self.counts.get(pair, 0)
            if current == -count:
                return pair, current
            if current:
                heapq.heapreplace(self.heap, (-current, pair))
            else:
                heapq.heappop(self.heap)
        return (0, 0), 0

    def join(self, pair: tuple[int, int], joined: int):
        """Replace a pair by one id in all words."""
        grown: set[tuple[int, int]] = set()
        for place in self.places.pop(pair):
            symbols = self.words[place]
            for old in zip(symbols, symbols[1:]):
                self.counts[old] -= self.times[place]
            self.words[place] = _joined(symbols, pair, joined)
            grown.update(new for new in self._count(place) if joined in new)
        for new in grown:
            heapq.heappush(self.heap, (-self.counts[new], new))


def unknown_in_merges(merges: Sequence[tuple[str, str]], ids: Mapping[str, int]) -> tuple[int, str] | None:
    """The rank of the first merge whose parts or whole are no tokens, and which token that is."""
    for rank, (left, right) in enumerate(merges):
        for token in (left, right, left + right):
            if token not in ids:
                return rank, token
    return None


def _symbols(word: str) -> list[str]:
    """The bytes of a word as visible characters, the last one marked as the end."""
    try:
        symbols = [SYMBOL_OF_BYTE[byte] for byte in word.encode()]
    except UnicodeEncodeError as error:
        raise ValueError(f"BytePairEncoding: {word!r} has half of a surrogate pair at place {error.start}, which is no character; "
                         f"read the text with the right encoding") from None
    return [*symbols[:-1], symbols[-1] + END_OF_WORD] if symbols else []


def _joined(symbols: Sequence, pair: tuple, whole) -> list:
    """``symbols`` with each occurrence of ``pair``, from left to right, replaced by ``whole``."""
    out = []
    i = 0
    while i < len(symbols):
        found = i + 1 < len(symbols) and symbols[i] == pair[0] and symbols[i + 1] == pair[1]
        out.append(whole if found else symbols[i])
        i += 1 + found
    return out
