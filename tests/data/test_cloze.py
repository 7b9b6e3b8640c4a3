"""Cloze stories: drawn by seed, true to their facts, renamed as one, and not to be answered without reading."""

import numpy as np
import pytest

from tinymm.backend.random import Stream
from tinymm.data import DataLoader
from tinymm.data.worlds.cloze import (DEEDS, ENTITIES, FACTS, FIRST, NAMES, PARTS, PLACEHOLDER, TIMES, VOCABULARY, ClozeStories,
                                      ClozeStory, Fact, baselines, most_common_words, most_frequent, most_frequent_unasked,
                                      orders, part_of, renamed)

COUNT = 400


@pytest.fixture(scope="module")
def worlds():
    return {part: ClozeStories(part, COUNT, seed=3) for part in PARTS}


def understood(words):
    """(deed, giver, taker, thing) of a sentence, by the list of wordings alone."""
    text = " ".join(w for w in words if w != ".")
    for time in TIMES:
        text = text.removeprefix(time + " ")
    parts = text.split()
    for deed, sides in DEEDS.items():
        for side in sides:
            pattern = side.split()
            if len(pattern) == len(parts) and all(p == w for p, w in zip(pattern, parts) if "{" not in p):
                found = dict(zip(pattern, parts))
                return deed, found["{a}"], found["{b}"], found["{t}"]
    raise AssertionError(f"no wording of any deed: {text}")


def test_the_seed_decides(worlds):
    again, longer = ClozeStories("train", COUNT, seed=3), ClozeStories("train", COUNT + 5, seed=3)
    assert worlds["train"].stories == again.stories == longer.stories[:COUNT]
    assert again.stories != ClozeStories("train", COUNT, seed=4).stories


def test_the_story_says_its_facts_and_the_question_has_one_answer(worlds):
    """Whoever understands the sentences finds the fact of the question, and there is one person only who fits the gap."""
    for story in (s for world in worlds.values() for s in world.stories):
        told = [understood(sentence) for sentence in story.sentences]
        assert told == [(f.deed, NAMES[f.giver], NAMES[f.taker], f.thing) for f in story.facts]
        asked = understood(story.query)
        fits = [fact[asked.index(PLACEHOLDER)] for fact in told
                if all(f == a for f, a in zip(fact, asked) if a != PLACEHOLDER)]
        assert fits == [NAMES[story.answer]]
        own = {w for w in story.sentences[story.asked] if not w.startswith("@")}
        assert own & set(story.query) == {"the", story.facts[story.asked].thing}   # in other words than the story's


def test_parts_share_nothing_that_happens(worlds):
    happens = {part: {s.facts for s in world.stories} for part, world in worlds.items()}
    assert not happens["train"] & happens["test"] and not happens["train"] & happens["validation"]
    assert not happens["validation"] & happens["test"]
    for part, found in happens.items():
        assert all(part_of(facts, 3) == part for facts in found)


def test_training_renames_in_every_pass_and_other_parts_never(worlds):
    rows = range(64)
    first, second = (worlds["train"].batch(rows) for _ in range(2))
    for key in ("story", "query", "answer"):
        assert not (first[key].numpy() == second[key].numpy()).all()
    for part in ("validation", "test"):
        first, second = (worlds[part].batch(rows) for _ in range(2))
        assert all((first[key].numpy() == second[key].numpy()).all() for key in first)
        item = worlds[part][5]
        assert item["answer"] == first["answer"].numpy()[5]
        np.testing.assert_array_equal(item["story"][:item["story_length"]], first["story"].numpy()[5, :item["story_length"]])


def test_names_are_changed_in_story_question_and_answer_alike(worlds):
    """What an item says, read again by its words, is the story's facts under one renaming."""
    for world in worlds.values():
        batch = {key: value.numpy() for key, value in world.batch(range(100)).items()}
        keys = ("story", "story_length", "query", "answer")
        for story, ids, length, query, answer in zip(world.stories, *(batch[key] for key in keys)):
            words, own = VOCABULARY.decode(ids[:length]), story.words
            name = dict(zip((w for w in own if w in NAMES), (w for w in words if w in NAMES)))
            assert [name.get(w, w) for w in own] == words and len(set(name.values())) == len(name)
            assert [name.get(w, w) for w in story.query] == VOCABULARY.decode(query)
            assert name[NAMES[story.answer]] == NAMES[answer] and (ids[length:] == VOCABULARY.pad).all()


def test_the_order_of_the_names_is_any():
    """Each person gets each name equally often (99.99 % of chi squared with 5 degrees of freedom lie below 26)."""
    names = orders(Stream("test", 1), 6000)
    assert (np.sort(names, 1) == np.arange(ENTITIES)).all()
    for person in range(ENTITIES):
        counts = np.bincount(names[:, person], minlength=ENTITIES)
        assert ((counts - 1000)**2 / 1000).sum() < 26
    ids = np.array([[FIRST, FIRST + 2, 0, FIRST - 1, FIRST + ENTITIES]])
    found = renamed(ids, np.array([[4, 0, 1, 2, 3, 5]]))
    np.testing.assert_array_equal(found, [[FIRST + 4, FIRST + 1, 0, FIRST - 1, FIRST + ENTITIES]])


def test_a_loader_gives_batches_by_its_stream(worlds):
    def first(seed):
        world = ClozeStories("train", COUNT, seed=3, generator=Stream("names", seed))
        return next(iter(DataLoader(world, 32)))["story"].numpy()
    assert (first(0) == first(0)).all() and not (first(0) == first(1)).all()


def test_there_is_no_short_cut():
    """Without reading nobody comes near the threshold of .80 or the claim of .90: not by counting names, not by the place of a
    name, not by the sentence that looks most like the question."""
    world = ClozeStories("test", 1500, seed=1)
    found = baselines(world)
    assert found["majority"] < 0.22 and found["most frequent"] < 0.45
    assert found["most frequent, not in the question"] < 0.65 and found["most common words"] < 0.65
    for mention in range(2 * FACTS):
        right = [[w for w in s.words if w in NAMES][mention] == NAMES[s.answer] for s in world.stories]
        assert np.mean(right) < 0.45
    # a question alone says nothing of the answer: the names are given at random
    assert np.bincount([s.asked for s in world.stories]).min() > 0.25 * 1500


def test_baselines_by_hand():
    """0 gave 1 the ball, 1 the ring to 2, 3 the ball to 1: who gave the ball to 1 as well?"""
    facts = (Fact("give", 0, 1, "ball"), Fact("sell", 1, 2, "ring"), Fact("give", 3, 4, "ball"))
    sentences = tuple((*fact.told(side).split(), ".") for fact, side in zip(facts, (0, 0, 1)))
    story = ClozeStory(facts, sentences, 0, tuple(facts[0].told(1, taker=PLACEHOLDER).split()), 1)
    assert " ".join(story.query) == "@placeholder got the ball from @entity0"
    assert most_frequent(story) == most_frequent_unasked(story) == ["@entity1"]
    # common words: the, ball, @entity0 of the first; the of the second; got, the, ball, from of the third
    assert most_common_words(story) == ["@entity4", "@entity3"]


@pytest.mark.parametrize("arguments, message", [
    (("tests", 3), "part='tests'; choose from train, validation, test"), (("train", 0), "count=0 must be at least 1")])
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClozeStories(*arguments)
