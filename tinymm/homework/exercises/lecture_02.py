"""Exercise 2: the LSTM of the slide, the loss of a caption, the image as the first input, one step of beam search."""

from __future__ import annotations

from functools import partial
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope

# ---------------------------------------------------------------------- one step of the LSTM

def lstm_step(x, m, c, W_x, W_m, gate: Callable = F.sigmoid, squash: Callable = F.tanh, order="ifog", seen=lambda x, m, c: (x, m),
              keep=lambda f, c: f * c, let_in=lambda i, g: i * g, show=lambda o, c_next, c: o * c_next, told=lambda c_next: c_next):
    """m', c' of the slide's cell; x (B, D), m and c (B, H), W_x (4H, D), W_m (4H, H).

    The rest is for the variants: what stands for sigma and for tanh; the order of the four parts; what they see of the
    inputs; how much of c is kept, let in and shown; and what the caller sees of c'.
    """
    x, m = seen(x, m, c)
    part = dict(zip(order, F.chunk(x @ W_x.T + m @ W_m.T, 4, dim=1)))             # each (B, H)
    i, f, o, g = gate(part["i"]), gate(part["f"]), gate(part["o"]), squash(part["g"])
    c_next = keep(f, c) + let_in(i, g)
    return show(o, c_next, c), told(c_next)


def _forget_bias(x, m, c, W_x, W_m):
    _, f, _, _ = F.chunk(x @ W_x.T + m @ W_m.T, 4, dim=1)
    more = F.sigmoid(f + 1)
    return lstm_step(x, m, c, W_x, W_m, keep=lambda f, c: more * c)


def _new_memory(*args):
    """The gradient of f is computed with c' in the place of c."""
    _, c_next = lstm_step(*args)
    return lstm_step(*args, keep=lambda f, c: with_slope(f * c, f * c_next.detach() + f.detach() * c))


def lstm_step_cases(draw: Draw) -> list[Case]:
    def case(name, B, D, H, sizes: Any = 1.0, **options):
        return Case(name, {"x": draw.normal(B, D) * sizes, "m": draw.normal(B, H), "c": draw.normal(B, H),
                           "W_x": draw.normal(4 * H, D, scale=0.6), "W_m": draw.normal(4 * H, H, scale=0.6)}, **options)

    return [case("", 3, 4, 2, differences=True),
            case("one caption", 1, 3, 4),
            case("one unit", 4, 2, 1),
            case("an x near 1000", 3, 4, 2, sizes=np.array([[1000.0], [1.0], [1.0]]), hint="exp overflows: sigma(a) = "
                 "1 / (1 + exp(-a)) = (1 + tanh(a / 2)) / 2, and the last form never does; exp(a) / (1 + exp(a)) is inf / inf")]


LSTM_STEP = Task(
    "lstm_step", "lstm_step_forward", "lstm_step_backward", ("m_next", "c_next"), ("x", "m", "c", "W_x", "W_m"),
    {"x": "B D", "m": "B H", "c": "B H", "W_x": "4H D", "W_m": "4H H", "m_next": "B H", "c_next": "B H"},
    lstm_step, lstm_step_cases, (
        Mistake("dc_next is not used: c' is returned, too, and its gradient adds to the one through m'",
                partial(lstm_step, told=lambda c_next: c_next.detach())),
        Mistake("dm_next does not reach c': m' = o * c' gives dm' * o to c', which adds to dc_next",
                partial(lstm_step, show=lambda o, c_next, c: o * c_next.detach())),
        Mistake("the way from m' to c' has the factor 1 - tanh(c')^2 of an LSTM with a tanh on its output; here m' = o * c', and "
                "the factor is o alone",
                partial(lstm_step, show=lambda o, c_next, c: o * with_slope(c_next, c_next.tanh()))),
        Mistake("the output gate is missing on the way from m' to c': m' = o * c' gives dm' * o",
                partial(lstm_step, show=lambda o, c_next, c: with_slope(o * c_next, o * c_next.detach() + c_next))),
        Mistake("the derivative of sigma, s (1 - s), is missing in the gates",
                partial(lstm_step, gate=sloped(F.sigmoid, lambda s: 1.0))),
        Mistake("the derivative of tanh is used for the gates: that of sigma is s (1 - s), not 1 - s^2",
                partial(lstm_step, gate=sloped(F.sigmoid, lambda s: 1 - s * s))),
        Mistake("the derivative of the tanh, 1 - tanh^2, is missing in the new part",
                partial(lstm_step, squash=sloped(F.tanh, lambda t: 1.0))),
        Mistake("the derivative of sigma is used for the new part: that of tanh is 1 - t^2, not t (1 - t)",
                partial(lstm_step, squash=sloped(F.tanh, lambda t: t * (1 - t)))),
        Mistake("dc lacks the factor f: c' = f * c + ...",
                partial(lstm_step, keep=lambda f, c: with_slope(f * c, f * c.detach() + c))),
        Mistake("the gradient of f has the factor c'; c' = f * c + ... gives it the old c", _new_memory),
        Mistake("the gradient of o has the factor c; m' = o * c' gives it the new one",
                partial(lstm_step, show=lambda o, c_next, c: with_slope(o * c_next, o * c.detach() + o.detach() * c_next))),
        Mistake("the gradient of the new part lacks the factor i: c' = f * c + i * tanh(...)",
                partial(lstm_step, let_in=lambda i, g: with_slope(i * g, i * g.detach() + g))),
        Mistake("the gradient of i lacks the factor tanh(...): c' = f * c + i * tanh(...)",
                partial(lstm_step, let_in=lambda i, g: with_slope(i * g, i + i.detach() * g))),
        Mistake("there is a tanh on the output: here m' = o * c', as on the slide, and not o * tanh(c') as in other LSTMs",
                partial(lstm_step, show=lambda o, c_next, c: o * c_next.tanh())),
        Mistake("the four parts are taken in PyTorch's order i, f, c, o; here they stand in the slide's, i, f, o, c",
                partial(lstm_step, order="ifgo")),
        Mistake("the input gate and the forget gate are swapped: f keeps the old c, i lets the new part in",
                partial(lstm_step, order="fiog")),
        Mistake("the input gate and the output gate are swapped", partial(lstm_step, order="ofig")),
        Mistake("the new part of the memory goes through sigma: only the gates i, f and o do, h(.) on the slide is tanh",
                partial(lstm_step, squash=F.sigmoid)),
        Mistake("the tanh of the new part is missing: c' = f * c + i * tanh(W_cx x + W_cm m)",
                partial(lstm_step, squash=lambda a: a)),
        Mistake("the gates go through tanh; they are sigma(...), between 0 and 1", partial(lstm_step, gate=F.tanh)),
        Mistake("the sigma of the gates is missing", partial(lstm_step, gate=lambda a: a)),
        Mistake("a 1 is added in the forget gate: LSTMs often begin with such a bias; the slide's has none", _forget_bias),
        Mistake("W_m m is missing: the gates and the new part see x and m", partial(lstm_step, seen=lambda x, m, c: (x, 0 * m))),
        Mistake("W_x x is missing: the gates and the new part see x and m", partial(lstm_step, seen=lambda x, m, c: (0 * x, m))),
        Mistake("W_m multiplies c; it multiplies m, the output of the step before",
                partial(lstm_step, seen=lambda x, m, c: (x, c))),
        Mistake("the forget gate is missing: c' = f * c + ...", partial(lstm_step, keep=lambda f, c: c)),
        Mistake("the old c is missing: c' = f * c + i * tanh(...)", partial(lstm_step, keep=lambda f, c: 0 * c)),
        Mistake("the input gate is missing: c' = f * c + i * tanh(...)", partial(lstm_step, let_in=lambda i, g: g)),
        Mistake("the output gate is missing: m' = o * c'", partial(lstm_step, show=lambda o, c_next, c: c_next)),
        Mistake("m' is computed from the old c: m' = o * c'", partial(lstm_step, show=lambda o, c_next, c: o * c)),
        Mistake("m' and c' are returned the other way round", lambda *args: lstm_step(*args)[::-1]),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the loss of a caption

def caption_loss(logits, S, lengths, first=1, after=0, over=2, padded=False, log_p=F.log_softmax):
    """-sum over t = 1..N of log p_t(S_t) of each caption; logits (T+1, B, K), S (T+1, B), lengths (B,).

    The rest is for the variants: the first step that counts, how many after N do, the axis of the softmax, whether
    padded steps count, and what stands for log softmax.
    """
    t = Tensor(np.arange(S.shape[0])[:, None])                                     # (T+1, 1)
    counts = (t >= first) & ((t <= lengths + after) | padded)                      # (T+1, B)
    told = log_p(logits, dim=over).gather(2, S.unsqueeze(2)).squeeze(2)            # (T+1, B)
    return -(told * counts).sum(0)


def _late(a):
    """What stands at step t - 1, at step t."""
    return F.cat([a[:1], a[:-1]])


def _p_everywhere(logits, S, lengths):
    """The gradient has p at every step, and one_hot only at those that count."""
    t, log_sum = Tensor(np.arange(S.shape[0])[:, None]), (logits - F.log_softmax(logits, dim=2))[:, :, 0]
    right = caption_loss(logits, S, lengths)
    return with_slope(right, right + (log_sum * ((t < 1) | (t > lengths))).sum(0))


def _spoilt_log_softmax(slope):
    """A log softmax whose gradient with respect to the logits is that of ``slope(logits, log_p)``."""
    def log_p(logits, dim):
        right = F.log_softmax(logits, dim=dim)
        return with_slope(right, slope(logits, right))
    return log_p


def _over_p(logits, log_p):
    return logits / log_p.detach().clamp(min=-600.0).exp()      # the bound keeps 1 / p finite


def caption_loss_cases(draw: Draw) -> list[Case]:
    def case(name, K, lengths, T=None, size=1.5, **options):
        steps = 1 + (T or max(lengths))
        return Case(name, {"logits": draw.normal(steps, len(lengths), K, scale=size), "S": draw.integers(0, K, steps, len(lengths)),
                           "lengths": np.array(lengths)}, **options)

    return [case("", 5, (3, 1, 4), differences=True),
            case("captions of equal length", 6, (2, 2)),
            case("all captions shorter than T", 4, (2, 1), T=4),
            case("logits near 1000", 4, (2, 3), size=600.0, hint="compute log p as l - max l - log sum exp(l - max l), not as the "
                 "log of a softmax that may be 0")]


CAPTION_LOSS = Task(
    "caption_loss", "caption_loss_forward", "caption_loss_backward", ("loss",), ("logits",),
    {"logits": "T+1 B K", "S": "T+1 B", "lengths": "B", "loss": "B"}, caption_loss, caption_loss_cases, (
        Mistake("the gradient of the step at which the image was shown (index 0) must be 0: its output is not part of the loss",
                lambda logits, S, lengths: with_slope(caption_loss(logits, S, lengths), caption_loss(logits, S, lengths, first=0))),
        Mistake("the gradient of the padded steps must be 0: they are not part of the loss",
                lambda logits, S, lengths: with_slope(caption_loss(logits, S, lengths),
                                                      caption_loss(logits, S, lengths, padded=True))),
        Mistake("the gradient must be 0 where nothing is counted: at the step of the image (index 0) and at the padded steps",
                lambda logits, S, lengths: with_slope(caption_loss(logits, S, lengths),
                                                      caption_loss(logits, S, lengths, first=0, padded=True))),
        Mistake("p is left at the steps that are not counted: there the whole of p - one_hot(S) is 0, not only the one_hot",
                _p_everywhere),
        Mistake("the one_hot is missing: the gradient of -log p(S) is p - one_hot(S), and you have p",
                partial(caption_loss, log_p=_spoilt_log_softmax(lambda logits, log_p: log_p - logits))),
        Mistake("the p is missing: the gradient of -log p(S) is p - one_hot(S), and you have -one_hot(S)",
                partial(caption_loss, log_p=_spoilt_log_softmax(lambda logits, log_p: logits))),
        Mistake("the gradient is the one with respect to p, -one_hot(S) / p: the Jacobian of the softmax is missing; together they "
                "give p - one_hot(S)",
                partial(caption_loss, log_p=_spoilt_log_softmax(_over_p))),
        Mistake("the step at which the image was shown is counted: its output (index 0) predicts nothing, as S_0, the start word, "
                "is given; the sum begins at t = 1", partial(caption_loss, first=0)),
        Mistake("the padded steps are counted: the sum ends at t = N, the length of each caption",
                partial(caption_loss, padded=True)),
        Mistake("every step is counted: the one at which the image was shown (index 0) and the padded ones are no part of the sum, "
                "t = 1..N", partial(caption_loss, first=0, padded=True)),
        Mistake("the last word S_N, the stop word, is left out: the sum is over t = 1..N, N included",
                partial(caption_loss, after=-1)),
        Mistake("the step at which the image was shown is counted, and S_N is not: the sum is over t = 1..N, not 0..N-1",
                partial(caption_loss, first=0, after=-1)),
        Mistake("one padded step is counted: the sum is over t = 1..N", partial(caption_loss, after=1)),
        Mistake("the first word S_1 is left out: the sum begins at t = 1", partial(caption_loss, first=2)),
        Mistake("words and outputs are one step apart: S_t is judged by the output of step t - 1; logits[t] already belong to S_t",
                lambda logits, S, lengths: caption_loss(_late(logits), S, lengths)),
        Mistake("words and outputs are one step apart: the output of step t is judged by S_{t-1}, the word that went in; logits[t] "
                "belong to S_t", lambda logits, S, lengths: caption_loss(logits, _late(S), lengths)),
        Mistake("the sign is wrong: the loss is minus the log-probability", lambda *args: -caption_loss(*args)),
        Mistake("averaged over the words of the caption; the loss is the sum over t",
                lambda logits, S, lengths: caption_loss(logits, S, lengths) / lengths),
        Mistake("averaged over all steps, padded ones included; the loss is the sum over t = 1..N",
                lambda logits, S, lengths: caption_loss(logits, S, lengths) / S.shape[0]),
        Mistake("averaged over the batch; each caption has its own loss", lambda *args: caption_loss(*args).mean()),
        Mistake("summed over the batch; each caption has its own loss", lambda *args: caption_loss(*args).sum()),
        Mistake("the log is missing: the loss sums -log p, not -p",
                partial(caption_loss, log_p=lambda logits, dim: F.softmax(logits, dim=dim))),
        Mistake("the softmax is missing: log p_t = logits - log sum exp(logits)",
                partial(caption_loss, log_p=lambda logits, dim: logits)),
        Mistake("the log is to base 2 (that is for perplexity); here it is the natural one",
                lambda *args: caption_loss(*args) / float(np.log(2.0))),
        Mistake("the softmax is over the batch (axis 1); the words of the vocabulary compete with each other, along axis 2",
                partial(caption_loss, over=1)),
        Mistake("the softmax is over the steps (axis 0); the words of the vocabulary compete with each other, along axis 2",
                partial(caption_loss, over=0)),
    ), points=(5, 5))


# ---------------------------------------------------------------------- first the image, then the words

def image_then_words(image, W_I, W_e, S, look=lambda x: x, shown=lambda first, words: words, used=lambda S: S[:-1],
                     put=lambda first, words: [first, words]):
    """The inputs x_{-1} = W_I f and x_t = W_e S_t, t = 0..T-1, as (T+1, B, D); S is (T+1, B), W_e is (K, D).

    The rest is for the variants: what becomes of the image, what of the words; which words are used; and in which order
    all stand.
    """
    first = look(image @ W_I.T).unsqueeze(0)                                       # (1, B, D)
    return F.cat(put(first, shown(first, F.embedding(used(S), W_e))))


def _once(order):
    """Of the gradients that arrive for one word at several places of S, only the last is kept.

    Args:
        order: ``order(shape)`` gives pairs (group, place) in the order of assignment; only within a group does one
            overwrite another.
    """
    def variant(image, W_I, W_e, S):
        last, words = {}, np.array(S._data[:-1])
        keep = np.zeros(words.shape)
        for group, place in order(words.shape):
            last[group, words[place]] = place
        for place in last.values():
            keep[place] = 1.0
        keep = Tensor(keep).unsqueeze(2)
        return image_then_words(image, W_I, W_e, S, shown=lambda first, x: with_slope(x, keep * x))
    return variant


def _by_steps(shape):
    return ((0, place) for place in np.ndindex(shape))


def _by_captions(shape):
    return ((0, (t, b)) for b, t in np.ndindex(shape[::-1]))


def _within_steps(shape):
    return ((place[0], place) for place in np.ndindex(shape))


def _within_captions(shape):
    return ((place[1], place) for place in np.ndindex(shape))


def _slope_of(**changes):
    """The right inputs, with the gradients of other ones."""
    return lambda *args: with_slope(image_then_words(*args), image_then_words(*args, **changes))


def image_then_words_cases(draw: Draw) -> list[Case]:
    def case(name, features, D, K, S, **options):
        S = np.array(S)
        return Case(name, {"image": draw.normal(S.shape[1], features), "W_I": draw.normal(D, features, scale=0.5),
                           "W_e": draw.normal(K, D), "S": S}, **options)

    return [case("", 4, 5, 7, [[2, 2, 2], [4, 0, 4], [4, 4, 1], [5, 6, 3]], differences=True),
            case("one caption", 3, 2, 5, [[1], [3], [0], [3], [4]]),
            case("nothing but start and stop", 2, 3, 4, [[0, 0], [1, 1]])]


REPEATED = "a word that occurs several times gets the sum of its gradients, and here "
ADD_AT = "; np.add.at(dW_e, words, gradients) adds them all up"

IMAGE_THEN_WORDS = Task(
    "image_then_words", "image_then_words_forward", "image_then_words_backward", ("X",), ("image", "W_I", "W_e"),
    {"image": "B F", "W_I": "D F", "W_e": "K D", "S": "T+1 B", "X": "T+1 B D"}, image_then_words, image_then_words_cases, (
        Mistake(f"{REPEATED}only the last is kept (`=` in place of `+=`? dW_e[S] += ... counts a word once, too){ADD_AT}",
                _once(_by_steps)),
        Mistake(f"{REPEATED}only the one of the last caption and step is kept (`=` in place of `+=`?){ADD_AT}",
                _once(_by_captions)),
        Mistake(f"{REPEATED}only one within each step is: dW_e[S[t]] += ... counts a word once that occurs in several captions, as "
                f"the start does{ADD_AT}", _once(_within_steps)),
        Mistake(f"{REPEATED}only one within each caption is: dW_e[S[:, b]] += ... counts a word once that occurs at several "
                f"steps{ADD_AT}", _once(_within_captions)),
        Mistake("the gradients of the words are one step off: the image is index 0, so x_t = W_e S_t is X[t + 1]",
                _slope_of(put=lambda i, w: [w[:1] + i, w[1:], 0 * i])),
        Mistake("the image gets the gradients of all steps; it is the first input alone, dX[0]",
                _slope_of(shown=lambda first, words: words + first)),
        Mistake("the image gets no gradient: dX[0] belongs to x_{-1} = W_I f", _slope_of(look=lambda x: 0 * x)),
        Mistake("the words get no gradient", _slope_of(shown=lambda first, words: 0 * words)),
        Mistake("the last word S_T is an input, too: nothing comes after it, so the words that go in are S_0 to S_{T-1}",
                partial(image_then_words, used=lambda S: S)),
        Mistake("the first word S_0 is left out and the last is not: after the image the start word goes in, and S_T never does",
                partial(image_then_words, used=lambda S: S[1:])),
        Mistake("the image comes last: it is x_{-1}, the first input", partial(image_then_words, put=lambda i, w: [w, i])),
        Mistake("the image is added to every word: it is shown once, before the first word (the authors found that worse)",
                partial(image_then_words, shown=lambda first, words: words + first)),
        Mistake("the image is missing: its place (index 0) holds zeros", partial(image_then_words, look=lambda x: 0 * x)),
        Mistake("the words have no image before them: x_{-1} = W_I f is the first input",
                partial(image_then_words, put=lambda i, w: [w])),
        Mistake("the image goes through tanh; x_{-1} = W_I f", partial(image_then_words, look=F.tanh)),
        Mistake("the image goes through a ReLU; x_{-1} = W_I f", partial(image_then_words, look=F.relu)),
    ), points=(1, 1), extra=True)


# ---------------------------------------------------------------------- one step of beam search

def likeliest(row: list[float], k: int) -> list[int]:
    """The k likeliest words of positive probability; of equal ones those of lower id."""
    return [word for word in sorted(range(len(row)), key=lambda word: (-row[word], word))[:k] if row[word] > -np.inf]


def beam_step(log_prob, log_p, end, k, propose=lambda row, k, end: likeliest(row, k), reach=lambda before, word: before + word,
              rank=lambda total, parent, word, log_p: (-total, parent, word), kept=lambda k, n: k,
              leave=lambda proposals, end, k: ([p for p in proposals if p[2] != end], [p for p in proposals if p[2] == end]),
              live=lambda total, parent, word, log_p: (parent, word, total)):
    """live (M, 2) and its log-probabilities (M,), ended (E,) and theirs (E,), of one step, one proposal at a time.

    The rest is for the variants: the words that a hypothesis proposes; the log-probability of a continuation; what the
    continuations are ranked by, and how many are kept; which leave the beam; and what is told of those that go on.
    """
    before, rows = np.array(log_prob._data).tolist(), np.array(log_p._data).tolist()
    proposals = [(reach(before[parent], row[word]), parent, word, row[word])
                 for parent, row in enumerate(rows) for word in propose(row, k, end)]
    going, ended = leave(sorted(proposals, key=lambda p: rank(*p)), end, k)
    going = [live(*p) for p in going[:kept(k, len(rows))]]
    ended = sorted(ended, key=lambda p: p[1])
    return tuple(map(Tensor, (np.array([row[:2] for row in going], dtype=np.int64).reshape(-1, 2),
                              np.array([row[2] for row in going], dtype=np.float64),
                              np.array([parent for _, parent, _, _ in ended], dtype=np.int64),
                              np.array([total for total, *_ in ended], dtype=np.float64))))


def _told(change):
    """The right step, of which ``change(live, live_log_prob, ended, ended_log_prob)`` tells something else."""
    return lambda log_prob, log_p, end, k: tuple(map(Tensor, change(*(np.array(out._data) for out in
                                                                        beam_step(log_prob, log_p, end, k)))))


def _by_parents(live, live_log_prob, ended, ended_log_prob):
    order = np.lexsort((live[:, 1], live[:, 0]))
    return live[order], live_log_prob[order], ended, ended_log_prob


def _places(proposals, end, k):
    """Sentences that are completed take places in the beam."""
    best = proposals[:k]
    return [p for p in best if p[2] != end], [p for p in best if p[2] == end]


def _flat(log_prob, log_p, end, k):
    """The parent as the place among all words of all hypotheses, divided by k."""
    size = log_p.shape[1]
    return beam_step(log_prob, log_p, end, k, live=lambda total, parent, word, _: ((parent * size + word) // k, word, total))


def _dropped(row, k, end):
    """argsort(p)[:-k]: all but the k likeliest."""
    return [word for word in likeliest(row, len(row)) if word not in likeliest(row, k)]


def _end_always(row, k, end):
    return [word for word in likeliest(row, len(row)) if word == end or word in likeliest(row, k)]


def _last_first(row, k, end):
    """argsort(p)[::-1][:k]: of equal words those of higher id."""
    return [len(row) - 1 - word for word in likeliest(row[::-1], k)]


def _others(row, k, end):
    """The k likeliest words other than ``end``."""
    return [word for word in likeliest(row, len(row)) if word != end][:k]


def beam_step_cases(draw: Draw) -> list[Case]:
    def case(name, p, before, end, k, **options):
        p = np.array(p)
        with np.errstate(divide="ignore"):
            log_p = np.log(p / p.sum(1, keepdims=True))
        return Case(name, {"log_prob": np.array(before), "log_p": log_p, "end": end, "k": k}, **options)

    return [case("", [[15, 18, 10, 9, 27, 9, 12], [30, 4, 26, 24, 3, 8, 5], [8, 10, 33, 3, 9, 17, 20]], [-2.9, -1.2, -3.2], 2, 3),
            case("the first step, where there is one hypothesis", [[7, 22, 27, 17, 11, 16]], [0.0], 3, 4),
            case("nothing ends", [[5, 3, 1, 7], [6, 2, 1, 4]], [-1.0, -1.5], 2, 2),
            case("equal log-probabilities", [[1, 1, 1, 1, 1]] * 3, [-2.0, -1.0, -1.0], 1, 3, hint="equal log-probabilities: the "
                 "lower parent comes first, then the lower word id, also among the words that a hypothesis proposes; "
                 "np.argsort(-x, kind=\"stable\") leaves equal ones in their order"),
            case("words of probability 0", [[0, 2, 0, 1, 0], [3, 0, 0, 0, 0], [1, 0, 2, 5, 0]], [-1.0, -1.1, -2.0], 0, 3,
                 hint="a word whose log-probability is -inf is never proposed, even if fewer than k are left"),
            case("k larger than the number of words", draw.uniform(2, 3, low=0.1), [-0.5, -0.6], 1, 6,
                 hint="with fewer than k words a hypothesis proposes all, and fewer than k may go on"),
            case("greedy search, k = 1, at the end of the sentence", [[1, 2, 9, 3]], [-4.0], 2, 1)]


BEAM_STEP = Task(
    "beam_step", "beam_step", None, ("live", "live_log_prob", "ended", "ended_log_prob"), (),
    {"log_prob": "n", "log_p": "n K", "live": "M columns", "live_log_prob": "M", "ended": "E", "ended_log_prob": "E"},
    beam_step, beam_step_cases, (
        Mistake("each hypothesis proposes all words but its k likeliest, as argsort(p)[:-k] gives them; the k likeliest are "
                "argsort(p)[-k:], or argsort(-p)[:k]", partial(beam_step, propose=_dropped)),
        Mistake("the log-probability of the parent is missing: a continuation has log_prob[parent] + log_p[parent, word]",
                partial(beam_step, reach=lambda before, word: word)),
        Mistake("log-probabilities are multiplied; they add up", partial(beam_step, reach=lambda before, word: before * word)),
        Mistake("live_log_prob holds probabilities; it is log_prob[parent] + log_p[parent, word], a logarithm",
                partial(beam_step, live=lambda total, parent, word, _: (parent, word, float(np.exp(total))))),
        Mistake("live_log_prob is that of the word alone: log_prob[parent] is missing",
                partial(beam_step, live=lambda total, parent, word, log_p: (parent, word, log_p))),
        Mistake("completed sentences take places in the beam: proposals of `end` leave it first, and then the k best others go on",
                partial(beam_step, leave=_places)),
        Mistake("completed sentences go on as well: nothing follows `end`, so they leave the beam",
                partial(beam_step, leave=lambda proposals, end, k: (proposals, [p for p in proposals if p[2] == end]))),
        Mistake("every hypothesis completes a sentence: only those do that propose `end`, which must be among their k likeliest "
                "words", partial(beam_step, propose=_end_always)),
        Mistake("`end` is not counted among the k likeliest words: a hypothesis that proposes it proposes k - 1 others",
                partial(beam_step, propose=lambda row, k, end: _others(row, k, end) + [end] * (end in likeliest(row, k)))),
        Mistake("`end` is kept apart from the other words: it counts among the k likeliest words of a hypothesis, and where it is "
                "none of them no sentence is completed",
                partial(beam_step, propose=lambda row, k, end: _others(row, k, end) + [end] * (row[end] > -np.inf))),
        Mistake("no sentence is completed: the parents of proposals of `end` belong in ended",
                partial(beam_step, leave=lambda proposals, end, k: ([p for p in proposals if p[2] != end], []))),
        Mistake("every hypothesis keeps all its proposals: only the k best of all of them together go on",
                partial(beam_step, kept=lambda k, n: n * k)),
        Mistake("each hypothesis goes on with its likeliest word: the k best are those of all proposals together, and a good "
                "hypothesis may have several", partial(beam_step, propose=lambda row, k, end: likeliest(row, 1))),
        Mistake("live is sorted the wrong way: the best comes first",
                _told(lambda live, total, ended, ended_total: (live[::-1].copy(), total[::-1].copy(), ended, ended_total))),
        Mistake("the k worst proposals go on: argsort ascends, so the best are the last",
                partial(beam_step, rank=lambda total, parent, word, _: (total, parent, word))),
        Mistake("the continuations are ranked by the word's log-probability alone: log_prob[parent] adds to it",
                partial(beam_step, rank=lambda total, parent, word, log_p: (-log_p, parent, word))),
        Mistake("live is in the order of the parents; the best comes first", _told(_by_parents)),
        Mistake("the columns of live are swapped: parent, word",
                partial(beam_step, live=lambda total, parent, word, _: (word, parent, total))),
        Mistake("ended holds the words, which are all `end`; it holds the parents, the numbers of the hypotheses that end",
                lambda log_prob, log_p, end, k: _told(lambda live, total, ended, ended_total: (
                    live, total, np.full_like(ended, end), ended_total))(log_prob, log_p, end, k)),
        Mistake("the parent is wrong: in an array of all (n, K) continuations, place j has parent j // K and word j % K, with the "
                "number of words K and not k", _flat),
        Mistake("of equally likely words a hypothesis proposes those of higher id, and of equally good continuations the later "
                "ones come first, as argsort(x)[::-1] has it: the lower number comes first, both times",
                partial(beam_step, rank=lambda total, parent, word, _: (-total, -parent, -word), propose=_last_first)),
        Mistake("of equally likely words a hypothesis proposes those of higher id, as argsort(p)[::-1][:k] has it: the lower id "
                "comes first, as in argsort(-p, kind=\"stable\")[:k]", partial(beam_step, propose=_last_first)),
        Mistake("of equally good continuations the later ones come first: the lower parent does, then the lower word",
                partial(beam_step, rank=lambda total, parent, word, _: (-total, -parent, -word))),
        Mistake("equally good continuations are in the order of their words: the lower parent comes first, and only then the "
                "lower word", partial(beam_step, rank=lambda total, parent, word, _: (-total, word, parent))),
        Mistake("an empty live has no columns: with nothing in it, it is (0, 2), for example by .reshape(-1, 2)",
                _told(lambda live, *others: (live if len(live) else live[:, 0], *others))),
    ), points=(2,), extra=True)

EXERCISE = Exercise(2, "Show and Tell", (LSTM_STEP, CAPTION_LOSS, IMAGE_THEN_WORDS, BEAM_STEP))
