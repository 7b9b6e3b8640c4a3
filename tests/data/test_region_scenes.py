"""Scenes with boxes: drawn by seed, true in every word and box, split by what they show, with nothing that gives a box away."""

import itertools

import numpy as np
import pytest

from tinymm.data.worlds.placing import GAP
from tinymm.data.worlds.region_scenes import APART, CANVAS, DISTRACTORS, KINDS, LAYOUTS, RegionScenes, iou, phrases
from tinymm.data.worlds.sprite_scenes import PARTS, Sprite, content_of, has_novel
from tinymm.data.worlds.sprites import COLOURS, coverage

COUNT = 200


@pytest.fixture(scope="module")
def worlds():
    return {part: RegionScenes(part, COUNT, seed=3) for part in PARTS}


def test_the_seed_decides(worlds):
    for a, b in zip(worlds["train"], RegionScenes("train", COUNT + 5, seed=3)):   # more scenes go on where few end
        assert (a.image == b.image).all() and a.things == b.things and a.caption == b.caption and (a.boxes == b.boxes).all()
    assert not all(a.things == b.things for a, b in zip(worlds["train"], RegionScenes("train", 20, seed=4)))


def test_parts_share_no_content(worlds):
    contents = {part: {content_of(s.things) for s in world} for part, world in worlds.items()}
    for one, other in itertools.combinations(contents, 2):
        assert not contents[one] & contents[other]


def test_as_many_scenes_of_two_three_and_four_things_in_every_part():
    for part in PARTS:
        numbers = [len(scene.things) for scene in RegionScenes(part, 600)]
        for number in LAYOUTS:
            assert numbers.count(number) / 600 == pytest.approx(1 / 3, abs=0.08)   # 4 standard errors


def test_things_can_be_told_apart_and_are_none_that_the_encoder_never_saw(worlds):
    for scene in itertools.chain(*worlds.values()):
        assert len({(s.shape, s.colour) for s in scene.things}) == len(scene.things) and not has_novel(scene.things)
        for a, b in itertools.combinations([s.box for s in scene.things], 2):
            apart = max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3])
            assert apart >= GAP


def test_boxes_hold_what_their_owner_says(worlds):
    for scene in worlds["train"]:
        M = len(scene.boxes)
        assert scene.boxes.shape == (M, 4) and scene.owner.shape == (M,) and M == len(scene.things) + DISTRACTORS + 1
        assert sorted(scene.owner) == [-2, *[-1] * DISTRACTORS, *range(len(scene.things))]
        for box, owner in zip(scene.boxes, scene.owner):
            top, left, bottom, right = box
            assert 0 <= top < bottom <= CANVAS and 0 <= left < right <= CANVAS
            if owner >= 0:
                s = scene.things[owner]
                assert tuple(box) == s.box
                ink = coverage(s.shape, bottom - top) == 1
                pixels = scene.image[:, top:bottom, left:right][:, ink].mean(1) / 255
                assert min(COLOURS, key=lambda c: np.abs(np.array(COLOURS[c]) - pixels).sum()) == s.colour
            elif owner == -1:
                assert max(iou(box, s.box) for s in scene.things) < APART
            else:
                assert tuple(box) == (0, 0, CANVAS, CANVAS)


def test_neither_place_nor_size_nor_emptiness_gives_a_distractor_away(worlds):
    """Boxes stand in any order, distractors are as large as things, and half of them hold a part of one."""
    first, sides, parts = [], {True: [], False: []}, []
    for scene in itertools.chain(*worlds.values()):
        first.append(scene.owner[0] >= 0)
        for box, owner in zip(scene.boxes, scene.owner):
            if owner >= -1:
                sides[owner >= 0].append(box[2] - box[0])
            if owner == -1:
                parts.append(max(iou(box, s.box) for s in scene.things) > 0)
    assert np.mean(first) == pytest.approx(3 / 7, abs=0.08)
    assert abs(np.mean(sides[True]) - np.mean(sides[False])) < 0.5 and min(sides[False]) == min(sides[True])
    assert 0.4 < np.mean(parts) < 0.7


def test_every_word_knows_its_thing_and_its_kind(worlds):
    for scene in itertools.chain(*worlds.values()):
        assert len(scene.caption) == len(scene.thing) == len(scene.kind) == len(scene.shared)
        for word, i, kind, shared in zip(scene.caption, scene.thing, scene.kind, scene.shared):
            assert (kind == "") == (i == -1) == (word in ("a", "and", "there", "is"))
            if kind:
                assert word in KINDS[kind] and getattr(scene.things[i], kind) == word
            owners = {j for other, j in zip(scene.caption, scene.thing) if other == word}
            assert shared == (kind in ("shape", "colour") and len(owners) > 1)
        named = [i for i, kind in zip(scene.thing, scene.kind) if kind == "shape"]
        assert named in (list(range(len(scene.things))), list(range(len(scene.things)))[::-1])
        spoken = " ".join(scene.caption).removeprefix("there is ").split(" and ")
        assert all(tuple(words.split()) in phrases(scene.things[i]) for i, words in zip(named, spoken))


def test_sentences_have_what_the_claims_are_about(worlds):
    """Words of each kind, words said of two things, and both orders."""
    scenes = list(itertools.chain(*worlds.values()))
    said = [(scene, t) for scene in scenes for t, kind in enumerate(scene.kind) if kind]
    share = lambda kind: sum(scene.kind[t] == kind for scene, t in said) / sum(len(scene.things) for scene in scenes)
    assert share("shape") == 1 and share("colour") == pytest.approx(0.8, abs=0.04) and share("size") == pytest.approx(0.5, abs=0.05)
    assert sum(scene.shared[t] for scene, t in said) > len(scenes)
    both = [scene.thing[max(t for t, k in enumerate(scene.kind) if k)] == 0 for scene in scenes]   # the last word's thing
    assert np.mean(both) == pytest.approx(0.5, abs=0.09)
    assert np.mean([scene.caption[0] == "there" for scene in scenes]) == pytest.approx(0.3, abs=0.08)


def test_phrases_word_for_word():
    assert [" ".join(words) for words in phrases(Sprite("star", "red", "large"))] == [
        "a star", "a red star", "a large star", "a large red star"]


def test_overlap_by_hand():
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1 and iou((0, 0, 2, 2), (2, 0, 4, 2)) == 0
    assert iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(2 / 6)


@pytest.mark.parametrize("arguments, message", [
    (("novel", 3), "part='novel'; choose from train, validation, test"), (("train", 0), "count=0 must be at least 1")])
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        RegionScenes(*arguments)
