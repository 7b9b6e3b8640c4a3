"""CIDEr and CIDEr-D: the cosine between captions as vectors of n-grams, where n-grams that every image has count little.

Vedantam, Zitnick, Parikh (2015), "CIDEr: consensus-based image description evaluation". Like the COCO caption evaluation,
without stemming. CIDEr-D, section 6 of the paper, is what papers report as CIDEr, and what SCST optimises.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .ngrams import Score, Tokens, check_captions, check_references, ngrams

SIGMA = 6.0   # of CIDEr-D's penalty on lengths


class DocumentFrequency:
    """In how many images' references each n-gram occurs, and the weight that follows from it.

    Without one, ``cider`` and ``cider_d`` count in the references they are given. Rewards of a mini-batch need one of the
    whole training set: in a batch of one image, every n-gram occurs in every image, and all weights are 0.

    Args:
        counts: n-gram -> number of images.
        images: their number.
        n: the longest n-grams counted.
    """

    def __init__(self, counts: dict[tuple, int], images: int, n: int = 4):
        if images < 1:
            raise ValueError(f"DocumentFrequency: images={images} must be at least 1")
        if counts and max(counts.values()) > images:
            gram = max(counts, key=counts.__getitem__)
            raise ValueError(f"DocumentFrequency: {gram} occurs in {counts[gram]} of {images} images")
        self.counts, self.images, self.n = counts, images, n
        self._rare = math.log(images)
        self._weights = {gram: self._rare - math.log(max(1, count)) for gram, count in counts.items()}

    @classmethod
    def from_references(cls, references: Sequence[Sequence[Tokens]], n: int = 4) -> DocumentFrequency:
        """Counted in N lists of token lists, one list an image.

        Raises:
            TypeError: strings in place of token lists.
            ValueError: no images, or one without references.
        """
        check_references("DocumentFrequency.from_references", references)
        return cls._counted([[ngrams(reference, n) for reference in of_image] for of_image in references], n)

    @classmethod
    def _counted(cls, references: list[list[Counter]], n: int) -> DocumentFrequency:
        counts: Counter[tuple] = Counter()
        for of_image in references:
            counts.update(set().union(*of_image))
        return cls(counts, len(references), n)

    def weight(self, gram: tuple) -> float:
        """ln(images / images that have the n-gram); one that none has is taken as in one."""
        return self._weights.get(gram, self._rare)

    def __repr__(self) -> str:
        return f"DocumentFrequency({len(self.counts)} n-grams up to length {self.n}, {self.images} images)"


def cider(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]],
          document_frequency: DocumentFrequency | None = None) -> Score:
    """CIDEr of candidate captions, a mean over images.

    A caption c is, for each n = 1..4, a vector g_n(c) with an entry for each n-gram: its count times ln(N / images whose
    references have it). CIDEr = 10 x the mean, over n and an image's references s, of g_n(c) . g_n(s) / (|g_n(c)| |g_n(s)|).

    Args:
        candidates: N token lists, one an image.
        references: N lists of token lists.
        document_frequency: of the n-grams; counted in ``references`` where none is given. With a single image all weights
            are then 0, and so is the score.

    Raises:
        TypeError: strings in place of token lists.
        ValueError: see ``check_captions``.
    """
    return _mean_cosine("cider", candidates, references, document_frequency, _plain)


def cider_d(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]],
            document_frequency: DocumentFrequency | None = None) -> Score:
    """CIDEr-D of candidate captions, a mean over images: CIDEr that is harder to fool.

    10 x the mean, over n and an image's references s, of
    exp(-(len c - len s)^2 / (2 sigma^2)) min(g_n(c), g_n(s)) . g_n(s) / (|g_n(c)| |g_n(s)|), sigma = 6: the minimum takes
    away what repeating a word gains, the exponential what a wrong length gains.

    Args, Raises: as of ``cider``.
    """
    return _mean_cosine("cider_d", candidates, references, document_frequency, _clipped)


class _Vector(NamedTuple):
    """A caption's weights of n-grams, with their norm for each n."""

    weights: dict[tuple, float]
    norms: list[float]
    length: int


def _vector(tokens: Tokens, counts: Counter, document_frequency: DocumentFrequency) -> _Vector:
    weights = {gram: count * document_frequency.weight(gram) for gram, count in counts.items()}
    squares = [0.0] * document_frequency.n
    for gram, weight in weights.items():
        squares[len(gram) - 1] += weight * weight
    return _Vector(weights, [math.sqrt(square) for square in squares], len(tokens))


def _plain(c: _Vector, s: _Vector) -> float:
    """The sum over n of the cosines of a candidate and a reference."""
    dots = [0.0] * len(c.norms)
    for gram, weight in c.weights.items():
        if gram in s.weights:
            dots[len(gram) - 1] += weight * s.weights[gram]
    return _cosines(dots, c, s)


def _clipped(c: _Vector, s: _Vector) -> float:
    dots = [0.0] * len(c.norms)
    for gram, weight in c.weights.items():
        if gram in s.weights:
            dots[len(gram) - 1] += min(weight, s.weights[gram]) * s.weights[gram]
    return _cosines(dots, c, s) * math.exp(-(c.length - s.length) ** 2 / (2 * SIGMA**2))


def _cosines(dots: list[float], c: _Vector, s: _Vector) -> float:
    return sum(dot / (a * b) for dot, a, b in zip(dots, c.norms, s.norms) if a and b)


def _mean_cosine(name, candidates, references, document_frequency, similarity) -> Score:
    check_captions(name, candidates, references)
    if not isinstance(document_frequency, (DocumentFrequency, type(None))):
        raise TypeError(f"{name}: document_frequency is a {type(document_frequency).__name__}; make one with "
                        "DocumentFrequency.from_references")
    n = 4 if document_frequency is None else document_frequency.n
    counts = [[ngrams(reference, n) for reference in of_image] for of_image in references]
    frequency = DocumentFrequency._counted(counts, n) if document_frequency is None else document_frequency
    scores = []
    for candidate, of_image, counts_of_image in zip(candidates, references, counts):
        c = _vector(candidate, ngrams(candidate, n), frequency)
        total = sum(similarity(c, _vector(s, k, frequency)) for s, k in zip(of_image, counts_of_image))
        scores.append(10 * total / n / len(of_image))
    return Score.of(scores)
