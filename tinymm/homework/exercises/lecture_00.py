"""Exercise 0: softmax as a Function with its backward, and a bug planted in that of RMS normalisation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ... import functional as F
from ...autograd import Tensor
from ...autograd.registry import Draw
from ..exercise import Case, Exercise, Mistake, Task, sloped

# ---------------------------------------------------------------------- softmax

_softmax = partial(F.softmax, dim=1)


def softmax(x, weigh: Callable = _softmax):
    """y (B, K) of x (B, K); ``weigh`` is for the variants."""
    return weigh(x)


def softmax_cases(draw: Draw) -> list[Case]:
    def case(name, B, K, **options):
        return Case(name, {"x": draw.normal(B, K)}, **options)

    large = np.array([[1000.0, 999.0, -500.0], [-1000.0, -1001.0, -1003.0]])
    return [case("", 3, 4, differences=True), case("one case", 1, 5), case("one class", 3, 1),
            Case("x near 1000", {"x": large}, hint="exp overflows, or all of them vanish: subtract the largest x of each case "
                 "before it, which leaves the softmax as it is")]


SOFTMAX = Task(
    "softmax", "softmax_forward", "softmax_backward", ("y",), ("x",), {"x": "B K", "y": "B K"}, softmax, softmax_cases, (
        Mistake("the softmax is taken over the batch (axis 0); the K values of one case must sum to 1 (axis 1)",
                partial(softmax, weigh=partial(F.softmax, dim=0))),
        Mistake("the softmax is taken over batch and classes at once; each case has its own",
                partial(softmax, weigh=lambda x: F.softmax(x.reshape(-1), dim=0).reshape(x.shape))),
        Mistake("exp(x) must be divided by its sum over the classes", partial(softmax, weigh=F.exp)),
        Mistake("this is log softmax", partial(softmax, weigh=partial(F.log_softmax, dim=1))),
        Mistake("the Jacobian of the softmax is missing: dx = y * (dy - sum_j y_j dy_j)",
                partial(softmax, weigh=sloped(_softmax, lambda y: 1.0))),
        Mistake("half of the Jacobian of the softmax is missing: dx = y * (dy - sum_j y_j dy_j), and you have y * dy",
                partial(softmax, weigh=sloped(_softmax, lambda y: y))),
        Mistake("only the diagonal of the Jacobian is there, y (1 - y): every x_j moves every y_i, so "
                "dx = y * (dy - sum_j y_j dy_j)", partial(softmax, weigh=sloped(_softmax, lambda y: y * (1 - y)))),
    ), points=(4, 6))


# ---------------------------------------------------------------------- the planted bug

def explain_bug(dy, x, g, line=5, through=lambda dn, n: n * (dn * n).mean(1, keepdim=True), last=lambda d, r: d / r):
    """The number of the wrong line, and dx (B, H); the term through r and the last division are the variants'."""
    r = (x * x).mean(1, keepdim=True) ** 0.5                                       # (B, 1)
    dn = dy * g
    return Tensor(np.array(line)), last(dn - through(dn, x / r), r)


def explain_bug_cases(draw: Draw) -> list[Case]:
    def case(name, B, H, **options):
        return Case(name, {"dy": draw.away(B, H, low=0.5, high=1.5), "x": draw.away(B, H, low=0.4, high=2.0),
                           "g": draw.away(H, low=0.5, high=1.5)}, **options)

    return [case("", 3, 4), case("one case", 1, 3), case("one unit", 4, 1, hint="y = g x / |x| does not move here: dx is 0")]


EXPLAIN_BUG = Task(
    "planted_bug", "explain_bug", None, ("line", "dx"), (), {"dy": "B H", "x": "B H", "g": "H", "line": "", "dx": "B H"},
    explain_bug, explain_bug_cases, (
        Mistake("dx is that of the faulty backward: r is computed from x, too, so a second term goes through it",
                partial(explain_bug, through=lambda dn, n: 0 * n)),
        Mistake("the term through r has a sum over the units; r holds their mean, so it is a mean",
                partial(explain_bug, through=lambda dn, n: n * (dn * n).sum(1, keepdim=True))),
        Mistake("the term through r has the wrong sign: a larger r makes y smaller",
                partial(explain_bug, through=lambda dn, n: -n * (dn * n).mean(1, keepdim=True))),
        Mistake("the mean is over the batch (axis 0); each case has its own r",
                partial(explain_bug, through=lambda dn, n: n * (dn * n).mean(0, keepdim=True))),
        Mistake("the term through r lacks a factor n: it is n * mean(dn * n)",
                partial(explain_bug, through=lambda dn, n: (dn * n).mean(1, keepdim=True))),
        Mistake("the mean is that of dn, as if x were centred; here nothing is subtracted, and it is n * mean(dn * n)",
                partial(explain_bug, through=lambda dn, n: dn.mean(1, keepdim=True))),
        Mistake("the division by r is missing", partial(explain_bug, last=lambda d, r: d)),
        *(Mistake(f"line {line} is right: {why}", partial(explain_bug, line=line)) for line, why in (
            (1, "r is the root of the mean square, as in the forward"), (2, "n is x / r, as in the forward"),
            (3, "gradcheck finds dg right"), (4, "y = g n, so n gets dy g"))),
    ), points=(10,))

EXERCISE = Exercise(0, "Automatic differentiation", (SOFTMAX, EXPLAIN_BUG), allows=("tinymm",))
