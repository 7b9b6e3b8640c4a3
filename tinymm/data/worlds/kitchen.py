"""Kitchen clips as a detector sees them: a world for video description in the manner of TACoS (Donahue et al. 2015, section 6).

A clip shows an activity, an object, a tool and a place, y = (y_a, y_o, y_t, y_p). Which go together is drawn by the seed:

    p(y) ~ exp(sum_s A_s[y_a, y_s] + C_t[y_o, y_t] + C_p[y_o, y_p] + sum_s h_s[y_s])     A_s for object, tool and place

with normal entries, of standard deviation 1.5 in A and 3 in C. The h_s make the values of a slot equally frequent; without them one
tuple can take most of the clips. All 2,400 tuples are enumerated, so that clips come from p itself. A detector says for each value
k of a slot s

    x_s[k] = 2 [k = y_s] + e,  e ~ N(0, 1)      and so      log p(x_s | y_s) = 2 x_s[y_s] + a number without y_s

A model that knows A only can get a tuple wrong, or be in doubt, where C would have decided.
Each clip is described three times, once in each phrasing; the slots are told in three different orders. Parts are drawn
independently: no clip (what the detector said) is in two of them, while a frequent tuple is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...autograd import Tensor
from ...autograd.integers import integer
from ...backend.random import Stream
from ...text import Vocabulary
from ..dataset import Dataset

PARTS = ("train", "validation", "test")
ACTIVITIES = {"cuts": ("cutting", "cut"), "peels": ("peeling", "peeled"), "washes": ("washing", "washed"),
              "stirs": ("stirring", "stirred"), "fries": ("frying", "fried"), "weighs": ("weighing", "weighed"),
              "squeezes": ("squeezing", "squeezed"), "salts": ("salting", "salted")}   # a verb in the three phrasings
OBJECTS = ("carrot", "cucumber", "fig", "leek", "lemon", "mango", "pear", "plum", "potato", "tomato")
TOOLS = ("fork", "grater", "knife", "peeler", "spoon", "whisk")
PLACES = ("at the table", "by the window", "in the sink", "on the counter", "over the stove")
SLOTS = {"activity": tuple(ACTIVITIES), "object": OBJECTS, "tool": TOOLS, "place": PLACES}   # name -> its values
SIZES = tuple(map(len, SLOTS.values()))   # 8, 10, 6, 5
CENTRE_SD, OUTER_SD = 1.5, 3.0            # of the couplings with the activity, and of the object's with tool and place
SIGNAL = 2.0                              # what a true value adds to its evidence, in units of the noise
PHRASINGS = ("the person {verb} the {object} with a {tool} {place}",
             "{place} someone is {verb} a {object} using the {tool}",
             "a {object} is {verb} {place} with the {tool}")
VOCABULARY = Vocabulary(sorted({word for text in (*PHRASINGS, *OBJECTS, *TOOLS, *PLACES, *ACTIVITIES, *sum(ACTIVITIES.values(), ()))
                                for word in text.split() if "{" not in word}))


def couplings(seed: int) -> dict[tuple[int, int], np.ndarray]:
    """The world's own couplings: (slot, slot) -> matrix of their values; slots are numbered as in ``SLOTS``."""
    rng = Stream("kitchen couplings", seed).generator
    return {(i, j): rng.normal(0, CENTRE_SD if i == 0 else OUTER_SD, (SIZES[i], SIZES[j]))
            for i, j in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3))}


def joint(seed: int) -> np.ndarray:
    """p(y) (8, 10, 6, 5) of a seed's kitchen, float64; its marginals are uniform within 1e-9."""
    scores, slots = np.zeros(SIZES), range(len(SIZES))
    for (i, j), matrix in couplings(seed).items():
        scores = scores + np.expand_dims(matrix, tuple(s for s in slots if s not in (i, j)))
    p = np.exp(scores - scores.max())
    others = [tuple(t for t in slots if t != s) for s in slots]
    while any(np.abs(size * p.sum(other) - 1).max() > 1e-9 for size, other in zip(SIZES, others)):
        for size, other in zip(SIZES, others):   # iterative proportional fitting: exp(h_s) in turn
            p /= size * p.sum(other, keepdims=True)
    return p


def describe(labels: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """The three sentences about a tuple of labels, as tokens.

    Raises:
        ValueError: not one label for each slot, or one that a slot does not have.
    """
    if len(labels) != len(SIZES) or any(not 0 <= label < size for label, size in zip(labels, SIZES)):
        raise ValueError(f"describe: labels={tuple(labels)} must be one number for each of {', '.join(SLOTS)}, below {SIZES}")
    activity, thing, tool, place = (values[label] for values, label in zip(SLOTS.values(), labels))
    return tuple(tuple(text.format(verb=verb, object=thing, tool=tool, place=place).split())
                 for text, verb in zip(PHRASINGS, (activity, *ACTIVITIES[activity])))


class Kitchen(Dataset):
    """Clips of one part: what the detector says of them, what they show, and what is said of them.

    An item is {"evidence" (29,) float32, "labels" (4,) int64}; the slots' evidence stands side by side in the order of ``SLOTS``.

    Args:
        part: "train", "validation" or "test".
        count: how many clips.
        seed: of the couplings and of the clips; parts of one seed have the same couplings.

    Attributes:
        evidence: (N, 29) float32.
        labels: (N, 4) int64.
        sentences: for each clip its three descriptions, as tokens.

    Raises:
        ValueError: an unknown part, no clip.
    """

    def __init__(self, part: str, count: int, seed: int = 0):
        if part not in PARTS:
            raise ValueError(f"Kitchen: part={part!r}; choose from {', '.join(PARTS)}")
        count = integer("Kitchen", "count", count, 1)
        rng = Stream(f"kitchen {part}", seed).generator
        p = joint(seed).ravel().cumsum()
        drawn = np.searchsorted(p / p[-1], rng.random(count), side="right")
        self.part = part
        self.labels = np.stack(np.unravel_index(drawn, SIZES), 1)   # (N, 4)
        truth = np.concatenate([np.eye(size)[column] for size, column in zip(SIZES, self.labels.T)], 1)   # (N, 29)
        self.evidence = (SIGNAL * truth + rng.standard_normal(truth.shape)).astype(np.float32)
        self.sentences = [describe(labels) for labels in self.labels.tolist()]

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Several items at once."""
        rows = np.asarray(indices, dtype=np.int64)
        return {"evidence": Tensor(self.evidence[rows]), "labels": Tensor(self.labels[rows])}

    def __getitem__(self, index: int) -> dict:
        return {"evidence": self.evidence[index], "labels": self.labels[index]}

    def __len__(self) -> int:
        return len(self.labels)
