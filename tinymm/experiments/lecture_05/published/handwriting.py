"""Task (e) on lines of IAM-OnDB."""

from __future__ import annotations

import numpy as np

from ....autograd import no_grad
from ....data import read_iam_ondb
from ....data.worlds.letters import Line
from .. import handwriting
from .parts import PARTS, cut, some

MOST = {"lecture": dict(train=1500, validation=100, test=100), "smoke": dict(train=64, validation=16, test=16)}


class Whiteboard(handwriting.Handwriting):
    """Lines of about 600 points; no writer, or where writers are not known no form, is in two parts.

    Which letter is being written is not known of real lines, so that the window is not measured.

    Raises:
        ValueError: fewer than three writers or forms; no line with a text.
    """

    threshold = float("nan")

    def __init__(self, scale: str, seed: int, data: str, root: str):
        self.data, self.root = data, root
        super().__init__(scale, seed)

    def read(self, scale: str, seed: int) -> dict[str, list[Line]]:
        ink = read_iam_ondb(self.root)
        for note in ink.notes:
            print(f"{self.data}: {note}")
        groups: dict[str, list[int]] = {}   # writer, or form -> lines
        for i, path in enumerate(ink.files):
            writer = ink.writer(i)
            groups.setdefault(path.stem.rpartition("-")[0] if writer is None else f"writer {writer}", []).append(i)
        found = {}
        for part, of in cut(f"{self.data} in {self.root}: its writers or forms", list(groups.values()), seed).items():
            rows = [row for group in of for row in group]
            lines = [ink[rows[i]] for i in some(self.data, part, len(rows), MOST[scale][part], seed)]
            found[part] = [Line(line.text, line.points, np.full(len(line.points), -1)) for line in lines if line.text]
            if not found[part]:
                raise ValueError(f"lecture 5: {self.data} in {self.root}: no line for {part} has a text")
        self.alphabet = "".join(sorted({letter for part in PARTS for line in found[part] for letter in line.text}))
        return found

    def measured(self, model, part: str) -> dict[str, float]:
        with no_grad():
            return {"nats a point": handwriting.nats_a_point(model, self.held[part])[0].item()}

    def finished(self, models: dict) -> dict:
        return {"letters": self.alphabet}

    def figures(self, models: dict, result: dict) -> dict:
        return {}
