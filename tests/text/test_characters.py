"""One-hot characters: the published alphabet's places by hand, what is unknown, and texts that are refused."""

import numpy as np
import pytest

from tinymm.text.characters import ALPHABET, character_numbers, one_hot, one_hot_characters, unknown_characters

PLACES = {"a": 1, "z": 26, "0": 27, "9": 36, ",": 38, ";": 39, "'": 44, '"': 45, "/": 46, "\\": 47, "-": 60, "}": 69, " ": 70}


def test_the_alphabet_has_seventy_symbols_and_the_later_hyphen_counts():
    assert len(ALPHABET) == 70 and len(set(ALPHABET)) == 69
    assert {c: int(character_numbers([c + "a"])[0, 0]) for c in PLACES} == PLACES
    numbers = character_numbers(["".join(dict.fromkeys(ALPHABET))])
    assert set(numbers[0, :69].tolist()) == set(range(1, 71)) - {37} and not numbers[0, 69:].any()


def test_columns_of_a_text():
    x = one_hot_characters(["A b-é!", "zz"])
    assert x.shape == (2, 70, 201) and x.dtype == np.float32
    assert [(int(k), int(t)) for t, k in np.argwhere(x[0].T)] == [(0, 0), (69, 1), (1, 2), (59, 3), (40, 5)]   # é, at 4, is empty
    assert x[1].sum() == 2 and x[1, 25, :2].all()
    np.testing.assert_array_equal(one_hot_characters(["a b-é!", "ZZ"]), x)
    assert one_hot_characters(["a" * 72], 72).sum() == 72


def test_numbers_of_published_files_become_columns():
    numbers = np.array([[1, 60, 0], [70, 0, 0]], np.uint8)
    np.testing.assert_array_equal(one_hot(numbers).argmax(1)[numbers > 0] + 1, numbers[numbers > 0])
    np.testing.assert_array_equal(one_hot(numbers).sum(1), numbers > 0)
    assert one_hot(np.zeros((0, 5), int)).shape == (0, 70, 5)
    with pytest.raises(ValueError, match="from 0 to 70"):
        one_hot([[71]])
    with pytest.raises(TypeError, match="float64; they are integers"):
        one_hot(np.zeros((1, 2)))


def test_unknown_characters_are_told_once():
    assert unknown_characters("Café 東 é, a-b") == "é東" and unknown_characters(ALPHABET.upper()) == ""


@pytest.mark.parametrize("texts, message", [
    (["a", ""], "text 1, '', of length 0, has no character of the alphabet but spaces"),
    (["  "], "of length 2, has no character"),
    (["東京"], "no character of the alphabet"),
    (["b" * 202], "has 202 characters; 201 can be read"),
    ([], "there is no text")])
def test_texts_that_are_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        one_hot_characters(texts)


def test_what_is_no_sequence_of_texts():
    with pytest.raises(TypeError, match="give a sequence of texts"):
        one_hot_characters("a red star")
    with pytest.raises(TypeError, match="text 1 is a bytes; it must be a str"):
        one_hot_characters(["a", b"b"])
