"""What the slides of Show and Tell say, as statements that lecture 2's measurements can refute."""

from __future__ import annotations

import numpy as np

from ..claims import Claim
from .systems import Options


def claims_of(options: Options, metrics: dict) -> list[Claim]:
    """The claims of one variant; of photographs, which may be few, only what holds of any training."""
    loss = metrics["loss"]
    if not options.projection:
        start = Claim(f"the untrained model's loss is within 0.1 of ln |V| = {np.log(metrics['vocabulary']):.2f} nats a word",
                      abs(loss["untrained nats a word"] - np.log(metrics["vocabulary"])), "<", 0.1)
    else:
        entropy = loss["entropy of the words"]
        start = Claim(f"the untrained model's loss is within 0.1 of the entropy of the words, {entropy:.2f} nats a word",
                      abs(loss["untrained nats a word"] - entropy), "<", 0.1)
    if "against attention" in metrics:
        return [start, _against_attention(metrics)]
    if "levels" not in metrics:
        return [start]
    beams, captions, novelty = metrics["beams"], metrics["captions"], metrics["novelty"]
    colours, shapes = (metrics["neighbours"][f"{kind}, precision at 3"] for kind in ("colours", "shapes"))
    claims = [
        start,
        Claim("BLEU-4 of a beam of 20 on held-out scenes", captions["test"]["BLEU-4"], ">=", 0.9),
        Claim("a beam of 20 gains BLEU-4 over greedy search", beams["20"]["BLEU-4"] - beams["1"]["BLEU-4"], ">=", 0),
        Claim("true sentences, new, about pairs of colour and shape that no training picture shows",
              metrics["correct novel captions"], ">=", 1),
        Claim("the three nearest words of a colour are colours (share)", colours, ">=", 0.9),
        Claim("the three nearest words of a shape are shapes (share)", shapes, ">=", 0.9),
        Claim("among the 15 best there are more new sentences than among the best (difference of shares)",
              novelty["test"]["15 best"] - novelty["test"]["best"], ">", 0),
        Claim("in another world, without retraining, BLEU-1 is lower (loss)",
              captions["test"]["BLEU-1"] - captions["sketch"]["BLEU-1"], ">", 0),
        Claim("and yet the sentences are about their pictures (gain in BLEU-1 over those of other pictures)",
              captions["sketch"]["BLEU-1"] - metrics["sketches, sentences of other pictures"]["BLEU-1"], ">", 0)]
    if "sizes" in metrics:
        curve = [entry["BLEU-4"] for entry in metrics["sizes"].values()]
        claims += [
            Claim("each larger training set gives a higher BLEU-4 (least gain)", float(np.diff(curve).min()), ">", 0),
            Claim("one noisy sentence a picture gives a lower BLEU-1 than five of people (loss)",
                  captions["test"]["BLEU-1"] - metrics["noisy"]["one noisy sentence"]["BLEU-1"], ">", 0)]
    return claims


def _against_attention(metrics: dict) -> Claim:
    found = metrics["against attention"]
    return Claim("soft attention gains BLEU-4 over one vector of the same features, on scenes with three digits",
                 found["soft attention"]["three digits"] - found["one vector"]["three digits"], ">=", 0)


def comparisons(metrics: dict[str, dict]) -> list[Claim]:
    """The claims about several variants, those that have been run."""
    found = []
    if {"usual", "every_step"} <= set(metrics):
        found.append(Claim("showing the picture at every word is no better (gain in BLEU-4 of once)",
                           metrics["usual"]["captions"]["test"]["BLEU-4"] - metrics["every_step"]["captions"]["test"]["BLEU-4"],
                           ">=", 0))
    if {"usual", "slide"} <= set(metrics):
        found.append(Claim("the usual cell is no worse than the slide's (gain in test nats a word)",
                           metrics["slide"]["loss"]["test nats a word"] - metrics["usual"]["loss"]["test nats a word"], ">=", 0))
    return found
