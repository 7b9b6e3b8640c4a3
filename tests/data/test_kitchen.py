"""The kitchen: its distribution by formula and by counting, its evidence, its sentences, its seed."""

import itertools

import numpy as np
import pytest

from tinymm.data import DataLoader
from tinymm.data.worlds.kitchen import (ACTIVITIES, CENTRE_SD, OUTER_SD, PARTS, PHRASINGS, SIGNAL, SIZES, SLOTS, VOCABULARY,
                                        Kitchen, couplings, describe, joint)
from tinymm.models.label_slots import label_one_hots


@pytest.fixture(scope="module")
def clips():
    return Kitchen("train", 6000, seed=3)


def test_the_slots_are_the_pages():
    assert SIZES == (8, 10, 6, 5) and list(SLOTS) == ["activity", "object", "tool", "place"] and (CENTRE_SD, OUTER_SD) == (1.5, 3)
    assert SIGNAL == 2 and len(PHRASINGS) == 3


def test_the_joint_has_the_couplings_and_even_values():
    """log p(y) - sum of couplings is a sum of one function of each slot, and each value is equally frequent; tuple by tuple."""
    p, own = joint(3), couplings(3)
    assert set(own) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)} and p.shape == SIZES and p.sum() == pytest.approx(1, abs=1e-9)
    rest = np.log(p)
    for y in itertools.product(*map(range, SIZES)):
        rest[y] -= sum(matrix[y[i], y[j]] for (i, j), matrix in own.items())
    h = [rest[tuple(slice(None) if t == s else 0 for t in range(4))] - rest[0, 0, 0, 0] for s in range(4)]
    alone = rest[0, 0, 0, 0] + h[0][:, None, None, None] + h[1][:, None, None] + h[2][:, None] + h[3]
    np.testing.assert_allclose(rest, alone, rtol=0, atol=1e-9)
    for s, size in enumerate(SIZES):
        np.testing.assert_allclose(p.sum(tuple(t for t in range(4) if t != s)), 1 / size, rtol=1e-8)


def test_the_couplings_are_as_strong_as_said():
    """Pooled over seeds: the standard deviation of n normal numbers is off by sd / sqrt(2 n) at most three times."""
    pooled = {pair: np.concatenate([couplings(seed)[pair].ravel() for seed in range(100, 140)]) for pair in couplings(0)}
    for (i, _), entries in pooled.items():
        sd = 1.5 if i == 0 else 3.0
        assert abs(entries.std() - sd) < 3 * sd / np.sqrt(2 * len(entries)) and abs(entries.mean()) < 3 * sd / np.sqrt(len(entries))


def test_clips_come_from_the_joint(clips):
    """chi squared over the tuples that are expected ten times and more, the others as one: 99.99 % lie below d + 4 sqrt(2 d)."""
    expected = len(clips) * joint(3).ravel()
    counts = np.bincount(np.ravel_multi_index(clips.labels.T, SIZES), minlength=expected.size)
    often = expected >= 10
    cells = np.append(counts[often], counts[~often].sum()), np.append(expected[often], expected[~often].sum())
    chi, d = ((cells[0] - cells[1])**2 / cells[1]).sum(), often.sum()
    assert d > 50 and abs(chi - d) < 4 * np.sqrt(2 * d)


def test_the_evidence_is_the_truth_and_noise_of_variance_1(clips):
    noise = clips.evidence - 2 * label_one_hots(clips.labels, SIZES)
    assert clips.evidence.dtype == np.float32 and noise.shape == (6000, 29)
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size) and abs(noise.var() - 1) < 4 * np.sqrt(2 / noise.size)
    assert np.abs(noise.mean(0)).max() < 4.5 / np.sqrt(6000)
    correlation = np.corrcoef(noise.T) - np.eye(29)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(6000)


def test_three_sentences_that_say_the_labels_in_three_orders(clips):
    orders = set()
    for labels, sentences in zip(clips.labels[:300].tolist(), clips.sentences):
        said = [values[label] for values, label in zip(SLOTS.values(), labels)]
        assert len(sentences) == 3
        for k, words in enumerate(sentences):
            text = f" {' '.join(words)} "
            assert all(f" {word} " in text for word in said[1:])
            verb = (said[0], *ACTIVITIES[said[0]])[k]
            at = {slot: text.index(f" {word} ") for slot, word in zip("aotp", [verb, *said[1:]])}
            orders.add((k, "".join(sorted(at, key=at.get))))
    assert orders == {(0, "aotp"), (1, "paot"), (2, "oapt")}
    assert describe([0, 1, 2, 3])[0] == tuple("the person cuts the cucumber with a knife on the counter".split())


def test_all_words_are_known_and_are_used():
    said = {w for y in itertools.product(*map(range, SIZES)) for sentence in describe(y) for w in sentence}
    assert said == set(VOCABULARY.words[4:])


def test_the_seed_decides(clips):
    again, longer = Kitchen("train", 6000, seed=3), Kitchen("train", 6007, seed=3)
    assert (again.evidence == clips.evidence).all() and again.sentences == clips.sentences
    assert (longer.labels[:6000] == clips.labels).all()
    assert not (Kitchen("train", 6000, seed=4).labels == clips.labels).all()


def test_no_clip_is_in_two_parts():
    parts = [Kitchen(part, 500, seed=3) for part in PARTS]
    rows = [{row.tobytes() for row in part.evidence} for part in parts]
    assert len(set.union(*rows)) == 1500


def test_items_and_batches(clips):
    batch = next(iter(DataLoader(clips, 5)))
    assert batch["evidence"].shape == (5, 29) and batch["labels"].shape == (5, 4)
    for i in range(5):
        assert (clips[i]["evidence"] == batch["evidence"].numpy()[i]).all()
        assert (clips[i]["labels"] == batch["labels"].numpy()[i]).all()


@pytest.mark.parametrize("arguments, message", [
    (("tests", 3), "Kitchen: part='tests'; choose from train, validation, test"),
    (("train", 0), "Kitchen: count=0 must be a positive integer")])
def test_wrong_arguments_are_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        Kitchen(*arguments)


@pytest.mark.parametrize("labels", [(0, 0, 0), (8, 0, 0, 0), (0, 0, 0, -1)])
def test_wrong_labels_are_explained(labels):
    with pytest.raises(ValueError, match="one number for each of activity, object, tool, place"):
        describe(labels)
