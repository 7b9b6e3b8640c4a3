"""Scenes of sprites: drawn by seed, true in every word and pixel, and split by what they show."""

import itertools

import numpy as np
import pytest

from tinymm.data.worlds.placing import GAP
from tinymm.data.worlds.sprite_scenes import (CANVAS, NOISE, NOVEL, PARTS, SIZES, Sprite, SpriteScenes, captions_of, content_of,
                                              has_novel, noisy_captions)
from tinymm.data.worlds.sprite_windows import CLASSES, WINDOW, sprite_windows
from tinymm.data.worlds.sprites import COLOURS, SHAPES, coverage
from tinymm.text import tokenize

COUNT = 300


@pytest.fixture(scope="module")
def worlds():
    return {part: SpriteScenes(part, COUNT, seed=3) for part in (*PARTS, "novel")}


@pytest.fixture(scope="module")
def sketches():
    return SpriteScenes("test", 60, seed=3, style="sketch")


def test_the_seed_decides(worlds):
    again, longer = SpriteScenes("train", COUNT, seed=3), SpriteScenes("train", COUNT + 5, seed=3)
    for a, b, c in zip(worlds["train"], again, longer):   # more scenes go on where few end
        assert (a.image == b.image).all() and a.sprites == b.sprites == c.sprites and a.captions == c.captions
    assert not all(a.sprites == b.sprites for a, b in zip(worlds["train"], SpriteScenes("train", 20, seed=4)))
    assert worlds["train"].images().shape == (COUNT, 3, CANVAS, CANVAS) and worlds["train"].images().max() <= 1


def test_parts_share_no_content_of_two_sprites(worlds):
    contents = {part: {content_of(s.sprites) for s in world if len(s.sprites) == 2} for part, world in worlds.items()}
    for one, other in itertools.combinations(contents, 2):
        assert not contents[one] & contents[other]
    assert all(len(found) > 150 for found in contents.values())


@pytest.mark.parametrize("part", [*PARTS, "novel"])
def test_every_part_has_the_same_share_of_each_layout(part):
    """What is refused must not change it: most contents of two sprites are refused for a test scene, and none of one."""
    relations = [scene.sprites[0].relation for scene in SpriteScenes(part, 900)]
    for relation in ("", "left of", "above"):
        assert relations.count(relation) / 900 == pytest.approx(1 / 3, abs=0.06)   # 3.8 standard errors


def test_novel_pairs_are_in_no_other_part(worlds):
    assert len(NOVEL) == 6 and {c for c, _ in NOVEL} == set(COLOURS) and {s for _, s in NOVEL} == set(SHAPES)
    for part, world in worlds.items():
        assert all(has_novel(scene.sprites) == (part == "novel") for scene in world)
    seen = {(s.colour, s.shape) for scene in worlds["train"] for s in scene.sprites}
    assert len(seen) == 30 and not seen & NOVEL


def test_boxes_lie_apart_in_reading_order(worlds):
    for scene in worlds["train"]:
        for s in scene.sprites:
            top, left, bottom, right = s.box
            assert 0 <= top and 0 <= left and bottom <= CANVAS and right <= CANVAS
            assert bottom - top == right - left and SIZES[s.size][0] <= bottom - top <= SIZES[s.size][1]
        if len(scene.sprites) == 2:
            first, second = scene.sprites
            axis = {"left of": 1, "above": 0}[first.relation]
            assert second.box[axis] - first.box[axis + 2] >= GAP and second.relation == ""


def test_each_box_is_full_of_its_colour(worlds):
    for scene in worlds["train"]:
        for s in scene.sprites:
            top, left, bottom, right = s.box
            ink = coverage(s.shape, bottom - top)
            pixels = scene.image[:, top:bottom, left:right][:, ink == 1].mean(1) / 255
            assert np.abs(pixels - COLOURS[s.colour]).max() < 0.25
            nearest = min(COLOURS, key=lambda c: np.abs(np.array(COLOURS[c]) - pixels).sum())
            assert nearest == s.colour


def test_shapes_are_told_apart_by_their_pixels():
    """No two shapes of one size agree in as many pixels as each agrees with itself a little larger."""
    for side in (9, 17):
        for one, other in itertools.combinations(SHAPES, 2):
            assert np.abs(coverage(one, side) - coverage(other, side)).mean() > 0.05
    for shape in SHAPES:
        ink = coverage(shape, 16)
        assert 0 <= ink.min() and ink.max() <= 1 and np.allclose(ink, ink[:, ::-1], atol=1e-9)   # all are symmetric
        assert ink[7:9].max() > 0.9 and coverage(shape, 16, sketch=True).sum() < ink.sum()
        with pytest.raises(ValueError, match="read-only"):
            ink[0, 0] = 1


def test_areas_of_shapes_are_those_of_geometry():
    side, area = 64, lambda shape: coverage(shape, 64).sum() / 32**2
    assert area("circle") == pytest.approx(np.pi, rel=1e-2) and area("square") == pytest.approx((2 * 0.88)**2, rel=1e-2)
    assert area("cross") == pytest.approx(4 * (2 * 0.32) - (2 * 0.32)**2, rel=1e-2)
    outer, inner = 1.0, 0.42   # ten triangles between a point, a dent and the centre
    assert area("star") == pytest.approx(10 * 0.5 * outer * inner * np.sin(np.pi / 5), rel=1e-2) and side == 64


def test_sentences_are_words_and_mention_the_right_sprites(worlds, sketches):
    synonyms = {"disc": "circle", "box": "square", "plus": "cross"}
    for scene in [*worlds["test"], *worlds["novel"], *sketches]:
        assert len(scene.captions) == 5 and len({c.words for c in scene.captions}) == 5
        for caption in scene.captions:
            assert tokenize(" ".join(caption.words)) == list(caption.words)
            assert sorted(i for _, i in caption.mentions) == list(range(len(scene.sprites)))
            for place, i in caption.mentions:
                assert synonyms.get(caption.words[place], caption.words[place]) == scene.sprites[i].shape


def test_sentences_word_for_word():
    one, two = Sprite("circle", "red", "small", "left of"), Sprite("square", "blue", "large")
    assert [" ".join(c.words) for c in captions_of((one, two))] == [
        "a small red circle left of a large blue square", "there is a red circle and a blue square",
        "a blue box right of a red disc", "the little disc is to the left of the big box",
        "we see a small circle and a large square"]
    assert [" ".join(c.words) for c in captions_of((two,))] == [
        "a large blue square", "there is a blue square", "a blue box", "the box is big and blue", "we see a large square"]
    assert [" ".join(c.words) for c in captions_of((one, two), "sketch")][3:] == [
        "a drawing of a small circle and a large square", "the disc is red and the box is blue"]


def test_noisy_sentences_are_half_about_something_else(worlds):
    noisy = noisy_captions(worlds["train"], seed=1)
    off = [" ".join(words) in NOISE for words, in noisy]
    assert 0.4 < np.mean(off) < 0.6 and noisy == noisy_captions(worlds["train"], seed=1)
    assert all(o or words in {c.words for c in scene.captions} for (words,), scene, o in zip(noisy, worlds["train"], off))


def test_windows_hold_one_sprite():
    images, classes = sprite_windows("validation", 400, seed=1)
    again, _ = sprite_windows("validation", 400, seed=1)
    assert (images == again).all() and images.shape == (400, 3, WINDOW, WINDOW) and classes.shape == (400, len(CLASSES))
    pairs = {(list(COLOURS)[c], list(SHAPES)[s]) for s, c, _ in classes}
    assert len(pairs) == 30 and not pairs & NOVEL and set(classes[:, 2]) == {0, 1}
    colours, extents = np.array(list(COLOURS.values())), ([], [])
    for image, (shape, colour, size) in zip(images / 255, classes):
        bright = np.abs(image - np.median(image, (1, 2), keepdims=True)).max(0) > 0.25
        extents[size].append(np.ptp(np.flatnonzero(bright.any(1))) + 1)
        assert abs(image[:, bright].mean(1) - colours[colour]).max() < 0.3
    assert max(extents[0]) <= 11 and 14 <= max(extents[1]) <= 17 and np.mean(extents[1]) > np.mean(extents[0]) + 3


@pytest.mark.parametrize("arguments, message", [
    (("tests", 3), "part='tests'; choose from train, validation, test, novel"), (("train", 0), "count=0 must be at least 1"),
    (("train", 3, 0, "drawn"), "style='drawn'; choose from filled, sketch")])
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        SpriteScenes(*arguments)
