"""Byte-pair encoding: merges and words by hand, against slow definitions, and against the tokenizers library's trainer."""

import copy
import json
import pickle
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymm
from tinymm.text import BytePairEncoding, bpe
from tinymm.text.bpe import BYTE_OF_SYMBOL, BYTE_TOKENS, SYMBOL_OF_BYTE

PAPER = {"low": 5, "lower": 2, "newest": 6, "widest": 3}   # the example of Sennrich et al.
CORPORA = st.lists(st.text("ab\u00e9", min_size=1, max_size=12), max_size=25)


def join(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """One merge, from left to right."""
    for i, found in enumerate(zip(symbols, symbols[1:])):
        if found == pair:
            return [*symbols[:i], "".join(pair), *join(symbols[i + 2:], pair)]
    return symbols


def spelled(word: str) -> list[str]:
    symbols = [SYMBOL_OF_BYTE[byte] for byte in word.encode()]
    return [*symbols[:-1], symbols[-1] + "</w>"]


def slowly_trained(words: list[str], vocab_size: int, min_count: int) -> list[tuple[str, str]]:
    """The definition: count all pairs anew for each merge."""
    tokens = list(BYTE_TOKENS)
    corpus = [spelled(word) for word in words]
    merges = []
    while len(tokens) < vocab_size:
        counts = Counter(pair for symbols in corpus for pair in zip(symbols, symbols[1:]))
        if not counts or max(counts.values()) < min_count:
            break
        pair = min(counts, key=lambda p: (-counts[p], tokens.index(p[0]), tokens.index(p[1])))
        merges.append(pair)
        tokens.append("".join(pair))
        corpus = [join(symbols, pair) for symbols in corpus]
    return merges


def test_the_alphabet_is_every_byte_twice():
    assert len(BYTE_TOKENS) == len(set(BYTE_TOKENS)) == 512
    assert BYTE_TOKENS[0] == "!" and BYTE_TOKENS[93] == "~" and BYTE_TOKENS[94] == "\u00a1" and BYTE_TOKENS[187] == "\u00ff"
    assert BYTE_TOKENS[188] == "\u0100" == SYMBOL_OF_BYTE[0] and SYMBOL_OF_BYTE[32] == "\u0120"   # GPT-2's sign for a space
    assert BYTE_TOKENS[256] == "!</w>" and sorted(BYTE_OF_SYMBOL.values()) == list(range(256))
    assert all(symbol.isprintable() and not symbol.isspace() for symbol in BYTE_OF_SYMBOL)   # a file of merges is plain text


def test_the_papers_example():
    trained = BytePairEncoding.train(PAPER, 512 + 10)
    assert trained.merges[:5] == (("e", "s"), ("es", "t</w>"), ("l", "o"), ("e", "w"), ("n", "ew"))   # 9, 9, 7, 6, 6 times
    assert trained.tokens[512:515] == ("es", "est</w>", "lo") and len(trained) == 522
    assert trained.pieces("lowest") == ("lo", "w", "est</w>") and trained.pieces("low") == ("low</w>",)
    assert trained.encode("lowest") == (514, BYTE_TOKENS.index("w"), 513)


def test_the_lowest_rank_is_joined_first_and_from_the_left():
    merges = [("b", "c"), ("a", "b"), ("a", "bc"), ("d", "d"), ("abc", "abc")]
    encoding = BytePairEncoding(merges)
    assert encoding.pieces("abcx") == ("abc", "x</w>")        # not "ab", which has the higher rank
    assert encoding.pieces("dddddx") == ("dd", "dd", "d", "x</w>")
    assert encoding.pieces("abcabcx") == ("abcabc", "x</w>")
    assert encoding.pieces("ab") == ("a", "b</w>")            # the b at the end is another token
    assert encoding.pieces("") == () and encoding.pieces("a") == ("a</w>",)
    assert encoding.pieces("\u00e9 ") == (SYMBOL_OF_BYTE[0xC3], SYMBOL_OF_BYTE[0xA9], SYMBOL_OF_BYTE[0x20] + "</w>")


def test_all_places_of_a_pair_are_joined_before_the_next_pair_is_looked_for():
    """A pair that arises on the way waits, though its rank is lower; OpenAI's own loop is like this, too."""
    encoding = BytePairEncoding([("ab", "a"), ("a", "b")])
    assert encoding.pieces("ababx") == ("ab", "ab", "x</w>") and encoding.pieces("abax") == ("aba", "x</w>")


@settings(deadline=None, max_examples=60)
@given(CORPORA, st.integers(0, 40), st.integers(1, 4))
def test_training_is_counting_again_and_again(words, merges, min_count):
    trained = BytePairEncoding.train(words, 512 + merges, min_count)
    assert list(trained.merges) == slowly_trained(words, 512 + merges, min_count)
    assert trained.tokens == (*BYTE_TOKENS, *map("".join, trained.merges))
    assert trained == BytePairEncoding.train(Counter(words), 512 + merges, min_count)


@settings(deadline=None, max_examples=60)
@given(CORPORA, CORPORA)
def test_words_are_cut_as_training_would_have_cut_them(corpus, words):
    trained = BytePairEncoding.train(corpus, 560)
    for word in [*corpus, *words]:
        symbols = spelled(word)
        for merge in trained.merges:
            symbols = join(symbols, merge)
        assert list(trained.pieces(word)) == symbols
        assert trained.decode(trained.encode(word)) == word + " "


@given(st.text(min_size=1))
def test_every_text_has_ids(text):
    encoding = BytePairEncoding.train(PAPER, 530)
    if "</w>" not in text:
        assert encoding.decode(encoding.encode(text)) == text + " "


def test_a_corpus_with_nothing_left_to_join():
    assert BytePairEncoding.train(["ab", "ab"], 1000).merges == (("a", "b</w>"),)
    assert BytePairEncoding.train([], 1000).merges == BytePairEncoding.train(["a", ""], 1000).merges == ()
    assert BytePairEncoding.train(["ab", "cd", "cd"], 1000, min_count=2).merges == (("c", "d</w>"),)
    assert len(BytePairEncoding.train(PAPER, 512)) == 512


def test_a_word_with_the_sign_of_the_end_in_it():
    """Its letters can be joined to a token that is there already; ids stay distinct."""
    trained = BytePairEncoding.train({"a</w>b": 5, "</w>c": 50}, 600)
    assert ("a", "</w>") in trained.merges and len(trained) == 512 + len(trained.merges) - 1
    assert trained.pieces("a</w>b") == ("a</w>b</w>",) and trained.tokens[-1] == "a</w>b</w>"


def test_decode():
    encoding = BytePairEncoding([])
    ids = encoding.encode("\u00e9")
    assert encoding.decode(ids[:1]) == "\ufffd" and encoding.decode([]) == ""
    assert encoding.decode(np.array(ids)) == encoding.decode(tinymm.Tensor(np.array(ids))) == "\u00e9 "


def test_the_memory_of_words_is_bounded(monkeypatch):
    monkeypatch.setattr(bpe, "CACHED_WORDS", 3)
    encoding = BytePairEncoding.train(PAPER, 530)
    for word in ["low", "new", "est", "wide", "low", "x", "y"]:
        assert encoding.encode(word) == encoding.encode(word) == tuple(encoding.ids[t] for t in encoding.pieces(word))
        assert len(encoding._cache) <= 3


def test_copies_are_equal():
    encoding = BytePairEncoding.train(PAPER, 530)
    for other in (copy.deepcopy(encoding), pickle.loads(pickle.dumps(encoding)), BytePairEncoding(encoding.merges)):
        assert other == encoding and hash(other) == hash(encoding) and other.encode("lowest") == encoding.encode("lowest")
    assert BytePairEncoding([]) != encoding and repr(encoding) == "BytePairEncoding(525 tokens, 13 merges)"


@pytest.mark.parametrize("call, error, message", [
    (lambda e: BytePairEncoding([("a", "b"), ("x", "yz")]), ValueError, r"merge 1 \('x', 'yz'\) needs the token 'yz'"),
    (lambda e: BytePairEncoding([("a", "b")], BYTE_TOKENS), ValueError, r"merge 0 \('a', 'b'\) needs the token 'ab'"),
    (lambda e: BytePairEncoding([], BYTE_TOKENS[1:]), ValueError, "1 of the 512 tokens of one byte are missing, the first is '!'"),
    (lambda e: BytePairEncoding([], [*BYTE_TOKENS, "a"]), ValueError, "the token 'a' is there twice"),
    (lambda e: BytePairEncoding([], [*BYTE_TOKENS, "a b"]), ValueError, "'a b' has characters that stand for no byte"),
    (lambda e: BytePairEncoding.train("a dog", 600), TypeError, "'a dog' is one string; pass a list of words"),
    (lambda e: BytePairEncoding.train(["a"], 511), ValueError, "vocab_size=511 has no room for the 512 bytes"),
    (lambda e: BytePairEncoding.train(["a"], 600, 0), ValueError, "min_count=0 must be at least 1"),
    (lambda e: BytePairEncoding.train(["a\udc80"], 600), ValueError, "half of a surrogate pair at place 1"),
    (lambda e: e.encode("a\ud800"), ValueError, "half of a surrogate pair at place 1"),
    (lambda e: e.decode([513]), IndexError, r"BytePairEncoding.decode: id 513 is not in 0..512"),
    (lambda e: e.decode([-1]), IndexError, "id -1"),
    (lambda e: e.decode([True]), TypeError, "True is not an id but a bool"),
    (lambda e: e.decode("ab"), TypeError, "'ab' is not a sequence of ids"),
    (lambda e: e.decode(3), TypeError, "3 is not a sequence of ids"),
])
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(BytePairEncoding([("a", "b")]))


def library_merges(words: list[str], vocab_size: int, min_count: int) -> list[tuple[str, str]]:
    """What the trainer of the tokenizers library gives, where its ids of single bytes, which decide ties, are ours."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=vocab_size, min_frequency=min_count, special_tokens=list(BYTE_TOKENS),
                                             end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(["".join(SYMBOL_OF_BYTE[byte] for byte in word.encode()) for word in words], trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(40))
def test_training_against_the_tokenizers_library(seed):
    """Few letters and short words: most counts are tied."""
    r = random.Random(seed)
    letters = "abcdefghijklmnop"[:r.choice([1, 2, 3, 5, 16])] + r.choice(["", "\u00e9\u65e5\U0001f600"])
    words = ["".join(r.choices(letters, k=r.randint(1, r.choice([8, 40])))) for _ in range(r.choice([5, 100, 400]))]
    words = r.choices(words, weights=[1 / (i + 1) for i in range(len(words))], k=600)
    vocab_size, min_count = 512 + r.choice([5, 30, 100, 400]), r.choice([1, 2, 3])
    merges = list(BytePairEncoding.train(words, vocab_size, min_count).merges)
    assert len(merges) > 2 and merges == library_merges(words, vocab_size, min_count)


@pytest.mark.oracle
def test_a_large_corpus_against_the_tokenizers_library():
    r = random.Random(0)
    words = ["".join(r.choices("etaoinshrdlucmfwypvbgkjqxz", range(26, 0, -1), k=r.randint(2, 10))) for _ in range(20_000)]
    words = r.choices(words, weights=[1 / (i + 5) for i in range(len(words))], k=50_000)
    assert list(BytePairEncoding.train(words, 4096).merges) == library_merges(words, 4096, 1)
