"""What the slides of Show, Attend and Tell say, as statements that lecture 4's measurements can refute."""

from __future__ import annotations

import numpy as np

from ..claims import Claim
from .systems import Objective


def claims_of(objective: Objective, metrics: dict) -> list[Claim]:
    """The claims of one variant; of photographs, which may be few, only what holds of any training."""
    first, chance = metrics["loss"]["first nats a word"], np.log(metrics["vocabulary"])
    claims = [Claim(f"the first loss is within 0.3 of ln K = {chance:.2f} nats a word", abs(first - chance), "<", 0.3)]
    if "attention" not in metrics:
        return claims
    points, soft = metrics["attention"], not objective.hard
    claims += [
        Claim("BLEU-4 of generated captions on held-out scenes", metrics["captions"]["beam 5"]["BLEU-4"], ">", 0.9),
        Claim("the attention is on the digit that is being named, in held-out captions",
              points["given captions"]["accuracy"], ">=", 0.9 if soft else 0.8),
        Claim("and on the digit whose turn it is, in the sentences it writes itself",
              points["generated captions"]["accuracy"], ">=", 0.9 if soft else 0.8),
        Claim("the gate beta is lower on words that say nothing about the picture (difference of means)",
              metrics["beta"]["function words"] - metrics["beta"]["content words"], "<", 0)]
    if soft and not objective.lam:
        claims.append(Claim("the attention's mass on the named digit", points["given captions"]["mass"], ">=", 0.7))
    if not soft:
        claims.append(Claim("the baseline lowers the variance of the gradient (ratio to that without)",
                            metrics["gradient variance"]["with baseline"] / metrics["gradient variance"]["without"], "<", 1))
    return claims


def comparisons(metrics: dict[str, dict]) -> list[Claim]:
    """The claims about several variants, those that have been run."""
    if not {"soft", "doubly_stochastic"} <= set(metrics):
        return []
    return [Claim("the penalty spreads the attention of a whole sentence (gain in entropy of the coverage, nats)",
                  metrics["doubly_stochastic"]["coverage entropy"] - metrics["soft"]["coverage entropy"], ">", 0)]
