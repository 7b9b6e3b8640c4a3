"""Task (c) on text files with a sentence a line."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from .... import nn
from ....autograd import Tensor, no_grad
from ....data import Dataset, read_sentences
from ....models.skip_thoughts import SkipThoughts as Model
from ....text import Vocabulary, tokenize
from .. import skip_thoughts
from .parts import PARTS, some

MOST = {"lecture": dict(train=20_000, validation=500, test=500), "smoke": dict(train=500, validation=50, test=50)}
TENTHS = {"train": (0, 8), "validation": (8, 9), "test": (9, 10)}   # of each file: no sentence is in two parts
WORDS = 5000         # with the special ones; the paper has 20,000
LONGEST = 30         # words of a sentence, as in the published code
AT_ONCE = 50         # sentences that are measured together

Triple = tuple[list[str], list[str], list[str]]


class Triples(Dataset):
    """Sentences with the ones before and after, as ids; see ``Stories``."""

    def __init__(self, triples: Sequence[Triple], vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self._ids = [[vocabulary.encode(words, start=i != 1, end=i != 1) for i, words in enumerate(triple)] for triple in triples]

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Several at once, as ``Stories`` gives them."""
        (before, _), (here, lengths), (after, _) = (self.vocabulary.batch([self._ids[i][k] for i in indices]) for k in range(3))
        return {"sentence": Tensor(here), "length": Tensor(lengths), "previous": Tensor(before), "next": Tensor(after)}

    def __getitem__(self, index: int) -> dict:
        return {key: value.numpy()[0] for key, value in self.batch([index]).items()}

    def __len__(self) -> int:
        return len(self._ids)


def read_triples(root: str, data: str, scale: str, seed: int) -> dict[str, list[Triple]]:
    """Of all .txt files of a folder; triples with an empty sentence, or one of more than ``LONGEST`` words, are left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a damaged file, or nothing left for a part.
    """
    paths = sorted(pathlib.Path(root).glob("*.txt"))
    if not paths:
        raise FileNotFoundError(f"lecture 5: {data}: {root} holds no .txt file; give a folder with text files, a sentence a line")
    files, found = [read_sentences(path) for path in paths], {}
    for part in PARTS:
        first, last = TENTHS[part]
        places = [(file, range(len(file) * first // 10 + 1, len(file) * last // 10 - 1)) for file in files]
        counts = [len(rows) for _, rows in places]
        ends, triples = np.cumsum(counts), []
        for i in some(data, part, sum(counts), MOST[scale][part], seed):
            k = int(np.searchsorted(ends, i, side="right"))
            file, rows = places[k]
            before, here, after = (tokenize(text) for text in file.triple(rows[i - int(ends[k]) + counts[k]]))
            if all(0 < len(words) <= LONGEST for words in (before, here, after)):
                triples.append((before, here, after))
        if not triples:
            raise ValueError(f"lecture 5: {data} in {root}: for {part} no three sentences of 1 to {LONGEST} words stand in a row")
        found[part] = triples
    return found


class Books(skip_thoughts.SkipThoughts):
    """Nats a word of the sentences before and after; there is no probe, since nobody has labelled the sentences."""

    threshold = float("nan")

    def __init__(self, scale: str, seed: int, data: str, root: str):
        sizes, self.seed = skip_thoughts.SIZES[scale], seed
        self.steps, self.every, self.probe, self.batch = sizes["steps"], sizes["every"], sizes["probe"], 64
        triples = read_triples(root, data, scale, seed)
        self.vocabulary = Vocabulary.build([words for triple in triples["train"] for words in triple], max_size=WORDS)
        self.held = {part: Triples(of, self.vocabulary) for part, of in triples.items()}
        self.train = self.held["train"]

    def model(self, norm: str) -> Model:
        return Model(len(self.vocabulary), norm=norm)

    def measured(self, model: nn.Module, part: str) -> dict[str, float]:
        triples, training, nats, words = self.held[part], model.training, np.zeros(2), np.zeros(2)
        model.eval()
        with no_grad():
            for start in range(0, len(triples), AT_ONCE):
                batch = triples.batch(range(start, min(start + AT_ONCE, len(triples))))
                count = np.array([(batch[key].numpy()[:, 1:] != Vocabulary.pad).sum() for key in ("previous", "next")])
                nats += count * [float(mean) for mean in skip_thoughts.both(model, batch)]
                words += count
        model.train(training)
        before, after = nats / words
        return {"nats a word": before + after, "previous": before, "next": after}

    def finished(self, models: Mapping[str, nn.Module]) -> dict:
        return {"words": len(self.vocabulary)}

    def figures(self, models: Mapping[str, nn.Module], result: dict) -> dict:
        return {}
