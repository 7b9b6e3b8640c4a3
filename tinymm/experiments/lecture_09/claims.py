"""What the slides and the paper say, as statements that lecture 9's measurements can refute."""

from __future__ import annotations

import math

from ..claims import Claim
from .cost import growth

AT_CHANCE = {"colour": ("colour", 1 / 6 + 0.05), "ground": ("ground", 1 / 4 + 0.05), "all": ("colour, shape and ground", 0.05)}
NEAR = 0.3    # nats a caption, from the entropy of the captions' grammar


def gain(better: float, worse: float) -> float:
    """The difference; numbers that are equal but for rounding have none."""
    return round(better - worse, 9) + 0.0


def dvae_claims(metrics: dict) -> list[Claim]:
    """The claims about the judge and the first stage, which all variants share."""
    dvae, real = metrics["dvae"], metrics["judge"]
    least = min(share for part in real.values() for name, share in part.items() if name != "all")
    return [
        Claim("the judge is right about real pictures that it has not seen (the least of colour, shape and ground, seen and unseen "
              "pairs)", least, ">=", 0.97),
        Claim("pictures from their tokens: squared error as a share of the mean picture's",
              dvae["MSE"] / dvae["mean picture's MSE"], "<=", 0.25),
        *[Claim(f"pictures from their tokens have the right {name} (judge)", dvae["judge"][name], ">=", bound)
          for name, bound in (("colour", 0.95), ("ground", 0.95), ("shape", 0.5))]]


def claims_of(variant: str, metrics: dict, codes: int) -> list[Claim]:
    """The claims of one variant.

    Args:
        variant: of the lecture.
        metrics: of its report.
        codes: K.
    """
    dvae = metrics["dvae"]
    claims = [*dvae_claims(metrics), Claim("of the codes at least half are in use (share, test)", dvae["codes"] / codes, ">=", 0.5)]
    if variant == "beta0":
        without = metrics["beta0"]
        return [*claims,
                Claim("without the KL fewer codes are used (codes; this or the next)", dvae["codes"] - without["codes"], ">", 0),
                Claim("or tokens lose more against what the decoder was trained on (gap in nats a value)",
                      gain(without["gap"], dvae["gap"]), ">", 0)]
    transformer, seen, unseen = metrics["transformer"], metrics["samples"]["seen"], metrics["samples"]["unseen"]
    claims += [
        Claim("the first image loss is near ln K (distance)", abs(transformer["first image CE"] - math.log(codes)), "<=", 0.1),
        Claim("the captions' loss comes near the entropy of their grammar (distance, nats a caption)",
              abs(transformer["text CE a caption"] - transformer["text entropy a caption"]), "<=", NEAR)]
    if variant == "shuffled":
        return [*claims, *[Claim(f"samples of {of} pairs have the caption's {what} by chance", share[name], "<=", bound)
                           for of, share in (("seen", seen), ("unseen", unseen)) for name, (what, bound) in AT_CHANCE.items()]]
    claims += [
        Claim("samples of seen pairs have the right colour", seen["colour"], ">=", 0.9),
        Claim("the right ground", seen["ground"], ">=", 0.9),
        Claim("a shape as right as tokens can say it (as a share of the reconstructions')",
              seen["shape"] / dvae["judge"]["shape"], ">=", 0.7),
        Claim("and all three (chance 1 / 144)", seen["all"], ">=", 0.3),
        Claim("samples of pairs that no training picture has: the right colour", unseen["colour"], ">=", 0.8),
        Claim("pairs never seen: the right ground", unseen["ground"], ">=", 0.8),
        Claim("pairs never seen: all three", unseen["all"], ">=", 0.15)]
    if "reranked" in metrics:
        ranks = metrics["reranked"]["seen"]
        claims.append(Claim(f"of {ranks['N']} samples CLIP's first is all right more often than a random one (gain, judge)",
                            gain(ranks["best"]["all"], ranks["random"]["all"]), ">=", 0.05))
    cost = metrics["cost"]
    return [*claims,
            Claim("with a cache the last tokens cost as much as the first (counted multiply-adds, last quarter by first)",
                  growth(cost["cached"]), "<=", 1.5),
            Claim("without a cache they cost more (the same ratio)", growth(cost["recomputed"]), ">", 1)]


def comparisons(metrics: dict[str, dict]) -> list[Claim]:
    """The claims about several variants, those that have been run."""
    found = []
    if {"default", "dense"} <= set(metrics):
        sparse, dense = (metrics[name]["transformer"]["image CE"] for name in ("default", "dense"))
        found.append(Claim("row, column and convolutional masks predict images as full attention does (distance, nats a token)",
                           abs(sparse - dense), "<=", 0.1))
    if {"default", "shuffled"} <= set(metrics):
        captions, others = (metrics[name]["samples"]["seen"]["all"] for name in ("default", "shuffled"))
        found.append(Claim("what samples show they have from the captions (gain over shuffled ones, all three, seen pairs)",
                           gain(captions, others), ">", 0))
    return found
