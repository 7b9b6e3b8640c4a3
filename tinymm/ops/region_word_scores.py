"""The scores of images and sentences by their regions and words (Karpathy and Fei-Fei 2015, equation 8; the slide's S_kl).

    S_kl = sum over the words t of sentence l of max over the regions i of image k of v_i . s_t

A word looks for its best region in every image, and only that region has a gradient:

    dL/dv_i = sum of g_kl s_t over the words t, of all sentences l, whose best region in image k is i
    dL/ds_t = sum over the images k of g_kl v_i, with i the best region of t in k

The products v_i . s_t are made a few images at a time, and of them only the number of the best region is kept: four bytes for
an image and a word.
"""

from __future__ import annotations

import numpy as np

from ..autograd.choice import where
from ..autograd.linalg import matmul
from ..autograd.registry import Sample, register
from ..autograd.scatter import take_along_dim
from ..autograd.shape import reshape, transpose
from ..autograd.reduction import sum
from ..autograd.tensor import Tensor, wrap
from ..backend.arrays import to_host, xp_of
from ..backend.jit import kernel, prange, shares
from ..backend.products import matmul as product
from ..backend.sums import BLOCK, total
from .checks import as_tensor, floating, one_device, same_dtype
from .fused import Fused

IMAGES = 1 << 20   # products of regions and words that are in memory at once, where one image has no more
COLUMNS = 128      # of vectors that are added at once: the rows of 2000 regions then fit into a cache


class RegionWordScores(Fused):
    """S (K, L) from v (K, M, D), s (T, L, D), and the masks regions (K, M) and words (T, L), each None for all."""

    name = "region_word_scores"

    # ------------------------------------------------------------------ rung 1: the formula

    @staticmethod
    def definition(v, s, regions, words):
        (K, M, D), (T, L) = v.shape, s.shape[:2]
        if regions is not None:
            v = where(regions[:, :, None], v, 0.0)          # what is hidden may be anything, NaN too
        if words is not None:
            s = where(words[:, :, None], s, 0.0)
        scores = reshape(matmul(reshape(v, (K * M, D)), transpose(reshape(s, (T * L, D)), 0, 1)), (K, M, T, L))
        if regions is not None:
            scores = where(regions[:, :, None, None], scores, -np.inf)
        best = take_along_dim(scores, wrap(scores._data.argmax(1)[:, None]), 1)[:, 0]   # (K, T, L)
        return sum(best if words is None else where(words, best, 0.0), 1)

    # ------------------------------------------------------------------ rung 2: NumPy

    def forward_numpy(self, v, s, regions, words):
        self.v, self.s, self.regions, self.words = v, s, regions, words
        xp, (K, M, D), (T, L) = xp_of(v), v.shape, s.shape[:2]
        S, self.best = xp.empty((K, L), v.dtype), xp.empty((K, T * L), np.int32)
        s2 = _shown(s, words).reshape(T * L, D)
        for part in _parts(K, M * T * L):
            k = part.stop - part.start
            x = product(v[part].reshape(k * M, D), s2.T).reshape(k, M, T * L)
            if regions is not None:
                x = xp.where(regions[part][:, :, None], x, -np.inf)
            self.best[part] = x.argmax(1)
            top = x.max(1).reshape(k, T, L)
            S[part] = total(top if words is None else xp.where(words, top, 0), 1)
        return S

    def backward_numpy(self, g):
        xp, (K, M, D), (T, L) = xp_of(g), self.v.shape, self.s.shape[:2]
        v, s2 = _shown(self.v, self.regions), _shown(self.s, self.words).reshape(T * L, D)
        dv, ds = xp.empty(v.shape, g.dtype), xp.zeros(s2.shape, g.dtype)
        for part in _parts(K, M * T * L):
            k = part.stop - part.start
            of_words = xp.broadcast_to(g[part][:, None], (k, T, L))
            if self.words is not None:
                of_words = xp.where(self.words, of_words, 0)
            chosen = self.best[part][:, None] == xp.arange(M, dtype=np.int32)[:, None]       # (k, M, T L)
            dx = xp.where(chosen, of_words.reshape(k, 1, T * L), 0).reshape(k * M, T * L)
            dv[part] = product(dx, s2).reshape(k, M, D)
            ds += product(dx.T, v[part].reshape(k * M, D))
        return dv, ds.reshape(self.s.shape), None, None

    # ------------------------------------------------------------------ rung 3: Numba

    def forward_numba(self, v, s, regions, words):
        (K, M, D), (T, L) = v.shape, s.shape[:2]
        self.v, self.s = v, s
        v2, s2 = v.reshape(K * M, D), s.reshape(T * L, D)
        rows, first = _shown_rows(regions, K, M)         # regions that are there; where those of an image begin
        self.places = np.arange(T * L) if words is None else np.flatnonzero(words)
        self.sentences = self.places % L
        if words is not None:
            s2 = s2[self.places]
        n = self.places.size
        S, self.best = np.empty((K, L), v.dtype), np.empty((K, n), np.int32)
        for part in _parts(K, M * n):
            a, b = first[part.start], first[part.stop]
            x = product(v2[a:b] if regions is None else v2[rows[a:b]], s2.T)      # (regions, words)
            _choose(x, rows, first, part.start, part.stop, self.sentences, self.best, S, work=x.size)
        return S

    def backward_numba(self, g):
        (K, M, D), (T, L) = self.v.shape, self.s.shape[:2]
        regions, words, size = K * M, T * L, self.best.size
        begin_v, begin_s = np.zeros(regions + 1, np.int64), np.zeros(words + 1, np.int64)
        of_v, of_s = np.empty((2, size), np.int32)
        by_v, by_s = np.empty((2, size), g.dtype)
        _list(g, self.best, self.places, self.sentences, begin_v, of_v, by_v, begin_s, of_s, by_s)
        grads: list = [None, None]
        for i, (x, y, begin, of, by) in enumerate(((self.v, self.s, begin_v, of_v, by_v), (self.s, self.v, begin_s, of_s, by_s))):
            if self.needs[i]:
                dx = grads[i] = np.empty(x.shape, g.dtype)
                work = int(begin[-1]) * D
                _add(begin, of, by, y.reshape(-1, D), dx.reshape(-1, D), shares(begin.size - 1, work), work=work)
        return (*grads, None, None)


def _parts(images: int, products: int):
    """Slices of the images whose products, ``products`` an image, are in memory together; at most BLOCK of them."""
    step = max(1, IMAGES // max(products, 1), -(-images // BLOCK))
    return [slice(i, min(i + step, images)) for i in range(0, images, step)]


def _shown(x, mask):
    """The vectors, with zeros in place of those that are not there."""
    return x if mask is None else xp_of(x).where(mask[:, :, None], x, 0).astype(x.dtype, copy=False)


def _shown_rows(regions, K: int, M: int):
    """The rows of v (K M, D) that are there, and where those of each image begin among them, (K + 1,)."""
    if regions is None:
        return np.arange(K * M), np.arange(0, K * M + 1, M)
    first = np.zeros(K + 1, np.int64)
    np.cumsum(regions.sum(1), out=first[1:])
    return np.flatnonzero(regions), first


@kernel(parallel=True)
def _choose(x, rows, first, start, stop, sentences, best, S):
    n, L = x.shape[1], S.shape[1]
    for k in prange(start, stop):
        top, place = x[first[k] - first[start]], best[k]      # the first region's row becomes that of the best
        for j in range(n):
            place[j] = rows[first[k]]
        for i in range(first[k] + 1, first[k + 1]):
            row, this = x[i - first[start]], np.int32(rows[i])
            for j in range(n):
                a, b, p = row[j], top[j], place[j]        # read before the choice, so that it becomes one of vectors
                better = a > b or a != a                  # a NaN stays, and is seen in S
                top[j] = a if better else b
                place[j] = this if better else p
        sums = np.zeros(L, np.float64)
        for j in range(n):
            sums[sentences[j]] += top[j]
        for l in range(L):
            S[k, l] = sums[l]


@kernel
def _list(g, best, places, sentences, begin_v, of_v, by_v, begin_s, of_s, by_s):
    """For every region the words that chose it and their g, for every word its regions; pairs with g = 0 are left out."""
    K, n = best.shape
    for k in range(K):
        for j in range(n):
            if g[k, sentences[j]] != 0:
                begin_v[best[k, j] + 1] += 1
                begin_s[places[j] + 1] += 1
    for begin in (begin_v, begin_s):
        for r in range(1, begin.size):
            begin[r] += begin[r - 1]
    next_v, next_s = begin_v[:-1].copy(), begin_s[:-1].copy()
    for k in range(K):
        for j in range(n):
            weight = g[k, sentences[j]]
            if weight != 0:
                row, place = best[k, j], places[j]
                of_v[next_v[row]], by_v[next_v[row]] = place, weight
                of_s[next_s[place]], by_s[next_s[place]] = row, weight
                next_v[row] += 1
                next_s[place] += 1


@kernel(parallel=True)
def _add(begin, of, by, x, y, pieces):
    """y[r] = sum of by[e] x[of[e]] over the entries e of row r, COLUMNS columns at a time."""
    rows, D = y.shape
    strips = (D + COLUMNS - 1) // COLUMNS
    for job in prange(strips * pieces):
        strip, piece = job // pieces, job % pieces
        left, width = strip * COLUMNS, min(COLUMNS, D - strip * COLUMNS)
        part, sums = np.empty(COLUMNS, y.dtype), np.empty(COLUMNS, np.float64)
        for r in range(rows * piece // pieces, rows * (piece + 1) // pieces):
            out = y[r, left:left + width]
            sums[:] = 0
            for start in range(begin[r], begin[r + 1], BLOCK):
                stop = min(start + BLOCK, begin[r + 1])
                part[:] = 0
                e = start
                while e + 4 <= stop:
                    a, b, c, d = (x[of[e], left:left + width], x[of[e + 1], left:left + width],
                                  x[of[e + 2], left:left + width], x[of[e + 3], left:left + width])
                    p, q, u, w = by[e], by[e + 1], by[e + 2], by[e + 3]
                    for i in range(width):
                        part[i] += (p * a[i] + q * b[i]) + (u * c[i] + w * d[i])
                    e += 4
                while e < stop:
                    a, p = x[of[e], left:left + width], by[e]
                    for i in range(width):
                        part[i] += p * a[i]
                    e += 1
                for i in range(width):
                    sums[i] += part[i]
            for i in range(width):
                out[i] = sums[i]


def region_word_scores(v: Tensor, s: Tensor, regions: Tensor | None = None, words: Tensor | None = None) -> Tensor:
    """S_kl = sum_t max_i v_i . s_t: how well the words of sentence l fit the regions of image k.

    Gradient: for the region i that is the best of image k for a word t of sentence l, the lowest of equals:
    dL/dv_i = the sum of g_kl * s_t over such words; dL/ds_t = the sum of g_kl * v_i over the images. Other regions have
    none.

    Args:
        v: (K, M, D), M regions of K images.
        s: (T, L, D), T words of L sentences, time first.
        regions: (K, M), True (or 1) for the regions that are there; None for all. What is not there is never the best.
        words: (T, L), True (or 1) for the words that are there; None for all. What is not there adds nothing.

    Returns:
        S (K, L).

    Raises:
        ValueError: shapes that do not fit; no region or no word; an image without a region or a sentence without a word that
            is there; scores that are NaN (what is not there may be).
        TypeError: vectors that are not floating point, masks of other numbers than 0 and 1.
    """
    name = "region_word_scores"
    floating(name, "v", v), floating(name, "s", s)
    if v.ndim != 3 or s.ndim != 3 or v.shape[2] != s.shape[2]:
        raise ValueError(f"{name}: v has shape {v.shape} and s {s.shape}; they must be (K, M, D) and (T, L, D)")
    if v.shape[1] == 0:
        raise ValueError(f"{name}: v has shape {v.shape}, images (K) without a region (M); give each one at least")
    if s.shape[0] == 0:
        raise ValueError(f"{name}: s has shape {s.shape}, sentences (L) without a word (T); give each one at least")
    one_device(name, v=v, s=s, regions=regions, words=words)
    regions = _checked(name, "regions", regions, v.shape[:2], "(K, M)", 1, "image", "region")
    words = _checked(name, "words", words, s.shape[:2], "(T, L)", 0, "sentence", "word")
    v, s = same_dtype(v, s)
    S = RegionWordScores.apply(v, s, regions, words)
    if bool(np.isnan(S._data).any()):
        broken = [argument for argument, x in (("v", v), ("s", s)) if bool(np.isnan(x._data).any())]
        why = f"NaN in {' and '.join(broken)}" if broken else "infinite numbers in v and s"
        raise ValueError(f"{name}: scores are NaN; there are {why}")
    return S


def _checked(name: str, argument: str, mask, shape: tuple, axes: str, axis: int, owner: str, part: str) -> Tensor | None:
    """A mask as booleans, if it has the shape and leaves something of each ``owner``."""
    if mask is None:
        return None
    if as_tensor(name, argument, mask).shape != shape:
        raise ValueError(f"{name}: {argument} has shape {mask.shape}; it must be {axes} = {shape}")
    x = mask._data
    if x.dtype.kind != "b":
        x, given = x != 0, x
        if bool(((given != 0) & (given != 1)).any()):
            raise TypeError(f"{name}: {argument} must hold booleans, or 0 and 1; it has other numbers")
    empty = ~x.any(axis)
    if bool(empty.any()):
        raise ValueError(f"{name}: {argument} leaves {owner} {int(to_host(empty.argmax()))} without a {part}; each needs one")
    return wrap(x)


def _samples(draw):
    for K, L, M, T, D in ((2, 2, 3, 2, 4), (3, 2, 2, 3, 5), (1, 1, 1, 1, 1), (0, 2, 3, 2, 4), (2, 0, 3, 2, 4), (2, 3, 2, 4, 0)):
        yield Sample(draw.normal(K, M, D), draw.normal(T, L, D))
    regions, words = draw.mask(3, 4, p=0.5), draw.mask(5, 2, p=0.5)
    regions[:, 2] = words[0] = True                                       # not the first: what is hidden would win ties
    yield Sample(draw.normal(3, 4, 6), draw.normal(5, 2, 6), regions, words)
    yield Sample(draw.normal(3, 4, 6), draw.normal(5, 2, 6), regions=regions)
    yield Sample(draw.normal(3, 4, 6), draw.normal(5, 2, 6), words=words.astype(np.int64))
    yield Sample(-draw.uniform(2, 3, 3), draw.uniform(3, 2, 3), np.asarray([[1, 0, 1], [0, 1, 1]]))   # all scores below 0
    yield Sample(draw.normal(9, 5, 130), draw.normal(17, 10, 130))        # two strips of columns, more than BLOCK words


register("region_word_scores", region_word_scores, _samples, fused=RegionWordScores)
