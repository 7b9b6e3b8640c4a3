"""Scores of images and sentences by their regions and words: PyTorch's values and gradients, ties, masks, memory, refusals.

Rungs, finite differences, float32 and layouts are checked through the registry.
"""

import tracemalloc

import numpy as np
import pytest

from tests.device_double import StrictArray
from tinymm import Tensor, grad
from tinymm.autograd.registry import Draw
from tinymm.backend.jit import force_parallel, use_kernels
from tinymm.functional import region_word_scores
from tinymm.ops import region_word_scores as module

MODES = pytest.mark.parametrize("mode", ["numpy", "numba"])


def case(K=3, M=4, T=5, L=2, D=6, seed=0):
    """v, s, regions and words; the first region and the last word of some are not there."""
    draw = Draw(seed)
    regions, words = draw.mask(K, M, p=0.6), draw.mask(T, L, p=0.6)
    regions[0, 0], regions[:, -1], words[0] = False, True, True
    return draw.normal(K, M, D), draw.normal(T, L, D), regions, words


def by_loops(v, s, regions, words, g):
    """S and the derivatives of sum g S, one image, sentence, word and region after another."""
    (K, M, D), (T, L) = v.shape, s.shape[:2]
    S, dv, ds = np.zeros((K, L)), np.zeros_like(v), np.zeros_like(s)
    for k, l, t in np.ndindex(K, L, T):
        if words[t, l]:
            found = [(sum(v[k, i, d] * s[t, l, d] for d in range(D)), -i) for i in range(M) if regions[k, i]]
            score, i = max(found)                          # of equals the one of the largest -i
            S[k, l] += score
            dv[k, -i] += g[k, l] * s[t, l]
            ds[t, l] += g[k, l] * v[k, -i]
    return S, dv, ds


def ours(v, s, regions, words, g):
    tensors = [Tensor(x, requires_grad=True) for x in (v, s)]
    out = region_word_scores(*tensors, *(None if m is None else Tensor(m) for m in (regions, words)))
    return [x.detach().numpy() for x in (out, *grad(out, tensors, Tensor(g)))]


@MODES
def test_by_loops(mode):
    v, s, regions, words = case()
    g = Draw(1).normal(3, 2)
    with use_kernels(mode):
        for x, wanted in zip(ours(v, s, regions, words, g), by_loops(v, s, regions, words, g)):
            np.testing.assert_allclose(x, wanted, rtol=0, atol=1e-13)


@MODES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_lowest_of_equal_regions_is_the_best(mode, dtype):
    """Small integers, whose products and sums are exact: equal to the last bit, and many regions are equally good."""
    draw = Draw(2)
    v, s = draw.integers(-1, 2, 6, 5, 3).astype(dtype), draw.integers(-1, 2, 4, 7, 3).astype(dtype)
    _, _, regions, words = case(6, 5, 4, 7)
    g = draw.integers(-3, 4, 6, 7).astype(dtype)
    found = np.where(regions[:, None, None], np.einsum("kmd,tld->ktlm", v, s), -np.inf)
    assert ((found == found.max(3, keepdims=True)).sum(3) > 1).mean() > 0.3                  # there are ties
    wanted = by_loops(v, s, regions, words, g)
    with use_kernels(mode):
        for x, y in zip(ours(v, s, regions, words, g), wanted):
            assert x.dtype == dtype and np.array_equal(x, y)
    again = [Tensor(x, requires_grad=True) for x in (v, s)]
    defined = module.RegionWordScores.definition(*again, Tensor(regions), Tensor(words))
    for x, y in zip((defined, *grad(defined, again, Tensor(g))), wanted):
        assert np.array_equal(x.detach().numpy(), y)


@pytest.mark.oracle
@MODES
@pytest.mark.parametrize("shape", [(3, 4, 5, 2, 6), (1, 1, 1, 1, 1), (9, 5, 17, 10, 130)])
def test_same_as_pytorch(shape, mode):
    torch = pytest.importorskip("torch")
    v, s, regions, words = case(*shape)
    regions[0, -1] = True
    g = Draw(3).normal(shape[0], shape[3])
    there = [torch.tensor(x, requires_grad=True) for x in (v, s)]
    scores = torch.einsum("kmd,tld->kmtl", *there).masked_fill(~torch.tensor(regions)[:, :, None, None], -torch.inf)
    wanted = (scores.max(1).values * torch.tensor(words)).sum(1)
    wanted.backward(torch.tensor(g))
    with use_kernels(mode):
        for x, y in zip(ours(v, s, regions, words, g), (wanted.detach(), *(t.grad for t in there))):
            np.testing.assert_allclose(x, y.numpy(), rtol=0, atol=1e-9)


@MODES
def test_what_is_not_there_may_be_anything(mode):
    v, s, regions, words = case()
    g = Draw(1).normal(3, 2)
    broken = [np.where(regions[:, :, None], v, np.nan), np.where(words[:, :, None], s, np.inf)]
    with use_kernels(mode):
        for x, y in zip(ours(*broken, regions, words, g), ours(v, s, regions, words, g)):
            np.testing.assert_array_equal(x, y)


@MODES
def test_many_blocks_of_images_and_equal_calls(mode, monkeypatch):
    """Products of one image at a time and threads change nothing; so do words beyond what one sum takes."""
    v, s, regions, words = case(7, 4, 150, 3, 5)
    g = Draw(1).normal(7, 3)
    with use_kernels(mode):
        wanted = ours(v, s, regions, words, g)
        for x, y in zip(wanted, by_loops(v, s, regions, words, g)):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-11)
        monkeypatch.setattr(module, "IMAGES", 1)
        for parallel in (False, True):
            with force_parallel(parallel):
                for x, y in zip(ours(v, s, regions, words, g), wanted):
                    np.testing.assert_allclose(x, y, rtol=0, atol=1e-12)
                for x, y in zip(*(ours(v, s, regions, words, g) for _ in range(2))):
                    assert np.array_equal(x, y)


@MODES
def test_products_are_not_all_in_memory_at_once(mode):
    K, M, T, D = 64, 10, 12, 4
    v, s = (np.ones(shape, np.float32) for shape in ((K, M, D), (T, K, D)))
    g = np.ones((K, K), np.float32)
    with use_kernels(mode):
        ours(v, s, None, None, g)                          # compiles
        products = K * M * T * K * 4
        before, module.IMAGES = module.IMAGES, products // 4 // 32
        tracemalloc.start()
        try:
            ours(v, s, None, None, g)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            module.IMAGES = before
            tracemalloc.stop()
    assert peak < products


@MODES
@pytest.mark.parametrize("needed", [0, 1])
def test_only_the_gradient_that_is_asked_for(mode, needed):
    v, s, regions, words = case()
    with use_kernels(mode):
        wanted = ours(v, s, regions, words, np.ones((3, 2)))[1 + needed]
        tensors = [Tensor(x, requires_grad=i == needed) for i, x in enumerate((v, s))]
        region_word_scores(*tensors, Tensor(regions), Tensor(words)).sum().backward()
    assert tensors[1 - needed].grad is None
    np.testing.assert_allclose(tensors[needed].grad.numpy(), wanted, rtol=1e-13)


@pytest.mark.parametrize("change, message", [
    (dict(v=np.ones((3, 4))), r"v has shape \(3, 4\) and s \(5, 2, 6\); they must be \(K, M, D\) and \(T, L, D\)"),
    (dict(s=np.ones((5, 2, 7))), r"v has shape \(3, 4, 6\) and s \(5, 2, 7\)"),
    (dict(v=np.ones((3, 0, 6)), regions=None), r"v has shape \(3, 0, 6\), images \(K\) without a region"),
    (dict(s=np.ones((0, 2, 6)), words=None), r"s has shape \(0, 2, 6\), sentences \(L\) without a word"),
    (dict(regions=np.ones((4, 3), bool)), r"regions has shape \(4, 3\); it must be \(K, M\) = \(3, 4\)"),
    (dict(words=np.ones((2, 5), bool)), r"words has shape \(2, 5\); it must be \(T, L\) = \(5, 2\)"),
    (dict(regions=np.arange(3)[:, None] * np.ones((3, 4), int) > 0), "regions leaves image 0 without a region"),
    (dict(words=np.ones((5, 1), int) * [1, 0]), "words leaves sentence 1 without a word"),
    (dict(v=np.full((3, 4, 6), np.nan)), "scores are NaN; there are NaN in v$"),
    (dict(s=np.full((5, 2, 6), np.nan)), "scores are NaN; there are NaN in s$"),
    (dict(v=np.full((3, 4, 6), np.inf), s=np.zeros((5, 2, 6))), "scores are NaN; there are infinite numbers in v and s$")])
@MODES
def test_what_it_refuses(mode, change, message):
    arguments = {**dict(zip(("v", "s", "regions", "words"), case())), **change}
    with use_kernels(mode), np.errstate(invalid="ignore"), pytest.raises(ValueError, match="^region_word_scores: " + message):
        region_word_scores(**{name: None if x is None else Tensor(x) for name, x in arguments.items()})


def test_one_nan_among_many_is_seen():
    """In any region and word that is there, whichever comes first."""
    v, s, _, _ = case()
    for mode in ("numpy", "numba"):
        for i in range(4):
            broken = v.copy()
            broken[1, i, 2] = np.nan
            with use_kernels(mode), pytest.raises(ValueError, match="there are NaN in v$"):
                region_word_scores(Tensor(broken), Tensor(s))


def test_what_is_no_tensor_no_mask_and_on_another_device():
    v, s, regions, words = (Tensor(x) for x in case())
    with pytest.raises(TypeError, match="region_word_scores: v is a ndarray, not a Tensor"):
        region_word_scores(v.numpy(), s)
    with pytest.raises(TypeError, match="region_word_scores: s must be floating point, not int64"):
        region_word_scores(v, s.long())
    with pytest.raises(TypeError, match="region_word_scores: words must hold booleans, or 0 and 1"):
        region_word_scores(v, s, regions, words.long() * 2)
    with pytest.raises(RuntimeError, match="region_word_scores: v on cpu, s on double"):
        region_word_scores(v, Tensor(StrictArray(s.numpy().copy())))
