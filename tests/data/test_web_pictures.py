"""Pictures with texts: drawn by seed, true in text and pixels, split by originals and pairs; the font, the poses, the attack."""

import itertools

import numpy as np
import pytest

from tinymm.backend.random import Stream
from tinymm.data.worlds import web_pictures
from tinymm.data.worlds.digit_scenes import DIGITS
from tinymm.data.worlds.digits import split_digits
from tinymm.data.worlds.pixel_font import ADVANCE, GLYPHS, label_size, paste_label, write
from tinymm.data.worlds.sprite_scenes import NOVEL
from tinymm.data.worlds.sprites import COLOURS, SHAPES
from tinymm.data.worlds.stick_figures import HEAD, LENGTHS, POSES, figure_ink, limbs, shaken
from tinymm.data.worlds.web_pictures import (ATTACKS, CANVAS, CLASSES, KINDS, PAIRS, PARTS, WORDS, WebPictures, attacked,
                                             is_novel, labelled)
from tinymm.data.worlds.web_texts import ACTION_WORDS, COLOUR_WORDS, FRAMES, SHAPE_WORDS

COUNT = 400


@pytest.fixture(scope="module")
def webs():
    return {part: WebPictures(part, COUNT, seed=3) for part in PARTS}


def test_the_seed_decides(webs):
    longer = WebPictures("train", COUNT + 5, seed=3)
    for a, b in zip(webs["train"], longer):   # more pictures go on where few end
        assert (a.image == b.image).all() and (a.text, a.kind, a.truth) == (b.text, b.kind, b.truth)
    assert webs["train"].texts()[:20] != WebPictures("train", 20, seed=4).texts()
    assert webs["train"].images().shape == (COUNT, 3, CANVAS, CANVAS) and webs["train"].images().dtype == np.uint8
    assert len(webs["train"]) == COUNT and webs["train"].texts()[7] == webs["train"][7].text


def test_kinds_have_their_shares(webs):
    assert sum(KINDS.values()) == pytest.approx(1)
    for kind, share in KINDS.items():
        found = np.mean([p.kind == kind for web in webs.values() for p in web])
        assert found == pytest.approx(share, abs=0.06)   # 4.4 standard errors


def test_no_picture_is_in_two_parts_and_no_novel_pair_in_any(webs):
    pictures = {part: {p.image.tobytes() for p in web} for part, web in webs.items()}
    assert all(not pictures[one] & pictures[other] for one, other in itertools.combinations(PARTS, 2))
    truths = {tuple(p.truth.split()) for web in webs.values() for p in web if p.kind == "sprite"}
    assert truths == set(PAIRS) - NOVEL and len(PAIRS) == 36 and is_novel().sum() == 6
    assert {pair for pair, new in zip(PAIRS, is_novel()) if new} == NOVEL


@pytest.mark.parametrize("part", PARTS)
def test_digits_are_those_of_the_part(part, monkeypatch):
    """With the originals of the other parts blackened, nothing changes."""
    def only(seed):
        return {name: (images if name == part else 0 * images, labels) for name, (images, labels) in split_digits(seed).items()}

    usual = WebPictures(part, 60, 1).images(), labelled("digits", part, 20, 1).images
    monkeypatch.setattr(web_pictures, "split_digits", only)
    np.testing.assert_array_equal(WebPictures(part, 60, 1).images(), usual[0])
    np.testing.assert_array_equal(labelled("digits", part, 20, 1).images, usual[1])


def test_texts_are_true(webs):
    half = 0
    for p in (p for web in webs.values() for p in web):
        words = p.text.split()
        if p.kind == "sprite":
            colour, shape = p.truth.split()
            said = {"colour": [c for c, names in COLOUR_WORDS.items() if set(names) & set(words)],
                    "shape": [s for s, names in SHAPE_WORDS.items() if set(names) & set(words)]}
            assert said["colour"] in ([], [colour]) and said["shape"] in ([], [shape]) and any(said.values())
            half += not all(said.values())
        elif p.kind == "digit":
            assert (p.truth in words) != (str(DIGITS.index(p.truth)) in words)
        elif p.kind == "action":
            assert any(p.text.endswith(name) for name in ACTION_WORDS[p.truth])
        else:
            assert p.truth in words
    assert half / sum(p.kind == "sprite" for web in webs.values() for p in web) == pytest.approx(0.12, abs=0.06)
    assert all(frame.count("{}") == 1 for frame in FRAMES) and len(set(WORDS)) == len(WORDS)


@pytest.mark.parametrize("name", CLASSES)
def test_labelled_datasets(name):
    data = labelled(name, "test", 72, seed=1)
    assert data.images.shape == (72, 3, CANVAS, CANVAS) and data.names == CLASSES[name]
    assert np.bincount(data.labels).min() >= 72 // len(data.names) and len(data) == 72
    again, other = labelled(name, "test", 72, seed=1), labelled(name, "train", 72, seed=1)
    np.testing.assert_array_equal(data.images, again.images)
    assert not {i.tobytes() for i in data.images} & {i.tobytes() for i in other.images}
    some = data[data.labels == 2]
    assert (some.labels == 2).all() and len(some.images) == len(some)


def test_sprites_of_a_dataset_have_their_colour():
    data = labelled("sprites", "test", 36)
    for image, label in zip(data.images, data.labels):
        pixels = image.reshape(3, -1) / 255
        bright = pixels[:, pixels.max(0) > 0.5]
        distances = {c: np.abs(bright - np.array(rgb)[:, None]).sum(0).mean() for c, rgb in COLOURS.items()}
        assert min(distances, key=distances.get) == PAIRS[label][0]


# ---------------------------------------------------------------------- the font

def test_letters_differ_and_words_are_made_of_them():
    assert len(GLYPHS) == 26 and all(glyph.shape == (5, 3) for glyph in GLYPHS.values())
    assert len({glyph.tobytes() for glyph in GLYPHS.values()}) == 26
    ink = write("star")
    assert ink.shape == (5, 15) and not ink[:, ADVANCE - 1::ADVANCE].any()
    np.testing.assert_array_equal(ink[:, 4:7], GLYPHS["t"])
    with pytest.raises(ValueError, match="'Star' must be letters from a to z"):
        write("Star")
    with pytest.raises(ValueError, match="at least one"):
        write("")


def test_labels_are_pasted_and_cut_at_the_border():
    picture = np.zeros((3, 10, 12))
    paste_label(picture, "i", 2, 4, (1, 0.5, 0.25), (0, 0, 0.1))
    assert label_size("i") == (7, 5) and (picture[0, 2:9, 4:9] == 1).sum() == 35 - GLYPHS["i"].sum()
    assert (picture[2, 3:8, 5:8][GLYPHS["i"]] == 0.1).all() and picture[:, :, :4].sum() == picture[:, :, 9:].sum() == 0
    blank = np.zeros((3, 10, 12))
    paste_label(blank, "i", 2, 4, (1, 0.5, 0.25), (0, 0, 0.1), blank=True)
    assert (blank[0] > 0).sum() == 35
    cut = np.zeros((3, 6, 4))
    paste_label(cut, "i", 2, -1, (1, 1, 1), (0, 0, 0))
    np.testing.assert_array_equal(cut[0, 3:, :3] == 0, GLYPHS["i"][:3])
    assert all(label_size(word)[1] <= CANVAS + 2 for word in WORDS)   # the letters themselves fit


# ---------------------------------------------------------------------- people

@pytest.mark.parametrize("action", POSES)
def test_bodies_keep_their_lengths(action):
    for pose in (POSES[action], shaken(POSES[action], Stream("pose", 0).generator)):
        segments, head = limbs(pose)
        lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
        np.testing.assert_allclose(lengths, [LENGTHS["torso"], *[LENGTHS["arm"]] * 4, *[LENGTHS["leg"]] * 4])
        assert np.linalg.norm(head - segments[0, 1]) == pytest.approx(HEAD)
        np.testing.assert_allclose(segments[2::2, 0], segments[1::2, 1])   # lower parts begin where the upper ones end
    ink = figure_ink(Stream("person", 0).generator, action, CANVAS, (8, 9))
    assert ink.shape == (CANVAS, CANVAS) and 0 <= ink.min() and ink.max() == 1 and 40 < ink.sum() < 250


def test_poses_mean_what_they_are_called():
    where = {action: limbs(pose) for action, pose in POSES.items()}
    assert where["lying"][1][1] == pytest.approx(0, abs=0.1)                                  # the head is as low as the hip
    assert all(where[a][1][1] < -1 for a in POSES if a != "lying")                             # elsewhere above it
    hands = {action: segments[[2, 4], 1, 1] - segments[0, 1, 1] for action, (segments, _) in where.items()}   # below shoulders
    assert (hands["jumping"] < 0).all() and (hands["waving"] < 0).sum() == 1 and (hands["sitting"] > 0).all()
    feet = {action: segments[[6, 8], 1] for action, (segments, _) in where.items()}
    assert np.ptp(feet["kicking"][:, 1]) > 0.8 and np.ptp(feet["waving"][:, 1]) < 0.1          # one leg is up, none is
    assert (feet["sitting"][:, 1] < 0.8).all() and (feet["sitting"][:, 0] > 0.4).all()


# ---------------------------------------------------------------------- the attack

def test_attacked_pictures_differ_by_their_labels_only():
    data = attacked(60, seed=2)
    assert list(data.images) == list(ATTACKS) and (data.shapes != data.written).all()
    assert np.bincount(data.written, minlength=len(SHAPES)).min() > 0
    clean, blank, right, wrong = (data.images[kind].astype(int) for kind in ATTACKS)
    for i in range(60):
        height = label_size("a")[0]
        rows = slice(height, None) if (clean[i, :, -height:] == blank[i, :, -height:]).all() else slice(0, -height)
        for other in (blank, right, wrong):
            np.testing.assert_array_equal(clean[i][:, rows], other[i][:, rows])   # the sprite is there, down to the noise
        word = write(list(SHAPES)[data.written[i]])
        changed = np.abs(wrong[i] - blank[i]).max(0) > 60
        assert changed.sum() == word.sum()                                        # the word, and nothing else


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="part='novel'; choose from train, validation, test"):
        WebPictures("novel", 3)
    with pytest.raises(ValueError, match="count=0 must be at least 1"):
        WebPictures("train", 0)
    with pytest.raises(ValueError, match="name='mnist'; choose from sprites, digits, actions"):
        labelled("mnist", "test", 3)
