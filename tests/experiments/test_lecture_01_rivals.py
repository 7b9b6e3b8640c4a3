"""The five rivals of the retrieval table at smoke scale: the same pairs and steps, scores of every pair, what they read and see."""

import numpy as np
import pytest

from tinymm.backend.random import manual_seed
from tinymm.data.worlds.caption_trees import ROOT
from tinymm.experiments.captioning.parts import Part
from tinymm.experiments.lecture_01.retrieval import Retrieval
from tinymm.experiments.lecture_01.rival import RetrievalData
from tinymm.experiments.lecture_01.rivals import RIVALS, Parts, Trees, Writer, trees
from tinymm.experiments.lecture_01.scoring import owners, tables
from tinymm.models.lrcn import normalised_scores
from tinymm.text import Vocabulary

ROWS = ["DeViSE", "SDT-RNN", "DeFrag", "m-RNN", "ConvNet"]


@pytest.fixture(scope="module")
def data():
    manual_seed(0)
    study = Retrieval("retrieval", "smoke", 0, "cpu", {}, epochs=2)
    stages = study.see(lambda name: {"folder": None, "label": None})
    while True:
        try:
            next(stages).fit()
        except StopIteration as end:
            return RetrievalData(study.parts, study.vocabulary, end.value, 2, 0, "cpu", {})


@pytest.fixture(scope="module")
def trained(data):
    manual_seed(0)
    found = {row: rival(data) for row, rival in RIVALS.items()}
    return found, {row: rival.stage(folder=None, label=None).fit() for row, rival in found.items()}


def test_all_rows_of_the_slide_in_its_order():
    assert list(RIVALS) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_a_rival_learns_and_scores_every_pair(data, trained, row):
    found, history = trained[0][row], trained[1][row]
    assert len(history["loss"]) == 2 * -(-len(owners(data.parts["train"])) // 64)      # each caption once a round, for all rivals
    first, second = np.split(np.array(history["loss"]), 2)                 # two rounds through the same captions
    assert second.mean() < 0.9 * first.mean()
    scores, own = found.scores(), owners(data.parts["test"])
    assert scores.shape == (30, 150) and np.isfinite(scores).all()
    for rows in tables({row: scores}, own).values():
        assert rows[row]["R@10"] > 10 / 30                                  # better than chance, in both directions


def test_chunks_of_pictures_change_nothing(trained, monkeypatch):
    for row in ("DeViSE", "DeFrag"):
        whole = trained[0][row].scores()
        monkeypatch.setattr("tinymm.experiments.lecture_01.rivals.CHUNK", 7)
        np.testing.assert_allclose(trained[0][row].scores(), whole, rtol=1e-4, atol=1e-5)


def test_only_the_writer_writes(data, trained):
    assert [row for row in ROWS if trained[0][row].sentences() is not None] == ["m-RNN"]
    said = trained[0]["m-RNN"].sentences()
    assert len(said) == len(data.parts["test"]) and {word for words in said for word in words} <= set(data.vocabulary.words)


def test_the_writers_score_is_normalised(trained):
    """For each caption the mean over the pictures of how much likelier they make it is 1."""
    assert isinstance(trained[0]["m-RNN"], Writer)
    scores = trained[0]["m-RNN"].scores()
    np.testing.assert_allclose(np.exp(scores).mean(0), 1, rtol=1e-6)
    np.testing.assert_allclose(normalised_scores(scores), scores, rtol=0, atol=1e-9)


def test_parts_of_pictures_are_windows_and_the_whole(data):
    """Sixteen windows of 2 x 2 cells and the picture: nothing that only the truth of the scene could say."""
    rival = Parts(data)
    parts, phi = rival.pictures("test"), data.seen.phi("test")
    F = parts.shape[2] - phi.shape[1]
    assert parts.shape[:2] == (30, 17)
    np.testing.assert_array_equal(parts[:, -1], np.concatenate([np.zeros((30, F)), phi], 1).astype(np.float32))
    assert (parts[:, :-1, F:] == 0).all() and (parts[:, :-1, :F].std((0, 1)) > 0).any()
    train = rival.pictures("train")[:, :-1, :F]
    np.testing.assert_allclose(train.mean((0, 1)), 0, atol=1e-3)            # scaled by the training pictures


def test_trees_are_read_word_for_word(data):
    part = data.parts["test"]
    words, heads, relations = Trees(data).read(part)
    assert words.shape == heads.shape == relations.shape and words.shape[1] == 150
    inside = words != Vocabulary.pad
    assert (heads[~inside] == ROOT).all() and ((heads == ROOT) & inside).sum(0).tolist() == [1] * 150
    _, governors, _ = Parts(data).read(part)
    for c in (0, 77, 149):
        for t in range(inside[:, c].sum()):
            head = heads[t, c]
            assert governors[t, c] == (Vocabulary.pad if head == ROOT else words[head, c])


def test_photographs_have_no_trees():
    with pytest.raises(ValueError, match="only the captions of scenes have; photographs would need a parser"):
        trees(Part([[["a", "dog"]]], lambda rows: None), 2)
