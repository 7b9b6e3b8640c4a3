"""Task (b), question answering: the attentive reader on stories with a gap (Ba, Kiros and Hinton 2016, section 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ... import functional as F
from ... import nn, plot
from ...autograd import Tensor, no_grad
from ...data.worlds.cloze import ENTITIES, NAMES, VOCABULARY, ClozeStories, baselines
from ...models.attentive_reader import AttentiveReader, Reading
from .comparison import Task
from .figures import NAMES as SYSTEMS

# so many stories that none is read more than four times: with 6,000 a system can learn them by heart before it reads well
# the rate is chosen where the plain system has learned to look: after 250 steps 8e-3 leads, which ends lower than 4e-3
SIZES = {"lecture": dict(train=18000, validation=500, test=1000, steps=1000, every=25, probe=500),
         "smoke": dict(train=320, validation=50, test=50, steps=10, every=5, probe=2)}
SHOWN = 2   # stories in the figure


class Reader(Task):
    """Two LSTMs read a question and a story; with norm "layer" both are layer-normalised."""

    name = "reader"
    title = "question answering (attentive reader)"
    rates = (2e-3, 4e-3, 8e-3)
    measure, higher, threshold = "accuracy", True, 0.80
    max_norm = 10.0
    held: dict[str, Any]   # ClozeStories, or what gives batches like theirs

    def __init__(self, scale: str, seed: int):
        sizes = SIZES[scale]
        self.steps, self.every, self.probe, self.batch = sizes["steps"], sizes["every"], sizes["probe"], 64
        self.train = ClozeStories("train", sizes["train"], seed)
        self.held = {part: ClozeStories(part, sizes[part], seed) for part in ("validation", "test")}
        self.renamed = ClozeStories("test", sizes["test"], seed)   # the test stories again, under other names
        assert self.renamed.names is not None   # only training stories get theirs when they are read
        self.renamed.names = (self.renamed.names + 1) % ENTITIES

    def model(self, norm: str) -> AttentiveReader:
        """New weights."""
        return AttentiveReader(len(VOCABULARY), ENTITIES, norm=norm)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """-log p of the answers, the mean of a batch."""
        return F.cross_entropy(read(model, batch).logits, batch["answer"])

    def measured(self, model: nn.Module, part: str) -> dict[str, float]:
        """The share of right answers in a part, and nats an answer."""
        return measure(model, self.held[part])

    def finished(self, models: Mapping[str, nn.Module]) -> dict:
        """What can be said without reading; for each system its accuracy under other names, and where it looks."""
        test = self.held["test"]
        chance = baselines(test)
        return {"baselines": chance,
                "renamed": {norm: measure(model, self.renamed)["accuracy"] for norm, model in models.items()},
                "attention on the sentence asked about": {norm: on_the_sentence(model, test) for norm, model in models.items()}}

    def figures(self, models: Mapping[str, nn.Module], result: dict) -> dict[str, Figure]:
        """The attention over a few test stories, system below system."""
        test = self.held["test"]
        batch = test.batch(range(SHOWN))
        words = {key: batch[key].numpy() for key in ("story", "story_length", "query", "answer")}
        texts = {}
        for i in range(SHOWN):
            story, length = VOCABULARY.decode(words["story"][i]), words["story_length"][i]
            asked = " ".join(VOCABULARY.decode(words["query"][i]))
            for norm, model in models.items():
                logits, s = look(model, batch)
                heading = f"{asked} (answer {NAMES[words['answer'][i]]}): {SYSTEMS[norm]} says {NAMES[logits[i].argmax()]}"
                texts[heading] = story, s[i, :length]
        return {"attention over stories": plot.attended_text(texts, title="Where the reader looks for the answer")}


def read(model: nn.Module, batch: dict[str, Tensor]) -> Reading:
    """What the model makes of a batch of ``ClozeStories``."""
    return model(batch["story"].T, batch["query"].T, batch["story_length"], batch["query_length"])


def look(model: nn.Module, batch: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Logits (B, entities) and attention (B, T) in evaluation mode, as arrays."""
    training = model.training
    model.eval()
    with no_grad():
        found = read(model, batch)
    model.train(training)
    return found.logits.numpy(), found.s.numpy()


def measure(model: nn.Module, stories: Any, at_once: int = 1000) -> dict[str, float]:
    """The share of right answers, and nats an answer; ``at_once`` stories are read together."""
    found, answers = [], []
    for start in range(0, len(stories), at_once):
        batch = stories.batch(range(start, min(start + at_once, len(stories))))
        found.append(look(model, batch)[0])
        answers.append(batch["answer"].numpy())
    logits, answer = np.concatenate(found), np.concatenate(answers)
    return {"accuracy": float((logits.argmax(1) == answer).mean()), "nats": float(F.cross_entropy(Tensor(logits), Tensor(answer)))}


def on_the_sentence(model: nn.Module, stories: ClozeStories) -> float:
    """The mean weight of the attention on the sentence that the question is about."""
    _, s = look(model, stories.batch(range(len(stories))))
    total = 0.0
    for row, story in zip(s, stories.stories):
        ends = np.cumsum([0, *(len(sentence) for sentence in story.sentences)])
        total += float(row[ends[story.asked]:ends[story.asked + 1]].sum())
    return total / len(stories)
