"""What metrics are given: Tensors, arrays, None and strings where lists of tokens or numbers belong."""

import numpy as np
import pytest

import tinymm
from tinymm.metrics import (accuracy, bleu, caption_scores, cider, cider_d, confusion, leave_one_out, perplexity, ranks,
                            recall_at_k, rouge_l, top_k_accuracy)

WORDS = ["a", "dog"]
ONE = tinymm.tensor(1)


@pytest.mark.parametrize("metric", [bleu, rouge_l, cider, cider_d, caption_scores])
@pytest.mark.parametrize("candidates, references, message", [
    (None, [[WORDS]], "candidates is no list but None"), ([WORDS], None, "references is no list but None"),
    (tinymm.tensor([[1]]), [[WORDS]], r"candidates is no list but a Tensor of shape \(1, 1\) \(.tolist"),
    (np.array([[1]]), [[WORDS]], "candidates is no list but an array"), ({0: WORDS}, [[WORDS]], "candidates is no list but a dict"),
    ([tinymm.tensor([1, 2])], [[WORDS]], r"candidates\[0\]=tensor.* is no list of tokens but a Tensor"),
    ([np.array([1, 2])], [[WORDS]], r"candidates\[0\]=array.* is no list of tokens but an array"),
    ([[ONE, ONE]], [[[ONE, ONE]]], r"candidates\[0\].* not a Tensor"),
    ([WORDS], [[[1, ONE]]], r"references\[0\]\[0\].* not a Tensor"), ([[None]], [[WORDS]], r"candidates\[0\]=\[None\].* not None"),
    ([b"ab"], [[WORDS]], r"candidates\[0\]=b'ab' is no list of tokens"),
    ([None], [[WORDS]], r"candidates\[0\]=None is no list of tokens"),
    ([WORDS], [tinymm.tensor([1])], r"references\[0\] is no list but a Tensor"),
    ([WORDS], [None], r"references\[0\] is no list but None"), ([WORDS], [{0: WORDS}], r"references\[0\] is no list but a dict")],
    ids=lambda value: repr(value)[:40])
def test_captions_are_lists_of_tokens(metric, candidates, references, message):
    with pytest.raises(TypeError, match=f"{metric.__name__}: {message}"):
        metric(candidates, references)


def test_ids_are_tokens_as_words_are():
    words, ids = bleu([["a", "b", "c"]], [[["a", "b", "d"]]]), bleu([[1, 2, 3]], [[[1, 2, 4]]])
    for tokens in ((1, 2, 3), np.array([1, 2, 3]).tolist(), list(np.array([1, 2, 3])), range(1, 4)):
        assert bleu([tokens], [[[1, 2, 4]]]).corpus == ids.corpus == words.corpus


@pytest.mark.parametrize("call, message", [
    (lambda: bleu([WORDS], [[WORDS]], n=2.5), "bleu: n=2.5 must be an integer"),
    (lambda: cider([WORDS], [[WORDS]], {("a",): 1}), "cider: document_frequency is a dict; make one with"),
    (lambda: leave_one_out(None), "leave_one_out: references is no list but None"),
    (lambda: accuracy("abc", "abc"), "accuracy: answers must be numbers.*got a str"),
    (lambda: accuracy(None, None), "accuracy: answers must be numbers.*got a NoneType"),
    (lambda: accuracy([1], np.array([None])), "accuracy: labels must be numbers.*got an array of object"),
    (lambda: accuracy([1j], [1j]), "accuracy: answers must be numbers.*complex"),
    (lambda: top_k_accuracy(np.array([["a"]]), [0], 1), "top_k_accuracy: scores must be numbers"),
    (lambda: confusion(None, [0], 1), "confusion: labels must be numbers"),
    (lambda: ranks(np.array([[1j]])), "ranks: scores must be numbers.*complex128"),
    (lambda: recall_at_k([[1.0]], 1, "a"), "recall_at_k: own must be numbers"),
    (lambda: perplexity(None, [0]), "perplexity: logits must be numbers")])
def test_numbers_are_numbers(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_lists_of_different_lengths_are_no_array():
    with pytest.raises(ValueError, match="ranks: scores are lists of different lengths"):
        ranks([[1.0, 2.0], [3.0]])


def test_classes_may_be_words():
    assert accuracy(["cat", "dog"], np.array(["cat", "cat"])) == 0.5
