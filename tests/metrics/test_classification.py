"""Accuracy, top-k accuracy and confusion: by hand, at their limits, and against scikit-learn."""

import numpy as np
import pytest

from tests.device_double import StrictArray
from tinymm import Tensor
from tinymm.metrics import accuracy, confusion, top_k_accuracy


def drawn(seed, n=200, classes=9, ties=False):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (n, classes)).astype(float) if ties else rng.normal(size=(n, classes))
    return scores, rng.integers(0, classes, n)


def test_accuracy_by_hand():
    assert accuracy(np.array([1, 2, 0, 2]), np.array([1, 0, 0, 2])) == 0.75
    assert accuracy([[1, 2], [3, 4]], [[1, 2], [3, 0]]) == 0.75 and accuracy(["a"], ["a"]) == 1.0
    assert isinstance(accuracy(Tensor(np.array([1])), [0]), float)


def test_top_k_by_hand():
    scores = Tensor(np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0], [2.0, 2.0, 2.0]]))
    labels = np.array([2, 1, 1])
    assert [top_k_accuracy(scores, labels, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 1, 1])
    assert top_k_accuracy(scores, np.array([0, 1, 0]), 1) == (scores.numpy().argmax(1) == [0, 1, 0]).mean() == 1


def test_of_equal_scores_the_first_counts_as_larger():
    """As in ``argmax``: an answer that is the same for all rows is right for the classes before the k-th."""
    labels = np.arange(6)
    assert [top_k_accuracy(np.zeros((6, 6)), labels, k) for k in range(1, 7)] == pytest.approx(np.arange(1, 7) / 6)
    for seed in range(5):
        scores, labels = drawn(seed, ties=True)
        assert top_k_accuracy(scores, labels, 1) == accuracy(scores.argmax(1), labels)
        by_order = np.argsort(-scores, axis=1, kind="stable")
        for k in (2, 3, 9):
            assert top_k_accuracy(scores, labels, k) == (by_order[:, :k] == labels[:, None]).any(1).mean()


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_scores_of_other_dtypes(dtype):
    scores, labels = drawn(1, ties=True)
    assert top_k_accuracy(scores.astype(dtype), labels, 2) == top_k_accuracy(scores, labels, 2)


def test_infinite_scores_have_an_order():
    scores = np.array([[-np.inf, 0.0, np.inf], [-np.inf, -np.inf, -np.inf]])
    assert [top_k_accuracy(scores, [1, 0], k) for k in (1, 2)] == [0.5, 1.0]


def test_confusion_by_hand():
    np.testing.assert_array_equal(confusion(np.array([0, 0, 2]), np.array([1, 0, 2]), 3), [[0.5, 0.5, 0], [0, 0, 0], [0, 0, 1]])


def test_confusion_sums_to_the_accuracy():
    scores, labels = drawn(2)
    said = scores.argmax(1)
    table = confusion(labels, said, 9)
    np.testing.assert_allclose(table.sum(1), 1, rtol=1e-14)
    assert table.diagonal() @ np.bincount(labels, minlength=9) / len(labels) == pytest.approx(accuracy(said, labels), rel=1e-14)


def test_tensors_of_a_graph_and_of_a_device():
    scores, labels = drawn(3)
    said = scores.argmax(1)
    for place in (lambda x: Tensor(x), lambda x: Tensor(StrictArray(x)), lambda x: x.tolist()):
        assert top_k_accuracy(place(scores), place(labels), 3) == top_k_accuracy(scores, labels, 3)
        assert accuracy(place(said), place(labels)) == accuracy(said, labels)
        np.testing.assert_array_equal(confusion(place(labels), place(said), 9), confusion(labels, said, 9))
    learned = Tensor(scores, requires_grad=True)
    assert isinstance(top_k_accuracy(learned, labels), float) and learned.grad is None


@pytest.mark.oracle
@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_scikit_learns(k):
    """Of equal scores the last counts as larger there, so its columns stand the other way round."""
    metrics = pytest.importorskip("sklearn.metrics")
    for seed in range(4):
        for ties in (False, True):
            scores, labels = drawn(seed, ties=ties)
            wanted = metrics.top_k_accuracy_score(8 - labels, scores[:, ::-1], k=k, labels=range(9))
            assert top_k_accuracy(Tensor(scores), labels, k) == wanted
            if not ties:
                assert wanted == metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(9))


@pytest.mark.oracle
def test_confusion_and_accuracy_are_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    for seed, n in ((0, 200), (1, 6)):   # with 6 rows most classes have none
        scores, labels = drawn(seed, n)
        said = scores.argmax(1)
        np.testing.assert_array_equal(confusion(labels, said, 9),
                                      metrics.confusion_matrix(labels, said, labels=range(9), normalize="true"))
        assert accuracy(said, labels) == metrics.accuracy_score(labels, said)


@pytest.mark.parametrize("call, error, message", [
    (lambda: accuracy([1, 2], [1]), ValueError, r"accuracy: answers of shape \(2,\) and labels of shape \(1,\)"),
    (lambda: accuracy(np.zeros((2, 3)), np.zeros(2)), ValueError, r"the answers are scores.argmax\(1\)"),
    (lambda: accuracy([], []), ValueError, "at least one element"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [0, 1], 0), ValueError, "top_k_accuracy: scores .* from 1 to C"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [0, 1], 4), ValueError, "top_k_accuracy: scores .* from 1 to C"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [0], 1), ValueError, "top_k_accuracy: scores .* from 1 to C"),
    (lambda: top_k_accuracy(np.zeros((0, 3)), np.zeros(0, int), 1), ValueError, "top_k_accuracy: scores .* from 1 to C"),
    (lambda: top_k_accuracy(np.zeros(3), [0, 1, 2], 1), ValueError, "top_k_accuracy: scores .* from 1 to C"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [0, 3], 1), ValueError, "3 among the labels is no class; there are C=3, from 0 to 2"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [-1, 0], 1), ValueError, "-1 among the labels is no class"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [0.0, 1.0], 1), TypeError, "labels of dtype float64; they must be integers"),
    (lambda: top_k_accuracy(np.array([[0, 1.0], [np.nan, 0]]), [0, 1], 1), ValueError, "the scores of row 1 have NaN"),
    (lambda: top_k_accuracy(np.zeros((2, 3)), [0, 1], 1.5), TypeError, "top_k_accuracy: k=1.5 must be an integer"),
    (lambda: confusion([0, 1], [0, 1], 2.0), TypeError, "confusion: classes=2.0 must be an integer"),
    (lambda: confusion([0, 1], [0, 1], 0), ValueError, "confusion: classes=0 must be a positive integer"),
    (lambda: confusion([0, 1], [0], 2), ValueError, r"confusion: labels of shape \(2,\) and answers of shape \(1,\)"),
    (lambda: confusion(np.zeros(0, int), np.zeros(0, int), 2), ValueError, "N at least 1"),
    (lambda: confusion([0, 2], [0, 1], 2), ValueError, "confusion: 2 among the labels is no class"),
    (lambda: confusion([0, 1], [0, -1], 2), ValueError, "confusion: -1 among the answers is no class"),
    (lambda: confusion([0, 1], [0.5, 1], 2), TypeError, "confusion: answers of dtype float64")])
def test_mistakes_are_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()
