"""Tracked clips: colour shows in RGB alone, the order in the flow alone, and the flow is where the thing moves."""

import numpy as np
import pytest

from tinymm.data.flow_pictures import flow_of
from tinymm.data.worlds import tracked_clips
from tinymm.data.worlds.digits import split_digits
from tinymm.data.worlds.tracked_clips import (CLASSES, COLOURS, FRAMES, OFF, STEPS, WINDOW, TrackedClips, errors, motion_of,
                                              tracked_frames, windows_of)


def relabelled(monkeypatch, change, count=24):
    """The clips, with every label changed."""
    balanced = tracked_clips.balanced
    with monkeypatch.context() as patch:
        patch.setattr(tracked_clips, "balanced", lambda *a: change(balanced(*a)))
        return TrackedClips("train", count, 1)


def test_clips_that_differ_in_colour_have_the_same_flow(monkeypatch):
    plain, recoloured = TrackedClips("train", 24, 1), relabelled(monkeypatch, lambda labels: (labels + 4) % 12)
    assert np.array_equal(plain.flow, recoloured.flow) and np.array_equal(plain.stations, recoloured.stations)
    assert all(not np.array_equal(a, b) for a, b in zip(plain.rgb, recoloured.rgb))


def test_clips_that_differ_in_order_have_the_same_rgb(monkeypatch):
    """The tracker's window says nothing of the motion at all."""
    plain, turned = TrackedClips("train", 24, 1), relabelled(monkeypatch, lambda labels: labels // 4 * 4 + (labels + 1) % 4)
    assert np.array_equal(plain.rgb, turned.rgb)
    assert all(not np.array_equal(a, b) for a, b in zip(plain.flow, turned.flow))


def test_shapes_balance_and_seed():
    world = TrackedClips("validation", 36, 2)
    assert world.rgb.shape == (36, FRAMES, 3, WINDOW, WINDOW) and world.flow.shape == (36, FRAMES - 1, 3, 24, 24)
    assert np.bincount(world.labels).tolist() == [3] * len(CLASSES) and len(world) == 36
    again = TrackedClips("validation", 36, 2)
    assert np.array_equal(world.rgb, again.rgb) and np.array_equal(world.flow, again.flow)
    assert all(np.array_equal(world.stations[:, 0], world.stations[:, end]) for end in (8, 16))   # back after each turn
    rgb, flow, label = world[5]
    assert np.array_equal(rgb, world.rgb[5]) and np.array_equal(flow, world.flow[5]) and label == world.labels[5]


def test_the_flow_is_the_displacement_of_the_digit(monkeypatch):
    monkeypatch.setattr(tracked_clips, "FLOW_NOISE", 0)
    image = np.zeros((8, 8))
    image[2:5, 3:6] = 1
    corners = np.array([[4, 4], [6, 9], [6, 3]])
    u, v = flow_of(motion_of(np.random.default_rng(0), image, corners))
    for t, (down, right) in enumerate([(2, 5), (0, -6)]):
        where = np.zeros((24, 24), bool)
        top, left = corners[t + 1] + (2, 3)
        where[top:top + 3, left:left + 3] = True        # where the later frame has it
        assert (u[t][where] == right).all() and (v[t][where] == down).all() and not u[t][~where].any() and not v[t][~where].any()


def test_the_tracker_errs_a_little_and_late():
    off = errors(np.random.default_rng(0), 4000)
    assert np.abs(off).max() == OFF and len({tuple(o) for o in off}) == (2 * OFF + 1) ** 2
    assert 0.3 < np.corrcoef(off[1:, 0], off[:-1, 0])[0, 1] < 0.8 and abs(off.mean()) < 0.1


def test_the_colour_is_that_of_the_class():
    rng, image = np.random.default_rng(0), np.ones((8, 8))
    off = np.zeros((50, 2), int)
    for colour, shade in enumerate(COLOURS.values()):
        seen = windows_of(rng, image, colour, off)[:, :, 4:12, 4:12] / 255
        np.testing.assert_allclose(seen.mean((0, 2, 3)), shade, atol=0.05)
        assert 0.04 < seen.mean((2, 3)).std(0).min()    # not the same in every frame
    assert windows_of(rng, image, 0, off)[:, :, :4].mean() < 10


def test_three_folds_of_the_originals():
    """Test parts share no image, and within each fold no two parts do."""
    folds = [split_digits(3, fold=fold) for fold in range(3)]
    key = lambda images: {image.tobytes() for image in images}
    every = [np.concatenate([fold[part][0] for part in fold]) for fold in folds]
    assert all(sorted(i.tobytes() for i in e) == sorted(i.tobytes() for i in every[0]) for e in every)
    duplicates = {k for k in key(every[0]) if sum(k == i.tobytes() for i in every[0]) > 1}   # equal pictures of two originals
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not (key(folds[a]["test"][0]) & key(folds[b]["test"][0])) - duplicates
    assert not np.array_equal(TrackedClips("test", 12, 3, fold=1).rgb, TrackedClips("test", 12, 3).rgb)
    with pytest.raises(ValueError, match="split_digits: fold=3; choose from 0 to 2"):
        split_digits(3, fold=3)


def test_what_the_cnn_learns_first_has_no_motion():
    windows, answers = tracked_frames("train", 400, 1)
    assert windows.shape == (400, 3, WINDOW, WINDOW) and answers.shape == (400, 2)   # single windows
    assert set(answers[:, 0]) == set(range(10)) and set(answers[:, 1]) == set(range(16))
    cell = answers[:, 1]
    middle = (windows.sum(1) * np.arange(WINDOW)[:, None]).sum((1, 2)) / windows.sum((1, 2, 3))   # rows, noise included
    assert middle[cell // 4 == 3].mean() > middle[cell // 4 == 0].mean() + 1


def test_wrong_arguments():
    with pytest.raises(ValueError, match="TrackedClips: part='all'; choose from train, validation, test"):
        TrackedClips("all", 3)
    with pytest.raises(ValueError, match="TrackedClips: count=0 must be a positive integer"):
        TrackedClips("train", 0)
    assert STEPS == 16
