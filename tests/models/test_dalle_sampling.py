"""Image tokens drawn for captions: a loop over the whole model, the law that they follow, and what they must not depend on."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tinymm import Tensor, manual_seed, no_grad
from tinymm.backend.random import Stream
from tinymm.decode import beam_search
from tinymm.models.dalle import PAD, DALLETransformer, sample_images

TEXT = Tensor(np.array([[5, 2, 3, 1, PAD], [5, PAD, PAD, PAD, PAD], [PAD] * 5]))   # the last is empty


def model(grid=(2, 3), vocabulary=4, **options):
    """In float64, with weights that make the captions and the tokens before matter."""
    manual_seed(1)
    built = DALLETransformer(6, vocabulary, 5, grid, 8, 2, 2, kernel=3, **options).eval().to(dtype=np.float64)
    with no_grad():
        for p in built.parameters():
            p *= 8 if p.ndim > 1 else 1
    return built


def by_hand(built, text, uniform):
    """The tokens of one image from n uniform numbers, each from a pass over the whole sequence."""
    tokens: list[int] = []
    with no_grad():
        for u in uniform:
            _, logits = built(text, Tensor(np.array([[*tokens, 0]])))   # the last one is no input
            p = np.exp(logits.numpy()[0, -1] - logits.numpy()[0, -1].max())
            tokens.append(int(np.searchsorted(np.cumsum(p) / p.sum(), u, "right")))
    return tokens


@pytest.mark.parametrize("attention", ["sparse", "full"])
def test_tokens_are_those_of_a_loop_over_the_whole_model(attention):
    built, uniform = model(attention=attention, form="dense"), Stream("test", 4).generator.random((6, 3 * 2))
    found = sample_images(built, TEXT, 2, generator=Stream("test", 4))
    assert found.shape == (3, 2, 2, 3) and found.dtype == np.int64
    for caption, k in itertools.product(range(3), range(2)):
        expected = by_hand(built, TEXT[caption:caption + 1], uniform[:, 2 * caption + k])
        assert found.numpy()[caption, k].ravel().tolist() == expected
    assert len({tuple(row) for row in found.numpy().reshape(6, -1).tolist()}) > 3   # captions and draws differ


def test_images_follow_the_models_joint_distribution():
    """p(z | y) of all images of a small grid from one pass of the model, the chi-square test on 20,000 drawings."""
    built, n = model(grid=(2, 2), vocabulary=3), 20000
    images = np.array(list(itertools.product(range(3), repeat=4)))                              # (81, 4)
    with no_grad():
        _, logits = built(Tensor(np.repeat(TEXT.numpy()[:1], 81, 0)), Tensor(images))
    log_p = np.take_along_axis(logits.log_softmax(-1).numpy(), images[:, :, None], 2).sum((1, 2))
    expected = n * np.exp(log_p)
    assert expected.sum() == pytest.approx(n, abs=1e-6)
    found = sample_images(built, TEXT[:1], n, generator=Stream("test", 1)).numpy().reshape(n, 4)
    seen = np.bincount(found @ [27, 9, 3, 1], minlength=81)
    common = expected >= 5
    assert common.sum() > 20
    rest = [[seen[~common].sum()], [expected[~common].sum()]] if expected[~common].sum() > 0 else [[], []]
    assert stats.chisquare([*seen[common], *rest[0]], [*expected[common], *rest[1]]).pvalue > 1e-3


def test_a_caption_counts_and_the_seed_repeats():
    built = model()
    one, again, other = (sample_images(built, TEXT, 8, generator=Stream("test", s)).numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any() and 0 <= one.min() <= one.max() < 4
    likeliest = sample_images(built, TEXT, 2, top_k=1).numpy()
    np.testing.assert_array_equal(likeliest[:, 0], likeliest[:, 1])
    assert (likeliest[0] != likeliest[1]).any()


@pytest.mark.parametrize("text, options, message", [
    (TEXT[:, :4], {}, r"text of shape \(3, 4\); it takes \(B, text_length=5\): cut a longer caption"),
    (TEXT + 3, {}, "text has 8 at "), (TEXT, {"count": 0}, "sample_images: count=0 must be a positive integer"),
    (TEXT, {"temperature": 0}, "sample: temperature=0 must be above 0"), (TEXT[:0], {}, "has no caption")])
def test_what_is_refused(text, options, message):
    with pytest.raises(ValueError, match=message):
        sample_images(model(), text, **options)


def test_a_beam_through_the_cache_finds_the_likeliest_images():
    """``beam_search`` copies and reorders the kept keys and values; a beam that holds all images ranks them as one pass does."""
    built = model(grid=(2, 2), vocabulary=3, attention="sparse")
    images = np.array(list(itertools.product(range(3), repeat=4)))                              # (81, 4)
    found = beam_search(built.step, built.init_state(TEXT), 3, start=0, end=None, max_length=4, beam_size=81, n_best=10)
    for caption, ranked in enumerate(found):
        with no_grad():
            _, logits = built(Tensor(np.repeat(TEXT.numpy()[caption:caption + 1], 81, 0)), Tensor(images))
        log_p = np.take_along_axis(logits.log_softmax(-1).numpy(), images[:, :, None], 2).sum((1, 2))
        best = np.argsort(-log_p)[:10]
        assert [h.tokens for h in ranked] == [tuple(images[i].tolist()) for i in best]
        np.testing.assert_allclose([h.log_prob for h in ranked], log_p[best], rtol=0, atol=1e-10)
        assert all(h.finished for h in ranked)
