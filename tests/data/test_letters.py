"""Lines of parametric letters: what each point belongs to, how long letters are, and what a constant rate reaches."""

import numpy as np
import pytest

from tinymm.data.worlds.letters import ALPHABET, LETTERS, TEMPO, Line, best_constant_rate, split_lines, write_line


@pytest.fixture(scope="module")
def parts():
    return split_lines(0, (200, 100, 100))


def test_no_text_is_written_twice_and_the_sizes_are_as_asked(parts):
    assert {name: len(lines) for name, lines in parts.items()} == {"train": 200, "validation": 100, "test": 100}
    assert len({line.text for lines in parts.values() for line in lines}) == 400


def test_a_seed_gives_the_same_lines():
    for one, same, other in zip(*(split_lines(seed, (5, 2, 2))["train"] for seed in (3, 3, 4))):
        assert one.text == same.text and np.array_equal(one.points, same.points) and one.text != other.text


def test_letters_have_4_to_18_points_and_differ(parts):
    counts = [(name, n) for line in parts["train"] for name, n in zip(line.text, np.bincount(line.letter))]
    assert min(n for _, n in counts) == 4 and max(n for _, n in counts) == 18
    for name in ALPHABET:
        low, high = (round(LETTERS[name][0] * tempo) for tempo in TEMPO)
        assert {n for letter, n in counts if letter == name} <= set(range(low, high + 1))


def test_each_stroke_ends_with_its_letter(parts):
    for line in parts["test"]:
        assert line.points.shape == (len(line.letter), 3) and line.points.dtype == np.float32
        np.testing.assert_array_equal(line.points[:, 2], np.append(np.diff(line.letter) > 0, True))
        assert line.letter[0] == 0 and line.letter[-1] == len(line.text) - 1 and set(np.diff(line.letter)) <= {0, 1}
        np.testing.assert_array_equal(line.points[0, :2], 0)


def test_letters_stand_one_after_another():
    """The middle of each letter is to the right of the one before."""
    line = write_line(ALPHABET * 2, np.random.default_rng(0))
    x = line.points[:, 0].cumsum()
    middles = [x[line.letter == u].mean() for u in range(len(line.text))]
    assert (np.diff(middles) > 0.3).all()


def test_the_best_constant_rate_by_hand():
    """Two letters of 2 and 6 points: at a rate that reaches the second letter after 2 of 8 points all would be right; the last
    letter holds whoever is past it."""
    line = Line("iw", np.zeros((8, 3), np.float32), np.array([0, 0, 1, 1, 1, 1, 1, 1]))
    assert best_constant_rate([line])[1] == pytest.approx(7 / 8)   # at 0.3, the fastest tried, the third is wrong
    even = Line("iii", np.zeros((15, 3), np.float32), np.repeat([0, 1, 2], 5))
    rate, share = best_constant_rate([even])
    assert share == 1 and rate == pytest.approx(0.2, abs=0.03)


def test_a_constant_rate_is_soon_at_the_wrong_letter(parts):
    assert 0.5 < best_constant_rate(parts["test"])[1] < 0.7


@pytest.mark.parametrize("text", ["", "ix", "I"])
def test_only_its_own_letters_can_be_written(text):
    with pytest.raises(ValueError, match="it takes one letter or more of 'icswg'"):
        write_line(text, np.random.default_rng(0))


def test_more_lines_than_texts_are_refused():
    with pytest.raises(ValueError, match="more than half of the 30 there are"):
        split_lines(0, (10, 10, 10), (1, 2))
