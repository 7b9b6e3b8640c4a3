"""What lecture 0 says of automatic differentiation, as statements that its measurements can refute."""

from __future__ import annotations

import numpy as np

from ..claims import Claim


def claims_of(doublings: int, metrics: dict) -> list[Claim]:
    """All claims; ``doublings`` is how often y = y + y was done."""
    bug = metrics["planted bug"]
    return [
        Claim(f"walking all paths back through {doublings} doublings visits every node once for each path to it",
              metrics["visits"]["all paths"], "=", 2 ** (doublings + 1) - 1),
        Claim("in topological order each of them is visited once", metrics["visits"]["topological order"], "=", doublings),
        Claim("every rung of layer normalisation equals its definition (float64, relative)",
              max(row["error"] for row in metrics["rungs"].values()), "<=", 1e-12),
        Claim("a check of the sum of the outputs accepts a softmax with a zero backward", float(bug["accepted by the sum"]),
              "=", 1),
        Claim("gradcheck, with random cotangents, rejects it", float(not bug["accepted by gradcheck"]), "=", 1),
        Claim("and accepts the right softmax", float(metrics["right softmax accepted"]), "=", 1),
        Claim("the first loss is within 0.5 of ln 10 = 2.303", abs(metrics["loss"]["first"] - np.log(10)), "<", 0.5),
        Claim("the network reads unseen digits (chance 0.1)", metrics["accuracy"]["test"], ">=", 0.9)]
