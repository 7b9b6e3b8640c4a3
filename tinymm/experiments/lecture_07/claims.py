"""What the slides and the paper say, as statements that lecture 7's measurements can refute."""

from __future__ import annotations

import math

from ..claims import Claim
from . import style

MAIN = {"cls": "GAN-CLS", "int": "GAN-INT", "int_cls": "GAN-INT-CLS"}   # variant -> system
RIVAL = {"cls": "GAN", "int": "GAN", "int_cls": "GAN-CLS"}


def read_claims(metrics: dict) -> list[Claim]:
    """The claims about the judge and the encoder of texts, which all variants share."""
    embedding = metrics["embedding"]
    return [
        Claim("the judge is right about real pictures that it has not seen (all of colour, shape and place)",
              metrics["judge"]["accuracy"], ">=", 0.98),
        Claim("the joint embedding knows the seen classes (f_v, test pictures)", embedding["seen"], ">=", 0.9),
        Claim(f"and unseen ones among themselves (f_v; a guess has 1 / {embedding['unseen classes']})",
              embedding["unseen among themselves"], ">=", 0.35)]


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """The claims of one variant."""
    main, rival = MAIN[variant], RIVAL[variant]
    own, other = metrics["systems"][main], metrics["systems"][rival]
    claims = read_claims(metrics)
    if variant == "cls":
        claims += [
            Claim("along the training GAN-CLS draws more that is all right than GAN (gain of the mean)",
                  own["mean"] - other["mean"], ">=", 0.1),
            Claim("at the end, too (gain)", own["end"]["all"] - other["end"]["all"], ">", 0),
            Claim("at the end GAN-CLS draws the right colour", own["end"]["colour"], ">=", 0.85),
            Claim("at the right place", own["end"]["place"], ">=", 0.9),
            Claim("and all three right", own["end"]["all"], ">=", 0.5),
            Claim("its D tells right from wrong texts of real pictures (AUC)", own["auc"], ">=", 0.8),
            Claim("GAN's D does so less (difference of the AUC)", own["auc"] - other["auc"], ">=", 0.15),
            Claim("D's first loss is near 2 ln 2 (distance)", abs(own["first D loss"] - 2 * math.log(2)), "<=", 0.1),
            *style.claims_of(metrics["style"]),
            Claim("with Algorithm 1's signs as printed D gets worse (its loss above that of knowing nothing)",
                  metrics["literal"]["last D loss"] - 2 * math.log(2), ">", 0)]
    else:
        claims += [
            Claim(f"along the training {main} draws no less that is all right than {rival} (gain of the mean)",
                  own["mean"] - other["mean"], ">=", 0),
            Claim("from one colour's text to another's the picture changes monotonically (share of the pairs)", own["monotone"],
                  ">=", 0.8),
            Claim(f"no less often than for {rival} (difference)", own["monotone"] - other["monotone"], ">=", 0)]
    return claims
