"""Exercise 9: Gumbel-softmax and its KL, the logit-Laplace likelihood; extra: DALL-E's masks, the transformer's weighted loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped, with_slope


def _slope_of(reference: Callable, **changes) -> Callable:
    """The right values, with the gradient of the reference with changes."""
    return lambda *arguments: with_slope(reference(*arguments), partial(reference, **changes)(*arguments))


# ---------------------------------------------------------------------- Gumbel-softmax

def _softmax(a):
    return F.softmax(a, dim=1)


def _mix(logits, g, tau):
    return (logits + g) / tau


def _log_q(logits, g, tau):
    return F.log_softmax(logits, dim=1)


def _log_z(logits, g, tau):
    return F.log_softmax(_mix(logits, g, tau), dim=1)


def _ln_K(log_q):
    return float(np.log(log_q.shape[1]))


def _from_uniform(log_q):
    """KL(q || U) of each token, (N, h, w), of log q (N, K, h, w)."""
    return (F.exp(log_q) * log_q).sum(1) + _ln_K(log_q)


def _mean(terms):
    return terms.mean()


def gumbel_softmax(logits, g, tau, mix: Callable = _mix, weigh: Callable = _softmax, seen: Callable = _log_q,
                   apart: Callable = _from_uniform, over: Callable = _mean):
    """z and KL of logits (N, K, h, w); the rest is for the variants.

    Args:
        mix: logits, noise and tau -> what the softmax is of.
        weigh: that -> z.
        seen: logits, noise and tau -> log q, of which the divergence is.
        apart: log q -> its terms.
        over: terms -> one number.
    """
    return weigh(mix(logits, g, tau)), over(apart(seen(logits, g, tau)))


GUMBEL = partial(partial, gumbel_softmax)


def _z_by(slope: Callable) -> Callable:
    """z with the gradient of ``slope(z, a)``, z held, of the a that it is the softmax of."""
    return lambda a: with_slope(_softmax(a), slope(_softmax(a).detach(), a))


def _kl_by(slope: Callable, of: Callable = _log_q) -> Callable:
    """The right divergence with ``slope(q, log q)`` as the gradient of each token's logits; ``of`` them is log q."""
    def variant(logits, g, tau):
        z, kl = gumbel_softmax(logits, g, tau)
        log_q = of(logits, g, tau).detach()
        return z, with_slope(kl, (slope(F.exp(log_q), log_q) * logits).sum(1).mean())
    return variant


def _kl_by_tau(logits, g, tau):
    z, kl = gumbel_softmax(logits, g, tau)
    return z, with_slope(kl, kl / tau)


def _kl_weighed_by_z(logits, g, tau):
    z, _ = gumbel_softmax(logits, g, tau)
    return z, (z * (_log_q(logits, g, tau) + _ln_K(z))).sum(1).mean()


def _z_as_it_is(logits, g, tau):
    z, kl = gumbel_softmax(logits, g, tau)
    return with_slope(z, logits), kl


def _one_hot(a):
    return Tensor(1.0 * (a._data == a._data.max(axis=1, keepdims=True)))


def gumbel_softmax_cases(draw: Draw) -> list[Case]:
    def case(name, N, K, h, w, tau, size=1.0, **options):
        g = -np.log(-np.log(draw.uniform(N, K, h, w, low=0.01, high=0.99)))
        return Case(name, {"logits": draw.normal(N, K, h, w, scale=size), "g": g, "tau": tau}, **options)

    return [case("", 2, 4, 3, 2, 0.7, differences=True), case("one token", 1, 5, 1, 1, 1.6), case("tau = 1/16", 2, 3, 2, 2, 1 / 16),
            case("logits near 1000", 1, 4, 2, 3, 0.5, size=600.0, hint="exp overflows: subtract the largest logit of each token "
                 "first, and take ln q as l - max l - ln sum exp(l - max l), not as the logarithm of a q that may be 0")]


GUMBEL_SOFTMAX = Task(
    "gumbel_softmax", "gumbel_softmax_forward", "gumbel_softmax_backward", ("z", "kl"), ("logits",),
    {"logits": "N K h w", "g": "N K h w", "z": "N K h w", "kl": ""}, gumbel_softmax, gumbel_softmax_cases, (
        Mistake("dkl is not used: the logits enter the KL, too", GUMBEL(over=lambda terms: terms.mean().detach())),
        Mistake("dz is not used: the logits enter z, too", GUMBEL(weigh=lambda a: _softmax(a).detach())),
        Mistake("dz goes to the logits as it is, as if z were they (that is straight-through); z is a softmax of "
                "(logits + g) / tau, so dlogits = z * (dz - sum_k z_k dz_k) / tau", _z_as_it_is),
        Mistake("the Jacobian of the softmax is missing: dlogits = z * (dz - sum_k z_k dz_k) / tau, and you have dz / tau",
                GUMBEL(weigh=sloped(_softmax, lambda z: 1.0))),
        Mistake("half of the Jacobian of the softmax is missing: dlogits = z * (dz - sum_k z_k dz_k) / tau, and you have "
                "z * dz / tau", GUMBEL(weigh=sloped(_softmax, lambda z: z))),
        Mistake("the sum in the Jacobian of the softmax runs over all of a picture; each token has its own (axis 1)",
                GUMBEL(weigh=_z_by(lambda z, a: z * a - z * (z * a).sum((1, 2, 3), keepdim=True)))),
        Mistake("the sum in the Jacobian of the softmax runs over the last axis; it is over the K codes (axis 1)",
                GUMBEL(weigh=_z_by(lambda z, a: z * a - z * (z * a).sum(3, keepdim=True)))),
        Mistake("the division by tau is missing in the backward", GUMBEL(mix=lambda l, g, tau: with_slope(_mix(l, g, tau), l))),
        Mistake("the Jacobian of the softmax is missing in the gradient of the KL: ln q + ln K + 1 is the gradient with respect to "
                "q; with respect to the logits it is q * (ln q - sum_k q_k ln q_k)",
                _kl_by(lambda q, log_q: log_q + _ln_K(q) + 1)),
        Mistake("half of the Jacobian of the softmax is missing in the gradient of the KL, q * (ln q - sum_k q_k ln q_k): you have "
                "q * (ln q + ln K + 1)", _kl_by(lambda q, log_q: q * (log_q + _ln_K(q) + 1))),
        Mistake("half of the Jacobian of the softmax is missing in the gradient of the KL, q * (ln q - sum_k q_k ln q_k): you have "
                "q * (ln q + ln K)", _kl_by(lambda q, log_q: q * (log_q + _ln_K(q)))),
        Mistake("the gradient of the KL is divided by the number of tokens, N h w, as it is their mean",
                GUMBEL(over=lambda terms: with_slope(terms.mean(), terms.sum()))),
        Mistake("the gradient of the KL is divided by tau; that is for z alone, q knows of no tau", _kl_by_tau),
        Mistake("the gradient of the KL has the wrong sign", GUMBEL(over=lambda terms: with_slope(terms.mean(), -terms.mean()))),
        Mistake("the gradient of the KL takes z in the place of q, the softmax of the logits without noise and tau",
                _kl_by(lambda q, log_q: q * (log_q - (q * log_q).sum(1, keepdim=True)), of=_log_z)),
        Mistake("the noise g is missing: z is the softmax of (logits + g) / tau", GUMBEL(mix=lambda l, g, tau: l / tau)),
        Mistake("the noise g is subtracted; it is added", GUMBEL(mix=lambda l, g, tau: (l - g) / tau)),
        Mistake("g is divided by tau alone: logits + g are, both", GUMBEL(mix=lambda l, g, tau: l + g / tau)),
        Mistake("g is not divided by tau: logits + g are, both", GUMBEL(mix=lambda l, g, tau: l / tau + g)),
        Mistake("multiplied by tau; a small tau makes z hard, so logits + g are divided by it",
                GUMBEL(mix=lambda l, g, tau: (l + g) * tau)),
        Mistake("tau is not used: z is the softmax of (logits + g) / tau", GUMBEL(mix=lambda l, g, tau: l + g)),
        Mistake("the noise is added to probabilities; it is to logits (or to the logarithm of the probabilities)",
                GUMBEL(mix=lambda l, g, tau: (_softmax(l) + g) / tau)),
        Mistake("z is the one-hot arg-max: so a picture is coded when all is trained; in training z is soft",
                GUMBEL(weigh=_one_hot)),
        Mistake("z is the softmax along the last axis; the K codes of a token compete with each other, along axis 1",
                GUMBEL(weigh=lambda a: F.softmax(a, dim=3))),
        Mistake("z is the softmax over the batch (axis 0); the K codes of a token compete with each other, along axis 1",
                GUMBEL(weigh=lambda a: F.softmax(a, dim=0))),
        Mistake("the KL is that of z; it is of q, the softmax of the logits alone, without noise and tau",
                GUMBEL(seen=_log_z)),
        Mistake("the KL is that of the logits with noise; q is the softmax of the logits alone",
                GUMBEL(seen=lambda l, g, tau: F.log_softmax(l + g, dim=1))),
        Mistake("the KL is that of logits / tau; q is the softmax of the logits alone",
                GUMBEL(seen=lambda l, g, tau: F.log_softmax(l / tau, dim=1))),
        Mistake("the KL weighs ln q by z; it is by q, the softmax of the logits alone",
                _kl_weighed_by_z),
        Mistake("this is the KL the other way round, KL(U || q); it is KL(q || U), whose terms are weighed by q",
                GUMBEL(apart=lambda log_q: -log_q.mean(1) - _ln_K(log_q))),
        Mistake("ln K is missing in the KL: sum_k q_k ln q_k is minus the entropy, and U has 1/K for each code",
                GUMBEL(apart=lambda log_q: (F.exp(log_q) * log_q).sum(1))),
        Mistake("this is the entropy of q; the KL is ln K less it",
                GUMBEL(apart=lambda log_q: -(F.exp(log_q) * log_q).sum(1))),
        Mistake("the KL has the wrong sign: it is never negative", GUMBEL(apart=lambda log_q: -_from_uniform(log_q))),
        Mistake("the KL is summed over all tokens; their mean is taken", GUMBEL(over=lambda terms: terms.sum())),
        Mistake("the KL is summed over the tokens of a picture (PyTorch's 'batchmean'); the mean over the tokens is taken, too",
                GUMBEL(over=lambda terms: terms.sum() / terms.shape[0])),
        Mistake("the KL is averaged over the K codes, too; of each token it is their sum",
                GUMBEL(apart=lambda log_q: _from_uniform(log_q) / log_q.shape[1])),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the logit-Laplace likelihood

LN_2 = float(np.log(2.0))


def _map(x, eps):
    return (1 - 2 * eps) * x + eps


def _halves(decoded):
    return decoded[:, :3], decoded[:, 3:]


def _logit(y):
    return F.log(y) - F.log(1 - y)


def _inside(y):
    """0 and 1 have no logit: what a mistake makes of them is some large number."""
    return y.clamp(1e-12, 1 - 1e-12)


def _spread(ln_b):
    return ln_b + LN_2


def _stretch(y, x):
    """ln of what the logit stretches y by: -ln(d logit / dy)."""
    return F.log(y) + F.log(1 - y)


def logit_laplace_nll(x, decoded, eps, into: Callable = _map, halves: Callable = _halves, see: Callable = _logit,
                      apart: Callable = lambda a: a.abs(), over: Callable = lambda a, ln_b: a * F.exp(-ln_b),
                      spread: Callable = _spread, stretch: Callable = _stretch, mean: Callable = _mean):
    """-ln f, averaged over the values of x (N, 3, H, W), whose mu and ln b are decoded (N, 6, H, W).

    The rest is for the variants:

    Args:
        into: x and eps -> y in (0, 1).
        halves: decoded -> mu, ln b.
        see: y -> what mu is compared with.
        apart: the difference -> how far.
        over: that and ln b -> the exponent.
        spread: ln b -> ln 2b.
        stretch: y and x -> ln y (1 - y).
        mean: terms -> one number.
    """
    y, (mu, ln_b) = into(x, eps), halves(decoded)
    return mean(over(apart(see(y) - mu), ln_b) + spread(ln_b) + stretch(y, x))


NLL = partial(partial, logit_laplace_nll)


def _held(x):
    return x.detach()


def logit_laplace_cases(draw: Draw) -> list[Case]:
    def case(name, N, H, W, eps, ln_b=0.0, black_and_white=False, **options):
        x = draw.uniform(N, 3, H, W, low=0.01, high=0.99)
        x = np.round(x) if black_and_white else x
        y = (1 - 2 * eps) * x + eps
        mu = np.log(y / (1 - y)) + draw.away(N, 3, H, W)                          # clear of the corner of |a|
        decoded = np.concatenate([mu, ln_b + draw.normal(N, 3, H, W, scale=0.6)], axis=1)
        return Case(name, {"x": x, "decoded": decoded, "eps": eps}, **options)

    exact = np.concatenate([np.zeros((1, 3, 2, 1)), draw.normal(1, 3, 2, 1)], axis=1)
    return [case("", 2, 2, 3, 0.1, differences=True),
            case("black and white pixels, eps = 1/4", 3, 2, 1, 0.25, black_and_white=True),
            case("b near e^-9", 1, 2, 2, 0.1, ln_b=-9.0, hint="the density is 0 there in floating point, and its logarithm lost "
                 "(an epsilon in it makes another number): take that of each factor, ln 2 + ln b + ln y (1 - y) + |a| / b"),
            Case("grey pixels, decoded exactly", {"x": np.full((1, 3, 2, 1), 0.5), "decoded": exact, "eps": 0.1},
                 hint="a = logit(y) - mu is 0 there, at the corner of |a|: the gradient of mu is taken to be 0 (np.sign)")]


LOGIT_LAPLACE = Task(
    "logit_laplace_nll", "logit_laplace_nll_forward", "logit_laplace_nll_backward", ("nll",), ("decoded",),
    {"x": "N 3 H W", "decoded": "N 6 H W", "nll": ""}, logit_laplace_nll, logit_laplace_cases, (
        Mistake("the gradient of mu has the wrong sign: with a = logit(y) - mu it is -sign(a) / b",
                NLL(apart=lambda a: with_slope(a.abs(), -a.abs()))),
        Mistake("the sign of a is missing in the gradient of mu: it is -sign(a) / b",
                NLL(apart=lambda a: with_slope(a.abs(), a))),
        Mistake("the gradient of mu is that of a square, a in the place of its sign: it is -sign(a) / b",
                NLL(apart=lambda a: with_slope(a.abs(), a * a / 2))),
        Mistake("1 / b is missing in the gradient of mu: it is -sign(a) / b",
                NLL(over=lambda a, ln_b: with_slope(a * F.exp(-ln_b), a + _held(a) * F.exp(-ln_b)))),
        Mistake("this is the gradient with respect to b, 1 / b - |a| / b^2; with respect to ln b it is multiplied by b: "
                "1 - |a| / b",
                NLL(over=lambda a, ln_b: with_slope(a * F.exp(-ln_b), a * _held(F.exp(-ln_b)) + _held(a * F.exp(-ln_b))
                                                    * _held(F.exp(-ln_b)) * -ln_b),
                    spread=lambda ln_b: with_slope(_spread(ln_b), _held(F.exp(-ln_b)) * ln_b))),
        Mistake("the gradient of ln b lacks the 1, which comes from ln 2b: it is 1 - |a| / b",
                NLL(spread=lambda ln_b: _held(_spread(ln_b)))),
        Mistake("the gradient of ln b lacks -|a| / b: it is 1 - |a| / b", NLL(over=lambda a, ln_b: a * _held(F.exp(-ln_b)))),
        Mistake("in the gradient of ln b |a| is multiplied by b: it is 1 - |a| / b",
                NLL(over=lambda a, ln_b: with_slope(a * F.exp(-ln_b), a * _held(F.exp(-ln_b)) - _held(a) * F.exp(ln_b)))),
        Mistake("the gradient of ln b is 0: b is learned, too, with 1 - |a| / b",
                NLL(halves=lambda d: (d[:, :3], _held(d[:, 3:])))),
        Mistake("the two halves of ddecoded are exchanged: mu comes first, then ln b",
                lambda x, d, eps: with_slope(logit_laplace_nll(x, d, eps), logit_laplace_nll(
                    x, with_slope(d, F.cat([d[:, 3:], d[:, :3]], dim=1)), eps))),
        Mistake("the gradient is divided by the number of values, 3 N H W, as the NLL is their mean",
                NLL(mean=lambda t: with_slope(t.mean(), t.sum()))),
        Mistake("the gradient is divided by the number of pixels; each has 3 values",
                NLL(mean=lambda t: with_slope(t.mean(), 3 * t.mean()))),
        Mistake("the gradient is divided by the 6 N H W elements of decoded; the mean is over the 3 N H W of x",
                NLL(mean=lambda t: with_slope(t.mean(), t.mean() / 2))),
        Mistake("the pixels are used as they are: they are mapped to y = (1 - 2 eps) x + eps first",
                NLL(into=lambda x, eps: _inside(x))),
        Mistake("the pixels are clipped to [eps, 1 - eps]; they are mapped there, (1 - 2 eps) x + eps",
                NLL(into=lambda x, eps: x.clamp(eps, 1 - eps))),
        Mistake("the eps is added without room for it: (1 - 2 eps) x + eps has 2 eps, as there is one at either end",
                NLL(into=lambda x, eps: (1 - eps) * x + eps * (1 - 1e-12))),
        Mistake("eps is always 0.1; here it is an argument", NLL(into=lambda x, eps: _map(x, 0.1))),
        Mistake("mu and ln b are exchanged: channels 0 to 2 are mu, 3 to 5 ln b", NLL(halves=lambda d: _halves(d)[::-1])),
        Mistake("mu and ln b take turns among the channels; all of mu comes first: channels 0 to 2 are mu, 3 to 5 ln b",
                NLL(halves=lambda d: (d[:, ::2], d[:, 1::2]))),
        Mistake("mu is compared with y; it is with logit(y) = ln(y / (1 - y))", NLL(see=lambda y: y)),
        Mistake("sigmoid(mu) is compared with y; mu is with logit(y) = ln(y / (1 - y))",
                NLL(see=lambda y: y, halves=lambda d: (F.sigmoid(d[:, :3]), d[:, 3:]))),
        Mistake("the logit has the wrong sign: it is ln(y / (1 - y))", NLL(see=lambda y: -_logit(y))),
        Mistake("logit(y) - mu is squared (that is a Gaussian); it is |logit(y) - mu|", NLL(apart=lambda a: a * a)),
        Mistake("logit(y) - mu keeps its sign; it is |logit(y) - mu|", NLL(apart=lambda a: a)),
        Mistake("|a| is multiplied by b; it is divided by b = e^(ln b)", NLL(over=lambda a, ln_b: a * F.exp(ln_b))),
        Mistake("|a| is divided by ln b; the channels 3 to 5 are ln b, so b = exp of them",
                NLL(over=lambda a, ln_b: a / ln_b)),
        Mistake("|a| is divided by the square root of b (that is for ln b^2); the channels 3 to 5 are ln b, so b = exp of them",
                NLL(over=lambda a, ln_b: a * F.exp(-ln_b / 2))),
        Mistake("|a| is not divided by b", NLL(over=lambda a, ln_b: a + 0 * ln_b)),
        Mistake("ln b is missing in -ln f = ln 2 + ln b + ln y (1 - y) + |a| / b, though it is there in |a| / b",
                NLL(spread=lambda ln_b: LN_2 + 0 * ln_b)),
        Mistake("ln b has the wrong sign: -ln f = ln 2 + ln b + ln y (1 - y) + |a| / b", NLL(spread=lambda ln_b: LN_2 - ln_b)),
        Mistake("b stands where ln b should: -ln f = ln 2 + ln b + ln y (1 - y) + |a| / b",
                NLL(spread=lambda ln_b: LN_2 + F.exp(ln_b))),
        Mistake("ln 2 is missing: the density is divided by 2 b", NLL(spread=lambda ln_b: ln_b)),
        Mistake("y (1 - y) is missing: this is the density of logit(y); that of y is divided by y (1 - y)",
                NLL(stretch=lambda y, x: 0 * y)),
        Mistake("ln y (1 - y) has the wrong sign: the density is divided by it", NLL(stretch=lambda y, x: -_stretch(y, x))),
        Mistake("x (1 - x) of the pixel stands where y (1 - y) of what it is mapped to should",
                NLL(stretch=lambda y, x: _stretch(_inside(x), x))),
        Mistake("ln(1 - y) is missing: the density is divided by y (1 - y)", NLL(stretch=lambda y, x: F.log(y))),
        Mistake("this is ln f, which is to be ascended; the NLL, which is descended, is -ln f", NLL(mean=lambda t: -t.mean())),
        Mistake("summed over everything; the NLL is the mean over the 3 N H W values", NLL(mean=lambda t: t.sum())),
        Mistake("summed over the values of a picture; the NLL is the mean over them, too",
                NLL(mean=lambda t: t.sum() / t.shape[0])),
        Mistake("divided by the number of pixels; each has 3 values, and the mean is over all of them",
                NLL(mean=lambda t: 3 * t.mean())),
        Mistake("divided by the 6 N H W elements of decoded; the mean is over the 3 N H W of x", NLL(mean=lambda t: t.mean() / 2)),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the three masks

def _causal(i, j, *_):
    return j <= i


def _row(i, j, h, w, k):
    return 0 <= i - j <= w


def _column(i, j, h, w, k):
    return j <= i and (i - j) % w == 0


def _conv(i, j, h, w, k, down=lambda k: range(k // 2 + 1), across=lambda k: range(-(k // 2), k // 2 + 1)):
    return i >= j and i - j in {d * w + e for d in down(k) for e in across(k)}


def _grid(of: Callable) -> Callable:
    """``of`` rows and columns from (i's row, i's column) to j's: how far up, how far to the left, and the kernel."""
    return lambda i, j, h, w, k: of(i // w - j // w, i % w - j % w, k)


def dalle_masks(text, height, width, kernel, row: Callable = _row, column: Callable = _column, conv: Callable = _conv,
                within: Callable = _causal, back: Callable = lambda: True, ahead: Callable = lambda: False,
                told: Callable = lambda mask: mask):
    """Which of text + height * width tokens each may attend to, three times; the rest is for the variants.

    Args:
        row, column, conv: (i, j, height, width, kernel) -> whether image token i sees image token j.
        within: (i, j) -> whether text token i sees text token j.
        back, ahead: whether the image sees the text, and the text the image.
        told: the mask -> what is returned.
    """
    n, masks = height * width, []
    for kind in (row, column, conv):
        mask = np.zeros((text + n, text + n), dtype=np.int64)
        for i, j in np.ndindex(text, text):
            mask[i, j] = within(i, j)
        mask[text:, :text], mask[:text, text:] = back(), ahead()
        for i, j in np.ndindex(n, n):
            mask[text + i, text + j] = kind(i, j, height, width, kernel)
        masks.append(Tensor(told(mask)))
    return tuple(masks)


MASKS = partial(partial, dalle_masks)


def _without(kind: Callable) -> Callable:
    return lambda i, j, *more: i != j and kind(i, j, *more)


def dalle_masks_cases(draw: Draw) -> list[Case]:
    def case(name, text, height, width, kernel, **options):
        return Case(name, {"text": text, "height": height, "width": width, "kernel": kernel}, **options)

    return [case("", 3, 3, 5, 3), case("a tall grid, kernel 5", 2, 6, 5, 5), case("one row", 2, 1, 4, 3),
            case("a kernel as wide as the grid is", 1, 3, 3, 7, hint="where a kernel is wider than the grid two offsets may be the "
                 "same: each is allowed, once"),
            case("no text", 0, 3, 3, 3, hint="without text the masks are those of the image alone")]


DALLE_MASKS = Task(
    "dalle_masks", "dalle_masks", None, ("row", "column", "conv"), (), {"row": "T+n T+n", "column": "T+n T+n", "conv": "T+n T+n"},
    dalle_masks, dalle_masks_cases, (
        Mistake("the masks are transposed: rows are the tokens that attend, columns those that are attended to",
                MASKS(told=lambda mask: mask.T.copy())),
        Mistake("0 and 1 are exchanged: 1 is where a token may attend (PyTorch's attn_mask of booleans is True where "
                "MultiheadAttention may not)", MASKS(told=lambda mask: 1 - mask)),
        Mistake("the image does not see the text; each image token sees all of it", MASKS(back=lambda: False)),
        Mistake("the text sees the image; it comes first, and sees none of it", MASKS(ahead=lambda: True)),
        Mistake("every text token sees the whole text; it sees itself and those before it", MASKS(within=lambda i, j: True)),
        Mistake("no token sees itself; each does", MASKS(within=_without(_causal), row=_without(_row), column=_without(_column),
                                                         conv=_without(_conv))),
        Mistake("row: only the same row is seen; it is the token itself and the `width` tokens before it, so the row above, too",
                MASKS(row=lambda i, j, h, w, k: j <= i and i // w == j // w)),
        Mistake("row: one token is missing at the far end, the one straight above: it is the token itself and `width` before it",
                MASKS(row=lambda i, j, h, w, k: 0 <= i - j < w)),
        Mistake("row: one token too many at the far end: it is the token itself and `width` before it",
                MASKS(row=lambda i, j, h, w, k: 0 <= i - j <= w + 1)),
        Mistake("row: the whole row above is seen; those left of the column are more than `width` tokens before",
                MASKS(row=lambda i, j, h, w, k: j <= i and i // w - j // w <= 1)),
        Mistake("row: all earlier tokens are seen; it is the token itself and `width` before it", MASKS(row=_causal)),
        Mistake("column: the rows below are seen, too, which come later", MASKS(column=lambda i, j, h, w, k: (i - j) % w == 0)),
        Mistake("column: a column is stepped through by `height`; neighbours in it are `width` tokens apart",
                MASKS(column=lambda i, j, h, w, k: j <= i and (i - j) % h == 0)),
        Mistake("conv: the offsets go to `kernel`; a kernel reaches kernel // 2 to either side",
                MASKS(conv=partial(_conv, down=lambda k: range(k + 1), across=lambda k: range(-k, k + 1)))),
        Mistake("conv: the token is at the lower right corner of the kernel; it is at its centre, whose later half is left out",
                MASKS(conv=partial(_conv, down=range, across=range))),
        Mistake("conv: nothing to the left is seen: e goes from -(kernel // 2) to kernel // 2",
                MASKS(conv=partial(_conv, across=lambda k: range(-(k // 2), 1)))),
        Mistake("conv: nothing to the right is seen in the rows above: e goes from -(kernel // 2) to kernel // 2",
                MASKS(conv=partial(_conv, across=lambda k: range(k // 2 + 1)))),
        Mistake("conv: later tokens of the same row are seen, too: the offset must not be negative",
                MASKS(conv=lambda i, j, *more: _conv(i, j, *more) or partial(_conv, down=lambda k: range(1))(j, i, *more))),
        Mistake("conv: the kernel ends at the edges of the grid; in raster order an offset goes on in the row before, as that of "
                "`row` does",
                MASKS(conv=_grid(lambda up, left, k: abs(left) <= k // 2 and (0 < up <= k // 2 or up == 0 <= left)))),
        Mistake("height and width are exchanged", MASKS(row=lambda i, j, h, w, k: _row(i, j, w, h, k),
                                                        column=lambda i, j, h, w, k: _column(i, j, w, h, k),
                                                        conv=lambda i, j, h, w, k: _conv(i, j, w, h, k))),
    ), points=(2,), extra=True)


# ---------------------------------------------------------------------- the weighted loss

def _told(log_p, tokens):
    """log p of each token, (B, n), and 0 at pads."""
    there = tokens >= 0
    return log_p.gather(2, (tokens * there).unsqueeze(2)).squeeze(2) * there, there


def _each(log_p, tokens):
    """The mean cross-entropy of the tokens that are there; 0 if none is."""
    terms, there = _told(log_p, tokens)
    return -terms.sum() / max(float(there._data.sum()), 1.0)


def weighted_loss(text_logits, image_logits, text, image, targets: Callable = lambda text: text[:, 1:],
                  log_p: Callable = lambda logits: F.log_softmax(logits, dim=2), of_text: Callable = _each,
                  of_image: Callable = _each, join: Callable = lambda text, image: (text + 7 * image) / 8):
    """1/8 of the text's cross-entropy and 7/8 of the image's; the rest is for the variants.

    Args:
        targets: the text -> what its logits are to predict.
        log_p: logits -> log p.
        of_text, of_image: log p and tokens -> a cross-entropy.
        join: both -> the loss.
    """
    return join(of_text(log_p(text_logits), targets(text)), of_image(log_p(image_logits), image))


WEIGHTED = partial(partial, weighted_loss)


def _both(of: Callable) -> Callable:
    return partial(weighted_loss, of_text=of, of_image=of)


def _with_pads(log_p, tokens, last=1, counted=True):
    """Pads for targets: -1 as NumPy reads it, the last of the vocabulary, or 0; divided by all places, or the right number."""
    tokens, there = tokens + (tokens < 0) * (log_p.shape[2] if last else 1), _told(log_p, tokens)[1]
    return -log_p.gather(2, tokens.unsqueeze(2)).sum() / (tokens.numel() if counted else max(float(there._data.sum()), 1.0))


def _by_all_places(log_p, tokens):
    return -_told(log_p, tokens)[0].mean()


def _for_each_caption(log_p, tokens):
    """The mean of each caption first."""
    terms, there = _told(log_p, tokens)
    return -(terms.sum(1) / Tensor(np.maximum(there._data.sum(axis=1), 1.0))).mean()


def _sum_of_each(log_p, tokens):
    return -_told(log_p, tokens)[0].sum() / tokens.shape[0]


def _p_at_pads(text_logits, image_logits, text, image):
    """The gradient of the text's logits has p at pads, too, and one_hot only where there is a target."""
    right, pads = weighted_loss(text_logits, image_logits, text, image), text[:, 1:] < 0
    log_sum = (text_logits - F.log_softmax(text_logits, dim=2))[:, :, 0]            # (B, T-1), whose gradient is p
    return with_slope(right, right + (log_sum * pads).sum() / (8 * max(float((~pads)._data.sum()), 1.0)))


def _slope(of: Callable) -> Callable:
    """A log softmax whose gradient with respect to the logits is that of ``of(logits, log_p)``."""
    def log_p(logits):
        right = F.log_softmax(logits, dim=2)
        return with_slope(right, of(logits, right))
    return partial(weighted_loss, log_p=log_p)


def weighted_loss_cases(draw: Draw) -> list[Case]:
    def case(name, T, n, V_t, V_i, lengths, size=1.5, **options):
        B = len(lengths)
        text = np.where(np.arange(T) < np.array(lengths)[:, None], draw.integers(0, V_t, B, T), -1)
        logits = {"text_logits": draw.normal(B, T - 1, V_t, scale=size), "image_logits": draw.normal(B, n, V_i, scale=size)}
        return Case(name, {**logits, "text": text, "image": draw.integers(0, V_i, B, n)}, **options)

    return [case("", 5, 3, 6, 4, (4, 2, 5), differences=True),
            case("an empty caption among others, as many text as image tokens", 4, 4, 4, 4, (0, 3)),
            case("captions of pads only", 3, 2, 3, 5, (0, 0), hint="no text token is a target there: the cross-entropy of the text "
                 "is 0, not 0 / 0, and so is its gradient"),
            case("logits near 1000", 3, 3, 4, 4, (3, 2), size=600.0, hint="exp overflows: subtract the largest logit of each token "
                 "first, and compute log p as l - max l - log sum exp(l - max l), not as the log of a softmax that may be 0")]


WEIGHTED_LOSS = Task(
    "weighted_loss", "weighted_loss_forward", "weighted_loss_backward", ("loss",), ("text_logits", "image_logits"),
    {"text_logits": "B T-1 V_t", "image_logits": "B n V_i", "text": "B T", "image": "B n", "loss": ""},
    weighted_loss, weighted_loss_cases, (
        Mistake("the weights are missing in the gradient: 1/8 for the text's logits, 7/8 for the image's",
                _slope_of(weighted_loss, join=lambda text, image: text + image)),
        Mistake("the one_hot is missing: the gradient of -log p(token) is p - one_hot(token), and you have p",
                _slope(lambda logits, log_p: log_p - logits)),
        Mistake("the p is missing: the gradient of -log p(token) is p - one_hot(token), and you have -one_hot(token)",
                _slope(lambda logits, log_p: logits)),
        Mistake("the gradients are divided by the number of targets of each kind, as each cross-entropy is a mean",
                _slope_of(weighted_loss, of_text=lambda *a: -_told(*a)[0].sum(), of_image=lambda *a: -_told(*a)[0].sum())),
        Mistake("the gradient of the text's logits is divided by B (T - 1); pads are no targets, and not counted",
                _slope_of(weighted_loss, of_text=_by_all_places)),
        Mistake("the gradient of the text's logits has pads for targets (-1 is the last of the vocabulary to NumPy); it is 0 there",
                _slope_of(weighted_loss, of_text=_with_pads)),
        Mistake("one_hot is there at the pads, too (-1 is the last of the vocabulary to NumPy); the gradient is 0 there",
                _slope_of(weighted_loss, of_text=partial(_with_pads, counted=False))),
        Mistake("p is left at the pads: there the whole of p - one_hot(token) is 0, not only the one_hot", _p_at_pads),
        Mistake("the weights are exchanged: 1/8 is the text's, 7/8 the image's",
                WEIGHTED(join=lambda text, image: (7 * text + image) / 8)),
        Mistake("the weights are missing: 1/8 for the text, 7/8 for the image", WEIGHTED(join=lambda text, image: text + image)),
        Mistake("both kinds weigh the same, 1/2; it is 1/8 for the text, 7/8 for the image",
                WEIGHTED(join=lambda text, image: (text + image) / 2)),
        Mistake("pads are counted as targets (-1 is the last of the vocabulary to NumPy); they are none",
                WEIGHTED(of_text=_with_pads)),
        Mistake("-ln p of pads is added (-1 is the last of the vocabulary to NumPy); pads are no targets",
                WEIGHTED(of_text=partial(_with_pads, counted=False))),
        Mistake("pads are counted as targets, as if they were token 0; they are none",
                WEIGHTED(of_text=partial(_with_pads, last=0))),
        Mistake("the cross-entropy of the text is divided by B (T - 1); pads are no targets, and not counted",
                WEIGHTED(of_text=_by_all_places)),
        Mistake("each caption is averaged first, then all captions; the mean is over all targets of the batch",
                WEIGHTED(of_text=_for_each_caption)),
        Mistake("the text's logits are compared with text[:, :-1], the tokens that go in; position t predicts token t + 1",
                WEIGHTED(targets=lambda text: text[:, :-1])),
        Mistake("summed over the tokens; each cross-entropy is the mean over its targets", _both(_sum_of_each)),
        Mistake("summed over all targets; each cross-entropy is their mean", _both(lambda *a: -_told(*a)[0].sum())),
        Mistake("the sign is wrong: the loss is minus the log-probability", lambda *a: -weighted_loss(*a)),
        Mistake("the log is missing: a cross-entropy is the mean of -log p, not of -p",
                WEIGHTED(log_p=lambda logits: F.softmax(logits, dim=2))),
        Mistake("the softmax is over the positions (axis 1); the vocabulary competes with itself, along axis 2",
                WEIGHTED(log_p=lambda logits: F.log_softmax(logits, dim=1))),
    ), points=(1, 2), extra=True)


EXERCISE = Exercise(9, "DALL-E", (GUMBEL_SOFTMAX, LOGIT_LAPLACE, DALLE_MASKS, WEIGHTED_LOSS))
