"""Exercise 7: the discriminator's loss, the joint embedding's hinge; extra: conditioning augmentation, transposed convolution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, with_slope


def _slope_of(reference: Callable, **changes) -> Callable:
    """The right values, with the gradient of the reference with changes."""
    return lambda *arguments: with_slope(reference(*arguments), partial(reference, **changes)(*arguments))


def _held(x):
    return x.detach()


# ---------------------------------------------------------------------- the discriminator's loss

def _real(s):
    """-ln sigma(s)."""
    return F.softplus(-s)


def _fake(s):
    """-ln(1 - sigma(s))."""
    return F.softplus(s)


def discriminator_loss(real_right, real_wrong, fake_right, w, real: Callable = _real, wrong: Callable = _fake,
                       fake: Callable = _fake, mean: Callable = lambda terms: terms.mean(),
                       weights: Callable = lambda w: (w, 1 - w)):
    """The loss of D from three kinds of logits; the rest is for the variants: the terms, their mean, and the weights."""
    of_wrong, of_fake = weights(w)
    return mean(real(real_right)) + of_wrong * mean(wrong(real_wrong)) + of_fake * mean(fake(fake_right))


DLOSS = partial(partial, discriminator_loss)


def _terms(of: Callable) -> Callable:
    """The loss with other terms, ``of(s, sign)`` for ln sigma(sign s)."""
    return DLOSS(real=lambda s: of(s, 1), wrong=lambda s: of(s, -1), fake=lambda s: of(s, -1))


def _slope(of: Callable) -> Callable:
    """The right terms -ln sigma(sign s), with the slope ``of(sigma(sign s), sign)``."""
    def term(s, sign):
        return with_slope(F.softplus(-sign * s), of(F.sigmoid(sign * s).detach(), sign) * s)
    return _terms(term)


def discriminator_cases(draw: Draw) -> list[Case]:
    def case(name, N, M, w, **options):
        return Case(name, {"real_right": draw.normal(N, scale=2.0), "real_wrong": draw.normal(N, scale=2.0),
                           "fake_right": draw.normal(M, scale=2.0), "w": w}, **options)

    sure = np.array([200.0, -200.0, 900.0, -900.0])
    return [case("", 5, 4, 0.3, differences=True), case("one pair of each kind", 1, 1, 0.5), case("plain GAN, w = 0", 3, 3, 0.0),
            Case("logits of 200 and 900", {"real_right": sure, "real_wrong": sure, "fake_right": -sure, "w": 0.5},
                 hint="sigma(s) is 0 or 1 there, and its logarithm is lost (an epsilon in it, or a clip, makes another number): "
                 "-ln sigma(s) = ln(1 + e^-s) = max(-s, 0) + ln(1 + e^-|s|), in which no power is above 1; and sigma(s) itself is "
                 "e^s / (1 + e^s) for s < 0")]


DISCRIMINATOR = Task(
    "discriminator_loss", "discriminator_loss_forward", "discriminator_loss_backward", ("loss",),
    ("real_right", "real_wrong", "fake_right"), {"real_right": "N", "real_wrong": "N", "fake_right": "M", "loss": ""},
    discriminator_loss, discriminator_cases, (
        Mistake("this is the gradient with respect to D = sigma(s), 1/D; with respect to the logit it is multiplied by D (1 - D)",
                _slope(lambda D, sign: -sign / D.clamp(min=1e-300))),
        Mistake("the gradient of -ln sigma(s) is sigma(s) - 1, and you have sigma(s) (and for the others sigma(s), not "
                "sigma(s) - 1)", _slope(lambda D, sign: sign * D)),
        Mistake("each gradient is divided by the number of its pairs, as its term is their mean",
                DLOSS(mean=lambda terms: with_slope(terms.mean(), terms.sum()))),
        Mistake("the weights are missing in the gradient: w for the wrong pairs, 1 - w for the generated pictures",
                _slope_of(discriminator_loss, weights=lambda w: (1, 1))),
        Mistake("the logits of the generated pictures have a gradient: D's step holds the picture constant, not what D says of "
                "it", DLOSS(fake=lambda s: F.softplus(s.detach()))),
        Mistake("the gradient of -ln sigma(s) is -(1 - sigma(s)), and you have that of the sigmoid, sigma (1 - sigma)",
                _slope(lambda D, sign: -sign * D * (1 - D))),
        Mistake("this is L_D of Algorithm 1, which is to be ascended; the loss, which is descended, is -L_D",
                lambda *a: -discriminator_loss(*a)),
        Mistake("the wrong pairs are taken for right ones: D has to give them 0, although their pictures are real",
                DLOSS(wrong=_real)),
        Mistake("the generated pictures are taken for real ones: D has to give them 0", DLOSS(fake=_real)),
        Mistake("0 and 1 are exchanged: D has to give real pictures with right texts 1, and the others 0",
                DLOSS(real=_fake, wrong=_real, fake=_real)),
        Mistake("the weights are missing: w for the wrong pairs, 1 - w for the generated pictures",
                DLOSS(weights=lambda w: (1, 1))),
        Mistake("the generated pictures have no weight: it is 1 - w", DLOSS(weights=lambda w: (w, 1))),
        Mistake("the wrong pairs have no weight: it is w", DLOSS(weights=lambda w: (1, 1 - w))),
        Mistake("w and 1 - w are exchanged: w belongs to the wrong pairs", DLOSS(weights=lambda w: (1 - w, w))),
        Mistake("w weighs both; the generated pictures have 1 - w", DLOSS(weights=lambda w: (w, w))),
        Mistake("the weights are both 1/2; here w is an argument", DLOSS(weights=lambda w: (0.5, 0.5))),
        Mistake("the wrong pairs are left out", DLOSS(weights=lambda w: (0.0, 1 - w))),
        Mistake("summed over each batch; each term is a mean", DLOSS(mean=lambda terms: terms.sum())),
        Mistake("the logarithm is missing", _terms(lambda s, sign: -F.sigmoid(sign * s))),
        Mistake("the sigmoid is taken twice: what comes in are logits, and D = sigma(s)",
                _terms(lambda s, sign: F.softplus(-sign * F.sigmoid(s)) if sign > 0 else -F.log(1 - F.sigmoid(F.sigmoid(s))))),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the joint embedding's hinge

def _all(margins):
    return margins.sum()


def joint_embedding_loss(theta, phi, alike: Callable = lambda theta, phi: theta @ phi.T, hinge: Callable = F.relu, margin=1.0,
                         off: Callable = lambda B: 1 - np.eye(B), total: Callable = _all, share: Callable = lambda B: 1 / B**2,
                         texts=1.0, pictures=1.0, own: Callable = lambda d: d):
    """The symmetric hinge of B pairs; the rest is for the variants.

    Args:
        alike: theta and phi -> S.
        hinge, margin: of a pair.
        off: which pairs count.
        total: the sum of (B, B) margins that were missed, those of a picture or of a text in a row.
        share: what it is multiplied by.
        texts, pictures: weights of the two directions.
        own: the scores of the right pairs as both see them.
    """
    S = alike(theta, phi)
    B = S.shape[0]
    right, there = own((S * Tensor(np.eye(B))).sum(1)).unsqueeze(1), Tensor(off(B))      # (B, 1), (B, B)
    missed = lambda S: total(hinge(margin + S - right) * there)
    return share(B) * (texts * missed(S) + pictures * missed(S.T))


SJE = partial(partial, joint_embedding_loss)


def _cosine(theta, phi):
    return (theta / F.sqrt((theta * theta).sum(1, keepdim=True))) @ (phi / F.sqrt((phi * phi).sum(1, keepdim=True))).T


def _pulled_once(theta, phi):
    """A right pair is pulled together once for each direction in which any rival of it misses the margin."""
    S = np.array(theta._data) @ np.array(phi._data).T
    missed = [(1 + scores > np.diag(S)[:, None]) & ~np.eye(len(S), dtype=bool) for scores in (S, S.T)]
    pull = sum(rows.any(axis=1) * 1.0 for rows in missed)                                 # (B,)
    path = joint_embedding_loss(theta, phi, own=_held) - (Tensor(pull) * (theta * phi).sum(1)).sum() / len(S)**2
    return with_slope(joint_embedding_loss(theta, phi), path)


def joint_embedding_cases(draw: Draw) -> list[Case]:
    def case(name, B, d, scale=0.8, **options):
        return Case(name, {"theta": draw.normal(B, d, scale=scale), "phi": draw.normal(B, d, scale=scale)}, **options)

    return [case("", 5, 3, differences=True), case("two pairs", 2, 4),
            Case("every margin is just kept", {"theta": np.eye(3, 4), "phi": np.eye(3, 4)},
                 hint="at the corner of [a]_+, a = 0, the loss is 0, and its gradient, too: a > 0 pushes, not a >= 0")]


JOINT = Task(
    "joint_embedding_loss", "joint_embedding_loss_forward", "joint_embedding_loss_backward", ("loss",), ("theta", "phi"),
    {"theta": "B d", "phi": "B d", "loss": ""}, joint_embedding_loss, joint_embedding_cases, (
        Mistake("S_ii has no gradient: each margin that is missed also pulls a right pair together, -1 on the diagonal of dS",
                SJE(own=_held)),
        Mistake("S_ii gets one -1 for each direction; each margin that is missed gives it one, so it is minus their number",
                _pulled_once),
        Mistake("dphi takes dS as it is: the rows of S are pictures, so dphi = dS^T theta",
                SJE(alike=lambda theta, phi: with_slope(theta @ phi.T, theta @ phi.detach().T + phi @ theta.detach().T))),
        Mistake("the gradient is not divided by B^2", _slope_of(joint_embedding_loss, share=lambda B: 1.0)),
        Mistake("the gradient has one direction only: texts that compete for a picture",
                _slope_of(joint_embedding_loss, pictures=0.0)),
        Mistake("the gradient has one direction only: pictures that compete for a text",
                _slope_of(joint_embedding_loss, texts=0.0)),
        Mistake("the sum runs over j = i, too, which adds 2 / B: a right pair is no rival of itself",
                SJE(off=lambda B: np.ones((B, B)))),
        Mistake("only texts compete for a picture: the transposed term, in which pictures compete for a text, is missing",
                SJE(pictures=0.0)),
        Mistake("only pictures compete for a text: the term in which texts compete for a picture is missing", SJE(texts=0.0)),
        Mistake("only the hardest rival of each is counted; here all that miss the margin are summed",
                SJE(total=lambda missed: missed.amax(1).sum())),
        Mistake("the sum is not divided by B^2", SJE(share=lambda B: 1.0)),
        Mistake("divided by B; it is B^2", SJE(share=lambda B: 1 / B)),
        Mistake("divided by B (B - 1), the number of rivals; it is B^2", SJE(share=lambda B: 1 / (B * (B - 1)))),
        Mistake("the signs in the hinge are exchanged: it is 1 + S_ij - S_ii, which grows with a rival's score",
                SJE(hinge=lambda x: F.relu(2.0 - x))),
        Mistake("the margin is missing: it is 1 + S_ij - S_ii", SJE(margin=0.0)),
        Mistake("the margin has the wrong sign: it is 1 + S_ij - S_ii", SJE(margin=-1.0)),
        Mistake("the hinge is missing: what keeps its margin counts as 0, not as less", SJE(hinge=lambda x: x)),
        Mistake("the hinge is squared", SJE(hinge=lambda x: F.relu(x) ** 2)),
        Mistake("S is of cosines; it is the product itself, whose length counts", SJE(alike=_cosine)),
        Mistake("the 0-1 loss is counted, which has no gradient: the hinge takes its place", SJE(hinge=lambda x: x.gt(0) * 1.0)),
    ), points=(4, 6))


# ---------------------------------------------------------------------- conditioning augmentation

def conditioning_augmentation(mu, log_sigma, epsilon, sigma: Callable = F.exp,
                              kl: Callable = lambda m, l, s: m * m + s * s - 2 * l - 1, half=0.5,
                              over: Callable = lambda terms: terms.sum(1).mean(), noise: Callable = lambda s, e: s * e,
                              told: Callable = lambda kl: kl):
    """c, KL; the rest is for the variants."""
    s = sigma(log_sigma)
    return mu + noise(s, epsilon), told(half * over(kl(mu, log_sigma, s)))


AUGMENT = partial(partial, conditioning_augmentation)


def augmentation_cases(draw: Draw) -> list[Case]:
    def case(name, N, g, scale=0.6, **options):
        return Case(name, {"mu": draw.normal(N, g), "log_sigma": draw.normal(N, g, scale=scale), "epsilon": draw.normal(N, g)},
                    **options)

    tiny = {"mu": draw.normal(2, 3), "log_sigma": np.full((2, 3), -400.0), "epsilon": draw.normal(2, 3)}
    return [case("", 4, 3, differences=True), case("one text, one number", 1, 1),
            Case("sigma = e^-400", tiny, hint="sigma^2 is 0 there, and its logarithm lost: what is given is ln sigma, and "
                 "ln sigma^2 is twice that")]


AUGMENTATION = Task(
    "conditioning_augmentation", "conditioning_augmentation_forward", "conditioning_augmentation_backward", ("c", "kl"),
    ("mu", "log_sigma"), {"mu": "N g", "log_sigma": "N g", "epsilon": "N g", "c": "N g", "kl": ""},
    conditioning_augmentation, augmentation_cases, (
        Mistake("dkl is not used: mu and log_sigma enter the KL, too", AUGMENT(told=_held)),
        Mistake("the factor 1/2 of the KL is missing in its gradient: mu for mu, sigma^2 - 1 for log_sigma",
                AUGMENT(told=lambda kl: with_slope(kl, 2 * kl))),
        Mistake("the gradient of the KL has the wrong sign", AUGMENT(told=lambda kl: with_slope(kl, -kl))),
        Mistake("the gradient of the KL is divided by the number of texts, as it is their mean",
                AUGMENT(over=lambda terms: with_slope(terms.sum(1).mean(), terms.sum()))),
        Mistake("dc is not used: mu and log_sigma enter c, too",
                lambda mu, log_sigma, epsilon: (conditioning_augmentation(_held(mu), _held(log_sigma), epsilon)[0],
                                                conditioning_augmentation(mu, log_sigma, epsilon)[1])),
        Mistake("the derivative of exp is missing: dc / dlog_sigma = sigma epsilon",
                AUGMENT(noise=lambda s, e: with_slope(s * e, F.log(s) * e))),
        Mistake("epsilon is there twice in the gradient: dc / dlog_sigma = sigma epsilon",
                AUGMENT(noise=lambda s, e: with_slope(s * e, s * e * e))),
        Mistake("epsilon is missing in the gradient: dc / dlog_sigma = sigma epsilon",
                AUGMENT(noise=lambda s, e: with_slope(s * e, s))),
        Mistake("what is given is ln sigma, not ln sigma^2: sigma = exp(log_sigma)", AUGMENT(sigma=lambda l: F.exp(l / 2))),
        Mistake("what is given is ln sigma, not sigma: sigma = exp(log_sigma)", AUGMENT(sigma=lambda l: l)),
        Mistake("epsilon is multiplied by the variance; it is by sigma", AUGMENT(noise=lambda s, e: s * s * e)),
        Mistake("sigma is missing in c: c = mu + sigma epsilon", AUGMENT(noise=lambda s, e: e)),
        Mistake("epsilon is missing in c: c = mu + sigma epsilon", AUGMENT(noise=lambda s, e: s)),
        Mistake("the factor 1/2 of the KL is missing", AUGMENT(half=1.0)),
        Mistake("the KL has the wrong sign: it is never negative", AUGMENT(half=-0.5)),
        Mistake("the KL takes ln sigma where ln sigma^2 = 2 ln sigma stands", AUGMENT(kl=lambda m, l, s: m * m + s * s - l - 1)),
        Mistake("the KL takes sigma where sigma^2 stands", AUGMENT(kl=lambda m, l, s: m * m + s - 2 * l - 1)),
        Mistake("the KL lacks the -1 of each number", AUGMENT(kl=lambda m, l, s: m * m + s * s - 2 * l)),
        Mistake("the KL lacks mu^2", AUGMENT(kl=lambda m, l, s: s * s - 2 * l - 1)),
        Mistake("this is the KL the other way round, KL(N(0, I) || N(mu, sigma^2))",
                AUGMENT(kl=lambda m, l, s: (1 + m * m) * F.exp((-2 * l).clamp(max=700.0)) + 2 * l - 1)),
        Mistake("the KL is averaged over its numbers, too; of each text it is their sum", AUGMENT(over=lambda terms: terms.mean())),
        Mistake("the KL is summed over the texts; their mean is taken", AUGMENT(over=lambda terms: terms.sum())),
    ), points=(1, 1), extra=True)


# ---------------------------------------------------------------------- transposed convolution

def conv_transpose2d(x, weight, bias, stride, padding):
    return F.conv_transpose2d(x, weight, bias, stride, padding)


def _instead(**changes: Callable) -> Callable:
    """The reference with some of its arguments replaced, each by a function of it."""
    def variant(**arguments):
        return conv_transpose2d(**{name: changes[name](a) if name in changes else a for name, a in arguments.items()})
    return lambda *arguments: variant(**dict(zip(("x", "weight", "bias", "stride", "padding"), arguments)))


def _back_by(change: Callable) -> Callable:
    """The right values, with the gradient of x by other weights."""
    return lambda x, weight, *more: with_slope(conv_transpose2d(x, weight, *more), conv_transpose2d(x.detach(), weight, *more)
                                               + conv_transpose2d(x, change(weight).detach(), *more))


def _cut(before: Callable, after: Callable) -> Callable:
    """Other widths are cut off at the ends of each axis: functions of the padding."""
    def variant(x, weight, bias, stride, padding):
        y = F.conv_transpose2d(x, weight, bias, stride)
        first, last = before(padding), after(padding)
        return y[:, :, first:y.shape[2] - last, first:y.shape[3] - last]
    return variant


def _flip(weight):
    return weight.flip((2, 3))


def _exchange(weight):
    """(O, C, k, k) where both are as many; elsewhere the shapes would not fit."""
    return weight.transpose(0, 1) if weight.shape[0] == weight.shape[1] else weight


def _only(weight, a, b):
    """One place of the kernel, the others 0."""
    return weight * Tensor(np.eye(weight.shape[2])[a][:, None] * np.eye(weight.shape[3])[b])


def _overwritten(x, weight, bias, stride, padding):
    """Of the copies that overlap the last stays."""
    y, ones = 0 * F.conv_transpose2d(x, weight, None, stride, padding), 0 * x[:, :1] + 1
    for a, b in np.ndindex(*weight.shape[2:]):
        there = F.conv_transpose2d(ones, _only(0 * weight[:1, :1] + 1, a, b), None, stride, padding)
        y = y * (1 - there) + F.conv_transpose2d(x, _only(weight, a, b), None, stride, padding)
    return y + bias.reshape(1, -1, 1, 1)


def _side_by_side(x, weight, bias, stride, padding):
    """Neighbours write 1 apart, into an output of the right size."""
    y, near = conv_transpose2d(x, weight, None, stride, 0) * 0, conv_transpose2d(x, weight, None, 1, 0)
    y = F.pad(near, (0, y.shape[3] - near.shape[3], 0, y.shape[2] - near.shape[2]))
    return y[:, :, padding:y.shape[2] - padding, padding:y.shape[3] - padding] + bias.reshape(1, -1, 1, 1)


def transposed_cases(draw: Draw) -> list[Case]:
    def case(name, N, C, O, H, W, k, stride, padding, **options):
        return Case(name, {"x": draw.normal(N, C, H, W), "weight": draw.normal(C, O, k, k), "bias": draw.normal(O),
                           "stride": stride, "padding": padding}, **options)

    return [case("", 2, 2, 2, 3, 2, 3, 2, 1, differences=True),
            case("1 x 1 to 4 x 4, as a generator begins", 2, 3, 2, 1, 1, 4, 1, 0),
            case("4 x 4 to 8 x 8, as it goes on", 1, 3, 2, 4, 4, 4, 2, 1),
            case("a stride beyond the kernel", 1, 1, 2, 2, 3, 2, 3, 0),
            case("another number of channels", 1, 2, 3, 2, 2, 2, 1, 0)]


TRANSPOSED = Task(
    "conv_transpose2d", "conv_transpose2d_forward", "conv_transpose2d_backward", ("y",), ("x", "weight", "bias"),
    {"x": "N C H W", "weight": "C O k k", "bias": "O", "y": "N O H' W'"}, conv_transpose2d, transposed_cases, (
        Mistake("dx takes a flipped kernel: dx[i] adds up dy[i s + a] times weight[a], as it stands", _back_by(_flip)),
        Mistake("dx and dweight are those of a flipped kernel: dx[i] adds up dy[i s + a] times weight[a], as it stands",
                lambda *a: with_slope(conv_transpose2d(*a), _instead(weight=_flip)(*a))),
        Mistake("dx holds the last place of the kernel alone (`=` in place of `+=`?): the gradients of all places add up",
                _back_by(lambda w: _only(w, -1, -1))),
        Mistake("in the backward in- and out-channels of the weight are exchanged: dx[c] adds up dy[o] weight[c, o]",
                _back_by(_exchange)),
        Mistake("what was cut off is put back at one end of dy only; zeros go to both ends of each axis",
                lambda *a: with_slope(conv_transpose2d(*a), _cut(lambda p: 2 * p, lambda p: 0)(*a))),
        Mistake("dbias is averaged over batch and places; the bias stands at each of them, so its gradient is the sum",
                lambda x, w, b, *more: with_slope(y := conv_transpose2d(x, w, b, *more), conv_transpose2d(
                    x, w, b / (y.shape[0] * y.shape[2] * y.shape[3]), *more))),
        Mistake("the kernel is flipped: y[i s + a] gets x[i] times weight[a], as it stands", _instead(weight=_flip)),
        Mistake("in- and out-channels of the weight are exchanged: it is (C, O, k, k), a convolution's is (O, C, k, k)",
                _instead(weight=_exchange)),
        Mistake("the rows and columns of the kernel are exchanged", _instead(weight=lambda w: w.transpose(2, 3))),
        Mistake("the stride is not used: neighbouring inputs write `stride` apart in the output", _instead(stride=lambda s: 1)),
        Mistake("neighbouring inputs write 1 apart; they write `stride` apart", _side_by_side),
        Mistake("where copies of the kernel overlap the last one stays (`=` in place of `+=`?); they add up", _overwritten),
        Mistake("the padding is not used: it is cut off at both ends of each axis", _cut(lambda p: 0, lambda p: 0)),
        Mistake("the padding is cut off at the first end only; it is at both ends of each axis", _cut(lambda p: p, lambda p: 0)),
        Mistake("the padding is cut off at the last end only; it is at both ends of each axis", _cut(lambda p: 0, lambda p: p)),
        Mistake("twice the padding is cut off at one end, and nothing at the other", _cut(lambda p: 2 * p, lambda p: 0)),
        Mistake("twice the padding is cut off at the last end, and nothing at the first", _cut(lambda p: 0, lambda p: 2 * p)),
        Mistake("the bias is missing", _instead(bias=lambda b: 0 * b)),
    ), points=(1, 2), extra=True)


EXERCISE = Exercise(7, "Generative Adversarial Text to Image Synthesis", (DISCRIMINATOR, JOINT, AUGMENTATION, TRANSPOSED))
