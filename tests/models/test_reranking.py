"""Re-ranking: CLIP's own logits, an order by hand, and what is refused."""

import numpy as np
import pytest

from tinymm import Tensor, manual_seed
from tinymm.models import CLIP, clip_scores, rerank

END = 19


@pytest.fixture(scope="module")
def clip():
    manual_seed(0)
    return CLIP(8, 8, 1, 16, 4, context_length=6, vocab_size=20, transformer_width=16, transformer_heads=2, transformer_layers=1,
                vision_heads=2).eval()


@pytest.fixture(scope="module")
def candidates():
    """Pictures (3, 4, 3, 8, 8) and captions (3, 6)."""
    rng = np.random.default_rng(0)
    text = rng.integers(1, END, (3, 6))
    text[:, -1] = END
    return Tensor(rng.normal(size=(3, 4, 3, 8, 8)).astype(np.float32)), Tensor(text)


def test_scores_are_the_logits_of_each_candidate_with_its_own_caption(clip, candidates):
    image, text = candidates
    scores = clip_scores(clip, image, text)
    assert scores.shape == (3, 4) and not scores.requires_grad
    temperature = float(np.exp(clip.logit_scale.detach().numpy()))
    for m in range(3):
        logits, _ = clip(image[m], text)                                                       # (4, 3)
        np.testing.assert_allclose(scores.numpy()[m] * temperature, logits.detach().numpy()[:, m], rtol=0, atol=1e-4)   # float32
    assert np.abs(scores.numpy()[0] - clip_scores(clip, image, text[[1, 0, 2]]).numpy()[0]).max() > 1e-3   # the caption counts


def test_best_first_and_of_equal_ones_the_earlier():
    scores = [[.1, .9, .5, .9], [-1, -1, -1, -1], [3, 2, -np.inf, 1]]
    order = rerank(Tensor(scores))
    assert order.dtype == np.int64
    np.testing.assert_array_equal(order, [[1, 3, 2, 0], [0, 1, 2, 3], [0, 1, 3, 2]])
    np.testing.assert_array_equal(rerank(np.array(scores), 2), order[:, :2])
    np.testing.assert_array_equal(rerank(np.zeros((2, 1), dtype=np.int64), 1), [[0], [0]])
    assert rerank(np.zeros((0, 3))).shape == (0, 3)   # no caption is no error


@pytest.mark.parametrize("scores, count, message", [
    (np.zeros((2, 0)), None, r"scores of shape \(2, 0\) has N=0 candidates \(axis 1\); draw at least one"),
    (np.zeros((2, 3)), 4, "count=4 is more than the N=3 candidates"), (np.zeros((2, 3)), 0, "count=0 must be a positive integer"),
    (np.zeros((2, 3)), 1.5, "count=1.5 must be an integer"), (np.zeros(3), None, r"float64 of shape \(3,\)"),
    (np.array([["a"]]), None, "they must be numbers"), (np.array([[0, 1], [2, np.nan]]), None, "candidate 1 of caption 1 is NaN")])
def test_scores_that_are_refused(scores, count, message):
    with pytest.raises((ValueError, TypeError), match=f"^rerank: .*{message}|^rerank: {message}"):
        rerank(scores, count)


def test_candidates_that_are_refused(clip, candidates):
    image, text = candidates
    with pytest.raises(ValueError, match=r"clip_scores: image of shape \(3, 0, 3, 8, 8\) has N=0 candidates"):
        clip_scores(clip, image[:, :0], text)
    for wrong in ((image[0], text), (image, text[:2]), (image, text[0])):
        with pytest.raises(ValueError, match=r"clip_scores: image .*; they must be \(M, N, 3, R, R\) and \(M, L\)"):
            clip_scores(clip, *wrong)
    with pytest.raises(ValueError, match=r"CLIP.encode_image: pictures of shape \(12, 3, 7, 8\)"):
        clip_scores(clip, image[:, :, :, 1:], text)
    with pytest.raises(TypeError, match="clip_scores: image"):
        clip_scores(clip, image.numpy(), text)
