"""Task (f) on MNIST, or on another dataset in its files."""

from __future__ import annotations

import numpy as np

from ....data import read_mnist
from .. import digits
from .parts import PARTS, some

MOST = {"lecture": dict(train=55_000, validation=5000, test=10_000), "smoke": dict(train=1000, validation=100, test=100)}


class MNIST(digits.Digits):
    """784 pixels of a digit; the validation part is an eighth of the training digits, at most 5,000, that nobody trains on.

    Raises:
        ValueError: test pictures of another size, or with labels that no training picture has.
    """

    threshold = float("nan")

    def __init__(self, scale: str, seed: int, data: str, root: str):
        self.data, self.root = data, root
        super().__init__(scale, seed)

    def read(self, scale: str, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        train, test = (read_mnist(self.root, part) for part in ("train", "test"))
        rows = some(self.data, "training and validation", len(train), len(train), seed)
        held = min(len(rows) // 8, MOST[scale]["validation"])
        chosen = {"validation": (train, rows[:held]), "train": (train, rows[held:held + MOST[scale]["train"]]),
                  "test": (test, some(self.data, "test", len(test), MOST[scale]["test"], seed))}
        found = {}
        for part, (of, rows) in chosen.items():
            pictures, labels = of.batch(rows)
            found[part] = pictures.numpy(), labels.numpy()
        sizes = {part: found[part][0].shape[1:] for part in PARTS}
        if not held or sizes["train"] != sizes["test"]:
            raise ValueError(f"lecture 5: {self.data} in {self.root} has {len(train)} training pictures of {sizes['train']} pixels "
                             f"and test pictures of {sizes['test']}; it takes at least 8, and one size")
        self.classes = int(max(found[part][1].max() for part in PARTS)) + 1
        if missing := sorted(set(found["test"][1].tolist()) - set(train.labels.values.tolist())):
            raise ValueError(f"lecture 5: {self.data} in {self.root} has test pictures with the labels {missing[:5]}, which no "
                             "training picture has")
        return found


class SmallBatches(MNIST):
    """The same in batches of 4."""

    name, title = digits.SmallBatches.name, digits.SmallBatches.title
    cases, length = digits.SmallBatches.cases, digits.SmallBatches.length
