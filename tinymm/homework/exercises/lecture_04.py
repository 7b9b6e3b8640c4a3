"""Exercise 4: soft attention, the doubly stochastic penalty, hard attention, the moving-average baseline."""

from __future__ import annotations

from functools import partial
from collections.abc import Callable

import numpy as np

from ... import functional as F
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope, words

# ---------------------------------------------------------------------- soft attention


def soft_attention(a, h, W_a, W_h, u, squash: Callable = F.tanh, weigh=lambda e: F.softmax(e, dim=1), scored=lambda a: a,
                   seen=lambda a: a,
                   share=lambda alpha: alpha, told=lambda alpha: alpha):
    """z, alpha = soft attention over a (B, L, D) from h (B, H).

    The rest is for the variants: what stands for tanh and for the softmax; what the scores and the mean use of ``a``;
    what the mean uses, and what the caller sees, of alpha.
    """
    alpha = weigh(squash(scored(a) @ W_a.T + (h @ W_h.T).unsqueeze(1)) @ u)       # (B, L)
    return (share(alpha).unsqueeze(2) * seen(a)).sum(1), told(alpha)


def _outer_state(a, h, W_a, W_h, u):
    alpha = F.softmax(((a @ W_a.T).tanh() + (h @ W_h.T).unsqueeze(1)) @ u, dim=1)
    return (alpha.unsqueeze(2) * a).sum(1), alpha


def _mean_context(*args):
    z, alpha = soft_attention(*args)
    return z / alpha.shape[1], alpha


def soft_attention_cases(draw: Draw) -> list[Case]:
    def case(name, B, L, D, H, K, size=0.7, **options):
        return Case(name, {"a": draw.normal(B, L, D), "h": draw.normal(B, H), "W_a": draw.normal(K, D, scale=0.5),
                           "W_h": draw.normal(K, H, scale=0.5), "u": draw.normal(K, scale=size)}, **options)

    return [case("", 3, 5, 4, 2, 6, size=1.5, differences=True),
            case("one image", 1, 4, 3, 2, 5),
            case("one location", 3, 1, 2, 4, 3),
            case("scores near 1000", 2, 4, 3, 2, 5, size=1100.0, hint="exp overflows: subtract the largest score of each image "
                 "before it, which leaves the softmax as it is")]


def _no_slope(x):
    return x.detach()


SOFT_ATTENTION = Task(
    "soft_attention", "soft_attention_forward", "soft_attention_backward", ("z", "alpha"), ("a", "h", "W_a", "W_h", "u"),
    {"a": "B L D", "h": "B H", "W_a": "K D", "W_h": "K H", "u": "K", "z": "B D", "alpha": "B L"},
    soft_attention, soft_attention_cases, (
        Mistake("the softmax is taken over the batch (axis 0); the weights of one image must sum to 1 over its locations (axis 1)",
                partial(soft_attention, weigh=lambda e: F.softmax(e, dim=0))),
        Mistake("the softmax is taken over batch and locations at once; each image has its own",
                partial(soft_attention, weigh=lambda e: F.softmax(e.reshape(-1), dim=0).reshape(e.shape))),
        Mistake("the weights are not normalised: exp(e) must be divided by its sum over the locations",
                partial(soft_attention, weigh=F.exp)),
        Mistake("alpha is the scores themselves: the softmax is missing", partial(soft_attention, weigh=lambda e: e)),
        Mistake("the tanh is missing", partial(soft_attention, squash=lambda x: x)),
        Mistake("W_h h stands outside the tanh", _outer_state),
        Mistake("z is divided by L: alpha sums to 1 already, so z is the sum over the locations, not the mean", _mean_context),
        Mistake("the Jacobian of the softmax is missing: from the gradient g of alpha, de = alpha * (g - sum_j alpha_j g_j)",
                partial(soft_attention, weigh=sloped(partial(F.softmax, dim=1), lambda alpha: 1.0))),
        Mistake("half of the Jacobian of the softmax is missing: de = alpha * (g - sum_j alpha_j g_j), and you have alpha * g",
                partial(soft_attention, weigh=sloped(partial(F.softmax, dim=1), lambda alpha: alpha))),
        Mistake("only the diagonal of the Jacobian of the softmax is there, alpha (1 - alpha): every e_j moves every alpha_i, so "
                "de = alpha * (g - sum_j alpha_j g_j)",
                partial(soft_attention, weigh=sloped(partial(F.softmax, dim=1), lambda alpha: alpha * (1 - alpha)))),
        Mistake("the derivative of the tanh, 1 - tanh^2, is missing",
                partial(soft_attention, squash=lambda x: with_slope(x.tanh(), x))),
        Mistake("only the way through z is there: a also enters the scores, and both ways add up (`=` in place of `+=`?)",
                partial(soft_attention, scored=_no_slope)),
        Mistake("only the way through the scores is there: z = sum_i alpha_i a_i also holds a itself, and both ways add up "
                "(`=` in place of `+=`?)", partial(soft_attention, seen=_no_slope)),
        Mistake("dalpha is not used: alpha is returned, too, and its gradient adds to the one through z",
                partial(soft_attention, told=_no_slope)),
        Mistake("dz does not reach alpha: z = sum_i alpha_i a_i gives dz . a_i to alpha_i, which adds to dalpha",
                partial(soft_attention, share=_no_slope)),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the doubly stochastic penalty


def doubly_stochastic(alpha, mask, tau, lam):
    """lam * sum_i (tau - sum_t alpha_ti)^2 of each image, over the words."""
    return lam * ((tau - (alpha * mask.unsqueeze(2)).sum(1)) ** 2).sum(1)


def _masked_behind(alpha, mask, tau, lam):
    """The mask is applied forward, not backward."""
    return doubly_stochastic(with_slope(alpha * mask.unsqueeze(2), alpha), mask | ~mask, tau, lam)


def doubly_stochastic_cases(draw: Draw) -> list[Case]:
    def case(name, L, lengths, tau, lam, **options):
        mask = words(*lengths)
        scores = draw.uniform(*mask.shape, L, low=0.1)
        return Case(name, {"alpha": scores / scores.sum(2, keepdims=True), "mask": mask, "tau": tau, "lam": lam}, **options)

    return [case("", 5, (4, 2, 3), 1.0, 0.7, differences=True),
            case("captions of equal length", 3, (4, 4), 4 / 3, 2.0),
            case("one word", 4, (1,), 1.0, 1.0)]


DOUBLY_STOCHASTIC = Task(
    "doubly_stochastic", "doubly_stochastic_forward", "doubly_stochastic_backward", ("penalty",), ("alpha",),
    {"alpha": "B T L", "mask": "B T", "penalty": "B"}, doubly_stochastic, doubly_stochastic_cases, (
        Mistake("the mask is not used: padded steps are part of no caption",
                lambda alpha, mask, tau, lam: doubly_stochastic(alpha, mask | ~mask, tau, lam)),
        Mistake("the mask is turned around: True stands for a word",
                lambda alpha, mask, tau, lam: doubly_stochastic(alpha, ~mask, tau, lam)),
        Mistake("averaged over the locations; the penalty is a sum over i",
                lambda alpha, mask, tau, lam: doubly_stochastic(alpha, mask, tau, lam / alpha.shape[2])),
        Mistake("averaged over the batch; each image has its own penalty",
                lambda *args: doubly_stochastic(*args).mean()),
        Mistake("summed over the batch; each image has its own penalty",
                lambda *args: doubly_stochastic(*args).sum()),
        Mistake("squared before the sum over the steps: the square is of tau - sum_t alpha_ti",
                lambda alpha, mask, tau, lam: lam * ((tau - alpha) ** 2 * mask.unsqueeze(2)).sum((1, 2))),
        Mistake("the sums over steps and locations are swapped: inside the square the sum is over the steps t (axis 1)",
                lambda alpha, mask, tau, lam: lam * ((tau - alpha.sum(2)) ** 2 * mask).sum(1)),
        Mistake("the weights are averaged over the steps; inside the square stands their sum",
                lambda alpha, mask, tau, lam: doubly_stochastic(alpha / mask.sum(1).reshape(-1, 1, 1), mask, tau, lam)),
        Mistake("lam is not used", lambda alpha, mask, tau, lam: doubly_stochastic(alpha, mask, tau, 1.0)),
        Mistake("tau is not used", lambda alpha, mask, tau, lam: doubly_stochastic(alpha, mask, 0.0, lam)),
        Mistake("the square is missing", lambda alpha, mask, tau, lam: lam * (tau - (alpha * mask.unsqueeze(2)).sum(1)).sum(1)),
        Mistake("the mask is used forward only: padded steps do not enter the penalty, so their gradient is 0", _masked_behind),
    ), points=(1, 1), extra=True)


# ---------------------------------------------------------------------- hard attention


def hard_attention(e, s, mask, log_p, b, lambda_r, lambda_e, held=lambda reward: reward.detach(), first=1.0,
                   slope=lambda e: e, score_mask=True, bonus_mask=True):
    """The surrogate J of hard attention from N sampled paths; e is (N, T, L), s and mask are (N, T).

    The rest is for the variants: whether the reward is a constant, the weight of log p(y | s, a) itself, the scores as
    the entropy sees them, and whether the two sums over the steps are masked.
    """
    log_alpha = F.log_softmax(e, dim=2)
    drawn = log_alpha.gather(2, s.unsqueeze(2)).squeeze(2)                         # (N, T)
    entropy = -(F.softmax(slope(e), dim=2) * F.log_softmax(slope(e), dim=2)).sum(2)
    score = held(log_p - b) * (drawn * mask if score_mask else drawn).sum(1)
    bonus = (entropy * mask if bonus_mask else entropy).sum(1)
    return (first * log_p + lambda_r * score + lambda_e * bonus).mean()


def _with(**changes):
    """The surrogate with some arguments replaced by functions of them."""
    def variant(*args):
        named = dict(zip(("e", "s", "mask", "log_p", "b", "lambda_r", "lambda_e"), args))
        return hard_attention(**{**named, **{name: change(**named) for name, change in changes.items()}})
    return variant


def _drawn_probability(e, s, mask, log_p, b, lambda_r, lambda_e):
    log_alpha, reward = F.log_softmax(e, dim=2), (log_p - b).detach()
    drawn = log_alpha.exp().gather(2, s.unsqueeze(2)).squeeze(2)
    entropy = -(log_alpha.exp() * log_alpha).sum(2)
    return (log_p + lambda_r * reward * (drawn * mask).sum(1) + lambda_e * (entropy * mask).sum(1)).mean()


def _spoilt(score=lambda e, log_alpha, s: log_alpha, entropy=lambda alpha, e: None):
    """A surrogate with another gradient of the score function, or of the entropy."""
    def variant(e, s, mask, log_p, b, lambda_r, lambda_e):
        log_alpha, reward = F.log_softmax(e, dim=2), (log_p - b).detach()
        alpha = log_alpha.exp()
        drawn = with_slope(log_alpha, score(e, log_alpha, s)).gather(2, s.unsqueeze(2)).squeeze(2)
        right = -(alpha * log_alpha).sum(2)
        other = entropy(alpha, e)
        bonus = right if other is None else with_slope(right, other)
        return (log_p + lambda_r * reward * (drawn * mask).sum(1) + lambda_e * (bonus * mask).sum(1)).mean()
    return variant


def hard_attention_cases(draw: Draw) -> list[Case]:
    def case(name, L, lengths, size=1.0, top=None, **options):
        mask = words(*lengths)
        e = draw.normal(*mask.shape, L, scale=size)
        if top is not None:   # the largest score of each path's steps
            e += np.reshape(top, (-1, 1, 1)) - e.max(axis=2, keepdims=True)
        return Case(name, {"e": e, "s": draw.integers(0, L, *mask.shape), "mask": mask,
                           "log_p": draw.uniform(len(lengths), low=-9.0, high=-3.0), "b": -5.5, "lambda_r": 0.3,
                           "lambda_e": 0.2}, **options)

    return [case("", 5, (3, 1, 2, 3), differences=True),
            case("one location", 1, (2, 3)),
            case("one path", 4, (3,)),
            case("scores near 1000", 4, (2, 2), size=600.0, top=(1000.0, -1000.0), hint="compute log alpha as "
                 "e - max e - log sum exp(e - max e), not as the log of a softmax that may be 0; and alpha log alpha goes to 0 "
                 "with alpha")]


HARD_ATTENTION = Task(
    "hard_attention", "hard_attention_forward", "hard_attention_backward", ("J",), ("e", "log_p"),
    {"e": "N T L", "s": "N T", "mask": "N T", "log_p": "N", "J": ""}, hard_attention, hard_attention_cases, (
        Mistake("the sign is turned around: J is to be maximised, so it is not a loss",
                lambda *args: -hard_attention(*args)),
        Mistake("summed over the paths; the estimate is the mean over n (1/N)",
                lambda *args: hard_attention(*args) * args[0].shape[0]),
        Mistake("the baseline b is not used: the reward is log_p - b", _with(b=lambda **_: 0.0)),
        Mistake("the baseline is added to log_p; it must be subtracted", _with(b=lambda b, **_: -b)),
        Mistake("the reward has the wrong sign: it is log_p - b, not b - log_p",
                partial(hard_attention, held=lambda reward: -reward.detach())),
        Mistake("lambda_r is not used", _with(lambda_r=lambda **_: 1.0)),
        Mistake("lambda_e is not used", _with(lambda_e=lambda **_: 1.0)),
        Mistake("the entropy has the wrong sign: H = -sum alpha log alpha", _with(lambda_e=lambda lambda_e, **_: -lambda_e)),
        Mistake("the entropy term is missing", _with(lambda_e=lambda **_: 0.0)),
        Mistake("the score-function term is missing", _with(lambda_r=lambda **_: 0.0)),
        Mistake("the first term, log_p itself, is missing", partial(hard_attention, first=0.0)),
        Mistake("lambda_r weighs the first term, too; it belongs to the score-function term alone",
                lambda *args: hard_attention(*args, first=args[5])),
        Mistake("the mask is not used: padded steps are part of no path", _with(mask=lambda mask, **_: mask | ~mask)),
        Mistake("the mask is missing in the sum of log alpha", partial(hard_attention, score_mask=False)),
        Mistake("the mask is missing in the sum of the entropies", partial(hard_attention, bonus_mask=False)),
        Mistake("the score function uses alpha of the drawn locations; it is the gradient of their log alpha", _drawn_probability),
        Mistake("the reward is not held constant: in the surrogate no gradient flows through log_p - b, so log_p gets that of the "
                "first term alone", partial(hard_attention, held=lambda reward: reward)),
        Mistake("the derivative of log alpha_s with respect to the scores is one_hot(s) - alpha; the - alpha is missing",
                _spoilt(score=lambda e, log_alpha, s: e)),
        Mistake("the derivative of log alpha_s with respect to the scores is one_hot(s) - alpha; the one_hot is missing",
                _spoilt(score=lambda e, log_alpha, s: log_alpha - e)),
        Mistake("the gradient of the entropy is the one with respect to alpha, -(log alpha + 1): the Jacobian of the softmax is "
                "missing; together they give -alpha (log alpha + H)",
                _spoilt(entropy=lambda alpha, e: (-(alpha.detach().log() + 1) * e).sum(2))),
        Mistake("the gradient of the entropy lacks a part of the Jacobian of the softmax: it is -alpha (log alpha + H), and you "
                "have -alpha (log alpha + 1)",
                _spoilt(entropy=lambda alpha, e: (-alpha.detach() * (alpha.detach().log() + 1) * e).sum(2))),
        Mistake("the gradient of the entropy is -alpha (log alpha + H); the H is missing",
                _spoilt(entropy=lambda alpha, e: (-alpha.detach() * alpha.detach().log() * e).sum(2))),
        Mistake("the entropy is treated as a constant: it has a gradient with respect to the scores, -alpha (log alpha + H)",
                partial(hard_attention, slope=_no_slope)),
    ), stopped=("log_p",), points=(5, 5))


# ---------------------------------------------------------------------- the moving-average baseline


def moving_average_baseline(log_p, b_0, keep=0.9, ahead=False, over=lambda rewards: rewards.mean(), sign=1.0):
    """advantage (M, N), b (M,) of M mini-batches of log p; the rest is for the variants."""
    advantage, b, baseline = [], [], b_0
    for k in range(log_p.shape[0]):
        after = keep * baseline + (1 - keep) * over(log_p[k])
        advantage.append(sign * (log_p[k] - (after if ahead else baseline)))
        b.append(after)
        baseline = after
    return F.stack(advantage), F.stack(b)


def _used_again(log_p, b_0):
    """Every mini-batch is centred by the last baseline."""
    _, b = moving_average_baseline(log_p, b_0)
    return log_p - b[-1], b


def _shifted(log_p, b_0):
    advantage, b = moving_average_baseline(log_p, b_0)
    return advantage, F.cat([b[:1] * 0 + b_0, b[:-1]])


def baseline_cases(draw: Draw) -> list[Case]:
    def case(name, M, N, b_0, **options):
        return Case(name, {"log_p": draw.uniform(M, N, low=-9.0, high=-3.0), "b_0": b_0}, **options)

    return [case("", 5, 3, -2.0), case("one path in a mini-batch", 4, 1, 0.0), case("one mini-batch", 1, 4, -6.0)]


BASELINE = Task(
    "baseline", "moving_average_baseline", None, ("advantage", "b"), (), {"log_p": "M N", "advantage": "M N", "b": "M"},
    moving_average_baseline, baseline_cases, (
        Mistake("the baseline is updated before it is used: mini-batch k is centred by b_{k-1}, which has not seen it",
                partial(moving_average_baseline, ahead=True)),
        Mistake("every mini-batch is centred by the final baseline; mini-batch k is centred by b_{k-1}", _used_again),
        Mistake("b holds b_0 to b_{M-1}; it should hold what the baseline is after each mini-batch, b_1 to b_M", _shifted),
        Mistake("0.9 and 0.1 are swapped: the old baseline keeps 0.9", partial(moving_average_baseline, keep=0.1)),
        Mistake("log p is summed over the mini-batch; the update takes its mean",
                partial(moving_average_baseline, over=lambda rewards: rewards.sum())),
        Mistake("the advantage has the wrong sign: it is log p - b", partial(moving_average_baseline, sign=-1.0)),
        Mistake("the advantage is log p itself: b is not subtracted",
                lambda log_p, b_0: (log_p, moving_average_baseline(log_p, b_0)[1])),
        Mistake("b_0 is not used: the baseline starts at b_0",
                lambda log_p, b_0: moving_average_baseline(log_p, 0.0)),
    ), points=(2,), extra=True)


EXERCISE = Exercise(4, "Show, Attend and Tell", (SOFT_ATTENTION, DOUBLY_STOCHASTIC, HARD_ATTENTION, BASELINE))
