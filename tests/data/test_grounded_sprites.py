"""The world of grounded sprites: what pictures show, what captions say, and the captions' entropy."""

import numpy as np
import pytest

from tinymm.data.worlds import grounded_sprites as world
from tinymm.data.worlds.grounded_sprites import GroundedSprites, caption_chances, caption_entropy, draw
from tinymm.data.worlds.sprite_pairs import PARTS
from tinymm.data.worlds.sprite_scenes import NOVEL
from tinymm.data.worlds.sprites import COLOURS, SHAPES
from tinymm.data.worlds.web_texts import COLOUR_WORDS, SHAPE_WORDS


@pytest.fixture(scope="module")
def train():
    return GroundedSprites("train", 240)


def test_a_seed_gives_the_same_pictures_and_parts_share_none(train):
    again, other = GroundedSprites("train", 240), GroundedSprites("train", 240, seed=1)
    assert np.array_equal(train.images(), again.images()) and train.captions() == again.captions()
    assert train.images().shape == (240, 3, 16, 16) and train.images().dtype == np.uint8
    assert not np.array_equal(train.images(), other.images())
    originals = [{p.image.tobytes() for p in GroundedSprites(part, 60)} for part in PARTS]
    assert len(set.union(*originals)) == 60 * len(PARTS)


def test_contents_in_turn_and_those_that_are_never_seen(train):
    numbers, counts = np.unique(train.contents(), axis=0, return_counts=True)
    assert len(numbers) == 120 and set(counts) == {2}                        # 30 pairs, 4 grounds
    unseen = np.unique(GroundedSprites("unseen", 48).contents(), axis=0)
    assert len(unseen) == 24
    assert {(list(COLOURS)[c], list(SHAPES)[s]) for c, s, _ in unseen} == set(NOVEL)
    assert len(np.unique(GroundedSprites("judge", 144).contents(), axis=0)) == 144


def test_the_sprite_is_what_and_where_the_content_says(train):
    grounds, colours = (np.array(list(names.values())) for names in (world.GROUNDS, COLOURS))
    for sprite in train:
        top, left, bottom, right = sprite.box
        assert 11 <= bottom - top == right - left <= 13 and min(top, left) >= 0 and max(bottom, right) <= 16
        outside = np.ones((16, 16), bool)
        outside[top:bottom, left:right] = False
        ground = sprite.image[:, outside].mean(1) / 255
        assert np.abs(grounds - ground).sum(1).argmin() == sprite.content[2]
        middle = sprite.image[:, (top + bottom) // 2, (left + right) // 2] / 255
        assert np.abs(colours - middle).sum(1).argmin() == sprite.content[0]


def test_grain_is_on_ground_and_sprite():
    square = next(p for p in GroundedSprites("train", 240) if list(SHAPES)[p.content[1]] == "square" and p.content[0] == 1)
    top, left, bottom, right = square.box
    inside = square.image[2, top + 3:bottom - 3, left + 3:right - 3] / 255       # green's blue part is far from 0 and 1
    assert 0.02 < inside.std() < 0.09                                            # .05 by 25 to 49 pixels


def test_captions_say_colour_shape_and_ground(train):
    for sprite in train:
        words = sprite.caption.split()
        for index, of in zip(sprite.content, (COLOUR_WORDS, SHAPE_WORDS, world.GROUND_WORDS)):
            assert [k for k, said in enumerate(of.values()) if set(said) & set(words)] == [index]
    assert len(set(train.captions())) > 200


def test_the_grammars_chances_are_those_of_drawn_captions():
    content = (0, 0, 0)                                                          # each of its words has one synonym
    chances = caption_chances(content)
    assert len(chances) == 8 * 2 * 2 * 2 * 2 and sum(chances.values()) == pytest.approx(1, abs=1e-12)
    rng, draws = np.random.default_rng(0), 4000
    drawn = [draw(rng, content).caption for _ in range(draws)]
    counts = np.array([drawn.count(caption) for caption in chances])
    expected = draws * np.array(list(chances.values()))
    assert counts.sum() == draws                                                 # no caption that the grammar lacks
    assert ((counts - expected)**2 / expected).sum() < 127 + 5 * (2 * 127)**0.5  # chi-square: five standard deviations


def test_the_captions_entropy_by_hand():
    """Nothing can be said in two ways, so the entropies of the parts add: content, frame, noun, and the synonyms' mean."""
    h = lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p)
    synonyms = h(0.25) * np.mean([(len(COLOUR_WORDS[list(COLOURS)[c]]) > 1) + (len(SHAPE_WORDS[list(SHAPES)[s]]) > 1) + 0.5
                                  for c, s in PARTS["train"]])
    assert caption_entropy() == pytest.approx(np.log(120) + np.log(8) + np.log(2) + synonyms, abs=1e-9)


def test_bad_parts_are_explained():
    with pytest.raises(ValueError, match="GroundedSprites: part='dev'; choose from train, validation, test, unseen, judge"):
        GroundedSprites("dev", 3)
    with pytest.raises(ValueError, match="GroundedSprites: count=0 must be at least 1"):
        GroundedSprites("train", 0)
