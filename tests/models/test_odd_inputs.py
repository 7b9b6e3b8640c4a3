"""Lecture 5's models with arguments that do not fit: each is refused with a message that says which, and what to pass."""

import numpy as np
import pytest

from tinymm import Tensor
from tinymm.models.attentive_reader import AttentiveReader
from tinymm.models.draw import Draw
from tinymm.models.handwriting import Handwriting
from tinymm.models.layer_norm_rnn import LayerNormRNN
from tinymm.models.order_embedding import OrderEmbedding
from tinymm.models.skip_thoughts import SkipThoughts, skip_thoughts_loss

WORDS, LENGTHS = Tensor(np.ones((5, 2), np.int64)), Tensor(np.array([5, 4]))
PEN, TEXT = Tensor(np.zeros((3, 2, 3), np.float32)), Tensor(np.zeros((2, 4), np.int64))
STEPS = Tensor(np.zeros((2, 2, 3), np.float32))
reader = lambda **options: AttentiveReader(10, 3, 4, 4, **options)
skip = lambda **options: SkipThoughts(10, 4, 4, **options)
order = lambda **options: OrderEmbedding(10, 4, 4, 4, **options)
hand = lambda **options: Handwriting(5, 4, **options)


@pytest.mark.parametrize("call, kind, message", [
    (lambda: reader()(WORDS, WORDS, [5, 4], LENGTHS), TypeError, "d_lengths is a list; pass a Tensor or an array"),
    (lambda: reader()(WORDS, WORDS, LENGTHS, Tensor(np.array([0, 5]))), ValueError, "q_lengths run from 0 to 5"),
    (lambda: skip().encode(WORDS, [5, 4]), TypeError, "SkipThoughts: lengths is a list"),
    (lambda: skip_thoughts_loss(skip()(WORDS, LENGTHS, WORDS, WORDS), WORDS.T, WORDS), ValueError,
     r"previous has shape \(2, 5\) and its logits \(5, 2, 10\)"),
    (lambda: order().encode_sentences(WORDS, np.array([0, 3])), ValueError, "OrderEmbedding: lengths run from 0 to 3"),
    (lambda: order().encode_sentences(WORDS[0], np.array([1])), ValueError, r"words has shape \(2,\)"),
    (lambda: Draw(glimpses=0), ValueError, "Draw: glimpses"), (lambda: Draw(read=0), ValueError, "Draw: read"),
    (lambda: Draw(hidden=4)(Tensor(np.ones((2, 8, 8), np.int64))), TypeError, "Draw: x must be floating point, not int64"),
    (lambda: hand(rate=0.0), ValueError, "Handwriting: rate=0.0 must be more than 0"),
    (lambda: hand(rate=float("nan")), ValueError, "rate=nan"), (lambda: hand(window=0), ValueError, "Handwriting: window"),
    (lambda: hand(mixtures=0), ValueError, "Handwriting: mixtures"),
    (lambda: hand()(PEN, Tensor(np.array([[0, 1], [-1, -1]]))), ValueError, "a text without letters"),
    (lambda: hand().sample(Tensor(np.array([[-1, -1]])), 3), ValueError, "a text without letters"),
    (lambda: hand().sample(TEXT[0], 3), ValueError, r"sample: text has shape \(4,\)"),
    (lambda: hand().sample(TEXT, -1), ValueError, "sample: points"),
    (lambda: LayerNormRNN(3, 0), ValueError, "LayerNormRNN: hidden_size"),
    (lambda: LayerNormRNN(3, 4)(STEPS[:0]), ValueError, "T at least 1"),
    (lambda: LayerNormRNN(3, 4)(STEPS, Tensor(np.zeros((1, 2, 4), np.float32))), ValueError, r"h\^0 has shape \(1, 2, 4\)")])
def test_what_does_not_fit_is_refused_by_name(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("model", [reader, skip, order, hand, lambda norm: Draw(norm=norm)])
def test_an_unknown_norm(model):
    with pytest.raises(ValueError, match=r"norm='batch'; choose from none, layer"):
        model(norm="batch")


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_an_empty_batch_gives_nothing(norm):
    none, lengths = Tensor(np.zeros((5, 0), np.int64)), Tensor(np.zeros(0, np.int64))
    assert reader(norm=norm)(none, none, lengths, lengths).logits.shape == (0, 3)
    assert skip(norm=norm).encode(none, lengths).shape == (0, 4)
