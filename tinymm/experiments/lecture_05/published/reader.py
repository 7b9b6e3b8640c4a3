"""Task (b) on questions about the news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from .... import nn
from ....autograd import Tensor
from ....backend.random import Stream, stream
from ....data import Dataset, read_cnn
from ....data.readers.cnn_dailymail import PLACEHOLDER, NewsQuestion, entities_of
from ....data.worlds.cloze import FIRST, orders, renamed
from ....models.attentive_reader import AttentiveReader
from ....text import Vocabulary
from ....text.vocabulary import SPECIALS
from .. import reader
from .parts import PARTS, some

MOST = {"lecture": dict(train=20_000, validation=500, test=500), "smoke": dict(train=500, validation=50, test=50)}
WORDS = 20_000       # the most frequent ones of the training part; the others are <unk>
AT_ONCE = 25         # stories that are measured together: they may have 2,000 words


class NewsStories(Dataset):
    """Questions as ids; people and places have their numbers in the story for names, drawn anew for each training batch.

    Args:
        part: "train", "validation" or "test".
        questions: as they were read.
        vocabulary: begins with the names.
        entities: names there are.
        seed: of the names in the parts that are not trained on.
    """

    def __init__(self, part: str, questions: Sequence[NewsQuestion], vocabulary: Vocabulary, entities: int, seed: int):
        self.entities, self.vocabulary, self.frequent = entities, vocabulary, 0.0
        self._stories, self._queries, answers = [], [], []
        for question in questions:
            number = {name: i for i, name in enumerate(entities_of([*question.story, *question.query]))}
            ids = lambda words, number=number: [FIRST + number[w] if w in number else vocabulary[w] for w in words]
            self._stories.append(ids(question.story))
            self._queries.append(ids(question.query))
            answers.append(number[question.answer])
            counts = Counter(word for word in question.story if word in number)
            best = [word for word, n in counts.items() if n == max(counts.values())]
            self.frequent += (question.answer in best) / len(best) / len(questions)
        self._answer = np.array(answers)                                                     # (N,)
        self.names = None if part == "train" else orders(Stream(f"entities {part}", seed), len(questions), entities)

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Several stories at once, as ``ClozeStories`` gives them."""
        rows = np.asarray(indices, dtype=np.int64)
        names = orders(stream(None, "entities"), len(rows), self.entities) if self.names is None else self.names[rows]
        story, story_length = self.vocabulary.batch([self._stories[i] for i in rows])        # (B, T), (B,)
        query, query_length = self.vocabulary.batch([self._queries[i] for i in rows])        # (B, Q), (B,)
        return {"story": Tensor(renamed(story, names)), "story_length": Tensor(story_length),
                "query": Tensor(renamed(query, names)), "query_length": Tensor(query_length),
                "answer": Tensor(np.take_along_axis(names, self._answer[rows, None], 1)[:, 0])}

    def __getitem__(self, index: int) -> dict:
        return {key: value.numpy()[0] for key, value in self.batch([index]).items()}

    def __len__(self) -> int:
        return len(self._stories)


class News(reader.Reader):
    """Accuracy on articles with a question; there are as many names as the article with most entities has."""

    threshold = float("nan")

    def __init__(self, scale: str, seed: int, data: str, root: str):
        sizes = reader.SIZES[scale]
        self.steps, self.every, self.probe, self.batch = sizes["steps"], sizes["every"], sizes["probe"], 64
        questions = {}
        for part in PARTS:
            files = read_cnn(root, part)
            questions[part] = [files[i] for i in some(data, part, len(files), MOST[scale][part], seed)]
        self.entities = max(len(entities_of([*q.story, *q.query])) for of in questions.values() for q in of)
        counts = Counter(word for q in questions["train"] for word in (*q.story, *q.query))
        for word in (*SPECIALS, PLACEHOLDER, *entities_of(list(counts))):
            counts.pop(word, None)
        names = [f"@entity{n}" for n in range(self.entities)]
        self.vocabulary = Vocabulary([*names, PLACEHOLDER, *(word for word, _ in counts.most_common(WORDS))])
        parts = {part: NewsStories(part, of, self.vocabulary, self.entities, seed) for part, of in questions.items()}
        self.train, self.held = parts["train"], parts

    def model(self, norm: str) -> AttentiveReader:
        return AttentiveReader(len(self.vocabulary), self.entities, norm=norm)

    def measured(self, model: nn.Module, part: str) -> dict[str, float]:
        return reader.measure(model, self.held[part], AT_ONCE)

    def finished(self, models: Mapping[str, nn.Module]) -> dict:
        """What can be said without reading: the entity that the story names most often."""
        return {"baselines": {"most frequent": self.held["test"].frequent}, "entities": self.entities,
                "words": len(self.vocabulary)}

    def figures(self, models: Mapping[str, nn.Module], result: dict) -> dict:
        return {}
