"""Mistakes planted in the solution of exercise 0: where, what they replace, and what the checker must say."""

# ruff: noqa: E501 - a table, a mistake a line
from __future__ import annotations

from tests.homework.mutant import mutant as m

FORWARD, BACKWARD, BUG = "softmax_forward", "softmax_backward", "explain_bug"
SOFTMAX = "e = np.exp(x - x.max(axis=1, keepdims=True))\n        self.y = e / e.sum(axis=1, keepdims=True)"
SLOPE = "return self.y * (dy - (self.y * dy).sum(axis=1, keepdims=True))"
DX = "dx = (dn - n * (dn * n).mean(axis=1, keepdims=True)) / r"

MUTANTS = [
    m("overflow", FORWARD, "subtract the largest x of each case", ("np.exp(x - x.max(axis=1, keepdims=True))", "np.exp(x)")),
    m("largest_of_all_subtracted", FORWARD, "(in the case: x near 1000)", ("x.max(axis=1, keepdims=True)", "x.max()")),
    m("over_the_batch", {FORWARD: "the softmax is taken over the batch (axis 0)", BACKWARD: "finite differences"}, "",
      (SOFTMAX, "e = np.exp(x - x.max(axis=0))\n        self.y = e / e.sum(axis=0)")),
    m("not_normalised", {FORWARD: "divided by its sum over the classes", BACKWARD: "finite differences"}, "", ("self.y = e / e.sum(axis=1, keepdims=True)", "self.y = np.exp(x)")),
    m("no_jacobian", BACKWARD, "the Jacobian of the softmax is missing", (SLOPE, "return dy")),
    m("half_of_the_jacobian", BACKWARD, "half of the Jacobian", (SLOPE, "return self.y * dy")),
    m("diagonal", BACKWARD, "only the diagonal of the Jacobian", (SLOPE, "return self.y * (1 - self.y) * dy")),
    m("nothing_to_use_kept", BACKWARD, "AttributeError", ("self.y = e / e.sum(axis=1, keepdims=True)\n        return self.y", "return e / e.sum(axis=1, keepdims=True)"), verdict="error"),
    m("as_it_was", BUG, "dx is that of the faulty backward", (DX, "dx = dn / r")),
    m("sum", BUG, "the term through r has a sum over the units", (DX, DX.replace("mean", "sum"))),
    m("sign", BUG, "the wrong sign", (DX, DX.replace("dn - n", "dn + n"))),
    m("over_the_cases", BUG, "each case has its own r", (DX, DX.replace("axis=1", "axis=0"))),
    m("centred", BUG, "as if x were centred", (DX, DX.replace("n * (dn * n).mean", "dn.mean"))),
    m("not_divided", BUG, "the division by r is missing", (DX, DX.replace(" / r", ""))),
    m("axes_of_length_1_dropped", BUG, "y = g x / |x| does not move here: dx is 0", (DX, DX.replace("(dn * n)", "np.atleast_2d((dn * n).squeeze())"))),
    m("another_line", BUG, "line 3 is right: gradcheck finds dg right", ("return 5, dx", "return 3, dx")),
]
