"""Visual N-Grams (Li, Jabri, Joulin and van der Maaten 2017): which phrases go with a picture.

    p_obs(w | phi) ~ exp(-e_w . phi)   over the phrases w of a dictionary D          (the minus is the paper's)
    naive:            L = - sum over the phrases of a comment that are in D of ln p_obs(w | phi)
    Jelinek-Mercer:   p(w_i | w_{i-n+1..i-1}) = lambda p_obs(w_i | w_{i-n+1..i-1}) + (1 - lambda) p(w_i | w_{i-n+2..i-1})
                      L = - sum over i of ln p(w_i | the words before it)

p_obs of a word after others is the ratio of two phrases' p_obs, 0 where the longer one is not in D; for the
word alone, p is p_obs itself. As all phrases share one softmax, a ratio can exceed 1: these are scores that
behave like probabilities, as in the paper. For the same reason the smoothed loss has no lower bound: in
"a b c" the ratios have p_obs(a b) p_obs(b c) / p_obs(b), which grows without end as p_obs(b) vanishes. Hence
all is computed in logarithms, which do not overflow. A phrase that is not in D has no naive score, but a
smoothed one, as long as each of its words is in D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import functional as F
from .. import nn
from ..autograd import Tensor, no_grad
from ..backend.arrays import to_device
from ..text.ngram_dictionary import NGramDictionary

LOSSES = ("naive", "jelinek_mercer")


class VisualNGrams(nn.Module):
    """Embeddings of phrases, for features of pictures.

    Args:
        features: length d of phi(I).
        dictionary: D.
        smoothing: lambda of Jelinek-Mercer, between 0 and 1.
        stochastic: in training, normalise over the phrases of the batch only (the paper's stochastic output
            layer).

    Attributes:
        e: (|D|, d), the phrases' embeddings.
    """

    def __init__(self, features: int, dictionary: NGramDictionary, smoothing: float = 0.2, stochastic: bool = False):
        super().__init__()
        if not 0 < smoothing < 1:
            raise ValueError(f"VisualNGrams: smoothing={smoothing} must lie between 0 and 1")
        self.dictionary, self.smoothing, self.stochastic = dictionary, smoothing, stochastic
        self.e = nn.Parameter(np.zeros((len(dictionary), features), dtype=np.float32))
        nn.init.normal_(self.e, std=features**-0.5)

    def log_p_obs(self, phi: Tensor, chosen: np.ndarray | None = None) -> Tensor:
        """ln p_obs of all phrases, (B, |D|), or of some, normalised among themselves.

        Args:
            phi: (B, d).
            chosen: (M,) ids.
        """
        e = self.e if chosen is None else self.e[Tensor(to_device(chosen, self.e.device))]
        return F.log_softmax(-(phi @ e.T), dim=1)

    def loss(self, phi: Tensor, comments: Sequence[Sequence[str]], kind: str = "jelinek_mercer") -> Tensor:
        """The mean over pictures of the loss of their comments.

        Args:
            phi: (B, d), features of the pictures.
            comments: B lists of words. Words that are not in D are left out of the sums, with what follows
                from them.
            kind: "naive" or "jelinek_mercer".

        Raises:
            ValueError: another number of comments, an unknown ``kind``, or no phrase of any comment in D.
        """
        if kind not in LOSSES or len(comments) != phi.shape[0]:
            raise ValueError(f"VisualNGrams.loss: kind={kind!r} for {len(comments)} comments and {phi.shape[0]} pictures; choose "
                             f"from {', '.join(LOSSES)}, with one comment a picture")
        ids = [self.dictionary.ids(words) for words in comments]
        picture = np.repeat(np.arange(len(ids)), [len(rows) for rows in ids])
        rows, before = np.concatenate(ids), np.concatenate([_before(rows) for rows in ids])   # (M, order) each
        known = rows[:, 0] >= 0
        picture, rows, before = picture[known], rows[known], before[known]
        if not len(rows):
            raise ValueError("VisualNGrams.loss: no word of these comments is in the dictionary")
        chosen = None
        if self.stochastic and self.training:
            chosen = np.unique(np.concatenate([rows[rows >= 0], before[before >= 0]]))
            renumber = np.full(len(self.dictionary) + 2, -1)
            renumber[chosen], renumber[-2] = np.arange(len(chosen)), -2
            rows, before = renumber[rows], renumber[before]   # -1 and -2 stay: they are the last two places
        log_p = self.log_p_obs(phi, chosen)
        if kind == "naive":
            m, n = np.nonzero(rows >= 0)
            total = log_p[self._index(picture[m], rows[m, n])].sum()
        else:
            total = self._log_smoothed(log_p, picture, rows, before).sum()
        return -total / len(comments)

    def _log_smoothed(self, log_p: Tensor, picture: np.ndarray, rows: np.ndarray, before: np.ndarray) -> Tensor:
        """ln p of M words, each given the longest history it has; ``rows`` and ``before`` (M, order) as ``_before`` makes them."""
        found = log_p[self._index(picture, rows[:, 0])]                                     # (M,), the word alone
        for n in range(1, rows.shape[1]):
            has_history = before[:, n] > -2                                                 # the sentence has n words before it
            seen = (rows[:, n] >= 0) & (before[:, n] >= 0)
            ratio = (log_p[self._index(picture, np.maximum(rows[:, n], 0))]
                     - log_p[self._index(picture, np.maximum(before[:, n], 0))])
            mask = lambda x: Tensor(to_device(x, log_p.device))
            found = F.where(mask(has_history), math.log(1 - self.smoothing) + found, found)
            found = F.where(mask(seen), F.logaddexp(math.log(self.smoothing) + ratio, found), found)   # seen has a history
        return found

    def _index(self, *arrays: np.ndarray) -> tuple[Tensor, ...]:
        return tuple(Tensor(to_device(a, self.e.device)) for a in arrays)

    def score(self, phi: Tensor, phrases: Sequence[Sequence[str]], kind: str = "jelinek_mercer") -> np.ndarray:
        """How well phrases, such as names of classes, fit pictures: logarithms (B, P).

        Args:
            phi: (B, d).
            phrases: P lists of words.
            kind: "naive" (the phrase's own ln p_obs; -inf where it is not in D) or "jelinek_mercer" (its
                words one after the other; -inf where one of them is not in D).
        """
        found = np.full((phi.shape[0], len(phrases)), -np.inf)
        with no_grad():
            log_p = self.log_p_obs(phi)
            for k, words in enumerate(phrases):
                if kind == "naive":
                    if words in self.dictionary:
                        found[:, k] = log_p.cpu().numpy()[:, self.dictionary[words]]
                    continue
                rows = self.dictionary.ids(words)
                if (rows[:, 0] < 0).any() or not len(rows):
                    continue
                B, T = phi.shape[0], len(rows)
                each = self._log_smoothed(log_p, np.repeat(np.arange(B), T), np.tile(rows, (B, 1)), np.tile(_before(rows), (B, 1)))
                found[:, k] = each.cpu().numpy().reshape(B, T).sum(1)
        return found


def _before(rows: np.ndarray) -> np.ndarray:
    """For each word and each length of history the id of that history: -1 where D lacks it, -2 where the sentence does.

    Args:
        rows: (T, order), see ``NGramDictionary.ids``.
    """
    found = np.full_like(rows, -2)
    for n in range(1, rows.shape[1]):
        found[n:, n] = rows[n - 1:-1, n - 1]   # n words that end one earlier
    return found
