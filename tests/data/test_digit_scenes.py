"""Scenes of handwritten digits: drawn by seed, true in every box, mask, relation and word."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from tinymm.data.worlds.digit_scenes import CANVAS, DIGITS, SIZES, Digit, DigitScenes, captions_of, enlarge
from tinymm.data.worlds.digits import split_digits
from tinymm.data.worlds.placing import GAP
from tinymm.text import tokenize

COUNT = 150
PARTS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def worlds():
    return {part: DigitScenes(part, COUNT, seed=3) for part in PARTS}


@pytest.fixture(scope="module")
def scenes(worlds):
    return [scene for world in worlds.values() for scene in world]


def same(one, other):
    return (one.image == other.image).all() and one.digits == other.digits and one.captions == other.captions and \
        (one.masks == other.masks).all()


# ---------------------------------------------------------------------- seeds and parts

def test_the_seed_decides(worlds):
    again, longer = DigitScenes("train", COUNT, seed=3), DigitScenes("train", COUNT + 5, seed=3)
    other = DigitScenes("train", 9, seed=4)
    assert len(again) == COUNT and len(longer) == COUNT + 5
    assert all(same(a, b) and same(a, c) for a, b, c in zip(worlds["train"], again, longer))   # more scenes go on where few end
    assert not any(same(a, b) for a, b in zip(worlds["train"], other))
    assert not any(same(a, b) for a, b in zip(worlds["train"], worlds["test"]))
    assert len({scene.image.tobytes() for world in worlds.values() for scene in world}) == 3 * COUNT


def test_parts_share_no_original(worlds):
    images = {part: images for part, (images, _) in split_digits(3).items()}
    originals = {part: {image.tobytes() for image in images[part]} for part in PARTS}
    used = {part: {images[part][d.original].tobytes() for scene in world for d in scene.digits} for part, world in worlds.items()}
    for one, other in itertools.combinations(PARTS, 2):
        assert not originals[one] & originals[other] and not used[one] & used[other]
    assert all(used[part] <= originals[part] and len(used[part]) > 150 for part in PARTS)


def test_unknown_part():
    with pytest.raises(ValueError, match="DigitScenes: part='dev'; choose from train, validation, test"):
        DigitScenes("dev", 1)


# ---------------------------------------------------------------------- pixels

def test_pixels_are_the_originals_enlarged(worlds):
    """What stands in a box is the digit of ``original`` in its part, at its size, and nothing is outside the boxes."""
    for part, world in worlds.items():
        images, labels = split_digits(3)[part]
        for scene in world:
            rest = scene.image.copy()
            for d in scene.digits:
                top, left, bottom, right = d.box
                side = bottom - top
                assert 0 <= top and 0 <= left and bottom <= CANVAS and right <= CANVAS and right - left == side
                assert SIZES[d.size][0] <= side <= SIZES[d.size][1] and d.label == labels[d.original]
                wanted = bilinear(images[d.original], side)
                np.testing.assert_allclose(scene.image[top:bottom, left:right], 255 * wanted, rtol=0, atol=0.5 + 1e-4)
                rest[top:bottom, left:right] = 0
            assert not rest.any() and scene.image.dtype == np.uint8 and scene.image.shape == (48, 48)


def bilinear(image, side):
    """Linear interpolation between pixel centres, the border held."""
    at = (np.arange(side) + 0.5) * image.shape[0] / side - 0.5
    return ndimage.map_coordinates(image.astype(float), np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest")


@pytest.mark.parametrize("side", [8, 10, 13, 18, 5])
def test_enlarge_is_linear_interpolation(side):
    image = np.random.default_rng(side).random((8, 8))
    np.testing.assert_allclose(enlarge(image, side), bilinear(image, side), rtol=0, atol=1e-12)
    np.testing.assert_allclose(enlarge(image, 8), image, rtol=0, atol=1e-15)
    np.testing.assert_allclose(enlarge(np.ones((8, 8)), side), 1, rtol=0, atol=1e-15)


def test_masks_are_the_ink_of_their_digit(scenes):
    for scene in scenes:
        assert scene.masks.shape == (len(scene.digits), 48, 48) and scene.masks.dtype == bool
        assert scene.masks.sum(0).max() == 1   # no pixel belongs to two digits
        ink = scene.image > 0.25 * 255
        edge = np.abs(scene.image - 0.25 * 255.0) < 0.51   # where rounding to uint8 may decide
        assert ((scene.masks.any(0) == ink) | edge).all()
        for d, mask in zip(scene.digits, scene.masks):
            top, left, bottom, right = d.box
            assert mask[top:bottom, left:right].sum() == mask.sum() > 0.1 * (bottom - top)**2


def test_digits_keep_their_distance(scenes):
    for scene in scenes:
        for one, other in itertools.combinations(scene.digits, 2):
            apart = [max(a[k] - b[k + 2] for a, b in ((one.box, other.box), (other.box, one.box))) for k in (0, 1)]
            assert max(apart) >= GAP   # in one direction at least


# ---------------------------------------------------------------------- what is said

def test_reading_order_and_relations(scenes):
    seen = set()
    for scene in scenes:
        rows = [[scene.digits[0]]]
        for before, d in zip(scene.digits, scene.digits[1:]):
            if before.relation == "left of":
                assert before.box[3] + GAP <= d.box[1]                                # really left of it
                assert min(before.box[2], d.box[2]) > max(before.box[0], d.box[0])     # and in the same row
                rows[-1].append(d)
            else:
                assert before.relation == "above" and before.box[2] + GAP <= d.box[0]
                rows.append([d])
        assert scene.digits[-1].relation == ""
        for upper, lower in zip(rows, rows[1:]):
            assert max(d.box[2] for d in upper) + GAP <= min(d.box[0] for d in lower)
        seen.add(tuple(len(row) for row in rows))
    assert seen == {(2,), (1, 1), (3,), (1, 1, 1), (2, 1), (1, 2)}


def test_everything_occurs(scenes):
    digits = [d for scene in scenes for d in scene.digits]
    assert {d.label for d in digits} == set(range(10)) and {d.size for d in digits} == set(SIZES)
    assert {d.box[2] - d.box[0] for d in digits} == {10, 11, 12, 15, 16, 17, 18}
    share = np.mean([d.size == "large" for d in digits])
    assert 0.4 < share < 0.5   # three large ones in a line do not fit


def test_mentions_name_the_digits_in_reading_order(scenes):
    for scene in scenes:
        assert len(scene.captions) == 5 == len({caption.words for caption in scene.captions})
        for caption in scene.captions:
            assert [digit for _, digit in caption.mentions] == list(range(len(scene.digits)))
            positions = [position for position, _ in caption.mentions]
            assert positions == [i for i, word in enumerate(caption.words) if word in DIGITS]
            assert [caption.words[i] for i in positions] == [DIGITS[d.label] for d in scene.digits]


def test_sizes_and_relations_are_said_as_they_are(scenes):
    for scene in scenes:
        for caption in scene.captions:
            text, digits = " ".join(caption.words), scene.digits
            said = [word for word in caption.words if word in SIZES]
            assert said in ([], [d.size for d in digits])
            stand = [part for part in text.replace("left of", "left_of").split() if part in ("left_of", "above")]
            assert stand in ([], [d.relation.replace(" ", "_") for d in digits[:-1]])
    spoken = [(("small" in c.words or "large" in c.words), ("above" in c.words or "left" in c.words)) for c in scenes[0].captions]
    assert spoken == [(True, True), (False, True), (True, True), (False, False), (True, True)]


def test_words_are_tokens(scenes):
    words = set()
    for scene in scenes:
        for caption in scene.captions:
            assert tokenize(" ".join(caption.words)) == list(caption.words)
            words |= set(caption.words)
    assert words == {*DIGITS, *SIZES, *"a an the is which there we see and someone wrote left of above".split()}


def test_captions_of_three_digits_word_by_word():
    digits = (Digit(8, "small", (0, 0, 10, 10), 0, "left of"), Digit(1, "large", (0, 20, 15, 35), 1, "above"),
              Digit(0, "small", (20, 0, 30, 10), 2))
    captions = captions_of(digits)
    assert [" ".join(caption.words) for caption in captions] == [
        "a small eight left of a large one above a small zero",
        "there is an eight left of a one above a zero",
        "the small eight is left of the large one which is above the small zero",
        "we see eight and one and zero",
        "someone wrote small eight left of large one above small zero"]
    assert captions[2].mentions == ((2, 0), (8, 1), (14, 2))


def test_images_as_one_array(worlds):
    images = worlds["test"].images()
    assert images.shape == (COUNT, 1, 48, 48) and images.dtype == np.float32 and images.min() == 0 and 0.9 < images.max() <= 1
    np.testing.assert_array_equal(np.round(images[7, 0] * 255), worlds["test"][7].image)
