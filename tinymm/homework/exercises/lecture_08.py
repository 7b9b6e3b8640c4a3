"""Exercise 8: CLIP's loss, the attention pool of its ResNet, the zero-shot classifier, byte-pair merges."""

from __future__ import annotations

from functools import partial
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope

# ---------------------------------------------------------------------- the loss

def unit(x, dim=1, power=0.5):
    """x divided by the lengths along ``dim``; another ``power`` of the sum of squares is a variant's."""
    return x / (x * x).sum(dim, keepdim=True) ** power


def embed(f, W, normalize=unit):
    """The features f (n, d) in the common space, made of length 1 there."""
    return normalize(f @ W)


def diagonal(logits, axis):
    """-mean over the n pairs of log softmax(logits, axis) on the diagonal."""
    right = (logits * Tensor(np.eye(logits.shape[0]))).sum(axis)                   # (n,)
    return (F.logsumexp(logits, dim=axis) - right).sum() / logits.shape[0]


def both(logits):
    """The mean of the two cross-entropies."""
    return (diagonal(logits, 0) + diagonal(logits, 1)) / 2


def clip_loss(I_f, T_f, W_i, W_t, t, image=embed, text=embed, scale: Callable = F.exp, compare=lambda I, T, s: I @ T.T * s,
              judge=both):
    """The slide's pseudo-code: features (n, d_i) and (n, d_t), projections (d_i, d_e) and (d_t, d_e), a number t.

    The rest is for the variants: what the embeddings are, what stands for e^t, how they make logits, and those a loss.
    """
    return judge(compare(image(I_f, W_i), text(T_f, W_t), scale(t)))


def _embeds(embedding):
    return partial(clip_loss, image=embedding, text=embedding)


def _compares(path):
    """The right logits, with the gradient of ``path(I, T, s)``."""
    return partial(clip_loss, compare=lambda I, T, s: with_slope(I @ T.T * s, path(I, T, s)))


def _judges(path):
    """The right loss, with the gradient of ``path(logits)``."""
    return partial(clip_loss, judge=lambda logits: with_slope(both(logits), path(logits)))


def _slope_without_length(x):
    """Of the backward of x / |x|, the division by |x| is missing."""
    return with_slope(unit(x), unit(x) * ((x * x).sum(1, keepdim=True) ** 0.5).detach())


def _slope_of_length_alone(x):
    """Of the backward of x / |x|, only the division by |x| is there."""
    return x / ((x * x).sum(1, keepdim=True) ** 0.5).detach()


def _whole(logits):
    """One softmax over all n^2 logits."""
    n = logits.shape[0]
    return -(F.log_softmax(logits.reshape(-1), dim=0).reshape(n, n) * Tensor(np.eye(n))).sum() / n


def _for_each_pair(logits):
    right = (logits * Tensor(np.eye(logits.shape[0]))).sum(0)
    return (F.logsumexp(logits, dim=0) + F.logsumexp(logits, dim=1)) / 2 - right


def _without_log(logits):
    eye = Tensor(np.eye(logits.shape[0]))
    return -((F.softmax(logits, dim=0) + F.softmax(logits, dim=1)) * eye).sum() / (2 * logits.shape[0])


def _trace(logits):
    return (logits * Tensor(np.eye(logits.shape[0]))).sum() / (2 * logits.shape[0])


def clip_loss_cases(draw: Draw) -> list[Case]:
    def case(name, n, d_i, d_t, d_e, t, **options):
        return Case(name, {"I_f": draw.normal(n, d_i), "T_f": draw.normal(n, d_t), "W_i": draw.normal(d_i, d_e),
                           "W_t": draw.normal(d_t, d_e), "t": np.array(t)}, **options)

    return [case("", 4, 5, 6, 3, 1.3, differences=True),
            case("two pairs, t below 0", 2, 3, 4, 5, -0.7),
            case("logits near 1000", 5, 4, 3, 2, 7.0, hint="exp overflows: subtract the largest logit of each row (or column) "
                 "first, and compute log softmax as l - max l - log sum exp(l - max l), not as the log of a softmax that may be 0"),
            case("one pair", 1, 3, 2, 4, 0.5, hint="one pair has nothing to be told apart from: the loss and all gradients are 0")]


CLIP_LOSS = Task(
    "clip_loss", "clip_loss_forward", "clip_loss_backward", ("loss",), ("I_f", "T_f", "W_i", "W_t", "t"),
    {"I_f": "n d_i", "T_f": "n d_t", "W_i": "d_i d_e", "W_t": "d_t d_e", "t": "", "loss": ""}, clip_loss, clip_loss_cases, (
        Mistake("the features are normalised before the projection; the embeddings are made of length 1 after it, "
                "l2_normalize(I_f W_i)", _embeds(lambda f, W: unit(f) @ W)),
        Mistake("the embeddings are not normalised: the logits are cosines times e^t, so both must have length 1",
                _embeds(lambda f, W: f @ W)),
        Mistake("the embeddings of the texts are not normalised", partial(clip_loss, text=lambda f, W: f @ W)),
        Mistake("the embeddings of the images are not normalised", partial(clip_loss, image=lambda f, W: f @ W)),
        Mistake("the embeddings are normalised over the batch (axis 0); each one is made of length 1, along axis 1",
                _embeds(partial(embed, normalize=partial(unit, dim=0)))),
        Mistake("the embeddings are divided by their squared length: the square root is missing",
                _embeds(partial(embed, normalize=partial(unit, power=1.0)))),
        Mistake("the cosines are multiplied by t; t is a logarithm, so the factor is e^t",
                partial(clip_loss, scale=lambda t: t)),
        Mistake("the cosines are divided by e^t; t is the log of the inverse temperature, so they are multiplied by it",
                partial(clip_loss, scale=lambda t: F.exp(-t))),
        Mistake("e^t is missing: the logits are the cosines times e^t", partial(clip_loss, scale=lambda t: F.exp(0 * t))),
        Mistake("e^t is bounded by 100 here; in training the bound is put on the parameter t after each step of the optimiser, "
                "not in the loss, where no gradient would pass it",
                partial(clip_loss, scale=lambda t: F.exp(t.clamp(max=float(np.log(100.0)))))),
        Mistake("only the cross-entropy along axis 1 is there (each image among the texts); the one along axis 0 is missing, or "
                "computed along axis 1, too", partial(clip_loss, judge=partial(diagonal, axis=1))),
        Mistake("only the cross-entropy along axis 0 is there (each text among the images); the one along axis 1 is missing, or "
                "computed along axis 0, too", partial(clip_loss, judge=partial(diagonal, axis=0))),
        Mistake("there is one softmax over all n^2 logits; each row has its own, and each column",
                partial(clip_loss, judge=_whole)),
        Mistake("the two cross-entropies are added; the loss is their mean",
                partial(clip_loss, judge=lambda logits: 2 * both(logits))),
        Mistake("summed over the pairs; each cross-entropy is the mean over the n pairs",
                partial(clip_loss, judge=lambda logits: both(logits) * logits.shape[0])),
        Mistake("each pair has a loss of its own; the loss is the mean over the n pairs, one number",
                partial(clip_loss, judge=_for_each_pair)),
        Mistake("divided by n^2: only the n elements on the diagonal count, so each cross-entropy is their sum divided by n",
                partial(clip_loss, judge=lambda logits: both(logits) / logits.shape[0])),
        Mistake("the sign is wrong: the loss is minus the log-probability", partial(clip_loss, judge=lambda logits: -both(logits))),
        Mistake("the log is missing: the loss is the mean of -log p, not of -p", partial(clip_loss, judge=_without_log)),
        Mistake("the gradient of the cross-entropy along axis 0 is missing: both give something to the logits",
                _judges(lambda logits: diagonal(logits, 1) / 2)),
        Mistake("the gradient of the cross-entropy along axis 1 is missing: both give something to the logits",
                _judges(lambda logits: diagonal(logits, 0) / 2)),
        Mistake("the one_hot is subtracted once; each of the two cross-entropies has its own: (p_0 - one_hot) + (p_1 - one_hot)",
                _judges(lambda logits: both(logits) + _trace(logits))),
        Mistake("the one_hot is missing: the gradient of -log p of the right one is p - one_hot, and you have p",
                _judges(lambda logits: both(logits) + 2 * _trace(logits))),
        Mistake("the Jacobian of the normalisation is missing: from the gradient g of e = z / |z|, dz = (g - e (e . g)) / |z|",
                _embeds(partial(embed, normalize=lambda x: with_slope(unit(x), x)))),
        Mistake("half of the Jacobian of the normalisation is missing: from the gradient g of e = z / |z|, "
                "dz = (g - e (e . g)) / |z|, and you have g / |z|, as if the length were a constant",
                _embeds(partial(embed, normalize=_slope_of_length_alone))),
        Mistake("the division by |z| is missing: from the gradient g of e = z / |z|, dz = (g - e (e . g)) / |z|",
                _embeds(partial(embed, normalize=_slope_without_length))),
        Mistake("dt is the gradient with respect to e^t: the factor e^t is missing, dt = sum(dlogits * logits)",
                partial(clip_loss, scale=lambda t: with_slope(F.exp(t), t))),
        Mistake("dt is 0, but t is learned, too: dt = sum(dlogits * logits)",
                partial(clip_loss, scale=lambda t: F.exp(t).detach() + 0 * t)),
        Mistake("the factor e^t is missing on the way from the logits to the embeddings: dI_e = e^t dlogits T_e, and so for T_e",
                _compares(lambda I, T, s: I @ T.T + (I @ T.T).detach() * s)),
        Mistake("dT_e takes dlogits as it is: the rows of the logits are images, so dT_e = e^t dlogits^T I_e",
                _compares(lambda I, T, s: (I @ T.detach().T + T @ I.detach().T) * s.detach() + (I @ T.T).detach() * s)),
        Mistake("dI_e takes dlogits transposed: the rows of the logits are images, so dI_e = e^t dlogits T_e",
                _compares(lambda I, T, s: (T.detach() @ I.T + I.detach() @ T.T) * s.detach() + (I @ T.T).detach() * s)),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the attention pool

def _blocks(y, heads):
    """(B, M, D) as (B, heads, M, D / heads): a head has a block of features that stand together."""
    return y.reshape(y.shape[0], y.shape[1], heads, -1).transpose(1, 2)


def _joined(y):
    """What ``_blocks`` parted, for one query: (B, heads, 1, d) as (B, D)."""
    return y.transpose(1, 2).reshape(y.shape[0], -1)


def _softmax(e):
    return F.softmax(e, dim=3)


def _mean(x):
    return x.mean(1, keepdim=True)


def attention_pool(x, positions, W_q, W_k, W_v, heads, summary=_mean, order=lambda mean, x: [mean, x],
                   place=lambda s, p: s + p, asks=lambda s: s[:, :1], keys=lambda s: s, values=lambda s: s,
                   project=lambda s, W: s @ W.T, part=_blocks, scale=lambda e, d, D: e / d**0.5, weigh=_softmax, join=_joined):
    """One query, the mean of x (B, L, D), asks the mean and the L locations; positions (L+1, D), weights (D, D).

    The rest is for the variants: the token that asks, the order of the tokens, what becomes of the positions; which
    tokens ask, are asked, and answer; and the parts of multi-head attention.
    """
    s = place(F.cat(order(summary(x), x), dim=1), positions)                       # (B, L+1, D)
    q, k, v = (part(project(see(s), W), heads) for see, W in ((asks, W_q), (keys, W_k), (values, W_v)))   # (B, heads, ., d)
    alpha = weigh(scale(q @ k.transpose(2, 3), x.shape[2] // heads, x.shape[2]))   # (B, heads, 1, L+1)
    return join(alpha @ v)                                                         # (B, D)


def _no_first(s):
    """The first token gets no gradient."""
    return F.cat([s[:, :1].detach(), s[:, 1:]], dim=1)


def _no_slope(s):
    return s.detach()


def _locations(s):
    return s[:, 1:]


def _mixed(y, heads):
    """Reshaped without a transpose: the blocks are cut from all tokens' features one after the other."""
    return y.reshape(y.shape[0], heads, y.shape[1], -1)


def _interleaved(y, heads):
    """A head has every heads-th feature."""
    return y.reshape(y.shape[0], y.shape[1], -1, heads).transpose(2, 3).transpose(1, 2)


def _interleaved_back(y):
    """(B, heads, 1, d) as (B, D), every heads-th feature a head's."""
    return y.squeeze(2).transpose(1, 2).reshape(y.shape[0], -1)


def _mean_with_positions(x, positions, *args):
    """The mean is taken after the positions were added."""
    placed = lambda s, p: F.cat([s[:, :1] + p[:1] + p[1:].mean(0), s[:, 1:] + p[1:]], dim=1)
    return attention_pool(x, positions, *args, place=placed)


def _query_without_position(x, positions, *args):
    return attention_pool(x, positions, *args, asks=lambda s: s[:, :1] - positions[0])


def _averaged_positions(s, p):
    return s + with_slope(p, p / s.shape[0])


def attention_pool_cases(draw: Draw) -> list[Case]:
    def case(name, B, L, D, heads, size=0.6, **options):
        return Case(name, {"x": draw.normal(B, L, D), "positions": draw.normal(L + 1, D), "W_q": draw.normal(D, D, scale=size),
                           "W_k": draw.normal(D, D, scale=size), "W_v": draw.normal(D, D, scale=0.6), "heads": heads}, **options)

    return [case("", 3, 4, 6, 2, differences=True),
            case("one image, one head", 1, 3, 4, 1),
            case("one location", 2, 1, 4, 2),
            case("as many heads as features", 2, 3, 3, 3),
            case("scores near 1000", 2, 3, 4, 2, size=20.0, hint="exp overflows: subtract the largest score of each image and head "
                 "before it, which leaves the softmax as it is")]


ATTENTION_POOL = Task(
    "attention_pool", "attention_pool_forward", "attention_pool_backward", ("z",), ("x", "positions", "W_q", "W_k", "W_v"),
    {"x": "B L D", "positions": "L+1 D", "W_q": "D D", "W_k": "D D", "W_v": "D D", "z": "B D"},
    attention_pool, attention_pool_cases, (
        Mistake("the scores are not divided by sqrt(d), d = D / heads", partial(attention_pool, scale=lambda e, d, D: e)),
        Mistake("the scores are divided by sqrt(D); a head has d = D / heads features, so it is sqrt(d)",
                partial(attention_pool, scale=lambda e, d, D: e / D**0.5)),
        Mistake("the scores are divided by d; it is sqrt(d)", partial(attention_pool, scale=lambda e, d, D: e / d)),
        Mistake("W_q, W_k and W_v are transposed: for a vector q = W_q s, so for rows of vectors s @ W_q.T",
                partial(attention_pool, project=lambda s, W: s @ W)),
        Mistake("the mean only asks; it is also one of the L+1 tokens that are asked",
                partial(attention_pool, keys=_locations, values=_locations)),
        Mistake("the positions are not added", partial(attention_pool, place=lambda s, p: s + 0 * p)),
        Mistake("the mean has no position: positions[0] is its own, and the query has it, too",
                partial(attention_pool, place=lambda s, p: F.cat([s[:, :1], s[:, 1:] + p[1:]], dim=1))),
        Mistake("the query is the mean without its position; it is the first token, positions[0] included",
                _query_without_position),
        Mistake("the mean is taken after the positions were added to the locations; it is the mean of x, and has positions[0]",
                _mean_with_positions),
        Mistake("the mean comes last; it is the first token, the one of positions[0]",
                partial(attention_pool, order=lambda mean, x: [x, mean], asks=lambda s: s[:, -1:])),
        Mistake("the first location asks: the mean comes before the locations, not behind them",
                partial(attention_pool, order=lambda mean, x: [x, mean])),
        Mistake("the first token is the sum over the locations; it is their mean",
                partial(attention_pool, summary=lambda x: x.sum(1, keepdim=True))),
        Mistake("every token asks, and the answers are averaged; only the first token asks",
                partial(attention_pool, asks=lambda s: s, join=lambda y: _joined(y.mean(2, keepdim=True)))),
        Mistake("there is one head with all D features; each head has its own scores and softmax, over its D / heads features",
                lambda x, p, W_q, W_k, W_v, heads: attention_pool(x, p, W_q, W_k, W_v, 1)),
        Mistake("the heads are cut wrongly: (B, L+1, D) becomes (B, L+1, heads, d), and only then are the axes of tokens and heads "
                "swapped; reshaping to (B, heads, L+1, d) at once mixes the tokens", partial(attention_pool, part=_mixed)),
        Mistake("the heads take turns with the features; a head has d features that stand together: reshape to "
                "(B, L+1, heads, d), not (B, L+1, d, heads)",
                partial(attention_pool, part=_interleaved, join=_interleaved_back)),
        Mistake("the softmax is missing", partial(attention_pool, weigh=lambda e: e)),
        Mistake("the softmax is over the batch (axis 0); the weights of one image and head sum to 1 over the L+1 tokens",
                partial(attention_pool, weigh=lambda e: F.softmax(e, dim=0))),
        Mistake("the softmax is over the heads; the weights of one image and head sum to 1 over the L+1 tokens",
                partial(attention_pool, weigh=lambda e: F.softmax(e, dim=1))),
        Mistake("W_k and W_v are swapped: scores come from W_k s, answers from W_v s",
                lambda x, p, W_q, W_k, W_v, heads: attention_pool(x, p, W_q, W_v, W_k, heads)),
        Mistake("the Jacobian of the softmax is missing: from the gradient g of alpha, de = alpha * (g - sum_j alpha_j g_j)",
                partial(attention_pool, weigh=sloped(_softmax, lambda alpha: 1.0))),
        Mistake("half of the Jacobian of the softmax is missing: de = alpha * (g - sum_j alpha_j g_j), and you have alpha * g",
                partial(attention_pool, weigh=sloped(_softmax, lambda alpha: alpha))),
        Mistake("the division by sqrt(d) is missing in the backward",
                partial(attention_pool, scale=lambda e, d, D: with_slope(e / d**0.5, e))),
        Mistake("the way through the mean is missing: the first token holds 1/L of each location, so its gradient reaches x, too",
                partial(attention_pool, summary=lambda x: _mean(x).detach())),
        Mistake("the gradient of the mean is handed to each location whole; each gets 1/L of it",
                partial(attention_pool, summary=lambda x: with_slope(_mean(x), x.sum(1, keepdim=True)))),
        Mistake("the way through the query is missing: the first token also asks, and dq W_q adds to its gradient (`=` in place of "
                "`+=`?)", partial(attention_pool, asks=lambda s: s[:, :1].detach())),
        Mistake("the first token gets the gradient of the query alone: it is also asked, and that adds up (`=` in place of `+=`?)",
                partial(attention_pool, keys=_no_first, values=_no_first)),
        Mistake("the way through the keys is missing: the tokens enter the scores and the answers, and both ways add up "
                "(`=` in place of `+=`?)", partial(attention_pool, keys=_no_slope)),
        Mistake("the way through the answers W_v s is missing: the tokens enter the scores and the answers, and both ways add up "
                "(`=` in place of `+=`?)", partial(attention_pool, values=_no_slope)),
        Mistake("dpositions is averaged over the images; they all use the same positions, so their gradients add up",
                partial(attention_pool, place=_averaged_positions)),
    ), points=(4, 6))


# ---------------------------------------------------------------------- zero-shot classification

def unit_prompts(prompts):
    """Each embedding of (C, P, E) made of length 1."""
    return unit(prompts, dim=2)


def zero_shot(prompts, images, single=unit_prompts, gather=lambda T: T.mean(1), whole=unit, seen=unit, factor=100.0,
              told=lambda logits: logits, choose=lambda logits: logits.argmax(1)):
    """weights (C, E), logits (N, C), label (N,), of prompts (C, P, E) and images (N, E).

    The rest is for the variants: what becomes of each prompt's embedding, of all of a class, of their mean and of the
    images; the factor; what the caller sees as logits; and how a class is chosen.
    """
    weights = whole(gather(single(prompts)))
    logits = factor * (seen(images) @ weights.T)
    return weights, told(logits), Tensor(choose(logits._data))


def zero_shot_cases(draw: Draw) -> list[Case]:
    def case(name, C, P, E, N, **options):
        lengths = draw.uniform(C, P, 1, low=0.2, high=5.0)
        return Case(name, {"prompts": draw.normal(C, P, E) * lengths, "images": draw.normal(N, E)}, **options)

    return [case("", 4, 3, 5, 7), case("one prompt for each class", 3, 1, 4, 5), case("one class, one image", 1, 4, 3, 1)]


ZERO_SHOT = Task(
    "zero_shot", "zero_shot", None, ("weights", "logits", "label"), (),
    {"prompts": "C P E", "images": "N E", "weights": "C E", "logits": "N C", "label": "N"}, zero_shot, zero_shot_cases, (
        Mistake("the prompts are averaged as they are: make each embedding of length 1 before the mean, or the longest decides",
                partial(zero_shot, single=lambda T: T)),
        Mistake("the mean is not normalised: a mean of vectors of length 1 is shorter than 1, the more the prompts disagree, and "
                "such a class would lose; make it of length 1 again", partial(zero_shot, whole=lambda w: w)),
        Mistake("nothing is normalised: make each prompt's embedding of length 1 before the mean, and the mean after it",
                partial(zero_shot, single=lambda T: T, whole=lambda w: w)),
        Mistake("the prompts are normalised along the wrong axis: each embedding, along the last axis, is made of length 1",
                partial(zero_shot, single=unit)),
        Mistake("the mean is normalised over the classes (axis 0); the weights of each class are made of length 1",
                partial(zero_shot, whole=partial(unit, dim=0))),
        Mistake("only the first prompt of each class is used", partial(zero_shot, gather=lambda T: T[:, 0])),
        Mistake("averaged over the classes (axis 0); the prompts of one class are averaged, axis 1",
                partial(zero_shot, gather=lambda T: T.mean(0))),
        Mistake("the embeddings of the images are not normalised: the logits are 100 times cosines",
                partial(zero_shot, seen=lambda x: x)),
        Mistake("the images are normalised over the batch (axis 0); each one is made of length 1",
                partial(zero_shot, seen=partial(unit, dim=0))),
        Mistake("the logits are the cosines; the factor 100, e^t at its bound, is missing", partial(zero_shot, factor=1.0)),
        Mistake("the logits went through a softmax: they are probabilities",
                partial(zero_shot, told=lambda logits: F.softmax(logits, dim=1))),
        Mistake("label is the least likely class; it is the one of the largest logit",
                partial(zero_shot, choose=lambda logits: logits.argmin(1))),
        Mistake("label holds the likeliest image of each class (axis 0); it is the likeliest class of each image (axis 1)",
                partial(zero_shot, choose=lambda logits: logits.argmax(0))),
        Mistake("label counts from 1; the classes are numbered from 0",
                partial(zero_shot, choose=lambda logits: logits.argmax(1) + 1)),
    ), points=(2,), extra=True)


# ---------------------------------------------------------------------- byte-pair merges

def sweep(word: list[int], fits, joined: int, most: int | None = None) -> list[int]:
    """The pairs that fit, from the left, each replaced by one symbol; at most ``most`` of them."""
    out, place, done = [], 0, 0
    while place < len(word):
        hit = fits(tuple(word[place:place + 2])) and (most is None or done < most)
        out.append(joined if hit else word[place])
        place, done = place + 1 + hit, done + hit
    return out


def bpe_merge(symbols, merges, best=min, key=lambda pair: pair, replace=sweep, rounds=None, becomes=lambda rank, joined: joined):
    """The symbols (L,) after all merges (M, 3) that are possible, the one of lowest rank first.

    The rest is for the variants: which of the possible (rank, place) is taken, when two pairs are the same, how one is
    replaced and by what, and how often.
    """
    word, table = symbols._data.tolist(), {}
    for rank, (left, right, joined) in enumerate(merges._data.tolist()):
        table.setdefault(key((left, right)), (rank, joined))
    while rounds is None or rounds > 0:
        pairs = [key(pair) for pair in zip(word, word[1:])]
        possible = [(table[pair][0], place) for place, pair in enumerate(pairs) if pair in table]
        if not possible:
            break
        pair = pairs[best(possible)[1]]
        word = replace(word, lambda other: len(other) == 2 and key(other) == pair, becomes(*table[pair]))
        rounds = rounds and rounds - 1
    return Tensor(np.array(word))


def _from_the_right(word, fits, joined):
    return sweep(word[::-1], lambda pair: fits(pair[::-1]), joined)[::-1]


def _one_of_each(symbols, merges):
    """Row after row, only the first place of each pair is merged."""
    word = symbols._data.tolist()
    for left, right, joined in merges._data.tolist():
        word = sweep(word, lambda pair: pair == (left, right), joined, most=1)
    return Tensor(np.array(word))


def _longest_first(symbols, merges):
    """WordPiece's way: from the left, always the longest symbol that fits."""
    spelled: dict[tuple, Any] = {(symbol,): symbol for symbol in symbols._data.tolist()}
    for left, right, joined in merges._data.tolist():
        parts = {symbol: letters for letters, symbol in spelled.items()}
        spelled[parts.get(left, (left,)) + parts.get(right, (right,))] = joined
    word, out = tuple(symbols._data.tolist()), []
    while word:
        length = max(n for n in range(1, len(word) + 1) if word[:n] in spelled)
        out.append(spelled[word[:length]])
        word = word[length:]
    return Tensor(np.array(out))


LETTERS = {letter: number for number, letter in enumerate("abehlnorstw")}


def table_of(*merges: str) -> tuple[np.ndarray, dict[str, int]]:
    """Merges, each as "left right", as rows (left, right, joined), and the number of each symbol."""
    numbers, rows = dict(LETTERS), []
    for merge in merges:
        left, right = merge.split()
        joined = numbers.setdefault(left + right, len(numbers))
        rows.append([numbers[left], numbers[right], joined])
    return np.array(rows, dtype=np.int64).reshape(-1, 3), numbers


def bpe_merge_cases(draw: Draw) -> list[Case]:
    def case(name, word, *merges, **options):
        return Case(name, {"symbols": np.array([LETTERS[letter] for letter in word]), "merges": table_of(*merges)[0]}, **options)

    return [case("", "slowerlowthal", "o w", "e r", "l ow", "w e", "a l", "s l", "t h", "low er", "h al", "t hal"),
            case("a run of equal symbols", "baaaaa", "a a", "aa aa",
                 hint="the places of a pair may overlap: they are taken from the left"),
            case("the pair of lowest rank is not the leftmost", "that", "h a", "t h", "a t"),
            case("the order within a pair", "nana", "a n", "an a"),
            case("one symbol", "a", "a n"),
            case("an empty table", "nose", hint="without a possible merge the symbols stay as they are")]


BPE_MERGE = Task(
    "bpe_merge", "bpe_merge", None, ("ids",), (), {"symbols": "L", "merges": "M columns", "ids": "L'"},
    bpe_merge, bpe_merge_cases, (
        Mistake("the leftmost pair is merged that is in the table; the one of the lowest rank is, wherever it stands",
                partial(bpe_merge, best=lambda possible: min(possible, key=lambda found: found[1]))),
        Mistake("the pair of the highest rank is merged first; the lowest comes first, row 0 before row 1",
                partial(bpe_merge, best=lambda possible: max(possible, key=lambda found: (found[0], -found[1])))),
        Mistake("one merge is done, and no more: go on as long as a pair of neighbours is in the table",
                partial(bpe_merge, rounds=1)),
        Mistake("only the first place of each pair is merged; the pair is replaced wherever it stands", _one_of_each),
        Mistake("where the places of a pair overlap they are taken from the right; they are taken from the left",
                partial(bpe_merge, replace=_from_the_right)),
        Mistake("the order within a pair is not looked at: (left, right) is another pair than (right, left)",
                partial(bpe_merge, key=lambda pair: tuple(sorted(pair)))),
        Mistake("a pair is replaced by its rank; the third column says by which symbol",
                partial(bpe_merge, becomes=lambda rank, joined: rank)),
        Mistake("always the longest symbol that fits is taken, from the left (that is WordPiece); here merges decide, by rank",
                _longest_first),
        Mistake("nothing is merged", lambda symbols, merges: symbols),
    ), points=(2,), extra=True)

EXERCISE = Exercise(8, "CLIP", (CLIP_LOSS, ATTENTION_POOL, ZERO_SHOT, BPE_MERGE))
