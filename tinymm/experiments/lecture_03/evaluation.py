"""What lecture 3 measures: which box each word points to, who finds whom, how long words' vectors are, and what a chain joins."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ...autograd import no_grad
from ...data.worlds.region_scenes import KIND_OF, RegionScene
from ...decode.chain import align, segments
from ...metrics import retrieval_scores
from ...models.visual_semantic import VisualSemanticAlignment
from ..experiment import Measured
from .data import Pairs
from .regions import Regions

WAYS = ("sentences for an image", "images for a sentence")
BETAS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)


@dataclasses.dataclass
class Pointed(Measured):
    """The measurements, and what the figures draw beside.

    Attributes:
        scores: row -> v_i . s_t of the test pairs, (K, T, M).
        lengths: row -> word -> the norms of its s_t in the test sentences, for the lecture's model and the untrained one.
    """

    scores: dict[str, np.ndarray]
    lengths: dict[str, dict[str, list[float]]]


def mean_of(numbers: Sequence[float]) -> float:
    """Their mean; NaN where there is none."""
    return float(np.mean(numbers)) if len(numbers) else float("nan")


def pointed(chosen: Sequence[Sequence[int] | np.ndarray], scenes: Sequence[RegionScene]) -> dict[str, float]:
    """The share of words whose box is that of their thing; words that are about no thing do not count.

    Args:
        chosen: for each scene the box of each of its words.
        scenes: the truth.

    Returns:
        "all", "shape", "colour", "size", and "two things" for the shapes and colours that a sentence says of two things.
    """
    hits: dict[str, list[bool]] = {"all": [], "shape": [], "colour": [], "size": [], "two things": []}
    for boxes, scene in zip(chosen, scenes, strict=True):
        for box, thing, kind, shared in zip(boxes, scene.thing, scene.kind, scene.shared):
            if kind:
                hit = bool(scene.owner[box] == thing)
                for name in ("all", kind, *["two things"] * shared):
                    hits[name].append(hit)
    return {name: mean_of(of_kind) for name, of_kind in hits.items()}


def of_scenes(scores: np.ndarray, scenes: Sequence[RegionScene]) -> list[np.ndarray]:
    """For each scene v_i . s_t of its words and boxes, (N, M), from those of all, (K, T, M) with padding."""
    return [of_scene[:len(scene.caption), :len(scene.boxes)] for of_scene, scene in zip(scores, scenes, strict=True)]


def pointing(scores: np.ndarray, scenes: Sequence[RegionScene]) -> dict[str, float]:
    """``pointed`` for the best box of every word.

    Args:
        scores: v_i . s_t, (K, T, M), -inf where there is no region.
        scenes: K, the truth.

    Returns:
        As ``pointed``; "things only", where the boxes of things alone compete; and "chance", one box in M.
    """
    own = of_scenes(scores, scenes)
    alone = [np.where(scene.owner >= 0, of_scene, -np.inf) for of_scene, scene in zip(own, scenes)]
    best = lambda of_all: pointed([of_scene.argmax(1) for of_scene in of_all], scenes)
    return {**best(own), "things only": best(alone)["all"], "chance": guess(scenes)["all"]}


def guess(scenes: Sequence[RegionScene]) -> dict[str, float]:
    """What guessing among the boxes that are in question would have: "all" boxes, "things only", and for a word that the
    sentence says of "two things" (or more) the boxes of these."""
    words = [(scene, t) for scene in scenes for t, kind in enumerate(scene.kind) if kind]
    shared = [1 / scene.caption.count(scene.caption[t]) for scene, t in words if scene.shared[t]]
    return {"all": mean_of([1 / len(scene.boxes) for scene, _ in words]),
            "things only": mean_of([1 / len(scene.things) for scene, _ in words]), "two things": mean_of(shared)}


def longest(regions: Regions, scenes: Sequence[RegionScene]) -> float:
    """The pointing of all words when each takes the region with the longest phi: what a threshold on norms would have."""
    norm = np.where(regions.inside, np.linalg.norm(regions.phi, axis=2), -np.inf)             # (K, M)
    words = max(len(scene.caption) for scene in scenes)
    return pointing(np.repeat(norm[:, None], words, axis=1), scenes)["all"]


def all_scores(model: VisualSemanticAlignment, pairs: Pairs) -> np.ndarray:
    """S of all pictures with all sentences, (K, K)."""
    with no_grad():
        return model(*pairs.batch(slice(None), model.W_m.weight.device)).cpu().numpy()


def retrieval(model: VisualSemanticAlignment, pairs: Pairs) -> dict[str, dict[str, float]]:
    """``retrieval_scores`` among these pairs, by S_kl."""
    return retrieval_scores(all_scores(model, pairs), ways=WAYS)


def norms(model: VisualSemanticAlignment, pairs: Pairs, scenes: Sequence[RegionScene]) -> dict[str, list[float]]:
    """For each word of the sentences the lengths of its s_t, one for each place where it stands."""
    with no_grad():
        s, _ = model.encoder(pairs.batch(slice(None), model.W_m.weight.device)[2])
    lengths = np.linalg.norm(s.cpu().numpy(), axis=2).T                    # (L, T)
    found: dict[str, list[float]] = {}
    for of_sentence, scene in zip(lengths, scenes, strict=True):
        for word, length in zip(scene.caption, of_sentence):
            found.setdefault(word, []).append(float(length))
    return found


def ratio(lengths: dict[str, list[float]]) -> tuple[float, float, float]:
    """The mean length of all shape and colour words, that of all function words, and the first over the second."""
    mean = lambda *kinds: mean_of([x for word, of_word in lengths.items() if KIND_OF.get(word, "") in kinds for x in of_word])
    content, function = mean("shape", "colour"), mean("")
    return content, function, content / max(function, 1e-9)


def chains(scores: np.ndarray, scenes: Sequence[RegionScene],
           betas: Sequence[float] = BETAS) -> tuple[list[dict[str, float]], float]:
    """What the chain MRF makes of v . s, for each beta.

    Args:
        scores: (K, T, M), as for ``pointing``.
        scenes: the truth.
        betas: in ascending order.

    Returns:
        For each beta {"beta", "pointing" of all words of things, "two things", "segments" a sentence}; and the share of sentences
        whose segments do not grow from any beta to the next.
    """
    rows, counts = [], []
    for beta in betas:
        chosen = [align(of_scene, beta)[0] for of_scene in of_scenes(scores, scenes)]
        counts.append([len(segments(a)) for a in chosen])
        found = pointed(chosen, scenes)
        rows.append({"beta": beta, "pointing": found["all"], "two things": found["two things"],
                     "segments": float(np.mean(counts[-1]))})
    return rows, float((np.diff(counts, axis=0) <= 0).all(0).mean())
