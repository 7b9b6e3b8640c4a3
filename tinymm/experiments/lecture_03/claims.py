"""What the slides and the paper say, as statements that lecture 3's measurements can refute."""

from __future__ import annotations

from ..claims import Claim
from .evaluation import WAYS

MAX, SUM, ALONE = "BRNN, max", "BRNN, sum", "no BRNN, max"   # rows of the tables
SHUFFLED, UNTRAINED = "shuffled captions", "untrained"
ROWS = {"alignment": MAX, "sum": SUM, "no_context": ALONE}


def interior(beta: list[dict[str, float]]) -> list[dict[str, float]]:
    """The rows of a table of beta between 0 and 5."""
    return [row for row in beta if 0 < row["beta"] < 5]


def claims_of(variant: str, metrics: dict) -> list[Claim]:
    """The claims of one variant of the alignment."""
    found = metrics["pointing"][ROWS[variant]]
    if variant == "no_context":
        return [Claim("a size word alone points nowhere: it needs its sentence (pointing)", found["size"], "<=", 0.30)]
    if variant == "sum":
        return []
    at = {row["beta"]: row["pointing"] for row in metrics["beta"]}
    return [
        Claim("words of things point to their boxes, all boxes compete", found["all"], ">=", 0.85),
        *[Claim(f"words of {kind} point to the box of their thing", found[kind], ">=", 0.80)
          for kind in ("shape", "colour", "size")],
        Claim(f"so do words that the sentence uses for two things (a guess has {metrics['guess']['two things']:.2f})",
              found["two things"], ">=", 0.70),
        Claim("taught on shuffled captions, they do not (pointing above chance)",
              metrics["pointing"][SHUFFLED]["all"] - found["chance"], "<=", 0.10),
        *[Claim(f"R@1, {way}, of {metrics['scenes']['test']}", metrics["retrieval"][MAX][way]["R@1"], ">=", 0.40) for way in WAYS],
        Claim("shape and colour words have longer vectors than function words (ratio of the mean norms)",
              metrics["norms"]["ratio"], ">=", 1.3),
        Claim("some beta in (0, 5), chosen on validation scenes, points better than beta = 0 and than beta = 5 (least gain)",
              at[metrics["chosen beta"]] - max(at[0.0], at[5.0]), ">", 0),
        Claim("segments do not grow with beta (share of the sentences)", metrics["monotone"], "=", 1)]


def comparisons(metrics: dict[str, dict]) -> list[Claim]:
    """The claims about several variants, those that have been run."""
    if not {"alignment", "no_context"} <= set(metrics):
        return []
    with_brnn, without = (metrics[variant]["pointing"][ROWS[variant]]["all"] for variant in ("alignment", "no_context"))
    return [Claim("words that see their sentence point better (gain of the BRNN)", with_brnn - without, ">=", 0.20)]
