"""Little stories: drawn by seed, each sentence following from the one before, and nothing in a deed's words says its feeling."""

import numpy as np
import pytest

from tinymm.data.worlds.stories import (ANSWERS, DEED, DEEDS, FEELING_OF, FEELINGS, OBJECT, PARTS, PEOPLE, REACTIONS, SENTENCES,
                                        UNLABELLED, VOCABULARY, Stories, bag_of_words, part_of)

COUNT = 300


@pytest.fixture(scope="module")
def worlds():
    return {part: Stories(part, COUNT, seed=3) for part in PARTS}


def test_the_seed_decides(worlds):
    again, longer = Stories("train", COUNT, seed=3), Stories("train", COUNT + 5, seed=3)
    assert worlds["train"].stories == again.stories == longer.stories[:COUNT]
    assert again.stories != Stories("train", COUNT, seed=4).stories


def test_each_sentence_says_what_follows_from_the_one_before(worlds):
    for story in (s for world in worlds.values() for s in world.stories):
        first, second, third, fourth, fifth, sixth = map(set, story.sentences)
        assert {story.name, story.place} <= first and story.thing in second and story.deed in third
        assert story.feeling in fourth and story.reaction in fifth and ANSWERS[story.reaction] in sixth
        assert story.deed in DEEDS[story.feeling] and story.reaction in REACTIONS[story.feeling]
        said = first | second | third | fourth | fifth | sixth
        other = {"she": "he", "he": "she"}[PEOPLE[story.name]]
        assert not said & ({other, OBJECT[other]} | set(PEOPLE) - {story.name})


def test_every_word_is_known_and_every_known_word_is_said():
    said = {word for story in Stories("train", 2000).stories for sentence in story.sentences for word in sentence}
    assert said == set(VOCABULARY.words[4:])


def test_parts_share_no_content(worlds):
    content = {part: {(s.name, s.place, s.thing, s.deed) for s in world.stories} for part, world in worlds.items()}
    assert not content["train"] & (content["validation"] | content["test"]) and not content["validation"] & content["test"]
    assert all(part_of(*one, 3) == part for part, found in content.items() for one in found)


def test_a_batch_is_a_sentence_between_its_neighbours(worlds):
    world = worlds["train"]
    rows = [0, 1, 3, 4, 4 * COUNT - 1]
    batch = {key: value.numpy() for key, value in world.batch(rows).items()}
    for i, row in enumerate(rows):
        story, place = world.stories[row // 4], 1 + row % 4
        for ids, k in ((batch["previous"][i], place - 1), (batch["sentence"][i], place), (batch["next"][i], place + 1)):
            assert VOCABULARY.decode(ids) == list(story.sentences[k])
        assert batch["length"][i] == len(story.sentences[place])
        length = len(story.sentences[place + 1])
        assert batch["next"][i, 0] == VOCABULARY.start and batch["next"][i, length + 1] == VOCABULARY.end
        assert not batch["next"][i, length + 2:].any() and not batch["sentence"][i, batch["length"][i]:].any()
        assert not {VOCABULARY.start, VOCABULARY.end} & set(batch["sentence"][i])
        item = world[row]
        for key in ("sentence", "previous", "next"):
            width = batch[key].shape[1]
            np.testing.assert_array_equal(item[key][:width], batch[key][i])
        assert item["length"] == batch["length"][i]
    assert len(world) == 4 * COUNT and SENTENCES == 6


def test_a_deed_tells_its_feeling_by_its_verb_only():
    """The share of each feeling is the same whatever else stands in the deed's sentence (chi squared, 99.99 %)."""
    stories = Stories("train", 4000, seed=1).stories
    feelings = np.array([FEELINGS.index(s.feeling) for s in stories])
    share = np.array([len(verbs) for verbs in DEEDS.values()]) / len(FEELING_OF)
    for word in {w for s in stories for w in s.sentences[DEED]} - set(FEELING_OF):
        rows = np.array([word in s.sentences[DEED] for s in stories])
        counts = np.bincount(feelings[rows], minlength=4)
        assert ((counts - rows.sum() * share)**2 / (rows.sum() * share)).sum() < 21.1, word


def test_the_verbs_of_the_probe():
    """11 verbs with labels and 7 without, both of all feelings."""
    assert len(UNLABELLED) == 7 and len(FEELING_OF) == 18 and {FEELING_OF[verb] for verb in UNLABELLED} == set(FEELINGS)
    assert {FEELING_OF[verb] for verb in set(FEELING_OF) - set(UNLABELLED)} == set(FEELINGS)
    world = Stories("test", 200)
    taught, asked = world.deeds(True), world.deeds(False)
    assert len(taught) + len(asked) == 200 and {s.deed for s in asked} == set(UNLABELLED)
    assert not {s.deed for s in taught} & set(UNLABELLED)


def test_a_bag_of_words_counts():
    counts = bag_of_words([("then", "she", "then"), ("lamp",)])
    assert counts.shape == (2, len(VOCABULARY)) and counts.sum() == 4
    assert counts[0, VOCABULARY["then"]] == 2 and counts[0, VOCABULARY["she"]] == counts[1, VOCABULARY["lamp"]] == 1


@pytest.mark.parametrize("arguments, message", [
    (("tests", 3), "part='tests'; choose from train, validation, test"), (("train", 0), "count=0 must be at least 1")])
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        Stories(*arguments)
