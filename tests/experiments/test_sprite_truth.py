"""What sentences say of sprites, and how much of it is true."""

import pytest

from tinymm.data.worlds.sprite_scenes import Sprite, SpriteScenes, captions_of
from tinymm.experiments.lecture_02.truth import LEVELS, errors, level, read, says_novel

RIGHT, MINOR, RELATED, UNRELATED = LEVELS
PAIR = (Sprite("circle", "red", "small", "left of"), Sprite("square", "blue", "large"))
ALONE = (Sprite("star", "green", "large"),)


def test_all_that_people_say_is_without_errors():
    for style in ("filled", "sketch"):
        for scene in SpriteScenes("novel", 100, seed=2, style=style):
            for caption in scene.captions:
                assert level(caption.words, scene.sprites) == RIGHT, caption.words


@pytest.mark.parametrize("sentence, wrong", [
    ("a small red circle left of a large blue square", 0), ("a large blue square right of a small red circle", 0),
    ("a blue square and a red circle", 0), ("the disc is red and the box is blue", 0),
    ("a small red circle above a large blue square", 1), ("a large blue square left of a small red circle", 1),
    ("a small green circle left of a large blue square", 1), ("a green triangle and a blue square", 2),
    ("a red circle", 1), ("a blue circle and a red square", 2), ("a red circle and a red circle", 2),
    ("a red circle and a blue square and a green star", 2), ("the little disc is over the big box", 1)])
def test_wrong_facts_are_counted(sentence, wrong):
    assert errors(sentence.split(), PAIR) == wrong


@pytest.mark.parametrize("sentence, sprites, wanted", [
    ("the star is big and green", ALONE, RIGHT), ("the star is little and green", ALONE, MINOR),
    ("a green star left of a green star", ALONE, RELATED), ("a green circle and a red heart", ALONE, RELATED),
    ("a red heart", ALONE, UNRELATED), ("", ALONE, UNRELATED), ("we see", PAIR, UNRELATED), ("red", PAIR, RELATED),
    ("a large green", ALONE, MINOR),
    ("a yellow heart and a white star", PAIR, UNRELATED), ("what a day that was", ALONE, UNRELATED)])
def test_levels(sentence, sprites, wanted):
    assert level(sentence.split(), sprites) == wanted


def test_sentences_are_read():
    mentions, relation = read("the little plus is over the big box".split())
    assert [(m.shape, m.colour, m.size) for m in mentions] == [("cross", None, "small"), ("square", None, "large")]
    assert relation == "above"
    mentions, relation = read("the plus is little and white".split())
    assert [(m.shape, m.colour, m.size) for m in mentions] == [("cross", "white", "small")] and relation is None


def test_novel_pairs_are_recognised():
    scene = next(s for s in SpriteScenes("novel", 50) if len(s.sprites) == 1)
    (sprite,) = scene.sprites
    assert [says_novel(c.words) for c in captions_of((sprite,))] == [True, True, True, True, False]   # the last has no colour
    assert not any(says_novel(c.words) for s in SpriteScenes("train", 50) for c in s.captions)
