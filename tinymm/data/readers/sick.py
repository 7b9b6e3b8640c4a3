"""SICK: pairs of sentences and how related they are (Marelli et al. 2014), as in SemEval 2014 and as released later."""

from __future__ import annotations

import dataclasses
import os

from ..dataset import Dataset
from .captions import read_lines
from .files import ordinary_file

READER = "read_sick"
MOST = 2 ** 26            # bytes; the release has 2**20
# name of the column -> what it is: of SICK_train.txt and its kind, and of SICK.txt, which has further columns
COLUMNS = {"pair_ID": "number", "sentence_A": "a", "sentence_B": "b", "relatedness_score": "relatedness",
           "entailment_judgment": "entailment", "entailment_label": "entailment", "SemEval_set": "part"}
NEEDED = ("number", "a", "b", "relatedness", "entailment")
ENTAILMENTS = ("NEUTRAL", "ENTAILMENT", "CONTRADICTION")
PARTS = {"TRAIN": "train", "TRIAL": "validation", "TEST": "test"}
EXPECTED = "SICK_train.txt, SICK_trial.txt, SICK_test_annotated.txt or SICK.txt"


@dataclasses.dataclass(frozen=True)
class SickPair:
    """Two sentences.

    Attributes:
        a, b: the sentences.
        relatedness: from 1, nothing in common, to 5, the same meaning; the mean of ten people.
        entailment: "NEUTRAL", "ENTAILMENT" or "CONTRADICTION".
        number: the pair's in the dataset.
        part: "train", "validation" (SemEval's trial) or "test"; None where the file does not say.
    """

    a: str
    b: str
    relatedness: float
    entailment: str
    number: int
    part: str | None = None


class SickPairs(Dataset):
    """Pairs in the file's order; item i is a ``SickPair``."""

    def __init__(self, pairs: list[SickPair]):
        self.pairs = tuple(pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> SickPair:
        return self.pairs[index]


def read_sick(path: str | os.PathLike, part: str | None = None) -> SickPairs:
    """The pairs of one of SICK's files: tabs between the columns, whose names stand in the first line.

    Args:
        path: ``SICK_train.txt``, ``SICK_trial.txt``, ``SICK_test_annotated.txt``, or ``SICK.txt`` with all three.
        part: keep these only, "train", "validation" or "test"; for ``SICK.txt``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a column that is missing, a line with more or fewer cells, a score that is none from 1 to 5, an unknown
            judgment, a pair twice; a part that no pair is in. The message has file and line.
    """
    path = ordinary_file(path, READER, EXPECTED, MOST)
    lines = read_lines(path, READER)
    header = next(lines, None)
    if header is None:
        raise ValueError(f"{READER}: {path} is empty; give {EXPECTED}")
    columns = [COLUMNS.get(name.strip()) for name in header[1].split("\t")]
    for what in NEEDED:
        if columns.count(what) != 1:
            names = " or ".join(name for name, is_ in COLUMNS.items() if is_ == what)
            raise ValueError(f"{READER}: {path} line {header[0]}: {columns.count(what)} columns are {names}, in "
                             f"{header[1][:60]!r}; expected the names of columns with tabs between, as in {EXPECTED}")
    pairs: list[SickPair] = []
    first: dict[int, int] = {}   # number -> line
    for number, text in lines:
        pair = _pair(text, columns, f"{READER}: {path} line {number}")
        if (earlier := first.setdefault(pair.number, number)) != number:
            raise ValueError(f"{READER}: {path} line {number}: pair {pair.number} stands on line {earlier} already")
        pairs.append(pair)
    if part is not None:
        there = sorted({pair.part or "none" for pair in pairs})
        pairs = [pair for pair in pairs if pair.part == part]
        if not pairs:
            raise ValueError(f"{READER}: {path}: no pair is in part={part!r}; there are {', '.join(there) or 'no pairs'}")
    if not pairs:
        raise ValueError(f"{READER}: {path} names its columns and has no pair; the file is not whole")
    return SickPairs(pairs)


def _pair(text: str, columns: list[str | None], where: str) -> SickPair:
    values = text.split("\t")
    if len(values) != len(columns):
        raise ValueError(f"{where}: {len(values)} cells; expected {len(columns)} with tabs between, as the first line has them")
    cells = {what: value.strip() for what, value in zip(columns, values) if what}
    if not (cells["number"].isascii() and cells["number"].isdigit() and len(cells["number"]) < 10):
        raise ValueError(f"{where}: pair_ID is {cells['number'][:20]!r}; expected a number")
    try:
        relatedness = float(cells["relatedness"])
    except ValueError:
        relatedness = float("nan")
    if not 1 <= relatedness <= 5:
        raise ValueError(f"{where}: relatedness_score is {cells['relatedness'][:20]!r}; expected a number from 1 to 5")
    if cells["entailment"] not in ENTAILMENTS:
        raise ValueError(f"{where}: the entailment is {cells['entailment'][:20]!r}; expected {', '.join(ENTAILMENTS)}")
    part = cells.get("part")
    if part is not None and part not in PARTS:
        raise ValueError(f"{where}: SemEval_set is {part[:20]!r}; expected {', '.join(PARTS)}")
    for what in "ab":
        if not cells[what]:
            raise ValueError(f"{where}: sentence_{what.upper()} is empty; expected a sentence")
    return SickPair(cells["a"], cells["b"], relatedness, cells["entailment"], int(cells["number"]), PARTS[part] if part else None)
