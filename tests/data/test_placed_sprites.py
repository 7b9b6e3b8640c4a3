"""The world of placed sprites: what pictures show, what texts say, and which texts are wrong."""

import numpy as np
import pytest

from tinymm.data.worlds import placed_sprites as world
from tinymm.data.worlds.placed_sprites import PlacedSprites, class_of, contradicts, halved, wrong_texts
from tinymm.data.worlds.sprite_pairs import PARTS
from tinymm.data.worlds.sprite_scenes import NOVEL
from tinymm.data.worlds.sprites import COLOURS, SHAPES
from tinymm.data.worlds.web_texts import COLOUR_WORDS, SHAPE_WORDS


@pytest.fixture(scope="module")
def train():
    return PlacedSprites("train", 240)


def test_a_seed_gives_the_same_pictures_and_parts_share_none(train):
    again, other = PlacedSprites("train", 240), PlacedSprites("train", 240, seed=1)
    assert np.array_equal(train.images(), again.images()) and train.texts() == again.texts()
    assert not np.array_equal(train.images(), other.images())
    originals = [{p.image.tobytes() for p in PlacedSprites(part, 60)} for part in PARTS]
    assert len(set.union(*originals)) == 60 * len(PARTS)


def test_classes_and_those_that_are_never_seen(train):
    assert len(np.unique(train.classes())) == 120 and np.bincount(train.classes()).max() == 2   # 30 pairs, 4 places, in turns
    unseen = PlacedSprites("unseen", 48)
    assert len(np.unique(unseen.classes())) == 24 and not set(unseen.classes()) & set(train.classes())
    names = {(list(COLOURS)[c], list(SHAPES)[s]) for c, s, _ in unseen.contents()}
    assert names == set(NOVEL)
    assert len(np.unique(PlacedSprites("judge", 144).classes())) == 144


def test_the_small_picture_is_the_large_ones_mean(train):
    large, small = train.images(32), train.images()
    assert large.shape == (240, 3, 32, 32) and small.shape == (240, 3, 16, 16) and small.dtype == large.dtype == np.uint8
    k, c, y, x = 7, 1, 5, 11
    assert small[k, c, y, x] == round(large[k, c, 2 * y:2 * y + 2, 2 * x:2 * x + 2].astype(float).mean())
    assert np.array_equal(halved(large), small)
    with pytest.raises(ValueError, match="size=64; the pictures have 16 or 32"):
        train.images(64)


def test_the_sprite_is_where_and_what_the_content_says(train):
    for sprite in train:
        away = np.abs(sprite.image / 255 - sprite.tint[:, None, None]).max(0)
        rows, columns = np.nonzero(away > 0.3)                               # beyond the grain
        low, right = sprite.content[2] // 2, sprite.content[2] % 2
        assert (rows.min() + rows.max() > 31) == low and (columns.min() + columns.max() > 31) == right
        assert rows.max() - rows.min() < sprite.side and columns.max() - columns.min() < sprite.side
        middle = sprite.image[:, int(rows.mean()), int(columns.mean())] / 255
        assert np.abs(np.array(list(COLOURS.values())) - middle).sum(1).argmin() == sprite.content[0]


def test_texts_say_what_their_mentions_say(train):
    said = np.zeros(3)
    for sprite in train:
        for text, mention in zip(sprite.texts, sprite.mentions):
            words = set(text.split())
            colours = [c for c, of in enumerate(COLOUR_WORDS.values()) if words & set(of)]
            shapes = [s for s, of in enumerate(SHAPE_WORDS.values()) if words & set(of)]
            places = [p for p, name in enumerate(world.PLACES) if f"at the {name}" in text]
            assert [found[0] if found else world.UNSAID for found in (colours, shapes, places)] == list(mention)
            assert max(map(len, (colours, shapes, places))) == 1 and len(text) <= world.LONGEST
            assert not contradicts(mention, sprite.content)
            said += mention >= 0
    share = said / (4 * len(train))
    assert share[0] == pytest.approx(0.94, abs=0.03) and share[2] == pytest.approx(0.9, abs=0.04) and share[:2].sum() > 1.8


def test_style_varies_within_a_class():
    pictures = [p for p in PlacedSprites("train", 1200) if tuple(p.content) == (0, 0, 0)]
    assert len({p.side for p in pictures}) == 2 and len({tuple(p.offset) for p in pictures}) > 3
    assert np.std([p.tint for p in pictures], axis=0).min() > 0.02
    assert all(0 <= p.offset.min() <= p.offset.max() <= 1 for p in pictures)


def test_wrong_texts_contradict_the_picture():
    contents = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 3]])
    mentions = np.array([[0, -1, -1], [0, 1, 0], [-1, 0, 3]])                # "something red", all, "a circle at the bottom right"
    assert contradicts(mentions[None], contents[:, None]).tolist() == [
        [False, True, True], [False, False, True], [True, True, False]]
    draws = np.array([wrong_texts(np.random.default_rng(k), mentions, contents) for k in range(100)])
    assert [set(column) for column in draws.T] == [{1, 2}, {2}, {0, 1}]    # never "something red" for another red sprite
    counts = np.bincount(draws[:, 0])
    assert 30 <= counts[1] <= 70                                             # both alike: five standard deviations are 25
    with pytest.raises(ValueError, match="no text of this batch of 2 is wrong about picture 0; a batch must have more than one"):
        wrong_texts(np.random.default_rng(0), mentions[[0, 0]], contents[[0, 0]])


def test_a_number_for_each_class():
    every = np.stack(np.meshgrid(range(6), range(6), range(4), indexing="ij"), -1).reshape(-1, 3)
    assert class_of(every).tolist() == list(range(144))


def test_bad_parts_are_explained():
    with pytest.raises(ValueError, match="part='dev'; choose from train, validation, test, unseen, judge"):
        PlacedSprites("dev", 3)
    with pytest.raises(ValueError, match="count=0 must be at least 1"):
        PlacedSprites("train", 0)
