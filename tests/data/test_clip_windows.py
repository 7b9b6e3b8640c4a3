"""Windows: the starts by the release's rule, counted by hand, repeats included."""

import pytest

from tinymm.data.clip_windows import window_starts

# L1-C7, written down by hand: 0, 8, ... while start + 16 < n, and the last 16 frames for every further 8
BY_HAND = {16: [0, 0], 17: [0, 1, 1], 18: [0, 2, 2], 19: [0, 3, 3], 20: [0, 4, 4], 21: [0, 5, 5], 22: [0, 6, 6], 23: [0, 7, 7],
           24: [0, 8, 8], 25: [0, 8, 9, 9], 26: [0, 8, 10, 10], 27: [0, 8, 11, 11], 28: [0, 8, 12, 12], 29: [0, 8, 13, 13],
           30: [0, 8, 14, 14], 31: [0, 8, 15, 15], 32: [0, 8, 16, 16], 33: [0, 8, 16, 17, 17], 34: [0, 8, 16, 18, 18],
           35: [0, 8, 16, 19, 19], 36: [0, 8, 16, 20, 20], 37: [0, 8, 16, 21, 21], 38: [0, 8, 16, 22, 22], 39: [0, 8, 16, 23, 23],
           40: [0, 8, 16, 24, 24], 41: [0, 8, 16, 24, 25, 25], 42: [0, 8, 16, 24, 26, 26], 43: [0, 8, 16, 24, 27, 27],
           44: [0, 8, 16, 24, 28, 28], 45: [0, 8, 16, 24, 29, 29], 46: [0, 8, 16, 24, 30, 30], 47: [0, 8, 16, 24, 31, 31],
           48: [0, 8, 16, 24, 32, 32], 49: [0, 8, 16, 24, 32, 33, 33], 50: [0, 8, 16, 24, 32, 34, 34],
           51: [0, 8, 16, 24, 32, 35, 35], 52: [0, 8, 16, 24, 32, 36, 36], 53: [0, 8, 16, 24, 32, 37, 37],
           54: [0, 8, 16, 24, 32, 38, 38], 55: [0, 8, 16, 24, 32, 39, 39], 56: [0, 8, 16, 24, 32, 40, 40],
           57: [0, 8, 16, 24, 32, 40, 41, 41], 58: [0, 8, 16, 24, 32, 40, 42, 42], 59: [0, 8, 16, 24, 32, 40, 43, 43],
           60: [0, 8, 16, 24, 32, 40, 44, 44]}


@pytest.mark.parametrize("n", range(16, 61))
def test_the_starts_are_those_of_the_hand_table(n):
    assert window_starts(n).tolist() == BY_HAND[n]


@pytest.mark.parametrize("n", range(16, 61))
def test_every_frame_is_covered(n):
    assert {t for start in window_starts(n) for t in range(start, start + 16)} == set(range(n))


def test_other_windows():
    assert window_starts(10, 4, 3).tolist() == [0, 3, 6, 6] and window_starts(5, 5, 8).tolist() == [0]
    assert window_starts(3, 1, 1).tolist() == [0, 1, 2]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="window_starts: the clip has 15 frames, fewer than one window of 16"):
        window_starts(15)
    for name, wrong in (("length", {"length": 0}), ("stride", {"stride": 0}), ("frames", {"frames": -1})):
        with pytest.raises(ValueError, match=f"window_starts: {name}"):
            window_starts(**{"frames": 20, **wrong})
    with pytest.raises(TypeError):
        window_starts(20.5)
