"""Task (a): pictures and sentences find each other by order embeddings, on a plain and on a layer-normalised GRU.

The task of the slide's three panels. A third system, plain, scores with the cosine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...autograd import Tensor
from ...backend.random import stream
from ...data.worlds.described_scenes import distinct_scenes, scene_features
from ...data.worlds.sprite_scenes import SpriteScene, SpriteScenes
from ...metrics import retrieval_scores
from ...models.order_embedding import OrderEmbedding
from .comparison import Task

WAYS = ("picture for a sentence", "sentence for a picture")
END, UNKNOWN = 0, 1
CHUNK = 100          # sentences at a time: E needs (sentences, pictures, D) numbers
FOLDS = 5            # of the test


def words_of(scenes: Sequence[SpriteScene]) -> dict[str, int]:
    """The ids of all words that are said of these scenes; ``END`` and ``UNKNOWN`` come first."""
    return {word: i + 2 for i, word in enumerate(sorted({w for s in scenes for caption in s.captions for w in caption.words}))}


def padded(sentences: Sequence[Sequence[str]], ids: Mapping[str, int]) -> tuple[Tensor, np.ndarray]:
    """Words (T, B) int64 and lengths (B,); the ``END`` after a sentence belongs to it."""
    lengths = np.array([len(s) + 1 for s in sentences])
    words = np.full((lengths.max(), len(sentences)), END, np.int64)
    for b, sentence in enumerate(sentences):
        words[:len(sentence), b] = [ids.get(w, UNKNOWN) for w in sentence]
    return Tensor(words), lengths


def mean_of_folds(found: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """The mean, measure by measure, of what ``retrieval_scores`` says of each fold, as the paper reports five of 1,000 pictures."""
    return {way: {name: float(np.mean([fold[way][name] for fold in found])) for name in found[0][way]} for way in found[0]}


class Ranking(Task):
    """3,000 pictures with five sentences each, one of them drawn at random in each pass."""

    name, title = "ranking", "image-sentence ranking"
    norms = ("none", "layer", "cosine")
    rates = (2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2)   # the paper has 1e-3, where every system is slower
    measure, higher, threshold, max_norm = "R@1", True, 0.45, 2.0
    sizes = {"lecture": (3000, 500), "smoke": (300, 50)}                   # train; validation and test
    folds = FOLDS
    length = {"lecture": (180, 5, 60), "smoke": (4, 2, 2)}                # steps, every, probe

    def __init__(self, scale: str, seed: int):
        train, held = self.sizes[scale]
        self.scenes: dict[str, list[SpriteScene]] = {"train": SpriteScenes("train", train, seed).scenes}
        self.scenes |= {part: distinct_scenes(part, held, seed) for part in ("validation", "test")}
        self.features = {part: scene_features(scenes, part, seed) for part, scenes in self.scenes.items()}
        self.captions = {part: [[c.words for c in scene.captions] for scene in scenes] for part, scenes in self.scenes.items()}
        self.ids = words_of([*self.scenes["train"], *self.scenes["validation"]])   # as in the published code
        self.train, self.batch = range(train), 128                                 # rows; ``collate`` looks them up
        self.steps, self.every, self.probe = self.length[scale]

    def collate(self, rows: list[int]) -> tuple[Tensor, np.ndarray, Tensor]:
        """Words (T, B), lengths (B,) and features (B, F) of these training pictures, each with one of its sentences."""
        captions = [self.captions["train"][i] for i in rows]
        words, lengths = padded([of[k] for of, k in zip(captions, self.drawn(captions))], self.ids)
        return words, lengths, Tensor(self.features["train"][rows])

    def drawn(self, captions: Sequence[Sequence]) -> np.ndarray:
        """(B,) which of its sentences is read of each picture."""
        return stream("which caption").generator.integers(0, len(captions[0]), len(captions))

    def model(self, norm: str) -> OrderEmbedding:
        return OrderEmbedding(len(self.ids) + 2, self.features["train"].shape[1], norm="layer" if norm == "layer" else "none",
                              score="cosine" if norm == "cosine" else "order")

    def loss(self, model: OrderEmbedding, batch: tuple[Tensor, np.ndarray, Tensor]) -> Tensor:
        return model.loss(*batch)

    def scores(self, model: OrderEmbedding, part: str, rows: range,
               which: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """Scores (N, M) of sentences and pictures, and for each sentence the column (N,) of its picture.

        Args:
            model: in evaluation.
            part: "validation" or "test".
            rows: the M pictures.
            which: for each of them the numbers of its sentences that are scored.
        """
        said = [self.captions[part][row][k] for row, of in zip(rows, which) for k in of]
        own = np.repeat(np.arange(len(rows)), [len(of) for of in which])
        im = model.encode_pictures(Tensor(self.features[part][rows.start:rows.stop]))          # (M, D)
        chunks = [model.scores(model.encode_sentences(*padded(said[i:i + CHUNK], self.ids)), im).detach().numpy()
                  for i in range(0, len(said), CHUNK)]
        return np.concatenate(chunks), own

    def retrieval(self, model: OrderEmbedding, part: str) -> dict[str, dict[str, float]]:
        """R@1, R@5, R@10 and the median rank, both ways: of validation with one sentence a picture; of the test with all five,
        the mean of ``folds`` folds."""
        counts = [len(of) for of in self.captions[part]]
        n, folds = len(counts), 1 if part == "validation" else self.folds
        which = [[i % count] if part == "validation" else [*range(count)] for i, count in enumerate(counts)]
        found = []
        for fold in range(folds):
            rows = range(fold * n // folds, (fold + 1) * n // folds)
            scores, own = self.scores(model, part, rows, which[rows.start:rows.stop])
            found.append(retrieval_scores(scores, own[:, None] == np.arange(len(rows)), ways=WAYS))
        return mean_of_folds(found)

    def measured(self, model: OrderEmbedding, part: str) -> dict[str, float]:
        """``R@K`` and "median rank" of pictures for a sentence; of sentences for a picture with ", captions"."""
        was = model.training
        found = self.retrieval(model.eval(), part)
        model.train(was)
        return {**found[WAYS[0]], **{f"{name}, captions": value for name, value in found[WAYS[1]].items()}}
