"""What the lecture says of layer normalisation, as statements that its measurements can refute."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from ..claims import Claim

SIX = ("ranking", "reader", "skip_thoughts", "draw", "handwriting", "digits")   # digits in small batches are no seventh
RATIO = 0.75   # steps of LN over those of the plain system


def steps_ratio(task: Mapping) -> float:
    """Steps to the task's threshold, LN over plain.

    Where only LN reaches it, the plain system counts with all its steps, so that the true ratio is smaller. NaN, which bears
    nothing out, where LN does not reach it.
    """
    layer, none = (task["systems"][norm]["steps to"] for norm in ("layer", "none"))
    if layer is None:
        return math.nan
    total = task["systems"]["none"]["steps"][-1]
    return layer / max(total if none is None else none, 1e-9)


def tested(task: Mapping, norm: str, name: str | None = None) -> float:
    """A measurement on the test part, the task's own by default."""
    return task["systems"][norm]["test"][name or task["measure"]]


def claims_of(metrics: Mapping) -> list[Claim]:
    """The claims about what was measured; those about tasks that were not run are left out."""
    found: list[Claim] = []
    if "invariances" in metrics:
        table = metrics["invariances"]
        found += [
            Claim("the slide's table, eps = 0, float64: largest deviation where it says invariant",
                  table["largest where invariant"], "<=", 1e-10),
            Claim("and the least where it says No", table["least where not"], ">=", 1e-2),
            Claim("layer norm of a case alone and among 128 (difference)", metrics["alone"]["layer"], "=", 0)]
    for name, task in metrics["tasks"].items():
        found += OF_TASK[name](task)
    return found


def ranking(task: Mapping) -> list[Claim]:
    """(a)."""
    return [Claim("(a) ranking: steps to R@1 of 0.45, LN over plain", steps_ratio(task), "<=", RATIO)]


def reader(task: Mapping) -> list[Claim]:
    """(b)."""
    return [Claim("(b) reader: accuracy of LN on held-out stories", tested(task, "layer"), ">=", 0.90),
            Claim("(b) reader: steps to an accuracy of 0.80, LN over plain", steps_ratio(task), "<=", RATIO)]


def skip_thoughts(task: Mapping) -> list[Claim]:
    """(c)."""
    probe = task["finished"]["probe"]
    return [Claim("(c) skip-thoughts: steps to 1.25 held-out nats, LN over plain", steps_ratio(task), "<=", RATIO),
            Claim("(c) skip-thoughts: a probe on verbs it has no label of, LN over its untrained encoder (gain)",
                  probe["layer"] - probe["untrained layer"], ">=", 0.20)]


def draw(task: Mapping) -> list[Claim]:
    """(d)."""
    below = task["finished"]["below independent"]
    return [Claim("(d) DRAW: bound below independent Bernoulli pixels, nats, the lesser of LN and plain",
                  min(below["layer"], below["none"]), ">=", 1.0)]


def handwriting(task: Mapping) -> list[Claim]:
    """(e)."""
    return [Claim("(e) handwriting: nats a point after equal steps, LN minus plain", tested(task, "layer") - tested(task, "none"),
                  "<=", 0),
            Claim("(e) handwriting: the window of LN is on the letter being written (best constant rate "
                  f"{task['finished']['constant rate']['window']:.2f})",
                  tested(task, "layer", "window"), ">=", 0.85)]


def digits(task: Mapping) -> list[Claim]:
    """(f), large batches."""
    return [Claim("(f) digits, batch 128: error of LN below that without normalisation, points",
                  tested(task, "none", "error") - tested(task, "layer", "error"), ">", 0)]


def small_batches(task: Mapping) -> list[Claim]:
    """(f), batches of 4."""
    return [Claim("(f) digits, batch 4: error of LN below that of batch norm, points",
                  tested(task, "batch", "error") - tested(task, "layer", "error"), ">=", 1)]


OF_TASK = {"ranking": ranking, "reader": reader, "skip_thoughts": skip_thoughts, "draw": draw, "handwriting": handwriting,
           "digits": digits, "digits, batch 4": small_batches}


def fewer_steps(runs: Sequence[Mapping]) -> dict[str, float]:
    """Task -> the median over seeds of the steps to its threshold, LN over plain.

    Args:
        runs: for each seed name -> entry of a task, with all of ``SIX``.

    Returns:
        A ratio a task; infinite where LN does not reach the threshold in the median.
    """
    ratios = lambda name: [math.inf if math.isnan(r := steps_ratio(run[name])) else r for run in runs]
    return {name: median(ratios(name)) for name in SIX}


def comparisons(metrics: Mapping[str, Mapping]) -> list[Claim]:
    """The claim about all six tasks, where all variants have been run."""
    tasks = {name: task for of in metrics.values() for name, task in of["tasks"].items()}
    if not set(SIX) <= set(tasks):
        return []
    fewer = sum(ratio < 1 for ratio in fewer_steps([tasks]).values())
    return [Claim("tasks, of six, in which LN needs fewer steps to the threshold (this seed)", fewer, ">=", 4)]
