"""Vocabulary: which words get which ids, there and back, batches, checkpoints, mistakes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymm
from tinymm.text import SPECIALS, Vocabulary

SENTENCES = ["a dog and a cat".split(), "the dog".split(), "a zebra".split()]


def test_words_by_count_then_alphabet():
    v = Vocabulary.build(SENTENCES)
    assert v.words == ("<pad>", "<start>", "<end>", "<unk>", "a", "dog", "and", "cat", "the", "zebra") and len(v) == 10
    assert (v.pad, v.start, v.end, v.unknown) == (0, 1, 2, 3) == tuple(v[s] for s in SPECIALS)
    assert v["dog"] == 5 and v["horse"] == v.unknown and "dog" in v and "horse" not in v and list(v) == list(v.words)
    assert Vocabulary.build(iter([["b"], ["a"]])).words[4:] == ("a", "b")   # an iterator is enough


def test_what_is_kept():
    sentences = [["often"] * 5, ["five"] * 5, ["four"] * 4]
    assert Vocabulary.build(sentences, min_count=5).words[4:] == ("five", "often")   # 5 times is enough for min_count=5
    assert Vocabulary.build(sentences, max_size=6).words[4:] == ("five", "often")    # 6 with the special ones
    assert len(Vocabulary.build(sentences, max_size=4)) == 4 and len(Vocabulary.build([])) == 4


def test_counts_are_those_of_the_targets():
    v = Vocabulary.build(SENTENCES, min_count=2)
    assert v.counts.tolist() == [0, 0, 3, 4, 3, 2]   # three ends; and, cat, the, zebra left out; a, dog
    targets = np.concatenate([v.encode(s, end=True) for s in SENTENCES])
    assert v.counts.tolist() == np.bincount(targets, minlength=len(v)).tolist()
    assert Vocabulary(["a"]).counts is None


@settings(deadline=None)
@given(st.lists(st.lists(st.text("abcd\u00e9 .", min_size=1, max_size=3), max_size=6), max_size=6), st.integers(1, 3))
def test_there_and_back(sentences, min_count):
    v = Vocabulary.build(sentences, min_count)
    for tokens in sentences:
        ids = v.encode(tokens, start=True, end=True)
        assert ids[0] == 1 and ids[-1] == 2 and len(ids) == len(tokens) + 2
        assert v.decode(ids + [0, 0]) == [t if t in v else "<unk>" for t in tokens]
    padded, lengths = v.batch([v.encode(tokens) for tokens in sentences])
    assert padded.dtype == lengths.dtype == np.int64 and padded.shape == (len(sentences), max(map(len, sentences), default=0))
    assert lengths.tolist() == [len(tokens) for tokens in sentences]
    assert [row[:n].tolist() for row, n in zip(padded, lengths)] == [v.encode(tokens) for tokens in sentences]
    assert (padded[np.arange(padded.shape[1]) >= lengths[:, None]] == v.pad).all()
    assert v.counts.sum() == sum(map(len, sentences)) + len(sentences)


def test_encode_and_decode():
    v = Vocabulary(["a", "dog"])
    assert v.encode(["a", "cat"]) == [4, 3] and v.encode(("dog",), end=True) == [5, 2] and v.encode([], start=True) == [1]
    assert v.encode(["<unk>"]) == [3]   # what decode shows can be encoded again
    assert v.decode([1, 4, 3, 0, 5, 2, 4]) == ["a", "<unk>", "dog"]   # nothing after the end
    assert v.decode(np.array([4, 5])) == v.decode(tinymm.Tensor(np.array([4, 5]))) == ["a", "dog"]
    padded, lengths = v.batch([np.array([4]), [4, 5]])
    assert padded.tolist() == [[4, 0], [4, 5]] and lengths.tolist() == [1, 2]


def test_state_goes_through_json():
    v = Vocabulary.build(SENTENCES)
    other = Vocabulary.from_state_dict(json.loads(json.dumps(v.state_dict())))
    assert other == v and hash(other) == hash(v) and other.counts.tolist() == v.counts.tolist()
    plain = Vocabulary.from_state_dict(Vocabulary(["a"]).state_dict())
    assert plain == Vocabulary(["a"]) != v and plain.counts is None
    with pytest.raises(ValueError, match=r"from_state_dict: the keys are \['itos'\]"):
        Vocabulary.from_state_dict({"itos": []})


def test_it_is_shown_short():
    assert repr(Vocabulary(["a", "b"])) == "Vocabulary(6 words, 4 of them special: a, b)"
    assert repr(Vocabulary("abcdefgh"[i] for i in range(8))) == "Vocabulary(12 words, 4 of them special: a, b, c, d, e, ...)"


@pytest.mark.parametrize("call, error, message", [
    (lambda v: Vocabulary(["a", "b", "a"]), ValueError, "'a' is there twice"),
    (lambda v: Vocabulary(["<end>"]), ValueError, "'<end>' is a special word"),
    (lambda v: Vocabulary("abc"), TypeError, "words='abc' is one string"),
    (lambda v: Vocabulary([["a"]]), TypeError, r"\['a'\] is a list, not a word; captions go to Vocabulary.build"),
    (lambda v: Vocabulary(["a"], [1]), ValueError, r"counts \(1,\) must have one entry for each of the 5 words"),
    (lambda v: Vocabulary.build("a dog"), TypeError, "'a dog' is a string; call tokenize first"),
    (lambda v: Vocabulary.build(["a dog"]), TypeError, "'a dog' is a string; call tokenize first"),
    (lambda v: Vocabulary.build([[["a"]]]), TypeError, r"\['a'\] among the tokens is a list"),
    (lambda v: Vocabulary.build([["<unk>", "a"]]), ValueError, "'<unk>' is a special word, but 1 of the tokens"),
    (lambda v: Vocabulary.build([], min_count=0), ValueError, "min_count=0 must be at least 1"),
    (lambda v: Vocabulary.build([], max_size=3), ValueError, "max_size=3 has no room"),
    (lambda v: v.encode("a dog"), TypeError, "Vocabulary.encode: 'a dog' is a string; call tokenize first"),
    (lambda v: v.encode(["a", "<end>"]), ValueError, "'<end>' among the tokens"),
    (lambda v: v.decode([4, 6]), IndexError, r"id 6 is not in 0..5"),
    (lambda v: v.decode([-1]), IndexError, r"id -1 is not in 0..5"),
    (lambda v: v.decode([[4]]), TypeError, r"\[4\] is not an id but a list"),
    (lambda v: v.decode([4.0]), TypeError, "4.0 is not an id but a float"),
    (lambda v: v.decode(4), TypeError, "4 is not a sequence of ids"),
    (lambda v: v.batch([4]), TypeError, "Vocabulary.batch: 4 is not a sequence"),
    (lambda v: v.batch([[9]]), IndexError, "Vocabulary.batch: id 9"),
    (lambda v: v[4], TypeError, r"words\[4\] is the word of an id"),
])
def test_mistakes_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call(Vocabulary(["a", "b"]))
