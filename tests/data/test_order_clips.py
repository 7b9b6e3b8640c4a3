"""Order clips: the classes differ in the order of their frames and in nothing else."""

import numpy as np
import pytest

from tinymm.data.worlds import order_clips
from tinymm.data.worlds.digits import split_digits
from tinymm.data.worlds.order_clips import (CANVAS, CLASSES, DIGIT, FRAMES, ROOM, STATIONS, TURN, OrderClips, frames_of,
                                            order_frames, places, visits)


@pytest.mark.parametrize("start", range(TURN))
def test_every_class_has_the_same_frames(start):
    """Exactly: what a bag of frames, or a frame alone, can know of the class is nothing."""
    image, centre = split_digits(0)["train"][0][start], np.array([1, -2])
    bags = []
    for label in range(len(CLASSES)):
        stations = visits(label, start)
        assert np.bincount(stations, minlength=TURN).tolist() == [2] * TURN
        assert sorted(stations[:TURN]) == sorted(stations[TURN:]) == list(range(TURN))   # once a turn: no dwelling
        assert set(np.diff(stations) % TURN) <= {1, TURN - 1}                             # no jump between the turns
        bags.append(sorted(frame.tobytes() for frame in frames_of(image, places(stations, centre))))
    assert bags[0] == bags[1] == bags[2] == bags[3]


def test_the_first_turn_leaves_two_classes():
    for start in range(TURN):
        first = [visits(label, start)[:TURN].tolist() for label in range(len(CLASSES))]
        assert first[0] == first[1] != first[2] == first[3]
    assert visits(0, 6).tolist() == [6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5]
    assert visits(1, 6).tolist() == [6, 7, 0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 7, 6, 5]


@pytest.mark.parametrize("seed", [0, 5])
def test_the_clips_of_a_dataset_have_that_balance(seed):
    world = OrderClips("train", 64, seed)
    assert np.bincount(world.labels).tolist() == [16] * 4 and world.frames.shape == (64, FRAMES, 1, CANVAS, CANVAS)
    for frames, stations, label in zip(world.frames, world.stations, world.labels):
        assert np.array_equal(stations, visits(label, stations[0]))
        at = {s: {frame.tobytes() for frame in frames[stations == s]} for s in range(TURN)}
        assert all(len(same) == 1 for same in at.values()) and len(set.union(*at.values())) == TURN
    assert np.unique(world.stations[:, 0]).size == TURN      # any station may be the first


def test_the_seed_decides_and_parts_share_no_original():
    again, other = OrderClips("train", 20, 3), OrderClips("train", 20, 4)
    assert np.array_equal(OrderClips("train", 20, 3).frames, again.frames) and not np.array_equal(again.frames, other.frames)
    originals = {part: {np.round(255 * image).astype(np.uint8).tobytes() for image in split_digits(3)[part][0]}
                 for part in ("train", "validation", "test")}
    for part in originals:
        for frame in OrderClips(part, 40, 3).frames[:, 0, 0]:
            rows, columns = np.nonzero(frame)
            found = {frame[top:top + DIGIT, left:left + DIGIT].tobytes() for top in range(CANVAS - DIGIT + 1)
                     for left in range(CANVAS - DIGIT + 1) if top <= rows.min() and rows.max() < top + DIGIT
                     and left <= columns.min() and columns.max() < left + DIGIT}
            assert found & originals[part]
    assert not originals["train"] & originals["test"]


def test_the_circle_stays_on_the_canvas():
    for corner in (-ROOM, ROOM):
        reached = places(np.arange(TURN), np.array([corner, corner]))
        assert reached.min() >= 0 and reached.max() <= CANVAS - DIGIT
    steps = np.hypot(*np.diff(np.concatenate([STATIONS, STATIONS[:1]]), axis=0).T)
    assert steps.max() / steps.min() < 1.1   # about the same way from each station to the next


def test_long_clips_are_steady():
    world = OrderClips("test", 10, 0, steady=True, length=40)
    assert world.frames.shape[1] == 40 and set(world.labels) == {0, 3}
    for stations, label in zip(world.stations, world.labels):
        assert set(np.diff(stations) % TURN) == {1 if label == 0 else TURN - 1}
        for start in (0, 8, 24):   # every window is a clip of the same class
            assert np.array_equal(stations[start:start + FRAMES], visits(label, stations[start]))
    with pytest.raises(ValueError, match="OrderClips: length=17; a window that starts in the second turn shows another class"):
        OrderClips("test", 10, length=17)


def test_what_the_cnn_learns_first_has_no_motion():
    frames, answers = order_frames("train", 300, 2)
    assert frames.shape == (300, 1, CANVAS, CANVAS) and answers.shape == (300, 2)   # single frames: there is no other to move from
    assert set(answers[:, 0]) == set(range(10)) and set(answers[:, 1]) == set(range(16))
    images, labels = split_digits(2)["train"]
    of = {np.round(255 * image).astype(np.uint8).tobytes(): label for image, label in zip(images, labels)}
    for frame, (digit, cell) in zip(frames[:, 0], answers):
        found = [(top, left) for top in range(CANVAS - DIGIT + 1) for left in range(CANVAS - DIGIT + 1)
                 if of.get(frame[top:top + DIGIT, left:left + DIGIT].tobytes()) == digit]
        assert cell in {4 * (top * 4 // 17) + left * 4 // 17 for top, left in found}


def test_wrong_arguments():
    with pytest.raises(ValueError, match="OrderClips: part='all'; choose from train, validation, test"):
        OrderClips("all", 3)
    with pytest.raises(ValueError, match="OrderClips: count=0 must be a positive integer"):
        OrderClips("train", 0)
    assert order_clips.balanced(np.random.default_rng(0), 10, 4).tolist().count(0) == 3
