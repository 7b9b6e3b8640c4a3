"""Exercise 3: the score of an image and a sentence, their alignment; extra: the ranking loss, the bidirectional encoder."""

from __future__ import annotations

from functools import partial
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope, words as mask_of

# ---------------------------------------------------------------------- the score of an image and a sentence

def _products(v, s):
    """v_i . s_t of all images and sentences, (K, L, T, M)."""
    return F.einsum("kmd,tld->kltm", v, s)


def _hidden(scores, there):
    return scores.masked_fill(there.logical_not(), -np.inf)


def _taken(scores, index):
    """scores[..., index], with the gradient to that place."""
    return scores.gather(3, Tensor(index[..., None])).squeeze(3)


def _first_best(scores, there):
    """The best region that is there, of equal ones the lowest, for each word."""
    return _taken(scores, np.array(_hidden(scores, there)._data).argmax(3))


def _of_words(told, words):
    return (told * words).sum(2)


def image_sentence_score(v, s, regions, words, alike: Callable = _products, best: Callable = _first_best,
                         total: Callable = _of_words):
    """S_kl = sum_t max_i v_i . s_t as (K, L); v (K, M, D), s (T, L, D), regions (K, M), words (T, L).

    The rest is for the variants: the score of a region and a word; what a word takes of its scores with the regions; and how
    the words add up.
    """
    return total(best(alike(v, s), regions.unsqueeze(1).unsqueeze(1)), words.T)      # there (K, 1, 1, M), words.T (L, T)


SCORE = partial(partial, image_sentence_score)


def _cosines(v, s):
    return _products(v / F.sqrt((v * v).sum(2, keepdim=True)), s / F.sqrt((s * s).sum(2, keepdim=True)))


def _expected(scores, there):
    return (_hidden(scores, there).softmax(3) * scores).sum(3)


def _sum_there(scores, there):
    return (scores * there).sum(3)


def _mean_there(scores, there):
    return _sum_there(scores, there) / there.sum(3)


def _zeroed(scores, there):
    return _first_best(scores * there, there | True)


def _competing(scores, there):
    return _first_best(scores, there | True)


def _one_region(v, s, regions, words):
    """One region for the whole sentence: max_i sum_t."""
    told = (_products(v, s) * words.T.unsqueeze(0).unsqueeze(3)).sum(2)               # (K, L, M)
    return told.masked_fill(regions.unsqueeze(1).logical_not(), -np.inf).amax(2)


def _regions_look(v, s, regions, words):
    """Every region takes its best word: sum_i max_t."""
    scores = _products(v, s).masked_fill(words.T.unsqueeze(0).unsqueeze(3).logical_not(), -np.inf)
    return (scores.amax(2) * regions.unsqueeze(1)).sum(2)


def _best_word(told, words):
    return told.masked_fill(words.logical_not(), -np.inf).amax(2)


def _slope_to(weights: Callable):
    """The right maximum, whose gradient goes to the regions with ``weights(scores, there, hidden)``, (K, L, T, M)."""
    def best(scores, there):
        told, fixed = _first_best(scores, there), scores.detach()
        return with_slope(told, (weights(fixed, there, _hidden(fixed, there)) * scores).sum(3))
    return best


def _equal(scores, there, hidden):
    return hidden == hidden.amax(3, keepdim=True)


def _last_best(scores, there, hidden):
    index = hidden.shape[3] - 1 - np.array(hidden._data)[..., ::-1].argmax(3)
    return Tensor(np.arange(hidden.shape[3]) == index[..., None])


def _best_of_all(scores, there, hidden):
    return Tensor(np.arange(scores.shape[3]) == np.array(scores._data).argmax(3)[..., None])


def _apart(v, s, regions, words, to_v: Callable = _of_words, to_s: Callable = _of_words):
    """The right scores, with the gradients of v and of s by other sums over the words."""
    right = image_sentence_score(v, s, regions, words)
    return with_slope(right, image_sentence_score(v, s.detach(), regions, words, total=to_v)
                      + image_sentence_score(v.detach(), s, regions, words, total=to_s))


def _once(order: Callable[[np.ndarray], Iterator[tuple[Any, int, int]]]):
    """Of the gradients that arrive at one region from several words, only the last is kept.

    Args:
        order: ``order(words)``, words (L, T), gives (group, l, t) in the order of assignment; only within a group does one
            overwrite another.
    """
    def variant(v, s, regions, words):
        index = np.array(_hidden(_products(v, s), regions.unsqueeze(1).unsqueeze(1))._data).argmax(3)     # (K, L, T)
        keep = np.zeros(index.shape, dtype=bool)
        for k in range(len(index)):
            last = {(group, index[k, n, t]): (n, t) for group, n, t in order(np.array(words._data).T)}
            for n, t in last.values():
                keep[k, n, t] = True
        return _apart(v, s, regions, words, to_v=lambda told, words: _of_words(told * Tensor(keep), words))
    return variant


def _sentence_by_sentence(words):
    return ((0, n, t) for n, t in np.ndindex(words.shape))


def _word_by_word(words):
    return ((0, n, t) for t, n in np.ndindex(words.shape[::-1]))


def _within_words(words):
    return ((t, n, t) for n, t in np.ndindex(words.shape))


def _within_sentences(words):
    return ((n, n, t) for n, t in np.ndindex(words.shape))


def _without_pads(words):
    return ((0, n, t) for n, t in np.ndindex(words.shape) if words[n, t])


def _within_sentences_without_pads(words):
    return ((n, n, t) for n, t in np.ndindex(words.shape) if words[n, t])


def _last_image(told, words):
    return _of_words(told * Tensor(np.arange(told.shape[0]) == told.shape[0] - 1).unsqueeze(1).unsqueeze(2), words)


def _pads(told, words):
    return told.sum(2)


def image_sentence_score_cases(draw: Draw) -> list[Case]:
    def case(name, regions, lengths, D, **options):
        regions = np.array(regions, dtype=bool)
        return Case(name, {"v": draw.normal(*regions.shape, D), "s": draw.normal(max(lengths), len(lengths), D), "regions": regions,
                           "words": mask_of(*lengths).T}, **options)

    usual = [case("", [[1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], (6, 4), 5, differences=True),
             case("one image and one sentence", [[1, 1, 0]], (2,), 4),
             case("one region", [[1], [1]], (1, 3, 2), 2)]
    there = np.array([[0, 1, 1, 1], [1, 1, 0, 1]], dtype=bool)
    equal = np.array([[2, 2, 1, 2], [1, 1, -2, 1]])[..., None] * np.array([0.5, -1.0])        # (K, M, D), some regions are the same
    far = 1e5 * (1 + draw.uniform(2, 4, 3, low=0.0)) * np.where(there, 1.0, 1e-3)[..., None]
    return [*usual,
            Case("equal regions", {"v": equal, "s": draw.integers(1, 4, 3, 3, 2) * np.array([0.5, -1.0]), "regions": there,
                                   "words": mask_of(3, 2, 3).T},
                 hint="of several equal regions that are there, the one of the lowest index gets the whole gradient: np.argmax "
                 "takes it, and scores == scores.max() takes all"),
            Case("scores near -1e10", {"v": far, "s": -1e5 * (1 + draw.uniform(3, 2, 3, low=0.0)), "regions": there,
                                       "words": mask_of(3, 2).T},
                 hint="a large negative number is not small enough: a region that is not there has the score -inf "
                 "(np.where(regions, scores, -np.inf)), and a running maximum begins there")]


SUMMED = "a region that is the best for several words gets the sum of their gradients, and here only "
ADD_AT = "; np.add.at(dv, (image, best), gradients) adds them all up"

IMAGE_SENTENCE_SCORE = Task(
    "image_sentence_score", "image_sentence_score_forward", "image_sentence_score_backward", ("S",), ("v", "s"),
    {"v": "K M D", "s": "T L D", "regions": "K M", "words": "T L", "S": "K L"}, image_sentence_score, image_sentence_score_cases, (
        Mistake("the gradient of the maximum goes to all regions; it goes to the best one alone",
                SCORE(best=_slope_to(lambda scores, there, hidden: there))),
        Mistake("the gradient of the maximum goes to all regions, also to those that are not there; it goes to the best one alone",
                SCORE(best=_slope_to(lambda scores, there, hidden: there | True))),
        Mistake("the gradient is that of a mean over the regions; that of a maximum goes to the best one alone",
                SCORE(best=_slope_to(lambda scores, there, hidden: there.double() / there.sum(3, keepdim=True)))),
        Mistake("the gradient is spread by a softmax; that of a maximum goes to the best region alone",
                SCORE(best=_slope_to(lambda scores, there, hidden: hidden.softmax(3)))),
        Mistake("the gradient goes to the best of all places; it goes to the best region that is there: argmax after the mask",
                SCORE(best=_slope_to(_best_of_all))),
        Mistake("each of several equal regions gets the whole gradient (scores == scores.max()); it goes to that of the lowest "
                "index alone", SCORE(best=_slope_to(_equal))),
        Mistake("the gradient is shared by equal regions; it goes to that of the lowest index alone", SCORE(best=_slope_to(
            lambda *args: _equal(*args).double() / _equal(*args).sum(3, keepdim=True)))),
        Mistake("of equal regions that of the highest index gets the gradient; it goes to that of the lowest",
                SCORE(best=_slope_to(_last_best))),
        Mistake("words that are not there send and get a gradient: they add nothing to S (words)",
                SCORE(total=lambda told, words: with_slope(_of_words(told, words), _pads(told, words)))),
        Mistake("words that are not there get a gradient: ds is 0 at them", partial(_apart, to_s=_pads)),
        Mistake("words that are not there send a gradient to regions: they add nothing to S, so nothing to dv",
                partial(_apart, to_v=_pads)),
        Mistake(f"{SUMMED}the last is kept (`=` in place of `+=`? dv[image, best] += ... counts a region once, too){ADD_AT}",
                _once(_sentence_by_sentence)),
        Mistake(f"{SUMMED}that of the last step is kept (`=` in place of `+=`? dv[image, best] += ... counts a region once, "
                f"too){ADD_AT}", _once(_word_by_word)),
        Mistake(f"{SUMMED}one of each step is: dv[image, best_t] += ... counts a region once that words of several sentences "
                f"take{ADD_AT}", _once(_within_words)),
        Mistake(f"{SUMMED}one of each sentence is: dv[image, best_l] += ... counts a region once that several words of a sentence "
                f"take{ADD_AT}", _once(_within_sentences)),
        Mistake(f"{SUMMED}that of the last word is kept (`=` in place of `+=`?)", _once(_without_pads)),
        Mistake(f"{SUMMED}one of each sentence is: dv[k, best] += ... counts a region once that several words of a sentence "
                f"take{ADD_AT}", _once(_within_sentences_without_pads)),
        Mistake("ds is that of the last image alone (`=` in place of `+=`?): every image scores the word, and their gradients add "
                "up",
                partial(_apart, to_s=_last_image)),
        Mistake("dv is missing where a word's best region is found: v gets g s_t, as s_t gets g v_i",
                partial(_apart, to_v=lambda told, words: 0 * told.sum(2))),
        Mistake("the mean over the regions; each word takes its best region: max over i", SCORE(best=_mean_there)),
        Mistake("the mean over all places of regions; each word takes the best of the regions that are there: max over i",
                SCORE(best=lambda scores, there: scores.mean(3))),
        Mistake("the mean over the regions, those that are not there with 0; each word takes its best region: max over i",
                SCORE(best=lambda scores, there: (scores * there).mean(3))),
        Mistake("the regions are weighed by a softmax, as in attention; here each word takes its best region alone: max over i",
                SCORE(best=_expected)),
        Mistake("log sum exp in the place of the maximum",
                SCORE(best=lambda scores, there: F.logsumexp(_hidden(scores, there), dim=3))),
        Mistake("the sum over the regions; each word takes its best region: max over i", SCORE(best=_sum_there)),
        Mistake("the sum over the regions of max(0, v_i . s_t), the score of an earlier paper; here it is max over i",
                SCORE(best=lambda scores, there: _sum_there(F.relu(scores), there))),
        Mistake("each word takes its worst region (min); it is max over i",
                SCORE(best=lambda scores, there: -_first_best(-scores, there))),
        Mistake("the cosine: v_i . s_t is the inner product, in which the lengths of both count", SCORE(alike=_cosines)),
        Mistake("the scores are divided by sqrt(D), as in attention; here v_i . s_t stands alone",
                SCORE(alike=lambda v, s: _products(v, s) / float(np.sqrt(v.shape[2])))),
        Mistake("regions that are not there are scored 0, and win where all others are negative: give them -inf before the maximum",
                SCORE(best=_zeroed)),
        Mistake("regions that are not there take part in the maximum: give them -inf (regions)", SCORE(best=_competing)),
        Mistake("words that are not there are counted: the sum is over the words of the sentence (words)", SCORE(total=_pads)),
        Mistake("neither mask is used: regions that are not there win, and words that are not there count",
                SCORE(best=_competing, total=_pads)),
        Mistake("regions that are not there are scored 0, and words that are not there are counted: -inf for those, nothing for "
                "these",
                SCORE(best=_zeroed, total=_pads)),
        Mistake("the maximum is cut at 0; scores may be negative",
                SCORE(best=lambda scores, there: F.relu(_first_best(scores, there)))),
        Mistake("the maximum of |v_i . s_t|; a negative score is a bad one",
                SCORE(best=lambda scores, there: _first_best(F.abs(scores), there))),
        Mistake("one region for the whole sentence: the maximum is inside the sum, each word has its own", _one_region),
        Mistake("maximum and sum are exchanged: every word takes its best region, and the sum is over the words", _regions_look),
        Mistake("averaged over the words of the sentence; S is their sum",
                SCORE(total=lambda told, words: _of_words(told, words) / words.sum(1))),
        Mistake("averaged over all places of words; S is the sum over the words that are there",
                SCORE(total=lambda told, words: _of_words(told, words) / told.shape[2])),
        Mistake("only the best word counts; S is the sum over the words", SCORE(total=_best_word)),
    ), points=(6, 6))


# ---------------------------------------------------------------------- the alignment of a sentence

def _stays_else_lowest(reach: list[float], i: int) -> int:
    """The region before, when the word takes i: i itself where that is as good as any, else the lowest of the best."""
    return i if reach[i] == max(reach) else reach.index(max(reach))


def align(scores, beta, step=lambda j, i, beta: beta * (j == i), choose=_stays_else_lowest, last=lambda q: q.index(max(q)),
          start=0.0, follow=lambda came, q, a, t: came[t][a], told=lambda a, Q, rows, beta: (a, Q)):
    """a (N,) and Q, all regions before compared with each other for each region of each word; scores is (N, M).

    The rest is for the variants: what a step from j to i adds; which region before is chosen; which the last word takes;
    what the first word begins with; how the choices are followed back; and what is told.
    """
    rows = np.array(scores._data).tolist()
    q, came = [[start + score for score in rows[0]]], [[0] * len(rows[0])]
    for row in rows[1:]:
        reach = [[before + step(j, i, beta) for j, before in enumerate(q[-1])] for i in range(len(row))]
        came.append([choose(reach[i], i) for i in range(len(row))])
        q.append([row[i] + reach[i][came[-1][i]] for i in range(len(row))])
    a = [last(q[-1])]
    Q = q[-1][a[0]]
    for t in range(len(rows) - 1, 0, -1):
        a.insert(0, follow(came, q, a[0], t))
    a, Q = told(a, Q, rows, beta)
    return Tensor(np.array(a, dtype=np.int64)), Tensor(np.array(float(Q)))


def _value(a, rows, beta):
    return sum(row[i] for row, i in zip(rows, a)) + beta * sum(i == j for i, j in zip(a, a[1:]))


def _telling(path: Callable):
    """The path ``path(rows, beta)`` and its Q."""
    def told(a, Q, rows, beta):
        other = path(rows, beta)
        return other, _value(other, rows, beta)
    return partial(align, told=told)


def _words_alone(rows, beta):
    return [row.index(max(row)) for row in rows]


def _greedy(rows, beta):
    """Each word the best for it and for the word before, without looking further."""
    a = _words_alone(rows[:1], beta)
    for row in rows[1:]:
        gains = [score + beta * (i == a[-1]) for i, score in enumerate(row)]
        a.append(gains.index(max(gains)))
    return a


def _one_for_all(rows, beta):
    sums = [sum(column) for column in zip(*rows)]
    return [sums.index(max(sums))] * len(rows)


def _least(reach, i):
    return i if reach[i] == min(reach) else reach.index(min(reach))


def _moves(reach, i):
    """Moving wins against staying: another region that is as good."""
    return next((j for j, value in enumerate(reach) if j != i and value == max(reach)), i)


def _highest(values):
    return len(values) - 1 - values[::-1].index(max(values))


def _stays_else_highest(reach, i):
    return i if reach[i] == max(reach) else _highest(reach)


def _last_for_itself(scores, beta):
    return align(scores, beta, last=lambda q: int(np.array(scores._data)[-1].argmax()))


def _from_the_end(scores, beta):
    """The chain run from the last word to the first: ties are decided at the other end."""
    a, Q = align(scores.flip(0), beta)
    return a.flip(0), Q


def align_cases(draw: Draw) -> list[Case]:
    def case(name, beta, scores, **options):
        return Case(name, {"scores": np.array(scores), "beta": beta}, **options)

    hidden = np.array([[-np.inf, a, -np.inf, b] for a, b in ((-0.6, -2.7), (2.9, 3.3), (-1.2, 0.1), (0.5, 0.4), (-2.7, 1.6))])
    equal = np.array([[2, 3, 2, 1], [0, 2, 3, 1], [1, 0, 1, 1], [1, 0, 0, 3], [2, 2, 2, 2], [2, 2, 0, 0]]) / 2
    return [case("", 0.85, [[0.08, 0.98, 0.19, -0.94], [-0.24, 0.38, 0.0, 1.44], [0.28, 1.07, 0.15, 0.22],
                            [0.22, 1.55, -0.87, 0.5], [1.25, -0.49, -0.2, -0.56], [0.73, 0.82, 1.17, 0.52]]),
            case("beta = 0", 0.0, draw.normal(4, 3)),
            case("a beta so large that all words take one region", 50.0, draw.normal(5, 3)),
            case("one word", 0.5, draw.normal(1, 4)),
            case("one region", 0.5, draw.normal(4, 1)),
            case("equal values", 0.5, equal, hint="of equally good assignments the last word takes the lowest region; going "
                 "back, the word before takes the same region where that is as good, and else the lowest"),
            case("equal values, beta = 0", 0.0, [[1.0, 0.0, 1.0], [0.5, 0.5, 0.0], [0.5, 1.0, 1.0], [0.0, 0.5, 0.5]],
                 hint="equal values are told apart with beta = 0, too: where staying costs nothing, the word before takes the same "
                 "region, and not the lowest"),
            case("regions that are not there", 0.3, hidden, hint="0 * -inf and -inf - -inf are nan: choose with np.where or "
                 "an index, and not by a product or a difference"),
            case("scores near -1e10", 1e9, -1e10 * (1 + draw.uniform(4, 3, low=0.0)),
                 hint="a running maximum begins at -inf (or at the first value), not at 0 or -1e9")]


ALIGN = Task(
    "align", "align", None, ("a", "Q"), (), {"scores": "N M", "a": "N"}, align, align_cases, (
        Mistake("the sum is minimised, as the slide has it: that gives every word its worst region, and neighbours that differ; "
                "the best assignment is that of the highest Q", partial(align, choose=_least, last=lambda q: q.index(min(q)))),
        Mistake("the sum is minimised, as the slide has it: that gives every word its worst region; the best assignment is that of "
                "the highest Q", partial(align, step=lambda j, i, beta: 0.0, choose=_least, last=lambda q: q.index(min(q)))),
        Mistake("Q is the energy -Q; here it is the value that is maximised",
                partial(align, told=lambda a, Q, rows, beta: (a, -Q))),
        Mistake("neighbours that differ are rewarded; beta belongs to a_t = a_{t+1}",
                partial(align, step=lambda j, i, beta: beta * (j != i))),
        Mistake("neighbours that differ cost beta; here those that agree gain it, which makes Q larger by (N - 1) beta",
                partial(align, step=lambda j, i, beta: -beta * (j != i))),
        Mistake("equal neighbours cost beta; they gain it", partial(align, step=lambda j, i, beta: -beta * (j == i))),
        Mistake("beta is counted for every word, the first included; it is for each pair of neighbours that agree",
                partial(align, start=0.0, told=lambda a, Q, rows, beta: (a, Q + beta))),
        Mistake("beta is counted for every word that has a neighbour of the same region; it is for each pair of neighbours that "
                "agree",
                partial(align, told=lambda a, Q, rows, beta: (a, _value(a, rows, 0) + beta * sum(
                    i in (*a[max(t - 1, 0):t], *a[t + 1:t + 2]) for t, i in enumerate(a))))),
        Mistake("beta is counted N - 1 times, whether neighbours agree or not: the maximum over the regions before must see it for "
                "the same region only", partial(align, step=lambda j, i, beta: beta)),
        Mistake("Q leaves the reward out: it is the scores of the regions taken, and beta for each pair of neighbours that agree",
                partial(align, told=lambda a, Q, rows, beta: (a, _value(a, rows, 0)))),
        Mistake("each word takes its best region alone: beta is not used in the choice, only in Q", _telling(_words_alone)),
        Mistake("beta is not used at all: each word takes its best region alone",
                partial(align, step=lambda j, i, beta: 0.0)),
        Mistake("the last word takes the region that is best for it alone; it takes the best of the last column of the table",
                _last_for_itself),
        Mistake("one region for all words: a word may move to another, without the reward", _telling(_one_for_all)),
        Mistake("a is not followed back: it holds the best of each column of the table, and the words after may have chosen "
                "otherwise",
                partial(align, follow=lambda came, q, a, t: q[t - 1].index(max(q[t - 1])))),
        Mistake("greedy: each word decides once for itself, from the region that the word before took; the table keeps the best "
                "for every region (q_{t-1}(i) + beta against the best of all), and decides at the end", _telling(_greedy)),
        Mistake("followed back one row off: a_{t-1} is what was noted for word t, at its region a_t",
                partial(align, follow=lambda came, q, a, t: came[t - 1][a])),
        Mistake("a is the wrong way round: it is found from the last word to the first",
                partial(align, told=lambda a, Q, rows, beta: (a[::-1], Q))),
        Mistake("the regions are counted from 1; the first is 0",
                partial(align, told=lambda a, Q, rows, beta: ([i + 1 for i in a], Q))),
        Mistake("Q is averaged over the words; it is a sum", partial(align, told=lambda a, Q, rows, beta: (a, Q / len(a)))),
        Mistake("the reward is given twice to each pair", partial(align, told=lambda a, Q, rows, beta: (
            a, _value(a, rows, 2 * beta)))),
        Mistake("of equally good ones moving wins; staying wins against moving (>= and not >)", partial(align, choose=_moves)),
        Mistake("of equally good regions before, the lowest is taken; the region of the word itself comes first: staying wins "
                "against moving", partial(align, choose=lambda reach, i: reach.index(max(reach)))),
        Mistake("of equally good regions the highest is taken, the last word's and those before; the lowest is",
                partial(align, choose=_stays_else_highest, last=_highest)),
        Mistake("of equally good regions of the last word the highest is taken; the lowest is", partial(align, last=_highest)),
        Mistake("of equally good regions to come from the highest is taken; the lowest is",
                partial(align, choose=_stays_else_highest)),
        Mistake("of equally good assignments that of the lowest first word is taken: the table runs from the first word to the "
                "last, and the last one decides first", _from_the_end),
    ), points=(8,))


# ---------------------------------------------------------------------- extra: the ranking loss

def _both_off(terms, own):
    return terms * (1 - own)


def ranking_loss(S, margin=1.0, rows=lambda right: right.unsqueeze(1), columns=lambda right: right.unsqueeze(0),
                 hinge: Callable = F.relu, out: Callable = _both_off, total: Callable = lambda terms, axis: terms.sum(),
                 right: Callable = F.diagonal, told=lambda sentences, images: (sentences, images)):
    """The sums over k, l != k of max(0, S_kl - S_kk + 1) and of max(0, S_lk - S_kk + 1); S is (K, K).

    The rest is for the variants: the margin; where S_kk stands against a row and a column; what stands for the hinge; what
    becomes of the diagonal; how the terms add up, over the axis that varies; what is the right score; and what is told.
    """
    own, best = Tensor(np.eye(S.shape[0])), right(S)
    sentences = total(out(hinge(S - rows(best) + margin), own), 1)
    images = total(out(hinge(S - columns(best) + margin), own), 0)
    return told(sentences, images)


RANKING = partial(partial, ranking_loss)


def _gradients_of(**changes):
    """The right sums, with the gradients of other ones."""
    def variant(S):
        return tuple(map(with_slope, ranking_loss(S), ranking_loss(S, **changes)))
    return variant


def _turned_around(S):
    """max(0, S_kk - S_kl + 1): the wrong pair shall win."""
    return ranking_loss(-S)


def _diagonal_exchanged(S):
    """S_kk gets what the column lacks in the place of the row, and the other way round."""
    def spoilt(one, other):
        active = ((S - other(F.diagonal(S)) + 1 > 0) * (1 - Tensor(np.eye(S.shape[0])))).detach()
        return (active * (S - one(F.diagonal(S)))).sum()

    rows, columns = lambda right: right.unsqueeze(1), lambda right: right.unsqueeze(0)
    return tuple(map(with_slope, ranking_loss(S), (spoilt(columns, rows), spoilt(rows, columns))))


def _once_each(S):
    """S_kk gets the gradient of one violation, however many there are."""
    def spoilt(axis):
        right = F.diagonal(S).unsqueeze(axis)
        active = ((S - right + 1 > 0) * (1 - Tensor(np.eye(S.shape[0])))).detach()
        return (active * S).sum() - (active.amax(axis) * F.diagonal(S)).sum()
    return tuple(map(with_slope, ranking_loss(S), (spoilt(1), spoilt(0))))


def ranking_loss_cases(draw: Draw) -> list[Case]:
    return [Case("", {"S": draw.normal(4, 4, scale=1.5)}, differences=True),
            Case("one pair", {"S": draw.normal(1, 1)}),
            Case("every pair wins", {"S": draw.normal(3, 3) + 20 * np.eye(3)})]


RANKING_LOSS = Task(
    "ranking_loss", "ranking_loss_forward", "ranking_loss_backward", ("sentences", "images"), ("S",), {"S": "K K"},
    ranking_loss, ranking_loss_cases, (
        Mistake("S_kk gets no gradient: every violation has -S_kk in it", _gradients_of(right=lambda S: F.diagonal(S).detach())),
        Mistake("the derivative of the hinge is missing: a pair that wins by the margin sends no gradient",
                _gradients_of(hinge=lambda a: a)),
        Mistake("the gradients of the two sides are swapped: dsentences belongs to what is violated in the rows",
                _gradients_of(told=lambda sentences, images: (images, sentences))),
        Mistake("S_kk gets the violations of the wrong axis: for the sentences it is minus the sum of row k, for the images of "
                "column k",
                _diagonal_exchanged),
        Mistake("S_kk gets one -1 for each side; every violation gives it one, so it is minus their number", _once_each),
        Mistake("the gradient of images is missing: both sides reach S",
                _gradients_of(told=lambda sentences, images: (sentences, 0 * images))),
        Mistake("the gradient of sentences is missing: both sides reach S",
                _gradients_of(told=lambda sentences, images: (0 * sentences, images))),
        Mistake("the diagonal is kept: its terms max(0, S_kk - S_kk + 1) are all 1, which adds K to each side, 2K together; l != k",
                RANKING(out=lambda terms, own: terms)),
        Mistake("both sides are taken along the rows: for the images that sentence k ranks, S_kk is subtracted from column k, "
                "S - S_kk[None, :]", RANKING(columns=lambda right: right.unsqueeze(1))),
        Mistake("both sides are taken along the columns: for the sentences that image k ranks, S_kk is subtracted from row k, "
                "S - S_kk[:, None]", RANKING(rows=lambda right: right.unsqueeze(0))),
        Mistake("the two sides are swapped: with the image k fixed (row k), the other sentences are ranked",
                RANKING(told=lambda sentences, images: (images, sentences))),
        Mistake("one side is dropped: images is the sum over the other images of each sentence",
                RANKING(told=lambda sentences, images: (sentences, 0 * images))),
        Mistake("one side is dropped: sentences is the sum over the other sentences of each image",
                RANKING(told=lambda sentences, images: (0 * sentences, images))),
        Mistake("this is the sum of both sides; they are returned apart",
                RANKING(told=lambda sentences, images: (sentences + images, sentences + images))),
        Mistake("the margin is missing: max(0, S_kl - S_kk + 1)", RANKING(margin=0.0)),
        Mistake("the margin has the wrong sign: max(0, S_kl - S_kk + 1)", RANKING(margin=-1.0)),
        Mistake("the sign is turned around: the wrong pair is asked to win; it is max(0, wrong - right + 1)", _turned_around),
        Mistake("the hinge is missing: a pair that wins by the margin adds nothing, max(0, ...)", RANKING(hinge=lambda a: a)),
        Mistake("the hinge is squared", RANKING(hinge=lambda a: F.relu(a) ** 2)),
        Mistake("averaged over the batch; the loss is a sum", RANKING(total=lambda terms, axis: terms.sum() / terms.shape[0])),
        Mistake("averaged over all K^2 pairs; the loss is a sum", RANKING(total=lambda terms, axis: terms.mean())),
        Mistake("averaged over the wrong pairs; the loss is a sum",
                RANKING(total=lambda terms, axis: terms.sum() / max(terms.shape[0] * (terms.shape[0] - 1), 1))),
        Mistake("only the hardest of the wrong ones counts (max over l); the loss sums over all l != k",
                RANKING(total=lambda terms, axis: terms.amax(axis).sum())),
    ), points=(1, 1), extra=True)


# ---------------------------------------------------------------------- extra: the bidirectional encoder

def _direction(e, there, W, b, order, f: Callable, mask: Callable, times: Callable, shown: Callable = lambda e: e):
    """h of all steps, (T, L, D), visited in ``order``, each from the one visited before: h = f(e_t + W h_before + b)."""
    h, found = 0 * e[0], {}
    for t in order:
        h = mask(f(shown(e[t]) + times(h, W, t) + b), there[t])
        found[t] = h
    return F.stack([found[t] for t in sorted(found)])


def _times(h, W, t):
    return h @ W.T


def _masked(h, there):
    return h * there


def bidirectional_encoder(x, words, W_e, b_e, W_f, b_f, W_b, b_b, W_d, b_d, f_e: Callable = F.relu, f_h: Callable = F.relu,
                          f_d: Callable = F.relu, mask: Callable = _masked, end: Callable = _masked, times_f: Callable = _times,
                          times_b: Callable = _times, shown_f: Callable = lambda e: e, shown_b: Callable = lambda e: e,
                          order: Callable = lambda T: (range(T), reversed(range(T))), join: Callable = lambda h_f, h_b: h_f + h_b):
    """s (T, L, D) of the paper's encoder; x (T, L, X), words (T, L).

    The rest is for the variants: what stands for f in e, in h and in s; what becomes of the pads, in e and h and in s; the two
    recurrent products; what the two directions see of e; the order of their steps; and how they join.
    """
    there, T = words.unsqueeze(2), x.shape[0]                                                # (T, L, 1)
    e = mask(f_e(x @ W_e.T + b_e), there)
    along, against = order(T)
    h_f = _direction(e, there, W_f, b_f, along, f_h, mask, times_f, shown_f)
    h_b = _direction(e, there, W_b, b_b, against, f_h, mask, times_b, shown_b)
    return end(f_d(join(h_f, h_b) @ W_d.T + b_d), there)


ENCODER = partial(partial, bidirectional_encoder)
LINEAR_SLOPE = sloped(F.relu, lambda value: 1.0)


def _leaking(h, there):
    """0 at the pads, whose gradient goes on as if they were words."""
    return with_slope(h * there, h)


def _states(*args) -> list:
    """The right h^f and h^b, without gradients."""
    seen: list = []

    def join(h_f, h_b):
        seen.extend((h_f.detach(), h_b.detach()))
        return h_f + h_b

    ENCODER(join=join)(*args)
    return seen


def _paired_with(neighbour: Callable):
    """dW_f and dW_b hold products with other states than those that W_f and W_b multiply: ``neighbour(h, T, t, back)``."""
    def variant(*args):
        T = args[0].shape[0]

        def times(h_all, back):
            return lambda h, W, t: with_slope(h @ W.T, h @ W.detach().T + neighbour(h_all, T, t, back) @ W.T)

        h_f, h_b = _states(*args)
        return bidirectional_encoder(*args, times_f=times(h_f, False), times_b=times(h_b, True))
    return variant


def _own(h, T, t, back):
    return h[t]


def _wrong_neighbour(h, T, t, back):
    """h_{t+1} for the forward direction, h_{t-1} for the backward one."""
    other = t - 1 if back else t + 1
    return h[other] if 0 <= other < T else 0 * h[t]


def _one_step(kept: Callable):
    """Of the gradients of W_f and W_b only those of the steps ``kept(T)`` (of h^f, of h^b) are there."""
    def variant(*args):
        of_f, of_b = kept(args[0].shape[0])
        held = lambda step: lambda h, W, t: h @ (W if t == step else W.detach()).T
        return bidirectional_encoder(*args, times_f=held(of_f), times_b=held(of_b))
    return variant


def _changed(*changes: tuple[int, Callable]):
    """The encoder of other weights: pairs of the place among the arguments and what becomes of all of them there."""
    def variant(*args):
        spoilt = list(args)
        for place, change in changes:
            spoilt[place] = change(args)
        return bidirectional_encoder(*spoilt)
    return variant


def bidirectional_encoder_cases(draw: Draw) -> list[Case]:
    def case(name, lengths, X, D, **options):
        shapes = {"W_e": (D, X), "b_e": (D,), "W_f": (D, D), "b_f": (D,), "W_b": (D, D), "b_b": (D,), "W_d": (D, D), "b_d": (D,)}
        weights = {name: draw.normal(*shape, scale=0.7) if len(shape) == 2 else draw.uniform(*shape, low=0.1)
                   for name, shape in shapes.items()}
        return Case(name, {"x": draw.normal(max(lengths), len(lengths), X), "words": mask_of(*lengths).T, **weights}, **options)

    return [case("", (4, 2, 3), 2, 4, differences=True),
            case("sentences of equal length", (3, 3), 3, 3),
            case("one word", (1, 1), 3, 4)]


BIDIRECTIONAL_ENCODER = Task(
    "bidirectional_encoder", "bidirectional_encoder_forward", "bidirectional_encoder_backward", ("s",),
    ("x", "W_e", "b_e", "W_f", "b_f", "W_b", "b_b", "W_d", "b_d"),
    {"x": "T L X", "words": "T L", "W_e": "D X", "b_e": "D", "W_f": "D D", "b_f": "D", "W_b": "D D", "b_b": "D", "W_d": "D D",
     "b_d": "D", "s": "T L D"}, bidirectional_encoder, bidirectional_encoder_cases, (
        Mistake("the derivative of the ReLU is missing everywhere: where f gave 0 no gradient passes",
                ENCODER(f_e=LINEAR_SLOPE, f_h=LINEAR_SLOPE, f_d=LINEAR_SLOPE)),
        Mistake("the derivative of the ReLU is missing everywhere: where f gave 0, as at the pads, no gradient passes",
                ENCODER(f_e=LINEAR_SLOPE, f_h=LINEAR_SLOPE, f_d=LINEAR_SLOPE, mask=_leaking, end=_leaking)),
        Mistake("the derivative of the ReLU is missing in s: where s = 0 no gradient passes", ENCODER(f_d=LINEAR_SLOPE)),
        Mistake("the derivative of the ReLU is missing in s: where s = 0, as at the pads, no gradient passes",
                ENCODER(f_d=LINEAR_SLOPE, end=_leaking)),
        Mistake("the derivative of the ReLU is missing in h^f and h^b: where they are 0 no gradient passes",
                ENCODER(f_h=LINEAR_SLOPE)),
        Mistake("the derivative of the ReLU is missing in h^f and h^b: where they are 0, as at the pads, no gradient passes",
                ENCODER(f_h=LINEAR_SLOPE, mask=lambda h, there: h * there if h.ndim == 3 else _leaking(h, there))),
        Mistake("the derivative of the ReLU is missing in e: where e = 0 no gradient passes", ENCODER(f_e=LINEAR_SLOPE)),
        Mistake("no gradient goes through time: h^f_t also gets what W_f sends back from t + 1, and h^b_t what W_b sends from t - "
                "1 (does each loop run against that of the forward?)",
                ENCODER(times_f=lambda h, W, t: h.detach() @ W.T, times_b=lambda h, W, t: h.detach() @ W.T)),
        Mistake("no gradient goes through time in the forward direction: h^f_t also gets what W_f sends back from t + 1 (does its "
                "loop begin at the last word?)", ENCODER(times_f=lambda h, W, t: h.detach() @ W.T)),
        Mistake("no gradient goes through time in the backward direction: h^b_t also gets what W_b sends from t - 1 (does its loop "
                "begin at the first word?)", ENCODER(times_b=lambda h, W, t: h.detach() @ W.T)),
        Mistake("the way back through time multiplies by the transposed matrix: h @ W.T sends da @ W back",
                ENCODER(times_f=lambda h, W, t: with_slope(h @ W.T, h.detach() @ W.T + h @ W.detach()),
                        times_b=lambda h, W, t: with_slope(h @ W.T, h.detach() @ W.T + h @ W.detach()))),
        Mistake("dW_f and dW_b pair each step with its own h; W_f multiplies h^f_{t-1}, W_b multiplies h^b_{t+1}",
                _paired_with(_own)),
        Mistake("dW_f and dW_b pair each step with the wrong neighbour; W_f multiplies h^f_{t-1}, W_b multiplies h^b_{t+1}",
                _paired_with(_wrong_neighbour)),
        Mistake("dW_f and dW_b hold one step alone (`=` in place of `+=`?): the matrices serve every step, and the gradients add up"
                "",
                _one_step(lambda T: (1, T - 2))),
        Mistake("dW_f and dW_b are 0: they hold the first step of each direction alone, where h is 0 (`=` in place of `+=`?)",
                _one_step(lambda T: (0, T - 1))),
        Mistake("e gets the gradient of h^f alone; h^b has e_t in it, too", ENCODER(shown_b=lambda e: e.detach())),
        Mistake("e gets the gradient of h^b alone; h^f has e_t in it, too", ENCODER(shown_f=lambda e: e.detach())),
        Mistake("both recurrences run forward: h^b_t comes from h^b_{t+1}, so its loop begins at the last word",
                ENCODER(order=lambda T: (range(T), range(T)))),
        Mistake("both recurrences run backward: h^f_t comes from h^f_{t-1}, so its loop begins at the first word",
                ENCODER(order=lambda T: (reversed(range(T)), reversed(range(T))))),
        Mistake("h^f and h^b are exchanged: W_f, b_f belong to the recurrence that comes from t - 1, W_b, b_b to that from t + 1",
                ENCODER(order=lambda T: (reversed(range(T)), range(T)))),
        Mistake("h^b has no memory: it comes from h^b_{t+1}, which must be there already; a loop from the first word on, or a read "
                "of h^b_{t-1}, finds zeros", ENCODER(times_b=lambda h, W, t: 0 * h)),
        Mistake("h^f has no memory: it comes from h^f_{t-1}, which must be there already",
                ENCODER(times_f=lambda h, W, t: 0 * h)),
        Mistake("neither direction has a memory: h^f_t comes from h^f_{t-1}, h^b_t from h^b_{t+1}",
                ENCODER(times_f=lambda h, W, t: 0 * h, times_b=lambda h, W, t: 0 * h)),
        Mistake("h^b is added in the order in which it was computed: its last step belongs to the first word (turn it round)",
                ENCODER(join=lambda h_f, h_b: h_f + h_b.flip(0))),
        Mistake("h^b is missing in s: s_t = f(W_d (h^f_t + h^b_t) + b_d)", ENCODER(join=lambda h_f, h_b: h_f)),
        Mistake("h^f is missing in s: s_t = f(W_d (h^f_t + h^b_t) + b_d)", ENCODER(join=lambda h_f, h_b: h_b)),
        Mistake("h^f and h^b are averaged; they add up", ENCODER(join=lambda h_f, h_b: (h_f + h_b) / 2)),
        Mistake("the pads are not 0 on the way: after the bias they are f(b), and h^b of the last word comes from them; set e, h^f "
                "and h^b to 0 where there is no word", ENCODER(mask=lambda h, there: h)),
        Mistake("s is not 0 where there is no word: f(b_d) is left there", ENCODER(end=lambda h, there: h)),
        Mistake("the words that are not there are treated like others: all of e, h^f, h^b and s are 0 there",
                ENCODER(mask=lambda h, there: h, end=lambda h, there: h)),
        Mistake("the pads are 0 in e and s alone: h^b of the last word comes from h^b of the pad after it, which is f(b_b) and not "
                "0",
                ENCODER(mask=lambda h, there: h * there if h.ndim == 3 else h)),
        Mistake("f is missing in e: e_t = f(W_e x_t + b_e)", ENCODER(f_e=lambda a: a)),
        Mistake("f is missing in h: h^f_t = f(e_t + W_f h^f_{t-1} + b_f)", ENCODER(f_h=lambda a: a)),
        Mistake("f is missing in s: s_t = f(W_d (h^f_t + h^b_t) + b_d)", ENCODER(f_d=lambda a: a)),
        Mistake("f is tanh; here it is the ReLU", ENCODER(f_e=F.tanh, f_h=F.tanh, f_d=F.tanh)),
        Mistake("f is tanh in h; here it is the ReLU everywhere", ENCODER(f_h=F.tanh)),
        Mistake("the recurrent matrices are transposed: W_f h of all sentences is h @ W_f.T",
                ENCODER(times_f=lambda h, W, t: h @ W, times_b=lambda h, W, t: h @ W)),
        Mistake("W_f and W_b are exchanged", _changed((4, lambda args: args[6]), (6, lambda args: args[4]))),
        Mistake("both directions use W_f and b_f", _changed((6, lambda args: args[4]), (7, lambda args: args[5]))),
        Mistake("b_e is missing", _changed((3, lambda args: 0 * args[3]))),
        Mistake("b_f and b_b are missing", _changed((5, lambda args: 0 * args[5]), (7, lambda args: 0 * args[7]))),
        Mistake("b_d is missing", _changed((9, lambda args: 0 * args[9]))),
    ), points=(1, 2), extra=True)


EXERCISE = Exercise(3, "Deep Visual-Semantic Alignments", (IMAGE_SENTENCE_SCORE, ALIGN, RANKING_LOSS, BIDIRECTIONAL_ENCODER))
